//! `/session`: sessions of clients that number their writes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, Response, StatusCode};
use serde::Serialize;
use store::{Command, OnceLimits, Outcome, SessionId};

use super::error::{Code, Refusal};
use super::kv::write;
use super::query::{Query, may_forward};
use super::{Doors, reply};
use crate::node::WriteOptions;

const PARAMETERS: [&str; 1] = ["timeout_ms"];

/// `POST /session`: opens one.
pub(super) async fn open(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    #[derive(Serialize)]
    struct Opened {
        session: u64,
        /// Without use, after so long it is gone.
        life_ms: u64,
    }
    let written = write(&doors.node, Command::OpenSession, options(&request)?, None).await?;
    match written.outcome {
        Outcome::SessionOpened { session } => {
            let life_ms = OnceLimits::default().session_life_ms;
            Ok(reply::json(StatusCode::OK, &Opened { session: session.0, life_ms }))
        }
        Outcome::TableFull => Err(Refusal::table_full()),
        other => panic!("the opening of a session came to {other:?}"),
    }
}

/// `DELETE /session/{id}`: closes one; one that is not there is no error.
pub(super) async fn close(
    State(doors): State<Arc<Doors>>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    #[derive(Serialize)]
    struct Closed {
        closed: bool,
    }
    let session = id.parse().map(SessionId).map_err(|_| {
        Refusal::new(Code::BadParameter, "a session's id is a number").with("session", id)
    })?;
    let command = Command::CloseSession { session };
    let written = write(&doors.node, command, options(&request)?, None).await?;
    match written.outcome {
        Outcome::SessionClosed { existed } => {
            Ok(reply::json(StatusCode::OK, &Closed { closed: existed }))
        }
        other => panic!("the closing of a session came to {other:?}"),
    }
}

fn options(request: &Request<Body>) -> Result<WriteOptions, Refusal> {
    let query = Query::parse(request.uri().query(), &PARAMETERS)?;
    Ok(WriteOptions { timeout: query.timeout()?, forward: may_forward(request.headers())? })
}
