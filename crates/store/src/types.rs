//! The words of the store's API: revision, session id, lease id, key value.

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

/// The name of a lease, of the client's choice or the store's; 0 names none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub i64);

impl LeaseId {
    /// No lease.
    pub const NONE: LeaseId = LeaseId(0);
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// No deadline is later: the cluster has had a leader for some 146 million years by then.
pub(crate) const AGE_MS_MAX: u64 = 1 << 62;

/// How long a key lives, as its last write left it (rules 8.4 and 8.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifetime {
    /// Until it is deleted.
    #[default]
    Unbounded,
    /// At most as long as this lease.
    Lease(LeaseId),
    /// Until the cluster has had a leader for so long. From then on its removal is due; it is
    /// there until that is applied.
    Until {
        /// The age of the cluster, ms.
        age_ms: u64,
    },
}

impl Lifetime {
    /// The lease that the key is attached to, or [`LeaseId::NONE`].
    pub fn lease(self) -> LeaseId {
        match self {
            Lifetime::Lease(lease) => lease,
            Lifetime::Unbounded | Lifetime::Until { .. } => LeaseId::NONE,
        }
    }

    /// How much of a time to live of the key's own is left at this age, ms: 0 once it is due.
    pub fn left_ms(self, age_ms: u64) -> Option<u64> {
        match self {
            Lifetime::Until { age_ms: until } => Some(until.saturating_sub(age_ms)),
            Lifetime::Unbounded | Lifetime::Lease(_) => None,
        }
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
    /// How long it lives.
    pub lifetime: Lifetime,
}

impl KeyValue {
    /// How much it tells: the bytes of key and value.
    pub(crate) fn told_bytes(&self) -> usize {
        self.key.len() + self.value.len()
    }
}
