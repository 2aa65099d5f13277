//! The events of one revision that concern one watcher.

use std::sync::Arc;

use store::{Event, Revision};

/// Events of one revision, in the order of its operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Which revision.
    pub revision: Revision,
    /// The leader's wall clock in that revision's entry, ms since 1970.
    pub stamp_ms: u64,
    /// At least one. Watchers of the same key share them.
    pub events: Vec<Arc<Event>>,
    /// Another batch goes on with the same revision; only where it may come in pieces.
    pub goes_on: bool,
}

impl Batch {
    /// The beginning of a batch.
    pub(super) fn new(first: Arc<Event>) -> Batch {
        let (revision, stamp_ms) = (first.revision, first.stamp_ms);
        Batch { revision, stamp_ms, events: vec![first], goes_on: false }
    }

    /// How much it tells: the bytes of keys and values.
    pub fn told_bytes(&self) -> usize {
        self.events.iter().map(|event| event.told_bytes()).sum()
    }

    /// The same without what the keys were before. Others may have asked for that.
    pub(super) fn without_prev(mut self) -> Batch {
        for event in &mut self.events {
            if event.prev.is_some() {
                *event = Arc::new(Event { prev: None, ..Event::clone(event) });
            }
        }
        self
    }
}
