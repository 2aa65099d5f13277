//! The way from a service to the member behind it, which all of them share.

use std::sync::Arc;
use std::time::Duration;

use proto::etcd::etcdserverpb::ResponseHeader;
use replica::{LeaseAsk, LeaseStanding};
use store::{Command, LeaseId, Limits, Need, Outcome, Published, Reader, Revision};
use tonic::metadata::MetadataMap;

use super::refusal::Refusal;
use crate::access::{NotDone, Shown, Visit};
use crate::http::shows_a_state;
use crate::node::{Node, NodeStatus, Phase, WriteOptions, Written};

/// How long a request may take, unless its client gives up before.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(7);

/// A follower hands a write on, and a question about a lease.
const HANDED_ON: WriteOptions = WriteOptions { timeout: REQUEST_TIMEOUT, forward: true };

/// What a client sends with a request that is to fail where no leader is known.
const NEEDS_LEADER: &str = "hasleader";

/// What a client sends of itself; nobody does anything with it.
const CLIENT_VERSION: &str = "client-api-version";

/// What a client sends with a request that only the leader is to answer.
const FORWARD: &str = "raftkv-forward";

/// A member's door: whoever comes in is a [`Guest`].
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

    /// The member itself, for what is no guest's matter.
    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// Lets a call in, or says why not.
    pub(super) async fn admit(&self, metadata: &MetadataMap, asks: Asks) -> Result<Guest, Refusal> {
        self.check(metadata, asks)?;
        self.guest(metadata).await
    }

    /// Whether a call can be served here at all, whoever asks.
    pub(super) fn check(&self, metadata: &MetadataMap, asks: Asks) -> Result<(), Refusal> {
        let status = self.node.status();
        match status.phase {
            Phase::Running => {}
            Phase::Waiting(_) => return Err(Refusal::NoLeader),
            Phase::Stopped(_) => return Err(Refusal::Stopped),
        }
        if asks == Asks::Voters && status.is_learner() {
            return Err(Refusal::NotForLearner);
        }
        if metadata.get(CLIENT_VERSION).is_some_and(|told| str::from_utf8(told.as_bytes()).is_err())
        {
            return Err(Refusal::InvalidClientVersion);
        }
        if needs_leader(metadata) && status.leader().is_none() {
            return Err(Refusal::NoLeader);
        }
        Ok(())
    }

    /// Who asks. What is shown while authentication is off is passed over, as in etcd.
    pub(super) async fn guest(&self, metadata: &MetadataMap) -> Result<Guest, Refusal> {
        let shown = match Shown::of(metadata.as_ref()) {
            Ok(shown) => shown,
            Err(_) if !self.node.store().auth().is_enabled() => Shown::Nothing,
            Err(_) => return Err(Refusal::InvalidToken),
        };
        let visit = Visit::of(&self.node, shown).await?;
        Ok(Guest { visit: Arc::new(visit) })
    }

    /// What every answer about the store begins with.
    pub(super) fn header(&self, revision: Revision) -> ResponseHeader {
        header(&self.node.status(), revision)
    }

    /// The same, of the revision that is published now.
    pub(super) fn header_now(&self) -> ResponseHeader {
        self.header(self.node.store().published().revision)
    }
}

/// Somebody's call, and what they may have of the member.
#[derive(Clone)]
pub(super) struct Guest {
    visit: Arc<Visit>,
}

impl Guest {
    /// The member itself. What is read of its store is asked for with [`Guest::reader`].
    pub(super) fn node(&self) -> &Node {
        self.visit.node()
    }

    pub(super) fn visit(&self) -> &Visit {
        &self.visit
    }

    /// See [`Gate::header`].
    pub(super) fn header(&self, revision: Revision) -> ResponseHeader {
        header(&self.node().status(), revision)
    }

    /// See [`Gate::header_now`].
    pub(super) fn header_now(&self) -> ResponseHeader {
        self.header(self.published().revision)
    }

    /// The store in numbers.
    pub(super) fn published(&self) -> Published {
        self.node().store().published()
    }

    /// Whether they may have this, by all that was acknowledged before.
    pub(super) async fn permit(&self, need: Need<'_>) -> Result<(), Refusal> {
        Ok(self.visit.permit(need).await?)
    }

    /// The same, for what does not go by way of the log.
    pub(super) async fn permit_now(&self, need: Need<'_>) -> Result<(), Refusal> {
        Ok(self.visit.permit_now(need).await?)
    }

    /// The store as it is here, for whoever may read this of it.
    pub(super) fn reader(&self, need: Need<'_>) -> Result<&Reader, Refusal> {
        Ok(self.visit.reader(need)?)
    }

    /// Waits until everything that was acknowledged before can be read here.
    pub(super) async fn catch_up(&self) -> Result<(), Refusal> {
        Ok(self.node().read_barrier(REQUEST_TIMEOUT).await.map(drop)?)
    }

    /// Whether what there is here may be read, old as it may be.
    pub(super) fn shows_a_state(&self) -> Result<(), Refusal> {
        // What a wrong state shows, or none, is not old: it is wrong.
        match shows_a_state(&self.node().status()) {
            true => Ok(()),
            false => Err(Refusal::Unhealthy),
        }
    }

    /// The store for whoever may read this of it, as new as the client wants it.
    pub(super) async fn fresh(
        &self,
        need: Need<'_>,
        serializable: bool,
    ) -> Result<&Reader, Refusal> {
        match serializable {
            true => self.shows_a_state(),
            false => self.catch_up().await,
        }?;
        self.permit(need).await?;
        self.reader(need)
    }

    /// Has a command applied; answers what it came to.
    pub(super) async fn write(&self, command: Command) -> Result<Outcome, Refusal> {
        self.write_with(command, HANDED_ON).await?
    }

    /// The same, as the client wants it treated; a refusal of the store's is within.
    pub(super) async fn write_with(
        &self,
        command: Command,
        options: WriteOptions,
    ) -> Result<Result<Outcome, Refusal>, NotDone> {
        if let Err(error) = command.validate(&Limits::default()) {
            return Ok(Err(error.into()));
        }
        let Written { outcome, .. } = self.visit.write(command, options).await?;
        Ok(match outcome {
            Outcome::Refused { reason, .. } => Err(reason.into()),
            // No room for another lease; nothing was done.
            Outcome::TableFull => Err(Refusal::NoSpace),
            outcome => Ok(outcome),
        })
    }

    /// Gives up what they took, though their login may have ended since.
    pub(super) async fn give_up(&self, command: Command) -> Result<(), Refusal> {
        Ok(self.visit.give_up(command, HANDED_ON).await.map(drop)?)
    }

    /// Asks the leader about a lease.
    pub(super) async fn lease(
        &self,
        lease: LeaseId,
        ask: LeaseAsk,
    ) -> Result<Option<LeaseStanding>, Refusal> {
        Ok(self.visit.lease(lease, ask, HANDED_ON).await?)
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
