//! The four roles, each owning what only it needs: an illegal combination can not be built.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::RoleName;
use crate::progress::Progress;
use crate::reads::LeaderReads;
use crate::{Index, MemberId};

#[derive(Debug)]
pub(crate) enum Role {
    Follower(Follower),
    PreCandidate(Campaign),
    Candidate(Campaign),
    Leader(Leader),
}

#[derive(Debug, Default)]
pub(crate) struct Follower {
    /// The last index checked against the leader's log in this term (rule 1.6).
    pub(crate) checked: Index,
    /// The leader's commit index as last heard; ours follows as far as we are checked and durable.
    pub(crate) leader_commit: Index,
    /// When that was, on the caller's monotonic clock.
    pub(crate) heard_ms: u64,
    /// The newest read round heard of.
    pub(crate) round: u64,
    /// The newest round answered, and the largest index acknowledged, in this term.
    pub(crate) round_answered: u64,
    pub(crate) acknowledged: Index,
}

/// An election, real or rehearsed. Our own vote is in `granted` once it is durable.
#[derive(Debug, Default)]
pub(crate) struct Campaign {
    pub(crate) granted: BTreeSet<MemberId>,
    pub(crate) refused: BTreeSet<MemberId>,
}

#[derive(Debug)]
pub(crate) struct Leader {
    /// Every other member, learners too.
    pub(crate) progress: BTreeMap<MemberId, Progress>,
    /// The no-op appended at the start of this term: nothing commits before it (Figure 8).
    pub(crate) first_of_term: Index,
    pub(crate) reads: LeaderReads,
    pub(crate) transfer: Option<Transfer>,
    /// Who was told to take over in this term and did not, since all were told.
    pub(crate) passed_over: BTreeSet<MemberId>,
    /// Bytes of entries appended and not yet committed.
    pub(crate) uncommitted_bytes: usize,
    /// Since this clock time our durable index has been behind the commit index.
    pub(crate) behind_since_ms: Option<u64>,
    /// The age at the start of this term, and when that was on the caller's monotonic clock.
    pub(crate) age_base_ms: u64,
    pub(crate) age_since_ms: u64,
}

/// Leadership is being handed over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    pub(crate) to: MemberId,
    /// Given up at this clock time.
    pub(crate) due_ms: u64,
    /// The target was told to campaign.
    pub(crate) told: bool,
}

impl Role {
    pub(crate) fn name(&self) -> RoleName {
        match self {
            Role::Follower(_) => RoleName::Follower,
            Role::PreCandidate(_) => RoleName::PreCandidate,
            Role::Candidate(_) => RoleName::Candidate,
            Role::Leader(_) => RoleName::Leader,
        }
    }
}
