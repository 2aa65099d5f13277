//! States that differ: found within a check, told, and acted on (rule 10).

use bytes::Bytes;
use raft::{Entry, EntryKind, Index};
use replica::{CHECK_INTERVAL_MS, Done, Failure, ForwardRefusal, PeerMessage, Request};
use store::{Apply, Budget, Command, LogEntry, Put, Store};

use crate::cluster::{Cluster, put};

/// Time for a check entry, the reports and the verdict.
const FOUND_MS: u64 = 3 * CHECK_INTERVAL_MS;

/// The state of a member whose memory made something else of the first put in its log.
fn rotten(salt: u8) -> impl Fn(&raft::Log) -> Store {
    move |log| {
        let entries = log.entries(Index(1), log.last().index, usize::MAX).expect("all in memory");
        let mut store = Store::new();
        for entry in &entries {
            let command = (entry.kind == EntryKind::Command).then(|| altered(entry, salt));
            let (index, term) = (entry.id.index.0, entry.id.term.0);
            let (stamp_ms, age_ms) = (entry.stamp_ms, entry.age_ms);
            let entry = LogEntry { index, term, stamp_ms, age_ms, command };
            let applied = store.apply(&entry, &mut Budget::new(1 << 20)).expect("known commands");
            assert!(matches!(applied, Apply::Done(_)), "a small entry takes one turn");
        }
        store.publish();
        store
    }
}

fn altered(entry: &Entry, salt: u8) -> Bytes {
    match Command::decode(entry.payload.clone()).expect("known commands") {
        Command::Put { put, condition } => {
            let put = Put { value: Bytes::from(vec![salt]), ..put };
            Command::Put { put, condition }.encode()
        }
        _ => entry.payload.clone(),
    }
}

/// `size` members with one key; then those in `rotten_ones` are started anew with a wrong state,
/// each with another, and 1 leads.
fn cluster(size: u64, rotten_ones: &[u64]) -> Cluster {
    let mut cluster = Cluster::new(size);
    cluster.elect(1);
    let ticket = cluster.put(1, "k", "right");
    cluster.pass(200);
    assert!(cluster.is_done(ticket));
    for &id in rotten_ones {
        cluster.power_cut(id);
        cluster.start_with(id, rotten(id as u8));
    }
    cluster
}

fn reads(cluster: &mut Cluster, id: u64) -> bool {
    let ticket = cluster.submit(id, Request::ReadBarrier, 1_000);
    cluster.pass(1_100);
    matches!(cluster.answer(ticket), Some(Ok(Done::ReadReady { .. })))
}

#[test]
fn members_that_agree_go_on_serving() {
    let mut cluster = cluster(3, &[]);
    cluster.pass(FOUND_MS);
    for id in [1, 2, 3] {
        assert_eq!(cluster.replica(id).status().agreement.diverged_at, None);
        assert!(reads(&mut cluster, id), "member {id}");
    }
}

#[test]
fn a_follower_that_differs_serves_nothing_and_goes_on_voting_and_acknowledging() {
    let mut cluster = cluster(3, &[3]);
    cluster.put(1, "l", "v");
    cluster.pass(FOUND_MS);
    let status = cluster.replica(3).status();
    assert!(status.agreement.diverged_at.is_some(), "{:?}", status.agreement);
    assert!(!reads(&mut cluster, 3));
    let refused = cluster.put(3, "m", "v");
    cluster.settle();
    assert_eq!(cluster.failure(refused), Some(Failure::Unavailable));
    // Its log is sound: it makes the majority with the leader.
    cluster.isolated = vec![2];
    let ticket = cluster.put(1, "n", "v");
    cluster.pass(300);
    assert!(cluster.is_done(ticket));
    assert!(reads(&mut cluster, 1), "the majority serves");
}

#[test]
fn a_leader_that_differs_hands_over() {
    let mut cluster = cluster(3, &[1]);
    for id in [2, 3] {
        cluster.power_cut(id);
        cluster.start(id);
    }
    cluster.elect(1);
    cluster.put(1, "l", "v");
    cluster.pass(FOUND_MS);
    assert!(cluster.replica(1).status().agreement.diverged_at.is_some());
    let leader = cluster.leader().expect("somebody leads");
    assert_ne!(leader, 1);
    assert!(reads(&mut cluster, leader));
    assert_eq!(cluster.value(leader, "k").as_deref(), Some("right"));
}

#[test]
fn a_member_that_differs_does_not_campaign() {
    let mut cluster = cluster(3, &[3]);
    cluster.put(1, "l", "v");
    cluster.pass(FOUND_MS);
    cluster.kill(1);
    cluster.pass(10_000);
    assert_eq!(cluster.leader(), Some(2), "with the vote of 3");
}

#[test]
fn without_a_majority_nobody_is_quarantined_and_writes_are_refused() {
    let mut cluster = cluster(3, &[2, 3]);
    cluster.put(1, "l", "v");
    cluster.pass(FOUND_MS);
    assert!(cluster.replica(1).status().agreement.split_at.is_some());
    for id in [1, 2, 3] {
        assert_eq!(cluster.replica(id).status().agreement.diverged_at, None, "member {id}");
        let ticket = cluster.submit(id, put("m", "v"), 1_000);
        cluster.pass(100);
        assert_eq!(cluster.failure(ticket), Some(Failure::Corrupt), "through member {id}");
        assert!(reads(&mut cluster, id), "member {id}");
    }
}

#[test]
fn two_of_two_that_differ_are_no_majority() {
    let mut cluster = cluster(2, &[2]);
    cluster.put(1, "l", "v");
    cluster.pass(FOUND_MS);
    assert!(cluster.replica(1).status().agreement.split_at.is_some());
}

/// Three members with three states, and the leader that knows of it has no majority any more.
fn deposed_leader_of_a_split_cluster() -> Cluster {
    let mut cluster = cluster(3, &[2, 3]);
    cluster.put(1, "l", "v");
    cluster.pass(FOUND_MS);
    assert!(cluster.replica(1).status().agreement.split_at.is_some());
    cluster.isolated = vec![1];
    cluster.pass(10_000);
    assert!(!cluster.replica(1).raft().is_leader(), "it lost its majority");
    cluster
}

#[test]
fn a_leader_that_steps_down_forgets_the_split() {
    let mut cluster = deposed_leader_of_a_split_cluster();
    assert_eq!(cluster.replica(1).status().agreement.split_at, None);
    cluster.isolated.clear();
    cluster.pass(FOUND_MS);
    let leader = cluster.leader().expect("the others elected one of them");
    assert_ne!(leader, 1);
    assert!(cluster.replica(leader).status().agreement.split_at.is_some(), "it found out anew");
}

/// It would be "corrupt", a word on the whole cluster, from one that knows nothing of it any more.
#[test]
fn a_write_that_comes_to_a_deposed_leader_of_a_split_cluster_is_not_called_corrupt() {
    let mut cluster = deposed_leader_of_a_split_cluster();
    let (term, life) = (cluster.replica(1).raft().term(), 2);
    let Request::Write { command, .. } = put("m", "v") else { unreachable!("it is a write") };
    cluster.isolated.clear();
    cluster.wire().clear();
    let forward = PeerMessage::Forward { term, life, number: 1, command };
    cluster.wire().push_back((2, 1, forward));
    cluster.deliver_all();
    cluster.emit(1);
    let answers = cluster.wire().iter().filter_map(|(_, _, message)| match message {
        PeerMessage::ForwardAnswer { result, .. } => Some(*result),
        _ => None,
    });
    assert_eq!(answers.collect::<Vec<_>>(), [Err(ForwardRefusal::NotLeader)]);
}
