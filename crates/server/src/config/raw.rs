//! Settings as written: on the command line, in the environment, in `raftkv.toml`.
//!
//! Every field may be absent, and nothing is checked but its type. `Config::resolve` does the rest.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use super::age::{age, parse_age};
use super::{ConfigError, JoinUser, LogFormat};

/// What one source says. A field that is `None` is left to the next source, and at last to the
/// default. The names are those of the file; `docs/configuration.md` describes each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Raw {
    /// What people call this member.
    pub node_id: Option<String>,
    /// The one port; 0 lets the system choose.
    pub port: Option<u16>,
    /// The IP address to bind, perhaps with the port.
    pub listen: Option<String>,
    /// The IP address and port to bind for the other members alone.
    pub listen_peer: Option<String>,
    /// IP addresses with their ports, or URLs, to bind for probes and metrics alone.
    #[serde(deserialize_with = "list")]
    pub metrics_listen: Option<Vec<String>>,
    /// `host:port` where the other members reach this one, and clients too unless they are told
    /// otherwise.
    pub advertise: Option<String>,
    /// URLs where clients are told to come.
    #[serde(deserialize_with = "list")]
    pub advertise_client: Option<Vec<String>>,
    /// `host:port` of the other members; this one may be among them.
    #[serde(deserialize_with = "list")]
    pub peers: Option<Vec<String>>,
    /// Members of the cluster to join.
    #[serde(deserialize_with = "list")]
    pub join: Option<Vec<String>>,
    /// On whose behalf to join, as `NAME:PASSWORD`.
    pub join_user: Option<JoinUser>,
    /// The member whose place this one is to take.
    pub replace: Option<String>,
    /// Join as a learner, and stay one.
    pub learner: Option<bool>,
    /// Where this member keeps what it must not forget.
    pub data_dir: Option<PathBuf>,
    /// How often a leader speaks, in ms.
    pub heartbeat_ms: Option<u64>,
    /// How long a follower waits for a leader at least, in ms.
    pub election_timeout_ms: Option<u64>,
    /// The size of one file of the log.
    #[serde(deserialize_with = "byte_size")]
    pub wal_segment_bytes: Option<u64>,
    /// A snapshot is due when the log has grown by so much.
    #[serde(deserialize_with = "byte_size")]
    pub snapshot_bytes: Option<u64>,
    /// For how long the past is kept, in ms: a cluster is founded with it.
    #[serde(deserialize_with = "age")]
    pub history_age: Option<u64>,
    /// How many bytes the past takes: a cluster is founded with it.
    #[serde(deserialize_with = "byte_size")]
    pub history_bytes: Option<u64>,
    /// How many bytes the state may take in memory.
    #[serde(deserialize_with = "byte_size")]
    pub memory_limit: Option<u64>,
    /// How often one client may ask, a second; 0 is as often as it likes.
    pub max_requests_per_second: Option<u64>,
    /// Where this member makes backups of its own.
    pub backup_dir: Option<PathBuf>,
    /// How often, in ms.
    #[serde(deserialize_with = "age")]
    pub backup_every: Option<u64>,
    /// How many are kept.
    pub backup_keep: Option<u64>,
    /// How log lines look.
    pub log_format: Option<LogFormat>,
    /// Web origins, other than the member's own, whose pages may use it.
    #[serde(deserialize_with = "list")]
    pub allow_origin: Option<Vec<String>>,
    /// The certificate that clients are shown, and peers unless there is one for them.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// Who signs the certificates of clients.
    pub client_ca_file: Option<PathBuf>,
    /// Clients without a certificate are refused.
    pub client_cert_auth: Option<bool>,
    /// The certificate that peers are shown.
    pub peer_cert_file: Option<PathBuf>,
    /// Its key.
    pub peer_key_file: Option<PathBuf>,
    /// Who signs the certificates of peers.
    pub peer_ca_file: Option<PathBuf>,
    /// The certificate of a peer must bear one of these names.
    #[serde(deserialize_with = "list")]
    pub peer_allowed_names: Option<Vec<String>>,
    /// Make a certificate, for a first try.
    pub auto_tls: Option<bool>,
    /// Allow traffic without TLS to leave this machine.
    pub insecure: Option<bool>,
    /// Take messages of Raft that are made by hand.
    pub raft_http: Option<bool>,
    /// Never flush to disk: a power cut loses acknowledged writes.
    pub unsafe_no_fsync: Option<bool>,
}

/// The prefix of every variable of the environment.
const VARIABLE_PREFIX: &str = "RAFTKV_";

impl Raw {
    /// What `text`, the contents of the file at `path`, says.
    pub fn from_toml(path: &Path, text: &str) -> Result<Raw, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::File {
            path: path.to_owned(),
            reason: reason_of(&error, text),
        })
    }

    /// What the environment says: `RAFTKV_NODE_ID` for `node_id`, and so on. An empty variable
    /// counts as absent, and one that is not ours is not looked at.
    pub fn from_environment(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Raw, ConfigError> {
        let mut raw = Raw::default();
        for (variable, value) in variables {
            let Some(setting) = variable.strip_prefix(VARIABLE_PREFIX) else { continue };
            if value.is_empty() {
                continue;
            }
            if let Err(expected) = raw.set(setting, &value) {
                return Err(ConfigError::Variable { variable, value, expected });
            }
        }
        Ok(raw)
    }

    /// This source, and where it is silent the next one.
    pub fn or(self, next: Raw) -> Raw {
        Raw {
            node_id: self.node_id.or(next.node_id),
            port: self.port.or(next.port),
            listen: self.listen.or(next.listen),
            listen_peer: self.listen_peer.or(next.listen_peer),
            metrics_listen: self.metrics_listen.or(next.metrics_listen),
            advertise: self.advertise.or(next.advertise),
            advertise_client: self.advertise_client.or(next.advertise_client),
            peers: self.peers.or(next.peers),
            join: self.join.or(next.join),
            join_user: self.join_user.or(next.join_user),
            replace: self.replace.or(next.replace),
            learner: self.learner.or(next.learner),
            data_dir: self.data_dir.or(next.data_dir),
            heartbeat_ms: self.heartbeat_ms.or(next.heartbeat_ms),
            election_timeout_ms: self.election_timeout_ms.or(next.election_timeout_ms),
            wal_segment_bytes: self.wal_segment_bytes.or(next.wal_segment_bytes),
            snapshot_bytes: self.snapshot_bytes.or(next.snapshot_bytes),
            history_age: self.history_age.or(next.history_age),
            history_bytes: self.history_bytes.or(next.history_bytes),
            memory_limit: self.memory_limit.or(next.memory_limit),
            max_requests_per_second: self.max_requests_per_second.or(next.max_requests_per_second),
            backup_dir: self.backup_dir.or(next.backup_dir),
            backup_every: self.backup_every.or(next.backup_every),
            backup_keep: self.backup_keep.or(next.backup_keep),
            log_format: self.log_format.or(next.log_format),
            allow_origin: self.allow_origin.or(next.allow_origin),
            cert_file: self.cert_file.or(next.cert_file),
            key_file: self.key_file.or(next.key_file),
            client_ca_file: self.client_ca_file.or(next.client_ca_file),
            client_cert_auth: self.client_cert_auth.or(next.client_cert_auth),
            peer_cert_file: self.peer_cert_file.or(next.peer_cert_file),
            peer_key_file: self.peer_key_file.or(next.peer_key_file),
            peer_ca_file: self.peer_ca_file.or(next.peer_ca_file),
            peer_allowed_names: self.peer_allowed_names.or(next.peer_allowed_names),
            auto_tls: self.auto_tls.or(next.auto_tls),
            insecure: self.insecure.or(next.insecure),
            raft_http: self.raft_http.or(next.raft_http),
            unsafe_no_fsync: self.unsafe_no_fsync.or(next.unsafe_no_fsync),
        }
    }

    /// Sets one field from text; the error says what was expected. Names that are not ours are
    /// let be: the environment holds the client's variables too, and what Kubernetes puts there.
    fn set(&mut self, setting: &str, value: &str) -> Result<(), &'static str> {
        match setting {
            "NODE_ID" => self.node_id = Some(value.to_owned()),
            "PORT" => self.port = Some(parse(value, PORT_EXPECTED)?),
            "LISTEN" => self.listen = Some(value.to_owned()),
            "LISTEN_PEER" => self.listen_peer = Some(value.to_owned()),
            "METRICS_LISTEN" => self.metrics_listen = Some(split_list(value)),
            "ADVERTISE" => self.advertise = Some(value.to_owned()),
            "ADVERTISE_CLIENT" => self.advertise_client = Some(split_list(value)),
            "PEERS" => self.peers = Some(split_list(value)),
            "JOIN" => self.join = Some(split_list(value)),
            "JOIN_USER" => self.join_user = value.parse().ok(),
            "REPLACE" => self.replace = Some(value.to_owned()),
            "LEARNER" => self.learner = Some(parse(value, BOOL_EXPECTED)?),
            "DATA_DIR" => self.data_dir = Some(value.into()),
            "HEARTBEAT_MS" => self.heartbeat_ms = Some(parse(value, MS_EXPECTED)?),
            "ELECTION_TIMEOUT_MS" => self.election_timeout_ms = Some(parse(value, MS_EXPECTED)?),
            "WAL_SEGMENT_BYTES" => self.wal_segment_bytes = Some(parse_byte_size(value)?),
            "SNAPSHOT_BYTES" => self.snapshot_bytes = Some(parse_byte_size(value)?),
            "HISTORY_AGE" => self.history_age = Some(parse_age(value)?),
            "HISTORY_BYTES" => self.history_bytes = Some(parse_byte_size(value)?),
            "MEMORY_LIMIT" => self.memory_limit = Some(parse_byte_size(value)?),
            "MAX_REQUESTS_PER_SECOND" => {
                self.max_requests_per_second = Some(parse(value, REQUESTS_EXPECTED)?);
            }
            "BACKUP_DIR" => self.backup_dir = Some(value.into()),
            "BACKUP_EVERY" => self.backup_every = Some(parse_age(value)?),
            "BACKUP_KEEP" => self.backup_keep = Some(parse(value, COUNT_EXPECTED)?),
            "LOG_FORMAT" => self.log_format = Some(value.parse()?),
            "ALLOW_ORIGIN" => self.allow_origin = Some(split_list(value)),
            "CERT_FILE" => self.cert_file = Some(value.into()),
            "KEY_FILE" => self.key_file = Some(value.into()),
            "CLIENT_CA_FILE" => self.client_ca_file = Some(value.into()),
            "CLIENT_CERT_AUTH" => self.client_cert_auth = Some(parse(value, BOOL_EXPECTED)?),
            "PEER_CERT_FILE" => self.peer_cert_file = Some(value.into()),
            "PEER_KEY_FILE" => self.peer_key_file = Some(value.into()),
            "PEER_CA_FILE" => self.peer_ca_file = Some(value.into()),
            "PEER_ALLOWED_NAMES" => self.peer_allowed_names = Some(split_list(value)),
            "AUTO_TLS" => self.auto_tls = Some(parse(value, BOOL_EXPECTED)?),
            "INSECURE" => self.insecure = Some(parse(value, BOOL_EXPECTED)?),
            "RAFT_HTTP" => self.raft_http = Some(parse(value, BOOL_EXPECTED)?),
            "UNSAFE_NO_FSYNC" => self.unsafe_no_fsync = Some(parse(value, BOOL_EXPECTED)?),
            _ => {}
        }
        Ok(())
    }
}

const PORT_EXPECTED: &str = "a number from 0 to 65535 (Kubernetes sets this variable to an \
     address for a service named raftkv: use enableServiceLinks: false)";
const MS_EXPECTED: &str = "a number of milliseconds";
const REQUESTS_EXPECTED: &str = "a number of requests; 0 is without a limit";
const COUNT_EXPECTED: &str = "a whole number";
const BOOL_EXPECTED: &str = "true or false";
const BYTES_EXPECTED: &str = "a number of bytes, such as 67108864, 64MiB or 1GiB";

fn parse<T: FromStr>(value: &str, expected: &'static str) -> Result<T, &'static str> {
    value.parse().map_err(|_| expected)
}

/// What is wrong with the file, with the line that it is in, unless there is a password in that.
fn reason_of(error: &toml::de::Error, text: &str) -> String {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    match text.lines().nth(line) {
        Some(written) if written.contains("join_user") => {
            format!("line {}, join_user: {}", line + 1, error.message())
        }
        _ => error.to_string().trim_end().to_owned(),
    }
}

/// Splits `a, b,c`; empty items vanish.
pub fn split_list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Reads a number of bytes, alone or with a unit: `4096`, `64KiB`, `64MiB`, `1GiB`.
pub fn parse_byte_size(text: &str) -> Result<u64, &'static str> {
    let (number, shift) = ["KiB", "MiB", "GiB"]
        .iter()
        .zip([10, 20, 30])
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?.trim_end(), shift)))
        .unwrap_or((text, 0));
    let number: u64 = parse(number, BYTES_EXPECTED)?;
    number.checked_mul(1 << shift).ok_or(BYTES_EXPECTED)
}

/// A list in the file: an array, or one string with commas as on the command line.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of strings, or one string with commas")]
    enum Written {
        Items(Vec<String>),
        Text(String),
    }
    Ok(Some(match Written::deserialize(deserializer)? {
        Written::Items(items) => items,
        Written::Text(text) => split_list(&text),
    }))
}

/// A size in the file: a number of bytes, or a string with a unit.
fn byte_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a number of bytes, such as 67108864 or \"64MiB\"")]
    enum Written {
        Bytes(u64),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Bytes(bytes) => Ok(Some(bytes)),
        Written::Text(text) => parse_byte_size(&text).map(Some).map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_toml(text: &str) -> Result<Raw, ConfigError> {
        Raw::from_toml(Path::new("raftkv.toml"), text)
    }

    fn from_variable(variable: &str, value: &str) -> Result<Raw, ConfigError> {
        Raw::from_environment([(variable.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_file_may_set_everything() {
        let raw = from_toml(
            r#"
            node_id = "node-1"
            port = 8001
            listen = "127.0.0.1"
            listen_peer = "127.0.0.1:7001"
            metrics_listen = "0.0.0.0:8081"
            advertise = "localhost:8001"
            advertise_client = "http://localhost:9001, http://localhost:9002"
            peers = ["localhost:8002", "localhost:8003"]
            data_dir = "/var/lib/raftkv"
            heartbeat_ms = 50
            election_timeout_ms = 500
            wal_segment_bytes = "4MiB"
            snapshot_bytes = "1MiB"
            history_age = "30m"
            history_bytes = "64MiB"
            memory_limit = "2GiB"
            max_requests_per_second = 500
            join = "http://localhost:8001"
            join_user = "root:secret"
            replace = "node-9"
            learner = true
            backup_dir = "/backups"
            backup_every = "1h"
            backup_keep = 24
            log_format = "json"
            allow_origin = "https://a.example, https://b.example"
            cert_file = "a.crt"
            key_file = "a.key"
            client_ca_file = "clients.crt"
            client_cert_auth = true
            peer_cert_file = "b.crt"
            peer_key_file = "b.key"
            peer_ca_file = "peers.crt"
            peer_allowed_names = ["a.example", "b.example"]
            auto_tls = false
            insecure = false
            raft_http = true
            unsafe_no_fsync = true
            "#,
        )
        .unwrap();
        let expected = Raw {
            node_id: Some("node-1".into()),
            port: Some(8001),
            listen: Some("127.0.0.1".into()),
            listen_peer: Some("127.0.0.1:7001".into()),
            metrics_listen: Some(vec!["0.0.0.0:8081".into()]),
            advertise: Some("localhost:8001".into()),
            advertise_client: Some(vec![
                "http://localhost:9001".into(),
                "http://localhost:9002".into(),
            ]),
            peers: Some(vec!["localhost:8002".into(), "localhost:8003".into()]),
            data_dir: Some("/var/lib/raftkv".into()),
            heartbeat_ms: Some(50),
            election_timeout_ms: Some(500),
            wal_segment_bytes: Some(4 << 20),
            snapshot_bytes: Some(1 << 20),
            history_age: Some(1_800_000),
            history_bytes: Some(64 << 20),
            memory_limit: Some(2 << 30),
            max_requests_per_second: Some(500),
            join: Some(vec!["http://localhost:8001".into()]),
            join_user: "root:secret".parse().ok(),
            replace: Some("node-9".into()),
            learner: Some(true),
            backup_dir: Some("/backups".into()),
            backup_every: Some(3_600_000),
            backup_keep: Some(24),
            log_format: Some(LogFormat::Json),
            allow_origin: Some(vec!["https://a.example".into(), "https://b.example".into()]),
            cert_file: Some("a.crt".into()),
            key_file: Some("a.key".into()),
            client_ca_file: Some("clients.crt".into()),
            client_cert_auth: Some(true),
            peer_cert_file: Some("b.crt".into()),
            peer_key_file: Some("b.key".into()),
            peer_ca_file: Some("peers.crt".into()),
            peer_allowed_names: Some(vec!["a.example".into(), "b.example".into()]),
            auto_tls: Some(false),
            insecure: Some(false),
            raft_http: Some(true),
            unsafe_no_fsync: Some(true),
        };
        assert_eq!(raw, expected);
    }

    #[test]
    fn an_unknown_key_is_refused_and_named() {
        let error = from_toml("port = 8001\nelection_timeout = 5").unwrap_err().to_string();
        assert!(error.contains("raftkv.toml"), "{error}");
        assert!(error.contains("unknown field `election_timeout`"), "{error}");
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn a_value_of_another_type_is_refused_with_its_place() {
        for text in ["port = \"x\"", "port = 70000", "peers = 1", "wal_segment_bytes = \"64MB\""] {
            let error = from_toml(text).unwrap_err().to_string();
            assert!(error.contains("line 1"), "{text}: {error}");
        }
    }

    #[test]
    fn no_error_repeats_a_password() {
        let secrets =
            ["join_user = root:secret", "join_user = \"root:secret", "join_user = [\"secret\"]"];
        for text in secrets {
            let error = from_toml(&format!("port = 1\n{text}\n")).unwrap_err().to_string();
            assert!(error.contains("line 2, join_user"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_environment_sets_the_same_fields() {
        let raw = |variable, value| from_variable(variable, value).unwrap();
        assert_eq!(raw("RAFTKV_NODE_ID", "n").node_id, Some("n".into()));
        assert_eq!(raw("RAFTKV_PORT", "1").port, Some(1));
        let client = raw("RAFTKV_ADVERTISE_CLIENT", "http://a:1").advertise_client;
        assert_eq!(client, Some(vec!["http://a:1".into()]));
        assert_eq!(raw("RAFTKV_PEERS", "a:1, b:2,").peers, Some(vec!["a:1".into(), "b:2".into()]));
        assert_eq!(raw("RAFTKV_JOIN_USER", "a:b").join_user, "a:b".parse().ok());
        assert_eq!(raw("RAFTKV_WAL_SEGMENT_BYTES", "4MiB").wal_segment_bytes, Some(4 << 20));
        assert_eq!(raw("RAFTKV_HISTORY_AGE", "2h").history_age, Some(7_200_000));
        assert_eq!(raw("RAFTKV_HISTORY_BYTES", "1MiB").history_bytes, Some(1 << 20));
        assert_eq!(raw("RAFTKV_MEMORY_LIMIT", "1GiB").memory_limit, Some(1 << 30));
        let rate = raw("RAFTKV_MAX_REQUESTS_PER_SECOND", "500").max_requests_per_second;
        assert_eq!(rate, Some(500));
        assert_eq!(raw("RAFTKV_LOG_FORMAT", "json").log_format, Some(LogFormat::Json));
        assert_eq!(raw("RAFTKV_INSECURE", "true").insecure, Some(true));
        assert_eq!(raw("RAFTKV_CERT_FILE", "a.crt").cert_file, Some("a.crt".into()));
        assert_eq!(raw("RAFTKV_CLIENT_CERT_AUTH", "true").client_cert_auth, Some(true));
        let names = raw("RAFTKV_PEER_ALLOWED_NAMES", "a,b").peer_allowed_names;
        assert_eq!(names, Some(vec!["a".into(), "b".into()]));
    }

    #[test]
    fn empty_and_foreign_variables_count_as_absent() {
        assert_eq!(from_variable("RAFTKV_PORT", ""), Ok(Raw::default()));
        assert_eq!(from_variable("RAFTKV_ENDPOINTS", "localhost:8001"), Ok(Raw::default()));
        assert_eq!(from_variable("PORT", "x"), Ok(Raw::default()));
    }

    #[test]
    fn a_bad_variable_is_refused_and_named() {
        for (variable, value) in [
            ("RAFTKV_PORT", "tcp://10.0.0.1:8001"),
            ("RAFTKV_HEARTBEAT_MS", "0.1s"),
            ("RAFTKV_WAL_SEGMENT_BYTES", "99999999999GiB"),
            ("RAFTKV_HISTORY_AGE", "3600"),
            ("RAFTKV_MAX_REQUESTS_PER_SECOND", "-1"),
            ("RAFTKV_LOG_FORMAT", "xml"),
            ("RAFTKV_INSECURE", "yes"),
        ] {
            let error = from_variable(variable, value).unwrap_err().to_string();
            assert!(error.contains(variable) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn an_earlier_source_wins() {
        let flags = Raw { port: Some(1), ..Raw::default() };
        let file =
            Raw { port: Some(2), node_id: Some("n".into()), insecure: Some(true), ..flags.clone() };
        let merged = flags.or(file);
        assert_eq!(
            (merged.port, merged.node_id, merged.insecure),
            (Some(1), Some("n".into()), Some(true))
        );
    }

    #[test]
    fn byte_sizes() {
        for (text, bytes) in
            [("0", 0), ("4096", 4096), ("64KiB", 65_536), ("1 GiB", 1 << 30), ("3MiB", 3 << 20)]
        {
            assert_eq!(parse_byte_size(text), Ok(bytes));
        }
        for text in ["", "MiB", "64MB", "-1", "1.5MiB", "18446744073709551615KiB"] {
            assert!(parse_byte_size(text).is_err(), "{text:?}");
        }
    }
}
