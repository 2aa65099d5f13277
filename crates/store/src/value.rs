//! Where a value's bytes live. Everything else in the store handles values only through
//! [`Value`], so that they can move out of memory without a change elsewhere.
//!
//! Before the value's own bytes lies what few readers ask for and no entry of a leaf has room for:
//!
//! ```text
//!   lifetime: 1 byte │ stamp: 8 bytes │ lease or age: 8 bytes, if it is bounded │ the value
//! ```

use bytes::{Buf as _, Bytes};
use triomphe::Arc;

use crate::types::{LeaseId, Lifetime};

const LIFETIME_BYTES: usize = 1;
const STAMP_END: usize = LIFETIME_BYTES + 8;
const BOUND_END: usize = STAMP_END + 8;

const UNBOUNDED: u8 = 0;
const LEASE: u8 = 1;
const UNTIL: u8 = 2;

/// A value with the time at which it was written and how long it lives, shared between its version
/// and the readers that hold it.
///
/// It owns an allocation of exactly its size, with one counter before it: nobody holds it weakly,
/// and the standard library's second counter would cost each value 16 bytes more. NB: it never
/// keeps the log's buffer, a slice of which would hold a whole batch of entries in memory. Time and
/// lifetime are in it, and not in the version, because an entry of a leaf fits a cache line; the
/// event log, which has the time too, is cut.
#[derive(Clone, Debug)]
pub(crate) struct Value(Arc<[u8]>);

impl Value {
    /// `stamp_ms` is the leader's wall clock in the entry that writes it, ms since 1970.
    pub(crate) fn new(bytes: &[u8], stamp_ms: u64, lifetime: Lifetime) -> Value {
        let (kind, bound) = match lifetime {
            Lifetime::Unbounded => (UNBOUNDED, [0; 8]),
            Lifetime::Lease(lease) => (LEASE, lease.0.to_le_bytes()),
            Lifetime::Until { age_ms } => (UNTIL, age_ms.to_le_bytes()),
        };
        let header = header_bytes(kind);
        let mut all: Arc<[u8]> = std::iter::repeat_n(0, header + bytes.len()).collect();
        let fresh = Arc::get_mut(&mut all).expect("nobody shares what was just made");
        fresh[0] = kind;
        fresh[LIFETIME_BYTES..STAMP_END].copy_from_slice(&stamp_ms.to_le_bytes());
        fresh[STAMP_END..header].copy_from_slice(&bound[..header - STAMP_END]);
        fresh[header..].copy_from_slice(bytes);
        Value(all)
    }

    /// How many bytes the value has, for whoever knows whether its lifetime is bounded: then none
    /// of its memory is touched.
    pub(crate) fn len(&self, bounded: bool) -> usize {
        self.0.len() - if bounded { BOUND_END } else { STAMP_END }
    }

    /// How many bytes it takes, with what lies before the value.
    pub(crate) fn stored_bytes(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0[self.header_bytes()..]
    }

    /// When it was written; 0 of one from before that was kept.
    pub(crate) fn stamp_ms(&self) -> u64 {
        u64::from_le_bytes(self.word(LIFETIME_BYTES))
    }

    pub(crate) fn lifetime(&self) -> Lifetime {
        match self.0[0] {
            UNBOUNDED => Lifetime::Unbounded,
            LEASE => Lifetime::Lease(LeaseId(i64::from_le_bytes(self.word(STAMP_END)))),
            _ => Lifetime::Until { age_ms: u64::from_le_bytes(self.word(STAMP_END)) },
        }
    }

    /// The bytes, shared and not copied.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut all = Bytes::from_owner(Arc::clone(&self.0));
        all.advance(self.header_bytes());
        all
    }

    fn header_bytes(&self) -> usize {
        header_bytes(self.0[0])
    }

    fn word(&self, start: usize) -> [u8; 8] {
        let word = self.0[start..].first_chunk();
        *word.expect("a value has all of its header")
    }
}

fn header_bytes(kind: u8) -> usize {
    if kind == UNBOUNDED { STAMP_END } else { BOUND_END }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_keeps_its_bytes_its_time_and_its_life_apart() {
        let lifetimes = [
            Lifetime::Unbounded,
            Lifetime::Lease(LeaseId(-7)),
            Lifetime::Until { age_ms: u64::MAX - 5 },
        ];
        for (bytes, lifetime) in [&b""[..], b"v", b"a longer value"].into_iter().zip(lifetimes) {
            let value = Value::new(bytes, u64::MAX - 7, lifetime);
            let bounded = lifetime != Lifetime::Unbounded;
            assert_eq!((value.as_slice(), value.len(bounded)), (bytes, bytes.len()));
            assert_eq!(value.to_bytes(), bytes);
            assert_eq!((value.stamp_ms(), value.lifetime()), (u64::MAX - 7, lifetime));
        }
    }
}
