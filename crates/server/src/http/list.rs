//! `GET /kv`: a range of keys, a page at a time, all pages at one revision.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use serde::Serialize;
use store::{KeyValue, Need, RangeRequest, RangeResponse, Revision};

use super::cursor::Cursor;
use super::error::{Code, Refusal, unavailable};
use super::kv::{Item, Staleness, with_revision};
use super::past::{Moment, Ready};
use super::query::{Query, bad};
use super::selection::{self, Selection};
use super::{Doors, reply};
use crate::access::Visit;
use crate::grpc::AT_ONCE_UNITS;
use crate::node::Node;

/// Items of a page, if the client does not say.
pub(super) const LIMIT_DEFAULT: u64 = 100;
/// Items of a page at most.
pub(super) const LIMIT_MAX: u64 = 1_000;
/// A page ends early once its keys and values have this many bytes; it has one item at least.
pub(super) const PAGE_BYTES_MAX: usize = 4 << 20;
/// A cursor passes over no more keys than this: no listing that can be held in memory has more
/// with such long equal beginnings.
const SKIP_MAX: u64 = 100_000;

const PAGE_PARAMETERS: [&str; 8] =
    ["limit", "after", "keys_only", "count_only", "consistency", "revision", "at", "timeout_ms"];

/// What a client wants listed.
struct Listing {
    selection: Selection,
    limit: usize,
    after: Option<Cursor>,
    moment: Moment,
    keys_only: bool,
    count_only: bool,
}

impl Listing {
    fn of(query: &Query) -> Result<Listing, Refusal> {
        let selection = Selection::of(query)?;
        let scope = &selection.scope;
        if query.bytes("after").is_some() && !selection.is_in_order_of_keys() {
            return Err(bad("after", "goes on in the order of keys: leave sort and order out"));
        }
        let after = query.bytes("after").map(|text| cursor_of(&text, scope)).transpose()?;
        let moment = Moment::of(query)?;
        let keys_only = query.flag("keys_only")?;
        let count_only = query.flag("count_only")?;
        if after.is_some() && count_only {
            return Err(bad("count_only", "counts all pages: leave after out"));
        }
        let limit = query.number("limit", 1..=LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
        let limit = usize::try_from(limit).expect("it is at most LIMIT_MAX");
        Ok(Listing { selection, limit, after, moment, keys_only, count_only })
    }

    /// The revision to read: that of the page before, which must be the one asked for, if any is.
    fn revision(&self, asked: Option<Revision>) -> Result<Option<Revision>, Refusal> {
        let Some(cursor) = &self.after else { return Ok(asked) };
        match asked.filter(|asked| *asked != cursor.revision) {
            Some(_) => {
                let parameter = if self.moment.is_time() { "at" } else { "revision" };
                Err(bad(parameter, "is another moment than that of the page before"))
            }
            None => Ok(Some(cursor.revision)),
        }
    }

    /// The request for the page, and how many of its first items belong to an earlier one.
    fn request(&self, at: Option<Revision>) -> (RangeRequest, usize) {
        let Selection { range, sort, filter, .. } = &self.selection;
        let (range, skip) = match &self.after {
            None => (range.clone(), 0),
            Some(cursor) => (range.rest_from(cursor.start.clone()), cursor.skip),
        };
        let skip = usize::try_from(skip).expect("it is at most SKIP_MAX");
        let request = RangeRequest {
            at,
            limit: Some(self.limit + skip),
            keys_only: self.keys_only,
            count_only: self.count_only,
            sort: *sort,
            filter: *filter,
            ..RangeRequest::new(range)
        };
        (request, skip)
    }

    /// Of a page in the order of keys nothing behind it is looked at. Anything else looks at the
    /// whole range, on a thread where it may take its time if that is large.
    async fn read(&self, request: RangeRequest, node: &Node) -> Result<RangeResponse, Refusal> {
        let reader = node.store();
        if self.selection.is_in_order_of_keys() && !self.count_only {
            return Ok(reader.page(&request)?);
        }
        if let Some(found) = reader.range_within(&request, AT_ONCE_UNITS)? {
            return Ok(found);
        }
        let reader = reader.clone();
        // It fails only if the work panics, which has spoken for itself, or the member stops.
        let found = tokio::task::spawn_blocking(move || reader.range(&request)).await;
        Ok(found.map_err(|_| unavailable(&node.status()))??)
    }
}

pub(super) fn cursor_of(text: &[u8], scope: &[u8]) -> Result<Cursor, Refusal> {
    let cursor = Cursor::decode(text, scope);
    cursor.filter(|cursor| cursor.skip <= SKIP_MAX).ok_or_else(|| {
        Refusal::new(
            Code::BadCursor,
            "after is no cursor of this listing: take it from next, and keep what selects the keys",
        )
    })
}

#[derive(Serialize)]
struct Page<'a> {
    items: Vec<Item<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// There are more, and no cursor leads to them.
    #[serde(skip_serializing_if = "is_false")]
    more: bool,
    revision: u64,
    #[serde(flatten)]
    stale: Option<Staleness>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[derive(Serialize)]
struct Count {
    count: u64,
    revision: u64,
    #[serde(flatten)]
    stale: Option<Staleness>,
}

fn parameters() -> Vec<&'static str> {
    [&selection::PARAMETERS[..], &PAGE_PARAMETERS[..]].concat()
}

/// `GET /kv`.
pub(super) async fn list(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let query = Query::parse(request.uri().query(), &parameters())?;
    let listing = Listing::of(&query)?;
    let Ready { stale, at } =
        listing.moment.ready(&visit, Need::Read(&listing.selection.range), &query).await?;
    let (request, skip) = listing.request(listing.revision(at)?);
    let found = listing.read(request, &doors.node).await?;
    page(&listing, (found, skip), &doors.node, stale)
}

fn page(
    listing: &Listing,
    (found, skip): (RangeResponse, usize),
    node: &Node,
    stale: Option<Staleness>,
) -> Result<Response<Body>, Refusal> {
    let (reader, age_ms) = (node.store(), node.age_ms());
    let revision = found.revision;
    if listing.count_only {
        let body = Count { count: found.count, revision: revision.0, stale };
        return Ok(with_revision(reply::json(StatusCode::OK, &body), revision));
    }
    let unseen = found.items.get(skip..).unwrap_or_default();
    let shown = &unseen[..fitting(unseen)];
    let more = found.more || shown.len() < unseen.len();
    let selection = &listing.selection;
    let in_order = selection.is_in_order_of_keys();
    let next = match shown.last() {
        Some(last) if more && in_order => {
            Some(Cursor::after(&last.key, revision, (&selection.range, selection.filter), reader)?)
        }
        _ => None,
    };
    let item = if listing.keys_only { Item::without_value } else { Item::new };
    let body = Page {
        items: shown.iter().map(|found| item(found, age_ms)).collect(),
        next: next.map(|cursor| cursor.encode(&selection.scope)),
        more: more && !in_order,
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
