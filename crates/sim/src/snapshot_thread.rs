//! The snapshot thread: one request after the other, each with a time of its own, beside the log
//! thread and on the same disk.

use std::collections::VecDeque;

use disk::SimDisk;
use replica::{SnapshotReply, SnapshotRequest, SnapshotWorker};

/// The snapshot thread, with its queue.
pub(crate) struct SnapshotThread {
    worker: SnapshotWorker<SimDisk>,
    queued: VecDeque<SnapshotRequest>,
    work: Work,
}

/// The request at work. Like a batch of the log's, it is done at the beginning of its time or at
/// the end of it, so that a crash finds it either way.
enum Work {
    Nothing,
    Late(SnapshotRequest),
    Early(Option<SnapshotReply>),
}

impl SnapshotThread {
    pub(crate) fn new(worker: SnapshotWorker<SimDisk>) -> SnapshotThread {
        SnapshotThread { worker, queued: VecDeque::new(), work: Work::Nothing }
    }

    pub(crate) fn queue(&mut self, requests: Vec<SnapshotRequest>) {
        self.queued.extend(requests);
    }

    /// Takes the next request to work, unless one is at work already. Whether it did: then
    /// `finish` is due after a while.
    pub(crate) fn begin(&mut self, early: bool) -> bool {
        if !matches!(self.work, Work::Nothing) {
            return false;
        }
        let Some(request) = self.queued.pop_front() else { return false };
        self.work = match early {
            true => Work::Early(self.worker.handle(request)),
            false => Work::Late(request),
        };
        true
    }

    /// The request's time is over.
    pub(crate) fn finish(&mut self) -> Option<SnapshotReply> {
        match std::mem::replace(&mut self.work, Work::Nothing) {
            Work::Nothing => panic!("only what was begun is finished"),
            Work::Late(request) => self.worker.handle(request),
            Work::Early(reply) => reply,
        }
    }
}
