//! Records on real members: written at one, read at another, from the command line and over HTTP.

use system_tests::cluster::Cluster;
use system_tests::program::{self, Ended};

/// Runs a command against one member.
fn raftkv(cluster: &Cluster, member: usize, arguments: &[&str]) -> Ended {
    let endpoint = format!("localhost:{}", cluster.ports()[member]);
    let all = [arguments, &["--endpoints", &endpoint]].concat();
    program::run(cluster.directory(), &all)
}

fn printed(cluster: &Cluster, member: usize, arguments: &[&str]) -> String {
    let ended = raftkv(cluster, member, arguments);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
    ended.stdout
}

#[test]
fn fields_are_keys_through_every_member_and_after_the_leaders_death() {
    let mut cluster = Cluster::start(3);
    for (number, field) in ["name", "mail/home", "mail.work"].into_iter().enumerate() {
        let set = ["record", "set", "user/1", field, &format!("value {number}")];
        assert_eq!(printed(&cluster, number, &set), "OK\n");
    }
    let all = "mail.work = value 2\nmail/home = value 1\nname = value 0\n";
    for member in cluster.numbers() {
        assert_eq!(printed(&cluster, member, &["record", "scan", "user/1"]), all);
    }
    let listed = printed(&cluster, 0, &["list", "user%2F1/", "--keys-only"]);
    assert_eq!(listed, "user%2F1/mail%2Fhome\nuser%2F1/mail.work\nuser%2F1/name\n");

    let leader = cluster.leader();
    cluster.kill([leader]);
    let next = cluster.leader_among(&cluster.others(leader));
    assert_eq!(printed(&cluster, next, &["record", "scan", "user/1", "mail."]), all[..20]);
    let found = printed(&cluster, next, &["record", "get", "user/1", "name", "-o", "json"]);
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    let http = cluster.http(next).get("/kv-store?key=user%2F1&field=name").json();
    assert_eq!(found["timestamp"], http["timestamp"]);
    assert!(found["timestamp"].as_u64().unwrap() > 1_700_000_000_000_000, "µs: {found}");

    assert_eq!(printed(&cluster, next, &["record", "delete", "user/1", "name"]), "OK\n");
    assert_eq!(printed(&cluster, next, &["record", "delete", "user/1"]), "OK\n");
    for arguments in [
        &["record", "scan", "user/1"][..],
        &["record", "get", "user/1", "name"],
        &["record", "delete", "user/1"],
        &["record", "delete", "user/1", "name"],
    ] {
        let ended = raftkv(&cluster, next, arguments);
        assert_eq!((ended.code, ended.stdout), (Some(1), String::new()), "{arguments:?}");
        assert!(ended.stderr.contains("not found"), "{}", ended.stderr);
    }
}
