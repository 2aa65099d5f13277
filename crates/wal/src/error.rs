//! What can go wrong, by what the caller can do about it.

use std::fmt;
use std::path::PathBuf;

/// Writing failed.
#[derive(Clone, Debug)]
pub enum Error {
    /// A write or a flush failed, now or earlier. What is durable since is unknown and stays so:
    /// stop acknowledging, step down, and exit; opening the log again finds everything
    /// acknowledged.
    Poisoned {
        /// The first failure.
        cause: disk::Error,
    },
    /// Writing zeros ahead failed. The log itself is sound and goes on without them.
    Preparation(disk::Error),
    /// Segments that the log gave up could not be removed or made into spares. The log itself is
    /// sound; what is left of them is removed when it is opened again.
    Removal(disk::Error),
}

/// Reading entries failed.
#[derive(Clone, Debug)]
pub enum ReadError {
    /// The log is poisoned: after a failed flush not even the page cache can be believed.
    Poisoned {
        /// The first failure.
        cause: disk::Error,
    },
    /// The bytes on the disk are not the ones written: fetch the entries from a peer.
    Corrupt(Corruption),
    /// The disk refused.
    Disk(disk::Error),
}

/// Opening failed. Nothing was changed.
#[derive(Clone, Debug)]
pub enum OpenError {
    /// Durable bytes are damaged. Entries that were acknowledged may be gone from this member.
    Corrupt(Corruption),
    /// Durable bytes are damaged, and with them what this member promised: neither its last entry
    /// nor its vote can be named any more. It counts as wiped.
    Wiped(Corruption),
    /// A segment of a later version of the format.
    UnknownVersion {
        /// The segment's file.
        path: PathBuf,
        /// The version it says it has.
        found: u32,
    },
    /// The disk refused.
    Disk(disk::Error),
}

/// Damage to bytes that were durable, as opposed to a torn tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// The segment's file.
    pub path: PathBuf,
    /// Where the damage begins, in bytes from the start of the file.
    pub offset: u64,
    /// What is wrong there.
    pub damage: Damage,
    /// The last index before the damage, 0 if the damage hides even that: what follows is lost
    /// here.
    pub sound_index: u64,
}

/// What is wrong with some bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The segment's header is not one, or its checksum does not match.
    SegmentHeader,
    /// The segment's header gives another number than the file's name.
    SegmentNumber {
        /// The number in the header.
        found: u64,
    },
    /// A segment that a later one follows is not there.
    SegmentMissing {
        /// Its number.
        number: u64,
    },
    /// No frame begins here, though one should.
    NotAFrame,
    /// The file ends within the frame, or the segment would.
    Length,
    /// The frame's checksum does not match its header and record heads.
    FrameChecksum,
    /// The frame is sound but does not follow the one before it.
    Chain,
    /// The record heads do not add up, or hold what nobody writes.
    Records,
    /// A payload does not match its checksum.
    Payload {
        /// The record's index.
        index: u64,
    },
    /// The frame is sound but contradicts the log before it.
    Contradiction(Contradiction),
}

/// How hard state or entries contradict the log they should continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// An index that leaves a gap, or lies before the log's beginning.
    Index {
        /// The index.
        found: u64,
        /// The lowest index allowed.
        lowest: u64,
        /// The highest index allowed.
        highest: u64,
    },
    /// An entry's term below that of the index before, or above the hard state's.
    EntryTerm {
        /// The entry's index.
        index: u64,
        /// The entry's term.
        found: u64,
        /// The lowest term allowed.
        lowest: u64,
        /// The highest term allowed.
        highest: u64,
    },
    /// The hard state's term went back.
    TermBack {
        /// The term before.
        before: u64,
        /// The lower term.
        found: u64,
    },
    /// The vote changed within a term.
    VoteChanged {
        /// The term.
        term: u64,
    },
    /// The log's start, given as (term, index), went back or is of an impossible term.
    Start {
        /// The start before.
        before: (u64, u64),
        /// The other start.
        found: (u64, u64),
    },
    /// A frame says that the log ends with another entry, given as (term, index), than it does.
    Last {
        /// The last entry.
        expected: (u64, u64),
        /// What the frame says.
        found: (u64, u64),
    },
    /// The commit hint went back, or beyond the last index.
    Commit {
        /// The hint.
        found: u64,
        /// The lowest hint allowed.
        lowest: u64,
        /// The highest hint allowed.
        highest: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Poisoned { cause } => poisoned(f, cause),
            Error::Preparation(cause) => write!(f, "the segment could not be prepared: {cause}"),
            Error::Removal(cause) => write!(f, "segments could not be given up: {cause}"),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Poisoned { cause } => poisoned(f, cause),
            ReadError::Corrupt(corruption) => write!(f, "{corruption}"),
            ReadError::Disk(cause) => write!(f, "{cause}"),
        }
    }
}

fn poisoned(f: &mut fmt::Formatter<'_>, cause: &disk::Error) -> fmt::Result {
    write!(
        f,
        "the log is poisoned, because a write failed and nobody knows what is durable since: \
         {cause}; restart this member once the disk is well"
    )
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Corrupt(corruption) => write!(f, "{corruption}"),
            OpenError::Wiped(Corruption { path, offset, damage, .. }) => write!(
                f,
                "{} is corrupt at byte {offset}: {damage}; with it went what this member promised \
                 to others, so it can not go on: check its disk, then replace it by a new member \
                 (`raftkv member replace`)",
                path.display()
            ),
            OpenError::UnknownVersion { path, found } => write!(
                f,
                "{} has log format {found}, and this program knows format {}: use a newer program",
                path.display(),
                crate::format::VERSION
            ),
            OpenError::Disk(cause) => write!(f, "{cause}"),
        }
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is corrupt at byte {}: {}; this member can vouch for nothing after index {}: check \
             its disk, then start it again, which repairs the log",
            self.path.display(),
            self.offset,
            self.damage,
            self.sound_index
        )
    }
}

fn log_id((term, index): &(u64, u64)) -> String {
    format!("index {index} of term {term}")
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::SegmentHeader => f.write_str("the segment's header is damaged"),
            Damage::SegmentNumber { found } => {
                write!(f, "the header says that this is segment {found}")
            }
            Damage::SegmentMissing { number } => {
                write!(f, "segment {number}, which comes before it, is missing")
            }
            Damage::NotAFrame => f.write_str("no frame begins there"),
            Damage::Length => f.write_str("the frame is longer than its file"),
            Damage::FrameChecksum => f.write_str("the frame's checksum does not match"),
            Damage::Chain => f.write_str("the frame does not follow the one before it"),
            Damage::Records => f.write_str("the frame's records do not add up"),
            Damage::Payload { index } => {
                write!(f, "the payload of index {index} does not match its checksum")
            }
            Damage::Contradiction(contradiction) => write!(f, "{contradiction}"),
        }
    }
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contradiction::Index { found, lowest, highest } => {
                write!(f, "index {found} is not within {lowest}..={highest}")
            }
            Contradiction::EntryTerm { index, found, lowest, highest } => {
                write!(f, "index {index} has term {found}, not within {lowest}..={highest}")
            }
            Contradiction::TermBack { before, found } => {
                write!(f, "the term went back from {before} to {found}")
            }
            Contradiction::VoteChanged { term } => write!(f, "the vote changed within term {term}"),
            Contradiction::Start { before, found } => {
                write!(f, "the log's start went from {} to {}", log_id(before), log_id(found))
            }
            Contradiction::Last { expected, found } => {
                write!(f, "the log ends with {}, not with {}", log_id(expected), log_id(found))
            }
            Contradiction::Commit { found, lowest, highest } => {
                write!(f, "commit {found} is not within {lowest}..={highest}")
            }
        }
    }
}

impl std::error::Error for Error {}
impl std::error::Error for ReadError {}
impl std::error::Error for OpenError {}

impl From<disk::Error> for OpenError {
    fn from(cause: disk::Error) -> OpenError {
        OpenError::Disk(cause)
    }
}

impl From<disk::Error> for ReadError {
    fn from(cause: disk::Error) -> ReadError {
        ReadError::Disk(cause)
    }
}
