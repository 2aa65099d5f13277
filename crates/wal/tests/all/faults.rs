//! Every disk operation of a life fails once, in every way, followed by either kind of crash.

use std::path::Path;

use disk::{Fault, SimDisk};
use wal::{Batch, Error, HardState, OpenError, Wal};

use crate::support::{FAULTS, LOG, Modelled, OPTIONS, Random, entry, random_batches};

/// Two openings, appends over several segments with truncations, closing frames, preparation. It
/// stops at the first failure, as a member does.
fn life(log: &mut Modelled) -> Result<(), Failure> {
    live(log, true, &mut || {})
}

/// The same with or without spares; `between` is called before whatever could open a file.
fn live(log: &mut Modelled, spares: bool, between: &mut dyn FnMut()) -> Result<(), Failure> {
    let mut random = Random(42);
    for _ in 0..2 {
        between();
        log.open()?;
        if spares {
            log.prepare()?;
        }
        for _ in 0..6 {
            let batches = random_batches(&mut random, &log.state, log.commit);
            between();
            log.append(&batches)?;
            between();
            while spares && log.prepare()? {}
            between();
            if log.commit > log.state.start.1 {
                log.cut(log.commit)?;
            }
        }
        between();
        log.wal().write_closing_frame()?;
        between();
        let (start, last) = (log.state.start.1, log.state.last_index());
        if last > start {
            log.wal().read(start + 1, last, 0).map_err(|_| Failure)?;
        }
        log.crash(None);
    }
    Ok(())
}

/// The life ended early.
#[derive(Debug)]
struct Failure;

impl From<Error> for Failure {
    fn from(_: Error) -> Failure {
        Failure
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Failure {
        assert!(matches!(error, OpenError::Disk(_)), "no damage was done, and yet: {error}");
        Failure
    }
}

#[test]
fn an_error_at_any_operation_loses_nothing_that_was_acknowledged() {
    let mut calm = Modelled::new();
    life(&mut calm).unwrap();
    let operations = calm.disk.counts().operations;
    assert!(operations > 150, "the life has only {operations} operations");
    for operation in 1..=operations {
        for fault in FAULTS {
            for power_cut in [None, Some(operation), Some(operation + 1_000)] {
                fail_one(operation, fault, power_cut);
            }
        }
    }
}

fn fail_one(operation: u64, fault: Fault, power_cut: Option<u64>) {
    let mut log = Modelled::new();
    log.disk.fail_at(operation, fault);
    log.disk.trace();
    // `open` compares with the model: it panics if something acknowledged is missing.
    let outcome = life(&mut log);
    assert!(outcome.is_err(), "operation {operation} failed by {fault:?} and nobody heard of it");
    assert_eq!(log.disk.counts().faults, 1, "operation {operation} failed by {fault:?}");
    log.crash(power_cut);
    for _ in 0..2 {
        log.open().unwrap_or_else(|error| {
            panic!(
                "operation {operation}, {fault:?}: {error}\n{}",
                log.disk.take_trace().join("\n")
            )
        });
        log.check_all();
        log.crash(power_cut);
    }
}

/// A log with one durable entry, and a batch with the next.
fn log_and_batch() -> (Modelled, Vec<Batch>) {
    let mut log = Modelled::new();
    log.open().unwrap();
    let hard_state = HardState { term: 1, vote: Some(1), commit: 0 };
    log.append(&[Batch::new(hard_state, vec![entry(1, 1, "a")])]).unwrap();
    (log, vec![Batch::new(hard_state, vec![entry(2, 1, "b")])])
}

#[test]
fn a_poisoned_log_repeats_its_first_cause_and_touches_the_disk_no_more() {
    let (mut log, batches) = log_and_batch();
    log.disk.fail_at(2, Fault::Error);
    let first = log.append(&batches).unwrap_err().to_string();
    assert!(log.wal().is_poisoned() && first.contains("cannot flush"), "{first}");
    let operations = log.disk.counts().operations;
    assert_eq!(log.wal().append(&batches).unwrap_err().to_string(), first);
    assert_eq!(log.wal().write_closing_frame().unwrap_err().to_string(), first);
    assert_eq!(log.wal().prepare().unwrap_err().to_string(), first);
    assert_eq!(log.wal().read(1, 1, 0).unwrap_err().to_string(), first);
    assert_eq!(log.disk.counts().operations, operations);
    assert_eq!(log.wal().last_log_id(), Some((1, 1)), "nothing that failed is reported");
}

#[test]
fn a_failure_to_prepare_leaves_the_log_sound() {
    let (mut log, batches) = log_and_batch();
    log.disk.fail_at(1, Fault::Full);
    let error = log.wal().prepare().unwrap_err();
    assert!(matches!(error, Error::Preparation(_)), "{error}");
    log.append(&batches).unwrap();
    log.crash(Some(1));
    log.open().unwrap();
}

#[test]
fn whoever_waits_for_descriptors_loses_nothing() {
    for spares in [true, false] {
        let mut log = Modelled::new();
        let (disk, mut times) = (log.disk.clone(), 0);
        let between = &mut || {
            times += 1;
            disk.lack_descriptors(times % 5);
        };
        live(&mut log, spares, between).unwrap();
        let unopened = log.disk.counts().unopened;
        assert!(unopened > 10, "only {unopened} attempts failed");
        log.open().unwrap();
        log.check_all();
    }
}

/// An append that needs another segment than the active one.
fn long_batch(log: &Modelled) -> Vec<Batch> {
    let next = log.state.last_index() + 1;
    let entries = (next..next + 2).map(|index| entry(index, 1, vec![7; 5_000])).collect();
    vec![Batch::new(HardState { term: 1, vote: Some(1), commit: 0 }, entries)]
}

#[test]
fn a_segment_that_begins_in_a_spare_needs_no_descriptor() {
    let (mut log, _) = log_and_batch();
    for segments in 1..=3 {
        log.disk.lack_descriptors(0);
        while log.prepare().unwrap() {}
        log.disk.lack_descriptors(u64::MAX);
        log.append(&long_batch(&log)).unwrap();
        assert_eq!(log.wal().stats().segments, segments);
    }
    assert_eq!(log.disk.counts().unopened, 0, "nothing was to be opened");
    log.disk.lack_descriptors(0);
    log.crash(Some(1));
    log.open().unwrap();
    log.check_all();
}

#[test]
fn a_segment_that_can_not_be_opened_to_be_read_is_read_later() {
    let disk = SimDisk::new();
    let (mut wal, _) = Wal::open(disk.clone(), Path::new(LOG), OPTIONS, &mut |_| {}).unwrap();
    let entries: Vec<_> = (1..=6).map(|index| entry(index, 1, vec![7; 5_000])).collect();
    let hard_state = HardState { term: 1, vote: Some(1), commit: 0 };
    wal.append(&[Batch::new(hard_state, entries.clone())]).unwrap();
    disk.lack_descriptors(1);
    let error = wal.read(1, 1, 0).unwrap_err();
    assert!(error.to_string().contains("raise the limit of open files"), "{error}");
    assert!(!wal.is_poisoned());
    assert_eq!(wal.read(1, 1, 0).unwrap(), entries[..1]);
}
