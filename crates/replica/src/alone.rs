//! A member goes on alone: after the loss of a majority its log becomes the beginning of a cluster
//! of its own.
//!
//! Nothing of the old cluster may be left for whoever joins the new one: entries and snapshots
//! name members and a cluster id that are no longer true. So the new cluster begins with a
//! snapshot of everything that this member has, at an entry of a term that nobody else knows, and
//! the log begins there too.
//!
//! | step | after a crash behind it |
//! |---|---|
//! | the whole log is applied, in memory | nothing has changed |
//! | the entry with the new configuration is appended | to be run again, see below |
//! | a snapshot is written at that entry | the same |
//! | the log is cut there, the older snapshots are removed | the same |
//! | the directory gets the new cluster's id and the new incarnation | done |
//!
//! In between the log knows the member with another incarnation than the directory has, so that it
//! does not start. Run again it appends another such entry behind the first, and does the rest.

use std::fmt;

use disk::Disk;
use raft::{
    Entry, EntryKind, HardState, Index, LogId, MemberId, Persist, PersistNumber, SnapshotPoint,
    Term,
};
use store::{Apply, ApplyError, Budget, Store};
use wal::snapshot::Snapshots;
use wal::{Corruption, DataDirectory, DirectoryError, LogReport, OpenError};

use crate::applier::to_store;
use crate::configuration::{Configuration, Member, REMOVED_MAX, Standing};
use crate::log_worker::{
    LogError, LogReply, LogRequest, LogWorker, Purpose, Recovered, Visitor, open_log,
};
use crate::snapshot::{SnapshotWorker, open_snapshots};

/// Entries of the log that are kept in memory, in bytes: none is needed.
const TAIL_BYTES_MAX: usize = 1 << 20;

/// So many bytes of entries are read at once.
const READ_BYTES_MAX: usize = 4 << 20;

/// Drawn at random for a cluster that begins anew.
#[derive(Clone, Copy, Debug)]
pub struct FreshIdentity {
    /// The new cluster's.
    pub cluster_id: u128,
    /// The data directory's: nobody has heard of it.
    pub incarnation: u128,
    /// For the log's segments: see [`wal::Options::salt`].
    pub salt: u64,
}

/// What a member would go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AloneForecast {
    /// Its last entry.
    pub last: u64,
    /// The last entry that it knows to be committed.
    pub commit: u64,
    /// The last entry that it once had, if it has lost that.
    pub lost_to: Option<u64>,
    /// How many other members it knows; none if only a repair of the log tells.
    pub others: Option<usize>,
}

/// Why a member can not go on alone.
#[derive(Debug)]
pub enum AloneError {
    /// Neither its log nor a snapshot holds a configuration.
    NoConfiguration,
    /// The newest configuration that it knows does not list it.
    NotAMember,
    /// Its log does not begin at the first entry, and no snapshot stands for what is missing.
    NoState,
    /// So much of its log is damaged that what is left does not say what is lost.
    Wiped(Corruption),
    /// The log can not be opened.
    Open(LogError),
    /// The log holds what this version can not apply.
    Unreadable(ApplyError),
    /// The log failed.
    Log(String),
    /// The snapshot could not be written.
    Snapshot(String),
    /// The disk refused to show the snapshots, or to remove the old ones.
    Snapshots(disk::Error),
    /// The directory's identity could not be written.
    Directory(DirectoryError),
}

impl fmt::Display for AloneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AloneError::NoConfiguration => f.write_str(
                "this directory belongs to no cluster yet: there is nothing to recover in it",
            ),
            AloneError::NotAMember => f.write_str(
                "the newest configuration in this directory does not list this member: recover \
                 from another one",
            ),
            AloneError::NoState => f.write_str(
                "no snapshot fits the log, and the log does not begin at its first entry: \
                 recover from another member",
            ),
            AloneError::Wiped(Corruption { path, offset, damage, .. }) => write!(
                f,
                "{} is corrupt at byte {offset}: {damage}; what is left of the log does not say \
                 what is lost: recover from another member. If there is none, keep this \
                 directory as it is: `raftkv wal dump` shows what can be read",
                path.display()
            ),
            AloneError::Open(error) => error.fmt(f),
            AloneError::Unreadable(error) => {
                write!(f, "{error}: recover with the version that wrote it, or a newer one")
            }
            AloneError::Log(reason) | AloneError::Snapshot(reason) => run_again(f, reason),
            AloneError::Snapshots(error) => run_again(f, error),
            AloneError::Directory(error) => run_again(f, error),
        }
    }
}

fn run_again(f: &mut fmt::Formatter<'_>, reason: &dyn fmt::Display) -> fmt::Result {
    write!(f, "{reason}; put that right, and run the same command again")
}

impl std::error::Error for AloneError {}

impl From<LogError> for AloneError {
    fn from(error: LogError) -> AloneError {
        match error {
            LogError::Open(OpenError::Wiped(corruption)) => AloneError::Wiped(corruption),
            error => AloneError::Open(error),
        }
    }
}

/// What the member of `directory` would go on with. Nothing is changed. Where the log is damaged,
/// only a repair tells all of it, so [`go_on_alone`] may refuse after it.
pub fn forecast_alone<D: Disk>(
    disk: &D,
    directory: &DataDirectory<D>,
) -> Result<AloneForecast, AloneError> {
    let path = directory.snapshots_path();
    let (good, _) = Snapshots::inspect(disk, &path).map_err(AloneError::Snapshots)?;
    let usable: Vec<(u64, u64)> = good.iter().map(|info| info.meta.last).collect();
    let mut visitor = Visitor::new(TAIL_BYTES_MAX);
    let visit = &mut |visit: wal::Visit<'_>| visitor.visit(visit);
    let inspected = wal::inspect(disk.clone(), &directory.log_path(), &usable, visit);
    let report = inspected.map_err(LogError::Open)?;
    let (last, lost_to) = what_is_kept(&report)?;
    let (log, configurations) = visitor.finish()?;

    let vouched = |(term, index)| log.holds(LogId::new(Term(term), Index(index)));
    let mut metas = good.iter().map(|info| &info.meta);
    let snapshot = metas.find(|meta| match report.is_sound() {
        true => vouched(meta.last),
        false => meta.last.1 <= last,
    });
    if report.is_sound() && log.start().index.0 > 0 && snapshot.is_none() {
        return Err(AloneError::NoState);
    }
    let of_snapshot = snapshot.map(|meta| (Index(meta.configuration_index), &meta.configuration));
    let of_log = configurations.iter().map(|(index, payload)| (*index, payload));
    let known = of_log.chain(of_snapshot).filter(|(index, _)| index.0 <= last);
    let newest = known.max_by_key(|(index, _)| *index);
    let newest = newest.map(|(_, payload)| Configuration::decode(payload.clone())).transpose();
    let newest = newest.map_err(LogError::Configuration)?;
    if report.is_sound() {
        check_member(newest.as_ref(), MemberId(directory.identity().member_id))?;
    }
    let stands_for = snapshot.map_or(0, |meta| meta.last.1);
    Ok(AloneForecast {
        last,
        commit: report.hard_state.commit.max(stands_for).min(last),
        lost_to: lost_to.filter(|lost_to| *lost_to > last),
        others: newest.map(|newest| newest.members.len().saturating_sub(1)),
    })
}

/// The last entry that a repair leaves, and the last one that was lost before or is lost by it.
fn what_is_kept(report: &LogReport) -> Result<(u64, Option<u64>), AloneError> {
    let index = |id: Option<(u64, u64)>| id.map_or(0, |(_, index)| index);
    let floor = report.floor.map(|(_, index)| index);
    match (report.damages.first(), &report.forecast) {
        (None, _) => Ok((index(report.last), floor)),
        (Some(_), Some(forecast)) => {
            Ok((index(forecast.last), forecast.lost_to.map(|(_, index)| index).max(floor)))
        }
        (Some(damage), None) => Err(AloneError::Wiped(damage.clone())),
    }
}

/// Makes the member of `directory` the only one of a new cluster, which has everything that the
/// member has. After an error, or a crash, the directory is as it was, or this is to be called
/// again.
pub fn go_on_alone<D: Disk>(
    disk: &D,
    directory: &mut DataDirectory<D>,
    fresh: FreshIdentity,
) -> Result<(), AloneError> {
    let path = directory.snapshots_path();
    let options = wal::Options { salt: fresh.salt, ..wal::Options::default() };
    let (mut worker, mut recovered) =
        open_log(disk, &directory.log_path(), &path, options, TAIL_BYTES_MAX)?;
    let opened = open_snapshots(disk.clone(), &path, &mut recovered);
    let (mut snapshots, found) = opened.map_err(AloneError::Snapshots)?;
    let log = &recovered.restored.log;
    if log.start().index.0 > 0 && found.store.is_none() {
        return Err(AloneError::NoState);
    }
    let id = MemberId(directory.identity().member_id);
    let alone = configuration_alone(recovered.configuration.as_ref(), id, fresh)?;
    let mut store = found.store.unwrap_or_default();
    apply_log(&mut worker, &mut store, log.last().index)?;

    let entry = first_entry(&recovered, &store, &alone);
    append(&mut worker, &recovered, entry.clone())?;
    apply(&mut store, &entry)?;
    begin_at(&mut worker, &mut snapshots, &store, &entry, fresh.cluster_id)?;
    directory.refound(fresh.cluster_id, fresh.incarnation).map_err(AloneError::Directory)
}

fn check_member(was: Option<&Configuration>, id: MemberId) -> Result<&Configuration, AloneError> {
    let was = was.ok_or(AloneError::NoConfiguration)?;
    if was.members.contains_key(&id) { Ok(was) } else { Err(AloneError::NotAMember) }
}

/// The configuration in which `id` is the only member, of a cluster of its own.
fn configuration_alone(
    was: Option<&Configuration>,
    id: MemberId,
    fresh: FreshIdentity,
) -> Result<Configuration, AloneError> {
    let was = check_member(was, id)?;
    let FreshIdentity { cluster_id, incarnation, .. } = fresh;
    let (standing, draining) = (Standing::Voter, None);
    let member = Member { incarnation, standing, draining, ..was.members[&id].clone() };
    let others = was.members.keys().copied().filter(|other| *other != id);
    let mut removed: Vec<MemberId> = was.removed.iter().copied().chain(others).collect();
    removed.drain(..removed.len().saturating_sub(REMOVED_MAX));
    let members = [(id, member)].into();
    Ok(Configuration { cluster_id, members, removed, feature_level: was.feature_level })
}

/// Applies all that the log holds, committed or not: it counts from now on.
fn apply_log<D: Disk>(
    worker: &mut LogWorker<D>,
    store: &mut Store,
    to: Index,
) -> Result<(), AloneError> {
    while store.applied_index() < to.0 {
        let (purpose, from) = (Purpose::Apply, Index(store.applied_index() + 1));
        let read = LogRequest::Read { purpose, from, to, bytes_max: READ_BYTES_MAX };
        match worker.handle(vec![read]).pop() {
            Some(LogReply::Entries { entries, .. }) if !entries.is_empty() => {
                entries.iter().try_for_each(|entry| apply(store, entry))?;
            }
            Some(LogReply::Failed(reason)) => return Err(AloneError::Log(reason)),
            other => panic!("entries that the log holds are read or not: {other:?}"),
        }
    }
    Ok(())
}

fn apply(store: &mut Store, entry: &Entry) -> Result<(), AloneError> {
    let entry = to_store(entry);
    loop {
        let applied = store.apply(&entry, &mut Budget::default());
        if applied.map_err(AloneError::Unreadable)? != Apply::Unfinished {
            return Ok(());
        }
    }
}

/// The new cluster's first entry, in a term that no other member knows: the entries before it stay
/// as they are, and count.
fn first_entry(recovered: &Recovered, store: &Store, alone: &Configuration) -> Entry {
    let last = recovered.restored.log.last();
    let term = Term(recovered.restored.hard_state.term.0 + 1);
    assert!(term > last.term, "no entry is of a later term than its log");
    assert_eq!(store.applied_index(), last.index.0, "the whole log is applied");
    let state = store.capture().state();
    Entry {
        id: LogId::new(term, last.index.next()),
        kind: EntryKind::Configuration,
        // Those of the next may not be lower.
        stamp_ms: state.stamp_ms,
        age_ms: state.age_ms,
        payload: alone.encode(),
    }
}

fn append<D: Disk>(
    worker: &mut LogWorker<D>,
    recovered: &Recovered,
    entry: Entry,
) -> Result<(), AloneError> {
    let commit = recovered.restored.hard_state.commit;
    let hard_state = HardState { term: entry.id.term, vote: None, commit };
    let (number, start) = (PersistNumber(1), None);
    let persist = Persist { number, hard_state, start, entries: vec![entry] };
    match worker.handle(vec![LogRequest::Persist(persist)]).pop() {
        Some(LogReply::Persisted(_)) => Ok(()),
        Some(LogReply::Failed(reason)) => Err(AloneError::Log(reason)),
        other => panic!("a batch is persisted or fails: {other:?}"),
    }
}

/// Makes the state at `entry` the beginning of everything. The log is cut only at a snapshot that
/// was read back.
fn begin_at<D: Disk>(
    worker: &mut LogWorker<D>,
    snapshots: &mut SnapshotWorker<D>,
    store: &Store,
    entry: &Entry,
    cluster_id: u128,
) -> Result<(), AloneError> {
    let point = SnapshotPoint {
        last: entry.id,
        stamp_ms: entry.stamp_ms,
        age_ms: entry.age_ms,
        configuration: (entry.id.index, entry.payload.clone()),
    };
    let written = snapshots.write(&point, cluster_id, store.capture());
    written.map_err(|error| AloneError::Snapshot(error.to_string()))?;
    match worker.handle(vec![LogRequest::Cut { to: entry.id }]).pop() {
        Some(LogReply::Cut { .. }) => {}
        Some(LogReply::Failed(reason)) => return Err(AloneError::Log(reason)),
        other => panic!("a log is cut or fails: {other:?}"),
    }
    snapshots.keep_only(entry.id).map_err(AloneError::Snapshots)
}
