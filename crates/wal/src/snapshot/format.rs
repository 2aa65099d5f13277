//! The bytes of a snapshot, as `docs/format/snapshot.md` specifies them.

use bytes::Bytes;

use crate::format::{put_u32, put_u64, read_u32, read_u64};

pub(super) const VERSION: u32 = 1;

/// Largest content of a chunk, in bytes.
pub const SNAPSHOT_CHUNK_BYTES_MAX: usize = 1 << 20;

/// Largest header, configuration included, in bytes.
pub(super) const HEADER_BYTES_MAX: usize = 1 << 20;

const HEADER_MAGIC: [u8; 8] = *b"RAFTKVSN";
const FOOTER_MAGIC: [u8; 8] = *b"RAFTKVSE";

const MAGIC: usize = 0;
const VERSION_AT: usize = MAGIC + 8;
const CHECKSUM: usize = VERSION_AT + 4;
const LENGTH: usize = CHECKSUM + 4;
const CLUSTER: usize = LENGTH + 8; // four bytes of zeros before it
const INDEX: usize = CLUSTER + 16;
const TERM: usize = INDEX + 8;
const STAMP: usize = TERM + 8;
const AGE: usize = STAMP + 8;
const CONFIGURATION_INDEX: usize = AGE + 8;

/// Bytes of a header without its configuration.
pub(super) const HEADER_BYTES: usize = CONFIGURATION_INDEX + 16; // eight bytes of zeros at its end

const CHUNK_CHECKSUM: usize = 4;

/// Bytes of a chunk before its content.
pub(super) const CHUNK_HEADER_BYTES: usize = CHUNK_CHECKSUM + 4;

const CHUNKS: usize = CHUNK_HEADER_BYTES;
const CONTENT_BYTES: usize = CHUNKS + 8;
const END: usize = CONTENT_BYTES + 8;

/// Bytes of a footer.
pub(super) const FOOTER_BYTES: usize = END + 8;

/// What a snapshot says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotMeta {
    /// The cluster it belongs to.
    pub cluster_id: u128,
    /// Term and index of the last entry that it stands for.
    pub last: (u64, u64),
    /// That entry's stamp: the leader's wall clock, in ms.
    pub stamp_ms: u64,
    /// That entry's age: for how long the cluster had a leader, in ms.
    pub age_ms: u64,
    /// The entry that the configuration is from.
    pub configuration_index: u64,
    /// The configuration in force there, as the log has it.
    pub configuration: Bytes,
}

impl SnapshotMeta {
    /// The header, and its checksum.
    pub(super) fn encode(&self) -> (Vec<u8>, u32) {
        let length = HEADER_BYTES + self.configuration.len();
        assert!(length <= HEADER_BYTES_MAX, "a configuration is bounded");
        assert!(self.configuration_index <= self.last.1, "a configuration is of the state's past");
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[MAGIC..VERSION_AT].copy_from_slice(&HEADER_MAGIC);
        put_u32(&mut bytes, VERSION_AT, VERSION);
        put_u32(&mut bytes, LENGTH, length as u32);
        bytes[CLUSTER..INDEX].copy_from_slice(&self.cluster_id.to_le_bytes());
        put_u64(&mut bytes, INDEX, self.last.1);
        put_u64(&mut bytes, TERM, self.last.0);
        put_u64(&mut bytes, STAMP, self.stamp_ms);
        put_u64(&mut bytes, AGE, self.age_ms);
        put_u64(&mut bytes, CONFIGURATION_INDEX, self.configuration_index);
        bytes.extend_from_slice(&self.configuration);
        let checksum = header_checksum(&bytes);
        put_u32(&mut bytes, CHECKSUM, checksum);
        (bytes, checksum)
    }

    /// The header that `bytes` are, and its checksum.
    pub(super) fn decode(bytes: &Bytes) -> Result<(SnapshotMeta, u32), NoHeader> {
        let checksum = read_u32(bytes, CHECKSUM);
        if header_checksum(bytes) != checksum {
            return Err(NoHeader::Damaged);
        }
        let version = read_u32(bytes, VERSION_AT);
        if version != VERSION {
            return Err(NoHeader::UnknownVersion(version));
        }
        let cluster_id = bytes[CLUSTER..INDEX].try_into().expect("sixteen bytes");
        let meta = SnapshotMeta {
            cluster_id: u128::from_le_bytes(cluster_id),
            last: (read_u64(bytes, TERM), read_u64(bytes, INDEX)),
            stamp_ms: read_u64(bytes, STAMP),
            age_ms: read_u64(bytes, AGE),
            configuration_index: read_u64(bytes, CONFIGURATION_INDEX),
            configuration: bytes.slice(HEADER_BYTES..),
        };
        let plausible = meta.configuration_index <= meta.last.1 && meta.last.1 < 1 << 63;
        if plausible { Ok((meta, checksum)) } else { Err(NoHeader::Damaged) }
    }
}

/// The checksum of a header: of all of it but the checksum itself.
fn header_checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..CHECKSUM]), &bytes[LENGTH..])
}

/// Why some bytes begin no header of this version.
pub(super) enum NoHeader {
    Damaged,
    UnknownVersion(u32),
}

/// How long the header is that begins with `bytes`. Nothing is checked but its magic.
pub(super) fn header_length(bytes: &[u8]) -> Result<usize, NoHeader> {
    if bytes.len() < HEADER_BYTES || bytes[MAGIC..VERSION_AT] != HEADER_MAGIC {
        return Err(NoHeader::Damaged);
    }
    let length = read_u32(bytes, LENGTH) as usize;
    let possible = (HEADER_BYTES..=HEADER_BYTES_MAX).contains(&length);
    possible.then_some(length).ok_or(NoHeader::Damaged)
}

/// A chunk's bytes, and its checksum; `chain` is the checksum before.
pub(super) fn encode_chunk(chain: u32, content: &[u8]) -> (Vec<u8>, u32) {
    let length = u32::try_from(content.len()).expect("a chunk is bounded").to_le_bytes();
    let checksum = chunk_checksum(chain, length, content);
    let mut bytes = Vec::with_capacity(CHUNK_HEADER_BYTES + content.len());
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes.extend_from_slice(content);
    (bytes, checksum)
}

/// Length and checksum that a chunk begins with.
pub(super) fn decode_chunk_header(bytes: &[u8]) -> (usize, u32) {
    (read_u32(bytes, 0) as usize, read_u32(bytes, CHUNK_CHECKSUM))
}

pub(super) fn chunk_checksum(chain: u32, length: [u8; 4], content: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(chain, &length), content)
}

/// The footer of so many chunks with so many bytes.
pub(super) fn encode_footer(chain: u32, chunks: u64, content_bytes: u64) -> Vec<u8> {
    let mut bytes = vec![0; FOOTER_BYTES];
    put_u64(&mut bytes, CHUNKS, chunks);
    put_u64(&mut bytes, CONTENT_BYTES, content_bytes);
    bytes[END..].copy_from_slice(&FOOTER_MAGIC);
    let checksum = chunk_checksum(chain, [0; 4], &bytes[CHUNKS..]);
    put_u32(&mut bytes, CHUNK_CHECKSUM, checksum);
    bytes
}
