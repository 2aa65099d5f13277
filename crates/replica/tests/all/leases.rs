//! Leases and times to live over time, elections and lost messages: real replicas, logs and stores
//! over simulated disks.

use raft::MemberId;
use replica::{Done, Failure, LeaseAsk, LeaseStanding, PeerMessage, Request};
use store::{Command, LEASE_TTL_S_MIN, LeaseId, Outcome, Put, PutLifetime};

use crate::cluster::Cluster;

/// What is due is gone this much later, while there is a leader.
const GONE_WITHIN_MS: u64 = 500;

const LEASE: LeaseId = LeaseId(7);

fn write(command: &Command) -> Request {
    Request::Write { command: command.encode(), forward: true }
}

fn put(key: &str, lifetime: PutLifetime) -> Request {
    write(&Put { lifetime, ..Put::new(key.to_owned(), "v") }.into())
}

fn done(cluster: &mut Cluster, id: u64, request: Request) -> Outcome {
    let ticket = cluster.submit(id, request, 5_000);
    cluster.settle();
    match cluster.answer(ticket) {
        Some(Ok(Done::Written { outcome, .. })) => outcome.clone(),
        other => panic!("the write came to {other:?}"),
    }
}

/// Three members, 1 leading, with a lease of so many seconds and a key that is attached to it.
fn leased(ttl_s: u64) -> Cluster {
    let mut cluster = Cluster::led();
    done(&mut cluster, 1, write(&Command::LeaseGrant { lease: LEASE, ttl_s }));
    done(&mut cluster, 1, put("leased", PutLifetime::Lease(LEASE)));
    cluster
}

fn ask(cluster: &mut Cluster, id: u64, ask: LeaseAsk) -> u64 {
    cluster.submit(id, Request::Lease { lease: LEASE, ask, forward: true }, 5_000)
}

fn standing(cluster: &Cluster, ticket: u64) -> Option<LeaseStanding> {
    match cluster.answer(ticket) {
        Some(Ok(Done::Lease { standing })) => *standing,
        other => panic!("the question came to {other:?}"),
    }
}

fn keep_alive(cluster: &mut Cluster, id: u64) -> Option<LeaseStanding> {
    let ticket = ask(cluster, id, LeaseAsk::KeepAlive);
    cluster.pass(200);
    standing(cluster, ticket)
}

fn await_leader(cluster: &mut Cluster) -> u64 {
    while cluster.leader().is_none() {
        cluster.pass(10);
    }
    cluster.leader().expect("it leads")
}

fn is_there(cluster: &Cluster, key: &str) -> bool {
    let running = cluster.members.keys();
    let found: Vec<bool> = running.map(|id| cluster.value(*id, key).is_some()).collect();
    assert!(found.iter().all(|there| *there == found[0]), "the members agree on {key}: {found:?}");
    found[0]
}

#[test]
fn a_key_is_there_until_its_time_and_gone_soon_after_on_an_idle_cluster() {
    let mut cluster = Cluster::led();
    done(&mut cluster, 1, put("k", PutLifetime::TtlMs(60_000)));
    cluster.pass(59_900);
    assert!(is_there(&cluster, "k"));
    cluster.pass(100 + GONE_WITHIN_MS);
    assert!(!is_there(&cluster, "k"));
}

#[test]
fn a_key_that_is_written_again_lives_by_the_newest_write() {
    let mut cluster = Cluster::led();
    done(&mut cluster, 1, put("longer", PutLifetime::TtlMs(1_000)));
    done(&mut cluster, 1, put("for-good", PutLifetime::TtlMs(1_000)));
    cluster.pass(900);
    done(&mut cluster, 1, put("longer", PutLifetime::TtlMs(3_000)));
    done(&mut cluster, 1, put("for-good", PutLifetime::Unbounded));
    cluster.pass(2_900);
    assert!(is_there(&cluster, "longer"));
    cluster.pass(100 + GONE_WITHIN_MS);
    assert!(!is_there(&cluster, "longer"));
    assert!(is_there(&cluster, "for-good"));
}

#[test]
fn a_deadline_is_not_moved_by_a_new_leader_and_time_without_one_is_not_counted() {
    let mut cluster = Cluster::led();
    done(&mut cluster, 1, put("k", PutLifetime::TtlMs(10_000)));
    cluster.pass(5_000);
    cluster.kill(1);
    cluster.isolated = vec![2, 3];
    cluster.pass(60_000);
    assert!(is_there(&cluster, "k"), "a minute without a leader");
    cluster.isolated.clear();
    let leader = await_leader(&mut cluster);
    let age_ms = cluster.replica(leader).raft().age_ms();
    assert!((4_900..=5_200).contains(&age_ms), "{age_ms}");
    cluster.pass(4_500);
    assert!(is_there(&cluster, "k"));
    cluster.pass(600 + GONE_WITHIN_MS);
    assert!(!is_there(&cluster, "k"));
}

#[test]
fn what_is_due_at_once_goes_in_few_commands_that_writes_pass_between() {
    const KEYS: usize = 10_000;
    let mut cluster = Cluster::led();
    for key in 0..KEYS {
        cluster.submit(1, put(&format!("k{key}"), PutLifetime::TtlMs(5_000)), 60_000);
    }
    cluster.settle();
    let before = cluster.replica(1).raft().log().last().index.0;
    cluster.pass(4_900);
    assert!(is_there(&cluster, "k0") && is_there(&cluster, &format!("k{}", KEYS - 1)));
    cluster.stalled_disks = vec![2, 3];
    cluster.pass(200);
    let after = cluster.replica(1).raft().log().last().index.0;
    let checks = 5 + 1;
    assert!(after - before <= 2 + checks, "{} entries wait for the disks", after - before);
    cluster.stalled_disks.clear();
    let ticket = cluster.submit(1, put("other", PutLifetime::Unbounded), 5_000);
    cluster.pass(300);
    assert!(cluster.is_done(ticket));
    assert!((0..KEYS).all(|key| !is_there(&cluster, &format!("k{key}"))));
    let entries = cluster.replica(1).raft().log().last().index.0 - before;
    assert!(entries <= KEYS as u64 / 1_000 + checks + 2, "{entries} entries");
}

#[test]
fn a_lease_that_nobody_keeps_alive_goes_with_its_keys() {
    let mut cluster = leased(10);
    cluster.pass(9_900);
    assert!(is_there(&cluster, "leased"));
    cluster.pass(100 + GONE_WITHIN_MS);
    assert!(!is_there(&cluster, "leased"));
    assert_eq!(keep_alive(&mut cluster, 1), None);
    for id in [1, 2, 3] {
        assert!(cluster.replica(id).reader().lease(LEASE).is_none(), "on member {id}");
    }
}

#[test]
fn a_lease_that_is_kept_alive_anywhere_lives() {
    for id in [1, 2] {
        let mut cluster = leased(LEASE_TTL_S_MIN);
        for _ in 0..20 {
            cluster.pass(1_000);
            let standing = keep_alive(&mut cluster, id).expect("it is alive");
            assert_eq!(standing.ttl_s, LEASE_TTL_S_MIN);
            assert!((1_700..=2_000).contains(&standing.left_ms), "{}", standing.left_ms);
        }
        assert!(is_there(&cluster, "leased"));
        cluster.pass(2_000 + GONE_WITHIN_MS);
        assert!(!is_there(&cluster, "leased"));
    }
}

#[test]
fn to_ask_for_the_time_to_live_prolongs_nothing() {
    let mut cluster = leased(10);
    cluster.pass(4_000);
    for id in [1, 3] {
        let ticket = ask(&mut cluster, id, LeaseAsk::TimeToLive);
        cluster.pass(200);
        let standing = standing(&cluster, ticket).expect("it is alive");
        assert!((5_300..=6_000).contains(&standing.left_ms), "{}", standing.left_ms);
    }
    cluster.pass(5_700 + GONE_WITHIN_MS);
    assert!(!is_there(&cluster, "leased"));
}

#[test]
fn a_new_leader_counts_from_the_full_time_at_its_start() {
    let mut cluster = leased(10);
    cluster.pass(9_000);
    cluster.kill(1);
    await_leader(&mut cluster);
    cluster.pass(9_500);
    assert!(is_there(&cluster, "leased"));
    cluster.pass(600 + GONE_WITHIN_MS);
    assert!(!is_there(&cluster, "leased"));
}

#[test]
fn a_revoked_lease_is_gone_and_its_id_may_be_granted_again() {
    let mut cluster = leased(10);
    done(&mut cluster, 1, write(&Command::LeaseRevoke { lease: LEASE }));
    assert!(!is_there(&cluster, "leased"));
    assert_eq!(keep_alive(&mut cluster, 1), None);
    cluster.pass(5_000);
    done(&mut cluster, 1, write(&Command::LeaseGrant { lease: LEASE, ttl_s: 10 }));
    done(&mut cluster, 1, put("leased", PutLifetime::Lease(LEASE)));
    cluster.pass(9_500);
    assert!(is_there(&cluster, "leased"), "the time of the first grant does not count");
    cluster.pass(500 + GONE_WITHIN_MS);
    assert!(!is_there(&cluster, "leased"));
}

#[test]
fn whoever_does_not_lead_any_more_keeps_nothing_alive() {
    let mut cluster = leased(10);
    cluster.isolated = vec![1];
    let ticket = ask(&mut cluster, 1, LeaseAsk::KeepAlive);
    cluster.pass(900);
    assert_eq!(cluster.answer(ticket), None, "it leads as far as it knows");
    cluster.pass(5_000);
    assert_eq!(cluster.failure(ticket), Some(Failure::Unknown));
    let ticket = ask(&mut cluster, 1, LeaseAsk::KeepAlive);
    cluster.pass(5_000);
    assert_eq!(cluster.failure(ticket), Some(Failure::Unavailable), "nobody was asked");
}

#[test]
fn once_its_expiry_is_in_the_log_a_keep_alive_waits_for_it() {
    let mut cluster = leased(10);
    cluster.pass(9_900);
    cluster.stalled_disks = vec![1, 2, 3];
    cluster.pass(200);
    let ticket = ask(&mut cluster, 1, LeaseAsk::KeepAlive);
    cluster.pass(200);
    assert_eq!(cluster.answer(ticket), None, "whether it is over is not decided");
    assert!(is_there(&cluster, "leased"));
    cluster.stalled_disks.clear();
    cluster.pass(200);
    assert_eq!(standing(&cluster, ticket), None);
    assert!(!is_there(&cluster, "leased"));
}

#[test]
fn if_that_expiry_is_lost_the_lease_lives_on_at_the_next_leader() {
    let mut cluster = leased(10);
    cluster.pass(9_900);
    cluster.isolated = vec![1];
    cluster.pass(200);
    let ticket = ask(&mut cluster, 1, LeaseAsk::KeepAlive);
    cluster.pass(3_000);
    let leader = cluster.leader_of_the_newest_term().expect("the others are a majority");
    assert_ne!(leader, 1);
    cluster.isolated.clear();
    cluster.pass(500);
    let standing = standing(&cluster, ticket).expect("it is alive at the new leader");
    assert!(standing.left_ms > 9_000, "{}", standing.left_ms);
    cluster.pass(9_000);
    assert!(is_there(&cluster, "leased"));
}

#[test]
fn a_question_that_is_lost_on_its_way_is_asked_again() {
    for lost in ["the question", "the answer"] {
        let mut cluster = leased(10);
        let ticket = ask(&mut cluster, 2, LeaseAsk::KeepAlive);
        cluster.emit(2);
        if lost == "the answer" {
            cluster.deliver_all();
            for _ in 0..4 {
                [1, 3].into_iter().for_each(|id| cluster.emit(id));
                let of_answer =
                    |m: &(u64, u64, PeerMessage)| matches!(m.2, PeerMessage::LeaseAnswer { .. });
                if cluster.wire().iter().any(of_answer) {
                    break;
                }
                cluster.deliver_all();
            }
        }
        let about_leases = |m: &(u64, u64, PeerMessage)| {
            matches!(m.2, PeerMessage::LeaseAsk { .. } | PeerMessage::LeaseAnswer { .. })
        };
        let before = cluster.wire().len();
        cluster.wire().retain(|message| !about_leases(message));
        assert_eq!(before - cluster.wire().len(), 1, "{lost} was on its way");
        cluster.pass(500);
        assert_eq!(cluster.answer(ticket), None, "{lost}: nobody noticed");
        cluster.pass(1_000);
        assert!(standing(&cluster, ticket).is_some(), "{lost}");
    }
}

#[test]
fn a_follower_that_must_not_forward_names_the_leader() {
    let mut cluster = leased(10);
    let request = Request::Lease { lease: LEASE, ask: LeaseAsk::KeepAlive, forward: false };
    let ticket = cluster.submit(2, request, 5_000);
    cluster.settle();
    let leader = Some(MemberId(1));
    assert_eq!(cluster.failure(ticket), Some(Failure::NotLeader { leader }));
}

#[test]
fn who_is_no_member_is_not_answered() {
    let mut cluster = leased(10);
    let term = cluster.replica(1).raft().term();
    let (life, number, ask) = (1, 1, LeaseAsk::KeepAlive);
    let stranger = PeerMessage::LeaseAsk { term, life, number, lease: LEASE, ask };
    let now = cluster.now();
    cluster.running(1).replica.receive(now, MemberId(9), stranger);
    cluster.emit(1);
    assert!(cluster.wire().iter().all(|(_, to, _)| *to != 9));
}

/// Nothing is written, and nobody remembers what was only heard: but for some seconds, the time
/// with a leader counts all the same.
#[test]
fn led_time_of_an_idle_cluster_survives_a_restart_of_all() {
    let mut cluster = Cluster::led();
    done(&mut cluster, 1, put("k", PutLifetime::TtlMs(60_000)));
    cluster.pass(45_000);
    for id in 1..=3 {
        cluster.power_cut(id);
    }
    for id in 1..=3 {
        cluster.start(id);
    }
    await_leader(&mut cluster);
    cluster.pass(4_000);
    assert!(is_there(&cluster, "k"), "it never goes early");
    // At most ten seconds and an interval of the check were in no entry.
    cluster.pass(22_000);
    assert!(!is_there(&cluster, "k"));
}

/// The leader stood still for most of the lease's time. What it hears first is a keep-alive.
#[test]
fn a_keep_alive_counts_from_its_arrival_and_not_from_the_last_tick() {
    let mut cluster = leased(LEASE_TTL_S_MIN);
    cluster.freeze(700);
    let ticket = ask(&mut cluster, 1, LeaseAsk::KeepAlive);
    cluster.settle();
    let left_ms = standing(&cluster, ticket).expect("it lives").left_ms;
    assert!(left_ms > 1_000 * LEASE_TTL_S_MIN - 100, "{left_ms} ms are left");
}

/// All stood still for longer than the lease's time, and a keep-alive waits for them.
#[test]
fn a_keep_alive_that_waited_out_a_stall_comes_before_the_expiry() {
    let mut cluster = leased(LEASE_TTL_S_MIN);
    cluster.freeze(1_000 * LEASE_TTL_S_MIN + 500);
    let ticket = ask(&mut cluster, 1, LeaseAsk::KeepAlive);
    cluster.pass(200);
    assert!(standing(&cluster, ticket).is_some(), "it lives");
    assert!(is_there(&cluster, "leased"));
}
