//! Looking at a damaged log says all that is wrong, and changes nothing.

use std::path::{Path, PathBuf};

use disk::{Disk, File, Mode, SimDisk};
use wal::{Batch, Forecast, HardState, LogReport, Visit, Wal, inspect};

use crate::support::{LOG, OPTIONS, entry};

/// Four segments, with one entry each.
fn written() -> SimDisk {
    let disk = SimDisk::new();
    let (mut wal, _) = Wal::open(disk.clone(), Path::new(LOG), OPTIONS, &mut |_| {}).unwrap();
    for index in 1..=4 {
        let hard_state = HardState { term: 1, vote: Some(1), commit: index - 1 };
        let entries = vec![entry(index, 1, vec![7; 10_000])];
        wal.append(&[Batch::new(hard_state, entries)]).unwrap();
    }
    wal.write_closing_frame().unwrap();
    drop(wal);
    disk.crash_process();
    disk
}

fn path_of(number: u64) -> PathBuf {
    Path::new(LOG).join(format!("{number:020}.wal"))
}

fn look(disk: &SimDisk, snapshots: &[(u64, u64)]) -> (LogReport, Vec<u64>) {
    let mut indexes = Vec::new();
    let visit = &mut |visit: Visit<'_>| {
        if let Visit::Entry(entry) = visit {
            indexes.push(entry.index);
        }
    };
    let before = contents(disk);
    let report = inspect(disk.clone(), Path::new(LOG), snapshots, visit).unwrap();
    assert_eq!(contents(disk), before, "looking changes nothing");
    (report, indexes)
}

fn contents(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let file = disk.open(&Path::new(LOG).join(&name), Mode::Read).unwrap();
        let mut bytes = vec![0; file.size_bytes().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        (name, bytes)
    };
    disk.list(Path::new(LOG)).unwrap().into_iter().map(read).collect()
}

#[test]
fn whether_a_log_was_closed_is_seen() {
    let disk = written();
    assert!(look(&disk, &[]).0.closed);
    let (mut wal, _) = Wal::open(disk.clone(), Path::new(LOG), OPTIONS, &mut |_| {}).unwrap();
    let hard_state = HardState { term: 1, vote: Some(1), commit: 4 };
    wal.append(&[Batch::new(hard_state, vec![entry(5, 1, vec![7; 10])])]).unwrap();
    drop(wal);
    disk.crash_process();
    assert!(!look(&disk, &[]).0.closed);
}

#[test]
fn a_sound_log_is_read_to_its_end() {
    let (report, indexes) = look(&written(), &[]);
    assert!(report.is_sound() && report.torn_tail.is_none());
    assert_eq!((report.last, report.start, report.floor), (Some((1, 4)), None, None));
    assert_eq!(indexes, [1, 2, 3, 4]);
    let shown: Vec<(bool, u64, u64)> =
        report.segments.iter().map(|s| (s.live, s.first_index, s.records)).collect();
    assert_eq!(shown[..4], [(true, 1, 1), (true, 2, 1), (true, 3, 1), (true, 4, 1)]);
}

#[test]
fn every_damage_is_told_with_its_place_and_what_a_repair_would_do() {
    let disk = written();
    assert!(disk.flip_bit(&path_of(2), 4_300) && disk.flip_bit(&path_of(3), 50));
    let (report, indexes) = look(&disk, &[]);
    let places: Vec<(PathBuf, u64)> =
        report.damages.iter().map(|damage| (damage.path.clone(), damage.offset)).collect();
    assert_eq!(places, [(path_of(2), 4096), (path_of(3), 0)]);
    assert_eq!(indexes, [], "the chain of headers is broken");
    let forecast = Forecast { last: Some((1, 1)), lost_to: Some((1, 4)) };
    assert_eq!(report.forecast, Some(forecast));
}

#[test]
fn a_snapshot_saves_what_is_behind_the_damage() {
    let disk = written();
    assert!(disk.flip_bit(&path_of(2), 4_300));
    let (report, indexes) = look(&disk, &[(1, 2)]);
    assert_eq!((report.damages.len(), indexes), (1, vec![1]));
    let forecast = Forecast { last: Some((1, 4)), lost_to: None };
    assert_eq!(report.forecast, Some(forecast));
}

#[test]
fn a_missing_segment_is_told() {
    let disk = written();
    disk.remove(&path_of(2)).unwrap();
    let (report, _) = look(&disk, &[]);
    let message = report.damages[0].to_string();
    assert!(message.contains("segment 2, which comes before it, is missing"), "{message}");
}

#[test]
fn nothing_can_be_forecast_where_nothing_names_what_is_lost() {
    let disk = written();
    let newest = (1..).take_while(|number| disk.open(&path_of(*number), Mode::Read).is_ok());
    let newest = newest.last().unwrap();
    let file = disk.open(&path_of(newest), Mode::ReadWrite).unwrap();
    file.write_at(&[0; 512], 0).unwrap();
    let (report, _) = look(&disk, &[]);
    assert!(!report.is_sound());
    assert_eq!(report.forecast, None);
}
