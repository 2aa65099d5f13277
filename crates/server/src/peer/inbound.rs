//! Streams that peers have opened to this member.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use parking_lot::{Mutex, RwLock};
use proto::peer as wire;
use raft::MemberId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tracing::{info, warn};
use wire::refusal::Reason;

use super::codec::read_messages;
use super::frame::{FRAME_BYTES_MAX, take_frame};
use super::handshake::{self, HANDSHAKE_TIMEOUT, HandshakeError};
use super::malformed::Malformed;
use super::membership::{Introduced, Membership, Refused};
use super::seats::{STRANGERS_MAX, Seat, Seats};
use super::snapshot_codec::read_snapshot_message;
use crate::node::{Inbox, Input};

/// A peer sends at least a keep-alive each second: one that is silent for this long is dropped.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(10);

/// A stream of snapshots is closed by its opener when it is not used; this is for one that can not.
const SNAPSHOT_SILENCE_MAX: Duration = Duration::from_secs(60);

/// How much is read at once; frames of one read share its memory.
const READ_BYTES: usize = 64 << 10;

/// Streams that may be in their handshake at once: nothing is known yet of who opened them, and
/// they no longer count as connections of the port. More than every member dialling at once.
pub(super) const HANDSHAKES_MAX: usize = 64;

/// What a stream is for. Those for snapshots come and go, and their end says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// Everything but snapshots.
    Messages,
    /// Snapshots alone.
    Snapshots,
}

/// Accepts streams and brings what they say to the inbox.
#[derive(Debug)]
pub(crate) struct Inbound {
    inbox: Arc<Inbox>,
    membership: RwLock<Option<Membership>>,
    handshakes: Semaphore,
    seats: Arc<Seats>,
    streams: Mutex<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    /// The newest stream of each peer on each lane.
    current: BTreeMap<(MemberId, Lane), Open>,
    /// Streams accepted so far.
    count: u64,
    /// This member is stopping: it accepts no more and draws no conclusions.
    stopped: bool,
}

/// A stream that runs.
#[derive(Debug)]
struct Open {
    number: u64,
    /// What the peer's program knows.
    level: u32,
    task: AbortHandle,
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
        let (handshakes, seats) = (Semaphore::new(HANDSHAKES_MAX), Arc::default());
        Arc::new(Inbound { inbox, membership, handshakes, seats, streams })
    }

    /// From here on the members of this cluster may open streams. Streams that are open stay so,
    /// but for those of programs that do not know what the cluster uses now.
    pub(crate) fn admit(&self, membership: Membership) {
        let mut current = self.membership.write();
        self.seats.release_members(|peer| membership.knows(peer));
        *current = Some(membership);
        drop(current);
        self.too_old().into_iter().for_each(|peer| self.drop_stream(peer));
    }

    /// Whose streams are open, though their program does not know enough.
    fn too_old(&self) -> Vec<MemberId> {
        let streams = self.streams.lock();
        let too_old = streams.current.iter().filter(|(_, open)| !self.knows_enough(open.level));
        too_old.map(|((peer, _), _)| *peer).collect()
    }

    fn knows_enough(&self, level: u32) -> bool {
        let membership = self.membership.read();
        membership.as_ref().is_some_and(|membership| membership.check_level(level).is_ok())
    }

    /// Drops the streams of this peer: it will come back, and be refused.
    pub(crate) fn drop_stream(&self, peer: MemberId) {
        let mut streams = self.streams.lock();
        if let Some(open) = streams.current.remove(&(peer, Lane::Snapshots)) {
            open.task.abort();
        }
        if let Some(open) = streams.current.remove(&(peer, Lane::Messages)) {
            open.task.abort();
            self.inbox.notify(Input::StreamLost(peer));
        }
    }

    /// Drops every stream and accepts no more.
    pub(crate) fn stop(&self) {
        let mut streams = self.streams.lock();
        streams.stopped = true;
        for open in std::mem::take(&mut streams.current).into_values() {
            open.task.abort();
        }
    }

    /// Runs one stream, from its handshake to its end.
    pub(super) async fn serve<S>(self: Arc<Inbound>, mut stream: S, lane: Lane)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Ok(permit) = self.handshakes.try_acquire() else {
            warn!("dropped a stream from a peer: {HANDSHAKES_MAX} are in their handshake already");
            return;
        };
        let mut buffer = BytesMut::new();
        let admit = |hello: &wire::Hello| self.check(hello, lane);
        let handshake = handshake::accept(&mut stream, &mut buffer, admit);
        let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await;
        drop(permit);
        match shaken {
            Ok(Ok((peer, seat))) => self.run(peer, seat, lane, stream, buffer),
            Ok(Err(HandshakeError::Refused(refused))) => {
                warn!(%refused, advice = refused.advice(), "refused a stream from a peer");
            }
            Ok(Err(error)) => warn!(%error, "a stream from a peer failed in its handshake"),
            Err(_) => warn!("a stream from a peer did not finish its handshake in time"),
        }
    }

    /// Whether the sender of `hello` may open a stream, and where it sits.
    fn check(&self, hello: &wire::Hello, lane: Lane) -> Result<(Introduced, Seat), Refused> {
        // Held until the seat is taken, so that no configuration comes in between.
        let membership = self.membership.read();
        let Some(membership) = &*membership else {
            let detail = "this member has no cluster yet".to_owned();
            return Err(Refused::new(Reason::NotReady, detail));
        };
        let peer = membership.check(hello)?;
        let seat = self.seats.take(peer.id, lane, membership.knows(peer.id)).ok_or_else(|| {
            let detail = format!("{STRANGERS_MAX} streams of unknown members are open already");
            Refused::new(Reason::TooManyStrangers, detail)
        })?;
        Ok((peer, seat))
    }

    /// Starts receiving, in place of an older stream of the same peer.
    fn run<S>(
        self: Arc<Inbound>,
        introduced: Introduced,
        seat: Seat,
        lane: Lane,
        stream: S,
        buffer: BytesMut,
    ) where
        S: AsyncRead + Unpin + Send + 'static,
    {
        let inbound = Arc::clone(&self);
        let Introduced { id: peer, address, feature_level: level } = introduced;
        let mut streams = self.streams.lock();
        // The level may have been raised since it was let in.
        if streams.stopped || !self.knows_enough(level) {
            return;
        }
        streams.count += 1;
        let number = streams.count;
        // The task's first act takes this lock: it can not end before it is entered.
        if lane == Lane::Messages {
            self.inbox.notify(Input::StreamOpened { peer, address });
        }
        let task = tokio::spawn(async move {
            let _seat = seat;
            let end = inbound.receive((peer, lane), stream, buffer).await;
            inbound.ended((peer, lane), number, &end);
        });
        let open = Open { number, level, task: task.abort_handle() };
        if let Some(replaced) = streams.current.insert((peer, lane), open) {
            replaced.task.abort();
        }
        info!(%peer, ?lane, "a peer has opened its stream");
    }

    async fn receive<S>(
        &self,
        (peer, lane): (MemberId, Lane),
        mut stream: S,
        mut buffer: BytesMut,
    ) -> End
    where
        S: AsyncRead + Unpin,
    {
        loop {
            let delivered = match lane {
                Lane::Messages => self.deliver(peer, &mut buffer).await,
                Lane::Snapshots => self.deliver_snapshots(peer, &mut buffer).await,
            };
            if let Err(malformed) = delivered {
                return End::Malformed(malformed);
            }
            if buffer.capacity() - buffer.len() < READ_BYTES / 8 {
                buffer.reserve(READ_BYTES);
            }
            match tokio::time::timeout(lane.silence_max(), stream.read_buf(&mut buffer)).await {
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
            self.inbox.deliver(Input::Messages(peer, messages), bytes).await;
        }
        Ok(())
    }

    /// The same for a stream of snapshots.
    async fn deliver_snapshots(
        &self,
        peer: MemberId,
        buffer: &mut BytesMut,
    ) -> Result<(), Malformed> {
        while let Some(body) = take_frame(buffer, FRAME_BYTES_MAX)? {
            let bytes = body.len();
            if let Some(message) = read_snapshot_message(body)? {
                self.inbox.deliver(Input::AboutSnapshot(peer, message), bytes).await;
            }
        }
        Ok(())
    }

    fn ended(&self, (peer, lane): (MemberId, Lane), number: u64, end: &End) {
        let mut streams = self.streams.lock();
        if streams.stopped
            || streams.current.get(&(peer, lane)).map(|open| open.number) != Some(number)
        {
            return;
        }
        streams.current.remove(&(peer, lane));
        if lane == Lane::Snapshots {
            info!(%peer, ?end, "a peer's snapshot stream has ended");
            return;
        }
        // Under the lock, so that it can not come after the opening of the peer's next stream.
        self.inbox.notify(match end {
            End::ClosedByPeer => Input::StreamClosed(peer),
            End::Silent | End::Failed(_) | End::Malformed(_) => Input::StreamLost(peer),
        });
        drop(streams);
        end.log(peer);
    }
}

impl Lane {
    /// A stream on which nothing comes for so long is dropped.
    fn silence_max(self) -> Duration {
        match self {
            Lane::Messages => SILENCE_MAX,
            Lane::Snapshots => SNAPSHOT_SILENCE_MAX,
        }
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
