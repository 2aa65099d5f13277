//! The log itself: appending, reading, preparing.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use disk::{Disk, File};

use crate::error::{Corruption, Error, OpenError, ReadError};
use crate::folder::Folder;
use crate::format::{
    BLOCK_BYTES, FRAME_HEADER_BYTES, FrameHeader, Heads, RECORD_HEAD_BYTES, SegmentHeader, encode,
};
use crate::index::{Index, Span};
use crate::outline::{Outline, check_promises};
use crate::recovery::{Replayed, replay};
use crate::segment::ActiveSegment;
use crate::types::{Batch, Entry, HardState, Options, Recovered, Stats};

/// Bytes of the write buffer that are kept from one flush to the next.
const BUFFER_KEPT_BYTES_MAX: usize = 8 << 20;

/// A durable log. Its methods are of three kinds: commands that write ([`Wal::append`],
/// [`Wal::write_closing_frame`], [`Wal::prepare_spare`]), [`Wal::read`], and getters.
pub struct Wal<D: Disk> {
    folder: Folder<D>,
    options: Options,
    outline: Outline,
    index: Index,
    /// Of every live segment but the active one: the checksum of its header.
    seeds: BTreeMap<u64, u32>,
    active: ActiveSegment<D::File>,
    /// The sealed segment that was read last.
    reading: Option<(u64, D::File)>,
    /// The next frame's number.
    flush: u64,
    /// Whether the last frame is a closing one, or there is none.
    closed: bool,
    /// The highest commit index heard of, which the next frame will carry.
    commit: u64,
    /// Reused for each frame.
    buffer: Vec<u8>,
    poisoned: Option<disk::Error>,
    stats: Stats,
}

impl<D: Disk> Wal<D> {
    /// Opens the log in `directory`, or begins one there.
    ///
    /// `visit` sees every record in the order of the log; one with an index seen before supersedes
    /// it and all after it. What is returned was made durable again before (a process that crashed
    /// may have left some of it in the page cache only), so that acknowledging it is safe.
    ///
    /// No other process may have the log open: [`crate::DataDirectory`] holds the lock.
    ///
    /// # Errors
    /// [`OpenError::Corrupt`] if something durable is damaged; a flush that a crash interrupted is
    /// not, and is reported in [`Recovered::torn_tail`].
    pub fn open(
        disk: D,
        directory: &Path,
        options: Options,
        visit: &mut dyn FnMut(&Entry),
    ) -> Result<(Wal<D>, Recovered), OpenError> {
        options.assert_valid();
        let (mut folder, numbers) = Folder::open(disk, directory)?;
        let replayed = replay(&mut folder, &numbers, &options, visit)?;
        let Replayed { outline, index, seeds, active, flush, closed, recovered } = replayed;
        let wal = Wal {
            folder,
            options,
            commit: outline.hard_state().commit,
            outline,
            index,
            seeds,
            active,
            reading: None,
            flush,
            closed,
            buffer: Vec::new(),
            poisoned: None,
            stats: Stats::default(),
        };
        Ok((wal, recovered))
    }

    /// Makes all of `batches` durable, in order, with one write and one flush (two where they cross
    /// into the next segment). On `Ok` everything is durable; after an error, what is durable is
    /// unknown, and the log is poisoned.
    ///
    /// Batches that bring no entries and the same term and vote write nothing: their commit index
    /// goes with the next frame.
    ///
    /// # Panics
    /// If a batch contradicts the log: a gap, a truncation of what is committed, a term that goes
    /// back, a vote that changes, a payload above [`Options::payload_bytes_max`].
    pub fn append(&mut self, batches: &[Batch]) -> Result<(), Error> {
        self.check_poison()?;
        let (records, hard_state) = self.merge(batches);
        self.commit = hard_state.commit;
        let promised = self.outline.hard_state();
        let same_promises = (hard_state.term, hard_state.vote) == (promised.term, promised.vote);
        if records.is_empty() && same_promises {
            return Ok(());
        }
        let written = self.write_frames(&records, hard_state);
        self.poison_on_error(written)
    }

    /// Writes a frame that carries nothing, so that damage to the one before it can be told from a
    /// torn tail; to be called after 100 ms without an append. It does nothing if the last frame is
    /// such a one and the commit index has not moved.
    pub fn write_closing_frame(&mut self) -> Result<(), Error> {
        self.check_poison()?;
        if self.closed && self.commit == self.outline.hard_state().commit {
            return Ok(());
        }
        let hard_state = HardState { commit: self.commit, ..self.outline.hard_state() };
        let room = if self.active.space() == 0 { self.begin_segment() } else { Ok(()) };
        let written = room.and_then(|()| self.write_frame(&[], hard_state, true));
        self.poison_on_error(written)
    }

    /// Takes one step (at most 1 MiB of zeros, flushed) to have segments ready before they are
    /// needed; to be called when there is nothing else to do. False if nothing is left to prepare.
    /// A log that never calls it works, and pays at each flush for extending its file.
    ///
    /// # Errors
    /// [`Error::Preparation`] leaves the log as sound as it was.
    pub fn prepare_spare(&mut self) -> Result<bool, Error> {
        self.check_poison()?;
        let Options { spares, segment_bytes, .. } = self.options;
        let prepared = if self.active.is_unprepared() {
            self.active.prepare().map(|()| true)
        } else {
            self.folder.prepare(spares, segment_bytes)
        };
        self.stats.failed_preparations += u64::from(prepared.is_err());
        prepared.map_err(Error::Preparation)
    }

    /// The entries `from..=to`, which must be in the log: as many as have `bytes_max` bytes
    /// together, but at least one. Each counts with [`RECORD_HEAD_BYTES`] and its payload, so that
    /// entries without payload are bounded too. Each is checked against its checksum.
    pub fn read(&mut self, from: u64, to: u64, bytes_max: usize) -> Result<Vec<Entry>, ReadError> {
        if let Some(cause) = &self.poisoned {
            return Err(ReadError::Poisoned { cause: cause.clone() });
        }
        let (first, last) = (self.outline.first_index(), self.outline.last_index());
        assert!(
            first <= from && from <= to && to <= last,
            "{from}..={to} is not in the log, which has {first}..={last}"
        );
        let mut entries = Vec::new();
        let (mut next, mut bytes_left) = (from, bytes_max);
        while next <= to {
            let span = self.index.find(next);
            let wanted = next..=to.min(span.last);
            if !self.read_span(&span, wanted, &mut bytes_left, &mut entries)? {
                break;
            }
            next = span.last + 1;
        }
        Ok(entries)
    }

    /// Term and index of the last durable entry; none if there never was one.
    pub fn last_log_id(&self) -> Option<(u64, u64)> {
        self.outline.last()
    }

    /// The index the log begins at; it has no entries if the last index is below that.
    pub fn first_index(&self) -> u64 {
        self.outline.first_index()
    }

    /// The last index, 0 if there never was an entry.
    pub fn last_index(&self) -> u64 {
        self.outline.last_index()
    }

    /// The term of an entry of the log, or of the one just before its beginning (0 if there is
    /// none).
    ///
    /// # Panics
    /// If `index` is neither.
    pub fn term_at(&self, index: u64) -> u64 {
        self.outline.term_at(index)
    }

    /// The durable hard state; its commit index may trail what [`Wal::append`] was told.
    pub fn hard_state(&self) -> HardState {
        self.outline.hard_state()
    }

    /// Whether a write failed: nothing can be written or read any more.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.is_some()
    }

    /// What the log did since it was opened.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// The longest payload an entry may have, in bytes.
    pub fn payload_bytes_max(&self) -> u64 {
        self.options.payload_bytes_max()
    }

    fn check_poison(&self) -> Result<(), Error> {
        match &self.poisoned {
            Some(cause) => Err(Error::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    fn poison_on_error(&mut self, written: Result<(), disk::Error>) -> Result<(), Error> {
        written.map_err(|cause| {
            self.poisoned = Some(cause.clone());
            Error::Poisoned { cause }
        })
    }

    /// What is left to write of `batches` once later truncations are done: entries without gaps,
    /// and the last hard state.
    fn merge<'a>(&self, batches: &'a [Batch]) -> (Vec<&'a Entry>, HardState) {
        let mut records: Vec<&Entry> = Vec::new();
        let mut last_index = self.outline.last_index();
        let mut hard_state = HardState { commit: self.commit, ..self.outline.hard_state() };
        for batch in batches {
            for (position, entry) in batch.entries.iter().enumerate() {
                let Entry { index, .. } = entry;
                assert!(*index <= last_index + 1, "index {index} leaves a gap after {last_index}");
                assert!(position == 0 || *index == last_index + 1, "a batch ascends: {index}");
                assert!(*index > hard_state.commit, "index {index} is committed already");
                truncate(&mut records, *index);
                records.push(entry);
                last_index = *index;
            }
            if let Err(contradiction) = check_promises(hard_state, batch.hard_state) {
                panic!("a batch contradicts the one before: {contradiction}");
            }
            let commit = batch.hard_state.commit.min(last_index).max(hard_state.commit);
            hard_state = HardState { commit, ..batch.hard_state };
        }
        (records, hard_state)
    }

    /// Writes records and hard state as few frames as segments allow: one, or one a segment.
    fn write_frames(
        &mut self,
        mut records: &[&Entry],
        hard_state: HardState,
    ) -> Result<(), disk::Error> {
        loop {
            let fitting = fitting_records(records, self.active.space());
            let all = fitting == records.len() && self.active.space() > 0;
            if all {
                return self.write_frame(records, hard_state, false);
            }
            let segment_bytes_max = self.options.frame_bytes_max();
            if fitting == 0 || fitting_records(records, segment_bytes_max) == records.len() {
                self.begin_segment()?;
                assert!(
                    records.is_empty() || fitting_records(records, self.active.space()) > 0,
                    "the payload of index {} does not fit into a segment",
                    records[0].index
                );
                continue;
            }
            let (now, later) = records.split_at(fitting);
            let commit = hard_state.commit.min(now[fitting - 1].index);
            self.write_frame(now, HardState { commit, ..hard_state }, false)?;
            records = later;
        }
    }

    /// Writes one frame, flushes it, and takes it over.
    fn write_frame(
        &mut self,
        records: &[&Entry],
        hard_state: HardState,
        closing: bool,
    ) -> Result<(), disk::Error> {
        let log_ids = || records.iter().map(|entry| (entry.index, entry.term));
        if let Err(contradiction) = self.outline.check(log_ids(), hard_state) {
            panic!("a batch contradicts the log: {contradiction}");
        }
        let (segment, previous, seed) = (self.active.number, self.active.chain, self.active.seed);
        let header = FrameHeader { segment, flush: self.flush, previous, hard_state, closing };
        let checksum = encode(&mut self.buffer, seed, &header, records);
        let offset = self.active.offset();
        self.active.write(&self.buffer, checksum)?;

        if let (Some(first), Some(last)) = (records.first(), records.last()) {
            let (first, last, records) = (first.index, last.index, records.len() as u32);
            self.index.push(Span { first, last, records, segment, offset });
        }
        self.outline.advance(log_ids(), hard_state);
        self.flush += 1;
        self.closed = closing;
        self.count_frame(records.len());
        self.buffer.shrink_to(BUFFER_KEPT_BYTES_MAX);
        Ok(())
    }

    fn count_frame(&mut self, records: usize) {
        self.stats.frames += 1;
        self.stats.flushes += 1;
        self.stats.closing_frames += u64::from(self.closed);
        self.stats.records += records as u64;
        self.stats.bytes_written += self.buffer.len() as u64;
    }

    /// Seals the active segment and begins the next. All frames so far are durable.
    fn begin_segment(&mut self) -> Result<(), disk::Error> {
        let last_index = self.outline.last_index();
        let header = SegmentHeader {
            number: self.active.number + 1,
            predecessor: self.active.number,
            predecessor_checksum: self.active.chain,
            salt: self.options.salt,
            capacity: self.options.segment_bytes,
            first_flush: self.flush,
            hard_state: self.outline.hard_state(),
            first_index: last_index + 1,
            previous_term: self.outline.term_at(last_index),
        };
        let draft = self.folder.draft(&header)?;
        let seed = draft.seed;
        let begun = self.folder.publish(draft)?;
        self.seeds.insert(self.active.number, self.active.seed);
        self.active = ActiveSegment::new(begun, &header, BLOCK_BYTES, seed);
        self.stats.segments += 1;
        Ok(())
    }

    /// Adds the entries of `wanted` (indexes) that lie in `span`, as far as `bytes_left` goes;
    /// whether that was all of them.
    fn read_span(
        &mut self,
        span: &Span,
        wanted: std::ops::RangeInclusive<u64>,
        bytes_left: &mut usize,
        entries: &mut Vec<Entry>,
    ) -> Result<bool, ReadError> {
        let corrupt = |path, damage| {
            let (offset, sound_index) = (span.offset, wanted.start() - 1);
            ReadError::Corrupt(Corruption { path, offset, damage, sound_index })
        };
        let path = self.folder.segment_path(span.segment);
        let (file, seed) = self.segment(span.segment)?;
        let heads = read_exactly(file, span.offset, Heads::size_bytes(span.records))?;
        let heads = Heads::parse(heads, seed).map_err(|damage| corrupt(path.clone(), damage))?;

        let start = (wanted.start() - span.first) as usize;
        let end = (wanted.end() - span.first) as usize + 1;
        let count_min = usize::from(entries.is_empty());
        let (count, range) = heads.payload_range(start..end, count_min, *bytes_left);
        let payload_bytes = (range.end - range.start) as usize;
        let payloads = read_exactly(file, span.offset + range.start, payload_bytes)?;
        for entry in heads.entries(start..start + count, payloads) {
            entries.push(entry.map_err(|damage| corrupt(path.clone(), damage))?);
        }
        let left = bytes_left.checked_sub(payload_bytes + count * RECORD_HEAD_BYTES);
        *bytes_left = left.unwrap_or(0);
        Ok(left.is_some() && start + count == end)
    }

    /// A segment's file and the checksum of its header.
    fn segment(&mut self, number: u64) -> Result<(&D::File, u32), disk::Error> {
        if number == self.active.number {
            return Ok((&self.active.file, self.active.seed));
        }
        let seed = *self.seeds.get(&number).expect("spans lie in live segments");
        if self.reading.as_ref().is_none_or(|(open, _)| *open != number) {
            self.reading = Some((number, self.folder.open_segment(number)?));
        }
        let (_, file) = self.reading.as_ref().expect("opened above");
        Ok((file, seed))
    }
}

/// Drops the records from `index` on.
fn truncate(records: &mut Vec<&Entry>, index: u64) {
    let first = records.first().map_or(index, |entry| entry.index);
    records.truncate(index.saturating_sub(first) as usize);
}

/// How many of the first records fit into a frame of `bytes`.
fn fitting_records(records: &[&Entry], bytes: u64) -> usize {
    let mut left = bytes.saturating_sub(FRAME_HEADER_BYTES as u64);
    let fits = |entry: &&&Entry| {
        let rest = left.checked_sub((RECORD_HEAD_BYTES + entry.payload.len()) as u64);
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    records.iter().take_while(fits).count()
}

fn read_exactly(file: &impl File, offset: u64, count: usize) -> Result<Bytes, disk::Error> {
    // What a file lacks reads as zeros, and fails the checksum.
    let mut bytes = vec![0; count];
    file.read_at(&mut bytes, offset)?;
    Ok(Bytes::from(bytes))
}
