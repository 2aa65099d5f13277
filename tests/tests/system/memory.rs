//! Memory that is full, and a past that takes too much of it: growing writes are refused for
//! certain, everything else goes on, nobody dies, and it lifts by itself (rule 11.2). The limit is
//! the members' own (`--memory-limit`): no control group is needed.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use system_tests::cluster::Cluster;
use system_tests::wait;

const LIMIT: &str = "12MiB";
const LIMIT_BYTES: u64 = 12 << 20;

/// What a process may take beside the state: its program, threads, the log's newest part (16 MiB
/// at most), and what the allocator keeps.
const BESIDE_BYTES: u64 = 160 << 20;

/// A value of 32 KiB.
fn large() -> String {
    format!("{{\"value\":\"{}\"}}", "x".repeat(32 << 10))
}

/// Puts keys of 32 KiB, through each member in turn, until one is refused; answers the keys that
/// were acknowledged.
fn fill(cluster: &Cluster, name: &str, most: usize) -> BTreeSet<String> {
    let (mut acknowledged, body) = (BTreeSet::new(), large());
    for number in 0..most {
        let member = number % cluster.numbers().count();
        let key = format!("{name}-{number:05}");
        let answer = cluster.http(member).request("PUT", &format!("/kv/{key}"), &body).unwrap();
        match (answer.status, answer.code().as_str()) {
            (200, _) => assert!(acknowledged.insert(key)),
            (507, "no_space") => {
                let message = answer.json()["message"].as_str().unwrap().to_owned();
                assert!(message.contains("memory"), "{message}");
                return acknowledged;
            }
            (status, code) => panic!("{key}: {status} {code}"),
        }
    }
    panic!("{most} keys of 32 KiB were taken");
}

/// Every key is there, through every member.
fn check(cluster: &Cluster, keys: &BTreeSet<String>) {
    for number in cluster.numbers() {
        let mut http = cluster.http(number);
        for key in keys {
            let answer = http.get(&format!("/kv/{key}"));
            let length = answer.json()["value"].as_str().map(str::len);
            assert_eq!(length, Some(32 << 10), "{key} through {number}");
        }
    }
}

#[test]
fn full_memory_refuses_what_grows_and_lifts_by_itself_and_nobody_dies() {
    let mut cluster = Cluster::prepare_with(3, 0, &["--memory-limit", LIMIT]);
    cluster.start_all();
    cluster.leader();
    let mut keys = fill(&cluster, "first", 1_000);
    assert!((250..=360).contains(&keys.len()), "{} keys are 90 % of {LIMIT}", keys.len());
    for number in cluster.numbers() {
        let memory = &cluster.status(number)["memory"];
        assert_eq!(memory["limit_bytes"], LIMIT_BYTES);
        assert!(memory["used_bytes"].as_u64().unwrap() < LIMIT_BYTES, "{memory}");
        let resident = cluster.member(number).resident_bytes();
        assert!(resident < LIMIT_BYTES + BESIDE_BYTES, "{number} takes {resident} bytes");
    }
    wait::until_true("an alarm says so", || {
        let alarms = cluster.status(0)["alarms"].clone();
        alarms.as_array().unwrap().iter().any(|alarm| alarm["alarm"] == "no_memory")
    });
    check(&cluster, &keys);

    // A member that starts over has no more than the others.
    let leader = cluster.leader();
    let victim = cluster.others(leader)[0];
    cluster.restart(victim);
    wait::until_true("it serves again", || {
        let answer = cluster.http(victim).request("GET", "/kv/first-00000", "");
        answer.is_ok_and(|answer| answer.status == 200)
    });

    let half: Vec<String> = keys.iter().take(keys.len() / 2).cloned().collect();
    for key in half {
        let answer = cluster.http(0).request("DELETE", &format!("/kv/{key}"), "").unwrap();
        assert_eq!((answer.status, &answer.json()["deleted"]), (200, &json!(1)), "{key}");
        keys.remove(&key);
    }
    wait::until_true("it is lifted", || {
        let answer = cluster.http(0).request("PUT", "/kv/small", "{\"value\":\"v\"}").unwrap();
        assert!(matches!(answer.status, 200 | 507), "{}", answer.status);
        answer.status == 200
    });
    // What a member shows of itself is a moment old.
    wait::until_true("memory is what limits the past", || {
        cluster.status(0)["history"]["limited_by"] == "memory"
    });
    keys.extend(fill(&cluster, "second", 1_000));
    check(&cluster, &keys);
    for number in cluster.numbers() {
        assert_eq!(cluster.http(number).get("/livez").status, 200, "nobody died");
    }
}

fn history(cluster: &Cluster, number: usize) -> Value {
    cluster.status(number)["history"].clone()
}

#[test]
fn a_past_that_takes_too_much_is_given_up_and_who_is_behind_is_told_so() {
    let mut cluster = Cluster::prepare_with(3, 0, &["--history-bytes", "64KiB"]);
    cluster.start_all();
    let leader = cluster.leader();
    let mut http = cluster.http(leader);
    wait::until_true("the flags seed the settings", || {
        let settings = http.get("/cluster/settings").json();
        settings["history_bytes"] == 64 << 10 && settings["changed_index"] != 0
    });
    let body = format!("{{\"value\":\"{}\"}}", "x".repeat(1_000));
    for number in 0..400 {
        let answer = http.request("PUT", &format!("/kv/{}", number % 7), &body).unwrap();
        assert_eq!(answer.status, 200);
    }
    for number in cluster.numbers() {
        wait::until_true("the past is within its bounds", || {
            let history = history(&cluster, number);
            let bytes = history["bytes"].as_u64().unwrap();
            history["limited_by"] == "bytes" && bytes <= 64 << 10
        });
    }
    let oldest = history(&cluster, leader)["oldest_revision"].as_u64().unwrap();
    assert!(oldest > 300, "{oldest}");
    for number in cluster.numbers() {
        let mut http = cluster.http(number);
        let refused = http.request("GET", "/watch?prefix=&from_revision=2", "").unwrap();
        assert_eq!((refused.status, refused.code().as_str()), (410, "compacted"));
        assert_eq!(refused.json()["oldest"], oldest, "through {number}");
        let read = http.request("GET", "/kv/1?revision=2", "").unwrap();
        assert_eq!((read.status, read.code().as_str()), (410, "compacted"));
        assert_eq!(http.get("/kv/1").json()["value"], "x".repeat(1_000));
    }

    // Flags that differ count for nothing any more; a change counts at once, everywhere.
    let mut http = cluster.http(leader);
    let change = "{\"history_bytes\": 1048576}";
    let answer = http.request("PATCH", "/cluster/settings", change).unwrap();
    assert_eq!((answer.status, &answer.json()["history_bytes"]), (200, &json!(1 << 20)));
    let victim = cluster.others(leader)[0];
    cluster.restart(victim);
    wait::until_true("it says which settings count", || {
        cluster.member(victim).log().contains("the cluster has other settings")
    });
    let settings = cluster.http(victim).get("/cluster/settings").json();
    assert_eq!(settings["history_bytes"], 1 << 20);
}
