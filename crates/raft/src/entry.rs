//! One entry of the log.

use bytes::Bytes;

use crate::LogId;

/// An entry's payload has at most so many bytes: it must fit into a segment of the log, and into a
/// frame between members. No leader takes a longer one, and none is taken from a leader.
pub const PAYLOAD_BYTES_MAX: usize = 2 << 20;

/// What an entry is for. The core looks at the kind only to tell its own no-op from the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Appended by each new leader, so that it can commit in its own term (§8). No payload.
    Noop,
    /// A command for the state machine.
    Command,
    /// The members of the cluster.
    Configuration,
}

/// An entry: immutable once made, shared and never copied (its payload is reference-counted).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub id: LogId,
    /// What it is for.
    pub kind: EntryKind,
    /// The leader's wall clock, ms since 1970; never goes back along the log (rule 8.1).
    pub stamp_ms: u64,
    /// For how many ms the cluster had had a leader; never goes back along the log (rule 8.1).
    pub age_ms: u64,
    /// What the state machine gets.
    pub payload: Bytes,
}

/// What an entry takes beside its payload, in the log, on the wire and in memory: bytes counted
/// against every byte limit, so that empty entries are not free.
pub const ENTRY_OVERHEAD_BYTES: usize = 48;

impl Entry {
    /// Bytes counted against limits.
    pub fn size_bytes(&self) -> usize {
        self.payload.len() + ENTRY_OVERHEAD_BYTES
    }
}
