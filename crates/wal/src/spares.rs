//! Files that wait to become segments, and who prepares them.
//!
//! A flush into a file that is written already (with zeros, or with old frames) touches no metadata
//! of the file system, and can not meet a full disk. So a log has spares ready before it needs
//! them: [`SpareKeeper`] makes them, beside the log and never in its way, and the log takes them,
//! and gives up segments that become some.
//!
//! ```text
//!   SpareKeeper ── a new file ─ zeros ─ flush ─▶ ┌─────────┐ ── take ──▶ the next segment
//!   Wal::cut ───── a segment given up ─────────▶ │ Spares  │ ── take ──▶ the next start's copy
//!                                                └─────────┘
//! ```
//!
//! What the two share is [`Spares`]: a list behind a lock that nobody holds while a disk works. The
//! files in it stay open, so that taking one needs no descriptor. They are few: those that were
//! asked for, and `RECYCLED_BEYOND`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use disk::{Disk, File, Mode};

use crate::folder::spare_path;

/// Zeros that one step of preparation writes and flushes, in bytes: a few ms on a slow disk.
const PREPARE_STEP_BYTES: u64 = 1 << 20;

/// So many more spares than [`SpareKeeper`] makes may come of segments that were given up. A log
/// gives up at once what it has begun since the snapshot before: what of that comes back to it, it
/// has no zeros to write for. They are a third of what a busy follower does.
const RECYCLED_BEYOND: usize = 2;

/// A file that waits to become a segment.
#[derive(Debug)]
pub(crate) struct Spare<F> {
    pub(crate) name: u64,
    /// Bytes that are written already; those after them are written when it is used.
    pub(crate) prepared: u64,
    pub(crate) file: F,
}

/// The spares of a log; clones share them.
#[derive(Debug)]
pub(crate) struct Spares<F> {
    shelf: Arc<Mutex<Shelf<F>>>,
}

#[derive(Debug)]
struct Shelf<F> {
    waiting: Vec<Spare<F>>,
    /// Names that files in other hands have, or may have been left with by a failure.
    taken: BTreeSet<u64>,
    /// Bytes of the active segment's file that are still to be written.
    active_missing: u64,
}

impl<F> Clone for Spares<F> {
    fn clone(&self) -> Spares<F> {
        Spares { shelf: Arc::clone(&self.shelf) }
    }
}

impl<F> Default for Spares<F> {
    fn default() -> Spares<F> {
        let shelf = Shelf { waiting: Vec::new(), taken: BTreeSet::new(), active_missing: 0 };
        Spares { shelf: Arc::new(Mutex::new(shelf)) }
    }
}

impl<F> Spares<F> {
    fn shelf(&self) -> MutexGuard<'_, Shelf<F>> {
        // Whoever panicked with it in hand has said so; the list itself is never half changed.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A spare is ready to be taken.
    pub(crate) fn put(&self, spare: Spare<F>) {
        let mut shelf = self.shelf();
        shelf.taken.remove(&spare.name);
        shelf.waiting.push(spare);
    }

    /// The best prepared one. Its name stays taken until it is released.
    pub(crate) fn take(&self) -> Option<Spare<F>> {
        let mut shelf = self.shelf();
        shelf.waiting.sort_unstable_by_key(|spare| spare.prepared);
        let spare = shelf.waiting.pop()?;
        shelf.taken.insert(spare.name);
        Some(spare)
    }

    /// One that is shorter than `capacity`.
    fn take_unfinished(&self, capacity: u64) -> Option<Spare<F>> {
        let mut shelf = self.shelf();
        let position = shelf.waiting.iter().position(|spare| spare.prepared < capacity)?;
        let spare = shelf.waiting.remove(position);
        shelf.taken.insert(spare.name);
        Some(spare)
    }

    /// A name that no spare has.
    pub(crate) fn take_name(&self) -> u64 {
        self.shelf().take_name()
    }

    /// Names for segments that are given up, if `wanted` spares are made: as many as find a place.
    pub(crate) fn take_names(&self, segments: usize, wanted: usize) -> Vec<u64> {
        let mut shelf = self.shelf();
        let places = if wanted == 0 { 0 } else { wanted + RECYCLED_BEYOND };
        let free = places.saturating_sub(shelf.waiting.len() + shelf.taken.len());
        (0..segments.min(free)).map(|_| shelf.take_name()).collect()
    }

    /// No file has that name any more.
    pub(crate) fn release(&self, name: u64) {
        self.shelf().taken.remove(&name);
    }

    /// So much of the active segment's file is still to be written.
    pub(crate) fn note_active(&self, missing: u64) {
        self.shelf().active_missing = missing;
    }
}

impl<F> Shelf<F> {
    fn take_name(&mut self) -> u64 {
        let waiting = self.waiting.iter().map(|spare| spare.name);
        let name = waiting.chain(self.taken.iter().copied()).max().unwrap_or(0) + 1;
        self.taken.insert(name);
        name
    }
}

/// Makes a log's spares, a step at a time; to be run beside the log, on a thread of its own.
pub struct SpareKeeper<D: Disk> {
    disk: D,
    path: PathBuf,
    spares: Spares<D::File>,
    wanted: usize,
    segment_bytes: u64,
    at_work: Option<Spare<D::File>>,
}

/// What a step of [`SpareKeeper`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preparation {
    /// There is more to do.
    More,
    /// All spares are ready.
    Done,
    /// The disk has no room for another one.
    NoRoom,
}

/// The room that a log has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Bytes that the disk still takes.
    pub free_bytes: u64,
    /// Of these, bytes that spares which are not ready and the active segment are still to take.
    pub missing_bytes: u64,
    /// Spares that are ready, from their first byte to their last.
    pub spares: usize,
    /// Bytes of a segment.
    pub segment_bytes: u64,
}

impl<D: Disk> SpareKeeper<D> {
    pub(crate) fn new(
        disk: D,
        path: &Path,
        spares: Spares<D::File>,
        wanted: usize,
        segment_bytes: u64,
    ) -> SpareKeeper<D> {
        SpareKeeper { disk, path: path.to_path_buf(), spares, wanted, segment_bytes, at_work: None }
    }

    /// Takes one step: at most 1 MiB of zeros, flushed.
    ///
    /// # Errors
    /// The log is as sound as it was; what the step was working on is given up.
    pub fn step(&mut self) -> Result<Preparation, disk::Error> {
        let at_work = match self.at_work.take() {
            Some(at_work) => at_work,
            None => match self.begin()? {
                Ok(at_work) => at_work,
                Err(preparation) => return Ok(preparation),
            },
        };
        let name = at_work.name;
        let prepared = self.go_on(at_work);
        prepared.inspect_err(|_| self.give_up(name))
    }

    /// Whether a step would do something, if there is room for it.
    pub fn has_work(&self) -> bool {
        self.at_work.is_some() || self.next_needs().is_some()
    }

    /// The room that is left.
    pub fn room(&self) -> Result<Room, disk::Error> {
        let free_bytes = self.disk.free_bytes(&self.path)?;
        let shelf = self.spares.shelf();
        let at_work = self.at_work.iter().map(|at_work| at_work.prepared);
        let waiting = shelf.waiting.iter().map(|spare| spare.prepared);
        let missing: Vec<u64> =
            waiting.chain(at_work).map(|bytes| self.segment_bytes.saturating_sub(bytes)).collect();
        let unmade = self.wanted.saturating_sub(missing.len()) as u64;
        let missing_bytes =
            missing.iter().sum::<u64>() + unmade * self.segment_bytes + shelf.active_missing;
        let spares = missing.iter().filter(|bytes| **bytes == 0).count();
        Ok(Room { free_bytes, missing_bytes, spares, segment_bytes: self.segment_bytes })
    }

    /// What there is to work on, or why there is nothing.
    fn begin(&mut self) -> Result<Result<Spare<D::File>, Preparation>, disk::Error> {
        let Some(bytes) = self.next_needs() else { return Ok(Err(Preparation::Done)) };
        // Zeros that do not fit take the last bytes from whoever needs them more.
        if self.disk.free_bytes(&self.path)? < bytes {
            return Ok(Err(Preparation::NoRoom));
        }
        if let Some(spare) = self.spares.take_unfinished(self.segment_bytes) {
            return Ok(Ok(spare));
        }
        let name = self.spares.take_name();
        let opened = self.disk.open(&spare_path(&self.path, name), Mode::CreateNew);
        let file = opened.inspect_err(|_| self.spares.release(name))?;
        Ok(Ok(Spare { name, prepared: 0, file }))
    }

    /// Bytes that the next spare to be made or finished is to take; none if all are ready.
    fn next_needs(&self) -> Option<u64> {
        let shelf = self.spares.shelf();
        let unfinished = shelf.waiting.iter().find(|spare| spare.prepared < self.segment_bytes);
        let unmade = (shelf.waiting.len() < self.wanted).then_some(self.segment_bytes);
        unfinished.map(|spare| self.segment_bytes - spare.prepared).or(unmade)
    }

    fn go_on(&mut self, mut spare: Spare<D::File>) -> Result<Preparation, disk::Error> {
        spare.prepared = write_zeros(&spare.file, spare.prepared, self.segment_bytes)?;
        if spare.prepared < self.segment_bytes {
            self.at_work = Some(spare);
            return Ok(Preparation::More);
        }
        // It may be needed when nothing else can be created.
        self.disk.sync_dir(&self.path)?;
        self.spares.put(spare);
        Ok(Preparation::More)
    }

    fn give_up(&mut self, name: u64) {
        // A file that can not be removed keeps its name until the log is opened again.
        if self.disk.remove(&spare_path(&self.path, name)).is_ok() {
            self.spares.release(name);
        }
    }
}

/// Writes and flushes zeros from `from` on, one step and not past `capacity`; how far it got.
pub(crate) fn write_zeros(file: &impl File, from: u64, capacity: u64) -> Result<u64, disk::Error> {
    let to = capacity.min(from + PREPARE_STEP_BYTES);
    file.write_at(&vec![0; to.saturating_sub(from) as usize], from)?;
    file.sync()?;
    Ok(to)
}
