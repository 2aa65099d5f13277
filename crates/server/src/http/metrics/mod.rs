//! What `/metrics` shows: the doors' own counts, and the member's state as of the scrape; and what
//! of that etcd has a name for, under that name.

mod etcd;
mod grpc;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use raft::{FollowerStatus, Replication, RoleName};
use replica::{Configuration, DispatchCounts, SnapshotStatus, Standing};
use tonic::Code;

use etcd::UnderEtcdsNames;
pub(in crate::http) use grpc::Call;
use grpc::Calls;

use crate::admission::Admission;
use crate::backup::BackupStatus;
use crate::http::alarms::{NAMES as ALARMS, alarms};
use crate::http::kv::wall_ms;
use crate::http::status::name_of;
use crate::node::{Counters, Node, NodeStatus};

/// The first bucket of the latency histogram, in s; each of the others is twice the one before.
const LATENCY_FIRST_S: f64 = 0.000_1;
/// Up to 6.5 s: the default timeout and a little.
const LATENCY_BUCKETS: u16 = 17;

/// The metrics of one member.
pub(in crate::http) struct Metrics {
    registry: Registry,
    /// Without our prefix.
    under_etcds_names: Registry,
    requests: Family<RequestLabels, Counter>,
    latency: Family<RouteLabels, Histogram, fn() -> Histogram>,
    /// Of gRPC.
    pub(in crate::http) calls: Calls,
}

/// The route is the one of the table, never the path: its values are few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    code: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
    method: &'static str,
}

impl Metrics {
    /// The metrics of the member behind `node`.
    pub(in crate::http) fn new(node: Node, admission: &Admission) -> Metrics {
        let mut registry = Registry::with_prefix("raftkv");
        let requests = Family::default();
        let latency = Family::new_with_constructor(latency_histogram as fn() -> Histogram);
        registry.register(
            "http_requests",
            "HTTP requests answered, by route, method and status code",
            requests.clone(),
        );
        registry.register(
            "http_request_duration_seconds",
            "Time from an HTTP request's headers to its answer's",
            latency.clone(),
        );
        registry.register(
            "requests_refused",
            "Requests that were not let in: busy, too many waited; share, many waited and of this \
             client more than of others; rate, it asked more often than it may",
            admission.refusals(),
        );
        registry.register_collector(Box::new(Member(node.clone())));
        let mut under_etcds_names = Registry::default();
        under_etcds_names.register_collector(Box::new(UnderEtcdsNames(node)));
        let calls = Calls::default();
        calls.register(&mut under_etcds_names);
        Metrics { registry, under_etcds_names, requests, latency, calls }
    }

    /// One request was answered.
    pub(in crate::http) fn answered(
        &self,
        route: &'static str,
        method: &Method,
        code: StatusCode,
        took: Duration,
    ) {
        let method = method_label(method);
        let labels = RequestLabels { route, method, code: code.as_u16() };
        self.requests.get_or_create(&labels).inc();
        self.latency.get_or_create(&RouteLabels { route, method }).observe(took.as_secs_f64());
    }

    /// The counts of one unary call, found once for all its requests.
    pub(in crate::http) fn of_call(&self, route: &'static str, call: Call) -> CallCounts {
        let method = method_label(&Method::POST);
        let labels = RequestLabels { route, method, code: StatusCode::OK.as_u16() };
        let requests = self.requests.get_or_create(&labels).clone();
        let latency = self.latency.get_or_create(&RouteLabels { route, method }).clone();
        let (started, done) = self.calls.of(call);
        CallCounts { requests, latency, started, done, call, calls: self.calls.clone() }
    }

    /// The page, in the OpenMetrics text format.
    pub(in crate::http) fn encode(&self) -> String {
        let mut page = String::new();
        let encoded = text::encode_registry(&mut page, &self.registry)
            .and_then(|()| text::encode_registry(&mut page, &self.under_etcds_names))
            .and_then(|()| text::encode_eof(&mut page));
        encoded.expect("a string takes everything");
        page
    }
}

/// What is counted of one unary call.
pub(in crate::http) struct CallCounts {
    requests: Counter,
    latency: Histogram,
    started: Counter,
    done: Counter,
    call: Call,
    calls: Calls,
}

impl CallCounts {
    /// There is an answer, whatever it is.
    pub(in crate::http) fn answered(&self, took: Duration) {
        self.requests.inc();
        self.started.inc();
        self.latency.observe(took.as_secs_f64());
    }

    /// The answer is given, or given up.
    pub(in crate::http) fn ended(&self, code: Code) {
        match code {
            Code::Ok => drop(self.done.inc()),
            code => self.calls.handled(self.call, code),
        }
    }
}

fn latency_histogram() -> Histogram {
    Histogram::new(exponential_buckets(LATENCY_FIRST_S, 2.0, LATENCY_BUCKETS))
}

/// A method that is no door's is counted under one name, however it is called.
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "PUT", "DELETE", "POST", "PATCH", "HEAD", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// Reads the member's status when it is scraped: nothing has to keep gauges up to date.
struct Member(Node);

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Member")
    }
}

impl Collector for Member {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let status = self.0.status();
        // The registry ends its own sentences with a full stop.
        let sentence = |help| format!("{help}.");
        for (name, help, rows) in labelled(&status) {
            let help = sentence(help);
            let kind = prometheus_client::metrics::MetricType::Gauge;
            let mut family = encoder.encode_descriptor(name, &help, None, kind)?;
            for (label, value) in rows {
                let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
                gauge.encode(family.encode_family(&[label])?)?;
            }
        }
        let watches = self.0.watches().counts();
        let feed = self.0.feed();
        let readers = feed.audience().readers as u64;
        let limit = self.0.load().limit as u64;
        let help = "Requests that may wait for an answer before more are refused";
        let of_load = ("requests_limit", help, limit);
        let of_feed = ("events_readers", "Who look at the events of this member", readers);
        let all =
            gauges(&status).into_iter().chain(watch_gauges(&watches)).chain([of_load, of_feed]);
        for (name, help, value) in all {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(
                name,
                &sentence(help),
                None,
                gauge.metric_type(),
            )?)?;
        }
        let counters = counters(self.0.counters())
            .map(|(name, help, counter)| (name, help, counter.load(Ordering::Relaxed)));
        let lost = ("events_lost", "Events that readers were told they have lost", feed.lost());
        let backups = status.backups.iter().flat_map(|backups| backup_counters(backups));
        let all = counters.into_iter().chain(watch_counters(&watches)).chain([lost]).chain(backups);
        for (name, help, value) in all {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(
                name,
                help,
                None,
                counter.metric_type(),
            )?)?;
        }
        Ok(())
    }
}

type Row<T> = (&'static str, &'static str, T);

fn gauges(status: &NodeStatus) -> Vec<Row<u64>> {
    let has_leader = u64::from(status.leader().is_some());
    let mut rows = vec![
        ("uptime_seconds", "Time since the process started", status.uptime.as_secs()),
        ("has_leader", "1 if this member knows a leader", has_leader),
    ];
    rows.extend(status.backups.iter().flat_map(|backups| backup_gauges(backups)));
    let Some(replica) = &status.replica else { return rows };
    let published = &replica.published;
    rows.extend(snapshot_gauges(&replica.snapshots));
    rows.extend([
        ("is_leader", "1 if this member leads", u64::from(replica.role == RoleName::Leader)),
        ("role", "0 follower, 1 pre-candidate, 2 candidate, 3 leader", role_number(replica.role)),
        ("term", "The member's current term", replica.term.0),
        ("log_last_index", "The last entry of the log", replica.last.index.0),
        ("log_durable_index", "The last entry that is on this member's disk", replica.durable),
        ("log_commit_index", "The last entry known to be committed", replica.commit),
        ("log_applied_index", "The last entry whose effects are visible", published.applied_index),
        ("store_revision", "The store's version counter", published.revision.0),
        ("store_keys", "Keys that exist", published.keys),
        ("store_live_bytes", "Bytes of these keys and their values", published.live_bytes),
        (
            "store_history_bytes",
            "Bytes that the past takes: old versions, removed keys, the order of writes",
            published.history_bytes,
        ),
        (
            "store_compact_revision",
            "Reads before this revision are refused",
            published.compact_revision.0,
        ),
        (
            "memory_used_bytes",
            "Bytes that all that is kept takes in memory, about",
            replica.memory.used_bytes,
        ),
        (
            "memory_limit_bytes",
            "Bytes that it may take; 0 is without a limit",
            replica.memory.limit_bytes,
        ),
        ("has_memory", "1 if there is memory for what grows", u64::from(!replica.memory.lacks)),
        ("store_sessions", "Sessions that are open", published.sessions),
        (
            "store_idempotency_keys",
            "Writes under a key of their own that are remembered",
            published.once_keys,
        ),
        ("requests_pending", "Requests that wait for an answer", replica.pending as u64),
        ("disk_has_room", "1 if the disk has room for what grows", u64::from(!replica.room.lacks)),
    ]);
    rows.extend(replica.room.measured.iter().flat_map(|room| {
        [
            (
                "disk_free_bytes",
                "Bytes that the data directory's disk still takes",
                room.free_bytes,
            ),
            ("log_spare_segments", "Segments prepared for the log", room.spares as u64),
        ]
    }));
    rows
}

/// Of a member that makes backups by itself.
fn backup_gauges(backups: &BackupStatus) -> Vec<Row<u64>> {
    let mut rows = vec![
        ("backups_kept", "Sound backups of this member in its directory for them", backups.kept),
        ("backups_unsound", "Backups of this member that are not sound any more", backups.unsound),
        ("backup_interval_seconds", "From one backup to the next", backups.plan.every_ms / 1_000),
    ];
    if let Some(newest) = &backups.newest {
        let age_s = wall_ms().saturating_sub(newest.time_ms) / 1_000;
        rows.extend([
            ("backup_age_seconds", "Time since the newest sound backup was begun", age_s),
            ("backup_bytes", "The size of the newest sound backup", newest.bytes),
            ("backup_index", "The last entry of the newest sound backup", newest.index),
        ]);
    }
    rows
}

fn backup_counters(backups: &BackupStatus) -> [Row<u64>; 2] {
    [
        ("backups_made", "Backups that this member has made by itself", backups.made),
        ("backups_failed", "Attempts to make one that failed", backups.failed),
    ]
}

fn watch_gauges(watches: &DispatchCounts) -> [Row<u64>; 3] {
    [
        ("watchers", "Watches that are open", watches.watchers as u64),
        ("watchers_behind", "Of these, those that have to catch up", watches.behind as u64),
        (
            "watch_waiting_bytes",
            "Bytes of keys and values that wait to be taken by watchers",
            watches.waiting_bytes as u64,
        ),
    ]
}

fn watch_counters(watches: &DispatchCounts) -> [Row<u64>; 3] {
    [
        ("watch_events", "Events that were looked at for watchers", watches.events),
        ("watch_offers", "Revisions that were offered to watchers", watches.offers),
        ("watch_fallen_behind", "Watchers that were not fast enough", watches.fallen_behind),
    ]
}

fn snapshot_gauges(snapshots: &SnapshotStatus) -> Vec<Row<u64>> {
    let start = snapshots.log_start.index.0;
    let mut rows = vec![("log_start_index", "The log begins after this entry", start)];
    if let Some(newest) = snapshots.newest {
        let age_s = wall_ms().saturating_sub(newest.stamp_ms) / 1_000;
        rows.extend([
            ("snapshot_index", "The last entry of the newest snapshot", newest.last.index.0),
            ("snapshot_bytes", "The size of the newest snapshot", newest.bytes),
            ("snapshot_age_seconds", "Time since that entry was written, by the clocks", age_s),
        ]);
    }
    if let Some((_, bytes, bytes_total)) = snapshots.receiving {
        let help = "Bytes received of the snapshot that the leader sends to this member";
        rows.push(("snapshot_received_bytes", help, bytes));
        rows.push(("snapshot_receiving_bytes", "Bytes of that snapshot in all", bytes_total));
    }
    rows
}

type Label = (&'static str, String);
type Labelled = (&'static str, &'static str, Vec<(Label, u64)>);

/// Gauges with one value for each alarm, standing or member.
fn labelled(status: &NodeStatus) -> Vec<Labelled> {
    let standing = alarms(status);
    let is_raised = |name: &str| u64::from(standing.iter().any(|alarm| alarm.name() == name));
    let raised = ALARMS.map(|name| (("alarm", name.to_owned()), is_raised(name)));
    let mut rows = vec![(
        "alarm",
        "1 if this alarm is raised: docs/operations.md says what each means",
        raised.to_vec(),
    )];
    if let Some(configuration) = &status.configuration {
        rows.push(("members", "Members by their standing", members(configuration)));
    }
    if let Some(replica) = status.replica.as_ref().filter(|replica| !replica.peers.is_empty()) {
        rows.extend(followers(replica, status));
    }
    rows
}

fn members(configuration: &Configuration) -> Vec<(Label, u64)> {
    let standings = [Standing::Voter, Standing::Learner, Standing::Joining, Standing::Leaving];
    let count = |standing| {
        let members = configuration.members.values();
        members.filter(|member| member.standing == standing).count() as u64
    };
    standings.map(|standing| (("standing", standing.as_str().to_owned()), count(standing))).to_vec()
}

/// What only the leader knows of the others.
fn followers(replica: &replica::Status, status: &NodeStatus) -> Vec<Labelled> {
    let last = replica.last.index.0;
    let of_each = |value: &dyn Fn(&FollowerStatus) -> u64| {
        let row = |peer: &FollowerStatus| (("member", name_of(peer.id, status)), value(peer));
        replica.peers.iter().map(row).collect()
    };
    let sent = |peer: &FollowerStatus| {
        let sent = replica.snapshots.sending.iter().find(|sent| sent.to == peer.id);
        sent.map_or(0, |sent| sent.bytes)
    };
    vec![
        (
            "follower_matched_index",
            "On the leader, the last entry that the follower has as the leader has it, on its disk",
            of_each(&|peer| peer.matched.0),
        ),
        (
            "follower_lag_entries",
            "On the leader, entries of its log that the follower lacks",
            of_each(&|peer| last.saturating_sub(peer.matched.0)),
        ),
        (
            "follower_silent_milliseconds",
            "On the leader, time since the follower's last answer",
            of_each(&|peer| peer.silent_ms),
        ),
        (
            "follower_progress",
            "On the leader, 0 if it probes where the logs agree, 1 if it replicates, 2 if the \
             follower needs a snapshot",
            of_each(&|peer| replication_number(peer.replication)),
        ),
        (
            "follower_snapshot_sent_bytes",
            "On the leader, bytes that the follower has of the snapshot being sent to it",
            of_each(&sent),
        ),
    ]
}

fn replication_number(replication: Replication) -> u64 {
    match replication {
        Replication::Probe => 0,
        Replication::Replicate => 1,
        Replication::Snapshot => 2,
    }
}

fn role_number(role: RoleName) -> u64 {
    match role {
        RoleName::Follower => 0,
        RoleName::PreCandidate => 1,
        RoleName::Candidate => 2,
        RoleName::Leader => 3,
    }
}

fn counters(counters: &Counters) -> [Row<&AtomicU64>; 8] {
    [
        (
            "requests",
            "Requests that doors brought in: writes, reads, transfers",
            &counters.requests,
        ),
        ("requests_overloaded", "Requests refused because a queue was full", &counters.overloaded),
        (
            "requests_abandoned",
            "Requests that were not begun because their clients had given them up",
            &counters.abandoned,
        ),
        ("replica_batches", "Batches of inputs that the replica worked off", &counters.batches),
        ("log_flushes", "Groups of writes made durable by one flush", &counters.log_groups),
        (
            "peer_messages_received",
            "Messages that came from other members",
            &counters.peer_messages_received,
        ),
        (
            "peer_messages_sent",
            "Messages handed to the streams to other members",
            &counters.peer_messages_sent,
        ),
        (
            "peer_messages_dropped",
            "Messages to other members that found no stream or no room",
            &counters.peer_messages_dropped,
        ),
    ]
}
