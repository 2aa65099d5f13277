//! `GET /snapshot`: the state of one moment, as the bytes of a snapshot's file
//! (docs/format/snapshot.md), while the member goes on serving.
//!
//! The moment is taken hold of once everything is applied that was acknowledged before the request.
//! Then the state is read as fast as the client takes it (`node/backups.rs`); a client that takes
//! nothing is let go by the connection.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use axum::http::{Request, Response};
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc;

use store::Need;

use super::Doors;
use super::error::{Code, Refusal};
use super::kv::{ready_to_read, with_revision};
use super::query::{Consistency, Query};
use crate::access::Visit;
use crate::node::{BACKUPS_MAX, Piece, pieces};

const PARAMETERS: [&str; 1] = ["timeout_ms"];

/// A refused client is told to come again after so many seconds.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("5");

const INDEX: HeaderName = HeaderName::from_static("raftkv-log-index");
const TERM: HeaderName = HeaderName::from_static("raftkv-log-term");

fn too_many() -> Refusal {
    let message = format!(
        "this member gives {BACKUPS_MAX} snapshots already, as many as it does at once: ask \
         another member, or later"
    );
    Refusal::new(Code::Overloaded, message).with_header(RETRY_AFTER, RETRY_AFTER_S)
}

/// `GET /snapshot`.
pub(super) async fn snapshot(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let query = Query::parse(request.uri().query(), &PARAMETERS)?;
    let timeout = query.timeout()?;
    visit.permit(Need::Root).await?;
    let permit = doors.node.admit_backup().ok_or_else(too_many)?;
    ready_to_read(&visit, Need::Root, Consistency::Linearizable, timeout).await?;
    let backup = doors.node.backup(timeout).await;
    let backup = backup.map_err(|failure| Refusal::of_failure(failure, &doors.node.status()))?;
    let (last, revision) = (backup.last(), backup.state().revision);
    let pieces = pieces(backup, permit);
    let mut response = Response::new(Body::new(Stream { pieces, over: false }));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(INDEX, last.index.0.into());
    headers.insert(TERM, last.term.0.into());
    Ok(with_revision(response, revision))
}

/// The body of the answer. It breaks where the state was not read to its end.
struct Stream {
    pieces: mpsc::Receiver<Piece>,
    over: bool,
}

/// The state was not read to its end.
#[derive(Debug)]
struct CutOff;

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the snapshot was cut off")
    }
}

impl std::error::Error for CutOff {}

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        if self.over {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(Piece::Bytes(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => {
                self.over = true;
                None
            }
            None => {
                self.over = true;
                Some(Err(CutOff))
            }
        })
    }
}
