//! A disk on which opening waits for a descriptor.
//!
//! A process that has as many files and connections open as it may can open nothing more (EMFILE),
//! nor can it while all processes of the machine together have too many (ENFILE). That says nothing
//! about the disk, and passes. Whoever asked has done nothing yet: [`Patient`] asks again, for as
//! long as its [`Patience`] lasts, so that to those above the disk is slow rather than broken.
//!
//! What it does *not* do: repeat anything that is not an attempt to open. What was written or
//! flushed in vain stays failed.

use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::{Disk, Mode};

/// Asked each time that something could not be opened for want of descriptors: waits a little, and
/// says whether to try again.
pub trait Patience: Send + Sync + 'static {
    /// True after a pause; false if the error is to be the answer.
    fn wait(&self, error: &Error) -> bool;
}

/// A disk `D` that opens patiently.
pub struct Patient<D> {
    disk: D,
    patience: Arc<dyn Patience>,
}

impl<D: Disk> Patient<D> {
    /// Everything is done on `disk`.
    pub fn new(disk: D, patience: Arc<dyn Patience>) -> Patient<D> {
        Patient { disk, patience }
    }

    fn open_patiently<T>(&self, open: impl Fn(&D) -> Result<T, Error>) -> Result<T, Error> {
        loop {
            match open(&self.disk) {
                Err(error) if error.is_out_of_descriptors() && self.patience.wait(&error) => {}
                outcome => return outcome,
            }
        }
    }
}

impl<D: Clone> Clone for Patient<D> {
    fn clone(&self) -> Patient<D> {
        Patient { disk: self.disk.clone(), patience: Arc::clone(&self.patience) }
    }
}

impl<D: Disk> Disk for Patient<D> {
    type File = D::File;
    type Directory = D::Directory;
    type Lock = D::Lock;

    fn open(&self, path: &Path, mode: Mode) -> Result<D::File, Error> {
        self.open_patiently(|disk| disk.open(path, mode))
    }

    fn open_dir(&self, path: &Path) -> Result<D::Directory, Error> {
        self.open_patiently(|disk| disk.open_dir(path))
    }

    fn create_dir_all(&self, path: &Path) -> Result<(), Error> {
        self.disk.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> Result<Vec<String>, Error> {
        self.open_patiently(|disk| disk.list(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), Error> {
        self.disk.rename(from, to)
    }

    fn rename_open(&self, file: &mut D::File, to: &Path) -> Result<(), Error> {
        self.disk.rename_open(file, to)
    }

    fn remove(&self, path: &Path) -> Result<(), Error> {
        self.disk.remove(path)
    }

    fn free_bytes(&self, path: &Path) -> Result<u64, Error> {
        self.disk.free_bytes(path)
    }

    fn lock(&self, path: &Path) -> Result<D::Lock, Error> {
        self.open_patiently(|disk| disk.lock(path))
    }
}
