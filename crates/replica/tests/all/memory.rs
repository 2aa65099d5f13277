//! Members without memory: what is refused, what goes on, what is given up before (rule 11.2).

use bytes::Bytes;
use raft::MemberId;
use replica::{Failure, Request};
use store::{Command, CompactionCause, KeyRange, Published, Revision};

use crate::cluster::Cluster;

const LIMIT: u64 = 1_000_000;

fn published(cluster: &Cluster, id: u64) -> Published {
    cluster.replica(id).reader().published()
}

fn delete_all() -> Request {
    let delete =
        Command::Delete { range: KeyRange::Prefix(Bytes::new()), prev_kv: false, condition: None };
    Request::Write { command: delete.encode(), forward: true }
}

/// Three members led by 1, of which some may use so much memory.
fn limited(limits: &[(u64, u64)]) -> Cluster {
    let mut cluster = Cluster::led();
    for &(id, bytes) in limits {
        cluster.limit_memory(id, bytes);
    }
    cluster
}

/// Puts one key after the other, of 10,000 bytes each, through that member, until it is refused;
/// how many there are then, and why.
fn fill(cluster: &mut Cluster, id: u64, most: u64) -> (u64, Option<Failure>) {
    for number in 0..most {
        let ticket = cluster.put(id, &format!("k{number}"), &"v".repeat(10_000));
        cluster.pass(50);
        if let Some(failure) = cluster.failure(ticket) {
            return (number, Some(failure));
        }
        assert!(cluster.is_done(ticket), "{:?}", cluster.answer(ticket));
    }
    (most, None)
}

#[test]
fn a_full_cluster_refuses_what_grows_and_lifts_by_itself() {
    let mut cluster = limited(&[(1, LIMIT), (2, LIMIT), (3, LIMIT)]);
    let (written, failure) = fill(&mut cluster, 2, 200);
    assert_eq!(failure, Some(Failure::NoMemory));
    assert!((80..=92).contains(&written), "{written} times 10,000 bytes are 90 %");
    for id in 1..=3 {
        assert!(cluster.replica(id).status().memory.lacks);
        assert_eq!(cluster.value(id, "k0").map(|value| value.len()), Some(10_000), "it serves");
    }
    let ticket = cluster.submit(1, delete_all(), 5_000);
    cluster.pass(100);
    assert!(cluster.is_done(ticket), "what shrinks goes on");
    // What was deleted is history now, and goes for want of memory.
    cluster.pass(5_000);
    assert_eq!(published(&cluster, 2).compacted_for, CompactionCause::Memory);
    for id in 1..=3 {
        let ticket = cluster.put(id, "again", "v");
        cluster.pass(100);
        assert!(cluster.is_done(ticket), "through {id}: {:?}", cluster.answer(ticket));
    }
}

#[test]
fn one_member_of_three_without_memory_keeps_nobody_from_writing_and_applies_all() {
    let mut cluster = limited(&[(3, LIMIT)]);
    assert_eq!(fill(&mut cluster, 1, 150), (150, None));
    cluster.pass(200);
    let status = cluster.replica(3).status();
    assert!(status.memory.lacks && status.memory.used_bytes > LIMIT, "{:?}", status.memory);
    assert_eq!(published(&cluster, 3).revision, published(&cluster, 1).revision);
}

#[test]
fn two_members_without_memory_are_a_quorum_that_lacks_it() {
    let mut cluster = limited(&[(2, LIMIT), (3, LIMIT)]);
    let (_, failure) = fill(&mut cluster, 1, 200);
    assert_eq!(failure, Some(Failure::NoMemory));
    cluster.limit_memory(3, 10 * LIMIT);
    cluster.pass(200);
    assert_eq!(fill(&mut cluster, 1, 5), (5, None), "more memory lifts it at once");
}

#[test]
fn a_new_leader_is_told_who_lacks_memory() {
    let mut cluster = limited(&[(2, LIMIT), (3, LIMIT)]);
    let (_, failure) = fill(&mut cluster, 1, 200);
    assert_eq!(failure, Some(Failure::NoMemory));
    let transfer = Request::Transfer { to: Some(MemberId(2)) };
    let ticket = cluster.submit(1, transfer, 5_000);
    cluster.pass(500);
    assert!(cluster.is_done(ticket));
    assert_eq!(fill(&mut cluster, 2, 1), (0, Some(Failure::NoMemory)));
}

#[test]
fn the_past_is_given_up_early_but_for_the_last_revisions() {
    let mut cluster = limited(&[(1, 3 * LIMIT), (2, 3 * LIMIT), (3, 3 * LIMIT)]);
    for number in 0..13_000 {
        let ticket = cluster.put(1, "k", "some value or other");
        if number % 100 == 0 {
            cluster.pass(20);
            assert_ne!(cluster.failure(ticket), Some(Failure::NoMemory));
        }
    }
    cluster.pass(5_000);
    let Published { compact_revision, compacted_for, revision, .. } = published(&cluster, 2);
    assert_eq!(compacted_for, CompactionCause::Memory);
    assert!(compact_revision > Revision(0) && revision.0 - compact_revision.0 >= 10_000);
    let used = cluster.replica(2).status().memory;
    assert!(used.used_bytes * 100 < used.limit_bytes * 72, "{used:?}");
}

/// Fewer revisions than are spared otherwise, and each of them large.
#[test]
fn a_past_that_is_large_goes_before_any_write_is_refused() {
    let mut cluster = limited(&[(1, LIMIT), (2, LIMIT), (3, LIMIT)]);
    for number in 0..1_000 {
        let ticket = cluster.put(1, "k", &"v".repeat(10_000));
        cluster.pass(30);
        assert!(cluster.is_done(ticket), "put {number}: {:?}", cluster.answer(ticket));
    }
    assert_eq!(published(&cluster, 2).compacted_for, CompactionCause::Memory);
}
