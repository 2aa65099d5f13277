//! Why a stream of snapshot chunks is refused.

use std::error::Error;
use std::fmt;

/// What is wrong with the bytes. They come from a disk or a peer, so nothing is taken for granted,
/// and nothing of a stream that is refused is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// The stream is of a format that this version does not know.
    UnknownFormat(u32),
    /// A record is none that this version knows in full: a newer member wrote it, or it is
    /// damaged.
    UnknownRecord,
    /// A record is not an encoding of anything.
    Malformed,
    /// A record's length is beyond what any record has.
    RecordTooLong {
        /// The length that the stream names.
        bytes: usize,
    },
    /// A record stands where none of its kind may: chunks are missing, doubled or out of turn.
    OutOfOrder {
        /// Which rule it breaks.
        rule: &'static str,
    },
    /// A record contradicts itself or the head.
    Inconsistent {
        /// Which rule it breaks.
        rule: &'static str,
    },
    /// The stream ends before its end record.
    Unfinished,
    /// The end record counts otherwise than there are.
    WrongCount,
    /// The bytes are not those that were written.
    WrongDigest,
    /// What was restored has another state hash than what was captured.
    WrongStateHash {
        /// The head's.
        expected: u64,
        /// That of the restored state.
        found: u64,
    },
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::UnknownFormat(format) => write!(
                f,
                "format {format} of the snapshot is unknown: a newer version wrote it, use that one"
            ),
            SnapshotError::UnknownRecord => {
                write!(f, "unknown record in the snapshot: a newer version wrote it, use that one")
            }
            SnapshotError::Malformed => write!(f, "a record of the snapshot is malformed"),
            SnapshotError::RecordTooLong { bytes } => {
                write!(f, "a record of the snapshot claims {bytes} bytes")
            }
            SnapshotError::OutOfOrder { rule } => {
                write!(f, "the snapshot's records are out of order: {rule}")
            }
            SnapshotError::Inconsistent { rule } => {
                write!(f, "the snapshot contradicts itself: {rule}")
            }
            SnapshotError::Unfinished => write!(f, "the snapshot ends too early"),
            SnapshotError::WrongCount => write!(f, "the snapshot's counts do not agree"),
            SnapshotError::WrongDigest => write!(f, "the snapshot's digest does not agree"),
            SnapshotError::WrongStateHash { expected, found } => {
                write!(
                    f,
                    "the snapshot's state hash is {expected:016x}, its content's {found:016x}"
                )
            }
        }
    }
}

impl Error for SnapshotError {}
