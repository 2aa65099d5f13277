//! The shell around a replica: doors, peers, configuration.

mod access;
mod admission;
mod ask;
pub mod backup;
pub mod config;
pub mod dashboard;
mod events;
mod grpc;
pub mod http;
pub mod node;
mod peer;
mod reading;
mod start;
pub mod tls;
pub mod watch;
mod websocket;
pub mod wrapping;

pub use grpc::API_VERSION as ETCD_API_VERSION;
pub use node::Expelled;
pub use peer::{Refusal, gateway};
pub use start::{Server, StartError, run};
