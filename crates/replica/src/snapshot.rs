//! Snapshots of a member: when one is due, how it is written, sent, received and taken over.
//!
//! ```text
//!   applied far enough ──▶ Write ──────────▶ SnapshotWorker ──▶ Written ──▶ the log is cut
//!   raft wants one sent ─▶ Offer ──▶ peer      (files)
//!                peer ──▶ Next(offset) ──▶ Read ──▶ Chunk ──▶ peer          … Done ──▶ raft
//!   peer ──▶ Offer ──▶ Receive ──▶ Next ──▶ peer ──▶ Chunk ──▶ Store ──▶ …
//!                  … ──▶ Finish ──▶ Received(store) ──▶ raft ──▶ Persist(start) ──▶ take over
//! ```
//!
//! | file | one concept |
//! |---|---|
//! | `message.rs` | what members say to each other about snapshots |
//! | `worker.rs`, `files.rs` | the disk's side, for a thread of its own: what is asked, and done |
//! | `shelf.rs` | which snapshots there are, when the next is due, how far the log may be cut |
//! | `sending.rs` | to followers that need what was cut |
//! | `receiving.rs` | from the leader |
//! | `aside.rs` | what is not believed any more, because the state was wrong |
//! | `backup.rs` | to a client that keeps it |
//! | `trouble.rs` | what failed, and was not made good for since |
//! | `conduct.rs` | the replica's part: what of it happens when |
//!
//! The receiver asks for each piece, so a stream goes on where it was however often it breaks, and
//! its sender keeps nothing but a position in a rate limit. Messages may be lost, late or doubled.

mod aside;
mod backup;
mod conduct;
mod files;
mod message;
mod receiving;
mod sending;
mod shelf;
mod trouble;
mod worker;

pub use backup::Backup;
pub use files::{FoundSnapshots, SnapshotWorker, open_snapshots};
pub use message::{SnapshotId, SnapshotMessage, SnapshotOutcome};
pub use shelf::{KeptSnapshot, SnapshotOptions};
pub use worker::{SnapshotReply, SnapshotRequest};

pub use conduct::SnapshotStatus;
pub(crate) use conduct::Snapshots;
pub(crate) use files::{LoadError, load_from};
pub use sending::SnapshotSent;
pub use trouble::{SnapshotFailure, SnapshotWork};

/// At most so many bytes of a snapshot travel in one message.
pub const SNAPSHOT_CHUNK_BYTES_MAX: usize = 256 << 10;

/// The store's stream is cut into pieces of so many bytes.
const PIECE_BYTES: usize = 256 << 10;
