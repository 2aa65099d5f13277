//! Watches that are waited for.

use std::time::Duration;

use replica::{Unserved, WatchEnd, WatchRefusal, WatchRequest};
use store::{KeyRange, Put, Revision};
use tokio::time::timeout;

use super::{
    ConnectionWatches, News, NotWatching, Notices, Subscription, WATCHERS_PER_CONNECTION_MAX,
};
use crate::node::{Node, WriteOptions, testing};

/// Nothing in these tests takes this long but by a fault.
const DEADLINE: Duration = Duration::from_secs(20);

/// No notice comes within the test.
const SILENT: Notices = Notices { quiet: DEADLINE, progress: false };

async fn put(node: &Node, key: &str) {
    let options = WriteOptions { timeout: DEADLINE, forward: true };
    node.write(Put::new(key.to_owned(), "v").into(), options).await.unwrap();
}

fn watch(node: &Node, prefix: &str, notices: Notices) -> Subscription {
    let request = WatchRequest::new(KeyRange::Prefix(prefix.to_owned().into()));
    node.watches().open(&request, &ConnectionWatches::default(), notices).unwrap()
}

async fn next(subscription: &mut Subscription) -> Result<News, WatchEnd> {
    timeout(DEADLINE, subscription.next()).await.expect("there are news in time")
}

async fn keys(subscription: &mut Subscription) -> Vec<String> {
    let News::Batch(batch) = next(subscription).await.unwrap() else { panic!("no batch") };
    let text = |key: &bytes::Bytes| String::from_utf8_lossy(key).into_owned();
    batch.events.iter().map(|event| text(event.key())).collect()
}

#[tokio::test]
async fn whoever_waits_is_told_when_it_happens() {
    let node = testing::single();
    let mut waiting = watch(&node, "a", SILENT);
    let told = tokio::spawn(async move { keys(&mut waiting).await });
    let mut later = watch(&node, "", SILENT);
    put(&node, "b").await;
    put(&node, "a/1").await;
    assert_eq!(told.await.unwrap(), ["a/1"]);
    assert_eq!(keys(&mut later).await, ["b"]);
    assert_eq!(keys(&mut later).await, ["a/1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_watch_beside_writers_are_told_everything_once() {
    const WATCHERS: usize = 50;
    const WRITERS: usize = 4;
    const WRITES: usize = 250;
    let node = testing::single();
    let watchers: Vec<_> = (0..WATCHERS)
        .map(|_| {
            let mut subscription = watch(&node, "", SILENT);
            tokio::spawn(async move {
                let mut revisions = Vec::new();
                while revisions.len() < WRITERS * WRITES {
                    let News::Batch(batch) = next(&mut subscription).await.unwrap() else {
                        panic!("no batch")
                    };
                    revisions.push(batch.revision.0);
                }
                revisions
            })
        })
        .collect();
    let writers = (0..WRITERS).map(|_| {
        let node = node.clone();
        tokio::spawn(async move {
            for number in 0..WRITES {
                put(&node, &format!("k{number}")).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let all: Vec<u64> = (2..2 + (WRITERS * WRITES) as u64).collect();
    for watcher in watchers {
        assert_eq!(watcher.await.unwrap(), all);
    }
}

#[tokio::test]
async fn quiet_times_are_told_and_progress_if_it_was_asked_for() {
    let node = testing::single();
    let quiet = Duration::from_millis(50);
    let mut plain = watch(&node, "a", Notices { quiet, progress: false });
    let mut asking = watch(&node, "a", Notices { quiet, progress: true });
    assert_eq!(next(&mut plain).await, Ok(News::Quiet));
    assert_eq!(next(&mut asking).await, Ok(News::Progress(Revision(1))));
    put(&node, "of no interest").await;
    while asking.progress() != Some(Revision(2)) {
        tokio::task::yield_now().await;
    }
    assert_eq!(next(&mut asking).await, Ok(News::Progress(Revision(2))));
    assert_eq!(next(&mut plain).await, Ok(News::Quiet));
}

#[tokio::test]
async fn a_member_that_stops_tells_those_who_wait() {
    let node = testing::single();
    let mut waiting = watch(&node, "a", SILENT);
    let told = tokio::spawn(async move { next(&mut waiting).await });
    let mut other = watch(&node, "a", SILENT);
    tokio::task::yield_now().await;
    node.watches().close();
    let end = Err(WatchEnd::Unserved(Unserved::Stopped));
    assert_eq!((told.await.unwrap(), next(&mut other).await), (end.clone(), end));
    let request = WatchRequest::new(KeyRange::all());
    let refused = node.watches().open(&request, &ConnectionWatches::default(), SILENT);
    let stopped = WatchRefusal::Unserved(Unserved::Stopped);
    assert_eq!(refused.unwrap_err(), NotWatching::Refused(stopped));
}

#[tokio::test]
async fn a_member_that_does_not_run_yet_serves_none() {
    let node = testing::waiting();
    let request = WatchRequest::new(KeyRange::all());
    let refused = node.watches().open(&request, &ConnectionWatches::default(), SILENT);
    let no_state = WatchRefusal::Unserved(Unserved::NoState);
    assert_eq!(refused.unwrap_err(), NotWatching::Refused(no_state));
}

#[tokio::test]
async fn a_connection_has_so_many_and_no_more() {
    let node = testing::single();
    let (connection, request) = (ConnectionWatches::default(), WatchRequest::new(KeyRange::all()));
    let open = || node.watches().open(&request, &connection, SILENT);
    let mut all: Vec<Subscription> =
        (0..WATCHERS_PER_CONNECTION_MAX).map(|_| open().unwrap()).collect();
    assert_eq!(open().unwrap_err(), NotWatching::TooManyOnConnection);
    assert_eq!(node.watches().counts().watchers, WATCHERS_PER_CONNECTION_MAX);
    all.pop();
    open().unwrap();
}
