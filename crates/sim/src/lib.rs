//! Many members in one process, one seed: a life of a cluster, replayed from a number.
//!
//! The production members run here unchanged: replica, log worker, log, store and consensus.
//! Three things around them are simulated, and a seed decides all of them: the network, the disks
//! and time. Everything happens in one thread, in the order of one queue, so the same seed is the
//! same life, event for event.
//!
//! ```text
//!        workload.rs ── ask ──▶ ┌────────── member.rs ──────────┐ ◀── arrival ── network.rs
//!            ▲                  │  Replica ◀─▶ LogWorker ◀─▶ SimDisk │ ── message ──▶    ▲
//!            │ answer           └──────────────┬────────────────┘                       │
//!         oracle.rs                            │ after each step          nemesis.rs ────┘
//!            ▲                                 ▼                        (crashes, power cuts,
//!            └────────── ledger.rs ◀──── safety/*.rs                     partitions, slow disks)
//!                  (the committed log, and the naive model's opinion of it)
//! ```
//!
//! # A life
//!
//! A seed draws a plan (`plan.rs`): the cluster's size, tiny limits, delays, and which faults are
//! on, how often (a swarm: no life has all of them). Most lives have a theme (`theme.rs`), with
//! scenes in which faults come in the one order that hurts (`scenes.rs`). A founded cluster starts,
//! clients ask, faults strike. After a while the faults end (`healing.rs`), and the cluster must
//! serve a write on every member within a bounded number of election timeouts, and all members must
//! come to the same state. At the very end all machines lose power once more, and everything that
//! was ever committed must be on a majority of the disks.
//!
//! # What is checked
//!
//! After each step of a member: its own invariants, and the properties between members, one file
//! each in `safety/`. At each answer: strict serializability by revision, and the three outcomes
//! (`oracle.rs`). At the end, for each key: is there an order in which all answers make sense
//! (`judge::search`, which shares nothing with the oracle)? Members of one cluster never refuse
//! each other's messages. A broken promise is a panic whose message names the promise's name;
//! [`try_live`] catches it.
//!
//! # What this does not do
//!
//! No threads within a life, no real time. The server's own code (threads, sockets, HTTP) is not in
//! it: tests with real processes are for that.

mod calm;
mod canary;
mod duel;
mod effects;
mod faults;
mod fleet;
mod full;
mod healing;
mod history;
mod lease_judge;
mod lease_trial;
mod ledger;
mod life;
mod lull;
mod member;
mod memory;
mod model;
mod nemesis;
mod network;
mod operators;
mod oracle;
mod plan;
mod random;
mod report;
mod retention;
mod rot;
mod safety;
mod scenes;
mod sessions;
mod snapshot_thread;
mod spare_thread;
mod step;
mod stories;
mod telling;
mod theme;
mod time;
mod trace;
mod transactions;
mod watching;
mod workload;

pub use canary::Canary;
pub use faults::{Fault, Tally};
pub use fleet::{Broken, Fleet, Summary, live, try_live};
pub use oracle::Outcomes;
pub use report::{Report, SnapshotCounts};
pub use retention::CompactionCounts;
pub use stories::{STORIES, Story, try_tell};
pub use trace::Trace;
pub use watching::WatchCounts;
