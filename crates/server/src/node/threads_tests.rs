//! A cluster of one on a disk in memory: the threads alone, without sockets.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use disk::{Fault, SimDisk};
use raft::MemberId;
use replica::{
    Configuration, Failure, LogOptions, Member, Recovered, Replica, Request, open_log,
    open_snapshots,
};
use serde_json::Value;
use store::{Command, Put, PutLifetime, Store};

use super::*;
use crate::access::{Seen, Shown, Visit};
use crate::events::{Reader, Recorder};
use crate::node::inbox::REQUESTS_MAX;
use crate::node::{About, Clock, LogQueue, Node, WriteOptions};
use crate::peer::{Dialler, Hello, Inbound, Introduction, PeerDoor, Peers, Roster};
use crate::tls::Way;

const DEADLINE: Duration = Duration::from_secs(20);
pub(in crate::node) const ID: MemberId = MemberId(5);

fn configuration() -> Configuration {
    let member = Member::voter(1, "one".into(), "localhost:1".into());
    Configuration::founding(9, [(ID, member)].into())
}

fn about() -> About {
    About {
        id: ID,
        name: "one".to_owned(),
        address: "localhost:1".to_owned(),
        client_urls: Vec::new(),
        incarnation: 1,
        version: "test",
        way: Way::default(),
        unsafe_no_fsync: false,
    }
}

/// A member that has just founded its cluster of one, and leads it.
async fn founded(disk: SimDisk) -> (Node, Threads) {
    let (node, threads) = started(disk, &configuration());
    let deadline = Instant::now() + DEADLINE;
    while node.status().leader() != Some(ID) {
        assert!(Instant::now() < deadline, "it does not lead in time");
        tokio::task::yield_now().await;
    }
    (node, threads)
}

/// A member that has just founded a cluster of these.
pub(in crate::node) fn started(disk: SimDisk, members: &Configuration) -> (Node, Threads) {
    let options = LogOptions { segment_bytes: 64 << 10, ..LogOptions::default() };
    disk::Disk::create_dir_all(&disk, Path::new("/wal")).unwrap();
    let (log, snapshots) = (Path::new("/wal"), Path::new("/snapshots"));
    let opened = open_log(&disk, log, snapshots, options, 1 << 20);
    let (mut worker, recovered) = opened.unwrap();
    let restored = worker.found(members, 0).unwrap();
    let mut recovered = Recovered { restored, ..recovered };
    let (files, _) = open_snapshots(disk, Path::new("/snapshots"), &mut recovered).unwrap();
    let defaults = raft::Config::new(ID, replica::CODEC, 7);
    let config = raft::Config { heartbeat_ms: 10, election_timeout_ms: 100, ..defaults };
    let (store, clock, inbox) = (Store::new(), Clock::start(), Inbox::new());
    let status = Arc::new(StatusBoard::new(about()));
    status.configured(Arc::new(members.clone()));
    status.running();
    let node = Node::new(Arc::clone(&inbox), Arc::clone(&status), store.reader());
    let replica = Replica::new(config, members.clone(), recovered, store, clock.now());
    let (log, snapshots) = (Arc::new(LogQueue::default()), Arc::default());
    let address = "localhost:1".to_owned();
    let me = Arc::new(Introduction {
        id: ID,
        name: "node-1".to_owned(),
        incarnation: 1,
        cluster_id: 9,
        address,
    });
    let door = PeerDoor { inbound: Inbound::new(Arc::clone(&inbox)), hello: Arc::default() };
    let hello = Hello {
        name: "one".to_owned(),
        id: ID,
        incarnation: 1,
        address: crate::config::Address::localhost(1),
        peers: [].into(),
        client_urls: Vec::new(),
        founding_id: None,
        cluster: None,
        changed: false,
        feature_level: replica::FEATURE_LEVEL,
    };
    let members = Arc::new(members.clone());
    let roster = Roster::new(Arc::clone(&me), members, door, hello, Arc::clone(&status));
    let peers = Peers::new(Dialler {
        me,
        inbox: Arc::clone(&inbox),
        status: Arc::clone(&status),
        way: Way::default(),
        runtime: tokio::runtime::Handle::current(),
    });
    let room = Arc::default();
    let watches = Arc::clone(node.watches());
    let recorder = Recorder::new(Arc::clone(node.feed().desk()), ID);
    let driver = Driver {
        replica,
        clock,
        inbox,
        log,
        snapshots,
        room,
        peers,
        roster,
        status,
        watches,
        recorder,
        runtime: tokio::runtime::Handle::current(),
    };
    let threads = start(driver, worker, files).unwrap();
    (node, threads)
}

/// Where its peers' messages come in.
pub(in crate::node) fn inbox_of(threads: &Threads) -> &Inbox {
    &threads.inbox
}

fn put(key: &'static str) -> Command {
    Put::new(key, "value").into()
}

const PATIENT: WriteOptions = WriteOptions { timeout: DEADLINE, forward: true };

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_applied_and_a_read_sees_it() {
    let (node, threads) = founded(SimDisk::new()).await;
    let written = node.write(put("a"), PATIENT).await.unwrap();
    assert!(written.log_id.index.0 > 1, "entry 1 is the founding one");
    node.read_barrier(DEADLINE).await.unwrap();
    let (found, _) = node.store().get(b"a", None).unwrap();
    assert_eq!(found.unwrap().value, Bytes::from("value"));
    threads.stop(DEADLINE).unwrap();
}

/// The next events of somebody who looks.
async fn told(reader: &mut Reader) -> Vec<Value> {
    let text = tokio::time::timeout(DEADLINE, reader.next()).await.unwrap().unwrap();
    let envelope: Value = serde_json::from_slice(&text).unwrap();
    envelope["events"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_looks_is_told_what_becomes_of_a_write() {
    let (node, threads) = founded(SimDisk::new()).await;
    let visit = Visit::of(&node, Shown::Nothing).await.unwrap();
    let mut reader = Reader::begin(visit, Seen::now(&node)).unwrap();
    let deadline = Instant::now() + DEADLINE;
    let is_state =
        |event: &Value| event["kind"] == "state" && event["members"][0]["role"] == "leader";
    while !told(&mut reader).await.iter().any(is_state) {
        assert!(Instant::now() < deadline, "nobody is told who leads");
    }
    // Keys are told from a turn on that nobody outside sees.
    while !told(&mut reader).await.iter().any(|event| event["kind"] == "key") {
        assert!(Instant::now() < deadline, "nobody is told of keys");
        node.write(put("before"), PATIENT).await.unwrap();
    }
    let lifetime = PutLifetime::TtlMs(50);
    let written = node.write(Put { lifetime, ..Put::new("a", "value") }.into(), PATIENT).await;
    let index = written.unwrap().log_id.index.0;
    let mut all = Vec::new();
    while !all.iter().any(|event: &Value| event["op"] == "expire") {
        assert!(Instant::now() < deadline, "nobody is told of the expiry: {all:?}");
        all.extend(told(&mut reader).await);
    }
    let reaches = |kind: &str, field: &str| {
        let found = all.iter().position(|event| event["kind"] == kind && event[field] == index);
        found.unwrap_or_else(|| panic!("no {kind}: {all:?}"))
    };
    let order = [
        reaches("appended", "last"),
        reaches("acknowledged", "index"),
        reaches("committed", "index"),
        reaches("applied", "index"),
    ];
    assert!(order.is_sorted(), "{order:?}: {all:?}");
    let keys: Vec<&Value> = all.iter().filter(|event| event["key"] == "a").collect();
    let [put, expired] = keys[..] else { panic!("{keys:?}") };
    assert_eq!((&put["op"], &put["bytes"], &put["version"]), (&"put".into(), &5.into(), &1.into()));
    let lived_us = put["expires_us"].as_u64().unwrap() - put["t_us"].as_u64().unwrap();
    // The age of the cluster is as of the last turn, which may have been a while ago.
    assert!(u128::from(lived_us) < DEADLINE.as_micros(), "{lived_us}");
    assert_eq!((&expired["op"], &expired["version"]), (&"expire".into(), &0.into()));
    threads.stop(DEADLINE).unwrap();
}

/// BUGS row 8: an error of the disk is never acknowledged over, and ends the member.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_fails_ends_the_member_and_acknowledges_nothing_more() {
    let disk = SimDisk::new();
    let (node, mut threads) = founded(disk.clone()).await;
    node.write(put("a"), PATIENT).await.unwrap();
    disk.fail_at(1, Fault::Error);
    // Housekeeping may be struck first: either way nothing is acknowledged from here on.
    let outcome = node.write(put("b"), PATIENT).await;
    assert!(
        matches!(outcome, Err(Failure::Unknown | Failure::Unavailable)),
        "it may be in the log, but nobody knows: {outcome:?}"
    );
    let failed = tokio::time::timeout(DEADLINE, threads.failed()).await.unwrap();
    let Failed::Stopped(reason) = failed else { panic!("{failed:?}") };
    assert!(reason.contains("the log failed"), "{reason}");
    assert_eq!(node.write(put("c"), PATIENT).await, Err(Failure::Unavailable));
    threads.stop(DEADLINE).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_stop_requests_fail_at_once() {
    let (node, threads) = founded(SimDisk::new()).await;
    node.write(put("a"), PATIENT).await.unwrap();
    threads.stop(DEADLINE).unwrap();
    assert_eq!(node.read_barrier(DEADLINE).await, Err(Failure::Unavailable));
}

/// Whoever waits for the threads must not wait for one that nobody tells to end.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_thread_that_panics_ends_the_member() {
    let (node, mut threads) = founded(SimDisk::new()).await;
    // Batches are numbered from 1 on: our own log thread would never say this.
    threads.inbox.notify(Input::Log(LogReply::Persisted(raft::PersistNumber(0))));
    let failed = tokio::time::timeout(DEADLINE, threads.failed()).await.unwrap();
    let Failed::Stopped(reason) = failed else { panic!("{failed:?}") };
    assert!(reason.contains("has panicked"), "{reason}");
    assert_eq!(node.write(put("a"), PATIENT).await, Err(Failure::Unavailable));
    assert_eq!(threads.stop(DEADLINE), Ok(()), "the others have ended");
}

/// A thread of this name that ends when the test says so, as one does whose disk hangs.
fn hanging(name: &str, alive: &Alive) -> (JoinHandle<()>, SyncSender<()>) {
    let (release, released) = sync_channel(1);
    let alive = alive.clone();
    let thread = std::thread::Builder::new().name(name.to_owned());
    let handle = thread.spawn(move || {
        let _alive = alive;
        let _told = released.recv();
    });
    (handle.unwrap(), release)
}

#[test]
fn a_disk_that_hangs_holds_up_a_stop_for_a_while_only() {
    for (name, holds_up_the_log) in [("log", true), (SNAPSHOTS, false)] {
        let (alive, all_ended) = sync_channel(0);
        let (hung, release) = hanging(name, &alive);
        let (sound, go_on) = hanging("replica", &alive);
        drop(alive);
        go_on.send(()).unwrap();
        while !sound.is_finished() {
            std::thread::yield_now();
        }
        let (_, ended) = oneshot::channel();
        let handles = vec![hung, sound];
        let threads = Threads { inbox: Inbox::new(), ended, handles, all_ended };
        let left = threads.stop(Duration::from_millis(50)).unwrap_err();
        assert_eq!(left.threads, [name]);
        assert_eq!(left.holds_up_the_log(), holds_up_the_log);
        drop(release);
    }
}

#[tokio::test]
async fn what_is_refused_for_want_of_room_is_counted() {
    let status = Arc::new(StatusBoard::new(about()));
    status.configured(Arc::new(configuration()));
    status.running();
    let inbox = Inbox::new();
    let node = Node::new(Arc::clone(&inbox), status, Store::new().reader());
    for _ in 0..REQUESTS_MAX {
        let (answer, _) = oneshot::channel();
        inbox.submit(Request::ReadBarrier, DEADLINE, answer).unwrap();
    }
    assert_eq!(node.read_barrier(DEADLINE).await, Err(Failure::Overloaded));
    assert_eq!(node.counters().overloaded.load(Ordering::Relaxed), 1);
}
