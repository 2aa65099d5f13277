//! `etcdserverpb.Watch`: many watches on one stream.
//!
//! ```text
//! requests ──▶ Hub ── creates, cancels ──▶ Board ── polls whoever was woken ──▶ Subscription
//!               │                            │
//!               └───────── responses ◀───────┘  one queue, so that what was told first comes first
//! ```
//!
//! Each stream has a task, the hub, which alone writes to it. A client that takes nothing holds its
//! own hub up and nobody else: its watches fall behind and read the log once it goes on.

mod answer;
mod board;
mod hub;
mod request;
mod rights;

use std::sync::Arc;

use proto::etcd::etcdserverpb::{WatchRequest, WatchResponse, watch_server};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::gate::{Asks, Gate};
use hub::Hub;

/// So many responses wait for the client; then nothing more is read from the log for it.
const RESPONSES_MAX: usize = 16;

/// The service.
pub(super) struct Watch {
    gate: Arc<Gate>,
}

impl Watch {
    pub(super) fn new(gate: Arc<Gate>) -> Watch {
        Watch { gate }
    }

    /// Serves a stream of requests, whatever they came in.
    pub(super) fn open(
        &self,
        metadata: &MetadataMap,
        requests: impl Stream<Item = Result<WatchRequest, Status>> + Send + 'static,
    ) -> Result<ReceiverStream<Result<WatchResponse, Status>>, Status> {
        // Who asks is found out at each watch: there it is said, if it is nobody who may.
        self.gate.check(metadata, Asks::Voters)?;
        let (sender, responses) = mpsc::channel(RESPONSES_MAX);
        let hub = Hub::new(Arc::clone(&self.gate), metadata.clone(), sender);
        tokio::spawn(hub.run(Box::pin(requests)));
        Ok(ReceiverStream::new(responses))
    }
}

#[tonic::async_trait]
impl watch_server::Watch for Watch {
    type WatchStream = ReceiverStream<Result<WatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<Streaming<WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (metadata, _, requests) = request.into_parts();
        self.open(&metadata, requests).map(Response::new)
    }
}
