//! The judges: pure functions of a history, each of which names what was broken.
//!
//! | check | file | it demands |
//! |---|---|---|
//! | writes | `writes.rs` | acknowledged: once, where told; refused: never; unknown: at most once |
//! | linearizable | `registers.rs` | an order of all answers about a key (`judge::search`) |
//! | fresh | `registers.rs` | each read shows a state of the log, and none that is too old |
//! | counters | `counters.rs` | each increment was counted once |
//! | watches | `watches.rs` | each watcher was told each revision once, in order, no other |
//! | equal | `watches.rs` | all members tell one log, and hold what it leaves |
//!
//! The *log* is what the members tell of the past at the end, to one who watches from the first
//! revision; it is not believed, but held against what clients were told all along.

mod counters;
mod registers;
#[cfg(test)]
mod tests;
mod watches;
mod writes;

use std::collections::BTreeMap;

use crate::history::{Event, History};
pub(crate) use counters::PREFIX as COUNTER_PREFIX;

/// One check of one life.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    /// What it looked at, in words.
    pub(crate) of: String,
    /// What was broken; empty if nothing was.
    pub(crate) violations: Vec<String>,
}

/// The revision of an empty store.
pub(crate) const REVISION_EMPTY: u64 = 1;

/// All checks of a history.
pub(crate) fn judge(history: &History) -> Vec<Check> {
    let log = Log::of(history.logs.first().map_or(&[][..], |telling| &telling.events));
    vec![
        writes::check(history, &log),
        registers::check_linearizable(history),
        registers::check_fresh(history, &log),
        counters::check(history, &log),
        watches::check(history, &log),
        watches::check_equal(history, &log),
    ]
}

/// The log, and its events by key.
#[derive(Debug)]
pub(crate) struct Log<'a> {
    pub(crate) events: &'a [Event],
    by_key: BTreeMap<&'a str, Vec<&'a Event>>,
}

impl<'a> Log<'a> {
    fn of(events: &'a [Event]) -> Log<'a> {
        let mut by_key: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
        for event in events {
            by_key.entry(&event.key).or_default().push(event);
        }
        Log { events, by_key }
    }

    fn of_key(&self, key: &str) -> &[&'a Event] {
        self.by_key.get(key).map_or(&[], Vec::as_slice)
    }

    /// What the key was like at a revision: the last event up to it.
    fn at(&self, key: &str, revision: u64) -> Option<&'a Event> {
        let events = self.of_key(key);
        let after = events.partition_point(|event| event.revision <= revision);
        after.checked_sub(1).map(|last| events[last])
    }
}
