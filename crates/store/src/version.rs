//! The versions of one key.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::budget::VERSION_COST_UNITS;
use crate::hash;
use crate::tally::{Tally, history_bytes};
use crate::types::{KeyValue, Lifetime, Revision};
use crate::value::Value;

/// A key as one write left it. A delete leaves a tombstone: no value, and zero in every field but
/// `mod_revision`.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) mod_revision: Revision,
    pub(crate) create_revision: Revision,
    /// How many writes since its creation, doubled, and odd if its lifetime is bounded: an entry of
    /// a leaf is one cache line, and the value's memory is another one, which a write over it need
    /// not touch.
    numbered: u64,
    /// What this version adds to the state hash; kept, so that taking it out again reads no value.
    pub(crate) hash: u64,
    pub(crate) value: Option<Value>,
}

impl Version {
    pub(crate) fn tombstone(mod_revision: Revision) -> Version {
        Version { mod_revision, create_revision: Revision(0), numbered: 0, hash: 0, value: None }
    }

    /// A live version with all its numbers given.
    pub(crate) fn live(write: Write<'_>, create_revision: Revision, version: u64) -> Version {
        let Write { revision, key_hash, value_hash, lifetime, value, .. } = write;
        let hash =
            hash::key_item(key_hash, value_hash, create_revision, revision, version, lifetime);
        let numbered = version << 1 | u64::from(lifetime != Lifetime::Unbounded);
        Version { mod_revision: revision, create_revision, numbered, hash, value: Some(value) }
    }

    /// What a write makes of a key whose newest version is `newest`.
    pub(crate) fn written(write: Write<'_>, newest: Option<&Version>) -> Version {
        let (create_revision, version) = match newest.filter(|newest| newest.is_live()) {
            Some(live) => (live.create_revision, live.version() + 1),
            None => (write.revision, 1),
        };
        Version::live(write, create_revision, version)
    }

    pub(crate) fn is_live(&self) -> bool {
        self.value.is_some()
    }

    /// How many writes it has had since its creation; 0 of a tombstone.
    pub(crate) fn version(&self) -> u64 {
        self.numbered >> 1
    }

    /// Whether it lives at most as long as something else.
    pub(crate) fn is_bounded(&self) -> bool {
        self.numbered & 1 == 1
    }

    /// What burying it costs of a turn: the books of leases and deadlines are work too.
    pub(crate) fn burial_units(&self, key: &[u8]) -> u64 {
        let books = if self.is_bounded() { 2 } else { 1 };
        VERSION_COST_UNITS * books + key.len() as u64
    }

    /// How long it lives.
    pub(crate) fn lifetime(&self) -> Lifetime {
        let value = self.value.as_ref().filter(|_| self.is_bounded());
        value.map_or(Lifetime::Unbounded, Value::lifetime)
    }

    /// How many bytes the value has.
    pub(crate) fn value_len(&self) -> usize {
        self.value.as_ref().map_or(0, |value| value.len(self.is_bounded()))
    }

    /// The value, shared; no bytes of a tombstone.
    pub(crate) fn value_bytes(&self) -> Bytes {
        self.value.as_ref().map(Value::to_bytes).unwrap_or_default()
    }

    /// When it was written, by the leader's wall clock; 0 of a tombstone.
    pub(crate) fn stamp_ms(&self) -> u64 {
        self.value.as_ref().map_or(0, Value::stamp_ms)
    }

    /// What a reader is given; `None` of a tombstone.
    pub(crate) fn key_value(&self, key: &[u8], with: With) -> Option<KeyValue> {
        self.is_live().then(|| self.with_key(Bytes::copy_from_slice(key), with))
    }

    /// The same, with the caller's copy of the key.
    pub(crate) fn with_key(&self, key: Bytes, with: With) -> KeyValue {
        let value = match with {
            With::Value => self.value_bytes(),
            With::KeyOnly => Bytes::new(),
        };
        KeyValue {
            key,
            value,
            create_revision: self.create_revision,
            mod_revision: self.mod_revision,
            version: self.version(),
            lifetime: self.lifetime(),
        }
    }
}

/// Whether a reader wants values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum With {
    Value,
    KeyOnly,
}

/// A put on its way into the tree. Both hashes are made before any lock is taken.
#[derive(Debug)]
pub(crate) struct Write<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) revision: Revision,
    pub(crate) value: Value,
    pub(crate) lifetime: Lifetime,
    key_hash: u64,
    value_hash: u64,
}

impl<'a> Write<'a> {
    /// `stamp_ms` is the leader's wall clock in the entry that writes.
    pub(crate) fn new(
        key: &'a [u8],
        value: &[u8],
        revision: Revision,
        stamp_ms: u64,
        lifetime: Lifetime,
    ) -> Write<'a> {
        let (key_hash, value_hash) = (hash::bytes(key), hash::bytes(value));
        let value = Value::new(value, stamp_ms, lifetime);
        Write { key, revision, value, lifetime, key_hash, value_hash }
    }
}

/// What a trim removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trimmed {
    /// So many versions.
    pub(crate) removed: usize,
    /// And there are more to go.
    pub(crate) more: bool,
}

/// All versions of a key. Most keys have one, which costs no allocation of its own.
#[derive(Debug)]
pub(crate) struct Versions {
    newest: Version,
    older: Option<Box<Older>>,
}

/// The versions before the newest, oldest first. A type of its own so that [`Versions`] holds one
/// thin pointer to it.
#[derive(Debug, Default)]
struct Older(VecDeque<Version>);

impl Versions {
    pub(crate) fn new(first: Version) -> Versions {
        Versions { newest: first, older: None }
    }

    pub(crate) fn push(&mut self, version: Version) {
        assert!(version.mod_revision > self.newest.mod_revision, "a command writes a key once");
        let before = std::mem::replace(&mut self.newest, version);
        self.older.get_or_insert_default().push(before);
    }

    /// What nobody can see who reads at `compact_revision` or later is older than what this gives
    /// back: the oldest version that is kept. A tombstone is kept only if it is of that very
    /// revision, whose events can still be read.
    fn oldest_kept(&self, compact_revision: Revision) -> Revision {
        match self.version_at(compact_revision) {
            None => Revision(0),
            Some(seen) if seen.is_live() || seen.mod_revision == compact_revision => {
                seen.mod_revision
            }
            Some(tombstone) => tombstone.mod_revision.next(),
        }
    }

    /// Removes what is superfluous at `compact_revision`, but for the newest version, and at most
    /// so many at once.
    pub(crate) fn trim(
        &mut self,
        compact_revision: Revision,
        versions_max: usize,
        tally: &mut Tally,
    ) -> Trimmed {
        let oldest = self.oldest_kept(compact_revision);
        let Some(older) = &mut self.older else { return Trimmed::default() };
        let superfluous = older.0.partition_point(|version| version.mod_revision < oldest);
        let removed = superfluous.min(versions_max);
        older.0.drain(..removed).for_each(|version| tally.forget(&version));
        if older.0.is_empty() {
            self.older = None;
        } else if older.0.len() < older.0.capacity() / 2 {
            older.0.shrink_to_fit();
        }
        Trimmed { removed, more: superfluous > removed }
    }

    /// Whether even the newest version is superfluous there.
    pub(crate) fn is_superfluous(&self, compact_revision: Revision) -> bool {
        self.newest.mod_revision < self.oldest_kept(compact_revision)
    }

    /// The versions that are kept at `compact_revision`, with `after < mod_revision <= upto`,
    /// oldest first.
    pub(crate) fn kept(
        &self,
        compact_revision: Revision,
        after: Revision,
        upto: Revision,
    ) -> impl DoubleEndedIterator<Item = &Version> {
        let oldest = self.oldest_kept(compact_revision);
        self.between(after, upto).filter(move |version| version.mod_revision >= oldest)
    }

    /// Whether there is a version of exactly this revision.
    pub(crate) fn has(&self, revision: Revision) -> bool {
        self.version_at(revision).is_some_and(|version| version.mod_revision == revision)
    }

    /// What became history by the write of this revision: the version before it, and itself if it
    /// is a tombstone.
    pub(crate) fn superseded_bytes(&self, revision: Revision) -> u64 {
        let tombstone = self.version_at(revision).filter(|version| !version.is_live());
        let before = self.live_at(Revision(revision.0.saturating_sub(1)));
        before.into_iter().chain(tombstone).map(history_bytes).sum()
    }

    pub(crate) fn newest(&self) -> &Version {
        &self.newest
    }

    /// The version that a reader at `revision` sees, if the key exists there.
    pub(crate) fn live_at(&self, revision: Revision) -> Option<&Version> {
        self.version_at(revision).filter(|version| version.is_live())
    }

    /// The versions with `after < mod_revision <= upto`, oldest first.
    fn between(
        &self,
        after: Revision,
        upto: Revision,
    ) -> impl DoubleEndedIterator<Item = &Version> {
        let older = self.older.iter().flat_map(move |older| {
            let older = &older.0;
            let first = older.partition_point(|version| version.mod_revision <= after);
            let end = older.partition_point(|version| version.mod_revision <= upto);
            older.range(first..end.max(first))
        });
        let revision = self.newest.mod_revision;
        older.chain((after < revision && revision <= upto).then_some(&self.newest))
    }

    fn version_at(&self, revision: Revision) -> Option<&Version> {
        if self.newest.mod_revision <= revision {
            return Some(&self.newest);
        }
        let older = &self.older.as_ref()?.0;
        let after = older.partition_point(|version| version.mod_revision <= revision);
        older.get(after.checked_sub(1)?)
    }
}

impl Older {
    /// Grows by half, from one: most keys that have older versions have few.
    fn push(&mut self, version: Version) {
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(self.0.len() / 2 + 1);
        }
        self.0.push_back(version);
    }
}
