//! A leader that can not reach a majority steps down within a bounded time (check-quorum, thesis
//! §6.2): its clients must not wait for it while another one serves.
//!
//! Counted in the ticks that it has taken, so that a pause is not held against it: what arrived
//! while it stood still comes before the next tick.

use std::collections::BTreeMap;

use raft::{MemberId, Raft};

use super::quorum::is_quorum;

/// A tick stands for so many milliseconds, at least.
const TICK_MS: u64 = 10;
/// Ticks that an answer may be older than it seems: it was on time when it was taken in.
const SLACK_TICKS: u64 = 10;

/// For how many ticks nothing was heard of each other member.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    ticks: BTreeMap<MemberId, u64>,
}

impl Silence {
    pub(crate) fn heard(&mut self, from: MemberId) {
        self.ticks.insert(from, 0);
    }

    pub(crate) fn tick(&mut self, others: impl Iterator<Item = MemberId>, leads: bool) {
        for other in others {
            let ticks = self.ticks.entry(other).or_default();
            // Whoever is no leader yet has a whole election timeout once it is.
            *ticks = if leads { *ticks + 1 } else { 0 };
        }
    }

    pub(crate) fn check(&self, raft: &Raft, election_timeout_ms: u64) {
        let ticks_max = 2 * election_timeout_ms / TICK_MS + SLACK_TICKS;
        let ticks = |id| self.ticks.get(&id).copied().unwrap_or(0);
        let heard = |id| id == raft.id() || ticks(id) <= ticks_max;
        assert!(
            !raft.is_leader() || is_quorum(raft.membership(), heard),
            "lost quorum: {} leads term {}, and has not heard of a majority for {ticks_max} ticks",
            raft.id(),
            raft.term()
        );
    }
}
