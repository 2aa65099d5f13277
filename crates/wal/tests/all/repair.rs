//! Repairs under faults and under damage of every kind: what is left is true, and what was lost is
//! remembered.

use std::path::Path;

use disk::{Disk, File, Mode, SimDisk};
use wal::{Batch, Entry, HardState, OpenError, Recovered, Visit, Wal};

use crate::support::{FAULTS, LOG, OPTIONS, Random, entry};

/// The last entry of the log that is damaged.
const LAST: (u64, u64) = (2, 8);

/// A closed log of several segments with entries of two terms.
fn write_log(disk: &SimDisk) -> Vec<Entry> {
    let (mut wal, _) = Wal::open(disk.clone(), Path::new(LOG), OPTIONS, &mut |_| {}).unwrap();
    let entries: Vec<Entry> =
        (1..=8).map(|index| entry(index, 1 + index / 5, vec![index as u8; 5_000])).collect();
    for entry in &entries {
        let hard_state = HardState { term: entry.term, vote: Some(3), commit: entry.index / 2 };
        wal.append(&[Batch::new(hard_state, vec![entry.clone()])]).unwrap();
    }
    wal.write_closing_frame().unwrap();
    drop(wal);
    disk.crash_process();
    entries
}

/// Opens and repairs; the entries that are there, and the log.
fn repair(
    disk: &SimDisk,
    snapshots: &[(u64, u64)],
) -> Result<(Wal<SimDisk>, Recovered, Vec<Entry>), OpenError> {
    let mut found: Vec<Entry> = Vec::new();
    let visit = &mut |visit: Visit<'_>| match visit {
        Visit::Begin { .. } => found.clear(),
        Visit::Start { index, .. } => found.retain(|entry| entry.index > index),
        Visit::Entry(entry) => {
            found.retain(|before| before.index < entry.index);
            found.push(entry.clone());
        }
    };
    let log = Path::new(LOG);
    let snapshots = || Ok(snapshots.to_vec());
    let (wal, recovered) = Wal::open_repairing(disk.clone(), log, OPTIONS, &snapshots, visit)?;
    Ok((wal, recovered, found))
}

fn path_of(number: u64) -> std::path::PathBuf {
    Path::new(LOG).join(format!("{number:020}.wal"))
}

#[test]
fn a_repair_that_fails_at_any_operation_can_be_done_again() {
    for snapshots in [&[][..], &[(1, 3)][..]] {
        for fault in FAULTS {
            for operation in 1.. {
                if !fail_one(snapshots, fault, operation) {
                    assert!(operation > 30, "a repair has only {operation} operations");
                    break;
                }
            }
        }
    }
}

/// Whether the fault struck at all.
fn fail_one(snapshots: &[(u64, u64)], fault: disk::Fault, operation: u64) -> bool {
    let disk = SimDisk::new();
    let entries = write_log(&disk);
    assert!(disk.flip_bit(&path_of(2), 4_200));
    disk.fail_at(operation, fault);
    let outcome = repair(&disk, snapshots).map(drop);
    let struck = disk.counts().faults == 1;
    assert_eq!(outcome.is_err(), struck, "{fault:?} at {operation}: {outcome:?}");
    drop(outcome);
    disk.fail_never();
    disk.power_cut(operation);
    let (wal, recovered, found) = repair(&disk, snapshots).unwrap();
    let context = format!("{fault:?} at {operation}");
    if snapshots.is_empty() {
        assert_eq!((recovered.last, recovered.floor), (Some((1, 1)), Some(LAST)), "{context}");
        assert_eq!(found, entries[..1], "{context}");
    } else {
        assert_eq!((recovered.last, recovered.floor), (Some(LAST), None), "{context}");
        assert_eq!((recovered.start, &found[..]), (Some((1, 3)), &entries[3..]), "{context}");
    }
    let promised = HardState { commit: wal.hard_state().commit, term: 2, vote: Some(3) };
    assert_eq!(wal.hard_state(), promised, "{context}");
    struck
}

/// Overwrites some bytes, or cuts a file short.
fn mangle(random: &mut Random, disk: &SimDisk) {
    let names = disk.list(Path::new(LOG)).unwrap();
    let path = Path::new(LOG).join(&names[random.below(names.len() as u64) as usize]);
    let file = disk.open(&path, Mode::ReadWrite).unwrap();
    let offset = random.below(file.size_bytes().unwrap());
    match random.below(4) {
        3 => file.write_at(&[0; 512], 0).unwrap(),
        0 => file.write_at(&vec![0; 1 + random.below(6_000) as usize], offset).unwrap(),
        1 => file.write_at(&[random.next() as u8; 600], offset).unwrap(),
        _ => drop(disk.flip_bit(&path, offset)),
    }
}

#[test]
fn whatever_the_damage_what_is_left_is_true_and_opens_again() {
    let (mut repaired, mut wiped, mut floors) = (0, 0, 0);
    for seed in 0..1_500 {
        let mut random = Random(seed);
        let disk = SimDisk::new();
        let entries = write_log(&disk);
        (0..=random.below(3)).for_each(|_| mangle(&mut random, &disk));
        let snapshots: &[(u64, u64)] = if random.chance(2) { &[(1, 4)] } else { &[] };
        match repair(&disk, snapshots) {
            Ok((mut wal, recovered, found)) => {
                check(seed, &recovered, &found, &entries);
                repaired += recovered.repairs.len();
                floors += usize::from(recovered.floor.is_some());
                go_on(&disk, &mut wal, &recovered);
            }
            Err(OpenError::Wiped(_)) => wiped += 1,
            Err(other) => panic!("seed {seed}: {other}"),
        }
    }
    assert!(repaired > 500 && floors > 300 && wiped > 5, "{repaired}, {floors}, {wiped}");
}

fn check(seed: u64, recovered: &Recovered, found: &[Entry], entries: &[Entry]) {
    let first = recovered.first_index as usize;
    assert_eq!(found, &entries[first - 1..first - 1 + found.len()], "seed {seed}");
    assert!(recovered.floor.is_none_or(|floor| floor <= LAST), "seed {seed}");
    let start = recovered.start.unwrap_or_default();
    assert!([(0, 0), (1, 4)].contains(&start), "seed {seed}: {start:?}");
}

/// The repaired log takes the next entry and opens again, strictly, with all that it had.
fn go_on(disk: &SimDisk, wal: &mut Wal<SimDisk>, recovered: &Recovered) {
    let next = entry(wal.last_index() + 1, 9, vec![9; 100]);
    let hard_state = HardState { term: 9, vote: None, commit: 0 };
    wal.append(&[Batch::new(hard_state, vec![next])]).unwrap();
    let (last, first) = (wal.last_log_id(), wal.first_index());
    disk.power_cut(1);
    let (again, opened) = Wal::open(disk.clone(), Path::new(LOG), OPTIONS, &mut |_| {}).unwrap();
    assert_eq!((again.last_log_id(), again.first_index()), (last, first));
    assert_eq!((opened.floor, opened.start), (None, recovered.start), "term 9 is above any floor");
}
