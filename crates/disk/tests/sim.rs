//! The simulated disk fails as its documentation says.
#![cfg(feature = "sim")]
// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use disk::{
    Directory, Disk, Error, Fault, File, Harm, Mode, Patience, Patient, SECTOR_BYTES, SimDisk,
    SimFile,
};

const SEEDS: u64 = 64;

/// A disk with the durable directory `/d` and, in it, the durable file `/d/a` of one old sector.
fn disk_with_file() -> (SimDisk, SimFile) {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new("/d")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let file = disk.open(Path::new("/d/a"), Mode::CreateNew).unwrap();
    file.write_at(&[1; SECTOR_BYTES], 0).unwrap();
    file.sync().unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    (disk, file)
}

fn read(disk: &SimDisk, path: &str) -> Vec<u8> {
    let file = disk.open(Path::new(path), Mode::Read).unwrap();
    let mut bytes = vec![0; file.size_bytes().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn a_process_crash_keeps_what_was_written_and_kills_open_files() {
    let (disk, file) = disk_with_file();
    file.write_at(&[2; SECTOR_BYTES], 0).unwrap();
    disk.crash_process();
    assert_eq!(read(&disk, "/d/a"), [2; SECTOR_BYTES]);
    file.write_at(&[3], 0).unwrap_err();
}

#[test]
fn a_power_cut_keeps_what_was_flushed() {
    for seed in 0..SEEDS {
        let (disk, file) = disk_with_file();
        file.write_at(&[2; 2 * SECTOR_BYTES], 0).unwrap();
        file.sync().unwrap();
        disk.power_cut(seed);
        assert_eq!(read(&disk, "/d/a"), [2; 2 * SECTOR_BYTES]);
    }
}

#[test]
fn a_power_cut_loses_keeps_and_tears_what_was_not_flushed() {
    let mut counts = disk::Counts::default();
    for seed in 0..SEEDS {
        let (disk, file) = disk_with_file();
        file.write_at(&[2; 4 * SECTOR_BYTES], 0).unwrap();
        disk.power_cut(seed);
        let bytes = read(&disk, "/d/a");
        assert!(bytes.len() >= SECTOR_BYTES, "the durable length never shrinks");
        assert!(bytes.iter().all(|byte| matches!(byte, 0..=2)), "old, new or never written");
        let seen = disk.counts();
        counts.sectors_lost += seen.sectors_lost;
        counts.sectors_kept += seen.sectors_kept;
        counts.sectors_torn += seen.sectors_torn;
    }
    assert!(counts.sectors_lost > 0 && counts.sectors_kept > 0 && counts.sectors_torn > 0);
}

#[test]
fn the_same_seed_cuts_the_same_way() {
    let outcome = |seed| {
        let (disk, file) = disk_with_file();
        file.write_at(&[2; 8 * SECTOR_BYTES], 100).unwrap();
        disk.power_cut(seed);
        (read(&disk, "/d/a"), disk.counts())
    };
    for seed in 0..SEEDS {
        assert_eq!(outcome(seed), outcome(seed));
    }
}

#[test]
fn names_survive_a_power_cut_only_once_their_directory_was_flushed() {
    let survivors = |sync: bool| {
        let renamed = (0..SEEDS).filter(|seed| {
            let (disk, _) = disk_with_file();
            disk.rename(Path::new("/d/a"), Path::new("/d/b")).unwrap();
            if sync {
                disk.sync_dir(Path::new("/d")).unwrap();
            }
            disk.power_cut(*seed);
            disk.list(Path::new("/d")).unwrap() == ["b"]
        });
        renamed.count() as u64
    };
    assert_eq!(survivors(true), SEEDS);
    assert!((1..SEEDS).contains(&survivors(false)));
}

#[test]
fn a_failed_flush_cannot_be_made_good_by_another() {
    let lost = (0..SEEDS).filter(|seed| {
        let (disk, file) = disk_with_file();
        file.write_at(&[2; SECTOR_BYTES], 0).unwrap();
        disk.fail_at(1, Fault::Error);
        file.sync().unwrap_err();
        file.sync().unwrap();
        disk.power_cut(*seed);
        read(&disk, "/d/a") != [2; SECTOR_BYTES]
    });
    assert!(lost.count() > 0);
}

#[test]
fn the_nth_operation_fails_once_and_a_short_write_takes_half() {
    let (disk, file) = disk_with_file();
    disk.fail_at(2, Fault::Short);
    file.size_bytes().unwrap();
    let error = file.write_at(&[2; SECTOR_BYTES], 0).unwrap_err();
    assert!(error.to_string().contains("took 256 of 512 bytes"), "{error}");
    let bytes = read(&disk, "/d/a");
    assert_eq!((bytes[255], bytes[256]), (2, 1));
    file.write_at(&[2; SECTOR_BYTES], 0).unwrap();
    assert_eq!(disk.counts().faults, 1);
}

#[test]
fn after_a_halt_everything_fails_until_the_crash() {
    let (disk, file) = disk_with_file();
    disk.fail_at(1, Fault::Halt);
    file.write_at(&[2; SECTOR_BYTES], 0).unwrap_err();
    file.sync().unwrap_err();
    disk.list(Path::new("/d")).unwrap_err();
    disk.crash_process();
    assert_eq!(disk.list(Path::new("/d")).unwrap(), ["a"]);
}

#[test]
fn a_full_disk_refuses_growth_and_takes_overwrites() {
    let (disk, file) = disk_with_file();
    disk.limit_bytes(Some(SECTOR_BYTES as u64));
    assert!(file.write_at(&[2], SECTOR_BYTES as u64).unwrap_err().is_full());
    file.write_at(&[2], 0).unwrap();
    disk.limit_bytes(None);
    file.write_at(&[2], SECTOR_BYTES as u64).unwrap();
}

#[test]
fn a_crash_releases_the_locks_and_a_dead_lock_releases_nothing() {
    let (disk, _) = disk_with_file();
    let dead = disk.lock(Path::new("/d/LOCK")).unwrap();
    assert!(disk.lock(Path::new("/d/LOCK")).unwrap_err().is_held());
    disk.crash_process();
    let _alive = disk.lock(Path::new("/d/LOCK")).unwrap();
    drop(dead);
    assert!(disk.lock(Path::new("/d/LOCK")).unwrap_err().is_held());
}

#[test]
fn a_flipped_bit_stays_flipped() {
    let (disk, _) = disk_with_file();
    assert!(disk.flip_bit(Path::new("/d/a"), 7));
    assert!(!disk.flip_bit(Path::new("/d/a"), SECTOR_BYTES as u64));
    assert_eq!(read(&disk, "/d/a")[7], 0);
    disk.power_cut(0);
    assert_eq!(read(&disk, "/d/a")[7], 0);
}

// Harm at rest.

/// A file of four flushes of a sector each, the n-th filled with n.
fn four_flushes() -> (SimDisk, SimFile) {
    let disk = SimDisk::new();
    let file = disk.open(Path::new("/log"), Mode::CreateNew).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    for number in 1..=4 {
        file.write_at(&[number; SECTOR_BYTES], u64::from(number - 1) * SECTOR_BYTES as u64)
            .unwrap();
        file.sync().unwrap();
    }
    (disk, file)
}

fn sectors_of(file: &SimFile) -> Vec<Vec<u8>> {
    let mut bytes = vec![0; 4 * SECTOR_BYTES];
    file.read_at(&mut bytes, 0).unwrap();
    bytes.chunks(SECTOR_BYTES).map(<[u8]>::to_vec).collect()
}

#[test]
fn harm_that_looks_like_a_tear_never_befalls_the_newest_flush_of_a_file() {
    for harm in [Harm::Flip, Harm::Lost, Harm::Misdirected] {
        for seed in 0..100 {
            let (disk, file) = four_flushes();
            let harmed = disk.harm(harm, seed, |_| true).expect("there is something to harm");
            assert!(harmed.offset < 3 * SECTOR_BYTES as u64, "{harm:?} at {}", harmed.offset);
            let mut newest = [0; SECTOR_BYTES];
            file.read_at(&mut newest, 3 * SECTOR_BYTES as u64).unwrap();
            assert_eq!(newest, [4; SECTOR_BYTES], "{harm:?}");
        }
    }
}

#[test]
fn a_lost_flush_leaves_what_was_there_before_it() {
    let (disk, file) = four_flushes();
    let harmed = disk.harm(Harm::Lost, 1, |_| true).expect("there is something to harm");
    let lost = harmed.offset as usize / SECTOR_BYTES;
    let sectors = sectors_of(&file);
    for (position, sector) in sectors.iter().enumerate() {
        let expected = if position == lost { 0 } else { position as u8 + 1 };
        assert_eq!(*sector, [expected; SECTOR_BYTES]);
    }
}

#[test]
fn a_misdirected_flush_is_missing_and_hits_something_else() {
    let hits = (0..100).filter(|&seed| {
        let (disk, file) = four_flushes();
        let harmed = disk.harm(Harm::Misdirected, seed, |_| true).expect("something to harm");
        let missing = harmed.offset as usize / SECTOR_BYTES;
        let sectors = sectors_of(&file);
        let strayed = [missing as u8 + 1; SECTOR_BYTES];
        let elsewhere = (0..3).filter(|&p| p != missing).any(|p| sectors[p] == strayed);
        assert_ne!(sectors[missing], strayed, "it is not where it belongs");
        elsewhere
    });
    assert!(hits.count() > 20, "misdirected writes hit nothing");
}

#[test]
fn an_unreadable_sector_answers_errors_until_it_is_written_again() {
    let (disk, file) = four_flushes();
    let harmed = disk.harm(Harm::Unreadable, 3, |_| true).expect("there is something to harm");
    let mut byte = [0];
    assert!(file.read_at(&mut byte, harmed.offset).is_err());
    let other = (harmed.offset + SECTOR_BYTES as u64) % (4 * SECTOR_BYTES as u64);
    assert!(file.read_at(&mut byte, other).is_ok());
    file.write_at(&[7], harmed.offset).unwrap();
    assert_eq!(file.read_at(&mut byte, harmed.offset).unwrap(), 1);
    assert_eq!(byte, [7]);
}

#[test]
fn any_flush_may_become_unreadable() {
    let reached: BTreeSet<u64> = (0..100)
        .map(|seed| four_flushes().0.harm(Harm::Unreadable, seed, |_| true).expect("harm").offset)
        .collect();
    assert_eq!(reached.len(), 4, "{reached:?}");
}

#[test]
fn a_flip_mostly_hits_a_byte_that_says_something() {
    let hits = (0..100).filter(|&seed| {
        let (disk, file) = (SimDisk::new(), Path::new("/f"));
        disk.open(file, Mode::CreateNew).unwrap().write_at(&[0, 0, 0, 0, 0, 0, 0, 8], 0).unwrap();
        let offset = disk.flip_any(file, seed).expect("there are bytes");
        assert!(offset < 8);
        offset == 7
    });
    assert!((60..100).contains(&hits.count()), "mostly, not always");
}

#[test]
fn only_eligible_files_are_harmed() {
    let (disk, _file) = four_flushes();
    assert_eq!(disk.harm(Harm::Flip, 1, |path| path != Path::new("/log")), None);
}

#[test]
fn a_fork_crashes_alone() {
    let (disk, file) = four_flushes();
    file.write_at(b"unflushed", 0).unwrap();
    let fork = disk.fork();
    fork.power_cut(0);
    let forked = fork.open(Path::new("/log"), Mode::ReadWrite).unwrap();
    forked.write_at(b"another", SECTOR_BYTES as u64).unwrap();
    let (mut here, mut there) = ([0; 9], [0; 9]);
    file.read_at(&mut here, 0).unwrap();
    assert_eq!(&here, b"unflushed");
    forked.read_at(&mut there, 3 * SECTOR_BYTES as u64).unwrap();
    assert_eq!(there, [4; 9]);
    file.read_at(&mut here, SECTOR_BYTES as u64).unwrap();
    assert_eq!(here, [2; 9]);
}

#[test]
fn a_disk_that_shrinks_is_full_until_something_is_removed() {
    let (disk, file) = disk_with_file();
    let sector = SECTOR_BYTES as u64;
    assert_eq!(disk.free_bytes(Path::new("/d")).unwrap(), u64::MAX, "it has no limit");
    disk.limit_bytes(Some(3 * sector));
    assert_eq!(disk.free_bytes(Path::new("/d")).unwrap(), 2 * sector);
    file.write_at(&[2; 2 * SECTOR_BYTES], 0).unwrap();
    assert_eq!(
        (disk.used_bytes(), disk.free_bytes(Path::new("/d")).unwrap()),
        (2 * sector, sector)
    );

    disk.limit_bytes(Some(sector));
    assert_eq!(disk.free_bytes(Path::new("/d")).unwrap(), 0);
    file.write_at(&[3; SECTOR_BYTES], sector).expect("what is there can be written over");
    assert!(file.write_at(&[3], 2 * sector).unwrap_err().is_full());
    assert_eq!((disk.counts().refused, disk.counts().faults), (1, 0));
    let other = disk.open(Path::new("/d/b"), Mode::CreateNew).unwrap();
    assert!(other.write_at(&[1], 0).unwrap_err().is_full());

    disk.remove(Path::new("/d/a")).unwrap();
    assert_eq!(disk.free_bytes(Path::new("/d")).unwrap(), sector);
    other.write_at(&[1; SECTOR_BYTES], 0).unwrap();
}

/// Says yes so many times.
struct Yes(AtomicI64);

impl Patience for Yes {
    fn wait(&self, error: &Error) -> bool {
        assert!(error.is_out_of_descriptors(), "{error}");
        self.0.fetch_sub(1, Ordering::Relaxed) > 0
    }
}

#[test]
fn a_patient_disk_opens_once_there_is_a_descriptor_again_and_repeats_nothing_else() {
    let disk = SimDisk::new();
    let patient = |times| Patient::new(disk.clone(), Arc::new(Yes(AtomicI64::new(times))));
    let path = Path::new("/a");
    disk.lack_descriptors(3);
    let error = patient(2).open(path, Mode::CreateNew).unwrap_err();
    assert!(error.is_out_of_descriptors(), "{error}");
    assert!(disk.list(Path::new("/")).unwrap().is_empty(), "nothing was created");

    disk.lack_descriptors(3);
    let file = patient(3).open(path, Mode::CreateNew).unwrap();
    disk.lack_descriptors(3);
    assert_eq!(patient(3).list(Path::new("/")).unwrap(), ["a"]);
    disk.lack_descriptors(3);
    let directory = patient(3).open_dir(Path::new("/")).unwrap();
    assert_eq!(disk.counts().unopened, 12);

    // What is open needs none; and what fails otherwise fails at once.
    disk.lack_descriptors(9);
    file.sync().unwrap();
    directory.sync().unwrap();
    disk.lack_descriptors(0);
    disk.fail_at(1, Fault::Error);
    assert!(patient(3).open(path, Mode::Read).is_err());
    disk.fail_at(1, Fault::Error);
    assert!(patient(3).sync_dir(Path::new("/")).is_err());
    assert_eq!(disk.counts().faults, 2);
}

#[test]
fn a_file_that_is_renamed_open_goes_on_under_its_new_name() {
    let disk = SimDisk::new();
    let mut file = disk.open(Path::new("/a"), Mode::CreateNew).unwrap();
    disk.lack_descriptors(1);
    disk.rename_open(&mut file, Path::new("/b")).unwrap();
    file.write_at(b"x", 0).unwrap();
    disk.lack_descriptors(0);
    assert_eq!(disk.list(Path::new("/")).unwrap(), ["b"]);
    assert_eq!(disk.open(Path::new("/b"), Mode::Read).unwrap().size_bytes().unwrap(), 1);
    disk.fail_at(1, Fault::Error);
    let error = file.sync().unwrap_err();
    assert_eq!(error.path, Path::new("/b"), "and is called by it");
}
