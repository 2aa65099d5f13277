//! What a life was like.

use crate::faults::{Fault, Tally};
use crate::oracle::Outcomes;
use crate::retention::CompactionCounts;
use crate::watching::WatchCounts;

/// What became of snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotCounts {
    /// Written by members of their own state.
    pub written: u64,
    /// Received whole, and verified.
    pub received: u64,
    /// Received, and installed in place of a log.
    pub installed: u64,
    /// Logs that were cut.
    pub cuts: u64,
}

impl SnapshotCounts {
    /// Adds another life's.
    pub(crate) fn add(&mut self, other: SnapshotCounts) {
        self.written += other.written;
        self.received += other.received;
        self.installed += other.installed;
        self.cuts += other.cuts;
    }
}

/// What happened in a life that kept every promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Members of the cluster.
    pub members: usize,
    /// Events of the simulation.
    pub events: u64,
    /// Simulated time, in µs.
    pub simulated_us: u64,
    /// Entries that were committed.
    pub committed: u64,
    /// What came of the clients' requests.
    pub outcomes: Outcomes,
    /// What came of watching.
    pub watches: WatchCounts,
    /// Keys and leases that were ended for want of time.
    pub expired: (u64, u64),
    /// Leases that were watched to their end in a cluster that was well.
    pub lease_trials: u64,
    /// What leaders gave up of the past by themselves.
    pub compactions: CompactionCounts,
    /// Keys for which an order of all answers was found.
    pub searched: u64,
    /// The faults that were on.
    pub enabled: Vec<Fault>,
    /// How often each happened.
    pub faults: Tally,
    /// What became of snapshots.
    pub snapshots: SnapshotCounts,
    /// Unflushed sectors that power cuts lost.
    pub sectors_lost: u64,
    /// Unflushed sectors that power cuts tore.
    pub sectors_torn: u64,
    /// From the end of the faults until every member had served a write and all were equal, in ms.
    pub recovery_ms: u64,
    /// The cluster's election timeout, in ms.
    pub election_timeout_ms: u64,
}

impl Report {
    /// Faults that were on and never happened.
    pub fn idle_faults(&self) -> impl Iterator<Item = Fault> {
        self.enabled.iter().copied().filter(|&fault| self.faults.of(fault) == 0)
    }
}
