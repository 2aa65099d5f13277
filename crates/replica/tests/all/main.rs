//! One program for all of these: each would be linked with everything for itself.

#![allow(clippy::unwrap_used, reason = "tests")]

mod alone;
mod cluster;
mod drains;
mod freshness;
mod leases;
mod log_worker;
mod membership;
mod memory;
mod outcomes;
mod quarantine;
mod rebuilding;
mod retention;
mod room;
mod snapshots;
mod watch;
mod watch_members;
mod watch_model;
mod watching;
