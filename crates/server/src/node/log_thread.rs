//! The log thread: takes everything that has queued, has it done with as few flushes as possible,
//! and tells the inbox. While it flushes, the next group gathers: group commit without a timer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use disk::Disk;
use parking_lot::{Condvar, Mutex};
use replica::{LogReply, LogRequest, LogWorker};
use tracing::{debug, warn};

use super::inbox::Inbox;
use super::status::{Counters, StatusBoard};

/// After this long without a request the log does its housekeeping: one closing frame (rule 1.3),
/// and spare segments in small steps.
const IDLE_AFTER: Duration = Duration::from_millis(100);

/// What the log is to do. Bounded by what the replica lets be under way: its uncommitted bytes and
/// one read for each follower.
#[derive(Debug, Default)]
pub(crate) struct LogQueue {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    requests: Vec<LogRequest>,
    closed: bool,
}

/// What the log thread found when it looked.
enum Taken {
    Requests(Vec<LogRequest>),
    Idle,
    Closed,
}

impl LogQueue {
    /// Queues requests, in order.
    pub(crate) fn put(&self, requests: Vec<LogRequest>) {
        if requests.is_empty() {
            return;
        }
        let mut queue = self.queue.lock();
        if queue.requests.is_empty() {
            queue.requests = requests;
        } else {
            queue.requests.extend(requests);
        }
        drop(queue);
        self.arrived.notify_one();
    }

    /// The log thread ends once it has done what is queued.
    pub(crate) fn close(&self) {
        self.queue.lock().closed = true;
        self.arrived.notify_one();
    }

    fn take(&self, deadline: Option<Instant>) -> Taken {
        let mut queue = self.queue.lock();
        loop {
            if !queue.requests.is_empty() {
                return Taken::Requests(std::mem::take(&mut queue.requests));
            }
            if queue.closed {
                return Taken::Closed;
            }
            match deadline {
                None => self.arrived.wait(&mut queue),
                Some(deadline) => {
                    if self.arrived.wait_until(&mut queue, deadline).timed_out() {
                        return Taken::Idle;
                    }
                }
            }
        }
    }
}

/// Runs until the queue is closed and empty.
pub(crate) fn run<D: Disk>(
    mut worker: LogWorker<D>,
    queue: &LogQueue,
    inbox: &Arc<Inbox>,
    status: &StatusBoard,
) {
    // When housekeeping is due; none when there is nothing left to do.
    let mut housekeeping = Some(Instant::now() + IDLE_AFTER);
    loop {
        match queue.take(housekeeping) {
            Taken::Requests(requests) => {
                let begun = Instant::now();
                inbox.notify_log(worker.handle(requests));
                let counters = status.counters();
                counters.log_durations.add(begun.elapsed());
                Counters::add(&counters.log_groups, 1);
                housekeeping = Some(Instant::now() + IDLE_AFTER);
            }
            Taken::Idle => housekeeping = keep_house(&mut worker, inbox),
            Taken::Closed => return close(&mut worker),
        }
    }
}

/// The last step of an orderly end: with a closing frame behind it, damage to the last flush can
/// not pass for a torn tail later (rule 1.3).
fn close<D: Disk>(worker: &mut LogWorker<D>) {
    match worker.idle() {
        Ok(_more_to_prepare) => debug!("the log thread has ended"),
        Err(error) => warn!(%error, "the log could not be closed; what was acknowledged is safe"),
    }
}

/// One small step, so that a request never waits long behind it; answers when the next is due.
fn keep_house<D: Disk>(worker: &mut LogWorker<D>, inbox: &Arc<Inbox>) -> Option<Instant> {
    match worker.idle() {
        Ok(true) => Some(Instant::now()),
        Ok(false) => None,
        Err(error) => {
            inbox.notify_log(vec![LogReply::Failed(error.to_string())]);
            None
        }
    }
}
