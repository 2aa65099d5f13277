//! The three outcomes of contract 4, and what a replica promises about order: each test is one
//! scenario on real replicas, logs and stores over simulated disks.

use bytes::Bytes;
use raft::{Body, LogId, MemberId, Message};
use replica::{Done, Failure, ForwardRefusal, PeerMessage, Request, Stop};
use store::{ApplyError, Command, FirstOutcome, KeyRange, Origin, Outcome, Put, Txn, TxnOp};

use crate::cluster::{Cluster, put, put_once};

/// What a read that was served was told to be settled.
fn settled_ms(cluster: &Cluster, ticket: u64) -> u64 {
    match cluster.answer(ticket) {
        Some(Ok(Done::ReadReady { settled_ms })) => *settled_ms,
        other => panic!("the read came to {other:?}"),
    }
}

#[test]
fn a_write_is_acknowledged_only_once_a_majority_has_it_on_disk() {
    let mut cluster = Cluster::led();
    cluster.stalled_disks = vec![2, 3];
    let ticket = cluster.put(1, "k", "v");
    cluster.settle();
    assert_eq!(cluster.answer(ticket), None, "one copy is no majority");
    cluster.stalled_disks = vec![3];
    cluster.settle();
    assert!(cluster.is_done(ticket));
}

#[test]
fn a_write_commits_without_the_leaders_own_disk_if_a_majority_has_it() {
    let mut cluster = Cluster::led();
    cluster.stalled_disks = vec![1];
    let ticket = cluster.put(1, "k", "v");
    cluster.settle();
    assert!(cluster.is_done(ticket));
    assert!(cluster.replica(1).raft().durable() < cluster.replica(1).raft().commit());
}

#[test]
fn an_acknowledged_write_survives_a_power_cut_of_every_member() {
    let mut cluster = Cluster::led();
    let ticket = cluster.put(1, "k", "v");
    cluster.settle();
    assert!(cluster.is_done(ticket));
    for id in [1, 2, 3] {
        cluster.power_cut(id);
    }
    for id in [1, 2, 3] {
        cluster.start(id);
    }
    cluster.elect(2);
    cluster.pass(200);
    for id in [1, 2, 3] {
        assert_eq!(cluster.value(id, "k").as_deref(), Some("v"), "on member {id}");
    }
}

#[test]
fn a_follower_forwards_and_learns_the_outcome_from_its_own_log() {
    let mut cluster = Cluster::led();
    let ticket = cluster.put(2, "k", "v");
    cluster.settle();
    let Some(Ok(Done::Written { log_id, .. })) = cluster.answer(ticket) else {
        panic!("written: {:?}", cluster.answer(ticket));
    };
    assert_eq!(log_id.index.0, 3, "after the configuration and the no-op");
    assert_eq!(cluster.value(2, "k").as_deref(), Some("v"), "it reads its own write");
}

#[test]
fn a_forwarded_write_that_arrives_twice_is_done_once() {
    let mut cluster = Cluster::led();
    let ticket = cluster.put(2, "k", "v");
    cluster.emit(2);
    let forward = cluster.wire().pop_front().expect("the forward");
    assert!(matches!(forward.2, PeerMessage::Forward { .. }));
    cluster.wire().extend([forward.clone(), forward]);
    cluster.settle();
    assert!(cluster.is_done(ticket));
    assert_eq!(cluster.replica(1).raft().log().last().index.0, 3, "one entry, not two");
}

/// A peer is faulty: it hands over what no gateway takes. In the log it would end every member.
#[test]
fn what_no_gateway_takes_is_not_taken_from_a_peer_either() {
    let put = |key: &'static str| TxnOp::Put(Put::new(key, "v"));
    let twice = Txn { success: vec![put("k"), put("k")], ..Txn::default() };
    let huge = Command::from(Put::new("k", vec![0; 5 << 20]));
    let mut cluster = Cluster::led();
    let (term, last) = (cluster.replica(1).raft().term(), cluster.replica(1).raft().log().last());
    for (number, command) in [(1, Command::Txn(twice).encode()), (2, huge.encode())] {
        let forward = PeerMessage::Forward { term, life: 9, number, command };
        cluster.wire().push_back((2, 1, forward));
        cluster.deliver_all();
        cluster.emit(1);
        let (1, 2, PeerMessage::ForwardAnswer { result, .. }) = cluster.wire()[0] else {
            panic!("{:?}", cluster.wire());
        };
        assert_eq!(result, Err(ForwardRefusal::UnknownCommand));
        cluster.settle();
    }
    assert_eq!(cluster.replica(1).raft().log().last(), last);
    assert!((1..=3).all(|id| cluster.running(id).stop.is_none()));
}

#[test]
fn a_refused_forward_is_not_sent_again_to_the_same_leader_before_a_tick() {
    let mut cluster = Cluster::led();
    let ticket = cluster.put(2, "k", "v");
    cluster.emit(2);
    let Some((2, 1, PeerMessage::Forward { life, number, .. })) = cluster.wire().pop_front() else {
        panic!("a forward");
    };
    let result = Err(ForwardRefusal::NotLeader);
    let refusal = PeerMessage::ForwardAnswer { life, number, result };
    cluster.wire().push_back((1, 2, refusal));
    cluster.settle();
    assert_eq!(cluster.answer(ticket), None, "it waits: asking at once would be a storm");
    cluster.pass(10);
    assert!(cluster.is_done(ticket));
}

/// A peer is faulty: it answers what it was not asked, or names a term that was not asked for. The
/// place that it names may yet be given out here, and it is given out once.
#[test]
fn an_answer_to_a_forward_counts_only_from_who_was_asked_and_for_the_term_asked_in() {
    let mut cluster = Cluster::led();
    let ticket = cluster.put(2, "k", "v");
    cluster.emit(2);
    let forward = cluster.wire().pop_front().expect("the forward");
    let (2, 1, PeerMessage::Forward { term, life, number, .. }) = forward else {
        panic!("a forward");
    };
    // After the no-op of the next leader.
    let next = cluster.replica(1).raft().log().last().index.next().next();
    let answer = |result| PeerMessage::ForwardAnswer { life, number, result };
    cluster.wire().push_back((3, 2, answer(Err(ForwardRefusal::Overloaded))));
    cluster.wire().push_back((3, 2, answer(Ok(LogId::new(term.next(), next)))));
    cluster.deliver_all();
    cluster.emit(2);
    assert_eq!(cluster.answer(ticket), None, "3 was not asked");
    cluster.wire().push_back((1, 2, answer(Ok(LogId::new(term.next(), next)))));
    cluster.deliver_all();
    cluster.emit(2);
    assert_eq!(cluster.failure(ticket), Some(Failure::Unknown));

    cluster.submit(1, Request::Transfer { to: Some(MemberId(2)) }, 1_000);
    cluster.pass(200);
    assert_eq!(cluster.replica(2).raft().term(), term.next());
    let own = cluster.put(2, "l", "v");
    cluster.settle();
    assert!(cluster.is_done(own));
}

#[test]
fn a_forward_that_never_left_is_sent_again_and_never_unknown() {
    let mut cluster = Cluster::led();
    let unsent = |cluster: &mut Cluster| {
        cluster.emit(2);
        let Some((2, 1, message @ PeerMessage::Forward { .. })) = cluster.wire().pop_front() else {
            panic!("a forward");
        };
        cluster.unsent(2, &message);
    };
    let ticket = cluster.put(2, "k", "late");
    unsent(&mut cluster);
    cluster.settle();
    assert_eq!(cluster.answer(ticket), None, "it waits for the stream");
    cluster.pass(10);
    assert!(cluster.is_done(ticket));

    let ticket = cluster.submit(2, put("k", "never"), 5);
    unsent(&mut cluster);
    cluster.pass(10);
    assert_eq!(cluster.failure(ticket), Some(Failure::Unavailable), "certainly not done");
    cluster.pass(500);
    assert_eq!(cluster.value(1, "k"), Some("late".into()));
}

#[test]
fn a_member_that_may_not_forward_names_the_leader() {
    let mut cluster = Cluster::led();
    let Request::Write { command, .. } = put("k", "v") else { unreachable!("a write") };
    let ticket = cluster.submit(2, Request::Write { command, forward: false }, 5_000);
    cluster.settle();
    let leader = Some(MemberId(1));
    assert_eq!(cluster.failure(ticket), Some(Failure::NotLeader { leader }));
}

#[test]
fn a_write_whose_place_a_new_leader_took_is_definitely_not_done() {
    let mut cluster = Cluster::led();
    cluster.isolated = vec![1];
    let ticket = cluster.submit(1, put("k", "old"), 60_000);
    cluster.settle();
    cluster.pass(3_000);
    let leader = cluster.leader().expect("the others elected one");
    assert_ne!(leader, 1);
    cluster.isolated.clear();
    cluster.pass(500);
    assert_eq!(cluster.failure(ticket), Some(Failure::Superseded));
    for id in [1, 2, 3] {
        assert_eq!(cluster.value(id, "k"), None, "it never becomes visible");
    }
}

#[test]
fn a_write_that_outlives_its_leadership_is_done_when_its_entry_commits_after_all() {
    let mut cluster = Cluster::led();
    // Member 2 gets the entry, but the leader never hears of it and steps down.
    let ticket = cluster.submit(1, put("k", "v"), 60_000);
    cluster.emit(1);
    cluster.wire().retain(|(_, to, _)| *to == 2);
    let (from, to, append) = cluster.wire().pop_front().expect("the append");
    cluster.isolated = vec![1];
    let now = raft::Now { monotonic_ms: 10_000, wall_ms: 1_010_000 };
    assert_eq!((from, to), (1, 2));
    cluster.running(2).replica.receive(now, MemberId(1), append);
    cluster.pass(5_000);
    assert_eq!(cluster.leader(), Some(2), "only it has the longer log");
    cluster.isolated.clear();
    cluster.pass(500);
    assert!(cluster.is_done(ticket), "decided when its index was applied: same term, done");
}

#[test]
fn without_a_leader_a_write_is_held_then_refused_for_certain() {
    let mut cluster = Cluster::new(3);
    cluster.isolated = vec![1, 2, 3];
    let ticket = cluster.put(1, "k", "v");
    cluster.pass(1_000);
    assert_eq!(cluster.answer(ticket), None, "a leader may still be found");
    cluster.pass(1_500);
    assert_eq!(cluster.failure(ticket), Some(Failure::Unavailable));
}

#[test]
fn a_held_write_goes_on_as_soon_as_there_is_a_leader() {
    let mut cluster = Cluster::new(3);
    let ticket = cluster.put(3, "k", "v");
    cluster.elect(1);
    cluster.pass(20);
    assert!(cluster.is_done(ticket));
}

#[test]
fn a_proposed_write_past_its_deadline_is_unknown() {
    let mut cluster = Cluster::led();
    cluster.isolated = vec![1];
    let ticket = cluster.submit(1, put("k", "v"), 300);
    cluster.pass(400);
    assert_eq!(cluster.failure(ticket), Some(Failure::Unknown));
}

#[test]
fn a_forwarded_write_is_unknown_once_the_leaders_stream_broke() {
    let mut cluster = Cluster::led();
    let ticket = cluster.put(2, "k", "v");
    cluster.emit(2);
    cluster.wire().clear();
    cluster.kill(1);
    cluster.close_stream(2, 1);
    cluster.settle();
    assert_eq!(cluster.failure(ticket), Some(Failure::Unknown));
}

/// The name of a write, drawn by whoever wrote it.
fn key_name() -> Origin {
    Origin::Key(Bytes::from_static(b"drawn by the client"))
}

/// The number of a write in a session, which is opened first.
fn session_name(cluster: &mut Cluster) -> Origin {
    let command = Command::OpenSession.encode();
    let ticket = cluster.submit(1, Request::Write { command, forward: true }, 5_000);
    cluster.settle();
    let Some(Ok(Done::Written { outcome, .. })) = cluster.answer(ticket) else {
        panic!("{:?}", cluster.answer(ticket));
    };
    let Outcome::SessionOpened { session } = *outcome else { panic!("{outcome:?}") };
    Origin::Session { session, seq: 1, acked_below: 1 }
}

/// How often the key was written, on this member.
fn version(cluster: &Cluster, id: u64, key: &str) -> u64 {
    let (found, _) = cluster.replica(id).reader().get(key.as_bytes(), None).expect("readable");
    found.map_or(0, |found| found.version)
}

fn outcome(cluster: &Cluster, ticket: u64) -> &Outcome {
    match cluster.answer(ticket) {
        Some(Ok(Done::Written { outcome, .. })) => outcome,
        other => panic!("written: {other:?}"),
    }
}

/// The leader's process dies, and the others notice.
fn leader_dies(cluster: &mut Cluster) {
    cluster.kill(1);
    cluster.close_stream(2, 1);
    cluster.close_stream(3, 1);
}

#[test]
fn a_forwarded_write_with_a_name_is_sent_again_once_the_leader_died() {
    for in_session in [false, true] {
        let mut cluster = Cluster::led();
        let origin = if in_session { session_name(&mut cluster) } else { key_name() };
        let ticket = cluster.submit(2, put_once(origin, "k", "v"), 5_000);
        cluster.emit(2);
        cluster.wire().clear();
        leader_dies(&mut cluster);
        cluster.settle();
        assert_eq!(cluster.answer(ticket), None, "the next leader is waited for");
        cluster.pass(200);
        assert!(matches!(outcome(&cluster, ticket), Outcome::Put { .. }));
        assert_eq!(version(&cluster, 2, "k"), 1);
    }
}

#[test]
fn a_write_with_a_name_that_was_done_before_the_leader_died_is_done_once() {
    for in_session in [false, true] {
        let mut cluster = Cluster::led();
        let origin = if in_session { session_name(&mut cluster) } else { key_name() };
        let ticket = cluster.submit(2, put_once(origin, "k", "v"), 5_000);
        cluster.emit(2);
        cluster.deliver_all();
        // The others commit it, and neither that nor the answer reaches 2.
        cluster.isolated = vec![2];
        cluster.settle();
        assert_eq!(version(&cluster, 1, "k"), 1);
        cluster.isolated.clear();
        leader_dies(&mut cluster);
        cluster.pass(300);
        let Outcome::Repeated(first) = outcome(&cluster, ticket) else {
            panic!("{:?}", cluster.answer(ticket));
        };
        assert!(matches!(first.outcome, FirstOutcome::Kept(Outcome::Put { .. })));
        assert_eq!((version(&cluster, 2, "k"), version(&cluster, 3, "k")), (1, 1));
    }
}

#[test]
fn a_write_with_a_name_is_sent_again_when_the_stream_to_the_leader_broke() {
    let mut cluster = Cluster::led();
    let last = cluster.replica(1).raft().log().last().index.0;
    let named = cluster.submit(2, put_once(key_name(), "k", "v"), 5_000);
    let other = cluster.put(2, "l", "v");
    cluster.emit(2);
    cluster.break_stream(2, 1);
    cluster.settle();
    assert!(cluster.is_done(named), "{:?}", cluster.answer(named));
    assert_eq!(cluster.replica(1).raft().log().last().index.0, last + 1);
    assert_eq!(cluster.answer(other), None, "its answer might yet come on the other stream");
    cluster.pass(5_000);
    assert_eq!(cluster.failure(other), Some(Failure::Unknown));
}

/// The answer may have been on the leader's stream that the new one takes the place of.
#[test]
fn a_write_with_a_name_is_sent_again_when_the_leader_opens_its_stream_anew() {
    let mut cluster = Cluster::led();
    let named = cluster.submit(2, put_once(key_name(), "k", "v"), 5_000);
    cluster.emit(2);
    cluster.wire().clear();
    cluster.settle();
    assert_eq!(cluster.answer(named), None);
    cluster.open_stream(2, 1);
    cluster.settle();
    assert!(cluster.is_done(named), "{:?}", cluster.answer(named));
}

#[test]
fn two_copies_of_a_write_with_a_name_that_both_arrive_are_done_once() {
    let mut cluster = Cluster::led();
    let last = cluster.replica(1).raft().log().last().index.0;
    let ticket = cluster.submit(2, put_once(key_name(), "k", "v"), 5_000);
    cluster.emit(2);
    let first = cluster.wire().pop_front().expect("the forward");
    cluster.break_stream(2, 1);
    cluster.wire().push_back(first);
    cluster.settle();
    assert!(matches!(outcome(&cluster, ticket), Outcome::Repeated(_)));
    assert_eq!(cluster.replica(1).raft().log().last().index.0, last + 2, "both stand in the log");
    assert_eq!(version(&cluster, 3, "k"), 1);
}

#[test]
fn a_write_with_a_name_is_sent_to_the_next_leader_though_the_last_one_only_fell_silent() {
    let mut cluster = Cluster::led();
    let named = cluster.submit(2, put_once(key_name(), "k", "v"), 20_000);
    let other = cluster.submit(2, put("l", "v"), 20_000);
    cluster.emit(2);
    cluster.wire().clear();
    cluster.isolated = vec![1];
    cluster.pass(5_000);
    assert!(cluster.is_done(named), "{:?}", cluster.answer(named));
    assert_eq!(cluster.answer(other), None, "nobody knows what became of it");
    cluster.pass(15_000);
    assert_eq!(cluster.failure(other), Some(Failure::Unknown));
}

#[test]
fn a_write_that_was_sent_again_waits_until_its_deadline_and_is_unknown_then() {
    let mut cluster = Cluster::led();
    let ticket = cluster.submit(2, put_once(key_name(), "k", "v"), 4_000);
    cluster.emit(2);
    cluster.wire().clear();
    cluster.isolated = vec![1, 2, 3];
    cluster.close_stream(2, 1);
    // Longer than any write waits for a leader that was not sent to one before.
    cluster.pass(3_990);
    assert_eq!(cluster.answer(ticket), None);
    cluster.pass(20);
    assert_eq!(cluster.failure(ticket), Some(Failure::Unknown), "a copy may lie somewhere");
}

/// A name is known for minutes, and whoever stood still may have slept for longer.
#[test]
fn nothing_is_sent_again_after_its_deadline() {
    let mut cluster = Cluster::led();
    let ticket = cluster.submit(2, put_once(key_name(), "k", "v"), 1_000);
    cluster.emit(2);
    cluster.freeze(20 * 60 * 1_000);
    cluster.break_stream(2, 1);
    cluster.emit(2);
    assert_eq!(cluster.failure(ticket), Some(Failure::Unknown));
    let forwards = |(_, _, message): &(_, _, _)| matches!(message, PeerMessage::Forward { .. });
    assert!(!cluster.wire().iter().any(forwards));
}

#[test]
fn a_dead_leaders_followers_elect_within_a_tenth_of_a_second() {
    let mut cluster = Cluster::led();
    cluster.kill(1);
    cluster.close_stream(2, 1);
    cluster.close_stream(3, 1);
    let ticket = cluster.put(3, "k", "v");
    cluster.pass(100);
    assert!(cluster.is_done(ticket), "held, then done under the new leader");
}

#[test]
fn a_read_waits_for_a_quorum_round_and_for_apply() {
    let mut cluster = Cluster::led();
    let write = cluster.put(1, "k", "v");
    cluster.settle();
    assert!(cluster.is_done(write));
    cluster.isolated = vec![1];
    let read = cluster.submit(1, Request::ReadBarrier, 5_000);
    cluster.settle();
    assert_eq!(cluster.answer(read), None, "cut off, it can not know that it still leads");
    cluster.isolated.clear();
    cluster.pass(200);
    let settled = settled_ms(&cluster, read);
    let on_follower = cluster.submit(3, Request::ReadBarrier, 5_000);
    cluster.settle();
    let settled_there = settled_ms(&cluster, on_follower);
    assert!(settled_there >= settled, "the past does not become unsettled");
    assert_eq!(cluster.value(3, "k").as_deref(), Some("v"));
}

#[test]
fn a_delete_of_many_keys_holds_up_neither_ticks_nor_messages() {
    let mut cluster = Cluster::led();
    for key in 0..50 {
        cluster.put(1, &format!("k{key}"), "v");
        cluster.settle();
    }
    let range = KeyRange::Prefix(Bytes::from_static(b"k"));
    let command = Command::Delete { range, prev_kv: false, condition: None }.encode();
    for running in cluster.members.values_mut() {
        running.replica.set_turn_units(1);
    }
    let ticket = cluster.submit(1, Request::Write { command, forward: true }, 5_000);
    cluster.stalled_disks = vec![3];
    let mut turns = 0;
    while cluster.answer(ticket).is_none() {
        cluster.emit(1);
        cluster.pass(10);
        turns += 1;
        assert!(turns < 100, "it ends");
    }
    assert!(cluster.is_done(ticket));
    assert_eq!(cluster.leader(), Some(1));
    assert_eq!(cluster.value(1, "k7"), None);
}

#[test]
fn a_member_away_for_long_is_served_from_the_log_and_a_restart_applies_from_it() {
    let mut cluster = Cluster::led();
    cluster.kill(3);
    for number in 0..200 {
        cluster.put(1, &format!("k{number}"), "some value of some length");
        cluster.settle();
    }
    let oldest = cluster.replica(1).raft().log().tail_first();
    assert!(oldest.0 > 100, "most entries have left memory");
    cluster.start(3);
    cluster.pass(3_000);
    assert_eq!(cluster.value(3, "k0").as_deref(), Some("some value of some length"));
    let hash = |id| cluster.replica(id).reader().published().state_hash;
    assert_eq!((hash(2), hash(3)), (hash(1), hash(1)));
}

#[test]
fn a_failed_log_stops_the_member_and_fails_what_waits() {
    let mut cluster = Cluster::led();
    cluster.stalled_disks = vec![1, 2, 3];
    let write = cluster.put(1, "k", "v");
    cluster.isolated = vec![1];
    let read = cluster.submit(1, Request::ReadBarrier, 5_000);
    cluster.emit(1);
    cluster.log_fails(1);
    cluster.emit(1);
    assert_eq!(cluster.running(1).stop, Some(Stop::Log("no more disk".into())));
    assert_eq!(cluster.failure(write), Some(Failure::Unknown));
    assert_eq!(cluster.failure(read), Some(Failure::Unavailable));
    let later = cluster.put(1, "k", "v");
    cluster.emit(1);
    assert_eq!(cluster.failure(later), Some(Failure::Unavailable));
}

#[test]
fn a_flush_that_fails_is_never_acknowledged() {
    let mut cluster = Cluster::led();
    cluster.stalled_disks = vec![3];
    cluster.disk(2).fail_at(1, disk::Fault::Error);
    let ticket = cluster.put(1, "k", "v");
    cluster.settle();
    assert_eq!(cluster.answer(ticket), None, "only the leader's own copy is durable");
    assert!(matches!(cluster.running(2).stop, Some(Stop::Log(_))));
}

#[test]
fn leadership_moves_when_asked_and_writes_meanwhile_are_held() {
    let mut cluster = Cluster::led();
    let transfer = cluster.submit(1, Request::Transfer { to: Some(MemberId(2)) }, 1_000);
    let write = cluster.put(1, "k", "v");
    cluster.settle();
    cluster.pass(20);
    let leader = MemberId(2);
    assert_eq!(cluster.answer(transfer), Some(&Ok(Done::Transferred { leader })));
    assert!(cluster.is_done(write));
}

#[test]
fn a_transfer_to_nobody_fails() {
    let mut cluster = Cluster::led();
    let transfer = cluster.submit(1, Request::Transfer { to: Some(MemberId(9)) }, 1_000);
    cluster.settle();
    assert_eq!(cluster.failure(transfer), Some(Failure::NoTransferTarget));
}

#[test]
fn a_cluster_of_one_serves() {
    let mut cluster = Cluster::new(1);
    cluster.elect(1);
    let ticket = cluster.put(1, "k", "v");
    let read = cluster.submit(1, Request::ReadBarrier, 1_000);
    cluster.settle();
    assert!(cluster.is_done(ticket));
    assert!(cluster.is_done(read));
}

/// What a peer sends lies in a buffer that holds much else.
fn in_a_large_buffer(payload: &Bytes) -> (Bytes, Bytes) {
    let buffer = Bytes::from([&payload[..], &[0; 64 << 10]].concat());
    let payload = buffer.slice(..payload.len());
    (buffer, payload)
}

#[test]
fn entries_of_a_peer_do_not_keep_the_buffer_they_came_in() {
    let mut cluster = Cluster::led();
    let ticket = cluster.put(1, "k", "v");
    cluster.emit(1);
    let (_, _, message) = cluster.wire().iter_mut().find(|(_, to, _)| *to == 2).expect("an append");
    let PeerMessage::Raft(Message { body: Body::Append { entries, .. }, .. }) = message else {
        panic!("an append: {message:?}");
    };
    let (buffer, payload) = in_a_large_buffer(&entries[0].payload);
    entries[0].payload = payload;
    cluster.settle();
    assert!(cluster.is_done(ticket));
    assert!(buffer.is_unique(), "member 2 holds its own copy");
}

#[test]
fn a_forwarded_write_does_not_keep_the_buffer_it_came_in() {
    let mut cluster = Cluster::led();
    let ticket = cluster.put(2, "k", "v");
    cluster.emit(2);
    let Some((_, 1, PeerMessage::Forward { command, .. })) = cluster.wire().front_mut() else {
        panic!("a forward");
    };
    let (buffer, payload) = in_a_large_buffer(command);
    *command = payload;
    cluster.settle();
    assert!(cluster.is_done(ticket));
    assert!(buffer.is_unique(), "the leader holds its own copy");
}

#[test]
fn a_command_that_nobody_knows_stops_every_member_at_the_same_entry() {
    let mut cluster = Cluster::led();
    let command = Bytes::from_static(b"\xff");
    let ticket = cluster.submit(1, Request::Write { command, forward: true }, 5_000);
    cluster.settle();
    for id in [1, 2, 3] {
        let stop = &cluster.running(id).stop;
        let at_it = matches!(stop, Some(Stop::Apply(ApplyError::UnknownCommand { index: 3, .. })));
        assert!(at_it, "member {id}: {stop:?}");
    }
    assert_eq!(cluster.failure(ticket), Some(Failure::Unknown), "a newer version may apply it");
}
