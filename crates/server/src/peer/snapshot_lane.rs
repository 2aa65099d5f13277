//! The stream that carries messages about snapshots to one peer, apart from all others, so that a
//! heartbeat never queues behind them (rule 2.3). It is opened when there is something to say, and
//! closed when nothing was said for a while. What can not be sent is dropped: who wants a snapshot
//! asks again.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use raft::MemberId;
use replica::SnapshotMessage;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{debug, info};

use super::SNAPSHOT_PATH;
use super::membership::Introduction;
use super::outbound::{WRITE_TIMEOUT, dial};
use super::snapshot_codec::put_snapshot_message;

/// Messages that wait. The receiver asks for each piece, so hardly more than one ever does.
const QUEUE_MAX: usize = 16;

/// A stream on which nothing was said for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// The way to one peer.
pub(super) struct SnapshotLane {
    peer: MemberId,
    address: String,
    me: Arc<Introduction>,
    runtime: Handle,
    /// Of the stream that is up, or being opened.
    queue: Option<mpsc::Sender<SnapshotMessage>>,
}

impl SnapshotLane {
    pub(super) fn new(
        peer: MemberId,
        address: String,
        me: Arc<Introduction>,
        runtime: Handle,
    ) -> SnapshotLane {
        SnapshotLane { peer, address, me, runtime, queue: None }
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
        let (peer, address, me) = (self.peer, self.address.clone(), Arc::clone(&self.me));
        self.runtime.spawn(async move {
            match dial(peer, &address, &me, SNAPSHOT_PATH).await {
                Ok(mut stream) => {
                    info!(%peer, "opened a snapshot stream to a peer");
                    pump(&mut stream, receiver).await;
                    info!(%peer, "closed the snapshot stream to a peer");
                }
                Err(error) => debug!(%peer, %error, "can not open a snapshot stream"),
            }
        });
        sender
    }
}

/// Sends until the lane is gone, nothing is said any more, or the stream breaks.
async fn pump(stream: &mut TcpStream, mut queue: mpsc::Receiver<SnapshotMessage>) {
    let (mut reader, mut writer) = stream.split();
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
        match timeout(WRITE_TIMEOUT, writer.write_all(&buffer)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}
