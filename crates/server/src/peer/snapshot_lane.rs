//! The stream that carries messages about snapshots to one peer, apart from all others, so that a
//! heartbeat never queues behind them (rule 2.3). It is opened when there is something to say, and
//! closed when nothing was said for a while. What can not be sent is dropped: who wants a snapshot
//! asks again.

use std::time::Duration;

use bytes::BytesMut;
use raft::MemberId;
use replica::SnapshotMessage;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{debug, info};

use super::SNAPSHOT_PATH;
use super::outbound::{Caller, WRITE_TIMEOUT, dial, write};
use super::snapshot_codec::put_snapshot_message;
use crate::tls::Stream;

/// Messages that wait. The receiver asks for each piece, so hardly more than one ever does.
const QUEUE_MAX: usize = 16;

/// A stream on which nothing was said for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// The way to one peer.
pub(super) struct SnapshotLane {
    peer: MemberId,
    address: String,
    caller: Caller,
    runtime: Handle,
    /// Of the stream that is up, or being opened.
    queue: Option<mpsc::Sender<SnapshotMessage>>,
}

impl SnapshotLane {
    pub(super) fn new(
        peer: MemberId,
        address: String,
        caller: Caller,
        runtime: Handle,
    ) -> SnapshotLane {
        SnapshotLane { peer, address, caller, runtime, queue: None }
    }

    /// Sends a message, if there is room for it; opens the stream if there is none.
    pub(super) fn put(&mut self, message: SnapshotMessage) {
        let queue = match self.queue.take().filter(|queue| !queue.is_closed()) {
            Some(queue) => queue,
            None => self.open(),
        };
        // A full queue is dropped on purpose: see above.
        let _ = queue.try_send(message);
        self.queue = Some(queue);
    }

    fn open(&self) -> mpsc::Sender<SnapshotMessage> {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let (peer, address) = (self.peer, self.address.clone());
        let caller = self.caller.clone();
        self.runtime.spawn(async move {
            match dial(peer, &address, &caller, SNAPSHOT_PATH).await {
                Ok(stream) => {
                    info!(%peer, "opened a snapshot stream to a peer");
                    match stream {
                        Stream::Plain(mut socket) => pump(socket.split(), receiver).await,
                        Stream::Tls(stream) => pump(tokio::io::split(stream), receiver).await,
                    }
                    info!(%peer, "closed the snapshot stream to a peer");
                }
                Err(error) => debug!(%peer, %error, "can not open a snapshot stream"),
            }
        });
        sender
    }
}

/// Sends until the lane is gone, nothing is said any more, or the stream breaks.
async fn pump(
    (mut reader, mut writer): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    mut queue: mpsc::Receiver<SnapshotMessage>,
) {
    let mut unexpected = [0; 1];
    let mut buffer = BytesMut::new();
    loop {
        let message = tokio::select! {
            message = timeout(IDLE_MAX, queue.recv()) => message,
            // Nothing comes back on this stream but its end.
            _ = reader.read(&mut unexpected) => return,
        };
        let Ok(Some(message)) = message else { return };
        buffer.clear();
        put_snapshot_message(&mut buffer, message);
        match timeout(WRITE_TIMEOUT, write(&mut writer, &buffer)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}
