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
    let revision = header.revision;
    TxnResponse {
        header: Some(header),
        succeeded: response.succeeded,
        responses: operations(response.results, revision),
    }
}

/// The headers within a transaction tell the revision only, that of a transaction nothing.
fn operations(results: Vec<TxnResult>, revision: i64) -> Vec<ResponseOp> {
    let header = || ResponseHeader { revision, ..ResponseHeader::default() };
    let shown = |result| match result {
        TxnResult::Put { prev } => Op::ResponsePut(put(Some(header()), prev)),
        TxnResult::Deleted { count, prev } => {
            Op::ResponseDeleteRange(delete(Some(header()), count, prev))
        }
        TxnResult::Range(found) => Op::ResponseRange(range(header(), found)),
        TxnResult::Txn { succeeded, results } => Op::ResponseTxn(TxnResponse {
            header: Some(ResponseHeader::default()),
            succeeded,
            responses: operations(results, revision),
        }),
    };
    results.into_iter().map(|result| ResponseOp { response: Some(shown(result)) }).collect()
}
