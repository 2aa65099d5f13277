//! Lives in the ordinary test run: every seed that ever failed, and a few hundred more. The long
//! runs are the binary's (`docs/testing.md`).

use std::collections::BTreeSet;

use sim::{Canary, Fault, Fleet, Trace, WatchCounts, live, try_live};

/// Seeds that once failed, with what was wrong.
const ONCE_FAILED: &str = include_str!("../seeds.txt");

/// Lives that every test run lives.
const LIVES: u64 = 200;

/// A planted bug must be found within so many seeds.
const CANARY_SEEDS: u64 = 200;

#[test]
fn seeds_that_once_failed_pass() {
    let lines = ONCE_FAILED.lines().filter(|line| !line.starts_with('#'));
    let seeds = lines.filter_map(|line| line.split_whitespace().next());
    for seed in seeds {
        live(seed.parse().expect("a line begins with a seed"), None, Trace::off());
    }
}

#[test]
fn a_few_hundred_seeds_pass_and_every_fault_really_happens() {
    let summary = Fleet { from: 0, seeds: LIVES, threads: 2, budget: None }.run(|_, _| {});
    assert_eq!(summary.broken, []);
    assert_eq!(summary.passed, LIVES);
    let never: BTreeSet<Fault> =
        Fault::ALL.into_iter().filter(|&fault| summary.faults.of(fault) == 0).collect();
    assert_eq!(never, BTreeSet::new(), "faults that never happened");
    assert!(summary.sectors.0 > 0 && summary.sectors.1 > 0, "no power cut lost or tore a sector");
    let outcomes = summary.outcomes;
    let kinds = [
        outcomes.writes_done,
        outcomes.writes_failed,
        outcomes.writes_without_room,
        outcomes.writes_without_memory,
        outcomes.writes_unknown,
        outcomes.txns_done.0,
        outcomes.txns_done.1,
        outcomes.txns_read,
        outcomes.repeated,
    ];
    assert!(kinds.iter().all(|&kind| kind > 0), "an outcome never came: {outcomes:?}");
    assert!(summary.lease_trials > 0, "no lease was watched to its end");
    assert!(summary.compactions.by_memory > 0, "nothing was given up for want of memory");
    let watches = summary.watches;
    let WatchCounts { events, begun, compacted, progress, fallen_behind } = watches;
    let happened = [events, begun, compacted, progress, fallen_behind];
    assert!(happened.iter().all(|&count| count > 0), "watching never came to it: {watches:?}");
}

/// Lives until the planted bug is found; the message of what found it.
fn found(canary: Canary) -> String {
    (0..CANARY_SEEDS)
        .find_map(|seed| try_live(seed, Some(canary), Trace::off()).err())
        .unwrap_or_else(|| panic!("{canary:?} was not found in {CANARY_SEEDS} seeds"))
        .message
}

#[test]
fn a_log_that_says_durable_too_early_is_found() {
    let message = found(Canary::LyingFlush);
    assert!(message.contains("durable quorum") || message.contains("term and vote"), "{message}");
}

#[test]
fn a_forgotten_vote_is_found() {
    let message = found(Canary::ForgottenVote);
    assert!(message.contains("term and vote"), "{message}");
}

#[test]
fn a_disk_from_the_past_is_found() {
    let message = found(Canary::RolledBackDisk);
    assert!(message.contains("durable quorum") || message.contains("term and vote"), "{message}");
}

#[test]
fn a_read_that_was_not_confirmed_is_found() {
    let message = found(Canary::UnconfirmedReads);
    assert!(message.contains("stale"), "{message}");
}

#[test]
fn an_unknown_outcome_called_failed_is_found() {
    let message = found(Canary::UnknownCalledFailed);
    assert!(message.contains("failed"), "{message}");
}
