//! `GET /history/{key}`: what every write left of a key, the newest first, a page at a time.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use serde::Serialize;
use store::{History, HistoryRequest, KeyRange, Need, PastVersion, Revision};

use super::error::Refusal;
use super::escape::text_or_base64;
use super::kv::{Staleness, key_of, not_found, ready_to_read, with_revision};
use super::query::Query;
use super::{Doors, list, reply, time};
use crate::access::Visit;

/// The path in front of a key.
const HISTORY_PREFIX: &str = "/history/";

const PARAMETERS: [&str; 4] = ["limit", "before", "consistency", "timeout_ms"];

#[derive(Serialize)]
struct Page<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    versions: Vec<Version<'a>>,
    /// Where the next page goes on, if there is one: to be given as `before`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
    /// The newest revision, and the oldest that can be read.
    revision: u64,
    oldest: u64,
    #[serde(flatten)]
    stale: Option<Staleness>,
}

/// What one write left.
#[derive(Serialize)]
struct Version<'a> {
    revision: u64,
    /// The same time twice: for people, and in µs since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<u64>,
    #[serde(flatten)]
    left: Left<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Left<'a> {
    Live {
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        value_base64: Option<String>,
        version: u64,
        create_revision: u64,
    },
    Removed {
        deleted: bool,
    },
}

/// `GET /history/{key}`.
pub(super) async fn history(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let key = key_of(request.uri(), HISTORY_PREFIX)?;
    let query = Query::parse(request.uri().query(), &PARAMETERS)?;
    let limit = query.number("limit", 1..=list::LIMIT_MAX)?.unwrap_or(list::LIMIT_DEFAULT);
    let before = query.number("before", 1..=u64::MAX)?.map(Revision);
    let asked = HistoryRequest {
        key,
        before,
        versions_max: usize::try_from(limit).expect("it is at most LIMIT_MAX"),
        told_bytes_max: list::PAGE_BYTES_MAX,
    };
    let stale = ready_to_read(
        &visit,
        Need::Read(&KeyRange::Single(asked.key.clone())),
        query.consistency()?,
        query.timeout()?,
    )
    .await?;
    let found = doors.node.store().history(&asked);
    if found.versions.is_empty() && before.is_none() {
        return Err(not_found(&asked.key, found.revision));
    }
    Ok(with_revision(reply::json(StatusCode::OK, &page(&asked, &found, stale)), found.revision))
}

fn page<'a>(asked: &'a HistoryRequest, found: &'a History, stale: Option<Staleness>) -> Page<'a> {
    let (key, key_base64) = text_or_base64(&asked.key);
    let last = found.versions.last().filter(|_| found.more);
    Page {
        key,
        key_base64,
        versions: found.versions.iter().map(version).collect(),
        next: last.map(|last| last.revision.0),
        revision: found.revision.0,
        oldest: found.oldest.0,
        stale,
    }
}

fn version(past: &PastVersion) -> Version<'_> {
    let left = match &past.live {
        None => Left::Removed { deleted: true },
        Some(live) => {
            let (value, value_base64) = text_or_base64(&live.value);
            let (version, create_revision) = (live.version, live.create_revision.0);
            Left::Live { value, value_base64, version, create_revision }
        }
    };
    Version {
        revision: past.revision.0,
        time: past.stamp_ms.map(time::format),
        timestamp: past.stamp_ms.map(|stamp_ms| stamp_ms.saturating_mul(1_000)),
        left,
    }
}
