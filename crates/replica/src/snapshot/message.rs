//! What members say to each other about snapshots, on a lane of its own: a heartbeat never queues
//! behind them (rule 2.3).

use bytes::Bytes;
use raft::{LogId, Term};

/// Names the bytes of one snapshot file, as one process sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId {
    /// The last entry that the snapshot stands for.
    pub last: LogId,
    /// Random, chosen when the sender's process started: another process's file of the same name
    /// may have other bytes, and a stream never goes on with those.
    pub life: u64,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotMessage {
    /// The leader of `term` has this snapshot for the receiver. Repeated while nothing is heard.
    Offer {
        /// The sender leads in it.
        term: Term,
        /// Which.
        id: SnapshotId,
        /// The size of the file.
        bytes_total: u64,
    },
    /// The receiver has everything before `offset`, and asks for what comes there. Repeated while
    /// nothing comes.
    Next {
        /// Of which.
        id: SnapshotId,
        /// Where to go on.
        offset: u64,
    },
    /// The sender answers `Next`: at least a byte, and at most `SNAPSHOT_CHUNK_BYTES_MAX`.
    Chunk {
        /// Of which.
        id: SnapshotId,
        /// Where they stand in the file.
        offset: u64,
        /// What stands there.
        bytes: Bytes,
    },
    /// The receiver wants no more of it.
    Done {
        /// Of which.
        id: SnapshotId,
        /// Why.
        outcome: SnapshotOutcome,
    },
    /// The sender has no state to start from (rule 2.4), or a wrong one (rule 10.3): the leader of
    /// `term` should offer it a snapshot that goes at least to `at_least`.
    Want {
        /// Whose leader is asked.
        term: Term,
        /// The start of the sender's log.
        at_least: LogId,
    },
}

/// How a stream ended, as its receiver says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotOutcome {
    /// It was received whole, verified, and handed to the log; or it was not needed any more.
    Taken,
    /// It could not be received, or does not check: the sender should begin anew.
    Failed,
}
