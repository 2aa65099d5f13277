//! Leases.

use compat::ask::Ask;
use compat::words::{a_put, delete, get, grant, range, revoke};
use proto::etcd::etcdserverpb::{
    LeaseKeepAliveRequest, LeaseLeasesRequest, LeaseTimeToLiveRequest, PutRequest,
};

pub(crate) fn script() -> Vec<Ask> {
    let leased = |key: &'static str, lease| Ask::Put(PutRequest { lease, ..a_put(key, "v") });
    let keep_alive = |id| Ask::KeepAlive(LeaseKeepAliveRequest { id });
    let left = |id, keys| Ask::TimeToLive(LeaseTimeToLiveRequest { id, keys });
    let leases = || Ask::Leases(LeaseLeasesRequest {});
    vec![
        leases(),
        grant(100, 60),
        grant(100, 60),
        grant(101, 0),
        grant(102, 1),
        grant(103, -7),
        grant(104, 9_000_000_000),
        grant(105, 9_000_000_001),
        grant(106, i64::MAX),
        grant(-5, 60),
        grant(i64::MAX, 60),
        leases(),
        left(100, false),
        left(100, true),
        leased("l/1", 100),
        leased("l/2", 100),
        leased("l/3", 104),
        left(100, true),
        left(100, false),
        leased("l/1", 104),
        left(100, true),
        left(104, true),
        get("l/1"),
        keep_alive(100),
        keep_alive(999),
        keep_alive(0),
        keep_alive(-1),
        left(999, false),
        left(999, true),
        left(0, false),
        revoke(999),
        revoke(0),
        delete("l/3", ""),
        left(104, true),
        revoke(104),
        range("l/", "l0"),
        revoke(104),
        revoke(100),
        revoke(-5),
        revoke(i64::MAX),
        leases(),
        range("l/", "l0"),
        left(100, true),
        keep_alive(100),
        grant(100, 30),
        revoke(100),
    ]
}
