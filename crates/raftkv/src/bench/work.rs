//! One operation.

use bytes::Bytes;
use proto::etcd::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcd::etcdserverpb::request_op::Request as Operation;
use proto::etcd::etcdserverpb::{Compare, PutRequest, RangeRequest, RequestOp, TxnRequest};
use proto::etcd::mvccpb::KeyValue;

use super::keys::{Chooser, Keys};
use super::line::Line;
use super::plan::{Kind, Plan};
use super::tally::{Done, Failed};

/// What every client does, again and again.
#[derive(Debug)]
pub(super) struct Work {
    kind: Kind,
    keys: Keys,
    /// What every put writes.
    value: Bytes,
}

impl Work {
    pub(super) fn of(plan: &Plan) -> Work {
        Work { kind: plan.kind, keys: plan.keys.clone(), value: value(plan.value_bytes) }
    }

    /// Each key in its turn.
    pub(super) fn filling(plan: &Plan) -> Work {
        Work { kind: Kind::Put { sequential: true }, ..Work::of(plan) }
    }

    /// Does operation `number`, and waits for its answer.
    pub(super) async fn once(
        &self,
        line: &mut Line,
        number: u64,
        chooser: &mut Chooser,
    ) -> Result<Done, Failed> {
        let any = |chooser: &mut Chooser| self.keys.key(chooser.below(self.keys.count()));
        match self.kind {
            Kind::Put { sequential: true } => {
                self.put(line, self.keys.key(number % self.keys.count())).await
            }
            Kind::Put { sequential: false } => self.put(line, any(chooser)).await,
            Kind::Get { stale } => get(line, any(chooser), stale).await,
            Kind::Range { limit, stale } => {
                let first = chooser.below(self.keys.count() - limit + 1);
                let (key, end) = (self.keys.key(first), self.keys.key(first + limit));
                range(line, key, end, limit, stale).await
            }
            Kind::Mixed { reads_percent } => {
                let key = any(chooser);
                if chooser.percent(reads_percent) {
                    get(line, key, false).await
                } else {
                    self.put(line, key).await
                }
            }
            Kind::Txn => self.txn(line, any(chooser)).await,
            Kind::Watch { .. } => unreachable!("it has clients of its own"),
        }
    }

    async fn put(&self, line: &mut Line, key: Bytes) -> Result<Done, Failed> {
        put(line, "put", key, self.value.clone()).await
    }

    async fn txn(&self, line: &mut Line, key: Bytes) -> Result<Done, Failed> {
        let written = (key.len() + self.value.len()) as u64;
        let request = line.request(compare_and_put(key, self.value.clone()));
        let answer = Line::within(line.timeout(), line.kv().txn(request)).await?;
        if answer.succeeded {
            return Ok(Done { operation: "txn", read: 0, written });
        }
        Err(Failed {
            kind: "compare_failed".to_owned(),
            message: "a comparison failed that always holds".to_owned(),
        })
    }
}

/// Puts one key.
pub(super) async fn put(
    line: &mut Line,
    operation: &'static str,
    key: Bytes,
    value: Bytes,
) -> Result<Done, Failed> {
    let written = (key.len() + value.len()) as u64;
    let request = line.request(PutRequest { key, value, ..PutRequest::default() });
    Line::within(line.timeout(), line.kv().put(request)).await?;
    Ok(Done { operation, read: 0, written })
}

async fn get(line: &mut Line, key: Bytes, serializable: bool) -> Result<Done, Failed> {
    let range = RangeRequest { key, serializable, ..RangeRequest::default() };
    read(line, "get", range, 1).await
}

/// Up to the key after the last: a server that counts all that is in a range has no more to count.
async fn range(
    line: &mut Line,
    key: Bytes,
    range_end: Bytes,
    limit: u64,
    serializable: bool,
) -> Result<Done, Failed> {
    let signed = i64::try_from(limit).unwrap_or(i64::MAX);
    let range =
        RangeRequest { key, range_end, limit: signed, serializable, ..RangeRequest::default() };
    read(line, "range", range, limit).await
}

/// Reads what is known to be there.
async fn read(
    line: &mut Line,
    operation: &'static str,
    range: RangeRequest,
    expected: u64,
) -> Result<Done, Failed> {
    let request = line.request(range);
    let answer = Line::within(line.timeout(), line.kv().range(request)).await?;
    let (found, bytes) = (answer.kvs.len(), answer.kvs.iter().map(size).sum());
    if found as u64 == expected {
        return Ok(Done { operation, read: bytes, written: 0 });
    }
    let message = format!("{found} keys were found, not {expected}: somebody removes them");
    Err(Failed { kind: "missing".to_owned(), message })
}

fn size(item: &KeyValue) -> u64 {
    (item.key.len() + item.value.len()) as u64
}

/// The comparison holds whether the key is there or not.
fn compare_and_put(key: Bytes, value: Bytes) -> TxnRequest {
    let compare = Compare {
        result: CompareResult::Greater.into(),
        target: CompareTarget::Version.into(),
        key: key.clone(),
        target_union: Some(TargetUnion::Version(-1)),
        range_end: Bytes::new(),
    };
    let put = Operation::RequestPut(PutRequest { key, value, ..PutRequest::default() });
    let success = Vec::from([RequestOp { request: Some(put) }]);
    TxnRequest { compare: Vec::from([compare]), success, failure: Vec::new() }
}

/// Text that means nothing, the same in every run: who lists the keys meanwhile can read it, and it
/// can hardly be made smaller.
pub(super) fn value(bytes: usize) -> Bytes {
    let mut random = fastrand::Rng::with_seed(0);
    (0..bytes).map(|_| random.alphanumeric() as u8).collect::<Vec<u8>>().into()
}
