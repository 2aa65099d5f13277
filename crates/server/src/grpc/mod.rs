//! The gRPC doors: etcd's v3 API, and three calls of our own.
//!
//! ```text
//! router ─ guard ─ generated service ─ handler ─▶ Gate ─▶ Node
//!                                         │         │
//!                              words of the store   └ Refusal ─▶ code and text, as etcd has them
//! ```
//!
//! Calls for keys come past the router and the generated service (`express.rs`), to the same
//! handlers.
//!
//! A handler does three things: it turns a message into a checked command or read, hands it to the
//! [`Gate`], and shows what came back. There is no second meaning of anything here: what a put, a
//! transaction or a watch is, the store says. What is wrong becomes a `Refusal`, and `refusal.rs`
//! alone decides what the client reads then: etcd's clients tell errors apart by their texts, so
//! these are etcd's, byte for byte.
//!
//! | file | holds |
//! |---|---|
//! | `gate.rs` | the way to the node: waiting for reads, writing, headers |
//! | `refusal.rs` | the one table of what goes wrong |
//! | `express.rs` | the way of most calls, past tonic and the router |
//! | `body.rs` | bodies that are whole in time, and no longer than they may be |
//! | `keys.rs` | ranges, keys and values in both languages |
//! | `range.rs` | ranges of the store, read where they may take their time |
//! | `kv/` | reads, writes and transactions |
//! | `watch/` | many watches on one stream |
//! | `lease.rs`, `cluster.rs`, `maintenance.rs` | what their names say |
//! | `auth.rs` | users and roles, and tokens for passwords |
//! | `snapshot.rs` | a backup, in the wrapping that etcd's clients check |
//! | `contest/` | locks and elections, which are plain users of the store |
//! | `health.rs` | whether the member serves, for load balancers |
//! | `plain.rs` | `raftkv.v1.KV` |
//! | `gateway.rs`, `lines.rs` | the same services as JSON, under `/v3/` |
//! | `websocket/` | the same by WebSocket |
//!
//! `docs/etcd.md` publishes what is served, and every difference to etcd.

mod auth;
mod body;
mod cluster;
mod contest;
mod express;
mod gate;
mod gateway;
mod health;
mod keys;
mod kv;
mod lease;
mod lines;
mod maintenance;
mod plain;
mod range;
mod refusal;
mod snapshot;
#[cfg(test)]
mod tests;
mod watch;
mod websocket;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, Response};
use axum::middleware::map_request;
use proto::etcd::etcdserverpb::auth_server::AuthServer;
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
use tonic::{Code, Status};

use crate::node::Node;
pub(crate) use body::OnlyMessage;
pub(crate) use express::{Express, Form, Swift};
use gate::Gate;
pub use maintenance::API_VERSION;
pub(crate) use range::AT_ONCE_UNITS;
use refusal::Refusal;

/// A message may be larger than what the store takes by so much: the store then says what is too
/// large, and only beyond is the message itself refused.
const MESSAGE_SLACK_BYTES: usize = 512 << 10;

/// The largest message that is read.
fn message_bytes_max() -> usize {
    Limits::default().request_bytes_max + MESSAGE_SLACK_BYTES
}

/// Whether a request is a call of gRPC.
pub(crate) fn is_call(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    content_type.is_some_and(|content_type| content_type.starts_with(b"application/grpc"))
}

/// The answer to a call at a path where no service is.
pub(crate) fn unknown_service(path: &str) -> Response<Body> {
    let service = path.split('/').nth(1).unwrap_or_default();
    Status::unimplemented(format!("unknown service {service}")).into_http()
}

/// Whether the path is one of the services in JSON.
pub(crate) fn is_json(path: &str) -> bool {
    path.starts_with(express::JSON_PATHS)
}

/// The answer to a call that is not let in; it is not done. Written once: it is given when there is
/// no time for anything.
pub(crate) fn too_many_requests() -> Response<Body> {
    static HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
        let response: Response<Body> = Status::from(Refusal::TooManyRequests).into_http();
        response.into_parts().0.headers
    });
    let mut response = Response::new(Body::empty());
    response.headers_mut().clone_from(&HEADERS);
    response
}

/// The same in JSON.
pub(crate) fn too_many_requests_in_json() -> Response<Body> {
    gateway::refused(&Refusal::TooManyRequests.into())
}

/// What ends a call whose answer can not be given: it may have been done.
pub(crate) fn unknown_outcome() -> (Code, HeaderMap) {
    let (mut trailers, status) = (HeaderMap::new(), Status::from(Refusal::Timeout));
    // It fails only for a message that is no text.
    let _written = status.add_header(&mut trailers);
    (status.code(), trailers)
}

/// The services of one member.
struct Services {
    kv: Arc<kv::Kv>,
    plain: Arc<plain::Plain>,
    watches: Arc<watch::Watch>,
    leases: Arc<lease::Leases>,
    cluster: Arc<cluster::Cluster>,
    maintenance: Arc<maintenance::Maintenance>,
    users: Arc<auth::Users>,
    elections: Arc<contest::Elections>,
    locks: Arc<contest::Locks>,
}

/// All that is served by gRPC, and by JSON beside it.
pub(crate) fn routes(node: Node) -> Router {
    let gate = Arc::new(Gate::new(node));
    let door = || Arc::clone(&gate);
    let services = Services {
        kv: Arc::new(kv::Kv::new(door())),
        plain: Arc::new(plain::Plain::new(door())),
        watches: Arc::new(watch::Watch::new(door())),
        leases: Arc::new(lease::Leases::new(door())),
        cluster: Arc::new(cluster::Cluster::new(door())),
        maintenance: Arc::new(maintenance::Maintenance::new(door())),
        users: Arc::new(auth::Users::new(door())),
        elections: Arc::new(contest::Elections::new(door())),
        locks: Arc::new(contest::Locks::new(door())),
    };
    let json = gateway::routes(&services);
    services.by_grpc(door()).merge(websocket::beside(json))
}

impl Services {
    fn by_grpc(self, gate: Arc<Gate>) -> Router {
        let bytes_max = message_bytes_max();
        Routes::new(EtcdKvServer::from_arc(self.kv).max_decoding_message_size(bytes_max))
            .add_service(KvServer::from_arc(self.plain).max_decoding_message_size(bytes_max))
            .add_service(WatchServer::from_arc(self.watches).max_decoding_message_size(bytes_max))
            .add_service(LeaseServer::from_arc(self.leases))
            .add_service(ClusterServer::from_arc(self.cluster))
            .add_service(MaintenanceServer::from_arc(self.maintenance))
            .add_service(AuthServer::from_arc(self.users))
            .add_service(
                ElectionServer::from_arc(self.elections).max_decoding_message_size(bytes_max),
            )
            .add_service(LockServer::from_arc(self.locks))
            .add_service(health::service(gate))
            .into_axum_router()
            .layer(map_request(body::bounded))
    }
}
