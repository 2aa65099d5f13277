//! Puts, deletes and compaction: what they do to one key, and what is no request.

use compat::ask::Ask;
use compat::words::{a_delete, a_put, a_range, compact, delete, get, grant, put, range, txn};
use proto::etcd::etcdserverpb::{CompactionRequest, HashKvRequest, PutRequest, RangeRequest};

/// So many bytes are more than a request may have, and not more than a message may.
const TOO_LARGE_BYTES: usize = 1_700_000;

/// And so many are more than a message may have.
const TOO_LONG_BYTES: usize = 3 << 20;

pub(crate) fn script() -> Vec<Ask> {
    let mut asks = vec![get("none"), range("\0", "\0"), compact(0), compact(0), compact(1)];
    asks.extend([Ask::HashKv(HashKvRequest { revision: 0 })]);
    asks.extend(single_key());
    asks.extend(deletes());
    asks.extend(what_stays());
    asks.extend(no_requests());
    asks
}

fn single_key() -> Vec<Ask> {
    vec![
        put("k", "1"),
        get("k"),
        put("k", "1"),
        put("k", "2"),
        Ask::Put(PutRequest { prev_kv: true, ..a_put("k", "3") }),
        Ask::Put(PutRequest { prev_kv: true, ..a_put("new", "") }),
        get("k"),
        get("new"),
        put(&b"\xff\xfe\x00binary"[..], &b"\x00\xff"[..]),
        get(&b"\xff\xfe\x00binary"[..]),
        put("\0", "the first key there is"),
        get("\0"),
        put("large", vec![b'x'; 1 << 20]),
        get("large"),
        Ask::Range(RangeRequest { revision: 2, ..a_range("k", "") }),
        Ask::Range(RangeRequest { revision: 3, ..a_range("k", "") }),
        Ask::Range(RangeRequest { revision: 4, ..a_range("k", "") }),
        Ask::Range(RangeRequest { revision: -1, ..a_range("k", "") }),
        Ask::Range(RangeRequest { revision: 1, ..a_range("k", "") }),
        Ask::Range(RangeRequest { revision: 1 << 40, ..a_range("k", "") }),
        Ask::Range(RangeRequest { serializable: true, ..a_range("k", "") }),
    ]
}

fn deletes() -> Vec<Ask> {
    let prev = |key: &'static str, end: &'static str| {
        let mut asked = a_delete(key, end);
        asked.prev_kv = true;
        Ask::Delete(asked)
    };
    vec![
        put("d/1", "a"),
        put("d/2", "b"),
        put("d/3", "c"),
        delete("d/1", ""),
        delete("d/1", ""),
        get("d/1"),
        put("d/1", "again"),
        get("d/1"),
        prev("d/1", ""),
        prev("d/1", ""),
        delete("d/9", "d/1"),
        delete("d/2", "d/2"),
        prev("d/", "d0"),
        prev("d/", "d0"),
        put("d/4", ""),
        delete("d/4", "\0"),
        range("\0", "\0"),
        prev("k", "l"),
        put("k", "reborn"),
        get("k"),
        prev("\0", "\0"),
        range("\0", "\0"),
    ]
}

/// `ignore_value` and `ignore_lease`.
fn what_stays() -> Vec<Ask> {
    let keep_value = |key: &'static str| PutRequest { ignore_value: true, ..a_put(key, "") };
    let keep_lease = |key: &'static str| PutRequest { ignore_lease: true, ..a_put(key, "v") };
    vec![
        grant(70, 100),
        put("s/1", "value"),
        Ask::Put(PutRequest { lease: 70, ..a_put("s/2", "leased") }),
        Ask::Put(keep_value("s/1")),
        Ask::Put(PutRequest { prev_kv: true, ..keep_value("s/1") }),
        Ask::Put(PutRequest { lease: 70, ..keep_value("s/1") }),
        Ask::Put(keep_lease("s/2")),
        Ask::Put(PutRequest { ignore_value: true, value: "".into(), ..keep_lease("s/2") }),
        Ask::Put(PutRequest { ignore_value: true, ..a_put("s/1", "given") }),
        Ask::Put(PutRequest { lease: 70, ..keep_lease("s/1") }),
        Ask::Put(keep_value("s/none")),
        Ask::Put(keep_lease("s/none")),
        get("s/1"),
        get("s/2"),
        put("s/2", "without a lease"),
        get("s/2"),
        Ask::Put(PutRequest { lease: 71, ..a_put("s/3", "no such lease") }),
        Ask::Put(PutRequest { lease: -1, ..a_put("s/3", "no such lease") }),
        get("s/3"),
        delete("s/", "s0"),
    ]
}

fn no_requests() -> Vec<Ask> {
    vec![
        get(""),
        range("", "\0"),
        put("", "v"),
        delete("", ""),
        delete("", "\0"),
        put("", vec![b'x'; TOO_LARGE_BYTES]),
        put("k", vec![b'x'; TOO_LARGE_BYTES]),
        put("k", vec![b'x'; TOO_LONG_BYTES]),
        get("k"),
        txn(vec![], vec![], vec![]),
        compact(1 << 40),
        compact(-1),
        range("b", "a"),
        range("a", "a"),
        Ask::HashKv(HashKvRequest { revision: 1 << 40 }),
        Ask::HashKv(HashKvRequest { revision: 0 }),
        Ask::HashKv(HashKvRequest { revision: 5 }),
    ]
}

/// Gives up the past: after it nothing is as old as before.
pub(crate) fn compaction() -> Vec<Ask> {
    let physical = |revision| Ask::Compact(CompactionRequest { revision, physical: true });
    let at = |revision| Ask::Range(RangeRequest { revision, ..a_range("k", "") });
    vec![
        put("k", "before"),
        compact(10),
        at(9),
        at(10),
        at(11),
        compact(10),
        compact(9),
        compact(0),
        compact(-5),
        physical(20),
        at(19),
        at(20),
        physical(20),
        Ask::HashKv(HashKvRequest { revision: 19 }),
        Ask::HashKv(HashKvRequest { revision: 0 }),
        range("\0", "\0"),
        put("k", "after"),
        get("k"),
    ]
}
