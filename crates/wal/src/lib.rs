//! The durable log: frames, segments, hard state, recovery.
//!
//! A member may say only what it will remember. [`Wal`] is that memory: entries, and the hard state
//! (term, vote, commit hint), durable before anything that depends on them leaves.
//! [`DataDirectory`] is whose memory it is.
//!
//! ```text
//! Wal::append  batches ─▶ merge ─▶ one frame ─▶ write ─▶ fdatasync ─▶ Ok
//!
//! <data directory>/wal/
//!   00000000000000000007.wal   │header│frame  │frame│closing│frame       │      sealed
//!   00000000000000000009.wal   │header│frame│frame   │ zeros ...                 active
//!   spare-1                    │ zeros ...                                       prepared
//! ```
//!
//! **One flush is one frame.** It starts at a block boundary, carries its segment's number, a flush
//! number, the hard state, and a checksum chained to the frame before. Frame n+1 is written only
//! after frame n is durable. So a bad frame with a good one behind it is corruption, and a bad last
//! one is the torn tail of a flush that nobody was told about. A closing frame after idleness keeps
//! that ambiguity to a moment.
//!
//! **What is read is made durable before it is believed.** A process crash keeps the page cache, a
//! power cut does not. A member that acknowledged what only the page cache holds would forget it in
//! the power cut after. So opening copies the last segment to a new one, flushes it, and never
//! appends to the old.
//!
//! **A failed write is the end.** After a failed flush the page cache and the disk may differ and
//! no second flush tells. The log answers [`Error::Poisoned`] for good; opening it anew finds all
//! that was acknowledged.
//!
//! **Three kinds of wrong.** Bytes on the disk are refused with a typed reason ([`OpenError`],
//! [`ReadError`], [`DirectoryError`]); a batch that contradicts the log is a bug of the caller and
//! panics; a machine that fails is an [`Error`].
//!
//! `docs/format/wal.md` and `docs/format/directory.md` specify the bytes. The golden scripts in
//! `tests/scripts` show every scenario with the disk operations it takes;
//! `UPDATE_GOLDENFILES=1 cargo test -p wal --test all scripts::` writes their output anew.
//!
//! | module | what |
//! |---|---|
//! | `log` | [`Wal`]: appending, reading, preparing |
//! | `recovery` | opening: which segments live, torn or corrupt, the copy |
//! | `segment` | the active segment; the frames of one that is read back |
//! | `search` | sound frames behind damage |
//! | `folder` | files: names, drafts |
//! | `spares` | files prepared to become segments, and [`SpareKeeper`], who prepares them |
//! | `outline` | bounds, terms and hard state; the judge of what may come next |
//! | `index` | which frame holds an index |
//! | `live` | which segments the log can do without once it is cut |
//! | `format` | the bytes |
//! | [`snapshot`] | snapshots as files |
//! | `directory`, `identity` | the data directory |
//!
//! What this crate does *not* do: it reads no clock, draws no random numbers and starts no threads;
//! it does not know what entries mean, nor when it is idle, nor which entries a snapshot covers.

mod directory;
mod error;
mod folder;
mod format;
mod identity;
mod index;
mod live;
mod log;
mod outline;
mod recovery;
mod search;
mod segment;
pub mod snapshot;
mod spares;
mod types;

pub use directory::{DataDirectory, DirectoryError};
pub use error::{Contradiction, Corruption, Damage, Error, OpenError, ReadError};
pub use format::RECORD_HEAD_BYTES;
pub use identity::{DIRECTORY_VERSION, Identity, NAME_BYTES_MAX};
pub use log::Wal;
pub use recovery::{LogReport, SegmentReport, inspect};
pub use spares::{Preparation, Room, SpareKeeper};
pub use types::{
    Batch, Entry, Forecast, HardState, Options, Recovered, Repaired, SEGMENT_BYTES_MAX,
    SEGMENT_BYTES_MIN, Stats, TornTail, Visit,
};
