//! A leaf of the tree: up to 128 neighbouring keys behind one lock.
//!
//! A search must not cost a cache miss for each key it compares, so the keys' *heads* (the eight
//! bytes after what all keys here have in common) stand side by side, and the keys' bytes share
//! one buffer:
//!
//! ```text
//!   heads    "01234567" "01234568" …        searched first, nearly always enough
//!   entries  [version, where its key is] …  64 bytes each, in the same order
//!   keys     /bench/000001234568/bench/…    in the order of their arrival
//! ```

use std::cmp::Ordering;
use std::ops::Range;

use crate::budget::{Budget, KEY_COST_UNITS};
use crate::heads::{self, common_prefix};
use crate::key_range::Span;
use crate::ledger::Ledger;
use crate::tally::Tally;
use crate::types::{KeyValue, Revision};
use crate::version::{Trimmed, Version, Versions, With, Write};

/// A leaf with so many keys is split.
const LEAF_KEYS_MAX: usize = 128;

/// A leaf whose keys take so much memory is split too, so that a reader under its lock never
/// copies more than this and one key.
const LEAF_KEY_BYTES_MAX: usize = 256 << 10;

/// How many entries a leaf makes room for at a time: doubling would leave a third of it empty.
const LEAF_GROWTH_KEYS: usize = 16;

/// How many bytes of keys it makes room for at a time.
const LEAF_GROWTH_KEY_BYTES: usize = 512;

/// So many versions of a key are removed at once: what holds up readers of the leaf and the turn.
const TRIM_VERSIONS_MAX: usize = 64;

/// Neighbouring keys, in order, with what lets a count pass over them.
#[derive(Debug, Default)]
pub(crate) struct Leaf {
    /// How many first bytes all keys here have in common, because both fences have them.
    prefix_bytes: usize,
    /// Of each entry its key's head; ascending.
    heads: Vec<u64>,
    entries: Vec<Entry>,
    keys: Vec<u8>,
    /// How many of the keys exist now, after everything applied.
    live: usize,
    /// The newest write here. At this revision or later, `live` is what a reader counts.
    newest: Revision,
}

/// Which keys are to be buried.
#[derive(Clone, Copy)]
pub(crate) struct Burial<'a> {
    /// Those from this one on,
    pub(crate) from: &'a [u8],
    /// of this span,
    pub(crate) span: &'a Span,
    /// of which this is true.
    pub(crate) is_meant: &'a dyn Fn(&[u8]) -> bool,
}

/// A key's versions, and where in `keys` the key is.
#[derive(Debug)]
struct Entry {
    /// A leaf's keys have at most [`LEAF_KEY_BYTES_MAX`] and one key's bytes, so 32 bits suffice.
    key_start: u32,
    key_bytes: u32,
    versions: Versions,
}

impl Leaf {
    /// Writes a key; gives back what it was before, if that is wanted and it existed.
    pub(crate) fn put(
        &mut self,
        write: Write<'_>,
        prev_kv: bool,
        ledger: &mut Ledger,
    ) -> Option<KeyValue> {
        let key = write.key;
        self.newest = write.revision;
        match self.find(key) {
            Ok(at) => self.put_over(at, write, prev_kv, ledger),
            Err(at) => {
                let first = Version::written(write, None);
                ledger.add(key, &first);
                self.insert(at, key, Versions::new(first));
                self.live += 1;
                None
            }
        }
    }

    fn put_over(
        &mut self,
        at: usize,
        write: Write<'_>,
        prev_kv: bool,
        ledger: &mut Ledger,
    ) -> Option<KeyValue> {
        let key = write.key;
        let versions = &mut self.entries[at].versions;
        let before = versions.newest();
        let previous = prev_kv.then(|| before.key_value(key, With::Value)).flatten();
        let version = Version::written(write, Some(before));
        if before.is_live() {
            ledger.replace(key, before, &version);
        } else {
            self.live += 1;
            ledger.add(key, &version);
        }
        versions.push(version);
        previous
    }

    /// Takes in a key that is not here yet, with all its versions.
    ///
    /// # Panics
    ///
    /// If the key is here.
    pub(crate) fn load(&mut self, key: &[u8], versions: Versions) {
        let at = self.find(key).expect_err("a key is loaded once");
        self.live += usize::from(versions.newest().is_live());
        self.newest = self.newest.max(versions.newest().mod_revision);
        self.insert(at, key, versions);
    }

    fn insert(&mut self, at: usize, key: &[u8], versions: Versions) {
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(LEAF_GROWTH_KEYS);
            self.heads.reserve_exact(LEAF_GROWTH_KEYS);
        }
        if self.keys.capacity() - self.keys.len() < key.len() {
            self.keys.reserve_exact(key.len().max(LEAF_GROWTH_KEY_BYTES));
        }
        let offset = |bytes: usize| u32::try_from(bytes).expect("a leaf's keys are bounded");
        let (key_start, key_bytes) = (offset(self.keys.len()), offset(key.len()));
        self.keys.extend_from_slice(key);
        self.heads.insert(at, self.head(key));
        self.entries.insert(at, Entry { key_start, key_bytes, versions });
    }

    /// Buries what exists, until the budget is spent; gives back the key to go on with, or `None`
    /// if this leaf is done.
    pub(crate) fn bury(
        &mut self,
        burial: Burial<'_>,
        revision: Revision,
        budget: &mut Budget,
        mut buried: impl FnMut(&[u8], &Version),
    ) -> Option<Box<[u8]>> {
        let positions = self.positions(burial.from, burial.span);
        for entry in &mut self.entries[positions] {
            let key = &self.keys[entry.key()];
            if budget.is_spent() {
                return Some(key.into());
            }
            budget.spend(KEY_COST_UNITS);
            if entry.versions.newest().is_live() && (burial.is_meant)(key) {
                budget.spend(entry.versions.newest().burial_units(key));
                buried(key, entry.versions.newest());
                entry.versions.push(Version::tombstone(revision));
                self.live -= 1;
                self.newest = revision;
            }
        }
        None
    }

    /// Removes what of a key is superfluous at `compact_revision`, at most [`TRIM_VERSIONS_MAX`]
    /// versions.
    pub(crate) fn trim(
        &mut self,
        key: &[u8],
        compact_revision: Revision,
        tally: &mut Tally,
    ) -> Trimmed {
        let Ok(at) = self.find(key) else { return Trimmed::default() };
        let versions = &mut self.entries[at].versions;
        let mut trimmed = versions.trim(compact_revision, TRIM_VERSIONS_MAX, tally);
        if !trimmed.more && versions.is_superfluous(compact_revision) {
            tally.forget(versions.newest());
            self.entries.remove(at);
            self.heads.remove(at);
            self.drop_dead_keys();
            trimmed.removed += 1;
        }
        trimmed
    }

    /// Makes the buffer of keys anew once less than half of it is in use.
    fn drop_dead_keys(&mut self) {
        let used: usize = self.entries.iter().map(|entry| entry.key().len()).sum();
        if self.keys.len() >= LEAF_GROWTH_KEY_BYTES && used < self.keys.len() / 2 {
            self.rebuild(self.prefix_bytes);
        }
    }

    /// Its fences are these from now on: further apart, so that its keys may share less.
    pub(crate) fn reach(&mut self, lower: &[u8], upper: Option<&[u8]>) {
        self.rebuild(upper.map_or(0, |upper| common_prefix(lower, upper)));
    }

    fn rebuild(&mut self, prefix_bytes: usize) {
        let Leaf { keys, entries, newest, .. } = std::mem::take(self);
        *self = Leaf::from_entries(&keys, entries.into_iter(), prefix_bytes);
        self.newest = newest;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All versions of a key.
    pub(crate) fn versions(&self, key: &[u8]) -> Option<&Versions> {
        Some(&self.entries[self.find(key).ok()?].versions)
    }

    /// Whether it must be split before the next write.
    pub(crate) fn is_full(&self) -> bool {
        let keys = self.entries.len();
        keys >= LEAF_KEYS_MAX || (keys > 1 && self.keys.len() >= LEAF_KEY_BYTES_MAX)
    }

    /// Cuts off the upper half, and gives its fence with it. The leaf's own fences are `lower` and
    /// `upper`; the last leaf has none above.
    pub(crate) fn split(&mut self, lower: &[u8], upper: Option<&[u8]>) -> (Box<[u8]>, Leaf) {
        assert!(self.entries.len() > 1, "only a leaf of several keys is ever full");
        let whole = std::mem::take(self);
        let middle = whole.entries.len() / 2;
        let fence = Box::from(&whole.keys[whole.entries[middle].key()]);
        let mut entries = whole.entries.into_iter();
        let lower_entries = entries.by_ref().take(middle);
        *self = Leaf::from_entries(&whole.keys, lower_entries, common_prefix(lower, &fence));
        let prefix_bytes = upper.map_or(0, |upper| common_prefix(&fence, upper));
        (fence, Leaf::from_entries(&whole.keys, entries, prefix_bytes))
    }

    fn from_entries(
        keys: &[u8],
        entries: impl ExactSizeIterator<Item = Entry>,
        prefix_bytes: usize,
    ) -> Leaf {
        let mut leaf = Leaf { prefix_bytes, ..Leaf::default() };
        leaf.entries.reserve_exact(entries.len());
        leaf.heads.reserve_exact(entries.len());
        for entry in entries {
            let newest = entry.versions.newest();
            leaf.live += usize::from(newest.is_live());
            leaf.newest = leaf.newest.max(newest.mod_revision);
            leaf.insert(leaf.entries.len(), &keys[entry.key()], entry.versions);
        }
        leaf
    }

    /// The version of `key` that a reader at `revision` sees.
    pub(crate) fn live_at(&self, key: &[u8], revision: Revision) -> Option<&Version> {
        self.versions(key)?.live_at(revision)
    }

    /// The keys of `span` from `from` on, with their versions.
    pub(crate) fn entries(
        &self,
        from: &[u8],
        span: &Span,
    ) -> impl ExactSizeIterator<Item = (&[u8], &Versions)> + Clone + use<'_> {
        let positions = self.positions(from, span);
        self.entries[positions].iter().map(|entry| (&self.keys[entry.key()], &entry.versions))
    }

    /// How many keys exist at `revision`, if that is known without looking at them.
    pub(crate) fn live_count(&self, revision: Revision) -> Option<usize> {
        (self.newest <= revision).then_some(self.live)
    }

    /// Where the keys of `span` at or after `from` stand.
    fn positions(&self, from: &[u8], span: &Span) -> Range<usize> {
        let bound = |key: &[u8]| self.position(key).unwrap_or_else(|at| at);
        let first = bound(from);
        let after = span.end().map_or(self.entries.len(), bound);
        first..after.max(first)
    }

    /// Where `key` stands, or where it would; it need not be one that belongs here.
    fn position(&self, key: &[u8]) -> Result<usize, usize> {
        match self.beside_prefix(key) {
            Ordering::Less => return Err(0),
            Ordering::Greater => return Err(self.entries.len()),
            Ordering::Equal => {}
        }
        self.find(key)
    }

    /// The same of a key between this leaf's fences, which has the common prefix: no other key's
    /// bytes are looked at for that.
    fn find(&self, key: &[u8]) -> Result<usize, usize> {
        let head = self.head(key);
        let first = heads::smaller(&self.heads, head);
        let equal = heads::equal(&self.heads[first..], head);
        let found =
            self.entries[first..first + equal].binary_search_by(|entry| self.compare(entry, key));
        found.map(|at| first + at).map_err(|at| first + at)
    }

    /// How an entry's key stands to one with the same head. Where that head is all there is of
    /// either, the shorter one comes first: the other goes on with zeros.
    fn compare(&self, entry: &Entry, key: &[u8]) -> Ordering {
        let headed_bytes = self.prefix_bytes + size_of::<u64>();
        if key.len().max(entry.key_bytes as usize) <= headed_bytes {
            return (entry.key_bytes as usize).cmp(&key.len());
        }
        self.keys[entry.key()].cmp(key)
    }

    /// How `key` stands to the keys with the common prefix; equal if it has it too.
    fn beside_prefix(&self, key: &[u8]) -> Ordering {
        // A leaf that has lost its last key holds no prefix to compare with: any place is right.
        let Some(entry) = self.entries.first() else { return Ordering::Less };
        let prefix = &self.keys[entry.key()][..self.prefix_bytes];
        if key.starts_with(prefix) { Ordering::Equal } else { key.cmp(prefix) }
    }

    /// Of a key that has the common prefix.
    fn head(&self, key: &[u8]) -> u64 {
        heads::head(&key[self.prefix_bytes..])
    }
}

impl Entry {
    fn key(&self) -> Range<usize> {
        let start = self.key_start as usize;
        start..start + self.key_bytes as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_cache_line() {
        assert_eq!(size_of::<Entry>(), 64);
    }

    /// Every pair of fences gives another prefix; the order must not depend on it.
    #[test]
    fn keys_are_found_whatever_they_have_in_common() {
        let keys: Vec<&[u8]> =
            vec![b"", b"\0", b"a", b"a\0", b"a\0\0", b"abcdefgh", b"abcdefgh\0", b"abcdefghi"];
        for first in 0..keys.len() {
            for last in first..keys.len() {
                let inside = &keys[first..=last];
                let leaf = leaf_of(inside, common_prefix(keys[first], keys[last]));
                for key in &keys {
                    assert_eq!(leaf.position(key), inside.binary_search(key), "{key:?}");
                }
            }
        }
    }

    /// Between the removal of its last key and its own, a reader may still come to it.
    #[test]
    fn a_leaf_that_lost_its_last_key_is_asked_for_any_key() {
        let mut leaf = leaf_of(&[b"abc1"], 3);
        let gone = Trimmed { removed: 1, more: false };
        assert_eq!(leaf.trim(b"abc1", Revision(5), &mut Tally::default()), gone);
        assert!(leaf.is_empty());
        for key in [&b""[..], b"a", b"abc1", b"abd", b"z"] {
            assert_eq!(leaf.position(key), Err(0), "{key:?}");
        }
    }

    fn leaf_of(keys: &[&[u8]], prefix_bytes: usize) -> Leaf {
        let mut leaf = Leaf { prefix_bytes, ..Leaf::default() };
        for (at, key) in keys.iter().enumerate() {
            leaf.insert(at, key, Versions::new(Version::tombstone(Revision(2))));
        }
        leaf
    }
}
