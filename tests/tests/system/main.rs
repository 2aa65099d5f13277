//! Whole-system tests in one program: each would be linked with everything for itself.
//!
//! `cargo test --release -p system-tests tls::` runs those of one file.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

mod auth;
mod backup;
mod backups;
mod bench;
mod deploy;
mod descriptors;
mod dev;
mod disks;
mod door;
mod drains;
mod etcd;
mod events;
mod failures;
mod floods;
mod frames;
mod full_disks;
mod hands;
mod leases;
mod lock;
mod members;
mod memory;
mod once;
mod overload;
mod peers;
mod raft_by_hand;
mod records;
mod scan;
mod start;
mod tls;
mod top;
mod transfer;
mod txn;
mod watch;
