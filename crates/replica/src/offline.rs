//! What can be done with a member's data directory while no member runs in it: saying what its log
//! holds, and letting it go on alone.

use bytes::Bytes;
use disk::Disk;
use raft::{Entry, EntryKind, HardState, Index, LogId, MemberId, Persist, PersistNumber, Term};
use store::{Command, Condition, KeyRange, Origin};

use crate::configuration::{Configuration, Member, REMOVED_MAX, Standing};
use crate::entry;
use crate::log_worker::{LogReply, LogRequest, LogWorker, Purpose, Recovered};

/// Longest key or value that is shown whole, in bytes.
const SHOWN_BYTES_MAX: usize = 256;

/// An entry in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// `noop`, `command`, `configuration`, or `unknown`.
    pub kind: &'static str,
    /// What it says, field by field.
    pub fields: Vec<(&'static str, String)>,
}

/// Says what an entry of the log holds. What can not be understood is said to be so.
pub fn explain(entry: &wal::Entry) -> Explained {
    match entry::from_log(entry) {
        Err(unknown) => {
            Explained { kind: "unknown", fields: vec![("number", unknown.0.to_string())] }
        }
        Ok(Entry { kind: EntryKind::Noop, .. }) => Explained { kind: "noop", fields: Vec::new() },
        Ok(Entry { kind: EntryKind::Command, payload, .. }) => {
            let fields = match Command::decode(payload) {
                Ok(command) => command_fields(&command),
                Err(error) => vec![("unreadable", error.to_string())],
            };
            Explained { kind: "command", fields }
        }
        Ok(Entry { kind: EntryKind::Configuration, payload, .. }) => {
            let fields = match Configuration::decode(payload) {
                Ok(configuration) => configuration_fields(&configuration),
                Err(error) => vec![("unreadable", error.to_string())],
            };
            Explained { kind: "configuration", fields }
        }
    }
}

fn command_fields(command: &Command) -> Vec<(&'static str, String)> {
    match command {
        Command::Put { key, value, condition, .. } => {
            let mut fields = vec![("do", "put".to_owned()), ("key", shown(key))];
            fields.push(("value", shown(value)));
            fields.extend(condition.map(condition_field));
            fields
        }
        Command::Delete { range, condition, .. } => {
            let mut fields = vec![("do", "delete".to_owned())];
            fields.extend(range_fields(range));
            fields.extend(condition.map(condition_field));
            fields
        }
        Command::Txn(txn) => vec![
            ("do", "txn".to_owned()),
            ("compares", txn.compares.len().to_string()),
            ("success", txn.success.len().to_string()),
            ("failure", txn.failure.len().to_string()),
        ],
        Command::Compact { revision } => {
            vec![("do", "compact".to_owned()), ("revision", revision.0.to_string())]
        }
        Command::OpenSession => vec![("do", "open_session".to_owned())],
        Command::CloseSession { session } => {
            vec![("do", "close_session".to_owned()), ("session", session.0.to_string())]
        }
        Command::Once { origin, command } => {
            let mut fields = command_fields(command);
            match origin {
                Origin::Session { session, seq, .. } => {
                    fields.push(("session", session.0.to_string()));
                    fields.push(("seq", seq.to_string()));
                }
                Origin::Key(key) => fields.push(("idempotency_key", shown(key))),
            }
            fields
        }
        Command::Check => vec![("do", "check".to_owned())],
    }
}

fn condition_field(condition: Condition) -> (&'static str, String) {
    let text = match condition {
        Condition::ModRevision(revision) => format!("mod_revision = {}", revision.0),
        Condition::Exists => "exists".to_owned(),
    };
    ("if", text)
}

fn range_fields(range: &KeyRange) -> Vec<(&'static str, String)> {
    match range {
        KeyRange::Single(key) => vec![("key", shown(key))],
        KeyRange::Prefix(prefix) => vec![("prefix", shown(prefix))],
        KeyRange::From(from) => vec![("from", shown(from))],
        KeyRange::Between { start, end } => vec![("from", shown(start)), ("to", shown(end))],
    }
}

fn configuration_fields(configuration: &Configuration) -> Vec<(&'static str, String)> {
    let member = |(id, member): (&MemberId, &Member)| {
        let standing = match member.standing {
            Standing::Voter => "voter",
            Standing::Learner => "learner",
            Standing::Joining => "joining",
            Standing::Leaving => "leaving",
        };
        format!("{} {id} at {}, {standing}", member.name, member.address)
    };
    let members: Vec<String> = configuration.members.iter().map(member).collect();
    let cluster_id = format!("{:032x}", configuration.cluster_id);
    vec![("cluster_id", cluster_id), ("members", members.join("; "))]
}

fn shown(bytes: &Bytes) -> String {
    let (start, rest) = bytes.split_at(bytes.len().min(SHOWN_BYTES_MAX));
    let text = start.escape_ascii().to_string();
    if rest.is_empty() { text } else { format!("{text}… ({} bytes)", bytes.len()) }
}

/// Why a member can not go on alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AloneError {
    /// Neither its log nor a snapshot holds a configuration.
    NoConfiguration,
    /// The newest configuration that it knows does not list it.
    NotAMember,
    /// The log failed.
    Log(String),
}

impl std::fmt::Display for AloneError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AloneError::NoConfiguration => f.write_str(
                "this directory belongs to no cluster yet: there is nothing to recover in it",
            ),
            AloneError::NotAMember => f.write_str(
                "the newest configuration in this directory does not list this member: recover \
                 from another one",
            ),
            AloneError::Log(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for AloneError {}

/// The configuration in which `id` is the only member, of a cluster of its own.
pub fn configuration_alone(
    was: Option<&Configuration>,
    id: MemberId,
    cluster_id: u128,
    incarnation: u128,
) -> Result<Configuration, AloneError> {
    let was = was.ok_or(AloneError::NoConfiguration)?;
    let member = was.members.get(&id).ok_or(AloneError::NotAMember)?;
    let member = Member { incarnation, standing: Standing::Voter, ..member.clone() };
    let others = was.members.keys().copied().filter(|other| *other != id);
    let mut removed: Vec<MemberId> = was.removed.iter().copied().chain(others).collect();
    removed.drain(..removed.len().saturating_sub(REMOVED_MAX));
    Ok(Configuration { cluster_id, members: [(id, member)].into(), removed })
}

/// Appends a configuration to a recovered log, durably, in a term that no other member knows: the
/// entries before it stay, and the member that it lists commits them all when it starts.
pub fn append_configuration<D: Disk>(
    worker: &mut LogWorker<D>,
    recovered: &Recovered,
    configuration: &Configuration,
) -> Result<LogId, AloneError> {
    let log = &recovered.restored.log;
    let last = log.last();
    let (stamp_ms, age_ms) = times_at_end(worker, recovered)?;
    let HardState { term, commit, .. } = recovered.restored.hard_state;
    let id = LogId::new(Term(term.0 + 1), last.index.next());
    let kind = EntryKind::Configuration;
    let entry = Entry { id, kind, stamp_ms, age_ms, payload: configuration.encode() };
    let hard_state = HardState { term: id.term, vote: None, commit };
    let (number, start) = (PersistNumber(1), None);
    let persist = Persist { number, hard_state, start, entries: vec![entry] };
    match worker.handle(vec![LogRequest::Persist(persist)]).pop() {
        Some(LogReply::Persisted(_)) => Ok(id),
        Some(LogReply::Failed(reason)) => Err(AloneError::Log(reason)),
        other => panic!("a batch is persisted or fails: {other:?}"),
    }
}

/// Stamp and age of the last entry: those of the next may not be lower.
fn times_at_end<D: Disk>(
    worker: &mut LogWorker<D>,
    recovered: &Recovered,
) -> Result<(u64, u64), AloneError> {
    let log = &recovered.restored.log;
    let Index(last) = log.last().index;
    if last < log.first_index().0 {
        return Ok(log.times());
    }
    let (purpose, from, to) = (Purpose::Apply, Index(last), Index(last));
    let read = LogRequest::Read { purpose, from, to, bytes_max: 0 };
    match worker.handle(vec![read]).pop() {
        Some(LogReply::Entries { entries, .. }) => {
            let times = entries.last().map(|entry| (entry.stamp_ms, entry.age_ms));
            Ok(times.unwrap_or_else(|| log.times()))
        }
        Some(LogReply::Failed(reason)) => Err(AloneError::Log(reason)),
        other => panic!("entries are read or not: {other:?}"),
    }
}
