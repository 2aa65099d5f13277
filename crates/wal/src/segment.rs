//! One segment at a time: the one that is written, and one that is read back.

use std::path::PathBuf;

use bytes::Bytes;
use disk::File;

use crate::error::{Corruption, Damage};
use crate::folder::Begun;
use crate::format::{BLOCK_BYTES, Claim, Frame, Heads, SegmentHeader};
use crate::live::Reach;
use crate::search::{Sought, search_frames};
use crate::spares::write_zeros;

/// The segment that frames are written to.
pub(crate) struct ActiveSegment<F> {
    pub(crate) file: F,
    pub(crate) number: u64,
    pub(crate) reach: Reach,
    /// The checksum of its header.
    pub(crate) seed: u32,
    /// The checksum of its last frame, or the seed.
    pub(crate) chain: u32,
    /// Where the next frame goes: at a block boundary.
    offset: u64,
    capacity: u64,
    /// Bytes of the file that are written already, with frames or zeros.
    prepared: u64,
}

impl<F: File> ActiveSegment<F> {
    /// The segment of `header`, whose frames so far end at `offset` with the checksum `chain`.
    pub(crate) fn new(begun: Begun<F>, header: &SegmentHeader, offset: u64, chain: u32) -> Self {
        let Begun { file, seed, prepared } = begun;
        let (number, capacity) = (header.number, header.capacity);
        assert!(offset.is_multiple_of(BLOCK_BYTES), "frames begin at blocks");
        assert!((BLOCK_BYTES..=capacity).contains(&offset), "frames lie within the segment");
        let (prepared, reach) = (prepared.max(offset), Reach::of(header));
        ActiveSegment { file, number, reach, seed, chain, offset, capacity, prepared }
    }

    /// Where the next frame goes, in bytes from the start.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes left for frames.
    pub(crate) fn space(&self) -> u64 {
        self.capacity - self.offset
    }

    /// Writes a frame and makes it durable.
    pub(crate) fn write(&mut self, frame: &[u8], checksum: u32) -> Result<(), disk::Error> {
        let bytes = frame.len() as u64;
        assert!(bytes > 0 && bytes.is_multiple_of(BLOCK_BYTES), "frames fill whole blocks");
        assert!(bytes <= self.space(), "a frame never crosses the end of its segment");
        self.file.write_at(frame, self.offset)?;
        self.file.sync()?;
        self.offset += bytes;
        self.prepared = self.prepared.max(self.offset);
        self.chain = checksum;
        Ok(())
    }

    /// Bytes of the file that are still to be written, with zeros or frames.
    pub(crate) fn missing(&self) -> u64 {
        self.capacity - self.prepared.min(self.capacity)
    }

    /// Writes some zeros behind the frames, so that a later flush need not extend the file.
    pub(crate) fn prepare(&mut self) -> Result<(), disk::Error> {
        self.prepared = write_zeros(&self.file, self.prepared, self.capacity)?;
        Ok(())
    }
}

/// Reads the frames of a segment, one after the other.
pub(crate) struct SegmentReader<F> {
    file: F,
    path: PathBuf,
    pub(crate) header: SegmentHeader,
    pub(crate) seed: u32,
    /// Bytes of the segment that are in its file; what lies behind them reads as zeros.
    size_bytes: u64,
    /// Where the next frame should be.
    pub(crate) offset: u64,
    /// The checksum of the frame before, or the seed.
    pub(crate) chain: u32,
    /// The next frame's number.
    pub(crate) flush: u64,
}

impl<F: File> SegmentReader<F> {
    pub(crate) fn new(
        file: F,
        path: PathBuf,
        header: SegmentHeader,
        seed: u32,
    ) -> Result<Self, disk::Error> {
        let size_bytes = file.size_bytes()?.min(header.capacity);
        let (offset, chain, flush) = (BLOCK_BYTES, seed, header.first_flush);
        Ok(SegmentReader { file, path, header, seed, size_bytes, offset, chain, flush })
    }

    /// The next frame, or why there is none.
    pub(crate) fn next(&mut self) -> Result<Result<Frame, Damage>, disk::Error> {
        let Some(claim) = self.claim_at(self.offset)? else { return Ok(Err(Damage::NotAFrame)) };
        if !claim.fits(self.space()) {
            return Ok(Err(Damage::Length));
        }
        let bytes = self.read(self.offset, claim.length)?;
        let frame = Frame::parse(bytes, self.seed).and_then(|frame| self.follow(frame));
        Ok(frame)
    }

    /// Steps over a frame if it is the one that comes next.
    fn follow(&mut self, frame: Frame) -> Result<Frame, Damage> {
        let header = frame.heads.header();
        let expected = (self.header.number, self.flush, self.chain);
        if (header.segment, header.flush, header.previous) != expected {
            return Err(Damage::Chain);
        }
        self.chain = frame.heads.checksum();
        self.offset += frame.padded_bytes();
        self.flush += 1;
        Ok(frame)
    }

    /// What the block at `offset` claims, if it begins a frame of this segment.
    pub(crate) fn claim_at(&self, offset: u64) -> Result<Option<Claim>, disk::Error> {
        let block = self.read(offset, BLOCK_BYTES.min(self.size_bytes.saturating_sub(offset)))?;
        Ok(Claim::read(&block).filter(|claim| claim.segment == self.header.number))
    }

    /// The newest sound frame of this segment that begins in a block after the one at
    /// `self.offset`: if there is one, what is at `self.offset` was durable once.
    pub(crate) fn newest_later_frame(&self) -> Result<Option<Heads>, disk::Error> {
        let (number, seed) = (self.header.number, self.seed);
        let (from, end) = (self.offset + BLOCK_BYTES, self.size_bytes);
        let found = search_frames(&self.file, Sought { number, seed, from, end })?;
        Ok(found.map(|found| found.newest))
    }

    /// Bytes of the file from the next frame on.
    pub(crate) fn space(&self) -> u64 {
        self.size_bytes.saturating_sub(self.offset)
    }

    /// The damage at the next frame's place, reported.
    pub(crate) fn corruption(&self, damage: Damage, sound_index: u64) -> Corruption {
        Corruption { path: self.path.clone(), offset: self.offset, damage, sound_index }
    }

    fn read(&self, offset: u64, count: u64) -> Result<Bytes, disk::Error> {
        let mut bytes = vec![0; count as usize];
        self.file.read_at(&mut bytes, offset)?;
        Ok(Bytes::from(bytes))
    }
}
