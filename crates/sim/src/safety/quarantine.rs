//! A state that went wrong, and its quarantine (rule 10.3).
//!
//! The simulator alters a member's state now and then (`wrong_state.rs`), and knows from which
//! entry on. What such a process shows is held against the ledger at every step all the same: only
//! while it really differs is a wrong answer the fault's own, and only until the process is told. A
//! process whose state nobody altered has no excuse at all.
//!
//! ```text
//!   right ── an entry is altered ─▶ wrong ── verdict ─▶ in quarantine ── another's state ─▶ right
//!                                     └──── overwritten ──▶ right
//! ```
//!
//! A process in quarantine answers no read and no write, gives no snapshot and does not campaign;
//! nobody whose state was right is told that it is wrong. Once its snapshot thread rests, no start
//! would take a snapshot that holds the wrong state and is newer than what was right.

use std::collections::BTreeSet;

use raft::{Index, LogId, MemberId, Raft, RoleName};
use replica::{Agreement, SnapshotMessage};
use store::Published;

use super::state_hash;
use crate::ledger::Ledger;

/// What the simulator knows of the state of a process.
#[derive(Debug, Default)]
pub(crate) struct Soundness {
    /// From each entry that was altered to the index at which the state was right again.
    spans: Vec<Span>,
    /// What it shows differs from what is right there.
    wrong: bool,
    /// The newest index at which it was seen to be right.
    right_at: Index,
    /// It has been told that its state is wrong, and has no other yet.
    diverged: bool,
    /// ... before the step that it takes now.
    quarantined: bool,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    from: Index,
    to: Option<Index>,
}

/// What the shown state has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    /// It was found to be wrong in this step.
    pub(crate) found: bool,
    /// It was replaced in this step.
    pub(crate) rebuilt: bool,
}

impl Soundness {
    /// The entry at `from` comes to the state in another form than it has in the log.
    pub(crate) fn altered(&mut self, from: Index) {
        assert!(!self.may_be_wrong(), "one alteration of a process at a time");
        self.spans.push(Span { from, to: None });
    }

    /// Whether the state may differ from what is right.
    pub(crate) fn may_be_wrong(&self) -> bool {
        self.spans.last().is_some_and(|span| span.to.is_none())
    }

    /// Whether it does, as it is shown now.
    pub(crate) fn is_wrong(&self) -> bool {
        self.wrong
    }

    /// Whether it had been told that its state is wrong before this step.
    pub(crate) fn is_quarantined(&self) -> bool {
        self.quarantined
    }

    /// Whether the answer of the entry at `index` may come from a wrong state. (The one that made
    /// it right again found it wrong.)
    pub(crate) fn excuses(&self, index: Index) -> bool {
        self.spans.iter().any(|span| span.from <= index && span.to.is_none_or(|to| index <= to))
    }

    /// The process shows a state: is it right, or may it be wrong?
    pub(super) fn shows(&mut self, id: MemberId, published: &Published, ledger: &Ledger) {
        let index = Index(published.applied_index);
        if index == Index(0) {
            return;
        }
        if !self.may_be_wrong() {
            state_hash::check(id, published, ledger);
        }
        self.wrong = !state_hash::is_right(id, published, ledger);
        if self.wrong {
            return;
        }
        self.right_at = self.right_at.max(index);
        let span = self.spans.last_mut().filter(|span| span.to.is_none());
        if let Some(span) = span.filter(|span| span.from <= index) {
            span.to = Some(index);
        }
    }

    /// The process has learned something about its state.
    pub(crate) fn judged(&mut self, id: MemberId, agreement: Agreement) -> Judged {
        let split = agreement.split_at;
        assert_eq!(split, None, "quarantine: {id} finds no majority, and there is one");
        let before = std::mem::replace(&mut self.diverged, agreement.diverged_at.is_some());
        let found = agreement.diverged_at.filter(|_| !before);
        if let Some(index) = found {
            let was_wrong =
                |span: &Span| span.from.0 <= index && span.to.is_none_or(|to| index < to.0);
            let deserved = self.spans.iter().any(was_wrong);
            assert!(deserved, "quarantine: {id} is told that it is wrong at {index}: {self:?}");
        }
        Judged { found: found.is_some(), rebuilt: before && !self.diverged }
    }

    /// The step is over, and whatever it was to bring about has been.
    pub(crate) fn step_ends(&mut self) {
        self.quarantined = self.diverged;
    }

    /// What a member in quarantine does not do, by itself.
    pub(crate) fn check_quiet(&self, raft: &Raft, says: &[(MemberId, SnapshotMessage)]) {
        if !self.quarantined || !self.diverged {
            return;
        }
        let (id, role) = (raft.id(), raft.role());
        let campaigns = matches!(role, RoleName::PreCandidate | RoleName::Candidate);
        assert!(!campaigns, "quarantine: {id} campaigns");
        let gives = says.iter().find(|(_, message)| {
            matches!(message, SnapshotMessage::Offer { .. } | SnapshotMessage::Chunk { .. })
        });
        assert_eq!(gives, None, "quarantine: {id} gives a snapshot");
    }

    /// A member in quarantine whose snapshot thread rests: `there` are its snapshots with a wrong
    /// state that a start would take.
    pub(crate) fn check_aside(&self, id: MemberId, there: &BTreeSet<LogId>) {
        let newer = there.iter().find(|last| last.index > self.right_at);
        assert_eq!(newer, None, "quarantine: {id} was right at {}, and keeps", self.right_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: MemberId = MemberId(3);

    fn told(index: u64) -> Agreement {
        Agreement { diverged_at: Some(index), split_at: None }
    }

    /// Altered at entry 10, and right again at 20.
    fn overwritten() -> Soundness {
        let spans = vec![Span { from: Index(10), to: Some(Index(20)) }];
        Soundness { spans, ..Soundness::default() }
    }

    #[test]
    fn only_answers_from_the_alteration_to_its_end_are_excused() {
        let soundness = overwritten();
        let excused = [9, 10, 20, 21].map(|index| soundness.excuses(Index(index)));
        assert_eq!(excused, [false, true, true, false]);
        assert!(!soundness.may_be_wrong());
    }

    #[test]
    fn a_verdict_on_what_was_wrong_is_deserved_and_ends_with_another_state() {
        let mut soundness = overwritten();
        assert_eq!(soundness.judged(ID, told(15)), Judged { found: true, rebuilt: false });
        assert!(!soundness.is_quarantined(), "not before the step is over");
        soundness.step_ends();
        assert!(soundness.is_quarantined());
        assert_eq!(soundness.judged(ID, told(15)), Judged::default());
        let well = Judged { found: false, rebuilt: true };
        assert_eq!(soundness.judged(ID, Agreement::default()), well);
    }

    #[test]
    #[should_panic(expected = "quarantine: 3 is told that it is wrong at 20")]
    fn a_verdict_on_what_was_right_is_found() {
        overwritten().judged(ID, told(20));
    }

    #[test]
    #[should_panic(expected = "quarantine: 3 was right at 7, and keeps")]
    fn a_wrong_snapshot_that_a_start_would_take_is_found() {
        let soundness = Soundness { right_at: Index(7), ..Soundness::default() };
        let last = |index| LogId::new(raft::Term(1), Index(index));
        soundness.check_aside(ID, &BTreeSet::from([last(5), last(8)]));
    }
}
