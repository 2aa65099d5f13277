//! The disk's side of snapshots: everything that touches their files, to be run on a thread of its
//! own, since one request may take seconds.

use std::fmt;

use bytes::Bytes;
use raft::{LogId, MemberId, SnapshotPoint};
use store::{Capture, Retired, Store};

use super::SnapshotId;

/// What the snapshot thread is asked to do, in order.
pub enum SnapshotRequest {
    /// Write the captured state to a file, durably, and read it back.
    Write {
        /// What it stands for.
        point: SnapshotPoint,
        /// The cluster's identity.
        cluster_id: u128,
        /// The state.
        capture: Box<Capture>,
    },
    /// Fetch bytes of a snapshot that is being sent.
    Read {
        /// For whom; comes back with them.
        member: MemberId,
        /// Of which.
        id: SnapshotId,
        /// From where on.
        offset: u64,
        /// At most so many.
        bytes_max: usize,
    },
    /// Make ready for the bytes of a snapshot; or go on with it, if it is the one that was being
    /// received from the same sender.
    Receive {
        /// The sender.
        from: MemberId,
        /// Which.
        id: SnapshotId,
        /// The size of the file.
        bytes_total: u64,
    },
    /// Write bytes that were received.
    Store {
        /// The sender.
        from: MemberId,
        /// Of which.
        id: SnapshotId,
        /// Where they stand in the file.
        offset: u64,
        /// What stands there.
        bytes: Bytes,
    },
    /// Everything was received: verify the file, make it durable under its own name, and make a
    /// store of it.
    Finish {
        /// The sender.
        from: MemberId,
        /// Which.
        id: SnapshotId,
        /// The cluster that it must be of.
        cluster_id: u128,
    },
    /// Only these are needed any more.
    Retain {
        /// By the last entries that they stand for.
        keep: Vec<LogId>,
    },
    /// The state in these may be wrong: give them other names, under which they never count.
    SetAside {
        /// By the last entries that they stand for. Those that are not there are passed over.
        doubtful: Vec<LogId>,
    },
    /// The state is right again: remove what was set aside.
    RemoveAside,
    /// Free the state that another one took the place of.
    Free(Retired),
}

/// What the snapshot thread answers.
pub enum SnapshotReply {
    /// A snapshot is durable and was read back.
    Written {
        /// The last entry that it stands for.
        last: LogId,
        /// The size of its file.
        bytes: u64,
        /// The leader's wall clock in that entry, ms since 1970.
        stamp_ms: u64,
    },
    /// It could not be written. The member goes on without.
    WriteFailed {
        /// The last entry that it was to stand for.
        last: LogId,
        /// Why.
        reason: String,
    },
    /// Bytes of a snapshot.
    Read {
        /// For whom.
        member: MemberId,
        /// Of which.
        id: SnapshotId,
        /// From where on.
        offset: u64,
        /// At least one.
        bytes: Bytes,
    },
    /// They could not be read.
    ReadFailed {
        /// For whom.
        member: MemberId,
        /// Of which.
        id: SnapshotId,
        /// Why.
        reason: String,
    },
    /// Everything before `offset` was received and written.
    Receiving {
        /// The sender.
        from: MemberId,
        /// Of which.
        id: SnapshotId,
        /// Where to go on.
        offset: u64,
    },
    /// A whole snapshot was received and verified, and is durable as a file.
    Received {
        /// The sender.
        from: MemberId,
        /// Which.
        id: SnapshotId,
        /// The size of its file.
        bytes: u64,
        /// What it stands for.
        point: SnapshotPoint,
        /// Its state.
        store: Box<Store>,
    },
    /// What was in doubt does not count any more, not at the next start either.
    SetAside,
    /// At the next start some of it may count again.
    SetAsideFailed {
        /// Why.
        reason: String,
    },
    /// It could not be received, or does not check. Nothing of it is left.
    ReceiveFailed {
        /// The sender.
        from: MemberId,
        /// Which.
        id: SnapshotId,
        /// Why.
        reason: String,
    },
}

impl fmt::Debug for SnapshotRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotRequest::Write { point, .. } => write!(f, "Write {}", point.last),
            SnapshotRequest::Read { member, id, offset, .. } => {
                write!(f, "Read {} at {offset} for {member}", id.last)
            }
            SnapshotRequest::Receive { from, id, bytes_total } => {
                write!(f, "Receive {} of {bytes_total} bytes from {from}", id.last)
            }
            SnapshotRequest::Store { from, id, offset, bytes } => {
                write!(f, "Store {} bytes of {} at {offset} from {from}", bytes.len(), id.last)
            }
            SnapshotRequest::Finish { from, id, .. } => write!(f, "Finish {} from {from}", id.last),
            SnapshotRequest::Retain { keep } => write!(f, "Retain {keep:?}"),
            SnapshotRequest::SetAside { doubtful } => write!(f, "SetAside {doubtful:?}"),
            SnapshotRequest::RemoveAside => write!(f, "RemoveAside"),
            SnapshotRequest::Free(_) => write!(f, "Free"),
        }
    }
}

impl fmt::Debug for SnapshotReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotReply::Written { last, bytes, .. } => {
                write!(f, "Written {last}, {bytes} bytes")
            }
            SnapshotReply::WriteFailed { last, reason } => {
                write!(f, "WriteFailed {last}: {reason}")
            }
            SnapshotReply::Read { member, id, offset, bytes } => {
                write!(f, "Read {} bytes of {} at {offset} for {member}", bytes.len(), id.last)
            }
            SnapshotReply::ReadFailed { member, id, reason } => {
                write!(f, "ReadFailed {} for {member}: {reason}", id.last)
            }
            SnapshotReply::Receiving { from, id, offset } => {
                write!(f, "Receiving {} up to {offset} from {from}", id.last)
            }
            SnapshotReply::Received { from, id, bytes, .. } => {
                write!(f, "Received {} of {bytes} bytes from {from}", id.last)
            }
            SnapshotReply::SetAside => write!(f, "SetAside"),
            SnapshotReply::SetAsideFailed { reason } => write!(f, "SetAsideFailed: {reason}"),
            SnapshotReply::ReceiveFailed { from, id, reason } => {
                write!(f, "ReceiveFailed {} from {from}: {reason}", id.last)
            }
        }
    }
}
