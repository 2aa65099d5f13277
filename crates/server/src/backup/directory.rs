//! One maker's backups in a directory, and the next one on its way there.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use disk::{Cause, Disk as _, OsDisk, OsLock};
use replica::{SnapshotError, check_backup};

use super::BackupError;
use super::name::{Maker, draft_name};

/// How often it is asked whether the member's own disk still has room: after so many bytes.
const ROOM_LOOK_BYTES: u64 = 16 << 20;

/// A backup that was read to its end and is sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptBackup {
    /// Its file.
    pub path: PathBuf,
    /// When it was begun, ms since 1970.
    pub time_ms: u64,
    /// Its size.
    pub bytes: u64,
    /// The last entry that it stands for.
    pub index: u64,
    /// That entry's term.
    pub term: u64,
    /// Whose state it is.
    pub cluster_id: u128,
}

/// What is known of files that were read before: each is read once while it does not change.
#[derive(Debug, Default)]
pub struct KnownFiles(BTreeMap<String, Known>);

#[derive(Debug)]
struct Known {
    /// Size, and when it was written to last.
    stands_for: (u64, Option<SystemTime>),
    /// None: it is not sound.
    kept: Option<KeptBackup>,
}

/// What one maker's files are, the newest first.
#[derive(Debug, Default)]
pub struct Retained {
    /// Sound ones.
    pub kept: Vec<KeptBackup>,
    /// Those that are not, and stay.
    pub unsound: Vec<PathBuf>,
    /// Those that were removed now.
    pub removed: Vec<PathBuf>,
}

/// A directory where this process alone makes backups under this maker's name, as long as the value
/// lives.
#[derive(Debug)]
pub struct BackupDirectory {
    path: PathBuf,
    maker: Maker,
    _lock: OsLock,
}

/// A backup that is being written. Dropped before [`Draft::finish`] it leaves nothing behind.
#[derive(Debug)]
pub struct Draft<'a> {
    directory: &'a BackupDirectory,
    file: BufWriter<File>,
    partial: Partial,
    name: String,
    time_ms: u64,
    reserve: Option<Reserve>,
}

/// A file that goes when this is dropped.
#[derive(Debug)]
struct Partial(PathBuf);

/// Room that is to be left free.
#[derive(Debug)]
struct Reserve {
    bytes: u64,
    /// So many may still be written before somebody looks again.
    unlooked: u64,
}

impl BackupDirectory {
    /// Takes hold of a directory, and removes what this maker left there unfinished.
    ///
    /// # Errors
    /// [`BackupError::Target`] if it is not there, or may not be written to;
    /// [`BackupError::InUse`].
    pub fn open(path: &Path, maker: Maker) -> Result<BackupDirectory, BackupError> {
        let target = |source| BackupError::Target { path: path.to_owned(), source };
        // Before the lock's file is made: that must not be what makes a directory of a mount point.
        fs::read_dir(path).map_err(target)?;
        let locked = OsDisk.lock(&path.join(maker.lock_name()));
        let lock = locked.map_err(|error| match error.cause {
            Cause::Held => BackupError::InUse { path: path.to_owned(), maker: maker.to_string() },
            cause => target(io::Error::other(cause.to_string())),
        })?;
        let directory = BackupDirectory { path: path.to_owned(), maker, _lock: lock };
        directory.remove_drafts().map_err(target)?;
        Ok(directory)
    }

    /// Nobody else writes under this maker's name now: whatever is unfinished was left.
    fn remove_drafts(&self) -> io::Result<()> {
        for name in self.names()? {
            if self.maker.is_draft(&name) {
                fs::remove_file(self.path.join(name))?;
            }
        }
        Ok(())
    }

    /// Names that are text: all of this maker's are.
    fn names(&self) -> io::Result<Vec<String>> {
        let names =
            fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }

    /// Begins a backup that is of about this time; so many bytes are left free where it is written.
    ///
    /// # Errors
    /// [`BackupError::Full`], [`BackupError::NoRoom`], [`BackupError::Write`].
    pub fn draft(&self, now_ms: u64, reserve_bytes: u64) -> Result<Draft<'_>, BackupError> {
        let (time_ms, name) = self.free_name(now_ms);
        let path = self.path.join(draft_name(&name));
        let opened = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = opened.map_err(|error| BackupError::of_file(&path, error))?;
        let reserve = (reserve_bytes > 0).then_some(Reserve { bytes: reserve_bytes, unlooked: 0 });
        let (file, partial) = (BufWriter::new(file), Partial(path));
        Ok(Draft { directory: self, file, partial, name, time_ms, reserve })
    }

    /// The first name from this time on that no file has.
    fn free_name(&self, now_ms: u64) -> (u64, String) {
        let names = (now_ms..).map(|time_ms| (time_ms, self.maker.name_at(time_ms)));
        let mut free = names.filter(|(_, name)| !self.path.join(name).exists());
        free.next().expect("a directory has fewer files than there are milliseconds")
    }

    /// This maker's backups, the newest first; each is read to its end, unless it is known.
    ///
    /// # Errors
    /// [`BackupError::Target`].
    pub fn look(&self, known: &mut KnownFiles) -> Result<Retained, BackupError> {
        let target = |source| BackupError::Target { path: self.path.clone(), source };
        let mut found = Retained::default();
        let names = self.names().map_err(target)?;
        known.0.retain(|name, _| names.contains(name));
        for name in names {
            let Some(time_ms) = self.maker.time_ms(&name) else { continue };
            match self.check(&name, time_ms, known).map_err(target)? {
                Some(kept) => found.kept.push(kept),
                None => found.unsound.push(self.path.join(&name)),
            }
        }
        // By what they hold: clocks go back, a log does not.
        found.kept.sort_by_key(|kept| std::cmp::Reverse((kept.index, kept.time_ms)));
        Ok(found)
    }

    /// What the file holds; none if it is not sound.
    fn check(
        &self,
        name: &str,
        time_ms: u64,
        known: &mut KnownFiles,
    ) -> io::Result<Option<KeptBackup>> {
        let path = self.path.join(name);
        let metadata = fs::symlink_metadata(&path)?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let stands_for = (metadata.len(), metadata.modified().ok());
        if let Some(known) = known.0.get(name).filter(|known| known.stands_for == stands_for) {
            return Ok(known.kept.clone());
        }
        let kept = match check_backup(&OsDisk, &path) {
            Ok((meta, bytes)) => {
                let ((term, index), cluster_id) = (meta.last, meta.cluster_id);
                Some(KeptBackup { path, time_ms, bytes, index, term, cluster_id })
            }
            // What could not be read now may be sound for all that.
            Err(SnapshotError::Disk(_)) => return Ok(None),
            Err(_) => None,
        };
        known.0.insert(name.to_owned(), Known { stands_for, kept: kept.clone() });
        Ok(kept)
    }

    /// Keeps so many sound backups of the same cluster as `newest`, and that one in any case; older
    /// ones of it go. What is not sound, somebody else's or another cluster's stays.
    ///
    /// # Errors
    /// [`BackupError::Target`], [`BackupError::Write`]: nothing that should stay is gone.
    pub fn retain(
        &self,
        keep: usize,
        newest: &KeptBackup,
        known: &mut KnownFiles,
    ) -> Result<Retained, BackupError> {
        assert!(keep > 0, "the newest stays");
        let mut found = self.look(known)?;
        let own = |kept: &&KeptBackup| kept.cluster_id == newest.cluster_id;
        let old = found.kept.iter().filter(own).skip(keep).filter(|kept| kept.path != newest.path);
        let removed: Vec<PathBuf> = old.map(|kept| kept.path.clone()).collect();
        for path in &removed {
            fs::remove_file(path).map_err(|error| BackupError::of_file(path, error))?;
        }
        if !removed.is_empty() {
            self.sync()?;
        }
        found.kept.retain(|kept| !removed.contains(&kept.path));
        found.removed = removed;
        Ok(found)
    }

    fn sync(&self) -> Result<(), BackupError> {
        let synced = File::open(&self.path).and_then(|directory| directory.sync_all());
        synced.map_err(|error| BackupError::of_file(&self.path, error))
    }

    /// Whether it lies on the same disk as this other path.
    pub(super) fn shares_disk_with(&self, other: &Path) -> bool {
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev());
        matches!((device(&self.path), device(other)), (Ok(own), Ok(other)) if own == other)
    }
}

impl Draft<'_> {
    /// Writes the next bytes.
    ///
    /// # Errors
    /// [`BackupError::Full`], [`BackupError::NoRoom`], [`BackupError::Write`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.leave_room(bytes.len() as u64)?;
        self.file.write_all(bytes).map_err(|error| BackupError::of_file(&self.partial.0, error))
    }

    fn leave_room(&mut self, bytes: u64) -> Result<(), BackupError> {
        let Some(reserve) = &mut self.reserve else { return Ok(()) };
        if reserve.unlooked >= bytes {
            reserve.unlooked -= bytes;
            return Ok(());
        }
        let free = OsDisk.free_bytes(&self.directory.path);
        let free_bytes = free.map_err(|error| BackupError::Target {
            path: self.directory.path.clone(),
            source: io::Error::other(error.to_string()),
        })?;
        if free_bytes < reserve.bytes.saturating_add(ROOM_LOOK_BYTES) {
            return Err(BackupError::NoRoom { free_bytes, reserve_bytes: reserve.bytes });
        }
        reserve.unlooked = ROOM_LOOK_BYTES.saturating_sub(bytes);
        Ok(())
    }

    /// Makes what was written durable, reads it back, and gives it its name: from then on it is
    /// there and whole.
    ///
    /// # Errors
    /// [`BackupError::Full`], [`BackupError::Write`], [`BackupError::Unsound`]: nothing is kept.
    pub fn finish(mut self) -> Result<KeptBackup, BackupError> {
        let failed = |error| BackupError::of_file(&self.partial.0, error);
        self.file.flush().map_err(failed)?;
        self.file.get_ref().sync_all().map_err(failed)?;
        // A stream that ended early shows here, too.
        let checked = check_backup(&OsDisk, &self.partial.0);
        let (meta, bytes) = checked.map_err(BackupError::Unsound)?;
        let path = self.directory.path.join(&self.name);
        fs::rename(&self.partial.0, &path).map_err(|error| BackupError::of_file(&path, error))?;
        self.directory.sync()?;
        let ((term, index), cluster_id) = (meta.last, meta.cluster_id);
        Ok(KeptBackup { path, time_ms: self.time_ms, bytes, index, term, cluster_id })
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After a rename there is none; and what can not be removed now is at the next start.
        if let Err(error) = fs::remove_file(&self.0)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.0.display(), "an unfinished backup is left");
        }
    }
}
