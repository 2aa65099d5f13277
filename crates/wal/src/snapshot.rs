//! Snapshots as files: written aside, checked, and only then given their name.
//!
//! ```text
//! create ─▶ content … ─▶ finish: footer ─┐
//!                                        ├─▶ flush ─▶ read back ─▶ rename ─▶ flush directory
//! receive ─▶ a peer's bytes … ─▶ finish ─┘
//! ```
//!
//! A file that has its name was whole once. What is wrong with it later is corruption: it is
//! skipped, and said aloud, for the one before; it is removed only when there is a newer good one.
//! `docs/format/snapshot.md` specifies the bytes; the content of the chunks is the store's.
//!
//! What this module does *not* do: it does not know when a snapshot is due, which log it belongs
//! to, or what it holds; and it sends nothing.

mod encoder;
mod error;
mod format;
mod reader;
mod receiving;
mod writer;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use disk::{Disk, File, Mode};

use crate::folder::create_directory;
use receiving::Receiving;

pub use encoder::SnapshotEncoder;
pub use error::{SnapshotDamage, SnapshotError};
pub use format::{SNAPSHOT_CHUNK_BYTES_MAX, SnapshotMeta};
pub use reader::SnapshotReader;
pub use writer::SnapshotWriter;

/// Largest snapshot that is received, in bytes.
pub const SNAPSHOT_BYTES_MAX: u64 = 1 << 40;

/// So many snapshots that were set aside are kept, the newest; older ones are removed.
const ASIDE_MAX: usize = 4;

const NAMED: &str = ".snapshot";
const WRITING: &str = ".writing";
const RECEIVING: &str = ".receiving";
const ASIDE: &str = "aside-";

/// The snapshots of a member. No other process may have them open:
/// [`crate::DataDirectory`] holds the lock.
pub struct Snapshots<D: Disk> {
    disk: D,
    path: PathBuf,
    /// Those that were whole when they were last read, newest first.
    good: Vec<SnapshotInfo>,
    /// Damaged ones, which are kept until there is a newer good one.
    damaged: Vec<Skipped>,
    receiving: Option<Receiving<D::File>>,
}

/// A snapshot whose every byte was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// What it says about itself.
    pub meta: SnapshotMeta,
    /// The size of its file.
    pub bytes: u64,
    /// The file.
    pub path: PathBuf,
}

/// A file that should be a snapshot and is none.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// Term and index of the last entry that it stands for, as its name says.
    pub last: (u64, u64),
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, and where.
    pub error: SnapshotError,
}

/// Which snapshot is being received, and from whom. Whoever comes with another one begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The sender's member id.
    pub sender: u64,
    /// A number of the sender's process: the same name may stand for other bytes later.
    pub life: u64,
    /// Term and index of the last entry that it stands for.
    pub last: (u64, u64),
    /// The size of the file.
    pub bytes_total: u64,
}

impl<D: Disk> Snapshots<D> {
    /// Opens or creates the directory, checks every snapshot in it, and removes what was being
    /// written or received when the last process ended.
    ///
    /// # Errors
    /// Only of the disk; damaged snapshots are in [`Snapshots::skipped`].
    pub fn open(disk: D, path: &Path) -> Result<Snapshots<D>, disk::Error> {
        create_directory(&disk, path)?;
        let names = disk.list(path)?;
        let path = path.to_path_buf();
        let (good, damaged) = (Vec::new(), Vec::new());
        let mut snapshots = Snapshots { disk, path, good, damaged, receiving: None };
        for name in names.iter().filter(|name| is_unfinished(name)) {
            snapshots.disk.remove(&snapshots.path.join(name))?;
        }
        for (name, last) in names.iter().filter_map(|name| Some((name, parse_name(name)?))) {
            snapshots.adopt(snapshots.path.join(name), last)?;
        }
        // A process that died may have left the last rename unflushed.
        snapshots.disk.sync_dir(&snapshots.path)?;
        Ok(snapshots)
    }

    /// Checks the snapshots in a directory without changing anything: the good ones, newest first,
    /// and the damaged ones. Nothing is found where there is no directory.
    pub fn inspect(
        disk: &D,
        path: &Path,
    ) -> Result<(Vec<SnapshotInfo>, Vec<Skipped>), disk::Error> {
        let names = match disk.list(path) {
            Ok(names) => names,
            Err(error) if error.is_not_found() => Vec::new(),
            Err(error) => return Err(error),
        };
        let (mut good, mut damaged) = (Vec::new(), Vec::new());
        for (name, last) in names.iter().filter_map(|name| Some((name, parse_name(name)?))) {
            match check(disk, path.join(name), last)? {
                Ok(info) => good.insert(0, info),
                Err(skipped) => damaged.insert(0, skipped),
            }
        }
        Ok((good, damaged))
    }

    /// Begins a snapshot of this member's own state.
    pub fn create(&self, meta: SnapshotMeta) -> Result<SnapshotWriter<D::File>, SnapshotError> {
        let path = self.path_of(meta.last, WRITING);
        let file = self.create_file(&path)?;
        SnapshotWriter::begin(file, path, meta)
    }

    /// Ends a snapshot: after this it is durable, was read back, and has its name. On an error
    /// nothing of it is left that would count.
    pub fn finish(
        &mut self,
        writer: SnapshotWriter<D::File>,
    ) -> Result<SnapshotInfo, SnapshotError> {
        let (draft, last) = (writer.path().to_path_buf(), writer.meta().last);
        let ended = writer.end();
        let finished = ended.and_then(|()| self.publish(&draft, last));
        finished.inspect_err(|_| self.remove_draft(&draft))
    }

    /// Gives a snapshot up that was being written.
    pub fn abandon(&self, writer: SnapshotWriter<D::File>) {
        let draft = writer.path().to_path_buf();
        drop(writer);
        self.remove_draft(&draft);
    }

    /// Makes ready for the bytes of a peer's snapshot, and says at which offset to go on: 0, or
    /// what is there already if the very same one was being received.
    ///
    /// # Errors
    /// [`SnapshotDamage::Length`] if no snapshot can have that size.
    pub fn receive(&mut self, incoming: Incoming) -> Result<u64, SnapshotError> {
        if let Some(receiving) = self.receiving.as_ref().filter(|r| r.incoming == incoming) {
            return Ok(receiving.written);
        }
        self.abandon_received();
        let path = self.path_of(incoming.last, RECEIVING);
        if !(1..=SNAPSHOT_BYTES_MAX).contains(&incoming.bytes_total) {
            return Err(SnapshotError::damaged(&path, 0, SnapshotDamage::Length));
        }
        let file = self.create_file(&path)?;
        self.receiving = Some(Receiving::new(file, path, incoming));
        Ok(0)
    }

    /// Writes bytes that were received, if they are the next ones; returns the offset to go on at.
    ///
    /// # Errors
    /// Whatever fails ends the reception: nothing of it is left.
    pub fn write_received(&mut self, offset: u64, bytes: &[u8]) -> Result<u64, SnapshotError> {
        let receiving = self.receiving.as_mut().ok_or(SnapshotError::NotReceiving)?;
        let written = receiving.write(offset, bytes);
        written.inspect_err(|_| self.abandon_received())
    }

    /// Ends the reception: after this the snapshot is durable, was read back, belongs to
    /// `cluster_id`, and has its name. On an error nothing of it is left.
    pub fn finish_received(&mut self, cluster_id: u128) -> Result<SnapshotInfo, SnapshotError> {
        let receiving = self.receiving.take().ok_or(SnapshotError::NotReceiving)?;
        let (draft, last) = (receiving.path.clone(), receiving.incoming.last);
        let finished = receiving.end(cluster_id).and_then(|()| self.publish(&draft, last));
        finished.inspect_err(|_| self.remove_draft(&draft))
    }

    /// Gives up what is being received, if anything is.
    pub fn abandon_received(&mut self) {
        if let Some(receiving) = self.receiving.take() {
            let path = receiving.path.clone();
            drop(receiving);
            self.remove_draft(&path);
        }
    }

    /// Removes all good snapshots but those of these (term, index), and the damaged ones that are
    /// older than the newest good one.
    pub fn retain(&mut self, keep: &[(u64, u64)]) -> Result<(), disk::Error> {
        let (kept, gone) = std::mem::take(&mut self.good)
            .into_iter()
            .partition(|info: &SnapshotInfo| keep.contains(&info.meta.last));
        self.good = kept;
        let newest = self.good.first().map_or(0, |info| info.meta.last.1);
        let (outdated, damaged) = std::mem::take(&mut self.damaged)
            .into_iter()
            .partition(|skipped: &Skipped| skipped.last.1 < newest);
        self.damaged = damaged;
        let gone = gone.into_iter().map(|info: SnapshotInfo| info.path);
        let outdated = outdated.into_iter().map(|skipped: Skipped| skipped.path);
        self.remove_files(gone.chain(outdated).collect())
    }

    /// Sets snapshots aside, because the state in them may be wrong: they keep their bytes under
    /// another name and never count again. One that is not there is passed over. Of all that were
    /// ever set aside the newest `ASIDE_MAX` are kept.
    ///
    /// # Errors
    /// Of the disk. Whatever came of their files, they do not count any more until the next start;
    /// then those that have their names still do.
    pub fn set_aside(&mut self, doubtful: &[(u64, u64)]) -> Result<(), disk::Error> {
        self.good.retain(|info| !doubtful.contains(&info.meta.last));
        self.damaged.retain(|skipped| !doubtful.contains(&skipped.last));
        for &last in doubtful {
            let from = self.path_of(last, NAMED);
            let to = self.path.join(format!("{ASIDE}{}", file_name(last, NAMED)));
            match self.disk.rename(&from, &to) {
                Err(error) if !error.is_not_found() => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        self.disk.sync_dir(&self.path)?;
        self.remove_aside_but(ASIDE_MAX)
    }

    /// Removes all snapshots that were set aside.
    ///
    /// # Errors
    /// Of the disk. What could not be removed is removed the next time.
    pub fn remove_aside(&mut self) -> Result<(), disk::Error> {
        self.remove_aside_but(0)
    }

    fn remove_aside_but(&self, newest: usize) -> Result<(), disk::Error> {
        let mut names = self.disk.list(&self.path)?;
        names.retain(|name| name.strip_prefix(ASIDE).and_then(parse_name).is_some());
        // Names begin with the index, all digits of it.
        names.sort_unstable();
        let gone = names.len().saturating_sub(newest);
        self.remove_files(names[..gone].iter().map(|name| self.path.join(name)).collect())
    }

    /// The snapshots that are good, newest first.
    pub fn good(&self) -> &[SnapshotInfo] {
        &self.good
    }

    /// The good snapshot that stands for the log up to this (term, index).
    pub fn find(&self, last: (u64, u64)) -> Option<&SnapshotInfo> {
        self.good.iter().find(|info| info.meta.last == last)
    }

    /// The damaged ones, newest first.
    pub fn skipped(&self) -> &[Skipped] {
        &self.damaged
    }

    /// Opens a snapshot to read its content; every chunk is checked again.
    pub fn reader(&self, info: &SnapshotInfo) -> Result<SnapshotReader<D::File>, SnapshotError> {
        SnapshotReader::open(&self.disk, &info.path)
    }

    /// Bytes of a snapshot's file from `offset` on, as a peer receives them: at most `bytes_max`,
    /// fewer at the end.
    pub fn read_raw(
        &self,
        info: &SnapshotInfo,
        offset: u64,
        bytes_max: usize,
    ) -> Result<Bytes, disk::Error> {
        let left = usize::try_from(info.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; bytes_max.min(left)];
        let read = self.disk.open(&info.path, Mode::Read)?.read_at(&mut bytes, offset)?;
        bytes.truncate(read);
        Ok(Bytes::from(bytes))
    }

    /// Reads a finished draft back, and gives it its name.
    fn publish(&mut self, draft: &Path, last: (u64, u64)) -> Result<SnapshotInfo, SnapshotError> {
        let (meta, bytes) = SnapshotReader::check(&self.disk, draft)?;
        if meta.last != last {
            return Err(SnapshotError::damaged(draft, 0, SnapshotDamage::OtherLogId));
        }
        let path = self.path_of(last, NAMED);
        self.disk.rename(draft, &path)?;
        self.disk.sync_dir(&self.path)?;
        let info = SnapshotInfo { meta, bytes, path };
        self.damaged.retain(|skipped| skipped.last != last);
        self.good.retain(|good| good.meta.last != last);
        self.good.push(info.clone());
        self.good.sort_unstable_by_key(|info| std::cmp::Reverse(info.meta.last.1));
        Ok(info)
    }

    fn adopt(&mut self, path: PathBuf, last: (u64, u64)) -> Result<(), disk::Error> {
        match check(&self.disk, path, last)? {
            Ok(info) => self.good.insert(0, info),
            Err(skipped) => self.damaged.insert(0, skipped),
        }
        Ok(())
    }

    fn create_file(&self, path: &Path) -> Result<D::File, disk::Error> {
        match self.disk.remove(path) {
            Err(error) if !error.is_not_found() => return Err(error),
            Ok(()) | Err(_) => {}
        }
        self.disk.open(path, Mode::CreateNew)
    }

    /// What is left of a failure is removed on opening at the latest.
    fn remove_draft(&self, path: &Path) {
        let _ = self.disk.remove(path);
    }

    fn remove_files(&self, paths: Vec<PathBuf>) -> Result<(), disk::Error> {
        if paths.is_empty() {
            return Ok(());
        }
        for path in paths {
            self.disk.remove(&path)?;
        }
        self.disk.sync_dir(&self.path)
    }

    fn path_of(&self, last: (u64, u64), suffix: &str) -> PathBuf {
        self.path.join(file_name(last, suffix))
    }
}

/// Checks the snapshot in a file.
fn check<D: Disk>(
    disk: &D,
    path: PathBuf,
    last: (u64, u64),
) -> Result<Result<SnapshotInfo, Skipped>, disk::Error> {
    let error = match SnapshotReader::check(disk, &path) {
        Ok((meta, bytes)) if meta.last == last => {
            return Ok(Ok(SnapshotInfo { meta, bytes, path }));
        }
        Ok(_) => SnapshotError::damaged(&path, 0, SnapshotDamage::OtherLogId),
        Err(SnapshotError::Disk(error)) => return Err(error),
        Err(error) => error,
    };
    Ok(Err(Skipped { last, path, error }))
}

fn file_name((term, index): (u64, u64), suffix: &str) -> String {
    format!("{index:020}-{term}{suffix}")
}

fn is_unfinished(name: &str) -> bool {
    let stem = name.strip_suffix(WRITING).or_else(|| name.strip_suffix(RECEIVING));
    stem.is_some_and(|stem| parse_log_id(stem).is_some())
}

/// Term and index of the snapshot of this name.
fn parse_name(name: &str) -> Option<(u64, u64)> {
    parse_log_id(name.strip_suffix(NAMED)?)
}

fn parse_log_id(stem: &str) -> Option<(u64, u64)> {
    let (index, term) = stem.split_once('-')?;
    let last = (term.parse().ok()?, index.parse().ok()?);
    (file_name(last, "") == stem).then_some(last)
}
