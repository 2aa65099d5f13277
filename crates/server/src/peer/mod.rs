//! What members say to each other, and how they find each other (docs/format/peer.md).
//!
//! ```text
//!  this member                                   peer
//!  replica ─▶ Outbox ─▶ Outbound (dials) ══════▶ Inbound (accepts) ─▶ inbox ─▶ replica
//!  replica ◀─ inbox ◀── Inbound (accepts) ◀══════ Outbound (dials) ◀── Outbox ◀─ replica
//! ```
//!
//! - `frame`, `codec`, `malformed`: bytes to messages. Everything a peer could send wrong is
//!   refused here by name; behind this gateway a `PeerMessage` is sound.
//! - `handshake`: who speaks to whom.
//! - `outbox`, `outbound`, `inbound`: one ordered stream a direction. The end of an inbound stream
//!   tells the replica that the peer's process is gone (rule 5.2).
//! - `hello`, `decide`, `bootstrap`: before there is a cluster.
//! - `door`: the two paths under `/raft/` on the member's one port.
//!
//! What this does not do: keep messages that could not be sent (raft tells again), or decide
//! anything about consensus.

mod bootstrap;
mod codec;
mod decide;
mod door;
mod frame;
mod handshake;
mod hello;
mod inbound;
mod malformed;
mod outbound;
mod outbox;
#[cfg(test)]
mod stream_tests;

pub(crate) use bootstrap::{Settled, settle};
pub use decide::Refusal;
pub(crate) use door::{HelloBoard, PeerDoor};
pub(crate) use handshake::Membership;
pub(crate) use hello::Hello;
pub(crate) use inbound::Inbound;
pub(crate) use outbound::Outbound;
pub(crate) use outbox::Outbox;

/// The path that becomes a peer stream.
const APPEND_PATH: &str = "/raft/append";

/// The path of `Hello`.
const HELLO_PATH: &str = "/raft/hello";

/// What `Upgrade` must say.
const UPGRADE_PROTOCOL: &str = "raftkv-peer/1";
