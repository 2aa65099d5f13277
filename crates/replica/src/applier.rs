//! Committed entries into the store, a turn at a time.
//!
//! Raft never waits for apply (rule 6.2): a turn does a bounded amount of work, whole entries or
//! a part of one, and ends with one publication. Entries come from raft's memory, or from the log
//! where raft no longer holds them (after a restart, mostly).

use std::collections::VecDeque;

use bytes::Bytes;
use raft::{Entry, EntryKind, Index, Log, LogId};
use store::{Apply, ApplyError, Budget, Command, LeaseId, LogEntry, Outcome, Retired, Store};

use crate::log_worker::{LogRequest, Purpose};

/// At most this many bytes of entries are fetched at once.
const FETCH_BYTES_MAX: usize = 1 << 20;

pub(crate) struct Applier {
    store: Store,
    /// Everything up to here may be applied.
    commit: Index,
    /// The next entries to apply, contiguous after the last applied one.
    fetched: VecDeque<Entry>,
    /// A reading of the log is out.
    reading: bool,
    /// ... and what comes back is not wanted any more.
    obsolete: bool,
    /// A snapshot is to take the place of the state: nothing is applied to the old one.
    paused: bool,
    /// Where the newest configuration that was applied stands in the log, and its payload.
    configuration: (Index, Bytes),
}

/// An entry that was applied and published.
pub(crate) struct Applied {
    pub(crate) id: LogId,
    pub(crate) stamp_ms: u64,
    pub(crate) outcome: Outcome,
    /// Of the entry.
    pub(crate) bytes: usize,
    /// Its payload, if it is a configuration.
    pub(crate) configuration: Option<Bytes>,
    /// The lease that it revoked, if any.
    pub(crate) revoked: Option<LeaseId>,
}

impl Applier {
    pub(crate) fn new(store: Store) -> Applier {
        let commit = Index(store.applied_index());
        Applier {
            store,
            commit,
            fetched: VecDeque::new(),
            reading: false,
            obsolete: false,
            paused: false,
            configuration: (Index(0), Bytes::new()),
        }
    }

    /// The newest configuration that was applied.
    pub(crate) fn configuration(&self) -> &(Index, Bytes) {
        &self.configuration
    }

    /// The configuration at the state that this member starts with.
    pub(crate) fn start_with(&mut self, configuration: (Index, Bytes)) {
        self.configuration = configuration;
    }

    /// Nothing is applied until a snapshot has been taken over.
    pub(crate) fn pause(&mut self) {
        self.paused = true;
    }

    /// The state of a snapshot takes the place of everything, visibly. Answers what was there.
    pub(crate) fn take_over(&mut self, store: Store, configuration: (Index, Bytes)) -> Retired {
        let retired = self.store.replace(store);
        self.configuration = configuration;
        self.commit = self.commit.max(self.applied());
        self.fetched.clear();
        self.obsolete = self.reading;
        self.paused = false;
        retired
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The last entry that is applied and published.
    pub(crate) fn applied(&self) -> Index {
        Index(self.store.applied_index())
    }

    pub(crate) fn commit_to(&mut self, index: Index) {
        self.commit = self.commit.max(index);
    }

    /// Whether a turn would do something.
    pub(crate) fn has_work(&self) -> bool {
        let more = !self.fetched.is_empty() || (self.applied() < self.commit && !self.reading);
        more && !self.paused
    }

    /// One turn. Answers what was applied and is now visible.
    pub(crate) fn turn(
        &mut self,
        log: &Log,
        units: u64,
        requests: &mut Vec<LogRequest>,
    ) -> Result<Vec<Applied>, ApplyError> {
        if self.paused {
            return Ok(Vec::new());
        }
        self.fetch(log, requests);
        let mut budget = Budget::new(units);
        let mut applied = Vec::with_capacity(self.fetched.len().min(1024));
        while let Some(entry) = self.fetched.front() {
            match self.store.apply(&to_store(entry), &mut budget)? {
                Apply::Unfinished => break,
                Apply::Done(outcome) => {
                    let entry = self.fetched.pop_front().expect("front() was Some");
                    applied.push(self.applied_one(entry, outcome));
                }
            }
            if budget.is_spent() {
                break;
            }
        }
        if !applied.is_empty() {
            self.store.publish();
        }
        Ok(applied)
    }

    /// Removes some of what compaction gave up; whether there is more that may go now.
    pub(crate) fn sweep(&mut self, units: u64) -> bool {
        if self.paused {
            return false;
        }
        let before = self.store.history_bytes();
        let over = self.store.sweep(&mut Budget::new(units));
        if self.store.history_bytes() != before {
            // Nobody can read of it, but everybody may see how much there is.
            self.store.publish();
        }
        !over
    }

    fn applied_one(&mut self, entry: Entry, outcome: Outcome) -> Applied {
        let bytes = entry.size_bytes();
        let revoked = matches!(outcome, Outcome::LeaseRevoked { .. })
            .then(|| revoked_by(&entry.payload))
            .flatten();
        let is_configuration = entry.kind == EntryKind::Configuration;
        let configuration = is_configuration.then_some(entry.payload);
        if let Some(payload) = &configuration {
            self.configuration = (entry.id.index, payload.clone());
        }
        let (id, stamp_ms) = (entry.id, entry.stamp_ms);
        Applied { id, stamp_ms, outcome, bytes, configuration, revoked }
    }

    fn fetch(&mut self, log: &Log, requests: &mut Vec<LogRequest>) {
        let next = self.applied().next();
        if !self.fetched.is_empty() || self.reading || next > self.commit {
            return;
        }
        match log.entries(next, self.commit, FETCH_BYTES_MAX) {
            Some(entries) => self.fetched = entries.into(),
            None => {
                self.reading = true;
                requests.push(LogRequest::Read {
                    purpose: Purpose::Apply,
                    from: next,
                    to: self.commit,
                    bytes_max: FETCH_BYTES_MAX,
                });
            }
        }
    }

    /// Entries that were read from the log.
    pub(crate) fn entries_read(&mut self, entries: Vec<Entry>) {
        assert!(self.reading, "entries for apply come only when asked for");
        if std::mem::take(&mut self.obsolete) {
            self.reading = false;
            return;
        }
        assert!(!entries.is_empty(), "a committed entry is never truncated");
        let next = entries.first().map(|entry| entry.id.index);
        assert_eq!(next, Some(self.applied().next()), "the log answers what was asked");
        self.reading = false;
        self.fetched = entries.into();
    }
}

/// The outcome of a revocation does not name the lease.
fn revoked_by(payload: &Bytes) -> Option<LeaseId> {
    match Command::decode(payload.clone()).ok()?.itself() {
        Command::LeaseRevoke { lease } => Some(*lease),
        _ => None,
    }
}

/// A committed entry as the store is told of it.
pub(crate) fn to_store(entry: &Entry) -> LogEntry {
    LogEntry {
        index: entry.id.index.0,
        term: entry.id.term.0,
        stamp_ms: entry.stamp_ms,
        age_ms: entry.age_ms,
        command: (entry.kind == EntryKind::Command).then(|| entry.payload.clone()),
    }
}
