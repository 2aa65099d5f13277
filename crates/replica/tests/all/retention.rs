//! How much of the past is kept: compaction, and the removal of what it gave up.

use replica::{Done, Request};
use store::{
    Command, CompactionCause, Outcome, PinLifted, Published, ReadError, Refused, Revision,
    SettingsChange,
};

use crate::cluster::Cluster;

/// Three members led by 1, in which `k` was written so often, at revisions from 2 on.
fn written(times: u64) -> Cluster {
    written_to(1, times)
}

/// The same with so many keys, `k` and others, one after the other.
fn written_to(keys: u64, times: u64) -> Cluster {
    let mut cluster = Cluster::led();
    let key = |n: u64| match n % keys {
        0 => "k".to_owned(),
        other => format!("k{other}"),
    };
    let writes: Vec<u64> = (0..times).map(|n| cluster.put(1, &key(n), &format!("{n}"))).collect();
    cluster.pass(200);
    assert!(writes.iter().all(|&ticket| cluster.is_done(ticket)));
    cluster
}

fn compact(cluster: &mut Cluster, id: u64, revision: u64) -> Outcome {
    let command =
        Command::Compact { revision: Revision(revision), cause: CompactionCause::Asked }.encode();
    let ticket = cluster.submit(id, Request::Write { command, forward: true }, 5_000);
    cluster.pass(200);
    match cluster.answer(ticket) {
        Some(Ok(Done::Written { outcome, .. })) => outcome.clone(),
        other => panic!("a compaction came to {other:?}"),
    }
}

fn history_bytes(cluster: &Cluster, id: u64) -> u64 {
    cluster.replica(id).reader().published().history_bytes
}

#[test]
fn what_is_given_up_is_removed_on_every_member() {
    let mut cluster = written(500);
    let before = history_bytes(&cluster, 1);
    let outcome = compact(&mut cluster, 2, 500);
    let expected = Outcome::Compacted { revision: Revision(501), compact_revision: Revision(500) };
    assert_eq!(outcome, expected);
    for id in 1..=3 {
        let left = history_bytes(&cluster, id);
        assert!(left < before / 10, "{id} keeps {left} bytes of {before}");
        let reader = cluster.replica(id).reader();
        assert_eq!(reader.get(b"k", Some(Revision(500))).unwrap().0.unwrap().value, "498");
        let error = ReadError::Compacted { requested: Revision(499), oldest: Revision(500) };
        assert_eq!(reader.get(b"k", Some(Revision(499))), Err(error));
    }
}

#[test]
fn the_future_and_what_is_compacted_already_are_refused_without_effect() {
    let mut cluster = written(9);
    let refused =
        |error| Outcome::Refused { revision: Revision(10), reason: Refused::Unreadable(error) };
    let future = ReadError::FutureRevision { requested: Revision(11), newest: Revision(10) };
    assert_eq!(compact(&mut cluster, 1, 11), refused(future));
    compact(&mut cluster, 1, 5);
    for requested in [4, 5].map(Revision) {
        let compacted = ReadError::Compacted { requested, oldest: Revision(5) };
        assert_eq!(compact(&mut cluster, 3, requested.0), refused(compacted));
    }
    assert_eq!(cluster.replica(2).reader().published().compact_revision, Revision(5));
}

#[test]
fn the_removal_takes_many_small_turns_and_writes_go_on_between_them() {
    let mut cluster = written_to(50, 500);
    let before = history_bytes(&cluster, 1);
    cluster.sweeps = false;
    compact(&mut cluster, 1, 500);
    assert_eq!(history_bytes(&cluster, 1), before, "at first it can not be read any more");
    let replica = &mut cluster.running(1).replica;
    // The versions of one key a turn.
    replica.set_turn_units(4_000);
    let mut turns = 0;
    for half in [true, false] {
        let mut last = history_bytes(&cluster, 1);
        while cluster.running(1).replica.sweep_turn() {
            turns += 1;
            let left = history_bytes(&cluster, 1);
            // Those, and now and then a piece of the event log.
            assert!(last - left <= before / 20, "a turn removed {} of {before}", last - left);
            last = left;
            if half && left < before / 2 {
                break;
            }
        }
        let put = cluster.put(1, "k", "another");
        cluster.pass(100);
        assert!(cluster.is_done(put));
    }
    assert!(turns >= 50, "{turns} turns for 50 keys");
    assert!(history_bytes(&cluster, 1) < before / 5);
}

#[test]
fn a_revision_that_is_read_stays_until_it_is_let_go() {
    let mut cluster = written(100);
    let pinned = cluster.replica(2).reader().pin(Some(Revision(50))).unwrap();
    let before = history_bytes(&cluster, 2);
    compact(&mut cluster, 1, 100);
    assert!(history_bytes(&cluster, 1) < before / 10, "nobody reads there");
    let kept = history_bytes(&cluster, 2);
    assert!(kept > before / 3, "{kept} of {before} bytes are kept for the reader");
    assert_eq!(pinned.get(b"k").unwrap().unwrap().value, "48");
    drop(pinned);
    cluster.pass(100);
    assert!(history_bytes(&cluster, 2) < before / 10, "it is let go");
}

fn settings(cluster: &mut Cluster, history_age_ms: Option<u64>, history_bytes: Option<u64>) {
    let change = SettingsChange { history_age_ms, history_bytes, seed: false };
    let command = Command::ChangeSettings(change).encode();
    let ticket = cluster.submit(1, Request::Write { command, forward: true }, 5_000);
    cluster.pass(100);
    assert!(cluster.is_done(ticket));
}

fn published(cluster: &Cluster, id: u64) -> Published {
    cluster.replica(id).reader().published()
}

/// A write of so many bytes each 20 ms, for so long.
fn write_for(cluster: &mut Cluster, ms: u64, bytes: usize) {
    let value = "v".repeat(bytes);
    for _ in 0..ms / 20 {
        cluster.put(1, "k", &value);
        cluster.pass(20);
    }
}

#[test]
fn what_is_older_than_the_setting_is_given_up_by_itself_on_every_member() {
    let mut cluster = Cluster::led();
    settings(&mut cluster, Some(3_000), None);
    write_for(&mut cluster, 10_000, 1);
    cluster.pass(100);
    let Published { compact_revision, compacted_for, .. } = published(&cluster, 1);
    assert_eq!(compacted_for, CompactionCause::Age);
    let reader = cluster.replica(1).reader();
    let (_, newest) = reader.get(b"k", None).unwrap();
    let kept = newest.0 - compact_revision.0;
    assert!((140..=260).contains(&kept), "{kept} revisions of 50 a second are kept");
    for id in 2..=3 {
        assert_eq!(published(&cluster, id).compact_revision, compact_revision);
        assert_eq!(published(&cluster, id).compacted_for, CompactionCause::Age);
    }
    cluster.pass(10_000);
    let left = published(&cluster, 2).compact_revision;
    assert_eq!(left, newest, "age goes on while nothing is written; the present stays");
    assert_eq!(reader.get(b"k", None).unwrap().1, newest);
}

#[test]
fn what_takes_more_than_the_setting_is_given_up_by_itself() {
    let mut cluster = Cluster::led();
    settings(&mut cluster, Some(0), Some(100_000));
    let mut most = 0;
    for _ in 0..10 {
        write_for(&mut cluster, 1_000, 1_000);
        most = most.max(history_bytes(&cluster, 2));
    }
    let second = 50 * 1_300;
    assert!(most <= 100_000 + 2 * second, "{most} bytes at the most, checked each second");
    cluster.pass(2_000);
    for id in 1..=3 {
        let left = history_bytes(&cluster, id);
        assert!((60_000..=100_000).contains(&left), "{id} keeps {left} bytes");
        assert_eq!(published(&cluster, id).compacted_for, CompactionCause::Bytes);
    }
}

#[test]
fn without_settings_nothing_is_given_up() {
    let mut cluster = Cluster::led();
    write_for(&mut cluster, 5_000, 1);
    assert_eq!(published(&cluster, 1).compact_revision, Revision(0));
    assert!(!published(&cluster, 1).settings.are_set());
}

#[test]
fn a_new_leader_goes_on_with_it() {
    let mut cluster = Cluster::led();
    settings(&mut cluster, Some(2_000), None);
    write_for(&mut cluster, 4_000, 1);
    let before = published(&cluster, 2).compact_revision;
    assert!(before > Revision(0));
    cluster.kill(1);
    cluster.pass(5_000);
    let put = cluster.put(2, "k", "another");
    cluster.pass(3_500);
    assert!(cluster.is_done(put));
    let after = published(&cluster, 2);
    assert!(after.compact_revision > before, "{after:?}");
    assert_eq!(published(&cluster, 3).compact_revision, after.compact_revision);
}

#[test]
fn a_reader_that_takes_too_long_is_told_so_and_holds_nobody_up() {
    let mut cluster = written(100);
    let pinned = cluster.replica(2).reader().pin(Some(Revision(50))).unwrap();
    let before = history_bytes(&cluster, 2);
    compact(&mut cluster, 1, 100);
    cluster.pass(29_000);
    assert_eq!(pinned.get(b"k").unwrap().unwrap().value, "48");
    cluster.pass(32_000);
    let lifted = PinLifted { revision: Revision(50), oldest: Revision(100) };
    assert_eq!(pinned.get(b"k"), Err(lifted));
    assert!(history_bytes(&cluster, 2) < before / 10, "it is not waited for");
}
