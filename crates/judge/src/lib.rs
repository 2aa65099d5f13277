//! Judges of what clients were told, for those who break clusters: the simulator, which has members
//! in one process, and `chaos`, which has real ones.
//!
//! | file | what it decides |
//! |---|---|
//! | `search.rs` | is there an order in which the answers about one key make sense? |
//!
//! Pure: a history in, a verdict out. No store, no log, no revision, and nothing of ours, so that
//! no mistake of the product can be one of its judge.

mod search;

pub use search::{Operation, Value, Verdict, search};
