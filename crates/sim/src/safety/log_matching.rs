//! Log matching: if two logs contain an entry with the same index and term, then the logs are
//! identical in all entries up through the given index (§5.3).
//!
//! Every entry that appears in any log is remembered by its log id, with the log id before it. If
//! equal names always have equal content and equal predecessors, then by induction the logs are
//! identical up to there.

use std::collections::BTreeMap;

use raft::{Entry, Index, Log, LogId, MemberId, Raft};
use replica::Replica;

use super::log_id_at;

#[derive(Debug, Default)]
pub(crate) struct LogMatching {
    entries: BTreeMap<LogId, (LogId, Entry)>,
}

impl LogMatching {
    /// The first entry of every log, written before anyone takes a step.
    pub(crate) fn founded(&mut self, founding: Entry) {
        self.entries.insert(founding.id, (LogId::default(), founding));
    }

    /// An entry that was in some log.
    pub(crate) fn entry(&self, id: LogId) -> &Entry {
        &self.entries.get(&id).expect("every entry is seen when it is appended").1
    }

    /// Looks at the entries from `first_new` on.
    pub(crate) fn check(&mut self, raft: &Raft, first_new: Index) {
        let log = raft.log();
        let new = log.entries(first_new, log.last().index, usize::MAX);
        let new = new.expect("what was just appended is in memory");
        for entry in new {
            let before = log_id_at(log, entry.id.index.previous()).expect("a log has no gaps");
            let id = entry.id;
            let seen = self.entries.entry(id).or_insert_with(|| (before, entry.clone()));
            assert_eq!(seen.0, before, "log matching: what is before {id}, on {}", raft.id());
            assert_eq!(seen.1, entry, "log matching: {id}, on {}", raft.id());
        }
    }

    /// A log that came from disk holds nothing that was in none before, and what it holds in memory
    /// is what was written, to the last bit.
    pub(crate) fn check_recovered(&self, id: MemberId, log: &Log) {
        let mut before = log.start();
        let known = before.index.0 == 0 || self.entries.contains_key(&before);
        assert!(known, "log matching: {id} found a log that starts at {before}, which never was");
        for index in log.first_index().0..=log.last().index.0 {
            let entry = log_id_at(log, Index(index)).expect("a log has no gaps");
            let seen = self.entries.get(&entry).map(|(before, _)| *before);
            assert_eq!(seen, Some(before), "log matching: before {entry}, found by {id}");
            before = entry;
        }
        let tail = log.entries(log.tail_first(), log.last().index, usize::MAX).unwrap_or_default();
        for found in tail {
            let written = self.entry(found.id);
            assert_eq!(*written, found, "log matching: {} was read back on {id}", found.id);
        }
    }
}

/// Compares all logs in full: from the last index at which two have the same term, downwards.
pub(crate) fn scan<'a>(replicas: &(impl Iterator<Item = &'a Replica> + Clone)) {
    for (position, one) in replicas.clone().enumerate() {
        for other in replicas.clone().skip(position + 1) {
            scan_pair(one, other);
        }
    }
}

fn scan_pair(one: &Replica, other: &Replica) {
    let (a, b) = (one.raft().log(), other.raft().log());
    let mut matched = false;
    let first = a.start().index.max(b.start().index);
    for index in (first.0..=a.last().index.0.min(b.last().index.0)).rev() {
        let same = a.term_at(Index(index)) == b.term_at(Index(index));
        assert!(same || !matched, "log matching: two logs differ at {index}, yet agree after it");
        matched = same;
    }
}
