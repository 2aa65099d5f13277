//! Three real members, as a user would start them: child processes of the release binary, on ports
//! that the system chose, with their data in a temporary directory.
//!
//! Members are ended by their process ids, also when a run fails. The directory goes when the run
//! was good; after a failure it stays, with each member's log, and its path is printed.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::client::Client;
use crate::failure::{Doing, Failure, Result};

/// How many members a cluster has.
const MEMBERS: usize = 3;

/// How long a cluster may take to have a leader that all members name.
const SETTLE_MAX: Duration = Duration::from_secs(30);

/// How long between two looks at a cluster that has not settled.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long one look may take.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// What befalls a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blow {
    /// SIGKILL: the process dies at once; its peers' streams are closed by the system.
    Kill,
    /// SIGTERM: it leaves in good order.
    Term,
    /// SIGSTOP: it falls silent; its connections stay open.
    Stop,
}

struct Member {
    name: String,
    port: u16,
    process: Option<Child>,
}

/// A running cluster.
pub(super) struct Cluster {
    binary: PathBuf,
    directory: PathBuf,
    members: Vec<Member>,
}

impl Cluster {
    /// Starts a fresh cluster and waits until it has settled.
    pub(super) fn start(binary: PathBuf) -> Result<Cluster> {
        let directory = std::env::temp_dir().join(format!("raftkv-bench-{}", process::id()));
        fs::create_dir_all(&directory).doing(format!("create {}", directory.display()))?;
        let ports = free_ports()?;
        let named = ports.into_iter().zip(1..);
        let members = named
            .map(|(port, n)| Member { name: format!("node-{n}"), port, process: None })
            .collect();
        let mut cluster = Cluster { binary, directory, members };
        for member in 0..MEMBERS {
            cluster.launch(member)?;
        }
        cluster.settled()?;
        Ok(cluster)
    }

    /// The port of a member.
    pub(super) fn port(&self, member: usize) -> u16 {
        self.members[member].port
    }

    /// The members but one.
    pub(super) fn others(&self, but: usize) -> impl Iterator<Item = usize> {
        (0..self.members.len()).filter(move |member| *member != but)
    }

    /// A directory for scripts and the like, gone with the cluster.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The process of a member that runs.
    pub(super) fn pid(&self, member: usize) -> Pid {
        let process = self.members[member].process.as_ref();
        let process = process.expect("a member is struck only while it runs");
        Pid::from_child(process)
    }

    /// Waits until every member is healthy and all name the same leader; answers which it is.
    pub(super) fn settled(&mut self) -> Result<usize> {
        let deadline = Instant::now() + SETTLE_MAX;
        loop {
            if let Some(leader) = self.agreed_leader() {
                return Ok(leader);
            }
            self.none_died()?;
            if Instant::now() > deadline {
                let limit = SETTLE_MAX.as_secs();
                return Err(self.unexpected(&format!("no leader that all name in {limit} s")));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Undoes a blow: continues a stopped member, starts a dead one again on its old data.
    pub(super) fn revive(&mut self, member: usize, after: Blow) -> Result<()> {
        if after == Blow::Stop {
            return signal(self.pid(member), Signal::CONT);
        }
        if let Some(mut process) = self.members[member].process.take() {
            process.wait().doing("reap a member")?;
        }
        self.launch(member)
    }

    /// Ends the cluster after a good run.
    pub(super) fn finish(mut self) -> Result<()> {
        self.end_all();
        let doing = format!("remove {}", self.directory.display());
        fs::remove_dir_all(&self.directory).doing(doing)
    }

    fn launch(&mut self, member: usize) -> Result<()> {
        let Member { name, port, .. } = &self.members[member];
        let peers: Vec<String> =
            self.others(member).map(|peer| format!("localhost:{}", self.port(peer))).collect();
        let log_path = self.directory.join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(&log_path);
        let log = log.doing(format!("open {}", log_path.display()))?;
        let mut command = Command::new(&self.binary);
        command.args(["start", "--node-id", name, "--port", &port.to_string()]);
        command.args(["--peers", &peers.join(",")]);
        command.arg("--data-dir").arg(self.directory.join(name));
        command.stdout(log.try_clone().doing("share a log")?).stderr(log);
        let process = command.spawn().doing(format!("start {}", self.binary.display()))?;
        self.members[member].process = Some(process);
        Ok(())
    }

    fn agreed_leader(&self) -> Option<usize> {
        let mut leaders = self.members.iter().map(|member| self.leader_by(member.port));
        let first = leaders.next()??;
        leaders.all(|leader| leader == Some(first)).then_some(first)
    }

    /// Whom a healthy member takes for the leader.
    fn leader_by(&self, port: u16) -> Option<usize> {
        let mut client = Client::new(port, LOOK_MAX);
        let healthy = client.get("/health").ok()?.status == 200;
        let answer = client.get("/cluster/leader").ok().filter(|_| healthy)?;
        let name = leader_name(&answer.body)?;
        self.members.iter().position(|member| member.name == name)
    }

    fn none_died(&mut self) -> Result<()> {
        for member in 0..self.members.len() {
            let Some(process) = &mut self.members[member].process else { continue };
            if let Some(status) = process.try_wait().doing("look at a member")? {
                let name = &self.members[member].name;
                return Err(self.unexpected(&format!("{name} ended: {status}")));
            }
        }
        Ok(())
    }

    fn unexpected(&self, what: &str) -> Failure {
        Failure::Unexpected(format!(
            "{what}; the members' logs are in {}",
            self.directory.display()
        ))
    }

    fn end_all(&mut self) {
        for member in &mut self.members {
            if let Some(mut process) = member.process.take() {
                // An error means that it is gone already, which is what we want.
                let _ = process.kill();
                let _ = process.wait();
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end_all();
    }
}

/// Strikes a process and waits until the blow has landed: until a dead one is dead and a silent one
/// silent. A dead one is left for its owner to reap.
pub(super) fn strike(process: Pid, blow: Blow) -> Result<()> {
    let (sent, landed) = match blow {
        Blow::Kill => (Signal::KILL, WaitIdOptions::EXITED),
        Blow::Term => (Signal::TERM, WaitIdOptions::EXITED),
        Blow::Stop => (Signal::STOP, WaitIdOptions::STOPPED),
    };
    signal(process, sent)?;
    let waited = waitid(WaitId::Pid(process), landed | WaitIdOptions::NOWAIT);
    waited.map_err(io::Error::from).doing(format!("wait for {process:?}"))?;
    Ok(())
}

fn signal(process: Pid, signal: Signal) -> Result<()> {
    let sent = kill_process(process, signal).map_err(io::Error::from);
    sent.doing(format!("send {signal:?} to {process:?}"))
}

/// Ports that were free a moment ago, all different because all are held until all are known.
fn free_ports() -> Result<Vec<u16>> {
    let listeners: io::Result<Vec<TcpListener>> =
        (0..MEMBERS).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    let listeners = listeners.doing("find free ports")?;
    let ports: io::Result<Vec<u16>> =
        listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect();
    ports.doing("find free ports")
}

/// The name in `{"leader":{…,"name":"node-1",…}}`; nothing while there is no leader.
fn leader_name(json: &str) -> Option<&str> {
    let leader = value_of(json, "\"leader\"")?.strip_prefix('{')?;
    let leader = &leader[..leader.find('}')?];
    value_of(leader, "\"name\"")?.strip_prefix('"')?.split('"').next()
}

/// What follows a key and its colon.
fn value_of<'a>(json: &'a str, key: &str) -> Option<&'a str> {
    let (_, after) = json.split_once(key)?;
    Some(after.trim_start().strip_prefix(':')?.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leader_is_read_by_name() {
        let json = r#"{"term": 3, "leader": {"id": "9f", "name" : "node-2", "address": "x:1"}}"#;
        assert_eq!(leader_name(json), Some("node-2"));
    }

    #[test]
    fn no_leader_is_no_name() {
        assert_eq!(leader_name(r#"{"leader":null,"members":[{"name":"node-1"}]}"#), None);
        assert_eq!(leader_name(r#"{"error":"no_leader"}"#), None);
    }

    #[test]
    fn ports_are_different() {
        let mut ports = free_ports().unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), MEMBERS);
    }
}
