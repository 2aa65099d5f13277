//! Watches: one stream after another.

use compat::ask::Ask;
use compat::watching::{Watching, on, on_range};
use compat::words::{a_put, delete, get, grant, op, put, revoke, txn};
use proto::etcd::etcdserverpb::{PutRequest, WatchCreateRequest};

const NO_PUT: i32 = 0;
const NO_DELETE: i32 = 1;

pub(crate) fn script() -> Vec<Watching> {
    let prev = |request: WatchCreateRequest| WatchCreateRequest { prev_kv: true, ..request };
    let from = |start_revision, request: WatchCreateRequest| WatchCreateRequest {
        start_revision,
        ..request
    };
    let filtered = |filters: &[i32], request: WatchCreateRequest| WatchCreateRequest {
        filters: filters.to_vec(),
        ..request
    };
    let named = |watch_id, request: WatchCreateRequest| WatchCreateRequest { watch_id, ..request };
    let all = || on_range("w/", "w0");
    let some = |watching: Watching| {
        watching
            .meanwhile(put("w/a", "1"))
            .meanwhile(put("w/a", "2"))
            .meanwhile(put("w/b", "3"))
            .meanwhile(put("x", "not watched"))
            .meanwhile(delete("w/a", ""))
            .meanwhile(delete("w/a", ""))
            .meanwhile(txn(
                vec![],
                vec![op(put("w/d", "1")), op(put("w/c", "2")), op(delete("w/b", ""))],
                vec![],
            ))
    };
    vec![
        some(Watching::default().create(on("w/a"))),
        some(Watching::default().create(all())),
        some(Watching::default().create(prev(all()))),
        some(Watching::default().create(on_range("w/b", "\0"))),
        some(Watching::default().create(on_range("", "\0"))),
        some(Watching::default().create(filtered(&[NO_PUT], all()))),
        some(Watching::default().create(filtered(&[NO_DELETE], all()))),
        some(Watching::default().create(filtered(&[NO_PUT, NO_DELETE], all()))),
        // Two at once, and ids of both kinds.
        some(Watching::default().create(all()).create(on("w/b"))),
        some(
            Watching::default()
                .create(named(9, all()))
                .create(on("w/b"))
                .create(named(1, on("w/c"))),
        ),
        Watching::default().create(named(9, all())).create(named(9, all())),
        Watching::default().create(named(-1, all())).meanwhile(put("w/a", "1")),
        // The past.
        Watching::default().create(from(2, on("k"))),
        Watching::default().create(from(2, prev(on("k")))),
        Watching::default().create(from(1, on_range("w/", "w0"))),
        Watching::default().create(prev(from(1, all()))),
        Watching::default().create(filtered(&[NO_PUT], from(1, all()))),
        // The future, and before all time.
        Watching::default().create(from(1 << 40, all())).meanwhile(put("w/a", "1")),
        Watching::default().create(from(-1, all())),
        // Ranges that are none.
        Watching::default().create(on_range("b", "a")),
        Watching::default().create(on_range("a", "a")),
        Watching::default().create(on("")).meanwhile(put("\0", "1")),
        // Ends.
        Watching::default()
            .create(all())
            .meanwhile(put("w/a", "seen"))
            .cancel(0)
            .meanwhile(put("w/a", "not seen"))
            .create(all()),
        Watching::default().create(all()).cancel_unknown(7).meanwhile(put("w/a", "1")),
        // How far it is.
        Watching::default().create(all()).progress().meanwhile(put("w/a", "1")),
        Watching::default().create(all()).create(from(1 << 40, all())).progress(),
        // Leases.
        Watching::default()
            .meanwhile(grant(300, 100))
            .create(prev(all()))
            .meanwhile(Ask::Put(PutRequest { lease: 300, ..a_put("w/l2", "leased") }))
            .meanwhile(Ask::Put(PutRequest { lease: 300, ..a_put("w/l1", "leased") }))
            .meanwhile(revoke(300))
            .meanwhile(get("w/l1")),
        Watching::default().create(prev(all())).meanwhile(delete("w/", "w0")),
    ]
}

pub(crate) fn of_the_compacted() -> Vec<Watching> {
    let from = |start_revision| WatchCreateRequest { start_revision, ..on("k") };
    vec![
        Watching::default().create(from(1)).meanwhile(put("k", "not seen")),
        Watching::default().create(from(19)),
        Watching::default().create(from(20)),
        Watching::default().create(from(21)).meanwhile(put("k", "seen")),
    ]
}
