//! The same requests to a real etcd and to raftkv: the answers are the same.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

mod asked;

use asked::{auth, cluster, contest, gateway, keys, leases, random, ranges, transactions, watches};
use compat::ask::Ask;
use compat::pair::Pair;

/// So many requests are written down here, at least.
const SCRIPTED_MIN: usize = 400;

/// Requests that a seed decides.
const RANDOM_REQUESTS: usize = 3_000;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_down_is_answered_alike() {
    let mut pair = Pair::start().await;
    pair.ask_all(keys::script()).await;
    pair.ask_all(ranges::script()).await;
    pair.ask_all(transactions::script()).await;
    pair.ask_all(leases::script()).await;
    pair.ask_all(contest::script()).await;
    pair.ask_all(cluster::script()).await;
    for watching in watches::script() {
        pair.watch(watching).await;
    }
    // What gives up the past comes last.
    pair.ask_all(keys::compaction()).await;
    for watching in watches::of_the_compacted() {
        pair.watch(watching).await;
    }
    let asked = pair.asked();
    println!("{asked} requests");
    assert!(asked >= SCRIPTED_MIN, "only {asked} requests");
    pair.assert_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_told_alike() {
    let mut pair = Pair::start().await;
    auth::ask_all(&mut pair).await;
    println!("{} requests", pair.asked());
    pair.assert_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_answered_alike() {
    let mut pair = Pair::start().await;
    for (path, body) in gateway::script() {
        pair.post(path, body);
    }
    for (path, body) in gateway::broken() {
        for told in pair.ports().map(|port| compat::gateway::post(port, path, body)) {
            assert_eq!((told.status, &told.body["code"]), (400, &3.into()), "{path} {body}");
        }
    }
    pair.assert_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_chance_asks_is_answered_alike() {
    let seed = std::env::var("COMPAT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("COMPAT_SEED={seed}");
    let mut pair = Pair::start().await;
    let requests: Vec<Ask> = random::Chance::of(seed).take(RANDOM_REQUESTS).collect();
    pair.ask_all(requests).await;
    pair.assert_equal();
}

#[test]
fn every_difference_that_is_meant_is_published() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/etcd.md");
    let page = std::fs::read_to_string(page).unwrap();
    for name in compat::known::names() {
        assert!(page.contains(&format!("`{name}`")), "docs/etcd.md does not tell of {name}");
    }
}
