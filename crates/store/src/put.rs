//! What a put comes to: its value and its lifetime, where something is left as it was.

use bytes::Bytes;

use crate::command::{Put, PutLifetime};
use crate::lease::Leases;
use crate::outcome::Refused;
use crate::tree::Tree;
use crate::types::{AGE_MS_MAX, Lifetime, Revision};

/// Whether a put can be done to the state of this revision.
pub(crate) fn check(put: &Put, tree: &Tree, at: Revision, leases: &Leases) -> Result<(), Refused> {
    if let PutLifetime::Lease(lease) = put.lifetime {
        leases.check(lease)?;
    }
    let fits = !put.needs_the_key() || tree.look(&put.key, at, |version| version.is_some());
    if fits { Ok(()) } else { Err(Refused::KeyNotFound) }
}

/// The value and the lifetime that it gives the key, in an entry of this age.
pub(crate) fn resolve(put: &Put, tree: &Tree, at: Revision, age_ms: u64) -> (Bytes, Lifetime) {
    let before = put.needs_the_key().then(|| {
        tree.look(&put.key, at, |version| {
            let version = version.expect("it was checked that the key exists");
            (version.value_bytes(), version.lifetime())
        })
    });
    let (value_before, lifetime_before) = before.unwrap_or_default();
    let value = if put.ignore_value { value_before } else { put.value.clone() };
    let lifetime = match put.lifetime {
        PutLifetime::Unbounded => Lifetime::Unbounded,
        PutLifetime::Lease(lease) => Lifetime::Lease(lease),
        PutLifetime::TtlMs(ttl_ms) => {
            Lifetime::Until { age_ms: age_ms.saturating_add(ttl_ms).min(AGE_MS_MAX) }
        }
        PutLifetime::AsBefore => lifetime_before,
    };
    (value, lifetime)
}
