//! `/session`: sessions of clients that number their writes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, Response, StatusCode};
use serde::Serialize;
use store::{Command, Need, OnceLimits, Outcome};

use super::error::{Code, Refusal};
use super::kv::write;
use super::once::{ClusterMark, SessionName};
use super::query::{Query, may_forward};
use super::{Doors, reply};
use crate::access::Visit;
use crate::node::WriteOptions;

const PARAMETERS: [&str; 1] = ["timeout_ms"];

/// `POST /session`: opens one.
pub(super) async fn open(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    #[derive(Serialize)]
    struct Opened {
        session: String,
        /// Without use, after so long it is gone.
        life_ms: u64,
    }
    let written = write(&visit, Command::OpenSession, options(&request)?, None).await?;
    match written.outcome {
        Outcome::SessionOpened { session } => {
            let life_ms = OnceLimits::default().session_life_ms;
            let session = SessionName { session, mark: ClusterMark::of(&doors.node)? }.to_string();
            Ok(reply::json(StatusCode::OK, &Opened { session, life_ms }))
        }
        Outcome::TableFull => Err(Refusal::table_full()),
        other => panic!("the opening of a session came to {other:?}"),
    }
}

/// `DELETE /session/{id}`: closes one; one that is not there is no error.
pub(super) async fn close(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    #[derive(Serialize)]
    struct Closed {
        closed: bool,
    }
    let name = SessionName::parse(id.as_bytes()).ok_or_else(|| {
        let message = "a session is called as POST /session answered, such as 17-9f3c01aa";
        Refusal::new(Code::BadParameter, message).with("session", id)
    })?;
    let options = options(&request)?;
    visit.permit(Need::Known).await?;
    let Some(session) = name.of_cluster(ClusterMark::of(&doors.node)?) else {
        return Ok(reply::json(StatusCode::OK, &Closed { closed: false }));
    };
    let written = write(&visit, Command::CloseSession { session }, options, None).await?;
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
