//! The stream that this member keeps open to one peer.
//!
//! Dials, introduces itself, then writes whatever the outbox holds: everything that gathered while
//! the last write ran goes out with the next one. A stream that breaks is dialled again, soon at
//! first and more slowly later.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{CONNECTION, HOST, UPGRADE};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use proto::peer::refusal::Reason;
use raft::MemberId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::handshake::{self, HANDSHAKE_TIMEOUT, HandshakeError};
use super::membership::Introduction;
use super::outbox::Outbox;
use super::pen::{Pen, Tip};
use super::{APPEND_PATH, UPGRADE_PROTOCOL};
use crate::ask::{MEMBER_HEADER, member_header};
use crate::node::{Counters, Greeting, Inbox, Input, StatusBoard};
use crate::tls::{Stream, Way};

/// A peer that does not answer a connection attempt for this long is tried again later.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A frame, even an empty one, goes out at least this often.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// A peer that takes nothing for this long has its stream dropped.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// The kernel asks a silent peer for a sign of life after this long.
const TCP_KEEPALIVE: Duration = Duration::from_secs(5);

/// In whose name peers are called, and how.
#[derive(Clone)]
pub(crate) struct Caller {
    /// What this member says of itself.
    pub(crate) me: Arc<Introduction>,
    /// How peers are reached.
    pub(crate) way: Way,
    /// The cluster's feature level: nothing is said to a program that does not know it (rule 4.5).
    pub(crate) level: Arc<AtomicU32>,
}

/// What it takes to keep a stream to one peer.
pub(crate) struct Outbound {
    /// Whom to reach.
    pub(crate) peer: MemberId,
    /// `host:port`.
    pub(crate) address: String,
    /// In whose name.
    pub(crate) caller: Caller,
    /// What is to be sent.
    pub(crate) outbox: Arc<Outbox>,
    /// Hears what the peer thinks of this member.
    pub(crate) inbox: Arc<Inbox>,
    /// Counts what is dropped.
    pub(crate) status: Arc<StatusBoard>,
}

/// Why there is no stream.
#[derive(Debug)]
pub(super) enum DialError {
    /// No connection, or it broke.
    Io(std::io::Error),
    /// Not in time.
    Timeout,
    /// What answers there does not speak HTTP, or not properly.
    Http(hyper::Error),
    /// What answers there does not know peer streams.
    NotUpgraded(StatusCode),
    /// The peer's program does not know what the cluster uses.
    TooOld { needed: u32, level: u32 },
    /// The handshake failed.
    Handshake(HandshakeError),
}

impl Outbound {
    /// Keeps the stream until the outbox is retired, or for good.
    pub(crate) async fn run(self) {
        let mut backoff = BACKOFF_MIN;
        let mut last_failure = String::new();
        while !self.outbox.is_retired() {
            match dial(self.peer, &self.address, &self.caller, APPEND_PATH).await {
                Ok(stream) => {
                    info!(peer = %self.peer, address = self.address, "opened the stream to a peer");
                    (backoff, last_failure) = (BACKOFF_MIN, String::new());
                    self.greeted(Greeting::Welcome);
                    self.pump(stream).await;
                }
                Err(error) => {
                    self.log_failure(&error, &mut last_failure);
                    self.note_refusal(&error);
                }
            }
            self.outbox.rest(jittered(backoff)).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// Whether this member has a place in the cluster is not for the stream to judge.
    fn note_refusal(&self, error: &DialError) {
        let DialError::Handshake(HandshakeError::Refused(refused)) = error else { return };
        match refused.reason {
            Reason::Removed => self.greeted(Greeting::Removed),
            Reason::OtherIncarnation => self.greeted(Greeting::OtherIncarnation),
            _ => {}
        }
    }

    fn greeted(&self, greeting: Greeting) {
        self.inbox.notify(Input::Greeted { by: self.peer, greeting });
    }

    /// Sends until the stream ends.
    async fn pump(&self, stream: Stream) {
        self.outbox.open();
        let end = match stream {
            Stream::Plain(socket) => {
                let (reader, writer) = socket.into_split();
                self.send(reader, Tip::Plain(writer)).await
            }
            Stream::Tls(stream) => {
                let (reader, writer) = tokio::io::split(stream);
                self.send(reader, Tip::Tls(writer)).await
            }
        };
        let dropped = self.outbox.close();
        Counters::add(&self.status.counters().peer_messages_dropped, dropped as u64);
        match end {
            Ok(()) => info!(peer = %self.peer, "closed the stream to a former peer"),
            Err(end) => {
                self.inbox.notify(Input::OwnStreamBroke(self.peer));
                warn!(peer = %self.peer, %end, dropped, "the stream to a peer has ended");
            }
        }
    }

    /// Sends until the stream breaks, or the outbox is retired and empty.
    async fn send(&self, mut reader: impl AsyncRead + Unpin, tip: Tip) -> Result<(), DialError> {
        let mut idle = Some(Pen::new(tip));
        let mut batch = Vec::new();
        let mut unexpected = [0; 1];
        loop {
            tokio::select! {
                _ = timeout(KEEP_ALIVE, self.outbox.filled(&mut idle)) => {}
                // Nothing comes back on this stream but its end.
                ended = reader.read(&mut unexpected) => return Err(DialError::of_end(ended)),
            }
            let pen = self.outbox.take(&mut batch);
            let mut pen = pen.expect("it was put there above");
            if batch.is_empty() && !pen.is_stuck() && self.outbox.is_retired() {
                return Ok(());
            }
            pen.encode(&batch);
            Counters::add(&self.status.counters().peer_messages_sent, batch.len() as u64);
            batch.clear();
            match timeout(WRITE_TIMEOUT, pen.flush()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(DialError::Io(error)),
                Err(_) => return Err(DialError::Timeout),
            }
            idle = Some(pen);
        }
    }

    /// One line for each new reason, not one for each attempt.
    fn log_failure(&self, error: &DialError, last_failure: &mut String) {
        let failure = error.to_string();
        if failure == *last_failure {
            return;
        }
        let (peer, address) = (self.peer, &self.address);
        match error {
            DialError::Handshake(HandshakeError::Refused(refused)) => {
                let advice = refused.advice();
                warn!(%peer, address, %error, advice, "a peer refuses this member");
            }
            _ => warn!(%peer, address, %error, "can not reach a peer; trying on"),
        }
        *last_failure = failure;
    }
}

/// Writes all of it, as far as the socket.
pub(super) async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
) -> std::io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}

/// Opens a stream to a peer, at one of the peers' paths, and introduces this member.
pub(super) async fn dial(
    peer: MemberId,
    address: &str,
    caller: &Caller,
    path: &'static str,
) -> Result<Stream, DialError> {
    let Caller { me, way, level } = caller;
    let socket = timeout(CONNECT_TIMEOUT, TcpStream::connect(address));
    let socket = socket.await.map_err(|_| DialError::Timeout)??;
    set_options(&socket)?;
    let introduced = async {
        let stream = way.shake(socket, address).await?;
        let mut stream = upgrade(stream, &me.name, address, path).await?;
        let introduced = handshake::introduce(&mut stream, me, peer).await;
        let introduced = introduced.map_err(DialError::Handshake)?;
        debug!(%peer, level = introduced.feature_level, path, "handshake done");
        let needed = level.load(Ordering::Relaxed);
        if introduced.feature_level < needed {
            return Err(DialError::TooOld { needed, level: introduced.feature_level });
        }
        Ok(stream)
    };
    timeout(HANDSHAKE_TIMEOUT, introduced).await.map_err(|_| DialError::Timeout)?
}

/// Asks for the HTTP connection to become a peer stream, in the name of the member `asker`.
pub(super) async fn upgrade(
    stream: Stream,
    asker: &str,
    address: &str,
    path: &'static str,
) -> Result<Stream, DialError> {
    let mut request = Request::get(path)
        .header(HOST, address)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, UPGRADE_PROTOCOL);
    if let Some(asker) = member_header(asker) {
        request = request.header(MEMBER_HEADER, asker);
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .expect("constants and a checked address make a request");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends by itself when the connection is upgraded or dropped.
    tokio::spawn(connection.with_upgrades());
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(DialError::NotUpgraded(response.status()));
    }
    let upgraded = hyper::upgrade::on(response).await?;
    let parts = upgraded.downcast::<TokioIo<Stream>>().expect("it was made of this type above");
    if !parts.read_buf.is_empty() {
        let early = "it spoke before it was spoken to";
        return Err(DialError::Io(std::io::Error::other(early)));
    }
    Ok(parts.io.into_inner())
}

fn set_options(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(TCP_KEEPALIVE);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Between half and the whole of `backoff`, so that members do not dial in step.
fn jittered(backoff: Duration) -> Duration {
    backoff.mul_f64(0.5 + fastrand::f64() / 2.0)
}

impl DialError {
    fn of_end(ended: std::io::Result<usize>) -> DialError {
        DialError::Io(match ended {
            Ok(0) => std::io::Error::other("the peer closed it"),
            Ok(_) => std::io::Error::other("the peer spoke where it must be silent"),
            Err(error) => error,
        })
    }
}

impl From<std::io::Error> for DialError {
    fn from(error: std::io::Error) -> DialError {
        DialError::Io(error)
    }
}

impl From<hyper::Error> for DialError {
    fn from(error: hyper::Error) -> DialError {
        DialError::Http(error)
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialError::Io(error) => write!(f, "{error}"),
            DialError::Timeout => write!(f, "no answer in time"),
            DialError::Http(error) => write!(f, "not an HTTP answer: {error}"),
            DialError::NotUpgraded(status) => {
                write!(f, "what answers there takes no peer streams (HTTP {status})")
            }
            DialError::TooOld { needed, level } => write!(
                f,
                "the cluster has feature level {needed}, and the version there knows {level}: \
                 start a version there that knows the cluster's"
            ),
            DialError::Handshake(error) => write!(f, "{error}"),
        }
    }
}
