//! The links between members, which can be broken: by hand (`raftkv dev`), and by whoever breaks
//! clusters on a machine that has no networks to give away (`cargo xtask chaos`).
//!
//! ```text
//! node-1 ──dials──▶ localhost:18002 ─ head ─ lane ─▶ node-2's own port
//!                   (the address that node-2 tells its peers)
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `fault.rs` | what is wrong with a link, and which links have something |
//! | `proxy.rs` | the port that stands before a member, and its connections |
//! | `head.rs` | who dials, read from the beginning of what it sends |
//! | `lane.rs` | the bytes of one connection in one direction |
//!
//! A connection carries two links: what the dialler sends goes over the one, what comes back over
//! the other. Faults are looked up for every piece of bytes, so they hold for connections that are
//! open already.
//!
//! A broken link is silent. Nobody hears that a connection has ended while the link that would
//! have to say so is cut: bytes, and the end of them, wait until it is healed, as they would in the
//! senders' kernels on a network that loses everything.
//!
//! What this does *not* do: change or reorder bytes, or touch what clients send, whose addresses
//! are the members' own. TCP's own acknowledgements are between a member and this process, so a
//! link that is cut in one direction alone still takes what comes from the other.

mod fault;
mod head;
mod lane;
mod proxy;

pub use fault::{DELAY_MS_MAX, Ends, Fault, Links};
pub use proxy::Proxy;
