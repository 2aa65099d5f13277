//! What a run of `raftkv dev` consists of, and whether it can go on from an earlier one.
//!
//! A member's address is part of its identity, and the members were written down when the cluster
//! was founded. So another number of members or another port needs `--fresh`. Members that are
//! added and removed by hand change what is written down.

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::path::PathBuf;

use client::Endpoint;
use server::config::{ELECTION_TIMEOUT_MS_DEFAULT, HEARTBEAT_MS_DEFAULT, MEMBERS_MAX};

use super::directory::settings_file;
use super::ports;
use super::saved::{Saved, SavedMember};
use crate::args::DevArgs;
use crate::failure::Failure;

const MEMBERS_DEFAULT: u16 = 3;
pub(super) const PORT_DEFAULT: u16 = 8001;
/// Small, because a trial cluster writes little.
const WAL_SEGMENT_BYTES: u64 = 4 << 20;

/// A run: which members, where, with which settings.
#[derive(Debug)]
pub(super) struct Plan {
    directory: PathBuf,
    members: Saved,
    slow: u32,
    history: History,
    /// Web origins whose pages may use the members.
    origins: Vec<String>,
}

/// How much of the past a new cluster is founded with, where that was said.
#[derive(Clone, Copy, Debug)]
struct History {
    age_ms: Option<u64>,
    bytes: Option<u64>,
}

/// A member of a run.
#[derive(Clone, Debug)]
pub(super) struct PlannedMember {
    pub(super) number: u16,
    pub(super) name: String,
    /// Its own.
    pub(super) port: u16,
    /// Where its peers reach it, if not there.
    pub(super) peer_port: Option<u16>,
    pub(super) log: PathBuf,
    data_dir: PathBuf,
    joined: bool,
}

/// No more members can be added.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoMore {
    /// A cluster has at most [`MEMBERS_MAX`].
    Members,
    /// No ports are free.
    Ports,
}

impl NoMore {
    pub(super) fn code(&self) -> &'static str {
        match self {
            NoMore::Members => "too_many_members",
            NoMore::Ports => "no_ports",
        }
    }
}

impl fmt::Display for NoMore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoMore::Members => write!(f, "a cluster has at most {MEMBERS_MAX} members: remove one"),
            NoMore::Ports => write!(f, "no port is free for one more member: remove one"),
        }
    }
}

impl Plan {
    /// What the flags ask for, going on from an earlier run if there was one. `is_free` says
    /// whether nobody listens at a port.
    pub(super) fn new(
        args: &DevArgs,
        earlier: Option<Saved>,
        is_free: impl Fn(u16) -> bool,
    ) -> Result<Plan, Failure> {
        let members = match earlier {
            Some(earlier) => go_on(args, earlier)?,
            None => begin(args, is_free)?,
        };
        let history = History { age_ms: args.history_age, bytes: args.history_bytes };
        let (directory, slow, origins) = (args.data_dir.clone(), args.slow, Vec::new());
        Ok(Plan { directory, members, slow, history, origins })
    }

    /// Pages of these web origins may use the members.
    pub(super) fn allow(&mut self, origins: Vec<String>) {
        self.origins = origins;
    }

    /// What the next run goes on from.
    pub(super) fn saved(&self) -> &Saved {
        &self.members
    }

    pub(super) fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    pub(super) fn first_port(&self) -> u16 {
        self.members.port
    }

    pub(super) fn member_count(&self) -> usize {
        self.members.members.len()
    }

    /// Every port that is some member's.
    pub(super) fn ports(&self) -> Vec<u16> {
        self.members.members.iter().flat_map(|it| [Some(it.port), it.peer_port]).flatten().collect()
    }

    pub(super) fn members(&self) -> impl Iterator<Item = PlannedMember> + '_ {
        self.members.members.iter().map(|member| self.planned(*member))
    }

    /// Another member, which is to join the others.
    pub(super) fn add(&mut self, is_free: impl Fn(u16) -> bool) -> Result<PlannedMember, NoMore> {
        if self.member_count() >= MEMBERS_MAX {
            return Err(NoMore::Members);
        }
        let (first, number, has_links) =
            (self.members.port, self.members.next, self.members.has_links());
        let mut taken = self.ports();
        let wanted = first.checked_add(number - 1).ok_or(NoMore::Ports)?;
        let mut row = wanted..first.saturating_add(ports::ROW);
        let own = row.find(|port| !taken.contains(port) && is_free(*port)).ok_or(NoMore::Ports)?;
        taken.push(own);
        let peer_port = match has_links {
            true => Some(ports::for_peers(first, own, &taken, is_free).ok_or(NoMore::Ports)?),
            false => None,
        };
        let member = SavedMember { number, port: own, peer_port, joined: true };
        self.members.members.push(member);
        self.members.next += 1;
        Ok(self.planned(member))
    }

    /// A member is none any more.
    pub(super) fn remove(&mut self, number: u16) {
        self.members.members.retain(|member| member.number != number);
    }

    /// How `member` is started by its parent.
    pub(super) fn arguments(&self, member: &PlannedMember) -> Vec<OsString> {
        let mut arguments = self.settings(member);
        arguments.push("--stop-with-stdin".into());
        arguments
    }

    /// How a user starts the member `name` by hand.
    pub(super) fn command_line(&self, name: &str) -> String {
        let mut line = program();
        let member = self.members().find(|member| member.name == name);
        for argument in member.iter().flat_map(|member| self.settings(member)) {
            write!(line, " {}", argument.display()).expect("writing to a string does not fail");
        }
        line
    }

    fn planned(&self, member: SavedMember) -> PlannedMember {
        let SavedMember { number, port, peer_port, joined } = member;
        let name = format!("node-{number}");
        let data_dir = self.directory.join(&name);
        let log = self.directory.join(format!("{name}.log"));
        PlannedMember { number, name, port, peer_port, log, data_dir, joined }
    }

    fn settings(&self, member: &PlannedMember) -> Vec<OsString> {
        let others = self.members().filter(|other| other.number != member.number);
        let others: Vec<String> =
            others.map(|other| format!("localhost:{}", other.port_for_peers())).collect();
        let mut arguments: Vec<OsString> = vec!["start".into()];
        let mut add = |flag: &str, value: OsString| arguments.extend([flag.into(), value]);
        add("--node-id", member.name.clone().into());
        add("--port", member.port.to_string().into());
        if let Some(port) = member.peer_port {
            add("--advertise", format!("localhost:{port}").into());
            add("--advertise-client", member.endpoint().to_string().into());
        }
        if !others.is_empty() {
            let flag = if member.joined { "--join" } else { "--peers" };
            add(flag, others.join(",").into());
        }
        add("--data-dir", member.data_dir.clone().into());
        add("--config", settings_file(&self.directory).into());
        add("--wal-segment-bytes", WAL_SEGMENT_BYTES.to_string().into());
        if !self.origins.is_empty() {
            add("--allow-origin", self.origins.join(",").into());
        }
        if let Some(ms) = self.history.age_ms {
            add("--history-age", format!("{ms}ms").into());
        }
        if let Some(bytes) = self.history.bytes {
            add("--history-bytes", bytes.to_string().into());
        }
        if self.slow > 1 {
            let slowed = |ms: u64| (ms * u64::from(self.slow)).to_string().into();
            add("--heartbeat-ms", slowed(HEARTBEAT_MS_DEFAULT));
            add("--election-timeout-ms", slowed(ELECTION_TIMEOUT_MS_DEFAULT));
        }
        arguments.push("--raft-http".into());
        arguments
    }
}

/// The members of an earlier run, if the flags do not ask for others.
fn go_on(args: &DevArgs, earlier: Saved) -> Result<Saved, Failure> {
    let (count, port) = (earlier.members.len(), earlier.port);
    let is_same = args.members.is_none_or(|asked| usize::from(asked) == count)
        && args.port.is_none_or(|asked| asked == port);
    match is_same {
        true => Ok(earlier),
        false => Err(Failure::Usage(format!(
            "{} holds a cluster of {count} from port {port}: leave --members and --port out to go \
             on with it, throw it away with --fresh, or use another --data-dir",
            args.data_dir.display()
        ))),
    }
}

/// The members of a new cluster.
fn begin(args: &DevArgs, is_free: impl Fn(u16) -> bool) -> Result<Saved, Failure> {
    let count = args.members.unwrap_or(MEMBERS_DEFAULT);
    let first = args.port.unwrap_or(PORT_DEFAULT);
    if first.checked_add(count - 1).is_none() {
        return Err(Failure::Usage(format!(
            "--port {first}: there are no {count} ports from there on"
        )));
    }
    let mut members = Saved::in_a_row(count, first);
    let mut taken: Vec<u16> = members.members.iter().map(|member| member.port).collect();
    for member in &mut members.members {
        let port = ports::for_peers(first, member.port, &taken, &is_free).ok_or_else(|| {
            Failure::Negative("no ports are free for the links between members".to_owned())
        })?;
        member.peer_port = Some(port);
        taken.push(port);
    }
    Ok(members)
}

impl PlannedMember {
    /// Where clients reach it.
    pub(super) fn endpoint(&self) -> Endpoint {
        let address = format!("localhost:{}", self.port);
        address.parse().expect("a host name and a port are an address")
    }

    fn port_for_peers(&self) -> u16 {
        self.peer_port.unwrap_or(self.port)
    }
}

/// This program, as the user called it.
pub(super) fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "raftkv".to_owned())
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
