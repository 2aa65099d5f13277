//! Members that die, fall silent, are away, come back. Every test ends in the same check
//! (`Ledger::check`): nothing that was acknowledged is lost, no definite failure shows, what is
//! unknown took effect at most once, and the members' states are equal.
//!
//! While writers and a reader are at work, the reader checks as well that every linearizable read
//! sees what was acknowledged before it, through whichever member.

use std::thread;
use std::time::{Duration, Instant};

use system_tests::cluster::Cluster;
use system_tests::http::Http;
use system_tests::ledger::{Ledger, Outcome};
use system_tests::load::Load;
use system_tests::wait;

#[test]
fn the_leader_is_killed_under_writers() {
    let mut cluster = Cluster::start(3);
    let load = Load::start(&cluster);
    for _ in 0..2 {
        let leader = cluster.leader();
        cluster.kill([leader]);
        load.go_on();
        assert_ne!(cluster.leader(), leader);
        cluster.start_all();
        load.go_on();
    }
    load.stop().check(&cluster);
}

#[test]
fn all_members_are_killed_at_once_under_writers() {
    let mut cluster = Cluster::start(3);
    let load = Load::start(&cluster);
    cluster.kill(cluster.numbers());
    cluster.start_all();
    load.go_on();
    cluster.kill(cluster.numbers());
    // Two of three are enough to go on, and the third finds the way back.
    cluster.member(0).start();
    cluster.member(1).start();
    load.go_on();
    cluster.start_all();
    load.stop().check(&cluster);
}

#[test]
fn each_member_is_stopped_and_started_in_turn_under_writers() {
    let mut cluster = Cluster::start(3);
    let identity = |cluster: &Cluster, number: usize| {
        let status = cluster.status(number);
        ["id", "incarnation", "cluster_id", "name"].map(|what| status[what].clone())
    };
    let load = Load::start(&cluster);
    for number in cluster.numbers() {
        let before = identity(&cluster, number);
        cluster.stop(number);
        load.go_on();
        cluster.member(number).start();
        cluster.leader();
        assert_eq!(identity(&cluster, number), before, "the data directory says who it is");
        load.go_on();
    }
    load.stop().check(&cluster);
}

#[test]
fn all_members_are_stopped_and_started_with_their_old_state() {
    let mut cluster = Cluster::start(3);
    let mut ledger = Ledger::default();
    ledger.write_done(&mut cluster.http(0), "before", "the stop");
    for number in cluster.numbers() {
        cluster.stop(number);
    }
    cluster.start_all();
    cluster.leader();
    ledger.write_done(&mut cluster.http(1), "after", "the start");
    ledger.check(&cluster);
}

#[test]
fn the_leader_is_asked_to_stop_under_writers() {
    let mut cluster = Cluster::start(3);
    let load = Load::start(&cluster);
    let leader = cluster.leader();
    cluster.stop(leader);
    assert!(cluster.member(leader).log().contains("handed over leadership"));
    load.go_on();
    assert_ne!(cluster.leader(), leader);
    cluster.start_all();
    load.stop().check(&cluster);
}

/// How many writes one member misses.
const MISSED_WRITES: usize = 10_000;

/// So many clients write them.
const MISSED_WRITERS: usize = 16;

/// So many bytes each: together more than a leader keeps in memory, so that part of them comes
/// from its log on disk.
const MISSED_BYTES: usize = 2_500;

#[test]
fn a_member_that_was_away_for_ten_thousand_writes_catches_up() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader();
    let away = cluster.others(leader)[0];
    cluster.kill([away]);
    let port = cluster.ports()[leader];
    let writers = (0..MISSED_WRITERS).map(|writer| {
        thread::spawn(move || {
            let (mut http, mut ledger) = (Http::new(port), Ledger::default());
            for count in 0..MISSED_WRITES / MISSED_WRITERS {
                let value = format!("{writer}/{count} {}", "x".repeat(MISSED_BYTES));
                ledger.write_done(&mut http, &format!("{writer}/{count}"), &value);
            }
            ledger
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut ledger = Ledger::default();
    writers.into_iter().for_each(|writer| ledger.append(writer.join().unwrap()));
    assert_eq!(ledger.counts(), [MISSED_WRITES, 0, 0]);
    cluster.start_all();
    ledger.check(&cluster);
}

/// How long a leader is silent: longer than its followers wait for it.
const SILENCE: Duration = Duration::from_secs(3);

#[test]
fn a_leader_that_was_silent_shows_no_old_state() {
    let mut cluster = Cluster::start(3);
    let mut ledger = Ledger::default();
    let leader = cluster.leader();
    let others = cluster.others(leader);
    ledger.write_done(&mut cluster.http(leader), "early", "before the silence");
    cluster.member(leader).pause();
    let begin = Instant::now();

    // It reaches the silent one's socket, and is answered when it goes on: it must see what was
    // written before it was asked, or be refused.
    cluster.leader_among(&others);
    ledger.write_done(&mut cluster.http(others[0]), "late", "during the silence");
    let port = cluster.ports()[leader];
    let read = thread::spawn(move || Http::new(port).request("GET", "/kv/late", "").unwrap());
    let written = thread::spawn(move || {
        let mut ledger = Ledger::default();
        ledger.write(&mut Http::new(port), "to-the-silent-one", "v".into());
        ledger
    });
    wait::until_true("the silence ends", || begin.elapsed() >= SILENCE);
    cluster.member(leader).resume();
    let answer = read.join().unwrap();
    match answer.status {
        200 => assert_eq!(answer.json()["value"], "during the silence"),
        status => assert!(status == 503 || status == 504, "a stale read: {answer:?}"),
    }
    ledger.append(written.join().unwrap());
    assert_ne!(cluster.leader(), leader, "the new leader has the later term");
    ledger.check(&cluster);
}

#[test]
fn the_leader_falls_silent_under_writers() {
    let mut cluster = Cluster::start(3);
    let load = Load::start(&cluster);
    let leader = cluster.leader();
    let others = cluster.others(leader);
    cluster.member(leader).pause();
    let begin = Instant::now();
    cluster.leader_among(&others);
    wait::until_true("the silence ends", || begin.elapsed() >= SILENCE);
    cluster.member(leader).resume();
    load.go_on();
    cluster.leader();
    load.stop().check(&cluster);
}

#[test]
fn a_cluster_of_one_keeps_what_it_acknowledged() {
    let mut cluster = Cluster::start(1);
    let load = Load::start(&cluster);
    cluster.restart(0);
    load.go_on();
    cluster.stop(0);
    cluster.start_all();
    load.go_on();
    load.stop().check(&cluster);
}

#[test]
fn five_members_survive_the_death_of_two() {
    let mut cluster = Cluster::start(5);
    let load = Load::start(&cluster);
    let leader = cluster.leader();
    let follower = cluster.others(leader)[0];
    cluster.kill([leader, follower]);
    load.go_on();
    cluster.start_all();
    load.go_on();
    load.stop().check(&cluster);
}

#[test]
fn without_a_majority_nothing_is_acknowledged_and_old_reads_go_on() {
    let mut cluster = Cluster::start(3);
    let mut ledger = Ledger::default();
    let leader = cluster.leader();
    ledger.write_done(&mut cluster.http(leader), "early", "with a majority");
    cluster.kill(cluster.others(leader));

    let mut http = cluster.http(leader);
    let outcome = ledger.write_within(&mut http, "late", "without one".into(), 1_500);
    assert!(!matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    assert_eq!(http.get("/kv/early?timeout_ms=1000").status, 503, "linearizable");
    let stale = http.get("/kv/early?consistency=stale");
    assert_eq!((stale.status, &stale.json()["value"]), (200, &"with a majority".into()));
    assert!(stale.json()["age_ms"].is_u64(), "{stale:?}");
    assert_eq!(http.get("/livez").status, 200, "the process is well");
    assert_eq!(http.get("/readyz").status, 503, "the cluster is not");
    assert_eq!(http.get("/cluster/status").status, 200);

    cluster.start_all();
    cluster.leader();
    ledger.write_done(&mut http, "again", "with a majority");
    ledger.check(&cluster);
}
