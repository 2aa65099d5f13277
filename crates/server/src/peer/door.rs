//! The paths of the peers on the member's port for them: `/raft/append` becomes a stream,
//! `/raft/hello` answers members that look for a cluster.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::TokioIo;
use parking_lot::RwLock;
use serde_json::json;
use tracing::warn;

use super::hello::Hello;
use super::inbound::{Inbound, Lane};
use super::{APPEND_PATH, HELLO_PATH, SNAPSHOT_PATH, UPGRADE_PROTOCOL};

/// What this member says of itself; nothing before it has looked into its own log.
#[derive(Debug, Default)]
pub(crate) struct HelloBoard(RwLock<Option<Hello>>);

impl HelloBoard {
    /// From now on this is the answer.
    pub(crate) fn say(&self, hello: Hello) {
        *self.0.write() = Some(hello);
    }
}

/// What the peers' paths lead to.
#[derive(Clone, Debug)]
pub(crate) struct PeerDoor {
    pub(crate) inbound: Arc<Inbound>,
    pub(crate) hello: Arc<HelloBoard>,
}

impl PeerDoor {
    /// The routes, for the router of the member's port.
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route(APPEND_PATH, get(append))
            .route(SNAPSHOT_PATH, get(snapshot))
            .route(HELLO_PATH, get(hello))
            .with_state(self)
    }
}

async fn append(State(door): State<PeerDoor>, request: Request) -> Response {
    become_stream(door, request, Lane::Messages)
}

async fn snapshot(State(door): State<PeerDoor>, request: Request) -> Response {
    become_stream(door, request, Lane::Snapshots)
}

fn become_stream(door: PeerDoor, request: Request, lane: Lane) -> Response {
    if !asks_for_stream(request.headers()) {
        let message = format!("peers only: send `Upgrade: {UPGRADE_PROTOCOL}`");
        let headers = [(UPGRADE, UPGRADE_PROTOCOL)];
        return refuse(StatusCode::UPGRADE_REQUIRED, headers, "upgrade_required", &message);
    }
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => door.inbound.serve(TokioIo::new(upgraded), lane).await,
            Err(error) => warn!(%error, "a peer stream broke before its handshake"),
        }
    });
    let headers = [(CONNECTION, "Upgrade"), (UPGRADE, UPGRADE_PROTOCOL)];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

fn asks_for_stream(headers: &HeaderMap) -> bool {
    let protocol = headers.get(UPGRADE).and_then(|protocol| protocol.to_str().ok());
    protocol.is_some_and(|protocol| protocol.eq_ignore_ascii_case(UPGRADE_PROTOCOL))
}

async fn hello(State(door): State<PeerDoor>) -> Response {
    match &*door.hello.0.read() {
        Some(hello) => ([(CONTENT_TYPE, "application/json")], hello.to_json()).into_response(),
        None => {
            let message = "the member is reading its log: ask again in a moment";
            refuse(StatusCode::SERVICE_UNAVAILABLE, [], "starting", message)
        }
    }
}

fn refuse<const N: usize>(
    status: StatusCode,
    headers: [(HeaderName, &'static str); N],
    code: &str,
    message: &str,
) -> Response {
    let body = json!({ "error": code, "message": message }).to_string();
    (status, headers, [(CONTENT_TYPE, "application/json")], body).into_response()
}
