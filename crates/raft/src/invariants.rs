//! What must hold of one member, checked after every step in tests and in the simulator: of its
//! state now, and of its state now against before. (What must hold *between* members is the
//! simulator's to check.)

use crate::role::Role;
use crate::{HardState, Index, LogId, Raft, RoleName, Term};

/// What a later state is compared with.
#[derive(Clone, Debug)]
pub struct Before {
    hard_state: HardState,
    role: RoleName,
    last: LogId,
}

impl Raft {
    /// Remembers what `assert_invariants` will compare with.
    pub fn before(&self) -> Before {
        Before { hard_state: self.hard_state(), role: self.role(), last: self.log.last() }
    }

    /// Panics if this member's state contradicts itself, or went where it must not since
    /// `before`.
    pub fn assert_invariants(&self, before: &Before) {
        self.assert_state();
        self.assert_change(before);
    }

    fn assert_state(&self) {
        let last = self.log.last();
        assert!(self.commit <= last.index, "commit {} is past the log {last}", self.commit);
        assert!(self.durable() <= last.index, "durable is past the log");
        assert!(last.term <= self.term, "the log is ahead of the term");
        match &self.role {
            Role::Leader(leader) => {
                assert_eq!(self.leader, Some(self.config.id), "a leader knows that it leads");
                assert_eq!(self.vote, Some(self.config.id), "a leader voted for itself");
                assert_eq!(last.term, self.term, "a leader's log ends in its own term");
                assert!(leader.first_of_term <= last.index, "the no-op is in the log");
                for progress in leader.progress.values() {
                    progress.assert_valid(last.index);
                }
            }
            Role::Candidate(_) => {
                assert_eq!(self.vote, Some(self.config.id), "a candidate voted for itself");
                assert_eq!(self.leader, None, "a candidate has no leader");
            }
            Role::PreCandidate(_) => {
                assert_eq!(self.leader, None, "a pre-candidate has no leader");
            }
            Role::Follower(follower) => {
                assert!(follower.checked <= last.index, "what was checked is in the log");
                assert!(follower.acknowledged <= self.durable(), "only durable is acknowledged");
                assert_ne!(self.leader, Some(self.config.id), "a follower follows another");
            }
        }
    }

    fn assert_change(&self, before: &Before) {
        let (was, now) = (before.hard_state, self.hard_state());
        assert!(now.term >= was.term, "the term went back");
        assert!(now.commit >= was.commit, "the commit index went back");
        if now.term == was.term {
            assert!(was.vote.is_none() || was.vote == now.vote, "a vote changed within a term");
            if before.role == RoleName::Leader && self.role() == RoleName::Leader {
                assert!(self.log.holds(before.last), "a leader overwrote its own log");
            }
        }
        assert!(self.log.term_at(was.commit).is_some(), "a committed entry was dropped");
    }

    /// Whether the entry at `index` of this member's log is the one named, for checks between
    /// members.
    pub fn term_at(&self, index: Index) -> Option<Term> {
        self.log.term_at(index)
    }
}
