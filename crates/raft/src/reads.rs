//! Linearizable reads by ReadIndex (thesis §6.4), both ends of it.
//!
//! The leader collects reads, then runs one quorum round for all that waited: it numbers the
//! round, notes its commit index, and every `Append` carries the number. Once a majority has
//! answered with that number, the leader was still leader *after* the reads arrived, so the noted
//! index covers everything acknowledged before. A round serves only reads that arrived before it
//! began, and a retry is a new round (rule 6.3). Answers to a try before it still count, since it
//! began after the reads arrived as well: otherwise no read would ever be served where the way
//! there and back takes longer than the patience.
//!
//! What it does not do: no leases. No guarantee depends on a clock (rule 5.3).

use std::collections::VecDeque;

use crate::{MemberId, ReadId, ReadPoint};

/// Unanswered requests that a follower remembers: older ones are forgotten, their reads are not.
const REQUESTS_MAX: usize = 16;

/// Who waits for a read index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiter {
    /// A read of this member.
    Local(ReadId),
    /// A follower's request.
    Remote(MemberId, u64),
}

/// The leader's side.
#[derive(Debug, Default)]
pub(crate) struct LeaderReads {
    /// The number of the newest round begun in this term.
    pub(crate) round: u64,
    /// Arrived since the last round began.
    waiting: Vec<Waiter>,
    /// The round that is out.
    active: Option<Active>,
}

#[derive(Debug)]
struct Active {
    /// The first round of these waiters; retries have later ones.
    first_round: u64,
    point: ReadPoint,
    since_ms: u64,
    waiters: Vec<Waiter>,
}

impl LeaderReads {
    pub(crate) fn add(&mut self, waiter: Waiter) {
        self.waiting.push(waiter);
    }

    /// Whether a round is to begin: somebody waits, and none is out.
    pub(crate) fn is_due(&self) -> bool {
        self.active.is_none() && !self.waiting.is_empty()
    }

    /// Begins a round for all that wait.
    pub(crate) fn begin(&mut self, point: ReadPoint, clock_ms: u64) {
        assert!(self.is_due(), "one round at a time, for somebody");
        self.round += 1;
        let waiters = std::mem::take(&mut self.waiting);
        let first_round = self.round;
        self.active = Some(Active { first_round, point, since_ms: clock_ms, waiters });
    }

    /// A round that is out for longer than `patience_ms` is tried again, as a new one.
    pub(crate) fn retry(&mut self, clock_ms: u64, patience_ms: u64) {
        if let Some(active) = &mut self.active
            && clock_ms.saturating_sub(active.since_ms) >= patience_ms
        {
            active.since_ms = clock_ms;
            self.round += 1;
        }
    }

    /// A majority answered `round`: the waiters it serves, and where.
    pub(crate) fn confirmed(&mut self, round: u64) -> Option<(ReadPoint, Vec<Waiter>)> {
        let active = self.active.take_if(|active| round >= active.first_round)?;
        Some((active.point, active.waiters))
    }

    /// Leadership is lost: everyone who waits.
    pub(crate) fn abandon(self) -> impl Iterator<Item = Waiter> {
        self.active.into_iter().flat_map(|active| active.waiters).chain(self.waiting)
    }
}

/// The follower's side: one request to the leader at a time, for all reads that waited. One that
/// stays unanswered is followed by another, which covers its reads too; whichever is answered
/// first serves what it covers.
#[derive(Debug)]
pub(crate) struct FollowerReads {
    /// The number of the newest request. Starts anywhere, so that an answer to an earlier life of
    /// this member is not taken for one to this life.
    request: u64,
    /// Requests made and not answered, oldest first, each with the reads that are new in it.
    asked: VecDeque<Asked>,
    waiting: Vec<ReadId>,
}

#[derive(Debug)]
struct Asked {
    request: u64,
    since_ms: u64,
    reads: Vec<ReadId>,
}

impl FollowerReads {
    pub(crate) fn new(before_first_request: u64) -> FollowerReads {
        FollowerReads { request: before_first_request, asked: VecDeque::new(), waiting: Vec::new() }
    }

    pub(crate) fn add(&mut self, id: ReadId) {
        self.waiting.push(id);
    }

    /// The number of a request to send now, if one is due: none is out, or the newest has not been
    /// answered for `patience_ms`.
    pub(crate) fn ask(&mut self, clock_ms: u64, patience_ms: u64) -> Option<u64> {
        let due = match self.asked.back() {
            None => !self.waiting.is_empty(),
            Some(newest) => clock_ms.saturating_sub(newest.since_ms) >= patience_ms,
        };
        if !due {
            return None;
        }
        if self.asked.len() == REQUESTS_MAX {
            self.merge_oldest();
        }
        self.request = self.request.wrapping_add(1);
        let reads = std::mem::take(&mut self.waiting);
        self.asked.push_back(Asked { request: self.request, since_ms: clock_ms, reads });
        Some(self.request)
    }

    /// The oldest request is given up; the next covers its reads anyway.
    fn merge_oldest(&mut self) {
        let oldest = self.asked.pop_front().expect("there are REQUESTS_MAX of them");
        let next = self.asked.front_mut().expect("REQUESTS_MAX is above 1");
        next.reads.splice(0..0, oldest.reads);
    }

    /// The leader answered `request`: the reads it serves (none, if the answer is late).
    pub(crate) fn answered(&mut self, request: u64) -> Vec<ReadId> {
        let position = self.asked.iter().position(|asked| asked.request == request);
        let served = position.map_or(0, |position| position + 1);
        self.asked.drain(..served).flat_map(|asked| asked.reads).collect()
    }

    /// There is no leader to ask any more: every read that waits.
    pub(crate) fn abandon(&mut self) -> Vec<ReadId> {
        let asked = self.asked.drain(..).flat_map(|asked| asked.reads);
        asked.chain(self.waiting.drain(..)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Index;

    fn local(id: u64) -> Waiter {
        Waiter::Local(ReadId(id))
    }

    fn at(index: u64) -> ReadPoint {
        ReadPoint { index: Index(index), settled_ms: 0 }
    }

    #[test]
    fn a_round_serves_only_reads_that_arrived_before_it_began() {
        let mut reads = LeaderReads::default();
        reads.add(local(1));
        reads.begin(at(7), 0);
        reads.add(local(2));
        assert!(!reads.is_due(), "one round at a time");
        assert_eq!(reads.confirmed(1), Some((at(7), vec![local(1)])));
        reads.begin(at(9), 0);
        assert_eq!(reads.confirmed(1), None, "an old answer confirms no new round");
        assert_eq!(reads.confirmed(2), Some((at(9), vec![local(2)])));
    }

    #[test]
    fn a_retry_is_a_new_round_and_the_first_one_still_counts() {
        let mut reads = LeaderReads::default();
        reads.add(local(1));
        reads.begin(at(7), 0);
        reads.retry(99, 100);
        assert_eq!(reads.round, 1);
        reads.retry(100, 100);
        assert_eq!(reads.round, 2);
        assert_eq!(reads.confirmed(0), None);
        assert_eq!(reads.confirmed(1), Some((at(7), vec![local(1)])));
        reads.add(local(2));
        reads.begin(at(9), 100);
        assert_eq!(reads.confirmed(2), None, "round 2 began before read 2 arrived");
        assert_eq!(reads.confirmed(3), Some((at(9), vec![local(2)])));
    }

    #[test]
    fn a_follower_asks_once_for_all_that_wait_and_ignores_late_answers() {
        let mut reads = FollowerReads::new(0);
        reads.add(ReadId(1));
        assert_eq!(reads.ask(0, 100), Some(1));
        reads.add(ReadId(2));
        assert_eq!(reads.ask(50, 100), None);
        assert_eq!(reads.ask(100, 100), Some(2), "unanswered: asked again, for both");
        assert_eq!(reads.answered(2), [ReadId(1), ReadId(2)]);
        assert_eq!(reads.answered(1), []);
        assert_eq!(reads.answered(2), []);
    }

    #[test]
    fn an_answer_serves_the_reads_that_were_there_when_it_was_asked_for() {
        let mut reads = FollowerReads::new(u64::MAX);
        reads.add(ReadId(1));
        assert_eq!(reads.ask(0, 100), Some(0));
        reads.add(ReadId(2));
        assert_eq!(reads.ask(100, 100), Some(1));
        assert_eq!(reads.answered(0), [ReadId(1)], "slow is not lost");
        assert_eq!(reads.answered(1), [ReadId(2)]);
    }

    #[test]
    fn requests_that_are_never_answered_are_bounded() {
        let mut reads = FollowerReads::new(0);
        reads.add(ReadId(1));
        for request in 1..=3 * REQUESTS_MAX as u64 {
            assert_eq!(reads.ask(100 * request, 100), Some(request));
        }
        assert_eq!(reads.asked.len(), REQUESTS_MAX);
        assert_eq!(reads.answered(3 * REQUESTS_MAX as u64), [ReadId(1)]);
    }
}
