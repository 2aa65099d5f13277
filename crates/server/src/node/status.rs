//! The member's state as pages and metrics show it: refreshed by the replica thread, read by all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use raft::MemberId;
use replica::{Configuration, Member, Standing, Status};

use super::durations::Durations;
use crate::ask::Asker;
use crate::backup::BackupStatus;
use crate::tls::Way;

/// Who this member is: fixed from the moment its data directory is open, but for an id that its
/// cluster gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its id, never reused.
    pub id: MemberId,
    /// What people call it.
    pub name: String,
    /// `host:port`, where peers reach it, and clients unless it tells them otherwise.
    pub address: String,
    /// Where it tells clients to come, if not to `address`.
    pub client_urls: Vec<String>,
    /// Of its data directory: a wiped one has another (rule 3.1).
    pub incarnation: u128,
    /// The program's version.
    pub version: &'static str,
    /// How it reaches others.
    pub(crate) way: Way,
    /// Writes are acknowledged without a flush, because the operator said so.
    pub unsafe_no_fsync: bool,
}

impl About {
    /// This member, as one who asks others.
    pub(crate) fn asker(&self) -> Asker {
        Asker { name: self.name.clone(), way: self.way.clone() }
    }
}

/// Where a member is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has no cluster yet; the text says what it waits for.
    Waiting(String),
    /// It takes part in its cluster.
    Running,
    /// It has stopped for good; the text says why. The process is about to end.
    Stopped(String),
}

/// One member's state at one moment.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// Who it is.
    pub about: Arc<About>,
    /// Where it is in its life.
    pub phase: Phase,
    /// Its cluster, once it has one.
    pub configuration: Option<Arc<Configuration>>,
    /// The replica's numbers, once it runs.
    pub replica: Option<Status>,
    /// The backups that it makes by itself, if it does.
    pub backups: Option<Arc<BackupStatus>>,
    /// How long the process has been up.
    pub uptime: Duration,
}

impl NodeStatus {
    /// Who leads, if known.
    pub fn leader(&self) -> Option<MemberId> {
        self.replica.as_ref().and_then(|replica| replica.leader)
    }

    /// A member of the cluster, as far as this one knows.
    pub fn member(&self, id: MemberId) -> Option<&Member> {
        self.configuration.as_ref()?.members.get(&id)
    }

    /// Whether this member is a learner. One that joins is, also before its cluster has told it so.
    pub fn is_learner(&self) -> bool {
        let learns = |me: &Member| me.standing == Standing::Learner;
        self.configuration.is_some() && self.member(self.about.id).is_none_or(learns)
    }

    /// The reason why this member has stopped, if it has.
    pub fn stopped(&self) -> Option<&str> {
        match &self.phase {
            Phase::Stopped(reason) => Some(reason),
            Phase::Waiting(_) | Phase::Running => None,
        }
    }
}

/// Counts since the start of the process; they only grow.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests that doors brought in: writes, read barriers, transfers.
    pub requests: AtomicU64,
    /// Requests refused at once because a queue was full.
    pub overloaded: AtomicU64,
    /// Requests that were not begun because nobody waited for them any more.
    pub abandoned: AtomicU64,
    /// Batches the replica thread took from its inbox.
    pub batches: AtomicU64,
    /// Messages that came from peers.
    pub peer_messages_received: AtomicU64,
    /// Messages handed to the streams to peers.
    pub peer_messages_sent: AtomicU64,
    /// Messages to peers that were dropped because a stream was down or its queue full.
    pub peer_messages_dropped: AtomicU64,
    /// Groups of requests that the log made durable with one flush.
    pub log_groups: AtomicU64,
    /// How long the log took for each of these.
    pub log_durations: Durations,
    /// How often this member has heard of another leader, or become one.
    pub leader_changes: AtomicU64,
    /// Writes of clients that failed, or may have.
    pub failed_writes: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

/// Holds the newest `NodeStatus`; one writer, many readers, nobody waits longer than a copy of a
/// pointer takes.
#[derive(Debug)]
pub(crate) struct StatusBoard {
    started: Instant,
    current: RwLock<Arc<NodeStatus>>,
    /// When the published state was the newest there was.
    as_of: RwLock<Option<Instant>>,
    /// For how long the cluster has had a leader, ms.
    age_ms: AtomicU64,
    counters: Counters,
}

impl StatusBoard {
    /// The board of a member that has only just opened its data directory.
    pub(crate) fn new(about: About) -> StatusBoard {
        let status = NodeStatus {
            about: Arc::new(about),
            phase: Phase::Waiting("starting".to_owned()),
            configuration: None,
            replica: None,
            backups: None,
            uptime: Duration::ZERO,
        };
        StatusBoard {
            started: Instant::now(),
            current: RwLock::new(Arc::new(status)),
            as_of: RwLock::new(None),
            age_ms: AtomicU64::new(0),
            counters: Counters::default(),
        }
    }

    pub(crate) fn current(&self) -> Arc<NodeStatus> {
        Arc::clone(&self.current.read())
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// When the published state was the newest there was, as far as the replica can tell; none if
    /// it never was.
    pub(crate) fn as_of(&self) -> Option<Instant> {
        *self.as_of.read()
    }

    /// The published state is at least as new as that.
    pub(crate) fn show_as_of(&self, as_of: Option<Instant>) {
        *self.as_of.write() = as_of;
    }

    /// For how long the cluster has had a leader, ms, as far as the replica has heard.
    pub(crate) fn age_ms(&self) -> u64 {
        self.age_ms.load(Ordering::Relaxed)
    }

    /// The cluster has had a leader for so long.
    pub(crate) fn show_age(&self, age_ms: u64) {
        self.age_ms.store(age_ms, Ordering::Relaxed);
    }

    /// Its id is this one.
    pub(crate) fn identified(&self, id: MemberId) {
        self.change(|status| {
            status.about = Arc::new(About { id, ..About::clone(&status.about) });
        });
    }

    /// Still no cluster; says what is missing.
    pub(crate) fn waiting(&self, reason: String) {
        self.change(|status| status.phase = Phase::Waiting(reason));
    }

    /// The member takes part in its cluster.
    pub(crate) fn running(&self) {
        self.change(|status| status.phase = Phase::Running);
    }

    /// The members are others now.
    pub(crate) fn configured(&self, configuration: Arc<Configuration>) {
        self.change(|status| status.configuration = Some(configuration));
    }

    /// New numbers from the replica.
    pub(crate) fn refresh(&self, replica: Status) {
        self.change(|status| status.replica = Some(replica));
    }

    /// Its own backups are these now.
    pub(crate) fn backed_up(&self, backups: Arc<BackupStatus>) {
        self.change(|status| status.backups = Some(backups));
    }

    /// The member has stopped; the first reason stays.
    pub(crate) fn stopped(&self, reason: String) {
        self.change(|status| {
            if status.stopped().is_none() {
                status.phase = Phase::Stopped(reason);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut NodeStatus)) {
        let mut current = self.current.write();
        let mut status = NodeStatus::clone(&current);
        status.uptime = self.started.elapsed();
        change(&mut status);
        *current = Arc::new(status);
    }
}
