//! A leaf of the tree: up to 128 neighbouring keys behind one lock.

use std::ops::Range;

use crate::budget::{Budget, KEY_COST_UNITS, VERSION_COST_UNITS};
use crate::key_range::Span;
use crate::tally::Tally;
use crate::types::{KeyValue, Revision};
use crate::version::{Entry, Version, With, Write};

/// A leaf with more keys is split.
const LEAF_KEYS_MAX: usize = 128;

/// A leaf whose keys take more memory is split too, so that a reader under its lock never copies
/// more than this and one key.
const LEAF_KEY_BYTES_MAX: usize = 256 << 10;

/// How many entries a leaf makes room for at a time: doubling would leave a third of it empty.
const LEAF_GROWTH_KEYS: usize = 16;

/// Neighbouring keys, in order, with what lets a count pass over them.
#[derive(Debug, Default)]
pub(crate) struct Leaf {
    entries: Vec<Entry>,
    key_bytes: usize,
    /// How many of the keys exist now, after everything applied.
    live: usize,
    /// The newest write here. At this revision or later, `live` is what a reader counts.
    newest: Revision,
}

impl Leaf {
    /// Writes a key; gives back what it was before, if that is wanted and it existed.
    pub(crate) fn put(
        &mut self,
        write: Write<'_>,
        prev_kv: bool,
        tally: &mut Tally,
    ) -> Option<KeyValue> {
        let key = write.key;
        self.newest = write.revision;
        match self.position(key) {
            Ok(at) => self.put_over(at, write, prev_kv, tally),
            Err(at) => {
                let first = Version::written(write, None);
                tally.add(key, &first);
                self.insert(at, Entry::new(key, first));
                None
            }
        }
    }

    fn put_over(
        &mut self,
        at: usize,
        write: Write<'_>,
        prev_kv: bool,
        tally: &mut Tally,
    ) -> Option<KeyValue> {
        let key = write.key;
        let entry = &mut self.entries[at];
        let before = entry.newest();
        let previous = prev_kv.then(|| before.key_value(key, With::Value)).flatten();
        if before.is_live() {
            tally.remove(key, before);
        } else {
            self.live += 1;
        }
        let version = Version::written(write, Some(before));
        tally.add(key, &version);
        entry.push(version);
        previous
    }

    fn insert(&mut self, at: usize, entry: Entry) {
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(LEAF_GROWTH_KEYS);
        }
        self.key_bytes += entry.key.len();
        self.live += 1;
        self.entries.insert(at, entry);
    }

    /// Buries what exists of `span` from `from` on, until the budget is spent; gives back the key
    /// to go on with, or `None` if this leaf is done.
    pub(crate) fn bury(
        &mut self,
        from: &[u8],
        span: &Span,
        revision: Revision,
        budget: &mut Budget,
        mut buried: impl FnMut(&[u8], &Version),
    ) -> Option<Box<[u8]>> {
        let positions = positions(&self.entries, from, span);
        for entry in &mut self.entries[positions] {
            if budget.is_spent() {
                return Some(entry.key.clone());
            }
            budget.spend(KEY_COST_UNITS);
            if entry.newest().is_live() {
                budget.spend(VERSION_COST_UNITS + entry.key.len() as u64);
                buried(&entry.key, entry.newest());
                entry.push(Version::tombstone(revision));
                self.live -= 1;
                self.newest = revision;
            }
        }
        None
    }

    pub(crate) fn is_overfull(&self) -> bool {
        let keys = self.entries.len();
        keys > LEAF_KEYS_MAX || (keys > 1 && self.key_bytes > LEAF_KEY_BYTES_MAX)
    }

    /// Cuts off the upper half, and gives its first key with it.
    pub(crate) fn split(&mut self) -> (Box<[u8]>, Leaf) {
        assert!(self.entries.len() > 1, "only a leaf of several keys is overfull");
        let upper = self.entries.split_off(self.entries.len() / 2);
        let lower = std::mem::take(&mut self.entries);
        *self = Leaf::from_entries(lower);
        (upper[0].key.clone(), Leaf::from_entries(upper))
    }

    fn from_entries(mut entries: Vec<Entry>) -> Leaf {
        entries.shrink_to_fit();
        Leaf {
            key_bytes: entries.iter().map(|entry| entry.key.len()).sum(),
            live: entries.iter().filter(|entry| entry.newest().is_live()).count(),
            newest: entries
                .iter()
                .map(|entry| entry.newest().mod_revision)
                .max()
                .unwrap_or_default(),
            entries,
        }
    }

    /// The version of `key` that a reader at `revision` sees.
    pub(crate) fn live_at(&self, key: &[u8], revision: Revision) -> Option<&Version> {
        self.entries[self.position(key).ok()?].live_at(revision)
    }

    /// The keys of `span`.
    pub(crate) fn entries(&self, span: &Span) -> &[Entry] {
        &self.entries[positions(&self.entries, &span.start, span)]
    }

    /// How many keys exist at `revision`, if that is known without looking at them.
    pub(crate) fn live_count(&self, revision: Revision) -> Option<usize> {
        (self.newest <= revision).then_some(self.live)
    }

    fn position(&self, key: &[u8]) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| (*entry.key).cmp(key))
    }
}

/// Where the keys of `span` at or after `from` stand.
fn positions(entries: &[Entry], from: &[u8], span: &Span) -> Range<usize> {
    let first = entries.partition_point(|entry| *entry.key < *from);
    let after = entries.partition_point(|entry| span.reaches(&entry.key));
    first..after.max(first)
}
