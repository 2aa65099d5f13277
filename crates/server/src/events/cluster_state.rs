//! The cluster as it stands, as far as one member knows: what it tells of itself, and what it has
//! heard of the others.

use std::time::{Duration, Instant};

use raft::MemberId;
use replica::{Configuration, Member};
use serde::Serialize;

use super::hearing::Standing;
use super::id::Id;
use super::member_state::MemberState;
use crate::node::NodeStatus;

/// A member of whom nothing was heard for longer counts as not reached.
pub(crate) const REACHED_MAX: Duration = Duration::from_millis(1_500);

/// All of it, as it is told.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ClusterState {
    kind: &'static str,
    pub(super) t_us: u64,
    member: Id,
    members: Vec<MemberShown>,
    leader: Option<Id>,
    term: u64,
    joint: bool,
}

#[derive(Clone, Debug, Serialize)]
struct MemberShown {
    id: Id,
    name: String,
    url: String,
    standing: &'static str,
    heard_ms: Option<u64>,
    matched: Option<u64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    state: Option<MemberState>,
}

/// What is known of whom.
pub(super) struct Known<F> {
    pub(super) own: Option<MemberState>,
    /// On a leader, what it knows to be on the members' disks.
    pub(super) matched: Vec<(Id, u64)>,
    pub(super) heard: F,
}

impl ClusterState {
    /// As `known` of the members of the newest configuration.
    pub(super) fn of(
        t_us: u64,
        node: &NodeStatus,
        known: &Known<impl Fn(MemberId) -> Option<Standing>>,
    ) -> ClusterState {
        let me = node.about.id;
        let now = Instant::now();
        let cluster = node.configuration.as_deref();
        let standings = cluster.into_iter().flat_map(|cluster| &cluster.members);
        let members: Vec<(MemberId, &Member, Option<Standing>)> = standings
            .map(|(&id, member)| {
                let own = || known.own_standing(now);
                (id, member, if id == me { own() } else { (known.heard)(id) })
            })
            .collect();
        let reached: Vec<&Standing> = members
            .iter()
            .filter_map(|(_, _, standing)| standing.as_ref())
            .filter(|standing| standing.is_reached(now))
            .collect();
        let all = members.iter().filter_map(|(_, _, standing)| standing.as_ref());
        let term = all.map(|standing| standing.state.term).max().unwrap_or(0);
        let leader = reached.iter().filter(|standing| standing.state.term == term);
        let leader = leader.filter_map(|standing| standing.state.leader).next();
        let word = members.iter().find(|(id, _, _)| Some(Id(*id)) == leader);
        let word = word.and_then(|(_, _, standing)| standing.as_ref());
        let matched = word.filter(|standing| standing.state.leads()).map(|it| &it.matched[..]);
        let shown = |(id, member, standing): &(MemberId, &Member, Option<Standing>)| MemberShown {
            id: Id(*id),
            name: member.name.clone(),
            url: member.url(),
            standing: member.standing.as_str(),
            heard_ms: standing.as_ref().map(|standing| standing.ago_ms(now)),
            matched: matched.and_then(|matched| matched_of(matched, Id(*id))),
            state: standing.as_ref().map(|standing| standing.state.clone()),
        };
        ClusterState {
            kind: "state",
            t_us,
            member: Id(me),
            members: members.iter().map(shown).collect(),
            leader,
            term,
            joint: cluster.is_some_and(Configuration::is_joint),
        }
    }

    /// As it is told.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("our shapes have text keys and plain values")
    }
}

impl<F> Known<F> {
    fn own_standing(&self, now: Instant) -> Option<Standing> {
        let (state, matched) = (self.own.clone()?, self.matched.clone());
        Some(Standing { state, matched, heard_at: now, connected: true })
    }
}

impl Standing {
    fn ago_ms(&self, now: Instant) -> u64 {
        let ago = now.saturating_duration_since(self.heard_at);
        u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)
    }

    fn is_reached(&self, now: Instant) -> bool {
        self.connected && now.saturating_duration_since(self.heard_at) <= REACHED_MAX
    }
}

fn matched_of(matched: &[(Id, u64)], member: Id) -> Option<u64> {
    matched.iter().find(|(id, _)| *id == member).map(|(_, index)| *index)
}

#[cfg(test)]
#[path = "cluster_state_tests.rs"]
mod tests;
