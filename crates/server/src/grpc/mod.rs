//! The gRPC doors: etcd's v3 API, and three calls of our own.
//!
//! ```text
//! router ─ guard ─ generated service ─ handler ─▶ Gate ─▶ Node
//!                                         │         │
//!                              words of the store   └ Fault ─▶ code and message, as etcd has them
//! ```
//!
//! A handler does three things: it turns a message into a checked command or read, hands it to the
//! [`Gate`], and shows what came back. There is no second meaning of anything here: what a put, a
//! transaction or a watch is, the store says. What is wrong becomes a `Fault`, and `fault.rs` alone
//! decides what the client reads then: etcd's clients tell errors apart by their texts, so these
//! are etcd's, byte for byte.
//!
//! | file | holds |
//! |---|---|
//! | `gate.rs` | the way to the node: waiting for reads, writing, headers |
//! | `fault.rs` | the one table of what goes wrong |
//! | `keys.rs` | ranges, keys and values in both languages |
//! | `kv/` | reads, writes and transactions |
//! | `watch/` | many watches on one stream |
//! | `lease.rs`, `cluster.rs`, `maintenance.rs` | what their names say |
//! | `contest/` | locks and elections, which are plain users of the store |
//! | `health.rs` | whether the member serves, for load balancers |
//! | `plain.rs` | `raftkv.v1.KV` |
//!
//! `docs/etcd.md` publishes what is served, and every difference to etcd.

mod cluster;
mod contest;
mod fault;
mod gate;
mod health;
mod keys;
mod kv;
mod lease;
mod maintenance;
mod plain;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;

use axum::Router;
use proto::etcd::etcdserverpb::cluster_server::ClusterServer;
use proto::etcd::etcdserverpb::kv_server::KvServer as EtcdKvServer;
use proto::etcd::etcdserverpb::lease_server::LeaseServer;
use proto::etcd::etcdserverpb::maintenance_server::MaintenanceServer;
use proto::etcd::etcdserverpb::watch_server::WatchServer;
use proto::etcd::v3electionpb::election_server::ElectionServer;
use proto::etcd::v3lockpb::lock_server::LockServer;
use proto::raftkv::kv_server::KvServer;
use store::Limits;
use tonic::service::Routes;

use crate::node::Node;
use gate::Gate;

/// A message may be larger than what the store takes by so much: the store then says what is too
/// large, and only beyond is the message itself refused.
const MESSAGE_SLACK_BYTES: usize = 512 << 10;

/// The services of one member.
pub(crate) fn routes(node: Node) -> Router {
    let gate = Arc::new(Gate::new(node));
    let bytes_max = Limits::default().request_bytes_max + MESSAGE_SLACK_BYTES;
    let door = || Arc::clone(&gate);
    let etcd_kv = EtcdKvServer::new(kv::Kv::new(door())).max_decoding_message_size(bytes_max);
    let kv = KvServer::new(plain::Plain::new(door())).max_decoding_message_size(bytes_max);
    let watches = WatchServer::new(watch::Watch::new(door()));
    let election = ElectionServer::new(contest::Elections::new(door()));
    Routes::new(etcd_kv)
        .add_service(kv)
        .add_service(watches.max_decoding_message_size(bytes_max))
        .add_service(LeaseServer::new(lease::Leases::new(door())))
        .add_service(ClusterServer::new(cluster::Cluster::new(door())))
        .add_service(MaintenanceServer::new(maintenance::Maintenance::new(door())))
        .add_service(election.max_decoding_message_size(bytes_max))
        .add_service(LockServer::new(contest::Locks::new(door())))
        .add_service(health::service(door()))
        .into_axum_router()
}
