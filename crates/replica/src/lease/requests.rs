//! What this member's clients want to know of leases, whoever leads.
//!
//! ```text
//!   Held ─ we lead ──▶ Here ─────────────────────────────▶ answered
//!    ▲ │                │ not any more
//!    │ └─ another ──▶ Sent ─ answered ─▶ Told ─ applied ──▶ answered
//!    └──────────────────┘ refused, never left, lost, or nothing heard for long
//! ```
//!
//! To ask twice does no harm, so whatever is lost is asked again, up to the deadline. Then a
//! keep-alive that somebody may have heard of has an unknown outcome.

use std::collections::{BTreeMap, BTreeSet};

use raft::{Index, MemberId, Term};
use store::LeaseId;

use crate::api::{Failure, LeaseAsk, LeaseStanding, Ticket};
use crate::pending::Patience;

/// At most this many requests wait; more are refused as overload.
pub(crate) const REQUESTS_MAX: usize = 100_000;

/// One question about a lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) lease: LeaseId,
    pub(crate) ask: LeaseAsk,
    /// Whether a follower asks the leader; otherwise it refuses, and names it.
    pub(crate) forward: bool,
}

#[derive(Debug)]
struct Request {
    question: Question,
    patience: Patience,
    /// It was asked at least once.
    tried: bool,
    place: Place,
}

/// Where a request waits.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// For a leader; one that refused in this term is not asked again before the next tick.
    Held { refused: Option<Term> },
    /// At the leader, which is this member.
    Here,
    /// For the leader's answer.
    Sent(Sent),
    /// For the store, which must have applied what the leader had.
    Told { index: Index, standing: Option<LeaseStanding> },
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    number: u64,
    to: MemberId,
    term: Term,
    since_ms: u64,
}

/// All requests of this member's clients.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    all: BTreeMap<Ticket, Request>,
    /// Beside that: who is held, sent or told.
    held: BTreeSet<Ticket>,
    sent: BTreeMap<u64, Ticket>,
    told: BTreeSet<(Index, Ticket)>,
    /// The newest term in which a leader was known.
    led_in: Term,
    /// No deadline is before this time.
    earliest_ms: u64,
}

impl Requests {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn add(&mut self, ticket: Ticket, question: Question, patience: Patience) {
        let place = Place::Held { refused: None };
        let request = Request { question, patience, tried: false, place };
        let earlier = self.all.insert(ticket, request);
        assert!(earlier.is_none(), "a ticket is used once");
        self.earliest_ms = self.earliest_ms.min(patience.held_until_ms);
        self.held.insert(ticket);
    }

    /// Those that may be put to the leader of `term`.
    pub(crate) fn to_ask(&self, term: Term) -> Vec<(Ticket, Question)> {
        let question = |ticket: &Ticket| match &self.all[ticket] {
            Request { place: Place::Held { refused }, .. } if *refused == Some(term) => None,
            Request { question, .. } => Some((*ticket, *question)),
        };
        self.held.iter().filter_map(question).collect()
    }

    /// It waits at this member.
    pub(crate) fn here(&mut self, ticket: Ticket) {
        self.put(ticket, Place::Here);
    }

    /// It was sent as `number` to that leader of that term.
    pub(crate) fn sent(&mut self, ticket: Ticket, number: u64, to: (MemberId, Term), now_ms: u64) {
        let (to, term) = to;
        self.put(ticket, Place::Sent(Sent { number, to, term, since_ms: now_ms }));
    }

    /// The leader answered what was sent to it.
    pub(crate) fn told(
        &mut self,
        from: MemberId,
        number: u64,
        index: Index,
        standing: Option<LeaseStanding>,
    ) {
        if let Some((ticket, _)) = self.find(from, number) {
            self.put(ticket, Place::Told { index, standing });
        }
    }

    /// It was refused because the receiver does not lead: as if it had not been asked.
    pub(crate) fn refused(&mut self, from: MemberId, number: u64) {
        if let Some((ticket, Sent { term, .. })) = self.find(from, number) {
            self.put(ticket, Place::Held { refused: Some(term) });
        }
    }

    /// It was refused for another reason.
    pub(crate) fn failed(&mut self, from: MemberId, number: u64) -> Option<Ticket> {
        let (ticket, _) = self.find(from, number)?;
        self.remove(ticket);
        Some(ticket)
    }

    /// The message never left.
    pub(crate) fn unsent(&mut self, number: u64) {
        let ticket = self.sent.get(&number).copied();
        if let Some((ticket, sent)) =
            ticket.and_then(|ticket| Some((ticket, self.sent_of(ticket)?)))
        {
            self.put(ticket, Place::Held { refused: Some(sent.term) });
        }
    }

    /// A stream to or from `member` broke: what it was asked may be lost, or its answer.
    pub(crate) fn lost(&mut self, member: MemberId) {
        self.hold_again(|sent| sent.to == member);
    }

    /// There is a leader in `term`: who led before may not answer any more.
    pub(crate) fn led_in(&mut self, term: Term) {
        if term > self.led_in {
            self.led_in = term;
            self.hold_again(|sent| sent.term < term);
        }
    }

    /// What waits for an answer since before `since_ms` is asked again, and whoever was refused may
    /// be.
    pub(crate) fn tick(&mut self, since_ms: u64) {
        for ticket in &self.held {
            if let Some(request) = self.all.get_mut(ticket) {
                request.place = Place::Held { refused: None };
            }
        }
        // They were sent in the order of their numbers.
        while let Some(ticket) = self.sent.values().next().copied()
            && self.sent_of(ticket).is_some_and(|sent| sent.since_ms < since_ms)
        {
            self.put(ticket, Place::Held { refused: None });
        }
    }

    /// Of those that waited here, this one has to look for a leader again.
    pub(crate) fn not_here(&mut self, ticket: Ticket) {
        if self.all.contains_key(&ticket) {
            self.put(ticket, Place::Held { refused: None });
        }
    }

    /// It was answered.
    pub(crate) fn answered(&mut self, ticket: Ticket) -> bool {
        self.remove(ticket).is_some()
    }

    /// What may be answered now that `applied` is.
    pub(crate) fn ready(&mut self, applied: Index) -> Vec<(Ticket, Option<LeaseStanding>)> {
        let mut ready = Vec::new();
        while let Some(&(index, ticket)) = self.told.first()
            && index <= applied
        {
            let request = self.remove(ticket).expect("who is told is here");
            let Place::Told { standing, .. } = request.place else {
                unreachable!("who stands among the told is told");
            };
            ready.push((ticket, standing));
        }
        ready
    }

    /// Those whose time is up, and what to say.
    pub(crate) fn expire(&mut self, now_ms: u64) -> Vec<(Ticket, Failure)> {
        if now_ms < self.earliest_ms {
            return Vec::new();
        }
        let late = self.all.iter().filter(|(_, request)| request.due_ms() <= now_ms);
        let late: Vec<Ticket> = late.map(|(ticket, _)| *ticket).collect();
        let failed = late.into_iter().map(|ticket| (ticket, self.fail(ticket))).collect();
        self.earliest_ms = self.all.values().map(Request::due_ms).min().unwrap_or(u64::MAX);
        failed
    }

    /// The member stops, or its state turns out to be wrong.
    pub(crate) fn stop(&mut self) -> Vec<(Ticket, Failure)> {
        let all: Vec<Ticket> = self.all.keys().copied().collect();
        all.into_iter().map(|ticket| (ticket, self.fail(ticket))).collect()
    }

    fn fail(&mut self, ticket: Ticket) -> Failure {
        let request = self.remove(ticket).expect("it was just found");
        // Of what was only looked at nothing is left.
        let unknown = request.tried && request.question.ask == LeaseAsk::KeepAlive;
        if unknown { Failure::Unknown } else { Failure::Unavailable }
    }

    fn hold_again(&mut self, lost: impl Fn(&Sent) -> bool) {
        let is_lost = |ticket: &Ticket| self.sent_of(*ticket).as_ref().is_some_and(&lost);
        let lost: Vec<Ticket> = self.sent.values().copied().filter(is_lost).collect();
        for ticket in lost {
            self.put(ticket, Place::Held { refused: None });
        }
    }

    fn sent_of(&self, ticket: Ticket) -> Option<Sent> {
        match self.all.get(&ticket)?.place {
            Place::Sent(sent) => Some(sent),
            Place::Held { .. } | Place::Here | Place::Told { .. } => None,
        }
    }

    /// What was sent as `number`, if it was to `from`.
    fn find(&self, from: MemberId, number: u64) -> Option<(Ticket, Sent)> {
        let ticket = *self.sent.get(&number)?;
        let sent = self.sent_of(ticket).filter(|sent| sent.to == from)?;
        Some((ticket, sent))
    }

    fn put(&mut self, ticket: Ticket, place: Place) {
        let mut request = self.remove(ticket).expect("it is here");
        match place {
            Place::Held { .. } => _ = self.held.insert(ticket),
            Place::Here => {}
            Place::Sent(Sent { number, .. }) => _ = self.sent.insert(number, ticket),
            Place::Told { index, .. } => _ = self.told.insert((index, ticket)),
        }
        request.place = place;
        request.tried |= !matches!(place, Place::Held { .. });
        self.earliest_ms = self.earliest_ms.min(request.due_ms());
        self.all.insert(ticket, request);
    }

    fn remove(&mut self, ticket: Ticket) -> Option<Request> {
        let request = self.all.remove(&ticket)?;
        match request.place {
            Place::Held { .. } => _ = self.held.remove(&ticket),
            Place::Here => {}
            Place::Sent(Sent { number, .. }) => _ = self.sent.remove(&number),
            Place::Told { index, .. } => _ = self.told.remove(&(index, ticket)),
        }
        Some(request)
    }
}

impl Request {
    fn due_ms(&self) -> u64 {
        match self.place {
            Place::Held { .. } if !self.tried => self.patience.held_until_ms,
            // Nothing definite can be said of it any more: it may as well wait.
            Place::Held { .. } | Place::Here | Place::Sent(_) | Place::Told { .. } => {
                self.patience.deadline_ms
            }
        }
    }
}

#[cfg(test)]
#[path = "requests_tests.rs"]
mod tests;
