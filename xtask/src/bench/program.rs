//! A program of which members are: ours, or a real etcd. Both are started as their users would,
//! with their own defaults, so both flush each write before they acknowledge it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::client::Client;
use super::json::digits;
use crate::failure::{Doing, Failure, Result};

/// etcd refuses writes past this many bytes; no run of ours comes near.
const ETCD_QUOTA_BYTES: &str = "8589934592";

/// Where a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: String,
    /// Of clients; of ours, of peers too.
    pub(super) port: u16,
    /// Of peers, of an etcd.
    pub(super) peer_port: u16,
}

/// What members say of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// Who they are, as the cluster numbers them.
    pub(super) id: String,
    /// Whom they take for the leader.
    pub(super) leader: String,
    pub(super) term: u64,
}

/// The program.
#[derive(Debug, Clone)]
pub(super) enum Program {
    Raftkv(PathBuf),
    Etcd(PathBuf),
}

impl Program {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Program::Raftkv(_) => "raftkv",
            Program::Etcd(_) => "etcd",
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Program::Raftkv(path) | Program::Etcd(path) => path,
        }
    }

    /// What it says its version is.
    pub(super) fn version(&self) -> Result<String> {
        let doing = format!("start {}", self.path().display());
        let output = Command::new(self.path()).arg("--version").output().doing(doing)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let word = text.lines().next().and_then(|line| line.split_whitespace().last());
        let odd = || Failure::Unexpected(format!("{} has no version", self.path().display()));
        word.map(str::to_owned).ok_or_else(odd)
    }

    /// The command that runs one member, with its data under `directory`.
    pub(super) fn command(&self, member: usize, places: &[Place], directory: &Path) -> Command {
        let mut command = Command::new(self.path());
        let data = directory.join(&places[member].name);
        match self {
            Program::Raftkv(_) => raftkv(&mut command, member, places),
            Program::Etcd(_) => etcd(&mut command, member, places),
        }
        command.arg("--data-dir").arg(data);
        command
    }
}

fn raftkv(command: &mut Command, member: usize, places: &[Place]) {
    let place = &places[member];
    let others = places.iter().filter(|other| *other != place);
    let peers: Vec<String> = others.map(|other| format!("localhost:{}", other.port)).collect();
    command.args(["start", "--node-id", &place.name, "--port", &place.port.to_string()]);
    if !peers.is_empty() {
        command.args(["--peers", &peers.join(",")]);
    }
}

fn etcd(command: &mut Command, member: usize, places: &[Place]) {
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let place = &places[member];
    let (client, peer) = (url(place.port), url(place.peer_port));
    let all = places.iter().map(|place| format!("{}={}", place.name, url(place.peer_port)));
    let all: Vec<String> = all.collect();
    command.args(["--name", &place.name, "--log-level", "error"]);
    command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
    command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
    command.args(["--initial-cluster", &all.join(","), "--initial-cluster-state", "new"]);
    command.args(["--quota-backend-bytes", ETCD_QUOTA_BYTES]);
    // It names each variable that it does not know.
    command.env_remove("ETCD_BIN_DIR");
}

/// What a healthy member says, by the call that both programs have; nothing without a leader.
pub(super) fn view(client: &mut Client) -> Option<View> {
    let healthy = client.get("/health").ok()?.status == 200;
    let status = client.post("/v3/maintenance/status", "{}").ok();
    let status = status.filter(|answer| healthy && answer.status == 200)?;
    read_view(&status.body)
}

fn read_view(json: &str) -> Option<View> {
    let leader = digits(json, "leader").filter(|leader| *leader != "0")?;
    Some(View {
        id: digits(json, "member_id")?.to_owned(),
        leader: leader.to_owned(),
        term: digits(json, "raft_term")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Vec<Place> {
        let place = |n: u16| Place { name: format!("node-{n}"), port: n, peer_port: n + 10 };
        (1..=3).map(place).collect()
    }

    fn spelled(program: &Program) -> String {
        let command = program.command(1, &places(), Path::new("d"));
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn ours_is_started_as_in_the_readme() {
        assert_eq!(
            spelled(&Program::Raftkv("raftkv".into())),
            "start --node-id node-2 --port 2 --peers localhost:1,localhost:3 --data-dir d/node-2"
        );
    }

    #[test]
    fn an_etcd_is_told_of_all_members() {
        let words = spelled(&Program::Etcd("etcd".into()));
        let all =
            "node-1=http://127.0.0.1:11,node-2=http://127.0.0.1:12,node-3=http://127.0.0.1:13";
        assert!(words.contains(&format!("--initial-cluster {all}")), "{words}");
        assert!(words.contains("--listen-client-urls http://127.0.0.1:2 "), "{words}");
        assert!(words.ends_with("--data-dir d/node-2") && !words.contains("fsync"), "{words}");
    }

    #[test]
    fn a_member_says_who_it_is_and_who_leads() {
        let json = r#"{"header":{"cluster_id":"1","member_id":"12","revision":"5","raft_term":"3"},
            "version":"3.5.1","leader":"13"}"#;
        let view = read_view(json).unwrap();
        assert_eq!((view.id.as_str(), view.leader.as_str(), view.term), ("12", "13", 3));
        assert_eq!(read_view(&json.replace("\"13\"", "\"0\"")), None);
        assert_eq!(read_view(&json.replace(",\"leader\":\"13\"", "")), None);
    }
}
