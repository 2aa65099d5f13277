//! Watchers were told the log, exactly; members tell one log and hold what it leaves.

use std::collections::BTreeMap;

use super::{Check, Log};
use crate::history::{Contents, Event, History, Telling};

pub(crate) fn check(history: &History, log: &Log<'_>) -> Check {
    let violations = history.watchers.iter().filter_map(|telling| deviation(telling, log));
    let told: usize = history.watchers.iter().map(|telling| telling.events.len()).sum();
    let of = format!("{} watchers, {told} events", history.watchers.len());
    Check { name: "watches", violations: violations.collect(), of }
}

pub(crate) fn check_equal(history: &History, log: &Log<'_>) -> Check {
    let mut violations: Vec<String> =
        history.logs.iter().filter_map(|telling| deviation(telling, log)).collect();
    if history.logs.is_empty() || history.contents.is_empty() {
        violations.push("no member tells of the past".to_owned());
    }
    let expected = replayed(log);
    violations.extend(history.contents.iter().filter_map(|contents| differs(contents, &expected)));
    let of = format!("{} members at revision {}", history.contents.len(), history.revision);
    Check { name: "equal", violations, of }
}

/// Where what was told leaves the log.
fn deviation(telling: &Telling, log: &Log<'_>) -> Option<String> {
    let Telling { name, events, trouble } = telling;
    if let Some(trouble) = trouble {
        return Some(format!("{name}: {trouble}"));
    }
    let length = events.len().max(log.events.len());
    let wrong = (0..length).find(|at| events.get(*at) != log.events.get(*at))?;
    let [told, there] = [events.get(wrong), log.events.get(wrong)];
    Some(format!("{name}: was told {told:?} where the log has {there:?}"))
}

/// What the log leaves: values, versions since the last creation, revisions.
fn replayed<'a>(log: &Log<'a>) -> BTreeMap<&'a str, (&'a str, u64, u64)> {
    let mut keys = BTreeMap::new();
    for Event { revision, key, value } in log.events {
        match value {
            Some(value) => {
                let version = keys.get(key.as_str()).map_or(0, |(_, version, _)| *version);
                keys.insert(key.as_str(), (value.as_str(), version + 1, *revision));
            }
            None => {
                keys.remove(key.as_str());
            }
        }
    }
    keys
}

fn differs(contents: &Contents, expected: &BTreeMap<&str, (&str, u64, u64)>) -> Option<String> {
    let Contents { member, keys } = contents;
    let held = keys
        .iter()
        .map(|(key, seen)| (key.as_str(), (seen.value.as_str(), seen.version, seen.revision)));
    let held: BTreeMap<&str, (&str, u64, u64)> = held.collect();
    let all = held.keys().chain(expected.keys());
    let key = all.into_iter().find(|key| held.get(*key) != expected.get(*key))?;
    let [held, expected] = [held.get(key), expected.get(key)];
    Some(format!("{member}: {key} is {held:?}, and by the log {expected:?}"))
}
