//! The shell around a replica: doors, peers, configuration.

pub mod node;
