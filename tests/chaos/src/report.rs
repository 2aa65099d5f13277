//! What a run was: what was injected and how often, what clients asked, what was found.

use std::collections::BTreeMap;

use crate::fault::{FAULTS, Fault};
use crate::history::{History, Op, Outcome, What};
use crate::judge::{COUNTER_PREFIX, Check};

/// How often each fault struck, and how often it could not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    counts: BTreeMap<Fault, (u64, u64)>,
    /// What processes did of which nobody told them, as they may.
    pub(crate) ended_as_they_may: u64,
}

impl Tally {
    pub(crate) fn struck(&mut self, fault: Fault) {
        self.counts.entry(fault).or_default().0 += 1;
    }

    pub(crate) fn skipped(&mut self, fault: Fault) {
        self.counts.entry(fault).or_default().1 += 1;
    }

    fn add(&mut self, other: &Tally) {
        for (fault, (struck, skipped)) in &other.counts {
            let (all_struck, all_skipped) = self.counts.entry(*fault).or_default();
            *all_struck += struck;
            *all_skipped += skipped;
        }
        self.ended_as_they_may += other.ended_as_they_may;
    }
}

/// What one life came to.
#[derive(Debug, Default)]
pub(crate) struct LifeReport {
    /// How it is run again.
    pub(crate) name: String,
    pub(crate) tally: Tally,
    pub(crate) operations: Operations,
    pub(crate) checks: Vec<Check>,
    /// What can not be done on this machine.
    pub(crate) missing: Vec<String>,
    /// Where its remains are, if it failed.
    pub(crate) remains: Option<String>,
}

/// Requests by kind: done, refused, unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Operations {
    counts: BTreeMap<&'static str, [u64; 3]>,
}

impl Operations {
    pub(crate) fn of(history: &History) -> Operations {
        let mut operations = Operations::default();
        for op in &history.ops {
            let place = match op.outcome {
                Outcome::Refused => 1,
                Outcome::Unknown => 2,
                _ => 0,
            };
            operations.counts.entry(kind(op)).or_default()[place] += 1;
        }
        let told = history.watchers.iter().map(|telling| telling.events.len() as u64).sum();
        operations.counts.insert("events watched", [told, 0, 0]);
        operations
    }

    fn add(&mut self, other: &Operations) {
        for (kind, counts) in &other.counts {
            let all = self.counts.entry(kind).or_default();
            all.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }
}

fn kind(op: &Op) -> &'static str {
    match op.what {
        What::Read => "read",
        What::Swap { .. } => "compare and swap",
        What::Delete => "delete",
        What::Put(_) if op.key.starts_with(COUNTER_PREFIX) => "increment",
        What::Put(_) => "write",
    }
}

/// All lives of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lives: u64,
    tally: Tally,
    operations: Operations,
    passed: u64,
    failed: u64,
    missing: Vec<String>,
    broken: Vec<String>,
}

impl Report {
    /// Takes a life in, and prints what it came to.
    pub(crate) fn add(&mut self, life: LifeReport) {
        self.lives += 1;
        self.tally.add(&life.tally);
        self.operations.add(&life.operations);
        for Check { name, of, violations } in &life.checks {
            let verdict = if violations.is_empty() { "holds " } else { "BROKEN" };
            println!("  {verdict} {name}: {of}");
            violations.iter().take(VIOLATIONS_SHOWN).for_each(|it| println!("         {it}"));
            if violations.len() > VIOLATIONS_SHOWN {
                println!("         and {} more", violations.len() - VIOLATIONS_SHOWN);
            }
            match violations.is_empty() {
                true => self.passed += 1,
                false => {
                    self.failed += 1;
                    self.broken.push(format!("{}: {name}", life.name));
                }
            }
        }
        life.remains.iter().for_each(|remains| println!("  {remains}"));
        for missing in life.missing {
            if !self.missing.contains(&missing) {
                self.missing.push(missing);
            }
        }
    }

    /// Something that could not even be tried.
    pub(crate) fn fail(&mut self, why: String) {
        println!("  BROKEN {why}");
        self.failed += 1;
        self.broken.push(why);
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.failed == 0
    }

    /// The tables, and the line `N passed, M failed`.
    pub(crate) fn print(&self) {
        println!("\n{} lives", self.lives);
        println!("{:<28}{:>10}{:>14}", "injected", "times", "not possible");
        for fault in FAULTS {
            let (struck, skipped) = self.tally.counts.get(&fault).copied().unwrap_or_default();
            println!("{fault:<28}{struck:>10}{skipped:>14}");
        }
        println!("\n{:<28}{:>10}{:>10}{:>10}", "requests", "done", "not done", "unknown");
        for (kind, [done, refused, unknown]) in &self.operations.counts {
            println!("{kind:<28}{done:>10}{refused:>10}{unknown:>10}");
        }
        println!(
            "\nmembers that ended by themselves, as they may: {}",
            self.tally.ended_as_they_may
        );
        self.missing.iter().for_each(|missing| println!("not injected here: {missing}"));
        self.broken.iter().for_each(|broken| println!("BROKEN {broken}"));
        println!("{}", self.closing_line());
    }

    fn closing_line(&self) -> String {
        format!("{} passed, {} failed", self.passed, self.failed)
    }
}

/// So many violations of one check are shown.
const VIOLATIONS_SHOWN: usize = 10;
