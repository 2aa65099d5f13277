//! Opening: which segments live, what they hold, whether the end is torn or corrupt, and making it
//! all durable before anyone believes it.

use std::collections::BTreeMap;

use disk::{Disk, File};

use crate::error::{Corruption, Damage, OpenError};
use crate::folder::Folder;
use crate::format::{BLOCK_BYTES, Frame, HeaderError, SegmentHeader};
use crate::index::{Index, Span};
use crate::outline::Outline;
use crate::segment::{ActiveSegment, SegmentReader};
use crate::types::{Entry, HardState, Options, Recovered, TornTail};

/// A log that was read back, ready to be written.
pub(crate) struct Replayed<F> {
    pub(crate) outline: Outline,
    pub(crate) index: Index,
    /// Of every live segment but the active one: the checksum of its header.
    pub(crate) seeds: BTreeMap<u64, u32>,
    pub(crate) active: ActiveSegment<F>,
    /// The next frame's number.
    pub(crate) flush: u64,
    /// Whether there is nothing that a closing frame would close.
    pub(crate) closed: bool,
    pub(crate) recovered: Recovered,
}

/// Reads the log in `folder`, shows each record to `visit`, and begins a new segment with what the
/// last one held. `numbers` are the segments found there, ascending.
pub(crate) fn replay<D: Disk>(
    folder: &mut Folder<D>,
    numbers: &[u64],
    options: &Options,
    visit: &mut dyn FnMut(&Entry),
) -> Result<Replayed<D::File>, OpenError> {
    let mut live = live_segments(folder, numbers)?;
    let Some(last) = live.pop() else { return Ok(found(folder, options)?) };

    let mut replay = Replay::starting_at(live.first().unwrap_or(&last));
    for (position, segment) in live.iter().enumerate() {
        let successor = live.get(position + 1).unwrap_or(&last);
        replay.sealed_segment(folder, segment, &successor.header, visit)?;
    }
    let (end, torn_tail) = replay.last_segment(folder, &last, visit)?;

    let active = copy_segment(folder, &last, end, options)?;
    let is_live = |number: &u64| live.iter().any(|segment| segment.header.number == *number);
    let dead: Vec<u64> = numbers.iter().copied().filter(|number| !is_live(number)).collect();
    folder.remove_segments(&dead)?;

    replay.index.move_segment(last.header.number, active.number);
    let seeds = live.iter().map(|segment| (segment.header.number, segment.seed)).collect();
    Ok(replay.finish(seeds, active, torn_tail))
}

/// Begins a log that has no segment yet.
fn found<D: Disk>(
    folder: &mut Folder<D>,
    options: &Options,
) -> Result<Replayed<D::File>, disk::Error> {
    let header = SegmentHeader {
        number: 1,
        predecessor: 0,
        predecessor_checksum: 0,
        salt: options.salt,
        capacity: options.segment_bytes,
        first_flush: 1,
        hard_state: HardState::default(),
        first_index: 1,
        previous_term: 0,
    };
    let draft = folder.draft(&header)?;
    let seed = draft.seed;
    let active = ActiveSegment::new(folder.publish(draft)?, &header, BLOCK_BYTES, seed);
    let segment = LiveSegment { header, seed };
    Ok(Replay::starting_at(&segment).finish(BTreeMap::new(), active, None))
}

/// A segment that counts.
struct LiveSegment {
    header: SegmentHeader,
    seed: u32,
}

/// The segments that count, oldest first: the highest number, its predecessor, and so on.
fn live_segments<D: Disk>(
    folder: &Folder<D>,
    numbers: &[u64],
) -> Result<Vec<LiveSegment>, OpenError> {
    let mut live = Vec::new();
    let mut next = numbers.last().copied();
    while let Some(number) = next {
        let segment = read_header(folder, number)?;
        let predecessor = segment.header.predecessor;
        next = numbers.binary_search(&predecessor).is_ok().then_some(predecessor);
        if next.is_none() && numbers.first().is_some_and(|lowest| *lowest < predecessor) {
            // A log is only ever cut from its beginning: this is a hole.
            let damage = Damage::SegmentMissing { number: predecessor };
            return Err(header_corruption(folder, number, damage));
        }
        live.push(segment);
    }
    live.reverse();
    Ok(live)
}

fn read_header<D: Disk>(folder: &Folder<D>, number: u64) -> Result<LiveSegment, OpenError> {
    let mut block = vec![0; BLOCK_BYTES as usize];
    folder.open_segment(number)?.read_at(&mut block, 0)?;
    match SegmentHeader::decode(&block) {
        Ok((header, seed)) if header.number == number => Ok(LiveSegment { header, seed }),
        Ok((header, _)) => {
            let damage = Damage::SegmentNumber { found: header.number };
            Err(header_corruption(folder, number, damage))
        }
        Err(HeaderError::Damaged) => Err(header_corruption(folder, number, Damage::SegmentHeader)),
        Err(HeaderError::UnknownVersion(found)) => {
            Err(OpenError::UnknownVersion { path: folder.segment_path(number), found })
        }
    }
}

/// Damage to a header: it leaves no way to say which entries are before it.
fn header_corruption<D: Disk>(folder: &Folder<D>, number: u64, damage: Damage) -> OpenError {
    let path = folder.segment_path(number);
    OpenError::Corrupt(Corruption { path, offset: 0, damage, sound_index: 0 })
}

fn read_segment<D: Disk>(
    folder: &Folder<D>,
    segment: &LiveSegment,
) -> Result<SegmentReader<D::File>, disk::Error> {
    let LiveSegment { header, seed } = segment;
    let file = folder.open_segment(header.number)?;
    SegmentReader::new(file, folder.segment_path(header.number), *header, *seed)
}

/// The log as far as it was read.
struct Replay {
    outline: Outline,
    index: Index,
    flush: u64,
    closed: bool,
    records: u64,
}

impl Replay {
    fn starting_at(oldest: &LiveSegment) -> Replay {
        let SegmentHeader { first_index, previous_term, hard_state, first_flush, .. } =
            oldest.header;
        let outline = Outline::starting_at(first_index, previous_term, hard_state);
        Replay { outline, index: Index::default(), flush: first_flush, closed: true, records: 0 }
    }

    /// Reads a segment that another follows: its last frame must be the one its successor names.
    fn sealed_segment<D: Disk>(
        &mut self,
        folder: &Folder<D>,
        segment: &LiveSegment,
        successor: &SegmentHeader,
        visit: &mut dyn FnMut(&Entry),
    ) -> Result<(), OpenError> {
        let mut reader = read_segment(folder, segment)?;
        let damage = self.frames(&mut reader, visit)?;
        if reader.chain != successor.predecessor_checksum {
            return Err(self.corrupt(&reader, damage));
        }
        if self.ends_where_it_begins(successor) {
            Ok(())
        } else {
            Err(header_corruption(folder, successor.number, Damage::Chain))
        }
    }

    /// Reads the last segment: where its sound frames end, and what is behind them.
    fn last_segment<D: Disk>(
        &mut self,
        folder: &Folder<D>,
        segment: &LiveSegment,
        visit: &mut dyn FnMut(&Entry),
    ) -> Result<(u64, Option<TornTail>), OpenError> {
        let mut reader = read_segment(folder, segment)?;
        let damage = self.frames(&mut reader, visit)?;
        if is_no_tear(damage) || reader.has_later_frame()? {
            return Err(self.corrupt(&reader, damage));
        }
        let claim = reader.claim_at(reader.offset)?;
        let torn_tail = claim.map(|claim| TornTail {
            segment: segment.header.number,
            offset: reader.offset,
            bytes: claim.length.min(reader.space()),
        });
        Ok((reader.offset, torn_tail))
    }

    /// Reads frames until one is not there or not sound, and says why.
    fn frames<F: File>(
        &mut self,
        reader: &mut SegmentReader<F>,
        visit: &mut dyn FnMut(&Entry),
    ) -> Result<Damage, OpenError> {
        loop {
            let offset = reader.offset;
            let frame = match reader.next()? {
                Ok(frame) => frame,
                Err(damage) => return Ok(damage),
            };
            if let Err(damage) = self.frame(&frame, reader.header.number, offset) {
                reader.offset = offset;
                return Err(self.corrupt(reader, damage));
            }
            frame.entries.iter().for_each(&mut *visit);
        }
    }

    fn frame(&mut self, frame: &Frame, segment: u64, offset: u64) -> Result<(), Damage> {
        let header = frame.heads.header();
        let checked = self.outline.check(frame.heads.log_ids(), header.hard_state);
        checked.map_err(Damage::Contradiction)?;
        if let (Some(first), Some(last)) = (frame.entries.first(), frame.entries.last()) {
            let (first, last, records) = (first.index, last.index, frame.heads.records());
            self.index.push(Span { first, last, records, segment, offset });
        }
        self.outline.advance(frame.heads.log_ids(), header.hard_state);
        self.flush = header.flush + 1;
        self.closed = header.closing;
        self.records += u64::from(frame.heads.records());
        Ok(())
    }

    /// Whether a segment's header agrees with the log before it.
    fn ends_where_it_begins(&self, successor: &SegmentHeader) -> bool {
        let outline = &self.outline;
        successor.first_flush == self.flush
            && successor.hard_state == outline.hard_state()
            && successor.first_index == outline.last_index() + 1
            && successor.previous_term == outline.term_at(outline.last_index())
    }

    fn corrupt<F: File>(&self, reader: &SegmentReader<F>, damage: Damage) -> OpenError {
        OpenError::Corrupt(reader.corruption(damage, self.outline.last_index()))
    }

    fn finish<F>(
        self,
        seeds: BTreeMap<u64, u32>,
        active: ActiveSegment<F>,
        torn_tail: Option<TornTail>,
    ) -> Replayed<F> {
        let Replay { outline, index, flush, closed, records } = self;
        let recovered = Recovered {
            hard_state: outline.hard_state(),
            first_index: outline.first_index(),
            last: outline.last(),
            torn_tail,
            records,
        };
        Replayed { outline, index, seeds, active, flush, closed, recovered }
    }
}

/// Damage that no tear leaves behind: a frame whose checksum matches was written whole.
fn is_no_tear(damage: Damage) -> bool {
    match damage {
        Damage::Chain | Damage::Records | Damage::Contradiction(_) => true,
        Damage::NotAFrame
        | Damage::Length
        | Damage::FrameChecksum
        | Damage::Payload { .. }
        | Damage::SegmentHeader
        | Damage::SegmentNumber { .. }
        | Damage::SegmentMissing { .. } => false,
    }
}

/// Copies the frames of the last segment, which end at `end`, to a new one, durably. A process that
/// crashed may have left them in the page cache only, where a power cut would still take them.
fn copy_segment<D: Disk>(
    folder: &mut Folder<D>,
    last: &LiveSegment,
    end: u64,
    options: &Options,
) -> Result<ActiveSegment<D::File>, OpenError> {
    let header = SegmentHeader {
        number: last.header.number + 1,
        salt: options.salt,
        capacity: options.segment_bytes.max(end),
        ..last.header
    };
    let draft = folder.draft(&header)?;
    let mut reader = read_segment(folder, last)?;
    let mut chain = draft.seed;
    let mut buffer = Vec::new();
    while reader.offset < end {
        let offset = reader.offset;
        let frame = match reader.next()? {
            Ok(frame) => frame,
            // It was sound a moment ago: this disk does not read what it holds.
            Err(damage) => {
                let corruption = reader.corruption(damage, header.first_index - 1);
                return Err(OpenError::Corrupt(corruption));
            }
        };
        chain = frame.move_to(&mut buffer, header.number, draft.seed, chain);
        draft.file.write_at(&buffer, offset)?;
    }
    draft.file.sync()?;
    Ok(ActiveSegment::new(folder.publish(draft)?, &header, end, chain))
}
