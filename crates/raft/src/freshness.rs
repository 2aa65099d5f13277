//! How lately this member knew how far the cluster has committed: for reads that may be stale, and
//! say how stale.
//!
//! What it does not do: guarantee anything. A message counts from when it came in, not from when
//! it was sent, and a leader that the others have left still believes in itself for up to an
//! election timeout. Reads that must be fresh take a round (`reads.rs`).

use crate::role::Role;
use crate::{Index, Raft};

impl Raft {
    /// How far the cluster had committed when this member last heard of it, and when that was, in
    /// ms of the inputs' monotonic clock: on a follower, of the leader; on the leader, when it had
    /// last heard from a majority. None while it knows of no leader that has committed something of
    /// its own term: a new one may not know of all that is committed (§8).
    pub fn heard_commit(&self) -> Option<(Index, u64)> {
        let (commit, at_ms) = match &self.role {
            Role::Follower(follower) => (follower.leader_commit, follower.heard_ms),
            Role::Leader(leader) => {
                let (me, now_ms) = (self.config.id, self.now.monotonic_ms);
                let heard = |id| if id == me { now_ms } else { leader.progress[&id].heard_ms };
                (self.commit, self.membership().reached(heard)?)
            }
            Role::PreCandidate(_) | Role::Candidate(_) => return None,
        };
        (self.log.term_at(commit) == Some(self.term)).then_some((commit, at_ms))
    }
}
