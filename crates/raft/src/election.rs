//! Elections: who campaigns when, and who votes for whom (§5.2, §5.4.1, thesis §4.2.3, §9.6).
//!
//! ```text
//!             due                  majority would vote           majority voted
//!   Follower ─────▶ PreCandidate ──────────────────────▶ Candidate ────────────▶ Leader
//!        ▲   (term unchanged: disturbs nobody)      (term + 1, votes for itself)
//!        └── a leader speaks, or a newer term is seen ──┘
//! ```
//!
//! A vote is refused while a leader is heard. Two things lift that: the leader itself asked for
//! the campaign (`TimeoutNow`), or the voter's own stream from it was closed by its death
//! (rule 5.2), which only shortens waiting.

use crate::event::{Event, RoleName};
use crate::role::{Campaign, Role};
use crate::{Body, LogId, MemberId, Now, Raft, Refusal, Term};

/// The election timer and what bears on it.
#[derive(Debug)]
pub(crate) struct Election {
    /// When to campaign, on the core's clock; meaningless while leading.
    pub(crate) due_ms: u64,
    /// When that wait began, on the core's clock.
    pub(crate) waits_since_ms: u64,
    /// The monotonic time of the last tick.
    pub(crate) ticked_ms: u64,
    /// When the leader was last heard, on the core's clock.
    pub(crate) leader_heard_ms: u64,
    /// The leader's process closed its stream and has opened no new one.
    pub(crate) leader_closed: bool,
    /// Quick tries left since the leader's process died, or since this member started.
    pub(crate) quick_tries: u32,
}

/// How often a campaign after a leader's death, or after the start, is repeated quickly before the
/// normal timer rules again (rule 5.2).
const QUICK_TRIES: u32 = 5;

impl Election {
    pub(crate) fn new(due_ms: u64, now: Now) -> Election {
        Election {
            due_ms,
            waits_since_ms: 0,
            ticked_ms: now.monotonic_ms,
            leader_heard_ms: 0,
            leader_closed: false,
            quick_tries: QUICK_TRIES,
        }
    }
}

impl Raft {
    /// The peer's stream to this member was closed by the other side: its process is gone. Never
    /// to be called for a timeout of our own (rule 5.2).
    pub fn stream_closed(&mut self, peer: MemberId) {
        if self.leader != Some(peer) || !matches!(self.role, Role::Follower(_)) {
            return;
        }
        self.election.leader_closed = true;
        self.election.quick_tries = QUICK_TRIES;
        self.fail_follower_reads();
        self.wait_between(self.failover_slice(peer));
    }

    /// Our part of the delay after `dead` died. All notice at the same time, so each survivor has
    /// a slice of its own: two that campaign at once split the vote, and lose a retry's time.
    fn failover_slice(&self, dead: MemberId) -> (u64, u64) {
        let survivors = || self.membership().voters().filter(|&id| id != dead);
        let rank = survivors().position(|id| id == self.config.id).unwrap_or(0) as u64;
        let count = survivors().count().max(1) as u64;
        let (low_ms, high_ms) = self.config.failover_delay_ms;
        let start = |slice: u64| low_ms + (high_ms - low_ms) * slice / count;
        (start(rank), start(rank + 1).max(start(rank) + 1))
    }

    /// The peer opened a new stream to this member: it lives.
    pub fn stream_opened(&mut self, peer: MemberId) {
        if self.leader == Some(peer) && self.election.leader_closed {
            self.election.leader_closed = false;
            self.wait_normally();
        }
    }

    pub(crate) fn tick_election(&mut self) {
        if self.clock_ms < self.election.due_ms {
            return;
        }
        if self.may_campaign() {
            self.start_pre_vote();
        } else {
            self.lose_leader();
            self.wait_normally();
        }
    }

    /// Whether this member may stand for election: not while its state can not be served, though
    /// its log is sound and it votes and acknowledges by it (rules 2.4 and 10.3). It may until
    /// told otherwise.
    pub fn set_may_campaign(&mut self, may: bool) {
        self.may_campaign = may;
    }

    /// A leader of this term speaks; the present one keeps its claim on us.
    pub(crate) fn hear_leader(&mut self, from: MemberId, age_ms: u64) -> Result<(), Refusal> {
        let known = match &self.role {
            Role::Leader(_) => Some(self.config.id),
            _ => self.leader,
        };
        if let Some(known) = known.filter(|&known| known != from) {
            return Err(Refusal::TwoLeaders { term: self.term, known, other: from });
        }
        if !matches!(self.role, Role::Follower(_)) {
            self.become_follower(self.term);
        }
        if self.leader.is_none() {
            self.leader = Some(from);
            self.election.quick_tries = 0;
            self.emit(Event::LeaderKnown { leader: from, term: self.term });
        }
        self.heard_age.hear(self.term, age_ms);
        self.election.leader_heard_ms = self.clock_ms;
        if !self.election.leader_closed {
            self.wait_normally();
        }
        Ok(())
    }

    /// Whether no living leader is known: none is named, or it has said nothing for an election
    /// timeout. Then, and only then, are votes given freely.
    pub fn leader_is_silent(&self) -> bool {
        let silent_ms = self.clock_ms - self.election.leader_heard_ms;
        !matches!(self.role, Role::Leader(_))
            && (self.leader().is_none() || silent_ms >= self.config.election_timeout_ms)
    }

    // Campaigns.

    fn start_pre_vote(&mut self) {
        self.lose_leader();
        self.role = Role::PreCandidate(Campaign::default());
        self.wait_for_retry();
        self.emit_role();
        let (asked_term, last) = (self.term.next(), self.log.last());
        for peer in self.other_voters() {
            // Rests on nothing that is not durable: it promises nothing and names no vote.
            let message = crate::Message { term: asked_term, body: Body::PreVote { last } };
            self.output.send.push(crate::Envelope { to: peer, message });
        }
        self.on_pre_vote_granted(self.config.id, asked_term);
    }

    fn start_campaign(&mut self, transfer: bool) {
        self.lose_leader();
        self.term = self.term.next();
        self.vote = Some(self.config.id);
        self.persistence.stage_hard_state();
        self.role = Role::Candidate(Campaign::default());
        self.wait_for_retry();
        self.emit_role();
        let last = self.log.last();
        for peer in self.other_voters() {
            self.send(peer, Body::Vote { last, transfer });
        }
    }

    /// Our own vote counts like any other: once it is durable.
    pub(crate) fn count_own_vote(&mut self) {
        if self.persistence.hard_state_pending().is_none() {
            self.on_vote_answer(self.config.id, true);
        }
    }

    /// The leader asked us to take over.
    pub(crate) fn on_timeout_now(&mut self, from: MemberId) {
        let follows = matches!(self.role, Role::Follower(_)) && self.leader == Some(from);
        if follows && self.may_campaign() {
            self.start_campaign(true);
        }
    }

    // Votes of others.

    pub(crate) fn on_pre_vote_granted(&mut self, from: MemberId, asked_term: Term) {
        let Role::PreCandidate(campaign) = &mut self.role else { return };
        if asked_term != self.term.next() {
            return;
        }
        campaign.granted.insert(from);
        if self.memberships.newest().membership.is_quorum(|id| campaign.granted.contains(&id)) {
            self.start_campaign(false);
        }
    }

    pub(crate) fn on_pre_vote_refused(&mut self, from: MemberId) {
        if let Role::PreCandidate(campaign) = &mut self.role {
            campaign.refused.insert(from);
        }
    }

    pub(crate) fn on_vote_answer(&mut self, from: MemberId, granted: bool) {
        let Role::Candidate(campaign) = &mut self.role else { return };
        if !granted {
            campaign.refused.insert(from);
            return;
        }
        campaign.granted.insert(from);
        if self.memberships.newest().membership.is_quorum(|id| campaign.granted.contains(&id)) {
            self.become_leader();
        }
    }

    // Our vote.

    pub(crate) fn on_pre_vote(&mut self, from: MemberId, asked_term: Term, last: LogId) {
        let good = last >= self.last_for_votes();
        let granted = asked_term > self.term && good && self.leader_is_silent();
        self.emit(Event::Voted { candidate: from, term: asked_term, pre: true, granted });
        if granted {
            let body = Body::PreVoteAnswer { granted };
            let message = crate::Message { term: asked_term, body };
            self.output.send.push(crate::Envelope { to: from, message });
        } else {
            self.send(from, Body::PreVoteAnswer { granted });
        }
    }

    /// In our own term already: one vote a term, and only for a log at least as good as ours.
    pub(crate) fn on_vote(&mut self, from: MemberId, last: LogId) {
        let free = self.vote.is_none_or(|vote| vote == from) && self.leader.is_none();
        let granted = free && last >= self.last_for_votes();
        if granted {
            if self.vote.is_none() {
                self.vote = Some(from);
                self.persistence.stage_hard_state();
            }
            self.election.quick_tries = 0;
            self.wait_normally();
        }
        self.emit(Event::Voted { candidate: from, term: self.term, pre: false, granted });
        self.send(from, Body::VoteAnswer { granted });
    }

    /// A vote asked for while the leader is heard: its term is not even adopted.
    pub(crate) fn refuse_vote_silently(&mut self, candidate: MemberId, term: Term) {
        self.emit(Event::Voted { candidate, term, pre: false, granted: false });
    }

    // The timer.

    pub(crate) fn wait_normally(&mut self) {
        let timeout_ms = self.config.election_timeout_ms;
        self.wait_between((timeout_ms, 2 * timeout_ms));
    }

    /// Until a campaign that does not succeed is repeated.
    fn wait_for_retry(&mut self) {
        if self.election.quick_tries > 0 {
            self.election.quick_tries -= 1;
            self.wait_between(self.config.failover_retry_ms);
        } else {
            self.wait_normally();
        }
    }

    fn wait_between(&mut self, (low_ms, high_ms): (u64, u64)) {
        self.election.waits_since_ms = self.clock_ms;
        self.election.due_ms = self.clock_ms + self.random.between(low_ms, high_ms);
    }
}

/// How long a member waits before it campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElectionWait {
    /// For how long it has waited, ms.
    pub elapsed_ms: u64,
    /// For how long it waits in all, ms.
    pub timeout_ms: u64,
}

impl Raft {
    /// Voters that granted and refused the campaign that runs, if one does.
    pub fn campaign_votes(&self) -> Option<(usize, usize)> {
        match &self.role {
            Role::PreCandidate(campaign) | Role::Candidate(campaign) => {
                Some((campaign.granted.len(), campaign.refused.len()))
            }
            Role::Follower(_) | Role::Leader(_) => None,
        }
    }

    /// How long it has waited for a leader, or for the votes that it asked for, and until when it
    /// does; none on a leader.
    pub fn election_wait(&self) -> Option<ElectionWait> {
        let Election { due_ms, waits_since_ms, .. } = self.election;
        (!self.is_leader()).then(|| ElectionWait {
            elapsed_ms: self.clock_ms.saturating_sub(waits_since_ms),
            timeout_ms: due_ms.saturating_sub(waits_since_ms),
        })
    }

    /// Whether this member leads.
    pub fn is_leader(&self) -> bool {
        self.role.name() == RoleName::Leader
    }
}
