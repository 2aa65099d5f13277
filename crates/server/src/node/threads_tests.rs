//! A cluster of one on a disk in memory: the threads alone, without sockets.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use disk::{Fault, SimDisk};
use raft::MemberId;
use replica::{Configuration, Failure, LogOptions, Member, Recovered, Replica, Request, open_log};
use store::{Command, Store};

use super::*;
use crate::node::inbox::REQUESTS_MAX;
use crate::node::{About, Clock, LogQueue, Node, Outboxes, WriteOptions};

const DEADLINE: Duration = Duration::from_secs(20);
const ID: MemberId = MemberId(5);

fn configuration() -> Configuration {
    let member = Member { incarnation: 1, name: "one".into(), address: "localhost:1".into() };
    Configuration { cluster_id: 9, members: [(ID, member)].into() }
}

fn about() -> About {
    About {
        id: ID,
        name: "one".to_owned(),
        address: "localhost:1".to_owned(),
        incarnation: 1,
        version: "test",
        unsafe_no_fsync: false,
    }
}

/// A member that has just founded its cluster of one, and leads it.
async fn founded(disk: SimDisk) -> (Node, Threads) {
    let options = LogOptions { segment_bytes: 64 << 10, ..LogOptions::default() };
    disk::Disk::create_dir_all(&disk, Path::new("/wal")).unwrap();
    let (mut worker, recovered) = open_log(disk, Path::new("/wal"), options, 1 << 20).unwrap();
    let restored = worker.found(&configuration(), 0).unwrap();
    let recovered = Recovered { restored, ..recovered };
    let defaults = raft::Config::new(ID, [ID].into(), 7);
    let config = raft::Config { heartbeat_ms: 10, election_timeout_ms: 100, ..defaults };
    let (store, clock, inbox) = (Store::new(), Clock::start(), Inbox::new());
    let status = Arc::new(StatusBoard::new(about()));
    status.running(Arc::new(configuration()));
    let node = Node::new(Arc::clone(&inbox), Arc::clone(&status), store.reader());
    let replica = Replica::new(config, configuration(), recovered, store, clock.now());
    let log = Arc::new(LogQueue::default());
    let outboxes = Outboxes::new(BTreeMap::new());
    let driver = Driver { replica, clock, inbox, log, outboxes, status };
    let threads = start(driver, worker).unwrap();
    let deadline = Instant::now() + DEADLINE;
    while node.status().leader() != Some(ID) {
        assert!(Instant::now() < deadline, "it does not lead in time");
        tokio::task::yield_now().await;
    }
    (node, threads)
}

fn put(key: &'static str) -> Command {
    Command::Put { key: Bytes::from(key), value: Bytes::from("value"), prev_kv: false }
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
    threads.stop();
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
    let reason = tokio::time::timeout(DEADLINE, threads.failed()).await.unwrap();
    assert!(reason.contains("the log failed"), "{reason}");
    assert_eq!(node.write(put("c"), PATIENT).await, Err(Failure::Unavailable));
    threads.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_stop_requests_fail_at_once() {
    let (node, threads) = founded(SimDisk::new()).await;
    node.write(put("a"), PATIENT).await.unwrap();
    threads.stop();
    assert_eq!(node.read_barrier(DEADLINE).await, Err(Failure::Unavailable));
}

/// Whoever waits for the threads must not wait for one that nobody tells to end.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_thread_that_panics_ends_the_member() {
    let (node, mut threads) = founded(SimDisk::new()).await;
    // Batches are numbered from 1 on: our own log thread would never say this.
    threads.inbox.notify(Input::Log(LogReply::Persisted(raft::PersistNumber(0))));
    let reason = tokio::time::timeout(DEADLINE, threads.failed()).await.unwrap();
    assert!(reason.contains("has panicked"), "{reason}");
    assert_eq!(node.write(put("a"), PATIENT).await, Err(Failure::Unavailable));
    let (stopped, has_stopped) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        threads.stop();
        stopped.send(())
    });
    has_stopped.recv_timeout(DEADLINE).expect("both threads have ended");
}

#[tokio::test]
async fn what_is_refused_for_want_of_room_is_counted() {
    let status = Arc::new(StatusBoard::new(about()));
    status.running(Arc::new(configuration()));
    let inbox = Inbox::new();
    let node = Node::new(Arc::clone(&inbox), status, Store::new().reader());
    for _ in 0..REQUESTS_MAX {
        let (answer, _) = oneshot::channel();
        inbox.submit(Request::ReadBarrier, DEADLINE, answer).unwrap();
    }
    assert_eq!(node.read_barrier(DEADLINE).await, Err(Failure::Overloaded));
    assert_eq!(node.counters().overloaded.load(Ordering::Relaxed), 1);
}
