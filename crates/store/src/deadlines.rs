//! Which keys with a time to live of their own are due next (rule 8.4).
//!
//! Every member keeps the index, because every member may have to lead; the leader alone asks it
//! what is due, and proposes the removal. It is made of the newest versions of the keys alone, and
//! is no state of its own: not in snapshots, not in the state hash, not published. What a command
//! under way has changed is in it already, which harms nobody: that command comes to its end
//! before any that is proposed later.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::types::Revision;

/// The keys with a deadline, in the order in which they are due. Clones share one index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deadlines(Arc<Mutex<BTreeMap<Deadline, Revision>>>);

/// When a key is due, then which one.
type Deadline = (u64, Box<[u8]>);

/// A key, and the write that gave it its time to live: what an expiry names, so that it passes
/// over a key that was written since.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueKey {
    /// The key.
    pub key: Bytes,
    /// Its last write.
    pub mod_revision: Revision,
}

impl Deadlines {
    pub(crate) fn insert(&self, age_ms: u64, key: &[u8], mod_revision: Revision) {
        self.0.lock().insert((age_ms, key.into()), mod_revision);
    }

    pub(crate) fn remove(&self, age_ms: u64, key: &[u8]) {
        let known = self.0.lock().remove(&(age_ms, key.into()));
        assert!(known.is_some(), "a key with a deadline is in the index");
    }

    /// When the next key is due.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.0.lock().first_key_value().map(|((age_ms, _), _)| *age_ms)
    }

    /// Shows `take` the keys that are due at this age, the longest overdue first, until it says
    /// that it has enough.
    pub(crate) fn due(&self, age_ms: u64, mut take: impl FnMut(&[u8], Revision) -> bool) {
        let index = self.0.lock();
        let due = index.iter().take_while(|((until_ms, _), _)| *until_ms <= age_ms);
        for ((_, key), mod_revision) in due {
            if !take(key, *mod_revision) {
                return;
            }
        }
    }
}
