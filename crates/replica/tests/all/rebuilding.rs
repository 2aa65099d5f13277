//! A member whose state turned out to be wrong, with snapshots: what it sets aside, what it keeps,
//! and how it gets a state that is right (rule 10.3).

use std::path::Path;

use disk::{Disk, Fault};
use raft::{LogId, MemberId, Now};
use replica::{
    CHECK_INTERVAL_MS, Done, PeerMessage, Request, Sample, SnapshotMessage, SnapshotOptions,
};
use store::STATE_HASH_VERSION;

use crate::cluster::{Cluster, put};

const SNAPSHOTS: &str = "/member/snapshots";
/// So many puts at once are more than a member has in memory, and fewer than two snapshots' worth.
const BURST: u32 = 50;
/// Time for a check entry, the reports, the verdict, and for a state to come.
const REBUILT_MS: u64 = 8 * CHECK_INTERVAL_MS;

/// `size` members that make a snapshot every burst or so; 1 leads.
fn led(size: u64, options: SnapshotOptions) -> Cluster {
    let options = SnapshotOptions { bytes_min: 2_600, of_last_percent: 0, ..options };
    Cluster::led_with(size, options)
}

/// All at once, so that most of them are read from the log to be applied.
fn burst(cluster: &mut Cluster, name: &str) {
    puts(cluster, name, BURST);
}

fn puts(cluster: &mut Cluster, name: &str, count: u32) {
    for number in 0..count {
        cluster.put(1, &format!("{name}{number}"), "right");
    }
    cluster.settle();
}

/// Members have a snapshot, were found to agree after it, and 3 went wrong then and has a snapshot
/// of that.
fn with_a_wrong_third() -> Cluster {
    let mut cluster = led(3, SnapshotOptions::default());
    let id = 3;
    burst(&mut cluster, "a");
    cluster.pass(3 * CHECK_INTERVAL_MS);
    assert_eq!(names(&cluster, id).len(), 1, "{:?}", names(&cluster, id));
    cluster.altered = vec![id];
    burst(&mut cluster, "b");
    cluster.pass(200);
    assert_eq!(cluster.altered, [0; 0], "its entries were read from the log");
    assert_eq!(wrong_values(&cluster, id), 1);
    assert_eq!(names(&cluster, id).len(), 2, "{:?}", names(&cluster, id));
    cluster
}

/// As above; then it is told, and nothing more reaches it. Its snapshot thread has not begun.
fn told() -> Cluster {
    let mut cluster = with_a_wrong_third();
    cluster.stalled_snapshots = vec![3];
    let before = names(&cluster, 3);
    pass_until(&mut cluster, |cluster| has_diverged(cluster, 3));
    cluster.isolated = vec![3];
    assert_eq!(names(&cluster, 3), before, "nothing was done yet");
    cluster
}

fn pass_until(cluster: &mut Cluster, holds: impl Fn(&Cluster) -> bool) {
    for _ in 0..REBUILT_MS / 10 {
        if holds(cluster) {
            return;
        }
        cluster.pass(10);
    }
    panic!("it never came to that");
}

fn has_diverged(cluster: &Cluster, id: u64) -> bool {
    cluster.replica(id).status().agreement.diverged_at.is_some()
}

fn is_stateless(cluster: &Cluster, id: u64) -> bool {
    cluster.replica(id).status().snapshots.stateless
}

fn names(cluster: &Cluster, id: u64) -> Vec<String> {
    cluster.disk(id).list(Path::new(SNAPSHOTS)).expect("a sound disk")
}

fn aside(cluster: &Cluster, id: u64) -> Vec<String> {
    names(cluster, id).into_iter().filter(|name| name.starts_with("aside-")).collect()
}

/// Keys of the two bursts that do not have the value that was written.
fn wrong_values(cluster: &Cluster, id: u64) -> usize {
    let keys = ["a", "b"].iter().flat_map(|name| (0..BURST).map(move |n| format!("{name}{n}")));
    keys.filter(|key| cluster.value(id, key).is_some_and(|value| value != "right")).count()
}

fn reads(cluster: &mut Cluster, id: u64) -> bool {
    let ticket = cluster.submit(id, Request::ReadBarrier, 1_000);
    cluster.pass(1_100);
    matches!(cluster.answer(ticket), Some(Ok(Done::ReadReady { .. })))
}

/// Everything can happen, and a write makes the members compare their states.
fn heal(cluster: &mut Cluster) {
    cluster.isolated.clear();
    cluster.stalled_snapshots.clear();
    cluster.pass(500);
    let leader = cluster.leader_of_the_newest_term().expect("somebody leads");
    let ticket = cluster.submit(leader, put("c", "right"), 5_000);
    cluster.pass(REBUILT_MS);
    assert!(cluster.is_done(ticket));
}

fn assert_is_well(cluster: &mut Cluster, id: u64) {
    assert!(!has_diverged(cluster, id) && !is_stateless(cluster, id));
    assert_eq!(wrong_values(cluster, id), 0);
    assert_eq!(cluster.value(id, "c").as_deref(), Some("right"));
    assert!(reads(cluster, id));
}

#[test]
fn only_snapshots_since_the_last_equal_check_are_set_aside() {
    let mut cluster = told();
    let [older, newer] = &names(&cluster, 3)[..] else { panic!("there are two") };
    cluster.stalled_snapshots.clear();
    cluster.pass(100);
    assert_eq!(names(&cluster, 3), [older.clone(), format!("aside-{newer}")]);
}

#[test]
fn it_starts_from_the_snapshot_before_the_last_equal_check_and_the_log_after_it() {
    let mut cluster = told();
    cluster.stalled_snapshots.clear();
    cluster.pass(100);
    assert!(is_stateless(&cluster, 3), "it serves nothing while it runs");
    cluster.kill(3);
    cluster.start(3);
    assert!(!is_stateless(&cluster, 3));
    assert!(cluster.replica(3).reader().published().applied_index > 0, "from a snapshot");
    heal(&mut cluster);
    assert_is_well(&mut cluster, 3);
}

#[test]
fn while_it_runs_it_takes_over_another_members_state_and_what_was_set_aside_goes() {
    let mut cluster = told();
    cluster.stalled_snapshots.clear();
    cluster.pass(100);
    assert_eq!(aside(&cluster, 3).len(), 1);
    let before = cluster.replica(3).raft().log().start();
    heal(&mut cluster);
    assert_is_well(&mut cluster, 3);
    assert_eq!(aside(&cluster, 3), [""; 0]);
    assert!(names(&cluster, 3).len() < 3, "{:?}", names(&cluster, 3));
    assert!(cluster.replica(3).raft().log().start() >= before);
}

#[test]
fn a_member_that_was_never_found_right_since_it_started_sets_all_aside() {
    let mut cluster = led(3, SnapshotOptions::default());
    burst(&mut cluster, "a");
    burst(&mut cluster, "b");
    // More than is in memory at a start, and not enough for a snapshot.
    puts(&mut cluster, "b", 38);
    cluster.altered = vec![3];
    cluster.kill(3);
    cluster.start(3);
    pass_until(&mut cluster, |cluster| has_diverged(cluster, 3));
    cluster.isolated = vec![3];
    cluster.pass(100);
    assert_eq!(aside(&cluster, 3), names(&cluster, 3));
    assert_eq!(aside(&cluster, 3).len(), 2);
    // Its log begins at the older of the two.
    cluster.kill(3);
    cluster.start(3);
    assert!(is_stateless(&cluster, 3));
    heal(&mut cluster);
    assert_is_well(&mut cluster, 3);
}

/// Lets the snapshot thread do what it has to until its `nth` operation, and then something
/// happens to the process.
fn interrupted(nth: u64, ends: impl Fn(&mut Cluster)) -> Cluster {
    let mut cluster = told();
    cluster.stalled_disks = vec![3];
    cluster.disk(3).fail_at(nth, Fault::Halt);
    cluster.stalled_snapshots.clear();
    cluster.settle();
    cluster.disk(3).fail_never();
    ends(&mut cluster);
    cluster.stalled_disks.clear();
    cluster.start(3);
    cluster
}

/// A start that finds the wrong snapshot still there is wrong again, until the next check: what
/// it was told was in its memory alone.
#[test]
fn a_crash_while_snapshots_are_set_aside_leaves_a_member_that_comes_back_well() {
    let ends: [fn(&mut Cluster); 2] = [|cluster| cluster.kill(3), |cluster| cluster.power_cut(3)];
    let mut found = Vec::new();
    for (nth, end) in (1..=4).flat_map(|nth| ends.map(|end| (nth, end))) {
        let mut cluster = interrupted(nth, end);
        let from_aside = aside(&cluster, 3).is_empty();
        found.push(from_aside);
        heal(&mut cluster);
        assert_is_well(&mut cluster, 3);
        assert_eq!(aside(&cluster, 3), [""; 0], "at operation {nth}");
    }
    assert!(found.contains(&true) && found.contains(&false), "both were seen: {found:?}");
}

#[test]
fn what_could_not_be_set_aside_is_tried_again() {
    let mut cluster = told();
    cluster.stalled_disks = vec![3];
    cluster.disk(3).fail_at(1, Fault::Error);
    cluster.stalled_snapshots.clear();
    cluster.settle();
    assert_eq!(aside(&cluster, 3), [""; 0]);
    let failures = cluster.replica(3).status().snapshots.failures;
    assert_eq!(
        failures.iter().map(|failure| failure.work.as_str()).collect::<Vec<_>>(),
        ["set_aside"]
    );
    cluster.stalled_disks.clear();
    cluster.pass(1_100);
    assert_eq!(aside(&cluster, 3).len(), 1);
    assert_eq!(cluster.replica(3).status().snapshots.failures, []);
}

/// As member `id` would be told if its newest sample, which is of the state it has, were wrong.
fn verdict_on(cluster: &Cluster, id: u64) -> PeerMessage {
    let published = cluster.replica(id).reader().published();
    let (index, version) = (published.applied_index, STATE_HASH_VERSION);
    PeerMessage::Verdict { majority: Sample { index, version, hash: !published.state_hash } }
}

/// The leader sends member 3 a snapshot; and the verdict on what that has until it arrives.
fn while_receiving() -> (Cluster, PeerMessage) {
    let slow = SnapshotOptions {
        bytes_per_second_max: 2_000,
        chunk_bytes: 200,
        ..SnapshotOptions::default()
    };
    let mut cluster = led(3, slow);
    burst(&mut cluster, "a");
    cluster.pass(3 * CHECK_INTERVAL_MS);
    cluster.isolated = vec![3];
    let verdict = verdict_on(&cluster, 3);
    for name in ["b", "c", "d"] {
        burst(&mut cluster, name);
    }
    cluster.isolated.clear();
    pass_until(&mut cluster, |cluster| received_bytes(cluster) > Some(0));
    (cluster, verdict)
}

fn received_bytes(cluster: &Cluster) -> Option<u64> {
    cluster.replica(3).status().snapshots.receiving.map(|(_, bytes, _)| bytes)
}

/// What came from the leader is where its log begins, and is there after a restart.
fn assert_starts_from_what_was_received(mut cluster: Cluster) {
    cluster.pass(30_000);
    assert!(!is_stateless(&cluster, 3));
    let start = cluster.replica(3).raft().log().start();
    assert!(start.index.0 > u64::from(BURST), "{start}");
    let there = names(&cluster, 3);
    let received = format!("{:020}-", start.index.0);
    assert!(there.iter().any(|name| name.starts_with(&received)), "{received} of {there:?}");
    cluster.kill(3);
    cluster.start(3);
    assert!(!is_stateless(&cluster, 3), "{:?}", names(&cluster, 3));
}

#[test]
fn a_snapshot_that_is_on_its_way_goes_on() {
    let (mut cluster, verdict) = while_receiving();
    cluster.wire().push_back((1, 3, verdict));
    cluster.settle();
    assert!(has_diverged(&cluster, 3));
    assert!(received_bytes(&cluster).is_some());
    assert_starts_from_what_was_received(cluster);
}

#[test]
fn a_snapshot_that_is_being_installed_is_neither_set_aside_nor_removed() {
    let (mut cluster, verdict) = while_receiving();
    cluster.stalled_disks = vec![3];
    pass_until(&mut cluster, |cluster| received_bytes(cluster).is_none());
    cluster.wire().push_back((1, 3, verdict));
    cluster.settle();
    assert!(has_diverged(&cluster, 3), "the log does not say yet that it starts there");
    cluster.stalled_disks.clear();
    cluster.settle();
    assert!(!has_diverged(&cluster, 3), "it has another's state");
    assert_starts_from_what_was_received(cluster);
}

#[test]
fn a_leader_in_quarantine_gives_not_even_what_was_right() {
    let mut cluster = led(3, SnapshotOptions::default());
    burst(&mut cluster, "a");
    cluster.pass(3 * CHECK_INTERVAL_MS);
    cluster.altered = vec![1];
    burst(&mut cluster, "b");
    pass_until(&mut cluster, |cluster| has_diverged(cluster, 1));
    let replica = cluster.replica(1);
    assert!(replica.raft().is_leader(), "it has not handed over yet");
    assert!(replica.status().snapshots.newest.is_some(), "it has one from before");
    let want = SnapshotMessage::Want { term: replica.raft().term(), at_least: LogId::default() };
    let now = Now { monotonic_ms: 100_000, wall_ms: 100_000 };
    let replica = &mut cluster.running(1).replica;
    replica.receive_snapshot(now, MemberId(2), want);
    let offers = replica.take_effects().send_snapshot;
    assert_eq!(offers, []);
}
