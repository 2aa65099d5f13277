//! What can be wrong with a snapshot.

use std::fmt;
use std::path::{Path, PathBuf};

use super::format::VERSION;

/// A snapshot could not be written, read or received.
#[derive(Clone, Debug)]
pub enum SnapshotError {
    /// The file is not what was written.
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damage is, in bytes from the start of the file.
        offset: u64,
        /// What is wrong there.
        damage: SnapshotDamage,
    },
    /// It is of a later version.
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// The version it says it has.
        found: u32,
    },
    /// Bytes came for a snapshot that is not being received.
    NotReceiving,
    /// The disk refused.
    Disk(disk::Error),
}

/// What is wrong with some bytes of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotDamage {
    /// The header is not one, or its checksum does not match.
    Header,
    /// It stands for another entry than its name, or its sender, says.
    OtherLogId,
    /// It belongs to another cluster.
    OtherCluster,
    /// It is of another size than was said, or than any can have.
    Length,
    /// A chunk is longer than chunks are, or than the file.
    ChunkLength,
    /// A chunk does not match its checksum, or does not follow the one before it.
    Chunk,
    /// The end is not one, does not match its checksum, or counts other chunks.
    Footer,
    /// Something follows the end.
    Trailing,
}

impl SnapshotError {
    pub(super) fn damaged(path: &Path, offset: u64, damage: SnapshotDamage) -> SnapshotError {
        SnapshotError::Damaged { path: path.to_path_buf(), offset, damage }
    }
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::Damaged { path, offset, damage } => {
                write!(f, "{} is damaged at byte {offset}: {damage}", path.display())
            }
            SnapshotError::UnknownVersion { path, found } => write!(
                f,
                "{} has snapshot format {found}, and this program knows format {VERSION}: use a \
                 newer program",
                path.display()
            ),
            SnapshotError::NotReceiving => f.write_str("no snapshot is being received"),
            SnapshotError::Disk(cause) => write!(f, "{cause}"),
        }
    }
}

impl fmt::Display for SnapshotDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SnapshotDamage::Header => "the header is damaged",
            SnapshotDamage::OtherLogId => "it is the snapshot of another entry",
            SnapshotDamage::OtherCluster => {
                "it belongs to another cluster: in its sender's data directory are two; end that \
                 by running `raftkv recover` on it"
            }
            SnapshotDamage::Length => "its size is not what was said",
            SnapshotDamage::ChunkLength => "no chunk can be that long",
            SnapshotDamage::Chunk => "the chunk's checksum does not match",
            SnapshotDamage::Footer => "the end is damaged",
            SnapshotDamage::Trailing => "something follows the end",
        })
    }
}

impl std::error::Error for SnapshotError {}

impl From<disk::Error> for SnapshotError {
    fn from(cause: disk::Error) -> SnapshotError {
        SnapshotError::Disk(cause)
    }
}
