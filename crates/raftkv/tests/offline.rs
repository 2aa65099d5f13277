//! `check`, `wal dump` and `recover` on the directories of real members.

#![allow(clippy::unwrap_used, reason = "test support: a failure here fails the test")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_raftkv");
/// Eleven of them fill several segments.
const VALUE_BYTES: usize = 900_000;

const PATIENCE: Duration = Duration::from_secs(20);

/// A member of a cluster of one, or one that joins it, and its directory.
struct Member {
    name: &'static str,
    directory: PathBuf,
    port: u16,
    /// What it is started with besides.
    arguments: Vec<String>,
    process: Option<Child>,
}

impl Member {
    fn start(test: &str) -> Member {
        Member::start_with(test, "alone", &[])
    }

    fn start_with(test: &str, name: &'static str, arguments: &[&str]) -> Member {
        let directory = format!("raftkv-offline-{test}-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        fs::remove_dir_all(&directory).ok();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut member = Member { name, directory, port, arguments, process: None };
        member.restart();
        member
    }

    fn restart(&mut self) {
        let started = Command::new(PROGRAM)
            .args(["start", "--node-id", self.name, "--port", &self.port.to_string()])
            .args(&self.arguments)
            .args(["--wal-segment-bytes", "4MiB", "--data-dir"])
            .arg(&self.directory)
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(started.unwrap());
        self.wait_for("put", &["ready", "yes"]);
    }

    fn client(&self, verb: &str, arguments: &[&str]) -> Output {
        let endpoint = format!("http://localhost:{}", self.port);
        run(&[&[verb], arguments, &["--endpoints", &endpoint]].concat())
    }

    fn wait_for(&self, verb: &str, arguments: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        while !self.client(verb, arguments).status.success() {
            assert!(Instant::now() < deadline, "{verb} does not work");
            thread::yield_now();
        }
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            kill_process(Pid::from_child(&process), Signal::TERM).unwrap();
            assert!(process.wait().unwrap().success());
        }
    }

    fn path(&self) -> &str {
        self.directory.to_str().unwrap()
    }

    /// A value that does not fit into an argument.
    fn put_large(&self, key: &str) {
        let endpoint = format!("http://localhost:{}", self.port);
        let mut put = Command::new(PROGRAM)
            .args(["put", key, "-", "--endpoints", &endpoint])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        put.stdin.take().unwrap().write_all(&vec![b'v'; VALUE_BYTES]).unwrap();
        assert!(put.wait().unwrap().success());
    }

    /// Those of the log, oldest first.
    fn segments(&self) -> Vec<PathBuf> {
        let names = fs::read_dir(self.directory.join("wal")).unwrap();
        let paths = names.map(|entry| entry.unwrap().path());
        let is_segment = |path: &PathBuf| path.extension().is_some_and(|end| end == "wal");
        let mut paths: Vec<PathBuf> = paths.filter(is_segment).collect();
        paths.sort();
        paths
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill().ok();
            process.wait().ok();
        }
        fs::remove_dir_all(&self.directory).ok();
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    let Output { stdout, stderr, .. } = output;
    format!("{}{}", String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr))
}

fn flip(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[offset] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// A stopped member with values that fill several segments.
fn stopped(test: &str) -> Member {
    stopped_with(test, &[])
}

fn stopped_with(test: &str, arguments: &[&str]) -> Member {
    let mut member = Member::start_with(test, "alone", arguments);
    for key in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"] {
        member.put_large(key);
    }
    member.stop();
    member
}

#[test]
fn a_sound_directory_is_said_to_be_sound_and_stays_as_it_is() {
    let member = stopped("sound");
    let before: Vec<Vec<u8>> = member.segments().iter().map(|p| fs::read(p).unwrap()).collect();
    let output = run(&["check", member.path()]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("member alone ("), "{}", said(&output));
    let after: Vec<Vec<u8>> = member.segments().iter().map(|p| fs::read(p).unwrap()).collect();
    assert!(before == after, "check changes nothing");
}

/// Rule 1.3: after it, damage to the last flush can not pass for a torn tail.
#[test]
fn an_orderly_stop_closes_the_log_behind_the_last_write() {
    let mut member = Member::start("closed");
    // Sooner after it than the log closes by itself when it is idle.
    member.put_large("last");
    member.stop();
    let output = run(&["check", member.path()]);
    assert!(said(&output).contains("it ends with a closing frame"), "{}", said(&output));
}

#[test]
fn damage_is_told_with_its_file_and_offset_and_fails() {
    let member = stopped("damage");
    let segments = member.segments();
    assert!(segments.len() > 2, "{segments:?}");
    flip(&segments[0], 4096 * 4);
    let output = run(&["check", member.path()]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let place = format!("DAMAGED: {} at byte ", segments[0].display());
    assert!(said(&output).contains(&place), "{}", said(&output));
    assert!(said(&output).contains("fetches what is lost"), "{}", said(&output));
}

#[test]
fn a_running_member_and_a_directory_of_nobody_are_refused() {
    let member = Member::start("running");
    let output = run(&["check", member.path()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("in use by another process"), "{}", said(&output));
    for path in ["/nowhere/at/all", "/tmp"] {
        let output = run(&["check", path]);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains("no member's data directory"), "{}", said(&output));
    }
}

#[test]
fn the_log_is_printed_one_line_an_entry() {
    let member = stopped("dump");
    let output = run(&["wal", "dump", member.path()]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let indexes: Vec<u64> = lines.iter().map(|line| line["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, (1..=indexes.len() as u64).collect::<Vec<u64>>());
    assert_eq!(lines[0]["kind"], "configuration");
    assert!(lines[0]["content"]["members"].as_str().unwrap().starts_with("alone "));
    let put = |line: &&serde_json::Value| line["content"]["key"] == "f";
    let put = lines.iter().find(put).expect("the last key is in the log");
    assert_eq!((&put["kind"], &put["content"]["do"]), (&"command".into(), &"put".into()));
    assert!(put["bytes"].as_u64().unwrap() > VALUE_BYTES as u64);

    let output = run(&["wal", "dump", member.path(), "--from", "2", "--to", "3"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
}

#[test]
fn a_member_goes_on_alone_in_a_cluster_of_its_own() {
    let mut member = stopped("recover");
    let identity = || fs::read_to_string(member.directory.join("IDENTITY")).unwrap();
    let before = identity();
    let output = run(&["recover", member.path(), "--as-single-voter"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("is LOST") && said(&output).contains("--yes"));
    assert_eq!(identity(), before, "nothing was changed");

    let output = run(&["recover", member.path(), "--as-single-voter", "--yes"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_ne!(identity(), before, "another cluster and another incarnation");
    member.restart();
    let output = member.client("get", &["f", "-o", "plain"]);
    assert_eq!(said(&output).trim().len(), VALUE_BYTES, "what was written is there");
    member.stop();
    let output = run(&["check", member.path()]);
    assert!(output.status.success(), "{}", said(&output));
}

/// Every file below a directory, with its bytes.
fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(contents(&path)),
            false => files.push((path.clone(), fs::read(&path).unwrap())),
        }
    }
    files.sort();
    files
}

#[test]
fn what_is_not_done_yet_changes_no_byte_of_a_damaged_directory() {
    let member = stopped("unconfirmed");
    let segments = member.segments();
    flip(&segments[segments.len() / 2], 4096 * 4);
    let before = contents(&member.directory);
    let output = run(&["recover", member.path(), "--as-single-voter"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("This log is damaged: entries up to "), "{}", said(&output));
    assert!(said(&output).contains("nothing was changed"), "{}", said(&output));
    assert!(before == contents(&member.directory), "nothing was changed");
}

#[test]
fn others_join_a_member_that_went_on_alone_after_its_log_was_cut() {
    let mut member = stopped_with("rejoin", &["--snapshot-bytes", "3MiB"]);
    let output = run(&["check", member.path()]);
    assert!(said(&output).contains("sound") && !said(&output).contains("starts after entry none"));
    let output = run(&["recover", member.path(), "--as-single-voter", "--yes"]);
    assert!(output.status.success(), "{}", said(&output));
    member.restart();
    let endpoint = format!("http://localhost:{}", member.port);
    let joined = Member::start_with("rejoin", "second", &["--join", &endpoint]);
    for key in ["a", "f", "k"] {
        let output = joined.client("get", &[key, "-o", "plain"]);
        assert_eq!(said(&output).trim().len(), VALUE_BYTES, "{key} came to the new member");
    }
}
