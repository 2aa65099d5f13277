//! Elections and locks of the client library, against a member in the same process.

#![allow(clippy::unwrap_used, reason = "what a test can not go on without")]

use std::path::PathBuf;
use std::time::Duration;

use client::{Client, LeaseId, LockError, LockOptions, Operation, Options, Txn, TxnResult};
use server::Server;
use server::config::Raw;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(30);

/// A directory that goes when the test ends.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left over is in the directory for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A member alone, until its sender is dropped, and a client of it.
async fn alone(name: &str) -> (Client, oneshot::Sender<()>, Scratch) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let path = std::env::temp_dir().join(format!("raftkv-{name}-{}", std::process::id()));
    let scratch = Scratch(path.clone());
    let config = Raw {
        port: Some(port),
        data_dir: Some(path),
        wal_segment_bytes: Some(4 << 20),
        ..Raw::default()
    };
    let server = Server::open(config.resolve().unwrap()).await.unwrap();
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let endpoint = format!("localhost:{port}").parse().unwrap();
    let options = Options { timeout: DEADLINE, ..Options::default() };
    (Client::new(vec![endpoint], options), stop, scratch)
}

fn with_value(value: &'static str) -> LockOptions {
    LockOptions { value: value.into(), ..LockOptions::default() }
}

/// The name of the lease that a key is attached to.
fn lease_of(key: &[u8]) -> LeaseId {
    let name = str::from_utf8(key).unwrap().rsplit_once('/').unwrap().1;
    LeaseId(i64::from_str_radix(name, 16).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_leads_at_a_time_and_everybody_sees_who() {
    let (client, _stop, _scratch) = alone("elections").await;
    let election = client.election("office");
    let mut observer = election.observe();
    assert_eq!(election.leader().await.unwrap(), None);

    let first = election.campaign(with_value("first")).await.unwrap();
    assert_eq!(observer.next().await.unwrap().value, "first");
    let (of_second, value) = (election.clone(), with_value("second"));
    let second = tokio::spawn(async move { of_second.campaign(value).await });
    first.proclaim("first, still").await.unwrap();
    assert_eq!(observer.next().await.unwrap().value, "first, still");
    let found = election.leader().await.unwrap().unwrap();
    assert_eq!((&found.key, found.create_revision), (first.key(), first.token()));
    let first_token = first.token();
    first.resign().await.unwrap();

    let second = timeout(DEADLINE, second).await.unwrap().unwrap().unwrap();
    assert!(second.token() > first_token, "{:?}", second.token());
    assert_eq!(observer.next().await.unwrap().value, "second");

    client.revoke(lease_of(second.key())).await.unwrap();
    assert_eq!(second.proclaim("me").await, Err(LockError::Lost));
    timeout(DEADLINE, second.lost()).await.unwrap();
    assert_eq!(second.resign().await, Err(LockError::Lost));
    assert_eq!(election.leader().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gives_up_waiting_leaves_the_queue_and_the_order_is_that_of_arrival() {
    let (client, _stop, _scratch) = alone("locks").await;
    let held = client.lock("l", LockOptions::default()).await.unwrap();
    let impatient = LockOptions { wait: Some(Duration::from_millis(50)), ..Default::default() };
    assert_eq!(client.lock("l", impatient).await.unwrap_err(), LockError::TimedOut);
    let left = Txn::new().then(Operation::get(held.key().clone()));
    let left = client.txn(&left).await.unwrap();
    assert!(matches!(&left.results.unwrap()[..], [TxnResult::Got { count: 1, .. }]));
    assert_eq!(client.leases(None, Default::default()).await.unwrap().len(), 1);

    // Each queues up once the one before it has.
    let mut waiting = Vec::new();
    for number in 1..=3 {
        let of_task = client.clone();
        waiting.push(tokio::spawn(async move { of_task.lock("l", LockOptions::default()).await }));
        let queued = async {
            while client
                .leases(None, Default::default())
                .await
                .unwrap()
                .iter()
                .map(|l| l.keys)
                .sum::<u64>()
                < 1 + number
            {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, queued).await.unwrap();
    }
    let mut last = held.token();
    held.unlock().await.unwrap();
    for next in waiting {
        let lock = timeout(DEADLINE, next).await.unwrap().unwrap().unwrap();
        assert!(lock.token() > last, "tokens grow in the order of arrival");
        last = lock.token();
        lock.unlock().await.unwrap();
    }
}
