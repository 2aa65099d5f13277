//! What clients asked and were answered, kept for the second judge (`search.rs`): when, which value
//! was found, which one was left. Where in the log something stands, and at which revision, is no
//! part of it.
//!
//! A change of several keys counts for each of them alone. Copies of one change are one operation:
//! it begins with the first call, and was done by the first answer that says so.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use replica::{Done, Failure, Ticket};
use store::{Command, KeyRange, KeyValue, Outcome, RangeResponse};

use crate::oracle::Asked;
use crate::search::{Operation, Verdict, search};

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
}

/// Somebody was told what a range held.
#[derive(Debug)]
struct Find {
    called: u64,
    returned: u64,
    range: KeyRange,
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
            let new = || Change { called, done: None, open: 0, found: None };
            self.changes.entry(payload.clone()).or_insert_with(new).open += 1;
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
        match outcome {
            Outcome::Put { prev, .. } => {
                done(asks_prev(&payload).then(|| prev.iter().cloned().collect()));
            }
            Outcome::Deleted { count: 0, .. } => done(Some(Vec::new())),
            Outcome::Deleted { prev, .. } => done(asks_prev(&payload).then(|| prev.clone())),
            Outcome::Repeated(_) => done(None),
            Outcome::Conflict { current, .. } => {
                change.open -= 1;
                let items = current.iter().cloned().collect();
                let range = touched(&payload).expect("only changes of keys have conditions").0;
                self.finds.push(Find { called, returned, range, items });
            }
            // This copy, or the one it repeats, did nothing, and every other will be told so.
            Outcome::Refused { .. } => change.open -= 1,
            // Another copy may have done it.
            _ => {}
        }
    }

    pub(crate) fn read_answered(&mut self, ticket: Ticket, response: &RangeResponse) {
        let returned = self.tick();
        if let Some((called, Asked::Read(range))) = self.asked.remove(&ticket) {
            let items = response.items.clone();
            self.finds.push(Find { called, returned, range, items });
        }
    }

    /// A key went by itself, at the entry of that index: at this moment.
    pub(crate) fn vanished(&mut self, index: u64, key: &Bytes) {
        let (called, done) = (self.tick(), Some(self.tick()));
        let end = [key, format!("\0by entry {index}").as_bytes()].concat().into();
        let range = KeyRange::Between { start: key.clone(), end };
        let removal = Command::Delete { range, prev_kv: false, condition: None };
        let change = Change { called, done, open: 0, found: None };
        self.changes.insert(removal.encode(), change);
    }

    /// The life is over: for each key there is an order in which all of it makes sense. Answers for
    /// how many keys one was found.
    pub(crate) fn check(&self) -> u64 {
        let changes: Vec<(KeyRange, Option<Bytes>, &Change)> = self
            .changes
            .iter()
            .filter_map(|(payload, change)| touched(payload).map(|(r, left)| (r, left, change)))
            .collect();
        let keys = changes.iter().filter_map(|(range, _, _)| match range {
            KeyRange::Single(key) => Some(key),
            _ => None,
        });
        let keys: BTreeSet<&Bytes> = keys.collect();
        for key in &keys {
            match search(self.of_key(key, &changes)) {
                Verdict::Ordered => {}
                Verdict::Impossible => panic!("search: no order of what {key:?} showed"),
                Verdict::Undecided => panic!("search undecided: of what {key:?} showed"),
            }
        }
        keys.len() as u64
    }

    /// What happened to a key. Values are told apart by numbers.
    fn of_key(
        &self,
        key: &Bytes,
        changes: &[(KeyRange, Option<Bytes>, &Change)],
    ) -> Vec<Operation> {
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
        for find in self.finds.iter().filter(|find| holds(&find.range, key)) {
            let Find { called, returned, items, .. } = find;
            let saw = Some(at(items).map(&mut number));
            operations.push(Operation {
                called: *called,
                returned: Some(*returned),
                saw,
                left: None,
            });
        }
        for (_, left, change) in changes.iter().filter(|(range, ..)| holds(range, key)) {
            if change.done.is_none() && change.open == 0 {
                continue;
            }
            let saw = change.found.as_ref().map(|items| at(items).map(&mut number));
            let left = Some(left.clone().map(&mut number));
            let Change { called, done: returned, .. } = **change;
            operations.push(Operation { called, returned, saw, left });
        }
        without_the_unseen(operations)
    }
}

/// What was never answered, and nobody saw, need not have happened.
fn without_the_unseen(mut operations: Vec<Operation>) -> Vec<Operation> {
    let saw: BTreeSet<u64> = operations.iter().filter_map(|o| o.saw.flatten()).collect();
    operations.retain(|operation| {
        let unseen = matches!(operation.left, Some(Some(value)) if !saw.contains(&value));
        operation.returned.is_some() || !unseen
    });
    operations
}

/// Which keys a change is about, and what it leaves there; none if it is about none.
fn touched(payload: &Bytes) -> Option<(KeyRange, Option<Bytes>)> {
    match decode(payload) {
        Command::Put { put, .. } => Some((KeyRange::Single(put.key), Some(put.value))),
        Command::Delete { range, .. } => Some((range, None)),
        _ => None,
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

fn holds(range: &KeyRange, key: &Bytes) -> bool {
    match range {
        KeyRange::Single(single) => key == single,
        KeyRange::Prefix(prefix) => key.starts_with(prefix),
        KeyRange::From(start) => key >= start,
        KeyRange::Between { start, end } => start <= key && key < end,
    }
}
