//! The first frame in each direction: who speaks, to whom, of which cluster (docs/format/peer.md,
//! section 3). Everything that is wrong gets a name, and both sides log it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use proto::peer as wire;
use raft::MemberId;
use replica::Configuration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use wire::handshake::Kind;
use wire::refusal::Reason;

use super::frame::{HANDSHAKE_BYTES_MAX, put_frame, take_frame};
use super::malformed::Malformed;

/// What this program speaks.
pub(crate) const PROTOCOL_VERSION: u32 = 1;

/// Which command kinds this program knows (rule 4.5).
pub(crate) const FEATURE_LEVEL: u32 = 1;

/// A handshake takes one round; a peer that needs longer is as good as absent.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a member knows about its cluster: the ground on which it accepts and dials.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    /// This member.
    pub(crate) id: MemberId,
    /// Its cluster; it is one of the members.
    pub(crate) configuration: Arc<Configuration>,
}

/// A peer that passed the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Introduced {
    /// Who it is.
    pub(crate) id: MemberId,
    /// The command kinds it knows.
    pub(crate) feature_level: u32,
}

/// Why a stream was refused: what one side tells the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: Reason,
    /// What is wrong, in words.
    pub(crate) detail: String,
}

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

impl Refused {
    fn new(reason: Reason, detail: String) -> Refused {
        Refused { reason, detail }
    }

    /// What an operator should do about it.
    pub(crate) fn advice(&self) -> &'static str {
        match self.reason {
            Reason::ProtocolVersion => "upgrade the older of the two members",
            Reason::OtherCluster => "correct --peers, or the data directory: they mix two clusters",
            Reason::WrongMember => "another member answers at this address: check --port and DNS",
            Reason::UnknownMember => "add the member to the cluster before starting it",
            Reason::OtherIncarnation => {
                "its data directory was wiped or replaced: bring the old one back, or replace the \
                 member"
            }
            Reason::NotReady => "it has no cluster yet; this side tries again",
            Reason::Malformed | Reason::Unknown => {
                "it is no raftkv member, or another version of it"
            }
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.as_str_name().to_ascii_lowercase(), self.detail)
    }
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

impl Membership {
    fn hello(&self, to: MemberId) -> wire::Hello {
        let me = self.configuration.members.get(&self.id).expect("a member is in its cluster");
        wire::Hello {
            protocol_version: PROTOCOL_VERSION,
            feature_level: FEATURE_LEVEL,
            cluster_id: bytes_of(self.configuration.cluster_id),
            member_id: self.id.0,
            incarnation: bytes_of(me.incarnation),
            to_member_id: to.0,
        }
    }

    /// Whether the sender of `hello` may speak to this member, in the order of the format's table.
    fn check(&self, hello: &wire::Hello) -> Result<Introduced, Refused> {
        let version = hello.protocol_version;
        if version != PROTOCOL_VERSION {
            let detail = format!("it speaks version {version}, this member {PROTOCOL_VERSION}");
            return Err(Refused::new(Reason::ProtocolVersion, detail));
        }
        let cluster_id = self.configuration.cluster_id;
        if hello.cluster_id != bytes_of(cluster_id) {
            let detail = format!("this member belongs to cluster {cluster_id:032x}");
            return Err(Refused::new(Reason::OtherCluster, detail));
        }
        if hello.to_member_id != self.id.0 {
            let detail =
                format!("it looks for member {:x}, this is {}", hello.to_member_id, self.id);
            return Err(Refused::new(Reason::WrongMember, detail));
        }
        self.check_member(hello)
    }

    fn check_member(&self, hello: &wire::Hello) -> Result<Introduced, Refused> {
        let id = MemberId(hello.member_id);
        let known = self.configuration.members.get(&id).filter(|_| id != self.id);
        let Some(member) = known else {
            let detail = format!("the cluster has no other member {id}");
            return Err(Refused::new(Reason::UnknownMember, detail));
        };
        if hello.incarnation != bytes_of(member.incarnation) {
            let detail = format!("{} ({id}) had another data directory", member.name);
            return Err(Refused::new(Reason::OtherIncarnation, detail));
        }
        Ok(Introduced { id, feature_level: hello.feature_level })
    }
}

/// The accepter's side. `membership` is none while this member has no cluster yet.
pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
    membership: Option<&Membership>,
) -> Result<Introduced, HandshakeError> {
    let checked = match read(stream, buffer).await {
        Ok(Kind::Hello(hello)) => match membership {
            Some(membership) => membership.check(&hello),
            None => {
                let detail = "this member has no cluster yet".to_owned();
                Err(Refused::new(Reason::NotReady, detail))
            }
        },
        Ok(Kind::Welcome(_) | Kind::Refusal(_)) => Err(malformed(Malformed::Handshake)),
        Err(HandshakeError::Malformed(reason)) => Err(malformed(reason)),
        Err(error) => return Err(error),
    };
    match checked {
        Ok(introduced) => {
            let (protocol_version, feature_level) = (PROTOCOL_VERSION, FEATURE_LEVEL);
            write(stream, Kind::Welcome(wire::Welcome { protocol_version, feature_level })).await?;
            Ok(introduced)
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
    membership: &Membership,
    to: MemberId,
) -> Result<Introduced, HandshakeError> {
    write(stream, Kind::Hello(membership.hello(to))).await?;
    let mut buffer = BytesMut::new();
    match read(stream, &mut buffer).await? {
        Kind::Welcome(wire::Welcome { protocol_version: PROTOCOL_VERSION, feature_level }) => {
            Ok(Introduced { id: to, feature_level })
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

fn bytes_of(id: u128) -> Bytes {
    Bytes::copy_from_slice(&id.to_be_bytes())
}
