//! The index: all keys in order, for one writer and any number of readers.
//!
//! Two levels. The upper one maps each leaf's *fence* (the smallest key it may hold) to the leaf;
//! it changes only when a leaf is split, once in some 64 new keys, or has lost its last key. Each
//! leaf has its own lock.
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

use std::collections::BTreeMap;
use std::ops::Bound::{Included, Unbounded};
use std::ops::ControlFlow;

use bytes::Bytes;
use parking_lot::RwLock;

use crate::budget::Budget;
use crate::events::EventLog;
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

type Leaves = BTreeMap<Box<[u8]>, RwLock<Leaf>>;

/// All keys with all their versions.
#[derive(Debug)]
pub(crate) struct Tree {
    leaves: RwLock<Leaves>,
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
        let first = (Box::default(), RwLock::default());
        Tree {
            leaves: RwLock::new(BTreeMap::from([first])),
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
            let mut leaf = leaf_of(&leaves, key).1.write();
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
            let mut leaf = leaf_of(&leaves, key).1.write();
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
        let (fence, leaf) = leaf_of(&leaves, from);
        let rest = KeyRange::From(Bytes::copy_from_slice(from)).span();
        for (key, versions) in leaf.read().entries(from, &rest) {
            visit(key, versions)?;
        }
        ControlFlow::Continue(fences_from(&leaves, fence).nth(1).map(|(next, _)| next.clone()))
    }

    fn split(&self, key: &[u8]) {
        let mut leaves = self.leaves.write();
        let (lower, leaf) = leaf_of(&leaves, key);
        let upper = fences_from(&leaves, lower).nth(1).map(|(upper, _)| &**upper);
        let (fence, cut_off) = leaf.write().split(lower, upper);
        let before = leaves.insert(fence, RwLock::new(cut_off));
        assert!(before.is_none(), "a leaf is split above its own fence");
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
        let (fence, leaf) = leaf_of(&leaves, burial.from);
        let rest = leaf.write().bury(burial, revision, budget, |key, version| {
            self.events.append(revision, key);
            buried(key, version);
        });
        rest.or_else(|| {
            let (next, _) = fences_from(&leaves, fence).nth(1)?;
            burial.span.reaches(next).then(|| next.clone())
        })
    }

    /// The key as a reader at `revision` sees it.
    pub(crate) fn get(&self, key: &[u8], revision: Revision) -> Option<KeyValue> {
        let leaves = self.leaves.read();
        let leaf = leaf_of(&leaves, key).1.read();
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
        let leaf = leaf_of(&leaves, key).1.read();
        look(leaf.live_at(key, revision))
    }

    /// Shows `look` all versions of a key, while its leaf is held, if it has any.
    pub(crate) fn look_versions<T>(
        &self,
        key: &[u8],
        look: impl FnOnce(&Versions) -> T,
    ) -> Option<T> {
        let leaves = self.leaves.read();
        let leaf = leaf_of(&leaves, key).1.read();
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
            let mut leaf = leaf_of(&leaves, key).1.write();
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
        let (fence, leaf) = leaf_of(&leaves, key);
        if fence.is_empty() || !leaf.read().is_empty() {
            return;
        }
        let fence: Box<[u8]> = fence.into();
        leaves.remove(&fence);
        let (lower, leaf) = leaf_of(&leaves, key);
        let upper = fences_from(&leaves, lower).nth(1).map(|(upper, _)| &**upper);
        leaf.write().reach(lower, upper);
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
        let mut fences = fences_from(&leaves, leaf_of(&leaves, from).0).peekable();
        let mut hold = Work::default();
        while let Some((fence, leaf)) = fences.next() {
            if !span.reaches(fence) {
                return None;
            }
            if hold.keys >= HOLD_KEYS_MAX || hold.bytes >= HOLD_BYTES_MAX {
                return Some(fence.clone());
            }
            let next = fences.peek().map(|(next, _)| &***next);
            // A fence before `from` means that some of the leaf may have been shown before.
            let covered = *from <= **fence && span.covers(fence, next);
            let work = visit(&leaf.read(), covered);
            hold.keys += work.keys;
            hold.bytes += work.bytes;
        }
        None
    }
}

const EVERY_KEY: &str = "the leaf with the empty fence is never removed";

/// The leaf that holds `key` if any does, with its fence.
fn leaf_of<'a>(leaves: &'a Leaves, key: &[u8]) -> (&'a [u8], &'a RwLock<Leaf>) {
    let (fence, leaf) =
        leaves.range::<[u8], _>((Unbounded, Included(key))).next_back().expect(EVERY_KEY);
    (fence, leaf)
}

fn fences_from<'a>(
    leaves: &'a Leaves,
    fence: &[u8],
) -> impl Iterator<Item = (&'a Box<[u8]>, &'a RwLock<Leaf>)> {
    leaves.range::<[u8], _>((Included(fence), Unbounded))
}
