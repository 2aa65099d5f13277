//! The snapshot thread: writes, reads, receives and verifies snapshots, one request after the
//! other, so that none of it ever holds up the log or the replica.

use std::collections::VecDeque;
use std::sync::Arc;

use disk::Disk;
use parking_lot::{Condvar, Mutex};
use replica::{SnapshotReply, SnapshotRequest, SnapshotWorker};
use tracing::{debug, info, warn};

use super::inbox::{Inbox, Input};

/// What the thread is to do. Bounded by what the replica lets be under way: one snapshot written,
/// one received, and one piece read for each follower.
#[derive(Debug, Default)]
pub(crate) struct SnapshotQueue {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    requests: VecDeque<SnapshotRequest>,
    closed: bool,
}

impl SnapshotQueue {
    /// Queues requests, in order.
    pub(crate) fn put(&self, requests: Vec<SnapshotRequest>) {
        if !requests.is_empty() {
            self.queue.lock().requests.extend(requests);
            self.arrived.notify_one();
        }
    }

    /// The thread ends after what it is doing: a snapshot that is not whole counts for nothing.
    pub(crate) fn close(&self) {
        self.queue.lock().closed = true;
        self.arrived.notify_one();
    }

    fn take(&self) -> Option<SnapshotRequest> {
        let mut queue = self.queue.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(request) = queue.requests.pop_front() {
                return Some(request);
            }
            self.arrived.wait(&mut queue);
        }
    }
}

/// Runs until the queue is closed.
pub(crate) fn run<D: Disk>(
    mut worker: SnapshotWorker<D>,
    queue: &SnapshotQueue,
    inbox: &Arc<Inbox>,
) {
    while let Some(request) = queue.take() {
        let asked = format!("{request:?}");
        let Some(reply) = worker.handle(request) else { continue };
        announce(&asked, &reply);
        inbox.notify(Input::Snapshot(reply));
    }
    debug!("the snapshot thread has ended");
}

/// Logs what people care about: what went wrong, and which snapshots there are.
fn announce(asked: &str, reply: &SnapshotReply) {
    match reply {
        SnapshotReply::Written { last, bytes, .. } => info!(%last, bytes, "wrote a snapshot"),
        SnapshotReply::Received { from, bytes, point, .. } => {
            info!(%from, last = %point.last, bytes, "received a snapshot");
        }
        SnapshotReply::WriteFailed { reason, .. }
        | SnapshotReply::ReadFailed { reason, .. }
        | SnapshotReply::ReceiveFailed { reason, .. } => {
            warn!(asked, reason, "a snapshot failed; the member goes on without");
        }
        SnapshotReply::SetAside => {
            warn!(asked, "snapshots that may hold a wrong state are set aside");
        }
        SnapshotReply::SetAsideFailed { reason } => {
            warn!(asked, reason, "what may hold a wrong state is not set aside: it is tried again");
        }
        SnapshotReply::Read { .. } | SnapshotReply::Receiving { .. } => {}
    }
}
