//! The whole state as bytes, and back: what a snapshot carries of the store.
//!
//! [`Capture`] writes it, at the revision of the moment it was made and beside a writer that goes
//! on; [`Restore`] reads it and makes a [`Store`](crate::Store) of it. The bytes are one stream of
//! records, specified in `docs/format/store-snapshot.md`:
//!
//! ```text
//!   head: index, hash … │ roles … │ leases … │ key, its versions │ … │ events … │ … │ end …
//! ```
//!
//! Chunks are cuts of that stream at any place, so whoever stores or sends them may choose their
//! size. A chunk that is lost, doubled, damaged or out of turn is noticed at the latest by the
//! digest in the end record; and the state hash of what was restored must be the one in the head.

mod auth;
mod builder;
mod capture;
mod error;
mod history;
mod restore;
mod wire;

pub use capture::Capture;
pub use error::SnapshotError;
pub use restore::Restore;

/// Which definition of the stream this is.
pub const SNAPSHOT_FORMAT: u32 = 1;

/// No record is longer: a stream that says so is damaged. The largest one holds a key, its run of
/// versions ([`capture`]'s bound) and one value, all far smaller.
const RECORD_BYTES_MAX: usize = 64 << 20;

/// A record's length stands before it in so many bytes, little-endian.
const LENGTH_BYTES: usize = 4;
