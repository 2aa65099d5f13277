//! Probes: is the process alive, may it be sent requests, is there a leader.
//!
//! | path | says 200 when | for |
//! |---|---|---|
//! | `/livez` | the process runs, its log is sound; whatever the others do | restarting it |
//! | `/readyz` | a linearizable read would succeed now | sending it traffic |
//! | `/health` | it serves in a cluster that has a leader and takes writes | people and monitors |

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::HeaderValue;
use axum::http::{Request, Response, StatusCode};
use serde_json::json;

use super::alarms::alarms;
use super::error::{Refusal, unavailable};
use super::kv::await_store;
use super::query::{Consistency, Query};
use super::{Doors, reply};
use crate::grpc::API_VERSION;
use crate::node::Phase;

/// A member that is ready answers a read within this time, if the probe does not say.
const READY_TIMEOUT: Duration = Duration::from_secs(1);

const METRICS_TYPE: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// `GET /health`, in etcd's shape.
pub(super) async fn health(State(doors): State<Arc<Doors>>) -> Response<Body> {
    let status = doors.node.status();
    let reason = match &status.phase {
        Phase::Waiting(reason) | Phase::Stopped(reason) => reason.clone(),
        Phase::Running => match alarms(&status).iter().find(|alarm| alarm.stops_service()) {
            Some(alarm) => alarm.message(),
            None if status.leader().is_none() => "no leader".to_owned(),
            None => String::new(),
        },
    };
    let (code, health) = match reason.is_empty() {
        true => (StatusCode::OK, "true"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "false"),
    };
    reply::json(code, &json!({ "health": health, "reason": reason }))
}

/// `GET /livez`.
pub(super) async fn live(State(doors): State<Arc<Doors>>) -> Result<Response<Body>, Refusal> {
    let status = doors.node.status();
    match status.phase {
        Phase::Stopped(_) => Err(unavailable(&status)),
        Phase::Waiting(_) | Phase::Running => Ok(reply::text(StatusCode::OK, "ok\n")),
    }
}

/// `GET /readyz`.
pub(super) async fn ready(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let query = Query::parse(request.uri().query(), &["timeout_ms"])?;
    let timeout = match query.bytes("timeout_ms") {
        Some(_) => query.timeout()?,
        None => READY_TIMEOUT,
    };
    await_store(&doors.node, Consistency::Linearizable, timeout).await?;
    Ok(reply::text(StatusCode::OK, "ok\n"))
}

/// `GET /version`.
pub(super) async fn version(State(doors): State<Arc<Doors>>) -> Response<Body> {
    let version = doors.node.status().about.version;
    // The three below are etcd's, whose clients look for them.
    let shown = json!({
        "name": "raftkv",
        "version": version,
        "etcdserver": API_VERSION,
        "etcdcluster": API_VERSION,
        "storage": API_VERSION,
    });
    reply::json(StatusCode::OK, &shown)
}

/// `GET /metrics`.
pub(super) async fn metrics(State(doors): State<Arc<Doors>>) -> Response<Body> {
    reply::with_type(StatusCode::OK, METRICS_TYPE, doors.metrics.encode())
}
