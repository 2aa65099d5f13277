//! `/kv-store`: records, whose fields are plain keys ([`store::Record`]).
//!
//! `request` reads what is asked, `answer` tells what came of it. Every answer says in `success`
//! whether it is what was asked for, refusals too.

mod answer;
mod request;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response};
use axum::response::IntoResponse;
use bytes::Bytes;
use store::{
    Command, Condition, Fields, FieldsRequest, FirstOutcome, KeyRange, Need, Outcome, PinLifted,
    Pinned, Put, PutLifetime, Record, Revision,
};

use self::answer::{Place, Shown};
use self::request::{Change, Reading, Which};
use super::cursor::Cursor;
use super::error::{Code, Refusal};
use super::kv::{Item, write};
use super::past::Ready;
use super::query::{Query, may_forward};
use super::{Doors, body, once};
use crate::access::Visit;
use crate::node::{WriteOptions, Written};

/// A page ends early after so many bytes of keys were looked at, others' keys among them.
const WORK_BYTES_MAX: usize = 8 << 20;

const WRITE_PARAMETERS: [&str; 1] = ["timeout_ms"];

/// `GET /kv-store`: a field, or some fields of a record.
pub(super) async fn get(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let (head, _) = request.into_parts();
    read(&doors, &visit, head.uri.query()).await.map_err(unsuccessful)
}

/// `POST /kv-store`: what the body says.
pub(super) async fn post(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let asked = async {
        let (headers, options) = (request.headers().clone(), options(&request)?);
        let body = body::read(request, doors.limits.body_timeout).await?;
        let change = request::of_body(&headers, &body)?;
        done(&doors, &visit, change, &headers, options).await
    };
    asked.await.map_err(unsuccessful)
}

/// `DELETE /kv-store`: a field, or a record.
pub(super) async fn delete(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let (head, _) = request.into_parts();
    let asked = async {
        let known = [&request::NAMES[..], &WRITE_PARAMETERS[..]].concat();
        let query = Query::parse(head.uri.query(), &known)?;
        let (timeout, forward) = (query.timeout()?, may_forward(&head.headers)?);
        let change = Change { which: request::which(&query)?, value: None, ttl_ms: None };
        done(&doors, &visit, change, &head.headers, WriteOptions { timeout, forward }).await
    };
    asked.await.map_err(unsuccessful)
}

fn unsuccessful(refusal: Refusal) -> Refusal {
    refusal.with("success", false)
}

fn options(request: &Request<Body>) -> Result<WriteOptions, Refusal> {
    let query = Query::parse(request.uri().query(), &WRITE_PARAMETERS)?;
    Ok(WriteOptions { timeout: query.timeout()?, forward: may_forward(request.headers())? })
}

/// Has a change applied, and shows what it came to, now or when it was sent for the first time.
async fn done(
    doors: &Doors,
    visit: &Visit,
    change: Change,
    headers: &HeaderMap,
    options: WriteOptions,
) -> Result<Response<Body>, Refusal> {
    let (condition, origin) = (once::condition(headers)?, once::origin(headers, &doors.node)?);
    let command = command(&change, condition)?;
    let written = write(visit, command, options, origin.as_ref()).await?;
    let Written { log_id, stamp_ms, outcome } = written;
    let age_ms = doors.node.age_ms();
    let (place, outcome, replay) = match outcome {
        Outcome::Repeated(first) => {
            let place =
                Place { log_index: first.index, term: first.term, stamp_ms: first.stamp_ms };
            (place, first_outcome(first.outcome, age_ms), true)
        }
        outcome => {
            let (log_index, term) = (log_id.index.0, log_id.term.0);
            (Place { log_index, term, stamp_ms }, settled(outcome, age_ms), false)
        }
    };
    let shown = outcome.and_then(|settled| answer::done(&change, settled, place));
    let mut answer = shown.map_err(unsuccessful).unwrap_or_else(IntoResponse::into_response);
    once::mark(&mut answer, origin.as_ref(), replay);
    Ok(answer)
}

fn command(change: &Change, condition: Option<Condition>) -> Result<Command, Refusal> {
    let Change { which: Which { name, record, field }, value, ttl_ms } = change;
    let Some((_, key)) = field else {
        if condition.is_some() {
            let message = "a condition is of one field, and this is about a whole record";
            return Err(Refusal::new(Code::BadHeader, message));
        }
        return Ok(Command::DeleteRecord { record: name.clone() });
    };
    debug_assert!(record.field_of(key).is_some(), "the key is made of the record and the field");
    Ok(match value {
        Some(value) => {
            let lifetime = ttl_ms.map_or(PutLifetime::Unbounded, PutLifetime::TtlMs);
            let put = Put { lifetime, ..Put::new(key.clone(), value.clone()) };
            Command::Put { put, condition }
        }
        None => Command::Delete { range: KeyRange::Single(key.clone()), prev_kv: false, condition },
    })
}

/// A change that was done: its revision, and of a delete how many fields went, if that is known.
#[derive(Clone, Copy)]
struct Settled {
    revision: Revision,
    deleted: Option<u64>,
}

fn settled(outcome: Outcome, age_ms: u64) -> Result<Settled, Refusal> {
    match outcome {
        Outcome::Put { revision, .. } => Ok(Settled { revision, deleted: None }),
        Outcome::Deleted { revision, count, .. } => Ok(Settled { revision, deleted: Some(count) }),
        Outcome::Conflict { revision, current } => {
            let current = current.as_ref().map(|current| Item::new(current, age_ms));
            let current = serde_json::to_value(current).expect("an item is JSON");
            Err(Refusal::conflict(revision).with("current", current))
        }
        // Only as the first answer to a number that was something else's.
        Outcome::Txn(_)
        | Outcome::Refused { .. }
        | Outcome::LeaseGranted { .. }
        | Outcome::LeaseRevoked { .. }
        | Outcome::KeyReused => Err(Refusal::key_reused()),
        Outcome::SessionExpired => Err(Refusal::session_expired()),
        Outcome::Stale => Err(Refusal::stale_request()),
        Outcome::TableFull => Err(Refusal::table_full()),
        other => panic!("a change of a record came to {other:?}"),
    }
}

fn first_outcome(outcome: FirstOutcome, age_ms: u64) -> Result<Settled, Refusal> {
    match outcome {
        FirstOutcome::Kept(outcome) => settled(outcome, age_ms),
        FirstOutcome::Done { revision } => Ok(Settled { revision, deleted: None }),
        FirstOutcome::Conflict { revision } => Err(Refusal::conflict(revision)),
        FirstOutcome::TxnDone { .. } => Err(Refusal::key_reused()),
    }
}

/// Reads a field or a page of fields.
async fn read(
    doors: &Doors,
    visit: &Visit,
    query: Option<&str>,
) -> Result<Response<Body>, Refusal> {
    let query = Query::parse(query, &request::reading_parameters())?;
    let reading = Reading::of(&query)?;
    let range = match &reading.which.field {
        Some((_, key)) => KeyRange::Single(key.clone()),
        None => reading.which.record.range(),
    };
    let Ready { stale, at } = reading.moment.ready(visit, Need::Read(&range), &query).await?;
    let pinned = doors.node.store().pin(at)?;
    let age_ms = doors.node.age_ms();
    let Reading { which, page, .. } = &reading;
    match &which.field {
        Some((_, key)) => {
            let found = pinned.stamped(key)?;
            let found = found.ok_or_else(|| answer::missing(which, pinned.revision()))?;
            let shown = Shown { revision: pinned.revision(), age_ms, stale };
            Ok(answer::field(&found, shown))
        }
        None => {
            let request = FieldsRequest { work_bytes_max: WORK_BYTES_MAX, ..page.clone() };
            let found = pinned.fields(&which.record, &request)?;
            let is_first = page.from.is_empty();
            let is_empty = found.fields.is_empty() && is_first;
            if is_empty && !is_there(&which.record, &found, &pinned)? {
                return Err(answer::missing(which, pinned.revision()));
            }
            let next = found.next.as_ref();
            let next = next.map(|next| cursor(next, &which.record, &pinned)).transpose()?;
            let next = next.map(|cursor| cursor.encode(&reading.scope));
            let shown = Shown { revision: pinned.revision(), age_ms, stale };
            Ok(answer::fields(which, &found, next, shown))
        }
    }
}

/// Whether a record of which nothing was found has a field all the same, of another beginning.
fn is_there(record: &Record, found: &Fields, pinned: &Pinned) -> Result<bool, PinLifted> {
    let any = FieldsRequest { work_bytes_max: WORK_BYTES_MAX, ..request::any_field() };
    if found.next.is_some() {
        return Ok(true);
    }
    let found = pinned.fields(record, &any)?;
    Ok(!found.fields.is_empty() || found.next.is_some())
}

/// Where the page goes on that begins with this name. One that is too long for a URL is found from
/// the beginning of it.
fn cursor(next: &Bytes, record: &Record, pinned: &Pinned) -> Result<Cursor, PinLifted> {
    let revision = pinned.revision();
    let start = next.slice(..next.len().min(Cursor::START_BYTES_MAX));
    let mut skip = 0;
    if start.len() < next.len() {
        let mut from = start.clone();
        loop {
            let request = FieldsRequest { from, limit: 100, ..request::any_field() };
            let page = pinned.fields(record, &request)?;
            skip += page.fields.iter().take_while(|field| field.name < *next).count() as u64;
            match page.next {
                Some(further) if further < *next => from = further,
                _ => break,
            }
        }
    }
    Ok(Cursor { revision, start, skip })
}
