//! The trait over files that the log is written on, and its implementations.
//!
//! Everything that must survive a crash goes through [`Disk`] and [`File`]: a dozen operations,
//! each of which either did what it says or answers a typed [`Error`]. The traits name durability
//! explicitly, because there are two kinds of crash and they keep different things:
//!
//! | written by | survives a crash of the process | survives a power cut |
//! |---|---|---|
//! | [`File::write_at`] | yes (page cache) | after [`File::sync`] |
//! | [`Mode::CreateNew`], [`Disk::rename`], [`Disk::remove`] | yes | after [`Directory::sync`] |
//! | [`Disk::create_dir_all`] | yes | after [`Directory::sync`] of each parent |
//! | [`Disk::lock`] | no: the lock dies with the process | no |
//!
//! A failed [`File::sync`] may not be repeated: operating systems mark the pages clean although
//! they never reached the platter, so a second call would succeed and mean nothing.
//!
//! [`OsDisk`] is the operating system. With the feature `sim`, `SimDisk` is the same in memory with
//! both kinds of crash, full disks, injected failures and flipped bits; whatever is built on the
//! traits runs on either unchanged.
//!
//! Opening something is the one thing that a full table of descriptors keeps from being done, and
//! it is kept from it before anything has happened: so it may be tried again, and [`Patient`] does.
//! What is written often keeps its handles: [`Disk::rename_open`] renames a file that stays open,
//! and an open [`Directory`] is made durable without opening it once more.
//!
//! What this crate does *not* do: no buffering, no retries but those of [`Patient`], no paths of
//! its own, no file formats.

mod error;
mod os;
mod patient;
#[cfg(feature = "sim")]
mod sim;

use std::path::Path;

pub use error::{Cause, Error, Operation};
pub use os::{OsDirectory, OsDisk, OsFile, OsLock};
pub use patient::{Patience, Patient};
#[cfg(feature = "sim")]
pub use sim::{Counts, Fault, Harm, Harmed, SimDirectory, SimDisk, SimFile, SimLock};

/// Bytes that a disk writes as a unit at best. Tests tear writes at this grain; formats assume
/// nothing about it and check everything they read.
pub const SECTOR_BYTES: usize = 512;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// An existing file, to be read.
    Read,
    /// An existing file, to be read and written.
    ReadWrite,
    /// A file that must not exist yet, to be read and written.
    CreateNew,
}

/// A place for files. Clones are handles to the same place.
pub trait Disk: Clone + Send + Sync + 'static {
    /// An open file.
    type File: File;
    /// An open directory.
    type Directory: Directory;
    /// A held lock; dropping it releases the lock.
    type Lock: Send + 'static;

    /// Opens the file at `path`.
    fn open(&self, path: &Path, mode: Mode) -> Result<Self::File, Error>;

    /// Opens the directory at `path`.
    fn open_dir(&self, path: &Path) -> Result<Self::Directory, Error>;

    /// Creates the directory at `path` and its missing parents, for this user alone; an existing
    /// one is fine, and left as it is.
    fn create_dir_all(&self, path: &Path) -> Result<(), Error>;

    /// The names in the directory at `path`, in ascending order. Names that are not UTF-8 are left
    /// out: nobody here wrote them.
    fn list(&self, path: &Path) -> Result<Vec<String>, Error>;

    /// Renames a file within its directory, replacing whatever has the new name.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), Error>;

    /// Renames a file that is open, within its directory, replacing whatever has the new name. It
    /// stays open, and needs no second descriptor.
    fn rename_open(&self, file: &mut Self::File, to: &Path) -> Result<(), Error>;

    /// Removes the file at `path`.
    fn remove(&self, path: &Path) -> Result<(), Error>;

    /// Makes the names in the directory at `path` durable, as [`Directory::sync`] does.
    fn sync_dir(&self, path: &Path) -> Result<(), Error> {
        self.open_dir(path)?.sync()
    }

    /// Bytes that this user may still write on the file system that holds `path`, which exists. A
    /// hint: others write there too.
    fn free_bytes(&self, path: &Path) -> Result<u64, Error>;

    /// Takes the exclusive lock on the file at `path`, creating it if needed, without waiting:
    /// [`Error::is_held`] tells that another process has it.
    fn lock(&self, path: &Path) -> Result<Self::Lock, Error>;
}

/// An open directory.
pub trait Directory: Send + 'static {
    /// Makes the names in it durable: files created, renamed and removed there. After an error
    /// nobody knows which are.
    fn sync(&self) -> Result<(), Error>;
}

/// An open file. Offsets and lengths are in bytes.
pub trait File: Send + 'static {
    /// Reads at `offset` until `bytes` is full or the file ends, and says how many bytes it read.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize, Error>;

    /// Writes all of `bytes` at `offset`, extending the file as needed. After an error any part may
    /// have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Error>;

    /// Makes the file's bytes and its length durable (fdatasync). After an error nobody knows what
    /// is durable, and a second call proves nothing: give the file up.
    fn sync(&self) -> Result<(), Error>;

    /// The file's length.
    fn size_bytes(&self) -> Result<u64, Error>;
}
