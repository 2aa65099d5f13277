//! Whether the members have memory for what grows (rule 11.2).
//!
//! Memory is this store's disk: what does not fit can not be kept. Each member counts what its
//! store retains against a limit of its own, and tells the leader. The leader takes writes that
//! make the state grow only while a quorum has memory; deletes, compactions and reads go on, and so
//! does apply on every member: what is committed is applied.
//!
//! ```text
//!   0 ────────── 70 % ──────── 80 % ─── 85 % ─ 90 % ──── 100 %
//!                 │             │               │ growing writes are refused,
//!                 │             │               │ until it is below 85 % again
//!                 │             │ no history is spared
//!                 │ history is given up early (retention.rs)
//! ```
//!
//! What it does not do: it measures nothing. What the log keeps in memory and what is queued have
//! bounds of their own, and are not counted.

use std::collections::BTreeMap;

use raft::{MemberId, Now, Term};

use crate::replica::Replica;

/// At so many percent of its limit a member has too little memory for what grows,
const LACKS_PERCENT: u64 = 90;

/// until it is below so many, so that what is decided stands for a while.
const ENOUGH_PERCENT: u64 = 85;

/// From so many percent on the past is given up early,
const PRESSED_PERCENT: u64 = 70;

/// none of it being spared from so many on: it goes before any write is refused,
const TIGHT_PERCENT: u64 = 80;

/// down to so many.
const RELIEVED_PERCENT: u64 = 65;

/// What a member uses of its memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// What its store retains.
    pub used_bytes: u64,
    /// What it may retain; 0 is without a limit.
    pub limit_bytes: u64,
    /// It has too little for what grows.
    pub lacks: bool,
}

impl MemoryUse {
    fn percent_of_limit(&self, percent: u64) -> u64 {
        if self.limit_bytes == 0 {
            return u64::MAX;
        }
        (u128::from(self.limit_bytes) * u128::from(percent) / 100) as u64
    }

    /// How much of the past should go, if it is pressed for memory.
    pub(crate) fn excess_bytes(&self) -> u64 {
        if self.used_bytes < self.percent_of_limit(PRESSED_PERCENT) {
            return 0;
        }
        self.used_bytes.saturating_sub(self.percent_of_limit(RELIEVED_PERCENT))
    }

    /// Whether no part of the past is worth keeping.
    fn is_tight(&self) -> bool {
        self.lacks || self.used_bytes >= self.percent_of_limit(TIGHT_PERCENT)
    }

    /// Decides anew; whether that has changed.
    fn measure(&mut self, used_bytes: u64) -> bool {
        self.used_bytes = used_bytes;
        let percent = if self.lacks { ENOUGH_PERCENT } else { LACKS_PERCENT };
        let lacks = used_bytes >= self.percent_of_limit(percent);
        std::mem::replace(&mut self.lacks, lacks) != lacks
    }
}

/// What a member knows of its own memory and, if it leads, of the others'.
#[derive(Debug, Default)]
pub(crate) struct Memories {
    own: MemoryUse,
    /// What the others said last to the leader of `term`, this one.
    told: BTreeMap<MemberId, MemoryUse>,
    term: Term,
}

impl Memories {
    pub(crate) fn own(&self) -> MemoryUse {
        self.own
    }
}

impl Replica {
    /// This member's store may retain so many bytes; 0 is without a limit.
    pub fn limit_memory(&mut self, now: Now, limit_bytes: u64) {
        self.now = now;
        self.memories.own.limit_bytes = limit_bytes;
        self.tick_memory();
    }

    /// Counts, and tells the leader at once if that changes what it may take.
    pub(crate) fn tick_memory(&mut self) {
        let used_bytes = self.applier.store().retained_bytes();
        if self.memories.own.measure(used_bytes) && !self.stopped {
            self.report();
        }
    }

    /// A member tells the leader, this one, what it uses.
    pub(crate) fn told_memory(&mut self, from: MemberId, told: MemoryUse) {
        if !self.raft.is_leader() || !self.raft.membership().members().contains(&from) {
            return;
        }
        if self.memories.term != self.raft.term() {
            self.memories.term = self.raft.term();
            self.memories.told.clear();
        }
        self.memories.told.insert(from, told);
    }

    /// What the members use, as far as the leader, this one, was told; its own first.
    fn memory_of_all(&self) -> impl Iterator<Item = (MemberId, MemoryUse)> {
        let known = self.memories.term == self.raft.term();
        let members = self.raft.membership().members();
        let others = self.memories.told.iter().filter(move |(id, _)| known && members.contains(id));
        let own = (self.raft.id(), self.memories.own);
        std::iter::once(own).chain(others.map(|(id, told)| (*id, *told)))
    }

    /// How much of the past should go so that no member is pressed for memory.
    pub(crate) fn memory_excess_bytes(&self) -> u64 {
        self.memory_of_all().map(|(_, used)| used.excess_bytes()).max().unwrap_or(0)
    }

    /// Whether no part of the past is worth keeping, for want of memory on any member.
    pub(crate) fn memory_is_tight(&self) -> bool {
        self.memory_of_all().any(|(_, used)| used.is_tight())
    }

    /// Whether a quorum has memory for what grows.
    pub(crate) fn quorum_has_memory(&self) -> bool {
        let Memories { own, told, .. } = &self.memories;
        // Nearly always, and asked for every write.
        if !own.lacks && told.values().all(|told| !told.lacks) {
            return true;
        }
        let lacking = self.memory_of_all().filter(|(_, used)| used.lacks).map(|(id, _)| id);
        self.quorum_is_without(&lacking.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(used_bytes: u64, limit_bytes: u64) -> MemoryUse {
        MemoryUse { used_bytes, limit_bytes, lacks: false }
    }

    #[test]
    fn memory_is_short_from_ninety_percent_on_and_found_below_eighty_five() {
        let mut memory = used(0, 1_000);
        for (used_bytes, changes, lacks) in [
            (899, false, false),
            (900, true, true),
            (1_200, false, true),
            (850, false, true),
            (849, true, false),
            (899, false, false),
        ] {
            assert_eq!(memory.measure(used_bytes), changes, "{used_bytes} bytes used");
            assert_eq!(memory.lacks, lacks, "{used_bytes} bytes used");
        }
    }

    #[test]
    fn without_a_limit_nothing_is_short() {
        let mut memory = used(0, 0);
        assert!(!memory.measure(u64::MAX - 1));
        assert_eq!(memory.excess_bytes(), 0);
    }

    #[test]
    fn the_past_goes_from_seventy_percent_on_down_to_sixty_five() {
        assert_eq!(used(699, 1_000).excess_bytes(), 0);
        assert_eq!(used(700, 1_000).excess_bytes(), 50);
        assert_eq!(used(1_100, 1_000).excess_bytes(), 450);
    }

    #[test]
    fn none_of_it_is_spared_before_anything_is_refused() {
        assert!(!used(799, 1_000).is_tight() && used(800, 1_000).is_tight());
        assert!(MemoryUse { lacks: true, ..used(860, 1_000) }.is_tight());
        assert!(!used(u64::MAX - 1, 0).is_tight(), "without a limit");
    }
}
