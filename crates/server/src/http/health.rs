//! What a member says of itself: its health, its version, its metrics.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::HeaderValue;
use axum::http::{Request, Response, StatusCode};
use serde_json::json;

use super::alarms::{Alarm, alarms};
use super::error::Refusal;
use super::query::Query;
use super::{Doors, reply};
use crate::grpc::API_VERSION;
use crate::node::{NodeStatus, Phase};

const METRICS_TYPE: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// `GET /health`, in etcd's shape: whether it serves in a cluster that has a leader, and nothing is
/// wrong that somebody should look at.
pub(super) async fn health(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let query = Query::parse_with_many(request.uri().query(), &["serializable"], "exclude")?;
    let serializable = query.flag("serializable")?;
    let excluded: Vec<&[u8]> = query.all("exclude").collect();
    let reason = ill(&doors.node.status(), serializable, &excluded).unwrap_or_default();
    let (code, health) = match reason.is_empty() {
        true => (StatusCode::OK, "true"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "false"),
    };
    Ok(reply::json(code, &json!({ "health": health, "reason": reason })))
}

/// Why a member is not well, beginning with etcd's words where it has some.
fn ill(status: &NodeStatus, serializable: bool, excluded: &[&[u8]]) -> Option<String> {
    if let Phase::Waiting(reason) | Phase::Stopped(reason) = &status.phase {
        return Some(reason.clone());
    }
    let counts = |alarm: &Alarm| match alarm.etcd_name() {
        Some(name) => !excluded.contains(&name.as_bytes()),
        None => alarm.stops_service(),
    };
    if let Some(alarm) = alarms(status).into_iter().find(counts) {
        return Some(match alarm.etcd_name() {
            Some(name) => format!("ALARM {name}: {}", alarm.message()),
            None => alarm.message(),
        });
    }
    let leaderless = !serializable && status.leader().is_none();
    leaderless.then(|| "RAFT NO LEADER".to_owned())
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
