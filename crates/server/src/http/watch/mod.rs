//! `GET /watch`: what happens to keys, as server-sent events.
//!
//! One message a revision, whose id is the revision, so that a client that comes again with
//! `Last-Event-ID` misses nothing and hears nothing twice. `docs/http.md` has the whole of it.

mod request;
mod stream;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{HeaderName, HeaderValue};
use axum::http::{Request, Response, StatusCode};

use store::Need;

use super::error::Refusal;
use super::kv::{ready_to_read, with_revision};
use super::query::Query;
use super::{Doors, reply};
use crate::access::Visit;
use crate::watch::ConnectionWatches;
use request::Wanted;
use stream::{Rights, Stream};

/// Proxies that know it pass a stream on as it comes.
pub(super) const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// `GET /watch`.
pub(super) async fn watch(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let query = Query::parse(request.uri().query(), &request::PARAMETERS)?;
    let wanted = Wanted::of(&query, request.headers())?;
    let range = wanted.request.range.clone();
    let (consistency, timeout) = (query.consistency()?, query.timeout()?);
    let rights = Rights::new(visit, range.clone());
    ready_to_read(rights.visit(), Need::Read(&range), consistency, timeout).await?;
    let connection = request.extensions().get::<ConnectionWatches>().cloned().unwrap_or_default();
    let watches = doors.node.watches();
    let subscription = watches.open(&wanted.request, &connection, wanted.notices)?;
    let opened_at = subscription.opened_at();
    let stream = Body::new(Stream::new(subscription, rights));
    let event_stream = HeaderValue::from_static("text/event-stream");
    let mut answer = reply::with_type(StatusCode::OK, event_stream, stream);
    answer.headers_mut().insert(BUFFERING, HeaderValue::from_static("no"));
    Ok(with_revision(answer, opened_at))
}
