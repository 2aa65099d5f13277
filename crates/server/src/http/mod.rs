//! The HTTP/JSON door.
//!
//! ```text
//! socket ─ serve (limits, deadlines) ─ admission ─ guard (Origin, Host) ─ router ─ handler ─▶ Node
//!                                                                           │        │
//!                                             metrics ──────────────────────┘     Refusal
//! ```
//!
//! Most calls of gRPC go past the router, by a way of their own (`express`) where the same holds.
//!
//! A handler does three things: it turns bytes into a checked command or read (`escape`, `query`,
//! `body`, `cursor`), hands it to the [`Node`], and shows what came back (`reply`). Whatever is
//! wrong becomes a `Refusal`, and `error` alone decides what the client reads then. A parameter,
//! field or header that would change the meaning of a request is understood or refused, never
//! passed over.
//!
//! `docs/http.md` publishes every route, shape, code and limit.
//!
//! Who asks is found out before a handler runs (`visitor`), and what they may have is asked of the
//! `Visit` that comes of it (`crate::access`).
//!
//! What this does not do: encrypt (`crate::tls` does, below), compress, or keep any state of its
//! own beyond its metrics.

mod alarms;
mod body;
mod by_hand;
mod cluster;
mod compact;
mod cursor;
mod dashboard;
mod error;
mod escape;
mod events;
mod express;
mod guard;
mod health;
mod history;
mod kv;
mod leaders_page;
mod lease;
mod lifetime;
mod list;
mod listeners;
mod membership;
mod metrics;
mod once;
mod past;
mod probes;
mod probes_only;
mod prompt;
mod query;
mod record;
mod refused;
mod reply;
mod selection;
mod serve;
mod session;
mod settings;
mod snapshot;
mod status;
#[cfg(test)]
pub(crate) mod tests;
mod time;
mod txn;
mod untaken;
mod users;
mod visitor;
mod watch;
mod wire;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use tokio::sync::Semaphore;

use crate::admission::Admission;
use crate::ask::Turns;
use crate::config::Config;
use crate::grpc;
use crate::node::Node;
use crate::tls::Arrival;
pub(crate) use alarms::{Alarm, alarms, serves_nothing, shows_a_state};
use error::{Code, Refusal};
pub(crate) use escape::text_or_base64;
use express::Express;
use guard::Guard;
pub use guard::refuse_foreign_pages;
use leaders_page::LeadersDesk;
pub use listeners::Listeners;
use metrics::{Call, Metrics};
use probes_only::{AnyHost, probes_only};
use serve::PEER_PATHS;
pub(crate) use serve::Seat;
pub use serve::{Limits, serve};
pub(crate) use time::{format as format_time, parse as parse_time};

/// The name under which requests to unknown paths are counted.
const UNKNOWN_ROUTE: &str = "unknown";

/// The name under which gRPC calls are counted.
const GRPC_ROUTE: &str = "grpc";

/// The doors that share the port, and the guard, with this one: so no browser gets at them.
pub struct OtherDoors {
    /// What members use among each other.
    pub peers: Router,
    /// The gRPC services.
    pub grpc: Router,
}

/// What every handler may use.
struct Doors {
    node: Node,
    guard: Guard,
    metrics: Metrics,
    limits: Limits,
    /// For changes that the leader is to make.
    ask_turns: Turns,
    leaders_desk: LeadersDesk,
    /// Messages of Raft that are made by hand are taken.
    raft_http: bool,
    hands: Semaphore,
}

/// All that a member serves: its routes, the way past them, and how much of it there is for whom.
#[derive(Clone)]
pub struct Site {
    router: Router,
    express: Option<Arc<Express>>,
    admission: Option<Arc<Admission>>,
}

/// Routes alone.
impl From<Router> for Site {
    fn from(router: Router) -> Site {
        Site { router, express: None, admission: None }
    }
}

impl Site {
    /// Puts layers around the routes.
    #[cfg(test)]
    fn map(self, layers: impl FnOnce(Router) -> Router) -> Site {
        Site { router: layers(self.router), ..self }
    }

    /// Of this, probes and metrics alone.
    pub fn probes_only(&self) -> Site {
        probes_only(self.router.clone()).into()
    }
}

/// What one member serves.
pub fn site(node: Node, config: &Config, limits: Limits, others: OtherDoors) -> Site {
    let admission = Arc::new(Admission::new(node.clone(), config.requests_per_second_max));
    let metrics = Metrics::new(node.clone(), &admission);
    let doors = Arc::new(Doors {
        guard: Guard::new(config, node.clone()),
        node,
        metrics,
        limits,
        ask_turns: Turns::default(),
        leaders_desk: LeadersDesk::default(),
        raft_http: config.raft_http,
        hands: by_hand::turns(),
    });
    let router = routes().into_iter().fold(Router::new(), |router, (route, methods)| {
        router.route(route, door(&doors, route, methods))
    });
    let front = |route| from_fn_with_state((Arc::clone(&doors), route), front);
    let OtherDoors { peers, grpc } = others;
    let peers = peers.layer(front(PEER_PATHS));
    let grpc = grpc.layer(front(GRPC_ROUTE));
    let unknown = axum::routing::any(unknown_path).layer(front(UNKNOWN_ROUTE));
    let router =
        router.with_state(Arc::clone(&doors)).merge(peers).merge(grpc).fallback_service(unknown);
    let express = Some(Arc::new(Express::new(doors)));
    Site { router, express, admission: Some(admission) }
}

/// The paths, and what is behind them.
fn routes() -> Vec<(&'static str, MethodRouter<Arc<Doors>>)> {
    vec![
        ("/", get(dashboard::page)),
        ("/page/{*file}", get(dashboard::asset)),
        ("/kv", get(list::list)),
        ("/kv/", one_key()),
        ("/kv/{*key}", one_key()),
        ("/kv-store", get(record::get).post(record::post).delete(record::delete)),
        ("/history/", get(history::history)),
        ("/history/{*key}", get(history::history)),
        ("/txn", post(txn::txn)),
        ("/watch", get(watch::watch)),
        ("/events", get(events::events)),
        ("/ws", get(events::websocket)),
        ("/snapshot", get(snapshot::snapshot)),
        ("/compact", post(compact::compact)),
        ("/session", post(session::open)),
        ("/session/{id}", delete(session::close)),
        ("/leases", get(lease::list).post(lease::grant)),
        ("/leases/{id}", get(lease::tell).delete(lease::revoke)),
        ("/leases/{id}/keepalive", post(lease::keep_alive)),
        ("/cluster/status", get(status::status)),
        ("/cluster/leader", get(cluster::leader)),
        ("/cluster/members", get(cluster::members).post(membership::add)),
        ("/cluster/members/{member}", delete(membership::remove).patch(membership::readdress)),
        ("/cluster/members/{member}/promote", post(membership::promote)),
        ("/cluster/members/{member}/replace", post(membership::replace)),
        ("/cluster/members/{member}/drain", post(membership::drain).delete(membership::end_drain)),
        ("/cluster/level", post(membership::raise_level)),
        ("/cluster/settings", get(settings::get).patch(settings::patch)),
        ("/cluster/transfer", post(cluster::transfer)),
        ("/auth", get(users::auth)),
        ("/auth/enable", post(users::enable)),
        ("/auth/disable", post(users::disable)),
        ("/auth/login", post(users::login)),
        ("/auth/logout", post(users::logout)),
        ("/users", get(users::users).post(users::add_user)),
        ("/users/{name}", get(users::user).delete(users::delete_user)),
        ("/users/{name}/password", put(users::set_password)),
        ("/users/{name}/roles/{role}", put(users::grant_role).delete(users::revoke_role)),
        ("/roles", get(users::roles).post(users::add_role)),
        ("/roles/{name}", get(users::role).delete(users::delete_role)),
        ("/roles/{name}/permissions", put(users::grant).delete(users::revoke)),
        ("/raft/vote", post(by_hand::vote)),
        ("/raft/append", post(by_hand::append)),
        ("/health", get(health::health)),
        ("/livez", get(probes::live)),
        ("/livez/{check}", get(probes::live_check)),
        ("/readyz", get(probes::ready)),
        ("/readyz/{check}", get(probes::ready_check)),
        ("/version", get(health::version)),
        ("/metrics", get(health::metrics)),
    ]
}

fn one_key() -> MethodRouter<Arc<Doors>> {
    get(kv::get).put(kv::put).delete(kv::delete)
}

/// A route with what all routes have in common.
fn door(
    doors: &Arc<Doors>,
    route: &'static str,
    methods: MethodRouter<Arc<Doors>>,
) -> MethodRouter<Arc<Doors>> {
    methods.fallback(wrong_method).layer(from_fn_with_state((Arc::clone(doors), route), front))
}

/// Before and after every handler: who may come in, and how long it took.
async fn front(
    State((doors, route)): State<(Arc<Doors>, &'static str)>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let arrived = Instant::now();
    let method = request.method().clone();
    let call = grpc::is_call(request.headers()).then(|| Call::at(request.uri().path()));
    let any_host = request.extensions().get::<AnyHost>().is_some();
    let arrival = request.extensions().get::<Arrival>().copied().unwrap_or(Arrival::NOBODY);
    let admitted = doors.guard.admit(request.uri(), request.headers(), arrival, any_host);
    let response = match admitted {
        Err(refusal) => refusal.into_response(),
        Ok(admitted) => {
            let mut response = match admitted.preflight(&method, request.headers()) {
                Some(preflight) => preflight,
                None => next.run(request).await,
            };
            admitted.mark(&mut response);
            response
        }
    };
    doors.metrics.answered(route, &method, response.status(), arrived.elapsed());
    match call {
        Some(call) => doors.metrics.calls.answered(call, response),
        None => response,
    }
}

/// The router adds the `Allow` header.
async fn wrong_method(method: Method) -> Refusal {
    let message = format!("{method} is not allowed here; the Allow header says what is");
    Refusal::new(Code::MethodNotAllowed, message)
}

async fn unknown_path(request: Request<Body>) -> Response {
    if grpc::is_call(request.headers()) {
        return grpc::unknown_service(request.uri().path());
    }
    Refusal::new(Code::UnknownPath, "there is nothing at this path; keys are under /kv/")
        .with("path", request.uri().path())
        .into_response()
}
