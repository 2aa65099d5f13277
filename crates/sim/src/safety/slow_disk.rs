//! A leader whose disk stands still hands over within a bounded time (rule 1.7): its heartbeats
//! would keep everybody from electing one that can serve.
//!
//! Counted in the ticks that it has taken, like the silence of its followers.

use raft::Raft;

/// A tick stands for so many milliseconds, at least.
const TICK_MS: u64 = 10;
const SLACK_TICKS: u64 = 10;

/// How long the leader has been waiting for its disk, and how long ago it began to hand over.
#[derive(Debug, Default)]
pub(crate) struct DiskWatch {
    waiting_ticks: u64,
    since_transfer_ticks: u64,
}

impl DiskWatch {
    pub(crate) fn transferring(&mut self) {
        self.since_transfer_ticks = 0;
    }

    /// A tick was taken while the log thread was writing one and the same batch, or not.
    pub(crate) fn tick(&mut self, leads: bool, same_batch: bool) {
        self.since_transfer_ticks += 1;
        self.waiting_ticks = if leads && same_batch { self.waiting_ticks + 1 } else { 0 };
    }

    pub(crate) fn check(&self, raft: &Raft, election_timeout_ms: u64) {
        // Alone, there is nobody to hand over to.
        let alone = raft.membership().incoming.iter().all(|&id| id == raft.id());
        // It waits half a timeout, then tries for one, and tries again.
        let ticks_max = 2 * election_timeout_ms / TICK_MS + SLACK_TICKS;
        let overdue = self.waiting_ticks.min(self.since_transfer_ticks) > ticks_max;
        assert!(
            !raft.is_leader() || alone || !overdue,
            "slow disk: {} leads term {} and has not tried to hand over for {ticks_max} ticks",
            raft.id(),
            raft.term()
        );
    }
}
