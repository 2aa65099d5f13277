//! Segments and frames with any fields and right checksums: what no rot leaves behind, but another
//! program could. Opening must judge the fields, since the checksums tell it nothing.

use bytes::Bytes;
use wal::Entry;

use super::Files;
use super::naive::{FrameFields, Header};
use crate::Verdict;
use crate::input::Input;

const SEGMENTS_MAX: usize = 3;
const FRAMES_MAX: usize = 4;
const RECORDS_MAX: usize = 3;

/// One field in so many is made up.
const MADE_UP_ONE_IN: u8 = 40;

/// What the log would be if every field were as it should.
struct Forge {
    header: Header,
    flush: u64,
    next_index: u64,
    entry_term: u64,
    chain: u32,
}

pub(super) fn run(input: &mut Input<'_>) -> Verdict {
    let mut files = Files::new();
    let mut forge = Forge::new(input);
    for _ in 0..=input.below(SEGMENTS_MAX) {
        let (name, bytes) = forge.segment(input);
        files.insert(name, bytes);
        forge.next_segment();
    }
    super::open_and_use(&files)
}

impl Forge {
    fn new(input: &mut Input<'_>) -> Forge {
        let header = Header {
            number: made_up(input, 1),
            predecessor: 0,
            predecessor_checksum: 0,
            capacity: 16 << 10,
            first_flush: made_up(input, 1),
            term: made_up(input, 1),
            vote: 0,
            commit: 0,
            first_index: made_up(input, 1),
            previous_term: 0,
        };
        let (flush, next_index, entry_term) = (header.first_flush, header.first_index, header.term);
        Forge { header, flush, next_index, entry_term, chain: 0 }
    }

    /// A segment's name and bytes.
    fn segment(&mut self, input: &mut Input<'_>) -> (String, Vec<u8>) {
        let named = made_up(input, self.header.number);
        let mut written = self.header.clone();
        for field in [
            &mut written.number,
            &mut written.predecessor,
            &mut written.capacity,
            &mut written.first_flush,
            &mut written.term,
            &mut written.vote,
            &mut written.commit,
            &mut written.first_index,
            &mut written.previous_term,
        ] {
            *field = made_up(input, *field);
        }
        let (mut bytes, seed) = written.write();
        self.chain = seed;
        for _ in 0..input.below(FRAMES_MAX + 1) {
            let frame = self.frame(input, seed);
            bytes.extend(frame);
        }
        (super::segment_name(named), bytes)
    }

    fn frame(&mut self, input: &mut Input<'_>, seed: u32) -> Vec<u8> {
        self.promise(input);
        let entries = self.entries(input);
        let mut fields = FrameFields {
            segment: made_up(input, self.header.number),
            flush: made_up(input, self.flush),
            previous: self.chain,
            records_more: 0,
            length_more: 0,
            term: made_up(input, self.header.term),
            vote: made_up(input, self.header.vote),
            commit: made_up(input, self.header.commit),
            flags: u32::from(input.chance(8)),
            entries,
        };
        if input.chance(MADE_UP_ONE_IN) {
            fields.records_more = u32::from(input.byte()) << (8 * input.below(4));
            fields.length_more = input.special();
            fields.flags = u32::from(input.byte());
        }
        self.flush = self.flush.wrapping_add(1);
        let (frame, checksum) = fields.write(seed);
        self.chain = checksum;
        frame
    }

    /// Hard state goes on as it may.
    fn promise(&mut self, input: &mut Input<'_>) {
        if input.chance(4) {
            self.header.term = self.header.term.wrapping_add(1);
            self.header.vote = u64::from(input.byte());
        }
        if input.chance(3) {
            self.header.commit = self.next_index.saturating_sub(1);
        }
    }

    fn entries(&mut self, input: &mut Input<'_>) -> Vec<Entry> {
        let count = input.below(RECORDS_MAX + 1);
        (0..count)
            .map(|_| {
                self.entry_term = self.header.term;
                let index = made_up(input, self.next_index);
                let term = made_up(input, self.entry_term);
                self.next_index = self.next_index.wrapping_add(1);
                let payload = Bytes::from(vec![input.byte(); input.below(400)]);
                Entry { kind: input.byte(), term, index, stamp_ms: 5, age_ms: 5, payload }
            })
            .collect()
    }

    /// The header of the segment that would follow.
    fn next_segment(&mut self) {
        self.header.predecessor = self.header.number;
        self.header.predecessor_checksum = self.chain;
        self.header.number = self.header.number.wrapping_add(1);
        self.header.first_flush = self.flush;
        self.header.first_index = self.next_index;
        self.header.previous_term = if self.next_index == 1 { 0 } else { self.entry_term };
    }
}

/// `right`, but for now and then.
fn made_up(input: &mut Input<'_>, right: u64) -> u64 {
    if input.chance(MADE_UP_ONE_IN) { input.special() } else { right }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let plan = |seed: u64| {
        let mut random = crate::Random::new(seed);
        let mut bytes = vec![2];
        // Every other one makes nothing up: small bytes are never one in `MADE_UP_ONE_IN`.
        let limit = if seed.is_multiple_of(2) { 256 } else { u64::from(MADE_UP_ONE_IN) - 1 };
        bytes.extend((0..300).map(|_| random.below(limit) as u8));
        bytes
    };
    (0..24).map(plan).collect()
}
