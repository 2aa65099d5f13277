//! How this member reaches others.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use super::Stream;
use super::keeper::Keeper;

/// In plain text, or with TLS.
#[derive(Clone, Debug, Default)]
pub(crate) enum Way {
    /// Plain text.
    #[default]
    Plain,
    /// As a peer: the certificate of the moment is shown, and the other's is looked at.
    Tls(Arc<Keeper>),
}

impl Way {
    /// What stands before the address of a peer in its URL.
    pub(crate) fn scheme(&self) -> &'static str {
        match self {
            Way::Plain => "http://",
            Way::Tls(_) => "https://",
        }
    }

    /// Connects to `host:port`; the caller sets the deadline.
    pub(crate) async fn connect(&self, address: &str) -> io::Result<Stream> {
        let socket = TcpStream::connect(address).await?;
        self.shake(socket, address).await
    }

    /// The same on a connection that is there.
    pub(crate) async fn shake(&self, socket: TcpStream, address: &str) -> io::Result<Stream> {
        let Way::Tls(keeper) = self else { return Ok(Stream::Plain(socket)) };
        let identity = keeper.identity();
        let peers = identity.peers.as_ref().expect("a way with TLS is that of peers with TLS");
        let name = name_of(address)?;
        let connector = TlsConnector::from(Arc::clone(&peers.dials));
        let shaken = connector.connect(name, socket).await.map_err(in_words)?;
        Ok(Stream::Tls(Box::new(TlsStream::from(shaken))))
    }
}

/// Ways are the same if they are of one kind.
impl PartialEq for Way {
    fn eq(&self, other: &Way) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl Eq for Way {}

fn name_of(address: &str) -> io::Result<ServerName<'static>> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
    name.map_err(|_| io::Error::other(format!("{address}: no certificate can bear that name")))
}

/// What failed, with what to look at: these lines are all that an operator sees of it.
fn in_words(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(
            error.kind(),
            "it ended the TLS handshake: it does not take this member's certificate (its log says \
             why), or it speaks no TLS",
        ),
        io::ErrorKind::InvalidData | io::ErrorKind::Other => {
            io::Error::new(error.kind(), format!("TLS: {error}"))
        }
        _ => error,
    }
}
