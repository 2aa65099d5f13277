//! The log's side of a replica: everything that touches the disk, to be run on a thread of its
//! own. Requests go in by the batch, in order; one flush serves a whole batch.

use std::fmt;
use std::path::Path;

use bytes::Bytes;
use disk::Disk;
use raft::{
    Entry, Index, Log, LogId, MemberId, Persist, PersistNumber, ReadEntries, Restored,
    SnapshotPoint, Term,
};
use wal::{Batch, OpenError, SpareKeeper, Wal};

use crate::configuration::{Configuration, ConfigurationError};
use crate::entry;

/// What the log thread is asked to do.
#[derive(Debug)]
pub enum LogRequest {
    /// Make durable.
    Persist(Persist),
    /// Fetch older entries.
    Read {
        /// For whom; comes back with them.
        purpose: Purpose,
        /// The first index wanted.
        from: Index,
        /// The last index wanted; fewer may come back.
        to: Index,
        /// At most this many bytes (but at least one entry).
        bytes_max: usize,
    },
    /// A snapshot covers everything up to this entry: let the log start after it, durably, and give
    /// up what is not needed any more.
    Cut {
        /// An entry that is committed here.
        to: LogId,
    },
}

/// Whom older entries are fetched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// For a follower that is behind.
    Replicate(MemberId),
    /// For our own store.
    Apply,
}

/// What the log thread answers, in the order of the requests.
#[derive(Debug)]
pub enum LogReply {
    /// This batch and all before it are durable.
    Persisted(PersistNumber),
    /// Older entries.
    Entries {
        /// For whom.
        purpose: Purpose,
        /// Contiguous from the first wanted; empty if that was truncated or cut off meanwhile.
        entries: Vec<Entry>,
    },
    /// The log starts after this entry, or a later one.
    Cut {
        /// What was asked for.
        to: LogId,
    },
    /// The log failed, for good. Nothing after this is durable.
    Failed(String),
}

/// What a restart found.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// For the core.
    pub restored: Restored,
    /// The newest configuration in the log; none in a directory that belongs to no cluster yet.
    pub configuration: Option<Configuration>,
    /// What the log says about itself.
    pub log: wal::Recovered,
}

/// Why a log can not be used.
#[derive(Debug)]
pub enum LogError {
    /// It can not be opened.
    Open(OpenError),
    /// It begins too late, and nothing holds what was before: segments were removed.
    BeginningMissing {
        /// The index it begins at.
        first_index: u64,
    },
    /// It holds a kind of entry that this version does not know.
    UnknownKind {
        /// Where.
        index: u64,
        /// Which.
        kind: u8,
    },
    /// Its configuration entry does not make sense.
    Configuration(ConfigurationError),
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::Open(error) => error.fmt(f),
            LogError::BeginningMissing { first_index } => write!(
                f,
                "the log begins at entry {first_index}, and what was before is gone: restore the \
                 removed segments, or replace this member with a new one"
            ),
            LogError::UnknownKind { index, kind } => write!(
                f,
                "entry {index} of the log is of kind {kind}, which this version does not know: \
                 start the version that wrote it, or a newer one"
            ),
            LogError::Configuration(error) => {
                write!(f, "the configuration in the log can not be read: {error}")
            }
        }
    }
}

impl std::error::Error for LogError {}

/// Owns the log and does what is asked.
pub struct LogWorker<D: Disk> {
    wal: Wal<D>,
}

/// Opens the log in `directory`, made durable as far as it was found, keeping about
/// `tail_bytes_max` of the newest entries in memory. What is damaged is repaired as far as that is
/// safe (rule 1.4; see [`wal::Recovered::repairs`]), with the help of the snapshots in the
/// directory `snapshots`.
pub fn open_log<D: Disk>(
    disk: &D,
    directory: &Path,
    snapshots: &Path,
    options: wal::Options,
    tail_bytes_max: usize,
) -> Result<(LogWorker<D>, Recovered), LogError> {
    let mut visitor = Visitor::new(tail_bytes_max);
    let usable = || usable_snapshots(disk, snapshots);
    let visit = &mut |visit: wal::Visit<'_>| visitor.visit(visit);
    let opened = Wal::open_repairing(disk.clone(), directory, options, &usable, visit);
    let (wal, recovered) = opened.map_err(LogError::Open)?;
    let (log, mut configurations) = visitor.finish()?;
    check_beginning(&recovered)?;
    let hard_state = entry::hard_state_from_log(recovered.hard_state);
    let newest = configurations.last().map(|(_, payload)| payload.clone());
    let configuration = newest.map(Configuration::decode).transpose();
    let configuration = configuration.map_err(LogError::Configuration)?;
    // Entries before the start may still have been there.
    let before = configurations.partition_point(|&(index, _)| index < log.first_index());
    let base = configurations.drain(..before).next_back().unwrap_or_default();
    let floor = recovered.floor.unwrap_or_default();
    let floor = LogId::new(Term(floor.0), Index(floor.1));
    let restored = Restored { hard_state, log, base, configurations, floor };
    Ok((LogWorker { wal }, Recovered { restored, configuration, log: recovered }))
}

/// Collects what the core needs to know while the log is read.
pub(crate) struct Visitor {
    log: Log,
    /// Those of the entries that still stand.
    configurations: Vec<(Index, Bytes)>,
    error: Option<LogError>,
    tail_bytes_max: usize,
}

impl Visitor {
    /// Nothing was read yet.
    pub(crate) fn new(tail_bytes_max: usize) -> Visitor {
        let (log, configurations) = (Log::new(), Vec::new());
        Visitor { log, configurations, error: None, tail_bytes_max }
    }

    /// The log, and its configurations with their places, oldest first; some may be of entries
    /// before its start.
    pub(crate) fn finish(self) -> Result<(Log, Vec<(Index, Bytes)>), LogError> {
        self.error.map_or(Ok((self.log, self.configurations)), Err)
    }

    pub(crate) fn visit(&mut self, visit: wal::Visit<'_>) {
        // What is read in vain before a repair does not count.
        if self.error.is_some() && !matches!(visit, wal::Visit::Begin { .. }) {
            return;
        }
        match visit {
            wal::Visit::Begin { term, index } => {
                self.error = None;
                self.log = Log::starting_at(LogId::new(Term(term), Index(index)), 0, 0);
                self.configurations.clear();
            }
            wal::Visit::Start { term, index } => {
                let start = LogId::new(Term(term), Index(index));
                let holds = self.log.holds(start);
                self.log.start_at(start);
                if !holds {
                    self.configurations.clear();
                }
            }
            wal::Visit::Entry(entry) => self.error = self.take(entry).err(),
        }
    }

    fn take(&mut self, entry: &wal::Entry) -> Result<(), LogError> {
        let read = entry::from_log(entry);
        let mut read =
            read.map_err(|unknown| LogError::UnknownKind { index: entry.index, kind: unknown.0 })?;
        entry::detach(&mut read.payload);
        // An entry replaces what stood in its place and after it.
        while self.configurations.last().is_some_and(|&(index, _)| index >= read.id.index) {
            self.configurations.pop();
        }
        if read.kind == raft::EntryKind::Configuration {
            Configuration::decode(read.payload.clone()).map_err(LogError::Configuration)?;
            self.configurations.push((read.id.index, read.payload.clone()));
        }
        self.log.append(read);
        self.log.shrink(self.log.last().index, self.tail_bytes_max);
        Ok(())
    }
}

/// Term and index of the snapshots that a repair may rely on.
fn usable_snapshots<D: Disk>(disk: &D, path: &Path) -> Result<Vec<(u64, u64)>, disk::Error> {
    let (good, _) = wal::snapshot::Snapshots::inspect(disk, path)?;
    Ok(good.iter().map(|info| info.meta.last).collect())
}

/// A log that does not say where it starts must be there from its first entry on.
fn check_beginning(recovered: &wal::Recovered) -> Result<(), LogError> {
    let first_index = recovered.first_index;
    if first_index == 1 || recovered.start.is_some() {
        return Ok(());
    }
    Err(LogError::BeginningMissing { first_index })
}

impl Recovered {
    /// A snapshot that the log vouches for tells what the log alone does not: that everything up to
    /// it is committed, the times at its start, and the configuration there, if there was no later
    /// one up to the snapshot.
    pub(crate) fn learn_start(&mut self, point: &SnapshotPoint) {
        let Restored { log, base, hard_state, .. } = &mut self.restored;
        // The hint in the log may be behind the snapshots, at which the log may soon be cut.
        hard_state.commit = hard_state.commit.max(point.last.index);
        log.note_times(point.stamp_ms, point.age_ms);
        let (index, payload) = &point.configuration;
        if *index > log.start().index || !base.1.is_empty() {
            return;
        }
        *base = (*index, payload.clone());
        if self.configuration.is_none() {
            // A snapshot that came from a peer was read as a whole before it was taken.
            self.configuration = Configuration::decode(payload.clone()).ok();
        }
    }
}

impl<D: Disk> LogWorker<D> {
    /// Does all of `requests`, in order. Neighbouring persist batches share one write and one
    /// flush.
    pub fn handle(&mut self, requests: Vec<LogRequest>) -> Vec<LogReply> {
        let mut replies = Vec::new();
        let mut group = Group::default();
        for request in requests {
            match request {
                LogRequest::Persist(persist) => group.add(persist),
                LogRequest::Read { purpose, from, to, bytes_max } => {
                    self.flush(&mut group, &mut replies);
                    replies.push(self.read(purpose, from, to, bytes_max));
                }
                LogRequest::Cut { to } => {
                    self.flush(&mut group, &mut replies);
                    replies.push(self.cut(to));
                }
            }
        }
        self.flush(&mut group, &mut replies);
        replies
    }

    fn flush(&mut self, group: &mut Group, replies: &mut Vec<LogReply>) {
        let Some(newest) = group.newest.take() else { return };
        let restarted = group.batches.iter().any(|batch| batch.start.is_some());
        let written = self.wal.append(&group.batches);
        let written = written.and_then(|()| match restarted {
            true => self.wal.give_up_segments(),
            false => Ok(()),
        });
        replies.push(match written {
            Ok(()) | Err(wal::Error::Removal(_)) => LogReply::Persisted(newest),
            Err(error) => LogReply::Failed(error.to_string()),
        });
        group.batches.clear();
    }

    /// Segments that can not be given up cost space and nothing else: they are removed when the log
    /// is opened again.
    fn cut(&mut self, to: LogId) -> LogReply {
        match self.wal.cut((to.term.0, to.index.0)) {
            Ok(()) | Err(wal::Error::Removal(_)) => LogReply::Cut { to },
            Err(error) => LogReply::Failed(error.to_string()),
        }
    }

    fn read(&mut self, purpose: Purpose, from: Index, to: Index, bytes_max: usize) -> LogReply {
        let to = to.0.min(self.wal.last_log_id().map_or(0, |(_, index)| index));
        if from.0 > to || from.0 < self.wal.first_index() {
            return LogReply::Entries { purpose, entries: Vec::new() };
        }
        let read = self.wal.read(from.0, to, bytes_max).map_err(|error| error.to_string());
        let entries = read.and_then(|entries| {
            let converted: Result<Vec<Entry>, _> = entries.iter().map(entry::from_log).collect();
            converted.map_err(|unknown| format!("an entry of unknown kind {}", unknown.0))
        });
        match entries {
            Ok(entries) => LogReply::Entries { purpose, entries },
            Err(reason) => LogReply::Failed(reason),
        }
    }

    /// To be called when nothing was asked for 100 ms (rule 1.3): closes the last frame, so that
    /// it can not be taken for a torn one, and writes the rest of a segment that was begun without
    /// a spare, a step at a time. Whether there is more to prepare. Preparing may fail, on a full
    /// disk for example: the log is sound without, so that is only counted, and tried again in
    /// another idle moment.
    pub fn idle(&mut self) -> Result<bool, wal::Error> {
        self.wal.write_closing_frame()?;
        match self.wal.prepare() {
            Err(wal::Error::Preparation(_)) => Ok(false),
            outcome => outcome,
        }
    }

    /// Writes entry 1, the founding configuration, to an empty log; durable on return.
    pub fn found(
        &mut self,
        configuration: &Configuration,
        stamp_ms: u64,
    ) -> Result<Restored, wal::Error> {
        assert!(self.wal.last_log_id().is_none(), "only an empty log can be founded");
        let founding = Entry {
            id: raft::LogId::new(raft::Term(1), Index(1)),
            kind: raft::EntryKind::Configuration,
            stamp_ms,
            age_ms: 0,
            payload: configuration.encode(),
        };
        let hard_state = raft::HardState { term: raft::Term(1), vote: None, commit: Index(0) };
        let entries = vec![entry::to_log(founding.clone())];
        let batch = Batch::new(entry::hard_state_to_log(hard_state), entries);
        self.wal.append(&[batch])?;
        let mut log = Log::new();
        log.append(founding);
        let configurations = vec![(Index(1), configuration.encode())];
        Ok(Restored { hard_state, log, configurations, ..Restored::default() })
    }

    /// Who makes the log's spares and watches its room: to be run beside this, on a thread of its
    /// own.
    pub fn spare_keeper(&self) -> SpareKeeper<D> {
        self.wal.spare_keeper()
    }

    /// Counts of what was written.
    pub fn stats(&self) -> wal::Stats {
        self.wal.stats()
    }
}

/// Persist batches that share a flush.
#[derive(Default)]
struct Group {
    batches: Vec<Batch>,
    newest: Option<PersistNumber>,
}

impl Group {
    fn add(&mut self, persist: Persist) {
        assert!(self.newest.is_none_or(|newest| newest < persist.number), "batches come in order");
        self.newest = Some(persist.number);
        let entries = persist.entries.into_iter().map(entry::to_log).collect();
        let start = persist.start.map(|start| (start.term.0, start.index.0));
        let hard_state = entry::hard_state_to_log(persist.hard_state);
        self.batches.push(Batch { start, hard_state, entries });
    }
}

impl From<ReadEntries> for LogRequest {
    fn from(read: ReadEntries) -> LogRequest {
        LogRequest::Read {
            purpose: Purpose::Replicate(read.member),
            from: read.from,
            to: read.to,
            bytes_max: read.bytes_max,
        }
    }
}
