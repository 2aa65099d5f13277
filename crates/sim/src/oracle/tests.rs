//! The judge judged: histories that are known to be good pass, and each that is known to be bad is
//! found, by the check that is there for it.

use std::panic::catch_unwind;

use raft::{LogId, Term};
use store::{
    Command, Compare, KeyValue, Lifetime, Operand, Origin, Put, RangeRequest, Relation, Store,
    TxnOp, TxnResult,
};

use super::*;
use crate::history::History;

/// A cluster of one store, told by hand.
#[derive(Debug)]
struct World {
    oracle: Oracle,
    ledger: Ledger,
    /// What the second judge hears; if it is to judge, the first one hears nothing.
    history: History,
    second: bool,
}

impl World {
    fn new() -> World {
        let (oracle, history) = (Oracle::default(), History::default());
        World { oracle, ledger: Ledger::new(), history, second: false }
    }

    fn ask_put(&mut self, ticket: u64, value: &'static str) -> Bytes {
        let payload = Command::from(Put::new("k", value)).encode();
        self.ask(ticket, Asked::Write(payload.clone()));
        payload
    }

    /// A put under a name, which members may send again of their own accord.
    fn ask_named(&mut self, ticket: u64) -> Bytes {
        let (origin, put) = (Origin::Key("a name".into()), Put::new("k", "v"));
        let payload = Command::Once { origin, command: Box::new(put.into()) }.encode();
        self.ask(ticket, Asked::Write(payload.clone()));
        payload
    }

    /// Under a name: puts "v" if the key is not there, and reads it otherwise.
    fn ask_txn(&mut self, ticket: u64) -> Bytes {
        let (range, origin) = (KeyRange::Single("k".into()), Origin::Key("a name".into()));
        let (relation, operand) = (Relation::Equal, Operand::Version(0));
        let txn = Txn {
            compares: vec![Compare { range: range.clone(), relation, operand }],
            success: vec![TxnOp::Put(Put::new("k", "v"))],
            failure: vec![TxnOp::Range(RangeRequest::new(range))],
        };
        let payload = Command::Once { origin, command: Box::new(Command::Txn(txn)) }.encode();
        self.ask(ticket, Asked::Write(payload.clone()));
        payload
    }

    /// "Done" to the transaction at `index`: which branch it took, and what was found if it was
    /// the other one.
    fn answer_txn(
        &mut self,
        ticket: u64,
        index: u64,
        succeeded: bool,
        value: Option<&'static str>,
    ) {
        let log_id = LogId::new(Term(1), Index(index));
        let result = match succeeded {
            true => TxnResult::Put { prev: None },
            false => TxnResult::Range(shown(index - 1, value).0),
        };
        let revision = Revision(if succeeded { index + 1 } else { index });
        let response = TxnResponse { revision, succeeded, results: vec![result] };
        let outcome = Outcome::Txn(response);
        self.answer(ticket, &Ok(Done::Written { log_id, stamp_ms: 0, outcome }));
    }

    /// "Done" to the write at `index`, with what came of it there.
    fn answer_truly(&mut self, ticket: u64, index: u64) {
        let log_id = LogId::new(Term(1), Index(index));
        let outcome = self.ledger.get(Index(index)).expect("it is committed").outcome.clone();
        self.answer(ticket, &Ok(Done::Written { log_id, stamp_ms: 0, outcome }));
    }

    fn ask_read(&mut self, ticket: u64) {
        self.ask(ticket, Asked::Read(KeyRange::all()));
    }

    fn ask(&mut self, ticket: u64, asked: Asked) {
        self.history.asked(Ticket(ticket), &asked);
        self.oracle.asked(Ticket(ticket), asked);
    }

    fn answer(&mut self, ticket: u64, result: &Result<Done, Failure>) {
        self.history.write_answered(Ticket(ticket), result);
        if !self.second {
            self.oracle.write_answered(Ticket(ticket), result, &self.ledger);
        }
    }

    fn commit(&mut self, payload: &Bytes) {
        let id = LogId::new(Term(1), self.ledger.last().next());
        let kind = EntryKind::Command;
        let entry = Entry { id, kind, stamp_ms: 0, age_ms: 0, payload: payload.clone() };
        self.oracle.committed(&self.ledger.append(entry, Term(1)).entry);
    }

    /// The answer "done" to the write at `index`, whose revision is said to be `revision`.
    fn answer_done(&mut self, ticket: u64, index: u64, revision: u64) {
        let log_id = LogId::new(Term(1), Index(index));
        let outcome = Outcome::Put { revision: Revision(revision), prev: None };
        let done = Done::Written { log_id, stamp_ms: 0, outcome };
        self.answer(ticket, &Ok(done));
    }

    fn answer_failure(&mut self, ticket: u64, failure: Failure) {
        self.answer(ticket, &Err(failure));
    }

    /// The answer to a read of a member that has applied up to `index`, and shows `value`.
    fn answer_read(&mut self, ticket: u64, index: u64, value: Option<&'static str>) {
        let (response, published) = shown(index, value);
        self.history.read_answered(Ticket(ticket), &response);
        if !self.second {
            self.oracle.read_answered(Ticket(ticket), &response, published, &self.ledger);
        }
    }

    /// A stale read of the only member, in that life of it.
    fn read_stale(&mut self, life: u64, index: u64, value: Option<&'static str>) {
        let ((response, published), all) = (shown(index, value), KeyRange::all());
        let process = (MemberId(1), life);
        self.oracle.read_stale(process, &all, &response, published, &self.ledger);
    }

    /// One write, committed and answered.
    fn with_one_write() -> World {
        let mut world = World::new();
        let first = world.ask_put(1, "one");
        world.commit(&first);
        world.answer_done(1, 1, 2);
        world
    }
}

/// What a store shows that has applied up to `index`.
fn shown(index: u64, value: Option<&'static str>) -> (RangeResponse, Published) {
    let revision = Revision(index + 1);
    let item = |value: &'static str| KeyValue {
        key: "k".into(),
        value: value.into(),
        create_revision: Revision(2),
        mod_revision: revision,
        version: index,
        lifetime: Lifetime::Unbounded,
    };
    let items: Vec<KeyValue> = value.map(item).into_iter().collect();
    let count = items.len() as u64;
    let published = Store::new().reader().published();
    let published = Published { applied_index: index, revision, ..published };
    (RangeResponse { items, more: false, count, revision }, published)
}

#[test]
fn a_stale_read_may_be_old_and_a_restart_may_go_back() {
    let mut world = World::with_one_write();
    world.read_stale(1, 0, None);
    world.read_stale(1, 1, Some("one"));
    world.read_stale(2, 0, None);
    assert_eq!(world.oracle.outcomes().reads_stale, 3);
}

#[test]
#[should_panic(expected = "stale read of 1: ")]
fn a_stale_read_that_goes_back_on_one_process_is_found() {
    let mut world = World::with_one_write();
    world.read_stale(1, 1, Some("one"));
    world.read_stale(1, 0, None);
}

#[test]
#[should_panic(expected = "is ahead")]
fn a_stale_read_of_the_future_is_found() {
    World::with_one_write().read_stale(1, 2, Some("two"));
}

#[test]
#[should_panic(expected = "stale read of 1 at")]
fn a_stale_read_of_what_never_was_is_found() {
    World::with_one_write().read_stale(1, 1, Some("invented"));
}

#[test]
fn a_good_history_passes() {
    let mut world = World::with_one_write();
    let lost = world.ask_put(2, "two");
    world.answer_failure(2, Failure::Unknown);
    world.ask_read(3);
    world.answer_read(3, 1, Some("one"));
    world.commit(&lost);
    world.ask_put(4, "three");
    world.answer_failure(4, Failure::Superseded);
    world.ask_read(5);
    world.answer_read(5, 2, Some("two"));
    world.oracle.finish();
    let outcomes = world.oracle.outcomes();
    assert_eq!((outcomes.writes_done, outcomes.writes_failed), (1, 1));
    assert_eq!((outcomes.writes_unknown, outcomes.reads_done), (1, 2));
}

#[test]
fn a_read_may_miss_a_write_that_was_not_answered_when_it_began() {
    let mut world = World::new();
    world.ask_read(1);
    let write = world.ask_put(2, "one");
    world.commit(&write);
    world.answer_done(2, 1, 2);
    world.answer_read(1, 0, None);
}

#[test]
#[should_panic(expected = "stale")]
fn a_read_that_misses_an_acknowledged_write_is_found() {
    let mut world = World::with_one_write();
    world.ask_read(2);
    world.answer_read(2, 0, None);
}

#[test]
#[should_panic(expected = "stale")]
fn a_read_older_than_an_earlier_read_is_found() {
    let mut world = World::new();
    let write = world.ask_put(1, "one");
    world.commit(&write);
    world.ask_read(2);
    world.answer_read(2, 1, Some("one"));
    world.ask_read(3);
    world.answer_read(3, 0, None);
}

#[test]
#[should_panic(expected = "read From")]
fn a_read_of_what_nobody_wrote_is_found() {
    let mut world = World::with_one_write();
    world.ask_read(2);
    world.answer_read(2, 1, Some("invented"));
}

#[test]
#[should_panic(expected = "not committed")]
fn an_acknowledgement_of_what_is_not_committed_is_found() {
    let mut world = World::new();
    world.ask_put(1, "one");
    world.answer_done(1, 1, 2);
}

#[test]
#[should_panic(expected = "is not the write at")]
fn an_acknowledgement_of_somebody_elses_write_is_found() {
    let mut world = World::new();
    let first = world.ask_put(1, "one");
    world.ask_put(2, "two");
    world.commit(&first);
    world.answer_done(2, 1, 2);
}

#[test]
#[should_panic(expected = "the answer of the write")]
fn a_wrong_revision_is_found() {
    let mut world = World::new();
    let write = world.ask_put(1, "one");
    world.commit(&write);
    world.answer_done(1, 1, 3);
}

#[test]
#[should_panic(expected = "failed, yet happened")]
fn a_failure_of_a_write_that_happened_is_found() {
    let mut world = World::new();
    let write = world.ask_put(1, "one");
    world.commit(&write);
    world.answer_failure(1, Failure::Unavailable);
}

#[test]
#[should_panic(expected = "failed definitely")]
fn a_write_that_happens_after_it_failed_is_found() {
    let mut world = World::new();
    let write = world.ask_put(1, "one");
    world.answer_failure(1, Failure::Superseded);
    world.commit(&write);
}

#[test]
#[should_panic(expected = "committed twice")]
fn a_write_that_happens_twice_is_found() {
    let mut world = World::new();
    let write = world.ask_put(1, "one");
    world.commit(&write);
    world.commit(&write);
}

#[test]
fn a_named_write_may_stand_in_the_log_more_often_than_it_was_asked_for() {
    let mut world = World::new();
    let write = world.ask_named(1);
    world.commit(&write);
    world.commit(&write);
    world.ask_named(2);
    world.answer_failure(2, Failure::Unavailable);
    world.answer_truly(1, 2);
    assert_eq!(world.oracle.outcomes().writes_done, 1);
}

#[test]
fn copies_of_a_named_write_are_whose_the_answers_say() {
    let mut world = World::new();
    let write = world.ask_named(1);
    world.ask_named(2);
    (0..3).for_each(|_| world.commit(&write));
    world.answer_truly(2, 1);
    world.answer_truly(1, 3);
    assert_eq!(world.oracle.outcomes().writes_done, 2);
}

#[test]
#[should_panic(expected = "committed twice")]
fn a_named_write_that_stands_in_the_log_again_after_its_answer_is_found() {
    let mut world = World::new();
    let write = world.ask_named(1);
    world.commit(&write);
    world.answer_truly(1, 1);
    world.commit(&write);
}

#[test]
fn a_repeated_transaction_is_answered_with_what_came_of_the_first() {
    let mut world = World::new();
    let txn = world.ask_txn(1);
    world.ask_txn(2);
    (0..2).for_each(|_| world.commit(&txn));
    world.answer_txn(1, 1, true, None);
    world.answer_truly(2, 2);
    let outcomes = world.oracle.outcomes();
    assert_eq!((outcomes.txns_done, outcomes.repeated), ((1, 0), 1));
}

#[test]
#[should_panic(expected = "the answer of the write")]
fn a_repeated_transaction_that_is_done_again_is_found() {
    let mut world = World::new();
    let txn = world.ask_txn(1);
    world.ask_txn(2);
    (0..2).for_each(|_| world.commit(&txn));
    world.answer_txn(1, 1, true, None);
    world.answer_txn(2, 2, false, Some("v"));
}

#[test]
#[should_panic(expected = "stale")]
fn a_transaction_that_reads_what_is_overwritten_is_found() {
    let mut world = World::with_one_write();
    let txn =
        Txn { success: vec![TxnOp::Range(RangeRequest::new(KeyRange::all()))], ..Txn::default() };
    world.ask(2, Asked::ReadTxn(txn));
    let (response, published) = shown(0, None);
    let (revision, results) = (response.revision, vec![TxnResult::Range(response)]);
    let response = Ok(TxnResponse { revision, succeeded: true, results });
    world.oracle.txn_read(Ticket(2), &response, published, &world.ledger);
}

#[test]
#[should_panic(expected = "failed, yet happened")]
fn a_failure_of_a_named_write_whose_earlier_copy_happened_is_found() {
    let mut world = World::new();
    let write = world.ask_named(1);
    world.commit(&write);
    world.answer_failure(1, Failure::Superseded);
}

#[test]
#[should_panic(expected = "answered twice")]
fn a_second_answer_is_found() {
    let mut world = World::with_one_write();
    world.answer_failure(1, Failure::Unknown);
}

#[test]
#[should_panic(expected = "never answered")]
fn a_request_without_an_answer_is_found() {
    let mut world = World::new();
    world.ask_read(1);
    world.oracle.finish();
}

type Told = (&'static str, bool, fn(&mut World));

/// Histories that both judges know enough of to judge, and whether they are good.
const TOLD: [Told; 10] = [
    ("an unknown write that is seen later", true, |world| {
        let write = world.ask_put(1, "one");
        world.answer_failure(1, Failure::Unknown);
        world.ask_read(2);
        world.answer_read(2, 0, None);
        world.commit(&write);
        world.ask_read(3);
        world.answer_read(3, 1, Some("one"));
    }),
    ("a read while a write is under way", true, |world| {
        let write = world.ask_put(1, "one");
        world.ask_read(2);
        world.commit(&write);
        world.answer_read(2, 0, None);
        world.answer_done(1, 1, 2);
    }),
    ("a failed write that nobody sees", true, |world| {
        world.ask_put(1, "one");
        world.answer_failure(1, Failure::Superseded);
        world.ask_read(2);
        world.answer_read(2, 0, None);
    }),
    ("a read that misses an acknowledged write", false, |world| {
        let write = world.ask_put(1, "one");
        world.commit(&write);
        world.answer_done(1, 1, 2);
        world.ask_read(2);
        world.answer_read(2, 0, None);
    }),
    ("a read older than an earlier read", false, |world| {
        let write = world.ask_put(1, "one");
        world.commit(&write);
        world.ask_read(2);
        world.answer_read(2, 1, Some("one"));
        world.ask_read(3);
        world.answer_read(3, 0, None);
    }),
    ("a read of a write that failed", false, |world| {
        world.ask_put(1, "one");
        world.answer_failure(1, Failure::Unavailable);
        world.ask_read(2);
        world.answer_read(2, 1, Some("one"));
    }),
    ("a transaction whose answer is lost, and which is seen later", true, |world| {
        let txn = world.ask_txn(1);
        world.answer_failure(1, Failure::Unknown);
        world.ask_read(2);
        world.answer_read(2, 0, None);
        world.commit(&txn);
        world.ask_read(3);
        world.answer_read(3, 1, Some("v"));
    }),
    ("a transaction that took its other branch, and is seen to have written", false, |world| {
        let txn = world.ask_txn(1);
        world.commit(&txn);
        world.answer_txn(1, 1, false, None);
        world.ask_read(2);
        world.answer_read(2, 1, Some("v"));
    }),
    ("a transaction that finds what is overwritten", false, |world| {
        let write = world.ask_put(1, "one");
        world.commit(&write);
        world.answer_done(1, 1, 2);
        let txn = world.ask_txn(2);
        world.commit(&txn);
        world.answer_txn(2, 2, false, None);
    }),
    ("a read of what nobody wrote", false, |world| {
        let write = world.ask_put(1, "one");
        world.commit(&write);
        world.answer_done(1, 1, 2);
        world.ask_read(2);
        world.answer_read(2, 1, Some("invented"));
    }),
];

#[test]
fn both_judges_say_the_same() {
    for (name, good, tell) in TOLD {
        let first = catch_unwind(|| tell(&mut World::new()));
        let second = catch_unwind(|| {
            let mut world = World { second: true, ..World::new() };
            tell(&mut world);
            world.history.check()
        });
        assert_eq!(first.is_ok(), good, "{name}: the oracle");
        assert_eq!(second.is_ok(), good, "{name}: the search");
    }
}
