//! The log itself: appending, reading, preparing.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use disk::{Disk, File};

use crate::error::{Corruption, Damage, Error, OpenError, ReadError};
use crate::folder::Folder;
use crate::format::{
    BLOCK_BYTES, FRAME_HEADER_BYTES, FrameHeader, Heads, RECORD_HEAD_BYTES, SegmentHeader, encode,
};
use crate::index::{Index, Span};
use crate::live::{Sealed, unneeded};
use crate::outline::{LogId, Outline, StartStep, check_promises, some};
use crate::recovery::{Replayed, repair, replay};
use crate::segment::ActiveSegment;
use crate::spares::SpareKeeper;
use crate::types::{Batch, Entry, HardState, Options, Recovered, Stats, Visit};

/// Bytes of the write buffer that are kept from one flush to the next.
const BUFFER_KEPT_BYTES_MAX: usize = 8 << 20;

/// Repairs in one opening. One is enough for any damage; more mean that the disk reads something
/// else each time.
const REPAIRS_MAX: usize = 4;

/// What a frame is written for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Occasion {
    /// Entries, or a promise.
    Append,
    /// Idleness.
    Closing,
    /// The log starts after that entry.
    Start(LogId),
}

/// A durable log. Its methods are of three kinds: commands that write ([`Wal::append`],
/// [`Wal::cut`], [`Wal::give_up_segments`], [`Wal::write_closing_frame`], [`Wal::prepare`]),
/// [`Wal::read`], and getters.
pub struct Wal<D: Disk> {
    folder: Folder<D>,
    options: Options,
    outline: Outline,
    index: Index,
    /// Every live segment but the active one, by number.
    sealed: BTreeMap<u64, Sealed>,
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
    /// `visit` sees what the log holds, in the order of the log. What is returned was made durable
    /// again before (a process that crashed may have left some of it in the page cache only), so
    /// that acknowledging it is safe.
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
        visit: &mut dyn FnMut(Visit<'_>),
    ) -> Result<(Wal<D>, Recovered), OpenError> {
        options.assert_valid();
        let (mut folder, numbers) = Folder::open(disk, directory)?;
        let replayed = replay(&mut folder, &numbers, &options, visit)?;
        Wal::from_replayed(folder, options, replayed)
    }

    /// Opens the log as [`Wal::open`] does, and goes on without what is damaged, as far as that is
    /// safe: see [`Recovered::repairs`] and [`Recovered::floor`]. `snapshots` looks for the (term,
    /// index) of usable snapshots, if it comes to that: what lies before one of them need not be in
    /// the log.
    ///
    /// # Errors
    /// [`OpenError::Wiped`] if the log does not even tell any more what it has lost.
    pub fn open_repairing(
        disk: D,
        directory: &Path,
        options: Options,
        snapshots: &dyn Fn() -> Result<Vec<(u64, u64)>, disk::Error>,
        visit: &mut dyn FnMut(Visit<'_>),
    ) -> Result<(Wal<D>, Recovered), OpenError> {
        options.assert_valid();
        let (mut folder, mut numbers) = Folder::open(disk, directory)?;
        let mut repairs = Vec::new();
        loop {
            match replay(&mut folder, &numbers, &options, visit) {
                Ok(replayed) => {
                    let (wal, recovered) = Wal::from_replayed(folder, options, replayed)?;
                    return Ok((wal, Recovered { repairs, ..recovered }));
                }
                Err(OpenError::Corrupt(corruption)) if repairs.len() < REPAIRS_MAX => {
                    let snapshots: Vec<LogId> = snapshots()?.into_iter().map(LogId::from).collect();
                    let repaired = repair(&mut folder, &numbers, &options, &snapshots, corruption)?;
                    repairs.push(repaired);
                    numbers = folder.numbers()?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn from_replayed(
        folder: Folder<D>,
        options: Options,
        replayed: Replayed<D::File>,
    ) -> Result<(Wal<D>, Recovered), OpenError> {
        let Replayed { outline, index, sealed, active, flush, closed, recovered } = replayed;
        let mut wal = Wal {
            folder,
            options,
            commit: outline.hard_state().commit,
            outline,
            index,
            sealed,
            active,
            reading: None,
            flush,
            closed,
            buffer: Vec::new(),
            poisoned: None,
            stats: Stats::default(),
        };
        wal.folder.note_active(wal.active.missing());
        // Whoever cut the log may have died before it gave the segments up.
        wal.release_segments()?;
        Ok((wal, recovered))
    }

    /// Makes all of `batches` durable, in order, with one write and one flush (two where they cross
    /// into the next segment). On `Ok` everything is durable; after an error, what is durable is
    /// unknown, and the log is poisoned.
    ///
    /// Batches that bring no entries and the same term and vote write nothing: their commit index
    /// goes with the next frame. A start that is new takes a frame and a flush of its own, before
    /// its batch's entries.
    ///
    /// # Panics
    /// If a batch contradicts the log: a gap, a truncation of what is committed, a term that goes
    /// back, a vote that changes, a start that goes back, a payload above
    /// [`Options::payload_bytes_max`].
    pub fn append(&mut self, batches: &[Batch]) -> Result<(), Error> {
        self.check_poison()?;
        let written = self.append_groups(batches);
        self.poison_on_error(written)
    }

    /// Makes durable that the log starts after the entry `to`, given as (term, index), which a
    /// snapshot covers; then gives up the segments that are not needed any more. It does nothing if
    /// the log starts there or later already.
    ///
    /// # Errors
    /// [`Error::Removal`] leaves the log cut and as sound as it was.
    ///
    /// # Panics
    /// If the log does not hold that entry.
    pub fn cut(&mut self, to: (u64, u64)) -> Result<(), Error> {
        self.check_poison()?;
        if to.1 <= self.outline.start().index {
            return Ok(());
        }
        assert!(self.outline.holds(to.into()), "the log is cut at an entry that it holds: {to:?}");
        let hard_state = self.outline.hard_state();
        let batch = Batch { start: Some(to), hard_state, entries: Vec::new() };
        self.append(&[batch])?;
        self.give_up_segments()
    }

    /// Removes the segments that the log's start has made needless, or makes them into spares; to
    /// be called after a batch with a start. [`Wal::cut`] does so itself.
    ///
    /// # Errors
    /// [`Error::Removal`] leaves the log as sound as it was.
    pub fn give_up_segments(&mut self) -> Result<(), Error> {
        self.check_poison()?;
        self.release_segments().map_err(Error::Removal)
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
        let written = room.and_then(|()| self.write_frame(&[], hard_state, Occasion::Closing));
        self.poison_on_error(written)
    }

    /// Takes one step (at most 1 MiB of zeros, flushed) to write the active segment's file ahead of
    /// its frames; to be called when there is nothing else to do. False if nothing is left to
    /// prepare. It is for segments that were begun before a spare was ready, the first one mostly:
    /// a log that never calls it works, and pays at each flush for extending its file.
    ///
    /// # Errors
    /// [`Error::Preparation`] leaves the log as sound as it was.
    pub fn prepare(&mut self) -> Result<bool, Error> {
        self.check_poison()?;
        if self.active.missing() == 0 {
            return Ok(false);
        }
        let prepared = self.active.prepare();
        self.folder.note_active(self.active.missing());
        self.stats.failed_preparations += u64::from(prepared.is_err());
        prepared.map(|()| true).map_err(Error::Preparation)
    }

    /// Who makes this log's spares, and says how much room it has: to be run beside it. A log whose
    /// keeper is never run works, and begins each segment with an empty file.
    pub fn spare_keeper(&self) -> SpareKeeper<D> {
        let Options { spares, segment_bytes, .. } = self.options;
        self.folder.keeper(spares, segment_bytes)
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

    /// Term and index of the last durable entry, or of the one that the log starts after; none if
    /// there never was one.
    pub fn last_log_id(&self) -> Option<(u64, u64)> {
        some(self.outline.last())
    }

    /// Term and index of the entry that the log starts after; none if it has its first entry.
    pub fn start(&self) -> Option<(u64, u64)> {
        some(self.outline.start())
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

    fn append_groups(&mut self, mut batches: &[Batch]) -> Result<(), disk::Error> {
        while let Some(first) = batches.first() {
            if let Some(start) = first.start {
                self.write_start(start.into(), first.hard_state)?;
            }
            let later = batches.iter().skip(1).position(|batch| batch.start.is_some());
            let (group, rest) = batches.split_at(later.map_or(batches.len(), |later| later + 1));
            self.append_group(group)?;
            batches = rest;
        }
        Ok(())
    }

    /// Writes batches whose starts are durable.
    fn append_group(&mut self, batches: &[Batch]) -> Result<(), disk::Error> {
        let (records, hard_state) = self.merge(batches);
        self.commit = hard_state.commit;
        let promised = self.outline.hard_state();
        let same_promises = (hard_state.term, hard_state.vote) == (promised.term, promised.vote);
        if records.is_empty() && same_promises {
            return Ok(());
        }
        self.write_frames(&records, hard_state)
    }

    /// Writes that the log starts after `start`, unless it does.
    fn write_start(&mut self, start: LogId, hard_state: HardState) -> Result<(), disk::Error> {
        let before = self.outline.start();
        assert!(start == before || start.index > before.index, "the start never goes back");
        if start == before {
            return Ok(());
        }
        let holds = self.outline.holds(start);
        assert!(holds || start.index > self.commit, "what is committed is never dropped");
        // The batch's own commit index may speak of entries that it brings, over those that stay.
        self.commit = self.commit.max(start.index);
        if self.active.space() == 0 {
            self.begin_segment()?;
        }
        let hard_state = HardState { commit: self.commit, ..hard_state };
        self.write_frame(&[], hard_state, Occasion::Start(start))
    }

    /// Gives up the segments that the log can do without.
    fn release_segments(&mut self) -> Result<(), disk::Error> {
        let active = (self.active.number, self.active.reach);
        let numbers = unneeded(&self.sealed, active, self.outline.start().index);
        if numbers.is_empty() {
            return Ok(());
        }
        self.sealed.retain(|number, _| !numbers.contains(number));
        self.reading = self.reading.take().filter(|(number, _)| !numbers.contains(number));
        let given_up = self.folder.give_up(&numbers, self.options.spares)?;
        self.stats.segments_recycled += given_up.recycled;
        self.stats.segments_removed += given_up.removed;
        Ok(())
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
                return self.write_frame(records, hard_state, Occasion::Append);
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
            self.write_frame(now, HardState { commit, ..hard_state }, Occasion::Append)?;
            records = later;
        }
    }

    /// Writes one frame, flushes it, and takes it over.
    fn write_frame(
        &mut self,
        records: &[&Entry],
        hard_state: HardState,
        occasion: Occasion,
    ) -> Result<(), disk::Error> {
        let log_ids = || records.iter().map(|entry| (entry.index, entry.term));
        let header = self.frame_header(records, hard_state, occasion);
        if let Err(contradiction) = self.outline.check_frame(log_ids(), &header) {
            panic!("a batch contradicts the log: {contradiction}");
        }
        let (segment, seed) = (self.active.number, self.active.seed);
        let checksum = encode(&mut self.buffer, seed, &header, records);
        let offset = self.active.offset();
        self.active.write(&self.buffer, checksum)?;
        self.folder.note_active(self.active.missing());

        if let (Some(first), Some(last)) = (records.first(), records.last()) {
            let (first, last, records) = (first.index, last.index, records.len() as u32);
            self.index.push(Span { first, last, records, segment, offset });
            self.active.reach.note(first);
        }
        let step = self.outline.advance_frame(log_ids(), &header);
        if step != StartStep::None {
            self.index.start_at(self.outline.first_index(), self.outline.last_index());
        }
        if step == StartStep::Dropped {
            self.active.reach.note(self.outline.first_index());
        }
        self.flush += 1;
        self.closed = header.closing;
        self.count_frame(records.len());
        self.buffer.shrink_to(BUFFER_KEPT_BYTES_MAX);
        Ok(())
    }

    fn frame_header(
        &self,
        records: &[&Entry],
        hard_state: HardState,
        occasion: Occasion,
    ) -> FrameHeader {
        let start = match occasion {
            Occasion::Start(start) => start,
            Occasion::Append | Occasion::Closing => self.outline.start(),
        };
        FrameHeader {
            segment: self.active.number,
            flush: self.flush,
            previous: self.active.chain,
            hard_state,
            closing: occasion == Occasion::Closing,
            marks: records.is_empty().then(|| self.outline.marks_from(start)),
        }
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
            start: self.outline.start(),
            floor: self.outline.floor(),
        };
        let draft = self.folder.draft(&header)?;
        let seed = draft.seed;
        let begun = self.folder.publish(draft)?;
        let sealed = Sealed { seed: self.active.seed, reach: self.active.reach };
        self.sealed.insert(self.active.number, sealed);
        self.active = ActiveSegment::new(begun, &header, BLOCK_BYTES, seed);
        self.folder.note_active(self.active.missing());
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
        let ours = wanted.clone().map(|index| (index, self.outline.term_at(index)));
        let ours: Vec<(u64, u64)> = ours.collect();
        let (file, seed) = self.segment(span.segment)?;
        let heads = read_exactly(file, span.offset, Heads::size_bytes(span.records))?;
        let heads = Heads::parse(heads, seed).map_err(|damage| corrupt(path.clone(), damage))?;

        let start = (wanted.start() - span.first) as usize;
        let end = (wanted.end() - span.first) as usize + 1;
        // A write that went astray leaves a sound frame in the place of another.
        let there = heads.log_ids().skip(start).take(end - start);
        if !there.eq(ours) {
            return Err(corrupt(path, Damage::Chain));
        }
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
        let seed = self.sealed.get(&number).expect("spans lie in live segments").seed;
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
