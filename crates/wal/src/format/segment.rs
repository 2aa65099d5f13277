//! The header block of a segment.

use super::{
    BLOCK_BYTES, COUNTER_MAX, VERSION, decode_vote, encode_vote, put_u32, put_u64, read_u32,
    read_u64,
};
use crate::outline::LogId;
use crate::types::{HardState, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

const MAGIC_VALUE: [u8; 8] = *b"RAFTKVWL";

const MAGIC: usize = 0;
const VERSION_AT: usize = MAGIC + 8;
const CHECKSUM: usize = VERSION_AT + 4;
const NUMBER: usize = CHECKSUM + 4;
const PREDECESSOR: usize = NUMBER + 8;
const PREDECESSOR_CHECKSUM: usize = PREDECESSOR + 8;
const SALT: usize = PREDECESSOR_CHECKSUM + 8; // four bytes of zeros before it
const CAPACITY: usize = SALT + 8;
const FIRST_FLUSH: usize = CAPACITY + 8;
const TERM: usize = FIRST_FLUSH + 8;
const VOTE: usize = TERM + 8;
const COMMIT: usize = VOTE + 8;
const FIRST_INDEX: usize = COMMIT + 8;
const PREVIOUS_TERM: usize = FIRST_INDEX + 8;
const START_INDEX: usize = PREVIOUS_TERM + 8;
const START_TERM: usize = START_INDEX + 8;
const FLOOR_INDEX: usize = START_TERM + 8;
const FLOOR_TERM: usize = FLOOR_INDEX + 8;
const END: usize = FLOOR_TERM + 8;

const _: () = assert!(END as u64 <= BLOCK_BYTES, "the header fits into its block");

/// What a segment says about itself and about the log before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// From 1, never used twice.
    pub(crate) number: u64,
    /// The segment before it, 0 if the log starts here; numbers between are dead.
    pub(crate) predecessor: u64,
    /// The checksum of the predecessor's last frame, or header.
    pub(crate) predecessor_checksum: u32,
    pub(crate) salt: u64,
    /// Bytes the segment may have.
    pub(crate) capacity: u64,
    /// The flush number of its first frame.
    pub(crate) first_flush: u64,
    /// As of the segment's beginning.
    pub(crate) hard_state: HardState,
    /// One more than the last index before it.
    pub(crate) first_index: u64,
    /// The term of that last index; 0 if there is none.
    pub(crate) previous_term: u64,
    /// The entry that the log starts after, as of the segment's beginning.
    pub(crate) start: LogId,
    /// The last entry that the log once had, if a repair cut it off.
    pub(crate) floor: Option<LogId>,
}

/// Why a block is no segment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// Not one, or damaged.
    Damaged,
    /// A sound header of another version.
    UnknownVersion(u32),
}

impl SegmentHeader {
    /// The block, and its checksum.
    pub(crate) fn encode(&self) -> (Vec<u8>, u32) {
        let mut block = vec![0; BLOCK_BYTES as usize];
        block[MAGIC..VERSION_AT].copy_from_slice(&MAGIC_VALUE);
        put_u32(&mut block, VERSION_AT, VERSION);
        put_u64(&mut block, NUMBER, self.number);
        put_u64(&mut block, PREDECESSOR, self.predecessor);
        put_u32(&mut block, PREDECESSOR_CHECKSUM, self.predecessor_checksum);
        put_u64(&mut block, SALT, self.salt);
        put_u64(&mut block, CAPACITY, self.capacity);
        put_u64(&mut block, FIRST_FLUSH, self.first_flush);
        put_u64(&mut block, TERM, self.hard_state.term);
        put_u64(&mut block, VOTE, encode_vote(self.hard_state.vote));
        put_u64(&mut block, COMMIT, self.hard_state.commit);
        put_u64(&mut block, FIRST_INDEX, self.first_index);
        put_u64(&mut block, PREVIOUS_TERM, self.previous_term);
        put_u64(&mut block, START_INDEX, self.start.index);
        put_u64(&mut block, START_TERM, self.start.term);
        let floor = self.floor.unwrap_or_default();
        put_u64(&mut block, FLOOR_INDEX, floor.index);
        put_u64(&mut block, FLOOR_TERM, floor.term);
        let checksum = block_checksum(&block);
        put_u32(&mut block, CHECKSUM, checksum);
        (block, checksum)
    }

    /// The header in a block, and its checksum.
    pub(crate) fn decode(block: &[u8]) -> Result<(SegmentHeader, u32), HeaderError> {
        if block.len() as u64 != BLOCK_BYTES || block[MAGIC..VERSION_AT] != MAGIC_VALUE {
            return Err(HeaderError::Damaged);
        }
        let checksum = read_u32(block, CHECKSUM);
        if checksum != block_checksum(block) {
            return Err(HeaderError::Damaged);
        }
        let version = read_u32(block, VERSION_AT);
        if !(1..=VERSION).contains(&version) {
            return Err(HeaderError::UnknownVersion(version));
        }
        let header = SegmentHeader::read(block);
        if header.is_plausible() { Ok((header, checksum)) } else { Err(HeaderError::Damaged) }
    }

    fn read(block: &[u8]) -> SegmentHeader {
        let log_id =
            |index, term| LogId { index: read_u64(block, index), term: read_u64(block, term) };
        SegmentHeader {
            number: read_u64(block, NUMBER),
            predecessor: read_u64(block, PREDECESSOR),
            predecessor_checksum: read_u32(block, PREDECESSOR_CHECKSUM),
            salt: read_u64(block, SALT),
            capacity: read_u64(block, CAPACITY),
            first_flush: read_u64(block, FIRST_FLUSH),
            hard_state: HardState {
                term: read_u64(block, TERM),
                vote: decode_vote(read_u64(block, VOTE)),
                commit: read_u64(block, COMMIT),
            },
            first_index: read_u64(block, FIRST_INDEX),
            previous_term: read_u64(block, PREVIOUS_TERM),
            // Zeros in version 1.
            start: log_id(START_INDEX, START_TERM),
            floor: Some(log_id(FLOOR_INDEX, FLOOR_TERM)).filter(|floor| floor.index > 0),
        }
    }

    /// Whether arithmetic on the fields is safe, whoever wrote them.
    fn is_plausible(&self) -> bool {
        self.predecessor < self.number
            && self.number < COUNTER_MAX
            && (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&self.capacity)
            && self.capacity.is_multiple_of(BLOCK_BYTES)
            && self.first_flush < COUNTER_MAX
            && (1..COUNTER_MAX).contains(&self.first_index)
            && self.hard_state.commit < self.first_index
            && self.previous_term <= self.hard_state.term
            && self.start.index < self.first_index
            && self.start.term <= self.previous_term
            && self.floor.is_none_or(|floor| floor.index < COUNTER_MAX)
    }
}

/// The checksum that a header block claims, whether or not it is one.
pub(crate) fn decode_checksum(block: &[u8]) -> u32 {
    read_u32(block, CHECKSUM)
}

/// The checksum of a header block: of all of it but the checksum itself.
fn block_checksum(block: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&block[..CHECKSUM]), &block[NUMBER..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            number: 9,
            predecessor: 7,
            predecessor_checksum: 0xdead_beef,
            salt: 11,
            capacity: 64 << 10,
            first_flush: 40,
            hard_state: HardState { term: 3, vote: Some(2), commit: 17 },
            first_index: 18,
            previous_term: 3,
            start: LogId { term: 2, index: 12 },
            floor: Some(LogId { term: 3, index: 40 }),
        }
    }

    #[test]
    fn a_header_is_read_back_as_written() {
        let (block, checksum) = header().encode();
        assert_eq!(SegmentHeader::decode(&block), Ok((header(), checksum)));
    }

    #[test]
    fn a_flipped_bit_anywhere_in_the_block_is_found() {
        let (block, _) = header().encode();
        for bit in 0..block.len() * 8 {
            let mut damaged = block.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&damaged), Err(HeaderError::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn a_sound_header_of_another_version_is_told_from_damage() {
        let (mut block, _) = header().encode();
        put_u32(&mut block, VERSION_AT, VERSION + 1);
        let checksum = block_checksum(&block);
        put_u32(&mut block, CHECKSUM, checksum);
        assert_eq!(SegmentHeader::decode(&block), Err(HeaderError::UnknownVersion(VERSION + 1)));
    }
}
