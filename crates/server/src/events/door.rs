//! `GET /raft/events`: what this member tells the others of itself, in lines. No keys.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::feed::{Feed, NotLooking};
use super::line::{Greeting, written};
use super::{CLUSTER_HEADER, EVENTS_PATH};
use crate::node::Node;

/// Lines that wait to be taken by the connection; the rest waits in the feed.
const LINES_MAX: usize = 1;

/// The route, for the router of what members use among each other.
pub(crate) fn routes(node: Node) -> Router {
    Router::new().route(EVENTS_PATH, get(events)).with_state(node)
}

async fn events(State(node): State<Node>, request: Request) -> Response {
    let status = node.status();
    let Some(cluster) = &status.configuration else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "starting", "it has no cluster yet");
    };
    if !asks_for(request.headers(), cluster.cluster_id) {
        let message = "peers only: Raftkv-Cluster must be the id of this member's cluster";
        return refuse(StatusCode::FORBIDDEN, "another_cluster", message);
    }
    let (place, mut lines) = match Feed::enter_listener(&node) {
        Ok(entered) => entered,
        Err(NotLooking::TooMany) => {
            let message = "too many members listen";
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message);
        }
        Err(NotLooking::Stopped) => {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "stopped", "this member stops");
        }
    };
    let greeting = written(&Greeting::of(cluster.cluster_id, status.about.id));
    let (sender, receiver) = mpsc::channel::<Result<Bytes, Infallible>>(LINES_MAX);
    tokio::spawn(async move {
        let _place = place;
        let mut line = Bytes::from(greeting);
        while sender.send(Ok(line)).await.is_ok() {
            let next = tokio::select! {
                next = next(&mut lines) => next,
                () = sender.closed() => None,
            };
            let Some(next) = next else { return };
            line = next;
        }
    });
    let body = Body::from_stream(ReceiverStream::new(receiver));
    let content_type = HeaderValue::from_static("application/x-ndjson");
    (StatusCode::OK, [(CONTENT_TYPE, content_type)], body).into_response()
}

async fn next(lines: &mut Receiver<Bytes>) -> Option<Bytes> {
    loop {
        match lines.recv().await {
            Ok(line) => return Some(line),
            // The next one's number says how many were left out.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}

fn asks_for(headers: &HeaderMap, cluster_id: u128) -> bool {
    let asked = headers.get(CLUSTER_HEADER).and_then(|id| id.to_str().ok());
    asked.and_then(|id| u128::from_str_radix(id, 16).ok()) == Some(cluster_id)
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "error": code, "message": message }).to_string();
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}
