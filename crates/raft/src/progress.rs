//! The leader's view of one follower: a small state machine.
//!
//! ```text
//!                 accepted                        rejected
//!   Probe ───────────────────────▶ Replicate ───────────────────▶ Probe
//!   one message at a time:         pipelined: `next` runs ahead
//!   where do our logs agree?       of `matched` within a window
//!
//!     what is next was cut                  acknowledged, or said to be sent
//!   ──────────────────────────▶ Snapshot ──────────────────────────────────▶ Replicate, Probe
//!                               only heartbeats, while the shell sends a snapshot
//! ```

use std::collections::VecDeque;

use crate::{Index, Replication};

#[derive(Debug)]
pub(crate) struct Progress {
    /// The follower's log equals ours up to here, durably. Goes back only if the follower lost
    /// what it had (`has_lost`).
    pub(crate) matched: Index,
    /// The next index to send: in [matched + 1, last + 1]. Those between are in flight. Not
    /// after the log's start only while a snapshot is needed.
    pub(crate) next: Index,
    pub(crate) state: State,
    /// Clock time of its last answer in this term; before the first, of when it was asked first.
    pub(crate) answered_ms: u64,
    /// Monotonic time of its last answer in this term; before the first, 0.
    pub(crate) heard_ms: u64,
    /// Clock time of its last acceptance in this term; before the first, of when it was asked.
    pub(crate) accepted_ms: u64,
    /// It has answered in this term.
    pub(crate) has_answered: bool,
    /// Clock time of the last `Append` to it.
    pub(crate) sent_ms: u64,
    /// The commit index in the last `Append` to it.
    pub(crate) commit_sent: Index,
    /// The read round in the last `Append` to it, and in its last answer.
    pub(crate) round_sent: u64,
    pub(crate) round_answered: u64,
    /// Older entries for it are being read from the log since this clock time.
    pub(crate) reading_since_ms: Option<u64>,
}

#[derive(Debug)]
pub(crate) enum State {
    /// Looking for where the logs agree.
    Probe {
        /// A probe with entries up to here is out; the next goes with its answer, or with the
        /// next heartbeat.
        waiting: Option<Index>,
    },
    /// They agree; entries are sent without waiting.
    Replicate(Inflight),
    /// What it needs next is gone from the log: it gets a snapshot instead, by the shell.
    Snapshot {
        /// The shell was asked for it and has not failed since.
        asked: bool,
    },
}

impl State {
    pub(crate) fn name(&self) -> Replication {
        match self {
            State::Probe { .. } => Replication::Probe,
            State::Replicate(_) => Replication::Replicate,
            State::Snapshot { .. } => Replication::Snapshot,
        }
    }
}

impl Progress {
    /// At the start of a leader's term: guess that the follower has everything.
    pub(crate) fn new(next: Index, clock_ms: u64) -> Progress {
        Progress {
            matched: Index(0),
            next,
            state: State::Probe { waiting: None },
            answered_ms: clock_ms,
            heard_ms: 0,
            accepted_ms: clock_ms,
            has_answered: false,
            sent_ms: clock_ms,
            commit_sent: Index(0),
            round_sent: 0,
            round_answered: 0,
            reading_since_ms: None,
        }
    }

    /// Whether a message of up to `message_bytes_max` may be sent now, with at most `bytes_max` in
    /// flight. One always may when none is.
    pub(crate) fn has_room(&self, message_bytes_max: usize, bytes_max: usize) -> bool {
        match &self.state {
            State::Probe { waiting } => waiting.is_none(),
            State::Replicate(inflight) => {
                inflight.bytes == 0 || inflight.bytes + message_bytes_max <= bytes_max
            }
            State::Snapshot { .. } => false,
        }
    }

    /// Entries up to `last`, of `bytes` bytes, were sent. A probe may hold none.
    pub(crate) fn sent(&mut self, last: Index, bytes: usize) {
        assert!(last.next() >= self.next, "entries are sent in order");
        match &mut self.state {
            State::Probe { waiting } => *waiting = Some(last),
            State::Replicate(inflight) => {
                inflight.push(last, bytes);
                self.next = last.next();
            }
            State::Snapshot { .. } => unreachable!("entries are not sent while one is needed"),
        }
    }

    /// The follower accepted everything up to `matched`; our log starts at `start`. Whether that
    /// is news.
    pub(crate) fn accepted(&mut self, matched: Index, start: Index) -> bool {
        let news = matched > self.matched;
        self.matched = self.matched.max(matched);
        self.next = self.next.max(self.matched.next());
        match &mut self.state {
            State::Probe { waiting } => {
                // The probe's entries were most likely taken too; if not, the next message's
                // consistency check says so.
                self.next = self.next.max(waiting.map_or(Index(0), Index::next));
                self.state = State::Replicate(Inflight::default());
            }
            State::Replicate(inflight) => inflight.answered(self.matched),
            State::Snapshot { .. } if self.next > start => {
                self.state = State::Replicate(Inflight::default());
            }
            State::Snapshot { .. } => {}
        }
        news
    }

    /// The follower refused `previous`; the logs may agree at `agree`. Whether the answer is to
    /// the present question, not a late one.
    pub(crate) fn rejected(&mut self, previous: Index, agree: Index) -> bool {
        if self.has_lost(previous, agree) {
            self.matched = agree;
        }
        // What matched once is not in question: a refusal of it is late.
        let current = previous > self.matched
            && match self.state {
                State::Probe { .. } => previous == self.next.previous(),
                State::Replicate(_) => true,
                State::Snapshot { .. } => false,
            };
        if current {
            self.next = agree.max(self.matched).next().min(self.next);
            self.state = State::Probe { waiting: None };
        }
        current
    }

    /// The follower refuses what matched, and has accepted nothing for so long that this can not be
    /// a late word: it is asked again, where the logs matched. Without this a cluster in which
    /// nothing is written would never learn what the follower lost.
    pub(crate) fn doubt(&mut self) {
        if let State::Replicate(_) = self.state {
            self.next = self.matched.next();
            self.state = State::Probe { waiting: None };
        }
    }

    /// Whether the follower refuses what it has acknowledged in this very term: its log was damaged
    /// and repaired since (rule 1.4). The probe is out, and begins right after what matched, so
    /// nothing but a late copy could be meant instead; then it costs a message or two, for counting
    /// a follower for less than it has is always safe.
    fn has_lost(&self, previous: Index, agree: Index) -> bool {
        let probed = matches!(self.state, State::Probe { waiting: Some(_) });
        probed && previous == self.matched && previous == self.next.previous() && agree < previous
    }

    /// Whether the shell is to be asked for a snapshot now, our log starting at `start`: once, and
    /// again with a heartbeat if it failed.
    pub(crate) fn asks_for_snapshot(&mut self, start: Index, heartbeat_due: bool) -> bool {
        let asks = match self.state {
            State::Snapshot { asked } => !asked && heartbeat_due,
            State::Probe { .. } | State::Replicate(_) => self.next <= start,
        };
        if asks {
            self.state = State::Snapshot { asked: true };
            self.reading_since_ms = None;
        }
        asks
    }

    /// A snapshot at `last` was sent, and taken as far as the shell knows.
    pub(crate) fn snapshot_sent(&mut self, last: Index) {
        if let State::Snapshot { .. } = self.state {
            self.next = self.next.max(last.next());
            self.state = State::Probe { waiting: None };
        }
    }

    /// The snapshot could not be sent: another is asked for when a heartbeat is due.
    pub(crate) fn snapshot_failed(&mut self) {
        if let State::Snapshot { asked } = &mut self.state {
            *asked = false;
        }
    }

    /// A heartbeat is due: a probe or a reading of the log that has not come back by now may never
    /// come back.
    pub(crate) fn retry_what_may_be_lost(&mut self, clock_ms: u64, patience_ms: u64) {
        if let State::Probe { waiting } = &mut self.state {
            *waiting = None;
        }
        self.reading_since_ms.take_if(|since_ms| clock_ms - *since_ms >= patience_ms);
    }

    pub(crate) fn assert_valid(&self, start: Index, last: Index) {
        assert!(self.matched < self.next, "next is after matched");
        let in_snapshot = matches!(self.state, State::Snapshot { .. });
        assert!(!in_snapshot || self.next <= start, "a snapshot is sent only where one is needed");
        assert!(self.next <= last.next(), "next is at most one past the log");
        if let State::Replicate(inflight) = &self.state {
            let sum: usize = inflight.messages.iter().map(|&(_, bytes)| bytes).sum();
            assert_eq!(inflight.bytes, sum, "bytes in flight are those of the messages in flight");
        }
    }

    /// The newest message in flight went when there was room for the longest, or nothing was.
    pub(crate) fn assert_bounded(&self, message_bytes_max: usize, bytes_max: usize) {
        if let State::Replicate(inflight) = &self.state
            && let Some((_, newest)) = inflight.messages.back()
        {
            let others = inflight.bytes - newest;
            let bounded = others == 0 || others + message_bytes_max <= bytes_max;
            assert!(bounded, "{others} bytes were in flight, and more were sent");
        }
    }
}

/// Messages sent and not yet answered.
#[derive(Debug, Default)]
pub(crate) struct Inflight {
    /// The last index of each, and its bytes.
    messages: VecDeque<(Index, usize)>,
    bytes: usize,
}

impl Inflight {
    fn push(&mut self, last: Index, bytes: usize) {
        self.messages.push_back((last, bytes));
        self.bytes += bytes;
    }

    fn answered(&mut self, matched: Index) {
        while self.messages.front().is_some_and(|&(last, _)| last <= matched) {
            let (_, bytes) = self.messages.pop_front().expect("front() was Some");
            self.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_waits_for_its_answer_and_an_acceptance_opens_the_pipeline() {
        let mut progress = Progress::new(Index(5), 0);
        assert!(progress.has_room(40, 100));
        progress.sent(Index(5), 10);
        assert!(!progress.has_room(40, 100));
        assert!(progress.accepted(Index(5), Index(0)));
        progress.sent(Index(7), 60);
        assert!(progress.has_room(40, 100));
        progress.sent(Index(9), 40);
        assert!(!progress.has_room(40, 100));
        progress.accepted(Index(7), Index(0));
        assert!(progress.has_room(40, 100));
        assert_eq!(progress.next, Index(10));
    }

    #[test]
    fn a_message_larger_than_the_window_goes_alone() {
        let mut progress = Progress::new(Index(5), 0);
        progress.accepted(Index(4), Index(0));
        assert!(progress.has_room(200, 100));
        progress.sent(Index(5), 200);
        assert!(!progress.has_room(1, 100));
    }

    #[test]
    fn a_refusal_of_what_matched_is_late_in_a_probe_too() {
        let mut progress = Progress::new(Index(5), 0);
        progress.accepted(Index(4), Index(0));
        progress.sent(Index(9), 10);
        assert!(progress.rejected(Index(9), Index(1)));
        assert!(!progress.rejected(Index(4), Index(1)));
    }

    #[test]
    fn a_follower_that_lost_what_it_had_gets_it_again() {
        let mut progress = Progress::new(Index(8), 0);
        progress.accepted(Index(7), Index(0));
        progress.sent(Index(9), 10);
        assert!(progress.rejected(Index(9), Index(4)), "its log is shorter than it was");
        assert_eq!(progress.next, Index(8), "not believed yet");
        progress.sent(Index(9), 10);
        assert!(progress.rejected(Index(7), Index(4)), "it says so of the probe as well");
        assert_eq!((progress.matched, progress.next), (Index(4), Index(5)));
    }

    #[test]
    fn a_late_rejection_changes_nothing() {
        let mut progress = Progress::new(Index(5), 0);
        progress.accepted(Index(4), Index(0));
        assert!(!progress.rejected(Index(3), Index(1)));
        assert!(matches!(progress.state, State::Replicate(_)));
    }

    #[test]
    fn a_rejection_never_takes_back_what_matched() {
        let mut progress = Progress::new(Index(5), 0);
        progress.accepted(Index(4), Index(0));
        progress.sent(Index(9), 10);
        assert!(progress.rejected(Index(9), Index(1)));
        assert_eq!(progress.next, Index(5));
    }

    #[test]
    fn what_was_cut_needs_a_snapshot_that_is_asked_for_once() {
        let mut progress = Progress::new(Index(5), 0);
        assert!(!progress.asks_for_snapshot(Index(4), true));
        assert!(progress.asks_for_snapshot(Index(5), false));
        assert!(!progress.asks_for_snapshot(Index(5), true));
        assert!(!progress.has_room(0, 100));
        progress.snapshot_failed();
        assert!(!progress.asks_for_snapshot(Index(5), false), "it waits for a heartbeat");
        assert!(progress.asks_for_snapshot(Index(5), true));
    }

    #[test]
    fn a_snapshot_ends_with_its_acknowledgement_or_with_the_word_that_it_was_sent() {
        let mut progress = Progress::new(Index(5), 0);
        assert!(progress.asks_for_snapshot(Index(7), false));
        assert!(progress.accepted(Index(6), Index(7)));
        assert!(matches!(progress.state, State::Snapshot { .. }), "that is before the start");
        assert!(progress.accepted(Index(7), Index(7)));
        assert!(matches!(progress.state, State::Replicate(_)));
        progress.snapshot_sent(Index(9));
        assert_eq!(progress.next, Index(8), "too late to matter");
        assert!(progress.asks_for_snapshot(Index(8), false));
        progress.snapshot_sent(Index(9));
        assert!(matches!(progress.state, State::Probe { waiting: None }));
        assert_eq!(progress.next, Index(10));
    }
}
