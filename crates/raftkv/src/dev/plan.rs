//! What a run of `raftkv dev` consists of, and whether it can go on from an earlier one.
//!
//! ```text
//! raftkv-dev/
//!   dev.json         how many members, from which port: what the next run goes on from
//!   dev.lock         held while a run lasts
//!   raftkv.toml      settings for every member, for the user to add
//!   node-1/          the data directory of a member
//!   node-1.log       what it printed
//! ```
//!
//! A member's address is part of its identity, and the members were written down when the cluster
//! was founded. So another number of members or another port needs `--fresh`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use client::Endpoint;
use serde::{Deserialize, Serialize};
use server::config::{ELECTION_TIMEOUT_MS_DEFAULT, HEARTBEAT_MS_DEFAULT};

use crate::args::DevArgs;
use crate::failure::Failure;

const MEMBERS_DEFAULT: u16 = 3;
const PORT_DEFAULT: u16 = 8001;
/// Small, because a trial cluster writes little.
const WAL_SEGMENT_BYTES: u64 = 4 << 20;

const SAVED_FILE: &str = "dev.json";
const LOCK_FILE: &str = "dev.lock";
const SETTINGS_FILE: &str = "raftkv.toml";
const SETTINGS_TEXT: &str = "# Settings for every member that `raftkv dev` starts here; \
     see docs/configuration.md.\n";

/// What a run leaves for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Saved {
    members: u16,
    port: u16,
}

/// The directory of all members, held by one run at a time.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Locked until it is closed.
    _lock: File,
}

/// A run: which members, where, with which settings.
#[derive(Debug)]
pub(super) struct Plan {
    directory: PathBuf,
    shape: Saved,
    slow: u32,
    history: History,
}

/// How much of the past a new cluster is founded with, where that was said.
#[derive(Clone, Copy, Debug)]
struct History {
    age_ms: Option<u64>,
    bytes: Option<u64>,
}

/// A member of a run.
#[derive(Debug)]
pub(super) struct PlannedMember {
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) log: PathBuf,
    data_dir: PathBuf,
}

impl Directory {
    /// Makes the directory if need be, and takes it for this run.
    pub(super) fn open(path: &Path) -> Result<Directory, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::Negative(format!("{}: {error}", path.display()))
        };
        fs::create_dir_all(path).map_err(|error| failed(&error))?;
        let lock = File::create(path.join(LOCK_FILE)).map_err(|error| failed(&error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Directory { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(failed(&"another `raftkv dev` runs here; stop it, or use another --data-dir"))
            }
            Err(TryLockError::Error(error)) => Err(failed(&error)),
        }
    }

    /// What the last run was, if there was one.
    pub(super) fn saved(&self) -> Result<Option<Saved>, Failure> {
        let path = self.path.join(SAVED_FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::Negative(format!("{}: {error}", path.display()))),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            let path = path.display();
            Failure::Negative(format!("{path}: {error}; start anew with --fresh"))
        })
    }

    /// Removes what earlier runs left, and nothing else: the path was given by hand.
    pub(super) fn clear(&self) -> Result<(), Failure> {
        self.try_clear()
            .map_err(|error| Failure::Negative(format!("{}: {error}", self.path.display())))
    }

    fn try_clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(member) = name.to_str().and_then(|name| name.strip_prefix("node-")) else {
                continue;
            };
            let is_number = |text: &str| text.parse::<u16>().is_ok();
            match member.strip_suffix(".log") {
                Some(number) if is_number(number) => fs::remove_file(entry.path())?,
                None if is_number(member) => fs::remove_dir_all(entry.path())?,
                _ => {}
            }
        }
        match fs::remove_file(self.path.join(SAVED_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Leaves `plan` for the next run.
    pub(super) fn save(&self, plan: &Plan) -> Result<(), Failure> {
        let save = || {
            let settings = self.path.join(SETTINGS_FILE);
            if !settings.exists() {
                fs::write(settings, SETTINGS_TEXT)?;
            }
            fs::write(self.path.join(SAVED_FILE), serde_json::to_vec(&plan.shape)?)
        };
        save().map_err(|error: io::Error| {
            Failure::Negative(format!("{}: {error}", self.path.display()))
        })
    }
}

impl Plan {
    /// What the flags ask for, going on from an earlier run if there was one.
    pub(super) fn new(args: &DevArgs, earlier: Option<Saved>) -> Result<Plan, Failure> {
        let asked = |flag: Option<u16>, earlier: Option<u16>, default: u16| {
            flag.or(earlier).unwrap_or(default)
        };
        let shape = Saved {
            members: asked(args.members, earlier.map(|saved| saved.members), MEMBERS_DEFAULT),
            port: asked(args.port, earlier.map(|saved| saved.port), PORT_DEFAULT),
        };
        if let Some(earlier) = earlier.filter(|earlier| *earlier != shape) {
            return Err(Failure::Usage(format!(
                "{} holds a cluster of {} from port {}: leave --members and --port out to go on \
                 with it, throw it away with --fresh, or use another --data-dir",
                args.data_dir.display(),
                earlier.members,
                earlier.port
            )));
        }
        if shape.port.checked_add(shape.members - 1).is_none() {
            return Err(Failure::Usage(format!(
                "--port {}: there are no {} ports from there on",
                shape.port, shape.members
            )));
        }
        let history = History { age_ms: args.history_age, bytes: args.history_bytes };
        Ok(Plan { directory: args.data_dir.clone(), shape, slow: args.slow, history })
    }

    pub(super) fn member_count(&self) -> u16 {
        self.shape.members
    }

    pub(super) fn members(&self) -> impl Iterator<Item = PlannedMember> + '_ {
        (0..self.shape.members).map(|position| {
            let name = format!("node-{}", position + 1);
            PlannedMember {
                port: self.shape.port + position,
                data_dir: self.directory.join(&name),
                log: self.directory.join(format!("{name}.log")),
                name,
            }
        })
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

    fn settings(&self, member: &PlannedMember) -> Vec<OsString> {
        let peers: Vec<String> = self
            .members()
            .filter(|other| other.port != member.port)
            .map(|other| format!("localhost:{}", other.port))
            .collect();
        let mut arguments: Vec<OsString> = vec!["start".into()];
        let mut add = |flag: &str, value: OsString| arguments.extend([flag.into(), value]);
        add("--node-id", member.name.clone().into());
        add("--port", member.port.to_string().into());
        if !peers.is_empty() {
            add("--peers", peers.join(",").into());
        }
        add("--data-dir", member.data_dir.clone().into());
        add("--config", self.directory.join(SETTINGS_FILE).into());
        add("--wal-segment-bytes", WAL_SEGMENT_BYTES.to_string().into());
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
        arguments
    }

    /// What a user wants to know when the cluster is up. `pids` are the members' processes, in
    /// order: whoever wants to see a failover kills one.
    pub(super) fn banner(&self, leader: Option<&str>, pids: &[Option<u32>]) -> String {
        let Saved { members, port } = self.shape;
        let word = if members == 1 { "member" } else { "members" };
        let directory = self.directory.display();
        let mut text = format!("raftkv dev: {members} {word}, data in {directory}\n\n");
        for (member, pid) in self.members().zip(pids) {
            let pid = pid.map_or_else(|| "ended".to_owned(), |pid| format!("pid {pid}"));
            let role = if leader == Some(member.name.as_str()) { "  leader" } else { "" };
            let line = format!("  {}  {}  {pid}{role}", member.name, member.endpoint());
            writeln!(text, "{line}").expect("writing to a string does not fail");
        }
        let program = program();
        let node = match port {
            PORT_DEFAULT => String::new(),
            _ => format!(" --node http://localhost:{port}"),
        };
        text + &format!(
            "\nTry, in another terminal:\n\
             \x20 {program} put db.host \"postgres.internal\"{node}\n\
             \x20 {program} get db.host{node}\n\
             \x20 curl http://localhost:{port}/cluster/status\n\n\
             What the members say is in {directory}/node-N.log. Ctrl-C stops them; the data stays.",
        )
    }
}

impl PlannedMember {
    pub(super) fn endpoint(&self) -> Endpoint {
        let address = format!("localhost:{}", self.port);
        address.parse().expect("a host name and a port are an address")
    }
}

/// This program, as the user called it.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "raftkv".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> DevArgs {
        let data_dir = PathBuf::from("raftkv-dev");
        let (history_age, history_bytes) = (None, None);
        let (members, port) = (None, None);
        DevArgs { fresh: false, members, port, history_age, history_bytes, slow: 1, data_dir }
    }

    fn words(arguments: &[OsString]) -> String {
        arguments.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn how_much_of_the_past_is_kept_is_handed_on() {
        let args = DevArgs { history_age: Some(90_000), history_bytes: Some(1 << 20), ..args() };
        let plan = Plan::new(&args, None).unwrap();
        let first = words(&plan.arguments(&plan.members().next().unwrap()));
        assert!(first.contains("--history-age 90000ms --history-bytes 1048576"), "{first}");
    }

    #[test]
    fn three_members_unless_told_otherwise() {
        let plan = Plan::new(&args(), None).unwrap();
        let second = plan.members().nth(1).unwrap();
        assert_eq!(
            words(&plan.arguments(&second)),
            "start --node-id node-2 --port 8002 --peers localhost:8001,localhost:8003 \
             --data-dir raftkv-dev/node-2 --config raftkv-dev/raftkv.toml \
             --wal-segment-bytes 4194304 --stop-with-stdin"
        );
        assert_eq!(plan.members().count(), 3);
    }

    #[test]
    fn a_cluster_of_one_has_no_peers_and_slow_stretches_all_timers() {
        let args = DevArgs { members: Some(1), slow: 10, ..args() };
        let plan = Plan::new(&args, None).unwrap();
        let line = words(&plan.arguments(&plan.members().next().unwrap()));
        assert!(!line.contains("--peers"), "{line}");
        assert!(line.contains("--heartbeat-ms 1000 --election-timeout-ms 10000"), "{line}");
    }

    #[test]
    fn a_run_goes_on_from_the_one_before() {
        let earlier = Saved { members: 5, port: 9001 };
        let plan = Plan::new(&args(), Some(earlier)).unwrap();
        assert_eq!(plan.shape, earlier);
        let same = DevArgs { members: Some(5), ..args() };
        assert_eq!(Plan::new(&same, Some(earlier)).unwrap().shape, earlier);
    }

    #[test]
    fn another_shape_needs_a_fresh_start() {
        let earlier = Saved { members: 3, port: 8001 };
        for args in [DevArgs { members: Some(5), ..args() }, DevArgs { port: Some(1), ..args() }] {
            let error = Plan::new(&args, Some(earlier)).unwrap_err().to_string();
            assert!(error.contains("holds a cluster of 3 from port 8001"), "{error}");
        }
    }

    #[test]
    fn ports_end_somewhere() {
        let args = DevArgs { port: Some(65_534), ..args() };
        assert!(Plan::new(&args, None).is_err());
        assert!(Plan::new(&DevArgs { members: Some(2), ..args }, None).is_ok());
    }

    #[test]
    fn the_banner_names_members_leader_and_what_to_try() {
        let pids = [Some(11), Some(12), None];
        let banner = Plan::new(&args(), None).unwrap().banner(Some("node-2"), &pids);
        assert!(banner.starts_with("raftkv dev: 3 members, data in raftkv-dev\n"), "{banner}");
        assert!(banner.contains("node-2  http://localhost:8002  pid 12  leader\n"), "{banner}");
        assert!(banner.contains("node-3  http://localhost:8003  ended\n"), "{banner}");
        assert!(banner.contains(" put db.host \"postgres.internal\"\n"), "{banner}");
        let elsewhere = DevArgs { port: Some(9001), members: Some(1), ..args() };
        let banner = Plan::new(&elsewhere, None).unwrap().banner(None, &[Some(11)]);
        assert!(banner.contains("get db.host --node http://localhost:9001\n"), "{banner}");
        assert!(!banner.contains("leader"), "{banner}");
    }

    #[test]
    fn a_directory_is_held_by_one_run_and_cleared_of_its_own_files_alone() {
        let root = std::env::temp_dir().join(format!("raftkv-plan-{}", std::process::id()));
        let directory = Directory::open(&root).unwrap();
        let second = Directory::open(&root).unwrap_err().to_string();
        assert!(second.contains("another `raftkv dev` runs here"), "{second}");

        let plan = Plan::new(&args(), None).unwrap();
        directory.save(&plan).unwrap();
        assert_eq!(directory.saved().unwrap(), Some(plan.shape));
        fs::create_dir(root.join("node-1")).unwrap();
        for file in ["node-1/data", "node-1.log", "node-notes.txt", "mine"] {
            fs::write(root.join(file), "").unwrap();
        }
        directory.clear().unwrap();
        let mut left: Vec<_> =
            fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["dev.lock", "mine", "node-notes.txt", "raftkv.toml"]);
        assert_eq!(directory.saved().unwrap(), None);
        fs::remove_dir_all(root).unwrap();
    }
}
