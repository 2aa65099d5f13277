//! Streams that peers have opened to this member.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use parking_lot::{Mutex, RwLock};
use raft::MemberId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tracing::{info, warn};

use super::codec::read_messages;
use super::frame::{FRAME_BYTES_MAX, take_frame};
use super::handshake::{self, HANDSHAKE_TIMEOUT, HandshakeError, Membership};
use super::malformed::Malformed;
use crate::node::{Inbox, Input};

/// A peer sends at least a keep-alive each second: one that is silent for this long is dropped.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How much is read at once; frames of one read share its memory.
const READ_BYTES: usize = 64 << 10;

/// Streams that may be in their handshake at once: nothing is known yet of who opened them, and
/// they no longer count as connections of the port. More than every member dialling at once.
pub(super) const HANDSHAKES_MAX: usize = 64;

/// Accepts streams and brings what they say to the inbox.
#[derive(Debug)]
pub(crate) struct Inbound {
    inbox: Arc<Inbox>,
    membership: RwLock<Option<Arc<Membership>>>,
    handshakes: Semaphore,
    streams: Mutex<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    /// The newest stream of each peer.
    current: BTreeMap<MemberId, (u64, AbortHandle)>,
    /// Streams accepted so far.
    count: u64,
    /// This member is stopping: it accepts no more and draws no conclusions.
    stopped: bool,
}

/// How a stream came to its end.
#[derive(Debug)]
enum End {
    /// The peer's side closed it: its process is gone, or has dropped it (rule 5.2).
    ClosedByPeer,
    /// Nothing came for too long.
    Silent,
    /// The connection failed in a way that says nothing about the peer's process.
    Failed(std::io::Error),
    /// The peer does not keep to the protocol.
    Malformed(Malformed),
}

impl Inbound {
    /// Brings messages to `inbox`; refuses everybody until `admit` is called.
    pub(crate) fn new(inbox: Arc<Inbox>) -> Arc<Inbound> {
        let (membership, streams) = (RwLock::default(), Mutex::default());
        let handshakes = Semaphore::new(HANDSHAKES_MAX);
        Arc::new(Inbound { inbox, membership, handshakes, streams })
    }

    /// From here on the members of this cluster may open streams.
    pub(crate) fn admit(&self, membership: Arc<Membership>) {
        *self.membership.write() = Some(membership);
    }

    /// Drops every stream and accepts no more.
    pub(crate) fn stop(&self) {
        let mut streams = self.streams.lock();
        streams.stopped = true;
        for (_, stream) in std::mem::take(&mut streams.current).into_values() {
            stream.abort();
        }
    }

    /// Runs one stream, from its handshake to its end.
    pub(crate) async fn serve<S>(self: Arc<Inbound>, mut stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Ok(permit) = self.handshakes.try_acquire() else {
            warn!("dropped a stream from a peer: {HANDSHAKES_MAX} are in their handshake already");
            return;
        };
        let membership = self.membership.read().clone();
        let mut buffer = BytesMut::new();
        let handshake = handshake::accept(&mut stream, &mut buffer, membership.as_deref());
        let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await;
        drop(permit);
        match shaken {
            Ok(Ok(peer)) => self.run(peer.id, stream, buffer),
            Ok(Err(HandshakeError::Refused(refused))) => {
                warn!(%refused, advice = refused.advice(), "refused a stream from a peer");
            }
            Ok(Err(error)) => warn!(%error, "a stream from a peer failed in its handshake"),
            Err(_) => warn!("a stream from a peer did not finish its handshake in time"),
        }
    }

    /// Starts receiving, in place of an older stream of the same peer.
    fn run<S>(self: Arc<Inbound>, peer: MemberId, stream: S, buffer: BytesMut)
    where
        S: AsyncRead + Unpin + Send + 'static,
    {
        let inbound = Arc::clone(&self);
        let mut streams = self.streams.lock();
        if streams.stopped {
            return;
        }
        streams.count += 1;
        let number = streams.count;
        // The task's first act takes this lock: it can not end before it is entered.
        self.inbox.notify(Input::StreamOpened(peer));
        let task = tokio::spawn(async move {
            let end = inbound.receive(peer, stream, buffer).await;
            inbound.ended(peer, number, &end);
        });
        if let Some((_, replaced)) = streams.current.insert(peer, (number, task.abort_handle())) {
            replaced.abort();
        }
        info!(%peer, "a peer has opened its stream");
    }

    async fn receive<S>(&self, peer: MemberId, mut stream: S, mut buffer: BytesMut) -> End
    where
        S: AsyncRead + Unpin,
    {
        loop {
            if let Err(malformed) = self.deliver(peer, &mut buffer).await {
                return End::Malformed(malformed);
            }
            if buffer.capacity() - buffer.len() < READ_BYTES / 8 {
                buffer.reserve(READ_BYTES);
            }
            match tokio::time::timeout(SILENCE_MAX, stream.read_buf(&mut buffer)).await {
                Ok(Ok(0)) => return End::ClosedByPeer,
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return End::of(error),
                Err(_) => return End::Silent,
            }
        }
    }

    /// Brings every whole frame of `buffer` to the inbox, at once.
    async fn deliver(&self, peer: MemberId, buffer: &mut BytesMut) -> Result<(), Malformed> {
        let mut messages = Vec::new();
        let mut bytes = 0;
        while let Some(body) = take_frame(buffer, FRAME_BYTES_MAX)? {
            bytes += body.len();
            messages.append(&mut read_messages(body)?);
        }
        if !messages.is_empty() {
            self.inbox.deliver(peer, messages, bytes).await;
        }
        Ok(())
    }

    fn ended(&self, peer: MemberId, number: u64, end: &End) {
        let mut streams = self.streams.lock();
        if streams.stopped
            || streams.current.get(&peer).map(|(current, _)| *current) != Some(number)
        {
            return;
        }
        streams.current.remove(&peer);
        // Under the lock, so that it can not come after the opening of the peer's next stream.
        if let End::ClosedByPeer = end {
            self.inbox.notify(Input::StreamClosed(peer));
        }
        drop(streams);
        end.log(peer);
    }
}

impl End {
    /// A reset is the peer's kernel speaking for a process that is gone. A timeout or an
    /// unreachable network says nothing about the process.
    fn of(error: std::io::Error) -> End {
        match error.kind() {
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => End::ClosedByPeer,
            _ => End::Failed(error),
        }
    }

    fn log(&self, peer: MemberId) {
        match self {
            End::ClosedByPeer => info!(%peer, "a peer has closed its stream"),
            End::Silent => warn!(%peer, "dropped a peer's stream: nothing came for 10 s"),
            End::Failed(error) => warn!(%peer, %error, "a peer's stream failed"),
            End::Malformed(malformed) => {
                warn!(%peer, %malformed, "dropped a peer's stream: it breaks the protocol");
            }
        }
    }
}
