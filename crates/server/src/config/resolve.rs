//! From what was written to what holds: defaults filled in, contradictions refused.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use store::{SettingsChange, SettingsError};

use super::tls::{Around, RawTls};
use super::{
    Address, Config, ConfigError, DATA_PARENT_DEFAULT, ELECTION_TIMEOUT_MS_DEFAULT,
    ELECTION_TIMEOUT_MS_MAX, EtcdWays, HEARTBEAT_MS_DEFAULT, HEARTBEAT_MS_MIN,
    HEARTBEATS_PER_ELECTION_TIMEOUT_MIN, JoinUser, LogFormat, MEMBERS_MAX, MEMORY_LIMIT_BYTES_MIN,
    NODE_ID_BYTES_MAX, Origin, PORT_DEFAULT, Raw, SNAPSHOT_BYTES_DEFAULT, SNAPSHOT_BYTES_MAX,
    SNAPSHOT_BYTES_MIN, WAL_BLOCK_BYTES, WAL_SEGMENT_BYTES_DEFAULT, WAL_SEGMENT_BYTES_MAX,
    WAL_SEGMENT_BYTES_MIN,
};
use super::{backup, metrics};

impl Raw {
    /// Fills in the defaults and checks the whole.
    pub fn resolve(mut self) -> Result<Config, ConfigError> {
        let tls = RawTls::of(&mut self);
        let listen = resolve_listen(self.listen.as_deref(), self.port)?;
        let name = resolve_name(self.node_id, listen.port())?;
        let listed = parse_peers(&self.peers.unwrap_or_default())?;
        let join = parse_join(&self.join.unwrap_or_default())?;
        let others = listed.union(&join).cloned().collect();
        let listen_peer = resolve_listen_peer(self.listen_peer.as_deref(), listen)?;
        let peer_port = listen_peer.unwrap_or(listen).port();
        let advertise = resolve_advertise(self.advertise.as_deref(), peer_port, &others)?;
        check_join(&join, &listed, self.replace.as_deref(), self.learner)?;
        check_join_user(&join, self.join_user.as_ref())?;
        let peers: Vec<Address> = listed.into_iter().filter(|peer| *peer != advertise).collect();
        check_members(&advertise, &peers)?;
        let data_dir = resolve_data_dir(self.data_dir, &name)?;
        let backups =
            backup::resolve(self.backup_dir, self.backup_every, self.backup_keep, &data_dir)?;
        let insecure = self.insecure.unwrap_or(false);
        let has_peers = !peers.is_empty() || !join.is_empty();
        let tls = tls.resolve(&Around { data_dir: &data_dir, has_peers, insecure })?;
        let scheme = if tls.clients.is_some() { "https://" } else { "http://" };
        let metrics_listen = self.metrics_listen.unwrap_or_default();
        let metrics_listen = metrics::parse(&metrics_listen, tls.clients.is_some(), listen)?;
        let client_urls = parse_client_urls(&self.advertise_client.unwrap_or_default(), scheme)?;
        if !insecure && tls.clients.is_none() {
            refuse_plaintext((listen, listen_peer), &advertise, &peers, &join)?;
            refuse_plaintext_clients(&client_urls)?;
        }
        let (heartbeat_ms, election_timeout_ms) =
            resolve_timers(self.heartbeat_ms, self.election_timeout_ms)?;
        Ok(Config {
            data_dir,
            name,
            listen,
            listen_peer,
            metrics_listen,
            advertise,
            client_urls: client_urls.iter().map(|address| format!("{scheme}{address}")).collect(),
            peers,
            join: join.into_iter().collect(),
            join_user: self.join_user,
            replace: self.replace,
            learner: self.learner.unwrap_or(false),
            heartbeat_ms,
            election_timeout_ms,
            wal_segment_bytes: resolve_segment_bytes(self.wal_segment_bytes)?,
            snapshot_bytes: resolve_snapshot_bytes(self.snapshot_bytes)?,
            seed: resolve_seed(self.history_age, self.history_bytes)?,
            memory_limit_bytes: resolve_memory_limit(self.memory_limit)?,
            requests_per_second_max: self.max_requests_per_second.filter(|rate| *rate > 0),
            backups,
            log_format: self.log_format.unwrap_or(LogFormat::Text),
            allow_origin: parse_origins(&self.allow_origin.unwrap_or_default())?,
            raft_http: self.raft_http.unwrap_or(false),
            unsafe_no_fsync: self.unsafe_no_fsync.unwrap_or(false),
            tls,
            etcd: EtcdWays::default(),
        })
    }
}

/// `--listen` is an IP address, perhaps with the port; `localhost` means 127.0.0.1.
fn resolve_listen(listen: Option<&str>, port: Option<u16>) -> Result<SocketAddr, ConfigError> {
    let Some(text) = listen else {
        return Ok((Ipv4Addr::LOCALHOST, port.unwrap_or(PORT_DEFAULT)).into());
    };
    let text = text.trim();
    let numeric = match text.strip_prefix("localhost") {
        Some(rest) if rest.is_empty() || rest.starts_with(':') => format!("127.0.0.1{rest}"),
        _ => text.to_owned(),
    };
    if let Ok(ip) = numeric.parse::<IpAddr>() {
        return Ok((ip, port.unwrap_or(PORT_DEFAULT)).into());
    }
    let bound: SocketAddr = numeric.parse().map_err(|_| ConfigError::Listen(text.to_owned()))?;
    match port {
        Some(port) if port != bound.port() => {
            Err(ConfigError::TwoPorts { listen: bound.port(), port })
        }
        _ => Ok(bound),
    }
}

/// `--listen-peer` is an IP address with a port that others can be told.
fn resolve_listen_peer(
    written: Option<&str>,
    listen: SocketAddr,
) -> Result<Option<SocketAddr>, ConfigError> {
    let Some(text) = written else { return Ok(None) };
    let numeric = text.trim().replacen("localhost:", "127.0.0.1:", 1);
    let address: SocketAddr =
        numeric.parse().map_err(|_| ConfigError::ListenPeer(text.to_owned()))?;
    match address.port() != 0 && address.port() != listen.port() {
        true => Ok(Some(address)),
        false => Err(ConfigError::ListenPeer(text.to_owned())),
    }
}

fn resolve_name(name: Option<String>, port: u16) -> Result<String, ConfigError> {
    let name = name.unwrap_or_else(|| format!("node-{port}"));
    if is_valid_node_id(&name) { Ok(name) } else { Err(ConfigError::NodeId(name)) }
}

/// Whether a member may be called so.
pub(crate) fn is_valid_node_id(name: &str) -> bool {
    let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let holds_only = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    begins_well && name.len() <= NODE_ID_BYTES_MAX && name.bytes().all(holds_only)
}

fn parse_peers(written: &[String]) -> Result<BTreeSet<Address>, ConfigError> {
    let mut peers = BTreeSet::new();
    for text in written {
        let peer = Address::parse(text.trim())
            .map_err(|reason| ConfigError::Peer { written: text.clone(), reason })?;
        if peer.port() == 0 {
            return Err(ConfigError::PeerPortZero);
        }
        if !peers.insert(peer.clone()) {
            return Err(ConfigError::DuplicatePeer(peer));
        }
    }
    Ok(peers)
}

/// As URLs, or as addresses alone.
fn parse_join(written: &[String]) -> Result<BTreeSet<Address>, ConfigError> {
    let parse = |text: &String| {
        let url = text.trim();
        let address = url.strip_prefix("http://").or(url.strip_prefix("https://")).unwrap_or(url);
        Address::parse(address.trim_end_matches('/'))
            .map_err(|reason| ConfigError::Join { written: text.clone(), reason })
    };
    written.iter().map(parse).collect()
}

fn check_join(
    join: &BTreeSet<Address>,
    listed: &BTreeSet<Address>,
    replace: Option<&str>,
    learner: Option<bool>,
) -> Result<(), ConfigError> {
    if !join.is_empty() {
        return if listed.is_empty() { Ok(()) } else { Err(ConfigError::JoinAndPeers) };
    }
    match (replace, learner) {
        (Some(_), _) => Err(ConfigError::OnlyWithJoin("--replace")),
        (None, Some(true)) => Err(ConfigError::OnlyWithJoin("--learner")),
        (None, _) => Ok(()),
    }
}

fn check_join_user(join: &BTreeSet<Address>, user: Option<&JoinUser>) -> Result<(), ConfigError> {
    match user {
        None => Ok(()),
        Some(_) if join.is_empty() => Err(ConfigError::OnlyWithJoin("--join-user")),
        Some(user) if user.parts().is_none() => Err(ConfigError::JoinUser),
        Some(_) => Ok(()),
    }
}

/// Rule 3.2: as written, or `localhost:PORT` while everything happens on this machine.
fn resolve_advertise(
    advertise: Option<&str>,
    port: u16,
    listed: &BTreeSet<Address>,
) -> Result<Address, ConfigError> {
    let Some(text) = advertise else {
        return match listed.iter().all(Address::is_loopback) {
            true => Ok(Address::localhost(port)),
            false => Err(ConfigError::AdvertiseMissing),
        };
    };
    let advertise = Address::parse(text.trim())
        .map_err(|reason| ConfigError::Advertise { written: text.to_owned(), reason })?;
    match advertise.port() {
        0 => Err(ConfigError::AdvertisePortZero),
        _ => Ok(advertise),
    }
}

/// As URLs of this scheme: the port speaks TLS to everybody, or to nobody.
fn parse_client_urls(
    written: &[String],
    scheme: &'static str,
) -> Result<Vec<Address>, ConfigError> {
    let parse = |text: &String| {
        let written = text.clone();
        let refuse = |reason| ConfigError::AdvertiseClient { written, scheme, reason };
        let Some(rest) = text.trim().strip_prefix(scheme) else { return Err(refuse(None)) };
        Address::parse(rest.trim_end_matches('/')).map_err(|reason| refuse(Some(reason)))
    };
    match replica::are_valid_urls(written) {
        true => written.iter().map(parse).collect(),
        false => Err(ConfigError::ClientUrlsTooLong),
    }
}

fn check_members(advertise: &Address, peers: &[Address]) -> Result<(), ConfigError> {
    let count = peers.len() + 1;
    if count > MEMBERS_MAX {
        return Err(ConfigError::TooManyMembers(count));
    }
    if advertise.port() == 0 && !peers.is_empty() {
        return Err(ConfigError::PeerPortZero);
    }
    match peers.iter().find(|peer| !peer.is_loopback()) {
        Some(peer) if advertise.is_loopback() => {
            Err(ConfigError::AdvertiseLoopback { advertise: advertise.clone(), peer: peer.clone() })
        }
        _ => Ok(()),
    }
}

fn refuse_plaintext(
    (listen, listen_peer): (SocketAddr, Option<SocketAddr>),
    advertise: &Address,
    peers: &[Address],
    join: &BTreeSet<Address>,
) -> Result<(), ConfigError> {
    let refuse = |setting, address| Err(ConfigError::Plaintext { setting, address });
    if !listen.ip().is_loopback() {
        return refuse("--listen", listen.to_string());
    }
    if let Some(address) = listen_peer.filter(|address| !address.ip().is_loopback()) {
        return refuse("--listen-peer", address.to_string());
    }
    if !advertise.is_loopback() {
        return refuse("--advertise", advertise.to_string());
    }
    if let Some(peer) = peers.iter().find(|peer| !peer.is_loopback()) {
        return refuse("--peers", peer.to_string());
    }
    match join.iter().find(|member| !member.is_loopback()) {
        Some(member) => refuse("--join", member.to_string()),
        None => Ok(()),
    }
}

fn refuse_plaintext_clients(client_urls: &[Address]) -> Result<(), ConfigError> {
    match client_urls.iter().find(|address| !address.is_loopback()) {
        Some(address) => Err(ConfigError::Plaintext {
            setting: "--advertise-client",
            address: address.to_string(),
        }),
        None => Ok(()),
    }
}

/// The heartbeat and the election timeout, in ms.
fn resolve_timers(
    heartbeat_ms: Option<u64>,
    election_timeout_ms: Option<u64>,
) -> Result<(u64, u64), ConfigError> {
    let heartbeat_ms = heartbeat_ms.unwrap_or(HEARTBEAT_MS_DEFAULT);
    let election_timeout_ms = election_timeout_ms.unwrap_or(ELECTION_TIMEOUT_MS_DEFAULT);
    if heartbeat_ms < HEARTBEAT_MS_MIN {
        return Err(ConfigError::Heartbeat(heartbeat_ms));
    }
    let shortest = heartbeat_ms.saturating_mul(HEARTBEATS_PER_ELECTION_TIMEOUT_MIN);
    match (shortest..=ELECTION_TIMEOUT_MS_MAX).contains(&election_timeout_ms) {
        true => Ok((heartbeat_ms, election_timeout_ms)),
        false => Err(ConfigError::ElectionTimeout { election_timeout_ms, heartbeat_ms }),
    }
}

fn resolve_segment_bytes(bytes: Option<u64>) -> Result<u64, ConfigError> {
    let bytes = bytes.unwrap_or(WAL_SEGMENT_BYTES_DEFAULT);
    let in_bounds = (WAL_SEGMENT_BYTES_MIN..=WAL_SEGMENT_BYTES_MAX).contains(&bytes);
    match in_bounds && bytes.is_multiple_of(WAL_BLOCK_BYTES) {
        true => Ok(bytes),
        false => Err(ConfigError::WalSegmentBytes(bytes)),
    }
}

fn resolve_snapshot_bytes(bytes: Option<u64>) -> Result<u64, ConfigError> {
    let bytes = bytes.unwrap_or(SNAPSHOT_BYTES_DEFAULT);
    match (SNAPSHOT_BYTES_MIN..=SNAPSHOT_BYTES_MAX).contains(&bytes) {
        true => Ok(bytes),
        false => Err(ConfigError::SnapshotBytes(bytes)),
    }
}

/// What a cluster is founded with: what was not written stays as the store has it.
fn resolve_seed(
    history_age_ms: Option<u64>,
    history_bytes: Option<u64>,
) -> Result<SettingsChange, ConfigError> {
    let seed = SettingsChange { history_age_ms, history_bytes, seed: true };
    match seed.validate() {
        Ok(()) => Ok(seed),
        Err(SettingsError::HistoryAge) => Err(ConfigError::HistoryAge),
        Err(SettingsError::HistoryBytes) => Err(ConfigError::HistoryBytes),
    }
}

fn resolve_memory_limit(bytes: Option<u64>) -> Result<Option<u64>, ConfigError> {
    match bytes {
        Some(bytes) if bytes < MEMORY_LIMIT_BYTES_MIN => Err(ConfigError::MemoryLimit(bytes)),
        bytes => Ok(bytes),
    }
}

fn resolve_data_dir(directory: Option<PathBuf>, name: &str) -> Result<PathBuf, ConfigError> {
    let directory = directory.unwrap_or_else(|| Path::new(DATA_PARENT_DEFAULT).join(name));
    match directory.as_os_str().is_empty() {
        true => Err(ConfigError::DataDirEmpty),
        false => Ok(directory),
    }
}

fn parse_origins(written: &[String]) -> Result<Vec<Origin>, ConfigError> {
    let parse =
        |text: &String| Origin::parse(text).ok_or_else(|| ConfigError::AllowOrigin(text.clone()));
    written.iter().map(parse).collect()
}
