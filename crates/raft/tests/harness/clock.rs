//! Verbs of time. Each member has a clock of its own, and it moves only here.

use raft::MemberId;

use crate::cluster::{Cluster, TICK_MS};

/// A member that would campaign does so within this time.
const CAMPAIGN_MS_MAX: u64 = 10_000;

impl Cluster {
    pub(super) fn tick_some(&mut self, ids: &[MemberId], ms: u64) {
        for _ in 0..ms.div_ceil(TICK_MS) {
            for &id in ids {
                self.tick(id);
            }
        }
    }

    pub(super) fn run(&mut self, ms: u64) {
        self.stabilize();
        for _ in 0..ms.div_ceil(TICK_MS) {
            self.tick_some(&self.running(), TICK_MS);
            self.stabilize();
        }
    }

    /// Until it becomes a pre-candidate, also if it is one already.
    pub(crate) fn campaign(&mut self, id: MemberId) {
        let before = self.members[&id].campaigns;
        for _ in 0..CAMPAIGN_MS_MAX / TICK_MS {
            self.tick(id);
            if self.members[&id].campaigns > before {
                return;
            }
        }
        panic!("{id} does not campaign");
    }
}
