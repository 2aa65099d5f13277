//! `GET /kv`: keys by prefix, a page at a time, all pages at one revision.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use bytes::Bytes;
use serde::Serialize;
use store::{KeyRange, KeyValue, RangeRequest, Reader, Revision};

use super::cursor::Cursor;
use super::error::{Code, Refusal};
use super::kv::{Item, Staleness, ready_to_read, with_revision};
use super::query::{Query, bad};
use super::{Doors, reply};

/// Items of a page, if the client does not say.
pub(super) const LIMIT_DEFAULT: u64 = 100;
/// Items of a page at most.
pub(super) const LIMIT_MAX: u64 = 1_000;
/// A page ends early once its keys and values have this many bytes; it has one item at least.
pub(super) const PAGE_BYTES_MAX: usize = 4 << 20;
/// A cursor passes over no more keys than this: no listing that can be held in memory has more
/// with such long equal beginnings.
const SKIP_MAX: u64 = 100_000;

const PARAMETERS: [&str; 8] = [
    "prefix",
    "limit",
    "after",
    "keys_only",
    "count_only",
    "consistency",
    "revision",
    "timeout_ms",
];

/// What a client wants listed.
struct Listing {
    prefix: Bytes,
    limit: usize,
    after: Option<Cursor>,
    at: Option<Revision>,
    keys_only: bool,
    count_only: bool,
}

impl Listing {
    fn of(query: &Query) -> Result<Listing, Refusal> {
        let prefix = query.bytes("prefix").unwrap_or_default();
        let after = query.bytes("after").map(|text| cursor_of(&text, &prefix)).transpose()?;
        let revision = query.revision()?;
        let keys_only = query.flag("keys_only")?;
        let count_only = query.flag("count_only")?;
        let contradiction = match &after {
            Some(_) if count_only => Some(("count_only", "counts all pages: leave after out")),
            Some(cursor) if revision.is_some_and(|revision| revision != cursor.revision) => {
                Some(("revision", "is another than the one of the page before"))
            }
            _ => None,
        };
        if let Some((parameter, what)) = contradiction {
            return Err(bad(parameter, what));
        }
        let limit = query.number("limit", 1..=LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
        let limit = usize::try_from(limit).expect("it is at most LIMIT_MAX");
        let at = after.as_ref().map(|cursor| cursor.revision).or(revision);
        Ok(Listing { prefix, limit, after, at, keys_only, count_only })
    }

    /// The request for the page, and how many of its first items belong to an earlier one.
    fn request(&self) -> (RangeRequest, usize) {
        let (range, skip) = match &self.after {
            None => (KeyRange::Prefix(self.prefix.clone()), 0),
            Some(cursor) => (from_within(&self.prefix, cursor.start.clone()), cursor.skip),
        };
        let skip = usize::try_from(skip).expect("it is at most SKIP_MAX");
        let request = RangeRequest {
            at: self.at,
            limit: Some(self.limit + skip),
            keys_only: self.keys_only,
            count_only: self.count_only,
            ..RangeRequest::new(range)
        };
        (request, skip)
    }
}

fn cursor_of(text: &[u8], prefix: &[u8]) -> Result<Cursor, Refusal> {
    let cursor = Cursor::decode(text, prefix);
    cursor.filter(|cursor| cursor.skip <= SKIP_MAX && cursor.start.starts_with(prefix)).ok_or_else(
        || {
            Refusal::new(
                Code::BadCursor,
                "after is no cursor of this listing: take it from next, and keep the prefix",
            )
        },
    )
}

/// The keys with a prefix from `start` on.
fn from_within(prefix: &[u8], start: Bytes) -> KeyRange {
    // The end of a prefix is the prefix with its last byte raised that can be.
    let Some(raised) = prefix.iter().rposition(|&byte| byte != u8::MAX) else {
        return KeyRange::From(start);
    };
    let mut end = prefix[..=raised].to_vec();
    end[raised] += 1;
    KeyRange::Between { start, end: end.into() }
}

#[derive(Serialize)]
struct Page<'a> {
    items: Vec<Item<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    revision: u64,
    #[serde(flatten)]
    stale: Option<Staleness>,
}

#[derive(Serialize)]
struct Count {
    count: u64,
    revision: u64,
    #[serde(flatten)]
    stale: Option<Staleness>,
}

/// `GET /kv`.
pub(super) async fn list(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let query = Query::parse(request.uri().query(), &PARAMETERS)?;
    let listing = Listing::of(&query)?;
    let stale = ready_to_read(&doors.node, query.consistency()?, query.timeout()?).await?;
    page(&listing, doors.node.store(), stale)
}

fn page(
    listing: &Listing,
    reader: &Reader,
    stale: Option<Staleness>,
) -> Result<Response<Body>, Refusal> {
    let (request, skip) = listing.request();
    let found = reader.range(&request)?;
    let revision = found.revision;
    if listing.count_only {
        let body = Count { count: found.count, revision: revision.0, stale };
        return Ok(with_revision(reply::json(StatusCode::OK, &body), revision));
    }
    let unseen = found.items.get(skip..).unwrap_or_default();
    let shown = &unseen[..fitting(unseen)];
    let more = found.more || shown.len() < unseen.len();
    let next = match shown.last() {
        Some(last) if more => Some(Cursor::after(&last.key, revision, reader)?),
        _ => None,
    };
    let item = if listing.keys_only { Item::without_value } else { Item::new };
    let body = Page {
        items: shown.iter().map(item).collect(),
        next: next.map(|cursor| cursor.encode(&listing.prefix)),
        revision: revision.0,
        stale,
    };
    Ok(with_revision(reply::json(StatusCode::OK, &body), revision))
}

/// How many of the items fit in a page.
fn fitting(items: &[KeyValue]) -> usize {
    let mut bytes = 0;
    let fits = |item: &&KeyValue| {
        bytes += item.key.len() + item.value.len();
        bytes <= PAGE_BYTES_MAX
    };
    items.iter().take_while(fits).count().max(items.len().min(1))
}
