//! etcd's own command line works, and prints what it prints with etcd.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use std::path::PathBuf;
use std::thread;

use compat::etcd::Etcd;
use compat::etcdctl::{self, Ran, run};
use system_tests::cluster::Cluster;
use system_tests::program;
use system_tests::scratch::Scratch;
use system_tests::wait;

/// One of each, and an `etcdctl`.
struct Stand {
    etcdctl: PathBuf,
    etcd: Etcd,
    raftkv: Cluster,
    differences: Vec<String>,
}

impl Stand {
    fn each() -> impl Iterator<Item = Stand> {
        etcdctl::all().into_iter().map(|etcdctl| Stand {
            etcdctl,
            etcd: Etcd::start(),
            raftkv: Cluster::start(1),
            differences: Vec::new(),
        })
    }

    fn both(&self, words: &[&str], input: &str) -> [Ran; 2] {
        [self.etcd.port(), self.raftkv.ports()[0]]
            .map(|port| run(&self.etcdctl, port, words, input))
    }

    /// The same printed by both, and the same exit code.
    fn same(&mut self, line: &str) {
        self.same_with(line, "");
    }

    fn same_with(&mut self, line: &str, input: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let [theirs, ours] = self.both(&words, input);
        if theirs != ours {
            let text = format!("etcdctl {line}\n     etcd: {theirs:?}\n   raftkv: {ours:?}");
            self.differences.push(text);
        }
    }

    /// Ours alone: it succeeds, and prints this.
    fn ours(&self, line: &str, prints: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let ours = run(&self.etcdctl, self.raftkv.ports()[0], &words, "");
        assert!(ours.code == Some(0) && ours.stdout.contains(prints), "etcdctl {line}: {ours:?}");
    }

    /// A lease of each, granted.
    fn leases(&self) -> [String; 2] {
        [self.etcd.port(), self.raftkv.ports()[0]].map(|port| granted(&self.etcdctl, port))
    }

    fn end(self) {
        let (etcdctl, count) = (self.etcdctl.display(), self.differences.len());
        let shown = self.differences.join("\n\n");
        assert!(self.differences.is_empty(), "{etcdctl}: {count} differences\n\n{shown}");
    }
}

/// The id of a new lease, as it is printed.
fn granted(etcdctl: &PathBuf, port: u16) -> String {
    let mut command = std::process::Command::new(etcdctl);
    command.arg(format!("--endpoints=127.0.0.1:{port}")).args(["lease", "grant", "100"]);
    let output = command.env("ETCDCTL_API", "3").output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    line.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn keys() {
    for mut stand in Stand::each() {
        for line in [
            "put a 1",
            "put a 2 --prev-kv",
            "put b 3",
            "put b --ignore-value",
            "put none --ignore-value",
            "put c 4 --lease=1",
            "put c 4 -w json",
            "get a",
            "get none",
            "get a -w json",
            "get a -w fields",
            "get --prefix= a",
            "get a --prefix --keys-only",
            "get a --from-key",
            "get a c",
            "get a z --limit=2",
            "get a z --limit=2 -w json",
            "get a z --order=DESCEND",
            "get a z --sort-by=MODIFY --order=ASCEND",
            "get a z --sort-by=VERSION --order=DESCEND --limit=1",
            "get a z --count-only -w json",
            "get a --rev=2",
            "get a --rev=99",
            "get a --print-value-only",
            "get a --consistency=s",
            "get a --hex",
            "del a --prev-kv",
            "del a",
            "del b z",
            "del x --prefix",
            "put a again",
            "del a --from-key --prev-kv",
            "compaction 5",
            "compaction 5",
            "compaction 99",
            "compaction 7 --physical",
            "get a --rev=3",
        ] {
            stand.same(line);
        }
        stand.ours("get a --from-key -w protobuf", "");
        stand.end();
    }
}

#[test]
fn transactions() {
    for mut stand in Stand::each() {
        stand.same("put a 1");
        for input in [
            "value(\"a\") = \"1\"\n\nput a 2\nget a\n\nget a\n\n",
            "mod(\"a\") > \"99\"\n\nput a 3\n\nget a\ndel a\n\n",
            "version(\"none\") = \"0\"\ncreate(\"a\") < \"1\"\n\nput b 1\n\nput c 1\n\n",
            "\nput d 1\nput d 2\n\n\n",
        ] {
            stand.same_with("txn", input);
            stand.same_with("txn -w json", input);
        }
        stand.same("get --from-key a");
        stand.end();
    }
}

#[test]
fn leases() {
    for mut stand in Stand::each() {
        stand.same("lease grant 100");
        stand.same("lease grant 0");
        stand.same("lease list");
        let [theirs, ours] = stand.leases();
        for line in [
            "put leased v --lease=LEASE",
            "lease timetolive LEASE --keys -w fields",
            "lease keep-alive --once LEASE",
            "put leased v --ignore-lease",
            "lease revoke LEASE",
            "lease revoke LEASE",
            "lease timetolive LEASE",
            "lease keep-alive --once LEASE",
            "get leased",
        ] {
            let ran = |lease: &str, port| {
                let line = line.replace("LEASE", lease);
                let mut ran = run(&stand.etcdctl, port, &line.split(' ').collect::<Vec<_>>(), "");
                // What is left of it depends on when it is asked.
                ran.stdout = ran.stdout.replace("\"TTL\" : 99", "\"TTL\" : 100");
                ran
            };
            let (theirs, ours) =
                (ran(&theirs, stand.etcd.port()), ran(&ours, stand.raftkv.ports()[0]));
            assert_eq!(theirs, ours, "etcdctl {line}");
        }
        stand.end();
    }
}

#[test]
fn locks_and_elections() {
    for stand in Stand::each() {
        let port = stand.raftkv.ports()[0];
        stand.ours("lock name echo held", "held");
        let etcdctl = stand.etcdctl.clone();
        let campaign = thread::spawn(move || {
            run(&etcdctl, port, &["--command-timeout=5s", "elect", "office", "me"], "")
        });
        // It leads until its input ends; meanwhile everybody sees it.
        let leader = wait::until("somebody leads", || {
            let found = run(&stand.etcdctl, port, &["get", "office/", "--prefix"], "");
            found.stdout.contains("me").then_some(found)
        });
        assert_eq!(leader.code, Some(0));
        drop(campaign);
    }
}

#[test]
fn users_and_roles() {
    for mut stand in Stand::each() {
        for line in [
            "user add root:secret",
            "user add root:secret",
            "role add root",
            "user grant-role root root",
            "user add alice:a",
            "user add bob --new-user-password=b",
            "user add eve --no-password",
            "user list",
            "user get alice",
            "user get nobody",
            "role add reads",
            "role add reads",
            "role list",
            "role grant-permission reads read r/ --prefix=true",
            "role grant-permission reads readwrite a",
            "role grant-permission reads write b d",
            "role grant-permission reads read z --from-key=true",
            "role grant-permission none read a",
            "role get reads",
            "role get none",
            "role revoke-permission reads b d",
            "role revoke-permission reads nothing",
            "role get reads",
            "user grant-role alice reads",
            "user grant-role alice none",
            "user get alice",
            "user get alice --detail",
            "put r/1 v",
            "auth enable",
            "get r/1",
            "--user=alice:a get r/1",
            "--user=alice:b get r/1",
            "--user=alice --password=a get r/1",
            "--user=alice:a get o",
            "--user=alice:a get --prefix r",
            "--user=alice:a put a 1",
            "--user=alice:a put r/1 1",
            "--user=alice:a del a",
            "--user=alice:a user list",
            "--user=alice:a user get alice",
            "--user=alice:a role get reads",
            "--user=nobody:x get a",
            "--user=root:secret get a",
            "--user=root:secret user list",
            "--user=root:secret user revoke-role alice reads",
            "--user=alice:a get r/1",
            "--user=root:secret user delete alice",
            "--user=alice:a get r/1",
            "--user=root:secret user delete root",
            "--user=root:secret role delete reads",
            "--user=root:secret role list",
            "--user=root:secret auth disable",
            "get r/1",
            "user delete bob",
            "role delete none",
        ] {
            stand.same(line);
        }
        stand.same_with("user passwd root --interactive=false", "other\n");
        stand.same("auth enable");
        stand.same("--user=root:secret get r/1");
        stand.same("--user=root:other get r/1");
        stand.end();
    }
}

/// A minute of puts, and what came of them: whether they were fast enough is the machine's matter.
#[test]
fn performance_is_checked() {
    let cluster = Cluster::start(1);
    let [etcdctl, _] = etcdctl::all();
    let ran = run(&etcdctl, cluster.ports()[0], &["check", "perf", "--load=s"], "");
    assert!(ran.stdout.contains("Throughput is 1"), "{ran:?}");
}

#[test]
fn members_and_maintenance() {
    for mut stand in Stand::each() {
        stand.same("put a 1");
        for line in ["alarm list", "alarm disarm", "defrag", "member remove 7", "member promote 7"]
        {
            stand.same(line);
        }
        stand.ours("endpoint health", "");
        stand.ours("endpoint status", "3.6.0");
        stand.ours("endpoint status -w json", "\"version\":\"3.6.0\"");
        stand.ours("endpoint hashkv", ", ");
        stand.ours(
            "member list",
            "started, node-1, http://localhost:PORT, http://localhost:PORT, false",
        );
        stand.end();
    }
}

#[test]
fn what_is_saved_can_be_restored() {
    let (cluster, scratch) = (Cluster::start(1), Scratch::new());
    for (number, etcdctl) in etcdctl::all().iter().enumerate() {
        let port = cluster.ports()[0];
        let key = format!("saved-{number}");
        assert_eq!(run(etcdctl, port, &["put", &key, "v"], "").code, Some(0));
        let file = scratch.path().join(&key);
        let file = file.to_str().unwrap();
        let saved = run(etcdctl, port, &["snapshot", "save", file], "");
        assert_eq!(saved.code, Some(0), "{saved:?}");
        let status = program::run(scratch.path(), &["snapshot", "status", file]);
        assert!(status.code == Some(0) && status.stdout.contains("sound"), "{status:?}");
        // One bit anywhere, and nothing of it counts.
        let mut damaged = std::fs::read(file).unwrap();
        damaged[100] ^= 1;
        let other = format!("{file}-damaged");
        std::fs::write(&other, damaged).unwrap();
        let status = program::run(scratch.path(), &["snapshot", "status", &other]);
        assert_eq!(status.code, Some(1), "{status:?}");
        let place = format!("{file}-data");
        let restored = ["snapshot", "restore", file, "--data-dir", &place, "--node-id", "node-1"];
        let restored = program::run(scratch.path(), &restored);
        assert_eq!(restored.code, Some(0), "{restored:?}");
        assert!(std::fs::read_dir(&place).unwrap().count() > 0);
    }
}

#[test]
fn leadership_moves_and_all_members_answer() {
    let cluster = Cluster::start(3);
    let etcdctl = &etcdctl::all()[0];
    let leader = cluster.ports()[cluster.leader()];
    let listed = run(etcdctl, leader, &["member", "list", "-w", "json"], "");
    assert_eq!(listed.code, Some(0), "{listed:?}");
    for (number, port) in cluster.ports().into_iter().enumerate() {
        let key = format!("by-{number}");
        assert_eq!(run(etcdctl, port, &["put", &key, "v"], "").stdout, "OK\n");
        for port in cluster.ports() {
            assert_eq!(run(etcdctl, port, &["get", &key], "").stdout, format!("{key}\nv\n"));
        }
    }
    let follower = cluster.others(cluster.leader())[0];
    let id = cluster.status(follower)["id"].as_str().unwrap().to_owned();
    let moved = run(etcdctl, leader, &["move-leader", &id], "");
    assert_eq!(moved.code, Some(0), "{moved:?}");
    wait::until_true("the follower leads", || cluster.leader() == follower);
}

#[test]
fn a_watch_and_a_mirror_tell_what_happens() {
    for stand in Stand::each() {
        let port = stand.raftkv.ports()[0];
        let copy = Cluster::start(1);
        stand.ours("put m/1 before", "OK");
        let mut mirror = std::process::Command::new(&stand.etcdctl);
        mirror.arg(format!("--endpoints=127.0.0.1:{port}"));
        mirror.args(["make-mirror", "--prefix", "m/", &format!("127.0.0.1:{}", copy.ports()[0])]);
        let mut mirror = mirror.env("ETCDCTL_API", "3").spawn().unwrap();
        stand.ours("put m/2 meanwhile", "OK");
        wait::until_true("the mirror has both", || {
            let words = ["get", "m/", "--prefix", "--print-value-only"];
            run(&stand.etcdctl, copy.ports()[0], &words, "").stdout == "before\nmeanwhile\n"
        });
        mirror.kill().unwrap();
        mirror.wait().unwrap();
        // A watch of the past runs a command for each event; this one ends it.
        let watched = run(
            &stand.etcdctl,
            port,
            &[
                "watch",
                "m/",
                "--prefix",
                "--rev=2",
                "--",
                "sh",
                "-c",
                "echo $ETCD_WATCH_KEY; kill $PPID",
            ],
            "",
        );
        assert!(watched.stdout.contains("m/1"), "{watched:?}");
    }
}
