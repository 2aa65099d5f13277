//! Who is let in, and who is not.

use super::*;
use crate::node::{WAITING_MIN, testing};

fn admission(per_second: Option<u64>) -> Arc<Admission> {
    Arc::new(Admission::new(testing::waiting(), per_second))
}

fn visitor(admission: &Admission, last: u8) -> Visitor {
    admission.visitor(IpAddr::from([10, 0, 0, last]))
}

/// So many requests of a visitor under way, whatever the load.
fn under_way(admission: &Arc<Admission>, visitor: &Visitor, count: usize) -> Vec<UnderWay> {
    (0..count).map(|_| UnderWay::begin(admission, Arc::clone(&visitor.by_address))).collect()
}

/// What becomes of one request more.
fn one_more(admission: &Arc<Admission>, visitor: &Visitor, load: Load) -> Result<(), Refused> {
    let more = UnderWay::begin(admission, Arc::clone(&visitor.by_address));
    admission.judge(&more, load)
}

fn load(waiting: usize, limit: usize) -> Load {
    Load { waiting, limit }
}

#[test]
fn nobody_has_a_share_while_there_is_no_load() {
    let admission = admission(None);
    let greedy = visitor(&admission, 1);
    let _held = under_way(&admission, &greedy, 1_000);
    assert_eq!(one_more(&admission, &greedy, load(49, 100)), Ok(()));
}

#[test]
fn one_client_alone_may_have_everything_up_to_the_limit() {
    let admission = admission(None);
    let alone = visitor(&admission, 1);
    let held = under_way(&admission, &alone, 99);
    assert_eq!(one_more(&admission, &alone, load(99, 100)), Ok(()));
    let more = under_way(&admission, &alone, 1);
    assert_eq!(one_more(&admission, &alone, load(100, 100)), Err(Refused::Busy));
    drop((held, more));
    assert_eq!(one_more(&admission, &alone, load(100, 100)), Ok(()), "the load is another's");
}

#[test]
fn who_asks_for_much_makes_room_for_who_asks_for_little() {
    let admission = admission(None);
    let (greedy, quiet) = (visitor(&admission, 1), visitor(&admission, 2));
    let held = under_way(&admission, &greedy, 100);
    let busy = load(100, 100);
    assert_eq!(one_more(&admission, &quiet, busy), Ok(()));
    let of_quiet = under_way(&admission, &quiet, 1);
    assert_eq!(one_more(&admission, &greedy, load(60, 100)), Err(Refused::Share));
    assert_eq!(one_more(&admission, &greedy, busy), Err(Refused::Busy));
    drop(of_quiet);
    drop(held);
    let of_greedy = under_way(&admission, &greedy, 49);
    let of_quiet = under_way(&admission, &quiet, 49);
    assert_eq!(one_more(&admission, &greedy, busy), Ok(()), "half of it is its share");
    drop((of_greedy, of_quiet));
    assert_eq!(admission.active.load(Ordering::Relaxed), 0);
}

#[test]
fn many_clients_with_one_request_each_fill_the_limit_and_no_more() {
    let admission = admission(None);
    let visitors: Vec<Visitor> = (0..30).map(|last| visitor(&admission, last)).collect();
    let _held: Vec<_> = visitors.iter().map(|visitor| under_way(&admission, visitor, 1)).collect();
    let newcomer = visitor(&admission, 99);
    assert_eq!(one_more(&admission, &newcomer, load(19, 20)), Ok(()));
    assert_eq!(one_more(&admission, &newcomer, load(20, 20)), Err(Refused::Busy));
}

#[test]
fn a_rate_is_each_clients_own() {
    let admission = admission(Some(2));
    let (often, seldom) = (visitor(&admission, 1), visitor(&admission, 2));
    let ask = |visitor: &Visitor, path| {
        admission.enter(visitor, path, &HeaderMap::new()).map(drop).map_err(|refused| match refused
        {
            Refused::Rate(wait) => wait <= Duration::from_secs(1),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!([ask(&often, "/kv/a"), ask(&often, "/watch")], [Ok(()), Ok(())]);
    for path in ["/kv/a", "/etcdserverpb.KV/Put", "/v3/kv/put", "/txn", "/watch", "/"] {
        assert_eq!(ask(&often, path), Err(true), "{path}");
    }
    for path in FREE {
        assert_eq!(ask(&often, path), Ok(()), "{path}");
    }
    assert_eq!(ask(&seldom, "/kv/a"), Ok(()));
    // On another connection it is the same client.
    assert_eq!(ask(&visitor(&admission, 1), "/kv/a"), Err(true));
}

#[test]
fn what_waits_for_others_has_no_share() {
    for (path, weight) in [
        ("/etcdserverpb.KV/Txn", Weight::Full),
        ("/kv-store", Weight::Full),
        ("/v3/kv/put", Weight::Full),
        ("/v3/watch", Weight::RateAlone),
        ("/v3/election/observe", Weight::RateAlone),
        ("/v3electionpb.Election/Observe", Weight::RateAlone),
        ("/etcdserverpb.Lease/LeaseGrant", Weight::Full),
        ("/v3lockpb.Lock/Unlock", Weight::Full),
        ("/kv/a/keepalive", Weight::Full),
        ("/leases/7/keepalive", Weight::RateAlone),
        ("/v3/lease/keepalive", Weight::RateAlone),
        ("/etcdserverpb.Lease/LeaseKeepAlive", Weight::RateAlone),
        ("/etcdserverpb.Maintenance/Alarm", Weight::RateAlone),
        ("/nothing", Weight::Full),
        ("/", Weight::RateAlone),
        ("/v3lockpb.Lock/Lock", Weight::RateAlone),
        ("/v3electionpb.Election/Campaign", Weight::RateAlone),
        ("/etcdserverpb.Watch/Watch", Weight::RateAlone),
        ("/raft/append", Weight::Free),
        ("/cluster/status", Weight::Free),
        ("/readyz/leader", Weight::Free),
        ("/grpc.health.v1.Health/Check", Weight::Free),
    ] {
        assert_eq!(Weight::of(path), weight, "{path}");
    }
}

#[test]
fn what_was_let_in_waits_though_the_replica_has_not_heard_of_it() {
    let admission = admission(None);
    let visitor = visitor(&admission, 1);
    let held = under_way(&admission, &visitor, WAITING_MIN);
    let enter = || admission.enter(&visitor, "/kv/a", &HeaderMap::new()).map(UnderWay::done);
    assert_eq!(enter(), Err(Refused::Busy));
    drop(held);
    assert_eq!(admission.load(), load(0, WAITING_MIN));
    assert_eq!(enter(), Ok(()));
}

#[test]
fn what_clients_have_given_up_leaves_each_of_them_one_request() {
    let admission = admission(None);
    let impatient = visitor(&admission, 1);
    let given_up = load(200, 100);
    assert_eq!(one_more(&admission, &impatient, given_up), Ok(()));
    let _under_way = UnderWay::begin(&admission, Arc::clone(&impatient.by_address));
    assert_eq!(one_more(&admission, &impatient, given_up), Err(Refused::Busy));
    assert_eq!(one_more(&admission, &impatient, load(100, 100)), Ok(()), "its share is all");
}
