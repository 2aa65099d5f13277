//! No bytes on the disk make the log panic, and damage is never taken for an earlier end of the
//! log.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use disk::{Disk, File, Mode, SimDisk};
use wal::{Batch, Entry, HardState, OpenError, Options, Visit, Wal};

use crate::support::{LOG, OPTIONS, Random, entry};

/// Bytes of the files used here.
const FILE_BYTES: usize = OPTIONS.segment_bytes as usize;

/// The files of a closed log: two segments with five entries and a closing frame at the end.
fn sound_log() -> (Vec<(PathBuf, Vec<u8>)>, Vec<Entry>) {
    let disk = SimDisk::new();
    let mut wal = open(&disk, &mut Vec::new()).unwrap();
    let entries: Vec<Entry> =
        (1..=5).map(|index| entry(index, 1, vec![index as u8; 3_000])).collect();
    for entry in &entries {
        let hard_state = HardState { term: 1, vote: Some(1), commit: entry.index - 1 };
        wal.append(&[Batch::new(hard_state, vec![entry.clone()])]).unwrap();
    }
    wal.write_closing_frame().unwrap();
    let names = disk.list(Path::new(LOG)).unwrap();
    let files = names.iter().map(|name| (Path::new(LOG).join(name), read(&disk, name)));
    (files.collect(), entries)
}

fn open(disk: &SimDisk, found: &mut Vec<Entry>) -> Result<Wal<SimDisk>, OpenError> {
    let visit = &mut |visit: Visit<'_>| match visit {
        Visit::Entry(entry) => {
            found.truncate(entry.index as usize - 1);
            found.push(entry.clone());
        }
        Visit::Begin { .. } => found.clear(),
        Visit::Start { .. } => unreachable!("these logs are never cut"),
    };
    Wal::open(disk.clone(), Path::new(LOG), OPTIONS, visit).map(|(wal, _)| wal)
}

fn read(disk: &SimDisk, name: &str) -> Vec<u8> {
    let file = disk.open(&Path::new(LOG).join(name), Mode::Read).unwrap();
    let mut bytes = vec![0; file.size_bytes().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    bytes
}

fn disk_with(files: &[(PathBuf, Vec<u8>)]) -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new(LOG)).unwrap();
    for (path, bytes) in files {
        disk.open(path, Mode::CreateNew).unwrap().write_at(bytes, 0).unwrap();
    }
    disk
}

/// Opens the files and uses what opens: damage is refused, and nothing else goes wrong.
fn open_and_use(files: &[(PathBuf, Vec<u8>)]) -> Option<Vec<Entry>> {
    let disk = disk_with(files);
    let mut found = Vec::new();
    match open(&disk, &mut found) {
        Ok(mut wal) => {
            let last = wal.last_index();
            let term = wal.hard_state().term + 1;
            let hard_state = HardState { term, vote: None, commit: 0 };
            let entries = vec![entry(last + 1, term, Bytes::new())];
            wal.append(&[Batch::new(hard_state, entries)]).unwrap();
            wal.read(wal.first_index(), last + 1, usize::MAX).unwrap();
            Some(found)
        }
        Err(OpenError::Corrupt(_) | OpenError::Wiped(_) | OpenError::UnknownVersion { .. }) => None,
        Err(OpenError::Disk(error)) => panic!("the disk is well, and yet: {error}"),
    }
}

#[test]
fn one_flipped_bit_is_found_or_harmless_wherever_it_is() {
    let (files, entries) = sound_log();
    assert_eq!(files.len(), 2);
    let (mut refused, mut harmless) = (0, 0);
    for file in 0..files.len() {
        for offset in 0..files[file].1.len() {
            let mut files = files.clone();
            files[file].1[offset] ^= 1 << (offset % 8);
            match open_and_use(&files) {
                Some(found) => {
                    assert_eq!(found, entries, "{} at {offset}", files[file].0.display());
                    harmless += 1;
                }
                None => refused += 1,
            }
        }
    }
    assert!(refused > 15_000 && harmless > 4_000, "{refused} refused, {harmless} harmless");
}

#[test]
fn files_of_random_bytes_are_refused() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let length = random.below(FILE_BYTES as u64);
        let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        let path = Path::new(LOG).join("00000000000000000001.wal");
        assert_eq!(open_and_use(&[(path, bytes)]), None);
    }
}

#[test]
fn damage_of_any_size_is_refused_or_leaves_a_beginning_of_the_log() {
    let (files, entries) = sound_log();
    for seed in 0..2_000 {
        let mut random = Random(seed);
        let mut files = files.clone();
        for _ in 0..=random.below(4) {
            let file = random.below(2) as usize;
            mangle(&mut random, &mut files[file].1);
        }
        if let Some(found) = open_and_use(&files) {
            assert_eq!(found, entries[..found.len()], "seed {seed}");
        }
    }
}

/// Overwrites, cuts, swaps: what broken disks and broken operators do.
fn mangle(random: &mut Random, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len() as u64;
    let start = random.below(length) as usize;
    let end = (start + random.below(5_000) as usize).min(bytes.len());
    match random.below(5) {
        0 => bytes[start..end].fill(0),
        1 => bytes[start..end].iter_mut().for_each(|byte| *byte = random.next() as u8),
        2 => bytes.truncate(start),
        3 => bytes.rotate_left((random.below(4) * 4096 % length) as usize),
        _ => bytes[start] = random.next() as u8,
    }
}

#[test]
fn a_frame_that_was_written_to_the_place_of_another_is_found() {
    let (files, _) = sound_log();
    let blocks = FILE_BYTES / 4096;
    for file in 0..files.len() {
        for (from, to) in (1..blocks).flat_map(|from| (1..blocks).map(move |to| (from, to))) {
            let mut files = files.clone();
            let frame = files[file].1[from * 4096..][..4096].to_vec();
            files[file].1[to * 4096..][..4096].copy_from_slice(&frame);
            assert_eq!(open_and_use(&files).is_some(), from == to, "{from} to {to}");
        }
    }
}

/// A log whose only frame is torn at its header, while its payload holds two frames of the sound
/// log, at block boundaries: as a client would store them who had read the disk of a member with
/// `OPTIONS.salt`.
fn torn_log_with_frames_in_a_value(salt: u64) -> Option<Vec<Entry>> {
    let (files, _) = sound_log();
    let frame = files[0].1[4096..8192].to_vec();
    // The payload begins 120 bytes after its frame.
    let payload = [vec![0; 4096 - 120], frame.clone(), frame].concat();
    let disk = SimDisk::new();
    let options = Options { salt, ..OPTIONS };
    let (mut wal, _) = Wal::open(disk.clone(), Path::new(LOG), options, &mut |_| {}).unwrap();
    let hard_state = HardState { term: 1, vote: None, commit: 0 };
    wal.append(&[Batch::new(hard_state, vec![entry(1, 1, payload)])]).unwrap();
    let name = "00000000000000000001.wal";
    let mut bytes = read(&disk, name);
    bytes[4096..4608].fill(0);
    open_and_use(&[(Path::new(LOG).join(name), bytes)])
}

#[test]
fn a_value_that_holds_frames_is_not_taken_for_the_log() {
    assert_eq!(torn_log_with_frames_in_a_value(OPTIONS.salt + 1), Some(Vec::new()), "a torn tail");
    assert_eq!(
        torn_log_with_frames_in_a_value(OPTIONS.salt),
        None,
        "what a known salt would allow"
    );
}
