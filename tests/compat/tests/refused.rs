//! Errors for which it takes more than a request to a cluster of one: others that are down, learn,
//! lag or hold all there is. Codes and texts are etcd's; those that a request alone provokes are in
//! `asked/`, and docs/etcd.md lists those that nobody can provoke.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use compat::ask::{Ask, Line, ask};
use compat::words::{a_put, get, put};
use proto::etcd::etcdserverpb::cluster_client::ClusterClient;
use proto::etcd::etcdserverpb::kv_client::KvClient;
use proto::etcd::etcdserverpb::maintenance_client::MaintenanceClient;
use proto::etcd::etcdserverpb::{
    Member, MemberAddRequest, MemberListRequest, MemberPromoteRequest, MemberRemoveRequest,
    MoveLeaderRequest, SnapshotRequest,
};
use system_tests::cluster::Cluster;
use system_tests::wait;
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};

async fn connect(cluster: &Cluster, number: usize) -> Channel {
    let port = cluster.ports()[number];
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
    endpoint.connect().await.unwrap()
}

async fn members(channel: &Channel) -> Vec<Member> {
    let mut client = ClusterClient::new(channel.clone());
    let listed = client.member_list(MemberListRequest::default()).await;
    listed.unwrap().into_inner().members
}

/// Asks, and has to be refused so.
async fn refused(channel: &Channel, request: Ask, error: &str) {
    let shown = format!("{request:?}");
    assert_eq!(ask(&Line::new(channel.clone()), request).await, Err(error.to_owned()), "{shown}");
}

fn add(url: &str) -> Ask {
    let peer_ur_ls = vec![url.to_owned()];
    Ask::MemberAdd(MemberAddRequest { peer_ur_ls, is_learner: true })
}

fn promote(id: u64) -> Ask {
    Ask::MemberPromote(MemberPromoteRequest { id })
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_members_that_can_not_be() {
    let mut cluster = Cluster::prepare_with(1, 0, &[]);
    cluster.start_all();
    cluster.leader();
    let channel = connect(&cluster, 0).await;
    let own = members(&channel).await.remove(0);
    let refused = async |request, error| refused(&channel, request, error).await;
    refused(add(&own.peer_ur_ls[0]), "FailedPrecondition: etcdserver: Peer URLs already exists")
        .await;
    let learners_only = "FailedPrecondition: etcdserver: can only promote a learner member";
    refused(promote(own.id), learners_only).await;
    refused(
        Ask::MemberRemove(MemberRemoveRequest { id: own.id }),
        "Unknown: etcdserver: re-configuration failed due to not enough started members",
    )
    .await;
    // A place for one who never comes.
    let url = |number: usize| format!("http://localhost:{number}");
    assert!(ask(&Line::new(channel.clone()), add(&url(1))).await.is_ok());
    let absent = members(&channel).await.into_iter().find(|member| member.is_learner).unwrap();
    let not_ready = format!("{learners_only} which is in sync with leader");
    refused(promote(absent.id), &not_ready).await;
    let mut numbers = 2..1_000;
    let full = loop {
        let answer = ask(&Line::new(channel.clone()), add(&url(numbers.next().unwrap()))).await;
        if let Err(error) = answer {
            break error;
        }
    };
    assert_eq!(full, "FailedPrecondition: etcdserver: too many learner members in cluster");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_learner_refuses_what_is_not_for_it() {
    let mut cluster = Cluster::prepare_with(1, 1, &[]);
    cluster.start_all();
    cluster.leader();
    let learner = cluster.add(0, &["--learner"]);
    cluster.start_all();
    wait::until_true("it learns", || {
        let answer = cluster.http(learner).request("GET", "/readyz/serializable_read", "");
        answer.is_ok_and(|answer| answer.status == 200)
    });
    let channel = connect(&cluster, learner).await;
    let not_here = "FailedPrecondition: etcdserver: rpc not supported for learner";
    for request in [put("k", "v"), get("k"), add("http://localhost:1")] {
        refused(&channel, request, not_here).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_nothing_is_done_and_a_follower_hands_nothing_over() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader();
    let others = cluster.others(leader);
    let channel = connect(&cluster, others[0]).await;
    let me = members(&channel).await.remove(0).id;
    let move_leader = |to| Ask::MoveLeader(MoveLeaderRequest { target_id: to });
    refused(&channel, move_leader(me), "FailedPrecondition: etcdserver: not leader").await;
    refused(
        &connect(&cluster, leader).await,
        move_leader(7),
        "FailedPrecondition: etcdserver: bad leader transferee",
    )
    .await;
    cluster.kill([leader, others[1]]);
    wait::until_true("it knows no leader", || {
        let answer = cluster.http(others[0]).request("GET", "/cluster/leader", "");
        answer.is_ok_and(|answer| answer.code() == "no_leader")
    });
    let mut needs_leader = Request::new(a_put("k", "v"));
    needs_leader.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
    let answer = KvClient::new(channel.clone()).put(needs_leader).await.unwrap_err();
    assert_eq!(answer.message(), "etcdserver: no leader");
    refused(&channel, get("k"), "Unavailable: etcdserver: no leader").await;
}

/// Who falls silent still has its connections: nobody knows at once that it will not answer.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_members_that_are_silent_times_out() {
    let mut cluster = Cluster::start(3);
    let leader = cluster.leader();
    let others = cluster.others(leader);
    let channel = connect(&cluster, leader).await;
    let name = cluster.member(others[0]).name().to_owned();
    let silent = members(&channel).await.into_iter().find(|member| member.name == name).unwrap();
    cluster.member(others[0]).pause();
    refused(
        &channel,
        Ask::MoveLeader(MoveLeaderRequest { target_id: silent.id }),
        "Unknown: etcdserver: request timed out, leader transfer took too long",
    )
    .await;
    wait::until_true("the transfer is over", || {
        let answer = cluster.http(leader).request("PUT", "/kv/k", "{\"value\":\"v\"}");
        answer.is_ok_and(|answer| answer.status == 200)
    });
    cluster.member(others[1]).pause();
    refused(&channel, put("k", "v"), "Unavailable: etcdserver: request timed out").await;
    others.into_iter().for_each(|other| cluster.member(other).resume());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_more_memory_than_there_is_is_refused_and_deletes_go_on() {
    let mut cluster = Cluster::prepare_with(1, 0, &["--memory-limit", "12MiB"]);
    cluster.start_all();
    cluster.leader();
    let channel = connect(&cluster, 0).await;
    let mut numbers = 0..1_000;
    let error = loop {
        let key = format!("k{}", numbers.next().unwrap());
        if let Err(error) = ask(&Line::new(channel.clone()), put(key, vec![b'x'; 32 << 10])).await {
            break error;
        }
    };
    assert_eq!(error, "ResourceExhausted: etcdserver: mvcc: database space exceeded");
    assert!(ask(&Line::new(channel.clone()), compat::words::delete("k0", "")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_by_others_is_refused_and_so_is_what_is_no_call() {
    let cluster = Cluster::start(1);
    let channel = connect(&cluster, 0).await;
    // More than waits on its way to a client that does not read.
    for number in 0..16 {
        assert!(
            ask(&Line::new(channel.clone()), put(format!("k{number}"), vec![b'x'; 1 << 20]))
                .await
                .is_ok()
        );
    }
    let mut held = Vec::new();
    let error = loop {
        assert!(held.len() < 100, "any number of snapshots are sent at once");
        let channel = connect(&cluster, 0).await;
        match MaintenanceClient::new(channel).snapshot(SnapshotRequest {}).await {
            Ok(stream) => held.push(stream),
            Err(status) => break format!("{:?}: {}", status.code(), status.message()),
        }
    };
    assert_eq!(error, "ResourceExhausted: etcdserver: too many requests");
    let mut odd = Request::new(a_put("k", "v"));
    odd.metadata_mut().insert("client-api-version", MetadataValue::try_from(&[0xff][..]).unwrap());
    let answer = KvClient::new(channel).put(odd).await.unwrap_err();
    assert_eq!(answer.message(), "etcdserver: invalid client api version");
}
