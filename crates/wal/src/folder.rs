//! The directory of the log: how its files are named, begun, prepared and removed.
//!
//! A segment is begun in three steps, so that a numbered file always has a sound header, and
//! nothing is written to a segment whose name a power cut could take away (`docs/format/wal.md`):
//!
//! 1. [`Folder::draft`]: a spare (or a new file) gets the header, flushed;
//! 2. whoever recovers copies frames into the draft and flushes them;
//! 3. [`Folder::publish`]: it is renamed to its number, and the directory flushed.
//!
//! With a spare at hand none of them opens anything: the spares, the draft and the directory stay
//! open throughout. So a process that has used up its descriptors goes on writing.

use std::path::{Path, PathBuf};

use disk::{Directory, Disk, File, Mode};

use crate::format::{BLOCK_BYTES, SegmentHeader};
use crate::spares::{Spare, SpareKeeper, Spares};

/// The names of segments that a repair set aside begin so.
const DAMAGED: &str = "damaged-";

/// So many of them are kept from earlier repairs; the newest repair keeps all of its own.
const DAMAGED_SEGMENTS_MAX: usize = 16;

/// The directory of the log and the spares in it.
pub(crate) struct Folder<D: Disk> {
    disk: D,
    path: PathBuf,
    directory: D::Directory,
    spares: Spares<D::File>,
}

/// What became of segments that were given up.
pub(crate) struct GivenUp {
    pub(crate) recycled: u64,
    pub(crate) removed: u64,
}

/// A segment that has its header but not yet its name.
pub(crate) struct Draft<F> {
    pub(crate) file: F,
    /// The checksum of its header: the seed of all checksums in it.
    pub(crate) seed: u32,
    name: u64,
    number: u64,
    prepared: u64,
}

/// A segment's file, just begun.
pub(crate) struct Begun<F> {
    pub(crate) file: F,
    pub(crate) seed: u32,
    /// Bytes of the file that are written already.
    pub(crate) prepared: u64,
}

impl<D: Disk> Folder<D> {
    /// Opens or creates the directory; the numbers of the segments in it, ascending.
    pub(crate) fn open(disk: D, path: &Path) -> Result<(Folder<D>, Vec<u64>), disk::Error> {
        create_directory(&disk, path)?;
        let names = disk.list(path)?;
        let numbers = names.iter().filter_map(|name| parse_segment_name(name)).collect();
        let spares = names.iter().filter_map(|name| parse_spare_name(name));
        let folder = Folder::look(disk, path)?;
        for name in spares {
            folder.adopt_spare(name)?;
        }
        Ok((folder, numbers))
    }

    /// The directory as it is; nothing is created, removed or taken over.
    pub(crate) fn look(disk: D, path: &Path) -> Result<Folder<D>, disk::Error> {
        let directory = disk.open_dir(path)?;
        Ok(Folder { disk, path: path.to_path_buf(), directory, spares: Spares::default() })
    }

    pub(crate) fn segment_path(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:020}.wal"))
    }

    /// Opens a segment to read it.
    pub(crate) fn open_segment(&self, number: u64) -> Result<D::File, disk::Error> {
        self.disk.open(&self.segment_path(number), Mode::Read)
    }

    /// Begins a segment: a file with a durable header, still under a spare's name.
    pub(crate) fn draft(&mut self, header: &SegmentHeader) -> Result<Draft<D::File>, disk::Error> {
        let (block, seed) = header.encode();
        let Spare { name, file, prepared } = self.take_spare()?;
        file.write_at(&block, 0)?;
        file.sync()?;
        Ok(Draft { file, seed, name, number: header.number, prepared: prepared.max(BLOCK_BYTES) })
    }

    /// Gives a draft its number, durably.
    pub(crate) fn publish(&self, draft: Draft<D::File>) -> Result<Begun<D::File>, disk::Error> {
        let Draft { mut file, seed, name, number, prepared } = draft;
        self.disk.rename_open(&mut file, &self.segment_path(number))?;
        self.spares.release(name);
        self.directory.sync()?;
        Ok(Begun { file, seed, prepared })
    }

    /// Who makes `wanted` spares of `segment_bytes` for this log.
    pub(crate) fn keeper(&self, wanted: usize, segment_bytes: u64) -> SpareKeeper<D> {
        let (disk, spares) = (self.disk.clone(), self.spares.clone());
        SpareKeeper::new(disk, &self.path, spares, wanted, segment_bytes)
    }

    /// So many bytes of the active segment's file are still to be written.
    pub(crate) fn note_active(&self, missing: u64) {
        self.spares.note_active(missing);
    }

    /// The numbers of the segments that are there, ascending.
    pub(crate) fn numbers(&self) -> Result<Vec<u64>, disk::Error> {
        let names = self.disk.list(&self.path)?;
        Ok(names.iter().filter_map(|name| parse_segment_name(name)).collect())
    }

    /// Renames damaged segments so that they no longer count, the newest one first, because it
    /// connects the others with the log. Of those set aside earlier the oldest are removed.
    pub(crate) fn set_aside(&self, numbers: &[u64]) -> Result<Vec<PathBuf>, disk::Error> {
        let earlier = self.disk.list(&self.path)?;
        let earlier = earlier.into_iter().filter(|name| name.starts_with(DAMAGED));
        let earlier: Vec<String> = earlier.collect();
        let count = (earlier.len() + numbers.len()).saturating_sub(DAMAGED_SEGMENTS_MAX);
        for name in earlier.iter().take(count) {
            self.disk.remove(&self.path.join(name))?;
        }
        let mut paths = Vec::new();
        for number in numbers.iter().rev() {
            let path = self.path.join(format!("{DAMAGED}{number:020}.wal"));
            self.disk.rename(&self.segment_path(*number), &path)?;
            if paths.is_empty() || paths.len() + 1 == numbers.len() {
                self.directory.sync()?;
            }
            paths.push(path);
        }
        paths.reverse();
        Ok(paths)
    }

    /// Gives up segments that no longer count: the newest of them become spares, as far as there
    /// are too few if `spares` are wanted, and the others are removed.
    ///
    /// The newest one goes first, durably: it is what connects the others with the log. So whatever
    /// a crash leaves is either all of them, or dead; and a spare that still has a header. Opening
    /// removes what is dead.
    pub(crate) fn give_up(&self, numbers: &[u64], spares: usize) -> Result<GivenUp, disk::Error> {
        let names = self.spares.take_names(numbers.len(), spares);
        let mut recycled = Vec::new();
        for (position, number) in numbers.iter().rev().enumerate() {
            let path = self.segment_path(*number);
            match names.get(position) {
                Some(name) => recycled.push((*name, self.recycle(&path, *name)?)),
                None => self.disk.remove(&path)?,
            }
            if position == 0 || position + 1 == numbers.len() {
                self.directory.sync()?;
            }
        }
        let count = recycled.len() as u64;
        for (name, file) in recycled {
            file.write_at(&[0; BLOCK_BYTES as usize], 0)?;
            file.sync()?;
            let prepared = file.size_bytes()?;
            self.spares.put(Spare { name, prepared, file });
        }
        Ok(GivenUp { recycled: count, removed: numbers.len() as u64 - count })
    }

    /// Gives a segment that is given up a spare's name.
    fn recycle(&self, segment: &Path, name: u64) -> Result<D::File, disk::Error> {
        // Opened first: what can not be opened stays a segment.
        let opened = self.disk.open(segment, Mode::ReadWrite);
        let mut file = opened.inspect_err(|_| self.spares.release(name))?;
        self.disk.rename_open(&mut file, &self.spare_path(name))?;
        Ok(file)
    }

    /// The best prepared spare, or a new file.
    fn take_spare(&mut self) -> Result<Spare<D::File>, disk::Error> {
        if let Some(spare) = self.spares.take() {
            return Ok(spare);
        }
        let name = self.spares.take_name();
        let opened = self.disk.open(&self.spare_path(name), Mode::CreateNew);
        let file = opened.inspect_err(|_| self.spares.release(name))?;
        Ok(Spare { name, prepared: 0, file })
    }

    /// Keeps a spare of an earlier process, unless it was already made into a draft: its number
    /// will be used again, and frames under that number must not be found in it.
    fn adopt_spare(&self, name: u64) -> Result<(), disk::Error> {
        let path = self.spare_path(name);
        let file = self.disk.open(&path, Mode::ReadWrite)?;
        let mut block = vec![0; BLOCK_BYTES as usize];
        let read = file.read_at(&mut block, 0)?;
        let prepared = file.size_bytes()?;
        if block[..read].iter().any(|byte| *byte != 0) {
            return self.disk.remove(&path);
        }
        self.spares.put(Spare { name, prepared, file });
        Ok(())
    }

    fn spare_path(&self, name: u64) -> PathBuf {
        spare_path(&self.path, name)
    }
}

/// Where the spare of that name lies in the log's directory.
pub(crate) fn spare_path(directory: &Path, name: u64) -> PathBuf {
    directory.join(format!("spare-{name}"))
}

/// Creates a directory and its missing parents, each durable before the next: so whatever exists,
/// only the last name can have been left unflushed by a process that died, and that one is flushed
/// again.
pub(crate) fn create_directory<D: Disk>(disk: &D, path: &Path) -> Result<(), disk::Error> {
    let Some(parent) = path.parent() else { return Ok(()) };
    match disk.list(path) {
        Ok(_) => {}
        Err(error) if error.is_not_found() => {
            create_directory(disk, parent)?;
            disk.create_dir_all(path)?;
        }
        Err(error) => return Err(error),
    }
    // The parent of a bare name is the empty path: the directory we are in.
    let here = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    match disk.sync_dir(here) {
        // Whoever may not even read the parent did not create anything in it.
        Err(error) if error.is_denied() => Ok(()),
        result => result,
    }
}

fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".wal")?;
    (digits.len() == 20).then(|| parse_number(digits)).flatten().filter(|number| *number > 0)
}

fn parse_spare_name(name: &str) -> Option<u64> {
    let number = parse_number(name.strip_prefix("spare-")?)?;
    (name == format!("spare-{number}") && number < u64::MAX).then_some(number)
}

fn parse_number(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}
