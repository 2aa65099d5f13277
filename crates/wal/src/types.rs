//! What goes into the log and what comes back.

use bytes::Bytes;

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
    /// Durable together with the entries, or later ones.
    pub hard_state: HardState,
    /// Ascending without gaps. The first index is at most one past the last of the log; a lower one
    /// truncates the log from there, and must be above the commit index.
    pub entries: Vec<Entry>,
}

/// How a log is kept. The defaults are for production.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of a segment file, a multiple of 4096 between [`SEGMENT_BYTES_MIN`] and
    /// [`SEGMENT_BYTES_MAX`]. It holds for segments begun from now on.
    pub segment_bytes: u64,
    /// Prepared files that [`crate::Wal::prepare_spare`] keeps in reserve.
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

/// What [`crate::Wal::open`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The newest hard state that was durable.
    pub hard_state: HardState,
    /// The index the log begins at. Above 1, a snapshot must cover what is before it: whoever has
    /// none has lost a part of the log.
    pub first_index: u64,
    /// Term and index of the last entry; none if there never was one.
    pub last: Option<(u64, u64)>,
    /// The remains of a flush that did not finish. Nobody was told that it had, so nothing is lost.
    pub torn_tail: Option<TornTail>,
    /// Records that were visited, superseded ones included.
    pub records: u64,
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
    /// Steps of preparation that failed.
    pub failed_preparations: u64,
}
