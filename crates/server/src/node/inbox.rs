//! The only way to the replica: a bounded queue that its thread empties with one lock.
//!
//! Three kinds of input, three bounds:
//!
//! | input | bound | past it |
//! |---|---|---|
//! | requests | `REQUESTS_MAX` unanswered, `REQUEST_BYTES_MAX` | `Overloaded`, at once |
//! | messages of peers | `PEER_BYTES_MAX` not yet taken | TCP holds the peer back |
//! | log replies, news of streams | one a log request, four a stream | can not happen |
//! | snapshot replies | one a request, which the replica bounds | can not happen |
//! | backups, messages made by hand | those that the door lets in at once | refused there |

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use raft::MemberId;
use replica::{
    Backup, Done, Failure, LogReply, PeerMessage, Request, SnapshotMessage, SnapshotReply,
};
use tokio::sync::{Notify, oneshot};

use super::by_hand::{HandMade, HandSender};
use super::reception::Greeting;
use super::rounds::{OpenRound, Round};
use super::throughput::{Throughput, WAITING_MIN};
use crate::config::Address;

/// Requests a member holds at once, waiting to be taken or answered.
pub(crate) const REQUESTS_MAX: usize = 65_536;

/// Bytes of commands a member holds at once, waiting to be taken.
pub(crate) const REQUEST_BYTES_MAX: usize = 64 << 20;

/// Bytes of peer messages that may wait to be taken. One message may go over it.
pub(crate) const PEER_BYTES_MAX: usize = 64 << 20;

/// Where an answer goes.
pub(crate) type AnswerSender = oneshot::Sender<Result<Done, Failure>>;

/// One input of the replica.
#[derive(Debug)]
pub(crate) enum Input {
    /// A client wants something.
    Submit {
        /// What.
        request: Request,
        /// For how long it waits.
        timeout: Duration,
        /// Where its answer goes.
        answer: AnswerSender,
    },
    /// Readers want to know when the store is new enough for them.
    Read(OpenRound),
    /// Messages of one peer, in its order.
    Messages(MemberId, Vec<PeerMessage>),
    /// A stream from a peer is up.
    StreamOpened {
        /// Whose.
        peer: MemberId,
        /// Where it says it is reached.
        address: Option<Address>,
    },
    /// The peer closed its stream (rule 5.2).
    StreamClosed(MemberId),
    /// A peer's stream is gone, and nobody knows what became of the peer.
    StreamLost(MemberId),
    /// This member's own stream to the peer broke, and what was on its way with it.
    OwnStreamBroke(MemberId),
    /// A peer has answered this member's own handshake.
    Greeted {
        /// Who.
        by: MemberId,
        /// What it thinks of this member.
        greeting: Greeting,
    },
    /// The log thread is done with something.
    Log(LogReply),
    /// The snapshot thread is done with something.
    Snapshot(SnapshotReply),
    /// A client wants the state of now; there may be none that counts.
    Backup(oneshot::Sender<Option<Backup>>),
    /// A message that was made by hand.
    ByHand(HandMade, HandSender),
    /// A peer speaks of snapshots.
    AboutSnapshot(MemberId, SnapshotMessage),
    /// End the replica thread.
    Stop,
}

/// How much the replica has to do for its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// Requests that wait to be taken or answered.
    pub(crate) waiting: usize,
    /// How many should at the most.
    pub(crate) limit: usize,
}

/// Requests that were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    /// All of them.
    pub(crate) requests: usize,
    /// Those that were done: refusals and timeouts say nothing of how fast a member is.
    pub(crate) done: usize,
}

impl Outcomes {
    pub(crate) fn add(&mut self, more: Outcomes) {
        self.requests += more.requests;
        self.done += more.done;
    }
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    /// The count in `queue`, for those who only want to know: they need no lock.
    waiting: AtomicUsize,
    /// How many should wait at the most.
    limit: AtomicUsize,
    /// The replica thread waits here.
    arrived: Condvar,
    /// Streams that found no room for their messages wait here.
    room: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    inputs: Vec<Input>,
    /// Where in `inputs` the round is that further readers may join.
    round: Option<usize>,
    /// Requests in `inputs`, and those the replica has taken and not answered.
    requests: usize,
    /// Bytes of the commands in `inputs`.
    request_bytes: usize,
    /// Bytes of the peer messages in `inputs`.
    peer_bytes: usize,
    /// The replica thread is asleep: whoever brings something wakes it.
    asleep: bool,
    /// The replica thread has ended: nothing is taken any more.
    closed: bool,
    throughput: Throughput,
}

impl Inbox {
    /// An empty one.
    pub(crate) fn new() -> Arc<Inbox> {
        Arc::new(Inbox {
            queue: Mutex::default(),
            waiting: AtomicUsize::new(0),
            limit: AtomicUsize::new(WAITING_MIN),
            arrived: Condvar::new(),
            room: Notify::new(),
        })
    }

    /// For doors, which refuse what would wait too long. Nothing here depends on it: whoever comes
    /// in all the same meets the bounds above.
    pub(crate) fn load(&self) -> Load {
        let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        Load { waiting: of(&self.waiting), limit: of(&self.limit) }
    }

    /// Brings a client's request, or refuses it at once.
    pub(crate) fn submit(
        &self,
        request: Request,
        timeout: Duration,
        answer: AnswerSender,
    ) -> Result<(), Failure> {
        let bytes = request_bytes(&request);
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(Failure::Unavailable);
        }
        if queue.requests >= REQUESTS_MAX || queue.request_bytes + bytes > REQUEST_BYTES_MAX {
            return Err(Failure::Overloaded);
        }
        self.count(&mut queue, 1);
        queue.request_bytes += bytes;
        self.push(queue, Input::Submit { request, timeout, answer });
        Ok(())
    }

    /// Brings a client's wish to read what was acknowledged until now, or refuses it at once.
    pub(crate) fn read(&self, timeout: Duration) -> Result<Arc<Round>, Failure> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(Failure::Unavailable);
        }
        if queue.requests >= REQUESTS_MAX {
            return Err(Failure::Overloaded);
        }
        self.count(&mut queue, 1);
        if let Some(joined) = queue.gathering().and_then(|round| round.join(timeout)) {
            return Ok(joined);
        }
        let open = OpenRound::begin(timeout);
        let round = open.round();
        queue.round = Some(queue.inputs.len());
        self.push(queue, Input::Read(open));
        Ok(round)
    }

    /// Brings what a peer said, which took `bytes` on the wire; waits while there is no room.
    pub(crate) async fn deliver(&self, said: Input, bytes: usize) {
        let mut said = Some(said);
        loop {
            // Made before the look at the queue, so that room made in between is not missed.
            let room = self.room.notified();
            self.try_deliver(&mut said, bytes);
            if said.is_none() {
                return;
            }
            room.await;
        }
    }

    /// Takes what was said if there is room for it.
    fn try_deliver(&self, said: &mut Option<Input>, bytes: usize) {
        let mut queue = self.queue.lock();
        if !queue.closed && queue.peer_bytes >= PEER_BYTES_MAX {
            return;
        }
        let said = said.take().expect("what is said is delivered once");
        if !queue.closed {
            queue.peer_bytes += bytes;
            self.push(queue, said);
        }
    }

    /// Brings what must not be lost and is bounded by its own cause.
    pub(crate) fn notify(&self, input: Input) {
        let queue = self.queue.lock();
        if !queue.closed {
            self.push(queue, input);
        }
    }

    /// Brings the log thread's replies with one lock.
    pub(crate) fn notify_log(&self, replies: Vec<LogReply>) {
        let mut queue = self.queue.lock();
        if queue.closed || replies.is_empty() {
            return;
        }
        queue.inputs.extend(replies.into_iter().map(Input::Log));
        self.wake(queue);
    }

    /// Swaps everything that has gathered into the empty `batch`, waiting for something until
    /// `deadline`. `answered` requests are no longer held.
    pub(crate) fn take(&self, batch: &mut Vec<Input>, deadline: Instant, answered: Outcomes) {
        assert!(batch.is_empty(), "a batch is worked off before the next is taken");
        let mut queue = self.queue.lock();
        assert!(queue.requests >= answered.requests, "more were answered than were taken");
        queue.requests -= answered.requests;
        self.waiting.store(queue.requests, Ordering::Relaxed);
        if let Some(limit) = queue.throughput.answered(answered.done, Instant::now()) {
            self.limit.store(limit, Ordering::Relaxed);
        }
        if queue.inputs.is_empty() && Instant::now() < deadline {
            // Whoever is about to bring something and waits for a processor may have this one: a
            // batch the more, and nobody has to be put to sleep and woken.
            drop(queue);
            thread::yield_now();
            queue = self.queue.lock();
        }
        while queue.inputs.is_empty() && Instant::now() < deadline {
            queue.asleep = true;
            self.arrived.wait_until(&mut queue, deadline);
            queue.asleep = false;
        }
        std::mem::swap(&mut queue.inputs, batch);
        queue.round = None;
        queue.request_bytes = 0;
        if std::mem::take(&mut queue.peer_bytes) > 0 {
            self.room.notify_waiters();
        }
    }

    /// Nothing is taken any more. Requests that were not taken are certainly not done, and are told
    /// so; streams go on, to nowhere.
    pub(crate) fn close(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let inputs = std::mem::take(&mut queue.inputs);
        queue.round = None;
        drop(queue);
        self.room.notify_waiters();
        for input in inputs {
            // A round that is dropped tells its readers the same.
            if let Input::Submit { answer, .. } = input {
                // Whoever asked may have gone.
                let _ = answer.send(Err(Failure::Unavailable));
            }
        }
    }

    /// So many requests more are held.
    fn count(&self, queue: &mut Queue, requests: usize) {
        queue.requests += requests;
        self.waiting.store(queue.requests, Ordering::Relaxed);
    }

    fn push(&self, mut queue: parking_lot::MutexGuard<'_, Queue>, input: Input) {
        queue.inputs.push(input);
        self.wake(queue);
    }

    /// Wakes the replica thread if it sleeps; the lock is let go first.
    fn wake(&self, queue: parking_lot::MutexGuard<'_, Queue>) {
        let asleep = queue.asleep;
        drop(queue);
        if asleep {
            self.arrived.notify_one();
        }
    }
}

impl Queue {
    /// The round that further readers may join.
    fn gathering(&mut self) -> Option<&mut OpenRound> {
        match self.inputs.get_mut(self.round?)? {
            Input::Read(round) => Some(round),
            other => panic!("there is {other:?} where a round was put"),
        }
    }
}

fn request_bytes(request: &Request) -> usize {
    match request {
        Request::Write { command, .. } => command.len(),
        Request::ReadBarrier
        | Request::Lease { .. }
        | Request::Transfer { .. }
        | Request::Change(_)
        | Request::Drain { .. }
        | Request::RaiseLevel => 0,
    }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
