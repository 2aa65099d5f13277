//! `raftkv bench` against three real members: what it says was done is what the store then holds.

use serde_json::{Value, json};
use system_tests::cluster::Cluster;
use system_tests::ports::Ports;
use system_tests::program::{self, Ended};

/// Few enough to be quick, and more than clients.
const KEYS: u64 = 300;
const VALUE_BYTES: u64 = 64;

/// `prefix` and twelve digits.
const KEY_BYTES: u64 = 2 + 12;

fn bench(cluster: &Cluster, line: &str) -> Ended {
    let endpoints: Vec<String> =
        cluster.ports().iter().map(|port| format!("localhost:{port}")).collect();
    let endpoints = endpoints.join(",");
    let words = ["bench"].into_iter().chain(line.split_whitespace());
    let words = words.chain(["--prefix", "b/", "--timeout", "30s", "--endpoints", &endpoints]);
    program::run(cluster.directory(), &words.collect::<Vec<_>>())
}

/// The figures of a load that went well.
fn figures(cluster: &Cluster, line: &str) -> Value {
    let line = format!("{line} --value-bytes {VALUE_BYTES} --warm-up 0 --connections 3 -o json");
    let ended = bench(cluster, &line);
    assert_eq!(ended.code, Some(0), "{line}: {ended:?}");
    let figures: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(figures["errors"], json!({}), "{line}: {figures}");
    let latency = &figures["total"]["latency_us"];
    let at = |name: &str| latency[name].as_u64().unwrap();
    assert!(0 < at("p50") && at("p50") <= at("p99") && at("p99") <= at("max"), "{latency}");
    figures
}

fn operations(figures: &Value, of: &str) -> u64 {
    figures["by_operation"][of]["operations"].as_u64().unwrap_or_default()
}

fn revision(cluster: &Cluster) -> u64 {
    cluster.http(0).get("/kv?count_only=true").json()["revision"].as_u64().unwrap()
}

#[test]
fn puts_that_were_counted_are_in_the_store() {
    let cluster = Cluster::start(3);
    let before = revision(&cluster);
    let written =
        figures(&cluster, &format!("put --sequential --count {KEYS} --keys {KEYS} --clients 20"));
    assert_eq!((&written["load"], operations(&written, "put")), (&json!("put"), KEYS));
    assert_eq!(written["total"]["bytes_written"], KEYS * (KEY_BYTES + VALUE_BYTES));
    let contents = cluster.contents(1, None);
    assert_eq!((contents.revision, contents.keys.len() as u64), (before + KEYS, KEYS));
    let first = &contents.keys["b/000000000000"];
    assert_eq!(first.version, 1, "each key was written once");

    // As many as the store made revisions of, for a time and at a rate that is not met exactly.
    let timed = figures(&cluster, "put --seconds 1 --keys 50 --clients 4 --clean");
    assert_eq!(revision(&cluster), before + KEYS + operations(&timed, "put") + 1, "and a removal");
    assert!(cluster.contents(2, None).keys.is_empty(), "--clean leaves nothing");
}

#[test]
fn reads_that_were_counted_found_what_was_there() {
    let cluster = Cluster::start(3);
    let size = KEY_BYTES + VALUE_BYTES;
    let common = format!("--keys {KEYS} --clients 10 --count 200");
    let read = figures(&cluster, &format!("get {common}"));
    assert_eq!((operations(&read, "get"), &read["total"]["bytes_read"]), (200, &json!(200 * size)));
    assert_eq!(cluster.contents(0, None).keys.len() as u64, KEYS, "they were written for it");
    let filled = revision(&cluster);
    let stale = figures(&cluster, &format!("get {common} --stale --filled"));
    assert_eq!(operations(&stale, "get"), 200);
    let ranges = figures(&cluster, &format!("range --limit 20 {common} --filled"));
    assert_eq!(ranges["total"]["bytes_read"], 200 * 20 * size);
    assert_eq!(revision(&cluster), filled, "reads write nothing");

    let mixed = figures(&cluster, &format!("mixed --reads-percent 50 {common} --filled"));
    let (gets, puts) = (operations(&mixed, "get"), operations(&mixed, "put"));
    assert!(gets > 0 && puts > 0 && gets + puts == 200, "{mixed}");
    assert_eq!(revision(&cluster), filled + puts);
    let txns = figures(&cluster, &format!("txn {common}"));
    assert_eq!((operations(&txns, "txn"), revision(&cluster)), (200, filled + puts + 200));

    let missing = bench(&cluster, "get --filled --keys 301");
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.stderr.contains("there are 300 keys under the prefix, not 301"), "{missing:?}");
}

#[test]
fn every_watcher_sees_every_put_and_a_rate_is_kept() {
    let cluster = Cluster::start(3);
    let before = revision(&cluster);
    let watched = figures(&cluster, "watch --watchers 7 --rate 100 --count 30");
    assert_eq!((operations(&watched, "put"), operations(&watched, "event")), (30, 7 * 30));
    assert_eq!(&watched["total"], &watched["by_operation"]["event"]);
    assert_eq!(revision(&cluster), before + 30);

    let paced = figures(&cluster, "put --rate 50 --count 40 --keys 10 --clients 40");
    assert_eq!((operations(&paced, "put"), &paced["rate"]), (40, &json!(50)));
    assert!(paced["seconds"].as_f64().unwrap() >= 0.8, "40 are due in 0.8 s: {paced}");
    assert_eq!(revision(&cluster), before + 30 + 40);
}

#[test]
fn if_nobody_answers_the_exit_code_is_3() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader();
    cluster.kill(cluster.others(leader));
    let line = "put --count 3 --clients 3 --connections 3 --warm-up 0 --timeout 1s -o json";
    let port = cluster.ports()[leader];
    let run = |port: u16| {
        let endpoint = format!("localhost:{port}");
        let words = ["bench"].into_iter().chain(line.split_whitespace());
        let words: Vec<&str> = words.chain(["--endpoints", &endpoint]).collect();
        program::run(cluster.directory(), &words)
    };
    let alone = run(port);
    assert_eq!((alone.code, alone.stdout.as_str()), (Some(3), ""), "{alone:?}");
    assert!(alone.stderr.contains("not one operation was answered well"), "{alone:?}");
    let free = Ports::in_a_row(1);
    let nobody = run(free.numbers()[0]);
    assert_eq!(nobody.code, Some(3), "{nobody:?}");
    assert!(nobody.stderr.contains("nobody answers"), "{nobody:?}");
}
