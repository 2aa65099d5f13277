//! Many watches on one stream.

use proto::etcd::etcdserverpb::kv_client::KvClient;
use proto::etcd::etcdserverpb::request_op::Request;
use proto::etcd::etcdserverpb::watch_client::WatchClient;
use proto::etcd::etcdserverpb::watch_request::RequestUnion;
use proto::etcd::etcdserverpb::{
    DeleteRangeRequest, PutRequest, RequestOp, TxnRequest, WatchCreateRequest,
    WatchProgressRequest, WatchRequest, WatchResponse,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use super::world::connected;
use crate::node::testing;

struct Watching {
    sender: mpsc::Sender<WatchRequest>,
    stream: Streaming<WatchResponse>,
}

impl Watching {
    async fn open(channel: &Channel) -> Watching {
        let (sender, requests) = mpsc::channel(16);
        let opened = WatchClient::new(channel.clone()).watch(ReceiverStream::new(requests)).await;
        Watching { sender, stream: opened.unwrap().into_inner() }
    }

    async fn send(&self, request: RequestUnion) {
        self.sender.send(WatchRequest { request_union: Some(request) }).await.unwrap();
    }

    async fn create(&mut self, key: String, start_revision: i64) -> WatchResponse {
        let create =
            WatchCreateRequest { key: key.into(), start_revision, ..WatchCreateRequest::default() };
        self.send(RequestUnion::CreateRequest(create)).await;
        self.next().await
    }

    async fn next(&mut self) -> WatchResponse {
        self.stream.message().await.unwrap().unwrap()
    }
}

async fn put(channel: &Channel, key: &str) {
    let request = PutRequest { key: key.to_owned().into(), ..PutRequest::default() };
    KvClient::new(channel.clone()).put(request).await.unwrap();
}

/// More watches than a connection of the HTTP door may have: one client's all go through one
/// stream here.
const MANY: i64 = 600;

#[tokio::test]
async fn each_of_many_watches_is_told_of_its_own_key() {
    let channel = connected(testing::single()).await;
    let mut watching = Watching::open(&channel).await;
    for id in 0..MANY {
        let created = watching.create(format!("k{id}"), 0).await;
        assert_eq!((created.created, created.canceled, created.watch_id), (true, false, id));
    }
    for id in [MANY - 1, 0, MANY / 2] {
        put(&channel, &format!("k{id}")).await;
        let told = watching.next().await;
        assert_eq!((told.watch_id, told.events.len()), (id, 1));
    }
}

#[tokio::test]
async fn progress_is_told_only_once_all_is_told() {
    let channel = connected(testing::single()).await;
    let mut watching = Watching::open(&channel).await;
    watching.create("k".to_owned(), 0).await;
    put(&channel, "k").await;
    let event = watching.next().await;
    watching.send(RequestUnion::ProgressRequest(WatchProgressRequest {})).await;
    let progress = watching.next().await;
    assert_eq!((progress.watch_id, progress.events.len()), (-1, 0));
    assert_eq!(progress.header.unwrap().revision, event.header.unwrap().revision);
    // One that waits for the future keeps all of them from it.
    watching.create("k".to_owned(), 1 << 40).await;
    watching.send(RequestUnion::ProgressRequest(WatchProgressRequest {})).await;
    put(&channel, "k").await;
    assert_eq!(watching.next().await.events.len(), 1);
}

/// So many keys go in one revision: more than a watch is handed at once.
const REMOVED: usize = 2_560;

/// So many are put in one.
const PUT_AT_ONCE: usize = 128;

async fn fill(channel: &Channel) {
    let mut kv = KvClient::new(channel.clone());
    for first in (0..REMOVED).step_by(PUT_AT_ONCE) {
        let put = |number: usize| PutRequest {
            key: format!("p/{number}").into(),
            ..PutRequest::default()
        };
        let op = |number| RequestOp { request: Some(Request::RequestPut(put(number))) };
        let success = (first..first + PUT_AT_ONCE).map(op).collect();
        kv.txn(TxnRequest { success, ..TxnRequest::default() }).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_comes_between_the_pieces_of_a_revision() {
    let channel = connected(testing::single()).await;
    fill(&channel).await;
    let remove = DeleteRangeRequest { key: "p/".into(), range_end: "p0".into(), prev_kv: false };
    let removed = KvClient::new(channel.clone()).delete_range(remove).await.unwrap().into_inner();
    for _ in 0..PUT_AT_ONCE {
        put(&channel, "q").await;
    }
    // Both have all of it to read, and take turns.
    let mut watching = Watching::open(&channel).await;
    let start_revision = removed.header.unwrap().revision;
    let pieces = WatchCreateRequest {
        key: "p/".into(),
        range_end: "p0".into(),
        start_revision,
        fragment: true,
        ..WatchCreateRequest::default()
    };
    let others =
        WatchCreateRequest { key: "q".into(), start_revision, ..WatchCreateRequest::default() };
    for create in [pieces, others] {
        watching.send(RequestUnion::CreateRequest(create)).await;
    }
    let (mut removed, mut seen, mut parts, mut within) = (0, 0, 0, false);
    while removed < REMOVED || seen < PUT_AT_ONCE {
        let told = watching.next().await;
        assert!(!within || told.watch_id == 0, "{} came between", told.watch_id);
        within = told.fragment;
        parts += usize::from(told.fragment);
        match told.watch_id {
            0 => removed += told.events.len(),
            _ => seen += told.events.len(),
        }
    }
    assert!(parts > 0, "it came in one piece");
}

#[tokio::test]
async fn progress_does_not_go_back_for_a_watch_of_the_past() {
    let channel = connected(testing::single()).await;
    let mut watching = Watching::open(&channel).await;
    watching.create("k".to_owned(), 0).await;
    for _ in 0..10 {
        put(&channel, "k").await;
    }
    let mut newest = 0;
    while newest < 11 {
        newest = watching.next().await.header.unwrap().revision;
    }
    let past =
        WatchCreateRequest { key: "k".into(), start_revision: 2, ..WatchCreateRequest::default() };
    watching.send(RequestUnion::CreateRequest(past)).await;
    watching.send(RequestUnion::ProgressRequest(WatchProgressRequest {})).await;
    let mut told_of_the_past = 0;
    while told_of_the_past < 10 {
        let told = watching.next().await;
        if told.watch_id == -1 {
            assert!(told.header.unwrap().revision >= newest, "{told:?}");
        }
        told_of_the_past += told.events.len();
    }
}
