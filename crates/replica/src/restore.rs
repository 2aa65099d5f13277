//! A new cluster begins with the state of a backup.
//!
//! The backup is a snapshot of another cluster, so nothing but its state may live on: entries and
//! snapshots name members and a cluster id that are not true of the new one. So each member of the
//! new cluster begins with the same snapshot, at an entry behind the backup's, of a later term,
//! which says who is in the cluster; and its log begins there too, empty. All members make it of
//! the same file and the same list, each by itself, so all begin alike.
//!
//! Names of writes are part of the state and live on: a write that is sent again across the restore
//! is still done once. So do leases, with their full time to live, and sessions, though the doors
//! know those of another cluster by their names and let nobody go on in them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use bytes::Bytes;
use disk::Disk;
use raft::{
    Entry, EntryKind, HardState, Index, LogId, MemberId, Persist, PersistNumber, SnapshotPoint,
    Term,
};
use store::{Apply, Budget, Published, Store};
use wal::snapshot::{SnapshotError, SnapshotMeta, SnapshotReader};
use wal::{DataDirectory, DirectoryError};

use crate::applier::to_store;
use crate::configuration::{Configuration, ConfigurationError, Member};
use crate::level::FIRST_LEVEL;
use crate::log_worker::{LogError, LogReply, LogRequest, open_log};
use crate::snapshot::{LoadError, load_from, open_snapshots};

/// Entries of the log that are kept in memory, in bytes: there are none.
const TAIL_BYTES_MAX: usize = 1 << 20;

/// What a backup holds, every byte of it read.
#[derive(Clone, Debug)]
pub struct BackupState {
    /// What its file says about itself.
    pub meta: SnapshotMeta,
    /// The size of the file, in bytes.
    pub bytes: u64,
    /// The state in it, in numbers.
    pub state: Published,
}

/// Where a backup is.
#[derive(Clone, Copy, Debug)]
pub struct BackupFile<'a> {
    /// The file.
    pub path: &'a Path,
    /// How much of it is the backup, from its beginning; none: all of it.
    pub bytes: Option<u64>,
}

/// The cluster that begins.
#[derive(Clone, Debug)]
pub struct RestorePlan {
    /// Its id, which no other cluster has.
    pub cluster_id: u128,
    /// All its members, the one that is restored among them.
    pub members: BTreeMap<MemberId, Member>,
    /// For the log's segments: see [`wal::Options::salt`].
    pub salt: u64,
}

/// Why a backup can not be read, or a member not be made of it.
#[derive(Debug)]
pub enum RestoreError {
    /// The file is damaged, or can not be read.
    File(SnapshotError),
    /// The file is whole, and the state in it is none.
    State(String),
    /// It is of a cluster that uses more than this program knows.
    Newer(ConfigurationError),
    /// The state can not take the new configuration.
    Apply(store::ApplyError),
    /// The directory's identity can not be written.
    Directory(DirectoryError),
    /// The log can not be made.
    Open(LogError),
    /// The log failed.
    Log(String),
    /// The snapshot can not be written.
    Snapshot(SnapshotError),
    /// The disk refused to show the snapshots.
    Disk(disk::Error),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestoreError::File(error) | RestoreError::Snapshot(error) => error.fmt(f),
            RestoreError::State(reason) => {
                write!(f, "the file is whole, but the state in it is none: {reason}")
            }
            RestoreError::Newer(error) => error.fmt(f),
            RestoreError::Apply(error) => error.fmt(f),
            RestoreError::Directory(error) => error.fmt(f),
            RestoreError::Open(error) => error.fmt(f),
            RestoreError::Log(reason) => f.write_str(reason),
            RestoreError::Disk(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RestoreError {}

impl From<LoadError> for RestoreError {
    fn from(error: LoadError) -> RestoreError {
        match error {
            LoadError::File(error) => RestoreError::File(error),
            LoadError::Newer(error) => RestoreError::Newer(error),
            other => RestoreError::State(other.to_string()),
        }
    }
}

/// Reads every byte of a backup and builds nothing of it: what it says about itself, and its size.
///
/// # Errors
/// As a snapshot's file has them, with the offset of the damage.
pub fn check_backup<D: Disk>(disk: &D, path: &Path) -> Result<(SnapshotMeta, u64), SnapshotError> {
    SnapshotReader::check(disk, path)
}

/// Reads a backup, every byte of it.
///
/// # Errors
/// [`RestoreError::File`] with the offset of the damage, [`RestoreError::State`].
pub fn inspect_backup<D: Disk>(
    disk: &D,
    file: BackupFile<'_>,
) -> Result<BackupState, RestoreError> {
    let (meta, bytes, store) = read(disk, file)?;
    Ok(BackupState { meta, bytes, state: store.reader().published() })
}

/// Makes `directory`, which is fresh, that of a member of the cluster that `plan` describes, which
/// begins with the state in `file`.
///
/// # Errors
/// After one the directory is of no use: it is to be removed.
///
/// # Panics
/// If the plan does not list the directory's member.
pub fn restore<D: Disk>(
    disk: &D,
    file: BackupFile<'_>,
    directory: &mut DataDirectory<D>,
    plan: &RestorePlan,
) -> Result<BackupState, RestoreError> {
    let id = MemberId(directory.identity().member_id);
    assert!(plan.members.contains_key(&id), "the member is one of its cluster");
    let (meta, bytes, mut store) = read(disk, file)?;
    let entry = first_entry(&meta, plan);
    apply(&mut store, &entry)?;
    begin_at(disk, directory, &store, &entry, plan)?;
    directory.set_cluster(plan.cluster_id).map_err(RestoreError::Directory)?;
    Ok(BackupState { meta, bytes, state: store.reader().published() })
}

fn read<D: Disk>(
    disk: &D,
    BackupFile { path, bytes }: BackupFile<'_>,
) -> Result<(SnapshotMeta, u64, Store), RestoreError> {
    let open = || SnapshotReader::open_part(disk, path, bytes).map_err(RestoreError::File);
    // The whole file first: what is damaged behind is not to be taken for a state that is none.
    let (meta, bytes) = open()?.check_all().map_err(RestoreError::File)?;
    let mut reader = open()?;
    let store = load_from(&mut reader)?;
    Ok((meta, bytes, store))
}

/// The new cluster's first entry, behind all that the backup stands for.
fn first_entry(backup: &SnapshotMeta, plan: &RestorePlan) -> Entry {
    let (cluster_id, members) = (plan.cluster_id, plan.members.clone());
    // Every member restores for itself, whatever its version: so by what the backup says alone.
    let was = Configuration::decode(backup.configuration.clone());
    let feature_level = was.map_or(FIRST_LEVEL, |was| was.feature_level);
    let configuration =
        Configuration { feature_level, ..Configuration::founding(cluster_id, members) };
    let (term, index) = backup.last;
    Entry {
        id: LogId::new(Term(term + 1), Index(index).next()),
        kind: EntryKind::Configuration,
        // Those of the next may not be lower.
        stamp_ms: backup.stamp_ms,
        age_ms: backup.age_ms,
        payload: configuration.encode(),
    }
}

fn apply(store: &mut Store, entry: &Entry) -> Result<(), RestoreError> {
    let entry = to_store(entry);
    while store.apply(&entry, &mut Budget::default()).map_err(RestoreError::Apply)?
        == Apply::Unfinished
    {}
    store.publish();
    Ok(())
}

/// Writes the snapshot at `entry`, and a log that begins there: in this order, because a log counts
/// only with what stands for its beginning.
fn begin_at<D: Disk>(
    disk: &D,
    directory: &DataDirectory<D>,
    store: &Store,
    entry: &Entry,
    plan: &RestorePlan,
) -> Result<(), RestoreError> {
    let snapshots = directory.snapshots_path();
    let options = wal::Options { salt: plan.salt, ..wal::Options::default() };
    let opened = open_log(disk, &directory.log_path(), &snapshots, options, TAIL_BYTES_MAX);
    let (mut log, mut recovered) = opened.map_err(RestoreError::Open)?;
    let opened = open_snapshots(disk.clone(), &snapshots, &mut recovered);
    let (mut files, _none) = opened.map_err(RestoreError::Disk)?;
    let point = SnapshotPoint {
        last: entry.id,
        stamp_ms: entry.stamp_ms,
        age_ms: entry.age_ms,
        configuration: (entry.id.index, Bytes::clone(&entry.payload)),
    };
    let written = files.write(&point, plan.cluster_id, store.capture());
    written.map_err(RestoreError::Snapshot)?;
    let persist = Persist {
        number: PersistNumber(1),
        hard_state: HardState { term: entry.id.term, vote: None, commit: entry.id.index },
        start: Some(entry.id),
        entries: Vec::new(),
    };
    match log.handle(vec![LogRequest::Persist(persist)]).pop() {
        Some(LogReply::Persisted(_)) => Ok(()),
        Some(LogReply::Failed(reason)) => Err(RestoreError::Log(reason)),
        other => panic!("a batch is persisted or fails: {other:?}"),
    }
}
