//! The words of the store's API: revision, session id, key value.

use std::fmt;

use bytes::Bytes;

/// The store's version counter. It goes up by one with every command that changes a key, and all
/// keys that the command touches carry it. An empty store stands at [`Revision::FIRST`], so the
/// first write makes 2 (as in etcd).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision of the empty store; there is nothing to read before it.
    pub const FIRST: Revision = Revision(1);

    /// The revision of the next write.
    pub fn next(self) -> Revision {
        Revision(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A client's session: the index of the log entry that opened it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key as it stood at some revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Bytes,
    /// The value; empty where only keys were asked for.
    pub value: Bytes,
    /// The write that made the key, after it last did not exist.
    pub create_revision: Revision,
    /// The write that gave it this value.
    pub mod_revision: Revision,
    /// How many writes it has had since its creation: 1 for a new key.
    pub version: u64,
}

impl KeyValue {
    /// How much it tells: the bytes of key and value.
    pub(crate) fn told_bytes(&self) -> usize {
        self.key.len() + self.value.len()
    }
}
