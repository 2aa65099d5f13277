//! When each lease is over: the leader's memory, and nobody's state (rule 8.5).
//!
//! Time is the cluster's age. A new leader knows of no keep-alive, so to it every lease has its
//! full time from its start on: whoever kept one alive at the leader before did so earlier.
//!
//! ```text
//!   granted ─▶ timer ─ due ─▶ going (its expiry stands in the log) ─ applied ─▶ forgotten
//!                ▲  │
//!                └──┘ kept alive
//! ```
//!
//! Once it is going nothing brings it back. A start does not look at all leases at once: there may
//! be a million, and none is over before the shortest time to live has passed.

use std::collections::{BTreeMap, BTreeSet};

use raft::Index;
use store::{Lease, LeaseId};

/// So many leases are taken up in a step: all that there can be, within the shortest time to live,
/// at a step a tick of 10 ms.
pub(crate) const TAKE_UP_MAX: usize = 5_000;

/// The timers of one leader in one term.
#[derive(Debug)]
pub(crate) struct LeaseClock {
    /// The age at which it began.
    started_ms: u64,
    /// Until when each lease lives, of those that are taken up and not going.
    timers: BTreeMap<LeaseId, u64>,
    /// The same by time.
    queue: BTreeSet<(u64, LeaseId)>,
    /// Those of which the expiry stands in the log, and where.
    going: BTreeMap<LeaseId, Index>,
    taken_up: TakenUp,
}

/// How far the leases of before its start have timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TakenUp {
    /// Those up to this one, by id.
    To(Option<LeaseId>),
    All,
}

impl LeaseClock {
    /// All leases have their full time from this age on.
    pub(crate) fn start(age_ms: u64) -> LeaseClock {
        LeaseClock {
            started_ms: age_ms,
            timers: BTreeMap::new(),
            queue: BTreeSet::new(),
            going: BTreeMap::new(),
            taken_up: TakenUp::To(None),
        }
    }

    /// After which lease to go on taking up; none if that is done.
    pub(crate) fn to_take_up(&self) -> Option<Option<LeaseId>> {
        match self.taken_up {
            TakenUp::To(last) => Some(last),
            TakenUp::All => None,
        }
    }

    /// The next leases, by id, at most [`TAKE_UP_MAX`]; fewer if there are no more.
    pub(crate) fn take_up<'a>(&mut self, leases: impl Iterator<Item = &'a Lease>) {
        let mut count = 0;
        for lease in leases {
            count += 1;
            self.taken_up = TakenUp::To(Some(lease.id()));
            if !self.timers.contains_key(&lease.id()) && !self.going.contains_key(&lease.id()) {
                self.set(lease.id(), self.full_ms(lease));
            }
        }
        assert!(count <= TAKE_UP_MAX, "a step is bounded");
        if count < TAKE_UP_MAX {
            self.taken_up = TakenUp::All;
        }
    }

    /// A lease was granted; if one of that id was going, it is another one.
    pub(crate) fn granted(&mut self, lease: &Lease) {
        self.going.remove(&lease.id());
        self.set(lease.id(), self.full_ms(lease));
    }

    /// A lease is no more.
    pub(crate) fn ended(&mut self, lease: LeaseId) {
        self.going.remove(&lease);
        self.unset(lease);
    }

    /// At this age somebody wanted it kept alive: it lives for its full time from then on, unless
    /// it is going.
    pub(crate) fn keep_alive(&mut self, lease: &Lease, age_ms: u64) {
        if !self.going.contains_key(&lease.id()) {
            let until_ms = age_ms.saturating_add(lease.ttl_ms());
            self.set(lease.id(), until_ms.max(self.until_ms(lease)));
        }
    }

    /// Where the expiry of the lease stands in the log, if it is going.
    pub(crate) fn going(&self, lease: LeaseId) -> Option<Index> {
        self.going.get(&lease).copied()
    }

    /// The age until which a lease lives that is not going.
    pub(crate) fn until_ms(&self, lease: &Lease) -> u64 {
        self.timers.get(&lease.id()).copied().unwrap_or_else(|| self.full_ms(lease))
    }

    /// The leases that are over at this age, the longest overdue first.
    pub(crate) fn due(&self, age_ms: u64) -> impl Iterator<Item = LeaseId> {
        let due = self.queue.iter().take_while(move |(until_ms, _)| *until_ms <= age_ms);
        due.map(|(_, lease)| *lease)
    }

    /// The expiry of the lease stands in the log at `index`.
    pub(crate) fn goes(&mut self, lease: LeaseId, index: Index) {
        self.unset(lease);
        self.going.insert(lease, index);
    }

    /// Without a keep-alive: from the grant, or from the start of the clock if that was later.
    fn full_ms(&self, lease: &Lease) -> u64 {
        self.started_ms.max(lease.granted_age_ms()).saturating_add(lease.ttl_ms())
    }

    fn set(&mut self, lease: LeaseId, until_ms: u64) {
        self.unset(lease);
        self.timers.insert(lease, until_ms);
        self.queue.insert((until_ms, lease));
    }

    fn unset(&mut self, lease: LeaseId) {
        if let Some(until_ms) = self.timers.remove(&lease) {
            let was_queued = self.queue.remove(&(until_ms, lease));
            assert!(was_queued, "a timer stands in the queue");
        }
    }
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
