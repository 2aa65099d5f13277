//! Consensus, pure: the Raft of Ongaro's thesis as one state machine that is told everything and
//! does nothing by itself.
//!
//! ```text
//!   tick  step  propose  read_index  transfer_leadership  persisted  entries_read  stream_closed
//!     │     │      │         │               │                │           │             │
//!     └─────┴──────┴─────────┴───────┬───────┴────────────────┴───────────┴─────────────┘
//!                                    ▼
//!                                  Raft ──▶ take_output() ──▶ Output
//!                                             send, persist, send_after_persist, commit,
//!                                             read, snapshots_wanted, reads_ready,
//!                                             reads_failed, events
//! ```
//!
//! The caller collects inputs for as long as it likes, then takes one [`Output`] and carries it
//! out; each of its fields says what must be durable before it may be used. While the disk works,
//! inputs go on: [`Raft::persisted`] tells how far it has come, and nothing is acknowledged,
//! voted or counted before that.
//!
//! | file | one concept |
//! |---|---|
//! | `raft.rs` | the state, the inputs, the term prelude, dispatch |
//! | `election.rs` | timers, pre-votes, votes, failover when a process dies |
//! | `follower.rs` | taking entries |
//! | `leader.rs`, `replication.rs` | commit, read rounds, check-quorum; what is sent to whom |
//! | `snapshot.rs` | cutting the log, sending and installing snapshots |
//! | `transfer.rs`, `change.rs` | handing over; changing the members |
//! | `log.rs`, `membership.rs`, `persistence.rs`, `progress.rs` | the parts |
//! | `quorum.rs`, `reads.rs`, `role.rs`, `freshness.rs` | more of them |
//! | `invariants.rs` | what must always hold |
//!
//! docs/figure-2.md maps each rule of the paper's Figure 2 to its function and to the golden
//! script that shows it. The scripts, in tests/scripts, are the specification of the protocol;
//! `UPDATE_GOLDENFILES=1 cargo test -p raft` writes their traces anew, to be read before they are
//! kept.
//!
//! What it does not do: no clock, thread, channel, file, logger or global randomness. It encodes
//! nothing and knows no addresses: what a configuration means for voting it is told by a codec.

mod age;
mod change;
mod config;
mod election;
mod entry;
mod error;
mod event;
mod follower;
mod freshness;
mod invariants;
mod leader;
mod log;
mod membership;
mod message;
mod output;
mod persistence;
mod progress;
mod quorum;
mod raft;
mod random;
mod reads;
mod replication;
mod role;
mod snapshot;
mod transfer;
mod types;

pub use config::Config;
pub use election::ElectionWait;
pub use entry::{ENTRY_OVERHEAD_BYTES, Entry, EntryKind, PAYLOAD_BYTES_MAX};
pub use error::{ChangeError, ProposeError, Refusal, TransferError};
pub use event::{Event, RoleName};
pub use invariants::Before;
pub use leader::{FollowerStatus, Replication};
pub use log::Log;
pub use membership::{ConfigurationCodec, Membership};
pub use message::{AppendResult, Body, Envelope, Message};
pub use output::{Output, Persist, ReadEntries, ReadPoint, ReadReady};
pub use raft::{Raft, Restored};
pub use snapshot::{Installed, SnapshotPoint};
pub use types::{HardState, Index, LogId, MemberId, Now, PersistNumber, ReadId, Term};
