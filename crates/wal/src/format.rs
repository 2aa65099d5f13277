//! The bytes of the log, as `docs/format/wal.md` specifies them: nothing here reads or writes a
//! file.

mod frame;
mod marks;
mod segment;

pub use frame::RECORD_HEAD_BYTES;
pub(crate) use frame::{
    CHECKED_FROM, Claim, FRAME_HEADER_BYTES, Frame, FrameHeader, Heads, encode,
};
pub(crate) use marks::Marks;
pub(crate) use segment::{HeaderError, SegmentHeader, decode_checksum};

/// The version of the format. Segments of version 1, which lack marks, start and floor, are read.
pub(crate) const VERSION: u32 = 2;

/// The grain of a segment: its header has one block, and each frame begins at one.
pub(crate) const BLOCK_BYTES: u64 = 4096;

/// Nothing is counted so far. What claims more is refused, so that adding to a counter is safe.
pub(crate) const COUNTER_MAX: u64 = 1 << 63;

/// `bytes` rounded up to whole blocks.
pub(crate) fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK_BYTES)
}

/// A vote as written: 0 stands for none.
fn encode_vote(vote: Option<u64>) -> u64 {
    assert_ne!(vote, Some(0), "no member has the id 0");
    vote.unwrap_or(0)
}

fn decode_vote(vote: u64) -> Option<u64> {
    (vote != 0).then_some(vote)
}

pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(crate) fn read_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
