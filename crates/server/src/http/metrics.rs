//! What `/metrics` shows: the doors' own counts, and the member's state as of the scrape.

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
use raft::RoleName;

use crate::node::{Counters, Node, NodeStatus};

/// The first bucket of the latency histogram, in s; each of the others is twice the one before.
const LATENCY_FIRST_S: f64 = 0.000_1;
/// Up to 6.5 s: the default timeout and a little.
const LATENCY_BUCKETS: u16 = 17;

/// The metrics of one member.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    latency: Family<RouteLabels, Histogram, fn() -> Histogram>,
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
    pub(super) fn new(node: Node) -> Metrics {
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
        registry.register_collector(Box::new(Member(node)));
        Metrics { registry, requests, latency }
    }

    /// One request was answered.
    pub(super) fn answered(
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

    /// The page, in the OpenMetrics text format.
    pub(super) fn encode(&self) -> String {
        let mut page = String::new();
        text::encode(&mut page, &self.registry).expect("a string takes everything");
        page
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
        for (name, help, value) in gauges(&status) {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(
                name,
                &sentence(help),
                None,
                gauge.metric_type(),
            )?)?;
        }
        for (name, help, counter) in counters(self.0.counters()) {
            let counter = ConstCounter::new(counter.load(Ordering::Relaxed));
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
    let Some(replica) = &status.replica else { return rows };
    let published = &replica.published;
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
        ("requests_pending", "Requests that wait for an answer", replica.pending as u64),
    ]);
    rows
}

fn role_number(role: RoleName) -> u64 {
    match role {
        RoleName::Follower => 0,
        RoleName::PreCandidate => 1,
        RoleName::Candidate => 2,
        RoleName::Leader => 3,
    }
}

fn counters(counters: &Counters) -> [Row<&AtomicU64>; 7] {
    [
        (
            "requests",
            "Requests that doors brought in: writes, reads, transfers",
            &counters.requests,
        ),
        ("requests_overloaded", "Requests refused because a queue was full", &counters.overloaded),
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
