//! The log's format, read and written in the plainest way, after `docs/format/wal.md` alone.

use bytes::Bytes;
use wal::{Entry, HardState};

pub(super) const BLOCK_BYTES: usize = 4096;
const FRAME_HEADER_BYTES: usize = 72;
const RECORD_HEAD_BYTES: usize = 48;
/// A frame without records has these in the place of heads, and a flag that says so.
const MARKS_BYTES: usize = 48;
const MARKS: u32 = 2;

/// A frame of a sound log.
pub(super) struct Frame {
    /// Where it begins in its file.
    pub(super) offset: usize,
    /// Header, heads and payloads, without padding.
    pub(super) length: usize,
    pub(super) hard_state: HardState,
    pub(super) entries: Vec<Entry>,
    /// Where the log starts, as term and index, if the frame has marks.
    pub(super) start: Option<(u64, u64)>,
}

/// What a sound segment's header says of the log before it, as (term, index): its last entry, and
/// the one it starts after.
pub(super) fn before(file: &[u8]) -> ((u64, u64), (u64, u64)) {
    let last = u64_at(file, 88) - 1;
    ((u64_at(file, 96), last), (u64_at(file, 112), u64_at(file, 104)))
}

/// The frames of a segment's file of which every byte is known to be sound.
pub(super) fn frames(file: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut offset = BLOCK_BYTES;
    // Behind them may be old frames, of the segment that this file was before.
    let is_frame = |offset: usize| {
        let place = file.get(offset..offset + BLOCK_BYTES).filter(|p| p.starts_with(b"RKFR"));
        place.is_some_and(|place| u64_at(place, 8) == u64_at(file, 16))
    };
    while is_frame(offset) {
        let frame = frame(file, offset);
        offset += frame.length.next_multiple_of(BLOCK_BYTES);
        frames.push(frame);
    }
    frames
}

fn frame(file: &[u8], offset: usize) -> Frame {
    let header = &file[offset..][..FRAME_HEADER_BYTES];
    let length = u64_at(header, 32) as usize;
    let vote = Some(u64_at(header, 48)).filter(|vote| *vote != 0);
    let hard_state = HardState { term: u64_at(header, 40), vote, commit: u64_at(header, 56) };
    let records = u32_at(header, 28) as usize;
    let marks = offset + FRAME_HEADER_BYTES;
    let has_marks = u32_at(header, 64) & MARKS != 0;
    let start = has_marks.then(|| (u64_at(file, marks + 8), u64_at(file, marks)));
    let heads_end = if has_marks { MARKS_BYTES } else { records * RECORD_HEAD_BYTES };
    let heads = &file[offset + FRAME_HEADER_BYTES..][..records * RECORD_HEAD_BYTES];
    let mut payloads = &file[offset + FRAME_HEADER_BYTES + heads_end..offset + length];
    let record = |head: &[u8]| {
        let (payload, rest) = payloads.split_at(u32_at(head, 0) as usize);
        payloads = rest;
        Entry {
            kind: head[40],
            term: u64_at(head, 16),
            index: u64_at(head, 8),
            stamp_ms: u64_at(head, 24),
            age_ms: u64_at(head, 32),
            payload: Bytes::copy_from_slice(payload),
        }
    };
    let entries = heads.chunks_exact(RECORD_HEAD_BYTES).map(record).collect();
    Frame { offset, length, hard_state, entries, start }
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes"))
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"))
}

/// The fields of a segment's header, whatever they may be.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) number: u64,
    pub(super) predecessor: u64,
    pub(super) predecessor_checksum: u32,
    pub(super) capacity: u64,
    pub(super) first_flush: u64,
    pub(super) term: u64,
    pub(super) vote: u64,
    pub(super) commit: u64,
    pub(super) first_index: u64,
    pub(super) previous_term: u64,
}

impl Header {
    /// The block, and its checksum.
    pub(super) fn write(&self) -> (Vec<u8>, u32) {
        let mut block = Vec::from(*b"RAFTKVWL");
        block.extend(1_u32.to_le_bytes());
        block.extend([0; 4]);
        block.extend(self.number.to_le_bytes());
        block.extend(self.predecessor.to_le_bytes());
        block.extend(self.predecessor_checksum.to_le_bytes());
        block.extend([0; 4]);
        let salt = 99;
        let rest = [salt, self.capacity, self.first_flush, self.term, self.vote, self.commit];
        let rest = rest.into_iter().chain([self.first_index, self.previous_term]);
        rest.for_each(|field: u64| block.extend(field.to_le_bytes()));
        block.resize(BLOCK_BYTES, 0);
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&block[..12]), &block[16..]);
        block[12..16].copy_from_slice(&checksum.to_le_bytes());
        (block, checksum)
    }
}

/// The fields of a frame, whatever they may be.
#[derive(Clone, Debug)]
pub(super) struct FrameFields {
    pub(super) segment: u64,
    pub(super) flush: u64,
    pub(super) previous: u32,
    /// Added to the number of records there are.
    pub(super) records_more: u32,
    /// Added to the length there is.
    pub(super) length_more: u64,
    pub(super) term: u64,
    pub(super) vote: u64,
    pub(super) commit: u64,
    pub(super) flags: u32,
    pub(super) entries: Vec<Entry>,
}

impl FrameFields {
    /// The frame, padded, in a segment whose header has the checksum `seed`; and its checksum.
    pub(super) fn write(&self, seed: u32) -> (Vec<u8>, u32) {
        let payload_bytes: usize = self.entries.iter().map(|entry| entry.payload.len()).sum();
        let heads_end = FRAME_HEADER_BYTES + self.entries.len() * RECORD_HEAD_BYTES;
        let length = (heads_end + payload_bytes) as u64;
        let mut frame = Vec::from(*b"RKFR");
        frame.extend([0; 4]);
        frame.extend(self.segment.to_le_bytes());
        frame.extend(self.flush.to_le_bytes());
        frame.extend(self.previous.to_le_bytes());
        let records = (self.entries.len() as u32).wrapping_add(self.records_more);
        frame.extend(records.to_le_bytes());
        let numbers = [length.wrapping_add(self.length_more), self.term, self.vote, self.commit];
        numbers.into_iter().for_each(|field| frame.extend(field.to_le_bytes()));
        frame.extend(self.flags.to_le_bytes());
        frame.extend([0; 4]);
        self.entries.iter().for_each(|entry| frame.extend(head(entry)));
        let checksum = crc32c::crc32c_append(seed, &frame[8..]);
        frame[4..8].copy_from_slice(&checksum.to_le_bytes());
        self.entries.iter().for_each(|entry| frame.extend_from_slice(&entry.payload));
        frame.resize(frame.len().next_multiple_of(BLOCK_BYTES), 0);
        (frame, checksum)
    }
}

fn head(entry: &Entry) -> Vec<u8> {
    let mut head = Vec::from((entry.payload.len() as u32).to_le_bytes());
    head.extend(crc32c::crc32c(&entry.payload).to_le_bytes());
    let numbers = [entry.index, entry.term, entry.stamp_ms, entry.age_ms];
    numbers.into_iter().for_each(|number| head.extend(number.to_le_bytes()));
    head.push(entry.kind);
    head.resize(RECORD_HEAD_BYTES, 0);
    head
}
