//! Programs written with `etcd-client`, which knows nothing of raftkv.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use std::collections::BTreeMap;
use std::time::Duration;

use etcd_client::{
    Client, Compare, CompareOp, DeleteOptions, Error, EventType, GetOptions, LeaseGrantOptions,
    LockOptions, PutOptions, SortOrder, SortTarget, Txn, TxnOp, TxnOpResponse, WatchOptions,
};
use system_tests::cluster::Cluster;
use system_tests::wait;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// No answer takes so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Before the same is tried again.
async fn pause() {
    tokio::task::spawn_blocking(wait::pause).await.unwrap();
}

async fn connected(ports: &[u16]) -> Client {
    let endpoints: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    Client::connect(endpoints, None).await.unwrap()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_the_client_does_what_it_says() {
    let cluster = Cluster::start(3);
    let mut client = connected(&cluster.ports()).await;
    client.put("k/1", "one", None).await.unwrap();
    let with_prev = PutOptions::new().with_prev_key();
    let replaced = client.put("k/1", "two", Some(with_prev)).await.unwrap();
    assert_eq!(replaced.prev_key().unwrap().value(), b"one");
    client.put("k/2", "three", None).await.unwrap();
    let all = GetOptions::new().with_prefix().with_sort(SortTarget::Mod, SortOrder::Descend);
    let found = client.get("k/", Some(all)).await.unwrap();
    let keys: Vec<&str> = found.kvs().iter().map(|kv| kv.key_str().unwrap()).collect();
    assert_eq!((keys, found.count()), (vec!["k/2", "k/1"], 2));

    let txn = Txn::new()
        .when([Compare::value("k/1", CompareOp::Equal, "two")])
        .and_then([TxnOp::put("k/3", "four", None), TxnOp::get("k/3", None)])
        .or_else([TxnOp::delete("k/1", None)]);
    let done = client.txn(txn).await.unwrap();
    assert!(done.succeeded());
    let [TxnOpResponse::Put(_), TxnOpResponse::Get(read)] = &done.op_responses()[..] else {
        panic!("{done:?}")
    };
    assert_eq!(read.kvs()[0].value(), b"four");

    let lease = client.lease_grant(60, Some(LeaseGrantOptions::new().with_id(4711))).await.unwrap();
    client.put("leased", "v", Some(PutOptions::new().with_lease(lease.id()))).await.unwrap();
    let (mut keeper, mut kept) = client.lease_keep_alive(lease.id()).await.unwrap();
    keeper.keep_alive().await.unwrap();
    assert_eq!(kept.message().await.unwrap().unwrap().ttl(), 60);
    assert_eq!(client.leases().await.unwrap().leases().len(), 1);
    client.lease_revoke(lease.id()).await.unwrap();
    assert_eq!(client.get("leased", None).await.unwrap().count(), 0);

    let lock = client.lock("lock", Some(LockOptions::new())).await.unwrap();
    assert_eq!(client.get(lock.key(), None).await.unwrap().count(), 1);
    client.unlock(lock.key()).await.unwrap();
    let lease = client.lease_grant(60, None).await.unwrap().id();
    let campaign = client.campaign("office", "me", lease).await.unwrap();
    assert_eq!(campaign.leader().unwrap().name(), b"office");
    assert_eq!(client.leader("office").await.unwrap().kv().unwrap().value(), b"me");

    assert_eq!(client.member_list().await.unwrap().members().len(), 3);
    assert_eq!(client.status().await.unwrap().version(), "3.6.0");
    let deleted = client.delete("k/", Some(DeleteOptions::new().with_prefix())).await.unwrap();
    assert_eq!(deleted.deleted(), 3);
    let revision = deleted.header().unwrap().revision();
    client.compact(revision, None).await.unwrap();
    let past = GetOptions::new().with_revision(revision - 1);
    let refused = client.get("k/1", Some(past)).await.unwrap_err();
    assert!(refused.to_string().contains("required revision has been compacted"), "{refused}");
}

/// Watchers, each with a stream of its own.
const WATCHERS: usize = 50;

/// Writers, each with a key of its own.
const WRITERS: usize = 5;

/// Writes of each that are acknowledged in the end.
const WRITES: usize = 120;

/// Writes until so many were acknowledged; how often it was not known what had become of one.
async fn write(mut client: Client, key: String) -> usize {
    let mut unknown = 0;
    for number in 0..WRITES {
        while client.put(key.clone(), number.to_string(), None).await.is_err() {
            unknown += 1;
            // The next one is another write: what became of this one, the version tells.
            pause().await;
        }
    }
    unknown
}

/// Follows all keys until each is at its last version; every version once, in order.
async fn follow(mut client: Client, last: tokio::sync::watch::Receiver<BTreeMap<String, i64>>) {
    let (mut seen, mut next) = (BTreeMap::<String, i64>::new(), 2);
    loop {
        let from = WatchOptions::new().with_prefix().with_start_revision(next);
        let Ok(mut stream) = client.watch("w/", Some(from)).await else { continue };
        // A stream that breaks is begun again after what it told, as clientv3 does it.
        while let Ok(Ok(Some(response))) = timeout(PATIENCE, stream.message()).await {
            for event in response.events() {
                assert_eq!(event.event_type(), EventType::Put);
                let kv = event.kv().unwrap();
                let before = seen.insert(text(kv.key()).to_owned(), kv.version());
                assert_eq!(before.unwrap_or(0) + 1, kv.version(), "{}", text(kv.key()));
                assert!(kv.mod_revision() >= next, "a revision came twice, or too late");
                next = kv.mod_revision() + 1;
            }
            if !last.borrow().is_empty() && seen == *last.borrow() {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_see_each_event_once_though_the_leader_is_killed() {
    let mut cluster = Cluster::start(3);
    let ports = cluster.ports();
    let (tell, last) = tokio::sync::watch::channel(BTreeMap::new());
    let (mut watchers, mut writers) = (JoinSet::new(), JoinSet::new());
    for _ in 0..WATCHERS {
        watchers.spawn(follow(connected(&ports).await, last.clone()));
    }
    for writer in 0..WRITERS {
        writers.spawn(write(connected(&ports).await, format!("w/{writer}")));
    }
    let mut client = connected(&ports).await;
    // Twice, while they write.
    for part in [WRITES / 4, WRITES / 2] {
        let reached = |value: &[u8]| text(value).parse::<usize>().unwrap() >= part;
        loop {
            let found = client.get("w/0", None).await;
            if found.is_ok_and(|found| found.kvs().iter().any(|kv| reached(kv.value()))) {
                break;
            }
        }
        let leader = cluster.leader();
        cluster.restart(leader);
    }
    let unknown: usize = timeout(PATIENCE * 4, writers.join_all()).await.unwrap().iter().sum();
    println!("{unknown} writes without an answer");
    let found = client.get("w/", Some(GetOptions::new().with_prefix())).await.unwrap();
    let versions = found.kvs().iter().map(|kv| (text(kv.key()).to_owned(), kv.version()));
    tell.send(versions.collect()).unwrap();
    // Those that have seen everything wait for one event more.
    let mut versions = tell.borrow().clone();
    client.put("w/end", "", None).await.unwrap();
    versions.insert("w/end".to_owned(), 1);
    tell.send(versions).unwrap();
    timeout(PATIENCE * 4, watchers.join_all()).await.unwrap();
}

/// What an API server does for a day, in a few seconds: objects made, changed and removed on the
/// revision that was read, lists in pages, watches with bookmarks, events that expire, compaction.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_lives_through_restarts_of_members() {
    const OBJECTS: usize = 30;
    const PAGE: i64 = 7;
    let mut cluster = Cluster::start(3);
    let mut client = connected(&cluster.ports()).await;
    let key = |number: usize| format!("/registry/pods/ns/{number:03}");
    // Optimistic puts: made only if not there.
    for number in 0..OBJECTS {
        let made = Txn::new()
            .when([Compare::mod_revision(key(number), CompareOp::Equal, 0)])
            .and_then([TxnOp::put(key(number), "made", None)])
            .or_else([TxnOp::get(key(number), None)]);
        assert!(retried(&mut client, made).await.succeeded());
        if number == OBJECTS / 2 {
            let leader = cluster.leader();
            cluster.stop(leader);
            cluster.member(leader).start();
        }
    }
    // A list in pages, all at the revision of the first.
    let (mut from, mut listed, mut revision) = ("/registry/pods/".to_owned(), Vec::new(), 0);
    loop {
        let page = GetOptions::new().with_range("/registry/pods0").with_limit(PAGE);
        let page = client.get(from.clone(), Some(page.with_revision(revision))).await.unwrap();
        if revision == 0 {
            revision = page.header().unwrap().revision();
            let stray = "/registry/pods/ns/stray";
            client.put(stray, "not in this list", None).await.unwrap();
        }
        let left = OBJECTS - listed.len();
        assert_eq!(
            usize::try_from(page.count()).unwrap(),
            left,
            "what is left, whatever the limit"
        );
        listed.extend(page.kvs().iter().map(|kv| text(kv.key()).to_owned()));
        if !page.more() {
            break;
        }
        from = format!("{}\0", listed.last().unwrap());
    }
    assert_eq!(listed, (0..OBJECTS).map(key).collect::<Vec<_>>());
    // A watch from the list on, with previous values and bookmarks on request.
    let watched = WatchOptions::new().with_prefix().with_prev_key().with_progress_notify();
    let watched = watched.with_start_revision(revision + 1);
    let mut stream = client.watch("/registry/pods/", Some(watched)).await.unwrap();
    let found = client.get(key(3), None).await.unwrap();
    let read_at = found.kvs()[0].mod_revision();
    let change = |wanted: i64| {
        Txn::new()
            .when([Compare::mod_revision(key(3), CompareOp::Equal, wanted)])
            .and_then([TxnOp::put(key(3), "changed", None)])
            .or_else([TxnOp::get(key(3), None)])
    };
    assert!(client.txn(change(read_at)).await.unwrap().succeeded());
    let lost = client.txn(change(read_at)).await.unwrap();
    let [TxnOpResponse::Get(current)] = &lost.op_responses()[..] else { panic!("{lost:?}") };
    assert!(!lost.succeeded() && current.kvs()[0].value() == b"changed");
    stream.request_progress().await.unwrap();
    let (mut events, mut bookmark) = (Vec::new(), 0);
    while events.len() < 2 || bookmark == 0 {
        let told = timeout(PATIENCE, stream.message()).await.unwrap().unwrap().unwrap();
        if told.events().is_empty() && !told.created() {
            bookmark = told.header().unwrap().revision();
        }
        events.extend(told.events().iter().cloned());
        if events.len() == 2 && bookmark == 0 {
            stream.request_progress().await.unwrap();
        }
    }
    assert_eq!(events[1].prev_kv().unwrap().value(), b"made");
    assert!(bookmark >= events[1].kv().unwrap().mod_revision());
    // An event that expires.
    let lease = client.lease_grant(2, None).await.unwrap().id();
    let leased = PutOptions::new().with_lease(lease);
    client.put("/registry/events/1", "v", Some(leased)).await.unwrap();
    let gone = WatchOptions::new();
    let mut expiring = client.watch("/registry/events/1", Some(gone)).await.unwrap();
    loop {
        let told = timeout(PATIENCE, expiring.message()).await.unwrap().unwrap().unwrap();
        if told.events().iter().any(|event| event.event_type() == EventType::Delete) {
            break;
        }
    }
    // Compaction by whoever wins the transaction on one key.
    let turn = |version: i64| {
        Txn::new()
            .when([Compare::version("compact_rev_key", CompareOp::Equal, version)])
            .and_then([TxnOp::put("compact_rev_key", revision.to_string(), None)])
            .or_else([TxnOp::get("compact_rev_key", None)])
    };
    assert!(client.txn(turn(0)).await.unwrap().succeeded());
    assert!(!client.txn(turn(0)).await.unwrap().succeeded());
    client.compact(revision, None).await.unwrap();
    let too_old = GetOptions::new().with_revision(revision - 1);
    assert!(client.get(key(1), Some(too_old)).await.is_err());
    let still = GetOptions::new().with_revision(revision);
    assert_eq!(client.get(key(1), Some(still)).await.unwrap().count(), 1);
}

/// Done again while the cluster says that it was not done.
async fn retried(client: &mut Client, txn: Txn) -> etcd_client::TxnResponse {
    loop {
        match client.txn(txn.clone()).await {
            Ok(done) => return done,
            Err(Error::GRpcStatus(status)) if status.code() == tonic::Code::Unavailable => {
                pause().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// The programs in Python, and under what the packages of each are found.
const PROGRAMS: [(&str, &str); 3] =
    [("with_aetcd.py", "new"), ("with_etcd3gw.py", "new"), ("with_etcd3.py", "old")];

/// Messages that were generated for an older protobuf are read by its slow half only.
const OLD_MESSAGES: (&str, &str) = ("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python");

#[test]
fn programs_in_python_work() {
    let packages = std::env::var("PYTHON_PACKAGES");
    let packages =
        packages.expect("`cargo xtask test etcd-diff` gets the packages and names them here");
    let cluster = Cluster::start(1);
    let port = cluster.ports()[0].to_string();
    for (program, under) in PROGRAMS {
        let path = format!("{}/clients/{program}", env!("CARGO_MANIFEST_DIR"));
        let mut command = std::process::Command::new("python3");
        command.args(["-B", &path, &port]);
        if under == "old" {
            command.env(OLD_MESSAGES.0, OLD_MESSAGES.1);
        }
        let output = command.env("PYTHONPATH", format!("{packages}/{under}")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said == "ok\n", "{program}: {said}{complaint}");
    }
}
