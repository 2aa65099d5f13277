//! Why there is no new backup.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use replica::{Failure, SnapshotError};

/// Why a backup was not made, or old ones could not be looked after. What was there before is there
/// still, whichever it is.
#[derive(Debug)]
pub enum BackupError {
    /// The directory is not there, or this user may not use it.
    Target {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process makes backups there under the same name, at this moment.
    InUse {
        /// The directory.
        path: PathBuf,
        /// The name.
        maker: String,
    },
    /// The target has no room for it.
    Full {
        /// The file that was being written.
        path: PathBuf,
    },
    /// It would take room on the member's own disk that its log needs.
    NoRoom {
        /// Bytes that are free there.
        free_bytes: u64,
        /// Bytes that are left to the member.
        reserve_bytes: u64,
    },
    /// A file could not be written, made durable or renamed.
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What was written is not what is read back.
    Unsound(SnapshotError),
    /// The member has no state to give at this moment.
    Member(Failure),
    /// The member gives as many backups already as it does at once.
    Busy,
    /// The state was not read to its end.
    CutOff,
    /// The target has taken nothing for so long.
    Hangs(Duration),
    /// It has not come to an end for so long, and is waited for.
    Slow(Duration),
    /// No thread could be started.
    Thread(io::Error),
}

impl BackupError {
    /// What went wrong at a file that is being written.
    pub(super) fn of_file(path: &Path, source: io::Error) -> BackupError {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BackupError::Full { path },
            _ => BackupError::Write { path, source },
        }
    }
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackupError::Target { path, source } => write!(
                f,
                "the directory {} can not be used: {source}; it must be there, and be writable: \
                 it is never made, so that a share that is not mounted is noticed",
                path.display()
            ),
            BackupError::InUse { path, maker } => write!(
                f,
                "another process makes backups as {maker} in {} now; give each a name of its own",
                path.display()
            ),
            BackupError::Full { path } => write!(
                f,
                "no room is left for {}: free some, or keep fewer backups",
                path.display()
            ),
            BackupError::NoRoom { free_bytes, reserve_bytes } => write!(
                f,
                "the target is on the disk of the member's own data, where {free_bytes} bytes are \
                 free, and {reserve_bytes} of them are left for its log"
            ),
            BackupError::Write { path, source } => write!(f, "{}: {source}", path.display()),
            BackupError::Unsound(error) => {
                write!(f, "what was written does not read back, and was not kept: {error}")
            }
            BackupError::Member(failure) => {
                write!(f, "the member has no state that it knows to be up to date: {failure:?}")
            }
            BackupError::Busy => {
                f.write_str("the member gives as many backups already as it does at once")
            }
            BackupError::CutOff => f.write_str("the state was not read to its end in time"),
            BackupError::Hangs(patience) => {
                write!(f, "the target has taken nothing for {} s", patience.as_secs())
            }
            BackupError::Slow(patience) => write!(
                f,
                "the target is at work for more than {} s, and is still waited for",
                patience.as_secs()
            ),
            BackupError::Thread(error) => write!(f, "no thread for it: {error}"),
        }
    }
}

impl std::error::Error for BackupError {}
