//! One error for all operations: what was tried, on which path, why it failed and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

/// What the operating system says where a process has too many files open (EMFILE), and where all
/// processes together have (ENFILE).
pub(crate) const OUT_OF_DESCRIPTORS: [Errno; 2] = [Errno::MFILE, Errno::NFILE];

/// A disk operation that failed. Cheap to clone, because a poisoned log repeats its first cause.
#[derive(Clone, Debug)]
pub struct Error {
    /// What was tried.
    pub operation: Operation,
    /// The file or directory it was tried on.
    pub path: PathBuf,
    /// Why it failed.
    pub cause: Cause,
}

/// The operations of [`crate::Disk`] and [`crate::File`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Opening or creating a file.
    Open,
    /// Reading bytes.
    Read,
    /// Writing bytes.
    Write,
    /// Making a file durable.
    Sync,
    /// Asking for a file's length.
    Measure,
    /// Creating a directory.
    CreateDirectory,
    /// Listing a directory.
    List,
    /// Renaming a file.
    Rename,
    /// Removing a file.
    Remove,
    /// Making a directory's names durable.
    SyncDirectory,
    /// Asking how much room is left.
    FreeSpace,
    /// Taking the lock.
    Lock,
}

/// Why an operation failed.
#[derive(Clone, Debug)]
pub enum Cause {
    /// Another process holds the lock.
    Held,
    /// The disk took only part of the bytes and gave no reason.
    Short {
        /// Bytes that were written.
        written: usize,
        /// Bytes that should have been.
        wanted: usize,
    },
    /// The operating system said no.
    System(Arc<io::Error>),
}

impl Error {
    pub(crate) fn new(operation: Operation, path: &Path, cause: Cause) -> Error {
        Error { operation, path: path.to_path_buf(), cause }
    }

    /// For `map_err`: the error of `operation` on `path` that the operating system gave a reason
    /// for.
    pub(crate) fn system(operation: Operation, path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::new(operation, path, Cause::System(Arc::new(source)))
    }

    /// There is no such file or directory.
    pub fn is_not_found(&self) -> bool {
        self.kind() == Some(io::ErrorKind::NotFound)
    }

    /// The disk, or this user's share of it, is full.
    pub fn is_full(&self) -> bool {
        matches!(self.kind(), Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }

    /// This user may not do it.
    pub fn is_denied(&self) -> bool {
        self.kind() == Some(io::ErrorKind::PermissionDenied)
    }

    /// This process, or the whole machine, has as many files and connections open as it may. Only
    /// what opens something fails so, and before it has done anything: it may be tried again.
    pub fn is_out_of_descriptors(&self) -> bool {
        let Cause::System(source) = &self.cause else { return false };
        let errno = source.raw_os_error();
        OUT_OF_DESCRIPTORS.iter().any(|errors| Some(errors.raw_os_error()) == errno)
    }

    /// Another process holds the lock.
    pub fn is_held(&self) -> bool {
        matches!(self.cause, Cause::Held)
    }

    fn kind(&self) -> Option<io::ErrorKind> {
        match &self.cause {
            Cause::System(source) => Some(source.kind()),
            Cause::Held | Cause::Short { .. } => None,
        }
    }

    /// What an operator can do about it; empty where the cause says it all.
    fn advice(&self) -> &'static str {
        if self.is_out_of_descriptors() {
            return ": raise the limit of open files (ulimit -n)";
        }
        match self.kind() {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                ": free space on this disk or give it more"
            }
            Some(io::ErrorKind::PermissionDenied) => ": let this user read and write there",
            Some(io::ErrorKind::ReadOnlyFilesystem) => ": the file system is mounted read-only",
            Some(io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists) => {
                ": something else has this name; move it away"
            }
            _ => "",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "cannot {} {path}: {}{}", self.operation, self.cause, self.advice())
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Open => "open",
            Operation::Read => "read",
            Operation::Write => "write to",
            Operation::Sync => "flush",
            Operation::Measure => "ask for the length of",
            Operation::CreateDirectory => "create directory",
            Operation::List => "list directory",
            Operation::Rename => "rename",
            Operation::Remove => "remove",
            Operation::SyncDirectory => "flush directory",
            Operation::FreeSpace => "ask for the free space of",
            Operation::Lock => "lock",
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Held => f.write_str("it is held by another process; stop that one first"),
            Cause::Short { written, wanted } => {
                write!(f, "the disk took {written} of {wanted} bytes")
            }
            Cause::System(source) => write!(f, "{source}"),
        }
    }
}
