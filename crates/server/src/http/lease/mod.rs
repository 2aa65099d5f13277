//! `/leases`: what keys live as long as.
//!
//! Grants and revocations are writes. To keep a lease alive, and to know how long it has left, is
//! the leader's: only it counts, and a follower asks it.

mod answer;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, Response};
use axum::response::IntoResponse;
use replica::{LeaseAsk, LeaseStanding};
use serde_json::Value;
use store::{Command, FirstOutcome, LeaseId, Need, Origin};

use self::answer::Told;
use super::error::{Code, Refusal};
use super::kv::{ready_to_read, write};
use super::list::{LIMIT_DEFAULT, LIMIT_MAX};
use super::query::{Query, bad, may_forward};
use super::{Doors, body, lifetime, once};
use crate::access::Visit;
use crate::node::{WriteOptions, Written};

const WRITE_PARAMETERS: [&str; 1] = ["timeout_ms"];
const TELL_PARAMETERS: [&str; 2] = ["keys", "timeout_ms"];
const LIST_PARAMETERS: [&str; 4] = ["limit", "after", "consistency", "timeout_ms"];

const EXAMPLE: &str = r#"{"ttl": 30}"#;

/// `POST /leases`: grants one.
pub(super) async fn grant(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let (options, origin) = asked(&doors, &request)?;
    let body = body::read(request, doors.limits.body_timeout).await?;
    let (mut ttl_s, mut id): (Option<u64>, Option<LeaseId>) = (None, None);
    for (field, written) in body::object(&body, EXAMPLE)? {
        let twice = match field.as_str() {
            "ttl" => ttl_s.replace(lifetime::lease_ttl_s(&written)?).is_some(),
            "id" => id.replace(wanted_id(&written)?).is_some(),
            _ => return Err(body::unexpected_field(&field, "ttl, id")),
        };
        if twice {
            return Err(Refusal::new(Code::MalformedJson, format!("{field} is there twice")));
        }
    }
    let ttl_s = ttl_s.ok_or_else(|| {
        let message = "ttl is missing: for how many seconds the lease lives if nobody keeps it \
                       alive";
        Refusal::new(Code::MissingField, message).with("field", "ttl")
    })?;
    let command = Command::LeaseGrant { lease: id.unwrap_or(LeaseId::NONE), ttl_s };
    done(&visit, command, None, options, origin.as_ref()).await
}

/// Clients name a lease with a number above 0.
fn wanted_id(written: &Value) -> Result<LeaseId, Refusal> {
    written
        .as_i64()
        .filter(|id| *id > 0)
        .map(LeaseId)
        .ok_or_else(|| bad("id", "is a whole number above 0; leave it out to have the lease named"))
}

/// `DELETE /leases/{id}`: revokes one, with its keys.
pub(super) async fn revoke(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let lease = lifetime::lease_of_text(id.as_bytes())?;
    let (options, origin) = asked(&doors, &request)?;
    let command = Command::LeaseRevoke { lease };
    done(&visit, command, Some(lease), options, origin.as_ref()).await
}

fn asked(
    doors: &Doors,
    request: &Request<Body>,
) -> Result<(WriteOptions, Option<Origin>), Refusal> {
    let query = Query::parse(request.uri().query(), &WRITE_PARAMETERS)?;
    Ok((options(request, &query)?, once::origin(request.headers(), &doors.node)?))
}

fn options(request: &Request<Body>, query: &Query) -> Result<WriteOptions, Refusal> {
    Ok(WriteOptions { timeout: query.timeout()?, forward: may_forward(request.headers())? })
}

/// Has it applied, and shows what it came to, now or when it was sent for the first time.
async fn done(
    visit: &Visit,
    command: Command,
    lease: Option<LeaseId>,
    options: WriteOptions,
    origin: Option<&Origin>,
) -> Result<Response<Body>, Refusal> {
    let Written { log_id, outcome, .. } = write(visit, command, options, origin).await?;
    let (shown, replay) = match outcome {
        store::Outcome::Repeated(first) => {
            let shown = match first.outcome {
                FirstOutcome::Kept(outcome) => {
                    answer::written(lease, &outcome, (first.index, first.term))
                }
                // The client gave the name to something else before.
                FirstOutcome::Done { .. }
                | FirstOutcome::TxnDone { .. }
                | FirstOutcome::Conflict { .. } => Err(Refusal::key_reused()),
            };
            (shown, true)
        }
        outcome => (answer::written(lease, &outcome, (log_id.index.0, log_id.term.0)), false),
    };
    let mut answer = shown.unwrap_or_else(IntoResponse::into_response);
    once::mark(&mut answer, origin, replay);
    Ok(answer)
}

/// `POST /leases/{id}/keepalive`.
pub(super) async fn keep_alive(
    visit: Visit,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let lease = lifetime::lease_of_text(id.as_bytes())?;
    let query = Query::parse(request.uri().query(), &WRITE_PARAMETERS)?;
    let options = options(&request, &query)?;
    let standing = standing(&visit, (lease, LeaseAsk::KeepAlive), options).await?;
    Ok(answer::told(&Told { lease, standing, keys: None }))
}

/// `GET /leases/{id}`: how long it has left, and which keys are attached to it.
pub(super) async fn tell(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let lease = lifetime::lease_of_text(id.as_bytes())?;
    let query = Query::parse(request.uri().query(), &TELL_PARAMETERS)?;
    let with_keys = query.flag("keys")?;
    let options = options(&request, &query)?;
    let standing = standing(&visit, (lease, LeaseAsk::TimeToLive), options).await?;
    // The store here is as new as the leader's word, and newer perhaps.
    let same = |found: &Arc<store::Lease>| found.grant().index == standing.granted_index;
    let found = doors.node.store().lease(lease).filter(same).ok_or_else(not_found)?;
    if with_keys {
        visit.permit(Need::KeysOf(&found)).await?;
    }
    let keys = with_keys.then_some(&*found);
    Ok(answer::told(&Told { lease, standing, keys }))
}

async fn standing(
    visit: &Visit,
    (lease, ask): (LeaseId, LeaseAsk),
    options: WriteOptions,
) -> Result<LeaseStanding, Refusal> {
    let standing = visit
        .lease(lease, ask, options)
        .await
        .map_err(|why| Refusal::of_not_done(why, &visit.node().status()))?;
    standing.ok_or_else(not_found)
}

fn not_found() -> Refusal {
    store::Refused::LeaseNotFound.into()
}

/// `GET /leases`: all of them by id, a page at a time.
pub(super) async fn list(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let query = Query::parse(request.uri().query(), &LIST_PARAMETERS)?;
    let limit = query.number("limit", 1..=LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
    let limit = usize::try_from(limit).expect("it is at most LIMIT_MAX");
    let after = query.bytes("after").map(|text| lifetime::lease_of_text(&text)).transpose();
    let after =
        after.map_err(|_| bad("after", "is the next of the page before, the id of a lease"))?;
    let stale = ready_to_read(&visit, Need::Known, query.consistency()?, query.timeout()?).await?;
    let mut found = doors.node.store().leases(after, limit + 1);
    let more = found.len() > limit;
    found.truncate(limit);
    Ok(answer::page(&found, more, stale))
}
