//! Nothing acknowledged is lost, nothing is done twice, nothing refused shows.

use std::collections::BTreeMap;

use super::{Check, Log, REVISION_EMPTY};
use crate::history::{History, Op, Outcome, What};

pub(crate) fn check(history: &History, log: &Log<'_>) -> Check {
    let mut violations = gaps(log);
    violations.extend(values(history, log));
    violations.extend(removals(history, log));
    let done = history.ops.iter().filter(|op| matches!(op.outcome, Outcome::Done(_))).count();
    let of = format!("{done} acknowledged writes, {} revisions", log.events.len());
    Check { name: "writes", of, violations }
}

/// Each of our writes makes one revision and nobody else writes, so none is missing.
fn gaps(log: &Log<'_>) -> Vec<String> {
    let expected = REVISION_EMPTY + 1..;
    let wrong = log.events.iter().zip(expected).find(|(event, next)| event.revision != *next);
    let told = |(event, next): (&crate::history::Event, u64)| {
        format!("the log tells of revision {} where {next} comes next", event.revision)
    };
    wrong.map(told).into_iter().collect()
}

fn values(history: &History, log: &Log<'_>) -> Vec<String> {
    let mut told: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
    for event in log.events {
        if let Some(value) = &event.value {
            told.entry((&event.key, value)).or_default().push(event.revision);
        }
    }
    let mut violations = Vec::new();
    for op in &history.ops {
        let Some(value) = op.written() else { continue };
        let at = told.remove(&(op.key.as_str(), value)).unwrap_or_default();
        violations.extend(broken_word(op, &at));
    }
    let foreign = told
        .into_iter()
        .map(|((key, value), at)| format!("{key} = {value:?} at {at:?}, which nobody wrote"));
    violations.extend(foreign);
    violations
}

/// What is wrong with a write that is in the log at these revisions.
fn broken_word(op: &Op, at: &[u64]) -> Option<String> {
    let (key, value) = (&op.key, op.written().unwrap_or_default());
    let wrong = match (&op.outcome, at) {
        (_, [_, _, ..]) => format!("done {} times, at {at:?}", at.len()),
        (Outcome::Done(revision), []) => format!("lost: acknowledged at {revision}"),
        (Outcome::Done(revision), [other]) if revision != other => {
            format!("acknowledged at {revision}, and is at {other}")
        }
        (Outcome::Refused | Outcome::Conflict(_), [other]) => {
            format!("refused, and is there at {other}")
        }
        _ => return None,
    };
    Some(format!("{key} = {value:?}: {wrong}"))
}

/// Removals have no value to be known by: they are counted.
fn removals(history: &History, log: &Log<'_>) -> Vec<String> {
    let mut asked: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for op in history.ops.iter().filter(|op| op.what == What::Delete) {
        let (done, unknown) = asked.entry(&op.key).or_default();
        match op.outcome {
            Outcome::Removed(count) => *done += count,
            Outcome::Unknown => *unknown += 1,
            _ => {}
        }
    }
    let keys: std::collections::BTreeSet<&str> =
        asked.keys().copied().chain(log.by_key.keys().copied()).collect();
    let wrong = keys.into_iter().filter_map(|key| {
        let (done, unknown) = asked.get(key).copied().unwrap_or_default();
        let told = log.of_key(key).iter().filter(|event| event.value.is_none()).count() as u64;
        (!(done..=done + unknown).contains(&told)).then(|| {
            format!("{key}: {done} removals done and {unknown} unknown, {told} in the log")
        })
    });
    wrong.collect()
}
