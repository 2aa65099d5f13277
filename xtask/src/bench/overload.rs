//! `cargo xtask bench overload`: what is still done in time when more is asked for than can be.
//!
//! Three members share one processor, and the load (`flood/`) has another one for itself. Each load
//! is first run as fast as answers come: that is the peak. Then calls are due at once, twice and
//! three times that rate, whatever becomes of those before, and each counts only if it is answered
//! within [`WITHIN`]. What is done in time a second is the **goodput**, told as a share of the
//! peak; what was refused and what was late are told beside it.
//!
//! What this does *not* do: judge, like all benchmarks here.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::cluster::Cluster;
use super::figures::{Sorted, ms};
use super::flood::{self, Outcome, Pace, Plan};
use super::program::Program;
use super::versus::resident;
use crate::failure::{Doing, Failure, Result};
use crate::shell::release_binary;

/// An answer counts only within this time of when its call was due.
const WITHIN: Duration = Duration::from_secs(1);

/// The goal at the highest load, in percent of the peak.
const GOAL_PERCENT: u32 = 80;

/// So many peaks are asked for.
const MULTIPLES: [u64; 3] = [1, 2, 3];

/// Calls under way that find the peak.
const UNDER_WAY: usize = 1_024;

/// The loads, and how many of a hundred calls are gets.
const LOADS: [(&str, u64); 3] = [("put", 0), ("get", 100), ("half gets, half puts", 50)];

/// How long it is measured, and before that warmed up.
#[derive(Clone, Copy)]
struct Times {
    measured: Duration,
    warm_up: Duration,
}

const TIMES: Times = Times { measured: Duration::from_secs(4), warm_up: Duration::from_secs(1) };
const TIMES_SMOKE: Times =
    Times { measured: Duration::from_millis(500), warm_up: Duration::from_millis(500) };

/// Two processors: of the members, and of the load.
struct Halves {
    members: CpuSet,
    load: CpuSet,
}

pub(super) fn run(smoke: bool) -> Result<()> {
    let times = if smoke { TIMES_SMOKE } else { TIMES };
    let halves = Halves::of_this_process()?;
    let binary = release_binary()?;
    // Children have the processors of whoever starts them.
    keep_to(&halves.members)?;
    let mut cluster = Cluster::start(Program::Raftkv(binary))?;
    keep_to(&halves.load)?;
    let leader = cluster.settled()?;
    let port = cluster.port(leader);
    flood::fill(port)?;
    let mut table = String::from(
        "| load | asked for | in time, a second | of the peak | p50 | p99 | refused | late | not \
         sent | lost | memory |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for (name, gets_percent) in LOADS {
        let Times { measured, warm_up } = times;
        let pace = Pace::Closed(UNDER_WAY);
        let plan = Plan { port, gets_percent, pace, within: WITHIN, warm_up, measured };
        let peak = per_second(&flood::run(&plan)?, &plan);
        if peak < 1.0 {
            return Err(Failure::Unexpected("nothing was done at all".to_owned()));
        }
        let _ = writeln!(table, "| {name} | the peak | {peak:.0} | 100 % | | | | | | | |");
        for multiple in MULTIPLES {
            let plan = Plan { pace: Pace::Open(peak as u64 * multiple), ..plan };
            let found = flood::run(&plan)?;
            let memory_mib = resident(&cluster)? / f64::from(1 << 20);
            let (share, done) = (per_second(&found, &plan) / peak, per_second(&found, &plan));
            let _ = write!(table, "| {name} | {multiple} × | {done:.0} | {:.0} %", share * 100.0);
            let _ = writeln!(table, "{} | {memory_mib:.0} MiB |", rest(found));
        }
    }
    println!("\nanswers within {WITHIN:?}, three members on one processor\n\n{table}");
    println!("goal: {GOAL_PERCENT} % of the peak at {} times the peak", MULTIPLES[2]);
    cluster.settled()?;
    cluster.finish()
}

fn per_second(found: &Outcome, plan: &Plan) -> f64 {
    found.done.len() as f64 / plan.measured.as_secs_f64()
}

/// Latencies of what was done, and shares of what was not.
fn rest(found: Outcome) -> String {
    let Outcome { done, refused, late, not_sent, lost, .. } = found;
    let all = done.len() as u64 + refused + late + not_sent + lost;
    let percent = |part: u64| format!("{:.0} %", part as f64 / all.max(1) as f64 * 100.0);
    let (p50, p99) = match done.is_empty() {
        true => ("–".to_owned(), "–".to_owned()),
        false => {
            let sorted = Sorted::new(done);
            (ms(sorted.median()), ms(sorted.percentile(99)))
        }
    };
    let parts = [refused, late, not_sent, lost].map(percent);
    format!(" | {p50} | {p99} | {}", parts.join(" | "))
}

impl Halves {
    fn of_this_process() -> Result<Halves> {
        let allowed = sched_getaffinity(None).map_err(io::Error::from).doing("see processors")?;
        let mut all = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
        let (Some(first), Some(second)) = (all.next(), all.next()) else {
            let message =
                "one processor is for the members and one for the load: there is only one";
            return Err(Failure::Unexpected(message.to_owned()));
        };
        let only = |cpu| {
            let mut set = CpuSet::new();
            set.set(cpu);
            set
        };
        Ok(Halves { members: only(first), load: only(second) })
    }
}

fn keep_to(processors: &CpuSet) -> Result<()> {
    sched_setaffinity(None, processors).map_err(io::Error::from).doing("choose a processor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_done_is_told_as_a_share_of_all() {
        let done = vec![Duration::from_millis(3); 50];
        let parts = Outcome { refused: 30, late: 14, not_sent: 4, lost: 2, ..Outcome::default() };
        assert_eq!(
            rest(Outcome { done, ..parts }),
            " | 3.000 ms | 3.000 ms | 30 % | 14 % | 4 % | 2 %"
        );
        let none = Outcome { late: 1, ..Outcome::default() };
        assert_eq!(rest(none), " | – | – | 0 % | 100 % | 0 % | 0 %");
    }
}
