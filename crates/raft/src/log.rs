//! The log as the core sees it: which term stands at each index, and the newest entries.
//!
//! ```text
//!   index      ..start | first_index ...... tail_first ............... last
//!   term       of start | known for every index (runs of equal terms: a few words each)
//!   entries    nowhere  | on disk only      in memory, shared with log and wire
//! ```
//!
//! A log begins after its *start*: the last entry that is gone, and whose log id is still known,
//! because a snapshot stands for it and for all before it. A log that was never cut starts at 0@0.
//!
//! Entries leave memory only when they are durable here *and* committed, so what can still be
//! truncated, sent for the first time or counted is always at hand.
//!
//! What it does not do: it writes nothing, and knows neither commit nor durable index; both are
//! handed in where they matter.

use std::collections::VecDeque;

use crate::{Entry, Index, LogId, Term};

/// Term runs, and the tail of entries.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The entry before the first one; the oldest that can be named.
    start: LogId,
    /// Where each new term begins; first indexes and terms both strictly ascend.
    runs: Vec<Run>,
    /// The newest entries, contiguous; ends at `last`.
    tail: VecDeque<Entry>,
    tail_bytes: usize,
    last: LogId,
    /// The largest stamp ever seen. It is not taken back by a truncation: stamps must never go
    /// back along the log, and going ahead of it does no harm.
    stamp_ms: u64,
    /// The age of the entry before the tail, or 0 if nobody remembers it. An entry that is
    /// truncated takes its age with it: what was written meanwhile goes by the age of those who
    /// did not have it.
    age_before_tail_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: Index,
    term: Term,
}

impl Log {
    /// The empty log.
    pub fn new() -> Log {
        Log::default()
    }

    /// A log without entries that goes on after `start`, whose stamp and age are these.
    pub fn starting_at(start: LogId, stamp_ms: u64, age_ms: u64) -> Log {
        Log { start, last: start, stamp_ms, age_before_tail_ms: age_ms, ..Log::default() }
    }

    /// The log starts at `start`: what follows that entry stays if the log holds it, and nothing
    /// does otherwise.
    pub fn start_at(&mut self, start: LogId) {
        if self.holds(start) {
            self.cut(start);
        } else {
            self.replace(Log::starting_at(start, 0, 0));
        }
    }

    /// Times that were seen on the way to this log: they never go back after it (rule 8.1).
    pub fn note_times(&mut self, stamp_ms: u64, age_ms: u64) {
        self.stamp_ms = self.stamp_ms.max(stamp_ms);
        self.age_before_tail_ms = self.age_before_tail_ms.max(age_ms);
    }

    /// Adds an entry after the last one, or in place of the one at its index and all after it.
    pub fn append(&mut self, entry: Entry) {
        if entry.id.index <= self.last.index {
            self.truncate_from(entry.id.index);
        }
        assert_eq!(entry.id.index, self.last.index.next(), "the log has no holes");
        assert!(entry.id.term >= self.last.term, "terms never go back along the log");
        if self.runs.last().is_none_or(|run| run.term < entry.id.term) {
            self.runs.push(Run { first: entry.id.index, term: entry.id.term });
        }
        self.last = entry.id;
        self.stamp_ms = self.stamp_ms.max(entry.stamp_ms);
        self.tail_bytes += entry.size_bytes();
        self.tail.push_back(entry);
    }

    /// Drops the entry at `from` and all after it.
    pub(crate) fn truncate_from(&mut self, from: Index) {
        let is_there = self.start.index < from && from <= self.last.index;
        assert!(is_there, "only what is there can be dropped");
        while self.tail.back().is_some_and(|entry| entry.id.index >= from) {
            let entry = self.tail.pop_back().expect("back() was Some");
            self.tail_bytes -= entry.size_bytes();
        }
        if self.tail.is_empty() {
            // After a restart, what was not committed may have left memory. Whatever takes its
            // place tells how old the log is.
            self.age_before_tail_ms = 0;
        }
        while self.runs.last().is_some_and(|run| run.first >= from) {
            self.runs.pop();
        }
        let term = self.runs.last().map_or(self.start.term, |run| run.term);
        self.last = LogId::new(term, from.previous());
    }

    /// The entries up to `to` are gone: the log starts there.
    pub(crate) fn cut(&mut self, to: LogId) {
        assert!(self.holds(to), "a log is cut at an entry that it holds");
        while self.tail.front().is_some_and(|entry| entry.id.index <= to.index) {
            self.forget_oldest();
        }
        let first = to.index.next();
        let gone = self.runs.partition_point(|run| run.first <= first).saturating_sub(1);
        self.runs.drain(..gone);
        if self.last == to {
            self.runs.clear();
        } else if let Some(run) = self.runs.first_mut() {
            run.first = run.first.max(first);
        }
        self.start = to;
    }

    fn forget_oldest(&mut self) {
        if let Some(entry) = self.tail.pop_front() {
            self.tail_bytes -= entry.size_bytes();
            self.age_before_tail_ms = self.age_before_tail_ms.max(entry.age_ms);
        }
    }

    /// Takes over `other`, whose stamps this log has not seen yet.
    pub(crate) fn replace(&mut self, other: Log) {
        let stamp_ms = self.stamp_ms.max(other.stamp_ms);
        *self = Log { stamp_ms, ..other };
    }

    /// Forgets the oldest entries in memory, down to `bytes_max`, but nothing at or after `keep`.
    pub fn shrink(&mut self, keep: Index, bytes_max: usize) {
        while self.tail_bytes > bytes_max
            && self.tail.front().is_some_and(|entry| entry.id.index < keep)
        {
            self.forget_oldest();
        }
    }

    /// The last entry's log id; that of the start if there is no entry.
    pub fn last(&self) -> LogId {
        self.last
    }

    /// The entry before the first one; `0@0` if the log was never cut.
    pub fn start(&self) -> LogId {
        self.start
    }

    /// The index of the first entry, which may still have to be written.
    pub fn first_index(&self) -> Index {
        self.start.index.next()
    }

    /// The term at `index`; None before the start and after the end.
    pub fn term_at(&self, index: Index) -> Option<Term> {
        if index < self.start.index || index > self.last.index {
            return None;
        }
        let run = self.runs.partition_point(|run| run.first <= index);
        Some(if run == 0 { self.start.term } else { self.runs[run - 1].term })
    }

    /// The newest terms of the log, oldest first, each with the index of its first entry that is
    /// still there; at most so many.
    pub fn newest_terms(&self, terms_max: usize) -> impl Iterator<Item = LogId> {
        let skipped = self.runs.len().saturating_sub(terms_max);
        self.runs[skipped..].iter().map(|run| LogId::new(run.term, run.first))
    }

    /// Whether this log holds exactly that entry.
    pub fn holds(&self, id: LogId) -> bool {
        self.term_at(id.index) == Some(id.term)
    }

    /// The first index still in memory; one past the end if none is.
    pub fn tail_first(&self) -> Index {
        self.tail.front().map_or(self.last.index.next(), |entry| entry.id.index)
    }

    /// Entries `from..=to` in order, cut short at `bytes_max` (but at least one). None if they
    /// are no longer in memory.
    pub fn entries(&self, from: Index, to: Index, bytes_max: usize) -> Option<Vec<Entry>> {
        assert!(from.0 > 0, "the first entry has index 1");
        assert!(to <= self.last.index, "entries past the end were asked for");
        if from > to {
            return Some(Vec::new());
        }
        let skip = from.0.checked_sub(self.tail_first().0)? as usize;
        let wanted = (to.0 - from.0 + 1) as usize;
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            let first = bytes == 0;
            bytes += entry.size_bytes();
            first || bytes <= bytes_max
        };
        Some(self.tail.range(skip..skip + wanted).take_while(fits).cloned().collect())
    }

    /// Bytes of the entries in `(after, to]`, as far as they are in memory.
    pub(crate) fn bytes_between(&self, after: Index, to: Index) -> usize {
        let first = self.tail_first().0;
        let start = after.next().0.saturating_sub(first) as usize;
        let end = to.next().0.saturating_sub(first) as usize;
        self.tail.range(start.min(end)..end).map(Entry::size_bytes).sum()
    }

    /// The last entry at or before `at.index` whose term is at most `at.term`: where two logs
    /// that differ at `at` may still agree. Each call skips at least one conflicting term (§5.3).
    /// None if they can agree only before the start.
    pub(crate) fn last_before(&self, at: LogId) -> Option<LogId> {
        let mut index = at.index.min(self.last.index);
        while index >= self.start.index {
            let run = self.runs.partition_point(|run| run.first <= index);
            let Some(run) = run.checked_sub(1).map(|run| self.runs[run]) else {
                return Some(self.start).filter(|start| start.term <= at.term);
            };
            if run.term <= at.term {
                return Some(LogId::new(run.term, index));
            }
            index = run.first.previous();
        }
        None
    }

    /// The largest stamp seen, ms since 1970.
    pub(crate) fn stamp_ms(&self) -> u64 {
        self.stamp_ms
    }

    /// The stamp of the first entry after `index`, ms since 1970, or 0 if it is no longer in
    /// memory; None if there is none.
    pub(crate) fn stamp_after(&self, index: Index) -> Option<u64> {
        let next = index.next();
        if next > self.last.index {
            return None;
        }
        let at = next.0.checked_sub(self.tail_first().0).and_then(|at| usize::try_from(at).ok());
        Some(at.and_then(|at| self.tail.get(at)).map_or(0, |entry| entry.stamp_ms))
    }

    /// The last entry's age, ms.
    pub(crate) fn age_ms(&self) -> u64 {
        self.tail.back().map_or(self.age_before_tail_ms, |entry| entry.age_ms)
    }

    /// Bytes of the entries in memory.
    #[cfg(test)]
    pub(crate) fn tail_bytes(&self) -> usize {
        self.tail_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ENTRY_OVERHEAD_BYTES, EntryKind};
    use bytes::Bytes;

    fn log(terms: &[u64]) -> Log {
        let mut log = Log::new();
        for (offset, &term) in terms.iter().enumerate() {
            log.append(entry(term, offset as u64 + 1));
        }
        log
    }

    fn entry(term: u64, index: u64) -> Entry {
        let id = LogId::new(Term(term), Index(index));
        Entry {
            id,
            kind: EntryKind::Command,
            stamp_ms: index,
            age_ms: index,
            payload: Bytes::new(),
        }
    }

    fn id(term: u64, index: u64) -> LogId {
        LogId::new(Term(term), Index(index))
    }

    #[test]
    fn knows_the_term_at_every_index() {
        let log = log(&[1, 1, 2, 5]);
        let terms: Vec<_> = (0..6).map(|index| log.term_at(Index(index)).map(|t| t.0)).collect();
        assert_eq!(terms, [Some(0), Some(1), Some(1), Some(2), Some(5), None]);
    }

    #[test]
    fn an_entry_in_the_middle_replaces_all_after_it() {
        let mut log = log(&[1, 1, 2, 2, 2]);
        log.append(entry(3, 3));
        assert_eq!(log.last(), id(3, 3));
        assert_eq!(log.term_at(Index(3)), Some(Term(3)));
        assert_eq!(log.entries(Index(1), Index(3), usize::MAX).map(|e| e.len()), Some(3));
    }

    #[test]
    fn truncating_everything_leaves_the_empty_log() {
        let mut log = log(&[1, 2]);
        log.truncate_from(Index(1));
        assert_eq!(log.last(), LogId::default());
        assert_eq!(log.tail_bytes(), 0);
    }

    #[test]
    fn what_is_truncated_takes_its_age_with_it() {
        let mut log = log(&[1, 1, 1]);
        log.append(Entry { age_ms: 3_600_000, ..entry(1, 4) });
        assert_eq!(log.age_ms(), 3_600_000);
        log.append(entry(2, 4));
        assert_eq!(log.age_ms(), 4);
        log.shrink(Index(5), 0);
        assert_eq!(log.age_ms(), 4, "the last one has left memory");
    }

    #[test]
    fn what_is_truncated_takes_its_age_with_it_although_it_has_left_memory() {
        let mut log = log(&[1, 1, 1]);
        log.append(Entry { age_ms: 3_600_000, ..entry(1, 4) });
        log.append(Entry { age_ms: 3_600_000, ..entry(1, 5) });
        log.shrink(Index(5), 0);
        assert_eq!(log.tail_first(), Index(5));
        log.append(entry(2, 4));
        assert_eq!(log.age_ms(), 4);
    }

    #[test]
    fn shrinking_keeps_what_it_is_told_to() {
        let mut log = log(&[1; 10]);
        log.shrink(Index(6), 2 * ENTRY_OVERHEAD_BYTES);
        assert_eq!(log.tail_first(), Index(6));
        assert_eq!(log.entries(Index(5), Index(7), usize::MAX), None);
        assert_eq!(log.term_at(Index(2)), Some(Term(1)), "terms outlive entries");
    }

    #[test]
    fn entries_are_cut_at_the_byte_limit_but_never_to_nothing() {
        let log = log(&[1; 10]);
        let count = |bytes_max| log.entries(Index(2), Index(9), bytes_max).map(|e| e.len());
        assert_eq!(count(0), Some(1));
        assert_eq!(count(3 * ENTRY_OVERHEAD_BYTES), Some(3));
        assert_eq!(count(usize::MAX), Some(8));
    }

    #[test]
    fn the_last_entry_before_a_conflict_skips_whole_terms() {
        let log = log(&[1, 1, 4, 4, 6]);
        assert_eq!(log.last_before(id(9, 9)), Some(id(6, 5)));
        assert_eq!(log.last_before(id(5, 5)), Some(id(4, 4)));
        assert_eq!(log.last_before(id(3, 5)), Some(id(1, 2)));
        assert_eq!(log.last_before(id(0, 5)), Some(id(0, 0)));
    }

    #[test]
    fn a_cut_log_names_its_start_and_nothing_before_it() {
        // At every place, against the log that was not cut.
        let terms = [1, 1, 2, 5, 5];
        let whole = log(&terms);
        for at in 1..=terms.len() {
            let mut cut = whole.clone();
            cut.cut(id(terms[at - 1], at as u64));
            assert_eq!(cut.start(), id(terms[at - 1], at as u64));
            assert_eq!(cut.last(), whole.last());
            for index in 0..=6 {
                let expected = whole.term_at(Index(index)).filter(|_| index >= at as u64);
                assert_eq!(cut.term_at(Index(index)), expected, "{index} of a log cut at {at}");
            }
            let bytes = (terms.len() - at) * ENTRY_OVERHEAD_BYTES;
            assert_eq!(cut.tail_bytes(), bytes);
            cut.append(entry(7, 6));
            assert_eq!(cut.term_at(Index(6)), Some(Term(7)));
        }
    }

    #[test]
    fn truncating_to_the_start_leaves_the_start() {
        let mut log = log(&[1, 1, 2, 5]);
        log.cut(id(1, 2));
        log.truncate_from(Index(3));
        assert_eq!((log.last(), log.first_index()), (id(1, 2), Index(3)));
    }

    #[test]
    fn where_logs_agree_before_the_start_is_not_known() {
        let mut log = log(&[1, 1, 4, 4, 6]);
        log.cut(id(4, 3));
        assert_eq!(log.last_before(id(5, 5)), Some(id(4, 4)));
        assert_eq!(log.last_before(id(4, 3)), Some(id(4, 3)));
        assert_eq!(log.last_before(id(3, 5)), None);
        assert_eq!(log.last_before(id(9, 2)), None);
    }
}
