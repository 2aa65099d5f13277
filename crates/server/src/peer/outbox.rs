//! What waits to be sent to one peer: filled by the replica thread, emptied by the stream's task.
//!
//! The replica thread never waits for a peer. While the stream is down, or its queue full, messages
//! are dropped and counted: raft asks and tells again until it is heard. Forwarded writes are given
//! back instead: unless it is known that they never left, their outcome is unknown.

use std::time::Duration;

use parking_lot::Mutex;
use raft::{Body, Message};
use replica::PeerMessage;
use tokio::sync::Notify;

use super::pen::Pen;

/// Bytes that wait for one peer; a little more than raft lets be in flight.
pub(crate) const OUTBOX_BYTES_MAX: usize = 16 << 20;

/// Messages that wait for one peer.
pub(crate) const OUTBOX_MESSAGES_MAX: usize = 65_536;

/// Bytes that the replica thread writes itself, at most: what is more is encoded by the task.
const WRITTEN_AT_ONCE_MAX: usize = 256 << 10;

/// The queue of one peer.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
    /// The peer gave a sign of life while no stream to it was up.
    alive: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    messages: Vec<PeerMessage>,
    bytes: usize,
    /// A stream is up and takes messages.
    open: bool,
    /// What writes to it, while its task has nothing to write: then the replica thread does, and
    /// nobody has to be woken.
    pen: Option<Pen>,
    /// The peer is none any more: what waits is the last.
    retired: bool,
    /// Forwarded writes that never left. Each is a request that the replica waits for, and it
    /// bounds those.
    unsent: Vec<PeerMessage>,
}

impl Outbox {
    /// Takes everything out of `messages`, in order; answers what became of them.
    pub(crate) fn put(&self, messages: &mut Vec<PeerMessage>) -> Put {
        let mut dropped = 0;
        let mut queue = self.queue.lock();
        if queue.writes(messages) {
            let written = messages.len();
            messages.clear();
            if queue.is_stuck() {
                self.filled.notify_one();
            }
            return Put { written, dropped };
        }
        for message in messages.drain(..) {
            if queue.has_room() {
                queue.bytes += size_bytes(&message);
                queue.messages.push(message);
            } else {
                dropped += 1;
                queue.give_back(message);
            }
        }
        drop(queue);
        self.filled.notify_one();
        Put { written: 0, dropped }
    }

    /// A stream is up: from here on messages are kept.
    pub(crate) fn open(&self) {
        self.queue.lock().open = true;
    }

    /// Whether a stream is up that takes messages.
    pub(crate) fn is_open(&self) -> bool {
        let queue = self.queue.lock();
        queue.open && !queue.retired
    }

    /// The stream is down: what waits is dropped; answers how many messages that were.
    pub(crate) fn close(&self) -> usize {
        let mut queue = self.queue.lock();
        queue.open = false;
        queue.pen = None;
        queue.bytes = 0;
        let messages = std::mem::take(&mut queue.messages);
        let dropped = messages.len();
        messages.into_iter().for_each(|message| queue.give_back(message));
        dropped
    }

    /// Whether the replica must know that this message never left.
    pub(crate) fn is_given_back(message: &PeerMessage) -> bool {
        matches!(message, PeerMessage::Forward { .. } | PeerMessage::LeaseAsk { .. })
    }

    /// Nothing more will be put: the stream ends once it has sent what waits.
    pub(crate) fn retire(&self) {
        self.queue.lock().retired = true;
        self.filled.notify_one();
        self.alive.notify_one();
    }

    /// Whether `retire` was called.
    pub(crate) fn is_retired(&self) -> bool {
        self.queue.lock().retired
    }

    /// The peer has opened its own stream: it can be reached, and need not be waited for.
    pub(crate) fn peer_is_alive(&self) {
        self.alive.notify_one();
    }

    /// Waits `at_most` so long, or until the peer gives a sign of life.
    pub(crate) async fn rest(&self, at_most: Duration) {
        let _either = tokio::time::timeout(at_most, self.alive.notified()).await;
    }

    /// The forwarded writes that were to be sent and never left, since the last call.
    pub(crate) fn take_unsent(&self) -> Vec<PeerMessage> {
        std::mem::take(&mut self.queue.lock().unsent)
    }

    /// Waits until there is something to write, or the outbox is retired. Meanwhile whoever puts
    /// something may write it with `pen`.
    pub(crate) async fn filled(&self, pen: &mut Option<Pen>) {
        loop {
            {
                let mut queue = self.queue.lock();
                if let Some(pen) = pen.take() {
                    queue.pen = Some(pen);
                }
                if !queue.messages.is_empty() || queue.retired || queue.is_stuck() {
                    return;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Swaps what waits into the empty `batch`; from here on only the caller writes.
    pub(crate) fn take(&self, batch: &mut Vec<PeerMessage>) -> Option<Pen> {
        assert!(batch.is_empty(), "a batch is sent before the next is taken");
        let mut queue = self.queue.lock();
        queue.bytes = 0;
        std::mem::swap(&mut queue.messages, batch);
        queue.pen.take()
    }
}

/// What became of messages that were put. The others wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Put {
    /// How many went to the socket.
    pub(crate) written: usize,
    /// How many were dropped.
    pub(crate) dropped: usize,
}

impl Queue {
    fn has_room(&self) -> bool {
        self.open
            && !self.retired
            && self.bytes < OUTBOX_BYTES_MAX
            && self.messages.len() < OUTBOX_MESSAGES_MAX
    }

    /// Whether all of `messages` went to the socket. What is before them goes first.
    fn writes(&mut self, messages: &[PeerMessage]) -> bool {
        let free = self.open && !self.retired && self.messages.is_empty();
        let bytes = || messages.iter().map(size_bytes).sum::<usize>();
        match &mut self.pen {
            Some(pen) if free && bytes() <= WRITTEN_AT_ONCE_MAX => pen.write(messages),
            _ => false,
        }
    }

    /// The socket took only a part of what was written last.
    fn is_stuck(&self) -> bool {
        self.pen.as_ref().is_some_and(Pen::is_stuck)
    }

    fn give_back(&mut self, message: PeerMessage) {
        if Outbox::is_given_back(&message) {
            self.unsent.push(message);
        }
    }
}

/// Bytes counted against the limit.
fn size_bytes(message: &PeerMessage) -> usize {
    const OVERHEAD_BYTES: usize = 64;
    let payload = match message {
        PeerMessage::Raft(Message { body: Body::Append { entries, .. }, .. }) => {
            entries.iter().map(raft::Entry::size_bytes).sum()
        }
        PeerMessage::Raft(_)
        | PeerMessage::ForwardAnswer { .. }
        | PeerMessage::LeaseAsk { .. }
        | PeerMessage::LeaseAnswer { .. }
        | PeerMessage::Report { .. }
        | PeerMessage::Verdict { .. } => 0,
        PeerMessage::Forward { command, .. } => command.len(),
    };
    payload + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;

    use super::*;

    fn forwards(count: u64, bytes: usize) -> Vec<PeerMessage> {
        let command = Bytes::from(vec![0; bytes]);
        let (term, life) = (raft::Term(1), 1);
        let forward =
            |number| PeerMessage::Forward { term, life, number, command: command.clone() };
        (0..count).map(forward).collect()
    }

    fn dropped(dropped: usize) -> Put {
        Put { written: 0, dropped }
    }

    #[tokio::test]
    async fn messages_come_out_in_order_and_at_once() {
        let outbox = Outbox::default();
        outbox.open();
        assert_eq!(outbox.put(&mut forwards(2, 1)), Put::default());
        assert_eq!(outbox.put(&mut forwards(1, 1)), Put::default());
        let mut batch = Vec::new();
        outbox.filled(&mut None).await;
        outbox.take(&mut batch);
        let expected: Vec<_> = forwards(2, 1).into_iter().chain(forwards(1, 1)).collect();
        assert_eq!(batch, expected);
    }

    #[test]
    fn without_a_stream_everything_is_dropped_and_counted() {
        let outbox = Outbox::default();
        assert_eq!(outbox.put(&mut forwards(3, 1)), dropped(3));
        outbox.open();
        assert_eq!(outbox.put(&mut forwards(3, 1)), Put::default());
        assert_eq!(outbox.close(), 3);
        assert_eq!(outbox.put(&mut forwards(1, 1)), dropped(1));
    }

    #[test]
    fn a_forward_that_never_left_is_given_back_once() {
        let outbox = Outbox::default();
        outbox.put(&mut forwards(1, 1));
        outbox.open();
        outbox.put(&mut forwards(2, 1));
        let answer = PeerMessage::ForwardAnswer {
            life: 1,
            number: 1,
            result: Err(replica::ForwardRefusal::NotLeader),
        };
        outbox.put(&mut vec![answer]);
        outbox.close();
        let expected: Vec<_> = forwards(1, 1).into_iter().chain(forwards(2, 1)).collect();
        assert_eq!(outbox.take_unsent(), expected);
        assert_eq!(outbox.take_unsent(), []);
    }

    #[test]
    fn a_full_queue_drops_what_is_newest() {
        let outbox = Outbox::default();
        outbox.open();
        let fit = (OUTBOX_BYTES_MAX >> 20) as u64;
        assert_eq!(
            outbox.put(&mut forwards(fit + 3, 1 << 20)),
            dropped(3),
            "the limit is in bytes"
        );
        outbox.close();
        outbox.open();
        let many = OUTBOX_MESSAGES_MAX as u64 + 5;
        assert_eq!(outbox.put(&mut forwards(many, 0)), dropped(5), "and in messages");
    }

    #[tokio::test]
    async fn a_retired_outbox_gives_what_it_has_and_takes_nothing_more() {
        let outbox = Outbox::default();
        outbox.open();
        outbox.put(&mut forwards(1, 1));
        outbox.retire();
        assert_eq!(outbox.put(&mut forwards(1, 1)), dropped(1));
        let mut batch = Vec::new();
        outbox.filled(&mut None).await;
        outbox.take(&mut batch);
        assert_eq!(batch, forwards(1, 1));
        batch.clear();
        outbox.filled(&mut None).await;
        outbox.take(&mut batch);
        assert!(batch.is_empty() && outbox.is_retired());
    }

    #[tokio::test]
    async fn a_sign_of_life_ends_the_wait_for_a_peer() {
        let outbox = Outbox::default();
        let before = Instant::now();
        outbox.peer_is_alive();
        outbox.rest(Duration::from_secs(60)).await;
        assert!(before.elapsed() < Duration::from_secs(60));
    }
}
