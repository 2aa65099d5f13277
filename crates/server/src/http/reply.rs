//! JSON answers.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use serde::Serialize;

/// An answer in JSON, ending in a newline, so that a terminal's prompt starts on its own line. It
/// says that nobody may keep it: a cached answer would not be linearizable.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    let mut bytes = Vec::with_capacity(256);
    serde_json::to_writer(&mut bytes, body).expect("our shapes have text keys and plain values");
    bytes.push(b'\n');
    with_type(status, HeaderValue::from_static("application/json"), bytes)
}

/// An answer for people and probes.
pub(super) fn text(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    with_type(status, HeaderValue::from_static("text/plain; charset=utf-8"), body)
}

/// An answer of some other type.
pub(super) fn with_type(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
