//! What the sound bytes of a damaged log say of its end.

use disk::{Disk, File};

use crate::error::OpenError;
use crate::folder::Folder;
use crate::format::{BLOCK_BYTES, FrameHeader, SegmentHeader, decode_checksum};
use crate::outline::LogId;
use crate::search::{Found, Sought, search_frames};
use crate::types::HardState;

/// Where a log ended, and what its member promised.
pub(super) struct Evidence {
    pub(super) hard_state: HardState,
    /// The last entry that it had.
    pub(super) last: LogId,
    /// The same, or what it once had before an earlier repair if that is newer: what was promised
    /// before is promised still, whatever was kept since.
    pub(super) floor: LogId,
    pub(super) start: LogId,
}

impl Evidence {
    /// From the newest segment; none if nothing in it names the last entry and the vote. Its header
    /// may have named a floor: where that is lost, the older segments are asked for one.
    pub(super) fn find<D: Disk>(
        folder: &Folder<D>,
        numbers: &[u64],
    ) -> Result<Option<Evidence>, OpenError> {
        let (newest, older) = numbers.split_last().expect("an empty log is not corrupt");
        let newest = Sound::read(folder, *newest)?;
        let Some(mut evidence) = newest.evidence() else { return Ok(None) };
        if newest.header.is_none() {
            for number in older {
                evidence.floor = evidence.floor.max(Sound::read(folder, *number)?.floor());
            }
        }
        Ok(Some(evidence))
    }
}

/// What is sound of a segment.
struct Sound {
    header: Option<SegmentHeader>,
    frames: Option<Found>,
}

impl Sound {
    fn read<D: Disk>(folder: &Folder<D>, number: u64) -> Result<Sound, OpenError> {
        let file = folder.open_segment(number)?;
        let mut block = vec![0; BLOCK_BYTES as usize];
        file.read_at(&mut block, 0)?;
        let header = SegmentHeader::decode(&block).ok().filter(|(h, _)| h.number == number);
        // A damaged header may still hold the checksum that its frames begin with.
        let seed = header.map_or(decode_checksum(&block), |(_, seed)| seed);
        let sought = Sought { number, seed, from: BLOCK_BYTES, end: file.size_bytes()? };
        let frames = search_frames(&file, sought)?;
        Ok(Sound { header: header.map(|(header, _)| header), frames })
    }

    /// The highest floor that it names.
    fn floor(&self) -> LogId {
        let header = self.header.and_then(|header| header.floor);
        let frames = self.frames.as_ref().and_then(|frames| frames.floor);
        header.max(frames).unwrap_or_default()
    }

    /// What it says of the log, if it is the newest.
    fn evidence(&self) -> Option<Evidence> {
        let start = self.header.map(|header| header.start).unwrap_or_default();
        let Some(Found { newest: frame, .. }) = &self.frames else {
            let header = self.header?;
            let last = LogId { term: header.previous_term, index: header.first_index - 1 };
            let (hard_state, floor) = (header.hard_state, last.max(self.floor()));
            return Some(Evidence { hard_state, last, floor, start });
        };
        let FrameHeader { hard_state, marks, .. } = frame.header();
        let record = frame.log_ids().last().map(|(index, term)| LogId { term, index });
        let last = marks.map(|marks| marks.last).or(record)?;
        let start = marks.map_or(start, |marks| marks.start);
        Some(Evidence { hard_state, last, floor: last.max(self.floor()), start })
    }
}
