//! The clients: each asks one thing at a time of any member, and rests a little in between.

use std::time::Duration;

use bytes::Bytes;
use raft::MemberId;
use replica::{Answer, Done, Failure, LeaseAsk, Request, Submission, Ticket};
use store::{
    Command, Condition, KeyRange, LeaseId, Put, PutLifetime, RangeRequest, Reader, Revision, Txn,
};

use crate::canary::Canary;
use crate::faults::Fault;
use crate::life::{Happening, Life};
use crate::member::Input;
use crate::model::Model;
use crate::oracle::{Asked, may_be_repeated};
use crate::plan::Plan;
use crate::random::Random;
use crate::sessions::Sessions;
use crate::time::{Span, Time};
use crate::transactions::{Drawer, by_name};

/// A request is answered so long after its client's patience is over, at the latest.
const PATIENCE: Span = Span(100_000);
/// Of a thousand requests that may be repeated so many are asked for twice at once.
const COPIED_PER_MILLE: u64 = 200;
/// Of a thousand times that a client asks, it first reads so many times what may be stale.
const STALE_PER_MILLE: u64 = 200;
/// Of a thousand times so many it is about leases and times to live.
const TIMED_PER_MILLE: u64 = 250;
/// Of a thousand times so many it is a transaction, and so many something about a record.
const TXN_PER_MILLE: u64 = 160;
const RECORD_PER_MILLE: u64 = 60;
/// Leases have one of so many names, from this one on: no entry has such a number.
const LEASES: u64 = 6;
const FIRST_LEASE: i64 = 1_000_000;
/// Keys that nothing else is done with, so that some live to their end.
const TIMED_KEYS: u64 = 12;
/// The longest time to live of a key, ms.
pub(crate) const TTL_MS_MAX: u64 = 1_500;
/// The longest time to live of a lease; shorter ones than 2 s are raised to that.
const LEASE_TTL_S_MAX: u64 = 3;
/// Whoever found nobody to ask tries again after this time.
const RETRY: Span = Span(50_000);

#[derive(Debug)]
pub(crate) struct Clients {
    random: Random,
    keys: u64,
    value_bytes_max: u64,
    think: Span,
    /// Those below this number do most of what they do in a session.
    with_session: u64,
    pub(crate) sessions: Sessions,
}

/// A request that a member has, and who waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) who: Asker,
    member: MemberId,
    asked: Time,
    /// When it has to be answered, if the member does not stand still.
    due: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    Client(u64),
    /// Asked just this, at a moment of somebody else's choice.
    Once,
    /// Does the healed member serve?
    Probe,
    /// Asked for a transfer, and does not care what comes of it.
    Operator,
}

impl Clients {
    pub(crate) fn new(plan: &Plan, random: Random) -> Clients {
        Clients {
            random,
            keys: plan.keys,
            value_bytes_max: plan.value_bytes_max,
            think: plan.think,
            with_session: plan.with_session,
            sessions: Sessions::default(),
        }
    }

    /// What a client asks next. The ticket makes every command another one.
    fn draw(&mut self, client: u64, ticket: Ticket, model: &Model) -> Asked {
        if client < self.with_session && self.random.chance(700) {
            let (random, keys) = (&mut self.random, self.keys);
            return Asked::Write(self.sessions.draw(client, random, model, keys));
        }
        let first = self.random.below(self.keys);
        if self.random.chance(TIMED_PER_MILLE) {
            return self.draw_timed(ticket);
        }
        if self.random.chance(TXN_PER_MILLE) {
            return self.draw_txn(ticket, model);
        }
        if self.random.chance(RECORD_PER_MILLE) {
            let name = format!("of a record {}", ticket.0);
            let mut drawer = Drawer::new(&mut self.random, model, self.keys, &name);
            return Asked::Write(by_name(&name, drawer.of_a_record()));
        }
        let last = self.random.between(first, self.keys - 1);
        match self.random.below(20) {
            0..6 => Asked::Write(self.put(first, ticket)),
            6..10 => Asked::Write(self.swap(first, ticket, model)),
            10 => Asked::Write(self.put_by_name(first, ticket)),
            11..13 => Asked::Write(self.delete(first, first, ticket)),
            13 => Asked::Write(self.delete(first, last, ticket)),
            14..18 => Asked::Read(KeyRange::Single(key(first))),
            18 => Asked::Read(KeyRange::Between { start: key(first), end: key(last + 1) }),
            _ => Asked::Read(KeyRange::all()),
        }
    }

    fn draw_txn(&mut self, ticket: Ticket, model: &Model) -> Asked {
        let (kind, name) = (self.random.below(8), format!("txn {}", ticket.0));
        let mut drawer = Drawer::new(&mut self.random, model, self.keys, &name);
        match kind {
            0..2 => Asked::ReadTxn(drawer.reading()),
            2..5 => Asked::Write(Command::Txn(drawer.unique()).encode()),
            _ => Asked::Write(by_name(&name, Command::Txn(drawer.txn()))),
        }
    }

    /// One of many that want the same key: half of them read.
    pub(crate) fn one_of_a_crowd(&mut self, ticket: Ticket) -> Asked {
        match self.random.below(4) {
            0 => Asked::Write(self.put(0, ticket)),
            1 => Asked::Write(self.put_by_name(0, ticket)),
            _ => Asked::Read(KeyRange::Single(key(0))),
        }
    }

    /// Something about leases and times to live.
    fn draw_timed(&mut self, ticket: Ticket) -> Asked {
        let (lease, name) = (some_lease(&mut self.random), ticket.0.to_string());
        match self.random.below(20) {
            0..6 => {
                let ttl_ms = self.random.between(1, TTL_MS_MAX);
                Asked::Write(self.put_living(ticket, PutLifetime::TtlMs(ttl_ms)))
            }
            6..9 => Asked::Write(self.put_living(ticket, PutLifetime::Lease(lease))),
            9..13 => {
                let ttl_s = self.random.between(1, LEASE_TTL_S_MAX);
                Asked::Write(by_name(&name, Command::LeaseGrant { lease, ttl_s }))
            }
            13 => Asked::Write(by_name(&name, Command::LeaseRevoke { lease })),
            14 => Asked::Lease(lease, LeaseAsk::TimeToLive),
            _ => Asked::Lease(lease, LeaseAsk::KeepAlive),
        }
    }

    /// Mostly of a key that others leave alone.
    fn put_living(&mut self, ticket: Ticket, lifetime: PutLifetime) -> Bytes {
        let prev_kv = self.random.coin();
        let shared = self.random.chance(200);
        let key = match shared {
            true => key(self.random.below(self.keys)),
            false => timed_key(&mut self.random),
        };
        let value = format!("for a time by {}", ticket.0);
        Command::from(Put { prev_kv, lifetime, ..Put::new(key, value) }).encode()
    }

    /// A read of everything.
    pub(crate) fn read(&self) -> Asked {
        Asked::Read(KeyRange::all())
    }

    pub(crate) fn put(&mut self, number: u64, ticket: Ticket) -> Bytes {
        let long = self.random.chance(100);
        let width = if long { self.random.below(self.value_bytes_max) } else { 0 } as usize;
        let value = format!("{:>width$}", ticket.0);
        let prev_kv = self.random.coin();
        Command::from(Put { prev_kv, ..Put::new(key(number), value) }).encode()
    }

    /// A put or a delete under a condition that may hold, if nobody is faster.
    fn swap(&mut self, number: u64, ticket: Ticket, model: &Model) -> Bytes {
        let key = key(number);
        let now = model.modified(&key);
        let guess = Revision(now.0.saturating_sub(self.random.below(2)));
        let condition = match self.random.below(4) {
            0 => Condition::Exists,
            1 => Condition::ABSENT,
            _ => Condition::ModRevision(guess),
        };
        let value = format!("swapped by {}", ticket.0);
        let put = Put { prev_kv: self.random.coin(), ..Put::new(key, value) };
        Command::Put { put, condition: Some(condition) }.encode()
    }

    /// A put that carries a name of its own, so that copies of it are known for copies.
    fn put_by_name(&mut self, number: u64, ticket: Ticket) -> Bytes {
        let value = format!("by name {}", ticket.0);
        let put = Put { prev_kv: true, ..Put::new(key(number), value) };
        by_name(&ticket.0.to_string(), put.into())
    }

    /// Removes the keys from the first to the last. The end of the range, between the last key
    /// and the one after it, carries the ticket.
    fn delete(&mut self, first: u64, last: u64, ticket: Ticket) -> Bytes {
        let mut end = key(last).to_vec();
        end.push(0);
        end.extend_from_slice(ticket.0.to_string().as_bytes());
        let range = KeyRange::Between { start: key(first), end: end.into() };
        Command::Delete { range, prev_kv: self.random.coin(), condition: None }.encode()
    }
}

/// One of the leases that clients speak of.
pub(crate) fn some_lease(random: &mut Random) -> LeaseId {
    LeaseId(FIRST_LEASE + random.below(LEASES) as i64)
}

/// A key that mostly has an end.
pub(crate) fn timed_key(random: &mut Random) -> Bytes {
    format!("t{:02}", random.below(TIMED_KEYS)).into()
}

pub(crate) fn key(number: u64) -> Bytes {
    format!("k{number:02}").into()
}

impl Life {
    pub(crate) fn client_wakes(&mut self, client: u64) {
        if self.healing.is_some() {
            return;
        }
        let running: Vec<MemberId> =
            self.remaining().into_iter().filter(|&id| self.runs(id)).collect();
        if running.is_empty() {
            self.queue.plan_in(RETRY, Happening::Client(client));
            return;
        }
        let random = &mut self.clients.random;
        let (member, forward) = (random.pick(&running), random.chance(800));
        let timeout_ms = self.plan.timers.election_timeout_ms * random.pick(&[1, 4, 16]) / 4;
        let ticket = self.next_ticket();
        let asked = self.clients.draw(client, ticket, self.ledger.model());
        if self.clients.random.chance(STALE_PER_MILLE) {
            self.read_stale(member);
        }
        self.ask_copies(client, &asked, &running, timeout_ms);
        self.ask(ticket, Asker::Client(client), member, asked, forward, timeout_ms);
    }

    /// Reads a member as it is, which needs nobody else: so it does in a partition too.
    fn read_stale(&mut self, id: MemberId) {
        let first = self.clients.random.below(self.clients.keys);
        let of_all = self.clients.random.coin();
        let range = if of_all { KeyRange::all() } else { KeyRange::Single(key(first)) };
        let member = &self.members[&id];
        let Some(process) = &member.process else { return };
        let status = process.replica.status();
        if status.snapshots.stateless || status.agreement.diverged_at.is_some() {
            // It serves nothing, and says so.
            return;
        }
        let (reader, life) = (process.replica.reader(), member.life);
        let request = RangeRequest::new(range.clone());
        let response = reader.range(&request).expect("the newest revision can be read");
        let published = reader.published();
        self.oracle.read_stale((id, life), &range, &response, published, &self.ledger);
    }

    /// Asks other members, or the same, for copies of what may be repeated.
    fn ask_copies(&mut self, client: u64, asked: &Asked, running: &[MemberId], timeout_ms: u64) {
        let Asked::Write(payload) = asked else { return };
        if !may_be_repeated(payload) || !self.clients.random.chance(COPIED_PER_MILLE) {
            return;
        }
        let random = &mut self.clients.random;
        let (member, of_old) = (random.pick(running), random.coin());
        let old = self.clients.sessions.copy(client, random).filter(|_| of_old);
        let (ticket, copy) = (self.next_ticket(), old.unwrap_or_else(|| payload.clone()));
        self.ask(ticket, Asker::Once, member, Asked::Write(copy), true, timeout_ms);
    }

    pub(crate) fn next_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    pub(crate) fn ask(
        &mut self,
        ticket: Ticket,
        who: Asker,
        member: MemberId,
        asked: Asked,
        forward: bool,
        timeout_ms: u64,
    ) {
        self.history.asked(ticket, &asked);
        self.oracle.asked(ticket, asked.clone());
        let request = match asked {
            Asked::Write(command) => Request::Write { command, forward },
            Asked::Read(_) | Asked::ReadTxn(_) => Request::ReadBarrier,
            Asked::Lease(lease, ask) => {
                self.leases.asked(ticket, lease, ask, &self.ledger);
                Request::Lease { lease, ask, forward }
            }
        };
        self.submit(ticket, who, member, request, timeout_ms);
        let question = self.oracle.question(ticket);
        let is_read = matches!(question, Asked::Read(_) | Asked::ReadTxn(_));
        if is_read && self.canary == Some(Canary::UnconfirmedReads) {
            self.waiting.remove(&ticket);
            self.finish_read(ticket, member, &Ok(Done::ReadReady { settled_ms: 0 }));
            self.goes_on(who);
        }
    }

    pub(crate) fn submit(
        &mut self,
        ticket: Ticket,
        who: Asker,
        member: MemberId,
        request: Request,
        timeout_ms: u64,
    ) {
        self.tell_asked(ticket, member, &request);
        let due = self.now() + Span::ms(timeout_ms);
        self.waiting.insert(ticket, Waiting { who, member, asked: self.now(), due });
        let timeout = Duration::from_millis(timeout_ms);
        self.give(member, Input::Submit(Submission { ticket, request, timeout }));
    }

    /// No request may wait much longer than its client does: the member was not standing still
    /// since `resumed`, and has just taken a tick.
    pub(crate) fn check_patience(&self, id: MemberId, resumed: Time, now: Time) {
        for (ticket, waiting) in self.waiting.iter().filter(|(_, waiting)| waiting.member == id) {
            // A pause shifts the deadline by as much as it took, at most.
            let slept = resumed.0.saturating_sub(waiting.asked.0);
            let overdue = now.0.saturating_sub(waiting.due.0 + slept);
            assert!(
                overdue <= PATIENCE.0,
                "patience: {ticket:?} has waited {overdue} µs longer than it was to, on {id}"
            );
        }
    }

    /// A member answers.
    pub(crate) fn answered(&mut self, answer: Answer) {
        let Answer { ticket, result } = answer;
        self.tell_answered(ticket, &result);
        let Some(Waiting { who, member, .. }) = self.waiting.remove(&ticket) else {
            let planted = self.canary == Some(Canary::UnconfirmedReads);
            assert!(planted, "oracle: {ticket:?} was answered, and nobody had asked");
            return;
        };
        if who == Asker::Operator {
            if matches!(result, Ok(Done::Changed { .. })) {
                self.tally.count(Fault::Membership);
            }
            return;
        }
        match self.oracle.question(ticket) {
            Asked::Write(payload) => {
                if let Asker::Client(client) = who {
                    self.clients.sessions.answered(client, payload, &result);
                }
                self.finish_write(ticket, result);
            }
            Asked::Read(_) | Asked::ReadTxn(_) => self.finish_read(ticket, member, &result),
            Asked::Lease(..) => self.finish_lease(ticket, &result),
        }
        self.goes_on(who);
    }

    fn finish_write(&mut self, ticket: Ticket, mut result: Result<Done, Failure>) {
        let planted = self.canary == Some(Canary::UnknownCalledFailed);
        if planted && result == Err(Failure::Unknown) {
            result = Err(Failure::Unavailable);
        }
        self.history.write_answered(ticket, &result);
        self.oracle.write_answered(ticket, &result, &self.ledger);
        if result.is_ok()
            && let Some(healing) = &mut self.healing
        {
            healing.probe_done(ticket);
        }
    }

    /// A confirmed read reads the store as it is published at this moment.
    fn finish_read(&mut self, ticket: Ticket, id: MemberId, result: &Result<Done, Failure>) {
        if result.is_err() {
            self.oracle.read_failed(ticket);
            return;
        }
        let is_read = matches!(result, Ok(Done::ReadReady { .. }));
        assert!(is_read, "oracle: a read is answered as one, not with {result:?}");
        match self.oracle.question(ticket).clone() {
            Asked::Read(range) => self.show(ticket, id, range),
            Asked::ReadTxn(txn) => self.show_by_txn(ticket, id, &txn),
            other => unreachable!("{other:?} is not read"),
        }
    }

    fn show(&mut self, ticket: Ticket, id: MemberId, range: KeyRange) {
        let reader = self.reader(id);
        let response = reader.range(&RangeRequest::new(range));
        let response = response.expect("the newest revision can be read");
        self.history.read_answered(ticket, &response);
        self.oracle.read_answered(ticket, &response, reader.published(), &self.ledger);
    }

    fn show_by_txn(&mut self, ticket: Ticket, id: MemberId, txn: &Txn) {
        let reader = self.reader(id);
        let response = reader.txn(txn);
        if let Ok(response) = &response {
            self.history.txn_answered(ticket, response);
        }
        self.oracle.txn_read(ticket, &response, reader.published(), &self.ledger);
    }

    fn reader(&self, id: MemberId) -> Reader {
        self.members[&id].process.as_ref().expect("it has just answered").replica.reader()
    }

    fn goes_on(&mut self, who: Asker) {
        if let Asker::Client(client) = who {
            let rest = Span(self.clients.random.between(0, self.clients.think.0));
            self.queue.plan_in(rest, Happening::Client(client));
        }
    }

    /// The member's process is gone: whoever asked it will never know what came of it.
    pub(crate) fn abandon_requests(&mut self, id: MemberId) {
        let lost = self.waiting.iter().filter(|(_, waiting)| waiting.member == id);
        let lost: Vec<Ticket> = lost.map(|(&ticket, _)| ticket).collect();
        for ticket in lost {
            self.answered(Answer { ticket, result: Err(Failure::Unknown) });
        }
    }
}
