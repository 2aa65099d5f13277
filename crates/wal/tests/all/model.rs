//! Random lives of a log, compared with a naive model after every step.

use disk::Counts;
use wal::{Error, OpenError};

use crate::support::{FAULTS, Modelled, Random, random_batches};

const SEEDS: u64 = 400;
const STEPS: u64 = 60;

/// What happened in a life, to prove that the lives were hostile enough.
#[derive(Debug, Default)]
struct Seen {
    crashes: u64,
    failed_appends: u64,
    failed_opens: u64,
    failed_removals: u64,
    given_up: u64,
    starts: u64,
    torn_tails: u64,
    segments: u64,
    disk: Counts,
}

#[test]
fn whatever_happens_the_log_holds_what_was_acknowledged() {
    let mut seen = Seen::default();
    for seed in 0..SEEDS {
        live(seed, &mut seen);
    }
    assert!(seen.crashes > SEEDS && seen.failed_appends > SEEDS / 2, "{seen:?}");
    assert!(seen.failed_opens > SEEDS / 4 && seen.torn_tails > SEEDS / 8, "{seen:?}");
    assert!(seen.given_up > SEEDS / 4 && seen.failed_removals > SEEDS / 20, "{seen:?}");
    assert!(seen.starts > SEEDS, "{seen:?}");
    assert!(seen.segments > SEEDS && seen.disk.sectors_torn > 0, "{seen:?}");
    assert!(seen.disk.sectors_lost > 0 && seen.disk.names_lost > 0, "{seen:?}");
}

fn live(seed: u64, seen: &mut Seen) {
    let mut random = Random(seed);
    let mut log = Modelled::new();
    for step in 0..STEPS {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if log.is_open() {
                step_open(&mut random, &mut log, seen);
            } else {
                reopen(&mut random, &mut log, seen);
            }
        }));
        if let Err(panic) = result {
            eprintln!("seed {seed}, step {step}");
            std::panic::resume_unwind(panic);
        }
    }
    let counts = log.disk.counts();
    seen.disk.sectors_lost += counts.sectors_lost;
    seen.disk.sectors_torn += counts.sectors_torn;
    seen.disk.names_lost += counts.names_lost;
}

fn step_open(random: &mut Random, log: &mut Modelled, seen: &mut Seen) {
    match random.below(12) {
        0..=4 => append(random, log, seen),
        5 => log.wal().write_closing_frame().unwrap(),
        6 => drop(log.prepare().unwrap()),
        7 if log.commit > log.state.start.1 => cut(random, log, seen),
        8 if !log.state.entries.is_empty() => {
            let from = log.state.start.1 + 1 + random.below(log.state.entries.len() as u64);
            let to = from + random.below(log.state.last_index() - from + 1);
            let bytes_max = random.below(10_000) as usize;
            log.check_read(from, to, bytes_max);
        }
        7..=9 => log.check_all(),
        _ => crash(random, log, seen),
    }
}

/// Cuts the log somewhere in what is committed, sometimes on a disk that fails.
fn cut(random: &mut Random, log: &mut Modelled, seen: &mut Seen) {
    let start = log.state.start.1;
    let to = start + 1 + random.below(log.commit - start);
    if random.chance(3) {
        log.disk.fail_at(1 + random.below(12), random.pick(&FAULTS));
    }
    let result = log.cut(to);
    log.disk.fail_never();
    let stats = log.wal().stats();
    seen.given_up += stats.segments_recycled.min(1) + stats.segments_removed.min(1);
    match result {
        Ok(()) if random.chance(2) => log.check_all(),
        Ok(()) => {}
        Err(Error::Removal(_)) => {
            seen.failed_removals += 1;
            if random.chance(2) && !log.disk.is_halted() {
                log.check_all();
            } else {
                crash(random, log, seen);
            }
        }
        Err(_) => crash(random, log, seen),
    }
}

/// Appends, sometimes on a disk that fails; then the process dies, as it must.
fn append(random: &mut Random, log: &mut Modelled, seen: &mut Seen) {
    let batches = random_batches(random, &log.state, log.commit);
    if random.chance(4) {
        log.disk.fail_at(1 + random.below(8), random.pick(&FAULTS));
    }
    seen.starts += batches.iter().filter(|batch| batch.start.is_some()).count() as u64;
    let segments = log.wal().stats().segments;
    let result = log.append(&batches);
    log.disk.fail_never();
    seen.segments += log.wal().stats().segments - segments;
    if let Err(error) = result {
        seen.failed_appends += 1;
        assert!(matches!(error, Error::Poisoned { .. }), "{error}");
        assert!(log.wal().append(&batches).is_err(), "a poisoned log never recovers");
        crash(random, log, seen);
    }
}

fn crash(random: &mut Random, log: &mut Modelled, seen: &mut Seen) {
    seen.crashes += 1;
    let power_cut = random.chance(2);
    let seed = random.next();
    log.crash(power_cut.then_some(seed));
}

/// Opens, sometimes on a disk that fails: that is an error of the disk, and never taken for damage.
fn reopen(random: &mut Random, log: &mut Modelled, seen: &mut Seen) {
    if random.chance(3) {
        log.disk.fail_at(1 + random.below(40), random.pick(&FAULTS));
    }
    match log.open() {
        Ok(recovered) => {
            seen.torn_tails += u64::from(recovered.torn_tail.is_some());
            log.disk.fail_never();
            log.check_all();
            // What was recovered is durable: only the next append may be lost.
            if random.chance(3) {
                crash(random, log, seen);
            }
        }
        Err(OpenError::Disk(_)) => {
            seen.failed_opens += 1;
            crash(random, log, seen);
        }
        Err(other) => panic!("no damage was done, and yet: {other}"),
    }
}
