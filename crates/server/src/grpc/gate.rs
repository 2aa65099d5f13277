//! The way from a service to the member behind it, which all of them share.

use std::time::Duration;

use proto::etcd::etcdserverpb::ResponseHeader;
use replica::{LeaseAsk, LeaseStanding};
use store::{Command, LeaseId, Limits, Outcome, Revision};
use tonic::metadata::MetadataMap;

use super::refusal::Refusal;
use crate::http::shows_a_state;
use crate::node::{Node, NodeStatus, Phase, WriteOptions, Written};

/// How long a request may take, unless its client gives up before.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(7);

/// A follower hands a write on, and a question about a lease.
const HANDED_ON: WriteOptions = WriteOptions { timeout: REQUEST_TIMEOUT, forward: true };

/// What a client sends with a request that is to fail where no leader is known.
const NEEDS_LEADER: &str = "hasleader";

/// What a client sends with a request that only the leader is to answer.
const FORWARD: &str = "raftkv-forward";

/// A member, as the services see it.
pub(super) struct Gate {
    node: Node,
}

/// Who may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// Whoever has a vote.
    Voters,
    /// Learners too: what tells of the member itself, and reads that may be old.
    Anybody,
}

impl Gate {
    pub(super) fn new(node: Node) -> Gate {
        Gate { node }
    }

    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// Lets a call in, or says why not.
    pub(super) fn admit(&self, metadata: &MetadataMap, asks: Asks) -> Result<(), Refusal> {
        let status = self.node.status();
        match status.phase {
            Phase::Running => {}
            Phase::Waiting(_) => return Err(Refusal::NoLeader),
            Phase::Stopped(_) => return Err(Refusal::Stopped),
        }
        if asks == Asks::Voters && status.is_learner() {
            return Err(Refusal::NotForLearner);
        }
        if needs_leader(metadata) && status.leader().is_none() {
            return Err(Refusal::NoLeader);
        }
        Ok(())
    }

    /// What every answer about the store begins with.
    pub(super) fn header(&self, revision: Revision) -> ResponseHeader {
        header(&self.node.status(), revision)
    }

    /// The same, of the revision that is published now.
    pub(super) fn header_now(&self) -> ResponseHeader {
        self.header(self.node.store().published().revision)
    }

    /// Waits until everything that was acknowledged before can be read here.
    pub(super) async fn catch_up(&self) -> Result<(), Refusal> {
        Ok(self.node.read_barrier(REQUEST_TIMEOUT).await.map(drop)?)
    }

    /// Whether what there is here may be read, old as it may be.
    pub(super) fn shows_a_state(&self) -> Result<(), Refusal> {
        // What a wrong state shows, or none, is not old: it is wrong.
        match shows_a_state(&self.node.status()) {
            true => Ok(()),
            false => Err(Refusal::Unhealthy),
        }
    }

    /// One or the other, as the client wants it.
    pub(super) async fn ready_to_read(&self, serializable: bool) -> Result<(), Refusal> {
        if serializable { self.shows_a_state() } else { self.catch_up().await }
    }

    /// Has a command applied; answers what it came to.
    pub(super) async fn write(&self, command: Command) -> Result<Outcome, Refusal> {
        command.validate(&Limits::default())?;
        let Written { outcome, .. } = self.node.write(command, HANDED_ON).await?;
        match outcome {
            Outcome::Refused { reason, .. } => Err(reason.into()),
            // No room for another lease; nothing was done.
            Outcome::TableFull => Err(Refusal::NoSpace),
            outcome => Ok(outcome),
        }
    }

    /// Asks the leader about a lease.
    pub(super) async fn lease(
        &self,
        lease: LeaseId,
        ask: LeaseAsk,
    ) -> Result<Option<LeaseStanding>, Refusal> {
        Ok(self.node.lease(lease, ask, HANDED_ON).await?)
    }
}

/// Work that may take its time, on a thread where nothing waits for it.
pub(super) async fn on_own_thread<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Refusal>
where
    T: Send + 'static,
    E: Into<Refusal> + Send + 'static,
{
    // It fails only if the work panics, which has spoken for itself, or the member stops.
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::Stopped)?;
    done.map_err(Into::into)
}

/// What an answer begins with, as `status` has it.
pub(super) fn header(status: &NodeStatus, revision: Revision) -> ResponseHeader {
    ResponseHeader {
        cluster_id: status.configuration.as_ref().map_or(0, |known| cluster_id(known.cluster_id)),
        member_id: status.about.id.0,
        revision: number(revision.0),
        raft_term: status.replica.as_ref().map_or(0, |replica| replica.term.0),
    }
}

/// A cluster's id in the 64 bits that etcd has for it: the first half.
fn cluster_id(id: u128) -> u64 {
    u64::try_from(id >> 64).expect("half of it has 64 bits")
}

/// etcd's numbers have a sign. No count or revision of the store comes near the bound.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Whether the call is to fail where no leader is known.
pub(super) fn needs_leader(metadata: &MetadataMap) -> bool {
    metadata.get(NEEDS_LEADER).is_some_and(|value| value.as_bytes() == b"true")
}

/// Whether a follower may hand the call on.
pub(super) fn may_forward(metadata: &MetadataMap) -> bool {
    metadata.get(FORWARD).is_none_or(|value| value.as_bytes() != b"never")
}
