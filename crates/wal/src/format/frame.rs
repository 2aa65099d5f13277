//! A frame: what one flush wrote.

use std::ops::Range;

use bytes::Bytes;

use super::marks::{MARKS_BYTES, Marks};
use super::{COUNTER_MAX, decode_vote, encode_vote, padded, put_u32, put_u64, read_u32, read_u64};
use crate::error::Damage;
use crate::types::{Entry, HardState};

const MAGIC_VALUE: [u8; 4] = *b"RKFR";

const MAGIC: usize = 0;
const CHECKSUM: usize = MAGIC + 4;
const SEGMENT: usize = CHECKSUM + 4;
const FLUSH: usize = SEGMENT + 8;
const PREVIOUS: usize = FLUSH + 8;
const RECORDS: usize = PREVIOUS + 4;
const LENGTH: usize = RECORDS + 4;
const TERM: usize = LENGTH + 8;
const VOTE: usize = TERM + 8;
const COMMIT: usize = VOTE + 8;
const FLAGS: usize = COMMIT + 8;

/// Bytes of a frame's header.
pub(crate) const FRAME_HEADER_BYTES: usize = FLAGS + 8; // four bytes of zeros at its end

/// A frame's checksum is of its bytes from here to the end of its heads.
pub(crate) const CHECKED_FROM: u64 = SEGMENT as u64;

const CLOSING: u32 = 1;
const MARKS: u32 = 2;

const PAYLOAD_BYTES: usize = 0;
const PAYLOAD_CHECKSUM: usize = PAYLOAD_BYTES + 4;
const INDEX: usize = PAYLOAD_CHECKSUM + 4;
const ENTRY_TERM: usize = INDEX + 8;
const STAMP: usize = ENTRY_TERM + 8;
const AGE: usize = STAMP + 8;
const KIND: usize = AGE + 8;

/// Bytes of a record's head: what an entry takes in the log beside its payload.
pub const RECORD_HEAD_BYTES: usize = KIND + 8; // seven bytes of zeros at its end

/// A frame's header, without what only its bytes can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// The segment it was written to.
    pub(crate) segment: u64,
    /// From 1, one more than the frame before.
    pub(crate) flush: u64,
    /// The checksum of the frame before, or of the segment's header.
    pub(crate) previous: u32,
    /// As of this flush.
    pub(crate) hard_state: HardState,
    /// Written after idleness, to close the flush before it.
    pub(crate) closing: bool,
    /// In the frames without records, but not in those of version 1.
    pub(crate) marks: Option<Marks>,
}

/// Puts a frame into `buffer`, replacing what is there, padded to whole blocks; returns its
/// checksum.
/// `seed` is the checksum of the segment's header.
pub(crate) fn encode(
    buffer: &mut Vec<u8>,
    seed: u32,
    header: &FrameHeader,
    records: &[&Entry],
) -> u32 {
    assert_eq!(header.marks.is_some(), records.is_empty(), "marks stand in the place of records");
    buffer.clear();
    let heads_end = heads_end(records.len(), header.marks.is_some());
    buffer.resize(heads_end, 0);
    let heads = buffer[FRAME_HEADER_BYTES..].chunks_exact_mut(RECORD_HEAD_BYTES);
    heads.zip(records).for_each(|(head, entry)| encode_head(head, entry));
    header.marks.iter().for_each(|marks| marks.encode(&mut buffer[FRAME_HEADER_BYTES..]));
    records.iter().for_each(|entry| buffer.extend_from_slice(&entry.payload));

    let length = buffer.len() as u64;
    buffer.resize(padded(length) as usize, 0);
    let records = u32::try_from(records.len()).expect("a segment holds fewer than 2^32 heads");
    buffer[MAGIC..CHECKSUM].copy_from_slice(&MAGIC_VALUE);
    put_u32(buffer, RECORDS, records);
    put_u64(buffer, LENGTH, length);
    put_header(buffer, header);
    sum_up(&mut buffer[..heads_end], seed)
}

/// Bytes of the header and of the heads or marks.
fn heads_end(records: usize, has_marks: bool) -> usize {
    let marks_bytes = if has_marks { MARKS_BYTES } else { 0 };
    FRAME_HEADER_BYTES + marks_bytes + records * RECORD_HEAD_BYTES
}

fn put_header(bytes: &mut [u8], header: &FrameHeader) {
    put_u64(bytes, SEGMENT, header.segment);
    put_u64(bytes, FLUSH, header.flush);
    put_u32(bytes, PREVIOUS, header.previous);
    put_u64(bytes, TERM, header.hard_state.term);
    put_u64(bytes, VOTE, encode_vote(header.hard_state.vote));
    put_u64(bytes, COMMIT, header.hard_state.commit);
    let closing = if header.closing { CLOSING } else { 0 };
    let marks = if header.marks.is_some() { MARKS } else { 0 };
    put_u32(bytes, FLAGS, closing | marks);
}

fn encode_head(head: &mut [u8], entry: &Entry) {
    let payload_bytes = u32::try_from(entry.payload.len()).expect("a payload fits into a segment");
    put_u32(head, PAYLOAD_BYTES, payload_bytes);
    put_u32(head, PAYLOAD_CHECKSUM, crc32c::crc32c(&entry.payload));
    put_u64(head, INDEX, entry.index);
    put_u64(head, ENTRY_TERM, entry.term);
    put_u64(head, STAMP, entry.stamp_ms);
    put_u64(head, AGE, entry.age_ms);
    head[KIND] = entry.kind;
}

/// Writes the checksum of a header and its heads into the header.
fn sum_up(header_and_heads: &mut [u8], seed: u32) -> u32 {
    let checksum = crc32c::crc32c_append(seed, &header_and_heads[SEGMENT..]);
    put_u32(header_and_heads, CHECKSUM, checksum);
    checksum
}

/// What the first bytes of a frame claim. Nothing of it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The segment it says it is in.
    pub(crate) segment: u64,
    /// The checksum it should have.
    pub(crate) checksum: u32,
    records: u32,
    has_marks: bool,
    /// Bytes of header, heads and payloads.
    pub(crate) length: u64,
}

impl Claim {
    /// The claim that `bytes` begin with, if they begin as frames do.
    pub(crate) fn read(bytes: &[u8]) -> Option<Claim> {
        let begins = bytes.len() >= FRAME_HEADER_BYTES && bytes[MAGIC..CHECKSUM] == MAGIC_VALUE;
        begins.then(|| Claim {
            checksum: read_u32(bytes, CHECKSUM),
            segment: read_u64(bytes, SEGMENT),
            records: read_u32(bytes, RECORDS),
            has_marks: read_u32(bytes, FLAGS) & MARKS != 0,
            length: read_u64(bytes, LENGTH),
        })
    }

    /// Whether such a frame could be within `space` bytes.
    pub(crate) fn fits(&self, space: u64) -> bool {
        self.heads_end() as u64 <= self.length && self.length <= space
    }

    /// Bytes of the header and of the record heads, or the marks.
    pub(crate) fn heads_end(&self) -> usize {
        heads_end(self.records as usize, self.has_marks)
    }
}

/// A frame's header and its record heads, or marks, checked against their checksum.
#[derive(Clone, Debug)]
pub(crate) struct Heads {
    bytes: Bytes,
}

impl Heads {
    /// Bytes of the header and `records` heads.
    pub(crate) fn size_bytes(records: u32) -> usize {
        FRAME_HEADER_BYTES + records as usize * RECORD_HEAD_BYTES
    }

    /// Checks `bytes`, which must be exactly a header and its heads. `seed` is the checksum of the
    /// segment's header.
    pub(crate) fn parse(bytes: Bytes, seed: u32) -> Result<Heads, Damage> {
        let claim = Claim::read(&bytes).ok_or(Damage::NotAFrame)?;
        if bytes.len() != claim.heads_end() {
            return Err(Damage::Length);
        }
        if crc32c::crc32c_append(seed, &bytes[SEGMENT..]) != read_u32(&bytes, CHECKSUM) {
            return Err(Damage::FrameChecksum);
        }
        let heads = Heads { bytes };
        if heads.add_up(claim.length) { Ok(heads) } else { Err(Damage::Records) }
    }

    /// Whether payloads fill the frame and indexes ascend without gaps.
    fn add_up(&self, length: u64) -> bool {
        let payload_bytes: u64 = self.iter().map(|head| head.payload_bytes() as u64).sum();
        let first_index = self.iter().next().map_or(1, Head::index);
        let known = read_u32(&self.bytes, FLAGS) & !(CLOSING | MARKS) == 0;
        let plausible =
            self.marks().is_none_or(|marks| self.records() == 0 && marks.is_plausible());
        known
            && plausible
            && self.bytes.len() as u64 + payload_bytes == length
            && (1..COUNTER_MAX).contains(&first_index)
            && self.iter().zip(first_index..).all(|(head, index)| head.index() == index)
    }

    pub(crate) fn header(&self) -> FrameHeader {
        FrameHeader {
            segment: read_u64(&self.bytes, SEGMENT),
            flush: read_u64(&self.bytes, FLUSH),
            previous: read_u32(&self.bytes, PREVIOUS),
            hard_state: HardState {
                term: read_u64(&self.bytes, TERM),
                vote: decode_vote(read_u64(&self.bytes, VOTE)),
                commit: read_u64(&self.bytes, COMMIT),
            },
            closing: read_u32(&self.bytes, FLAGS) & CLOSING != 0,
            marks: self.marks(),
        }
    }

    fn marks(&self) -> Option<Marks> {
        let has_marks = read_u32(&self.bytes, FLAGS) & MARKS != 0;
        has_marks.then(|| Marks::decode(&self.bytes[FRAME_HEADER_BYTES..]))
    }

    pub(crate) fn checksum(&self) -> u32 {
        read_u32(&self.bytes, CHECKSUM)
    }

    pub(crate) fn records(&self) -> u32 {
        read_u32(&self.bytes, RECORDS)
    }

    /// Index and term of each record, in order.
    pub(crate) fn log_ids(&self) -> impl Iterator<Item = (u64, u64)> {
        self.iter().map(|head| (head.index(), head.term()))
    }

    /// How many of the records `wanted` (positions in the frame) have at most `bytes_max` bytes
    /// together, heads included, but at least `count_min`; and where their payloads lie, in bytes
    /// from the frame's beginning.
    pub(crate) fn payload_range(
        &self,
        wanted: Range<usize>,
        count_min: usize,
        bytes_max: usize,
    ) -> (usize, Range<u64>) {
        let skipped: usize = self.iter().take(wanted.start).map(Head::payload_bytes).sum();
        let (mut count, mut bytes) = (0, 0);
        for head in self.iter().take(wanted.end).skip(wanted.start) {
            let with_heads = bytes + head.payload_bytes() + (count + 1) * RECORD_HEAD_BYTES;
            if count >= count_min && with_heads > bytes_max {
                break;
            }
            count += 1;
            bytes += head.payload_bytes();
        }
        let start = self.bytes.len() + skipped;
        (count, start as u64..(start + bytes) as u64)
    }

    /// The entries of the records `wanted`, whose payloads `bytes` holds one after the other;
    /// shared, not copied. Each is checked against its checksum.
    pub(crate) fn entries(
        &self,
        wanted: Range<usize>,
        mut bytes: Bytes,
    ) -> impl Iterator<Item = Result<Entry, Damage>> {
        let heads = self.iter().take(wanted.end).skip(wanted.start);
        heads.map(move |head| head.entry(bytes.split_to(head.payload_bytes())))
    }

    fn iter(&self) -> impl Iterator<Item = Head<'_>> {
        let heads = self.bytes[FRAME_HEADER_BYTES..].chunks_exact(RECORD_HEAD_BYTES);
        heads.take(self.records() as usize).map(Head)
    }
}

/// One record's head.
#[derive(Clone, Copy)]
struct Head<'a>(&'a [u8]);

impl Head<'_> {
    fn payload_bytes(self) -> usize {
        read_u32(self.0, PAYLOAD_BYTES) as usize
    }

    fn index(self) -> u64 {
        read_u64(self.0, INDEX)
    }

    fn term(self) -> u64 {
        read_u64(self.0, ENTRY_TERM)
    }

    fn entry(self, payload: Bytes) -> Result<Entry, Damage> {
        if crc32c::crc32c(&payload) != read_u32(self.0, PAYLOAD_CHECKSUM) {
            return Err(Damage::Payload { index: self.index() });
        }
        Ok(Entry {
            kind: self.0[KIND],
            term: self.term(),
            index: self.index(),
            stamp_ms: read_u64(self.0, STAMP),
            age_ms: read_u64(self.0, AGE),
            payload,
        })
    }
}

/// A whole frame, every checksum of which matched.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) heads: Heads,
    /// The records; their payloads share the frame's bytes.
    pub(crate) entries: Vec<Entry>,
    bytes: Bytes,
}

impl Frame {
    /// Checks the `bytes` of a frame, without padding. `seed` is the checksum of the segment's
    /// header.
    pub(crate) fn parse(bytes: Bytes, seed: u32) -> Result<Frame, Damage> {
        let claim = Claim::read(&bytes).ok_or(Damage::NotAFrame)?;
        if !claim.fits(bytes.len() as u64) || claim.length != bytes.len() as u64 {
            return Err(Damage::Length);
        }
        let heads = Heads::parse(bytes.slice(..claim.heads_end()), seed)?;
        let payloads = bytes.slice(claim.heads_end()..);
        let entries = heads.entries(0..claim.records as usize, payloads);
        let entries = entries.collect::<Result<Vec<Entry>, Damage>>()?;
        Ok(Frame { heads, entries, bytes })
    }

    /// Bytes on disk, padding included.
    pub(crate) fn padded_bytes(&self) -> u64 {
        padded(self.bytes.len() as u64)
    }

    /// The same frame for another segment: puts it into `buffer`, padded, and returns its new
    /// checksum.
    pub(crate) fn move_to(
        &self,
        buffer: &mut Vec<u8>,
        segment: u64,
        seed: u32,
        previous: u32,
    ) -> u32 {
        buffer.clear();
        buffer.extend_from_slice(&self.bytes);
        buffer.resize(self.padded_bytes() as usize, 0);
        put_header(buffer, &FrameHeader { segment, previous, ..self.heads.header() });
        sum_up(&mut buffer[..self.heads.bytes.len()], seed)
    }
}
