//! The stand on which whole-system tests run: members as real processes of the real program, told
//! what to do over HTTP and by signals, exactly as a user would.
//!
//! | file | what it holds |
//! |---|---|
//! | `program.rs` | the program under test, and what a run of it said |
//! | `cluster.rs`, `member.rs` | members on ports of their own, their lives and deaths |
//! | `dev.rs` | a cluster of `raftkv dev`, and what is done to it by hand |
//! | `containers.rs` | members in containers, by `compose.yaml` |
//! | `deployed.rs`, `promql.rs` | the files that run members elsewhere, and what they ask for |
//! | `etcd.rs` | members that are started with etcd's own flags |
//! | `ports.rs`, `scratch.rs` | what a test owns of the machine: ports, a directory |
//! | `disk.rs` | small disks that a test can fill |
//! | `http.rs` | a blocking HTTP/1.1 client, which also sends what no client would |
//! | `h2.rs` | HTTP/2, frame by frame, sound or not |
//! | `peer.rs` | the peers' handshake, spoken by hand |
//! | `load.rs` | writers and a reader that keep on through any failure |
//! | `attacked.rs` | a member that is attacked, and what must hold meanwhile |
//! | `bystander.rs` | a client whose requests go on while others misbehave |
//! | `ledger.rs` | what each write was told, and whether the cluster kept its word |
//! | `document.rs` | documents whose commands are run |
//! | `events.rs` | one who looks at what happens inside |
//! | `watch.rs` | one who watches, and goes on at another member |
//! | `stranger.rs` | one who has nothing to show, by plain text or TLS |
//! | `wait.rs` | waiting for a condition: the one place that polls |
//!
//! Each test has its own cluster, so tests run side by side. Nothing here asserts how long a thing
//! takes: deadlines are for things that never happen.
//!
//! What this does *not* do: look inside. Only what a user can see counts.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

pub mod attacked;
pub mod bystander;
pub mod cluster;
pub mod containers;
pub mod deployed;
pub mod dev;
pub mod disk;
pub mod document;
pub mod etcd;
pub mod events;
pub mod h2;
pub mod http;
pub mod ledger;
pub mod load;
pub mod member;
pub mod peer;
pub mod ports;
pub mod program;
pub mod promql;
pub mod scratch;
pub mod stranger;
pub mod wait;
pub mod watch;
