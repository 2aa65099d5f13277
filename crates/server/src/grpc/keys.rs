//! Ranges, keys and values, in etcd's words and in the store's.

use bytes::Bytes;
use proto::etcd::mvccpb;
use store::{KeyRange, KeyValue};

use super::gate::number;
use super::refusal::Refusal;

/// The end of a range that has none.
const NO_END: &[u8] = &[0];

/// The keys from `key` on and before `end`; only `key` without an end.
pub(super) fn range(key: Bytes, end: Bytes) -> Result<KeyRange, Refusal> {
    if key.is_empty() {
        return Err(Refusal::EmptyKey);
    }
    Ok(match end {
        end if end.is_empty() => KeyRange::Single(key),
        end if end == NO_END => KeyRange::From(key),
        end => KeyRange::Between { start: key, end },
    })
}

/// A key as etcd shows it.
pub(super) fn shown(key_value: KeyValue) -> mvccpb::KeyValue {
    let KeyValue { key, value, create_revision, mod_revision, version, lifetime } = key_value;
    mvccpb::KeyValue {
        key,
        value,
        create_revision: number(create_revision.0),
        mod_revision: number(mod_revision.0),
        version: number(version),
        lease: lifetime.lease().0,
    }
}
