//! Feature levels, and members that are restarted one at a time: each test is one scenario on real
//! replicas, logs and stores over simulated disks.

use raft::{EntryKind, MemberId};
use replica::{
    Change, ChangeRefusal, DRAIN_PERIOD_MS, Done, FEATURE_LEVEL, FIRST_LEVEL, Failure, MemoryUse,
    PeerMessage, Process, Request, Stop,
};
use store::{AuthChange, Command};

use crate::cluster::{Cluster, put};

const PATIENT_MS: u64 = 5_000;

/// Every member has told the leader who speaks for it by then.
const TOLD_MS: u64 = 1_500;

/// Asks the leader, lets everything move, and answers what came of it.
fn asked(cluster: &mut Cluster, request: Request) -> Result<Done, Failure> {
    let leader = cluster.leader().expect("there is a leader");
    let ticket = cluster.submit(leader, request, PATIENT_MS);
    cluster.pass(200);
    cluster.answer(ticket).cloned().expect("it is answered")
}

fn drained(cluster: &mut Cluster, id: u64) -> Result<Done, Failure> {
    asked(cluster, Request::Drain { id: MemberId(id) })
}

fn refused(refusal: ChangeRefusal) -> Result<Done, Failure> {
    Err(Failure::Refused(refusal))
}

/// Three members, 1 leading, of the newest level.
fn raised() -> Cluster {
    let mut cluster = Cluster::led();
    cluster.pass(TOLD_MS);
    assert!(asked(&mut cluster, Request::RaiseLevel).is_ok());
    cluster
}

fn marked(cluster: &Cluster, by: u64) -> Option<u64> {
    cluster.replica(by).configuration().draining().map(|(id, _)| id.0)
}

fn level(cluster: &Cluster, by: u64) -> u32 {
    cluster.replica(by).configuration().feature_level
}

/// The member tells the leader, 1, that a program of the first level speaks for it.
fn tell_older(cluster: &mut Cluster, id: u64) {
    let memory = MemoryUse { used_bytes: 0, limit_bytes: 0, lacks: false };
    let process = Process { life: 0, level: FIRST_LEVEL };
    let report = PeerMessage::Report { samples: Vec::new(), lacks_room: false, memory, process };
    let now = cluster.now();
    cluster.running(1).replica.receive(now, MemberId(id), report);
}

#[test]
fn the_level_is_raised_for_everyone_when_somebody_says_so() {
    let mut cluster = Cluster::led();
    cluster.pass(TOLD_MS);
    assert_eq!(level(&cluster, 1), 1, "not by itself: all may still go back");
    assert!(asked(&mut cluster, Request::RaiseLevel).is_ok());
    for id in 1..=3 {
        assert_eq!(level(&cluster, id), FEATURE_LEVEL, "as member {id} knows it");
    }
    cluster.kill(3);
    cluster.start(3);
    assert_eq!(level(&cluster, 3), FEATURE_LEVEL, "it is in the log");
}

#[test]
fn the_level_waits_for_the_lowest_member() {
    let mut cluster = Cluster::led();
    cluster.pass(TOLD_MS);
    tell_older(&mut cluster, 3);
    let held = ChangeRefusal::LevelHeld { by: MemberId(3), level: 1 };
    assert_eq!(asked(&mut cluster, Request::RaiseLevel), refused(held));
    assert_eq!(level(&cluster, 1), 1);
    // It is upgraded: for as long as it has not said so, nobody knows what it knows.
    cluster.kill(3);
    cluster.close_stream(1, 3);
    cluster.start(3);
    assert_eq!(asked(&mut cluster, Request::RaiseLevel), refused(ChangeRefusal::NotReady));
    cluster.pass(TOLD_MS);
    assert!(asked(&mut cluster, Request::RaiseLevel).is_ok());
    assert_eq!(level(&cluster, 3), FEATURE_LEVEL);
}

#[test]
fn the_level_waits_for_a_member_that_is_down() {
    let mut cluster = Cluster::led();
    cluster.pass(TOLD_MS);
    cluster.kill(2);
    cluster.pass(3_000);
    let down = refused(ChangeRefusal::MemberDown(MemberId(2)));
    assert_eq!(asked(&mut cluster, Request::RaiseLevel), down);
}

/// What a leader does not take because of the level, whoever forwarded it says by name: to try
/// again would be of no use.
#[test]
fn a_write_beyond_the_level_is_refused_by_name_at_every_member() {
    let mut cluster = Cluster::led();
    let log_out = Command::Auth(AuthChange::LogOut { index: 1, token_hash: [0; 32] });
    let write = Request::Write { command: log_out.encode(), forward: true };
    let level = level(&cluster, 1);
    let refusal = ChangeRefusal::BelowLevel { needed: FEATURE_LEVEL, level };
    for member in 1..=3 {
        let ticket = cluster.submit(member, write.clone(), PATIENT_MS);
        cluster.pass(200);
        assert_eq!(cluster.answer(ticket), Some(&refused(refusal)), "member {member}");
    }
    cluster.pass(TOLD_MS);
    assert!(asked(&mut cluster, Request::RaiseLevel).is_ok());
    for member in 1..=3 {
        let ticket = cluster.submit(member, write.clone(), PATIENT_MS);
        cluster.pass(200);
        assert!(matches!(cluster.answer(ticket), Some(Ok(Done::Written { .. }))));
    }
}

#[test]
fn a_member_stops_before_a_configuration_of_a_level_that_it_does_not_know() {
    let mut cluster = raised();
    let write = cluster.put(1, "k", "v");
    cluster.emit(1);
    // What a program of the level to come sends: field 4 of the configuration.
    let beyond = u8::try_from(FEATURE_LEVEL).unwrap() + 1;
    let mut payload = cluster.replica(1).configuration().encode().to_vec();
    assert_eq!(payload[payload.len() - 2..], [4 << 3, beyond - 1]);
    *payload.last_mut().unwrap() = beyond;
    for (_, to, message) in cluster.wire() {
        if let PeerMessage::Raft(raft::Message { body: raft::Body::Append { entries, .. }, .. }) =
            message
            && *to == 3
        {
            for entry in entries {
                entry.kind = EntryKind::Configuration;
                entry.payload = payload.clone().into();
            }
        }
    }
    cluster.settle();
    let stop = cluster.running(3).stop.clone();
    let Some(stop @ Stop::Newer(_)) = stop else { panic!("{stop:?}") };
    assert!(stop.to_string().contains("start a newer version of raftkv"), "{stop}");
    assert!(cluster.is_done(write), "the others go on");
}

#[test]
fn a_member_is_drained_only_from_the_level_on_that_has_it() {
    let mut cluster = Cluster::led();
    cluster.pass(TOLD_MS);
    let refusal = ChangeRefusal::BelowLevel { needed: 2, level: 1 };
    assert_eq!(drained(&mut cluster, 2), refused(refusal));
}

#[test]
fn a_second_member_is_not_drained_before_the_first_is_back() {
    let mut cluster = raised();
    assert!(drained(&mut cluster, 2).is_ok());
    assert!(drained(&mut cluster, 2).is_ok(), "to ask again is to ask whether it stands");
    for id in 1..=3 {
        assert_eq!(marked(&cluster, id), Some(2), "as member {id} knows it");
    }
    let draining = refused(ChangeRefusal::Draining(MemberId(2)));
    assert_eq!(drained(&mut cluster, 3), draining);
    // It goes, and while it is away nobody else may.
    cluster.kill(2);
    cluster.close_stream(1, 2);
    cluster.pass(3_000);
    assert_eq!(drained(&mut cluster, 3), draining);
    let write = cluster.put(1, "k", "v");
    cluster.pass(50);
    assert!(cluster.is_done(write), "writes go on");
    // Another process speaks for it, and has all that was written.
    cluster.start(2);
    cluster.pass(TOLD_MS);
    assert_eq!(marked(&cluster, 1), None);
    assert!(drained(&mut cluster, 3).is_ok());
}

#[test]
fn of_two_that_are_drained_at_once_one_is() {
    let mut cluster = raised();
    let first = cluster.submit(1, Request::Drain { id: MemberId(2) }, PATIENT_MS);
    let second = cluster.submit(1, Request::Drain { id: MemberId(3) }, PATIENT_MS);
    cluster.pass(200);
    assert!(cluster.is_done(first));
    let refusal = cluster.failure(second);
    let other = [ChangeRefusal::InProgress, ChangeRefusal::Draining(MemberId(2))];
    assert!(other.iter().any(|why| refusal == Some(Failure::Refused(*why))), "{refusal:?}");
}

#[test]
fn nobody_is_drained_while_another_voter_is_down() {
    let mut cluster = raised();
    cluster.kill(3);
    cluster.close_stream(1, 3);
    cluster.pass(3_000);
    assert_eq!(drained(&mut cluster, 2), refused(ChangeRefusal::MemberDown(MemberId(3))));
    assert_eq!(drained(&mut cluster, 1), refused(ChangeRefusal::MemberDown(MemberId(3))));
    let write = cluster.put(1, "k", "v");
    cluster.pass(50);
    assert!(cluster.is_done(write));
}

#[test]
fn a_leader_that_is_drained_hands_over_and_the_next_knows_of_it() {
    let mut cluster = raised();
    assert!(drained(&mut cluster, 1).is_ok());
    cluster.pass(500);
    let leader = cluster.leader().expect("somebody leads");
    assert_ne!(leader, 1);
    let another = if leader == 2 { 3 } else { 2 };
    cluster.pass(TOLD_MS);
    assert_eq!(drained(&mut cluster, another), refused(ChangeRefusal::Draining(MemberId(1))));
    // It leads again all the same, and hands over again.
    let back = cluster.submit(leader, Request::Transfer { to: Some(MemberId(1)) }, PATIENT_MS);
    cluster.pass(1_000);
    assert_eq!(cluster.answer(back), Some(&Ok(Done::Transferred { leader: MemberId(1) })));
    assert_ne!(cluster.leader(), Some(1));
}

#[test]
fn a_mark_goes_when_it_is_taken_back_or_gets_old() {
    let mut cluster = raised();
    assert!(drained(&mut cluster, 2).is_ok());
    let end = Request::Change(Change::EndDrain { id: MemberId(2) });
    assert!(asked(&mut cluster, end).is_ok());
    assert_eq!(marked(&cluster, 3), None);
    assert!(drained(&mut cluster, 3).is_ok());
    cluster.pass(DRAIN_PERIOD_MS - 2_000);
    assert_eq!(marked(&cluster, 1), Some(3));
    cluster.pass(3_000);
    assert_eq!(marked(&cluster, 1), None, "it neither stopped nor came back");
}

#[test]
fn a_mark_does_not_go_while_its_member_is_behind() {
    let mut cluster = raised();
    assert!(drained(&mut cluster, 2).is_ok());
    cluster.kill(2);
    cluster.close_stream(1, 2);
    for number in 0..6 {
        for _ in 0..1_000 {
            cluster.submit(1, put("k", &number.to_string()), PATIENT_MS);
        }
        cluster.pass(50);
    }
    cluster.stalled_disks = vec![2];
    cluster.start(2);
    cluster.pass(TOLD_MS);
    assert_eq!(marked(&cluster, 1), Some(2), "it is there, but has nothing of it durable");
    cluster.stalled_disks.clear();
    cluster.pass(TOLD_MS);
    assert_eq!(marked(&cluster, 1), None);
}
