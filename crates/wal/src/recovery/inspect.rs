//! Looking at a log without touching it: what it holds, and everything that is wrong with it.

use std::path::{Path, PathBuf};

use disk::Disk;

use super::repair::forecast;
use super::{Replay, is_no_tear, read_header, read_segment};
use crate::error::{Corruption, OpenError};
use crate::folder::Folder;
use crate::outline::{LogId, some};
use crate::types::{Forecast, HardState, Options, TornTail, Visit};

/// One file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentReport {
    /// The file.
    pub path: PathBuf,
    /// Whether the log still counts on it; those that it does not are removed on opening.
    pub live: bool,
    /// The first index after what is before the segment; 0 if its header does not tell.
    pub first_index: u64,
    /// Its sound frames.
    pub frames: u64,
    /// The records in them.
    pub records: u64,
}

/// A log as it was found. Nothing was changed, and nothing was made durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReport {
    /// Every segment, oldest first.
    pub segments: Vec<SegmentReport>,
    /// Everything that is damaged, oldest first; empty for a sound log.
    pub damages: Vec<Corruption>,
    /// What a repair would keep and lose; none if there is nothing to repair, or no way to.
    pub forecast: Option<Forecast>,
    /// As far as the log is sound: the newest hard state,
    pub hard_state: HardState,
    /// (term, index) of the entry that it starts after,
    pub start: Option<(u64, u64)>,
    /// (term, index) of the last entry,
    pub last: Option<(u64, u64)>,
    /// and (term, index) of the last entry that it once had, if it lost that.
    pub floor: Option<(u64, u64)>,
    /// The remains of a flush that a crash interrupted; nothing is lost by it.
    pub torn_tail: Option<TornTail>,
    /// A closing frame is at its end, or there is nothing to close: damage to its last flush could
    /// not pass for a torn tail (rule 1.3).
    pub closed: bool,
}

impl LogReport {
    /// Whether nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }
}

/// Reads all of the log in `directory`, shows what it holds, as far as it is sound, to `visit`, and
/// changes nothing. `snapshots` are the (term, index) of usable snapshots.
///
/// # Errors
/// Of the disk, or of a segment of a later version. Damage is no error here.
pub fn inspect<D: Disk>(
    disk: D,
    directory: &Path,
    snapshots: &[(u64, u64)],
    visit: &mut dyn FnMut(Visit<'_>),
) -> Result<LogReport, OpenError> {
    let folder = Folder::look(disk, directory)?;
    let numbers = folder.numbers()?;
    let mut report = LogReport {
        segments: Vec::new(),
        damages: Vec::new(),
        forecast: None,
        hard_state: HardState::default(),
        start: None,
        last: None,
        floor: None,
        torn_tail: None,
        closed: false,
    };
    let live = live_numbers(&folder, &numbers)?;
    for number in &numbers {
        report.segments.push(look_at(&folder, *number, &live, &mut report.damages)?);
    }
    read_all(&folder, &numbers, &mut report, visit)?;
    if !report.is_sound() {
        let snapshots: Vec<LogId> = snapshots.iter().map(|id| LogId::from(*id)).collect();
        report.forecast = forecast(&folder, &numbers, &Options::default(), &snapshots)?;
    }
    Ok(report)
}

/// The segments that count: from the newest one down, as far as headers can be read.
fn live_numbers<D: Disk>(folder: &Folder<D>, numbers: &[u64]) -> Result<Vec<u64>, OpenError> {
    let mut live = Vec::new();
    let mut next = numbers.last().copied();
    while let Some(number) = next.filter(|number| numbers.binary_search(number).is_ok()) {
        live.push(number);
        next = match read_header(folder, number) {
            Ok(segment) => Some(segment.header.predecessor),
            Err(OpenError::Corrupt(_)) => number.checked_sub(1),
            Err(error) => return Err(error),
        };
    }
    Ok(live)
}

/// Reads one segment by itself.
fn look_at<D: Disk>(
    folder: &Folder<D>,
    number: u64,
    live: &[u64],
    damages: &mut Vec<Corruption>,
) -> Result<SegmentReport, OpenError> {
    let (path, counts) = (folder.segment_path(number), live.contains(&number));
    let mut report = SegmentReport { path, live: counts, first_index: 0, frames: 0, records: 0 };
    let segment = match read_header(folder, number) {
        Ok(segment) => segment,
        Err(OpenError::Corrupt(corruption)) => {
            damages.extend(counts.then_some(corruption));
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    report.first_index = segment.header.first_index;
    let mut reader = read_segment(folder, &segment)?;
    let mut last = report.first_index - 1;
    let damage = loop {
        match reader.next()? {
            Ok(frame) => {
                report.frames += 1;
                report.records += frame.entries.len() as u64;
                last = frame.entries.last().map_or(last, |entry| entry.index);
            }
            Err(damage) => break damage,
        }
    };
    // Nothing is torn in a segment that another follows.
    let sealed = live.first().is_some_and(|newest| *newest != number);
    let torn = sealed && reader.claim_at(reader.offset)?.is_some();
    let damaged = torn || is_no_tear(damage) || reader.newest_later_frame()?.is_some();
    damages.extend((counts && damaged).then(|| reader.corruption(damage, last)));
    Ok(report)
}

/// Reads the log as a whole: what only shows between segments is found here.
fn read_all<D: Disk>(
    folder: &Folder<D>,
    numbers: &[u64],
    report: &mut LogReport,
    visit: &mut dyn FnMut(Visit<'_>),
) -> Result<(), OpenError> {
    let (mut chain, broken) = match super::live_segments(folder, numbers) {
        Ok(chain) => (chain, None),
        Err(OpenError::Corrupt(corruption)) => (Vec::new(), Some(corruption)),
        Err(error) => return Err(error),
    };
    let mut found = broken;
    if let Some(last) = chain.pop() {
        let mut replay = Replay::starting_at(chain.first().unwrap_or(&last), visit);
        let read = replay.segments(folder, &chain, &last, visit);
        match read {
            Ok((_, torn_tail)) => report.torn_tail = torn_tail,
            Err(OpenError::Corrupt(corruption)) => found = Some(corruption),
            Err(error) => return Err(error),
        }
        report.closed = replay.closed;
        report.hard_state = replay.outline.hard_state();
        report.start = some(replay.outline.start());
        report.last = some(replay.outline.last());
        report.floor = replay.outline.floor().and_then(some);
    }
    let is_known = |corruption: &Corruption| {
        let same =
            |known: &Corruption| known.path == corruption.path && known.offset == corruption.offset;
        report.damages.iter().any(same)
    };
    let unknown = found.filter(|corruption| !is_known(corruption));
    report.damages.extend(unknown);
    report.damages.sort_by(|a, b| (&a.path, a.offset).cmp(&(&b.path, b.offset)));
    Ok(())
}
