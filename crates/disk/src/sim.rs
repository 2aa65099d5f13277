//! A disk in memory that fails as real ones do, and the same way each time for the same seed.
//!
//! Bytes live twice: what a reader sees (the page cache) and what a power cut leaves (the platter).
//!
//! - [`SimDisk::crash_process`]: the process dies. The page cache stays, locks are released, open
//!   files of the dead process answer errors.
//! - [`SimDisk::power_cut`]: the machine dies. Of each 512-byte sector that was not flushed, the
//!   seed decides: lost, kept or torn. Of names not flushed, each directory keeps the first few.
//! - [`SimDisk::fail_at`]: the n-th operation from now fails, in one of the ways of [`Fault`]. A
//!   failed flush marks its sectors clean without writing them, as Linux does: flushing again
//!   succeeds and saves nothing.
//! - [`SimDisk::lack_descriptors`]: the next so many files and directories can not be opened, and
//!   nothing can be listed: too many are open already.
//! - [`SimDisk::limit_bytes`]: a disk that is full past some number of bytes.
//! - [`SimDisk::flip_bit`] rots one byte.
//! - [`SimDisk::harm`]: a disk that lied. What was flushed and acknowledged rots, was never there,
//!   lies where something else was, or can not be read ([`Harm`]).
//!
//! [`SimDisk::fork`] makes a second disk of what this one holds, so that a test can look what a
//! crash *would* leave, and go on.
//!
//! [`SimDisk::trace`] writes down what changes the disk, for tests whose question is the order of
//! things. [`SimDisk::counts`] tells what happened, because a run without faults proves nothing
//! about them.
//!
//! What it does *not* model: time, reordering of whole operations, rot that comes and goes.

mod harm;
mod image;
mod names;
mod random;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Cause, Error, OUT_OF_DESCRIPTORS, Operation};
use crate::{Directory, Disk, File, Mode};

pub use harm::{Harm, Harmed};
use image::Image;
use names::{FileId, Names};
use random::Random;

/// A simulated disk; clones share it.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// An open file of [`SimDisk`].
#[derive(Debug)]
pub struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    id: FileId,
    process: u64,
    writable: bool,
}

/// An open directory of [`SimDisk`].
#[derive(Debug)]
pub struct SimDirectory {
    disk: SimDisk,
    path: PathBuf,
    process: u64,
}

/// A lock of [`SimDisk`].
#[derive(Debug)]
pub struct SimLock {
    disk: SimDisk,
    path: PathBuf,
    process: u64,
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing and answers an input/output error.
    Error,
    /// A write takes half of its bytes; anything else fails as by [`Fault::Error`].
    Short,
    /// It does nothing and answers that the disk is full.
    Full,
    /// The process dies in this operation: a write takes half of its bytes, and every later
    /// operation fails too, until the next crash.
    Halt,
}

/// What happened on a [`SimDisk`] so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Operations of every kind, failed ones included.
    pub operations: u64,
    /// Writes that were tried.
    pub writes: u64,
    /// Flushes of files that were tried.
    pub syncs: u64,
    /// Bytes that writes brought.
    pub bytes_written: u64,
    /// Operations that failed by [`SimDisk::fail_at`].
    pub faults: u64,
    /// Files, directories and listings that found no descriptor, by [`SimDisk::lack_descriptors`].
    pub unopened: u64,
    /// Writes that found no room, by [`SimDisk::limit_bytes`].
    pub refused: u64,
    /// Crashes of either kind.
    pub crashes: u64,
    /// Unflushed sectors that a power cut lost.
    pub sectors_lost: u64,
    /// Unflushed sectors that a power cut kept.
    pub sectors_kept: u64,
    /// Unflushed sectors that a power cut tore.
    pub sectors_torn: u64,
    /// Unflushed changes of names that a power cut lost.
    pub names_lost: u64,
}

#[derive(Debug, Default)]
struct State {
    names: Names,
    images: BTreeMap<FileId, Image>,
    locks: BTreeMap<PathBuf, u64>,
    /// Counts crashes: handles of an earlier process are dead.
    process: u64,
    /// The operation count at which `Fault` strikes.
    fault: Option<(u64, Fault)>,
    halted: bool,
    bytes_max: Option<u64>,
    /// So many times nothing more can be opened.
    unopened_left: u64,
    counts: Counts,
    /// What changed the disk, if anyone wants to know.
    trace: Option<Vec<String>>,
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> SimDisk {
        SimDisk::default()
    }

    /// Another disk that holds what this one holds at this moment, in the cache and on the platter.
    /// No process uses it, and no fault is arranged for it.
    pub fn fork(&self) -> SimDisk {
        let state = self.state();
        let (names, images) = (state.names.clone(), state.images.clone());
        let forked = State { names, images, ..State::default() };
        SimDisk { state: Arc::new(Mutex::new(forked)) }
    }

    /// Kills the process that uses the disk: what it wrote stays visible, flushed or not.
    pub fn crash_process(&self) {
        self.state().crash();
    }

    /// Cuts the power: the process dies, and what was not flushed is lost, kept or torn as `seed`
    /// says.
    pub fn power_cut(&self, seed: u64) {
        let mut state = self.state();
        state.crash();
        state.lose_unflushed(&mut Random::new(seed));
    }

    /// Lets the `nth` operation from now fail (1 is the next one). It replaces an earlier such
    /// order.
    pub fn fail_at(&self, nth: u64, fault: Fault) {
        assert!(nth > 0, "operations count from 1");
        let mut state = self.state();
        state.fault = Some((state.counts.operations + nth, fault));
    }

    /// Takes the order of [`SimDisk::fail_at`] back, if it has not struck yet.
    pub fn fail_never(&self) {
        self.state().fault = None;
    }

    /// Lets the disk hold at most so many bytes in all its files, or as many as come. Fewer than
    /// there are may be said: then nothing can grow until files were removed.
    pub fn limit_bytes(&self, bytes_max: Option<u64>) {
        self.state().bytes_max = bytes_max;
    }

    /// Lets the next `times` attempts to open something fail for want of descriptors. None of them
    /// does anything, and none counts as an operation.
    pub fn lack_descriptors(&self, times: u64) {
        self.state().unopened_left = times;
    }

    /// Bytes of all files that have a name.
    pub fn used_bytes(&self) -> u64 {
        self.state().bytes_used()
    }

    /// Flips the lowest bit of the byte at `offset` of the file at `path`, on the platter and in
    /// the cache. False if there is no such byte.
    pub fn flip_bit(&self, path: &Path, offset: u64) -> bool {
        let mut state = self.state();
        let Some(id) = state.names.file(path) else { return false };
        state.images.get_mut(&id).is_some_and(|image| image.flip_bit(offset))
    }

    /// Whether the process died of [`Fault::Halt`]: nothing works until the next crash.
    pub fn is_halted(&self) -> bool {
        self.state().halted
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Begins to write down every operation that changes the disk or makes something durable.
    pub fn trace(&self) {
        self.state().trace.get_or_insert_default();
    }

    /// What was written down since [`SimDisk::trace`] or the last call: a line an operation, with
    /// names but not directories, failed ones marked.
    pub fn take_trace(&self) -> Vec<String> {
        self.state().trace.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked elsewhere must not hide its own message behind this lock's.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a descriptor, if there is one to be had.
    fn take_descriptor(&self, operation: Operation, path: &Path) -> Result<(), Error> {
        let mut state = self.state();
        let Some(left) = state.unopened_left.checked_sub(1) else { return Ok(()) };
        state.unopened_left = left;
        state.counts.unopened += 1;
        let [errno, _] = OUT_OF_DESCRIPTORS;
        Err(Error::system(operation, path)(errno.into()))
    }

    /// Counts an operation, and lets it fail if its turn has come.
    fn begin(&self, operation: Operation, path: &Path) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.state();
        let fault = state.strike();
        state.note(operation, path, fault);
        match fault {
            None => Ok(state),
            Some(fault) => Err(fault.error(operation, path)),
        }
    }
}

impl State {
    /// Counts an operation and says whether and how it fails.
    fn strike(&mut self) -> Option<Fault> {
        self.counts.operations += 1;
        if self.halted {
            return Some(Fault::Error);
        }
        let (at, fault) = self.fault?;
        if at != self.counts.operations {
            return None;
        }
        self.fault = None;
        self.counts.faults += 1;
        self.halted = fault == Fault::Halt;
        Some(fault)
    }

    /// Writes an operation down that changes the disk, or should have.
    fn note(&mut self, operation: Operation, path: &Path, fault: Option<Fault>) {
        let Some(trace) = &mut self.trace else { return };
        let reads = [
            Operation::Open,
            Operation::Read,
            Operation::Measure,
            Operation::List,
            Operation::FreeSpace,
        ];
        if reads.contains(&operation) && fault.is_none() {
            return;
        }
        let failed = fault.map_or(String::new(), |fault| format!(" failed: {fault:?}"));
        trace.push(format!("{operation} {}{failed}", name(path)));
    }

    /// Adds to what was written down last.
    fn note_more(&mut self, detail: impl FnOnce() -> String) {
        if let Some(last) = self.trace.as_mut().and_then(|trace| trace.last_mut()) {
            last.push_str(&detail());
        }
    }

    fn crash(&mut self) {
        self.counts.crashes += 1;
        self.process += 1;
        self.locks.clear();
        self.halted = false;
        let named = self.names.every_file();
        self.images.retain(|id, _| named.contains(id));
    }

    fn lose_unflushed(&mut self, random: &mut Random) {
        self.counts.names_lost += self.names.power_cut(random);
        for image in self.images.values_mut() {
            image.power_cut(random, &mut self.counts);
        }
    }

    /// Of the files that have a name: one that was removed takes no room, even if a power cut may
    /// still bring its name back.
    fn bytes_used(&self) -> u64 {
        self.names.files().map(|(_, id)| self.images[&id].size_bytes()).sum()
    }

    fn image(&mut self, id: FileId) -> &mut Image {
        self.images.get_mut(&id).expect("an image lives as long as its process or its name")
    }

    fn create(&mut self, path: &Path) -> FileId {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("create {}", name(path)));
        }
        let id = self.names.create(path);
        self.images.insert(id, Image::default());
        id
    }
}

impl Fault {
    fn error(self, operation: Operation, path: &Path) -> Error {
        let kind = match self {
            Fault::Full => io::ErrorKind::StorageFull,
            Fault::Error | Fault::Short | Fault::Halt => io::ErrorKind::Other,
        };
        let source = match self {
            Fault::Full => io::Error::from(kind),
            Fault::Error | Fault::Short | Fault::Halt => io::Error::new(kind, "injected fault"),
        };
        Error::system(operation, path)(source)
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn not_found(operation: Operation, path: &Path) -> Error {
    Error::system(operation, path)(io::ErrorKind::NotFound.into())
}

impl Disk for SimDisk {
    type File = SimFile;
    type Directory = SimDirectory;
    type Lock = SimLock;

    fn open(&self, path: &Path, mode: Mode) -> Result<SimFile, Error> {
        self.take_descriptor(Operation::Open, path)?;
        let mut state = self.begin(Operation::Open, path)?;
        let id = match (state.names.file(path), mode) {
            (Some(_), Mode::CreateNew) => {
                let exists = io::ErrorKind::AlreadyExists.into();
                return Err(Error::system(Operation::Open, path)(exists));
            }
            (Some(id), Mode::Read | Mode::ReadWrite) => id,
            (None, Mode::CreateNew) if state.names.has_parent_of(path) => state.create(path),
            (None, _) => return Err(not_found(Operation::Open, path)),
        };
        let process = state.process;
        let writable = mode != Mode::Read;
        Ok(SimFile { disk: self.clone(), path: path.to_path_buf(), id, process, writable })
    }

    /// It is no operation that could fail by [`SimDisk::fail_at`]: what is done with it is one.
    fn open_dir(&self, path: &Path) -> Result<SimDirectory, Error> {
        self.take_descriptor(Operation::Open, path)?;
        let state = self.state();
        if !state.names.is_directory(path) {
            return Err(not_found(Operation::Open, path));
        }
        let process = state.process;
        Ok(SimDirectory { disk: self.clone(), path: path.to_path_buf(), process })
    }

    fn create_dir_all(&self, path: &Path) -> Result<(), Error> {
        self.begin(Operation::CreateDirectory, path)?.names.create_dir_all(path);
        Ok(())
    }

    fn list(&self, path: &Path) -> Result<Vec<String>, Error> {
        self.take_descriptor(Operation::List, path)?;
        let state = self.begin(Operation::List, path)?;
        state.names.list(path).ok_or_else(|| not_found(Operation::List, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), Error> {
        assert_eq!(from.parent(), to.parent(), "files are renamed within one directory");
        let mut state = self.begin(Operation::Rename, from)?;
        state.note_more(|| format!(" to {}", name(to)));
        let renamed = state.names.rename(from, to);
        renamed.then_some(()).ok_or_else(|| not_found(Operation::Rename, from))
    }

    fn rename_open(&self, file: &mut SimFile, to: &Path) -> Result<(), Error> {
        assert_eq!(file.process, self.state().process, "a dead process renames nothing");
        self.rename(&file.path, to)?;
        file.path = to.to_path_buf();
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), Error> {
        let mut state = self.begin(Operation::Remove, path)?;
        let removed = state.names.remove(path);
        removed.then_some(()).ok_or_else(|| not_found(Operation::Remove, path))
    }

    fn free_bytes(&self, path: &Path) -> Result<u64, Error> {
        let state = self.begin(Operation::FreeSpace, path)?;
        let free = |bytes_max: u64| bytes_max.saturating_sub(state.bytes_used());
        Ok(state.bytes_max.map_or(u64::MAX, free))
    }

    fn lock(&self, path: &Path) -> Result<SimLock, Error> {
        let mut state = self.begin(Operation::Lock, path)?;
        if !state.names.has_parent_of(path) {
            return Err(not_found(Operation::Lock, path));
        }
        if state.locks.contains_key(path) {
            return Err(Error::new(Operation::Lock, path, Cause::Held));
        }
        if state.names.file(path).is_none() {
            state.create(path);
        }
        let process = state.process;
        state.locks.insert(path.to_path_buf(), process);
        Ok(SimLock { disk: self.clone(), path: path.to_path_buf(), process })
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        // A lock that outlived its process must not release the next process's.
        if state.locks.get(&self.path) == Some(&self.process) {
            state.locks.remove(&self.path);
        }
    }
}

impl Directory for SimDirectory {
    fn sync(&self) -> Result<(), Error> {
        let mut state = self.disk.state();
        let fault = if state.process == self.process { state.strike() } else { Some(Fault::Error) };
        state.note(Operation::SyncDirectory, &self.path, fault);
        if let Some(fault) = fault {
            return Err(fault.error(Operation::SyncDirectory, &self.path));
        }
        state.names.sync_dir(&self.path);
        Ok(())
    }
}

impl SimFile {
    /// Counts an operation; it fails if this file's process is dead or its turn to fail has come.
    fn begin(&self, operation: Operation) -> Result<MutexGuard<'_, State>, (Error, Fault)> {
        let mut state = self.disk.state();
        let fault = if state.process == self.process { state.strike() } else { Some(Fault::Error) };
        state.note(operation, &self.path, fault);
        match fault {
            None => Ok(state),
            Some(fault) => Err((fault.error(operation, &self.path), fault)),
        }
    }

    /// What a write that fails by `fault` leaves behind all the same.
    fn fail_write(&self, bytes: &[u8], offset: u64, error: Error, fault: Fault) -> Error {
        if !matches!(fault, Fault::Short | Fault::Halt) {
            return error;
        }
        let written = bytes.len() / 2;
        self.disk.state().image(self.id).write(&bytes[..written], offset);
        let cause = Cause::Short { written, wanted: bytes.len() };
        Error::new(Operation::Write, &self.path, cause)
    }
}

impl File for SimFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize, Error> {
        let mut state = self.begin(Operation::Read).map_err(|(error, _)| error)?;
        if state.image(self.id).is_unreadable(offset, bytes.len()) {
            return Err(Fault::Error.error(Operation::Read, &self.path));
        }
        Ok(state.image(self.id).read(bytes, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Error> {
        assert!(self.writable, "{} is open for reading only", self.path.display());
        let end = offset + bytes.len() as u64;
        let mut state = match self.begin(Operation::Write) {
            Ok(state) => state,
            Err((error, fault)) => return Err(self.fail_write(bytes, offset, error, fault)),
        };
        state.counts.writes += 1;
        state.note_more(|| format!(" {offset}..{end}"));
        let growth = end.saturating_sub(state.image(self.id).size_bytes());
        let is_full = |bytes_max| state.bytes_used() + growth > bytes_max;
        if growth > 0 && state.bytes_max.is_some_and(is_full) {
            state.counts.refused += 1;
            return Err(Fault::Full.error(Operation::Write, &self.path));
        }
        state.counts.bytes_written += bytes.len() as u64;
        state.image(self.id).write(bytes, offset);
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        match self.begin(Operation::Sync) {
            Ok(mut state) => {
                state.counts.syncs += 1;
                state.image(self.id).sync();
                Ok(())
            }
            Err((error, fault)) => {
                let mut state = self.disk.state();
                if fault != Fault::Halt && state.process == self.process && !state.halted {
                    state.image(self.id).sync_failed();
                }
                Err(error)
            }
        }
    }

    fn size_bytes(&self) -> Result<u64, Error> {
        let mut state = self.begin(Operation::Measure).map_err(|(error, _)| error)?;
        Ok(state.image(self.id).size_bytes())
    }
}
