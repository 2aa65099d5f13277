//! The doors over real sockets, before a member without a cluster. Whether a leader, a quorum or a
//! disk is behind them makes no difference to what is tested here.

mod bad_input;
mod by_hand;
mod cluster;
mod connections;
mod dashboard;
mod events;
mod failures;
mod guard;
mod kv;
mod lease;
mod list;
mod members;
mod metrics;
mod once;
mod overload;
mod past;
mod probes;
mod published;
mod record;
pub(crate) mod roles;
mod settings;
mod snapshot;
mod status;
mod txn;
mod untaken;
mod watch;
mod websocket;
mod world;
