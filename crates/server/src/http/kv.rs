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
use bytes::Bytes;
use serde::Serialize;
use store::{Command, CommandError, KeyRange, KeyValue, Limits, Outcome, Revision};

use super::body::{self, Format};
use super::error::{Code, Refusal, unavailable};
use super::escape::{decode_path, text_or_base64};
use super::query::{Consistency, Query, may_forward, refuse_later_headers};
use super::{Doors, reply};
use crate::node::{Node, WriteOptions, Written};

/// The path in front of a key.
pub(super) const KEY_PREFIX: &str = "/kv/";

/// The revision that an answer shows.
pub(super) const REVISION_HEADER: HeaderName = HeaderName::from_static("raftkv-revision");

const READ_PARAMETERS: [&str; 3] = ["consistency", "revision", "timeout_ms"];
const WRITE_PARAMETERS: [&str; 1] = ["timeout_ms"];

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
}

impl<'a> Item<'a> {
    /// The item with its value.
    pub(super) fn new(key_value: &'a KeyValue) -> Item<'a> {
        let (value, value_base64) = text_or_base64(&key_value.value);
        Item { value, value_base64, ..Item::without_value(key_value) }
    }

    /// The item without its value.
    pub(super) fn without_value(key_value: &'a KeyValue) -> Item<'a> {
        let (key, key_base64) = text_or_base64(&key_value.key);
        Item {
            key,
            key_base64,
            value: None,
            value_base64: None,
            version: key_value.version,
            create_revision: key_value.create_revision.0,
            mod_revision: key_value.mod_revision.0,
        }
    }
}

/// How old a stale answer may be.
#[derive(Serialize)]
pub(super) struct Staleness {
    /// The last log entry that the answer knows of.
    applied_index: u64,
    /// Since the leader stamped that entry, ms.
    age_ms: u64,
}

/// Waits until this member's store may be read with this consistency; for a stale read that is at
/// once, and the answer says how stale it may be.
pub(super) async fn ready_to_read(
    node: &Node,
    consistency: Consistency,
    timeout: Duration,
) -> Result<Option<Staleness>, Refusal> {
    if !node.is_running() {
        return Err(unavailable(&node.status()));
    }
    match consistency {
        Consistency::Linearizable => {
            let barrier = node.read_barrier(timeout).await;
            barrier.map_err(|failure| Refusal::of_failure(failure, &node.status()))?;
            Ok(None)
        }
        Consistency::Stale => {
            let published = node.store().published();
            let age_ms = wall_ms().saturating_sub(published.stamp_ms);
            Ok(Some(Staleness { applied_index: published.applied_index, age_ms }))
        }
    }
}

fn wall_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

/// `GET /kv/{key}`.
pub(super) async fn get(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    #[derive(Serialize)]
    struct Answer<'a> {
        #[serde(flatten)]
        item: Item<'a>,
        #[serde(flatten)]
        stale: Option<Staleness>,
    }
    let key = key_of(request.uri())?;
    let query = Query::parse(request.uri().query(), &READ_PARAMETERS)?;
    let (consistency, at) = (query.consistency()?, query.revision()?);
    let stale = ready_to_read(&doors.node, consistency, query.timeout()?).await?;
    let (found, revision) = doors.node.store().get(&key, at)?;
    let found = found.ok_or_else(|| not_found(&key, revision))?;
    let answer = reply::json(StatusCode::OK, &Answer { item: Item::new(&found), stale });
    Ok(with_revision(answer, revision))
}

fn not_found(key: &[u8], revision: Revision) -> Refusal {
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
    revision: u64,
    log_index: u64,
    term: u64,
}

/// `PUT /kv/{key}`.
pub(super) async fn put(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let (key, options) = write_of(&request)?;
    let format = Format::of(request.headers())?;
    let body = body::read(request, doors.limits.body_timeout).await?;
    let value = format.value(body)?;
    let command = Command::Put { key: key.clone(), value, prev_kv: false };
    let written = write(&doors.node, command, options).await?;
    match written.outcome {
        Outcome::Put { revision, .. } => Ok(committed(&key, None, revision, &written)),
        other => panic!("a put came to {other:?}"),
    }
}

/// `DELETE /kv/{key}`.
pub(super) async fn delete(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let (key, options) = write_of(&request)?;
    let command = Command::Delete { range: KeyRange::Single(key.clone()), prev_kv: false };
    let written = write(&doors.node, command, options).await?;
    match written.outcome {
        Outcome::Deleted { revision, count, .. } => {
            Ok(committed(&key, Some(count), revision, &written))
        }
        other => panic!("a delete came to {other:?}"),
    }
}

/// What both kinds of write have in common: the key, and how the client wants it treated.
fn write_of(request: &Request<Body>) -> Result<(Bytes, WriteOptions), Refusal> {
    let key = key_of(request.uri())?;
    let query = Query::parse(request.uri().query(), &WRITE_PARAMETERS)?;
    refuse_later_headers(request.headers())?;
    let forward = may_forward(request.headers())?;
    Ok((key, WriteOptions { timeout: query.timeout()?, forward }))
}

async fn write(node: &Node, command: Command, options: WriteOptions) -> Result<Written, Refusal> {
    command.validate(&Limits::default())?;
    let written = node.write(command, options).await;
    written.map_err(|failure| Refusal::of_failure(failure, &node.status()))
}

fn committed(
    key: &[u8],
    deleted: Option<u64>,
    revision: Revision,
    written: &Written,
) -> Response<Body> {
    let (key, key_base64) = text_or_base64(key);
    let body = Committed {
        status: "committed",
        key,
        key_base64,
        deleted,
        revision: revision.0,
        log_index: written.log_id.index.0,
        term: written.log_id.term.0,
    };
    reply::json(StatusCode::OK, &body)
}

/// The key in a path, checked as a command's would be.
fn key_of(uri: &Uri) -> Result<Bytes, Refusal> {
    let raw = uri.path().strip_prefix(KEY_PREFIX).expect("the router sends only such paths here");
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
