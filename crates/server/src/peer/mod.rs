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
//! - `handshake`, `membership`: who speaks to whom, and who may (rule 4.3).
//! - `seats`: how many may speak of whom this member has not heard.
//! - `outbox`, `outbound`, `inbound`: one ordered stream a direction. The end of an inbound stream
//!   tells the replica that the peer's process is gone (rule 5.2). `pen`: while the stream's task
//!   has nothing to write, the replica thread writes itself, without waiting.
//! - `peers`: which members there are streams to; follows the configuration. `roster` tells the
//!   doors of it.
//! - `hello`, `decide`, `bootstrap`: before there is a cluster.
//! - `snapshot_lane`, `snapshot_codec`: streams for snapshots alone (rule 2.3).
//! - `door`: the three paths under `/raft/` on the member's port for its peers.
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
mod lease_codec;
mod malformed;
mod membership;
mod outbound;
mod outbox;
mod peers;
mod pen;
mod roster;
mod seats;
mod snapshot_codec;
mod snapshot_lane;
#[cfg(test)]
mod stream_tests;

/// What bytes of a peer stream mean: the gateway alone, for whoever throws hostile bytes at it.
pub mod gateway {
    pub use super::codec::{put_messages, read_messages};
    pub use super::frame::{FRAME_BYTES_MAX, put_frame, take_frame};
    pub use super::malformed::Malformed;
}

pub(crate) use bootstrap::{Settled, settle};
pub use decide::Refusal;
pub(crate) use door::{HelloBoard, PeerDoor};
pub(crate) use hello::Hello;
pub(crate) use inbound::Inbound;
pub(crate) use membership::Introduction;
pub(crate) use peers::{Dialler, Peers};
pub(crate) use roster::Roster;

/// Streams of peers that are open at once, at most: to and from each member, for messages and for
/// snapshots; from strangers, and to those of them that are answered; and those in their handshake.
pub(crate) const DESCRIPTORS_MAX: usize = 4 * replica::MEMBERS_MAX
    + seats::STRANGERS_MAX
    + 2 * peers::GUESTS_MAX
    + inbound::HANDSHAKES_MAX;

/// The path that becomes a peer stream.
const APPEND_PATH: &str = "/raft/append";

/// The path that becomes a stream for snapshots alone.
const SNAPSHOT_PATH: &str = "/raft/snapshot";

/// The path of `Hello`.
const HELLO_PATH: &str = "/raft/hello";

/// What `Upgrade` must say.
const UPGRADE_PROTOCOL: &str = "raftkv-peer/1";
