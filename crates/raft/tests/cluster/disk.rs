//! A member's disk: batches are queued, become durable in order when told, and are gone after a
//! crash if they had not.

use std::collections::VecDeque;

use raft::{Entry, Envelope, HardState, Index, Log, LogId, Persist, PersistNumber, Restored, Term};

#[derive(Default)]
pub(crate) struct Disk {
    /// What a crash leaves.
    pub(crate) hard_state: HardState,
    pub(crate) durable: Vec<Entry>,
    /// The log with everything that is queued: what the core believes it to be.
    pub(crate) written: Vec<Entry>,
    queued: VecDeque<Persist>,
    waiting: VecDeque<(PersistNumber, Envelope)>,
    done: PersistNumber,
    newest: PersistNumber,
    /// Nothing becomes durable by itself.
    pub(crate) held: bool,
}

impl Disk {
    pub(crate) fn queue(&mut self, persist: Persist) {
        assert_eq!(persist.number.0, self.newest.0 + 1, "batches are numbered without a hole");
        self.newest = persist.number;
        splice(&mut self.written, &persist.entries);
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
        let Persist { number, hard_state, entries } = self.queued.pop_front()?;
        splice(&mut self.durable, &entries);
        self.hard_state = hard_state;
        self.done = number;
        let (free, waiting) = self.waiting.drain(..).partition(|(needed, _)| *needed <= number);
        self.waiting = waiting;
        let free: VecDeque<(PersistNumber, Envelope)> = free;
        Some((number, free.into_iter().map(|(_, envelope)| envelope).collect()))
    }

    pub(crate) fn durable_last(&self) -> Index {
        Index(self.durable.len() as u64)
    }

    pub(crate) fn holds_durably(&self, id: LogId) -> bool {
        entry_at(&self.durable, id.index).is_some_and(|entry| entry.id == id)
    }

    /// The entry before `index`, with everything that is queued.
    pub(crate) fn written_before(&self, index: Index) -> Option<&Entry> {
        entry_at(&self.written, index.previous())
    }

    pub(crate) fn read(&self, from: Index, to: Index, bytes_max: usize) -> Vec<Entry> {
        // Who asked may have been overruled since, and its log cut.
        let to = (to.0 as usize).min(self.written.len());
        let wanted = self.written.get(from.previous().0 as usize..to).unwrap_or(&[]);
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            bytes += entry.size_bytes();
            bytes == entry.size_bytes() || bytes <= bytes_max
        };
        wanted.iter().take_while(fits).cloned().collect()
    }

    pub(crate) fn crash(&mut self) {
        *self = Disk {
            hard_state: self.hard_state,
            durable: self.durable.clone(),
            written: self.durable.clone(),
            held: self.held,
            ..Disk::default()
        };
    }

    /// Replaces everything on it: a history that happened before the script begins.
    pub(crate) fn replace(&mut self, hard_state: HardState, entries: Vec<Entry>) {
        assert!(entries.last().is_none_or(|entry| entry.id.term <= hard_state.term));
        *self = Disk {
            hard_state,
            durable: entries.clone(),
            written: entries,
            held: self.held,
            ..Disk::default()
        };
    }

    pub(crate) fn restored(&self, tail_bytes_max: usize) -> Restored {
        let mut log = Log::new();
        for entry in &self.durable {
            log.append(entry.clone());
        }
        log.shrink(self.hard_state.commit, tail_bytes_max);
        Restored { hard_state: self.hard_state, log }
    }

    pub(crate) fn term_and_vote(&self) -> (Term, Option<raft::MemberId>) {
        (self.hard_state.term, self.hard_state.vote)
    }
}

pub(crate) fn entry_at(entries: &[Entry], index: Index) -> Option<&Entry> {
    entries.get(index.0.checked_sub(1)? as usize)
}

/// A first index at or below the last one replaces what is there from that index on.
fn splice(log: &mut Vec<Entry>, entries: &[Entry]) {
    let Some(first) = entries.first() else { return };
    let keep = first.id.index.previous().0 as usize;
    assert!(keep <= log.len(), "a batch leaves a hole in the log");
    log.truncate(keep);
    log.extend_from_slice(entries);
}
