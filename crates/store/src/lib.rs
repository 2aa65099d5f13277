//! The state machine: a multi-version ordered map with revisions.
//!
//! Log entries go in at one end, one after the other, by the one [`Store`]; consistent answers
//! come out at the other, from any number of [`Reader`]s. Everything here is in memory and
//! deterministic: the same entries make the same state, revision and state hash on every member,
//! however their application was cut into turns.
//!
//! ```text
//!   LogEntry ──▶ Store::apply ──▶ tree of versions ◀── Reader::get, Reader::range
//!    (index,        │  (one turn                          at a revision
//!    command)       │   of Budget)                             ▲
//!                   └────────▶ Store::publish ──▶ Published ───┘
//!                              (index, revision, hash, counts: one atomic step)
//! ```
//!
//! # Revisions
//!
//! The semantics are etcd's. One counter numbers the commands that change something; every key
//! that a command touches carries its number as `mod_revision`. A delete leaves a tombstone, so
//! the past stays readable: a reader at revision *r* sees of each key the newest version whose
//! `mod_revision` is at most *r*, and nothing if that is a tombstone. No command touches a key
//! twice, so key and revision name one version.
//!
//! # Visibility
//!
//! The writer changes the tree in place, under locks held for one write, at revisions beyond the
//! published one; readers stop at the published one. So a batch becomes visible as a whole, in
//! the instant [`Store::publish`] swaps one pointer, and neither side waits for the other's batch
//! or scan (`docs/decisions/001-store-concurrency.md` has the measurements).
//!
//! # Turns
//!
//! [`Store::apply`] works until its [`Budget`] is spent and then says [`Apply::Unfinished`], so a
//! delete of a million keys never holds up raft. What it has buried so far lies at a revision
//! that is not published, and its sums are kept aside, so an unfinished command leaves no trace
//! in anything a reader can ask.
//!
//! # What is where
//!
//! | file | holds |
//! |---|---|
//! | `command` | what the log carries, its encoding and its limits |
//! | `apply` | the writer |
//! | `read` | the readers, and what is published to them |
//! | `tree`, `leaf` | the index: fences, and up to 128 keys a leaf |
//! | `version`, `value` | the versions of a key, the bytes of a version |
//! | `hash`, `tally` | the state hash and the other sums over live keys |
//!
//! # What this does not do
//!
//! It reads no clock, file or random number, and starts no thread. It does not make anything
//! durable: the log does. It does not check sizes while applying: gateways do, with
//! [`Command::validate`], before they propose. It removes no old versions.

mod apply;
mod budget;
mod command;
mod hash;
mod key_range;
mod leaf;
mod read;
mod tally;
mod tree;
mod types;
mod value;
mod version;

pub use apply::{Apply, ApplyError, LogEntry, Outcome, Store};
pub use budget::{Budget, VERSION_COST_UNITS};
pub use command::{Command, CommandError, DecodeError, Limits};
pub use hash::STATE_HASH_VERSION;
pub use key_range::KeyRange;
pub use read::{Published, RangeRequest, RangeResponse, ReadError, Reader};
pub use types::{KeyValue, Revision};
