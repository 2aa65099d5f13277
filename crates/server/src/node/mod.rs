//! One member at work: the threads around a replica, and the handle that every door holds.
//!
//! ```text
//!  doors (async) ── Node::write ──┐                    ┌── answers (oneshot) ──▶ doors
//!  peer streams ── messages ──────┤                    ├── sends ──▶ outboxes ──▶ peer streams
//!  log thread ── replies ─────────┴─▶ INBOX ─▶ REPLICA ┴── log requests ──▶ LOG THREAD
//! ```
//!
//! - **The inbox** (`inbox.rs`) is the only way in. The replica thread takes everything that has
//!   gathered with one lock: a batch is whatever came in while it was busy with the one before.
//! - **How many may wait** there (`throughput.rs`) follows from how many are answered.
//! - **Reads wait in rounds** (`rounds.rs`): all who ask before the question is taken have one
//!   answer.
//! - **The replica thread** (`driver.rs`) is the only one that touches the replica. It never
//!   waits for a disk, a socket or a door.
//! - **Notices** (`notices.rs`): that more is committed waits a moment for the next entries, which
//!   tell it too.
//! - **Its reception** (`reception.rs`): whether the other members still take it for one of theirs.
//! - **Messages made by hand** (`by_hand.rs`): who waits for their answers.
//! - **The log thread** (`log_thread.rs`) makes everything queued durable with one flush, and
//!   says so to the inbox. When it fails, the member stops for good.
//! - **The snapshot thread** (`snapshot_thread.rs`) writes, reads and verifies snapshots. When it
//!   fails at that, the member goes on without.
//! - **The spare thread** (`spare_thread.rs`) has segments ready before the log needs them, and
//!   measures the room that is left; the replica thread takes the newest measurement at each tick.
//! - **The handle** (`handle.rs`) is what doors see: a few async calls, each with a deadline.
//!
//! Every queue here is bounded, and each bound says what happens past it.

mod answered;
mod backups;
mod by_hand;
mod driver;
pub(crate) mod durations;
mod handle;
mod inbox;
mod log_thread;
mod memory;
mod notices;
mod reception;
mod rounds;
mod snapshot_thread;
mod spare_thread;
mod status;
#[doc(hidden)]
pub mod testing;
mod threads;
mod throughput;
mod waiters;

#[cfg(test)]
pub(crate) use answered::Answered;
pub(crate) use answered::{AnsweredCounts, CLASSES};
pub(crate) use backups::{BACKUPS_MAX, Piece, pieces};
pub(crate) use by_hand::{HAND_MADE_MAX, HandAnswer, HandEntry, HandMade, NotTaken, Says};
pub(crate) use driver::{Clock, Driver};
pub use handle::{Node, WriteOptions, Written};
#[cfg(test)]
pub(crate) use inbox::Outcomes;
pub(crate) use inbox::{Inbox, Input, Load};
pub(crate) use log_thread::LogQueue;
pub(crate) use memory::available_bytes;
pub use reception::Expelled;
pub(crate) use reception::Greeting;
pub(crate) use snapshot_thread::SnapshotQueue;
pub(crate) use spare_thread::RoomBoard;
pub(crate) use status::StatusBoard;
pub use status::{About, Counters, NodeStatus, Phase};
pub(crate) use threads::{Failed, Hung, Threads, start};
#[cfg(test)]
pub(crate) use throughput::{WAIT_MAX, WAITING_MIN};
