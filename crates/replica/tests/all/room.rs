//! Disks without room: what is refused, what goes on, and when it is taken again (rule 1.7).

use bytes::Bytes;
use raft::MemberId;
use replica::{Change, Failure, PeerMessage, Request, Room};
use store::{Command, KeyRange, Origin};

use crate::cluster;
use crate::cluster::Cluster;

const SEGMENT: u64 = 64 << 10;
const PLENTY: Room =
    Room { free_bytes: 1 << 30, missing_bytes: 0, spares: 2, segment_bytes: SEGMENT };
const FULL: Room = Room { free_bytes: 0, missing_bytes: 0, spares: 2, segment_bytes: SEGMENT };

fn delete(key: &str) -> Command {
    let range = KeyRange::Single(Bytes::copy_from_slice(key.as_bytes()));
    Command::Delete { range, prev_kv: false, condition: None }
}

fn once(name: &'static str, command: Command) -> Command {
    Command::Once { origin: Origin::Key(name.into()), command: Box::new(command) }
}

fn write(command: &Command) -> Request {
    Request::Write { command: command.encode(), forward: true }
}

/// Three members led by 1, with one key, in which `full` have no room, and everybody knows.
fn cluster_with_full(full: &[u64]) -> Cluster {
    let mut cluster = Cluster::led();
    let ticket = cluster.put(1, "k", "v");
    cluster.pass(100);
    assert!(cluster.is_done(ticket));
    for &id in full {
        cluster.measured(id, FULL);
    }
    cluster.pass(100);
    cluster
}

/// What a put through that member comes to.
fn put(cluster: &mut Cluster, id: u64) -> Result<(), Failure> {
    let ticket = cluster.put(id, "a", "b");
    cluster.pass(100);
    assert!(cluster.answer(ticket).is_some(), "it is answered at once");
    cluster.failure(ticket).map_or(Ok(()), Err)
}

#[test]
fn without_a_quorum_that_has_room_growing_writes_are_refused_by_any_member() {
    for full in [[1, 2], [2, 3], [1, 3]] {
        let mut cluster = cluster_with_full(&full);
        for id in 1..=3 {
            assert_eq!(put(&mut cluster, id), Err(Failure::NoSpace), "{full:?}, through {id}");
        }
        let named = once("n", Command::decode(put_bytes()).expect("a put"));
        let ticket = cluster.submit(2, write(&named), 5_000);
        cluster.pass(100);
        assert_eq!(cluster.failure(ticket), Some(Failure::NoSpace), "a name changes nothing");
        assert_eq!(cluster.value(1, "a"), None);
    }
}

fn put_bytes() -> Bytes {
    let Request::Write { command, .. } = cluster::put("a", "b") else { panic!("a put") };
    command
}

#[test]
fn whatever_does_not_grow_goes_on() {
    let mut cluster = cluster_with_full(&[1, 2, 3]);
    let add = Change::Add {
        id: MemberId(4),
        incarnation: None,
        name: "node-4".into(),
        address: "localhost:8004".into(),
        replaces: None,
        stays_learner: false,
    };
    for request in [
        Request::ReadBarrier,
        write(&Command::OpenSession),
        write(&delete("k")),
        write(&once("n", delete("j"))),
        Request::Change(add),
        Request::Transfer { to: Some(MemberId(2)) },
    ] {
        let told = format!("{request:?}");
        let ticket = cluster.submit(1, request, 5_000);
        cluster.pass(500);
        assert!(cluster.is_done(ticket), "{told}: {:?}", cluster.answer(ticket));
    }
    assert_eq!(cluster.value(1, "k"), None, "it is deleted");
}

#[test]
fn one_full_member_keeps_nobody_from_writing() {
    for full in 1..=3 {
        let mut cluster = cluster_with_full(&[full]);
        for id in 1..=3 {
            assert_eq!(put(&mut cluster, id), Ok(()), "{full} is full, through {id}");
        }
    }
}

#[test]
fn with_a_member_down_the_full_one_is_needed_and_nothing_grows() {
    let mut cluster = cluster_with_full(&[2]);
    cluster.kill(3);
    cluster.pass(2_000);
    assert_eq!(put(&mut cluster, 1), Err(Failure::NoSpace));
    cluster.start(3);
    cluster.pass(500);
    assert_eq!(put(&mut cluster, 1), Ok(()));
}

#[test]
fn it_is_lifted_as_soon_as_there_is_room_again() {
    let mut cluster = cluster_with_full(&[1, 2, 3]);
    assert_eq!(put(&mut cluster, 1), Err(Failure::NoSpace));
    cluster.measured(1, PLENTY);
    assert_eq!(put(&mut cluster, 1), Err(Failure::NoSpace), "one of three is no quorum");
    cluster.measured(3, PLENTY);
    cluster.pass(50);
    assert_eq!(put(&mut cluster, 2), Ok(()));
}

#[test]
fn a_new_leader_is_told_and_a_word_that_was_lost_is_said_again() {
    let mut cluster = cluster_with_full(&[2, 3]);
    let ticket = cluster.submit(1, Request::Transfer { to: Some(MemberId(2)) }, 5_000);
    cluster.pass(500);
    assert!(cluster.is_done(ticket));
    assert_eq!(put(&mut cluster, 2), Err(Failure::NoSpace), "it has heard of 3 again");

    cluster.measured(3, PLENTY);
    cluster.emit(3);
    let before = cluster.wire().len();
    cluster.wire().retain(|(_, _, message)| !matches!(message, PeerMessage::Report { .. }));
    assert!(cluster.wire().len() < before, "the word was on its way, and is lost");
    cluster.pass(1_200);
    assert_eq!(put(&mut cluster, 2), Ok(()));
}
