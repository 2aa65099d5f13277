//! One file's bytes, twice: in the page cache and on the platter.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;

use super::Counts;
use super::random::Random;
use crate::SECTOR_BYTES;

/// Flushes of one file that are remembered, so that one of them can be undone.
const FLUSHES_REMEMBERED: usize = 32;

/// Draws for a sector that says something, and not about the file as a whole.
const DRAWS: usize = 8;
/// What stands in the first sectors is about the file as a whole.
const FIRST_SECTORS: usize = 8;

/// A file's bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// The newest flushes, oldest first.
    flushes: VecDeque<Flush>,
    /// Sectors that can not be read until they are written again.
    unreadable: BTreeSet<usize>,
    /// Sectors written since the last flush.
    dirty: BTreeSet<usize>,
    /// Sectors of a failed flush: clean to the system, not on the platter; a later flush skips
    /// them.
    abandoned: BTreeSet<usize>,
}

/// What one flush put on the platter.
#[derive(Clone, Debug)]
struct Flush {
    /// Ascending, each with the bytes that were there before; fewer than a sector at the end.
    sectors: Vec<(usize, Vec<u8>)>,
    /// It wrote something else than zeros.
    says_something: bool,
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
            self.unreadable.remove(&sector);
        }
    }

    pub(super) fn sync(&mut self) {
        self.durable.resize(self.cached.len(), 0);
        let mut sectors = Vec::with_capacity(self.dirty.len());
        let mut says_something = false;
        for sector in std::mem::take(&mut self.dirty) {
            sectors.push((sector, self.durable[self.range_of(sector)].to_vec()));
            self.keep(sector, SECTOR_BYTES);
            says_something |= self.durable[self.range_of(sector)].iter().any(|&byte| byte != 0);
        }
        if self.flushes.len() == FLUSHES_REMEMBERED {
            self.flushes.pop_front();
        }
        self.flushes.push_back(Flush { sectors, says_something });
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

    /// Flips a bit of one of these bytes; mostly of one that says something, for most of a log is
    /// zeros. Where it did.
    pub(super) fn flip_in(&mut self, range: Range<u64>, random: &mut Random) -> Option<u64> {
        let (start, end) = (range.start as usize, (range.end as usize).min(self.cached.len()));
        let bytes = self.cached.get(start..end)?;
        let says = |(_, byte): &(usize, &u8)| **byte != 0;
        let telling: Vec<usize> = bytes.iter().enumerate().filter(says).map(|(at, _)| at).collect();
        let anywhere = random.below(4) == 0 || telling.is_empty();
        let offset = match random.pick(&telling) {
            Some(&at) if !anywhere => (start + at) as u64,
            _ => start as u64 + random.below((end - start).max(1) as u64),
        };
        self.flip_bit(offset).then_some(offset)
    }

    // Harm at rest. It befalls what an earlier flush than the newest put on the platter, and what
    // nobody has written since.

    /// How many flushes may be harmed: those before the newest that wrote more than zeros, which
    /// only make room.
    pub(super) fn flushes_harmable(&self) -> usize {
        self.flushes.iter().rposition(|flush| flush.says_something).unwrap_or(0)
    }

    /// The sectors that the flush at `position` was the last to write.
    pub(super) fn untouched(&self, position: usize) -> Vec<usize> {
        let later = self.flushes.iter().skip(position + 1);
        let later: BTreeSet<usize> =
            later.flat_map(|flush| flush.sectors.iter().map(|(sector, _)| *sector)).collect();
        let own = self.flushes[position].sectors.iter().map(|(sector, _)| *sector);
        own.filter(|s| !later.contains(s) && !self.dirty.contains(s)).collect()
    }

    /// A sector of one of these flushes that nothing has written since. Seldom zeros
    /// only, and seldom one of the first of the file: without its header a file is of no use, and
    /// nothing else in it matters any more.
    pub(super) fn sector_to_harm(
        &self,
        flushes: Range<usize>,
        random: &mut Random,
    ) -> Option<usize> {
        let mut draw = || {
            let position = flushes.start + random.below(flushes.len() as u64) as usize;
            let untouched = self.untouched(position);
            random.pick(&untouched).copied()
        };
        let draws: Vec<usize> = (0..DRAWS).filter_map(|_| draw()).collect();
        let says = |sector| self.durable[self.range_of(sector)].iter().any(|&byte| byte != 0);
        let best = draws.iter().copied().find(|&s| s >= FIRST_SECTORS && says(s));
        best.or(draws.first().copied())
    }

    /// The flush at `position` never happened, except to what was written since. Its bytes, from
    /// their first sector on.
    pub(super) fn lose_flush(&mut self, position: usize) -> Option<(usize, Vec<u8>)> {
        let untouched = self.untouched(position);
        let first = *untouched.first()?;
        let (mut lost, mut changed) = (Vec::new(), false);
        for (sector, before) in self.flushes[position].sectors.clone() {
            if !untouched.contains(&sector) {
                continue;
            }
            let range = self.range_of(sector);
            lost.extend_from_slice(&self.durable[range.clone()]);
            changed |= self.durable[range] != before;
            self.overwrite(sector, &before);
        }
        changed.then_some((first, lost))
    }

    /// Whether a write to these sectors spares what the newest flush wrote, and the file's end.
    pub(super) fn may_be_hit(&self, sectors: Range<usize>) -> bool {
        let newest = self.flushes.get(self.flushes_harmable());
        let spared = newest.is_none_or(|f| f.sectors.iter().all(|(s, _)| !sectors.contains(s)));
        let inside = sectors.end * SECTOR_BYTES <= self.durable.len();
        spared && inside && sectors.into_iter().all(|sector| !self.dirty.contains(&sector))
    }

    /// Bytes that were meant for elsewhere.
    pub(super) fn hit(&mut self, first: usize, bytes: &[u8]) {
        for (position, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
            self.overwrite(first + position, sector);
        }
    }

    pub(super) fn make_unreadable(&mut self, sector: usize) {
        self.unreadable.insert(sector);
    }

    /// Whether any byte of the range can not be read.
    pub(super) fn is_unreadable(&self, offset: u64, length: usize) -> bool {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let sectors = start / SECTOR_BYTES..start.saturating_add(length).div_ceil(SECTOR_BYTES);
        self.unreadable.range(sectors).next().is_some()
    }

    fn range_of(&self, sector: usize) -> Range<usize> {
        let start = sector * SECTOR_BYTES;
        start.min(self.durable.len())..(start + SECTOR_BYTES).min(self.durable.len())
    }

    /// On the platter and in the cache, behind everybody's back.
    fn overwrite(&mut self, sector: usize, bytes: &[u8]) {
        let start = sector * SECTOR_BYTES;
        self.durable[start..start + bytes.len()].copy_from_slice(bytes);
        self.cached[start..start + bytes.len()].copy_from_slice(bytes);
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
