//! Writing a snapshot, chunk by chunk.

use std::path::{Path, PathBuf};

use disk::File;

use super::SnapshotError;
use super::encoder::SnapshotEncoder;
use super::format::{SNAPSHOT_CHUNK_BYTES_MAX, SnapshotMeta};

/// After so many bytes they are flushed, so that the log, which shares the disk, never waits behind
/// much more.
const FLUSH_BYTES: u64 = 8 << 20;

/// A snapshot that is being written.
pub struct SnapshotWriter<F> {
    file: F,
    path: PathBuf,
    meta: SnapshotMeta,
    encoder: SnapshotEncoder,
    offset: u64,
    unflushed_bytes: u64,
}

impl<F: File> SnapshotWriter<F> {
    pub(super) fn begin(file: F, path: PathBuf, meta: SnapshotMeta) -> Result<Self, SnapshotError> {
        let (encoder, header) = SnapshotEncoder::begin(&meta);
        let (offset, unflushed_bytes) = (0, 0);
        let mut writer = SnapshotWriter { file, path, meta, encoder, offset, unflushed_bytes };
        writer.write(&header)?;
        Ok(writer)
    }

    /// Writes more of the content, in chunks of at most [`SNAPSHOT_CHUNK_BYTES_MAX`].
    pub fn write_content(&mut self, content: &[u8]) -> Result<(), SnapshotError> {
        for content in content.chunks(SNAPSHOT_CHUNK_BYTES_MAX) {
            let bytes = self.encoder.chunk(content);
            self.write(&bytes)?;
        }
        Ok(())
    }

    /// Bytes of the file so far.
    pub fn bytes(&self) -> u64 {
        self.offset
    }

    /// What it stands for.
    pub fn meta(&self) -> &SnapshotMeta {
        &self.meta
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the footer and makes all of it durable.
    pub(super) fn end(self) -> Result<(), SnapshotError> {
        self.file.write_at(&self.encoder.end(), self.offset)?;
        Ok(self.file.sync()?)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.file.write_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        self.unflushed_bytes += bytes.len() as u64;
        if self.unflushed_bytes >= FLUSH_BYTES {
            self.file.sync()?;
            self.unflushed_bytes = 0;
        }
        Ok(())
    }
}
