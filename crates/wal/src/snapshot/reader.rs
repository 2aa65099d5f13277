//! Reading a snapshot back, every byte checked.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use disk::{Disk, File, Mode};

use super::format::{
    CHUNK_HEADER_BYTES, FOOTER_BYTES, HEADER_BYTES, NoHeader, SNAPSHOT_CHUNK_BYTES_MAX,
    SnapshotMeta, chunk_checksum, decode_chunk_header, encode_footer, header_length,
};
use super::{SnapshotDamage, SnapshotError};

/// A snapshot that is being read.
pub struct SnapshotReader<F> {
    file: F,
    path: PathBuf,
    meta: SnapshotMeta,
    bytes: u64,
    chain: u32,
    chunks: u64,
    content_bytes: u64,
    offset: u64,
    ended: bool,
}

impl<F: File> SnapshotReader<F> {
    /// Opens the file at `path`, wherever it lies. Of its content nothing is checked yet.
    pub fn open<D: Disk<File = F>>(disk: &D, path: &Path) -> Result<Self, SnapshotError> {
        SnapshotReader::open_part(disk, path, None)
    }

    /// The same where only so many bytes of the file, from its beginning, are the snapshot.
    pub fn open_part<D: Disk<File = F>>(
        disk: &D,
        path: &Path,
        bytes: Option<u64>,
    ) -> Result<Self, SnapshotError> {
        let file = disk.open(path, Mode::Read)?;
        let whole = file.size_bytes()?;
        let bytes = bytes.map_or(whole, |bytes| bytes.min(whole));
        let (meta, chain, offset) = read_meta(&file, path, bytes)?;
        let path = path.to_path_buf();
        let (chunks, content_bytes, ended) = (0, 0, false);
        Ok(SnapshotReader { file, path, meta, bytes, chain, chunks, content_bytes, offset, ended })
    }

    /// Reads all of a snapshot: what it says about itself, and its size.
    pub fn check<D: Disk<File = F>>(
        disk: &D,
        path: &Path,
    ) -> Result<(SnapshotMeta, u64), SnapshotError> {
        SnapshotReader::open(disk, path)?.check_all()
    }

    /// Reads what is left of it: what it says about itself, and its size.
    pub fn check_all(mut self) -> Result<(SnapshotMeta, u64), SnapshotError> {
        while self.next_chunk()?.is_some() {}
        Ok((self.meta, self.bytes))
    }

    /// What it stands for.
    pub fn meta(&self) -> &SnapshotMeta {
        &self.meta
    }

    /// The content of the next chunk, checked; none after the last, once the end was checked too.
    /// Nothing that was read counts before that.
    pub fn next_chunk(&mut self) -> Result<Option<Bytes>, SnapshotError> {
        if self.ended {
            return Ok(None);
        }
        let header = self.read(self.offset, CHUNK_HEADER_BYTES, SnapshotDamage::ChunkLength)?;
        let (length, checksum) = decode_chunk_header(&header);
        if length == 0 {
            return self.end().map(|()| None);
        }
        if length > SNAPSHOT_CHUNK_BYTES_MAX {
            return Err(self.damaged(SnapshotDamage::ChunkLength));
        }
        let start = self.offset + CHUNK_HEADER_BYTES as u64;
        let content = self.read(start, length, SnapshotDamage::ChunkLength)?;
        let expected = chunk_checksum(self.chain, (length as u32).to_le_bytes(), &content);
        if expected != checksum {
            return Err(self.damaged(SnapshotDamage::Chunk));
        }
        self.chain = checksum;
        self.chunks += 1;
        self.content_bytes += length as u64;
        self.offset = start + length as u64;
        Ok(Some(content))
    }

    fn end(&mut self) -> Result<(), SnapshotError> {
        let footer = self.read(self.offset, FOOTER_BYTES, SnapshotDamage::Footer)?;
        if footer != encode_footer(self.chain, self.chunks, self.content_bytes) {
            return Err(self.damaged(SnapshotDamage::Footer));
        }
        if self.bytes != self.offset + FOOTER_BYTES as u64 {
            return Err(self.damaged(SnapshotDamage::Trailing));
        }
        self.ended = true;
        Ok(())
    }

    /// Exactly so many bytes, or `damage`: the file ends before.
    fn read(
        &self,
        offset: u64,
        count: usize,
        damage: SnapshotDamage,
    ) -> Result<Bytes, SnapshotError> {
        if count as u64 > self.bytes.saturating_sub(offset) {
            return Err(self.damaged(damage));
        }
        let bytes = read_exactly(&self.file, offset, count)?;
        bytes.ok_or_else(|| self.damaged(damage))
    }

    fn damaged(&self, damage: SnapshotDamage) -> SnapshotError {
        SnapshotError::damaged(&self.path, self.offset, damage)
    }
}

/// What a file of so many bytes says about itself, the header's checksum, and where it ends.
pub(super) fn read_meta(
    file: &impl File,
    path: &Path,
    bytes: u64,
) -> Result<(SnapshotMeta, u32, u64), SnapshotError> {
    let refused = |error| match error {
        NoHeader::Damaged => SnapshotError::damaged(path, 0, SnapshotDamage::Header),
        NoHeader::UnknownVersion(found) => {
            SnapshotError::UnknownVersion { path: path.to_path_buf(), found }
        }
    };
    let size = usize::try_from(bytes).unwrap_or(usize::MAX).min(HEADER_BYTES);
    let start = read_exactly(file, 0, size)?.unwrap_or_default();
    let length = header_length(&start).map_err(refused)?;
    let header = if length as u64 <= bytes { read_exactly(file, 0, length)? } else { None };
    let header = header.ok_or(NoHeader::Damaged).map_err(refused)?;
    let (meta, checksum) = SnapshotMeta::decode(&header).map_err(refused)?;
    Ok((meta, checksum, length as u64))
}

fn read_exactly(file: &impl File, offset: u64, count: usize) -> Result<Option<Bytes>, disk::Error> {
    let mut bytes = vec![0; count];
    let read = file.read_at(&mut bytes, offset)?;
    Ok((read == count).then(|| Bytes::from(bytes)))
}
