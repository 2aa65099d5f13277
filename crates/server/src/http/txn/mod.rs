//! `POST /txn`: compare, then do one list of operations or another, in one revision or not at all.
//!
//! `request` reads the body into the store's words, `answer` tells what came of it. A transaction
//! that only reads takes no place in the log: it is served like any other read.

mod answer;
mod request;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response};
use axum::response::IntoResponse;
use store::{Command, FirstOutcome, Limits, Need, Origin, Outcome, Txn};

use super::error::{Code, Refusal};
use super::kv::{ready_to_read, write};
use super::query::{Query, may_forward};
use super::{Doors, body, once};
use crate::access::Visit;
use crate::node::{WriteOptions, Written};

const PARAMETERS: [&str; 2] = ["consistency", "timeout_ms"];

/// `POST /txn`.
pub(super) async fn txn(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let query = Query::parse(request.uri().query(), &PARAMETERS)?;
    let (consistency, timeout) = (query.given_consistency()?, query.timeout()?);
    let forward = may_forward(request.headers())?;
    let origin = once::origin(request.headers(), &doors.node)?;
    let body = body::read(request, doors.limits.body_timeout).await?;
    let txn = request::read(&body)?;
    txn.validate(&Limits::default())?;
    if txn.is_read_only() {
        let stale =
            ready_to_read(&visit, Need::ReadTxn(&txn), consistency.unwrap_or_default(), timeout)
                .await?;
        let response = doors.node.store().txn(&txn)?;
        return Ok(answer::read(&txn, &response, stale, doors.node.age_ms()));
    }
    if consistency.is_some() {
        let message = "consistency is for transactions that only read; this one writes";
        return Err(Refusal::new(Code::BadParameter, message).with("parameter", "consistency"));
    }
    let options = WriteOptions { timeout, forward };
    proposed(&visit, txn, options, origin.as_ref()).await
}

/// Has a transaction applied, and shows what it came to, now or when it was sent first.
async fn proposed(
    visit: &Visit,
    txn: Txn,
    options: WriteOptions,
    origin: Option<&Origin>,
) -> Result<Response<Body>, Refusal> {
    let command = Command::Txn(txn.clone());
    let Written { log_id, outcome, .. } = write(visit, command, options, origin).await?;
    let age_ms = visit.node().age_ms();
    let (shown, replay) = match outcome {
        Outcome::Repeated(first) => {
            let place = (first.index, first.term);
            let shown = match first.outcome {
                FirstOutcome::Kept(outcome) => of_outcome(&txn, outcome, place, age_ms),
                FirstOutcome::TxnDone { revision, succeeded } => {
                    Ok(answer::without_results(revision, succeeded, place))
                }
                // The client gave the name to something else before.
                FirstOutcome::Done { .. } | FirstOutcome::Conflict { .. } => {
                    Err(Refusal::key_reused())
                }
            };
            (shown, true)
        }
        outcome => (of_outcome(&txn, outcome, (log_id.index.0, log_id.term.0), age_ms), false),
    };
    let mut answer = shown.unwrap_or_else(IntoResponse::into_response);
    once::mark(&mut answer, origin, replay);
    Ok(answer)
}

fn of_outcome(
    txn: &Txn,
    outcome: Outcome,
    place: (u64, u64),
    age_ms: u64,
) -> Result<Response<Body>, Refusal> {
    match outcome {
        Outcome::Txn(response) => Ok(answer::committed(txn, &response, place, age_ms)),
        Outcome::Refused { reason, .. } => Err(reason.into()),
        // Only as the first answer to a name that was something else's.
        Outcome::Put { .. }
        | Outcome::Deleted { .. }
        | Outcome::Conflict { .. }
        | Outcome::LeaseGranted { .. }
        | Outcome::LeaseRevoked { .. } => Err(Refusal::key_reused()),
        Outcome::SessionExpired => Err(Refusal::session_expired()),
        Outcome::Stale => Err(Refusal::stale_request()),
        Outcome::KeyReused => Err(Refusal::key_reused()),
        Outcome::TableFull => Err(Refusal::table_full()),
        other => panic!("a transaction came to {other:?}"),
    }
}
