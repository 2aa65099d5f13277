//! Sums over the live keys, kept up to date write by write.

use crate::value::Value;
use crate::version::Version;

/// What the live keys add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) keys: u64,
    /// Keys and values.
    pub(crate) bytes: u64,
    /// The wrapping sum of the keys' items of the state hash.
    pub(crate) hash: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, key: &[u8], version: &Version) {
        self.keys += 1;
        self.bytes += bytes(key, version);
        self.hash = self.hash.wrapping_add(version.hash);
    }

    pub(crate) fn remove(&mut self, key: &[u8], version: &Version) {
        self.keys -= 1;
        self.bytes -= bytes(key, version);
        self.hash = self.hash.wrapping_sub(version.hash);
    }
}

fn bytes(key: &[u8], version: &Version) -> u64 {
    let value_bytes = version.value.as_ref().map_or(0, Value::len);
    (key.len() + value_bytes) as u64
}
