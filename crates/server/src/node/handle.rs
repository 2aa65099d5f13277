//! What a door holds of the member behind it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use raft::{LogId, MemberId};
use replica::{Backup, Configuration, Done, Failure, LeaseAsk, LeaseStanding, Request};
use store::{Command, LeaseId, Outcome, Reader};
use tokio::sync::oneshot;

use super::answered::Answered;
use super::backups::{BackupPermit, Backups};
use super::by_hand::{HandAnswer, HandMade, NotTaken};
use super::inbox::{Inbox, Input, Load};
use super::status::{Counters, NodeStatus, Phase, StatusBoard};
use super::throughput::Pace;
use crate::access::Access;
use crate::backup::BackupStatus;
use crate::events::Feed;
use crate::watch::Watches;

/// The replica answers by a request's own deadline; past it and this much more its thread is
/// taken to be stuck, and the handle answers in its place.
const ANSWER_GRACE: Duration = Duration::from_secs(1);

/// A member, as its doors see it. Cloning is cheap.
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
}

struct Shared {
    inbox: Arc<Inbox>,
    status: Arc<StatusBoard>,
    store: Reader,
    watches: Arc<Watches>,
    backups: Backups,
    access: Access,
    answered: Answered,
    feed: Feed,
    pace: Pace,
}

/// How a write is to be treated.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions {
    /// How long the client waits.
    pub timeout: Duration,
    /// Whether a follower hands the write to the leader; otherwise it refuses and names it.
    pub forward: bool,
}

/// A write that is applied, and durable on a majority.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Where it stands in the log.
    pub log_id: LogId,
    /// The leader's wall clock when it was appended, ms since 1970.
    pub stamp_ms: u64,
    /// What the state machine answered.
    pub outcome: Outcome,
}

impl Node {
    /// The handle of the member that reads `inbox`, reports to `status` and publishes to `store`.
    pub(crate) fn new(inbox: Arc<Inbox>, status: Arc<StatusBoard>, store: Reader) -> Node {
        let (watches, backups, access) = (Arc::default(), Backups::default(), Access::new());
        let (answered, feed, pace) = Default::default();
        let shared =
            Shared { inbox, status, store, watches, backups, access, answered, feed, pace };
        Node { shared: Arc::new(shared) }
    }

    /// Has `command` applied. The command must have passed `Command::validate`. What clients want
    /// comes by way of a visit (`crate::access`), which says on whose behalf; while authentication
    /// is on, the store does nothing that they would have to ask for and nobody asked for.
    ///
    /// Every failure but `Failure::Unknown` means that it is not done and never will be.
    pub async fn write(&self, command: Command, options: WriteOptions) -> Result<Written, Failure> {
        let request = Request::Write { command: command.encode(), forward: options.forward };
        let began = Instant::now();
        let done = self.ask(request, options.timeout, Failure::Unknown).await;
        if done.is_err() {
            Counters::add(&self.counters().failed_writes, 1);
        }
        match done? {
            Done::Written { log_id, stamp_ms, outcome } => {
                self.shared.answered.wrote(began.elapsed());
                Ok(Written { log_id, stamp_ms, outcome })
            }
            other => panic!("a write was answered with {other:?}"),
        }
    }

    /// Waits until `store()` holds everything that was acknowledged anywhere before this call.
    /// Answers the time, ms since 1970, of before which it holds all that it ever will (rule 8.3).
    pub async fn read_barrier(&self, timeout: Duration) -> Result<u64, Failure> {
        if !self.is_running() {
            return Err(Failure::Unavailable);
        }
        let result = match self.shared.inbox.read(timeout) {
            Err(refused) => Err(refused),
            Ok(round) => {
                let result = tokio::time::timeout(timeout + ANSWER_GRACE, round.result()).await;
                result.unwrap_or(Err(Failure::Unavailable))
            }
        };
        self.count_overload(&result);
        result
    }

    /// Asks the leader about a lease; none if it is not there (any more). What `store()` tells of
    /// its keys is as new as the answer.
    ///
    /// Every failure but `Failure::Unknown` means that the lease was not kept alive.
    pub async fn lease(
        &self,
        lease: LeaseId,
        ask: LeaseAsk,
        options: WriteOptions,
    ) -> Result<Option<LeaseStanding>, Failure> {
        let WriteOptions { timeout, forward } = options;
        let lost = match ask {
            LeaseAsk::KeepAlive => Failure::Unknown,
            LeaseAsk::TimeToLive => Failure::Unavailable,
        };
        match self.ask(Request::Lease { lease, ask, forward }, timeout, lost).await? {
            Done::Lease { standing } => Ok(standing),
            other => panic!("a question about a lease was answered with {other:?}"),
        }
    }

    /// What it needs to know its visitors.
    pub(crate) fn access(&self) -> &Access {
        &self.shared.access
    }

    /// Leave to take a backup; none while as many are taken as may be at once.
    pub(crate) fn admit_backup(&self) -> Option<BackupPermit> {
        self.shared.backups.admit()
    }

    /// Its own backups are these now.
    pub(crate) fn show_backups(&self, backups: Arc<BackupStatus>) {
        self.shared.status.backed_up(backups);
    }

    /// Takes hold of the state of now. After `read_barrier` it holds everything that was
    /// acknowledged before that.
    pub async fn backup(&self, timeout: Duration) -> Result<Backup, Failure> {
        if !self.is_running() {
            return Err(Failure::Unavailable);
        }
        let (sender, receiver) = oneshot::channel();
        self.shared.inbox.notify(Input::Backup(sender));
        match tokio::time::timeout(timeout, receiver).await {
            Ok(Ok(Some(backup))) => Ok(backup),
            Ok(Ok(None) | Err(_)) | Err(_) => Err(Failure::Unavailable),
        }
    }

    /// Says something in a member's name. None: what came of it is not known, because no answer
    /// came in time, or the member can not listen.
    pub(crate) async fn say_by_hand(
        &self,
        made: HandMade,
        timeout: Duration,
    ) -> Option<Result<HandAnswer, NotTaken>> {
        if !self.is_running() {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.shared.inbox.notify(Input::ByHand(made, sender));
        tokio::time::timeout(timeout, receiver).await.ok()?.ok()
    }

    /// Hands leadership to `to`, or to the most up-to-date follower; answers who leads then.
    ///
    /// `Failure::TransferFailed` means that it has not moved, not that it will not: the target may
    /// have been told to campaign.
    pub async fn transfer(
        &self,
        to: Option<MemberId>,
        timeout: Duration,
    ) -> Result<MemberId, Failure> {
        match self.ask(Request::Transfer { to }, timeout, Failure::TransferFailed).await? {
            Done::Transferred { leader } => Ok(leader),
            other => panic!("a transfer was answered with {other:?}"),
        }
    }

    /// Changes who is in the cluster; answers who is once that is committed, to its end. Only the
    /// leader does it.
    ///
    /// Every failure but `Failure::Unknown` means that it is not done and never will be.
    pub async fn change(
        &self,
        change: Request,
        timeout: Duration,
    ) -> Result<Arc<Configuration>, Failure> {
        match self.ask(change, timeout, Failure::Unknown).await? {
            Done::Changed { configuration } => Ok(configuration),
            other => panic!("a change of members was answered with {other:?}"),
        }
    }

    /// What this member has applied. Linearizable only right after `read_barrier`.
    pub fn store(&self) -> &Reader {
        &self.shared.store
    }

    /// Who watches what this member applies. A watch that begins right after `read_barrier` misses
    /// nothing that was acknowledged later.
    pub fn watches(&self) -> &Arc<Watches> {
        &self.shared.watches
    }

    /// How old what `store()` shows may be: it holds everything that was committed so long ago, as
    /// far as this member can tell. To be asked before the store is read. None if it has not heard
    /// since it started how far the cluster is, or never had as much.
    pub fn store_age(&self) -> Option<Duration> {
        self.shared.status.as_of().map(|as_of| as_of.elapsed())
    }

    /// How much the replica has to do for its clients.
    pub(crate) fn load(&self) -> Load {
        let Load { waiting, limit } = self.shared.inbox.load();
        Load { waiting, limit: limit.max(self.shared.pace.limit()) }
    }

    /// How fast the doors answer.
    pub(crate) fn pace(&self) -> &Pace {
        &self.shared.pace
    }

    /// What it has answered.
    pub(crate) fn answered(&self) -> &Answered {
        &self.shared.answered
    }

    /// What happens here and in the cluster, for whoever looks.
    pub(crate) fn feed(&self) -> &Feed {
        &self.shared.feed
    }

    /// For how long the cluster has had a leader, ms, as far as this member has heard: what the
    /// deadlines of keys are to be held against (rule 8.1).
    pub fn age_ms(&self) -> u64 {
        self.shared.status.age_ms()
    }

    /// The member's state, at most about 100 ms old.
    pub fn status(&self) -> Arc<NodeStatus> {
        self.shared.status.current()
    }

    /// Counts of what went through this member since it started.
    pub fn counters(&self) -> &Counters {
        self.shared.status.counters()
    }

    /// Whether the member takes part in a cluster: it has founded or joined one, and its log is
    /// sound. It may still be without a leader.
    pub fn is_running(&self) -> bool {
        matches!(self.status().phase, Phase::Running)
    }

    /// Whether a leader is known.
    pub fn has_leader(&self) -> bool {
        self.status().leader().is_some()
    }

    /// One request, whatever becomes of it; `lost` is the answer if none can come any more.
    async fn ask(
        &self,
        request: Request,
        timeout: Duration,
        lost: Failure,
    ) -> Result<Done, Failure> {
        if !self.is_running() {
            return Err(Failure::Unavailable);
        }
        let result = self.submit(request, timeout, lost).await;
        self.count_overload(&result);
        result
    }

    fn count_overload<T>(&self, result: &Result<T, Failure>) {
        if matches!(result, Err(Failure::Overloaded)) {
            Counters::add(&self.counters().overloaded, 1);
        }
    }

    async fn submit(
        &self,
        request: Request,
        timeout: Duration,
        lost: Failure,
    ) -> Result<Done, Failure> {
        let (sender, receiver) = oneshot::channel();
        self.shared.inbox.submit(request, timeout, sender)?;
        match tokio::time::timeout(timeout + ANSWER_GRACE, receiver).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(lost),
        }
    }
}
