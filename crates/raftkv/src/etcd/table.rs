//! Every flag that etcd has, or had since 3.4, and what becomes of it here.
//!
//! Names are etcd's, in the command line, in the environment (`ETCD_` and upper case) and in the
//! file. A flag is *used*, or *idle*: taken, because scripts have it, and named in the log, because
//! there is nothing here that it could change; or it is *refused*, because whoever gives it relies
//! on something that would silently not be so.

use super::go::Takes;
use super::go::Takes::{Bool, Duration, Integer, Number, Text};

/// One flag.
#[derive(Debug)]
pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    pub(super) fate: Fate,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It means here what it means in etcd.
    Used {
        /// What it is if nobody gives it.
        default: &'static str,
        /// One line for `--help`.
        help: &'static str,
    },
    /// It is taken, and changes nothing.
    Idle,
    /// A member that is given it does not start, unless the value is empty, off, or one of these.
    Refused { but: &'static [&'static str], instead: &'static str },
}

const fn used(name: &'static str, takes: Takes, default: &'static str, help: &'static str) -> Flag {
    Flag { name, takes, fate: Fate::Used { default, help } }
}

const fn idle(name: &'static str, takes: Takes) -> Flag {
    Flag { name, takes, fate: Fate::Idle }
}

const fn refused(
    name: &'static str,
    takes: Takes,
    but: &'static [&'static str],
    instead: &'static str,
) -> Flag {
    Flag { name, takes, fate: Fate::Refused { but, instead } }
}

/// The flag with this name.
pub(super) fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}

const NO_CRL: &str = "raftkv reads no lists of revoked certificates, and whoever is on one would \
     get in: give out short-lived certificates; new files are taken into use without a restart";
const NO_NAMES: &str = "raftkv does not look at this name, and others would get in: use a CA of \
     your own for them, or --peer-cert-allowed-hostname";
const ONE_PAIR: &str = "raftkv shows its peers one certificate, dialling or dialled: give \
     --peer-cert-file one for both";
const NO_SUITES: &str = "raftkv offers those suites of TLS 1.2 and 1.3 that are still good, and no \
     others: leave it out";

const NO_DISCOVERY: &str = "raftkv has no discovery service: name all members in --initial-cluster";
const NO_V2: &str = "raftkv serves etcd's v3 API alone, as etcd does since 3.6";

/// Every flag. Those that are used come first, as `--help` shows them.
pub(super) const FLAGS: &[Flag] = &[
    used("name", Text, "default", "what people call this member"),
    used("data-dir", Text, "${name}.etcd", "where this member keeps what it must not forget"),
    used("listen-client-urls", Text, "http://localhost:2379", "where to listen for clients"),
    used("listen-client-http-urls", Text, "", "where to listen besides; gRPC is served there too"),
    used("listen-peer-urls", Text, "http://localhost:2380", "where to listen for members"),
    used("listen-metrics-urls", Text, "", "where to listen for probes and metrics alone"),
    used("advertise-client-urls", Text, "http://localhost:2379", "where clients are told to come"),
    used(
        "initial-advertise-peer-urls",
        Text,
        "http://localhost:2380",
        "where the other members reach this one: one URL",
    ),
    used("initial-cluster", Text, "default=http://localhost:2380", "all members, as name=URL,…"),
    used("initial-cluster-state", Text, "new", "new, or existing: join after `etcdctl member add`"),
    used("initial-cluster-token", Text, "etcd-cluster", "goes into the ids of a new cluster"),
    used("heartbeat-interval", Number, "100", "how often a leader speaks, in ms"),
    used("election-timeout", Number, "1000", "how long a leader may be silent, in ms"),
    used("quota-backend-bytes", Integer, "0", "what keys and their history may take; 0 is 2 GiB"),
    used("auto-compaction-mode", Text, "periodic", "periodic or revision"),
    used("auto-compaction-retention", Text, "0", "how much history is kept: 1h, or 1000 revisions"),
    used("cors", Text, "*", "web origins whose pages may use this member; * is none but its own"),
    used("logger", Text, "zap", "zap"),
    used("log-level", Text, "info", "debug, info, warn, error, dpanic, panic or fatal"),
    used("log-format", Text, "json", "json or console"),
    used("log-outputs", Text, "default", "stderr, stdout, default or files, separated by commas"),
    used("unsafe-no-fsync", Bool, "false", "never flush: a power cut loses acknowledged writes"),
    used("config-file", Text, "", "YAML; nothing else counts then"),
    used("version", Bool, "false", "print versions, and stop"),
    // Encryption.
    used("cert-file", Text, "", "certificate for clients, where URLs begin with https://"),
    used("key-file", Text, "", "its key"),
    used(
        "trusted-ca-file",
        Text,
        "",
        "who signs the certificates of clients, which they must show",
    ),
    used("client-cert-auth", Bool, "false", "clients must show a certificate"),
    used("auto-tls", Bool, "false", "make a certificate for clients that nobody signs"),
    used("peer-cert-file", Text, "", "certificate for members"),
    used("peer-key-file", Text, "", "its key"),
    used("peer-trusted-ca-file", Text, "", "who signs the certificates of members"),
    used("peer-client-cert-auth", Bool, "false", "members must show a certificate; they always do"),
    used("peer-auto-tls", Bool, "false", "encrypt between members, and check nobody's certificate"),
    used(
        "peer-cert-allowed-hostname",
        Text,
        "",
        "names of which a member's certificate must bear one",
    ),
    // Of etcd's gateway, which asks itself over the network.
    idle("client-cert-file", Text),
    idle("client-key-file", Text),
    refused("client-crl-file", Text, &[], NO_CRL),
    refused("peer-crl-file", Text, &[], NO_CRL),
    refused("client-cert-allowed-hostname", Text, &[], NO_NAMES),
    refused("peer-cert-allowed-cn", Text, &[], NO_NAMES),
    refused("peer-client-cert-file", Text, &[], ONE_PAIR),
    refused("peer-client-key-file", Text, &[], ONE_PAIR),
    refused("cipher-suites", Text, &[], NO_SUITES),
    refused("tls-min-version", Text, &["TLS1.2"], NO_SUITES),
    refused("tls-max-version", Text, &["TLS1.3"], NO_SUITES),
    // What would silently not be so.
    refused(
        "auth-token",
        Text,
        &["simple"],
        "raftkv makes no JWT: leave it out, or give it as simple",
    ),
    refused(
        "force-new-cluster",
        Bool,
        &[],
        "stop the member, and `raftkv recover DIR --as-single-voter` says what that keeps and what \
         may be lost",
    ),
    refused(
        "wal-dir",
        Text,
        &[],
        "raftkv keeps its log in --data-dir: put that on the disk that the log should be on",
    ),
    refused(
        "host-whitelist",
        Text,
        &["*"],
        "raftkv has no such list: a member that listens on loopback alone takes loopback names \
         and its own, every other one takes any name",
    ),
    refused(
        "enable-log-rotation",
        Bool,
        &[],
        "raftkv does not rotate its log: let journald or logrotate (copytruncate) do that",
    ),
    refused("discovery", Text, &[], NO_DISCOVERY),
    refused("discovery-endpoints", Text, &[], NO_DISCOVERY),
    refused("discovery-token", Text, &[], NO_DISCOVERY),
    refused("discovery-proxy", Text, &[], NO_DISCOVERY),
    refused("discovery-srv", Text, &[], NO_DISCOVERY),
    refused("discovery-srv-name", Text, &[], NO_DISCOVERY),
    refused("enable-v2", Bool, &[], NO_V2),
    refused("experimental-enable-v2v3", Text, &[], NO_V2),
    refused("proxy", Text, &["off"], NO_V2),
    // What there is nothing of here.
    idle("auth-token-ttl", Number),
    idle("backend-batch-interval", Duration),
    idle("backend-batch-limit", Integer),
    idle("backend-bbolt-freelist-type", Text),
    idle("bcrypt-cost", Number),
    idle("bootstrap-defrag-threshold-megabytes", Number),
    idle("compact-hash-check-time", Duration),
    idle("compaction-batch-limit", Integer),
    idle("compaction-sleep-interval", Duration),
    idle("corrupt-check-time", Duration),
    idle("disable-log-sampling", Bool),
    idle("discovery-cacert", Text),
    idle("discovery-cert", Text),
    idle("discovery-dial-timeout", Duration),
    idle("discovery-fallback", Text),
    idle("discovery-insecure-skip-tls-verify", Bool),
    idle("discovery-insecure-transport", Bool),
    idle("discovery-keepalive-time", Duration),
    idle("discovery-keepalive-timeout", Duration),
    idle("discovery-key", Text),
    idle("discovery-password", Text),
    idle("discovery-request-timeout", Duration),
    idle("discovery-user", Text),
    idle("distributed-tracing-address", Text),
    idle("distributed-tracing-instance-id", Text),
    idle("distributed-tracing-sampling-rate", Integer),
    idle("distributed-tracing-service-name", Text),
    idle("downgrade-check-time", Duration),
    idle("enable-distributed-tracing", Bool),
    idle("enable-grpc-gateway", Bool),
    idle("enable-pprof", Bool),
    idle("feature-gates", Text),
    idle("grpc-keepalive-interval", Duration),
    idle("grpc-keepalive-min-time", Duration),
    idle("grpc-keepalive-timeout", Duration),
    idle("initial-election-tick-advance", Bool),
    idle("log-rotation-config-json", Text),
    idle("max-concurrent-streams", Number),
    idle("max-learners", Integer),
    idle("max-request-bytes", Number),
    idle("max-snapshots", Number),
    idle("max-txn-ops", Number),
    idle("max-wals", Number),
    idle("memory-mlock", Bool),
    idle("metrics", Text),
    idle("peer-skip-client-san-verification", Bool),
    idle("pre-vote", Bool),
    idle("raft-read-timeout", Duration),
    idle("raft-write-timeout", Duration),
    idle("self-signed-cert-validity", Number),
    idle("snapshot-catchup-entries", Number),
    idle("snapshot-count", Number),
    idle("socket-reuse-address", Bool),
    idle("socket-reuse-port", Bool),
    idle("strict-reconfig-check", Bool),
    idle("v2-deprecation", Text),
    idle("warning-apply-duration", Duration),
    idle("warning-unary-request-duration", Duration),
    idle("watch-progress-notify-interval", Duration),
    // The same of 3.4 and 3.5.
    idle("debug", Bool),
    idle("experimental-backend-bbolt-freelist-type", Text),
    idle("experimental-bootstrap-defrag-threshold-megabytes", Number),
    idle("experimental-compact-hash-check-enabled", Bool),
    idle("experimental-compact-hash-check-time", Duration),
    idle("experimental-compaction-batch-limit", Integer),
    idle("experimental-compaction-sleep-interval", Duration),
    idle("experimental-corrupt-check-time", Duration),
    idle("experimental-distributed-tracing-address", Text),
    idle("experimental-distributed-tracing-instance-id", Text),
    idle("experimental-distributed-tracing-sampling-rate", Integer),
    idle("experimental-distributed-tracing-service-name", Text),
    idle("experimental-downgrade-check-time", Duration),
    idle("experimental-enable-distributed-tracing", Bool),
    idle("experimental-enable-lease-checkpoint", Bool),
    idle("experimental-enable-lease-checkpoint-persist", Bool),
    idle("experimental-initial-corrupt-check", Bool),
    idle("experimental-max-learners", Integer),
    idle("experimental-memory-mlock", Bool),
    idle("experimental-peer-skip-client-san-verification", Bool),
    idle("experimental-snapshot-catchup-entries", Number),
    idle("experimental-stop-grpc-service-on-defrag", Bool),
    idle("experimental-txn-mode-write-with-shared-buffer", Bool),
    idle("experimental-wait-cluster-ready-timeout", Duration),
    idle("experimental-warning-apply-duration", Duration),
    idle("experimental-warning-unary-request-duration", Duration),
    idle("experimental-watch-progress-notify-interval", Duration),
    idle("log-package-levels", Text),
    idle("proxy-dial-timeout", Number),
    idle("proxy-failure-wait", Number),
    idle("proxy-read-timeout", Number),
    idle("proxy-refresh-interval", Number),
    idle("proxy-write-timeout", Number),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_flag_is_there_twice() {
        let names: BTreeSet<&str> = FLAGS.iter().map(|flag| flag.name).collect();
        assert_eq!(names.len(), FLAGS.len());
    }

    #[test]
    fn a_default_is_a_value() {
        for flag in FLAGS {
            if let Fate::Used { default, .. } = flag.fate {
                assert!(flag.takes.accepts(default), "{}", flag.name);
            }
        }
    }

    /// docs/etcd.md has a table of those that are used, and names those that are refused.
    #[test]
    fn what_is_used_and_what_is_refused_is_published() {
        let page = include_str!("../../../../docs/etcd.md");
        for flag in FLAGS.iter().filter(|flag| flag.fate != Fate::Idle) {
            let named = format!("`--{}", flag.name);
            let grouped = flag.name.starts_with("discovery");
            assert!(grouped || page.contains(&named), "{named}`");
        }
    }
}
