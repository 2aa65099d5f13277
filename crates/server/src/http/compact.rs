//! `POST /compact`: gives up the past before a revision, before its time.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use serde::Serialize;
use store::{Command, CompactionCause, Outcome, Refused, Revision};

use super::error::{Code, Refusal};
use super::kv::write;
use super::query::{Query, may_forward};
use super::{Doors, body, once, reply};
use crate::access::Visit;
use crate::node::{WriteOptions, Written};

const EXAMPLE: &str = r#"{"revision": 7}"#;

#[derive(Serialize)]
struct Compacted {
    status: &'static str,
    /// The oldest revision that can be read from now on.
    compact_revision: u64,
    /// The newest one.
    revision: u64,
    log_index: u64,
    term: u64,
}

/// `POST /compact`.
pub(super) async fn compact(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let query = Query::parse(request.uri().query(), &["timeout_ms"])?;
    let (timeout, forward) = (query.timeout()?, may_forward(request.headers())?);
    // A name would be refused: asked for again, a compaction does no harm.
    let origin = once::origin(request.headers(), &doors.node)?;
    let body = body::read(request, doors.limits.body_timeout).await?;
    let command = Command::Compact { revision: revision_of(&body)?, cause: CompactionCause::Asked };
    let options = WriteOptions { timeout, forward };
    let Written { log_id, outcome, .. } = write(&visit, command, options, origin.as_ref()).await?;
    match outcome {
        Outcome::Compacted { revision, compact_revision } => {
            let body = Compacted {
                status: "compacted",
                compact_revision: compact_revision.0,
                revision: revision.0,
                log_index: log_id.index.0,
                term: log_id.term.0,
            };
            Ok(reply::json(StatusCode::OK, &body))
        }
        Outcome::Refused { reason: Refused::Unreadable(error), .. } => Err(error.into()),
        other => panic!("a compaction came to {other:?}"),
    }
}

fn revision_of(body: &[u8]) -> Result<Revision, Refusal> {
    let mut revision = None;
    for (field, number) in body::numbers(body, EXAMPLE)? {
        match field.as_str() {
            "revision" if number > 0 => revision = Some(Revision(number)),
            "revision" => {
                let message = "revision is a whole number from 1 on";
                return Err(Refusal::new(Code::BadParameter, message).with("parameter", "revision"));
            }
            _ => return Err(body::unexpected_field(&field, "revision")),
        }
    }
    revision.ok_or_else(|| {
        let message = format!("revision must be there: write {EXAMPLE}");
        Refusal::new(Code::MissingField, message).with("field", "revision")
    })
}
