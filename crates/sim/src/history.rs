//! What clients asked and were answered, kept for the second judge (`judge::search`): when, which
//! value was found, which one was left. Where in the log something stands, and at which revision,
//! is no part of it.
//!
//! A change of several keys counts for each of them alone (`effects.rs`). Copies of one change are
//! one operation: it begins with the first call, and was done by the first answer that says so.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use judge::{Operation, Verdict, search};
use replica::{Done, Failure, Ticket};
use store::{Command, KeyRange, KeyValue, Outcome, RangeResponse, TxnResponse, TxnResult};

use crate::effects::{self, Effect, Keys};
use crate::oracle::Asked;

#[derive(Debug, Default)]
pub(crate) struct History {
    clock: u64,
    asked: BTreeMap<Ticket, (u64, Asked)>,
    changes: BTreeMap<Bytes, Change>,
    finds: Vec<Find>,
}

/// A change, with all its copies.
#[derive(Debug)]
struct Change {
    called: u64,
    /// When it was first known to be done.
    done: Option<u64>,
    /// Some copy may have done it, or may yet.
    open: u64,
    /// What the keys had before, if the answer tells.
    found: Option<Vec<KeyValue>>,
    /// What came of it, if it is a transaction: which branch was taken, and the results.
    results: Option<(bool, Vec<TxnResult>)>,
}

impl Change {
    fn called_at(called: u64) -> Change {
        Change { called, done: None, open: 0, found: None, results: None }
    }
}

/// Somebody was told what a range held.
#[derive(Debug)]
struct Find {
    called: u64,
    returned: u64,
    keys: Keys,
    items: Vec<KeyValue>,
}

impl History {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    pub(crate) fn asked(&mut self, ticket: Ticket, asked: &Asked) {
        let called = self.tick();
        if let Asked::Write(payload) = asked {
            let change = self.changes.entry(payload.clone());
            change.or_insert_with(|| Change::called_at(called)).open += 1;
        }
        self.asked.insert(ticket, (called, asked.clone()));
    }

    pub(crate) fn write_answered(&mut self, ticket: Ticket, result: &Result<Done, Failure>) {
        let returned = self.tick();
        let Some((called, Asked::Write(payload))) = self.asked.remove(&ticket) else { return };
        let change = self.changes.get_mut(&payload).expect("it was asked for");
        let outcome = match result {
            Ok(Done::Written { outcome, .. }) => outcome,
            Ok(_) | Err(Failure::Unknown) => return,
            // This copy certainly did nothing.
            Err(_) => {
                change.open -= 1;
                return;
            }
        };
        let mut done = |found: Option<Vec<KeyValue>>| {
            change.done.get_or_insert(returned);
            change.found = change.found.take().or(found);
        };
        let is_repeated = matches!(outcome, Outcome::Repeated(_));
        // Of what was too large to be kept, a transaction's branches within are not known.
        let Some(outcome) = outcome.first() else {
            if !matches!(decode(&payload), Command::Txn(_)) {
                done(None);
            }
            return;
        };
        match outcome {
            Outcome::Put { prev, .. } => {
                done(asks_prev(&payload).then(|| prev.iter().cloned().collect()));
            }
            Outcome::Deleted { count: 0, .. } => done(Some(Vec::new())),
            Outcome::Deleted { prev, .. } => done(asks_prev(&payload).then(|| prev.clone())),
            Outcome::Txn(response) => {
                done(None);
                let TxnResponse { succeeded, results, .. } = response.clone();
                change.results = Some((succeeded, results.clone()));
                let during = (change.called, returned);
                self.found_by_txn(during, &payload, succeeded, results);
            }
            // This copy, or the one it repeats, did nothing, and every other will be told so.
            Outcome::Conflict { .. } if is_repeated => change.open -= 1,
            Outcome::Conflict { current, .. } => {
                change.open -= 1;
                let items = current.iter().cloned().collect();
                let keys = effects::of_change(&decode(&payload), None, None).pop();
                let keys = keys.expect("only changes of keys have conditions").keys;
                self.finds.push(Find { called, returned, keys, items });
            }
            Outcome::Refused { .. } => change.open -= 1,
            // Another copy may have done it.
            _ => {}
        }
    }

    /// What a transaction told that wrote nothing.
    fn found_by_txn(
        &mut self,
        during: (u64, u64),
        payload: &Bytes,
        succeeded: bool,
        results: Vec<TxnResult>,
    ) {
        let Command::Txn(txn) = decode(payload) else { return };
        if !effects::wrote(&results) {
            self.found(during, effects::finds(&txn, succeeded, results));
        }
    }

    fn found(&mut self, (called, returned): (u64, u64), all: Vec<(KeyRange, Vec<KeyValue>)>) {
        for (range, items) in all {
            self.finds.push(Find { called, returned, keys: Keys::Of(range), items });
        }
    }

    /// A transaction that only reads was answered.
    pub(crate) fn txn_answered(&mut self, ticket: Ticket, response: &TxnResponse) {
        let returned = self.tick();
        if let Some((called, Asked::ReadTxn(txn))) = self.asked.remove(&ticket) {
            let TxnResponse { succeeded, results, .. } = response.clone();
            self.found((called, returned), effects::finds(&txn, succeeded, results));
        }
    }

    pub(crate) fn read_answered(&mut self, ticket: Ticket, response: &RangeResponse) {
        let returned = self.tick();
        if let Some((called, Asked::Read(range))) = self.asked.remove(&ticket) {
            self.found((called, returned), vec![(range, response.items.clone())]);
        }
    }

    /// A key went by itself, at the entry of that index: at this moment.
    pub(crate) fn vanished(&mut self, index: u64, key: &Bytes) {
        let (called, done) = (self.tick(), Some(self.tick()));
        let end = [key, format!("\0by entry {index}").as_bytes()].concat().into();
        let range = KeyRange::Between { start: key.clone(), end };
        let removal = Command::Delete { range, prev_kv: false, condition: None };
        self.changes.insert(removal.encode(), Change { done, ..Change::called_at(called) });
    }

    /// The life is over: for each key there is an order in which all of it makes sense. Answers for
    /// how many keys one was found.
    pub(crate) fn check(&self) -> u64 {
        let (mut changes, mut keys) = (Vec::new(), BTreeSet::new());
        for (payload, change) in &self.changes {
            let command = decode(payload);
            // Those that it certainly did nothing to are looked at too.
            for Effect { keys: of, .. } in effects::of_change(&command, None, None) {
                if let Keys::Of(KeyRange::Single(key)) = of {
                    keys.insert(key);
                }
            }
            let (found, results) = (change.found.as_ref(), change.results.as_ref());
            if change.done.is_some() || change.open > 0 {
                let effects = effects::of_change(&command, found, results);
                changes.extend(effects.into_iter().map(|effect| (effect, change)));
            }
        }
        for key in &keys {
            match search(&self.of_key(key, &changes)) {
                Verdict::Ordered => {}
                Verdict::Impossible => panic!("search: no order of what {key:?} showed"),
                Verdict::Undecided => panic!("search undecided: of what {key:?} showed"),
            }
        }
        keys.len() as u64
    }

    /// What happened to a key. Values are told apart by numbers.
    fn of_key(&self, key: &Bytes, changes: &[(Effect, &Change)]) -> Vec<Operation> {
        let mut numbers: BTreeMap<Bytes, u64> = BTreeMap::new();
        let mut number = |value: Bytes| {
            let next = numbers.len() as u64;
            *numbers.entry(value).or_insert(next)
        };
        let at = |items: &[KeyValue]| {
            let item = items.iter().find(|item| item.key == *key);
            item.map(|item| item.value.clone())
        };
        let mut operations = Vec::new();
        for find in self.finds.iter().filter(|find| find.keys.hold(key)) {
            let Find { called, returned, items, .. } = find;
            let saw = Some(at(items).map(&mut number));
            operations.push(Operation {
                called: *called,
                returned: Some(*returned),
                saw,
                left: None,
            });
        }
        for (effect, change) in changes.iter().filter(|(effect, _)| effect.keys.hold(key)) {
            let saw = effect.saw.as_ref().map(|items| at(items).map(&mut number));
            let left = effect.left.clone().map(|left| left.map(&mut number));
            let Change { called, done: returned, .. } = **change;
            if saw.is_some() || left.is_some() {
                operations.push(Operation { called, returned, saw, left });
            }
        }
        operations
    }
}

fn asks_prev(payload: &Bytes) -> bool {
    match decode(payload) {
        Command::Put { put, .. } => put.prev_kv,
        Command::Delete { prev_kv, .. } => prev_kv,
        _ => false,
    }
}

/// The change itself, whatever its name.
fn decode(payload: &Bytes) -> Command {
    match Command::decode(payload.clone()).expect("only valid commands are asked for") {
        Command::Once { command, .. } => *command,
        command => command,
    }
}
