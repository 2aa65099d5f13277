//! One call each of what no etcd can be asked beside, and who is let in.

use proto::etcd::etcdserverpb::kv_client::KvClient as EtcdKvClient;
use proto::etcd::etcdserverpb::maintenance_client::MaintenanceClient;
use proto::etcd::etcdserverpb::{PutRequest, RangeRequest, StatusRequest};
use proto::raftkv::kv_client::KvClient;
use proto::raftkv::{DeleteRequest, GetRequest, SetRequest};
use replica::Standing;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::world::connected;
use crate::node::testing;

fn put() -> PutRequest {
    PutRequest { key: "k".into(), value: "v".into(), ..PutRequest::default() }
}

fn range(serializable: bool) -> RangeRequest {
    RangeRequest { key: "k".into(), serializable, ..RangeRequest::default() }
}

/// With what a client adds to a call.
fn with<T>(message: T, name: &'static str, value: &'static str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(name, value.parse().unwrap());
    request
}

#[tokio::test]
async fn the_three_plain_calls_do_what_they_say() {
    let mut kv = KvClient::new(connected(testing::single()).await);
    let get = || GetRequest { key: "k".into() };
    assert_eq!(kv.get(get()).await.unwrap_err().code(), Code::NotFound);
    let set = SetRequest { key: "k".into(), value: "v".into(), ttl_ms: 0 };
    let written = kv.set(set.clone()).await.unwrap().into_inner().revision;
    let found = kv.get(get()).await.unwrap().into_inner();
    assert_eq!((&found.value[..], found.version, found.mod_revision), (&b"v"[..], 1, written));
    let timed = SetRequest { key: "timed".into(), ttl_ms: 60_000, ..set };
    assert_eq!(kv.set(timed).await.unwrap().into_inner().revision, written + 1);
    let delete = || DeleteRequest { key: "k".into() };
    assert!(kv.delete(delete()).await.unwrap().into_inner().deleted);
    assert!(!kv.delete(delete()).await.unwrap().into_inner().deleted);
    let nameless = kv.set(SetRequest::default()).await.unwrap_err();
    assert_eq!(nameless.message(), "etcdserver: key is not provided");
    let forever = SetRequest { key: "k".into(), ttl_ms: u64::MAX, ..SetRequest::default() };
    assert_eq!(kv.set(forever).await.unwrap_err().code(), Code::OutOfRange);
}

#[tokio::test]
async fn a_health_check_says_whether_the_member_serves() {
    let check = |service: &str| HealthCheckRequest { service: service.to_owned() };
    let mut serving = HealthClient::new(connected(testing::single()).await);
    let answer = serving.check(check("")).await.unwrap().into_inner();
    assert_eq!(answer.status(), ServingStatus::Serving);
    assert_eq!(serving.check(check("other")).await.unwrap_err().code(), Code::NotFound);
    let mut watched = serving.watch(check("")).await.unwrap().into_inner();
    let first = watched.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    let mut waiting = HealthClient::new(connected(testing::waiting()).await);
    let answer = waiting.check(check("")).await.unwrap().into_inner();
    assert_eq!(answer.status(), ServingStatus::NotServing);
}

#[tokio::test]
async fn a_member_without_a_cluster_refuses() {
    let channel = connected(testing::waiting()).await;
    let refused = EtcdKvClient::new(channel.clone()).put(put()).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Unavailable, "etcdserver: no leader"));
    let refused = MaintenanceClient::new(channel).status(StatusRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_call_that_needs_a_leader_fails_where_none_is_known() {
    let node = testing::showing(|status| {
        status.replica.as_mut().unwrap().leader = None;
    });
    let mut kv = EtcdKvClient::new(connected(node).await);
    let refused = kv.range(with(range(true), "hasleader", "true")).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Unavailable, "etcdserver: no leader"));
    // Whoever does not ask for one reads what is there.
    kv.range(with(range(true), "hasleader", "false")).await.unwrap();
    kv.range(range(true)).await.unwrap();
}

#[tokio::test]
async fn a_member_that_joins_is_a_learner_before_it_is_told() {
    let node = testing::showing(|status| {
        let mut configuration = (**status.configuration.as_ref().unwrap()).clone();
        configuration.members.clear();
        status.configuration = Some(configuration.into());
    });
    let refused = EtcdKvClient::new(connected(node).await).put(put()).await.unwrap_err();
    assert_eq!(refused.message(), "etcdserver: rpc not supported for learner");
}

#[tokio::test]
async fn a_learner_answers_only_what_may_be_old() {
    let node = testing::showing(|status| {
        let mut configuration = (**status.configuration.as_ref().unwrap()).clone();
        let me = configuration.members.get_mut(&status.about.id).unwrap();
        me.standing = Standing::Learner;
        status.configuration = Some(configuration.into());
    });
    let channel = connected(node).await;
    let mut kv = EtcdKvClient::new(channel.clone());
    kv.range(range(true)).await.unwrap();
    for refused in [kv.range(range(false)).await.unwrap_err(), kv.put(put()).await.unwrap_err()] {
        assert_eq!(refused.message(), "etcdserver: rpc not supported for learner");
    }
    let status = MaintenanceClient::new(channel).status(StatusRequest {}).await.unwrap();
    assert!(status.into_inner().is_learner);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unimplemented() {
    let mut client = tonic::client::Grpc::new(connected(testing::single()).await);
    client.ready().await.unwrap();
    let path = "/etcdserverpb.Nothing/Do".parse().unwrap();
    let codec = tonic_prost::ProstCodec::<PutRequest, PutRequest>::default();
    let refused = client.unary(Request::new(put()), path, codec).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);
}
