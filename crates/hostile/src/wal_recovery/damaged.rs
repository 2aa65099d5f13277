//! A sound log, and what broken disks and broken operators do to its files.
//!
//! Which bytes of a frame have changed is known, so it is known what opening may say: the log as it
//! was after its last sound frame, if all before that are sound as well and every one after it is
//! damaged, because that is what an unfinished flush looks like; in any other case it must refuse.

use bytes::Bytes;
use disk::SimDisk;
use wal::{Batch, HardState, Wal};

use super::log::Log;
use super::naive::{self, BLOCK_BYTES};
use super::{Files, JUDGE, Opened, repaired};
use crate::Verdict;
use crate::input::Input;

/// Frames of a log, in order, each with its file's name.
pub(super) type Frames<'a> = [(&'a String, naive::Frame)];

/// At most so many appends: two or three segments.
const APPENDS_MAX: usize = 10;

/// At most so many strikes of damage.
const STRIKES_MAX: usize = 4;

pub(super) fn run(input: &mut Input<'_>) -> Verdict {
    let appends = input.below(APPENDS_MAX + 1);
    let sound = write_log(input, appends);
    let mut files = sound.clone();
    let strikes = input.below(STRIKES_MAX + 1);
    (0..strikes).for_each(|_| strike(input, &mut files));
    let disk = super::disk_with(&files);
    let Ok(opened) = super::open(&disk, JUDGE) else {
        assert_ne!(files, sound, "a sound log is refused");
        let frames: Vec<_> = frames(&sound).collect();
        return repaired::run(input, &disk, &sound, &files, &frames);
    };
    check(&sound, &files, &opened);
    super::use_and_reopen(&disk, opened);
    Verdict::Accepted
}

/// The files of a log that was told what the input says, and closed or left.
fn write_log(input: &mut Input<'_>, appends: usize) -> Files {
    let disk = SimDisk::new();
    let mut opened = super::open(&disk, 0).expect("an empty directory is a log");
    let mut hard_state = HardState { term: 1, vote: None, commit: 0 };
    for process in 1..=appends as u64 {
        let batch = next_batch(input, &opened.wal, &mut hard_state);
        batch.entries.iter().for_each(|entry| opened.log.put(entry));
        opened.wal.append(&[batch]).expect("the disk is well");
        if input.chance(8) {
            cut(input, &mut opened, &mut hard_state);
        }
        if input.chance(6) {
            opened.wal.write_closing_frame().expect("the disk is well");
        }
        if input.chance(12) {
            let log = std::mem::take(&mut opened.log);
            drop(opened.wal);
            disk.crash_process();
            opened = super::open(&disk, process).expect("nothing is damaged");
            assert_eq!(opened.log.summary(), log.summary(), "what was durable is there");
        }
    }
    let files = super::files_of(&disk);
    let told = replayed(&files, &frames(&files).collect::<Vec<_>>());
    assert_eq!(told.summary(), opened.log.summary(), "the naive reader reads it");
    files
}

fn next_batch(input: &mut Input<'_>, wal: &Wal<SimDisk>, state: &mut HardState) -> Batch {
    if input.chance(4) {
        *state = HardState { term: state.term + 1, vote: None, ..*state };
    }
    if state.vote.is_none() && input.chance(3) {
        state.vote = Some(1 + u64::from(input.byte()));
    }
    let last = wal.last_index();
    let back = if input.chance(4) { input.below(4) as u64 } else { 0 };
    let first = (last + 1 - back.min(last)).max(state.commit + 1);
    if first <= last {
        // Only another leader overwrites what one has written.
        *state = HardState { term: state.term + 1, vote: None, ..*state };
    }
    let payload_bytes = if input.chance(2) { 6_000 } else { 100 };
    let entries: Vec<wal::Entry> = (first..first + input.below(4) as u64)
        .map(|index| {
            let payload = vec![input.byte(); input.below(payload_bytes)];
            super::entry(index, state.term, Bytes::from(payload))
        })
        .collect();
    let last = entries.last().map_or(last, |entry| entry.index);
    state.commit += input.below(4).min((last - state.commit) as usize) as u64;
    Batch::new(*state, entries)
}

/// A snapshot comes to stand for a part of the log, or for more than the log has.
fn cut(input: &mut Input<'_>, opened: &mut Opened, state: &mut HardState) {
    let first = opened.wal.first_index();
    let to = if input.chance(3) {
        state.commit = opened.wal.last_index() + 1 + u64::from(input.byte() % 3);
        (state.term, state.commit)
    } else {
        let index = (first + u64::from(input.byte() % 8)).min(state.commit);
        (opened.log.entries.get(&index).map_or(0, |entry| entry.term), index)
    };
    if to.1 < first || to.0 == 0 {
        return;
    }
    let batch = Batch { start: Some(to), ..Batch::new(*state, Vec::new()) };
    opened.wal.append(&[batch]).expect("the disk is well");
    opened.wal.give_up_segments().expect("the disk is well");
    opened.log.start_after(to);
}

/// One thing that happens to the files.
fn strike(input: &mut Input<'_>, files: &mut Files) {
    let names: Vec<String> = files.keys().cloned().collect();
    let Some(name) = names.get(input.below(names.len().max(1))) else { return };
    let bytes = files.get_mut(name).expect("it was listed");
    let kind = input.below(9);
    let start = input.below(bytes.len().clamp(1, 65_536));
    let end = (start + input.below(5_000)).min(bytes.len());
    match kind {
        0 | 1 if start < end => bytes[start] ^= 1 << input.below(8),
        2 if start < end => bytes[start] = input.byte(),
        3 => bytes[start..end].fill(input.byte()),
        4 => bytes.truncate(start),
        5 => bytes.extend(vec![input.byte(); end - start]),
        6 => copy_block(input, &names, files, name),
        7 => drop(files.remove(name)),
        _ => {
            let copy = bytes.clone();
            files.insert(super::segment_name(input.below(12) as u64), copy);
        }
    }
}

/// A misdirected write: a block of one file lands on another place.
fn copy_block(input: &mut Input<'_>, names: &[String], files: &mut Files, to: &str) {
    let from = &files[&names[input.below(names.len())]];
    let Some(block) = from.chunks_exact(BLOCK_BYTES).nth(input.below(8)).map(<[u8]>::to_vec) else {
        return;
    };
    let to = files.get_mut(to).expect("it was listed");
    let start = input.below(8) * BLOCK_BYTES;
    if let Some(place) = to.get_mut(start..start + BLOCK_BYTES) {
        place.copy_from_slice(&block);
    }
}

/// Every frame of the log, in order, with its file's name.
fn frames(files: &Files) -> impl Iterator<Item = (&String, naive::Frame)> {
    let segments = files.iter().filter(|(name, _)| name.ends_with(".wal"));
    segments.flat_map(|(name, bytes)| naive::frames(bytes).into_iter().map(move |f| (name, f)))
}

/// The newest frame of which no byte has changed.
pub(super) fn last_intact(sound: &Files, files: &Files, frames: &Frames<'_>) -> Option<usize> {
    frames.iter().rposition(|frame| is_intact(sound, files, frame))
}

fn is_intact(sound: &Files, files: &Files, (name, frame): &(&String, naive::Frame)) -> bool {
    let range = frame.offset..frame.offset + frame.length;
    files.get(*name).is_some_and(|bytes| bytes.get(range.clone()) == sound[*name].get(range))
}

/// What the frames tell, one after the other, in the segments that there are.
pub(super) fn replayed(files: &Files, frames: &Frames<'_>) -> Log {
    let oldest = files.iter().find(|(name, _)| name.ends_with(".wal"));
    let (begin, start) = oldest.map_or_else(Default::default, |(_, file)| naive::before(file));
    let mut log = Log::after(begin, start);
    for (_, frame) in frames {
        match frame.start.filter(|start| *start != log.start) {
            Some(start) => log.start_after(start),
            None => frame.entries.iter().for_each(|entry| log.put(entry)),
        }
    }
    log
}

/// What opened must be the log after its last sound frame, none before it damaged.
fn check(sound: &Files, files: &Files, opened: &Opened) {
    let frames: Vec<_> = frames(sound).collect();
    let is_sound = |frame: &(&String, naive::Frame)| is_intact(sound, files, frame);
    // What is before a missing segment is dead, and may be: if a snapshot stands for it, or if it
    // held nothing.
    let there = unbroken_end(sound, files);
    let oldest = there.keys().next();
    let (_, frames) = frames
        .split_at(frames.partition_point(|(name, _)| oldest.is_some_and(|oldest| *name < oldest)));
    let kept = frames.iter().rposition(is_sound).map_or(0, |last| last + 1);
    let hole = frames[..kept].iter().position(|frame| !is_sound(frame));
    assert_eq!(hole, None, "it opened over a damaged frame that sound ones follow");
    let expected = replayed(&there, &frames[..kept]);
    assert!(expected.is_whole(), "the beginning of the log is gone, and it was not noticed");
    let found = opened.log.summary();
    assert_eq!(found, expected.summary(), "{kept} of {} frames", frames.len());
    if let Some((_, frame)) = frames[..kept].last() {
        assert_eq!(opened.recovered.hard_state, frame.hard_state, "the promises of {kept} frames");
    }
}

/// The newest segments that are still there, up to the first that is not.
fn unbroken_end(sound: &Files, files: &Files) -> Files {
    let segments = sound.iter().rev().filter(|(name, _)| name.ends_with(".wal"));
    let is_there = |(name, _): &(&String, _)| files.contains_key(*name);
    let newest = segments.skip_while(|segment| !is_there(segment)).take_while(is_there);
    newest.map(|(name, bytes)| (name.clone(), bytes.clone())).collect()
}

/// A plain log, for whoever needs its bytes.
pub(super) fn sound_files() -> Files {
    let plan: Vec<u8> = (0..200_u8).map(|step| step.wrapping_mul(37)).collect();
    write_log(&mut Input::new(&plan), 6)
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let plan = |seed: u64| {
        let mut random = crate::Random::new(seed);
        let mut bytes = vec![1];
        bytes.extend((0..300).map(|_| random.next() as u8));
        bytes
    };
    (0..24).map(plan).collect()
}
