//! Repair: a log that is damaged goes on with what is sound, and remembers what it lost.
//!
//! ```text
//!   oldest ── sound ──╳ damage ── sound ── newest
//!   └──────────────┘             └──────────────┘
//!   kept, with a floor at the    kept, if a snapshot stands for
//!   newest entry's log id        all that is before
//! ```
//!
//! What is kept is what lies behind the damage if a snapshot covers the rest, and otherwise what
//! lies before it. In that case entries are lost here that this member may have acknowledged; it
//! must neither vote nor campaign as if they had never been. So a repair needs to *name* the last
//! entry that the log had, and the member's vote: both stand in the newest sound frame, or in the
//! newest segment's header. Where neither is left, the log can not be repaired at all.
//!
//! The repaired log is written as a new segment, durable before anything else is touched; then the
//! damaged segments are set aside. A crash in between leaves the repaired log, or the damaged one.

use std::path::PathBuf;

use disk::{Disk, File};

use super::evidence::Evidence;
use super::{LiveSegment, Replay, copy_frames, is_no_tear, read_header, read_segment};
use crate::error::{Corruption, Damage, OpenError};
use crate::folder::Folder;
use crate::format::{BLOCK_BYTES, COUNTER_MAX, FrameHeader, Marks, SegmentHeader, encode};
use crate::outline::{LogId, Outline, some};
use crate::segment::SegmentReader;
use crate::types::{Forecast, HardState, Options, Repaired};

/// The number of a log's first flush.
const FIRST_FLUSH: u64 = 1;

/// So many frames without records end a repaired log, of a block each.
const MARKS_FRAMES: u64 = 2;

/// What a log is made anew from.
struct Plan {
    /// The segment that the new one begins as a copy of, and how far.
    base: Option<(LiveSegment, u64)>,
    /// Of the new segment.
    header: SegmentHeader,
    /// A frame behind the copy: flush number, hard state and marks.
    frame: Option<(u64, HardState, Marks)>,
    /// Segments that no longer count and are worth a look, ascending.
    aside: Vec<u64>,
    /// The last entry that is kept.
    last: LogId,
}

/// Repairs a log whose reading ended in `corruption`, so that it can be read. `snapshots` are the
/// entries that usable snapshots stand for.
pub(crate) fn repair<D: Disk>(
    folder: &mut Folder<D>,
    numbers: &[u64],
    options: &Options,
    snapshots: &[LogId],
    corruption: Corruption,
) -> Result<Repaired, OpenError> {
    // A member of whose log nothing is left at all must not begin as a new one would.
    let plan = plan(folder, numbers, options, snapshots)?;
    let Some(plan) = plan.filter(|plan| plan.last.index > 0) else {
        return Err(OpenError::Wiped(corruption));
    };
    let Forecast { last, lost_to } = plan.forecast();
    let set_aside = carry_out(folder, plan)?;
    Ok(Repaired { corruption, set_aside, last, lost_to })
}

/// What a repair would do; none if there is no way to.
pub(super) fn forecast<D: Disk>(
    folder: &Folder<D>,
    numbers: &[u64],
    options: &Options,
    snapshots: &[LogId],
) -> Result<Option<Forecast>, OpenError> {
    let plan = plan(folder, numbers, options, snapshots)?;
    Ok(plan.filter(|plan| plan.last.index > 0).map(|plan| plan.forecast()))
}

fn plan<D: Disk>(
    folder: &Folder<D>,
    numbers: &[u64],
    options: &Options,
    snapshots: &[LogId],
) -> Result<Option<Plan>, OpenError> {
    let newest = *numbers.last().expect("an empty log is not corrupt");
    if newest >= COUNTER_MAX - 1 {
        // Nobody ever counted so far, and the repaired log could not have the next number.
        return Ok(None);
    }
    let chain = chain_from(folder, numbers, newest)?;
    if let Some(plan) = keep_end(folder, &chain, numbers, options, snapshots)? {
        return Ok(Some(plan));
    }
    let Some(evidence) = Evidence::find(folder, numbers)? else { return Ok(None) };
    keep_beginning(folder, numbers, options, snapshots, &evidence).map(Some)
}

impl Plan {
    fn forecast(&self) -> Forecast {
        let floor = self.frame.map_or(self.header.floor, |(_, _, marks)| marks.floor);
        Forecast { last: some(self.last), lost_to: floor.and_then(some) }
    }
}

fn carry_out<D: Disk>(folder: &mut Folder<D>, plan: Plan) -> Result<Vec<PathBuf>, OpenError> {
    let Plan { base, header, frame, aside, .. } = plan;
    let draft = folder.draft(&header)?;
    let (mut chain, mut end) = (draft.seed, BLOCK_BYTES);
    if let Some((segment, until)) = base {
        let mut reader = read_segment(folder, &segment)?;
        chain = copy_frames(&mut reader, until, &draft.file, &header, draft.seed)?;
        end = until;
    }
    if let Some((first, hard_state, marks)) = frame {
        let (marks, closing, segment) = (Some(marks), false, header.number);
        // Twice: nothing else may name the floor, and what harms one leaves the other.
        for flush in first..first + MARKS_FRAMES {
            let frame = FrameHeader { segment, flush, previous: chain, hard_state, closing, marks };
            let mut buffer = Vec::new();
            chain = encode(&mut buffer, draft.seed, &frame, &[]);
            draft.file.write_at(&buffer, end)?;
            end += buffer.len() as u64;
        }
    }
    draft.file.sync()?;
    folder.publish(draft)?;
    Ok(folder.set_aside(&aside)?)
}

/// The segments from `newest` down, as far as headers can be read; oldest first.
fn chain_from<D: Disk>(
    folder: &Folder<D>,
    numbers: &[u64],
    newest: u64,
) -> Result<Vec<LiveSegment>, OpenError> {
    let mut chain = Vec::new();
    let mut next = Some(newest);
    while let Some(number) = next.filter(|number| numbers.binary_search(number).is_ok()) {
        match read_header(folder, number) {
            Ok(segment) => {
                next = Some(segment.header.predecessor);
                chain.push(segment);
            }
            Err(OpenError::Corrupt(_)) => break,
            Err(error) => return Err(error),
        }
    }
    chain.reverse();
    Ok(chain)
}

/// How far segments can be read.
struct Sound {
    outline: Outline,
    flush: u64,
    /// The segment in which it ends, by its position, and where in it.
    position: usize,
    end: u64,
    /// Whether that is the end of all of them.
    complete: bool,
}

fn read_sound<D: Disk>(folder: &Folder<D>, chain: &[LiveSegment]) -> Result<Sound, OpenError> {
    let mut replay = Replay::starting_at(&chain[0], &mut |_| {});
    for (position, segment) in chain.iter().enumerate() {
        let mut reader = read_segment(folder, segment)?;
        let damage = sound_frames(&mut replay, &mut reader)?;
        let end = reader.offset;
        let complete = match chain.get(position + 1) {
            Some(LiveSegment { header: successor, .. }) => {
                is_followed_by(&replay, &reader, successor)
            }
            None => !is_no_tear(damage) && reader.newest_later_frame()?.is_none(),
        };
        if !complete || position + 1 == chain.len() {
            let Replay { outline, flush, .. } = replay;
            return Ok(Sound { outline, flush, position, end, complete });
        }
    }
    unreachable!("the last segment returns")
}

/// The same, up to where the log last ended no later than at `newest`; none if it never did.
///
/// Entries are overwritten by others of a lower term where a leader has those: what ends later than
/// the log's own end was dropped by a frame that is damaged, and must not count again.
fn read_within<D: Disk>(
    folder: &Folder<D>,
    chain: &[LiveSegment],
    newest: LogId,
) -> Result<Option<Sound>, OpenError> {
    let mut replay = Replay::starting_at(&chain[0], &mut |_| {});
    let mut within = None;
    for (position, segment) in chain.iter().enumerate() {
        let mut reader = read_segment(folder, segment)?;
        loop {
            let end = reader.offset;
            if replay.outline.last() <= newest {
                let (outline, flush) = (replay.outline.clone(), replay.flush);
                within = Some(Sound { outline, flush, position, end, complete: false });
            }
            let Ok(frame) = reader.next()? else { break };
            if replay.frame(&frame, reader.header.number, end, &mut |_| {}).is_err() {
                return Ok(within);
            }
        }
        let successor = chain.get(position + 1).map(|successor| &successor.header);
        if !successor.is_some_and(|successor| is_followed_by(&replay, &reader, successor)) {
            break;
        }
    }
    Ok(within)
}

/// Whether a segment begins exactly where the one that was read ends.
fn is_followed_by<F: File>(
    replay: &Replay,
    reader: &SegmentReader<F>,
    successor: &SegmentHeader,
) -> bool {
    reader.chain == successor.predecessor_checksum && replay.ends_where_it_begins(successor)
}

/// Reads frames until one is not there or not sound, and says why.
fn sound_frames<F: File>(
    replay: &mut Replay,
    reader: &mut SegmentReader<F>,
) -> Result<Damage, OpenError> {
    loop {
        let (offset, chain) = (reader.offset, reader.chain);
        let frame = match reader.next()? {
            Ok(frame) => frame,
            Err(damage) => return Ok(damage),
        };
        if let Err(damage) = replay.frame(&frame, reader.header.number, offset, &mut |_| {}) {
            (reader.offset, reader.chain) = (offset, chain);
            return Ok(damage);
        }
    }
}

/// If a snapshot stands for all up to the damage: the log behind it.
fn keep_end<D: Disk>(
    folder: &Folder<D>,
    chain: &[LiveSegment],
    numbers: &[u64],
    options: &Options,
    snapshots: &[LogId],
) -> Result<Option<Plan>, OpenError> {
    let mut first = 0;
    while let Some(rest) = chain.get(first..).filter(|rest| !rest.is_empty()) {
        let sound = read_sound(folder, rest)?;
        if !sound.complete {
            first += sound.position + 1;
            continue;
        }
        let start = start_for(&sound.outline, snapshots);
        return Ok(start.map(|start| end_plan(rest, numbers, options, &sound, start)));
    }
    Ok(None)
}

/// An entry that the log can start after and that something stands for.
fn start_for(outline: &Outline, snapshots: &[LogId]) -> Option<LogId> {
    if outline.is_whole() {
        return Some(outline.start());
    }
    let usable = |id: &&LogId| outline.holds(**id) && id.index > outline.start().index;
    snapshots.iter().filter(usable).min_by_key(|id| id.index).copied()
}

fn end_plan(
    rest: &[LiveSegment],
    numbers: &[u64],
    options: &Options,
    sound: &Sound,
    start: LogId,
) -> Plan {
    let newest = rest[rest.len() - 1];
    let marks = sound.outline.marks_from(start);
    let hard_state = sound.outline.hard_state();
    let commit = hard_state.commit.max(start.index);
    let oldest = rest[0].header.number;
    Plan {
        base: Some((newest, sound.end)),
        header: successor_of(&newest.header, newest.header.number, options, sound.end),
        frame: Some((sound.flush, HardState { commit, ..hard_state }, marks)),
        aside: numbers.iter().copied().filter(|number| *number < oldest).collect(),
        last: sound.outline.last(),
    }
}

/// The header of a new segment in the place of another.
fn successor_of(header: &SegmentHeader, newest: u64, options: &Options, end: u64) -> SegmentHeader {
    let capacity = options.segment_bytes.max(end + MARKS_FRAMES * BLOCK_BYTES);
    SegmentHeader { number: newest + 1, salt: options.salt, capacity, ..*header }
}

/// The log before the damage, or what a snapshot stands for if that is more; with a floor.
fn keep_beginning<D: Disk>(
    folder: &Folder<D>,
    numbers: &[u64],
    options: &Options,
    snapshots: &[LogId],
    evidence: &Evidence,
) -> Result<Plan, OpenError> {
    let start = snapshots.iter().chain([&evidence.start]);
    let start = start.filter(|id| id.term <= evidence.hard_state.term).max_by_key(|id| id.index);
    let start = start.copied().unwrap_or_default();
    let newest = *numbers.last().expect("an empty log is not corrupt");
    let Some((segment, sound)) = beginning(folder, numbers, evidence.last)? else {
        return Ok(start_plan(start, newest, numbers, options, evidence));
    };
    let outline = &sound.outline;
    if !outline.is_whole() || outline.last_index() < start.index {
        return Ok(start_plan(start, newest, numbers, options, evidence));
    }
    let last = outline.last();
    let floor = Some(evidence.floor).filter(|floor| *floor > last);
    let commit = outline.hard_state().commit;
    let first_aside = segment.header.number + u64::from(sound.complete);
    Ok(Plan {
        base: Some((segment, sound.end)),
        header: successor_of(&segment.header, newest, options, sound.end),
        frame: Some((
            sound.flush,
            HardState { commit, ..evidence.hard_state },
            Marks { floor, ..outline.marks() },
        )),
        aside: numbers.iter().copied().filter(|number| *number >= first_aside).collect(),
        last,
    })
}

/// Nothing of the log is kept: it starts after `start`.
fn start_plan(
    start: LogId,
    newest: u64,
    numbers: &[u64],
    options: &Options,
    evidence: &Evidence,
) -> Plan {
    let hard_state = HardState { commit: start.index, ..evidence.hard_state };
    let floor = Some(evidence.floor).filter(|floor| *floor > start);
    let header = SegmentHeader {
        number: newest + 1,
        predecessor: 0,
        predecessor_checksum: 0,
        salt: options.salt,
        capacity: options.segment_bytes,
        first_flush: FIRST_FLUSH,
        hard_state,
        first_index: start.index + 1,
        previous_term: start.term,
        start,
        floor,
    };
    let frame = (FIRST_FLUSH, hard_state, Marks { start, last: start, floor });
    Plan { base: None, header, frame: Some(frame), aside: numbers.to_vec(), last: start }
}

/// The log from its oldest segment up to the damage, or up to where it last ended no later than at
/// `newest`, its own end: the segment in which that is, and how far it goes.
fn beginning<D: Disk>(
    folder: &Folder<D>,
    numbers: &[u64],
    newest: LogId,
) -> Result<Option<(LiveSegment, Sound)>, OpenError> {
    // Where the chain from the newest segment down breaks, the log goes on below the gap.
    let mut highest = numbers.len();
    while let Some(number) = highest.checked_sub(1).map(|position| numbers[position]) {
        let chain = chain_from(folder, &numbers[..highest], number)?;
        let Some(oldest) = chain.first() else {
            highest -= 1;
            continue;
        };
        let predecessor = oldest.header.predecessor;
        let below = numbers.partition_point(|number| *number < oldest.header.number);
        let covered = oldest.header.first_index <= oldest.header.start.index + 1;
        if predecessor != 0 && below > 0 && !covered {
            highest = below;
            continue;
        }
        let sound = read_sound(folder, &chain)?;
        let sound = match sound.outline.last() <= newest {
            true => Some(sound),
            false => read_within(folder, &chain, newest)?,
        };
        return Ok(sound.map(|sound| (chain[sound.position], sound)));
    }
    Ok(None)
}
