//! An end to commands that never end: a test that hangs must fail its lane, with what it has said,
//! and not keep the others from running.
//!
//! A command is killed with everything that it has started: `cargo test` alone would leave the test
//! behind, with its output still open. It stays in our own group of processes, so that whoever
//! interrupts us interrupts it.

use std::fs;
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Longer than any lane takes that ends, on a slow machine, with what it has to build.
pub(crate) const LANE_MAX: Duration = Duration::from_secs(40 * 60);

/// Each look finds what was started before the last: there is little of that, or no end to it.
const LOOKS_MAX: usize = 100;

/// Waits beside a command. Dropping it ends the wait.
pub(crate) struct Patience {
    over: Option<Sender<()>>,
    waiting: Option<JoinHandle<bool>>,
}

impl Patience {
    /// Ends `child`, which is not waited for yet, after this time.
    pub(crate) fn with(child: &Child, most: Duration) -> Patience {
        let (over, told) = channel();
        let id = child.id();
        let waiting = thread::spawn(move || wait(&told, most, id));
        Patience { over: Some(over), waiting: Some(waiting) }
    }

    /// The command has ended, or is about to; answers whether it was ended here.
    pub(crate) fn ran_out(mut self) -> bool {
        drop(self.over.take());
        let waiting = self.waiting.take().expect("it is joined once");
        waiting.join().expect("it does not panic")
    }
}

fn wait(told: &Receiver<()>, most: Duration, id: u32) -> bool {
    let ran_out = told.recv_timeout(most) == Err(RecvTimeoutError::Timeout);
    if ran_out {
        kill_with_descendants(id);
    }
    ran_out
}

/// All stand still before the first is ended: so none takes notice of what becomes of the others,
/// and none starts more. Whom one had started before it stood still is found by the next look.
fn kill_with_descendants(id: u32) {
    let mut found = vec![id];
    signal(id, Signal::STOP);
    for _ in 0..LOOKS_MAX {
        let all = descendants(id, &parents());
        let new: Vec<u32> = all.into_iter().filter(|process| !found.contains(process)).collect();
        if new.is_empty() {
            break;
        }
        new.iter().for_each(|process| signal(*process, Signal::STOP));
        found.extend(new);
    }
    found.into_iter().rev().for_each(|process| signal(process, Signal::KILL));
}

fn signal(process: u32, signal: Signal) {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    // It may have ended by itself.
    let _ = pid.map(|pid| kill_process(pid, signal));
}

/// Every process with its parent.
fn parents() -> Vec<(u32, u32)> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let parent = |entry: fs::DirEntry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        Some((process, parent_in(&stat)?))
    };
    processes.filter_map(parent).collect()
}

/// The name of a process stands in brackets, and may have brackets and blanks of its own.
fn parent_in(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// Whom a process has started, and whom they have.
fn descendants(id: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let mut found = vec![id];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = parents.iter().filter(|(process, of)| *of == parent && *process != parent);
        let new: Vec<u32> = children.map(|(process, _)| *process).collect();
        found.extend(new.into_iter().filter(|process| *process != id));
        next += 1;
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::process::{Command, Stdio};
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_a_command_has_started_ends_with_it() {
        // The second shell outlives the first if only that one is killed, and holds the output.
        let mut command = Command::new("sh");
        command.args(["-c", "sh -c 'echo begun; sleep 600'; true"]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        output.read_line(&mut said).unwrap();
        assert_eq!(said, "begun\n");
        let begun = Instant::now();
        let patience = Patience::with(&child, Duration::from_millis(50));
        output.read_to_string(&mut said).unwrap();
        assert!(patience.ran_out());
        assert!(!child.wait().unwrap().success());
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn what_ends_in_time_is_left_alone() {
        let mut child = Command::new("true").spawn().unwrap();
        let patience = Patience::with(&child, LANE_MAX);
        assert!(child.wait().unwrap().success());
        assert!(!patience.ran_out());
    }

    #[test]
    fn names_of_processes_may_be_anything() {
        assert_eq!(parent_in("7 (a) 9 (b)) S 5 7 7"), Some(5));
        assert_eq!(parent_in("7"), None);
    }

    #[test]
    fn descendants_are_found_over_generations() {
        let parents = [(2, 1), (3, 2), (4, 3), (9, 1), (1, 0), (0, 0)];
        assert_eq!(descendants(2, &parents), [3, 4]);
        assert_eq!(descendants(4, &parents), Vec::<u32>::new());
    }
}
