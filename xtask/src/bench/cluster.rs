//! Real members, three unless another number is asked for, as a user would start them: child
//! processes of a program, on ports that the system chose, with their data in a temporary
//! directory.
//!
//! Members are ended by their process ids, also when a run fails. The directory goes when the run
//! was good; after a failure it stays, with each member's log, and its path is printed.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{self, Child};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::client::Client;
use super::program::{Place, Program, View, view};
use crate::failure::{Doing, Failure, Result};

/// How many members a cluster has, unless another number is asked for.
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

/// A running cluster.
pub(super) struct Cluster {
    program: Program,
    directory: PathBuf,
    places: Vec<Place>,
    processes: Vec<Option<Child>>,
}

impl Cluster {
    /// Starts a fresh cluster of three and waits until it has settled.
    pub(super) fn start(program: Program) -> Result<Cluster> {
        Cluster::of(program, MEMBERS)
    }

    /// Starts a fresh cluster of so many members.
    pub(super) fn of(program: Program, members: usize) -> Result<Cluster> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let directory = format!("raftkv-bench-{}-{number}-{}", process::id(), program.name());
        let directory = std::env::temp_dir().join(directory);
        fs::create_dir_all(&directory).doing(format!("create {}", directory.display()))?;
        let ports = free_ports(2 * members)?;
        let place = |(pair, n): (&[u16], usize)| Place {
            name: format!("node-{n}"),
            port: pair[0],
            peer_port: pair[1],
        };
        let places = ports.chunks(2).zip(1..).map(place).collect();
        let processes = (0..members).map(|_| None).collect();
        let mut cluster = Cluster { program, directory, places, processes };
        cluster.launch_all()?;
        cluster.settled()?;
        Ok(cluster)
    }

    /// Starts all members again, which were killed, on their old data.
    pub(super) fn launch_all(&mut self) -> Result<()> {
        self.members().try_for_each(|member| self.launch(member))
    }

    /// `kill -9` to all, and waits until they are gone.
    pub(super) fn kill_all(&mut self) {
        self.end_all();
    }

    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    /// All members.
    pub(super) fn members(&self) -> std::ops::Range<usize> {
        0..self.places.len()
    }

    /// The port of a member.
    pub(super) fn port(&self, member: usize) -> u16 {
        self.places[member].port
    }

    /// The members but one.
    pub(super) fn others(&self, but: usize) -> impl Iterator<Item = usize> {
        self.members().filter(move |member| *member != but)
    }

    /// A directory for scripts and the like, gone with the cluster.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The process of a member that runs.
    pub(super) fn pid(&self, member: usize) -> Pid {
        let process = self.processes[member].as_ref();
        let process = process.expect("a member is struck only while it runs");
        Pid::from_child(process)
    }

    /// Waits until every member is healthy and all name the same leader; answers which it is.
    pub(super) fn settled(&mut self) -> Result<usize> {
        let deadline = Instant::now() + SETTLE_MAX;
        loop {
            if let Some(leader) = self.agreed().map(|(leader, _)| leader) {
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
        if let Some(mut process) = self.processes[member].take() {
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

    /// Copies what the members have said to where it stays when they are gone; answers where.
    pub(super) fn keep_logs(&self) -> Result<PathBuf> {
        let kept = self.directory.with_extension("logs");
        fs::create_dir_all(&kept).doing(format!("create {}", kept.display()))?;
        for place in &self.places {
            let name = format!("{}.log", place.name);
            let doing = format!("copy {name} to {}", kept.display());
            fs::copy(self.directory.join(&name), kept.join(&name)).doing(doing)?;
        }
        Ok(kept)
    }

    /// The term that all members are in, once they have settled.
    pub(super) fn term(&mut self) -> Result<u64> {
        self.settled()?;
        let term = self.agreed().map(|(_, term)| term);
        term.ok_or_else(|| self.unexpected("the leader changed at once"))
    }

    fn launch(&mut self, member: usize) -> Result<()> {
        let log_path = self.directory.join(format!("{}.log", self.places[member].name));
        let log = File::options().create(true).append(true).open(&log_path);
        let log = log.doing(format!("open {}", log_path.display()))?;
        let mut command = self.program.command(member, &self.places, &self.directory);
        command.stdout(log.try_clone().doing("share a log")?).stderr(log);
        let doing = format!("start {}", self.program.path().display());
        self.processes[member] = Some(command.spawn().doing(doing)?);
        Ok(())
    }

    /// The leader whom all name, and their term.
    fn agreed(&self) -> Option<(usize, u64)> {
        let look = |place: &Place| view(&mut Client::new(place.port, LOOK_MAX));
        let views: Vec<View> = self.places.iter().map(look).collect::<Option<_>>()?;
        let first = views.first()?;
        let same = |view: &View| view.leader == first.leader && view.term == first.term;
        let leader = views.iter().position(|view| view.id == first.leader)?;
        views.iter().all(same).then_some((leader, first.term))
    }

    fn none_died(&mut self) -> Result<()> {
        for member in self.members() {
            let Some(process) = &mut self.processes[member] else { continue };
            if let Some(status) = process.try_wait().doing("look at a member")? {
                let name = &self.places[member].name;
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
        for process in &mut self.processes {
            if let Some(mut process) = process.take() {
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
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let listeners: io::Result<Vec<TcpListener>> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    let listeners = listeners.doing("find free ports")?;
    let ports: io::Result<Vec<u16>> =
        listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect();
    ports.doing("find free ports")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_different() {
        let mut ports = free_ports(MEMBERS).unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), MEMBERS);
    }
}
