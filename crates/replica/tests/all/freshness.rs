//! How old a member says its state may be: real replicas, logs and stores over simulated disks.

use bytes::Bytes;
use raft::{Body, MemberId, Message};
use replica::{PeerMessage, Request};
use store::{Command, KeyRange};

use crate::cluster::Cluster;

/// A heartbeat there and back, and the ticks that it waits for.
const IDLE_AGE_MS_MAX: u64 = 120;

#[test]
fn nobody_knows_how_old_its_state_is_before_a_leader_was_heard() {
    let mut cluster = Cluster::new(3);
    assert_eq!([1, 2, 3].map(|id| cluster.age_ms(id)), [None; 3]);
    cluster.elect(1);
    cluster.pass(200);
    for id in [1, 2, 3] {
        assert!(cluster.age_ms(id).is_some_and(|age_ms| age_ms <= IDLE_AGE_MS_MAX), "{id}");
    }
}

#[test]
fn a_state_does_not_grow_old_while_nothing_is_written() {
    let mut cluster = Cluster::led();
    for _ in 0..60 {
        cluster.pass(1_000);
        for id in [1, 2, 3] {
            let age_ms = cluster.age_ms(id).expect("it has heard");
            assert!(age_ms <= IDLE_AGE_MS_MAX, "{age_ms} ms on {id}");
        }
    }
}

#[test]
fn a_member_that_is_cut_off_grows_old_leader_or_not() {
    for cut_off in [1, 3] {
        let mut cluster = Cluster::led();
        cluster.pass(1_000);
        cluster.isolated = vec![cut_off];
        for seconds in 1..=5 {
            cluster.pass(1_000);
            let age_ms = cluster.age_ms(cut_off).expect("it has heard");
            let cut_off_ms = seconds * 1_000;
            assert!((cut_off_ms..=cut_off_ms + IDLE_AGE_MS_MAX).contains(&age_ms), "{age_ms}");
        }
        cluster.isolated.clear();
        cluster.pass(3_000);
        assert!(cluster.age_ms(cut_off) <= Some(IDLE_AGE_MS_MAX));
    }
}

/// The core's own clock leaves pauses out; the world does not.
#[test]
fn a_pause_makes_old() {
    let mut cluster = Cluster::led();
    cluster.pass(1_000);
    cluster.freeze(60_000);
    for id in [1, 2, 3] {
        assert!(cluster.age_ms(id) >= Some(60_000), "{id}: {:?}", cluster.age_ms(id));
    }
    cluster.isolated = vec![1, 2, 3];
    cluster.pass(10);
    for id in [1, 2, 3] {
        assert!(cluster.age_ms(id) >= Some(60_000), "{id}, after a tick: {:?}", cluster.age_ms(id));
    }
}

#[test]
fn a_member_that_hears_and_does_not_get_on_grows_old() {
    let mut cluster = Cluster::led();
    cluster.pass(1_000);
    cluster.stalled_disks = vec![3];
    let ticket = cluster.put(1, "k", "v");
    cluster.pass(800);
    assert!(cluster.is_done(ticket));
    let age_ms = cluster.age_ms(3).expect("it has heard");
    assert!((780..=800 + IDLE_AGE_MS_MAX).contains(&age_ms), "{age_ms} ms: it lacks the write");
    assert!(cluster.age_ms(2) <= Some(IDLE_AGE_MS_MAX));
    cluster.stalled_disks.clear();
    cluster.pass(200);
    assert!(cluster.age_ms(3) <= Some(IDLE_AGE_MS_MAX));
}

#[test]
fn what_is_committed_and_not_applied_makes_old_on_the_leader_too() {
    let mut cluster = Cluster::led();
    for key in 0..200 {
        cluster.put(1, &format!("k{key}"), "v");
    }
    cluster.settle();
    let range = KeyRange::Prefix(Bytes::from_static(b"k"));
    let command = Command::Delete { range, prev_kv: false, condition: None }.encode();
    cluster.running(1).replica.set_turn_units(1);
    let ticket = cluster.submit(1, Request::Write { command, forward: true }, 60_000);
    // One turn of apply for each of these; a settled cluster would have done them all.
    cluster.stalled_disks = vec![1];
    for _ in 0..4 {
        [1, 2, 3].into_iter().for_each(|id| cluster.work_once(id));
        cluster.deliver_all();
    }
    cluster.freeze(500);
    cluster.work_once(1);
    assert_eq!(cluster.answer(ticket), None, "it is committed and half done");
    assert!(cluster.replica(1).raft().commit() > cluster.applied(1));
    assert!(cluster.age_ms(1) >= Some(500), "{:?}", cluster.age_ms(1));
}

/// A leader that has committed nothing yet itself may not know of all that is committed (§8).
#[test]
fn the_word_of_a_leader_counts_once_it_has_committed_in_its_own_term() {
    let mut cluster = Cluster::led();
    cluster.pass(1_000);
    let raft = cluster.replica(2).raft();
    let (term, previous, commit) = (raft.term().next(), raft.log().last(), raft.commit());
    let body = Body::Append { previous, entries: Vec::new(), commit, round: 0, age_ms: 0 };
    let heartbeat = PeerMessage::Raft(Message { term, body });
    cluster.freeze(500);
    let now = cluster.now();
    cluster.running(3).replica.receive(now, MemberId(2), heartbeat);
    cluster.work_once(3);
    assert_eq!(cluster.replica(3).raft().leader(), Some(MemberId(2)));
    assert!(cluster.age_ms(3) >= Some(500), "{:?}", cluster.age_ms(3));
}
