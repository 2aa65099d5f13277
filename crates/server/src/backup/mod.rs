//! Backups that are made again and again, into one directory.
//!
//! ```text
//!   schedule (a member's) ──┐
//!                           ├─▶ BackupDirectory ─ draft ─▶ checked, durable ─▶ renamed ─▶ retain
//!   `raftkv snapshot save` ─┘
//! ```
//!
//! - **Names** (`name.rs`): who made a backup, and when. A maker looks after its own files alone,
//!   so any number of them share a directory.
//! - **The directory** (`directory.rs`): a backup has its name only once every byte of it was
//!   read back and is durable. Older ones go only when enough newer ones are sound, and a file
//!   that is not sound never goes: somebody should look at it.
//! - **The schedule** (`schedule.rs`) of a member's own: a thread beside it writes, for a target
//!   may hang for as long as it likes, and nothing of the member waits for that.
//! - **The board** (`status.rs`): what came of it, for status, alarms and metrics.
//!
//! What this does not do: copy backups to another machine, or encrypt them.

mod directory;
mod error;
mod name;
mod schedule;
mod status;
#[cfg(test)]
mod tests;

pub use directory::{BackupDirectory, Draft, KeptBackup, KnownFiles, Retained};
pub use error::BackupError;
pub use name::Maker;
pub(crate) use schedule::keep;
pub use status::{BackupFailure, BackupStatus};
