//! A snapshot that comes from a peer, as the bytes of its file.

use std::path::PathBuf;

use disk::File;

use super::format::{HEADER_BYTES_MAX, SnapshotMeta};
use super::reader::read_meta;
use super::{Incoming, SnapshotDamage, SnapshotError};

/// After so many bytes they are flushed, so that the log, which shares the disk, never waits behind
/// much more.
const FLUSH_BYTES: u64 = 8 << 20;

/// A snapshot that is being received.
pub(super) struct Receiving<F> {
    file: F,
    pub(super) path: PathBuf,
    pub(super) incoming: Incoming,
    /// Bytes that are there, without gaps.
    pub(super) written: u64,
    unflushed_bytes: u64,
}

impl<F: File> Receiving<F> {
    pub(super) fn new(file: F, path: PathBuf, incoming: Incoming) -> Receiving<F> {
        Receiving { file, path, incoming, written: 0, unflushed_bytes: 0 }
    }

    /// Writes the next bytes; what is there already, or comes after a gap, is left out.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<u64, SnapshotError> {
        if offset != self.written {
            return Ok(self.written);
        }
        if bytes.len() as u64 > self.incoming.bytes_total - self.written {
            return Err(self.damaged(SnapshotDamage::Length));
        }
        self.file.write_at(bytes, offset)?;
        self.written += bytes.len() as u64;
        self.unflushed_bytes += bytes.len() as u64;
        if self.unflushed_bytes >= FLUSH_BYTES {
            self.file.sync()?;
            self.unflushed_bytes = 0;
        }
        Ok(self.written)
    }

    /// Makes all of it durable, if it is all, and of this cluster.
    pub(super) fn end(self, cluster_id: u128) -> Result<(), SnapshotError> {
        if self.written != self.incoming.bytes_total {
            return Err(self.damaged(SnapshotDamage::Length));
        }
        self.file.sync()?;
        let limit = self.written.min(HEADER_BYTES_MAX as u64);
        let (SnapshotMeta { cluster_id: found, .. }, ..) =
            read_meta(&self.file, &self.path, limit)?;
        if found != cluster_id {
            return Err(self.damaged(SnapshotDamage::OtherCluster));
        }
        Ok(())
    }

    fn damaged(&self, damage: SnapshotDamage) -> SnapshotError {
        SnapshotError::damaged(&self.path, self.written, damage)
    }
}
