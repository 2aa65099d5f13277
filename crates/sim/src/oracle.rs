//! The judge of answers: strict serializability by revision (rule 14.3), and the three outcomes of
//! the contract.
//!
//! Clients record what they asked and when. The order of all writes is the committed log, which is
//! collected from the members' own commits and never from answers; every answer is held against it:
//!
//! - a write that was answered *done* stands in the log exactly once, where the answer says, and
//!   its outcome is what the model makes of the log up to there;
//! - a write that *failed* definitely is not in the log, and never will be;
//! - a write of *unknown* outcome is in it at most once;
//! - a read equals the model at the revision it names;
//! - so does a stale one, which need not be new, but never goes back on one process;
//! - order respects real time: whatever began after something was answered comes after it.
//!
//! - what has a session and a number, or a name, may stand in the log as often as it was asked for,
//!   and oftener, for members send it again: but not after it was answered as done. The model does
//!   it once, and every copy's answer must say what the first did.
//!
//! Other payloads are unique, so an entry names its request.

use std::collections::BTreeMap;

use bytes::Bytes;
use raft::{Entry, EntryKind, Index, MemberId};
use replica::{Done, Failure, LeaseAsk, Ticket};
use store::{
    Command, KeyRange, LeaseId, Outcome, Published, RangeResponse, ReadError, Revision, Txn,
    TxnResponse,
};

use crate::effects::wrote;
use crate::ledger::{Committed, Ledger};
use crate::retention::is_leaders_compaction;

#[cfg(test)]
mod tests;

/// What a client asks.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// A command, encoded; no two are alike.
    Write(Bytes),
    /// What a range holds.
    Read(KeyRange),
    /// What a transaction finds that only reads.
    ReadTxn(Txn),
    /// How a lease stands. Answers are judged in `lease_judge.rs`.
    Lease(LeaseId, LeaseAsk),
}

/// How requests ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Writes that were acknowledged.
    pub writes_done: u64,
    /// Writes that certainly did not happen.
    pub writes_failed: u64,
    /// Of those, writes that were refused for want of room.
    pub writes_without_room: u64,
    /// Writes that were refused for want of memory.
    pub writes_without_memory: u64,
    /// Writes that may have happened.
    pub writes_unknown: u64,
    /// Reads that were answered.
    pub reads_done: u64,
    /// Transactions that only read and were answered.
    pub txns_read: u64,
    /// Transactions that were done by the log, in either branch.
    pub txns_done: (u64, u64),
    /// Changes that were answered once more.
    pub repeated: u64,
    /// Reads that were not.
    pub reads_failed: u64,
    /// Reads that may be stale.
    pub reads_stale: u64,
    /// Questions about leases that were answered: keep-alives, most of them.
    pub lease_answers: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Oracle {
    requests: BTreeMap<Ticket, Request>,
    /// More than one only where a change carries what makes its copies known for copies.
    by_payload: BTreeMap<Bytes, Vec<Ticket>>,
    /// What had been answered so far: everything that begins later comes after it.
    answered: Floor,
    /// What stale reads have shown, by member and its life.
    shown: BTreeMap<(MemberId, u64), Floor>,
    outcomes: Outcomes,
}

/// A point of the order that has been seen by somebody.
#[derive(Clone, Copy, Debug, Default)]
struct Floor {
    index: Index,
    revision: Revision,
}

#[derive(Debug)]
struct Request {
    asked: Asked,
    /// What had been answered when it was made.
    after: Floor,
    state: State,
    /// Members may send it again of their own accord.
    resent: bool,
    /// Where it stands in the committed log; at one place at most, unless it was sent again.
    committed: Vec<Index>,
    /// The place that it was answered with.
    done_at: Option<Index>,
}

impl Request {
    /// It may stand at this place too, for all that is known.
    fn may_be(&self, place: Index) -> bool {
        let has_room = self.resent || self.committed.is_empty();
        let in_time = self.done_at.is_none_or(|done_at| place < done_at);
        has_room && in_time && self.state != State::Failed
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Done,
    Failed,
    Unknown,
}

impl Oracle {
    /// A client asks.
    pub(crate) fn asked(&mut self, ticket: Ticket, asked: Asked) {
        let mut resent = false;
        if let Asked::Write(payload) = &asked {
            resent = is_resent(payload);
            let alike = self.by_payload.entry(payload.clone()).or_default();
            let is_first = alike.is_empty();
            alike.push(ticket);
            assert!(is_first || may_be_repeated(payload), "the workload makes no two alike");
        }
        let after = self.answered;
        let (state, committed, done_at) = (State::Waiting, Vec::new(), None);
        let request = Request { asked, after, state, resent, committed, done_at };
        let earlier = self.requests.insert(ticket, request);
        assert!(earlier.is_none(), "tickets are used once");
    }

    /// An entry was committed.
    pub(crate) fn committed(&mut self, entry: &Entry) {
        if entry.kind != EntryKind::Command || is_of_the_leader(&entry.payload) {
            return;
        }
        let (id, alike) = (entry.id, self.by_payload.get(&entry.payload));
        let alike = alike.unwrap_or_else(|| panic!("oracle: nobody asked for entry {id}"));
        let new = |ticket: &&Ticket| self.requests[ticket].committed.is_empty();
        let may = |ticket: &&Ticket| self.requests[ticket].may_be(id.index);
        let ticket = alike.iter().find(|ticket| new(ticket) && may(ticket));
        let Some(ticket) = ticket.or_else(|| alike.iter().find(may)) else {
            match alike.iter().find(new) {
                Some(first) => panic!("oracle: {first:?} failed definitely, yet is {id}"),
                None => panic!("oracle: {:?} was committed twice, again at {id}", alike[0]),
            }
        };
        let request = self.requests.get_mut(ticket).expect("every payload is a request's");
        assert!(
            id.index > request.after.index,
            "oracle: {ticket:?} took effect before it was asked"
        );
        request.committed.push(id.index);
    }

    /// Among requests that are alike nobody can tell whose an entry is, until an answer tells:
    /// `ticket` gets the place `wanted` of another that may give it up, for its own if it has one.
    fn claim(&mut self, ticket: Ticket, wanted: Index) {
        let alike = self.alike(ticket).find(|other| {
            let request = &self.requests[other];
            request.committed.contains(&wanted) && request.done_at != Some(wanted)
        });
        let Some(other) = alike else { return };
        let own = self.request(ticket).committed.pop();
        self.request(ticket).committed.push(wanted);
        let other = self.request(other);
        other.committed.retain(|place| *place != wanted);
        other.committed.extend(own);
    }

    /// `ticket` is in no log: what was taken for it is others', if it can be.
    fn disown(&mut self, ticket: Ticket) {
        for place in std::mem::take(&mut self.request(ticket).committed) {
            let other = self.alike(ticket).find(|other| self.requests[other].may_be(place));
            self.request(other.unwrap_or(ticket)).committed.push(place);
        }
    }

    /// The other requests that ask for the same change.
    fn alike(&self, ticket: Ticket) -> impl Iterator<Item = Ticket> {
        let alike = match &self.requests[&ticket].asked {
            Asked::Write(payload) => self.by_payload.get(payload),
            Asked::Read(_) | Asked::ReadTxn(_) | Asked::Lease(..) => None,
        };
        alike.into_iter().flatten().copied().filter(move |other| *other != ticket)
    }

    fn request(&mut self, ticket: Ticket) -> &mut Request {
        self.requests.get_mut(&ticket).expect("only requests are spoken of")
    }

    /// A write was answered.
    pub(crate) fn write_answered(
        &mut self,
        ticket: Ticket,
        result: &Result<Done, Failure>,
        ledger: &Ledger,
    ) {
        let state = match result {
            Ok(Done::Written { log_id, outcome, .. }) => {
                let committed = ledger.get(log_id.index).filter(|c| c.entry.id == *log_id);
                let committed = committed.unwrap_or_else(|| {
                    panic!("acknowledged, never lost: {ticket:?} is {log_id}, not committed")
                });
                if !self.requests[&ticket].committed.contains(&log_id.index) {
                    self.claim(ticket, log_id.index);
                }
                self.check_done(ticket, outcome, committed);
                self.request(ticket).done_at = Some(log_id.index);
                State::Done
            }
            Ok(other) => panic!("oracle: a write was answered {other:?}"),
            Err(Failure::Unknown) => State::Unknown,
            Err(_) => State::Failed,
        };
        if state == State::Failed {
            self.disown(ticket);
        }
        let without_room = *result == Err(Failure::NoSpace);
        let without_memory = *result == Err(Failure::NoMemory);
        let is_short = without_room || without_memory;
        assert!(
            !is_short || self.grows(ticket),
            "oracle: {ticket:?} does not grow, and was answered {result:?}"
        );
        self.outcomes.writes_without_memory += u64::from(without_memory);
        self.outcomes.writes_without_room += u64::from(without_room);
        let request = self.end(ticket, state);
        let is_committed = !request.committed.is_empty();
        assert!(state != State::Failed || !is_committed, "oracle: {ticket:?} failed, yet happened");
        *match state {
            State::Done => &mut self.outcomes.writes_done,
            State::Failed => &mut self.outcomes.writes_failed,
            State::Unknown | State::Waiting => &mut self.outcomes.writes_unknown,
        } += 1;
    }

    /// Whether it asks for what may be refused for want of room or memory.
    fn grows(&self, ticket: Ticket) -> bool {
        let Asked::Write(payload) = &self.requests[&ticket].asked else { return false };
        Command::decode(payload.clone()).is_ok_and(|command| command.grows())
    }

    fn check_done(&mut self, ticket: Ticket, outcome: &Outcome, committed: &Committed) {
        let request = &self.requests[&ticket];
        let id = committed.entry.id;
        let is_it = request.committed.contains(&id.index);
        assert!(is_it, "oracle: {ticket:?} is not the write at {id}");
        assert_eq!(*outcome, committed.outcome, "oracle: the answer of the write at {id}");
        let (revision, changes) = match outcome {
            Outcome::Put { revision, .. } => (*revision, true),
            Outcome::Deleted { revision, count, .. } => (*revision, *count > 0),
            Outcome::Conflict { revision, .. } | Outcome::LeaseGranted { revision, .. } => {
                (*revision, false)
            }
            Outcome::LeaseRevoked { revision, count } => (*revision, *count > 0),
            Outcome::Txn(response) => (response.revision, wrote(&response.results)),
            Outcome::Refused { revision, .. } | Outcome::Compacted { revision, .. } => {
                (*revision, false)
            }
            // What became of the settings, of sessions and of names, is compared above.
            Outcome::SettingsChanged { .. }
            | Outcome::SessionOpened { .. }
            | Outcome::SessionClosed { .. }
            | Outcome::Repeated(_)
            | Outcome::SessionExpired
            | Outcome::Stale
            | Outcome::KeyReused => (committed.revision, false),
            Outcome::Nothing
            | Outcome::TableFull
            | Outcome::Checked { .. }
            | Outcome::AuthChanged { .. }
            | Outcome::LoggedIn { .. }
            | Outcome::Expired { .. } => {
                panic!("oracle: a write was answered with {outcome:?}")
            }
        };
        let floor = request.after.revision;
        match outcome {
            Outcome::Txn(response) if response.succeeded => self.outcomes.txns_done.0 += 1,
            Outcome::Txn(_) => self.outcomes.txns_done.1 += 1,
            Outcome::Repeated(_) => self.outcomes.repeated += 1,
            _ => {}
        }
        let in_order = if changes { revision > floor } else { revision >= floor };
        assert!(in_order, "oracle: the write at {id}, revision {revision}, began after {floor}");
        self.answered.raise(id.index, revision);
    }

    /// A read was answered with `response`, out of a store that showed `published`.
    pub(crate) fn read_answered(
        &mut self,
        ticket: Ticket,
        response: &RangeResponse,
        published: Published,
        ledger: &Ledger,
    ) {
        let request = self.end(ticket, State::Done);
        let Asked::Read(range) = &request.asked else {
            panic!("oracle: a write was answered as a read");
        };
        let (revision, after) = (response.revision, request.after);
        let expected = ledger.model().range(range, revision);
        assert_eq!(response.items, expected, "oracle: {ticket:?} read {range:?} at {revision}");
        self.check_fresh(ticket, after, revision, published, ledger);
        self.outcomes.reads_done += 1;
    }

    /// A transaction that only reads was answered, out of a store that showed `published`.
    pub(crate) fn txn_read(
        &mut self,
        ticket: Ticket,
        response: &Result<TxnResponse, ReadError>,
        published: Published,
        ledger: &Ledger,
    ) {
        let request = self.end(ticket, State::Done);
        let Asked::ReadTxn(txn) = &request.asked else {
            panic!("oracle: something else was answered as a transaction");
        };
        let (revision, after) = (published.revision, request.after);
        let committed = ledger.get(Index(published.applied_index));
        let compacted = committed.map_or(Revision(0), |committed| committed.compacted);
        let expected = ledger.model().read_txn(txn, revision, compacted);
        assert_eq!(*response, expected, "oracle: {ticket:?} read by {txn:?} at {revision}");
        self.check_fresh(ticket, after, revision, published, ledger);
        self.outcomes.txns_read += 1;
    }

    /// A read showed that revision: it is the one of its index, and nothing older than what was
    /// known when the read began.
    fn check_fresh(
        &mut self,
        ticket: Ticket,
        after: Floor,
        revision: Revision,
        published: Published,
        ledger: &Ledger,
    ) {
        let index = Index(published.applied_index);
        let of_index = ledger.get(index).map_or(Revision::FIRST, |committed| committed.revision);
        assert_eq!(revision, of_index, "oracle: the revision at index {index}");
        assert!(
            revision >= after.revision && index >= after.index,
            "oracle: stale: {ticket:?} read revision {revision} at index {index}, after {after:?}"
        );
        self.answered.raise(index, revision);
    }

    /// The process of that life of a member was read as it was, without asking anybody.
    pub(crate) fn read_stale(
        &mut self,
        (member, life): (MemberId, u64),
        range: &KeyRange,
        response: &RangeResponse,
        published: Published,
        ledger: &Ledger,
    ) {
        let (revision, index) = (response.revision, Index(published.applied_index));
        assert!(index <= ledger.last(), "oracle: stale read of {member} is ahead, at {index}");
        let of_index = ledger.get(index).map_or(Revision::FIRST, |committed| committed.revision);
        assert_eq!(revision, of_index, "oracle: stale read of {member}: revision at {index}");
        let expected = ledger.model().range(range, revision);
        assert_eq!(response.items, expected, "oracle: stale read of {member} at {revision}");
        let shown = self.shown.entry((member, life)).or_default();
        let goes_on = index >= shown.index && revision >= shown.revision;
        assert!(goes_on, "oracle: stale read of {member}: {index}, {revision} after {shown:?}");
        shown.raise(index, revision);
        self.outcomes.reads_stale += 1;
    }

    /// A read was not answered: whatever the reason, it read nothing.
    pub(crate) fn read_failed(&mut self, ticket: Ticket) {
        self.end(ticket, State::Failed);
        self.outcomes.reads_failed += 1;
    }

    /// A question about a lease was answered, or failed.
    pub(crate) fn lease_answered(&mut self, ticket: Ticket, is_done: bool) {
        self.end(ticket, if is_done { State::Done } else { State::Failed });
        self.outcomes.lease_answers += u64::from(is_done);
    }

    fn end(&mut self, ticket: Ticket, state: State) -> &Request {
        let request = self.request(ticket);
        assert_eq!(request.state, State::Waiting, "oracle: {ticket:?} was answered twice");
        request.state = state;
        request
    }

    /// What `ticket` asked.
    pub(crate) fn question(&self, ticket: Ticket) -> &Asked {
        &self.requests[&ticket].asked
    }

    pub(crate) fn outcomes(&self) -> Outcomes {
        self.outcomes
    }

    /// The life is over: nobody may be left without an answer.
    pub(crate) fn finish(&self) {
        for (ticket, request) in &self.requests {
            assert_ne!(request.state, State::Waiting, "liveness: {ticket:?} was never answered");
        }
    }
}

/// Whether leaders ask for it of their own accord.
fn is_of_the_leader(payload: &Bytes) -> bool {
    let Ok(command) = Command::decode(payload.clone()) else { return false };
    matches!(command, Command::Check | Command::Expire { .. }) || is_leaders_compaction(&command)
}

/// Whether copies of the command are known for what they are, or do no harm.
pub(crate) fn may_be_repeated(payload: &Bytes) -> bool {
    let command = Command::decode(payload.clone()).expect("only valid commands are asked for");
    matches!(command, Command::Once { .. } | Command::OpenSession | Command::CloseSession { .. })
}

/// Whether members send the command again whose answer they lost (rule 7.2).
fn is_resent(payload: &Bytes) -> bool {
    matches!(Command::decode(payload.clone()), Ok(Command::Once { .. }))
}

impl Floor {
    fn raise(&mut self, index: Index, revision: Revision) {
        self.index = self.index.max(index);
        self.revision = self.revision.max(revision);
    }
}

impl Outcomes {
    /// Adds another life's.
    pub(crate) fn add(&mut self, other: &Outcomes) {
        self.writes_done += other.writes_done;
        self.writes_failed += other.writes_failed;
        self.writes_without_room += other.writes_without_room;
        self.writes_without_memory += other.writes_without_memory;
        self.writes_unknown += other.writes_unknown;
        self.reads_done += other.reads_done;
        self.txns_read += other.txns_read;
        self.txns_done.0 += other.txns_done.0;
        self.txns_done.1 += other.txns_done.1;
        self.repeated += other.repeated;
        self.reads_failed += other.reads_failed;
        self.reads_stale += other.reads_stale;
        self.lease_answers += other.lease_answers;
    }
}
