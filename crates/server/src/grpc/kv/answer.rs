//! What came of a request, in etcd's words.

use proto::etcd::etcdserverpb::response_op::Response as Op;
use proto::etcd::etcdserverpb::{
    DeleteRangeResponse, PutResponse, RangeResponse, ResponseHeader, ResponseOp, TxnResponse,
};
use store::{KeyValue, TxnResult};

use crate::grpc::gate::number;
use crate::grpc::keys::shown;

pub(super) fn range(header: ResponseHeader, found: store::RangeResponse) -> RangeResponse {
    RangeResponse {
        header: Some(header),
        kvs: found.items.into_iter().map(shown).collect(),
        more: found.more,
        count: number(found.count),
    }
}

pub(super) fn put(header: Option<ResponseHeader>, prev: Option<KeyValue>) -> PutResponse {
    PutResponse { header, prev_kv: prev.map(shown) }
}

pub(super) fn delete(
    header: Option<ResponseHeader>,
    count: u64,
    prev: Vec<KeyValue>,
) -> DeleteRangeResponse {
    let prev_kvs = prev.into_iter().map(shown).collect();
    DeleteRangeResponse { header, deleted: number(count), prev_kvs }
}

pub(super) fn txn(header: ResponseHeader, response: store::TxnResponse) -> TxnResponse {
    let mut place = Place { revision: header.revision, written: !writes(&response.results) };
    TxnResponse {
        header: Some(header),
        succeeded: response.succeeded,
        responses: place.operations(response.results),
    }
}

/// Whether anything was written, at any depth.
fn writes(results: &[TxnResult]) -> bool {
    results.iter().any(|result| match result {
        TxnResult::Put { .. } => true,
        TxnResult::Deleted { count, .. } => *count > 0,
        TxnResult::Range(_) => false,
        TxnResult::Txn { results, .. } => writes(results),
    })
}

/// How far a transaction is: before its first write it stands at the revision before its own.
struct Place {
    /// The transaction's own; the store's if it writes nothing.
    revision: i64,
    /// Whether it is reached.
    written: bool,
}

impl Place {
    /// The headers within a transaction tell the revision only, that of a transaction nothing.
    fn header(&self) -> Option<ResponseHeader> {
        let revision = if self.written { self.revision } else { self.revision - 1 };
        Some(ResponseHeader { revision, ..ResponseHeader::default() })
    }

    fn operations(&mut self, results: Vec<TxnResult>) -> Vec<ResponseOp> {
        results
            .into_iter()
            .map(|result| ResponseOp { response: Some(self.shown(result)) })
            .collect()
    }

    fn shown(&mut self, result: TxnResult) -> Op {
        match result {
            TxnResult::Put { prev } => {
                self.written = true;
                Op::ResponsePut(put(self.header(), prev))
            }
            TxnResult::Deleted { count, prev } => {
                self.written |= count > 0;
                Op::ResponseDeleteRange(delete(self.header(), count, prev))
            }
            TxnResult::Range(found) => Op::ResponseRange(RangeResponse {
                header: self.header(),
                ..range(ResponseHeader::default(), found)
            }),
            TxnResult::Txn { succeeded, results } => Op::ResponseTxn(TxnResponse {
                header: Some(ResponseHeader::default()),
                succeeded,
                responses: self.operations(results),
            }),
        }
    }
}
