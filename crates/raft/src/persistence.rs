//! What has been handed to the log, and what of it is durable (rule 1.6).
//!
//! Batches are numbered and become durable in order. The durable index is the last index of the
//! newest durable batch, lowered by every truncation queued since: an index that is about to be
//! overwritten must not be acknowledged on the strength of what stood there before.

use std::collections::VecDeque;

use crate::{Entry, HardState, Index, LogId, Persist, PersistNumber};

#[derive(Debug)]
pub(crate) struct Persistence {
    /// The log was replaced by one that starts here since the last batch was handed out.
    start_staged: Option<LogId>,
    /// Appended since the last batch was handed out.
    staged: Vec<Entry>,
    /// Term or vote changed since the last batch was handed out.
    hard_state_staged: bool,
    /// The newest batch handed out.
    newest: PersistNumber,
    /// The newest durable batch.
    done: PersistNumber,
    /// The batch that carries the present term and vote.
    hard_state_in: PersistNumber,
    /// Handed out and not yet durable, in order.
    queued: VecDeque<Queued>,
    durable: Index,
}

#[derive(Debug)]
struct Queued {
    number: PersistNumber,
    /// The durable index once this batch is, lowered by later truncations.
    last: Index,
    since_ms: u64,
}

impl Persistence {
    /// Everything up to `durable` is on disk, as are term and vote.
    pub(crate) fn new(durable: Index) -> Persistence {
        Persistence {
            start_staged: None,
            staged: Vec::new(),
            hard_state_staged: false,
            newest: PersistNumber(0),
            done: PersistNumber(0),
            hard_state_in: PersistNumber(0),
            queued: VecDeque::new(),
            durable,
        }
    }

    /// An entry was appended to the log.
    pub(crate) fn stage(&mut self, entry: Entry) {
        self.staged.push(entry);
    }

    /// Term or vote changed.
    pub(crate) fn stage_hard_state(&mut self) {
        self.hard_state_staged = true;
    }

    /// The entry at `from` and all after it were dropped from the log.
    pub(crate) fn truncate_from(&mut self, from: Index) {
        let keep = from.previous();
        self.staged.retain(|entry| entry.id.index < from);
        for batch in &mut self.queued {
            batch.last = batch.last.min(keep);
        }
        self.durable = self.durable.min(keep);
    }

    /// The log was replaced by one that starts at `start`. Up to `agreed` the old one, which is on
    /// disk until that is durable, was known to agree with it.
    pub(crate) fn restart_at(&mut self, start: LogId, agreed: Index) {
        self.truncate_from(agreed.next());
        self.staged.clear();
        self.start_staged = Some(start);
    }

    /// Hands out what was staged, if anything was.
    pub(crate) fn take(
        &mut self,
        hard_state: HardState,
        last: Index,
        now_ms: u64,
    ) -> Option<Persist> {
        let start = self.start_staged.take();
        if start.is_none() && self.staged.is_empty() && !self.hard_state_staged {
            return None;
        }
        let number = self.next_number();
        self.newest = number;
        if self.hard_state_staged {
            self.hard_state_in = number;
            self.hard_state_staged = false;
        }
        self.queued.push_back(Queued { number, last, since_ms: now_ms });
        Some(Persist { number, hard_state, start, entries: std::mem::take(&mut self.staged) })
    }

    /// Batch `number` and all before it are durable.
    pub(crate) fn persisted(&mut self, number: PersistNumber) {
        assert!(number <= self.newest, "a batch that was never handed out can not be durable");
        while self.queued.front().is_some_and(|batch| batch.number <= number) {
            let batch = self.queued.pop_front().expect("front() was Some");
            self.durable = batch.last;
        }
        self.done = self.done.max(number);
    }

    /// The last index that is durable and still part of the log.
    pub(crate) fn durable(&self) -> Index {
        self.durable
    }

    /// The batch that must be durable before a message that rests on term and vote may leave;
    /// None if it is durable already.
    pub(crate) fn hard_state_pending(&self) -> Option<PersistNumber> {
        if self.hard_state_staged {
            Some(self.next_number())
        } else {
            Some(self.hard_state_in).filter(|&number| number > self.done)
        }
    }

    /// When the oldest batch that is not yet durable was handed out.
    pub(crate) fn oldest_queued_ms(&self) -> Option<u64> {
        self.queued.front().map(|batch| batch.since_ms)
    }

    fn next_number(&self) -> PersistNumber {
        PersistNumber(self.newest.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EntryKind, LogId, Term};
    use bytes::Bytes;

    fn stage(persistence: &mut Persistence, indexes: std::ops::RangeInclusive<u64>) -> Index {
        let last = Index(*indexes.end());
        for index in indexes {
            let id = LogId::new(Term(1), Index(index));
            let kind = EntryKind::Command;
            let entry = Entry { id, kind, stamp_ms: 0, age_ms: 0, payload: Bytes::new() };
            persistence.stage(entry);
        }
        last
    }

    #[test]
    fn batches_become_durable_in_order_and_together() {
        let mut persistence = Persistence::new(Index(0));
        for last in [3, 5] {
            let first = if last == 3 { 1 } else { 4 };
            let last = stage(&mut persistence, first..=last);
            persistence.take(HardState::default(), last, 0).expect("staged");
        }
        persistence.persisted(PersistNumber(2));
        assert_eq!(persistence.durable(), Index(5));
    }

    #[test]
    fn a_truncation_queued_later_lowers_what_an_earlier_batch_makes_durable() {
        let mut persistence = Persistence::new(Index(0));
        let last = stage(&mut persistence, 1..=5);
        persistence.take(HardState::default(), last, 0).expect("staged");
        persistence.truncate_from(Index(3));
        let last = stage(&mut persistence, 3..=3);
        persistence.take(HardState::default(), last, 0).expect("staged");
        persistence.persisted(PersistNumber(1));
        assert_eq!(persistence.durable(), Index(2), "3 to 5 are about to be overwritten");
        persistence.persisted(PersistNumber(2));
        assert_eq!(persistence.durable(), Index(3));
    }

    #[test]
    fn a_truncation_drops_what_was_only_staged() {
        let mut persistence = Persistence::new(Index(0));
        stage(&mut persistence, 1..=5);
        persistence.truncate_from(Index(4));
        let batch = persistence.take(HardState::default(), Index(3), 0).expect("staged");
        assert_eq!(batch.entries.len(), 3);
    }

    #[test]
    fn after_a_new_start_only_what_agreed_stays_acknowledgeable_until_it_is_durable() {
        let mut persistence = Persistence::new(Index(0));
        let last = stage(&mut persistence, 1..=5);
        persistence.take(HardState::default(), last, 0).expect("staged");
        stage(&mut persistence, 6..=6);
        let start = LogId::new(Term(2), Index(9));
        persistence.restart_at(start, Index(3));
        let batch = persistence.take(HardState::default(), start.index, 0).expect("staged");
        assert_eq!((batch.start, batch.entries.len()), (Some(start), 0));
        persistence.persisted(PersistNumber(1));
        assert_eq!(persistence.durable(), Index(3));
        persistence.persisted(PersistNumber(2));
        assert_eq!(persistence.durable(), Index(9));
    }

    #[test]
    fn term_and_vote_are_pending_until_their_batch_is_durable() {
        let mut persistence = Persistence::new(Index(0));
        assert_eq!(persistence.hard_state_pending(), None);
        persistence.stage_hard_state();
        assert_eq!(persistence.hard_state_pending(), Some(PersistNumber(1)));
        persistence.take(HardState::default(), Index(0), 0).expect("staged");
        assert_eq!(persistence.hard_state_pending(), Some(PersistNumber(1)));
        persistence.persisted(PersistNumber(1));
        assert_eq!(persistence.hard_state_pending(), None);
    }
}
