//! What a repair may make of a damaged log: less than there was, never anything else, and a floor
//! that says how far it once went.

use disk::SimDisk;

use super::damaged::{Frames, last_intact, replayed};
use super::log::Log;
use super::{Files, Opened};
use crate::Verdict;
use crate::input::Input;

/// Repairs a log that was refused, and judges by the frames it had before the damage.
pub(super) fn run(
    input: &mut Input<'_>,
    disk: &SimDisk,
    sound: &Files,
    files: &Files,
    frames: &Frames<'_>,
) -> Verdict {
    let whole = replayed(sound, frames);
    let snapshots = snapshot(input, &whole);
    match super::open_repairing(disk, &snapshots) {
        Ok(opened) => {
            check(sound, files, frames, &snapshots, &opened);
            super::use_and_reopen(disk, opened);
            Verdict::Accepted
        }
        Err(_) => Verdict::Refused,
    }
}

/// Now and then there is a snapshot: of some entry that the log holds.
fn snapshot(input: &mut Input<'_>, log: &Log) -> Vec<(u64, u64)> {
    let held: Vec<_> = log.entries.values().map(|entry| (entry.term, entry.index)).collect();
    if input.chance(2) {
        held.get(input.below(16)).copied().into_iter().collect()
    } else {
        Vec::new()
    }
}

fn check(
    sound: &Files,
    files: &Files,
    frames: &Frames<'_>,
    snapshots: &[(u64, u64)],
    opened: &Opened,
) {
    let found = &opened.log;
    let was = (0..=frames.len()).map(|kept| replayed(sound, &frames[..kept]));
    let known = |log: Log| {
        let mut log = log;
        if snapshots.contains(&found.start) || log.start == found.start {
            log.entries.retain(|index, _| *index > found.start.1);
            log.start = found.start;
        }
        found.entries.is_empty() || log.summary() == found.summary()
    };
    assert!(was.into_iter().any(known), "it never was such: {:?}", found.summary());
    let Some(newest) = last_intact(sound, files, frames) else { return };
    let before = replayed(sound, &frames[..=newest]);
    let recovered = &opened.recovered;
    let vouched = recovered.floor.max(recovered.last).unwrap_or_default();
    assert!(vouched >= before.last(), "it forgets {:?} and vouches for {vouched:?}", before.last());
    let (promised, now) = (frames[newest].1.hard_state, recovered.hard_state);
    assert!(promised.term <= now.term, "the term went back");
    assert!(promised.term < now.term || promised.vote.is_none() || promised.vote == now.vote);
}

/// The same for files of which nothing is known: what opens can be used.
pub(super) fn use_repaired(disk: &SimDisk) -> Verdict {
    match super::open_repairing(disk, &[]) {
        Ok(opened) => {
            super::use_and_reopen(disk, opened);
            Verdict::Accepted
        }
        Err(_) => Verdict::Refused,
    }
}
