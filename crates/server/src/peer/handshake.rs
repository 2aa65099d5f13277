//! The first frame in each direction: who speaks, to whom, of which cluster (docs/format/peer.md,
//! section 3). Everything that is wrong gets a name, and both sides log it.

use std::fmt;
use std::time::Duration;

use bytes::BytesMut;
use prost::Message as _;
use proto::peer as wire;
use raft::MemberId;
use replica::FEATURE_LEVEL;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use wire::handshake::Kind;
use wire::refusal::Reason;

use super::frame::{HANDSHAKE_BYTES_MAX, put_frame, take_frame};
use super::malformed::Malformed;
use super::membership::{Introduced, Introduction, Refused};

/// What this program speaks.
pub(crate) const PROTOCOL_VERSION: u32 = 1;

/// A handshake takes one round; a peer that needs longer is as good as absent.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a handshake did not come to a stream.
#[derive(Debug)]
pub(crate) enum HandshakeError {
    /// One side refused.
    Refused(Refused),
    /// The other side does not keep to the protocol.
    Malformed(Malformed),
    /// The stream broke.
    Io(std::io::Error),
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::Refused(refused) => write!(f, "refused: {refused}"),
            HandshakeError::Malformed(malformed) => write!(f, "it sent {malformed}"),
            HandshakeError::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for HandshakeError {}

impl From<std::io::Error> for HandshakeError {
    fn from(error: std::io::Error) -> HandshakeError {
        HandshakeError::Io(error)
    }
}

impl From<Malformed> for HandshakeError {
    fn from(malformed: Malformed) -> HandshakeError {
        HandshakeError::Malformed(malformed)
    }
}

/// The accepter's side; `admit` says whether the dialler may come in, and what it gets.
pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin, T>(
    stream: &mut S,
    buffer: &mut BytesMut,
    admit: impl FnOnce(&wire::Hello) -> Result<T, Refused>,
) -> Result<T, HandshakeError> {
    let checked = match read(stream, buffer).await {
        Ok(Kind::Hello(hello)) => admit(&hello),
        Ok(Kind::Welcome(_) | Kind::Refusal(_)) => Err(malformed(Malformed::Handshake)),
        Err(HandshakeError::Malformed(reason)) => Err(malformed(reason)),
        Err(error) => return Err(error),
    };
    match checked {
        Ok(admitted) => {
            let (protocol_version, feature_level) = (PROTOCOL_VERSION, FEATURE_LEVEL);
            write(stream, Kind::Welcome(wire::Welcome { protocol_version, feature_level })).await?;
            Ok(admitted)
        }
        Err(refused) => {
            let reason = refused.reason.into();
            let detail = refused.detail.clone();
            write(stream, Kind::Refusal(wire::Refusal { reason, detail })).await?;
            Err(HandshakeError::Refused(refused))
        }
    }
}

/// The dialler's side.
pub(crate) async fn introduce<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    me: &Introduction,
    to: MemberId,
) -> Result<Introduced, HandshakeError> {
    write(stream, Kind::Hello(me.hello(to))).await?;
    let mut buffer = BytesMut::new();
    match read(stream, &mut buffer).await? {
        Kind::Welcome(wire::Welcome { protocol_version: PROTOCOL_VERSION, feature_level }) => {
            Ok(Introduced { id: to, feature_level, address: None })
        }
        Kind::Refusal(refusal) => {
            let refused = Refused::new(refusal.reason(), refusal.detail);
            Err(HandshakeError::Refused(refused))
        }
        Kind::Welcome(_) | Kind::Hello(_) => Err(Malformed::Handshake.into()),
    }
}

fn malformed(reason: Malformed) -> Refused {
    Refused::new(Reason::Malformed, reason.to_string())
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, kind: Kind) -> Result<(), HandshakeError> {
    let handshake = wire::Handshake { kind: Some(kind) };
    let mut buffer = BytesMut::new();
    put_frame(&mut buffer, |body| handshake.encode_raw(body));
    stream.write_all(&buffer).await?;
    Ok(stream.flush().await?)
}

/// Reads one handshake frame; what came behind it stays in `buffer`.
async fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
) -> Result<Kind, HandshakeError> {
    let body = loop {
        if let Some(body) = take_frame(buffer, HANDSHAKE_BYTES_MAX)? {
            break body;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
    };
    let handshake = wire::Handshake::decode(body).map_err(|_| Malformed::Protobuf)?;
    handshake.kind.ok_or_else(|| Malformed::Handshake.into())
}
