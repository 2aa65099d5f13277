//! What disks do to bytes that they had acknowledged: rot, lost and misdirected writes, sectors
//! that can not be read any more.
//!
//! Harm befalls a flush that is *not the newest of its file*, those that only wrote zeros aside.
//! A log whose newest flush is gone
//! looks exactly like one that was torn, and no protocol can survive that on a majority's last
//! copy: such a harm lies outside of what is promised (`docs/guarantees.md`), so it would prove
//! nothing here. An earlier flush that is gone leaves a hole that can be seen; and a sector that
//! can not be read says so itself, so that may befall the newest flush as well.

use std::path::{Path, PathBuf};

use super::image::Image;
use super::names::FileId;
use super::random::Random;
use super::{SimDisk, State};
use crate::SECTOR_BYTES;

/// How bytes at rest are harmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// One bit turns over.
    Flip,
    /// The flush answered "done" and wrote nothing.
    Lost,
    /// The flush wrote to another place: its own keeps the old bytes, the other has lost its own.
    Misdirected,
    /// A sector can not be read, until it is written again.
    Unreadable,
}

impl Harm {
    /// All of them.
    pub const ALL: [Harm; 4] = [Harm::Flip, Harm::Lost, Harm::Misdirected, Harm::Unreadable];
}

/// What was harmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harmed {
    /// The file.
    pub path: PathBuf,
    /// Where the harm begins in it, in bytes.
    pub offset: u64,
}

impl SimDisk {
    /// Harms what one of the last flushes wrote to a file that `eligible` picks; `seed` decides
    /// which one. None if nothing can be harmed (see the module), or if it would have changed
    /// nothing.
    pub fn harm(&self, harm: Harm, seed: u64, eligible: impl Fn(&Path) -> bool) -> Option<Harmed> {
        let (mut state, mut random) = (self.state(), Random::new(seed));
        let files: Vec<(PathBuf, FileId)> = state
            .names
            .files()
            .filter(|(path, id)| eligible(path) && state.images[id].flushes_harmable() > 0)
            .map(|(path, id)| (path.clone(), id))
            .collect();
        // What can not be read is no tear, in the newest flush of all neither: that is the one
        // place where it could be taken for one.
        let newest = harm == Harm::Unreadable && random.below(2) == 0;
        let (path, id) = match newest {
            true => files.iter().max_by_key(|(path, _)| path)?.clone(),
            false => random.pick(&files)?.clone(),
        };
        let offset = state.harm_file(harm, newest, id, &files, &mut random)?;
        Some(Harmed { path, offset })
    }
}

impl SimDisk {
    /// Flips a bit anywhere in the file at `path`, on the platter and in the cache; `seed` decides
    /// where. None if there is nothing to flip.
    pub fn flip_any(&self, path: &Path, seed: u64) -> Option<u64> {
        let (mut state, mut random) = (self.state(), Random::new(seed));
        let id = state.names.file(path)?;
        let image = state.images.get_mut(&id)?;
        image.flip_in(0..image.size_bytes(), &mut random)
    }

    /// The names in the directory at `path`, as the disk shows them. Looking is no operation.
    pub fn peek(&self, path: &Path) -> Vec<String> {
        self.state().names.list(path).unwrap_or_default()
    }
}

impl State {
    fn harm_file(
        &mut self,
        harm: Harm,
        newest: bool,
        id: FileId,
        files: &[(PathBuf, FileId)],
        random: &mut Random,
    ) -> Option<u64> {
        let image = self.image(id);
        let harmable = image.flushes_harmable();
        let flushes = if newest { harmable..harmable + 1 } else { 0..harmable };
        let sector = match harm {
            Harm::Flip | Harm::Unreadable => image.sector_to_harm(flushes, random)?,
            Harm::Lost | Harm::Misdirected => {
                let position = random.below(harmable as u64) as usize;
                let (first, bytes) = image.lose_flush(position)?;
                if harm == Harm::Misdirected {
                    let &(_, target) = random.pick(files).expect("one of them was picked before");
                    let missing = (target == id).then_some(first);
                    misdirect(self.image(target), &bytes, missing, random);
                }
                return Some((first * SECTOR_BYTES) as u64);
            }
        };
        let start = (sector * SECTOR_BYTES) as u64;
        if harm == Harm::Unreadable {
            image.make_unreadable(sector);
            return Some(start);
        }
        let length = (image.size_bytes() - start).min(SECTOR_BYTES as u64);
        image.flip_in(start..start + length, random)
    }
}

/// Writes to some place in the file, unless that is where the bytes are `missing`, or a place that
/// must be spared.
fn misdirect(image: &mut Image, bytes: &[u8], missing: Option<usize>, random: &mut Random) {
    let length = bytes.len().div_ceil(SECTOR_BYTES);
    let sectors = image.size_bytes() as usize / SECTOR_BYTES;
    if sectors <= length {
        return;
    }
    let first = random.below((sectors - length) as u64) as usize;
    let strays = missing.is_none_or(|missing| first.abs_diff(missing) >= length);
    if strays && image.may_be_hit(first..first + length) {
        image.hit(first, bytes);
    }
}
