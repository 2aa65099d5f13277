//! Members come and go: each test is one scenario on real replicas, logs and stores over simulated
//! disks.

use raft::{MemberId, Membership};
use replica::{
    Change, ChangeRefusal, Done, Failure, Request, Standing, Stop, Unserved, WatchEnd, WatchRequest,
};
use store::KeyRange;

use crate::cluster::{Cluster, put};

const PATIENT_MS: u64 = 5_000;

fn add(id: u64) -> Change {
    Change::Add {
        id: MemberId(id),
        incarnation: Some(u128::from(id)),
        name: format!("node-{id}"),
        address: format!("localhost:800{id}"),
        replaces: None,
        stays_learner: false,
    }
}

fn promote(id: u64) -> Change {
    Change::Promote { id: MemberId(id) }
}

fn remove(id: u64) -> Change {
    Change::Remove { id: MemberId(id) }
}

/// Asks the leader, lets everything move, and answers what came of it.
fn changed(cluster: &mut Cluster, change: Change) -> Result<Done, Failure> {
    let leader = cluster.leader().expect("there is a leader");
    let ticket = cluster.submit(leader, Request::Change(change), PATIENT_MS);
    cluster.pass(500);
    cluster.answer(ticket).cloned().expect("it is answered")
}

/// The cluster with a fourth member that only learns.
fn with_learner() -> Cluster {
    let mut cluster = Cluster::led();
    cluster.join(4);
    assert!(changed(&mut cluster, add(4)).is_ok());
    cluster
}

fn voters(cluster: &Cluster, id: u64) -> Vec<u64> {
    cluster.replica(id).configuration().voters().map(|id| id.0).collect()
}

#[test]
fn a_new_member_learns_everything_and_then_votes() {
    let mut cluster = Cluster::led();
    let before = cluster.put(1, "before", "1");
    cluster.settle();
    cluster.join(4);
    let added = changed(&mut cluster, add(4));
    let Ok(Done::Changed { configuration }) = added else { panic!("{added:?}") };
    assert_eq!(configuration.members[&MemberId(4)].standing, Standing::Learner);
    assert!(cluster.is_done(before));
    assert_eq!(cluster.value(4, "before").as_deref(), Some("1"), "it has what was there before");
    let promoted = changed(&mut cluster, promote(4));
    let Ok(Done::Changed { configuration }) = promoted else { panic!("{promoted:?}") };
    assert!(!configuration.is_joint(), "answered only at its end");
    for id in 1..=4 {
        assert_eq!(voters(&cluster, id), [1, 2, 3, 4], "as member {id} knows it");
    }
}

#[test]
fn a_learner_counts_for_no_write() {
    let mut cluster = with_learner();
    cluster.stalled_disks = vec![2, 3];
    let ticket = cluster.put(1, "k", "v");
    cluster.settle();
    assert_eq!(cluster.answer(ticket), None, "the leader and a learner are no majority");
    cluster.stalled_disks = vec![3];
    cluster.settle();
    assert!(cluster.is_done(ticket));
}

#[test]
fn a_learner_forwards_writes_and_serves_reads() {
    let mut cluster = with_learner();
    let write = cluster.put(4, "k", "v");
    cluster.pass(20);
    assert!(cluster.is_done(write));
    let read = cluster.submit(4, Request::ReadBarrier, PATIENT_MS);
    cluster.pass(20);
    assert!(cluster.is_done(read));
    assert_eq!(cluster.value(4, "k").as_deref(), Some("v"));
}

#[test]
fn a_removed_member_counts_no_more_and_never_comes_back() {
    let mut cluster = with_learner();
    assert!(changed(&mut cluster, promote(4)).is_ok());
    assert!(changed(&mut cluster, remove(4)).is_ok());
    assert_eq!(voters(&cluster, 1), [1, 2, 3]);
    assert_eq!(cluster.replica(1).configuration().removed, [MemberId(4)]);
    let ticket = cluster.put(1, "k", "v");
    cluster.pass(20);
    assert!(cluster.is_done(ticket));
    let again = changed(&mut cluster, add(4));
    assert_eq!(again, Err(Failure::Refused(ChangeRefusal::Removed(MemberId(4)))));
}

#[test]
fn a_leader_that_removes_itself_finishes_that_and_another_leads_at_once() {
    let mut cluster = Cluster::led();
    let request = WatchRequest::new(KeyRange::all());
    let mut watcher = cluster.replica(1).dispatcher().watch(&request).expect("it serves watches");
    let ticket = cluster.submit(1, Request::Change(remove(1)), PATIENT_MS);
    cluster.pass(100);
    let Some(Ok(Done::Changed { configuration })) = cluster.answer(ticket) else {
        panic!("{:?}", cluster.answer(ticket));
    };
    assert!(configuration.is_removed(MemberId(1)));
    assert_eq!(cluster.running(1).stop, Some(Stop::Removed));
    assert_eq!(watcher.step(None), Err(WatchEnd::Unserved(Unserved::Removed)));
    let leader = cluster.leader().expect("told to campaign at once");
    assert_ne!(leader, 1);
    let write = cluster.put(leader, "k", "v");
    cluster.pass(20);
    assert!(cluster.is_done(write));
}

#[test]
fn one_member_takes_the_place_of_a_dead_one_in_one_step() {
    let mut cluster = with_learner();
    cluster.kill(3);
    let replace = Change::Replace { old: MemberId(3), new: MemberId(4) };
    assert!(changed(&mut cluster, replace).is_ok());
    assert_eq!(voters(&cluster, 4), [1, 2, 4]);
}

#[test]
fn an_address_changes_on_every_member() {
    let mut cluster = Cluster::led();
    let address = "elsewhere:1".to_owned();
    let moved = Change::Address { id: MemberId(2), address };
    assert!(changed(&mut cluster, moved).is_ok());
    for id in 1..=3 {
        let member = &cluster.replica(id).configuration().members[&MemberId(2)];
        assert_eq!(member.address, "elsewhere:1");
        let status = cluster.replica(id).status();
        assert_eq!(*status.configuration, *cluster.replica(id).configuration());
    }
}

#[test]
fn a_change_is_refused_where_it_would_do_harm() {
    let mut cluster = with_learner();
    let refused = |cluster: &mut Cluster, change| match changed(cluster, change) {
        Err(Failure::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    let unknown = refused(&mut cluster, remove(9));
    assert_eq!(unknown, ChangeRefusal::UnknownMember(MemberId(9)));
    cluster.kill(4);
    cluster.pass(2_000);
    let behind = refused(&mut cluster, promote(4));
    assert!(matches!(behind, ChangeRefusal::LearnerBehind { .. }), "it is gone: {behind:?}");
    cluster.kill(3);
    cluster.pass(2_000);
    let lost = refused(&mut cluster, remove(2));
    assert_eq!(lost, ChangeRefusal::QuorumWouldBeLost { healthy: 1, needed: 2 });
    assert!(changed(&mut cluster, remove(3)).is_ok(), "the dead one may go");
}

#[test]
fn a_learner_that_never_answered_is_not_promoted_however_short_the_log() {
    let mut cluster = Cluster::led();
    assert!(changed(&mut cluster, add(4)).is_ok(), "nobody is there yet");
    let refused = changed(&mut cluster, promote(4));
    let Err(Failure::Refused(ChangeRefusal::LearnerBehind { matched, .. })) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(matched.0, 0);
}

#[test]
fn only_the_leader_changes_members_and_says_who_that_is() {
    let mut cluster = Cluster::led();
    let ticket = cluster.submit(2, Request::Change(add(4)), PATIENT_MS);
    cluster.settle();
    let leader = Some(MemberId(1));
    assert_eq!(cluster.failure(ticket), Some(Failure::NotLeader { leader }));
}

#[test]
fn a_second_change_waits_until_the_first_is_done() {
    let mut cluster = with_learner();
    cluster.stalled_disks = vec![2, 3];
    let first = cluster.submit(1, Request::Change(promote(4)), PATIENT_MS);
    cluster.settle();
    let second = cluster.submit(1, Request::Change(remove(2)), PATIENT_MS);
    cluster.settle();
    let in_progress = Failure::Refused(ChangeRefusal::InProgress);
    assert_eq!((cluster.answer(first), cluster.failure(second)), (None, Some(in_progress)));
    cluster.stalled_disks.clear();
    cluster.settle();
    assert!(cluster.is_done(first));
}

#[test]
fn a_change_that_a_new_leader_overwrote_is_certainly_not_made() {
    let mut cluster = with_learner();
    cluster.isolated = vec![1, 4];
    let ticket = cluster.submit(1, Request::Change(remove(2)), 60_000);
    cluster.pass(3_000);
    assert_eq!(cluster.answer(ticket), None);
    assert!(cluster.replica(1).configuration().is_joint(), "it counts from its append");
    cluster.isolated.clear();
    cluster.pass(3_000);
    assert_eq!(cluster.failure(ticket), Some(Failure::Superseded));
    assert_eq!(voters(&cluster, 1), [1, 2, 3], "and is undone");
}

#[test]
fn the_next_leader_finishes_a_change_and_the_old_one_says_that_it_is_done() {
    let mut cluster = with_learner();
    let ticket = cluster.submit(1, Request::Change(promote(4)), 60_000);
    // The joint configuration reaches the others; that they have it reaches the leader not.
    cluster.emit(1);
    cluster.deliver_all();
    cluster.isolated = vec![1];
    cluster.settle();
    cluster.pass(4_000);
    assert_ne!(cluster.leader_of_the_newest_term(), Some(1));
    cluster.isolated.clear();
    cluster.pass(1_000);
    let Some(Ok(Done::Changed { configuration })) = cluster.answer(ticket) else {
        panic!("{:?}", cluster.answer(ticket));
    };
    assert!(!configuration.is_joint());
    assert_eq!(voters(&cluster, 1), [1, 2, 3, 4]);
}

#[test]
fn a_member_that_restarts_knows_the_newest_configuration() {
    let mut cluster = with_learner();
    assert!(changed(&mut cluster, promote(4)).is_ok());
    for id in [2, 4] {
        cluster.power_cut(id);
        cluster.start(id);
        assert_eq!(voters(&cluster, id), [1, 2, 3, 4], "member {id}");
        assert!(cluster.replica(id).raft().membership().is_voter(MemberId(4)));
    }
    let write = cluster.submit(2, put("k", "v"), PATIENT_MS);
    cluster.pass(1_000);
    assert!(cluster.is_done(write));
}

#[test]
fn who_is_removed_is_spoken_with_until_that_is_committed() {
    let mut cluster = Cluster::led();
    cluster.submit(1, Request::Change(remove(1)), PATIENT_MS);
    // One disk after the other: the joint configuration is committed, the final one is not.
    for stalled in [vec![2, 3], vec![3], vec![2]] {
        cluster.stalled_disks = stalled;
        cluster.settle();
    }
    let last = Membership::of_voters([2, 3].map(MemberId));
    assert_eq!(*cluster.replica(2).raft().membership(), last);
    let shown = cluster.replica(2).configuration();
    assert_eq!(shown.members[&MemberId(1)].standing, Standing::Leaving);
    assert!(!shown.is_removed(MemberId(1)), "nobody turns it away yet");
    cluster.stalled_disks.clear();
    cluster.pass(100);
    let settled = cluster.replica(2).configuration();
    assert!(settled.is_removed(MemberId(1)) && !settled.members.contains_key(&MemberId(1)));
}
