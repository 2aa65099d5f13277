//! Short ways to write requests.

use bytes::Bytes;
use proto::etcd::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcd::etcdserverpb::request_op::Request;
use proto::etcd::etcdserverpb::{
    CompactionRequest, Compare, DeleteRangeRequest, LeaseGrantRequest, LeaseRevokeRequest,
    PutRequest, RangeRequest, RequestOp, TxnRequest,
};

use crate::ask::Ask;

/// A put of this value.
pub fn put(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Ask {
    Ask::Put(a_put(key, value))
}

/// The same, to be changed further.
pub fn a_put(key: impl Into<Bytes>, value: impl Into<Bytes>) -> PutRequest {
    PutRequest { key: key.into(), value: value.into(), ..PutRequest::default() }
}

/// A read of one key.
pub fn get(key: impl Into<Bytes>) -> Ask {
    Ask::Range(a_range(key, ""))
}

/// A read of a stretch of keys.
pub fn range(key: impl Into<Bytes>, range_end: impl Into<Bytes>) -> Ask {
    Ask::Range(a_range(key, range_end))
}

/// The same, to be changed further.
pub fn a_range(key: impl Into<Bytes>, range_end: impl Into<Bytes>) -> RangeRequest {
    RangeRequest { key: key.into(), range_end: range_end.into(), ..RangeRequest::default() }
}

/// The removal of a stretch of keys.
pub fn delete(key: impl Into<Bytes>, range_end: impl Into<Bytes>) -> Ask {
    Ask::Delete(a_delete(key, range_end))
}

/// The same, to be changed further.
pub fn a_delete(key: impl Into<Bytes>, range_end: impl Into<Bytes>) -> DeleteRangeRequest {
    DeleteRangeRequest { key: key.into(), range_end: range_end.into(), prev_kv: false }
}

/// A compaction.
pub fn compact(revision: i64) -> Ask {
    Ask::Compact(CompactionRequest { revision, physical: false })
}

/// The grant of a lease.
pub fn grant(id: i64, ttl: i64) -> Ask {
    Ask::Grant(LeaseGrantRequest { id, ttl })
}

/// The revocation of a lease.
pub fn revoke(id: i64) -> Ask {
    Ask::Revoke(LeaseRevokeRequest { id })
}

/// A transaction.
pub fn txn(compare: Vec<Compare>, success: Vec<RequestOp>, failure: Vec<RequestOp>) -> Ask {
    Ask::Txn(TxnRequest { compare, success, failure })
}

/// One of its operations; only those that a transaction may have.
pub fn op(ask: Ask) -> RequestOp {
    let request = match ask {
        Ask::Range(request) => Request::RequestRange(request),
        Ask::Put(request) => Request::RequestPut(request),
        Ask::Delete(request) => Request::RequestDeleteRange(request),
        Ask::Txn(request) => Request::RequestTxn(request),
        other => panic!("no transaction does {other:?}"),
    };
    RequestOp { request: Some(request) }
}

/// A comparison of one key.
pub fn compare(key: impl Into<Bytes>, result: CompareResult, operand: TargetUnion) -> Compare {
    let target = match operand {
        TargetUnion::Version(_) => CompareTarget::Version,
        TargetUnion::CreateRevision(_) => CompareTarget::Create,
        TargetUnion::ModRevision(_) => CompareTarget::Mod,
        TargetUnion::Value(_) => CompareTarget::Value,
        TargetUnion::Lease(_) => CompareTarget::Lease,
    };
    Compare {
        result: result.into(),
        target: target.into(),
        key: key.into(),
        range_end: Bytes::new(),
        target_union: Some(operand),
    }
}
