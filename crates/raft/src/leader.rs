//! A leader replicates and commits (Figure 2, rules for leaders; §5.3, §5.4.2).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::event::Event;
use crate::progress::Progress;
use crate::reads::{LeaderReads, Waiter};
use crate::role::{Leader, Role};
use crate::{
    AppendResult, Body, Entry, EntryKind, Index, LogId, MemberId, Raft, ReadReady, Refusal,
};

/// What a leader knows of a follower, for status pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerStatus {
    /// The follower.
    pub id: MemberId,
    /// Its log equals the leader's up to here, durably.
    pub matched: Index,
    /// Milliseconds since its last answer; before the first one, since it was asked first.
    pub silent_ms: u64,
    /// It has answered in this term.
    pub has_answered: bool,
    /// How it is being brought up to date.
    pub replication: Replication,
}

/// How a leader brings a follower up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// One message at a time, until it is known where the logs agree.
    Probe,
    /// Entries are sent without waiting.
    Replicate,
    /// What it needs was cut from the log: it is sent a snapshot.
    Snapshot,
}

impl Replication {
    /// In lower case, as status pages show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Replication::Probe => "probe",
            Replication::Replicate => "replicate",
            Replication::Snapshot => "snapshot",
        }
    }
}

impl Raft {
    pub(crate) fn become_leader(&mut self) {
        assert!(matches!(self.role, Role::Candidate(_)), "only a candidate is elected");
        let last = self.log.last().index;
        let leader = Leader {
            progress: BTreeMap::new(),
            first_of_term: last.next(),
            reads: LeaderReads::default(),
            transfer: None,
            passed_over: BTreeSet::new(),
            uncommitted_bytes: self.log.bytes_between(self.commit, last),
            behind_since_ms: None,
            age_base_ms: self.age_to_lead_from(),
            age_since_ms: self.now.monotonic_ms,
        };
        self.role = Role::Leader(leader);
        self.leader = Some(self.config.id);
        self.election.quick_tries = 0;
        self.emit_role();
        self.emit(Event::LeaderKnown { leader: self.config.id, term: self.term });
        self.follow_members();
        self.append_own(EntryKind::Noop, Bytes::new());
    }

    /// Appends an entry of this term, stamped (rule 8.1).
    pub(crate) fn append_own(&mut self, kind: EntryKind, payload: Bytes) -> LogId {
        let id = LogId::new(self.term, self.log.last().index.next());
        let stamp_ms = self.log.stamp_ms().max(self.now.wall_ms);
        let age_ms = self.log.age_ms().max(self.age_ms());
        let entry = Entry { id, kind, stamp_ms, age_ms, payload };
        let Role::Leader(leader) = &mut self.role else {
            unreachable!("only a leader appends of its own accord");
        };
        leader.uncommitted_bytes += entry.size_bytes();
        self.append(entry);
        self.emit(Event::Appended { first: id.index, last: id });
        id
    }

    pub(crate) fn on_append_answer(
        &mut self,
        from: MemberId,
        round: u64,
        result: AppendResult,
    ) -> Result<(), Refusal> {
        let (clock_ms, now_ms) = (self.clock_ms, self.now.monotonic_ms);
        let (start, last) = (self.log.start().index, self.log.last().index);
        let Role::Leader(leader) = &mut self.role else { return Ok(()) };
        let Some(progress) = leader.progress.get_mut(&from) else { return Ok(()) };
        if let AppendResult::Accepted { matched } = result
            && matched > last
        {
            return Err(Refusal::AcknowledgesUnsent(matched));
        }
        if round > leader.reads.round {
            return Err(Refusal::AnswersUnaskedRound(round));
        }
        (progress.answered_ms, progress.heard_ms) = (clock_ms, now_ms);
        progress.has_answered = true;
        progress.round_answered = progress.round_answered.max(round);
        match result {
            AppendResult::Accepted { matched } => {
                progress.accepted_ms = clock_ms;
                if progress.accepted(matched, start) {
                    self.advance_commit();
                }
            }
            AppendResult::Rejected { previous, hint } => {
                // Before the start: an index at which nothing is left to send says so.
                let agree = self.log.last_before(hint);
                let agree = agree.map_or(Index(start.0.saturating_sub(1)), |agree| agree.index);
                let silent_ms = clock_ms - progress.accepted_ms;
                if !progress.rejected(previous, agree)
                    && previous <= progress.matched
                    && silent_ms >= self.config.election_timeout_ms
                {
                    progress.doubt();
                }
            }
        }
        self.confirm_reads();
        Ok(())
    }

    /// Commits what a majority holds durably, if it is of this term (§5.4.2, Figure 8). Our own
    /// copy counts only as far as it is durable.
    pub(crate) fn advance_commit(&mut self) {
        let durable = self.durable();
        let Role::Leader(leader) = &mut self.role else { return };
        let me = self.config.id;
        let matched = |id| if id == me { durable } else { leader.progress[&id].matched };
        let reached = self.memberships.newest().membership.reached(matched).unwrap_or_default();
        if reached <= self.commit || self.log.term_at(reached) != Some(self.term) {
            return;
        }
        let bytes = self.log.bytes_between(self.commit, reached);
        leader.uncommitted_bytes = leader.uncommitted_bytes.saturating_sub(bytes);
        self.set_commit(reached);
        self.follow_committed_membership();
    }

    /// Serves the reads of a round that a majority has answered.
    pub(crate) fn confirm_reads(&mut self) {
        let Role::Leader(leader) = &mut self.role else { return };
        let (me, round) = (self.config.id, leader.reads.round);
        let answered = |id| if id == me { round } else { leader.progress[&id].round_answered };
        let round = self.memberships.newest().membership.reached(answered).unwrap_or_default();
        let Some((point, waiters)) = leader.reads.confirmed(round) else { return };
        for waiter in waiters {
            match waiter {
                Waiter::Local(id) => self.output.reads_ready.push(ReadReady { id, point }),
                Waiter::Remote(member, request) => {
                    self.send(member, Body::ReadIndexAnswer { request, point: Some(point) });
                }
            }
        }
    }

    pub(crate) fn tick_leader(&mut self) {
        if !self.has_quorum() {
            // Check-quorum: whoever can not reach a majority must not go on as if it led.
            self.become_follower(self.term);
            return;
        }
        let (clock_ms, heartbeat_ms) = (self.clock_ms, self.config.heartbeat_ms);
        let Role::Leader(leader) = &mut self.role else { return };
        leader.reads.retry(clock_ms, heartbeat_ms);
        let expired = leader.transfer.take_if(|transfer| clock_ms >= transfer.due_ms);
        if let Some(transfer) = expired {
            self.pass_over(transfer.to);
        }
        self.watch_own_disk();
    }

    /// Whether a majority, ourselves included where we count, answered within the election timeout.
    fn has_quorum(&self) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        let heard_since_ms = self.clock_ms.saturating_sub(self.config.election_timeout_ms);
        let me = self.config.id;
        let heard = |id| id == me || leader.progress[&id].answered_ms >= heard_since_ms;
        self.membership().is_quorum(heard)
    }

    /// A leader with a failing disk still answers heartbeats, and would lead for ever while all
    /// writes wait for the others: it hands over (rule 1.7).
    fn watch_own_disk(&mut self) {
        let (clock_ms, timeout_ms) = (self.clock_ms, self.config.election_timeout_ms);
        let behind = self.durable() < self.commit;
        let flushing_since_ms = self.persistence.oldest_queued_ms();
        let Role::Leader(leader) = &mut self.role else { return };
        let behind_since_ms = behind.then(|| leader.behind_since_ms.unwrap_or(clock_ms));
        leader.behind_since_ms = behind_since_ms;
        let longer_than = |since_ms: Option<u64>, limit_ms| {
            since_ms.is_some_and(|since_ms| clock_ms - since_ms > limit_ms)
        };
        let slow = longer_than(flushing_since_ms, timeout_ms / 2)
            || longer_than(behind_since_ms, timeout_ms);
        if slow && leader.transfer.is_none() {
            // With no other voter there is nobody to hand over to, and nothing better to do.
            let _no_target = self.transfer_leadership(None);
        }
    }

    /// Older entries that were asked for by `Output::read`; empty if they could not be read, and
    /// then they are asked for again after a heartbeat.
    pub fn entries_read(&mut self, member: MemberId, entries: Vec<Entry>) {
        let ours = |entry: &Entry| self.log.holds(entry.id);
        let last = entries.last().map(|entry| entry.id.index);
        let current = entries.iter().all(ours);
        let start = self.log.start().index;
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(progress) = leader.progress.get_mut(&member) else { return };
        if progress.reading_since_ms.take().is_none() || !current {
            return;
        }
        let (Some(first), Some(last)) = (entries.first(), last) else { return };
        // The log may have been cut up to here meanwhile: the entry before has no name then.
        if first.id.index == progress.next && first.id.index > start {
            progress.sent(last, entries.iter().map(Entry::size_bytes).sum());
            self.send_append(member, entries);
        }
    }

    /// What a leader knows of its followers; empty on others.
    pub fn follower_status(&self) -> Vec<FollowerStatus> {
        let Role::Leader(leader) = &self.role else { return Vec::new() };
        let status = |(&id, progress): (&MemberId, &Progress)| FollowerStatus {
            id,
            matched: progress.matched,
            silent_ms: self.clock_ms - progress.answered_ms,
            has_answered: progress.has_answered,
            replication: progress.state.name(),
        };
        leader.progress.iter().map(status).collect()
    }

    /// On a leader, what it knows to be on each follower's disk; nothing on others.
    pub fn matched(&self) -> impl Iterator<Item = (MemberId, Index)> {
        let progress = match &self.role {
            Role::Leader(leader) => Some(&leader.progress),
            _ => None,
        };
        progress.into_iter().flatten().map(|(&id, progress)| (id, progress.matched))
    }
}
