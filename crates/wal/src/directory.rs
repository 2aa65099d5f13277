//! The data directory of a member: its lock, its identity, and where its log lies.
//!
//! ```text
//! <data directory>/
//!   LOCK         held while a process uses the directory
//!   IDENTITY     member id, incarnation, name, cluster id
//!   wal/         the log
//!   snapshots/   states that stand for the log's beginning
//! ```
//!
//! The identity makes promises that the log keeps: a member that votes under an identity must
//! remember its votes. So one without the other is refused, whichever was wiped.

use std::fmt;
use std::path::{Path, PathBuf};

use disk::{Disk, File, Mode};

use crate::folder::create_directory;
use crate::identity::{DIRECTORY_VERSION, Identity, IdentityError, is_valid_name};

const LOCK: &str = "LOCK";
const IDENTITY: &str = "IDENTITY";
const IDENTITY_DRAFT: &str = "IDENTITY.tmp";
const LOG: &str = "wal";
const SNAPSHOTS: &str = "snapshots";

/// Longest identity file that is looked at, in bytes.
const IDENTITY_BYTES_MAX: usize = 4096;

/// A member's data directory, locked until it is dropped.
pub struct DataDirectory<D: Disk> {
    disk: D,
    path: PathBuf,
    identity: Identity,
    _lock: D::Lock,
}

/// Why a data directory cannot be used. Nothing in it was changed.
#[derive(Clone, Debug)]
pub enum DirectoryError {
    /// Another process uses it.
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// It belongs to a member of another name.
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: String,
        /// Who asked for it.
        expected: String,
    },
    /// The identity is damaged.
    CorruptIdentity {
        /// The file.
        path: PathBuf,
    },
    /// The identity is of a later version.
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// The version it says it has.
        found: u32,
    },
    /// There is a log, but no identity.
    IdentityMissing {
        /// The directory.
        path: PathBuf,
    },
    /// There is no identity, or nothing at all: it is no member's directory.
    NoMember {
        /// The directory.
        path: PathBuf,
    },
    /// There is an identity with a history, but no log.
    LogMissing {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: String,
    },
    /// It belongs to another cluster.
    OtherCluster {
        /// The cluster it belongs to.
        found: u128,
        /// The cluster it was to join.
        expected: u128,
    },
    /// The name is empty, too long, or holds control characters.
    InvalidName {
        /// The name.
        name: String,
    },
    /// The disk refused.
    Disk(disk::Error),
}

impl<D: Disk> DataDirectory<D> {
    /// Locks the directory at `path`, creating it if needed, and reads its identity; an empty
    /// directory gets one for the member `name`, with the member id (not 0) and the incarnation
    /// that `fresh` draws.
    pub fn open(
        disk: D,
        path: &Path,
        name: &str,
        fresh: impl FnOnce() -> (u64, u128),
    ) -> Result<DataDirectory<D>, DirectoryError> {
        if !is_valid_name(name) {
            return Err(DirectoryError::InvalidName { name: name.to_owned() });
        }
        create_directory(&disk, path)?;
        let lock = take_lock(&disk, path)?;
        let identity = match read_identity(&disk, path)? {
            Some(identity) => check_owner(&disk, path, identity, name)?,
            None => create_identity(&disk, path, name, fresh)?,
        };
        Ok(DataDirectory { disk, path: path.to_path_buf(), identity, _lock: lock })
    }

    /// Locks the directory at `path` and reads its identity, whoever it belongs to, to look at what
    /// is in it: nothing but the lock's file is created.
    pub fn open_existing(disk: D, path: &Path) -> Result<DataDirectory<D>, DirectoryError> {
        let missing = || DirectoryError::NoMember { path: path.to_path_buf() };
        if disk.list(path).is_err_and(|error| error.is_not_found()) {
            return Err(missing());
        }
        let lock = take_lock(&disk, path)?;
        let identity = read_identity(&disk, path)?.ok_or_else(missing)?;
        Ok(DataDirectory { disk, path: path.to_path_buf(), identity, _lock: lock })
    }

    /// Makes the directory one of another cluster, durably, with an incarnation that no other
    /// member has ever heard of: for a member that goes on alone.
    pub fn refound(&mut self, cluster_id: u128, incarnation: u128) -> Result<(), DirectoryError> {
        let cluster_id = Some(cluster_id);
        let identity = Identity { cluster_id, incarnation, ..self.identity.clone() };
        write_identity(&self.disk, &self.path, &identity)?;
        self.identity = identity;
        Ok(())
    }

    /// Gives the member another id, durably: for one whose id is not its own to choose. It belongs
    /// to no cluster yet, and nobody counts it.
    pub fn set_member_id(&mut self, member_id: u64) -> Result<(), DirectoryError> {
        assert_ne!(member_id, 0, "no member has the id 0");
        assert!(self.identity.cluster_id.is_none(), "a cluster knows it by its id");
        if self.identity.member_id == member_id {
            return Ok(());
        }
        let identity = Identity { member_id, ..self.identity.clone() };
        write_identity(&self.disk, &self.path, &identity)?;
        self.identity = identity;
        Ok(())
    }

    /// Records the cluster this member belongs to, durably. It never changes afterwards.
    pub fn set_cluster(&mut self, cluster_id: u128) -> Result<(), DirectoryError> {
        match self.identity.cluster_id {
            Some(found) if found == cluster_id && !self.identity.joining => Ok(()),
            Some(found) if found != cluster_id => {
                Err(DirectoryError::OtherCluster { found, expected: cluster_id })
            }
            _ => self.belong(cluster_id, false),
        }
    }

    /// Records that this member is joining that cluster, durably: until `set_cluster` its log may
    /// be empty. It belongs to no cluster yet, or is joining this one already.
    pub fn set_joining(&mut self, cluster_id: u128) -> Result<(), DirectoryError> {
        match self.identity.cluster_id {
            Some(found) if found != cluster_id => {
                Err(DirectoryError::OtherCluster { found, expected: cluster_id })
            }
            Some(_) => Ok(()),
            None => self.belong(cluster_id, true),
        }
    }

    fn belong(&mut self, cluster_id: u128, joining: bool) -> Result<(), DirectoryError> {
        let cluster_id = Some(cluster_id);
        let identity = Identity { cluster_id, joining, ..self.identity.clone() };
        write_identity(&self.disk, &self.path, &identity)?;
        self.identity = identity;
        Ok(())
    }

    /// Who the directory belongs to.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Where the log lies: for [`crate::Wal::open`].
    pub fn log_path(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// Where the snapshots lie: for [`crate::snapshot::Snapshots::open`].
    pub fn snapshots_path(&self) -> PathBuf {
        self.path.join(SNAPSHOTS)
    }
}

fn take_lock<D: Disk>(disk: &D, path: &Path) -> Result<D::Lock, DirectoryError> {
    disk.lock(&path.join(LOCK)).map_err(|error| {
        if error.is_held() {
            DirectoryError::Locked { path: path.to_path_buf() }
        } else {
            DirectoryError::Disk(error)
        }
    })
}

fn read_identity<D: Disk>(disk: &D, path: &Path) -> Result<Option<Identity>, DirectoryError> {
    let path = path.join(IDENTITY);
    let file = match disk.open(&path, Mode::Read) {
        Ok(file) => file,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(DirectoryError::Disk(error)),
    };
    let mut bytes = vec![0; IDENTITY_BYTES_MAX];
    let read = file.read_at(&mut bytes, 0)?;
    match Identity::decode(&bytes[..read]) {
        Ok(identity) => Ok(Some(identity)),
        Err(IdentityError::Damaged) => Err(DirectoryError::CorruptIdentity { path }),
        Err(IdentityError::UnknownVersion(found)) => {
            Err(DirectoryError::UnknownVersion { path, found })
        }
    }
}

fn check_owner<D: Disk>(
    disk: &D,
    path: &Path,
    identity: Identity,
    name: &str,
) -> Result<Identity, DirectoryError> {
    let (path, owner) = (path.to_path_buf(), identity.name.clone());
    if owner != name {
        return Err(DirectoryError::Foreign { path, owner, expected: name.to_owned() });
    }
    // A directory without a cluster may have lost its process before the log was begun.
    if identity.cluster_id.is_some() && !has_log(disk, &path)? {
        return Err(DirectoryError::LogMissing { path, owner });
    }
    // A process that died may have left the identity's name unflushed.
    disk.sync_dir(&path)?;
    Ok(identity)
}

fn create_identity<D: Disk>(
    disk: &D,
    path: &Path,
    name: &str,
    fresh: impl FnOnce() -> (u64, u128),
) -> Result<Identity, DirectoryError> {
    if has_log(disk, path)? {
        return Err(DirectoryError::IdentityMissing { path: path.to_path_buf() });
    }
    let (member_id, incarnation) = fresh();
    assert_ne!(member_id, 0, "no member has the id 0");
    let identity = Identity {
        format_version: DIRECTORY_VERSION,
        member_id,
        incarnation,
        name: name.to_owned(),
        cluster_id: None,
        joining: false,
    };
    write_identity(disk, path, &identity)?;
    Ok(identity)
}

/// Replaces the identity in one step: after a crash it is the old one or the new one.
fn write_identity<D: Disk>(disk: &D, path: &Path, identity: &Identity) -> Result<(), disk::Error> {
    let draft = path.join(IDENTITY_DRAFT);
    match disk.remove(&draft) {
        Err(error) if !error.is_not_found() => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let file = disk.open(&draft, Mode::CreateNew)?;
    file.write_at(identity.encode().as_bytes(), 0)?;
    file.sync()?;
    disk.rename(&draft, &path.join(IDENTITY))?;
    disk.sync_dir(path)
}

/// Whether the directory of the log holds anything.
fn has_log<D: Disk>(disk: &D, path: &Path) -> Result<bool, disk::Error> {
    match disk.list(&path.join(LOG)) {
        Ok(names) => Ok(names.iter().any(|name| name.ends_with(".wal"))),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DirectoryError::Locked { path } => write!(
                f,
                "{} is in use by another process: stop it, or use another data directory",
                path.display()
            ),
            DirectoryError::Foreign { path, owner, expected } => write!(
                f,
                "{} belongs to {owner}, not to {expected}: use {expected}'s own data directory",
                path.display()
            ),
            DirectoryError::CorruptIdentity { path } => write!(
                f,
                "{} is damaged: check the disk, then restore the file or replace this member \
                 with a new one",
                path.display()
            ),
            DirectoryError::UnknownVersion { path, found } => write!(
                f,
                "{} has format {found}, and this program knows format {DIRECTORY_VERSION}: use a \
                 newer program",
                path.display()
            ),
            DirectoryError::IdentityMissing { path } => write!(
                f,
                "{} holds a log but no {IDENTITY}: restore the file, or move the directory away \
                 and replace this member with a new one",
                path.display()
            ),
            DirectoryError::NoMember { path } => {
                write!(
                    f,
                    "{} is no member's data directory, it has no {IDENTITY}: name the one that a \
                     member was started with (--data-dir)",
                    path.display()
                )
            }
            DirectoryError::LogMissing { path, owner } => write!(
                f,
                "{} belongs to {owner}, whose log is gone: {owner} no longer knows what it \
                 promised; move the directory away and replace this member with a new one",
                path.display()
            ),
            DirectoryError::OtherCluster { found, expected } => write!(
                f,
                "this data directory belongs to cluster {found:032x}, not to {expected:032x}: \
                 start it without --join, or let an empty directory join"
            ),
            DirectoryError::InvalidName { name } => write!(
                f,
                "{name:?} cannot be a member's name: 1 to {} bytes without control characters",
                crate::identity::NAME_BYTES_MAX
            ),
            DirectoryError::Disk(cause) => write!(f, "{cause}"),
        }
    }
}

impl std::error::Error for DirectoryError {}

impl From<disk::Error> for DirectoryError {
    fn from(cause: disk::Error) -> DirectoryError {
        DirectoryError::Disk(cause)
    }
}
