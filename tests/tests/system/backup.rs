//! Backups on real processes: saved while writers write and leaders die, restored into a new
//! cluster of three, which goes on from there.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use system_tests::cluster::Cluster;
use system_tests::load::Load;
use system_tests::program::{self, Ended};

const CLUSTER_ID: &str = "00000000000000000000000000c0ffee";

fn save(cluster: &Cluster, member: usize, file: &Path) -> Ended {
    let endpoint = format!("localhost:{}", cluster.ports()[member]);
    let file = file.to_str().unwrap();
    program::run(
        cluster.directory(),
        &["snapshot", "save", file, "--timeout", "30s", "--endpoints", &endpoint],
    )
}

fn status(directory: &Path, file: &Path) -> Value {
    let shown =
        program::run(directory, &["snapshot", "status", file.to_str().unwrap(), "-o", "json"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    serde_json::from_str(&shown.stdout).unwrap()
}

/// Members that are restored from a file, and do not run yet.
fn restored(count: u16, file: &Path) -> Cluster {
    let mut cluster = Cluster::prepare(count);
    let peers: Vec<String> = cluster
        .numbers()
        .map(|number| {
            let member = cluster.member(number);
            format!("{}=localhost:{}", member.name(), member.port())
        })
        .collect();
    let peers = peers.join(",");
    for number in cluster.numbers() {
        let (name, data) =
            (cluster.member(number).name().to_owned(), cluster.member(number).data());
        let data = data.to_str().unwrap();
        let line = ["snapshot", "restore", file.to_str().unwrap(), "--data", data];
        let whose = ["--node-id", &name, "--peers", &peers, "--cluster-id", CLUSTER_ID];
        let ended = program::run(cluster.directory(), &[&line[..], &whose].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    cluster
}

#[test]
fn a_backup_that_was_saved_under_writers_begins_a_cluster_that_goes_on_from_it() {
    let mut old = Cluster::start(3);
    let load = Load::start(&old);
    let file = old.directory().join("backup");
    let before = old.contents(0, None).revision;
    let cluster_id = old.status(0)["cluster_id"].clone();
    let leader = old.leader();
    let saved = save(&old, old.others(leader)[0], &file);
    assert_eq!(saved.code, Some(0), "{saved:?}");
    old.kill([leader]);
    load.go_on();
    old.start_all();
    drop(load.stop());

    let told = status(old.directory(), &file);
    let revision = told["revision"].as_u64().unwrap();
    assert!(revision >= before, "what was acknowledged before is in it: {revision}, {before}");
    let expected = old.contents(1, Some(revision));
    assert_eq!(told["keys"].as_u64().unwrap(), expected.keys.len() as u64);
    assert_eq!(told["cluster_id"], cluster_id);

    let mut new = restored(3, &file);
    new.start_all();
    new.leader();
    assert_eq!(new.status(0)["cluster_id"], CLUSTER_ID);
    assert_eq!(new.contents(0, None), expected, "all of it, and nothing else");
    let written = new.http(1).request("PUT", "/kv/new", r#"{"value":"1"}"#).unwrap();
    assert_eq!(written.json()["revision"], revision + 1, "revisions go on from the saved one");
    // It has a log of its own, and elections.
    let leader = new.leader();
    new.kill([leader]);
    let next = new.leader_among(&new.others(leader));
    assert_eq!(new.http(next).get("/kv/new").json()["value"], "1");
    new.start_all();
    new.check_converged();
}

#[test]
fn what_can_not_be_restored_is_refused_and_changes_nothing() {
    let old = Cluster::start(1);
    for number in 0..50 {
        let value = format!(r#"{{"value":"{}"}}"#, "x".repeat(2_000));
        old.http(0).request("PUT", &format!("/kv/k{number}"), &value).unwrap();
    }
    let directory = old.directory().to_owned();
    let file = directory.join("backup");
    assert_eq!(save(&old, 0, &file).code, Some(0));
    let restore = |file: &Path, more: &[&str]| {
        let line = ["snapshot", "restore", file.to_str().unwrap(), "--data"];
        program::run(&directory, &[&line[..], more].concat())
    };
    let refused = |ended: &Ended, code: i32, said: &str| {
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(ended.stderr.contains(said), "{said}: {ended:?}");
    };

    let full = directory.join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("something"), "").unwrap();
    refused(&restore(&file, &[full.to_str().unwrap()]), 1, "is not empty");
    refused(&restore(&file, &["fresh", "--peers", "localhost:9001"]), 2, "NAME=HOST:PORT");
    refused(&restore(&file, &["fresh", "--peers", "a=localhost:9001"]), 2, "does not list");
    let twice = "node-1=localhost:9001,b=127.0.0.1:9001";
    refused(&restore(&file, &["fresh", "--peers", twice]), 2, "one address twice");
    let own = status(&directory, &file)["cluster_id"].as_str().unwrap().to_owned();
    refused(&restore(&file, &["fresh", "--cluster-id", &own]), 2, "that of the old cluster");

    let sound = fs::read(&file).unwrap();
    for (name, damaged) in [
        ("flipped", flipped(&sound, 60_000)),
        ("shorter", sound[..sound.len() - 1].to_vec()),
        ("longer", [&sound[..], &[0]].concat()),
        ("empty", Vec::new()),
        ("half", sound[..sound.len() / 2].to_vec()),
        ("foreign", b"PK\x03\x04 something that another program made".repeat(500)),
    ] {
        let damaged_file: PathBuf = directory.join(name);
        fs::write(&damaged_file, damaged).unwrap();
        refused(&restore(&damaged_file, &["fresh"]), 1, "is damaged at byte");
        let shown = ["snapshot", "status", damaged_file.to_str().unwrap()];
        refused(&program::run(&directory, &shown), 1, "is damaged at byte");
    }
    assert!(!directory.join("fresh").exists() && !directory.join("fresh.restoring").exists());

    // The sound one, alone, at the address that is said.
    let mut new = Cluster::prepare(1);
    let (data, port) = (new.member(0).data(), new.member(0).port());
    let address = format!("localhost:{port}");
    let ended = restore(&file, &[data.to_str().unwrap(), "--advertise", &address]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    new.start_all();
    new.leader();
    assert_eq!(new.contents(0, None), old.contents(0, None));
    refused(&restore(&file, &[data.to_str().unwrap()]), 1, "is not empty");
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}
