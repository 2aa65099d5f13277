//! The queue of a lock, as one meets it under too much load.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proto::etcd::etcdserverpb::LeaseGrantRequest;
use proto::etcd::etcdserverpb::lease_client::LeaseClient;
use proto::etcd::v3lockpb::LockRequest;
use proto::etcd::v3lockpb::lock_client::LockClient;
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;

use super::world::connected;
use crate::node::{Node, testing};

const DEADLINE: Duration = Duration::from_secs(20);

/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_millis(5);

async fn lease(channel: &Channel, id: i64) -> i64 {
    let mut client = LeaseClient::new(channel.clone());
    client.lease_grant(LeaseGrantRequest { id, ttl: 60 }).await.unwrap().into_inner().id
}

/// Whether the key stands in the queue.
fn is_there(node: &Node, key: &[u8]) -> bool {
    node.store().get(key, None).unwrap().0.is_some()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(LOOK_EVERY).await;
    }
}

/// Whoever goes away while it waits would stand in the others' way until its lease is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_takes_its_key_along_though_the_member_is_busy() {
    let busy = Arc::new(AtomicUsize::new(0));
    let node = testing::single_but_busy(Arc::clone(&busy));
    let channel = connected(node.clone()).await;
    let lock = |lease| LockRequest { name: "l".into(), lease };
    let (first, second) = (lease(&channel, 7).await, lease(&channel, 8).await);
    LockClient::new(channel.clone()).lock(lock(first)).await.unwrap();
    let waiting = tokio::spawn({
        let mut client = LockClient::new(channel.clone());
        async move { client.lock(lock(second)).await }
    });
    // It watches who is before it only once it knows that its key is there.
    until("it waits", || node.watches().counts().watchers > 0).await;
    assert!(is_there(&node, b"l/8"));
    busy.store(1, Ordering::SeqCst);
    waiting.abort();
    until("it was refused once", || busy.load(Ordering::SeqCst) == 0).await;
    until("it has left", || !is_there(&node, b"l/8")).await;
    assert!(is_there(&node, b"l/7"), "who holds the lock goes on");
    until("nobody waits", || node.watches().counts().watchers == 0).await;
    let third = lease(&channel, 9).await;
    let waiting = tokio::spawn(async move { LockClient::new(channel).lock(lock(third)).await });
    until("the third waits", || node.watches().counts().watchers > 0).await;
    assert!(!waiting.is_finished(), "it has its turn after the first");
}
