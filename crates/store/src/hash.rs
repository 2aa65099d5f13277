//! The state hash: one 64-bit number that two members must share at the same applied index.
//!
//! It is a wrapping sum of one XXH3-64 for each live key, lease, session, kept answer and key of a
//! change, one for the counters and one for the settings, so that a write updates it in constant
//! time (take the old item out, put the new one in) and its order does not matter. History is left
//! out: its physical removal differs by member. The bytes are specified, with test vectors, in
//! `docs/format/state-hash.md`; changing them means a new [`STATE_HASH_VERSION`].

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::types::{LeaseId, Lifetime, Revision, SessionId};

/// Which definition of the state hash this is; hashes of different versions are not compared.
pub const STATE_HASH_VERSION: u32 = 4;

/// "raftkv" and the version of the hash, so that no other XXH3 is taken for it.
const SEED: u64 = u64::from_be_bytes(*b"raftkv\0\x04");

const KIND_COUNTERS: u64 = 0;
const KIND_KEY: u64 = 1;
const KIND_SESSION: u64 = 2;
const KIND_REPLY: u64 = 3;
const KIND_ONCE_KEY: u64 = 4;
const KIND_LEASE: u64 = 5;
const KIND_SETTINGS: u64 = 6;
const KIND_AUTH: u64 = 7;
const KIND_USER: u64 = 8;
const KIND_ROLE: u64 = 9;
const KIND_LOGIN: u64 = 10;
const KIND_OWNER: u64 = 11;

const LIFETIME_UNBOUNDED: u64 = 0;
const LIFETIME_LEASE: u64 = 1;
const LIFETIME_UNTIL: u64 = 2;

/// The hash of a key's or a value's bytes, which goes into its item in their place.
pub(crate) fn bytes(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// The item of one live key.
pub(crate) fn key_item(
    key_hash: u64,
    value_hash: u64,
    create: Revision,
    modified: Revision,
    version: u64,
    lifetime: Lifetime,
) -> u64 {
    let (kind, bound) = match lifetime {
        Lifetime::Unbounded => (LIFETIME_UNBOUNDED, 0),
        Lifetime::Lease(lease) => (LIFETIME_LEASE, lease.0.cast_unsigned()),
        Lifetime::Until { age_ms } => (LIFETIME_UNTIL, age_ms),
    };
    item([KIND_KEY, key_hash, value_hash, create.0, modified.0, version, kind, bound])
}

/// The item of one lease. Its keys are told by their own items.
pub(crate) fn lease_item(id: LeaseId, ttl_s: u64, granted_index: u64, granted_age_ms: u64) -> u64 {
    item([KIND_LEASE, id.0.cast_unsigned(), ttl_s, granted_index, granted_age_ms])
}

/// The item of one session.
pub(crate) fn session_item(id: SessionId, last_used_ms: u64, acked_below: u64) -> u64 {
    item([KIND_SESSION, id.0, last_used_ms, acked_below])
}

/// The item of one answer that a session keeps.
pub(crate) fn reply_item(session: SessionId, seq: u64, reply_hash: u64) -> u64 {
    item([KIND_REPLY, session.0, seq, reply_hash])
}

/// The item of one change that had a key of its own.
pub(crate) fn once_key_item(key_hash: u64, fingerprint: u64, done_ms: u64, reply_hash: u64) -> u64 {
    item([KIND_ONCE_KEY, key_hash, fingerprint, done_ms, reply_hash])
}

/// The item of the store's own counters.
pub(crate) fn counters_item(revision: Revision, compact_revision: Revision) -> u64 {
    item([KIND_COUNTERS, revision.0, compact_revision.0])
}

/// The item of the replicated settings.
pub(crate) fn settings_item(history_age_ms: u64, history_bytes: u64, changed_index: u64) -> u64 {
    item([KIND_SETTINGS, history_age_ms, history_bytes, changed_index])
}

/// The item of authentication itself. There is none while it was never touched.
pub(crate) fn auth_item(enabled: bool, revision: u64) -> u64 {
    item([KIND_AUTH, u64::from(enabled), revision])
}

/// The item of one user.
pub(crate) fn user_item(
    name: &[u8],
    has_password: u64,
    password_hash: u64,
    credentials: u64,
    roles: u64,
) -> u64 {
    item([KIND_USER, bytes(name), has_password, password_hash, credentials, roles])
}

/// The item of one role.
pub(crate) fn role_item(name: &[u8], permissions: u64) -> u64 {
    item([KIND_ROLE, bytes(name), permissions])
}

/// The item of one login.
pub(crate) fn login_item(
    index: u64,
    user: &[u8],
    credentials: u64,
    token_hash: &[u8],
    age_ms: u64,
) -> u64 {
    item([KIND_LOGIN, index, bytes(user), credentials, bytes(token_hash), age_ms])
}

/// The item of a session's owner; none if it has none.
pub(crate) fn owner_item(id: SessionId, user: &[u8]) -> u64 {
    item([KIND_OWNER, id.0, bytes(user)])
}

/// The hash of a list of byte strings, in its order: each one's length and hash, one after the
/// other.
pub(crate) fn list<'a>(strings: impl Iterator<Item = &'a [u8]>) -> u64 {
    let fields = strings.flat_map(|string| [string.len() as u64, bytes(string)]);
    let list: Vec<u8> = fields.flat_map(u64::to_le_bytes).collect();
    xxh3_64_with_seed(&list, SEED)
}

/// Fields are little-endian, eight bytes each, without gaps.
fn item<const FIELDS: usize>(fields: [u64; FIELDS]) -> u64 {
    let bytes = fields.map(u64::to_le_bytes);
    xxh3_64_with_seed(bytes.as_flattened(), SEED)
}
