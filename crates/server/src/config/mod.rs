//! Configuration in two stages.
//!
//! ```text
//! flags ──┐
//! RAFTKV_* ├─ first that speaks ─▶ Raw ── resolve ─▶ Config
//! raftkv.toml ┘                                     (or a ConfigError)
//! ```
//!
//! [`Raw`] is what was written, each setting perhaps absent. [`Config`] is what a member runs with:
//! no setting is open, none contradicts another, and every address is in its one spelling. Nothing
//! else makes a `Config`, so whoever holds one need not check it again.
//!
//! Defaults and bounds are the constants below, and only they. `docs/configuration.md` publishes
//! them.
//!
//! What this does not do: look at the data directory, the network or the machine. Whether a port
//! is free or a directory ours is found out at start.

mod address;
mod age;
mod backup;
mod error;
mod etcd;
mod join_user;
mod metrics;
mod origin;
mod raw;
mod resolve;
#[cfg(test)]
mod tests;
mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use replica::{CLIENT_URLS_MAX, URL_BYTES_MAX};
use serde::Deserialize;
pub use store::HISTORY_BYTES_MAX;
use store::SettingsChange;

pub(crate) use address::is_loopback_host;
pub use address::{Address, AddressError};
pub use age::parse_age;
pub use backup::BackupPlan;
pub use error::ConfigError;
pub use etcd::{EtcdWays, FoundingIds};
pub use join_user::JoinUser;
pub use metrics::MetricsListener;
pub use origin::Origin;
pub use raw::{Raw, parse_byte_size, split_list};
pub(crate) use resolve::is_valid_node_id;
pub use tls::{ClientTls, PairFiles, PeerTls, PeerTrust, TlsWays, own_made};

/// The port of `--port`.
pub const PORT_DEFAULT: u16 = 8001;
/// The directory that holds a data directory for each member, by its name.
pub const DATA_PARENT_DEFAULT: &str = "raftkv-data";
/// The file that is read when it exists in the working directory and no other is named.
pub const FILE_DEFAULT: &str = "raftkv.toml";
/// A leader speaks this often.
pub const HEARTBEAT_MS_DEFAULT: u64 = 100;
/// The shell ticks every 10 ms: a faster heartbeat would be one in name only.
pub const HEARTBEAT_MS_MIN: u64 = 10;
/// A follower waits for a leader once to twice this long.
pub const ELECTION_TIMEOUT_MS_DEFAULT: u64 = 1_000;
/// More is a typing error: a cluster would stand still for minutes.
pub const ELECTION_TIMEOUT_MS_MAX: u64 = 600_000;
/// A follower must be able to miss a heartbeat.
pub const HEARTBEATS_PER_ELECTION_TIMEOUT_MIN: u64 = 2;
/// The size of one file of the log.
pub const WAL_SEGMENT_BYTES_DEFAULT: u64 = 64 << 20;
/// A segment must hold the largest flush.
pub const WAL_SEGMENT_BYTES_MIN: u64 = 4 << 20;
/// A larger one would take too long to zero.
pub const WAL_SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// Segments consist of whole blocks of this size.
pub const WAL_BLOCK_BYTES: u64 = 4 << 10;
/// How much the log grows before a snapshot is taken.
pub const SNAPSHOT_BYTES_DEFAULT: u64 = 64 << 20;
/// Fewer would write more snapshots than log.
pub const SNAPSHOT_BYTES_MIN: u64 = 64 << 10;
/// More would be read again at every start.
pub const SNAPSHOT_BYTES_MAX: u64 = 64 << 30;
/// Less memory holds no cluster's state.
pub const MEMORY_LIMIT_BYTES_MIN: u64 = 1 << 20;
/// Without `--memory-limit` the state may take so many percent of the machine's memory, or of what
/// its control group leaves it: the log's newest part, what is queued and snapshots need some too.
pub const MEMORY_LIMIT_PERCENT_DEFAULT: u64 = 60;
/// Without `--backup-every` a member makes a backup of its own so often, in ms.
pub const BACKUP_EVERY_MS_DEFAULT: u64 = 3_600_000;
/// More often would be all that a member does.
pub const BACKUP_EVERY_MS_MIN: u64 = 1_000;
/// Less often is a typing error.
pub const BACKUP_EVERY_MS_MAX: u64 = 366 * 86_400_000;
/// Without `--backup-keep` so many are kept.
pub const BACKUP_KEEP_DEFAULT: u64 = 24;
/// More are looked after by something else.
pub const BACKUP_KEEP_MAX: u64 = 10_000;
/// A member's name is at most this long.
pub const NODE_ID_BYTES_MAX: usize = 64;
/// Each member speaks to each other: a cluster of more would only be slower, not safer.
pub const MEMBERS_MAX: usize = 31;

/// What a member runs with. Made by [`Raw::resolve`] and [`load`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What people call this member: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Where to bind. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where to bind for the other members alone, whom `listen` is then not for.
    pub listen_peer: Option<SocketAddr>,
    /// Where to bind for probes and metrics alone.
    pub metrics_listen: Vec<MetricsListener>,
    /// Where the other members reach this one. Its port is 0 exactly when the system is to choose
    /// the port: see [`Config::bound_to`].
    pub advertise: Address,
    /// Where clients are told to come, as URLs; none: to `advertise`.
    pub client_urls: Vec<String>,
    /// The other members, in order, without this one.
    pub peers: Vec<Address>,
    /// Members of the cluster to join, while the data directory is fresh; none to found one, or be
    /// founded into one.
    pub join: Vec<Address>,
    /// On whose behalf this member asks to be added and to vote.
    pub join_user: Option<JoinUser>,
    /// The name or id of the member whose place this one is to take once it has caught up.
    pub replace: Option<String>,
    /// Stay a learner after joining.
    pub learner: bool,
    /// Where this member keeps what it must not forget.
    pub data_dir: PathBuf,
    /// How often a leader speaks, in ms.
    pub heartbeat_ms: u64,
    /// How long a follower waits for a leader at least, in ms; at most twice that.
    pub election_timeout_ms: u64,
    /// The size of one file of the log: whole blocks of 4 KiB.
    pub wal_segment_bytes: u64,
    /// A snapshot is due when the log has grown by so much, and by more than the last one's size.
    pub snapshot_bytes: u64,
    /// What the cluster is to be founded with; counts only then (rule 4.5).
    pub seed: SettingsChange,
    /// How many bytes the state may take in memory; none: [`MEMORY_LIMIT_PERCENT_DEFAULT`].
    pub memory_limit_bytes: Option<u64>,
    /// How often one client may ask, a second; none: as often as it likes.
    pub requests_per_second_max: Option<u64>,
    /// The backups that this member makes by itself; none: it makes none.
    pub backups: Option<BackupPlan>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Web origins, other than the member's own, whose pages may use it.
    pub allow_origin: Vec<Origin>,
    /// Take messages of Raft that are made by hand.
    pub raft_http: bool,
    /// Never flush to disk: a power cut loses acknowledged writes, and the member says so.
    pub unsafe_no_fsync: bool,
    /// How traffic is encrypted, and who must show a certificate.
    pub tls: TlsWays,
    /// What only etcd's command line says.
    pub etcd: EtcdWays,
}

impl Config {
    /// The same configuration once the socket is bound: a port that the system was to choose is
    /// the one it chose. Clients that speak TLS are told so by a URL, even if they are to come
    /// where peers do.
    pub fn bound_to(self, bound: SocketAddr) -> Config {
        let scheme = self.client_scheme();
        let advertise = match self.advertise.port() {
            0 => self.advertise.with_port(bound.port()),
            _ => self.advertise,
        };
        let client_urls = match (&self.tls.clients, self.listen_peer, self.client_urls.is_empty()) {
            (_, Some(_), true) => vec![format!("{scheme}{}", advertise.with_port(bound.port()))],
            (Some(_), None, true) => vec![format!("https://{advertise}")],
            _ => self.client_urls,
        };
        Config { listen: bound, advertise, client_urls, ..self }
    }

    /// What stands before an address in the URL of a member, as clients are told it.
    pub fn client_scheme(&self) -> &'static str {
        if self.tls.clients.is_some() { "https://" } else { "http://" }
    }

    /// The same, of the way that peers come.
    pub fn peer_scheme(&self) -> &'static str {
        if self.tls.peers.is_some() { "https://" } else { "http://" }
    }

    /// The hosts by which others know the member: of its address and of the URLs for clients.
    pub fn own_hosts(&self) -> Vec<String> {
        let host = |url: &String| {
            let (_, authority) = url.split_once("://")?;
            authority.rsplit_once(':').map(|(host, _)| host.to_owned())
        };
        let told = self.client_urls.iter().filter_map(host);
        [self.advertise.host().to_owned()].into_iter().chain(told).collect()
    }

    /// Whether only this machine can reach the member.
    pub fn listens_on_loopback(&self) -> bool {
        let others = self.listen_peer.iter().chain(&self.etcd.listen_also);
        [self.listen].iter().chain(others).all(|listen| listen.ip().is_loopback())
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<LogFormat, &'static str> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("text or json"),
        }
    }
}

/// Settles flags, environment and file, in this order, and checks the result.
///
/// `file` is `--config`; without it `RAFTKV_CONFIG` names the file, and without that `raftkv.toml`
/// in the working directory is read if it exists. A file that was named must exist.
pub fn load(
    flags: Raw,
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let environment: Vec<(String, String)> = environment.into_iter().collect();
    let named = file.map(Path::to_owned).or_else(|| {
        let (_, path) = environment.iter().find(|(variable, _)| variable == "RAFTKV_CONFIG")?;
        (!path.is_empty()).then(|| path.into())
    });
    let file = read_file(named)?;
    flags.or(Raw::from_environment(environment)?).or(file).resolve()
}

fn read_file(named: Option<PathBuf>) -> Result<Raw, ConfigError> {
    let optional = named.is_none();
    let path = named.unwrap_or_else(|| FILE_DEFAULT.into());
    match std::fs::read_to_string(&path) {
        Ok(text) => Raw::from_toml(&path, &text),
        Err(error) if optional && error.kind() == std::io::ErrorKind::NotFound => {
            Ok(Raw::default())
        }
        Err(error) => Err(ConfigError::FileUnreadable { path, kind: error.kind() }),
    }
}
