//! A put: of a key, and of how long it lives.

use bytes::Bytes;

use super::limits::{CommandError, Limits};
use crate::lease::TTL_S_MAX;
use crate::types::LeaseId;

/// The longest time to live of a key, ms.
pub const TTL_MS_MAX: u64 = TTL_S_MAX * 1_000;

/// Gives a key a value, whether it exists or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Put {
    /// The key.
    pub key: Bytes,
    /// Its new value.
    pub value: Bytes,
    /// Whether the outcome tells what the key was before.
    pub prev_kv: bool,
    /// Leaves the value as it is, and gives none; the key must exist.
    pub ignore_value: bool,
    /// How long the key lives from now on.
    pub lifetime: PutLifetime,
}

/// How long a key is to live. Whatever is asked for, what held before is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PutLifetime {
    /// Until it is deleted.
    #[default]
    Unbounded,
    /// At most as long as this lease, which must be there.
    Lease(LeaseId),
    /// For so many ms in which the cluster has a leader, 1 to [`TTL_MS_MAX`].
    TtlMs(u64),
    /// As it was, lease or deadline; the key must exist.
    AsBefore,
}

impl Put {
    /// This value for this key, until it is deleted.
    pub fn new(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Put {
        Put { key: key.into(), value: value.into(), ..Put::default() }
    }

    /// Whether something is left as it was.
    pub(crate) fn needs_the_key(&self) -> bool {
        self.ignore_value || self.lifetime == PutLifetime::AsBefore
    }

    pub(super) fn check(&self, limits: &Limits) -> Result<(), CommandError> {
        if self.ignore_value && !self.value.is_empty() {
            return Err(CommandError::ValueGiven);
        }
        if let PutLifetime::TtlMs(ttl_ms) = self.lifetime
            && !(1..=TTL_MS_MAX).contains(&ttl_ms)
        {
            return Err(CommandError::WrongTtl);
        }
        limits.check_key(&self.key)
    }
}
