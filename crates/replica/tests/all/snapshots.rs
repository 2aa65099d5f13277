//! Snapshots from end to end: made, started from, damaged, lost and sent.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use disk::Disk;
use raft::{Index, LogId, MemberId, Now, Replication, SnapshotPoint, Term};
use replica::{
    Failure, Request, SnapshotId, SnapshotOptions, SnapshotReply, SnapshotRequest, SnapshotWork,
};

use crate::cluster::{Cluster, put};

const SNAPSHOTS: &str = "/member/snapshots";

/// Three members that make a snapshot every few writes, `1` leading.
fn led() -> Cluster {
    led_with(SnapshotOptions { of_last_percent: 0, ..SnapshotOptions::default() })
}

fn led_with(options: SnapshotOptions) -> Cluster {
    Cluster::led_with(3, SnapshotOptions { bytes_min: 1_000, ..options })
}

/// ... in small pieces, so many bytes a second.
fn sent_slowly(bytes_per_second_max: u64) -> SnapshotOptions {
    let chunk_bytes = 100;
    let default = SnapshotOptions::default();
    SnapshotOptions { bytes_per_second_max, chunk_bytes, of_last_percent: 0, ..default }
}

/// So many writes, each acknowledged.
fn write(cluster: &mut Cluster, keys: std::ops::Range<u32>) {
    for key in keys {
        let ticket = cluster.submit(1, put(&format!("key{key}"), "value"), 5_000);
        cluster.settle();
        assert!(cluster.is_done(ticket), "write {key}");
    }
}

fn snapshot_files(cluster: &Cluster, id: u64) -> Vec<PathBuf> {
    let names = cluster.disk(id).list(Path::new(SNAPSHOTS)).expect("a sound disk");
    names.into_iter().map(|name| Path::new(SNAPSHOTS).join(name)).collect()
}

fn log_start(cluster: &Cluster, id: u64) -> u64 {
    cluster.replica(id).raft().log().start().index.0
}

fn holds_everything(cluster: &Cluster, id: u64, keys: std::ops::Range<u32>) -> bool {
    keys.into_iter().all(|key| cluster.value(id, &format!("key{key}")).is_some())
}

#[test]
fn two_snapshots_are_kept_and_the_log_is_cut_at_the_older() {
    let mut cluster = led();
    write(&mut cluster, 0..100);
    cluster.pass(100);
    for id in 1..=3 {
        let files = snapshot_files(&cluster, id);
        assert_eq!(files.len(), 2, "{files:?}");
        let older = format!("{:020}-", log_start(&cluster, id));
        assert!(files[0].display().to_string().contains(&older), "{files:?} and {older}");
    }
}

#[test]
fn a_member_starts_from_its_newest_snapshot_and_the_log_after_it() {
    let mut cluster = led();
    write(&mut cluster, 0..100);
    cluster.power_cut(2);
    cluster.start(2);
    let applied = cluster.replica(2).reader().published().applied_index;
    assert!(applied > log_start(&cluster, 2), "it begins with the newer one's state");
    cluster.pass(1_000);
    assert!(holds_everything(&cluster, 2, 0..100));
}

#[test]
fn what_a_snapshot_stands_for_is_known_to_be_committed_after_a_start() {
    let mut cluster = led();
    for key in 0..60 {
        write(&mut cluster, key..key + 1);
        cluster.kill(2);
        cluster.start(2);
        let status = cluster.replica(2).status();
        let newest = status.snapshots.newest.map_or(0, |newest| newest.last.index.0);
        assert!(status.commit >= newest, "{} of {newest}, after write {key}", status.commit);
    }
}

#[test]
fn a_member_that_was_away_comes_back_by_a_snapshot() {
    let mut cluster = led();
    cluster.isolated = vec![3];
    write(&mut cluster, 0..100);
    assert!(cluster.replica(3).raft().log().last().index.0 < log_start(&cluster, 1));
    cluster.isolated.clear();
    cluster.pass(4_000);
    assert!(log_start(&cluster, 3) > 0);
    assert!(holds_everything(&cluster, 3, 0..100));
    write(&mut cluster, 100..110);
    cluster.pass(200);
    assert!(holds_everything(&cluster, 3, 0..110), "it goes on with entries");
}

#[test]
fn a_damaged_snapshot_is_passed_over_for_the_one_before() {
    let mut cluster = led();
    write(&mut cluster, 0..100);
    cluster.kill(2);
    let newest = snapshot_files(&cluster, 2).pop().expect("there are two");
    assert!(cluster.disk(2).flip_bit(&newest, 150));
    cluster.start(2);
    assert_eq!(cluster.running(2).skipped, 1);
    let applied = cluster.replica(2).reader().published().applied_index;
    assert_eq!(applied, log_start(&cluster, 2), "it begins with the older one's state");
    cluster.pass(1_000);
    assert!(holds_everything(&cluster, 2, 0..100));
}

/// A hundred writes, and then member 2 starts with none of its snapshots sound.
fn started_without_a_snapshot() -> Cluster {
    let mut cluster = led();
    write(&mut cluster, 0..100);
    cluster.kill(2);
    for file in snapshot_files(&cluster, 2) {
        assert!(cluster.disk(2).flip_bit(&file, 150));
    }
    cluster.start(2);
    cluster
}

#[test]
fn without_a_snapshot_that_fits_a_member_serves_nothing_until_it_is_sent_one() {
    let mut cluster = started_without_a_snapshot();
    assert!(cluster.replica(2).status().snapshots.stateless);
    let read = cluster.submit(2, Request::ReadBarrier, 5_000);
    cluster.emit(2);
    assert_eq!(cluster.failure(read), Some(Failure::Unavailable));
    cluster.pass(3_000);
    assert!(!cluster.replica(2).status().snapshots.stateless);
    assert!(holds_everything(&cluster, 2, 0..100));
}

#[test]
fn a_member_without_a_state_still_counts_for_a_quorum_and_does_not_campaign() {
    let mut cluster = started_without_a_snapshot();
    // Alone it would campaign for ever, if it did.
    cluster.isolated = vec![2];
    let term = cluster.replica(2).raft().term();
    cluster.pass(10_000);
    assert_eq!(cluster.replica(2).raft().term(), term);
    assert!(cluster.replica(2).raft().campaign_votes().is_none());
    // Its log is sound: with the leader it makes a majority.
    cluster.isolated = vec![3];
    cluster.pass(500);
    write(&mut cluster, 100..101);
}

#[test]
fn the_status_tells_of_a_snapshot_on_its_way_at_both_ends() {
    let mut cluster = led_with(sent_slowly(1_000));
    cluster.isolated = vec![3];
    write(&mut cluster, 0..100);
    cluster.isolated.clear();
    cluster.pass(2_000);

    let leader = cluster.replica(1).status();
    let newest = leader.snapshots.newest.expect("it has one");
    assert_eq!(leader.snapshots.log_start.index.0, log_start(&cluster, 1));
    assert!(newest.last.index > leader.snapshots.log_start.index);
    assert!(newest.stamp_ms > 0, "it says of when it is");
    let third = leader.peers.iter().find(|peer| peer.id == MemberId(3)).expect("it is a peer");
    assert_eq!(third.replication, Replication::Snapshot);
    let [sent] = leader.snapshots.sending[..] else { panic!("{:?}", leader.snapshots.sending) };
    assert_eq!(sent.to, MemberId(3));
    assert!(sent.bytes > 0 && sent.bytes < sent.bytes_total, "{sent:?}");

    let receiving = cluster.replica(3).status().snapshots.receiving.expect("it is under way");
    assert_eq!(receiving, (MemberId(1), sent.bytes, sent.bytes_total));

    cluster.pass(20_000);
    let leader = cluster.replica(1).status();
    assert_eq!(leader.snapshots.sending, []);
    assert!(leader.peers.iter().all(|peer| peer.replication == Replication::Replicate));
}

/// A million keys take a while to free, and the replica thread has other things to do.
#[test]
fn a_state_that_is_not_taken_is_freed_by_the_snapshot_thread() {
    let mut cluster = led();
    let last = LogId::new(Term(1), Index(1));
    let point = SnapshotPoint { last, stamp_ms: 0, age_ms: 0, configuration: Default::default() };
    let (from, id) = (MemberId(2), SnapshotId { last, life: 1 });
    let reply = SnapshotReply::Received { from, id, bytes: 1, point, store: Box::default() };
    let now = Now { monotonic_ms: 0, wall_ms: 0 };
    let replica = &mut cluster.running(1).replica;
    replica.snapshot_reply(now, reply);
    let asked = replica.take_effects().snapshot;
    assert!(asked.iter().any(|asked| matches!(asked, SnapshotRequest::Free(_))), "{asked:?}");
}

/// Its sender writes too little for the next one to be due, and too much for it to be sent still.
#[test]
fn a_snapshot_that_is_too_old_to_be_sent_is_given_up_for_a_newer_one() {
    let (pinned_log_bytes_max, of_last_percent) = (100, 1_000);
    let slow = SnapshotOptions { pinned_log_bytes_max, of_last_percent, ..sent_slowly(10_000) };
    let mut cluster = led_with(slow);
    cluster.isolated = vec![3];
    write(&mut cluster, 0..20);
    let newest = |cluster: &Cluster| {
        let newest = cluster.replica(1).status().snapshots.newest;
        newest.expect("there is one").last.index
    };
    // Right after one was made; a few more are far from the next.
    let (mut before, mut written) = (newest(&cluster), 20);
    while newest(&cluster) == before {
        before = newest(&cluster);
        write(&mut cluster, written..written + 1);
        written += 1;
    }
    // More log than the snapshot is long, and not ten times as much.
    let too_old = newest(&cluster);
    let many = written * 3;
    write(&mut cluster, written..written + many);
    written += many;
    assert_eq!(newest(&cluster), too_old, "the next one is not due");
    cluster.isolated.clear();
    cluster.pass(5_000);
    assert!(holds_everything(&cluster, 3, 0..written));
    assert!(newest(&cluster) > too_old);
}

/// While it is on its way others are made, and the log is due to be cut after what it stands for.
#[test]
fn the_log_after_a_snapshot_stays_for_the_follower_that_took_it() {
    let mut cluster = led_with(sent_slowly(10_000));
    cluster.isolated = vec![3];
    write(&mut cluster, 0..100);
    cluster.isolated.clear();
    let (mut written, mut received) = (100, BTreeSet::new());
    while !holds_everything(&cluster, 3, 0..written) {
        write(&mut cluster, written..written + 1);
        written += 1;
        cluster.pass(20);
        received.extend(cluster.replica(3).status().snapshots.receiving.map(|(.., bytes)| bytes));
        assert!(written < 1_000, "it never catches up: {received:?}");
    }
    assert_eq!(received.len(), 1, "one snapshot is enough: {received:?}");
    // Nothing is written any more: what is cut now was due before.
    cluster.pass(1_000);
    assert!(log_start(&cluster, 1) > log_start(&cluster, 3), "the log was cut since");
}

#[test]
fn a_snapshot_that_could_not_be_written_is_an_alarm_until_one_is() {
    let mut cluster = led();
    let last = LogId::new(Term(1), Index(1));
    let reply = SnapshotReply::WriteFailed { last, reason: "no space".to_owned() };
    let now = Now { monotonic_ms: 0, wall_ms: 0 };
    cluster.running(1).replica.snapshot_reply(now, reply);
    cluster.pass(1_000);
    let failures = cluster.replica(1).status().snapshots.failures;
    assert_eq!((failures[0].work, failures[0].reason.as_str()), (SnapshotWork::Write, "no space"));
    assert!(failures[0].ago_ms >= 1_000);
    // It is tried again a while later.
    cluster.pass(10_000);
    write(&mut cluster, 0..100);
    assert_eq!(cluster.replica(1).status().snapshots.failures, []);
}
