//! Why bytes from a peer were refused.

use std::fmt;

/// One variant for each rule of docs/format/peer.md that bytes can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A frame claims more than this side accepts.
    FrameTooLong {
        /// What it claims.
        length: usize,
        /// What is accepted.
        bytes_max: usize,
    },
    /// A frame's body does not have the checksum of its header.
    Checksum,
    /// A frame holds more messages than it may.
    TooManyMessages,
    /// A report holds more samples than a member keeps.
    TooManySamples,
    /// A length points past the end of what holds it.
    Truncated,
    /// Not protobuf.
    Protobuf,
    /// A message without a body, or with one that this version does not know.
    NoBody,
    /// An answer without a result, or with one that this version does not know.
    NoResult,
    /// A log id is missing.
    NoLogId,
    /// A log id with a term and no index, or the other way round.
    LogId,
    /// A number is over 2⁶².
    NumberTooLarge,
    /// Entries stand behind a message that is no `Append`.
    StrayEntries,
    /// An entry's kind is none that this version knows.
    EntryKind(u8),
    /// An entry's term is 0, below that of the entry before it, or above the message's.
    EntryTerm,
    /// A message about a snapshot does not name it.
    NoSnapshotId,
    /// A piece of a snapshot with so many bytes: none, or too many.
    SnapshotChunk(usize),
    /// A handshake frame that is not what is due at this point.
    Handshake,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::FrameTooLong { length, bytes_max } => {
                write!(f, "a frame of {length} bytes, where at most {bytes_max} are accepted")
            }
            Malformed::Checksum => write!(f, "a frame with a wrong checksum"),
            Malformed::TooManyMessages => write!(f, "too many messages in one frame"),
            Malformed::TooManySamples => write!(f, "too many samples in one report"),
            Malformed::Truncated => write!(f, "a length that points past the end of its frame"),
            Malformed::Protobuf => write!(f, "a message that is not protobuf"),
            Malformed::NoBody => write!(f, "a message of no known kind"),
            Malformed::NoResult => write!(f, "an answer without a known result"),
            Malformed::NoLogId => write!(f, "a message without the log id it needs"),
            Malformed::LogId => write!(f, "a log id of which one half is 0"),
            Malformed::NumberTooLarge => write!(f, "a number over 2^62"),
            Malformed::StrayEntries => write!(f, "entries behind a message that carries none"),
            Malformed::EntryKind(kind) => write!(f, "an entry of the unknown kind {kind}"),
            Malformed::EntryTerm => write!(f, "an entry whose term does not fit its place"),
            Malformed::NoSnapshotId => write!(f, "a message about no snapshot"),
            Malformed::SnapshotChunk(bytes) => write!(f, "a piece of a snapshot of {bytes} bytes"),
            Malformed::Handshake => write!(f, "a handshake out of its order"),
        }
    }
}

impl std::error::Error for Malformed {}
