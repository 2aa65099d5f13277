//! The etcd door beside a real etcd: the same requests to both, and what each of them answers.
//!
//! | file | what it holds |
//! |---|---|
//! | `etcd.rs` | a real etcd: where it is, one member of it |
//! | `etcdctl.rs` | its command line, and what that prints |
//! | `gateway.rs` | the JSON gateway: what was answered, without what differs |
//! | `pair.rs` | one of each, and a connection to both |
//! | `ask.rs` | what can be asked, and answers without what differs between any two clusters |
//! | `watching.rs` | a stream of watches, told to its end |
//! | `words.rs` | short ways to write requests |
//! | `known.rs` | the differences that are meant, as `docs/etcd.md` has them |
//!
//! Nothing is compared but what a client sees. Revisions are compared as they are: both stores
//! begin empty and see the same writes, so one revision too many shows in all that follows.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

pub mod ask;
pub mod etcd;
pub mod etcdctl;
pub mod gateway;
pub mod known;
pub mod pair;
pub mod watching;
pub mod words;
