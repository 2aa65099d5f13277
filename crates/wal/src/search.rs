//! Sound frames anywhere in a segment, whatever lies before them.
//!
//! Whoever stored values may have put there what looks like the beginning of a huge frame, at every
//! block. So a candidate's checksum is not computed from its bytes: it follows from the checksums
//! of the segment up to the candidate's beginning and up to its end, because CRCs of adjoining
//! bytes combine. A search therefore reads the rest of the segment once, and less than one block
//! for each block of it: at most twice its size, however hostile.

use bytes::Bytes;
use disk::File;

use crate::format::{BLOCK_BYTES, CHECKED_FROM, Claim, Heads};
use crate::outline::LogId;

/// Bytes looked at at once; a multiple of the block.
const STEP_BYTES: u64 = 1 << 20;

/// What frames must have in common to be a segment's own.
#[derive(Clone, Copy)]
pub(crate) struct Sought {
    /// The segment's number.
    pub(crate) number: u64,
    /// The checksum of its header.
    pub(crate) seed: u32,
    /// Where the search begins, at a block boundary.
    pub(crate) from: u64,
    /// Where the segment ends.
    pub(crate) end: u64,
}

/// What sound frames say.
pub(crate) struct Found {
    /// The one with the highest flush number.
    pub(crate) newest: Heads,
    /// The highest floor that any of them names, older ones included.
    pub(crate) floor: Option<LogId>,
}

/// The sound frames there are; none if there is none.
pub(crate) fn search_frames(
    file: &impl File,
    sought: Sought,
) -> Result<Option<Found>, disk::Error> {
    let (candidates, sums) = survey(file, sought)?;
    let mut found: Option<Found> = None;
    for Candidate { offset, claim } in candidates {
        if !sums.match_claim(file, sought.seed, offset, &claim)? {
            continue;
        }
        let bytes = read(file, offset, claim.heads_end() as u64)?;
        if let Ok(heads) = Heads::parse(bytes, sought.seed) {
            found = Some(Found::with(found, heads));
        }
    }
    Ok(found)
}

impl Found {
    /// What was found before, and another frame.
    fn with(before: Option<Found>, heads: Heads) -> Found {
        let floor = heads.header().marks.and_then(|marks| marks.floor);
        let Some(before) = before else { return Found { newest: heads, floor } };
        let newer = before.newest.header().flush < heads.header().flush;
        let newest = if newer { heads } else { before.newest };
        Found { newest, floor: before.floor.max(floor) }
    }
}

/// A block that says a frame begins in it.
struct Candidate {
    offset: u64,
    claim: Claim,
}

/// The checksums of everything from `from` up to each block boundary.
struct Sums {
    from: u64,
    up_to_block: Vec<u32>,
}

/// Reads everything once.
fn survey(file: &impl File, sought: Sought) -> Result<(Vec<Candidate>, Sums), disk::Error> {
    let Sought { number, from, end, .. } = sought;
    let mut sums = Sums { from, up_to_block: vec![0] };
    let (mut candidates, mut sum, mut start) = (Vec::new(), 0, from);
    while start < end {
        let step = read(file, start, STEP_BYTES.min(end - start))?;
        let blocks = step.chunks(BLOCK_BYTES as usize);
        for (offset, block) in (start..).step_by(BLOCK_BYTES as usize).zip(blocks) {
            let claim = Claim::read(block).filter(|claim| claim.segment == number);
            let claim = claim.filter(|claim| claim.fits(end - offset));
            candidates.extend(claim.map(|claim| Candidate { offset, claim }));
            sum = crc32c::crc32c_append(sum, block);
            sums.up_to_block.push(sum);
        }
        start += STEP_BYTES;
    }
    Ok((candidates, sums))
}

impl Sums {
    /// Whether the checksum that a frame claims is that of its header and heads.
    fn match_claim(
        &self,
        file: &impl File,
        seed: u32,
        offset: u64,
        claim: &Claim,
    ) -> Result<bool, disk::Error> {
        let (start, end) = (offset + CHECKED_FROM, offset + claim.heads_end() as u64);
        let (before, up_to) = (self.up_to(file, start)?, self.up_to(file, end)?);
        let length = (end - start) as usize;
        let sum = up_to ^ crc32c::crc32c_combine(before, 0, length);
        Ok(crc32c::crc32c_combine(seed, sum, length) == claim.checksum)
    }

    /// The checksum of everything up to `offset`.
    fn up_to(&self, file: &impl File, offset: u64) -> Result<u32, disk::Error> {
        let block = (offset - self.from) / BLOCK_BYTES;
        let boundary = self.from + block * BLOCK_BYTES;
        let rest = read(file, boundary, offset - boundary)?;
        Ok(crc32c::crc32c_append(self.up_to_block[block as usize], &rest))
    }
}

fn read(file: &impl File, offset: u64, count: u64) -> Result<Bytes, disk::Error> {
    let mut bytes = vec![0; count as usize];
    file.read_at(&mut bytes, offset)?;
    Ok(Bytes::from(bytes))
}
