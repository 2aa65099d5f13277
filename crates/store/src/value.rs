//! Where a value's bytes live. Everything else in the store handles values only through
//! [`Value`], so that they can move out of memory without a change elsewhere.

use std::sync::Arc;

use bytes::{Buf as _, Bytes};

/// The time of the write, which lies before the value's own bytes.
const STAMP_BYTES: usize = 8;

/// A value with the time at which it was written, shared between its version and the readers that
/// hold it.
///
/// It owns an allocation of exactly its size. NB: it never keeps the log's buffer, a slice of
/// which would hold a whole batch of entries in memory. The time is in it, and not in the version,
/// because an entry of a leaf fits a cache line; the event log, which has it too, is cut.
#[derive(Clone, Debug)]
pub(crate) struct Value(Arc<[u8]>);

impl Value {
    /// `stamp_ms` is the leader's wall clock in the entry that writes it, ms since 1970.
    pub(crate) fn new(bytes: &[u8], stamp_ms: u64) -> Value {
        let mut all: Arc<[u8]> = std::iter::repeat_n(0, STAMP_BYTES + bytes.len()).collect();
        let fresh = Arc::get_mut(&mut all).expect("nobody shares what was just made");
        let (stamp, rest) = fresh.split_at_mut(STAMP_BYTES);
        stamp.copy_from_slice(&stamp_ms.to_le_bytes());
        rest.copy_from_slice(bytes);
        Value(all)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len() - STAMP_BYTES
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0[STAMP_BYTES..]
    }

    /// When it was written; 0 of one from before that was kept.
    pub(crate) fn stamp_ms(&self) -> u64 {
        let stamp = self.0.first_chunk().expect("every value begins with its time");
        u64::from_le_bytes(*stamp)
    }

    /// The bytes, shared and not copied.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut all = Bytes::from_owner(Arc::clone(&self.0));
        all.advance(STAMP_BYTES);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_keeps_its_bytes_and_its_time_apart() {
        for bytes in [&b""[..], b"v", b"a longer value"] {
            let value = Value::new(bytes, u64::MAX - 7);
            assert_eq!((value.as_slice(), value.len()), (bytes, bytes.len()));
            assert_eq!(value.to_bytes(), bytes);
            assert_eq!(value.stamp_ms(), u64::MAX - 7);
        }
    }
}
