//! The bytes of a snapshot's file, piece by piece, wherever they go.

use super::format::{SNAPSHOT_CHUNK_BYTES_MAX, SnapshotMeta, encode_chunk, encode_footer};

/// A snapshot that is being encoded: the header, then chunks, then the end.
#[derive(Debug)]
pub struct SnapshotEncoder {
    /// The checksum of the last chunk, or of the header.
    chain: u32,
    chunks: u64,
    content_bytes: u64,
}

impl SnapshotEncoder {
    /// Begins a snapshot: the bytes are its header.
    pub fn begin(meta: &SnapshotMeta) -> (SnapshotEncoder, Vec<u8>) {
        let (header, chain) = meta.encode();
        (SnapshotEncoder { chain, chunks: 0, content_bytes: 0 }, header)
    }

    /// The bytes of the next chunk.
    ///
    /// # Panics
    ///
    /// If there is no content, or more than [`SNAPSHOT_CHUNK_BYTES_MAX`].
    pub fn chunk(&mut self, content: &[u8]) -> Vec<u8> {
        let fits = (1..=SNAPSHOT_CHUNK_BYTES_MAX).contains(&content.len());
        assert!(fits, "a chunk of {} bytes", content.len());
        let (bytes, checksum) = encode_chunk(self.chain, content);
        self.chain = checksum;
        self.chunks += 1;
        self.content_bytes += content.len() as u64;
        bytes
    }

    /// The bytes that end it.
    pub fn end(self) -> Vec<u8> {
        encode_footer(self.chain, self.chunks, self.content_bytes)
    }
}
