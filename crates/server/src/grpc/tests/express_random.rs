//! The short way of most calls answers as the general one does, whatever is asked: thousands of
//! calls that a seed decides, sound and broken, are made of two members that are alike, of each
//! one way (see `express.rs`).

use bytes::Bytes;
use fastrand::Rng;
use proto::etcd::etcdserverpb::{
    Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest, compare,
    request_op,
};

use super::super::express::Swift;
use super::express::{Caller, GENERAL, SHORT, framed};

/// Calls that are made of each member.
const CALLS: u32 = 500;

/// What decides them.
const SEED: u64 = 11;

/// Headers that one or another client sends, some of which mean something.
const HEADERS: [(&str, &str); 18] = [
    ("grpc-timeout", "10S"),
    ("grpc-timeout", "x"),
    ("grpc-timeout", "999999999999S"),
    ("grpc-accept-encoding", "gzip, identity"),
    ("grpc-encoding", "identity"),
    ("grpc-encoding", "gzip"),
    ("hasleader", "true"),
    ("hasleader", "false"),
    ("client-api-version", "3.5.0"),
    ("raftkv-forward", "never"),
    ("authorization", "nobodys.1"),
    ("authorization", "Basic x"),
    ("token", "nobodys.1"),
    ("user-agent", "grpc-go/1.60.1"),
    ("x-bin", "AAEC"),
    ("x-bin", "!"),
    ("origin", "http://example.org"),
    ("accept", "*/*"),
];

fn key(rng: &mut Rng) -> Bytes {
    let keys: [&[u8]; 6] = [b"a", b"b", b"c", b"", b"\0", b"\xff\xfe"];
    rng.choice(keys).map(Bytes::from_static).unwrap_or_default()
}

fn value(rng: &mut Rng) -> Bytes {
    let length = if rng.u8(..) == 0 { rng.usize(..100_000) } else { rng.usize(..12) };
    vec![b'v'; length].into()
}

fn number(rng: &mut Rng) -> i64 {
    rng.choice([0, 0, 0, 1, 2, 77, -1, 1_000_000, i64::MAX, i64::MIN]).unwrap_or_default()
}

fn put(rng: &mut Rng) -> PutRequest {
    PutRequest {
        key: key(rng),
        value: value(rng),
        lease: if rng.u8(..8) == 0 { number(rng) } else { 0 },
        prev_kv: rng.bool(),
        ignore_value: rng.u8(..8) == 0,
        ignore_lease: rng.u8(..8) == 0,
    }
}

fn range(rng: &mut Rng) -> RangeRequest {
    RangeRequest {
        key: key(rng),
        range_end: if rng.bool() { key(rng) } else { Bytes::new() },
        limit: number(rng),
        revision: number(rng),
        sort_order: rng.i32(-1..4),
        sort_target: rng.i32(-1..6),
        serializable: rng.bool(),
        keys_only: rng.bool(),
        count_only: rng.u8(..4) == 0,
        min_mod_revision: number(rng),
        ..RangeRequest::default()
    }
}

fn delete(rng: &mut Rng) -> DeleteRangeRequest {
    let range_end = if rng.bool() { key(rng) } else { Bytes::new() };
    DeleteRangeRequest { key: key(rng), range_end, prev_kv: rng.bool() }
}

fn txn(rng: &mut Rng) -> TxnRequest {
    let branch = |rng: &mut Rng| (0..rng.usize(..4)).map(|_| operation(rng)).collect();
    let compares = (0..rng.usize(..3)).map(|_| Compare {
        result: rng.i32(-1..5),
        target: rng.i32(-1..6),
        key: key(rng),
        target_union: Some(compare::TargetUnion::Version(number(rng))),
        ..Compare::default()
    });
    TxnRequest { compare: compares.collect(), success: branch(rng), failure: branch(rng) }
}

fn operation(rng: &mut Rng) -> RequestOp {
    use request_op::Request;
    let request = match rng.u8(..8) {
        0 => None,
        1 => Some(Request::RequestTxn(txn(rng))),
        2 | 3 => Some(Request::RequestRange(range(rng))),
        4 => Some(Request::RequestDeleteRange(delete(rng))),
        _ => Some(Request::RequestPut(put(rng))),
    };
    RequestOp { request }
}

/// A message of a call, in its frame; now and then with a byte that is another.
fn message(rng: &mut Rng, call: Swift) -> Vec<u8> {
    // Some calls get another one's message.
    let of = if rng.u8(..16) == 0 { rng.choice(Swift::ALL).unwrap_or(call) } else { call };
    let framed = match of {
        Swift::Range => framed(&range(rng)),
        Swift::Put => framed(&put(rng)),
        Swift::DeleteRange => framed(&delete(rng)),
        Swift::Txn => framed(&txn(rng)),
    };
    let mut bytes = framed.to_vec();
    match rng.u8(..12) {
        0 => {
            let place = rng.usize(..bytes.len());
            bytes[place] = rng.u8(..);
        }
        1 => bytes.truncate(rng.usize(..bytes.len())),
        2 => bytes.extend((0..rng.usize(..8)).map(|_| rng.u8(..))),
        _ => {}
    }
    bytes
}

fn body(rng: &mut Rng, call: Swift) -> Bytes {
    let messages = rng.choice([1, 1, 1, 1, 1, 1, 1, 0, 2, 3]).unwrap_or(1);
    let messages: Vec<Vec<u8>> = (0..messages).map(|_| message(rng, call)).collect();
    messages.concat().into()
}

#[tokio::test]
async fn both_ways_answer_alike_whatever_is_asked() {
    let (mut short, mut general) = (Caller::new(SHORT).await, Caller::new(GENERAL).await);
    let mut rng = Rng::with_seed(SEED);
    let mut done = 0;
    for number in 0..CALLS {
        let call = rng.choice(Swift::ALL).expect("there are some");
        let body = body(&mut rng, call);
        let headers: Vec<(&str, &str)> =
            (0..rng.usize(..4)).filter_map(|_| rng.choice(HEADERS)).collect();
        let by_short = short.call_with(call.path(), &headers, body.clone()).await;
        let by_general = general.call_with(call.path(), &headers, body.clone()).await;
        done += u32::from(by_short.is_done());
        assert_eq!(by_short, by_general, "call {number}: {call:?} {headers:?} {body:02x?}");
    }
    assert!(done > CALLS / 10 && done < CALLS * 9 / 10, "{done} of {CALLS} were done");
}
