//! The simulator at work on a planted bug, and what it said.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Doing, Failure, Result};

/// A run that takes longer has a life that does not end.
const RUN_MAX: Duration = Duration::from_secs(1_200);

/// Lines of the simulator that wait to be read.
const LINES_MAX: usize = 1_000;

/// So much of a message is shown.
const NAME_CHARS_MAX: usize = 64;

/// How many of the killing seeds are named.
const SEEDS_NAMED: usize = 3;

/// What a run found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Kills {
    /// Lives that were lived.
    pub(crate) lives: u64,
    /// The seeds of those that broke a promise, and which.
    broken: BTreeMap<u64, String>,
}

impl Kills {
    /// Lives `lives` seeds from `from` on.
    pub(crate) fn hunt(simulator: &Path, from: u64, lives: u64) -> Result<Kills> {
        let mut command = Command::new(simulator);
        command.args(["--seeds", &lives.to_string(), "--from", &from.to_string()]);
        // Each broken promise is a panic, whose place goes there; the message is on the other one.
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().doing(format!("start {}", simulator.display()))?;
        let lines = lines_of(&mut child);
        let heard = collect(&lines, Instant::now() + RUN_MAX);
        if heard.is_err() {
            child.kill().doing("end the simulator")?;
        }
        child.wait().doing("wait for the simulator")?;
        Kills::read(&heard?, lives)
    }

    /// Reads what the simulator printed.
    fn read(lines: &[String], lives: u64) -> Result<Kills> {
        let failed = lines.iter().filter_map(|line| failed_seed(line));
        let broken = failed.map(|(seed, message)| (seed, promise_of(message))).collect();
        let kills = Kills { lives, broken };
        let closing = format!("{} passed, {} failed", lives - kills.count(), kills.count());
        if lines.contains(&closing) {
            Ok(kills)
        } else {
            Err(Failure::Unexpected(format!("the simulator did not end with `{closing}`")))
        }
    }

    /// How many lives found the bug.
    pub(crate) fn count(&self) -> u64 {
        self.broken.len() as u64
    }

    /// The seeds that found it.
    pub(crate) fn seeds(&self) -> BTreeSet<u64> {
        self.broken.keys().copied().collect()
    }

    /// Leaves out what was broken without the bug too.
    pub(crate) fn without(mut self, seeds: &BTreeSet<u64>) -> Kills {
        self.broken.retain(|seed, _| !seeds.contains(seed));
        self
    }

    /// Adds what a run of further seeds found.
    pub(crate) fn add(&mut self, other: Kills) {
        self.lives += other.lives;
        self.broken.extend(other.broken);
    }

    /// The first seeds that found it, in words.
    pub(crate) fn first_seeds(&self) -> String {
        let first = self.broken.keys().take(SEEDS_NAMED).map(u64::to_string);
        first.collect::<Vec<_>>().join(", ")
    }

    /// The promise that was broken most often.
    pub(crate) fn most_broken(&self) -> &str {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for promise in self.broken.values() {
            *counts.entry(promise).or_default() += 1;
        }
        counts.into_iter().max_by_key(|&(_, count)| count).map_or("–", |(promise, _)| promise)
    }
}

/// A thread reads, so that a simulator that says nothing any more can be given up.
fn lines_of(child: &mut Child) -> Receiver<String> {
    let output = child.stdout.take().expect("standard output was asked for as a pipe");
    let (sender, receiver) = sync_channel(LINES_MAX);
    thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(std::result::Result::ok);
        for line in lines {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn collect(lines: &Receiver<String>, deadline: Instant) -> Result<Vec<String>> {
    let mut heard = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) => heard.push(line),
            Err(RecvTimeoutError::Disconnected) => return Ok(heard),
            Err(RecvTimeoutError::Timeout) => {
                return Err(Failure::Unexpected("a life does not end".into()));
            }
        }
    }
}

/// `seed 7 failed: committed: ...` → 7 and what follows.
fn failed_seed(line: &str) -> Option<(u64, &str)> {
    let (seed, message) = line.strip_prefix("seed ")?.split_once(" failed: ")?;
    Some((seed.parse().ok()?, message))
}

/// The name of what was broken: a message begins with it. Which request it was, which entry and
/// which member differs from life to life, and is left out.
fn promise_of(message: &str) -> String {
    let (_, message) = message.split_once("` failed: ").unwrap_or(("", message));
    let (who, what) = match message.strip_prefix("oracle: ") {
        Some(what) if what.starts_with("Ticket") => ("oracle: ", after_word(what)),
        Some(what) => ("oracle: ", what),
        None => ("", message),
    };
    let ends = |c: char| matches!(c, ':' | '(' | '"') || c.is_ascii_digit();
    let name = what.split(ends).next().unwrap_or(what);
    let name = name.trim().trim_end_matches(|c: char| !c.is_alphabetic());
    format!("{who}{}", name.chars().take(NAME_CHARS_MAX).collect::<String>())
}

fn after_word(text: &str) -> &str {
    text.split_once(' ').map_or(text, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn failed_seeds_are_counted_by_promise() {
        let heard = lines(
            "seed 9 failed: durable quorum: 3@7\n    replay it: x\nseed 4 failed: healing\n\
             seed 5 failed: durable quorum: 2@1\n7 passed, 3 failed\n",
        );
        let kills = Kills::read(&heard, 10).unwrap();
        assert_eq!(kills.seeds(), BTreeSet::from([4, 5, 9]));
        assert_eq!(kills.first_seeds(), "4, 5, 9");
        assert_eq!(kills.most_broken(), "durable quorum");
    }

    #[test]
    fn a_promise_is_named_without_what_differs_from_life_to_life() {
        for (message, name) in [
            ("durable quorum: 3@7 is on 1 of 3", "durable quorum"),
            ("assertion `left == right` failed: term and vote: 3", "term and vote"),
            ("oracle: Ticket(7) failed, yet happened", "oracle: failed, yet happened"),
            ("oracle: stale: Ticket(7) read", "oracle: stale"),
        ] {
            assert_eq!(promise_of(message), name);
        }
    }

    #[test]
    fn a_simulator_that_died_has_killed_nothing() {
        let heard = lines("seed 9 failed: durable quorum: 3@7\n");
        assert!(Kills::read(&heard, 10).is_err());
    }

    #[test]
    fn what_is_broken_without_the_bug_is_no_find() {
        let heard = lines("seed 9 failed: healing\nseed 4 failed: x\n8 passed, 2 failed\n");
        let kills = Kills::read(&heard, 10).unwrap().without(&BTreeSet::from([4, 7]));
        assert_eq!(kills.seeds(), BTreeSet::from([9]));
    }

    #[test]
    fn runs_add_up() {
        let mut kills = Kills::read(&lines("10 passed, 0 failed\n"), 10).unwrap();
        kills.add(Kills::read(&lines("seed 12 failed: x\n9 passed, 1 failed\n"), 10).unwrap());
        assert_eq!((kills.lives, kills.count()), (20, 1));
    }
}
