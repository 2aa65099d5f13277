//! What goes into the log and what comes back.

use std::path::PathBuf;

use bytes::Bytes;

use crate::error::Corruption;
use crate::format::{BLOCK_BYTES, FRAME_HEADER_BYTES, RECORD_HEAD_BYTES};

/// Smallest segment: the header block and a few frames.
pub const SEGMENT_BYTES_MIN: u64 = 16 << 10;
/// Largest segment. A segment is read and copied as a whole on opening.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// What a member promised, durable before any message that depends on it leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// The latest term seen; never goes back.
    pub term: u64,
    /// The member voted for in this term, if any; never 0, never changed within a term.
    pub vote: Option<u64>,
    /// The highest index known to be committed. A hint: never above the last index, never goes
    /// back, and not worth a flush of its own.
    pub commit: u64,
}

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the payload is; the log does not interpret it.
    pub kind: u8,
    /// The leader's term; never less than that of the index before.
    pub term: u64,
    /// Position in the log, from 1.
    pub index: u64,
    /// The leader's wall clock, in ms.
    pub stamp_ms: u64,
    /// For how long the cluster has had a leader, in ms.
    pub age_ms: u64,
    /// The bytes. An entry that was read shares them with its neighbours on the disk: whoever keeps
    /// a small one for long copies it.
    pub payload: Bytes,
}

/// What one step of consensus wants durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The log starts after this entry, given as (term, index), before the batch's own entries
    /// come: a snapshot stands for all up to there. What the log holds after that entry stays if
    /// the log holds the entry itself; otherwise the log has no entries then. It is never lower
    /// than the start before, and committed: the commit index is at least that.
    pub start: Option<(u64, u64)>,
    /// Durable together with the entries, or later ones.
    pub hard_state: HardState,
    /// Ascending without gaps. The first index is at most one past the last of the log; a lower one
    /// truncates the log from there, and must be above the commit index.
    pub entries: Vec<Entry>,
}

impl Batch {
    /// Entries and hard state; the log starts where it did.
    pub fn new(hard_state: HardState, entries: Vec<Entry>) -> Batch {
        Batch { start: None, hard_state, entries }
    }
}

/// How a log is kept. The defaults are for production.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of a segment file, a multiple of 4096 between [`SEGMENT_BYTES_MIN`] and
    /// [`SEGMENT_BYTES_MAX`]. It holds for segments begun from now on.
    pub segment_bytes: u64,
    /// Prepared files that are kept in reserve: [`crate::SpareKeeper`] makes them, and segments
    /// that the log gives up become some, a few more at most.
    pub spares: usize,
    /// A number that clients cannot know, so that no value they store can pass for a frame. Any
    /// random number will do, and another one each time.
    pub salt: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { segment_bytes: 64 << 20, spares: 2, salt: 0 }
    }
}

impl Options {
    /// The longest payload that a segment has room for.
    pub fn payload_bytes_max(&self) -> u64 {
        self.frame_bytes_max() - (FRAME_HEADER_BYTES + RECORD_HEAD_BYTES) as u64
    }

    /// The longest frame that a segment has room for.
    pub(crate) fn frame_bytes_max(&self) -> u64 {
        self.segment_bytes - BLOCK_BYTES
    }

    pub(crate) fn assert_valid(&self) {
        let bytes = self.segment_bytes;
        assert!(
            (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes)
                && bytes.is_multiple_of(BLOCK_BYTES),
            "segment_bytes is {bytes}: it must be a multiple of {BLOCK_BYTES} between \
             {SEGMENT_BYTES_MIN} and {SEGMENT_BYTES_MAX}"
        );
    }
}

/// What [`crate::Wal::open`] comes upon while it reads the log, in the order of the log.
#[derive(Clone, Copy, Debug)]
pub enum Visit<'a> {
    /// Reading begins, or begins again: what was visited before is void. The log holds what comes
    /// after this entry (0 of term 0: from its first entry on).
    Begin {
        /// The term of that entry.
        term: u64,
        /// Its index.
        index: u64,
    },
    /// The log starts after this entry. If it was visited with that term, or is the one that the
    /// log began after, whatever came after it stays; otherwise all that was visited is void.
    Start {
        /// The term of that entry.
        term: u64,
        /// Its index.
        index: u64,
    },
    /// An entry. One with an index seen before supersedes it and all after it.
    Entry(&'a Entry),
}

/// What [`crate::Wal::open`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The newest hard state that was durable.
    pub hard_state: HardState,
    /// Term and index of the entry that the log starts after; none if it has its first entry. A
    /// snapshot must cover that entry: whoever has none can not say what state the log continues.
    pub start: Option<(u64, u64)>,
    /// The index the log begins at.
    pub first_index: u64,
    /// Term and index of the last entry, or of the one the log starts after; none if there never
    /// was one.
    pub last: Option<(u64, u64)>,
    /// The remains of a flush that did not finish. Nobody was told that it had, so nothing is lost.
    pub torn_tail: Option<TornTail>,
    /// What was damaged and could be repaired, oldest first; none unless repairs were allowed.
    pub repairs: Vec<Repaired>,
    /// Term and index of the last entry that the log once had, if that is after the last one it
    /// has: a repair cut it off. This member may have acknowledged it.
    pub floor: Option<(u64, u64)>,
    /// Records that were visited, superseded ones included.
    pub records: u64,
}

/// A damage that the log goes on without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// What was wrong, and where.
    pub corruption: Corruption,
    /// Damaged segments that were set aside: they no longer count.
    pub set_aside: Vec<PathBuf>,
    /// Term and index of the last entry that is left, or that the log starts after.
    pub last: Option<(u64, u64)>,
    /// Term and index of the last entry that was lost; none if a snapshot stands for all that was.
    pub lost_to: Option<(u64, u64)>,
}

/// What a repair would make of a damaged log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Term and index of the last entry that would be left, or that the log would start after.
    pub last: Option<(u64, u64)>,
    /// Term and index of the last entry that would be lost; none if snapshots stand for all.
    pub lost_to: Option<(u64, u64)>,
}

/// The remains of a flush that a crash interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The number of the segment it was in.
    pub segment: u64,
    /// Where it began, in bytes from the start of the segment.
    pub offset: u64,
    /// How long it said it was, in bytes.
    pub bytes: u64,
}

/// What a log did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Frames written.
    pub frames: u64,
    /// Of those, closing frames.
    pub closing_frames: u64,
    /// Records in them.
    pub records: u64,
    /// Flushes of frames (fdatasync).
    pub flushes: u64,
    /// Bytes of frames, padding included.
    pub bytes_written: u64,
    /// Segments begun.
    pub segments: u64,
    /// Segments given up after the log was cut, and made into spares.
    pub segments_recycled: u64,
    /// Segments given up after the log was cut, and removed.
    pub segments_removed: u64,
    /// Steps of preparation that failed.
    pub failed_preparations: u64,
}
