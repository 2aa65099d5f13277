//! The index: all keys in order, for one writer and any number of readers.
//!
//! Two levels. The upper one ([`Fences`]) knows each leaf by its *fence*, the smallest key it may
//! hold; it changes only when a leaf is split, once in some 64 new keys, or has lost its last key.
//! Each leaf has its own lock.
//!
//! ```text
//!   fences   ""          "db.port"          "user/7"       one lock, shared but for splits
//!            │               │                  │
//!   leaves  [cache … db.host] [db.port … user/6] [user/7 …]   one lock each
//! ```
//!
//! So the writer shuts out only the readers of one leaf, for the time of one write, and a reader
//! shuts out the writer only from the leaf it is in. Consistency comes from revisions alone:
//! whoever reads at a published revision does not see what is written meanwhile. A walk over many
//! leaves lets go of all locks after [`HOLD_KEYS_MAX`] keys and goes on at the next fence.
//!
//! Invariant: there is a leaf with the empty fence, so every key has a leaf.

use std::ops::ControlFlow;

use bytes::Bytes;
use parking_lot::RwLock;

use crate::budget::Budget;
use crate::events::EventLog;
use crate::fences::Fences;
use crate::key_range::{KeyRange, Span};
use crate::leaf::{Burial, Leaf};
use crate::ledger::Ledger;
use crate::pins::Pins;
use crate::tally::Tally;
use crate::types::{KeyValue, Revision};
use crate::version::{Trimmed, Version, Versions, With, Write};

/// How many keys a walk looks at before it lets waiting writers in.
pub(crate) const HOLD_KEYS_MAX: usize = 1_000;

/// How many bytes a walk copies before it lets waiting writers in.
const HOLD_BYTES_MAX: usize = 1 << 20;

/// All keys with all their versions.
#[derive(Debug)]
pub(crate) struct Tree {
    leaves: RwLock<Fences<RwLock<Leaf>>>,
    /// Which revision touched which keys.
    pub(crate) events: EventLog,
    /// Which revisions are read at, whatever is compacted.
    pub(crate) pins: Pins,
}

/// What a walk did under the lock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work {
    pub(crate) keys: usize,
    pub(crate) bytes: usize,
}

impl Tree {
    pub(crate) fn new() -> Tree {
        Tree {
            leaves: RwLock::new(Fences::new(RwLock::default())),
            events: EventLog::default(),
            pins: Pins::default(),
        }
    }

    /// Writes a key; gives back what it was before, if that is wanted and it existed.
    pub(crate) fn put(
        &self,
        write: Write<'_>,
        prev_kv: bool,
        ledger: &mut Ledger,
    ) -> Option<KeyValue> {
        let key = write.key;
        self.events.append(write.revision, key);
        let (previous, full) = {
            let leaves = self.leaves.read();
            let mut leaf = leaves.leaf(key).write();
            (leaf.put(write, prev_kv, ledger), leaf.is_full())
        };
        if full {
            self.split(key);
        }
        previous
    }

    /// Takes in a key that is not there yet, with all its versions.
    pub(crate) fn load(&self, key: &[u8], versions: Versions) {
        let full = {
            let leaves = self.leaves.read();
            let mut leaf = leaves.leaf(key).write();
            leaf.load(key, versions);
            leaf.is_full()
        };
        if full {
            self.split(key);
        }
    }

    /// Shows `visit` the keys at or after `from` in one leaf, in order, until it breaks off; else
    /// gives back where the next leaf begins, or `None` after the last. Only that leaf is held.
    pub(crate) fn visit_leaf(
        &self,
        from: &[u8],
        mut visit: impl FnMut(&[u8], &Versions) -> ControlFlow<()>,
    ) -> ControlFlow<(), Option<Box<[u8]>>> {
        let leaves = self.leaves.read();
        let mut from_here = leaves.leaves_from(from);
        let (_, leaf) = from_here.next().expect(EVERY_KEY);
        let rest = KeyRange::From(Bytes::copy_from_slice(from)).span();
        for (key, versions) in leaf.read().entries(from, &rest) {
            visit(key, versions)?;
        }
        ControlFlow::Continue(from_here.next().map(|(next, _)| next.into()))
    }

    fn split(&self, key: &[u8]) {
        let mut leaves = self.leaves.write();
        let (fence, cut_off) = {
            let mut from_here = leaves.leaves_from(key);
            let (lower, leaf) = from_here.next().expect(EVERY_KEY);
            leaf.write().split(lower, from_here.next().map(|(upper, _)| upper))
        };
        leaves.insert(fence, RwLock::new(cut_off));
    }

    /// Buries what exists of `span` in the leaf of `from`, until the budget is spent; gives back
    /// the key to go on with, or `None` at the end of the span.
    pub(crate) fn bury(
        &self,
        burial: Burial<'_>,
        revision: Revision,
        budget: &mut Budget,
        mut buried: impl FnMut(&[u8], &Version),
    ) -> Option<Box<[u8]>> {
        let leaves = self.leaves.read();
        let mut from_here = leaves.leaves_from(burial.from);
        let (_, leaf) = from_here.next().expect(EVERY_KEY);
        let rest = leaf.write().bury(burial, revision, budget, |key, version| {
            self.events.append(revision, key);
            buried(key, version);
        });
        rest.or_else(|| {
            let (next, _) = from_here.next()?;
            burial.span.reaches(next).then(|| next.into())
        })
    }

    /// The key as a reader at `revision` sees it.
    pub(crate) fn get(&self, key: &[u8], revision: Revision) -> Option<KeyValue> {
        let leaves = self.leaves.read();
        let leaf = leaves.leaf(key).read();
        leaf.live_at(key, revision)?.key_value(key, With::Value)
    }

    /// Shows `look` the version of a key that a reader at `revision` sees, while its leaf is held.
    pub(crate) fn look<T>(
        &self,
        key: &[u8],
        revision: Revision,
        look: impl FnOnce(Option<&Version>) -> T,
    ) -> T {
        let leaves = self.leaves.read();
        let leaf = leaves.leaf(key).read();
        look(leaf.live_at(key, revision))
    }

    /// Shows `look` all versions of a key, while its leaf is held, if it has any.
    pub(crate) fn look_versions<T>(
        &self,
        key: &[u8],
        look: impl FnOnce(&Versions) -> T,
    ) -> Option<T> {
        let leaves = self.leaves.read();
        let leaf = leaves.leaf(key).read();
        leaf.versions(key).map(look)
    }

    /// Removes some of what of a key is superfluous at `compact_revision`.
    pub(crate) fn trim(
        &self,
        key: &[u8],
        compact_revision: Revision,
        tally: &mut Tally,
    ) -> Trimmed {
        let (trimmed, empty) = {
            let leaves = self.leaves.read();
            let mut leaf = leaves.leaf(key).write();
            (leaf.trim(key, compact_revision, tally), leaf.is_empty())
        };
        if empty {
            self.remove_leaf(key);
        }
        trimmed
    }

    /// Takes the empty leaf of `key` out, whose keys belong to the leaf before it from then on;
    /// the first leaf stays.
    fn remove_leaf(&self, key: &[u8]) {
        let mut leaves = self.leaves.write();
        if !leaves.leaf(key).read().is_empty() {
            return;
        }
        leaves.remove(key);
        let mut from_here = leaves.leaves_from(key);
        let (lower, leaf) = from_here.next().expect(EVERY_KEY);
        leaf.write().reach(lower, from_here.next().map(|(upper, _)| upper));
    }

    /// Shows `visit` the leaves from that of `from` on that may hold keys of `span`, in order, and
    /// whether the span covers all that a leaf holds; as many as one hold of the upper lock
    /// allows. Gives back where the next hold begins, or `None` at the end of the span. That is a
    /// key and no leaf, so leaves may be split and removed meanwhile.
    pub(crate) fn walk_one_hold(
        &self,
        from: &[u8],
        span: &Span,
        mut visit: impl FnMut(&Leaf, bool) -> Work,
    ) -> Option<Box<[u8]>> {
        let leaves = self.leaves.read();
        let mut fences = leaves.leaves_from(from).peekable();
        let mut hold = Work::default();
        while let Some((fence, leaf)) = fences.next() {
            if !span.reaches(fence) {
                return None;
            }
            if hold.keys >= HOLD_KEYS_MAX || hold.bytes >= HOLD_BYTES_MAX {
                return Some(fence.into());
            }
            let next = fences.peek().map(|(next, _)| *next);
            // A fence before `from` means that some of the leaf may have been shown before.
            let covered = *from <= *fence && span.covers(fence, next);
            let work = visit(&leaf.read(), covered);
            hold.keys += work.keys;
            hold.bytes += work.bytes;
        }
        None
    }
}

const EVERY_KEY: &str = "the leaf with the empty fence is never removed";
