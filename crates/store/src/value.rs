//! Where a value's bytes live. Everything else in the store handles values only through
//! [`Value`], so that they can move out of memory without a change elsewhere.

use std::sync::Arc;

use bytes::Bytes;

/// A value, shared between its version and the readers that hold it.
///
/// It owns an allocation of exactly its size. NB: it never keeps the log's buffer, a slice of
/// which would hold a whole batch of entries in memory.
#[derive(Clone, Debug)]
pub(crate) struct Value(Arc<[u8]>);

impl Value {
    pub(crate) fn new(bytes: &[u8]) -> Value {
        Value(Arc::from(bytes))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, shared and not copied.
    pub(crate) fn to_bytes(&self) -> Bytes {
        Bytes::from_owner(Arc::clone(&self.0))
    }
}
