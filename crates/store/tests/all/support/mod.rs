//! What the tests share: entries, answers, and the state hash from its definition.

pub(crate) mod args;
pub(crate) mod auth_text;
pub(crate) mod leases;
pub(crate) mod logs;
pub(crate) mod model;
pub(crate) mod once;
pub(crate) mod show;
pub(crate) mod txn;
pub(crate) mod txn_text;

use bytes::Bytes;
use store::{
    Apply, Budget, Command, Grant, KeyRange, KeyValue, Lease, Lifetime, LogEntry, OnceLimits,
    Outcome, Put, RangeRequest, Reader, Revision, Store,
};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Bounds that short random logs reach; all but the bytes of all answers.
pub(crate) const LIMITS: OnceLimits = OnceLimits {
    leases_max: 1_000_000,
    sessions_max: 3,
    session_life_ms: 4_000,
    keys_max: 4,
    key_life_ms: 3_000,
    unacknowledged_max: 3,
    replies_max: 5,
    told_bytes_max: 4,
    reply_bytes_max: u64::MAX,
};

/// The entry at `index` with this command; a fifth of a second lies between two.
pub(crate) fn entry(index: u64, command: Option<&Command>) -> LogEntry {
    let command = command.map(Command::encode);
    LogEntry { index, term: 1, stamp_ms: 1_000 + index, age_ms: 200 * index, command }
}

/// A put, encoded.
pub(crate) fn put(index: u64, key: impl Into<Bytes>, value: impl Into<Bytes>) -> LogEntry {
    entry(index, Some(&Put::new(key, value).into()))
}

/// Applies an entry in one turn.
pub(crate) fn apply(store: &mut Store, entry: &LogEntry) -> Outcome {
    match store.apply(entry, &mut Budget::new(u64::MAX)).expect("the command is known") {
        Apply::Done(outcome) => outcome,
        Apply::Unfinished => panic!("the budget has no end"),
    }
}

/// All that a reader sees.
pub(crate) fn everything(reader: &Reader, at: Option<Revision>) -> Vec<KeyValue> {
    let request = RangeRequest { at, ..RangeRequest::new(KeyRange::all()) };
    reader.range(&request).expect("the revision is kept").items
}

/// The state hash as `docs/format/state-hash.md` has it, made from scratch, of a store whose
/// settings nobody has changed.
pub(crate) fn hash_of(live: &[KeyValue], revision: Revision) -> u64 {
    let counters = item(&[0, revision.0, 0]);
    let settings = item(&[6, 3_600_000, 256 << 20, 0]);
    live.iter().map(key_item).fold(counters.wrapping_add(settings), u64::wrapping_add)
}

/// The part of the state hash that is a lease's.
pub(crate) fn lease_item(lease: &Lease) -> u64 {
    let Grant { lease: id, index } = lease.grant();
    item(&[5, id.0.cast_unsigned(), lease.ttl_s(), index, lease.granted_age_ms()])
}

fn key_item(live: &KeyValue) -> u64 {
    let (key, value) = (xxh3_64(&live.key), xxh3_64(&live.value));
    let (kind, bound) = match live.lifetime {
        Lifetime::Unbounded => (0, 0),
        Lifetime::Lease(lease) => (1, lease.0.cast_unsigned()),
        Lifetime::Until { age_ms } => (2, age_ms),
    };
    let (created, modified) = (live.create_revision.0, live.mod_revision.0);
    item(&[1, key, value, created, modified, live.version, kind, bound])
}

pub(crate) fn item(fields: &[u64]) -> u64 {
    let bytes: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
    xxh3_64_with_seed(&bytes, 0x7261_6674_6b76_0004)
}

/// What stands for a list of byte strings in an item.
pub(crate) fn list_item(strings: &[&[u8]]) -> u64 {
    let fields = strings.iter().flat_map(|string| [string.len() as u64, xxh3_64(string)]);
    item(&fields.collect::<Vec<u64>>())
}
