//! One file's bytes, twice: in the page cache and on the platter.

use std::collections::BTreeSet;

use super::Counts;
use super::random::Random;
use crate::SECTOR_BYTES;

/// A file's bytes.
#[derive(Debug, Default)]
pub(super) struct Image {
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors written since the last flush.
    dirty: BTreeSet<usize>,
    /// Sectors of a failed flush: clean to the system, not on the platter; a later flush skips
    /// them.
    abandoned: BTreeSet<usize>,
}

/// What a power cut does to the unflushed sectors of one file. Real disks do [`Fate::Mixed`]; the
/// others make the rare extremes common.
enum Fate {
    AllLost,
    AllKept,
    FirstKept(usize),
    Mixed,
}

impl Image {
    pub(super) fn size_bytes(&self) -> u64 {
        self.cached.len() as u64
    }

    pub(super) fn read(&self, bytes: &mut [u8], offset: u64) -> usize {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.cached.len());
        let count = bytes.len().min(self.cached.len() - start);
        bytes[..count].copy_from_slice(&self.cached[start..start + count]);
        count
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        if bytes.is_empty() {
            return;
        }
        let start = usize::try_from(offset).expect("simulated files fit in memory");
        let end = start + bytes.len();
        if end > self.cached.len() {
            self.cached.resize(end, 0);
        }
        self.cached[start..end].copy_from_slice(bytes);
        for sector in start / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES {
            self.dirty.insert(sector);
            self.abandoned.remove(&sector);
        }
    }

    pub(super) fn sync(&mut self) {
        self.durable.resize(self.cached.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            self.keep(sector, SECTOR_BYTES);
        }
    }

    /// A flush that failed: its sectors count as clean from now on, and never reach the platter.
    pub(super) fn sync_failed(&mut self) {
        self.abandoned.append(&mut self.dirty);
    }

    pub(super) fn power_cut(&mut self, random: &mut Random, counts: &mut Counts) {
        let mut unflushed = std::mem::take(&mut self.dirty);
        unflushed.append(&mut self.abandoned);
        let fate = Fate::draw(random, unflushed.len());
        for (position, sector) in unflushed.into_iter().enumerate() {
            let kept_bytes = fate.kept_bytes(random, position);
            self.keep(sector, kept_bytes);
            *match kept_bytes {
                0 => &mut counts.sectors_lost,
                SECTOR_BYTES => &mut counts.sectors_kept,
                _ => &mut counts.sectors_torn,
            } += 1;
        }
        self.cached.clone_from(&self.durable);
    }

    pub(super) fn flip_bit(&mut self, offset: u64) -> bool {
        let Ok(offset) = usize::try_from(offset) else { return false };
        let Some(byte) = self.cached.get_mut(offset) else { return false };
        *byte ^= 1;
        if let Some(byte) = self.durable.get_mut(offset) {
            *byte ^= 1;
        }
        true
    }

    /// Puts the first `kept_bytes` of a cached sector on the platter.
    fn keep(&mut self, sector: usize, kept_bytes: usize) {
        let start = sector * SECTOR_BYTES;
        let end = (start + kept_bytes).min(self.cached.len());
        if kept_bytes == 0 || start >= end {
            return;
        }
        if end > self.durable.len() {
            self.durable.resize(end, 0);
        }
        self.durable[start..end].copy_from_slice(&self.cached[start..end]);
    }
}

impl Fate {
    fn draw(random: &mut Random, sectors: usize) -> Fate {
        match random.below(4) {
            0 => Fate::AllLost,
            1 => Fate::AllKept,
            2 => Fate::FirstKept(random.below(sectors as u64 + 1) as usize),
            _ => Fate::Mixed,
        }
    }

    /// How much of the unflushed sector at `position` reaches the platter.
    fn kept_bytes(&self, random: &mut Random, position: usize) -> usize {
        match self {
            Fate::AllLost => 0,
            Fate::AllKept => SECTOR_BYTES,
            Fate::FirstKept(count) if position < *count => SECTOR_BYTES,
            Fate::FirstKept(_) => 0,
            Fate::Mixed => match random.below(3) {
                0 => 0,
                1 => SECTOR_BYTES,
                _ => 1 + random.below(SECTOR_BYTES as u64 - 1) as usize,
            },
        }
    }
}
