//! Wire types, generated from the .proto files at build time. They are shapes only: what their
//! fields may hold is checked where they arrive.

/// What members say to each other: see docs/format/peer.md.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod peer {
    include!(concat!(env!("OUT_DIR"), "/raftkv.peer.v1.rs"));
}
