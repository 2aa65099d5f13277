//! `GET /` and `GET /page/…`: the dashboard's files, the same for everybody.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response};

use super::Doors;
use super::error::{Code, Refusal};
use crate::dashboard;

/// `GET /`.
pub(super) async fn page(
    State(doors): State<Arc<Doors>>,
    headers: HeaderMap,
) -> Result<Response<Body>, Refusal> {
    dashboard::page(&doors.node.status(), &headers).ok_or_else(|| unknown("/"))
}

/// `GET /page/{file}`.
pub(super) async fn asset(
    State(doors): State<Arc<Doors>>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let path = format!("page/{path}");
    dashboard::file(&doors.node.status(), &path, &headers).ok_or_else(|| unknown(&path))
}

fn unknown(path: &str) -> Refusal {
    Refusal::new(Code::UnknownPath, "the dashboard has no such file").with("path", path)
}
