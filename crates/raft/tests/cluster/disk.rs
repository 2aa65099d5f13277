//! A member's disk: batches are queued, become durable in order when told, and are gone after a
//! crash if they had not.

use std::collections::VecDeque;

use bytes::Bytes;
use raft::{
    Entry, EntryKind, Envelope, HardState, Index, Log, LogId, Membership, Persist, PersistNumber,
    Restored, SnapshotPoint, Term,
};

use super::codec::CODEC;

/// A log on disk: contiguous entries after its start.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub(crate) start: LogId,
    /// The stamp and age of the start.
    times: (u64, u64),
    /// The configuration at the start; nothing, of a member that joins.
    base: (Index, Bytes),
    pub(crate) entries: Vec<Entry>,
}

#[derive(Default)]
pub(crate) struct Disk {
    /// What a crash leaves.
    pub(crate) hard_state: HardState,
    pub(crate) durable: Kept,
    /// The log with everything that is queued: what the core believes it to be.
    pub(crate) written: Kept,
    /// What a damaged log once ended with.
    floor: LogId,
    /// Snapshots, as files: durable before the core hears of them.
    files: Vec<SnapshotPoint>,
    queued: VecDeque<Persist>,
    waiting: VecDeque<(PersistNumber, Envelope)>,
    done: PersistNumber,
    newest: PersistNumber,
    /// Nothing becomes durable by itself.
    pub(crate) held: bool,
}

impl Disk {
    pub(crate) fn new(base: Bytes) -> Disk {
        let kept = Kept { base: (Index(0), base), ..Kept::default() };
        Disk { durable: kept.clone(), written: kept, ..Disk::default() }
    }

    /// Who counts by the newest configuration of the log, with everything that is queued.
    pub(crate) fn configuration(&self) -> Membership {
        let (_, payload) = self.written.configuration_at(Index(u64::MAX));
        (CODEC.decode)(&payload).expect("only what can be read is in a log")
    }

    pub(crate) fn queue(&mut self, persist: Persist) {
        assert_eq!(persist.number.0, self.newest.0 + 1, "batches are numbered without a hole");
        self.newest = persist.number;
        self.written.take(&persist, &self.files);
        self.queued.push_back(persist);
    }

    /// Keeps a message until its batch is durable; gives it back if that is so already.
    pub(crate) fn hold_back(
        &mut self,
        number: PersistNumber,
        envelope: Envelope,
    ) -> Option<Envelope> {
        assert!(number <= self.newest, "a message waits for a batch that was never handed out");
        if number <= self.done {
            return Some(envelope);
        }
        self.waiting.push_back((number, envelope));
        None
    }

    /// The oldest queued batch becomes durable: its number, and the messages that waited for it.
    pub(crate) fn complete_next(&mut self) -> Option<(PersistNumber, Vec<Envelope>)> {
        let persist = self.queued.pop_front()?;
        self.durable.take(&persist, &self.files);
        let Persist { number, hard_state, .. } = persist;
        self.hard_state = hard_state;
        self.done = number;
        let (free, waiting) = self.waiting.drain(..).partition(|(needed, _)| *needed <= number);
        self.waiting = waiting;
        let free: VecDeque<(PersistNumber, Envelope)> = free;
        Some((number, free.into_iter().map(|(_, envelope)| envelope).collect()))
    }

    pub(crate) fn durable_last(&self) -> Index {
        self.durable.last()
    }

    /// Itself, or as part of what a snapshot stands for.
    pub(crate) fn holds_durably(&self, id: LogId) -> bool {
        let in_snapshot = id.index <= self.durable.start.index;
        in_snapshot || self.durable.at(id.index).is_some_and(|entry| entry.id == id)
    }

    /// The entry before `index`, with everything that is queued; its stamp and age, too.
    pub(crate) fn written_before(&self, index: Index) -> (LogId, u64, u64) {
        match self.written.at(index.previous()) {
            Some(entry) => (entry.id, entry.stamp_ms, entry.age_ms),
            None => (self.written.start, self.written.times.0, self.written.times.1),
        }
    }

    /// The entries up to `to` are gone.
    pub(crate) fn cut(&mut self, to: LogId) {
        assert!(self.holds_durably(to), "only what is durable is cut");
        self.durable.cut(to);
        self.written.cut(to);
    }

    /// What a snapshot at `index` says of itself; this log must name that entry.
    pub(crate) fn snapshot_at(&self, index: Index) -> SnapshotPoint {
        let (last, stamp_ms, age_ms) = self.written_before(index.next());
        assert_eq!(last.index, index, "a snapshot is made of what can be named");
        let configuration = self.written.configuration_at(index);
        SnapshotPoint { last, stamp_ms, age_ms, configuration }
    }

    /// A snapshot was received, and is durable as a file.
    pub(crate) fn keep(&mut self, snapshot: SnapshotPoint) {
        self.files.push(snapshot);
    }

    pub(crate) fn read(&self, from: Index, to: Index, bytes_max: usize) -> Vec<Entry> {
        // Who asked may have been overruled since, and its log cut.
        let wanted = (from.0..=to.0).map_while(|index| self.written.at(Index(index)));
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            bytes += entry.size_bytes();
            bytes == entry.size_bytes() || bytes <= bytes_max
        };
        wanted.take_while(fits).cloned().collect()
    }

    pub(crate) fn crash(&mut self) {
        *self = Disk {
            hard_state: self.hard_state,
            durable: self.durable.clone(),
            written: self.durable.clone(),
            floor: self.floor,
            files: std::mem::take(&mut self.files),
            held: self.held,
            ..Disk::default()
        };
    }

    /// Replaces everything on it: a history that happened before the script begins.
    pub(crate) fn replace(&mut self, hard_state: HardState, entries: Vec<Entry>, floor: LogId) {
        assert!(entries.last().is_none_or(|entry| entry.id.term <= hard_state.term));
        let kept = Kept { entries, base: self.durable.base.clone(), ..Kept::default() };
        *self = Disk {
            hard_state,
            durable: kept.clone(),
            written: kept,
            floor,
            held: self.held,
            ..Disk::default()
        };
    }

    pub(crate) fn restored(&self, tail_bytes_max: usize) -> Restored {
        let (stamp_ms, age_ms) = self.durable.times;
        let mut log = Log::starting_at(self.durable.start, stamp_ms, age_ms);
        for entry in &self.durable.entries {
            log.append(entry.clone());
        }
        log.shrink(self.hard_state.commit, tail_bytes_max);
        Restored {
            hard_state: self.hard_state,
            log,
            base: self.durable.base.clone(),
            configurations: self.durable.configurations().collect(),
            floor: self.floor,
        }
    }

    pub(crate) fn term_and_vote(&self) -> (Term, Option<raft::MemberId>) {
        (self.hard_state.term, self.hard_state.vote)
    }
}

impl Kept {
    pub(crate) fn at(&self, index: Index) -> Option<&Entry> {
        self.entries.get(index.0.checked_sub(self.start.index.0 + 1)? as usize)
    }

    fn configurations(&self) -> impl Iterator<Item = (Index, Bytes)> {
        let are = self.entries.iter().filter(|entry| entry.kind == EntryKind::Configuration);
        are.map(|entry| (entry.id.index, entry.payload.clone()))
    }

    /// The newest configuration at or before `index`.
    fn configuration_at(&self, index: Index) -> (Index, Bytes) {
        let before = self.configurations().take_while(|&(at, _)| at <= index);
        before.last().unwrap_or_else(|| self.base.clone())
    }

    fn last(&self) -> Index {
        Index(self.start.index.0 + self.entries.len() as u64)
    }

    /// A first index at or below the last one replaces what is there from that index on.
    fn take(&mut self, persist: &Persist, files: &[SnapshotPoint]) {
        if let Some(start) = persist.start {
            let file = files.iter().find(|file| file.last == start);
            let file = file.expect("a log starts at a snapshot that is durable");
            let (times, base) = ((file.stamp_ms, file.age_ms), file.configuration.clone());
            *self = Kept { start, times, base, entries: Vec::new() };
        }
        let Some(first) = persist.entries.first() else { return };
        let kept = first.id.index.0.checked_sub(self.start.index.0 + 1);
        let kept = kept.expect("a batch begins after the start") as usize;
        assert!(kept <= self.entries.len(), "a batch leaves a hole in the log");
        self.entries.truncate(kept);
        self.entries.extend_from_slice(&persist.entries);
    }

    fn cut(&mut self, to: LogId) {
        self.base = self.configuration_at(to.index);
        let gone = self.entries.iter().take_while(|entry| entry.id.index <= to.index).count();
        if let Some(last) = self.entries.drain(..gone).next_back() {
            assert_eq!(last.id, to, "a log is cut at an entry that it holds");
            self.start = last.id;
            self.times = (last.stamp_ms, last.age_ms);
        }
    }
}
