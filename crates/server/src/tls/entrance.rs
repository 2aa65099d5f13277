//! What a connection has to pass before it is heard.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use rustls::ServerConnection;
use rustls::server::Acceptor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{LazyConfigAcceptor, TlsStream};

use super::facts::common_name;
use super::keeper::Keeper;
use super::{PEER_PROTOCOL, Stream};

/// A handshake takes two rounds; it may take so long at most.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A session of TLS keeps so much that the socket does not take yet, and no more is written to it:
/// what waits beyond is counted where it waits.
const UNSENT_BYTES_MAX: usize = 16 << 10;

/// Whoever speaks plain HTTP gets so long to take the answer.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// How much of what was sent by then is read, so that the answer is not lost with the connection.
const FAREWELL_BYTES_MAX: u64 = 64 << 10;

/// What comes back to whoever speaks plain HTTP.
const FAREWELL: &str = "{\"error\":\"tls_required\",\"message\":\"this port speaks TLS: use \
    https://, and whoever trusts another CA than this machine's says so (--cacert)\"}\n";

/// Whom a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Clients and members.
    Everybody,
    /// Clients: members have a socket of their own.
    Clients,
    /// Members.
    Peers,
}

impl Takes {
    fn peers(self) -> bool {
        matches!(self, Takes::Everybody | Takes::Peers)
    }

    fn clients(self) -> bool {
        matches!(self, Takes::Everybody | Takes::Clients)
    }

    /// How whoever comes there in plain text has come.
    pub(crate) fn in_plain_text(self) -> Arrival {
        Arrival { tls: false, peer: self.peers(), client: self.clients() }
    }
}

/// The door of one socket.
#[derive(Clone, Debug)]
pub(crate) enum Entrance {
    /// Plain text.
    Plain(Arrival),
    /// TLS.
    Tls(Arc<Keeper>, Takes),
    /// As clients do whose certificate names this user.
    #[cfg(test)]
    Named(&'static str),
}

/// How somebody has come in, and so what they may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// It speaks TLS.
    pub(crate) tls: bool,
    /// It may use the peers' doors.
    pub(crate) peer: bool,
    /// It may use the clients' doors.
    pub(crate) client: bool,
}

impl Arrival {
    /// Of whom nothing is known.
    pub(crate) const NOBODY: Arrival = Arrival { tls: false, peer: false, client: false };

    /// What stands before the address that they have come to, in a URL.
    pub(crate) fn scheme(self) -> &'static str {
        if self.tls { "https://" } else { "http://" }
    }
}

/// Somebody in plain text, where that is all there is.
impl Default for Arrival {
    fn default() -> Arrival {
        Arrival { tls: false, peer: true, client: true }
    }
}

/// Somebody who has come in.
#[derive(Debug)]
pub(crate) struct Entered {
    /// What they say, and are told.
    pub(crate) stream: Stream,
    /// How they came.
    pub(crate) arrival: Arrival,
    /// Whom the certificate names that they showed as a client, and that the clients' CA signed.
    pub(crate) user: Option<HeaderValue>,
}

impl Entered {
    /// By a way where nobody shows anything.
    pub(crate) fn plain(socket: TcpStream, arrival: Arrival) -> Entered {
        Entered { stream: Stream::Plain(socket), arrival, user: None }
    }
}

/// Why somebody has not.
#[derive(Debug)]
pub(crate) enum NoEntry {
    /// Its handshake failed.
    Handshake {
        /// It said that it is a peer.
        peer: bool,
        error: io::Error,
    },
    /// It speaks plain HTTP, and was told.
    PlainText,
    /// It took too long.
    Slow,
}

/// Plain text for everybody.
impl Default for Entrance {
    fn default() -> Entrance {
        Entrance::Plain(Arrival::default())
    }
}

impl Entrance {
    /// Takes a connection in, within `patience`.
    pub(crate) async fn admit(
        &self,
        socket: TcpStream,
        patience: Duration,
    ) -> Result<Entered, NoEntry> {
        let (keeper, takes) = match self {
            Entrance::Plain(arrival) => return Ok(Entered::plain(socket, *arrival)),
            Entrance::Tls(keeper, takes) => (keeper, *takes),
            #[cfg(test)]
            Entrance::Named(user) => {
                let user = Some(HeaderValue::from_static(user));
                return Ok(Entered { user, ..Entered::plain(socket, Arrival::default()) });
            }
        };
        let shaken = timeout(patience.min(HANDSHAKE_TIMEOUT), shake(keeper, takes, socket)).await;
        shaken.map_err(|_| NoEntry::Slow)?
    }
}

async fn shake(keeper: &Keeper, takes: Takes, mut socket: TcpStream) -> Result<Entered, NoEntry> {
    let unknown = |error| NoEntry::Handshake { peer: false, error };
    if speaks_http(&mut socket).await.map_err(unknown)? {
        // Whatever comes of it: it is gone afterwards.
        let _ = timeout(FAREWELL_TIMEOUT, farewell(socket)).await;
        return Err(NoEntry::PlainText);
    }
    let begun = LazyConfigAcceptor::new(Acceptor::default(), socket).await.map_err(unknown)?;
    let mut protocols = begun.client_hello().alpn().into_iter().flatten();
    let says_peer = protocols.any(|protocol| protocol == PEER_PROTOCOL);
    drop(protocols);
    let identity = keeper.identity();
    // Whoever comes to a socket that is not for them is told that nothing they say is spoken there.
    let accepts = identity.peers.as_ref().filter(|_| takes.peers()).map(|peers| &peers.accepts);
    let clients = identity.clients.as_ref().filter(|_| takes.clients());
    let (config, peer, client) = match (accepts, clients) {
        (Some(accepts), _) if says_peer => (accepts, true, false),
        (_, Some(clients)) => (clients, false, true),
        // Only peers speak TLS: whoever does not say that it is one meets their door all the same.
        (Some(accepts), None) => (accepts, true, false),
        (None, None) => unreachable!("a keeper has one of them, and both where sockets differ"),
    };
    let failed = |error| NoEntry::Handshake { peer: says_peer, error };
    let limit = |session: &mut ServerConnection| session.set_buffer_limit(Some(UNSENT_BYTES_MAX));
    let stream = begun.into_stream_with(Arc::clone(config), limit).await.map_err(failed)?;
    // Clients are asked for certificates only where there is a CA that they are verified by.
    let shown = stream.get_ref().1.peer_certificates().filter(|_| client);
    let user = shown.and_then(|shown| common_name(shown.first()?));
    let stream = Stream::Tls(Box::new(TlsStream::from(stream)));
    Ok(Entered { stream, arrival: Arrival { tls: true, peer, client }, user })
}

/// A handshake begins with 0x16; every method of HTTP with a letter.
async fn speaks_http(socket: &mut TcpStream) -> io::Result<bool> {
    let mut first = [0];
    let read = socket.peek(&mut first).await?;
    Ok(read == 1 && first[0].is_ascii_uppercase())
}

async fn farewell(mut socket: TcpStream) -> io::Result<()> {
    let length = FAREWELL.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: \
         {length}\r\nconnection: close\r\n\r\n{FAREWELL}"
    );
    socket.write_all(answer.as_bytes()).await?;
    socket.shutdown().await?;
    let mut ignored = tokio::io::sink();
    tokio::io::copy(&mut (&mut socket).take(FAREWELL_BYTES_MAX), &mut ignored).await?;
    Ok(())
}
