//! Reads and writes of single keys: linearizable, twice over. Once by an order of all answers, with
//! no revisions; once by revisions, against the log.

use std::collections::BTreeMap;

use judge::{Operation, Value, Verdict, search};

use super::{Check, Log};
use crate::history::{History, Op, Outcome, Seen, What};

/// Is there an order, for each key?
pub(crate) fn check_linearizable(history: &History) -> Check {
    let mut by_key: BTreeMap<&str, Vec<&Op>> = BTreeMap::new();
    for op in &history.ops {
        by_key.entry(&op.key).or_default().push(op);
    }
    let verdicts = by_key.iter().map(|(key, ops)| (key, search(&operations(ops))));
    let wrong = verdicts.filter_map(|(key, verdict)| match verdict {
        Verdict::Ordered => None,
        Verdict::Impossible => Some(format!("{key}: no order of its answers makes sense")),
        Verdict::Undecided => Some(format!("{key}: one value was written twice, undecided")),
    });
    let of = format!("{} answers about {} keys", history.ops.len(), by_key.len());
    Check { name: "linearizable", violations: wrong.collect(), of }
}

fn operations(ops: &[&Op]) -> Vec<Operation> {
    let mut numbers: BTreeMap<String, u64> = BTreeMap::new();
    let mut number = |value: &str| {
        let next = numbers.len() as u64;
        *numbers.entry(value.to_owned()).or_insert(next)
    };
    ops.iter().filter_map(|op| operation(op, &mut number)).collect()
}

/// What an answer says; what was certainly not done says nothing.
fn operation(op: &Op, number: &mut impl FnMut(&str) -> u64) -> Option<Operation> {
    let seen = |seen: &Option<Seen>, number: &mut dyn FnMut(&str) -> u64| -> Value {
        seen.as_ref().map(|seen| number(&seen.value))
    };
    let (called, mut returned) = (op.called, Some(op.returned));
    let (saw, left) = match (&op.what, &op.outcome) {
        (_, Outcome::Refused) | (What::Read, Outcome::Unknown) => return None,
        (_, Outcome::Found(found) | Outcome::Conflict(found)) => (Some(seen(found, number)), None),
        (What::Swap { expected, value }, Outcome::Done(_)) => {
            let expected = expected.as_ref().map(|expected| number(expected));
            (Some(expected), Some(Some(number(value))))
        }
        (What::Put(value), Outcome::Done(_)) => (None, Some(Some(number(value)))),
        (What::Put(value) | What::Swap { value, .. }, Outcome::Unknown) => {
            returned = None;
            (None, Some(Some(number(value))))
        }
        (What::Delete, Outcome::Removed(0)) => (Some(None), None),
        (What::Delete, Outcome::Removed(_)) => (None, Some(None)),
        (What::Delete, Outcome::Unknown) => {
            returned = None;
            (None, Some(None))
        }
        (what, outcome) => unreachable!("{what:?} is not answered with {outcome:?}"),
    };
    Some(Operation { called, returned, saw, left })
}

/// Does each read show a state of the log, and none that is too old?
pub(crate) fn check_fresh(history: &History, log: &Log<'_>) -> Check {
    let mut acknowledged: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for op in &history.ops {
        if let Outcome::Done(revision) = op.outcome {
            acknowledged.entry(&op.key).or_default().push((op.returned, revision));
        }
    }
    for times in acknowledged.values_mut() {
        times.sort_unstable();
        // The highest revision that was acknowledged by each time.
        let mut highest = 0;
        for (_, revision) in times {
            highest = highest.max(*revision);
            *revision = highest;
        }
    }
    let (mut reads, mut violations) = (0, Vec::new());
    for op in &history.ops {
        let (Outcome::Found(found) | Outcome::Conflict(found)) = &op.outcome else { continue };
        reads += 1;
        let times = acknowledged.get(op.key.as_str()).map_or(&[][..], Vec::as_slice);
        let before = times.partition_point(|(returned, _)| *returned < op.called);
        let floor = before.checked_sub(1).map_or(0, |last| times[last].1);
        violations.extend(stale(op, found.as_ref(), floor, log));
    }
    Check { name: "fresh", of: format!("{reads} reads"), violations }
}

/// What is wrong with an answer, when revision `floor` was acknowledged before it was asked for.
fn stale(op: &Op, found: Option<&Seen>, floor: u64, log: &Log<'_>) -> Option<String> {
    let key = &op.key;
    let Some(Seen { value, revision, .. }) = found else {
        // Nothing was there: some state since the floor must have been so.
        let at_floor = log.at(key, floor).and_then(|event| event.value.as_ref());
        let later = log.of_key(key).iter().filter(|event| event.revision > floor);
        let ever = at_floor.is_none() || later.into_iter().any(|event| event.value.is_none());
        return (!ever).then(|| format!("{key} was not found, though written at {floor}"));
    };
    if *revision < floor {
        return Some(format!("{key}: stale: {revision} was read after {floor} was acknowledged"));
    }
    match log.at(key, *revision) {
        Some(event) if event.revision == *revision && event.value.as_ref() == Some(value) => None,
        other => Some(format!("{key} = {value:?} at {revision}: the log has {other:?}")),
    }
}
