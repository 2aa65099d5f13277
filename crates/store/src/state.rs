//! The numbers and tables beside the keys.

use crate::apply::LogEntry;
use crate::hash;
use crate::once::Once;
use crate::read::{Kept, Published};
use crate::tally::Tally;
use crate::types::Revision;

/// What the entries applied so far add up to, beside the keys themselves.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) applied_index: u64,
    pub(crate) applied_term: u64,
    pub(crate) stamp_ms: u64,
    pub(crate) age_ms: u64,
    pub(crate) revision: Revision,
    pub(crate) compact_revision: Revision,
    pub(crate) tally: Tally,
    pub(crate) once: Once,
}

impl State {
    pub(crate) fn new() -> State {
        State {
            applied_index: 0,
            applied_term: 0,
            stamp_ms: 0,
            age_ms: 0,
            revision: Revision::FIRST,
            compact_revision: Revision(0),
            tally: Tally::default(),
            once: Once::default(),
        }
    }

    pub(crate) fn finish(&mut self, entry: &LogEntry) {
        self.applied_index = entry.index;
        self.applied_term = entry.term;
        self.stamp_ms = entry.stamp_ms;
        self.age_ms = entry.age_ms;
    }

    /// A command wrote at `revision`, and changed the sums by so much.
    pub(crate) fn wrote(&mut self, revision: Revision, tally: Tally) {
        self.revision = revision;
        self.tally.merge(tally);
    }

    /// Which revisions can be read.
    pub(crate) fn kept(&self) -> Kept {
        Kept { newest: self.revision, compact_revision: self.compact_revision }
    }

    pub(crate) fn hash(&self) -> u64 {
        let counters = hash::counters_item(self.revision, self.compact_revision);
        counters.wrapping_add(self.tally.hash).wrapping_add(self.once.tally().hash)
    }

    pub(crate) fn published(&self) -> Published {
        Published {
            applied_index: self.applied_index,
            applied_term: self.applied_term,
            stamp_ms: self.stamp_ms,
            age_ms: self.age_ms,
            revision: self.revision,
            compact_revision: self.compact_revision,
            state_hash: self.hash(),
            keys: self.tally.keys,
            live_bytes: self.tally.bytes,
            sessions: self.once.session_count() as u64,
            once_keys: self.once.key_count() as u64,
        }
    }
}
