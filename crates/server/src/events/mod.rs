//! What happens at a member and in its cluster, for eyes (docs/events.md).
//!
//! ```text
//!  REPLICA THREAD ── Recorder ──▶ Desk (a Window)          other members
//!                                   │ ten times a second         │ lines of JSON, /raft/events
//!                                   ▼                            ▼
//!                                 turns ◀── keys, rates ──── Relay (a Hearing each)
//!                                   │ Envelope: encoded once
//!                  Line ◀───────────┤
//!        (to members that listen)   └──▶ Reader ──▶ /ws, /events
//! ```
//!
//! - **Recorder** and **Window** (`recorder.rs`, `window.rs`): notes without asking for memory, and
//!   folds what happens often. While nobody looks, one flag is read, and nothing else is done.
//! - **Desk** (`desk.rs`): where the two threads meet. The window ends with how the member stands.
//! - **Turns** (`turns.rs`): the task that is there while somebody looks.
//! - **Keys** (`keys.rs`): read from the store's list of what revisions did, a bounded number each
//!   turn; no watch, so no write is slower for it.
//! - **Relay**, **Hearing**, **Line** (`relay.rs`, `hearing.rs`, `line.rs`): what the other members
//!   tell. It is read into our own types before it goes anywhere, and times are translated
//!   (`offset.rs`).
//! - **Feed** and **Reader** (`feed.rs`, `reader.rs`): who looks, and what each may see.
//! - **Door** (`door.rs`): what this member tells the others of itself.
//!
//! The doors for people and programs are in `crate::http`.
//!
//! What this does not do: keep anything for whoever comes later, tell a value, or hold anybody up.
//! Whoever is slow loses the oldest, and is told how much that was.

mod clock;
mod cluster_state;
mod desk;
mod door;
mod envelope;
mod event;
mod feed;
mod hearing;
mod id;
mod keys;
mod line;
mod member_state;
mod message;
mod offset;
mod rates;
mod reader;
mod recorder;
mod relay;
mod sight;
mod turns;
mod window;

use axum::http::HeaderName;

pub(crate) use door::routes;
#[cfg(test)]
pub(crate) use feed::READERS_MAX;
pub(crate) use feed::{Feed, NotLooking};
pub(crate) use reader::{Ended, Reader};
pub(crate) use recorder::Recorder;
pub(crate) use sight::Sight;

/// The path that members listen to each other at.
const EVENTS_PATH: &str = "/raft/events";

/// Which cluster somebody listens to, in hexadecimal.
const CLUSTER_HEADER: HeaderName = HeaderName::from_static("raftkv-cluster");
