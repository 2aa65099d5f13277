//! Watches: what happens to keys, told to many, from one event log.
//!
//! ```text
//!                 ┌─ one look an event ─▶ DISPATCHER ─ finds who watches ─▶ seat: 16 batches
//!   event log ────┤                                                             │ full
//!   (the store's) └◀────────── a watcher that is behind reads for itself ◀──────┘
//! ```
//!
//! A watcher is **in step** or **behind**. In step, it is handed what concerns it by the
//! dispatcher, which looks at each event once and at nobody who does not watch its key. Its seat
//! holds a few batches and no more: when they are not taken in time the watcher falls behind, which
//! costs nothing here. Behind, it reads the event log for itself, at its own pace, and is in step
//! again when it has come to where the dispatcher is. Every watcher begins behind, at the revision
//! that it asked for.
//!
//! What a watcher is told (contract 7):
//!
//! - each event of its range from its first revision on, once, in the order of revisions and within
//!   a revision in the order of its operations;
//! - all events of one revision together in one batch, unless it asked for pieces;
//! - only what is published (rule 6.1);
//! - progress up to a revision only once everything before and at it has been told;
//! - the end, with a reason: what it has to read next was compacted, or this member can not serve
//!   watches any more.
//!
//! | file | holds |
//! |---|---|
//! | `request.rs` | what is watched; why a watch is refused, and why it ends |
//! | `dispatcher.rs` | the dispatcher, and who may watch at all |
//! | `seat.rs` | what the dispatcher holds for one watcher |
//! | `watcher.rs` | the watcher's own side: taking, reading on, progress |
//! | `batch.rs` | events of one revision |
//! | `limits.rs` | how much at once |
//!
//! What this does not do: it starts no thread, waits for nothing and reads no clock. The shell has
//! [`Dispatcher::dispatch`] called after each publication, lets watchers take their steps, and
//! decides when a notice of progress is due.

mod batch;
mod dispatcher;
mod limits;
mod request;
mod seat;
mod watcher;

pub use batch::Batch;
pub use dispatcher::{DispatchCounts, Dispatcher, WATCHERS_MAX};
pub use limits::WatchLimits;
pub use request::{EventFilter, Unserved, WatchEnd, WatchRefusal, WatchRequest};
pub use watcher::{Step, Watcher};
