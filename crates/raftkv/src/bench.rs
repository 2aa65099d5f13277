//! `raftkv bench`: throughput and latency of a cluster over etcd's v3 API, so of ours or of one of
//! etcd's.
//!
//! | file | what it holds |
//! |---|---|
//! | `plan.rs` | what is to be run: the flags, checked |
//! | `keys.rs` | which keys there are, and which one is next |
//! | `pace.rs` | when operations begin: as fast as answers come, or at a fixed rate |
//! | `line.rs` | connections |
//! | `work.rs` | one operation |
//! | `tally.rs` | what became of operations: latencies, bytes, errors |
//! | `load.rs` | many clients, from the first operation to the last |
//! | `fanout.rs` | one key, and many who watch it |
//! | `report.rs` | the figures, for people and for programs |
//!
//! What failed is never counted as done, and what was due at a fixed rate and never began is an
//! error. What this does *not* do: start a cluster, or compare two; `cargo xtask bench
//! versus-etcd` does, with this as its load generator.

mod fanout;
mod keys;
mod line;
mod load;
mod pace;
mod plan;
mod report;
mod tally;
mod windows;
mod work;

use std::io::Write;

use self::line::Lines;
use self::load::{Load, Outcome};
use self::pace::Pace;
use self::plan::{Kind, Plan};
use self::tally::Tally;
use self::work::Work;
use crate::args::BenchCommand;
use crate::failure::Failure;

pub(crate) async fn run(command: BenchCommand, out: &mut impl Write) -> Result<(), Failure> {
    let plan = Plan::new(command)?;
    let lines = Lines::connect(&plan).await?;
    let ended = measured(&plan, &lines, out).await;
    // Also after a failure nobody wants to find thousands of keys.
    let cleaned = if plan.clean { clean(&plan, &lines).await } else { Ok(()) };
    ended.and(cleaned)
}

async fn measured(plan: &Plan, lines: &Lines, out: &mut impl Write) -> Result<(), Failure> {
    if plan.kind.reads_keys() {
        if plan.filled { check_filled(plan, lines).await? } else { fill(plan, lines).await? }
    }
    let outcome = match plan.kind {
        Kind::Watch { watchers } => fanout::run(plan, watchers, lines).await?,
        _ => {
            let pace =
                Pace::start(plan.until, plan.rate, plan.warm_up, plan.clients, plan.timeout());
            Load::new(Work::of(plan), pace).within(plan.within).run(lines, plan.clients).await
        }
    };
    if outcome.tally.is_empty() {
        return Err(nothing_done(&outcome.tally));
    }
    Ok(report::show(plan, &outcome, out)?)
}

/// Kinds of failures that another server would answer with, too.
const REFUSALS: [&str; 3] = ["invalid_argument", "permission_denied", "unauthenticated"];

fn nothing_done(tally: &Tally) -> Failure {
    let why = tally.first_error().unwrap_or("nothing was asked");
    let message = format!("not one operation was answered well: {why}");
    let refused = tally.errors().keys().any(|kind| REFUSALS.contains(&kind.as_str()));
    if refused { Failure::Usage(message) } else { Failure::Unavailable(message) }
}

/// Writes every key once, so that no read misses.
async fn fill(plan: &Plan, lines: &Lines) -> Result<(), Failure> {
    let Outcome { tally, .. } = {
        let pace = Pace::each_once(plan.keys.count());
        Load::new(Work::filling(plan), pace).run(lines, plan.clients).await
    };
    match tally.first_error() {
        None => Ok(()),
        Some(why) => Err(Failure::Unavailable(format!("not all keys could be written: {why}"))),
    }
}

async fn check_filled(plan: &Plan, lines: &Lines) -> Result<(), Failure> {
    let (there, needed) = (lines.first().count(&plan.keys).await?, plan.keys.count());
    if there >= needed {
        return Ok(());
    }
    Err(Failure::Negative(format!(
        "there are {there} keys under the prefix, not {needed}: leave out --filled"
    )))
}

async fn clean(plan: &Plan, lines: &Lines) -> Result<(), Failure> {
    lines.first().remove(&plan.keys).await
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    use super::tally::Failed;
    use super::*;

    fn code(kind: &str) -> ExitCode {
        let mut tally = Tally::default();
        tally.failed(Failed { kind: kind.to_owned(), message: "why".to_owned() });
        nothing_done(&tally).exit_code()
    }

    #[test]
    fn if_nothing_was_done_it_is_unavailable_or_can_not_be_right() {
        assert_eq!(code("timeout"), ExitCode::from(3));
        assert_eq!(code("unavailable"), ExitCode::from(3));
        assert_eq!(code("invalid_argument"), ExitCode::from(2));
    }
}
