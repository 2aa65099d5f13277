//! What is asked of the store, read into its words. The checks come in etcd's order, so that a
//! request with two things wrong is told the same one.

use std::mem;

use bytes::Bytes;
use proto::etcd::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcd::etcdserverpb::range_request::{SortOrder, SortTarget};
use proto::etcd::etcdserverpb::request_op::Request as Op;
use proto::etcd::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use store::{
    Filter, KeyRange, LeaseId, Operand, Put, PutLifetime, Relation, Revision, Sort, SortBy,
    TXN_DEPTH_MAX, TXN_OPERATIONS_MAX, Txn, TxnOp,
};

use crate::grpc::keys;
use crate::grpc::refusal::Refusal;

/// A range read.
pub(super) fn range(mut request: RangeRequest) -> Result<store::RangeRequest, Refusal> {
    let (key, end) = (mem::take(&mut request.key), mem::take(&mut request.range_end));
    let (range, sort) = (keys::range(key, end)?, sort(&request)?);
    Ok(store::RangeRequest {
        limit: usize::try_from(request.limit).ok().filter(|limit| *limit > 0),
        at: u64::try_from(request.revision).ok().filter(|at| *at > 0).map(Revision),
        keys_only: request.keys_only,
        count_only: request.count_only,
        sort,
        filter: filter(&request),
        ..store::RangeRequest::new(range)
    })
}

fn sort(request: &RangeRequest) -> Result<Sort, Refusal> {
    let order = SortOrder::try_from(request.sort_order);
    let target = SortTarget::try_from(request.sort_target);
    let (Ok(order), Ok(target)) = (order, target) else { return Err(Refusal::InvalidSortOption) };
    Ok(Sort {
        by: match target {
            SortTarget::Key => SortBy::Key,
            SortTarget::Version => SortBy::Version,
            SortTarget::Create => SortBy::CreateRevision,
            SortTarget::Mod => SortBy::ModRevision,
            SortTarget::Value => SortBy::Value,
        },
        descending: order == SortOrder::Descend,
    })
}

/// Bounds of 0 are none. A lower one below keeps nothing out, an upper one below lets nothing in.
fn filter(request: &RangeRequest) -> Filter {
    let bound = |bound: i64| Revision(u64::try_from(bound).unwrap_or(0));
    let lets_nothing_in = request.max_mod_revision < 0 || request.max_create_revision < 0;
    let min_mod_revision = bound(request.min_mod_revision);
    Filter {
        min_mod_revision: if lets_nothing_in { Revision(u64::MAX) } else { min_mod_revision },
        max_mod_revision: bound(request.max_mod_revision),
        min_create_revision: bound(request.min_create_revision),
        max_create_revision: bound(request.max_create_revision),
    }
}

/// A put.
pub(super) fn put(request: PutRequest) -> Result<Put, Refusal> {
    let PutRequest { key, value, lease, prev_kv, ignore_value, ignore_lease } = request;
    if key.is_empty() {
        return Err(Refusal::EmptyKey);
    }
    if ignore_value && !value.is_empty() {
        return Err(Refusal::ValueProvided);
    }
    let lifetime = match (LeaseId(lease), ignore_lease) {
        (LeaseId::NONE, true) => PutLifetime::AsBefore,
        (_, true) => return Err(Refusal::LeaseProvided),
        (LeaseId::NONE, false) => PutLifetime::Unbounded,
        (lease, false) => PutLifetime::Lease(lease),
    };
    Ok(Put { key, value, prev_kv, ignore_value, lifetime })
}

/// Which keys to remove, and whether to tell what they were.
pub(super) fn delete(request: DeleteRangeRequest) -> Result<(KeyRange, bool), Refusal> {
    Ok((keys::range(request.key, request.range_end)?, request.prev_kv))
}

/// A transaction.
pub(super) fn txn(request: TxnRequest) -> Result<Txn, Refusal> {
    read_txn(request, TXN_OPERATIONS_MAX, 1)
}

fn read_txn(request: TxnRequest, operations_max: usize, depth: usize) -> Result<Txn, Refusal> {
    let TxnRequest { compare, success, failure } = request;
    let most = compare.len().max(success.len()).max(failure.len());
    let left = operations_max.checked_sub(most).ok_or(Refusal::TooManyOps)?;
    if depth > TXN_DEPTH_MAX {
        return Err(Refusal::TooManyOps);
    }
    let ops = |ops: Vec<RequestOp>| -> Result<Vec<TxnOp>, Refusal> {
        ops.into_iter().map(|op| operation(op, left, depth)).collect()
    };
    Ok(Txn {
        compares: compare.into_iter().map(comparison).collect::<Result<_, Refusal>>()?,
        success: ops(success)?,
        failure: ops(failure)?,
    })
}

fn operation(op: RequestOp, left: usize, depth: usize) -> Result<TxnOp, Refusal> {
    Ok(match op.request.ok_or(Refusal::KeyNotFound)? {
        Op::RequestRange(request) => TxnOp::Range(range_within(request)?),
        Op::RequestPut(request) => TxnOp::Put(put(request)?),
        Op::RequestDeleteRange(request) => {
            let (range, prev_kv) = delete(request)?;
            TxnOp::Delete { range, prev_kv }
        }
        Op::RequestTxn(request) => TxnOp::Txn(read_txn(request, left, depth + 1)?),
    })
}

/// Within a transaction a revision below 0 is one that was given up long ago.
fn range_within(request: RangeRequest) -> Result<store::RangeRequest, Refusal> {
    let before_all = request.revision < 0;
    let asked = range(request)?;
    Ok(store::RangeRequest { at: if before_all { Some(Revision(0)) } else { asked.at }, ..asked })
}

fn comparison(compare: Compare) -> Result<store::Compare, Refusal> {
    let Compare { result, target, key, range_end, target_union } = compare;
    let range = keys::range(key, range_end)?;
    let result = CompareResult::try_from(result).map_err(|_| Refusal::KeyNotFound)?;
    let target = CompareTarget::try_from(target).map_err(|_| Refusal::KeyNotFound)?;
    let relation = match result {
        CompareResult::Equal => Relation::Equal,
        CompareResult::NotEqual => Relation::NotEqual,
        CompareResult::Less => Relation::Less,
        CompareResult::Greater => Relation::Greater,
    };
    Ok(store::Compare { range, relation, operand: operand(target, target_union) })
}

/// What is compared with; of another kind than the target, or not given, it is the kind's zero.
fn operand(target: CompareTarget, given: Option<TargetUnion>) -> Operand {
    match (target, given) {
        (CompareTarget::Version, Some(TargetUnion::Version(version))) => Operand::Version(version),
        (CompareTarget::Version, _) => Operand::Version(0),
        (CompareTarget::Create, Some(TargetUnion::CreateRevision(revision))) => {
            Operand::CreateRevision(revision)
        }
        (CompareTarget::Create, _) => Operand::CreateRevision(0),
        (CompareTarget::Mod, Some(TargetUnion::ModRevision(revision))) => {
            Operand::ModRevision(revision)
        }
        (CompareTarget::Mod, _) => Operand::ModRevision(0),
        (CompareTarget::Value, Some(TargetUnion::Value(value))) => Operand::Value(value),
        (CompareTarget::Value, _) => Operand::Value(Bytes::new()),
        (CompareTarget::Lease, Some(TargetUnion::Lease(lease))) => Operand::Lease(lease),
        (CompareTarget::Lease, _) => Operand::Lease(0),
    }
}

/// Whether all that it reads may be old. What writes never is.
pub(super) fn is_serializable(request: &TxnRequest) -> bool {
    request.success.iter().chain(&request.failure).all(|op| match &op.request {
        Some(Op::RequestRange(range)) => range.serializable,
        _ => false,
    })
}
