//! What must hold of one member, checked after every step in tests and in the simulator: of its
//! state now, and of its state now against before. (What must hold *between* members is the
//! simulator's to check.)

use crate::role::{Leader, Role};
use crate::{EntryKind, HardState, Index, LogId, Raft, RoleName, Term};

/// What a later state is compared with.
#[derive(Clone, Debug)]
pub struct Before {
    hard_state: HardState,
    role: RoleName,
    start: LogId,
    last: LogId,
    clock_ms: u64,
    /// A leader that must not take any more.
    is_full: bool,
}

impl Raft {
    /// Remembers what `assert_invariants` will compare with.
    pub fn before(&self) -> Before {
        Before {
            hard_state: self.hard_state(),
            role: self.role(),
            start: self.log.start(),
            last: self.log.last(),
            clock_ms: self.clock_ms,
            is_full: self.is_full(),
        }
    }

    /// Panics if this member's state contradicts itself, or went where it must not since
    /// `before`.
    pub fn assert_invariants(&self, before: &Before) {
        self.assert_state();
        self.assert_change(before);
    }

    fn assert_state(&self) {
        let last = self.log.last();
        let start = self.log.start();
        assert!(self.commit <= last.index, "commit {} is past the log {last}", self.commit);
        assert!(start.index <= self.commit, "the log is cut past the commit index");
        assert!(self.durable() <= last.index, "durable is past the log");
        assert!(last.term <= self.term, "the log is ahead of the term");
        match &self.role {
            Role::Leader(leader) => {
                assert_eq!(self.leader, Some(self.config.id), "a leader knows that it leads");
                assert_eq!(self.vote, Some(self.config.id), "a leader voted for itself");
                assert_eq!(last.term, self.term, "a leader's log ends in its own term");
                assert!(leader.first_of_term <= last.index, "the no-op is in the log");
                for progress in leader.progress.values() {
                    progress.assert_valid(start.index, last.index);
                    let config = &self.config;
                    progress.assert_bounded(config.message_bytes_max, config.inflight_bytes_max);
                }
                self.assert_members(leader);
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

    /// One change at a time (rule 4.4), and everyone who counts is counted.
    fn assert_members(&self, leader: &Leader) {
        let newest = self.memberships.newest();
        let ours = newest.index >= leader.first_of_term;
        let uncommitted = self.memberships.count_after(self.commit);
        assert!(!ours || uncommitted <= 1, "{uncommitted} configurations are not committed");
        let counts = newest.membership.is_voter(self.config.id);
        assert!(counts || newest.index > self.commit, "who is removed leads no longer");
        let others = newest.membership.members().into_iter().filter(|&id| id != self.config.id);
        assert!(others.eq(leader.progress.keys().copied()), "a leader speaks to all members");
    }

    fn assert_change(&self, before: &Before) {
        let (was, now) = (before.hard_state, self.hard_state());
        assert!(now.term >= was.term, "the term went back");
        assert!(now.commit >= was.commit, "the commit index went back");
        if now.term == was.term {
            assert!(was.vote.is_none() || was.vote == now.vote, "a vote changed within a term");
            if before.role == RoleName::Leader && self.role() == RoleName::Leader {
                let cut = before.last.index < self.log.start().index;
                assert!(cut || self.log.holds(before.last), "a leader overwrote its own log");
                self.assert_own_term_committed(was.commit);
                self.assert_bounded(before);
                self.assert_slow_disk_hands_over(before);
            }
        }
        // Below the start a snapshot holds it.
        let held = |index| index < self.log.start().index || self.log.term_at(index).is_some();
        assert!(held(was.commit), "a committed entry was dropped");
        assert!(self.log.start().index >= before.start.index, "the start of the log went back");
    }

    /// Copies of an earlier term's entry prove nothing (§5.4.2, Figure 8).
    fn assert_own_term_committed(&self, was: Index) {
        let committed_now = self.commit > was;
        let own = self.log.term_at(self.commit) == Some(self.term);
        assert!(own || !committed_now, "a leader commits by counting what is not of its term");
    }

    /// Whether too much is uncommitted for another proposal.
    fn is_full(&self) -> bool {
        let bytes_max = self.config.uncommitted_bytes_max;
        matches!(&self.role, Role::Leader(leader) if leader.uncommitted_bytes >= bytes_max)
    }

    /// A leader that was full has taken no command.
    fn assert_bounded(&self, before: &Before) {
        let (from, to) = (before.last.index.next(), self.log.last().index);
        if before.is_full && from <= to {
            let new = self.log.entries(from, to, usize::MAX).unwrap_or_default();
            let command = new.iter().find(|entry| entry.kind == EntryKind::Command);
            assert!(command.is_none(), "a leader takes more than may be uncommitted");
        }
    }

    /// Whoever leads with a disk that is slow (rule 1.7) is handing over, or alone.
    fn assert_slow_disk_hands_over(&self, before: &Before) {
        let Role::Leader(leader) = &self.role else { return };
        // It looks at its disk with each tick.
        let (ticked, timeout_ms) =
            (self.clock_ms > before.clock_ms, self.config.election_timeout_ms);
        let oldest_ms = self.persistence.oldest_queued_ms().unwrap_or(self.clock_ms);
        let slow = self.clock_ms.saturating_sub(oldest_ms) > timeout_ms / 2;
        let hands_over = leader.transfer.is_some() || self.most_up_to_date().is_none();
        assert!(hands_over || !slow || !ticked, "a leader keeps leading with a slow disk");
    }

    /// Whether the entry at `index` of this member's log is the one named, for checks between
    /// members.
    pub fn term_at(&self, index: Index) -> Option<Term> {
        self.log.term_at(index)
    }
}
