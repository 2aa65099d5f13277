//! Why a member does not start, or has stopped: each says what to do.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use replica::{DirectoryError, LogError};

use crate::node::{Expelled, Failed};
use crate::peer::Refusal;
use crate::tls::TlsError;

/// Why a member does not run.
#[derive(Debug)]
pub enum StartError {
    /// This process may not have as many files and connections open as a member needs.
    FewDescriptors {
        /// So many it may.
        limit: usize,
        /// So many it must.
        needed: usize,
    },
    /// The data directory can not be used: locked, of another member, unwritable, damaged.
    Directory(DirectoryError),
    /// The log in it can not be used: damaged, or of a newer version.
    Log(LogError),
    /// The disk refused to show the snapshots in it.
    Snapshots(disk::Error),
    /// The directory belongs to a cluster, but its log is empty: it was wiped in part.
    LogWiped {
        /// The directory.
        path: PathBuf,
    },
    /// The log is of another member, or another life of this one.
    LogForeign {
        /// The directory.
        path: PathBuf,
    },
    /// A certificate, a key or a CA can not be used.
    Tls(TlsError),
    /// Somebody else listens at the address.
    PortTaken {
        /// The address.
        listen: SocketAddr,
    },
    /// The address can not be listened at.
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The peers and this member can not be one cluster.
    Refused(Refusal),
    /// The cluster does not take this member in.
    JoinRefused {
        /// Who said so.
        by: String,
        /// As in docs/http.md.
        code: String,
        /// In words.
        message: String,
    },
    /// The founding entry could not be written.
    Founding(String),
    /// The system gives no threads or no randomness.
    System(io::Error),
    /// It ran, and can not go on.
    Stopped(String),
    /// It was told to stop, and its disk did not let the log be closed within this time.
    DiskHangs {
        /// The time.
        patience: Duration,
    },
    /// The cluster goes on without it: starting it again would not help.
    Expelled(Expelled),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::FewDescriptors { limit, needed } => write!(
                f,
                "this process may have {limit} files and connections open, and a member needs \
                 {needed}: raise its hard limit (`ulimit -n` as root, LimitNOFILE= of a service)"
            ),
            StartError::Directory(error) => error.fmt(f),
            StartError::Log(error) => error.fmt(f),
            StartError::Snapshots(error) => write!(
                f,
                "the snapshots can not be read: {error}; put that right and start it again"
            ),
            StartError::LogWiped { path } => write!(
                f,
                "{} belongs to a cluster, but its log is empty: it no longer knows what it \
                 promised; move the directory away and replace this member with a new one",
                path.display()
            ),
            StartError::LogForeign { path } => write!(
                f,
                "the log in {} is of another member: put the directory that belongs there back; if \
                 `raftkv recover` was cut short in it, run that again",
                path.display()
            ),
            StartError::Tls(error) => write!(f, "{error}; put that right and start it again"),
            StartError::PortTaken { listen } => write!(
                f,
                "port {} is taken: stop whatever listens at {listen}, or choose another --port",
                listen.port()
            ),
            StartError::Listen { listen, error } => {
                write!(f, "can not listen at {listen}: {error}; correct --listen or --port")
            }
            StartError::Refused(refusal) => refusal.fmt(f),
            StartError::JoinRefused { by, code, message } => {
                write!(f, "can not join the cluster: {message} ({code}, says {by})")?;
                f.write_str(what_to_do(code))
            }
            StartError::Founding(error) => {
                write!(f, "can not found the cluster: {error}; put that right and start it again")
            }
            StartError::System(error) => write!(
                f,
                "the system gives no thread or no randomness: {error}; raise its limits and start \
                 it again"
            ),
            StartError::Stopped(reason) => write!(
                f,
                "this member has stopped: {reason}; what it acknowledged before is safe; put that \
                 right and start it again"
            ),
            StartError::DiskHangs { patience } => write!(
                f,
                "told to stop, this member waited {} s for its disk and ended without it: the log \
                 is not closed; what it acknowledged is safe; look at the disk",
                patience.as_secs()
            ),
            StartError::Expelled(expelled) => expelled.fmt(f),
        }
    }
}

/// What helps against a refusal to let a member join, behind what the other member said.
pub(super) fn what_to_do(code: &str) -> &'static str {
    match code {
        "name_taken" | "address_taken" => {
            "; if this member is to take the other one's place, add --replace and its name"
        }
        "unauthenticated" | "permission_denied" => {
            "; authentication is on: set --join-user NAME:PASSWORD (or RAFTKV_JOIN_USER, or \
             join_user in the settings file) of a user who has the role root"
        }
        _ => "",
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Directory(error) => Some(error),
            StartError::Log(error) => Some(error),
            StartError::Tls(error) => Some(error),
            StartError::Listen { error, .. } | StartError::System(error) => Some(error),
            _ => None,
        }
    }
}

impl StartError {
    pub(super) fn of_bind(listen: SocketAddr, error: io::Error) -> StartError {
        match error.kind() {
            io::ErrorKind::AddrInUse => StartError::PortTaken { listen },
            _ => StartError::Listen { listen, error },
        }
    }
}

impl From<Failed> for StartError {
    fn from(failed: Failed) -> StartError {
        match failed {
            Failed::Stopped(reason) => StartError::Stopped(reason),
            Failed::Expelled(expelled) => StartError::Expelled(expelled),
        }
    }
}

impl From<TlsError> for StartError {
    fn from(error: TlsError) -> StartError {
        StartError::Tls(error)
    }
}

impl From<DirectoryError> for StartError {
    fn from(error: DirectoryError) -> StartError {
        StartError::Directory(error)
    }
}
