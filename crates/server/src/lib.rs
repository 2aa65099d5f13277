//! The shell around a replica: doors, peers, configuration.

pub mod config;
pub mod node;
