//! The dashboard: a page that shows raft at work, with the files that it is made of.
//!
//! ```text
//! browser ── GET /            index.html
//!         ── GET /page/…      the rest of it: styles, modules, an icon
//!         ── GET /ws          what happens, as it happens (docs/events.md)
//!         ── /kv, /history    keys and values, as anybody asks for them (docs/http.md)
//! ```
//!
//! The files are static, in `assets/`, and embedded in the binary: no build step, no framework, and
//! nothing is fetched from elsewhere. All addresses in them are relative, so the same files work
//! behind a member, behind the parent of `raftkv dev` and in a folder of a file server.
//!
//! The page draws bytes that others chose: names, keys, values. It sets them as texts; and should
//! it ever fail to, its policy lets no script run but those that are embedded here, and lets
//! nothing be sent to anybody but the members.
//!
//! What this does not do: know of events, or of users. The files are the same for everybody, and
//! without a user they show nothing.

mod answer;
mod asset;
mod door;
mod files;

pub use answer::answer;
pub use asset::{Asset, asset};
pub(crate) use door::{file, page};
