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
//! `mod_revision` is at most *r*, and nothing if that is a tombstone. No command writes a key twice
//! (gateways refuse a transaction that would), so key and revision name one version.
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
//! # Transactions
//!
//! A [`Txn`] compares, takes one of two branches, and does all of it in one revision or nothing:
//! whatever could stand in its way is looked for before its first write. One that only reads needs
//! no place in the log ([`Reader::txn`]).
//!
//! # Exactly once
//!
//! A change may carry a name ([`Command::Once`]): a session and a number in it, or a key. Its
//! answer is then kept, and a second copy of it in the log is answered the same and not done
//! again. The tables are part of the state, and expire by the log's own time.
//!
//! # The past
//!
//! Every revision back to the compacted one can be read, and what each did, in its order and with
//! its time ([`Reader::events`], [`Reader::revision_at`]): a watch is nothing else. A compaction is
//! an entry of the log, at which the past before it becomes unreadable on every member; its memory
//! is given back by [`Store::sweep`], little by little, and not from under a [`Pinned`] reader or a
//! [`Capture`].
//!
//! # Snapshots
//!
//! [`Store::capture`] takes hold of the state after one entry, at the same cost whatever its size,
//! and gives it out as bytes while the writer goes on; [`Restore`] makes a store of them, and
//! [`Store::replace`] lets every reader follow to it in one step.
//!
//! # What is where
//!
//! | file | holds |
//! |---|---|
//! | `command` | what the log carries, its encoding and its limits |
//! | `apply`, `state`, `outcome` | the writer, its numbers and tables, and what it answers |
//! | `delete`, `txn` | what may take several turns |
//! | `once` | sessions, keys of changes, and their kept answers |
//! | `read`, `range` | the readers, and what is published to them; ranges of keys |
//! | `record` | keys read as the fields of records |
//! | `tree`, `fences`, `leaf` | the index: which leaf has a key, and up to 128 keys a leaf |
//! | `heads` | how sorted keys are searched |
//! | `version`, `value` | the versions of a key, the bytes of a version |
//! | `settings` | what the members agree on beyond the commands |
//! | `auth` | users and roles, and the one place that says who may do what |
//! | `events`, `watch` | which keys each revision touched; events for readers |
//! | `past` | the versions of one key, for readers |
//! | `watchers` | who watches a key |
//! | `sweep`, `pins` | removing what compaction gave up, and what holds that back |
//! | `snapshot` | the state as a stream of bytes, and back |
//! | `hash`, `tally` | the state hash and the other sums over live keys |
//!
//! # What this does not do
//!
//! It reads no clock, file or random number, and starts no thread. It does not make anything
//! durable: the log does. It does not check sizes while applying: gateways do, with
//! [`Command::validate`], before they propose. It compacts when
//! the log says so, and removes what that gave up when its owner calls [`Store::sweep`].

mod apply;
mod auth;
mod budget;
mod command;
mod deadlines;
mod delete;
mod events;
mod expiry;
mod fences;
mod hash;
mod heads;
mod key_range;
mod leaf;
mod lease;
mod ledger;
mod once;
mod outcome;
mod past;
mod pins;
mod put;
mod range;
mod read;
mod record;
mod settings;
mod snapshot;
mod state;
mod sweep;
mod tally;
mod tree;
mod txn;
mod types;
mod value;
mod version;
mod watch;
mod watchers;

pub use apply::{Apply, ApplyError, LogEntry, PIN_PERIOD_MS, Retired, Store};
pub use auth::{
    AUTH_BYTES_MAX, Access, Auth, AuthChange, AuthRefused, LOGINS_MAX, LOGINS_OF_USER_MAX, Login,
    NAME_BYTES_MAX, Need, PASSWORD_HASH_BYTES_MAX, Permission, Principal, ROOT, Role, User,
};
pub use budget::{Budget, VERSION_COST_UNITS};
pub use command::{
    COMMAND_LEVEL_MAX, Command, CommandError, CompactionCause, Compare, Condition, DecodeError,
    EXPIRED_MAX, Limits, ONCE_KEY_BYTES_MAX, Operand, Origin, Put, PutLifetime, Relation,
    TTL_MS_MAX, TXN_DEPTH_MAX, TXN_OPERATIONS_MAX, Txn, TxnOp,
};
pub use deadlines::DueKey;
pub use hash::STATE_HASH_VERSION;
pub use key_range::KeyRange;
pub use lease::{Grant, LEASE_TTL_S_MIN, Lease, TTL_S_MAX};
pub use once::OnceLimits;
pub use outcome::{FirstAnswer, FirstOutcome, Outcome, Refused, TxnResponse, TxnResult};
pub use past::{History, HistoryRequest, PastVersion};
pub use range::{Filter, RangeRequest, RangeResponse, Sort, SortBy};
pub use read::{PinLifted, Pinned, Published, ReadError, Reader};
pub use record::{Field, Fields, FieldsRequest, Record};
pub use settings::{
    HISTORY_AGE_MS_MAX, HISTORY_BYTES_MAX, HISTORY_BYTES_MIN, Settings, SettingsChange,
    SettingsError,
};
pub use snapshot::{Capture, Restore, SNAPSHOT_FORMAT, SnapshotError};
pub use types::{KeyValue, LeaseId, Lifetime, Revision, SessionId};
pub use watch::{BeforeHistory, Event, EventKind, EventPosition, Events, EventsRequest};
pub use watchers::Watchers;
