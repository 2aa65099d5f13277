//! What holds back the removal of old versions: whoever still reads at a revision pins it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::types::Revision;

/// The pinned revisions of one tree, and how far the removal of its old versions has got.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pins(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// How often each revision is pinned.
    pinned: Mutex<BTreeMap<Revision, usize>>,
    /// What only earlier revisions need is gone, or going. Changed under the lock.
    swept: AtomicU64,
}

/// Keeps what can be read at a revision for as long as it lives.
#[derive(Debug)]
pub(crate) struct Pin {
    pins: Pins,
    revision: Revision,
}

impl Pins {
    /// Pins a revision, unless what it needs may be going already.
    pub(crate) fn pin(&self, revision: Revision) -> Option<Pin> {
        let mut pinned = self.0.pinned.lock();
        if self.swept() > revision {
            return None;
        }
        *pinned.entry(revision).or_default() += 1;
        Some(Pin { pins: self.clone(), revision })
    }

    /// What only earlier revisions need may be gone.
    pub(crate) fn swept(&self) -> Revision {
        Revision(self.0.swept.load(Ordering::SeqCst))
    }

    /// Begins to remove what only revisions before `compact_revision` need, or before the oldest
    /// pin if that is older; gives back which of the two, or how far it has got before.
    pub(crate) fn sweep_to(&self, compact_revision: Revision) -> Revision {
        let pinned = self.0.pinned.lock();
        let oldest = pinned.first_key_value().map_or(compact_revision, |(oldest, _)| *oldest);
        let target = compact_revision.min(oldest).max(self.swept());
        self.0.swept.store(target.0, Ordering::SeqCst);
        target
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pinned = self.pins.0.pinned.lock();
        let count = pinned.get_mut(&self.revision).expect("it was pinned");
        *count -= 1;
        if *count == 0 {
            pinned.remove(&self.revision);
        }
    }
}
