//! `raftkv lock` on real members: critical sections never overlap and tokens only grow, while
//! leaders are killed; a holder that dies lets the next one in.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use system_tests::cluster::Cluster;
use system_tests::program::{self, Running};
use system_tests::wait;

const CONTENDERS: u64 = 8;

/// So often each of them has the lock.
const ROUNDS: u64 = 5;

fn endpoints(cluster: &Cluster) -> String {
    let addresses: Vec<String> =
        cluster.ports().iter().map(|port| format!("localhost:{port}")).collect();
    addresses.join(",")
}

/// Each section writes a line when it begins and one when it ends; between them it takes its time.
const SECTION: &str = "echo \"begin $RAFTKV_FENCING_TOKEN\" >> sections; sleep 0.02; \
                       echo \"end $RAFTKV_FENCING_TOKEN\" >> sections";

/// Whether sections came one after the other, each with a larger token; how many.
fn check_sections(file: &Path) -> u64 {
    let text = fs::read_to_string(file).unwrap();
    let lines: Vec<(&str, u64)> = text
        .lines()
        .map(|line| line.split_once(' ').map(|(what, token)| (what, token.parse().unwrap())))
        .collect::<Option<_>>()
        .unwrap();
    let mut last = 0;
    for section in lines.chunks(2) {
        let [("begin", begun), ("end", ended)] = section else { panic!("{section:?} in\n{text}") };
        assert!(begun == ended && *begun > last, "{section:?} after {last} in\n{text}");
        last = *begun;
    }
    lines.len() as u64 / 2
}

#[test]
fn sections_never_overlap_and_tokens_grow_while_leaders_are_killed() {
    let mut cluster = Cluster::start(3);
    let (directory, endpoints) = (cluster.directory().to_owned(), endpoints(&cluster));
    let done = Arc::new(AtomicU64::new(0));
    let contenders: Vec<_> = (0..CONTENDERS)
        .map(|_| {
            let (directory, endpoints) = (directory.clone(), endpoints.clone());
            let done = Arc::clone(&done);
            thread::spawn(move || {
                for _ in 0..ROUNDS {
                    let line = ["lock", "shared", "--ttl", "20s", "--timeout", "30s"];
                    let rest = ["--endpoints", &endpoints, "--", "sh", "-c", SECTION];
                    let all = [&line[..], &rest].concat();
                    let mut command = program::command(&directory, &all);
                    let output = command.output().unwrap();
                    assert!(output.status.success(), "{output:?}");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for round in 1..=3 {
        wait::until_true("the lock goes round", || {
            // One that has ended early has failed, and says why when it is joined.
            let failed = contenders.iter().any(thread::JoinHandle::is_finished);
            failed || done.load(Ordering::Relaxed) >= round * CONTENDERS
        });
        let leader = cluster.leader();
        cluster.kill([leader]);
        cluster.leader_among(&cluster.others(leader));
        cluster.start_all();
    }
    for contender in contenders {
        contender.join().unwrap();
    }
    assert_eq!(check_sections(&directory.join("sections")), CONTENDERS * ROUNDS);
    let left = cluster.http(0).get("/kv?prefix=shared/&count_only=true").json();
    assert_eq!(left["count"], 0, "who has ended has given the lock up");
}

#[test]
fn a_holder_that_is_killed_lets_the_next_in_after_its_time_to_live() {
    const TTL: Duration = Duration::from_secs(3);
    let cluster = Cluster::start(1);
    let endpoints = endpoints(&cluster);
    let directory = cluster.directory().to_owned();
    let first = directory.join("first");
    fs::create_dir(&first).unwrap();
    let hold = "echo $$ > pid; exec sleep 60";
    let common = ["--ttl", "3s", "--endpoints", &endpoints, "--"];
    let line = [&["lock", "one"][..], &common, &["sh", "-c", hold]].concat();
    let mut holder = Running::start(&first, &line).unwrap();
    let command: i32 = wait::until("the command runs", || {
        fs::read_to_string(first.join("pid")).ok()?.trim().parse().ok()
    });

    // Whoever does not want to wait is told so.
    let line = [&["lock", "one", "--wait", "100ms"][..], &common, &["true"]].concat();
    let impatient = program::run(&directory, &line);
    assert_eq!(impatient.code, Some(1), "{impatient:?}");
    assert!(impatient.stderr.contains("others held the lock"), "{impatient:?}");

    holder.kill();
    let killed = Instant::now();
    kill_process(Pid::from_raw(command).unwrap(), Signal::KILL).unwrap();
    let line = [&["lock", "one"][..], &common, &["sh", "-c", "exit 7"]].concat();
    let next = program::run(&directory, &line);
    let waited = killed.elapsed();
    assert_eq!(next.code, Some(7), "the exit code is the command's: {next:?}");
    // It was kept alive a third of its time before at the latest.
    assert!(waited >= TTL / 2, "{waited:?}");
}

#[test]
fn a_command_is_told_when_the_lock_is_lost() {
    let cluster = Cluster::start(1);
    let endpoints = endpoints(&cluster);
    let common = ["lock", "one", "--ttl", "3s", "--endpoints", &endpoints, "--", "sh", "-c"];
    let told = "trap 'echo told > told; exit 0' TERM; echo $RAFTKV_LOCK_KEY > key; \
                while :; do sleep 0.05; done";
    let mut holder = Running::start(cluster.directory(), &[&common[..], &[told]].concat()).unwrap();
    let key = wait::until("the command runs", || {
        let key = fs::read_to_string(cluster.directory().join("key")).ok()?;
        key.strip_suffix('\n').map(str::to_owned)
    });
    // The key names its lease, in base 16.
    let lease = i64::from_str_radix(key.strip_prefix("one/").unwrap(), 16).unwrap();
    let revoked = cluster.http(0).request("DELETE", &format!("/leases/{lease}"), "").unwrap();
    assert_eq!(revoked.status, 200, "{revoked:?}");
    assert_eq!(holder.wait(), Some(5), "{}", holder.stderr());
    assert!(holder.stderr().contains("the lock was lost"), "{}", holder.stderr());
    assert_eq!(fs::read_to_string(cluster.directory().join("told")).unwrap(), "told\n");
}
