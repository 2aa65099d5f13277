//! A stream of watches, told to its end.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proto::etcd::etcdserverpb::kv_client::KvClient;
use proto::etcd::etcdserverpb::watch_client::WatchClient;
use proto::etcd::etcdserverpb::watch_request::RequestUnion;
use proto::etcd::etcdserverpb::{
    WatchCancelRequest, WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::ask::{Ask, Line, ask, mask};
use crate::words::put;

/// No event takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Nothing comes any more when nothing has come for so long.
const QUIET: Duration = Duration::from_millis(500);

/// The last event on a stream: once it is there, so is all before.
const LAST_KEY: &str = "\u{7f}the end of the stream";

/// The watch that sees it.
const LAST_WATCH: i64 = 1 << 40;

/// What happens on one stream and beside it, one after another.
#[derive(Clone, Debug, Default)]
pub struct Watching(Vec<Step>);

/// What an answer about all watches of a stream has for a watch.
const OF_ALL: i64 = -1;

#[derive(Clone, Debug)]
enum Step {
    /// Sends this, and waits for the next response.
    Create(WatchCreateRequest),
    /// Sends this; waits for the end of the watch if there is one.
    Cancel {
        watch_id: i64,
        is_there: bool,
    },
    Progress,
    /// Something is asked on another stream.
    Meanwhile(Ask),
}

/// What the stream told, by watch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told(BTreeMap<i64, Vec<String>>);

impl Watching {
    /// A watch is asked for.
    #[must_use]
    pub fn create(mut self, request: WatchCreateRequest) -> Watching {
        self.0.push(Step::Create(request));
        self
    }

    /// A watch is to end.
    #[must_use]
    pub fn cancel(mut self, watch_id: i64) -> Watching {
        self.0.push(Step::Cancel { watch_id, is_there: true });
        self
    }

    /// A watch is to end that is not there.
    #[must_use]
    pub fn cancel_unknown(mut self, watch_id: i64) -> Watching {
        self.0.push(Step::Cancel { watch_id, is_there: false });
        self
    }

    /// How far the stream is.
    #[must_use]
    pub fn progress(mut self) -> Watching {
        self.0.push(Step::Progress);
        self
    }

    /// Something happens.
    #[must_use]
    pub fn meanwhile(mut self, request: Ask) -> Watching {
        self.0.push(Step::Meanwhile(request));
        self
    }

    /// How many requests it is.
    pub fn requests(&self) -> usize {
        self.0.len()
    }
}

impl Told {
    /// Events of one watch that follow each other are one list, however they came.
    fn add(&mut self, response: WatchResponse) {
        let WatchResponse { header, watch_id, events, .. } = response;
        let told = self.0.entry(watch_id).or_default();
        if let Some(last) = events.last().and_then(|event| event.kv.as_ref()) {
            let revision = header.map_or(0, |header| header.revision);
            assert!(revision >= last.mod_revision, "{header:?} is before {last:?}");
            told.extend(events.iter().map(|event| format!("{event:?}")));
            return;
        }
        let mut header = header.unwrap_or_default();
        if header.revision != 0 {
            mask(&mut header);
        }
        // One without a revision is empty in some versions of etcd and has ids in others.
        let revision = header.revision;
        let response = WatchResponse { header: None, events, ..response };
        told.push(format!("at {revision}: {response:?}"));
    }
}

/// Does all of it, and reads the stream to its end.
pub async fn watch(line: &Line, watching: Watching) -> Told {
    let (sender, requests) = mpsc::channel(16);
    let mut client = WatchClient::new(line.service());
    let opened = client.watch(ReceiverStream::new(requests));
    let send = async |union: RequestUnion| {
        sender.send(WatchRequest { request_union: Some(union) }).await.unwrap();
    };
    // etcd answers the call only once it has something to say.
    let last = WatchCreateRequest {
        key: LAST_KEY.into(),
        watch_id: LAST_WATCH,
        ..WatchCreateRequest::default()
    };
    send(RequestUnion::CreateRequest(last)).await;
    let mut stream = opened.await.unwrap().into_inner();
    let mut told = Told::default();
    let mut next = async || {
        let next = tokio::time::timeout(PATIENCE, stream.message()).await;
        next.expect("a response comes in time").unwrap().expect("the stream goes on")
    };
    assert!(next().await.created);
    for step in watching.0 {
        match step {
            Step::Create(request) => {
                send(RequestUnion::CreateRequest(request)).await;
                loop {
                    let response = next().await;
                    let created = response.created;
                    told.add(response);
                    if created {
                        break;
                    }
                }
            }
            Step::Cancel { watch_id, is_there } => {
                send(RequestUnion::CancelRequest(WatchCancelRequest { watch_id })).await;
                let mut over = !is_there;
                while !over {
                    let response = next().await;
                    over = response.canceled;
                    told.add(response);
                }
            }
            Step::Progress => {
                send(RequestUnion::ProgressRequest(WatchProgressRequest {})).await;
                let answered = async {
                    loop {
                        let response = next().await;
                        let is_progress = response.watch_id == OF_ALL;
                        told.add(response);
                        if is_progress {
                            break;
                        }
                    }
                };
                // Before anything is written meanwhile, or its revision would be a matter of luck.
                // While a watch reads the past, etcd does not answer at all.
                let _ = tokio::time::timeout(QUIET, answered).await;
            }
            // What came of it was seen where it was asked alone.
            Step::Meanwhile(request) => drop(ask(line, request).await),
        }
    }
    let Ask::Put(end) = put(LAST_KEY, "") else { unreachable!("a put is a put") };
    KvClient::new(line.service()).put(end).await.unwrap();
    loop {
        let response = next().await;
        if response.watch_id == LAST_WATCH && !response.events.is_empty() {
            break;
        }
        told.add(response);
    }
    // etcd reads the past in the background, after what happens meanwhile; nothing tells when it
    // has told all of it.
    while let Ok(response) = tokio::time::timeout(QUIET, stream.message()).await {
        told.add(response.unwrap().expect("the stream goes on"));
    }
    told
}

/// A watch on one key.
pub fn on(key: impl Into<Bytes>) -> WatchCreateRequest {
    WatchCreateRequest { key: key.into(), ..WatchCreateRequest::default() }
}

/// A watch on a stretch of keys.
pub fn on_range(key: impl Into<Bytes>, range_end: impl Into<Bytes>) -> WatchCreateRequest {
    WatchCreateRequest { range_end: range_end.into(), ..on(key) }
}
