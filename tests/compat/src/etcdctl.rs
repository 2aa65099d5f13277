//! etcd's own command line: the same commands against both, and what it prints.

use std::env;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::etcd::program;

/// Numbers that differ between any two clusters and have a name in front.
const NAMED_NUMBERS: [&str; 10] = [
    "\"cluster_id\":",
    "\"member_id\":",
    "\"raft_term\":",
    "\"ClusterID\" : ",
    "\"MemberID\" : ",
    "\"RaftTerm\" : ",
    "\"ID\" : ",
    "\"ID\":",
    "\"id\":",
    "took = ",
];

/// Where the `etcdctl` of a distribution is looked for.
const SYSTEM_PATH: &str = "/usr/bin/etcdctl";

/// Every `etcdctl` to try: the one beside etcd, and the one that Debian's `etcd-client` installs.
pub fn all() -> [PathBuf; 2] {
    let system = env::var_os("ETCDCTL").map_or_else(|| SYSTEM_PATH.into(), PathBuf::from);
    assert!(system.exists(), "{} is missing: apt-get install -y etcd-client", system.display());
    [program("etcdctl"), system]
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// The exit code.
    pub code: Option<i32>,
    /// What it printed, without what differs between any two clusters.
    pub stdout: String,
    /// The last line of what it complained of.
    pub complaint: String,
}

/// Runs `etcdctl` against the member at `port`, with `input` for it to read.
pub fn run(etcdctl: &PathBuf, port: u16, words: &[&str], input: &str) -> Ran {
    let mut command = Command::new(etcdctl);
    command.arg(format!("--endpoints=127.0.0.1:{port}")).args(words);
    for (variable, _) in env::vars_os() {
        if variable.to_string_lossy().starts_with("ETCD") {
            command.env_remove(variable);
        }
    }
    command.env("ETCDCTL_API", "3");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| masked(&String::from_utf8_lossy(bytes), port);
    let complaint = text(&output.stderr);
    let complaint = complaint.lines().rfind(|line| !line.starts_with('{'));
    Ran {
        code: output.status.code(),
        stdout: text(&output.stdout),
        complaint: complaint.unwrap_or_default().to_owned(),
    }
}

/// Takes out ids of clusters, members and leases, ports and times.
fn masked(text: &str, port: u16) -> String {
    let text = text.replace(&port.to_string(), "PORT");
    let mut masked = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        masked.push_str(&masked_line(line));
    }
    masked
}

fn masked_line(line: &str) -> String {
    let mut line = line.to_owned();
    for name in NAMED_NUMBERS {
        let mut from = 0;
        while let Some(found) = line[from..].find(name) {
            let start = from + found + name.len();
            let end =
                line[start..].find([',', '}', '\n', ' ']).map_or(line.len(), |end| start + end);
            line.replace_range(start..end, "N");
            from = start + 1;
        }
    }
    line.split_inclusive(|c: char| !c.is_ascii_hexdigit()).map(masked_word).collect()
}

/// A hexadecimal number of about 64 bits is an id.
fn masked_word(word: &str) -> String {
    let digits = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
    match digits.len() {
        13..=16 => word.replace(digits, "ID"),
        _ => word.to_owned(),
    }
}
