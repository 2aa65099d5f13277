//! The replica itself: its state and its inputs. What comes out, and in which order, is in
//! `order.rs`.

use std::sync::Arc;

use bytes::Bytes;
use raft::{Body, Config, EntryKind, LogId, MemberId, Message, Now, ProposeError, Raft, Term};
use store::{Budget, Command, Limits, PIN_PERIOD_MS, Reader, Store};

use crate::api::{
    Effects, Failure, ForwardRefusal, PeerMessage, Request, Status, Stop, Submission, Ticket,
};
use crate::applier::Applier;
use crate::entry::detach;
use crate::forwards::Forwards;
use crate::freshness::Freshness;
use crate::lease::{Leasing, Question};
use crate::level::Processes;
use crate::memory::Memories;
use crate::order::Gate;
use crate::pending::{HeldWrite, Patience, Pending};
use crate::quarantine::Watch;
use crate::retention::Retention;
use crate::room::Rooms;
use crate::snapshot::Snapshots;
use crate::{Configuration, Dispatcher, Recovered, Unserved};

/// Without a leader for so many election timeouts, a member does not know any more what others may
/// be writing: watches that need a leader end.
const LEADERLESS_TIMEOUTS: u64 = 4;

/// One member, without threads, clocks, sockets or files.
///
/// *Inputs*: [`tick`](Replica::tick), [`measured`](Replica::measured),
/// [`receive`](Replica::receive), [`submit`](Replica::submit),
/// [`stream_opened`](Replica::stream_opened), [`stream_closed`](Replica::stream_closed),
/// [`stream_broke`](Replica::stream_broke), [`log_reply`](Replica::log_reply),
/// [`receive_snapshot`](Replica::receive_snapshot),
/// [`snapshot_reply`](Replica::snapshot_reply), [`apply_turn`](Replica::apply_turn) and
/// [`sweep_turn`](Replica::sweep_turn). *Output*:
/// [`take_effects`](Replica::take_effects), after each batch of inputs. The rest are getters.
pub struct Replica {
    pub(crate) raft: Raft,
    pub(crate) applier: Applier,
    pub(crate) pending: Pending,
    pub(crate) gate: Gate,
    pub(crate) effects: Effects,
    pub(crate) now: Now,
    /// Work in one turn of apply.
    pub(crate) turn_units: u64,
    /// The member can not go on: it only fails requests.
    pub(crate) stopped: bool,
    pub(crate) snapshots: Snapshots,
    pub(crate) watch: Watch,
    pub(crate) rooms: Rooms,
    pub(crate) memories: Memories,
    pub(crate) retention: Retention,
    /// When readers' pins that got old are lifted next.
    pins_due_ms: u64,
    pub(crate) dispatcher: Arc<Dispatcher>,
    /// When it last heard a leader, by its monotonic clock.
    led_ms: u64,
    /// That was too long ago, by what the dispatcher was told.
    leaderless: bool,
    pub(crate) freshness: Freshness,
    pub(crate) leasing: Leasing,
    pub(crate) processes: Processes,
    configuration: Arc<Configuration>,
    /// The newest configuration in the log is not committed.
    pub(crate) configuration_unsettled: bool,
    /// A marked leader does not hand over again before this time.
    pub(crate) hand_over_after_ms: u64,
    forwards: Forwards,
    /// Tells this run of the process from all others, in what is forwarded.
    pub(crate) life: u64,
    /// The number of the newest write forwarded.
    forward_number: u64,
}

impl Replica {
    /// A member as found on disk, with an empty store that it will fill from the log.
    pub fn new(
        config: Config,
        configuration: Configuration,
        recovered: Recovered,
        store: Store,
        now: Now,
    ) -> Replica {
        let stateless = recovered.restored.log.start().index.0 > store.applied_index();
        let mut replica = Replica {
            snapshots: Snapshots::new(config.seed, stateless),
            watch: Watch::new(),
            rooms: Rooms::default(),
            memories: Memories::default(),
            retention: Retention::default(),
            pins_due_ms: now.monotonic_ms + PIN_PERIOD_MS,
            dispatcher: Dispatcher::new(store.reader()),
            led_ms: now.monotonic_ms,
            leaderless: false,
            freshness: Freshness::default(),
            leasing: Leasing::default(),
            processes: Processes::default(),
            forwards: Forwards::new(recovered.restored.hard_state.term),
            life: config.seed,
            forward_number: 0,
            raft: Raft::new(config, recovered.restored, now),
            applier: Applier::new(store),
            pending: Pending::default(),
            gate: Gate::default(),
            effects: Effects::default(),
            now,
            turn_units: Budget::TURN_UNITS,
            stopped: false,
            configuration: Arc::new(configuration),
            configuration_unsettled: true,
            hand_over_after_ms: 0,
        };
        if stateless {
            // Rule 2.4: it votes and acknowledges by its log, which is sound.
            replica.raft.set_may_campaign(false);
            replica.applier.pause();
            replica.dispatcher.close(Unserved::NoState);
        }
        replica.reconfigured();
        replica
    }

    // Inputs.

    /// Time passes. Call every 10 ms, after the messages that are waiting (rule 5.1).
    pub fn tick(&mut self, now: Now) {
        self.now = now;
        if !self.stopped {
            self.raft.tick(now);
            self.tick_snapshots();
            self.tick_watch();
            self.tick_rooms();
            self.tick_leases();
            self.tick_memory();
            self.tick_retention();
            self.tick_drains();
            self.lift_pins();
            self.watch_leader();
        }
        self.pending.forgive();
        self.pending.expire(now.monotonic_ms);
        self.expire_lease_requests();
    }

    /// A peer speaks.
    pub fn receive(&mut self, now: Now, from: MemberId, message: PeerMessage) {
        if self.stopped {
            return;
        }
        self.now = now;
        match message {
            PeerMessage::Raft(message) if self.stops_before(&message) => {}
            PeerMessage::Raft(mut message) => {
                detach_entries(&mut message);
                if let Err(refusal) = self.raft.step(now, from, message) {
                    self.effects.refused.push((from, refusal));
                }
            }
            PeerMessage::Report { samples, lacks_room, memory, process } => {
                self.told_process(from, process);
                self.told_room(from, lacks_room);
                self.told_memory(from, memory);
                self.told_samples(from, samples);
            }
            PeerMessage::Verdict { majority } => self.told_verdict(from, majority),
            PeerMessage::Forward { term, life, number, mut command } => {
                if self.forwards.admit(&self.configuration, from, term, life, number) {
                    detach(&mut command);
                    let result = self.take_forward(term, command);
                    let answer = PeerMessage::ForwardAnswer { life, number, result };
                    // Leaves before the entry does, on the same stream: the follower knows where
                    // to look when it applies it.
                    self.effects.send.push((from, answer));
                }
            }
            PeerMessage::LeaseAsk { term, life, number, lease, ask } => {
                self.take_lease_ask(term, (from, life, number), lease, ask);
            }
            PeerMessage::ForwardAnswer { life, .. } | PeerMessage::LeaseAnswer { life, .. }
                if life != self.life => {}
            PeerMessage::LeaseAnswer { number, result, .. } => {
                self.lease_told(from, number, result);
            }
            PeerMessage::ForwardAnswer { number, result: Ok(id), .. } => {
                self.pending.forward_proposed(from, number, id, self.applier.applied());
            }
            PeerMessage::ForwardAnswer { number, result: Err(refusal), .. } => {
                let level = self.configuration().feature_level;
                self.pending.forward_refused(from, number, refusal, level);
            }
        }
    }

    /// A message of this member's never left: there was no stream to its peer, or no room. Raft
    /// sends again by itself; a forwarded write waits again, as if the leader had refused it.
    pub fn unsent(&mut self, now: Now, message: &PeerMessage) {
        self.now = now;
        match message {
            PeerMessage::Forward { number, .. } => self.pending.forward_unsent(*number),
            PeerMessage::LeaseAsk { number, .. } => self.lease_ask_unsent(*number),
            _ => {}
        }
    }

    /// A client asks. Answered exactly once, in `Effects::answers`.
    pub fn submit(&mut self, now: Now, submission: Submission) {
        self.now = now;
        let Submission { ticket, request, timeout } = submission;
        if self.stopped {
            self.pending.answer(ticket, Err(Failure::Unavailable));
            return;
        }
        let is_write = matches!(request, Request::Write { .. });
        let is_lease = matches!(request, Request::Lease { .. });
        if self.pending.is_full()
            || is_write && self.pending.is_full_of_commands()
            || is_lease && self.leasing.is_full()
        {
            self.pending.answer(ticket, Err(Failure::Overloaded));
            return;
        }
        let patience = self.patience(timeout.as_millis());
        match request {
            // What a wrong state would answer is worth nothing.
            Request::Write { .. } if self.watch.has_diverged() => {
                self.pending.answer(ticket, Err(Failure::Unavailable));
            }
            Request::Write { command, forward } => {
                let (refused, resent) = (None, false);
                self.write(HeldWrite { ticket, command, forward, patience, refused, resent });
            }
            // Nothing here can be read for a while; another member can be asked at once.
            Request::ReadBarrier | Request::Lease { .. } if self.snapshots.is_stateless() => {
                self.pending.answer(ticket, Err(Failure::Unavailable));
            }
            Request::ReadBarrier => self.pending.read(ticket, patience),
            Request::Lease { lease, ask, forward } => {
                self.ask_lease(ticket, Question { lease, ask, forward }, patience);
            }
            Request::Transfer { to } => self.transfer(ticket, to, patience),
            Request::Change(change) => self.change(ticket, &change, patience),
            Request::Drain { id } => self.drain(ticket, id, patience),
            Request::RaiseLevel => self.raise_level(ticket, patience),
        }
    }

    /// The peer opened a stream to this member, in place of the one before, if there was one.
    pub fn stream_opened(&mut self, now: Now, peer: MemberId) {
        self.stream_broke(now, peer);
        self.raft.stream_opened(peer);
    }

    /// The peer's stream to this member was closed by the peer (its process is gone), never by a
    /// timeout or limit of our own (rule 5.2).
    pub fn stream_closed(&mut self, now: Now, peer: MemberId) {
        self.now = now;
        self.raft.stream_closed(peer);
        self.pending.leader_died(peer);
        self.forget_process(peer);
        self.lease_stream_broke(peer);
    }

    /// A stream between this member and the peer, in either direction, broke, and nobody knows what
    /// became of the peer or of what was on its way. What certainly never left is told by
    /// [`unsent`](Replica::unsent), before this.
    pub fn stream_broke(&mut self, now: Now, peer: MemberId) {
        self.now = now;
        self.pending.stream_broke(peer);
        self.forget_process(peer);
        self.lease_stream_broke(peer);
    }

    fn patience(&self, timeout_ms: u128) -> Patience {
        let now_ms = self.now.monotonic_ms;
        let timeout_ms = u64::try_from(timeout_ms).unwrap_or(u64::MAX);
        let deadline_ms = now_ms.saturating_add(timeout_ms);
        // The longest an election timer waits: a leader that is only late is there by then.
        let hold_ms = 2 * self.raft.config().election_timeout_ms;
        Patience { deadline_ms, held_until_ms: deadline_ms.min(now_ms + hold_ms) }
    }

    // Writes.

    /// Proposes, forwards, holds or refuses, by what is known of the leader.
    fn write(&mut self, write: HeldWrite) {
        if self.watch.is_split() && self.raft.is_leader() {
            self.pending.refuse(&write, Failure::Corrupt);
            return;
        }
        if self.raft.is_leader()
            && let Some(short) = self.short_for(&write.command)
        {
            self.pending.refuse(&write, short.failure());
            return;
        }
        if self.raft.is_leader()
            && let Some(refusal) = self.beyond_level(&write.command)
        {
            self.pending.refuse(&write, Failure::Refused(refusal));
            return;
        }
        match self.raft.propose(self.now, EntryKind::Command, write.command.clone()) {
            Ok(id) => self.pending.proposed(id, &write),
            Err(ProposeError::Overloaded) => self.pending.refuse(&write, Failure::Overloaded),
            Err(ProposeError::Transferring) => self.pending.hold(write),
            Err(ProposeError::NotLeader) => match self.raft.leader() {
                None => self.pending.hold(write),
                Some(leader) if write.forward => self.forward(leader, write),
                leader => self.pending.refuse(&write, Failure::NotLeader { leader }),
            },
        }
    }

    fn forward(&mut self, leader: MemberId, write: HeldWrite) {
        self.forward_number += 1;
        let (term, life, number) = (self.raft.term(), self.life, self.forward_number);
        let command = write.command.clone();
        self.effects.send.push((leader, PeerMessage::Forward { term, life, number, command }));
        self.pending.forwarded(number, (leader, term), write);
    }

    fn take_forward(&mut self, term: Term, command: Bytes) -> Result<LogId, ForwardRefusal> {
        if term != self.raft.term() || self.watch.has_diverged() {
            return Err(ForwardRefusal::NotLeader);
        }
        if self.watch.is_split() && self.raft.is_leader() {
            return Err(ForwardRefusal::Corrupt);
        }
        // The gateway that took it may be of a faulty member: what stands in the log is applied by
        // all of them, at each start.
        let valid = |command: Command| command.validate(&Limits::default()).is_ok();
        if !Command::decode(command.clone()).is_ok_and(valid)
            || self.beyond_level(&command).is_some()
        {
            return Err(ForwardRefusal::UnknownCommand);
        }
        if self.raft.is_leader()
            && let Some(short) = self.short_for(&command)
        {
            return Err(short.refusal());
        }
        let proposed = self.raft.propose(self.now, EntryKind::Command, command);
        proposed.map_err(|error| match error {
            ProposeError::NotLeader | ProposeError::Transferring => ForwardRefusal::NotLeader,
            ProposeError::Overloaded => ForwardRefusal::Overloaded,
        })
    }

    /// Whoever was held for want of a leader tries again.
    pub(crate) fn hand_over_held(&mut self) {
        if self.raft.leader().is_none() || self.raft.is_transferring() {
            return;
        }
        let term = self.raft.term();
        self.pending.led_in(term);
        // After a pause what waits may be overdue, and a name is known for a time only: what is
        // sent again after its deadline might be done again.
        self.pending.expire(self.now.monotonic_ms);
        for write in self.pending.take_held(term) {
            self.write(write);
        }
        for id in self.pending.ask_held_reads(term) {
            self.raft.read_index(id);
        }
    }

    // Transfers.

    fn transfer(&mut self, ticket: Ticket, to: Option<MemberId>, patience: Patience) {
        if to == Some(self.raft.id()) && self.raft.is_leader() {
            let leader = self.raft.id();
            self.pending.answer(ticket, Ok(crate::Done::Transferred { leader }));
            return;
        }
        let failure = match self.raft.transfer_leadership(to) {
            Ok(_) if self.pending.transfer(ticket, patience.deadline_ms) => return,
            Ok(_) => Failure::Overloaded,
            Err(raft::TransferError::NoTarget) => Failure::NoTransferTarget,
            Err(raft::TransferError::NotLeader) => {
                Failure::NotLeader { leader: self.raft.leader() }
            }
        };
        self.pending.answer(ticket, Err(failure));
    }

    /// Answers whoever waits for a transfer, once it is known how it ended.
    pub(crate) fn watch_transfer(&mut self) {
        if !self.pending.is_transferring() || self.raft.is_transferring() {
            return;
        }
        match self.raft.leader() {
            Some(leader) if leader == self.raft.id() => self.pending.transfer_ended(None),
            Some(leader) => self.pending.transfer_ended(Some(leader)),
            None => {}
        }
    }

    /// Tells the dispatcher when this member has been without a leader for long, and when not
    /// any more.
    fn watch_leader(&mut self) {
        let now_ms = self.now.monotonic_ms;
        if !self.raft.leader_is_silent() {
            self.led_ms = now_ms;
        }
        let patience_ms = LEADERLESS_TIMEOUTS * self.raft.config().election_timeout_ms;
        let leaderless = now_ms - self.led_ms > patience_ms;
        if leaderless != std::mem::replace(&mut self.leaderless, leaderless) {
            self.dispatcher.set_leaderless(leaderless);
        }
    }

    /// A reader that holds on to a revision for too long holds nobody up any more (rule 6.4).
    fn lift_pins(&mut self) {
        if self.now.monotonic_ms >= self.pins_due_ms {
            self.pins_due_ms = self.now.monotonic_ms + PIN_PERIOD_MS;
            self.applier.store().lift_old_pins();
        }
    }

    /// Ends for good.
    pub(crate) fn stop(&mut self, stop: Stop) {
        assert!(!self.stopped, "a member stops once");
        self.stopped = true;
        let removed = stop == Stop::Removed;
        self.dispatcher.close(if removed { Unserved::Removed } else { Unserved::Stopped });
        self.effects.stop = Some(stop);
        self.pending.stop();
        self.stop_leases();
    }

    /// Another configuration is the newest in the log and counts, or it was committed.
    pub(crate) fn reconfigured(&mut self) {
        let raft = &self.raft;
        // Nobody counts by an empty one: what this member was told when it joined still stands.
        if raft.configuration().is_empty() {
            return;
        }
        let newest = decode(raft.configuration());
        let is_committed = raft.configuration_index() <= raft.commit();
        self.configuration_unsettled = !is_committed;
        let shown = match raft.committed_configuration() {
            committed if is_committed || committed.is_empty() => newest,
            committed => newest.beside(&decode(committed)),
        };
        if shown != *self.configuration {
            self.configuration = Arc::new(shown);
            self.effects.configuration = Some(Arc::clone(&self.configuration));
        }
    }

    // Getters.

    /// A handle on the store, for any thread.
    pub fn reader(&self) -> Reader {
        self.applier.store().reader()
    }

    /// Hands out the events of its store to whoever watches.
    pub fn dispatcher(&self) -> &Arc<Dispatcher> {
        &self.dispatcher
    }

    /// When, in ms of the inputs' monotonic clock, the published state was the newest there was, as
    /// far as this member can tell: it holds everything that was committed by then. None if it
    /// never was since the process started. See `Raft::heard_commit` for what that leaves out.
    pub fn as_of_ms(&self) -> Option<u64> {
        self.freshness.as_of_ms()
    }

    /// The members of the cluster, by the newest configuration in the log; with those that it
    /// removes, until it is committed.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The consensus state.
    pub fn raft(&self) -> &Raft {
        &self.raft
    }

    /// The member in numbers.
    pub fn status(&self) -> Status {
        let hard_state = self.raft.hard_state();
        Status {
            id: self.raft.id(),
            role: self.raft.role(),
            term: hard_state.term,
            vote: hard_state.vote,
            leader: self.raft.leader(),
            last: self.raft.log().last(),
            durable: self.raft.durable().0,
            commit: self.raft.commit().0,
            published: self.reader().published(),
            age_ms: self.raft.age_ms(),
            peers: self.raft.follower_status(),
            configuration: Arc::clone(&self.configuration),
            pending: self.pending.len() + self.leasing.len(),
            snapshots: self.snapshot_status(),
            agreement: self.watch.agreement(),
            room: self.rooms.status(),
            memory: self.memories.own(),
            levels: self.levels(),
        }
    }

    /// Does at most `units` of work in a turn of apply, for tests of what happens in between.
    pub fn set_turn_units(&mut self, units: u64) {
        self.turn_units = units;
    }
}

fn decode(payload: &Bytes) -> Configuration {
    Configuration::decode(payload.clone()).expect("raft takes only what it can read")
}

fn detach_entries(message: &mut Message) {
    if let Body::Append { entries, .. } = &mut message.body {
        entries.iter_mut().for_each(|entry| detach(&mut entry.payload));
    }
}
