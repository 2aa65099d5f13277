//! A snapshot on its way to this member. It asks for each piece, and again if none comes.

use bytes::Bytes;
use raft::{MemberId, Term};

use wal::snapshot::SNAPSHOT_BYTES_MAX;

use super::{SNAPSHOT_CHUNK_BYTES_MAX, SnapshotId, SnapshotRequest};

/// A piece that does not come is asked for again after so long, in ms.
const ASK_AGAIN_MS: u64 = 500;

/// A sender of which nothing comes for so long is forgotten, in ms. What was received stays, in
/// case it offers the same again.
const FORGET_MS: u64 = 30_000;

/// After so long without anything of the sender, in ms, a member without a state asks the leader
/// anew: it may have given up the stream, or another one leads.
const SILENT_MS: u64 = 1_000;

#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) from: MemberId,
    pub(super) id: SnapshotId,
    /// The newest in which it was offered.
    pub(super) term: Term,
    bytes_total: u64,
    /// Everything before this is written.
    offset: u64,
    state: State,
    /// When something last came of the sender.
    heard_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The snapshot thread is at work.
    Writing,
    /// A piece was asked for at this time, in ms.
    Asked(u64),
    /// It is complete, and being verified.
    Finishing,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Step {
    /// Ask the sender for what comes at this offset.
    Ask(u64),
    /// Have the snapshot thread do this.
    Work(SnapshotRequest),
    /// Have it verify the whole.
    Finish,
    /// Give it up: what there is of it is not what is offered.
    Fail,
}

impl Receiving {
    /// The leader of `term` offers a snapshot; None if no sound one has that size.
    pub(super) fn begin(
        now_ms: u64,
        from: MemberId,
        term: Term,
        id: SnapshotId,
        bytes_total: u64,
    ) -> Option<(Receiving, SnapshotRequest)> {
        if bytes_total == 0 || bytes_total > SNAPSHOT_BYTES_MAX {
            return None;
        }
        let (state, heard_ms) = (State::Writing, now_ms);
        let receiving = Receiving { from, id, term, bytes_total, offset: 0, state, heard_ms };
        Some((receiving, SnapshotRequest::Receive { from, id, bytes_total }))
    }

    pub(super) fn is(&self, from: MemberId, id: SnapshotId) -> bool {
        self.from == from && self.id == id
    }

    /// The sender, the bytes received, and the bytes in all.
    pub(super) fn status(&self) -> (MemberId, u64, u64) {
        (self.from, self.offset, self.bytes_total)
    }

    /// It was offered again.
    pub(super) fn offered(&mut self, now_ms: u64, term: Term) -> Option<Step> {
        self.term = self.term.max(term);
        self.heard_ms = now_ms;
        self.ask_again(now_ms, 0)
    }

    /// Everything before `offset` is written. More than there is, if the sender offered the same
    /// snapshot with another size before.
    pub(super) fn written(&mut self, now_ms: u64, offset: u64) -> Step {
        if offset > self.bytes_total {
            return Step::Fail;
        }
        self.offset = offset;
        if offset == self.bytes_total {
            self.state = State::Finishing;
            return Step::Finish;
        }
        self.state = State::Asked(now_ms);
        Step::Ask(offset)
    }

    /// A piece has come. Only the one that was asked for is taken.
    pub(super) fn chunk(&mut self, now_ms: u64, offset: u64, bytes: Bytes) -> Option<Step> {
        self.heard_ms = now_ms;
        let length = bytes.len() as u64;
        let fits = (1..=SNAPSHOT_CHUNK_BYTES_MAX as u64).contains(&length)
            && length <= self.bytes_total - self.offset;
        let asked = matches!(self.state, State::Asked(_)) && offset == self.offset;
        if !asked || !fits {
            return None;
        }
        self.state = State::Writing;
        let (from, id) = (self.from, self.id);
        Some(Step::Work(SnapshotRequest::Store { from, id, offset, bytes }))
    }

    /// Time has passed: the piece is asked for again if it is late.
    pub(super) fn tick(&mut self, now_ms: u64) -> Option<Step> {
        self.ask_again(now_ms, ASK_AGAIN_MS)
    }

    /// Whether nothing has come of the sender for long, and nothing is under way here.
    pub(super) fn is_forgotten(&self, now_ms: u64) -> bool {
        matches!(self.state, State::Asked(_)) && now_ms - self.heard_ms >= FORGET_MS
    }

    /// Whether the sender may have given up.
    pub(super) fn is_silent(&self, now_ms: u64) -> bool {
        matches!(self.state, State::Asked(_)) && now_ms - self.heard_ms >= SILENT_MS
    }

    fn ask_again(&mut self, now_ms: u64, patience_ms: u64) -> Option<Step> {
        match &mut self.state {
            State::Asked(since_ms) if now_ms - *since_ms >= patience_ms => {
                *since_ms = now_ms;
                Some(Step::Ask(self.offset))
            }
            State::Asked(_) | State::Writing | State::Finishing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft::{Index, LogId};

    const FROM: MemberId = MemberId(1);

    fn begun() -> Receiving {
        let id = SnapshotId { last: LogId::new(Term(1), Index(9)), life: 5 };
        let begun = Receiving::begin(0, FROM, Term(2), id, 10);
        begun.expect("ten bytes are sound").0
    }

    fn asks(step: Option<&Step>) -> Option<u64> {
        match step {
            Some(Step::Ask(offset)) => Some(*offset),
            _ => None,
        }
    }

    #[test]
    fn pieces_are_taken_in_order_once_each_and_the_last_one_finishes() {
        let mut receiving = begun();
        let piece = |length| Bytes::from(vec![1; length]);
        assert!(receiving.chunk(0, 0, piece(4)).is_none(), "nothing was asked for yet");
        assert_eq!(asks(Some(&receiving.written(0, 0))), Some(0));
        assert!(receiving.chunk(0, 4, piece(4)).is_none(), "another was asked for");
        assert!(receiving.chunk(0, 0, piece(11)).is_none(), "longer than the file");
        assert!(matches!(receiving.chunk(0, 0, piece(4)), Some(Step::Work(_))));
        assert!(receiving.chunk(0, 0, piece(4)).is_none(), "a second copy");
        assert_eq!(asks(Some(&receiving.written(0, 4))), Some(4));
        assert!(receiving.chunk(0, 4, piece(6)).is_some());
        let finish = receiving.written(0, 10);
        assert!(matches!(finish, Step::Finish));
    }

    #[test]
    fn a_late_piece_is_asked_for_again_and_a_silent_sender_forgotten() {
        let mut receiving = begun();
        receiving.written(0, 4);
        assert_eq!(asks(receiving.tick(ASK_AGAIN_MS - 1).as_ref()), None);
        assert_eq!(asks(receiving.tick(ASK_AGAIN_MS).as_ref()), Some(4));
        assert_eq!(asks(receiving.tick(ASK_AGAIN_MS + 1).as_ref()), None);
        assert!(!receiving.is_silent(SILENT_MS - 1) && receiving.is_silent(SILENT_MS));
        assert!(!receiving.is_forgotten(FORGET_MS - 1));
        assert!(receiving.is_forgotten(FORGET_MS));
        assert_eq!(
            asks(receiving.offered(FORGET_MS, Term(7)).as_ref()),
            Some(4),
            "it goes on there"
        );
        assert_eq!(receiving.term, Term(7));
    }

    #[test]
    fn a_snapshot_that_was_longer_when_it_was_offered_before_is_given_up() {
        assert!(matches!(begun().written(0, 11), Step::Fail));
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let id = begun().id;
        assert!(Receiving::begin(0, FROM, Term(1), id, 0).is_none());
        assert!(Receiving::begin(0, FROM, Term(1), id, SNAPSHOT_BYTES_MAX + 1).is_none());
    }
}
