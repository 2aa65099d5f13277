//! The durable log: frames, segments, hard state, recovery.

mod directory;
mod error;
mod folder;
mod format;
mod identity;
mod index;
mod log;
mod outline;
mod recovery;
mod segment;
mod types;

pub use directory::{DataDirectory, DirectoryError};
pub use error::{Contradiction, Corruption, Damage, Error, OpenError, ReadError};
pub use identity::{DIRECTORY_VERSION, Identity, NAME_BYTES_MAX};
pub use log::Wal;
pub use types::{
    Batch, Entry, HardState, Options, Recovered, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, Stats,
    TornTail,
};
