//! What came of it, as JSON.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use replica::LeaseStanding;
use serde::Serialize;
use store::{Lease, LeaseId, Outcome};

use crate::http::error::Refusal;
use crate::http::escape::text_or_base64;
use crate::http::kv::Staleness;
use crate::http::list::{LIMIT_MAX, PAGE_BYTES_MAX};
use crate::http::reply;

#[derive(Serialize)]
struct Committed {
    status: &'static str,
    lease: i64,
    /// Of a grant, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u64>,
    /// Of a revocation: how many keys went with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<u64>,
    revision: u64,
    log_index: u64,
    term: u64,
}

/// A grant, or the revocation of `revoked`.
pub(super) fn written(
    revoked: Option<LeaseId>,
    outcome: &Outcome,
    (log_index, term): (u64, u64),
) -> Result<Response<Body>, Refusal> {
    let (lease, ttl, deleted, revision) = match (outcome, revoked) {
        (Outcome::LeaseGranted { revision, lease, ttl_s }, None) => {
            (*lease, Some(*ttl_s), None, *revision)
        }
        (Outcome::LeaseRevoked { revision, count }, Some(lease)) => {
            (lease, None, Some(*count), *revision)
        }
        (Outcome::Refused { reason, .. }, _) => return Err((*reason).into()),
        (Outcome::SessionExpired, _) => return Err(Refusal::session_expired()),
        (Outcome::Stale, _) => return Err(Refusal::stale_request()),
        (Outcome::TableFull, _) => return Err(Refusal::table_full()),
        // The first answer to a name that was something else's.
        _ => return Err(Refusal::key_reused()),
    };
    let body = Committed {
        status: "committed",
        lease: lease.0,
        ttl,
        deleted,
        revision: revision.0,
        log_index,
        term,
    };
    Ok(reply::json(StatusCode::OK, &body))
}

/// How a lease stands.
pub(super) struct Told<'a> {
    pub(super) lease: LeaseId,
    pub(super) standing: LeaseStanding,
    /// With its keys, if they are asked for.
    pub(super) keys: Option<&'a Lease>,
}

pub(super) fn told(told: &Told<'_>) -> Response<Body> {
    #[derive(Serialize)]
    struct Answer<'a> {
        lease: i64,
        ttl: u64,
        ttl_ms: u64,
        #[serde(flatten)]
        keys: Option<Keys<'a>>,
    }
    let Told { lease, standing: LeaseStanding { ttl_s, left_ms, .. }, keys } = *told;
    let keys = keys.map(Keys::of);
    reply::json(StatusCode::OK, &Answer { lease: lease.0, ttl: ttl_s, ttl_ms: left_ms, keys })
}

/// The keys of a lease: as many as a page holds.
#[derive(Serialize)]
struct Keys<'a> {
    count: usize,
    keys: Vec<Key<'a>>,
    more: bool,
}

#[derive(Serialize)]
struct Key<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
}

impl<'a> Keys<'a> {
    fn of(lease: &'a Lease) -> Keys<'a> {
        let (count, mut bytes) = (lease.keys().len(), 0);
        let fits = |key: &&Bytes| {
            bytes += key.len();
            bytes <= PAGE_BYTES_MAX
        };
        let limit = usize::try_from(LIMIT_MAX).expect("it is a thousand");
        let shown = |key: &'a Bytes| {
            let (key, key_base64) = text_or_base64(key);
            Key { key, key_base64 }
        };
        let keys: Vec<Key<'_>> = lease.keys().take(limit).take_while(fits).map(shown).collect();
        let more = keys.len() < count;
        Keys { count, keys, more }
    }
}

/// A page of all leases.
pub(super) fn page(found: &[Arc<Lease>], more: bool, stale: Option<Staleness>) -> Response<Body> {
    #[derive(Serialize)]
    struct Item {
        lease: i64,
        ttl: u64,
        keys: usize,
    }
    #[derive(Serialize)]
    struct Page {
        leases: Vec<Item>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<i64>,
        #[serde(flatten)]
        stale: Option<Staleness>,
    }
    let item = |lease: &Arc<Lease>| Item {
        lease: lease.id().0,
        ttl: lease.ttl_s(),
        keys: lease.keys().len(),
    };
    let next = found.last().filter(|_| more).map(|lease| lease.id().0);
    let leases = found.iter().map(item).collect();
    reply::json(StatusCode::OK, &Page { leases, next, stale })
}
