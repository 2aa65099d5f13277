//! What this member has answered: reads, and writes by how long they took.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Each class is twice as long as the one before, from 1 µs on; the last one is for all that took
/// longer than 8 s.
pub(crate) const CLASSES: usize = 25;

/// Counts since the start of the process; they only grow.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    reads: AtomicU64,
    writes: [AtomicU64; CLASSES],
}

/// The same at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AnsweredCounts {
    /// Reads that were let through to the store.
    pub(crate) reads: u64,
    /// Writes that were done, by class: those of class n took less than 2ⁿ µs.
    pub(crate) writes: [u64; CLASSES],
}

impl Answered {
    /// Somebody reads.
    pub(crate) fn read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    /// A write was done, and took so long.
    pub(crate) fn wrote(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = (u64::BITS - micros.leading_zeros()) as usize;
        self.writes[class.min(CLASSES - 1)].fetch_add(1, Ordering::Relaxed);
    }

    /// As they stand now.
    pub(crate) fn counts(&self) -> AnsweredCounts {
        let reads = self.reads.load(Ordering::Relaxed);
        AnsweredCounts { reads, writes: self.writes.each_ref().map(|n| n.load(Ordering::Relaxed)) }
    }
}
