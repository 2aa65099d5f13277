//! One member without a runtime: raft, log and store put together in the right order.
//!
//! ```text
//!   clients ── submit ──▶┌───────────────── Replica ────────────────┐── answers ──▶ clients
//!   peers ─── receive ──▶│ pending ─▶ raft ─▶ order ─▶ applier/store │── send ─────▶ peers
//!   clock ────── tick ──▶│                                          │── log ──┐
//!   streams ─ opened/    └──────────────────────────────────────────┘         ▼
//!             closed ──▶     ▲    ▲                                   ┌── LogWorker ──┐
//!                            │    └────────────── log_reply ──────────│  wal on disk  │
//!                            │                                        └───────────────┘
//!                            └─ snapshot_reply ── SnapshotWorker ◀── Effects.snapshot
//! ```
//!
//! [`Replica`], [`LogWorker`] and the snapshot worker are plain values that never block on each
//! other: the server runs each on a thread of its own, the simulator steps all in one. What may
//! leave before what is durable is written down, and done, in one file: `order.rs`.
//!
//! | file | one concept |
//! |---|---|
//! | `api.rs` | what is asked, answered and sent |
//! | `replica.rs` | the state and its inputs |
//! | `order.rs` | what comes out, and in which order |
//! | `pending.rs` | requests that wait, and what each may still come to |
//! | `forwards.rs` | the leader takes each forwarded write once |
//! | `applier.rs` | committed entries into the store, in bounded turns |
//! | `log_worker.rs`, `entry.rs` | the disk's side, and entries as it spells them |
//! | `snapshot.rs`, `snapshot/` | the state as files: made, sent, received, taken over |
//! | `state_check.rs`, `quarantine.rs` | whether the members' states agree, and what if not |
//! | `watch.rs`, `watch/` | events to whoever watches keys |
//! | `lease.rs`, `lease/` | what is over by the cluster's age, and how long leases live |
//! | `freshness.rs` | as of when the state is the cluster's |
//! | `room.rs` | whether the disks have room, and what is refused if not |
//! | `memory.rs` | the same of memory |
//! | `retention.rs` | how much of the past is kept |
//! | `offline.rs` | what a log holds, in words |
//! | `alone.rs` | after the loss of a majority: a member goes on alone |
//! | `restore.rs` | a new cluster begins with the state of a backup |
//! | `configuration.rs`, `change.rs` | who is in the cluster, and how that changes |
//! | `members.rs` | when the leader makes such a change |
//! | `level.rs` | what the cluster uses of what its programs know |
//! | `drain.rs` | one member at a time is restarted |
//!
//! What it does not do: it reads no clock and draws no random number, starts no thread, opens no
//! socket, and holds no channel. It does not encode messages, and it does not decide who founds a
//! cluster.

mod alone;
mod api;
mod applier;
mod change;
mod configuration;
mod drain;
mod entry;
mod forwards;
mod freshness;
mod lease;
mod level;
mod log_worker;
mod members;
mod memory;
mod offline;
mod order;
mod pending;
mod quarantine;
mod replica;
mod restore;
mod retention;
mod room;
mod snapshot;
mod state_check;
mod watch;

pub use alone::{AloneError, AloneForecast, FreshIdentity, forecast_alone, go_on_alone};
pub use api::{
    Answer, Done, Effects, Failure, ForwardRefusal, LeaseAsk, LeaseRefusal, LeaseStanding,
    LeaseTold, PeerMessage, Request, Status, Stop, Submission, Ticket,
};
pub use change::{CAUGHT_UP_ENTRIES, Change, ChangeRefusal};
pub use configuration::{
    CLIENT_URLS_MAX, CODEC, Configuration, ConfigurationError, Draining, MEMBERS_MAX, Member,
    REMOVED_MAX, Standing, UNCLAIMED, URL_BYTES_MAX, are_valid_urls,
};
pub use drain::DRAIN_PERIOD_MS;
pub use level::{FEATURE_LEVEL, FIRST_LEVEL, Process};
pub use log_worker::{LogError, LogReply, LogRequest, LogWorker, Purpose, Recovered, open_log};
pub use memory::MemoryUse;
pub use offline::{Explained, explain};
pub use pending::PENDING_MAX;
pub use quarantine::{Agreement, CHECK_INTERVAL_MS};
pub use replica::Replica;
pub use restore::{
    BackupFile, BackupState, RestoreError, RestorePlan, check_backup, inspect_backup, restore,
};
pub use room::RoomStatus;
pub use snapshot::{
    Backup, FoundSnapshots, KeptSnapshot, SNAPSHOT_CHUNK_BYTES_MAX, SnapshotFailure, SnapshotId,
    SnapshotMessage, SnapshotOptions, SnapshotOutcome, SnapshotReply, SnapshotRequest,
    SnapshotSent, SnapshotStatus, SnapshotWork, SnapshotWorker, open_snapshots,
};
pub use state_check::{SAMPLES_MAX, Sample};
pub use watch::{
    Batch, DispatchCounts, Dispatcher, EventFilter, Step, Unserved, WATCHERS_MAX, WatchEnd,
    WatchLimits, WatchRefusal, WatchRequest, Watcher,
};
// The shell opens a member's directory and log through this room: it has no door to the one below.
pub use wal::snapshot::SnapshotError;
pub use wal::{
    DataDirectory, DirectoryError, Identity, Options as LogOptions, Preparation, Room, SpareKeeper,
};
