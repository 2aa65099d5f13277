//! Many watches on one stream.

use proto::etcd::etcdserverpb::kv_client::KvClient;
use proto::etcd::etcdserverpb::watch_client::WatchClient;
use proto::etcd::etcdserverpb::watch_request::RequestUnion;
use proto::etcd::etcdserverpb::{
    PutRequest, WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse,
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
