//! What dashboards and alerts made for etcd look at, under etcd's names, as far as there is such a
//! thing here. What each shows is docs/etcd.md's to say.

use std::fmt;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use raft::{FollowerStatus, RoleName};
use replica::DispatchCounts;

use super::Row;
use crate::grpc::API_VERSION;
use crate::node::{Node, NodeStatus};

/// A follower that has not answered for so long does not count as active.
const ACTIVE_SILENCE_MS: u64 = 1_000;

/// Reads the member's status when it is scraped.
pub(super) struct UnderEtcdsNames(pub(super) Node);

impl fmt::Debug for UnderEtcdsNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnderEtcdsNames")
    }
}

impl Collector for UnderEtcdsNames {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let status = self.0.status();
        let watches = self.0.watches().counts();
        let counters = self.0.counters();
        for (name, help, counter) in [
            (
                "etcd_server_leader_changes_seen",
                "How often another leader was heard of.",
                &counters.leader_changes,
            ),
            (
                "etcd_server_proposals_failed",
                "Writes that failed, or may have.",
                &counters.failed_writes,
            ),
        ] {
            let counter = ConstCounter::new(counter.load(Ordering::Relaxed));
            let kind = counter.metric_type();
            counter.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        }
        let (sum_s, classes) = counters.log_durations.told();
        let count = classes.iter().map(|(_, count)| count).sum();
        encoder
            .encode_descriptor(
                "etcd_disk_wal_fsync_duration_seconds",
                "How long the log takes to write a group and to flush it.",
                None,
                MetricType::Histogram,
            )?
            .encode_histogram::<NoLabelSet>(sum_s, count, &classes, None)?;
        let of_state = gauges(&status).into_iter().chain(peer_gauges(&status));
        for (name, help, value) in of_state.chain(watch_gauges(&watches)) {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let kind = gauge.metric_type();
            gauge.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        }
        for (name, help, label) in names(&status) {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(1).encode(family.encode_family(&[label])?)?;
        }
        Ok(())
    }
}

fn gauges(status: &NodeStatus) -> Vec<Row<u64>> {
    let Some(replica) = &status.replica else { return Vec::new() };
    let published = &replica.published;
    let stored_bytes = published.live_bytes + published.history_bytes;
    vec![
        (
            "etcd_server_has_leader",
            "1 if this member knows a leader.",
            u64::from(replica.leader.is_some()),
        ),
        (
            "etcd_server_is_leader",
            "1 if this member leads.",
            u64::from(replica.role == RoleName::Leader),
        ),
        (
            "etcd_server_is_learner",
            "1 if this member is a learner.",
            u64::from(status.is_learner()),
        ),
        (
            "etcd_server_proposals_committed_total",
            "The last entry known to be committed.",
            replica.commit,
        ),
        (
            "etcd_server_proposals_applied_total",
            "The last entry whose effects are visible.",
            published.applied_index,
        ),
        (
            "etcd_server_proposals_pending",
            "Requests that wait for an answer.",
            replica.pending as u64,
        ),
        (
            "etcd_server_quota_backend_bytes",
            "Bytes that all that is kept may take in memory; 0 is without a limit.",
            replica.memory.limit_bytes,
        ),
        (
            "etcd_mvcc_db_total_size_in_bytes",
            "Bytes of keys, values and their history.",
            stored_bytes,
        ),
        (
            "etcd_mvcc_db_total_size_in_use_in_bytes",
            "The same: nothing is kept that is not used.",
            stored_bytes,
        ),
        (
            "etcd_debugging_mvcc_current_revision",
            "The store's version counter.",
            published.revision.0,
        ),
        (
            "etcd_debugging_mvcc_compact_revision",
            "Reads before this revision are refused.",
            published.compact_revision.0,
        ),
        ("etcd_debugging_mvcc_keys_total", "Keys that exist.", published.keys),
    ]
}

fn peer_gauges(status: &NodeStatus) -> Vec<Row<u64>> {
    let Some(replica) = &status.replica else { return Vec::new() };
    let known = replica.configuration.members.len().saturating_sub(1);
    let answers = |peer: &&FollowerStatus| peer.silent_ms < ACTIVE_SILENCE_MS;
    let active = replica.peers.iter().filter(answers).count();
    vec![
        ("etcd_network_known_peers", "Members beside this one.", known as u64),
        (
            "etcd_network_active_peers",
            "On the leader, those that answered within the last second.",
            active as u64,
        ),
    ]
}

fn watch_gauges(watches: &DispatchCounts) -> [Row<u64>; 3] {
    [
        ("etcd_debugging_mvcc_watcher_total", "Watches that are open.", watches.watchers as u64),
        (
            "etcd_debugging_mvcc_slow_watcher_total",
            "Of these, those that have to catch up.",
            watches.behind as u64,
        ),
        (
            "etcd_debugging_mvcc_events_total",
            "Events that were looked at for watchers.",
            watches.events,
        ),
    ]
}

type Named = (&'static str, &'static str, (&'static str, String));

/// What is told by a label.
fn names(status: &NodeStatus) -> [Named; 3] {
    let version = |label| (label, API_VERSION.to_owned());
    [
        ("etcd_cluster_version", "The API's version.", version("cluster_version")),
        ("etcd_server_version", "The API's version.", version("server_version")),
        ("etcd_server_id", "The member's id.", ("server_id", format!("{:x}", status.about.id.0))),
    ]
}
