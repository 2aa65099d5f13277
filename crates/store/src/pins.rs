//! What holds back the removal of old versions: whoever still reads at a revision pins it.
//!
//! A reader's pin does not hold for ever (rule 6.4): it is lifted after two calls of
//! [`Pins::lift_old`], whose caller has a clock, and what the reader finds is checked afterwards.
//! The pin of a snapshot holds until it is dropped.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::types::Revision;

/// The pinned revisions of one tree, and how far the removal of its old versions has got.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pins(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    pinned: Mutex<Pinned>,
    /// What only earlier revisions need is gone, or going. Changed under the lock.
    swept: AtomicU64,
}

#[derive(Debug, Default)]
struct Pinned {
    /// Who pins what.
    revisions: BTreeSet<(Revision, PinId)>,
    /// The pins that are lifted when they get old; those of the last period but one are there no
    /// more.
    of_last_period: BTreeSet<(Revision, PinId)>,
    of_this_period: BTreeSet<(Revision, PinId)>,
    last_id: PinId,
}

type PinId = u64;

/// Whether a pin is lifted when it gets old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It holds for two periods at the most.
    Bounded,
    /// It holds until it is dropped.
    Unbounded,
}

/// Keeps what can be read at a revision for as long as it lives, or until it is lifted.
#[derive(Debug)]
pub(crate) struct Pin {
    pins: Pins,
    of: (Revision, PinId),
}

impl Pins {
    /// Pins a revision, unless what it needs may be going already.
    pub(crate) fn pin(&self, revision: Revision, patience: Patience) -> Option<Pin> {
        let mut pinned = self.0.pinned.lock();
        if self.swept() > revision {
            return None;
        }
        pinned.last_id += 1;
        let of = (revision, pinned.last_id);
        pinned.revisions.insert(of);
        if patience == Patience::Bounded {
            pinned.of_this_period.insert(of);
        }
        Some(Pin { pins: self.clone(), of })
    }

    /// A period is over: lifts the pins that were there when it began.
    pub(crate) fn lift_old(&self) {
        let mut pinned = self.0.pinned.lock();
        let recent = std::mem::take(&mut pinned.of_this_period);
        for old in std::mem::replace(&mut pinned.of_last_period, recent) {
            pinned.revisions.remove(&old);
        }
    }

    /// What only earlier revisions need may be gone.
    pub(crate) fn swept(&self) -> Revision {
        Revision(self.0.swept.load(Ordering::SeqCst))
    }

    /// Begins to remove what only revisions before `compact_revision` need, or before the oldest
    /// pin if that is older; gives back which of the two, or how far it has got before.
    pub(crate) fn sweep_to(&self, compact_revision: Revision) -> Revision {
        let pinned = self.0.pinned.lock();
        let oldest = pinned.revisions.first().map_or(compact_revision, |(oldest, _)| *oldest);
        let target = compact_revision.min(oldest).max(self.swept());
        self.0.swept.store(target.0, Ordering::SeqCst);
        target
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pinned = self.pins.0.pinned.lock();
        pinned.revisions.remove(&self.of);
        pinned.of_this_period.remove(&self.of);
        pinned.of_last_period.remove(&self.of);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readers_pin_holds_for_a_whole_period_and_less_than_two() {
        let pins = Pins::default();
        let _pin = pins.pin(Revision(5), Patience::Bounded).expect("nothing is swept");
        pins.lift_old();
        assert_eq!(pins.sweep_to(Revision(9)), Revision(5));
        pins.lift_old();
        assert_eq!(pins.sweep_to(Revision(9)), Revision(9));
        assert!(pins.pin(Revision(5), Patience::Bounded).is_none());
    }

    #[test]
    fn a_snapshots_pin_holds_until_it_is_dropped() {
        let pins = Pins::default();
        let pin = pins.pin(Revision(5), Patience::Unbounded).expect("nothing is swept");
        for _ in 0..3 {
            pins.lift_old();
        }
        assert_eq!(pins.sweep_to(Revision(9)), Revision(5));
        drop(pin);
        assert_eq!(pins.sweep_to(Revision(9)), Revision(9));
    }

    #[test]
    fn pins_of_one_revision_are_lifted_each_in_its_time() {
        let pins = Pins::default();
        let _early = pins.pin(Revision(5), Patience::Bounded).expect("nothing is swept");
        pins.lift_old();
        let late = pins.pin(Revision(5), Patience::Bounded).expect("nothing is swept");
        pins.lift_old();
        assert_eq!(pins.sweep_to(Revision(9)), Revision(5), "the later one holds");
        drop(late);
        assert_eq!(pins.sweep_to(Revision(9)), Revision(9));
    }
}
