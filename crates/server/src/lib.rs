//! The shell around a replica: doors, peers, configuration.

pub mod config;
pub mod http;
pub mod node;
mod peer;
mod start;

pub use peer::Refusal;
pub use start::{Server, StartError, run};
