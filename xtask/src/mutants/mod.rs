//! `cargo xtask mutants`: is the simulator good enough? Each file of `mutants/` plants one bug that
//! a store like this one once shipped; the simulator must find it.
//!
//! ```text
//! cargo xtask mutants                        all of them, 500 seeds each: the table of the docs
//! cargo xtask mutants --only NAME... [--seeds N] [--from M]
//! cargo xtask mutants --enough 10            each only until so many lives have found it
//! cargo xtask mutants --check                only whether every patch applies, in a second
//! cargo xtask mutants --rotate HEX [--count 2]   a few, chosen by a commit's hash
//! ```
//!
//! For each: apply it to a copy of the sources (`scratch`), build the simulator from that, live
//! fresh lives (`hunt`), count those that broke a promise. A bug that fewer than one life in a
//! hundred finds is too rare a find, and fails the run; of a rotation it is enough that one of
//! some thousand lives finds it, so that chance does not fail it. A patch that does not compile is
//! an error, never a find; nor is a seed that fails without the bug.
//!
//! What this does *not* do: judge the unit tests. They would find many of these bugs too, each in
//! the place it was written for; the simulator does not know where to look.

mod hunt;
mod options;
mod patch;
mod scratch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use hunt::Kills;
use options::Options;
use patch::Patch;
use scratch::Scratch;

use crate::failure::{Failure, Result};
use crate::lanes::Count;
use crate::shell::root;

/// Where the patches lie, from the root.
const DIRECTORY: &str = "mutants";

/// Of so many lives, one must find the bug: five in five hundred.
const LIVES_PER_KILL: u64 = 100;

/// With `--enough` so many lives are lived before it is asked whether that was enough.
const LIVES_AT_ONCE: u64 = 100;

/// A rotated bug is given up to so many times the usual lives.
const ROTATED_ROUNDS: u64 = 4;

const HEAD: &str = "\
| planted bug | row | what it does | kills | first seeds | mostly found as | time |
|---|---|---|---|---|---|---|";

pub(crate) fn run(words: &[&str]) -> Result<bool> {
    let options = Options::parse(words)?;
    let count = if options.check {
        checked(&chosen(&options, &root().join(DIRECTORY))?)
    } else {
        hunted(&options)?
    };
    for note in &count.notes {
        println!("FAILED {note}");
    }
    println!("{} passed, {} failed", count.passed, count.failed);
    Ok(count.failed == 0)
}

/// The lane: does every patch still apply?
pub(crate) fn check_lane() -> Result<Count> {
    Patch::all(&root().join(DIRECTORY)).map(|patches| checked(&patches))
}

/// The lane: a few of them, hunted.
pub(crate) fn rotated_lane(commit: &str) -> Result<Count> {
    hunted(&Options::parse(&["--rotate", commit])?)
}

fn chosen(options: &Options, directory: &Path) -> Result<Vec<Patch>> {
    let mut patches = Patch::all(directory)?;
    for name in &options.only {
        if !patches.iter().any(|patch| patch.name == *name) {
            return Err(Failure::Usage(format!("no such planted bug: {name}")));
        }
    }
    if !options.only.is_empty() {
        patches.retain(|patch| options.only.contains(&patch.name));
    }
    if let Some(commit) = &options.rotate {
        return rotation(patches, commit, options.count);
    }
    Ok(patches)
}

/// Neighbours in the list are of one class: the chosen ones stand far from each other.
fn rotation(mut patches: Vec<Patch>, commit: &str, count: usize) -> Result<Vec<Patch>> {
    patches.retain(|patch| patch.rare.is_none());
    let start = seed_of(commit)? as usize;
    let (all, count) = (patches.len(), count.min(patches.len()));
    let places: Vec<usize> = (0..count).map(|nth| (start + nth * all / count) % all).collect();
    let mut patches = patches.into_iter().enumerate();
    Ok(patches.by_ref().filter(|(place, _)| places.contains(place)).map(|(_, p)| p).collect())
}

/// A number from the first digits of a commit's hash.
pub(crate) fn seed_of(commit: &str) -> Result<u64> {
    let digits = commit.get(..commit.len().min(8)).unwrap_or_default();
    u64::from_str_radix(digits, 16)
        .map_err(|_| Failure::Usage(format!("{commit} is no hash of a commit")))
}

fn checked(patches: &[Patch]) -> Count {
    let mut count = Count::default();
    for patch in patches {
        let applied = scratch::check(&root(), patch);
        settle(&mut count, patch, applied.map_err(|failure| failure.to_string()));
    }
    count
}

fn settle(count: &mut Count, patch: &Patch, outcome: std::result::Result<(), String>) {
    match outcome {
        Ok(()) => count.passed += 1,
        Err(reason) => {
            count.failed += 1;
            count.notes.push(format!("{}: {reason}", patch.name));
        }
    }
}

fn hunted(options: &Options) -> Result<Count> {
    let scratch = Scratch::of(&root())?;
    let mut sound = Sound::new(&scratch)?;
    let mut count = Count::default();
    println!("{HEAD}");
    for patch in &chosen(options, &scratch.patches())? {
        let began = Instant::now();
        let outcome = match hunt(&scratch, &mut sound, patch, options) {
            Ok(kills) => {
                println!("{}", line(patch, &kills, began));
                verdict(&kills, options)
            }
            Err(failure @ Failure::Machine { .. }) => return Err(failure),
            Err(failure) => Err(failure.to_string()),
        };
        settle(&mut count, patch, outcome);
    }
    sound.report(&mut count);
    Ok(count)
}

/// The simulator of the sources as they are: what fails there is no find.
struct Sound {
    simulator: PathBuf,
    /// What fails of the seeds that were lived: by the first of them, and how many.
    broken: BTreeMap<(u64, u64), BTreeSet<u64>>,
}

impl Sound {
    fn new(scratch: &Scratch) -> Result<Sound> {
        Ok(Sound { simulator: scratch.build_as("sound-sim")?, broken: BTreeMap::new() })
    }

    /// What a simulator finds that this one does not. Seeds that found nothing are not lived twice.
    fn finds(&mut self, simulator: &Path, from: u64, lives: u64) -> Result<Kills> {
        let kills = Kills::hunt(simulator, from, lives)?;
        if kills.count() == 0 {
            return Ok(kills);
        }
        let broken = match self.broken.get(&(from, lives)) {
            Some(broken) => broken.clone(),
            None => Kills::hunt(&self.simulator, from, lives)?.seeds(),
        };
        self.broken.insert((from, lives), broken.clone());
        Ok(kills.without(&broken))
    }

    /// Nothing may fail without a planted bug.
    fn report(self, count: &mut Count) {
        let broken: BTreeSet<u64> = self.broken.into_values().flatten().collect();
        if !broken.is_empty() {
            count.failed += 1;
            count.notes.push(format!("no bug was planted, and these seeds failed: {broken:?}"));
        }
    }
}

fn hunt(scratch: &Scratch, sound: &mut Sound, patch: &Patch, options: &Options) -> Result<Kills> {
    let planted = scratch.plant(patch)?;
    let built = scratch.build();
    scratch.pull_out(planted)?;
    live(sound, &built?, options)
}

/// A rotation goes on until the first find, within bounds, from a place of its own.
fn live(sound: &mut Sound, simulator: &Path, options: &Options) -> Result<Kills> {
    let Some(commit) = &options.rotate else {
        return live_until(sound, simulator, options);
    };
    let (first, mut kills) = (seed_of(commit)?, Kills::default());
    for round in 0..ROTATED_ROUNDS {
        let from = first + round * options.seeds;
        kills.add(sound.finds(simulator, from, options.seeds)?);
        if kills.count() > 0 {
            break;
        }
    }
    Ok(kills)
}

/// All the lives there are to be, or as many as find the bug often enough.
fn live_until(sound: &mut Sound, simulator: &Path, options: &Options) -> Result<Kills> {
    let Options { seeds, from, enough, .. } = *options;
    let Some(enough) = enough else { return sound.finds(simulator, from, seeds) };
    let mut kills = Kills::default();
    while kills.lives < seeds && kills.count() < enough {
        let lives = LIVES_AT_ONCE.min(seeds - kills.lives);
        kills.add(sound.finds(simulator, from + kills.lives, lives)?);
    }
    Ok(kills)
}

fn verdict(kills: &Kills, options: &Options) -> std::result::Result<(), String> {
    let needed = if options.rotate.is_some() { 1 } else { kills.lives.div_ceil(LIVES_PER_KILL) };
    if kills.count() >= needed {
        return Ok(());
    }
    Err(format!("{} of {} lives found it, {needed} are needed", kills.count(), kills.lives))
}

/// A row of the table, as `docs/testing.md` has it.
fn line(patch: &Patch, kills: &Kills, began: Instant) -> String {
    let Patch { name, row, plants, .. } = patch;
    let (count, lives, seconds) = (kills.count(), kills.lives, began.elapsed().as_secs());
    let (first, mostly) = (kills.first_seeds(), kills.most_broken());
    format!("| {name} | {row} | {plants} | {count} of {lives} | {first} | {mostly} | {seconds} s |")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_planted_bugs_of_this_repository_have_whole_headers() {
        let patches = Patch::all(&root().join(DIRECTORY)).unwrap();
        assert!(!patches.is_empty());
    }

    #[test]
    fn a_rotation_is_decided_by_the_commit() {
        let patches = || Patch::all(&root().join(DIRECTORY)).unwrap();
        let names = |commit| {
            let chosen = rotation(patches(), commit, 2).unwrap();
            chosen.into_iter().map(|patch| patch.name).collect::<Vec<_>>()
        };
        assert_eq!(names("00000000ab"), names("00000000cd"));
        assert_ne!(names("00000000"), names("00000001"));
        assert!(rotation(patches(), "xyz", 2).is_err());
    }
}
