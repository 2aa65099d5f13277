//! The core itself: its state, its inputs, and what is common to all roles.

use bytes::Bytes;

use crate::age::HeardAge;
use crate::election::Election;
use crate::membership::Memberships;
use crate::persistence::Persistence;
use crate::random::Random;
use crate::reads::{FollowerReads, Waiter};
use crate::role::{Follower, Leader, Role};
use crate::{
    AppendResult, Body, Config, Entry, EntryKind, Envelope, Event, HardState, Index, Log, LogId,
    MemberId, Message, Now, Output, PAYLOAD_BYTES_MAX, PersistNumber, ProposeError, ReadId,
    ReadPoint, ReadReady, Refusal, RoleName, Term,
};

/// One member's consensus state.
///
/// Its methods, by kind: *inputs* (`tick`, `step`, `propose`, `read_index`,
/// `transfer_leadership`, `persisted`, `entries_read`, `stream_closed`, `stream_opened`,
/// `log_cut`, `install_snapshot`, `snapshot_sent`, `snapshot_failed`, `set_may_campaign`),
/// the one *output* (`take_output`, to be called after each batch of inputs), and *getters*.
#[derive(Debug)]
pub struct Raft {
    pub(crate) config: Config,
    pub(crate) random: Random,
    /// As of the newest input.
    pub(crate) now: Now,
    /// Drives every timer: the monotonic clock, less the pauses (rule 5.1).
    pub(crate) clock_ms: u64,
    pub(crate) term: Term,
    pub(crate) vote: Option<MemberId>,
    pub(crate) log: Log,
    pub(crate) memberships: Memberships,
    /// What this log once ended with, before it was damaged; 0@0 once it is as good again.
    pub(crate) floor: LogId,
    pub(crate) commit: Index,
    pub(crate) persistence: Persistence,
    /// Who leads in this term, as far as heard.
    pub(crate) leader: Option<MemberId>,
    pub(crate) role: Role,
    pub(crate) election: Election,
    pub(crate) follower_reads: FollowerReads,
    pub(crate) heard_age: HeardAge,
    /// Whether this member may stand for election.
    pub(crate) may_campaign: bool,
    pub(crate) output: Output,
}

/// What a restart found on disk.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Term, vote and commit hint.
    pub hard_state: HardState,
    /// The log; all of it is durable.
    pub log: Log,
    /// The configuration at the log's start, and where that one was appended; empty if there is
    /// none.
    pub base: (Index, Bytes),
    /// The configurations that the log holds, in order.
    pub configurations: Vec<(Index, Bytes)>,
    /// The last entry that the log is known to have had, if it was damaged since: until it has as
    /// much again the member votes by this and does not campaign. 0@0 if it was not.
    pub floor: LogId,
}

/// A tick that comes later than this after the one before counts as `TICK_MS`: the process or the
/// machine was paused, and a leader's messages may be waiting behind it (rule 5.1).
const PAUSE_MS: u64 = 100;
const TICK_MS: u64 = 10;

impl Raft {
    /// A member as found on disk, or new. It starts as a follower.
    pub fn new(config: Config, restored: Restored, now: Now) -> Raft {
        config.assert_valid();
        let Restored { hard_state, log, base, configurations, floor } = restored;
        assert!(hard_state.term >= log.last().term, "the log is not ahead of the term");
        let mut random = Random::new(config.seed);
        // A member that starts has heard no leader, and waiting for one costs a whole timeout when
        // all start together. Asking soon disturbs nobody: pre-votes are refused while one lives.
        let (low_ms, high_ms) = config.failover_retry_ms;
        let election = Election::new(random.between(low_ms, high_ms), now);
        let mut raft = Raft {
            follower_reads: FollowerReads::new(random.next()),
            random,
            now,
            clock_ms: 0,
            term: hard_state.term,
            vote: hard_state.vote,
            commit: Index(0),
            persistence: Persistence::new(log.last().index),
            leader: None,
            role: Role::Follower(Follower::default()),
            election,
            heard_age: HeardAge::default(),
            may_campaign: true,
            memberships: Memberships::new(config.codec, base, configurations),
            floor,
            output: Output::default(),
            log,
            config,
        };
        // What the log no longer holds was committed, whatever the hint says.
        raft.commit = raft.log.start().index;
        raft.set_commit(hard_state.commit.clamp(raft.commit, raft.log.last().index));
        raft
    }

    // Inputs.

    /// Time passes. Call every 10 ms, after the messages that are waiting.
    pub fn tick(&mut self, now: Now) {
        let passed_ms = now.monotonic_ms.saturating_sub(self.election.ticked_ms);
        self.election.ticked_ms = now.monotonic_ms;
        self.clock_ms += if passed_ms > PAUSE_MS { TICK_MS } else { passed_ms };
        self.observe(now);
        match self.role {
            Role::Leader(_) => self.tick_leader(),
            Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_) => self.tick_election(),
        }
    }

    /// A message arrives. A refused one has no effect on log or commit index.
    pub fn step(&mut self, now: Now, from: MemberId, message: Message) -> Result<(), Refusal> {
        self.check(from, &message)?;
        self.observe(now);
        let Message { term, body } = message;
        // Pre-votes carry a term that nobody adopts.
        match body {
            Body::PreVote { last } => {
                self.on_pre_vote(from, term, last);
                return Ok(());
            }
            Body::PreVoteAnswer { granted: true } => {
                self.on_pre_vote_granted(from, term);
                return Ok(());
            }
            _ => {}
        }
        if term < self.term {
            self.on_stale(from, &body);
            return Ok(());
        }
        if term > self.term {
            if matches!(body, Body::Vote { transfer: false, .. }) && !self.leader_is_silent() {
                self.refuse_vote_silently(from, term);
                return Ok(());
            }
            self.become_follower(term);
        }
        self.dispatch(from, body)
    }

    /// Appends an entry, if this member leads. It is committed when `Output::commit` says so. Its
    /// payload has at most [`PAYLOAD_BYTES_MAX`] bytes.
    pub fn propose(
        &mut self,
        now: Now,
        kind: EntryKind,
        payload: Bytes,
    ) -> Result<LogId, ProposeError> {
        self.observe(now);
        let bytes_max = self.config.uncommitted_bytes_max;
        let Role::Leader(leader) = &self.role else {
            return Err(ProposeError::NotLeader);
        };
        if leader.transfer.is_some() {
            return Err(ProposeError::Transferring);
        }
        if leader.uncommitted_bytes >= bytes_max {
            return Err(ProposeError::Overloaded);
        }
        assert!(payload.len() <= PAYLOAD_BYTES_MAX, "the caller has checked what it proposes");
        Ok(self.append_own(kind, payload))
    }

    /// Asks at which index a linearizable read may be served; the answer is in
    /// `Output::reads_ready` or `Output::reads_failed`.
    pub fn read_index(&mut self, id: ReadId) {
        let leader_known = self.leader().is_some();
        match &mut self.role {
            Role::Leader(leader) => leader.reads.add(Waiter::Local(id)),
            Role::Follower(_) if leader_known => self.follower_reads.add(id),
            _ => self.output.reads_failed.push(id),
        }
    }

    /// The persist batch `number`, and all before it, are durable.
    pub fn persisted(&mut self, now: Now, number: PersistNumber) {
        self.observe(now);
        self.persistence.persisted(number);
        if self.log.last() >= self.floor && self.durable() == self.log.last().index {
            self.floor = LogId::default();
        }
        match &mut self.role {
            Role::Follower(_) => self.follower_persisted(),
            Role::PreCandidate(_) => {}
            Role::Candidate(_) => self.count_own_vote(),
            Role::Leader(_) => self.advance_commit(),
        }
    }

    // Output.

    /// What is to be done now. Messages to followers are made here, so that everything that
    /// arrived since the last call travels together.
    pub fn take_output(&mut self) -> Output {
        match &self.role {
            Role::Leader(_) => self.flush_leader(),
            Role::Follower(_) => self.ask_for_read_index(),
            Role::PreCandidate(_) | Role::Candidate(_) => {}
        }
        let (hard_state, last) = (self.hard_state(), self.log.last().index);
        self.output.persist = self.persistence.take(hard_state, last, self.clock_ms);
        self.log.shrink(self.commit.min(self.durable()), self.config.tail_bytes_max);
        std::mem::take(&mut self.output)
    }

    // Getters.

    /// This member.
    pub fn id(&self) -> MemberId {
        self.config.id
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Its term.
    pub fn term(&self) -> Term {
        self.term
    }

    /// Its role.
    pub fn role(&self) -> RoleName {
        self.role.name()
    }

    /// Who leads in this term; None if unknown, or if its process is known to have died.
    pub fn leader(&self) -> Option<MemberId> {
        self.leader.filter(|_| !self.election.leader_closed)
    }

    /// Term, vote and commit index.
    pub fn hard_state(&self) -> HardState {
        HardState { term: self.term, vote: self.vote, commit: self.commit }
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The last index on this member's disk.
    pub fn durable(&self) -> Index {
        self.persistence.durable()
    }

    /// The last index known to be committed.
    pub fn commit(&self) -> Index {
        self.commit
    }

    /// Whether leadership is being handed over.
    pub fn is_transferring(&self) -> bool {
        matches!(&self.role, Role::Leader(Leader { transfer: Some(_), .. }))
    }

    // Common to all roles.

    /// Refuses what no honest peer sends, before anything changes.
    fn check(&self, from: MemberId, message: &Message) -> Result<(), Refusal> {
        self.check_sender(from, message.term)?;
        if let Body::Append { previous, entries, .. } = &message.body {
            let mut before = *previous;
            for entry in entries {
                let fits = before.index.0.checked_add(1) == Some(entry.id.index.0)
                    && entry.id.term >= before.term;
                if !fits {
                    return Err(Refusal::Malformed);
                }
                if entry.payload.len() > PAYLOAD_BYTES_MAX {
                    return Err(Refusal::PayloadTooLong(entry.id.index));
                }
                let is_configuration = entry.kind == EntryKind::Configuration;
                if is_configuration && !self.memberships.is_readable(&entry.payload) {
                    return Err(Refusal::UnknownConfiguration(entry.id.index));
                }
                before = entry.id;
            }
            if before.term > message.term {
                return Err(Refusal::Malformed);
            }
        }
        Ok(())
    }

    pub(crate) fn check_sender(&self, from: MemberId, term: Term) -> Result<(), Refusal> {
        if from == self.config.id {
            return Err(Refusal::Stranger(from));
        }
        if term > Term::MAX {
            return Err(Refusal::AbsurdTerm(term));
        }
        if term.0.saturating_sub(self.term.0) > Term::AHEAD_MAX {
            return Err(Refusal::TermFarAhead { term, own: self.term });
        }
        Ok(())
    }

    fn dispatch(&mut self, from: MemberId, body: Body) -> Result<(), Refusal> {
        match body {
            Body::Append { previous, entries, commit, round, age_ms } => {
                self.hear_leader(from, age_ms)?;
                return self.on_append(from, previous, entries, commit, round);
            }
            Body::AppendAnswer { round, result } => {
                return self.on_append_answer(from, round, result);
            }
            Body::PreVoteAnswer { .. } => self.on_pre_vote_refused(from),
            Body::Vote { last, .. } => self.on_vote(from, last),
            Body::VoteAnswer { granted } => self.on_vote_answer(from, granted),
            Body::ReadIndex { request } => self.on_read_index(from, request),
            Body::ReadIndexAnswer { request, point } => self.on_read_index_answer(request, point),
            Body::TimeoutNow => self.on_timeout_now(from),
            Body::PreVote { .. } => unreachable!("handled before the terms were compared"),
        }
        Ok(())
    }

    /// Tells the sender of an old-term request about the present term.
    fn on_stale(&mut self, from: MemberId, body: &Body) {
        match body {
            Body::Append { .. } => {
                // Of the message itself the answer repeats nothing: its sender may lead the
                // present term by now, and must not take a round of its old term for a new one.
                let result =
                    AppendResult::Rejected { previous: Index::default(), hint: LogId::default() };
                self.send(from, Body::AppendAnswer { round: 0, result });
            }
            Body::Vote { .. } => self.send(from, Body::VoteAnswer { granted: false }),
            _ => {}
        }
    }

    /// Adopts `term` (or stays in it) as a follower that knows no leader.
    pub(crate) fn become_follower(&mut self, term: Term) {
        assert!(term >= self.term, "terms never go back");
        self.lose_leader();
        if matches!(self.role, Role::Leader(_)) {
            self.heard_age.hear(self.term, self.age_ms());
        }
        let was_follower = matches!(self.role, Role::Follower(_));
        let role_before = std::mem::replace(&mut self.role, Role::Follower(Follower::default()));
        if term > self.term {
            self.term = term;
            self.vote = None;
            self.persistence.stage_hard_state();
        }
        if let Role::Leader(leader) = role_before {
            self.abandon_reads(leader);
        }
        if !was_follower {
            self.wait_normally();
        }
        self.emit_role();
    }

    fn abandon_reads(&mut self, leader: Leader) {
        for waiter in leader.reads.abandon() {
            match waiter {
                Waiter::Local(id) => self.output.reads_failed.push(id),
                Waiter::Remote(member, request) => {
                    self.send(member, Body::ReadIndexAnswer { request, point: None });
                }
            }
        }
    }

    /// Forgets who leads; reads that were waiting for its answer fail.
    pub(crate) fn lose_leader(&mut self) {
        self.leader = None;
        self.election.leader_closed = false;
        self.fail_follower_reads();
    }

    pub(crate) fn fail_follower_reads(&mut self) {
        let failed = self.follower_reads.abandon();
        self.output.reads_failed.extend(failed);
    }

    pub(crate) fn set_commit(&mut self, index: Index) {
        assert!(index >= self.commit, "the commit index never goes back");
        assert!(index <= self.log.last().index, "only what is in the log can be committed");
        if index > self.commit {
            self.commit = index;
            self.output.commit = Some(index);
            self.emit(Event::Committed { index });
        }
    }

    fn ask_for_read_index(&mut self) {
        let Some(leader) = self.leader() else { return };
        if let Some(request) = self.follower_reads.ask(self.clock_ms, self.config.heartbeat_ms) {
            self.send(leader, Body::ReadIndex { request });
        }
    }

    fn on_read_index(&mut self, from: MemberId, request: u64) {
        match &mut self.role {
            Role::Leader(leader) => leader.reads.add(Waiter::Remote(from, request)),
            _ => self.send(from, Body::ReadIndexAnswer { request, point: None }),
        }
    }

    fn on_read_index_answer(&mut self, request: u64, point: Option<ReadPoint>) {
        if let Some(point) = point {
            // What was promised here is kept if we lead next.
            self.log.note_times(point.settled_ms, 0);
        }
        for id in self.follower_reads.answered(request) {
            match point {
                Some(point) => self.output.reads_ready.push(ReadReady { id, point }),
                None => self.output.reads_failed.push(id),
            }
        }
    }

    pub(crate) fn append(&mut self, entry: Entry) {
        let configuration = entry.kind == EntryKind::Configuration;
        let changed = configuration.then(|| (entry.id.index, entry.payload.clone()));
        self.log.append(entry.clone());
        self.persistence.stage(entry);
        if let Some((index, payload)) = changed {
            self.memberships.append(index, payload);
            self.membership_changed();
        }
    }

    /// Drops the entry at `from` and all after it, with what they said about members.
    pub(crate) fn truncate_from(&mut self, from: Index) {
        let counted = self.memberships.newest().index;
        self.log.truncate_from(from);
        self.persistence.truncate_from(from);
        self.memberships.truncate_from(from);
        self.emit(Event::Truncated { from });
        if self.memberships.newest().index != counted {
            self.membership_changed();
        }
    }

    /// Sends in this term: at once if term and vote are durable, else as soon as they are.
    pub(crate) fn send(&mut self, to: MemberId, body: Body) {
        let envelope = Envelope { to, message: Message { term: self.term, body } };
        match self.persistence.hard_state_pending() {
            None => self.output.send.push(envelope),
            Some(number) => self.output.send_after_persist.push((number, envelope)),
        }
    }

    /// The other voters.
    pub(crate) fn other_voters(&self) -> Vec<MemberId> {
        self.membership().voters().filter(|&id| id != self.config.id).collect()
    }

    pub(crate) fn observe(&mut self, now: Now) {
        self.now.monotonic_ms = self.now.monotonic_ms.max(now.monotonic_ms);
        self.now.wall_ms = now.wall_ms;
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.output.events.push(event);
    }

    pub(crate) fn emit_role(&mut self) {
        self.emit(Event::Role { role: self.role.name(), term: self.term });
    }
}
