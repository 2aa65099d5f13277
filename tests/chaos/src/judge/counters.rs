//! Counters: each increment is a write of one key, so the key's version is the count.

use std::collections::BTreeMap;

use super::{Check, Log};
use crate::history::{History, Outcome};

/// Keys that are only ever counted up, never removed.
pub(crate) const PREFIX: &str = "counter/";

pub(crate) fn check(history: &History, log: &Log<'_>) -> Check {
    let mut asked: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for op in history.ops.iter().filter(|op| op.key.starts_with(PREFIX)) {
        let (done, unknown) = asked.entry(&op.key).or_default();
        match op.outcome {
            Outcome::Done(_) => *done += 1,
            Outcome::Unknown => *unknown += 1,
            _ => {}
        }
    }
    let mut violations = Vec::new();
    for (key, (done, unknown)) in &asked {
        let told = log.of_key(key).len() as u64;
        let range = *done..=done + unknown;
        if !range.contains(&told) {
            violations.push(format!("{key}: {told} in the log, {done} done and {unknown} unknown"));
        }
        for contents in &history.contents {
            let count = contents.keys.get(*key).map_or(0, |seen| seen.version);
            if count != told {
                let member = &contents.member;
                violations.push(format!("{key} is {count} on {member}, {told} in the log"));
            }
        }
    }
    let (done, unknown) =
        asked.values().fold((0, 0), |sum, (done, unknown)| (sum.0 + done, sum.1 + unknown));
    let of = format!("{} counters: {done} increments done, {unknown} unknown", asked.len());
    Check { name: "counters", of, violations }
}
