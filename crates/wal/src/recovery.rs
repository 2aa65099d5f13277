//! Opening: which segments live, what they hold, whether the end is torn or corrupt, and making it
//! all durable before anyone believes it.

mod evidence;
mod inspect;
mod repair;

use std::collections::BTreeMap;

pub use inspect::{LogReport, SegmentReport, inspect};
pub(crate) use repair::repair;

use disk::{Disk, File};

use crate::error::{Corruption, Damage, OpenError};
use crate::folder::Folder;
use crate::format::{BLOCK_BYTES, Frame, HeaderError, SegmentHeader};
use crate::index::{Index, Span};
use crate::live::{Reach, Sealed};
use crate::outline::{LogId, Outline, StartStep, some};
use crate::segment::{ActiveSegment, SegmentReader};
use crate::types::{HardState, Options, Recovered, TornTail, Visit};

/// A log that was read back, ready to be written.
pub(crate) struct Replayed<F> {
    pub(crate) outline: Outline,
    pub(crate) index: Index,
    /// Every live segment but the active one, by number.
    pub(crate) sealed: BTreeMap<u64, Sealed>,
    pub(crate) active: ActiveSegment<F>,
    /// The next frame's number.
    pub(crate) flush: u64,
    /// Whether there is nothing that a closing frame would close.
    pub(crate) closed: bool,
    pub(crate) recovered: Recovered,
}

/// Reads the log in `folder`, shows all that it holds to `visit`, and begins a new segment with
/// what the last one held. `numbers` are the segments found there, ascending.
pub(crate) fn replay<D: Disk>(
    folder: &mut Folder<D>,
    numbers: &[u64],
    options: &Options,
    visit: &mut dyn FnMut(Visit<'_>),
) -> Result<Replayed<D::File>, OpenError> {
    let mut live = live_segments(folder, numbers)?;
    let Some(last) = live.pop() else { return Ok(found(folder, options, visit)?) };

    let mut replay = Replay::starting_at(live.first().unwrap_or(&last), visit);
    let (end, torn_tail) = replay.segments(folder, &live, &last, visit)?;

    let mut active = copy_segment(folder, &last, end, options)?;
    let is_live = |number: &u64| live.iter().any(|segment| segment.header.number == *number);
    let dead: Vec<u64> = numbers.iter().copied().filter(|number| !is_live(number)).collect();
    // Whoever starts on a full disk finds a spare again the next time.
    folder.give_up(&dead, options.spares)?;

    replay.index.move_segment(last.header.number, active.number);
    active.reach = replay.reach(&last.header);
    let seal = |segment: &LiveSegment| {
        let LiveSegment { header, seed } = segment;
        (header.number, Sealed { seed: *seed, reach: replay.reach(header) })
    };
    let sealed = live.iter().map(seal).collect();
    Ok(replay.finish(sealed, active, torn_tail))
}

/// Begins a log that has no segment yet.
fn found<D: Disk>(
    folder: &mut Folder<D>,
    options: &Options,
    visit: &mut dyn FnMut(Visit<'_>),
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
        start: LogId::default(),
        floor: None,
    };
    let draft = folder.draft(&header)?;
    let seed = draft.seed;
    let active = ActiveSegment::new(folder.publish(draft)?, &header, BLOCK_BYTES, seed);
    let segment = LiveSegment { header, seed };
    Ok(Replay::starting_at(&segment, visit).finish(BTreeMap::new(), active, None))
}

/// A segment that counts.
#[derive(Clone, Copy)]
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
    /// Of each segment: the lowest index that its frames go back to.
    lowest: BTreeMap<u64, u64>,
    flush: u64,
    closed: bool,
    records: u64,
}

impl Replay {
    fn starting_at(oldest: &LiveSegment, visit: &mut dyn FnMut(Visit<'_>)) -> Replay {
        let outline = Outline::before(&oldest.header);
        let LogId { term, index } = outline.last();
        visit(Visit::Begin { term, index });
        let flush = oldest.header.first_flush;
        let (index, lowest) = (Index::default(), BTreeMap::new());
        Replay { outline, index, lowest, flush, closed: true, records: 0 }
    }

    /// Reads all segments, `last` after `sealed`: where the sound frames of the last one end, and
    /// what is behind them.
    fn segments<D: Disk>(
        &mut self,
        folder: &Folder<D>,
        sealed: &[LiveSegment],
        last: &LiveSegment,
        visit: &mut dyn FnMut(Visit<'_>),
    ) -> Result<(u64, Option<TornTail>), OpenError> {
        for (position, segment) in sealed.iter().enumerate() {
            let successor = sealed.get(position + 1).unwrap_or(last);
            self.sealed_segment(folder, segment, &successor.header, visit)?;
        }
        let end = self.last_segment(folder, last, visit)?;
        if self.outline.is_whole() {
            return Ok(end);
        }
        let SegmentHeader { number, predecessor, .. } = sealed.first().unwrap_or(last).header;
        let damage = Damage::SegmentMissing { number: predecessor };
        Err(header_corruption(folder, number, damage))
    }

    /// Reads a segment that another follows: its last frame must be the one its successor names.
    fn sealed_segment<D: Disk>(
        &mut self,
        folder: &Folder<D>,
        segment: &LiveSegment,
        successor: &SegmentHeader,
        visit: &mut dyn FnMut(Visit<'_>),
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
        visit: &mut dyn FnMut(Visit<'_>),
    ) -> Result<(u64, Option<TornTail>), OpenError> {
        let mut reader = read_segment(folder, segment)?;
        let damage = self.frames(&mut reader, visit)?;
        if is_no_tear(damage) || reader.newest_later_frame()?.is_some() {
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
        visit: &mut dyn FnMut(Visit<'_>),
    ) -> Result<Damage, OpenError> {
        loop {
            let offset = reader.offset;
            let frame = match reader.next()? {
                Ok(frame) => frame,
                Err(damage) => return Ok(damage),
            };
            if let Err(damage) = self.frame(&frame, reader.header.number, offset, visit) {
                reader.offset = offset;
                return Err(self.corrupt(reader, damage));
            }
        }
    }

    fn frame(
        &mut self,
        frame: &Frame,
        segment: u64,
        offset: u64,
        visit: &mut dyn FnMut(Visit<'_>),
    ) -> Result<(), Damage> {
        let header = frame.heads.header();
        let checked = self.outline.check_frame(frame.heads.log_ids(), &header);
        checked.map_err(Damage::Contradiction)?;
        if let (Some(first), Some(last)) = (frame.entries.first(), frame.entries.last()) {
            let (first, last, records) = (first.index, last.index, frame.heads.records());
            self.index.push(Span { first, last, records, segment, offset });
            self.note(segment, first);
        }
        let step = self.outline.advance_frame(frame.heads.log_ids(), &header);
        if step != StartStep::None {
            self.index.start_at(self.outline.first_index(), self.outline.last_index());
            self.visit_start(visit);
        }
        if step == StartStep::Dropped {
            self.note(segment, self.outline.first_index());
        }
        frame.entries.iter().for_each(|entry| visit(Visit::Entry(entry)));
        self.flush = header.flush + 1;
        self.closed = header.closing;
        self.records += u64::from(frame.heads.records());
        Ok(())
    }

    fn note(&mut self, segment: u64, index: u64) {
        let lowest = self.lowest.entry(segment).or_insert(index);
        *lowest = index.min(*lowest);
    }

    /// A start before what is known changes nothing.
    fn visit_start(&self, visit: &mut dyn FnMut(Visit<'_>)) {
        let LogId { term, index } = self.outline.start();
        if index + 1 == self.outline.first_index() {
            visit(Visit::Start { term, index });
        }
    }

    /// Whether a segment's header agrees with the log before it.
    fn ends_where_it_begins(&self, successor: &SegmentHeader) -> bool {
        let outline = &self.outline;
        successor.first_flush == self.flush
            && successor.hard_state == outline.hard_state()
            && successor.first_index == outline.last_index() + 1
            && successor.previous_term == outline.last().term
            && (successor.start, successor.floor) == (outline.start(), outline.floor())
    }

    fn reach(&self, header: &SegmentHeader) -> Reach {
        let mut reach = Reach::of(header);
        self.lowest.get(&header.number).into_iter().for_each(|lowest| reach.note(*lowest));
        reach
    }

    fn corrupt<F: File>(&self, reader: &SegmentReader<F>, damage: Damage) -> OpenError {
        OpenError::Corrupt(reader.corruption(damage, self.outline.last_index()))
    }

    fn finish<F>(
        self,
        sealed: BTreeMap<u64, Sealed>,
        active: ActiveSegment<F>,
        torn_tail: Option<TornTail>,
    ) -> Replayed<F> {
        let Replay { outline, index, flush, closed, records, .. } = self;
        let recovered = Recovered {
            hard_state: outline.hard_state(),
            start: some(outline.start()),
            first_index: outline.first_index(),
            last: some(outline.last()),
            torn_tail,
            repairs: Vec::new(),
            floor: outline.floor().and_then(some),
            records,
        };
        Replayed { outline, index, sealed, active, flush, closed, recovered }
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
    let chain = copy_frames(&mut reader, end, &draft.file, &header, draft.seed)?;
    draft.file.sync()?;
    Ok(ActiveSegment::new(folder.publish(draft)?, &header, end, chain))
}

/// Copies frames up to `end` to the same offsets of the segment of `header`, whose checksum is
/// `seed`; returns the checksum of the last one.
fn copy_frames<F: File>(
    reader: &mut SegmentReader<F>,
    end: u64,
    file: &F,
    header: &SegmentHeader,
    seed: u32,
) -> Result<u32, OpenError> {
    let (mut chain, mut buffer) = (seed, Vec::new());
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
        chain = frame.move_to(&mut buffer, header.number, seed, chain);
        file.write_at(&buffer, offset)?;
    }
    Ok(chain)
}
