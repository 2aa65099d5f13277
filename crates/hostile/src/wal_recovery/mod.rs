//! The log on disk, read back.
//!
//! The first byte chooses where the files come from:
//!
//! | file | the input is |
//! |---|---|
//! | here | the bytes of the files |
//! | `damaged.rs` | a plan: what a sound log was told, then what happened to its files |
//! | `forged.rs` | the fields of segments and frames, whose checksums are made right |
//!
//! What is refused is then repaired, and `repaired.rs` judges what became of it.
//!
//! `naive.rs` reads and writes the format for them, from its specification, and `log.rs` is the
//! model of what it says: with nothing of the log's own code, so that they share no mistake.

mod damaged;
mod forged;
mod log;
mod naive;
mod repaired;

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use disk::{Disk, File, Mode, SimDisk};
use wal::{Batch, Entry, HardState, OpenError, Options, Recovered, Visit, Wal};

use crate::Verdict;
use crate::input::Input;
use log::Log;

/// Where the log lies.
const LOG: &str = "/data/wal";

/// Terms and indexes beyond this are not gone on from: one more would leave the format's range.
const COUNTER_MAX: u64 = 1 << 48;

/// The files of a log, by name.
type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn run(bytes: &[u8]) -> Verdict {
    let mut input = Input::new(bytes);
    match input.below(3) {
        0 => open_and_use(&given_files(&mut input)),
        1 => damaged::run(&mut input),
        _ => forged::run(&mut input),
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let given = damaged::sound_files().into_values().next().unwrap_or_default();
    let given = [&[0, 0], &(given.len() as u16).to_le_bytes()[..], &given].concat();
    [given].into_iter().chain(damaged::seeds()).chain(forged::seeds()).collect()
}

/// Small segments, so that a few appends cross into the next. No two processes have the same salt.
fn options(process: u64) -> Options {
    Options { segment_bytes: 16 << 10, spares: 1, salt: process }
}

/// The process that finds what is to be judged, and the one after it.
const JUDGE: u64 = 1_000;

fn segment_name(number: u64) -> String {
    format!("{number:020}.wal")
}

/// Up to four files with the bytes of the input.
fn given_files(input: &mut Input<'_>) -> Files {
    let mut files = Files::new();
    for position in 1..=4 {
        let name = match input.byte() {
            0..=199 => segment_name(position),
            200..=219 => segment_name(u64::MAX - position),
            220..=239 => format!("spare-{position}"),
            _ => format!("{position}.wal"),
        };
        let length = input.short() as usize;
        files.insert(name, input.take(length).to_vec());
        if input.is_empty() {
            break;
        }
    }
    files
}

/// A disk on which the files are durable.
fn disk_with(files: &Files) -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new(LOG)).expect("the disk is well");
    for (name, bytes) in files {
        let file = disk.open(&Path::new(LOG).join(name), Mode::CreateNew).expect("a new name");
        file.write_at(bytes, 0).expect("the disk is well");
        file.sync().expect("the disk is well");
    }
    for directory in ["/", "/data", LOG] {
        disk.sync_dir(Path::new(directory)).expect("the disk is well");
    }
    disk
}

fn files_of(disk: &SimDisk) -> Files {
    let read = |name: String| {
        let file = disk.open(&Path::new(LOG).join(&name), Mode::Read).expect("it is listed");
        let mut bytes = vec![0; file.size_bytes().expect("the disk is well") as usize];
        file.read_at(&mut bytes, 0).expect("the disk is well");
        (name, bytes)
    };
    disk.list(Path::new(LOG)).expect("the disk is well").into_iter().map(read).collect()
}

/// What opening found.
struct Opened {
    wal: Wal<SimDisk>,
    recovered: Recovered,
    log: Log,
}

/// Opens the log, as the process of that number. It may refuse, but not for the disk.
fn open(disk: &SimDisk, process: u64) -> Result<Opened, OpenError> {
    opened(|log| {
        let visit = &mut |visit: Visit<'_>| log.visit(visit);
        Wal::open(disk.clone(), Path::new(LOG), options(process), visit)
    })
}

/// The same with repairs.
fn open_repairing(disk: &SimDisk, snapshots: &[(u64, u64)]) -> Result<Opened, OpenError> {
    opened(|log| {
        let visit = &mut |visit: Visit<'_>| log.visit(visit);
        Wal::open_repairing(
            disk.clone(),
            Path::new(LOG),
            options(JUDGE),
            &|| Ok(snapshots.to_vec()),
            visit,
        )
    })
}

fn opened(
    open: impl FnOnce(&mut Log) -> Result<(Wal<SimDisk>, Recovered), OpenError>,
) -> Result<Opened, OpenError> {
    let mut log = Log::default();
    match open(&mut log) {
        Ok((wal, recovered)) => {
            assert_eq!(recovered.start, Some(log.start).filter(|start| start.1 > 0));
            Ok(Opened { wal, recovered, log })
        }
        Err(OpenError::Disk(error)) => panic!("the disk is well, and yet: {error}"),
        Err(refused) => {
            assert!(!refused.to_string().is_empty(), "a refusal says what is wrong");
            Err(refused)
        }
    }
}

/// Opens the files, and demands of what opens that it can be used and opens again, with the same
/// content, whatever was wrong with it.
fn open_and_use(files: &Files) -> Verdict {
    let disk = disk_with(files);
    let Ok(opened) = open(&disk, JUDGE) else { return repaired::use_repaired(&disk) };
    use_and_reopen(&disk, opened);
    Verdict::Accepted
}

/// Reads all, appends one entry, loses the power, and demands everything back.
fn use_and_reopen(disk: &SimDisk, opened: Opened) {
    let Opened { mut wal, recovered, mut log } = opened;
    read_all(&mut wal, &log);
    let HardState { term, commit, .. } = recovered.hard_state;
    let last = wal.last_index();
    if term < COUNTER_MAX && last < COUNTER_MAX {
        let entry = entry(last + 1, term + 1, Bytes::from_static(b"one more"));
        let hard_state = HardState { term: term + 1, vote: None, commit };
        let batch = Batch::new(hard_state, vec![entry.clone()]);
        wal.append(&[batch]).expect("what opens can be written");
        log.put(&entry);
    }
    let (hard_state, last) = (wal.hard_state(), wal.last_log_id());
    drop(wal);
    disk.power_cut(1);
    // Numbers that nobody counts up to may be the last ones that a log can have.
    if files_of(disk)
        .keys()
        .any(|name| *name >= segment_name(COUNTER_MAX) && name.ends_with(".wal"))
    {
        return;
    }
    let again = open(disk, JUDGE + 1).expect("what opened once opens again");
    assert_eq!((again.recovered.hard_state, again.recovered.last), (hard_state, last));
    assert_eq!(again.log.summary(), log.summary(), "what was durable is there");
}

/// What can be read is what was shown on opening.
fn read_all(wal: &mut Wal<SimDisk>, log: &Log) {
    let mut next = wal.first_index();
    while next <= wal.last_index() {
        let read = wal.read(next, wal.last_index(), 4_000).expect("what opens can be read");
        assert!(!read.is_empty(), "it goes on at {next}");
        for entry in read {
            assert_eq!(Some(&entry), log.entries.get(&next), "index {next}");
            next += 1;
        }
    }
}

fn entry(index: u64, term: u64, payload: Bytes) -> Entry {
    Entry { kind: 2, term, index, stamp_ms: index * 10, age_ms: index, payload }
}
