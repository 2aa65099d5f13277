//! The version before and this one, in one cluster and on each other's data: what was acknowledged
//! by either is there whichever runs, forwards and back. `cargo xtask test upgrade` builds the
//! earlier one.
//!
//! Tested is what both have. Both have all of this: keys with a past, leases, times to live, users,
//! snapshots between members, backups. What only this version has (feature levels, `member drain`)
//! is tested for what it means beside the earlier one: it waits, and is refused by name.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use system_tests::cluster::Cluster;
use system_tests::ledger::Ledger;
use system_tests::load::Load;
use system_tests::program::{self, Ended};
use system_tests::wait;

/// Small, so that logs are cut and snapshots written by each version for the other.
const SETTINGS: [&str; 2] = ["--snapshot-bytes", "65536"];

/// Which version runs a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Old,
    New,
}

use Version::{New, Old};

impl Version {
    fn program(self) -> PathBuf {
        match self {
            Old => program::old_path(),
            New => program::path(),
        }
    }
}

/// Three members of these versions.
fn started(versions: [Version; 3]) -> Cluster {
    let mut cluster = Cluster::prepare_with(3, 0, &SETTINGS);
    for (number, version) in versions.into_iter().enumerate() {
        cluster.member(number).run_by(&version.program());
    }
    cluster.start_all();
    cluster.leader();
    cluster
}

/// Stops a member in good order, and starts it again as that version; until it has caught up.
fn change_version(cluster: &mut Cluster, number: usize, version: Version) {
    cluster.stop(number);
    cluster.member(number).run_by(&version.program());
    cluster.member(number).start();
    let leader = cluster.leader();
    let commit = cluster.status(leader)["log"]["commit"].as_u64().unwrap();
    wait::until_true("it has caught up", || {
        cluster.status(number)["log"]["applied"].as_u64() >= Some(commit)
    });
}

/// A request that is done, whatever it takes: leaders may change meanwhile.
fn done(cluster: &Cluster, by: usize, method: &str, target: &str, body: &Value) -> Value {
    let mut http = cluster.http(by);
    let answer = http.request(method, target, &body.to_string()).unwrap();
    assert_eq!(answer.status, 200, "{method} {target}: {}", answer.body);
    answer.json()
}

/// Everything that both versions have, written through the member `by`: noted in the ledger are the
/// keys. Answers the lease.
fn populate(cluster: &Cluster, by: usize, name: &str, ledger: &mut Ledger) -> u64 {
    let lease = done(cluster, by, "POST", "/leases", &json!({ "ttl": 9_000 }))["lease"].as_u64();
    let lease = lease.unwrap();
    for (key, body) in [
        ("plain", json!({ "value": "1" })),
        ("timed", json!({ "value": "1", "ttl": 9_000 })),
        ("leased", json!({ "value": "1", "lease": lease })),
    ] {
        let key = format!("{name}/{key}");
        let put = done(cluster, by, "PUT", &format!("/kv/{key}"), &body);
        ledger.note(&key, "1", put["revision"].as_u64().unwrap());
    }
    done(cluster, by, "POST", "/users", &json!({ "name": name, "password": "secret" }));
    done(cluster, by, "POST", "/roles", &json!({ "name": name }));
    done(cluster, by, "PUT", &format!("/users/{name}/roles/{name}"), &json!({}));
    lease
}

/// What was written so is there, through every member.
fn check_populated(cluster: &Cluster, name: &str, lease: u64) {
    for number in cluster.numbers() {
        let get = |target: &str| {
            let answer = cluster.http(number).get(target);
            assert_eq!(answer.status, 200, "{target} by {number}: {}", answer.body);
            answer.json()
        };
        assert_eq!(get(&format!("/kv/{name}/leased"))["lease"], lease);
        assert!(get(&format!("/kv/{name}/timed"))["ttl_ms"].as_u64().unwrap() > 8_000_000);
        assert_eq!(get(&format!("/leases/{lease}"))["ttl"], 9_000);
        assert_eq!(get(&format!("/users/{name}"))["roles"], json!([name]));
    }
}

/// A key that lives for a moment goes, whoever leads.
fn check_expiry(cluster: &Cluster, by: usize) {
    let key = format!("/kv/moment-{by}");
    done(cluster, by, "PUT", &key, &json!({ "value": "1", "ttl": 0.2 }));
    wait::until_true("its time is over", || cluster.http(by).get(&key).status == 404);
}

/// A command line of one version.
fn raftkv(version: Version, directory: &Path, arguments: &[&str]) -> Ended {
    let mut command = program::command_of(&version.program(), directory, arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The same to one member of a cluster.
fn asked(cluster: &Cluster, member: usize, arguments: &[&str]) -> Ended {
    let endpoint = format!("localhost:{}", cluster.ports()[member]);
    let all = [arguments, &["--endpoints", &endpoint]].concat();
    raftkv(New, cluster.directory(), &all)
}

#[test]
fn a_cluster_is_rolled_forward_and_back_under_load() {
    let mut cluster = started([Old; 3]);
    let mut ledger = Ledger::default();
    let old_lease = populate(&cluster, 0, "by-old", &mut ledger);
    let load = Load::start(&cluster);
    for number in cluster.numbers() {
        change_version(&mut cluster, number, New);
        load.go_on();
    }
    let new_lease = populate(&cluster, 1, "by-new", &mut ledger);
    check_populated(&cluster, "by-old", old_lease);
    let level = |cluster: &Cluster| cluster.status(0)["feature_level"].clone();
    assert_eq!(level(&cluster), 1, "all members may still go back");
    for number in cluster.numbers() {
        change_version(&mut cluster, number, Old);
        load.go_on();
    }
    ledger.append(load.stop());
    ledger.check(&cluster);
    check_populated(&cluster, "by-old", old_lease);
    check_populated(&cluster, "by-new", new_lease);
    check_expiry(&cluster, 0);

    // Stopped, either version finds no damage in what both have written; and this one goes on.
    for number in cluster.numbers() {
        cluster.stop(number);
        let data = cluster.member(number).data();
        for version in [Old, New] {
            let checked = raftkv(version, cluster.directory(), &["check", data.to_str().unwrap()]);
            assert_eq!(checked.code, Some(0), "{version:?}: {checked:?}");
        }
        cluster.member(number).run_by(&New.program());
    }
    cluster.start_all();
    cluster.leader();
    check_populated(&cluster, "by-new", new_lease);
    cluster.check_converged();
}

/// The leader is of one version; a member of the other gets a snapshot of it, and takes writes.
fn check_mixed(leader: Version, away: Version) {
    let mut cluster = started([leader, away, Old]);
    let mut ledger = Ledger::default();
    wait::until_true("the first member leads", || {
        let leader = cluster.leader();
        // Only the leader takes it, and it may change meanwhile.
        cluster.http(leader).request("POST", "/cluster/transfer", r#"{"to":"node-1"}"#).ok();
        cluster.leader() == 0
    });
    let leases: Vec<u64> = cluster
        .numbers()
        .map(|by| populate(&cluster, by, &format!("by-{by}"), &mut ledger))
        .collect();
    let drain = cluster.http(1).request("POST", "/cluster/members/node-3/drain", "").unwrap();
    if leader == New || away == New {
        let code = drain.code();
        assert!(["feature_level", "unknown_path"].contains(&code.as_str()), "{}", drain.body);
    }
    cluster.kill([1]);
    let load = Load::start(&cluster);
    wait::until_true("the log is cut", || {
        load.go_on();
        cluster.member(0).log().matches("wrote a snapshot").count() > 3
    });
    cluster.member(1).start();
    wait::until_true("it gets a snapshot", || {
        cluster.member(1).log().contains("received a snapshot")
    });
    load.go_on();
    ledger.append(load.stop());
    ledger.check(&cluster);
    for (by, lease) in leases.into_iter().enumerate() {
        check_populated(&cluster, &format!("by-{by}"), lease);
        check_expiry(&cluster, by);
    }
}

#[test]
fn an_old_leader_and_a_new_follower() {
    check_mixed(Old, New);
}

#[test]
fn a_new_leader_and_an_old_follower() {
    check_mixed(New, Old);
}

#[test]
fn a_backup_of_either_version_is_restored_by_the_other() {
    for (saved_by, restored_by) in [(Old, New), (New, Old)] {
        let mut cluster = Cluster::prepare_with(1, 0, &SETTINGS);
        cluster.member(0).run_by(&saved_by.program());
        cluster.start_all();
        cluster.leader();
        let lease = populate(&cluster, 0, "here", &mut Ledger::default());
        let expected = cluster.contents(0, None);
        let (file, directory) = (cluster.directory().join("backup"), cluster.directory());
        let file = file.to_str().unwrap();
        let endpoint = format!("localhost:{}", cluster.ports()[0]);
        let save = ["snapshot", "save", file, "--endpoints", &endpoint];
        let saved = raftkv(saved_by, directory, &save);
        assert_eq!(saved.code, Some(0), "{saved:?}");

        let mut new = Cluster::prepare(1);
        let data = new.member(0).data();
        let restore = ["snapshot", "restore", file, "--node-id", "node-1", "--data"];
        let port = new.ports()[0];
        let peers = format!("node-1=localhost:{port}");
        let whose = [data.to_str().unwrap(), "--peers", &peers];
        let restored = raftkv(restored_by, directory, &[&restore[..], &whose].concat());
        assert_eq!(restored.code, Some(0), "{restored:?}");
        new.member(0).run_by(&restored_by.program());
        new.start_all();
        new.leader();
        assert_eq!(new.contents(0, None).keys, expected.keys, "{saved_by:?} to {restored_by:?}");
        check_populated(&new, "here", lease);
    }
}

#[test]
fn once_the_level_is_raised_the_earlier_version_takes_no_part() {
    let mut cluster = started([New, New, Old]);
    let held = asked(&cluster, 0, &["member", "level", "--raise"]);
    assert_ne!(held.code, Some(0), "{held:?}");
    change_version(&mut cluster, 2, New);
    wait::until_true("every member has told what it knows", || {
        asked(&cluster, 0, &["member", "level", "--raise"]).code == Some(0)
    });
    assert_eq!(cluster.status(1)["feature_level"], 3);

    // Gone back all the same, it hears nothing and is not heard; the others go on without it.
    cluster.stop(2);
    cluster.member(2).run_by(&Old.program());
    cluster.member(2).start();
    wait::until_true("it is turned away, and told why", || {
        let refused = |number: usize, log: String| {
            number != 2 && log.contains("the cluster has feature level 3")
        };
        let logs = (0..3).map(|number| (number, cluster.member(number).log()));
        let logs: Vec<(usize, String)> = logs.collect();
        logs.iter().any(|(number, log)| refused(*number, log.clone()))
            && logs[2].1.contains("this member's version knows 1")
    });
    let mut ledger = Ledger::default();
    for number in [0, 1] {
        ledger.write_done(&mut cluster.http(number), &format!("without/{number}"), "1");
    }
    cluster.stop(2);
    cluster.member(2).run_by(&New.program());
    cluster.member(2).start();
    cluster.leader();
    ledger.check(&cluster);
}
