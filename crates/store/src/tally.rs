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
    /// How many of the keys have a time to live of their own.
    pub(crate) ttl_keys: u64,
    /// The wrapping sum of the keys' items of the state hash.
    pub(crate) hash: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, key: &[u8], version: &Version) {
        self.keys = self.keys.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(bytes(key, version));
        self.ttl_keys = self.ttl_keys.wrapping_add(ttl_keys(version));
        self.hash = self.hash.wrapping_add(version.hash);
    }

    /// Takes out a live version, which is history from then on.
    pub(crate) fn remove(&mut self, key: &[u8], version: &Version) {
        self.keep(version);
        self.keys = self.keys.wrapping_sub(1);
        self.bytes = self.bytes.wrapping_sub(bytes(key, version));
        self.ttl_keys = self.ttl_keys.wrapping_sub(ttl_keys(version));
        self.hash = self.hash.wrapping_sub(version.hash);
    }

    /// Takes in a version that is no key's live one: an old one, or a tombstone.
    pub(crate) fn keep(&mut self, version: &Version) {
        self.history_bytes = self.history_bytes.wrapping_add(history_bytes(version));
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
        self.ttl_keys = self.ttl_keys.wrapping_add(change.ttl_keys);
        self.hash = self.hash.wrapping_add(change.hash);
    }
}

/// What a version takes beside its value.
const VERSION_BYTES: usize = size_of::<Version>();

fn history_bytes(version: &Version) -> u64 {
    (VERSION_BYTES + version.value.as_ref().map_or(0, Value::stored_bytes)) as u64
}

fn ttl_keys(version: &Version) -> u64 {
    u64::from(version.is_bounded() && matches!(version.lifetime(), Lifetime::Until { .. }))
}

fn bytes(key: &[u8], version: &Version) -> u64 {
    (key.len() + version.value_len()) as u64
}
