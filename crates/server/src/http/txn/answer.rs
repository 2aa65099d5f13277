//! What came of a transaction, as JSON: a result for each operation of the branch that was taken,
//! in their order and under their names.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde::Serialize;
use store::{RangeResponse, Revision, Txn, TxnOp, TxnResponse, TxnResult};

use crate::http::kv::{Item, Staleness, with_revision};
use crate::http::reply;

#[derive(Serialize)]
struct Answer<'a> {
    status: &'static str,
    /// Whether the comparisons held.
    succeeded: bool,
    /// Absent where they were too large to be kept for a repeated request.
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<Vec<ShownResult<'a>>>,
    revision: u64,
    #[serde(flatten)]
    place: Option<Place>,
    #[serde(flatten)]
    stale: Option<Staleness>,
}

/// Where in the log it stands.
#[derive(Serialize)]
struct Place {
    log_index: u64,
    term: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum ShownResult<'a> {
    Put(ShownPut<'a>),
    Delete(ShownDelete<'a>),
    Get(ShownGet<'a>),
    Txn(ShownTxn<'a>),
}

#[derive(Serialize)]
struct ShownPut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<Item<'a>>,
}

#[derive(Serialize)]
struct ShownDelete<'a> {
    deleted: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    prev: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct ShownGet<'a> {
    items: Vec<Item<'a>>,
    count: u64,
    more: bool,
}

#[derive(Serialize)]
struct ShownTxn<'a> {
    succeeded: bool,
    results: Vec<ShownResult<'a>>,
}

/// A transaction that went through the log.
pub(super) fn committed(
    txn: &Txn,
    response: &TxnResponse,
    place: (u64, u64),
    age_ms: u64,
) -> Response<Body> {
    let TxnResponse { revision, succeeded, results } = response;
    let results = Some(shown(txn, *succeeded, results, age_ms));
    finished("committed", *revision, *succeeded, results, Some(place), None)
}

/// One that was committed before, and whose results were too large to be kept.
pub(super) fn without_results(
    revision: Revision,
    succeeded: bool,
    place: (u64, u64),
) -> Response<Body> {
    finished("committed", revision, succeeded, None, Some(place), None)
}

/// A transaction that only read.
pub(super) fn read(
    txn: &Txn,
    response: &TxnResponse,
    stale: Option<Staleness>,
    age_ms: u64,
) -> Response<Body> {
    let TxnResponse { revision, succeeded, results } = response;
    let results = Some(shown(txn, *succeeded, results, age_ms));
    finished("read", *revision, *succeeded, results, None, stale)
}

fn finished(
    status: &'static str,
    revision: Revision,
    succeeded: bool,
    results: Option<Vec<ShownResult<'_>>>,
    place: Option<(u64, u64)>,
    stale: Option<Staleness>,
) -> Response<Body> {
    let place = place.map(|(log_index, term)| Place { log_index, term });
    let body = Answer { status, succeeded, results, revision: revision.0, place, stale };
    with_revision(reply::json(StatusCode::OK, &body), revision)
}

/// The results beside the operations of the branch that was taken.
fn shown<'a>(
    txn: &Txn,
    succeeded: bool,
    results: &'a [TxnResult],
    age_ms: u64,
) -> Vec<ShownResult<'a>> {
    let ops = if succeeded { &txn.success } else { &txn.failure };
    ops.iter().zip(results).map(|(op, result)| shown_result(op, result, age_ms)).collect()
}

fn shown_result<'a>(op: &TxnOp, result: &'a TxnResult, age_ms: u64) -> ShownResult<'a> {
    let with_value = |found| Item::new(found, age_ms);
    match (result, op) {
        (TxnResult::Put { prev }, _) => {
            ShownResult::Put(ShownPut { prev: prev.as_ref().map(with_value) })
        }
        (TxnResult::Deleted { count, prev }, _) => {
            let prev = prev.iter().map(with_value).collect();
            ShownResult::Delete(ShownDelete { deleted: *count, prev })
        }
        (TxnResult::Range(RangeResponse { items: found, more, count, .. }), op) => {
            let keys_only = matches!(op, TxnOp::Range(request) if request.keys_only);
            let item = if keys_only { Item::without_value } else { Item::new };
            let items = found.iter().map(|found| item(found, age_ms)).collect();
            ShownResult::Get(ShownGet { items, count: *count, more: *more })
        }
        (TxnResult::Txn { succeeded, results }, TxnOp::Txn(txn)) => {
            let results = shown(txn, *succeeded, results, age_ms);
            ShownResult::Txn(ShownTxn { succeeded: *succeeded, results })
        }
        (TxnResult::Txn { .. }, op) => panic!("{op:?} came to a transaction"),
    }
}
