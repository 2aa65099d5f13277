//! Who asks the leader about a lease, and waits: for a quorum round, then for the store.
//!
//! ```text
//!   arrived ─▶ waiting ─ round begins ─▶ out ─ confirmed ─▶ by index ─ applied ─▶ answered
//! ```
//!
//! A keep-alive that is answered must count: so the leader first makes sure, as for a read, that no
//! other leads since it arrived (rule 8.5). One round serves all that waited when it began.

use std::collections::BTreeMap;

use raft::{Index, MemberId, ReadId};
use store::LeaseId;

use crate::api::{LeaseAsk, Ticket};

/// So many asks wait at the leader; more are refused as overload.
const ASKS_MAX: usize = 100_000;

/// Set in the name of a round; the tickets of reads, which share raft's names, have it not.
const ROUND: u64 = 1 << 63;

/// Who wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A client of this member.
    Client(Ticket),
    /// A follower, with its name for the request.
    Peer { member: MemberId, life: u64, number: u64 },
}

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) asker: Asker,
    pub(crate) lease: LeaseId,
    pub(crate) ask: LeaseAsk,
    /// The cluster's age when it arrived.
    pub(crate) age_ms: u64,
}

/// All questions to the leader.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    /// Arrived since the last round began.
    waiting: Vec<Ask>,
    /// The round that is out.
    round: Option<Vec<Ask>>,
    /// How many began, in this process's life: the name of the last one.
    rounds: u64,
    /// What waits for the store, by the index it must have applied.
    confirmed: BTreeMap<Index, Vec<Ask>>,
    len: usize,
}

impl Asks {
    /// Whether there is room for another one.
    pub(crate) fn is_full(&self) -> bool {
        self.len >= ASKS_MAX
    }

    pub(crate) fn add(&mut self, ask: Ask) {
        self.waiting.push(ask);
        self.len += 1;
    }

    /// Begins a round if somebody waits and none is out: its name for raft.
    pub(crate) fn begin(&mut self) -> Option<ReadId> {
        if self.waiting.is_empty() || self.round.is_some() {
            return None;
        }
        self.rounds += 1;
        self.round = Some(std::mem::take(&mut self.waiting));
        Some(ReadId(ROUND | self.rounds))
    }

    /// Whether raft's name is that of a round.
    pub(crate) fn is_round(id: ReadId) -> bool {
        id.0 & ROUND != 0
    }

    /// The round is over: this member still led, and what it knew is applied at `index`.
    pub(crate) fn confirmed(&mut self, id: ReadId, index: Index) {
        if id.0 == ROUND | self.rounds
            && let Some(asks) = self.round.take()
        {
            self.confirmed.entry(index).or_default().extend(asks);
        }
    }

    /// What may be answered now.
    pub(crate) fn ready(&mut self, applied: Index) -> Vec<Ask> {
        let mut ready = Vec::new();
        while let Some(first) = self.confirmed.first_entry() {
            if *first.key() > applied {
                break;
            }
            ready.append(&mut first.remove());
        }
        self.len -= ready.len();
        ready
    }

    /// It is to be asked again once `index` is applied.
    pub(crate) fn wait_for(&mut self, index: Index, ask: Ask) {
        self.confirmed.entry(index).or_default().push(ask);
        self.len += 1;
    }

    /// This member does not lead any more: the clients of its own that wait. Followers ask again.
    pub(crate) fn abandon(&mut self) -> Vec<Ticket> {
        let round = self.round.take().unwrap_or_default();
        let confirmed = std::mem::take(&mut self.confirmed).into_values().flatten();
        let all = std::mem::take(&mut self.waiting).into_iter().chain(round).chain(confirmed);
        let client = |ask: Ask| match ask.asker {
            Asker::Client(ticket) => Some(ticket),
            Asker::Peer { .. } => None,
        };
        self.len = 0;
        all.filter_map(client).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(ticket: u64) -> Ask {
        let (lease, ask) = (LeaseId(7), LeaseAsk::KeepAlive);
        Ask { asker: Asker::Client(Ticket(ticket)), lease, ask, age_ms: 0 }
    }

    #[test]
    fn a_round_serves_those_who_waited_when_it_began() {
        let mut asks = Asks::default();
        assert_eq!(asks.begin(), None);
        asks.add(ask(1));
        let first = asks.begin().expect("somebody waits");
        asks.add(ask(2));
        assert_eq!(asks.begin(), None, "one at a time");
        asks.confirmed(first, Index(5));
        assert_eq!(asks.ready(Index(4)), []);
        assert_eq!(asks.ready(Index(5)), [ask(1)]);
        let second = asks.begin().expect("somebody waits");
        asks.confirmed(first, Index(6));
        assert_eq!(asks.ready(Index(9)), [], "of another round");
        asks.confirmed(second, Index(6));
        assert_eq!(asks.ready(Index(9)), [ask(2)]);
    }

    #[test]
    fn whoever_waits_goes_on_elsewhere_when_leadership_is_lost() {
        let mut asks = Asks::default();
        asks.add(ask(1));
        asks.begin();
        asks.add(ask(2));
        asks.wait_for(Index(9), ask(3));
        assert_eq!(asks.abandon(), [Ticket(2), Ticket(1), Ticket(3)]);
        assert_eq!(asks.ready(Index(9)), []);
        assert!(!asks.is_full());
    }

    #[test]
    fn names_of_rounds_are_no_tickets() {
        let mut asks = Asks::default();
        asks.add(ask(1));
        assert!(asks.begin().is_some_and(Asks::is_round));
        assert!(!Asks::is_round(ReadId(1)));
    }
}
