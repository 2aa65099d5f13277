//! Every disk operation of writing and receiving snapshots fails once, in every way; and no bytes
//! make reading one panic, or pass for another snapshot.

use std::path::Path;

use bytes::Bytes;
use disk::{Disk, Fault, File, Mode, SimDisk};
use wal::snapshot::{Incoming, SnapshotError, SnapshotMeta, Snapshots};

const DIRECTORY: &str = "/data/snapshots";
const CLUSTER: u128 = 9;
const FAULTS: [Fault; 4] = [Fault::Error, Fault::Short, Fault::Full, Fault::Halt];

fn meta(index: u64) -> SnapshotMeta {
    SnapshotMeta {
        cluster_id: CLUSTER,
        last: (1, index),
        stamp_ms: index,
        age_ms: index,
        configuration_index: 1,
        configuration: Bytes::from_static(b"configuration"),
    }
}

fn open(disk: &SimDisk) -> Result<Snapshots<SimDisk>, disk::Error> {
    Snapshots::open(disk.clone(), Path::new(DIRECTORY))
}

fn content(index: u64) -> Vec<u8> {
    (0..3_000).map(|byte| (byte * index) as u8).collect()
}

fn write(snapshots: &mut Snapshots<SimDisk>, index: u64) -> Result<(), SnapshotError> {
    let mut writer = snapshots.create(meta(index))?;
    for part in content(index).chunks(1_100) {
        if let Err(error) = writer.write_content(part) {
            snapshots.abandon(writer);
            return Err(error);
        }
    }
    snapshots.finish(writer).map(drop)
}

/// The bytes of a snapshot's file.
fn file_of(index: u64) -> Vec<u8> {
    let mut snapshots = open(&SimDisk::new()).unwrap();
    write(&mut snapshots, index).unwrap();
    let info = snapshots.find((1, index)).unwrap();
    snapshots.read_raw(info, 0, usize::MAX).unwrap().to_vec()
}

fn receive(snapshots: &mut Snapshots<SimDisk>, index: u64) -> Result<(), SnapshotError> {
    let file = file_of(index);
    let bytes_total = file.len() as u64;
    snapshots.receive(Incoming { sender: 2, life: 1, last: (1, index), bytes_total })?;
    for (position, bytes) in file.chunks(700).enumerate() {
        snapshots.write_received(position as u64 * 700, bytes)?;
    }
    snapshots.finish_received(CLUSTER).map(drop)
}

/// Two snapshots are written and two received, and the older ones are removed.
fn life(disk: &SimDisk) -> Result<(), SnapshotError> {
    let mut snapshots = open(disk)?;
    for index in [10, 20, 30, 40] {
        if index % 20 == 10 {
            write(&mut snapshots, index)?;
        } else {
            receive(&mut snapshots, index)?;
        }
        let newest: Vec<(u64, u64)> =
            snapshots.good().iter().take(2).map(|info| info.meta.last).collect();
        snapshots.retain(&newest)?;
    }
    Ok(())
}

/// Every good snapshot has the content that it should.
fn check_content(snapshots: &Snapshots<SimDisk>) {
    for info in snapshots.good() {
        let mut reader = snapshots.reader(info).unwrap();
        let mut found = Vec::new();
        while let Some(chunk) = reader.next_chunk().unwrap() {
            found.extend_from_slice(&chunk);
        }
        assert_eq!((&info.meta, &found), (&meta(info.meta.last.1), &content(info.meta.last.1)));
    }
}

#[test]
fn an_error_at_any_operation_leaves_whole_snapshots_and_the_one_before() {
    let calm = SimDisk::new();
    life(&calm).unwrap();
    let operations = calm.counts().operations;
    assert!(operations > 100, "the life has only {operations} operations");
    for operation in 1..=operations {
        for fault in FAULTS {
            for power_cut in [None, Some(operation), Some(operation + 1_000)] {
                fail_one(operation, fault, power_cut);
            }
        }
    }
}

fn fail_one(operation: u64, fault: Fault, power_cut: Option<u64>) {
    let disk = SimDisk::new();
    disk.fail_at(operation, fault);
    let outcome = life(&disk);
    match power_cut {
        Some(seed) => disk.power_cut(seed),
        None => disk.crash_process(),
    }
    let snapshots = open(&disk).unwrap();
    let context = format!("operation {operation}, {fault:?}, {power_cut:?}");
    assert!(snapshots.skipped().is_empty(), "{context}: {:?}", snapshots.skipped());
    check_content(&snapshots);
    if outcome.is_ok() {
        assert_eq!(snapshots.good()[0].meta.last, (1, 40), "{context}");
    }
}

fn disk_with(bytes: &[u8]) -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new(DIRECTORY)).unwrap();
    let path = Path::new(DIRECTORY).join("00000000000000000010-1.snapshot");
    disk.open(&path, Mode::CreateNew).unwrap().write_at(bytes, 0).unwrap();
    disk
}

fn is_good(bytes: &[u8]) -> bool {
    let snapshots = open(&disk_with(bytes)).unwrap();
    assert_eq!(snapshots.good().len() + snapshots.skipped().len(), 1);
    !snapshots.good().is_empty()
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let file = file_of(10);
    assert!(is_good(&file));
    for offset in 0..file.len() {
        let mut damaged = file.clone();
        damaged[offset] ^= 1 << (offset % 8);
        assert!(!is_good(&damaged), "at {offset}");
    }
}

#[test]
fn a_file_that_is_cut_or_goes_on_is_found() {
    let file = file_of(10);
    for length in 0..file.len() {
        assert!(!is_good(&file[..length]), "{length} bytes");
    }
    for more in [1, 8, 32, 5_000] {
        assert!(!is_good(&[&file[..], &vec![0; more]].concat()), "{more} bytes more");
    }
}

#[test]
fn chunks_of_another_snapshot_or_in_another_order_are_found() {
    let (file, other) = (file_of(10), file_of(20));
    let header = 88 + 13;
    let chunk = |position: usize| header + position * 1_108..header + (position + 1) * 1_108;
    let mut exchanged = file.clone();
    exchanged[chunk(0)].copy_from_slice(&file[chunk(1)]);
    exchanged[chunk(1)].copy_from_slice(&file[chunk(0)]);
    assert!(!is_good(&exchanged));
    let mut foreign = file.clone();
    foreign[chunk(1)].copy_from_slice(&other[chunk(1)]);
    assert!(!is_good(&foreign));
    let lost = [&file[..chunk(1).start], &file[chunk(1).end..]].concat();
    assert!(!is_good(&lost));
    assert!(!is_good(&other), "another snapshot under this name");
}

#[test]
fn a_snapshot_of_another_cluster_is_not_taken() {
    let mut snapshots = open(&SimDisk::new()).unwrap();
    let file = file_of(10);
    let bytes_total = file.len() as u64;
    snapshots.receive(Incoming { sender: 2, life: 1, last: (1, 10), bytes_total }).unwrap();
    snapshots.write_received(0, &file).unwrap();
    let message = snapshots.finish_received(CLUSTER + 1).unwrap_err().to_string();
    assert!(message.contains("another cluster"), "{message}");
    assert!(snapshots.good().is_empty());
}

#[test]
fn more_bytes_than_were_said_end_the_reception() {
    let mut snapshots = open(&SimDisk::new()).unwrap();
    snapshots.receive(Incoming { sender: 2, life: 1, last: (1, 10), bytes_total: 5 }).unwrap();
    let message = snapshots.write_received(0, b"six bytes").unwrap_err().to_string();
    assert!(message.contains("size"), "{message}");
    assert!(matches!(snapshots.write_received(0, b"x"), Err(SnapshotError::NotReceiving)));
}
