//! Why settings were refused: what is wrong, and what to write instead.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use store::{HISTORY_BYTES_MAX, HISTORY_BYTES_MIN};

use super::{
    Address, AddressError, BACKUP_EVERY_MS_MAX, BACKUP_EVERY_MS_MIN, BACKUP_KEEP_MAX,
    CLIENT_URLS_MAX, ELECTION_TIMEOUT_MS_MAX, HEARTBEAT_MS_MIN,
    HEARTBEATS_PER_ELECTION_TIMEOUT_MIN, MEMBERS_MAX, MEMORY_LIMIT_BYTES_MIN, NODE_ID_BYTES_MAX,
    SNAPSHOT_BYTES_MAX, SNAPSHOT_BYTES_MIN, URL_BYTES_MAX, WAL_BLOCK_BYTES, WAL_SEGMENT_BYTES_MAX,
    WAL_SEGMENT_BYTES_MIN,
};

/// Why settings were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The file could not be read.
    FileUnreadable {
        /// Which file.
        path: PathBuf,
        /// Why, as the system put it.
        kind: std::io::ErrorKind,
    },
    /// The file is no TOML, has an unknown key, or a value of another type.
    File {
        /// Which file.
        path: PathBuf,
        /// Line, column and reason.
        reason: String,
    },
    /// A variable of the environment can not be understood.
    Variable {
        /// Its name.
        variable: String,
        /// Its value.
        value: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// `node_id` is empty, too long, or holds other characters than a name may.
    NodeId(String),
    /// `listen` is no IP address.
    Listen(String),
    /// `listen_peer` is no IP address with a port of its own.
    ListenPeer(String),
    /// An address for probes and metrics is none.
    MetricsListen(String),
    /// Something else is served there.
    MetricsListenTaken(SocketAddr),
    /// More addresses for probes and metrics than a member may have.
    TooManyMetricsListeners(usize),
    /// `listen` and `port` name two ports.
    TwoPorts {
        /// In `listen`.
        listen: u16,
        /// In `port`.
        port: u16,
    },
    /// `advertise` is no address.
    Advertise {
        /// As written.
        written: String,
        /// Why not.
        reason: AddressError,
    },
    /// `advertise` has port 0, where nobody can be reached.
    AdvertisePortZero,
    /// Other machines are to reach this member, and nothing says where.
    AdvertiseMissing,
    /// `advertise` is this machine's loopback, and a peer is on another machine.
    AdvertiseLoopback {
        /// What is advertised.
        advertise: Address,
        /// The peer that could not reach it.
        peer: Address,
    },
    /// A URL for clients is none that this program answers at.
    AdvertiseClient {
        /// As written.
        written: String,
        /// What it has to begin with.
        scheme: &'static str,
        /// Why not; none if it does not begin with the scheme.
        reason: Option<AddressError>,
    },
    /// More or longer URLs for clients than a member may have.
    ClientUrlsTooLong,
    /// A peer is no address.
    Peer {
        /// As written.
        written: String,
        /// Why not.
        reason: AddressError,
    },
    /// A peer has port 0, or this member does while it has peers.
    PeerPortZero,
    /// A peer is listed twice.
    DuplicatePeer(Address),
    /// More members than a cluster may have.
    TooManyMembers(usize),
    /// Traffic without TLS would leave this machine.
    Plaintext {
        /// Which setting makes it so.
        setting: &'static str,
        /// The address beyond this machine.
        address: String,
    },
    /// This setting means nothing without another.
    Needs(&'static str, &'static str),
    /// A certificate was given, and another is to be made.
    TwoCertificates,
    /// Nothing says which certificates make a peer.
    NoPeerCa {
        /// The member makes a certificate for itself.
        auto_tls: bool,
    },
    /// `heartbeat_ms` is shorter than a tick.
    Heartbeat(u64),
    /// `election_timeout_ms` is too short for its heartbeat, or absurdly long.
    ElectionTimeout {
        /// As written, or by default.
        election_timeout_ms: u64,
        /// As written, or by default.
        heartbeat_ms: u64,
    },
    /// `wal_segment_bytes` is out of bounds, or no whole number of blocks.
    WalSegmentBytes(u64),
    /// `snapshot_bytes` is out of bounds.
    SnapshotBytes(u64),
    /// `history_age` is longer than any history.
    HistoryAge,
    /// `history_bytes` is out of bounds.
    HistoryBytes,
    /// `memory_limit` is too little for anything.
    MemoryLimit(u64),
    /// Backups would lie among what they are backups of.
    BackupDirInside(PathBuf),
    /// `backup_every` is out of bounds.
    BackupEvery(u64),
    /// `backup_keep` is out of bounds.
    BackupKeep(u64),
    /// A member to join by is no address.
    Join {
        /// As written.
        written: String,
        /// Why not.
        reason: AddressError,
    },
    /// A member joins a cluster, or is one of those that found it, but not both.
    JoinAndPeers,
    /// `join_user` is no name and password. Not repeated: it is to be kept secret.
    JoinUser,
    /// This setting says how to join, and nothing says whom.
    OnlyWithJoin(&'static str),
    /// `data_dir` is empty.
    DataDirEmpty,
    /// Not a web origin.
    AllowOrigin(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ConfigError as E;
        match self {
            E::FileUnreadable { path, kind } => {
                write!(f, "{}: {kind}; --config must name a TOML file", path.display())
            }
            E::File { path, reason } => write!(f, "{}: {reason}", path.display()),
            E::Variable { variable, value, expected } => {
                write!(f, "{variable}: {value:?} is not {expected}")
            }
            E::NodeId(name) => write!(
                f,
                "--node-id {name:?}: a name has 1 to {NODE_ID_BYTES_MAX} letters, digits, '-', \
                 '_' and '.', and begins with a letter or digit"
            ),
            E::Listen(text) => write!(
                f,
                "--listen {text:?}: write an IP address of this machine, such as 0.0.0.0 or \
                 127.0.0.1:8001"
            ),
            E::TwoPorts { listen, port } => {
                write!(f, "--listen has port {listen} and --port is {port}: drop one of the two")
            }
            E::Advertise { .. }
            | E::AdvertisePortZero
            | E::AdvertiseMissing
            | E::AdvertiseLoopback { .. }
            | E::AdvertiseClient { .. }
            | E::ClientUrlsTooLong => self.fmt_advertised(f),
            E::Peer { written, reason } => write!(f, "--peers {written:?}: {reason}"),
            E::PeerPortZero => write!(f, "--peers: every member needs a port of its own, not 0"),
            E::DuplicatePeer(peer) => write!(f, "--peers: {peer} is listed twice"),
            E::TooManyMembers(count) => {
                write!(f, "--peers: {count} members; a cluster has at most {MEMBERS_MAX}")
            }
            E::Plaintext { setting, address } => write!(
                f,
                "{setting} {address}: keys and values would leave this machine unencrypted: give \
                 the member a certificate (--cert-file, --key-file; `raftkv cert` makes some), or \
                 add --insecure if the network is yours"
            ),
            E::Needs(..) | E::TwoCertificates | E::NoPeerCa { .. } => self.fmt_tls(f),
            E::Heartbeat(_)
            | E::ElectionTimeout { .. }
            | E::WalSegmentBytes(_)
            | E::SnapshotBytes(_)
            | E::HistoryAge
            | E::HistoryBytes
            | E::MemoryLimit(_) => self.fmt_number(f),
            E::BackupDirInside(_) | E::BackupEvery(_) | E::BackupKeep(_) => self.fmt_backups(f),
            E::Join { .. } | E::JoinAndPeers | E::JoinUser | E::OnlyWithJoin(_) => {
                self.fmt_joining(f)
            }
            E::ListenPeer(_)
            | E::MetricsListen(_)
            | E::MetricsListenTaken(_)
            | E::TooManyMetricsListeners(_) => self.fmt_listeners(f),
            E::DataDirEmpty => write!(f, "--data-dir: write the path of a directory"),
            E::AllowOrigin(text) => write!(
                f,
                "--allow-origin {text:?}: write scheme://host[:port], such as https://example.org"
            ),
        }
    }
}

impl ConfigError {
    /// What is about where others reach the member.
    fn fmt_advertised(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ConfigError as E;
        match self {
            E::Advertise { written, reason } => write!(f, "--advertise {written:?}: {reason}"),
            E::AdvertisePortZero => write!(f, "--advertise: nobody can be reached at port 0"),
            E::AdvertiseMissing => write!(
                f,
                "--advertise HOST:PORT is missing: peers are on other machines, and must know \
                 where to reach this one"
            ),
            E::AdvertiseLoopback { advertise, peer } => write!(
                f,
                "--advertise {advertise}: {peer} is on another machine and can not reach it there"
            ),
            E::AdvertiseClient { written, scheme, reason: Some(reason) } => {
                write!(f, "--advertise-client {written:?}: after {scheme}: {reason}")
            }
            E::AdvertiseClient { written, scheme, reason: None } => {
                write!(f, "--advertise-client {written:?}: write {scheme}HOST:PORT")
            }
            E::ClientUrlsTooLong => write!(
                f,
                "--advertise-client: at most {CLIENT_URLS_MAX} URLs, each of at most \
                 {URL_BYTES_MAX} bytes"
            ),
            _ => unreachable!("only what is about addresses of its own comes here"),
        }
    }

    /// What is about certificates.
    fn fmt_tls(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ConfigError as E;
        match self {
            E::Needs(setting, other) => write!(f, "{setting}: only together with {other}"),
            E::TwoCertificates => write!(
                f,
                "--auto-tls and --cert-file: --auto-tls makes a certificate, --cert-file names \
                 one; drop one of the two"
            ),
            E::NoPeerCa { auto_tls: false } => write!(
                f,
                "--peer-ca-file FILE is missing: members show each other certificates, and it says \
                 who signs them; `raftkv cert ca` makes such a CA"
            ),
            E::NoPeerCa { auto_tls: true } => write!(
                f,
                "--auto-tls: no member can check what another has made for itself; make \
                 certificates with `raftkv cert`, or add --insecure: then traffic is encrypted, \
                 but whoever reaches the port may speak as a member"
            ),
            _ => unreachable!("only what is about certificates comes here"),
        }
    }

    /// What is about joining a cluster.
    fn fmt_joining(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ConfigError as E;
        match self {
            E::Join { written, reason } => write!(f, "--join {written:?}: {reason}"),
            E::JoinAndPeers => write!(
                f,
                "--join and --peers: --join is for a cluster that exists, --peers for one that is \
                 founded; drop one of the two"
            ),
            E::JoinUser => {
                write!(f, "--join-user: write NAME:PASSWORD of a user who has the role root")
            }
            E::OnlyWithJoin(setting) => {
                write!(f, "{setting}: only together with --join URL of a member")
            }
            _ => unreachable!("only what is about joining comes here"),
        }
    }

    /// What is about listeners beside the one for everybody.
    fn fmt_listeners(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::ListenPeer(text) => write!(
                f,
                "--listen-peer {text:?}: write IP:PORT, with another port than the clients'"
            ),
            ConfigError::MetricsListen(text) => write!(
                f,
                "--metrics-listen {text:?}: write IP:PORT, http://IP:PORT or https://IP:PORT, \
                 such as 0.0.0.0:8081"
            ),
            ConfigError::MetricsListenTaken(address) => {
                write!(f, "--metrics-listen {address}: something else is served there")
            }
            ConfigError::TooManyMetricsListeners(count) => {
                write!(f, "--metrics-listen: {count} addresses; a member has at most 8")
            }
            _ => unreachable!("only what is about listeners comes here"),
        }
    }

    fn fmt_backups(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::BackupDirInside(path) => write!(
                f,
                "--backup-dir {}: it is inside the data directory; backups belong on another disk",
                path.display()
            ),
            ConfigError::BackupEvery(ms) => write!(
                f,
                "--backup-every {ms}ms: must be from {BACKUP_EVERY_MS_MIN}ms to \
                 {BACKUP_EVERY_MS_MAX}ms"
            ),
            ConfigError::BackupKeep(count) => {
                write!(f, "--backup-keep {count}: must be from 1 to {BACKUP_KEEP_MAX}")
            }
            _ => unreachable!("only what is about backups comes here"),
        }
    }

    /// Numbers that are out of their bounds.
    fn fmt_number(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ConfigError as E;
        match self {
            E::Heartbeat(ms) => {
                write!(f, "--heartbeat-ms {ms}: must be at least {HEARTBEAT_MS_MIN}")
            }
            E::ElectionTimeout { election_timeout_ms, heartbeat_ms } => write!(
                f,
                "--election-timeout-ms {election_timeout_ms}: must be at least \
                 {HEARTBEATS_PER_ELECTION_TIMEOUT_MIN} heartbeats of {heartbeat_ms} ms, and at \
                 most {ELECTION_TIMEOUT_MS_MAX}"
            ),
            E::WalSegmentBytes(bytes) => write!(
                f,
                "--wal-segment-bytes {bytes}: must be a multiple of {WAL_BLOCK_BYTES} from \
                 {WAL_SEGMENT_BYTES_MIN} to {WAL_SEGMENT_BYTES_MAX}"
            ),
            E::SnapshotBytes(bytes) => write!(
                f,
                "--snapshot-bytes {bytes}: must be from {SNAPSHOT_BYTES_MIN} to \
                 {SNAPSHOT_BYTES_MAX}"
            ),
            E::HistoryAge => {
                write!(f, "--history-age: at most a thousand years; 0 is without a limit")
            }
            E::HistoryBytes => write!(
                f,
                "--history-bytes: must be from {HISTORY_BYTES_MIN} to {HISTORY_BYTES_MAX}"
            ),
            E::MemoryLimit(bytes) => {
                write!(f, "--memory-limit {bytes}: must be at least {MEMORY_LIMIT_BYTES_MIN}")
            }
            _ => unreachable!("only what is about a number comes here"),
        }
    }
}

impl std::error::Error for ConfigError {}
