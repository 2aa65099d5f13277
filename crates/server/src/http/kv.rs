//! `/kv/{key}`: one key.
//!
//! The key is everything after `/kv/`, slashes included, as bytes: the raw path is decoded here and
//! not by the router, which would want text.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{HeaderName, HeaderValue};
use axum::http::{Request, Response, StatusCode, Uri};
use axum::response::IntoResponse;
use bytes::Bytes;
use replica::Failure;
use serde::Serialize;
use store::{
    Command, CommandError, Condition, FirstOutcome, KeyRange, KeyValue, Limits, Need, Origin,
    Outcome, Put, Refused, Revision,
};

use super::alarms::shows_a_state;
use super::body::{self, Format};
use super::error::{Code, Refusal, unavailable};
use super::escape::{decode_path, text_or_base64};
use super::past::{Moment, Ready};
use super::query::{Consistency, Query, may_forward};
use super::{Doors, lifetime, once, reply};
use crate::access::{NotDone, Visit};
use crate::node::{Node, WriteOptions, Written};

/// The path in front of a key.
pub(super) const KEY_PREFIX: &str = "/kv/";

/// The revision that an answer shows.
pub(super) const REVISION_HEADER: HeaderName = HeaderName::from_static("raftkv-revision");

const READ_PARAMETERS: [&str; 4] = ["consistency", "revision", "at", "timeout_ms"];
const PUT_PARAMETERS: [&str; 4] = ["prev", "ttl", "lease", "timeout_ms"];
const DELETE_PARAMETERS: [&str; 2] = ["prev", "timeout_ms"];

/// A key and its value as answers show them. Of each pair of fields one is there, and values may
/// be left out of a listing.
#[derive(Serialize)]
pub(super) struct Item<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    version: u64,
    create_revision: u64,
    mod_revision: u64,
    /// What is left of its own time to live, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    /// The lease that it is attached to.
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<i64>,
}

impl<'a> Item<'a> {
    /// The item with its value, while the cluster has had a leader for so long.
    pub(super) fn new(key_value: &'a KeyValue, age_ms: u64) -> Item<'a> {
        let (value, value_base64) = text_or_base64(&key_value.value);
        Item { value, value_base64, ..Item::without_value(key_value, age_ms) }
    }

    /// The item in an event, which is the same whenever it is told: without the time left to it.
    pub(super) fn of_event(key_value: &'a KeyValue) -> Item<'a> {
        Item { ttl_ms: None, ..Item::new(key_value, 0) }
    }

    /// The item without its value.
    pub(super) fn without_value(key_value: &'a KeyValue, age_ms: u64) -> Item<'a> {
        let (key, key_base64) = text_or_base64(&key_value.key);
        let (ttl_ms, lease) = lifetime::shown(key_value, age_ms);
        Item {
            key,
            key_base64,
            value: None,
            value_base64: None,
            version: key_value.version,
            create_revision: key_value.create_revision.0,
            mod_revision: key_value.mod_revision.0,
            ttl_ms,
            lease,
        }
    }
}

/// How old a stale answer may be.
#[derive(Serialize)]
pub(super) struct Staleness {
    /// A log entry that the answer knows of, with all before it.
    applied_index: u64,
    /// It knows of all that was committed so long ago, ms; none if the member can not tell.
    age_ms: Option<u64>,
}

/// Waits until this member's store may be read with this consistency, by whoever may read this of
/// it; for a stale read that is at once, and the answer says how stale it may be.
pub(super) async fn ready_to_read(
    visit: &Visit,
    need: Need<'_>,
    consistency: Consistency,
    timeout: Duration,
) -> Result<Option<Staleness>, Refusal> {
    let (stale, _) = await_store(visit.node(), consistency, timeout).await?;
    visit.permit(need).await?;
    Ok(stale)
}

/// Waits for the store alone, whoever asks. Answers the time too, ms since 1970, of before which
/// the store holds all that it ever will.
pub(super) async fn await_store(
    node: &Node,
    consistency: Consistency,
    timeout: Duration,
) -> Result<(Option<Staleness>, u64), Refusal> {
    if !node.is_running() {
        return Err(unavailable(&node.status()));
    }
    match consistency {
        Consistency::Linearizable => {
            let barrier = node.read_barrier(timeout).await;
            let settled_ms =
                barrier.map_err(|failure| Refusal::of_failure(failure, &node.status()))?;
            Ok((None, settled_ms))
        }
        Consistency::Stale => {
            // What a wrong state shows, or none, is not old: it is wrong.
            let status = node.status();
            if !shows_a_state(&status) {
                return Err(unavailable(&status));
            }
            // The age first: what is read after it is no older.
            let age_ms = node.store_age().map(millis);
            let published = node.store().published();
            let stale = Staleness { applied_index: published.applied_index, age_ms };
            // Stamps do not go back along the log.
            Ok((Some(stale), published.stamp_ms))
        }
    }
}

pub(super) fn wall_ms() -> u64 {
    millis(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `GET /kv/{key}`.
pub(super) async fn get(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    #[derive(Serialize)]
    struct Answer<'a> {
        #[serde(flatten)]
        item: Item<'a>,
        /// Where it was read, if that was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        revision: Option<u64>,
        #[serde(flatten)]
        stale: Option<Staleness>,
    }
    let key = key_of(request.uri(), KEY_PREFIX)?;
    let query = Query::parse(request.uri().query(), &READ_PARAMETERS)?;
    let range = KeyRange::Single(key.clone());
    let Ready { stale, at } = Moment::of(&query)?.ready(&visit, Need::Read(&range), &query).await?;
    let (found, revision) = doors.node.store().get(&key, at)?;
    let found = found.ok_or_else(|| not_found(&key, revision))?;
    let shown = at.map(|at| at.0);
    let item = Item::new(&found, doors.node.age_ms());
    let answer = Answer { item, revision: shown, stale };
    let answer = reply::json(StatusCode::OK, &answer);
    Ok(with_revision(answer, revision))
}

pub(super) fn not_found(key: &[u8], revision: Revision) -> Refusal {
    let message = format!("there is no such key at revision {revision}");
    let refusal = Refusal::new(Code::NotFound, message).with("revision", revision.0);
    match text_or_base64(key) {
        (Some(text), _) => refusal.with("key", text),
        (None, base64) => refusal.with("key_base64", base64),
    }
}

/// Says in a header which revision an answer shows: read there again, it shows the same.
pub(super) fn with_revision(mut answer: Response<Body>, revision: Revision) -> Response<Body> {
    answer.headers_mut().insert(REVISION_HEADER, HeaderValue::from(revision.0));
    answer
}

/// What a write answers.
#[derive(Serialize)]
struct Committed<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<u64>,
    /// The key before the write, `null` if it was not there; only if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<Option<Item<'a>>>,
    revision: u64,
    log_index: u64,
    term: u64,
}

/// `PUT /kv/{key}`.
pub(super) async fn put(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let change = change_of(&doors.node, &request, &PUT_PARAMETERS)?;
    let Change { key, prev_kv, options, condition, origin, lifetime } = change;
    let format = Format::of(request.headers())?;
    let body = body::read(request, doors.limits.body_timeout).await?;
    let (value, of_body) = format.value(body)?;
    let lifetime = lifetime.and(of_body)?.lifetime();
    let put = Put { prev_kv, lifetime, ..Put::new(key.clone(), value) };
    let put = Command::Put { put, condition };
    let written = write(&visit, put, options, origin.as_ref()).await?;
    let age_ms = doors.node.age_ms();
    answer(Asked { key: &key, prev_kv, age_ms }, written, origin.as_ref())
}

/// `DELETE /kv/{key}`.
pub(super) async fn delete(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let change = change_of(&doors.node, &request, &DELETE_PARAMETERS)?;
    let Change { key, prev_kv, options, condition, origin, .. } = change;
    let range = KeyRange::Single(key.clone());
    let delete = Command::Delete { range, prev_kv, condition };
    let written = write(&visit, delete, options, origin.as_ref()).await?;
    let age_ms = doors.node.age_ms();
    answer(Asked { key: &key, prev_kv, age_ms }, written, origin.as_ref())
}

/// What both kinds of write have in common: the key, and how the client wants it treated.
struct Change {
    key: Bytes,
    /// Whether the answer tells what the key was before.
    prev_kv: bool,
    options: WriteOptions,
    condition: Option<Condition>,
    origin: Option<Origin>,
    /// What the parameters say of it.
    lifetime: lifetime::Written,
}

fn change_of(
    node: &Node,
    request: &Request<Body>,
    parameters: &[&'static str],
) -> Result<Change, Refusal> {
    let key = key_of(request.uri(), KEY_PREFIX)?;
    let query = Query::parse(request.uri().query(), parameters)?;
    let forward = may_forward(request.headers())?;
    Ok(Change {
        key,
        prev_kv: query.flag("prev")?,
        options: WriteOptions { timeout: query.timeout()?, forward },
        condition: once::condition(request.headers())?,
        origin: once::origin(request.headers(), node)?,
        lifetime: lifetime::Written::of_query(&query)?,
    })
}

/// Has a command applied, under its name if it has one.
pub(super) async fn write(
    visit: &Visit,
    command: Command,
    options: WriteOptions,
    origin: Option<&Origin>,
) -> Result<Written, Refusal> {
    let command = once::named(command, origin.cloned());
    command.validate(&Limits::default())?;
    let written = visit.write(command, options).await;
    let written = written.map_err(|why| match (why, origin) {
        (NotDone::Refused(refused), _) => refused.into(),
        (NotDone::Failed(Failure::Unknown), Some(origin)) => Refusal::unknown_once(origin),
        (NotDone::Failed(failure), _) => Refusal::of_failure(failure, &visit.node().status()),
    })?;
    match written.outcome {
        Outcome::Refused { reason: Refused::Auth(refused), .. } => Err(refused.into()),
        _ => Ok(written),
    }
}

/// What an answer to a write is about.
#[derive(Clone, Copy)]
struct Asked<'a> {
    key: &'a [u8],
    prev_kv: bool,
    age_ms: u64,
}

/// Shows what a write came to, now or when it was sent for the first time.
fn answer(
    asked: Asked<'_>,
    written: Written,
    origin: Option<&Origin>,
) -> Result<Response<Body>, Refusal> {
    let place = (written.log_id.index.0, written.log_id.term.0);
    let (mut answer, replay) = match written.outcome {
        Outcome::Repeated(first) => {
            let place = (first.index, first.term);
            let answer = match first.outcome {
                FirstOutcome::Kept(outcome) => shown(asked, outcome, place),
                // What the key was before was too large to be kept.
                FirstOutcome::Done { revision } => {
                    let asked = Asked { prev_kv: false, ..asked };
                    Ok(committed(asked, None, None, revision, place))
                }
                FirstOutcome::Conflict { revision } => Err(Refusal::conflict(revision)),
                // The client gave the number to something else before.
                FirstOutcome::TxnDone { .. } => Err(Refusal::key_reused()),
            };
            (answer.unwrap_or_else(IntoResponse::into_response), true)
        }
        outcome => {
            (shown(asked, outcome, place).unwrap_or_else(IntoResponse::into_response), false)
        }
    };
    once::mark(&mut answer, origin, replay);
    Ok(answer)
}

fn shown(asked: Asked<'_>, outcome: Outcome, place: (u64, u64)) -> Result<Response<Body>, Refusal> {
    match outcome {
        Outcome::Put { revision, prev } => {
            Ok(committed(asked, None, prev.as_ref(), revision, place))
        }
        Outcome::Deleted { revision, count, prev } => {
            Ok(committed(asked, Some(count), prev.first(), revision, place))
        }
        Outcome::Conflict { revision, current } => {
            let current = current.as_ref().map(|current| Item::new(current, asked.age_ms));
            let current = serde_json::to_value(current).expect("an item is JSON");
            Err(Refusal::conflict(revision).with("current", current))
        }
        Outcome::Refused { reason, .. } => Err(reason.into()),
        // Only as the first answer to a number that was something else's.
        Outcome::Txn(_) | Outcome::LeaseGranted { .. } | Outcome::LeaseRevoked { .. } => {
            Err(Refusal::key_reused())
        }
        Outcome::SessionExpired => Err(Refusal::session_expired()),
        Outcome::Stale => Err(Refusal::stale_request()),
        Outcome::KeyReused => Err(Refusal::key_reused()),
        Outcome::TableFull => Err(Refusal::table_full()),
        other => panic!("a write came to {other:?}"),
    }
}

fn committed(
    Asked { key, prev_kv, age_ms }: Asked<'_>,
    deleted: Option<u64>,
    prev: Option<&KeyValue>,
    revision: Revision,
    (log_index, term): (u64, u64),
) -> Response<Body> {
    let (key, key_base64) = text_or_base64(key);
    let body = Committed {
        status: "committed",
        key,
        key_base64,
        deleted,
        prev: prev_kv.then(|| prev.map(|prev| Item::new(prev, age_ms))),
        revision: revision.0,
        log_index,
        term,
    };
    reply::json(StatusCode::OK, &body)
}

/// The key in a path, which follows `prefix`, checked as a command's would be.
pub(super) fn key_of(uri: &Uri, prefix: &str) -> Result<Bytes, Refusal> {
    let raw = uri.path().strip_prefix(prefix).expect("the router sends only such paths here");
    let key = match decode_path(raw.as_bytes())? {
        Cow::Borrowed(key) => Bytes::copy_from_slice(key),
        Cow::Owned(key) => Bytes::from(key),
    };
    let (bytes, bytes_max) = (key.len(), Limits::default().key_bytes_max);
    match bytes {
        0 => Err(CommandError::EmptyKey.into()),
        _ if bytes > bytes_max => Err(CommandError::KeyTooLarge { bytes, bytes_max }.into()),
        _ => Ok(key),
    }
}
