//! Sums over the live keys and what is kept beside them, up to date write by write.

use crate::types::Lifetime;
use crate::value::Value;
use crate::version::Version;

/// What the live keys add up to; or by how much that changes, which may be less than nothing: so
/// everything here wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) keys: u64,
    /// Keys and values.
    pub(crate) bytes: u64,
    /// What old versions and tombstones take.
    pub(crate) history_bytes: u64,
    /// The same of all that there ever were; what was removed still counts.
    pub(crate) superseded_bytes: u64,
    /// How many of the keys have a time to live of their own.
    pub(crate) ttl_keys: u64,
    /// And what the index of them takes.
    pub(crate) ttl_bytes: u64,
    /// The wrapping sum of the keys' items of the state hash.
    pub(crate) hash: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, key: &[u8], version: &Version) {
        self.keys = self.keys.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(bytes(key, version));
        self.ttl_keys = self.ttl_keys.wrapping_add(ttl_keys(version));
        self.ttl_bytes = self.ttl_bytes.wrapping_add(ttl_bytes(key, version));
        self.hash = self.hash.wrapping_add(version.hash);
    }

    /// Takes out a live version, which is history from then on.
    pub(crate) fn remove(&mut self, key: &[u8], version: &Version) {
        self.keep(version);
        self.keys = self.keys.wrapping_sub(1);
        self.bytes = self.bytes.wrapping_sub(bytes(key, version));
        self.ttl_keys = self.ttl_keys.wrapping_sub(ttl_keys(version));
        self.ttl_bytes = self.ttl_bytes.wrapping_sub(ttl_bytes(key, version));
        self.hash = self.hash.wrapping_sub(version.hash);
    }

    /// Takes in a version that is no key's live one: an old one, or a tombstone.
    pub(crate) fn keep(&mut self, version: &Version) {
        let bytes = history_bytes(version);
        self.history_bytes = self.history_bytes.wrapping_add(bytes);
        self.superseded_bytes = self.superseded_bytes.wrapping_add(bytes);
    }

    /// Takes out such a version.
    pub(crate) fn forget(&mut self, version: &Version) {
        self.history_bytes = self.history_bytes.wrapping_sub(history_bytes(version));
    }

    /// Takes in a change that was added up apart.
    pub(crate) fn merge(&mut self, change: Tally) {
        self.keys = self.keys.wrapping_add(change.keys);
        self.bytes = self.bytes.wrapping_add(change.bytes);
        self.history_bytes = self.history_bytes.wrapping_add(change.history_bytes);
        self.superseded_bytes = self.superseded_bytes.wrapping_add(change.superseded_bytes);
        self.ttl_keys = self.ttl_keys.wrapping_add(change.ttl_keys);
        self.ttl_bytes = self.ttl_bytes.wrapping_add(change.ttl_bytes);
        self.hash = self.hash.wrapping_add(change.hash);
    }
}

/// What a live key takes beside its bytes and those of its value: its entry in a leaf, its share of
/// what leaves have in reserve, and what lies around the value. Measured with a million keys
/// (`cargo xtask bench store`).
const KEY_BYTES: u64 = 150;

/// What an old version or a tombstone takes beside its value: the same way.
const VERSION_BYTES: usize = 145;

/// What a key takes in the index of those with a time to live, beside its bytes.
const TTL_KEY_BYTES: u64 = 80;

impl Tally {
    /// What the live keys take in memory, about.
    pub(crate) fn live_cost_bytes(&self) -> u64 {
        self.keys.wrapping_mul(KEY_BYTES).wrapping_add(self.bytes).wrapping_add(self.ttl_bytes)
    }
}

fn ttl_bytes(key: &[u8], version: &Version) -> u64 {
    ttl_keys(version) * (TTL_KEY_BYTES + key.len() as u64)
}

/// What a version takes once it is no key's live one.
pub(crate) fn history_bytes(version: &Version) -> u64 {
    (VERSION_BYTES + version.value.as_ref().map_or(0, Value::stored_bytes)) as u64
}

fn ttl_keys(version: &Version) -> u64 {
    u64::from(version.is_bounded() && matches!(version.lifetime(), Lifetime::Until { .. }))
}

fn bytes(key: &[u8], version: &Version) -> u64 {
    (key.len() + version.value_len()) as u64
}
