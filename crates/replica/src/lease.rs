//! Leases and times to live (rules 8.4, 8.5): the leader ends what is over, and tells how long the
//! rest has.
//!
//! | | times to live | leases |
//! |---|---|---|
//! | until when | a deadline in the key's version, so in the state | the leader's memory |
//! | a new leader | goes by the same deadline | counts from the full time at its start |
//! | prolonged by | another put | keep-alives, which leave no trace in the log |
//! | ends by | an `Expire` in the log, which names the write | the same, which names the grant |
//!
//! All time is the cluster's age: time without a leader is not counted. Only a leader that has
//! applied an entry of its own term looks at what is due; the store looks again when it applies
//! that, and passes over whatever changed in between.
//!
//! | file | one concept |
//! |---|---|
//! | `clock.rs` | when each lease is over |
//! | `proposals.rs` | what is proposed and not applied |
//! | `asks.rs` | who waits at the leader |
//! | `requests.rs` | what this member's clients want to know, whoever leads |
//!
//! What it does not do: grants and revocations are writes like any other.

use raft::{EntryKind, Index, MemberId, ReadId, ReadReady, Term};
use store::{Command, EXPIRED_MAX, Lease, LeaseId, Outcome};

use self::asks::{Ask, Asker, Asks};
use self::clock::{LeaseClock, TAKE_UP_MAX};
use self::proposals::{Batch, Proposals};
pub(crate) use self::requests::Question;
use self::requests::{REQUESTS_MAX, Requests};
use crate::api::{
    Done, Failure, LeaseAsk, LeaseRefusal, LeaseStanding, LeaseTold, PeerMessage, Ticket,
};
use crate::applier::Applied;
use crate::pending::Patience;
use crate::replica::Replica;

mod asks;
mod clock;
mod proposals;
mod requests;

/// A member's part in it.
#[derive(Debug, Default)]
pub(crate) struct Leasing {
    /// There while this member leads, and has applied an entry of the term.
    leading: Option<Leading>,
    /// The term in which it leads, or thinks so.
    term: Option<Term>,
    asks: Asks,
    requests: Requests,
    /// The number of the newest question sent to a leader.
    number: u64,
}

/// What a leader knows.
#[derive(Debug)]
struct Leading {
    clock: LeaseClock,
    proposals: Proposals,
}

impl Leasing {
    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.requests.len() >= REQUESTS_MAX
    }

    /// Whether raft's name is that of a round about leases, and not of a read.
    pub(crate) fn owns(id: ReadId) -> bool {
        Asks::is_round(id)
    }
}

impl Replica {
    pub(crate) fn tick_leases(&mut self) {
        self.watch_leading();
        self.take_up_leases();
        // What came in while this member stood still comes before what fell due meanwhile.
        self.hand_over_lease_requests();
        self.expire_due();
        let patience_ms = self.raft.config().election_timeout_ms;
        self.leasing.requests.tick(self.now.monotonic_ms.saturating_sub(patience_ms));
    }

    /// Whoever waits too long is told so; also on a member that has stopped.
    pub(crate) fn expire_lease_requests(&mut self) {
        for (ticket, failure) in self.leasing.requests.expire(self.now.monotonic_ms) {
            self.pending.answer(ticket, Err(failure));
        }
    }

    // Leading.

    /// Begins and ends with leadership. A member whose state is wrong knows nothing of leases.
    fn watch_leading(&mut self) {
        let leads = self.raft.is_leader() && !self.watch.has_diverged();
        let term = leads.then(|| self.raft.term());
        if self.leasing.term != term {
            self.leasing.term = term;
            self.leasing.leading = None;
            for ticket in self.leasing.asks.abandon() {
                self.leasing.requests.not_here(ticket);
            }
        }
        if leads && self.leasing.leading.is_none() && self.has_applied_its_own() {
            let clock = LeaseClock::start(self.raft.age_ms());
            self.leasing.leading = Some(Leading { clock, proposals: Proposals::default() });
        }
    }

    fn has_applied_its_own(&self) -> bool {
        self.reader().published().applied_term == self.raft.term().0
    }

    fn take_up_leases(&mut self) {
        let Some(Leading { clock, .. }) = &mut self.leasing.leading else { return };
        if let Some(after) = clock.to_take_up() {
            clock.take_up(self.applier.store().leases_after(after).take(TAKE_UP_MAX));
        }
    }

    /// Proposes to expire what is due, as far as there is room for it.
    fn expire_due(&mut self) {
        // Who holds the right state is not known: then nothing is written.
        if self.watch.is_split() {
            return;
        }
        while let Some((leases, keys)) = self.due_now() {
            let Some(Leading { clock, proposals }) = &mut self.leasing.leading else { return };
            let store = self.applier.store();
            let granted = |lease: &LeaseId| store.lease(*lease).map(Lease::grant);
            let grants = leases.iter().filter_map(granted).collect();
            let command = Command::Expire { leases: grants, keys: keys.clone() }.encode();
            // Refused, it is tried again with the next tick.
            let Ok(id) = self.raft.propose(self.now, EntryKind::Command, command) else { return };
            for lease in &leases {
                clock.goes(*lease, id.index);
            }
            proposals.add(id.index, leases, keys);
        }
    }

    /// What is due and not proposed yet, if anything may be proposed.
    fn due_now(&self) -> Option<(Vec<LeaseId>, Vec<store::DueKey>)> {
        let Leading { clock, proposals } = self.leasing.leading.as_ref()?;
        if !proposals.has_room() {
            return None;
        }
        let (age_ms, store) = (self.raft.age_ms(), self.applier.store());
        let leases: Vec<LeaseId> = clock.due(age_ms).take(EXPIRED_MAX).collect();
        let mut batch = Batch::default();
        if store.next_due_ms().is_some_and(|due_ms| due_ms <= age_ms) {
            store.due_keys(age_ms, |key, mod_revision| {
                proposals.names(key, mod_revision) || batch.add(key, mod_revision)
            });
        }
        let any = !leases.is_empty() || !batch.keys.is_empty();
        any.then_some((leases, batch.keys))
    }

    /// An entry was applied.
    pub(crate) fn lease_applied(&mut self, applied: &Applied) {
        let Some(Leading { clock, proposals }) = &mut self.leasing.leading else { return };
        let store = self.applier.store();
        if let Outcome::LeaseGranted { lease, .. } = applied.outcome
            && let Some(lease) = store.lease(lease)
        {
            clock.granted(lease);
        }
        if let Some(lease) = applied.revoked.filter(|lease| store.lease(*lease).is_none()) {
            clock.ended(lease);
        }
        while let Some(leases) = proposals.applied(applied.id.index) {
            for lease in leases {
                // Another one was granted under the id meanwhile, or it is no more.
                if store.lease(lease).is_none() {
                    clock.ended(lease);
                }
            }
        }
    }

    /// Something was applied and published: what waited for that goes on.
    pub(crate) fn leases_applied(&mut self) {
        self.watch_leading();
        self.expire_due();
    }

    // Questions.

    /// A client asks.
    pub(crate) fn ask_lease(&mut self, ticket: Ticket, question: Question, patience: Patience) {
        self.leasing.requests.add(ticket, question, patience);
    }

    /// Whoever waits for a leader is put to it, and the leader begins a round for those at it.
    pub(crate) fn hand_over_lease_requests(&mut self) {
        self.watch_leading();
        if let Some(leader) = self.raft.leader() {
            let term = self.raft.term();
            self.leasing.requests.led_in(term);
            for (ticket, question) in self.leasing.requests.to_ask(term) {
                self.put_to_leader(leader, term, ticket, question);
            }
        }
        if let Some(id) = self.leasing.asks.begin() {
            self.raft.read_index(id);
        }
    }

    fn put_to_leader(&mut self, leader: MemberId, term: Term, ticket: Ticket, question: Question) {
        let Question { lease, ask, forward } = question;
        if self.leasing.term == Some(term) && self.leasing.asks.is_full() {
            self.leasing.requests.answered(ticket);
            self.pending.answer(ticket, Err(Failure::Overloaded));
        } else if self.leasing.term == Some(term) {
            self.leasing.requests.here(ticket);
            self.lease_asked(Asker::Client(ticket), lease, ask);
        } else if !forward {
            self.leasing.requests.answered(ticket);
            self.pending.answer(ticket, Err(Failure::NotLeader { leader: Some(leader) }));
        } else if leader != self.raft.id() {
            self.leasing.number += 1;
            let (life, number) = (self.life, self.leasing.number);
            let message = PeerMessage::LeaseAsk { term, life, number, lease, ask };
            self.effects.send.push((leader, message));
            let now_ms = self.now.monotonic_ms;
            self.leasing.requests.sent(ticket, number, (leader, term), now_ms);
        }
    }

    /// A question has come to the leader, this one: what keeps a lease alive counts from here.
    fn lease_asked(&mut self, asker: Asker, lease: LeaseId, ask: LeaseAsk) {
        let ask = Ask { asker, lease, ask, age_ms: self.raft.age_at(self.now) };
        self.keep_alive(&ask);
        self.leasing.asks.add(ask);
    }

    fn keep_alive(&mut self, ask: &Ask) {
        if let Some(Leading { clock, .. }) = &mut self.leasing.leading
            && ask.ask == LeaseAsk::KeepAlive
            && let Some(lease) = self.applier.store().lease(ask.lease)
        {
            clock.keep_alive(lease, ask.age_ms);
        }
    }

    /// A follower asks.
    pub(crate) fn take_lease_ask(
        &mut self,
        term: Term,
        asker: (MemberId, u64, u64),
        lease: LeaseId,
        ask: LeaseAsk,
    ) {
        let (member, life, number) = asker;
        if !self.configuration().members.contains_key(&member) {
            return;
        }
        self.watch_leading();
        let refusal = match self.leasing.term {
            Some(leads) if leads == term && !self.leasing.asks.is_full() => {
                self.lease_asked(Asker::Peer { member, life, number }, lease, ask);
                return;
            }
            Some(leads) if leads == term => LeaseRefusal::Overloaded,
            _ => LeaseRefusal::NotLeader,
        };
        let answer = PeerMessage::LeaseAnswer { life, number, result: Err(refusal) };
        self.effects.send.push((member, answer));
    }

    /// The leader answers.
    pub(crate) fn lease_told(
        &mut self,
        from: MemberId,
        number: u64,
        result: Result<LeaseTold, LeaseRefusal>,
    ) {
        let requests = &mut self.leasing.requests;
        match result {
            Ok(LeaseTold { index, standing }) => requests.told(from, number, index, standing),
            Err(LeaseRefusal::NotLeader) => requests.refused(from, number),
            Err(LeaseRefusal::Overloaded) => {
                if let Some(ticket) = requests.failed(from, number) {
                    self.pending.answer(ticket, Err(Failure::Overloaded));
                }
            }
        }
    }

    pub(crate) fn lease_ask_unsent(&mut self, number: u64) {
        self.leasing.requests.unsent(number);
    }

    pub(crate) fn lease_stream_broke(&mut self, peer: MemberId) {
        self.leasing.requests.lost(peer);
    }

    /// A round of this member's is over.
    pub(crate) fn lease_round_confirmed(&mut self, ReadReady { id, point }: ReadReady) {
        self.leasing.asks.confirmed(id, point.index);
    }

    /// Answers who waits for nothing any more.
    pub(crate) fn answer_leases(&mut self) {
        self.watch_leading();
        let applied = self.applier.applied();
        if self.leasing.leading.is_some() {
            for ask in self.leasing.asks.ready(applied) {
                self.answer_lease_ask(ask, applied);
            }
        }
        for (ticket, standing) in self.leasing.requests.ready(applied) {
            self.pending.answer(ticket, Ok(Done::Lease { standing }));
        }
    }

    fn answer_lease_ask(&mut self, ask: Ask, applied: Index) {
        let going =
            self.leasing.leading.as_ref().and_then(|leading| leading.clock.going(ask.lease));
        if let Some(index) = going {
            // It is over once that is applied, and only then for good.
            self.leasing.asks.wait_for(index, ask);
            return;
        }
        self.keep_alive(&ask);
        let standing = self.lease_standing(ask.lease);
        match ask.asker {
            Asker::Client(ticket) => {
                if self.leasing.requests.answered(ticket) {
                    self.pending.answer(ticket, Ok(Done::Lease { standing }));
                }
            }
            Asker::Peer { member, life, number } => {
                let result = Ok(LeaseTold { index: applied, standing });
                let answer = PeerMessage::LeaseAnswer { life, number, result };
                self.effects.send.push((member, answer));
            }
        }
    }

    fn lease_standing(&self, lease: LeaseId) -> Option<LeaseStanding> {
        let Leading { clock, .. } = self.leasing.leading.as_ref()?;
        let lease = self.applier.store().lease(lease)?;
        Some(LeaseStanding {
            granted_index: lease.grant().index,
            ttl_s: lease.ttl_s(),
            left_ms: clock.until_ms(lease).saturating_sub(self.raft.age_at(self.now)),
        })
    }

    /// The member stops, or its state is wrong.
    pub(crate) fn stop_leases(&mut self) {
        self.leasing.leading = None;
        self.leasing.term = None;
        self.leasing.asks.abandon();
        for (ticket, failure) in self.leasing.requests.stop() {
            self.pending.answer(ticket, Err(failure));
        }
    }
}
