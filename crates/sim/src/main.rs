//! `sim`: lives of a cluster, by seed.
//!
//! ```text
//! sim --seed 7                       one life
//! sim --seed 7 --trace life.jsonl    ... with every event as a JSON line
//! sim --scene figure-8 --trace F     a story that teaches Raft, of src/stories
//! sim --scene figure-8 --seeds 999   ... with the first seed that brings it to its end
//! sim --scenes DIRECTORY             all of them, with an index
//! sim --seeds 1000 [--from N]        many lives; the last line is "N passed, M failed"
//! sim --seconds 180 [--from-hash H]  as many as begin in that time, from a seed that the
//!                                    hexadecimal digits of a commit's hash give
//! ```
//! `--verbose` tells more about each life. The exit code is 1 if a promise was broken, 2 if the
//! arguments make no sense.

mod show;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use sim::{
    Broken, CompactionCounts, Fleet, Report, SnapshotCounts, Summary, Trace, WatchCounts, try_live,
};

/// Lives run on so many threads.
const THREADS: usize = 2;

/// Hexadecimal digits of a seed.
const SEED_DIGITS: usize = 16;

const USAGE: &str = "usage: sim --seed N [--trace FILE] [--verbose]
       sim --scene NAME [--seed N] [--trace FILE]
       sim --scene NAME --seeds COUNT [--from N]
       sim --scenes DIRECTORY
       sim --seeds COUNT [--from N | --from-hash HEX] [--verbose]
       sim --seconds SECONDS [--from N | --from-hash HEX] [--verbose]";

/// What the arguments ask for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Arguments {
    seed: Option<u64>,
    seeds: Option<u64>,
    seconds: Option<u64>,
    from: u64,
    scene: Option<String>,
    scenes: Option<String>,
    trace: Option<String>,
    verbose: bool,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(complaint) => return refuse(&complaint),
    };
    // A broken promise is reported below, with its seed; the default report knows none.
    std::panic::set_hook(Box::new(|panic| {
        if let Some(place) = panic.location() {
            eprintln!("broken at {}:{}", place.file(), place.line());
        }
    }));
    if let Some(name) = &arguments.scene {
        return scene(name, &arguments);
    }
    if let Some(directory) = &arguments.scenes {
        return show(show::write_all(Path::new(directory)));
    }
    match (arguments.seed, arguments.seeds, arguments.seconds) {
        (Some(seed), None, None) => one(seed, &arguments),
        (None, Some(seeds), None) => many(seeds, None, &arguments),
        (None, None, Some(s)) => many(u64::MAX, Some(Duration::from_secs(s)), &arguments),
        _ => refuse("one of --seed, --seeds and --seconds"),
    }
}

fn refuse(complaint: &str) -> ExitCode {
    eprintln!("{complaint}\n{USAGE}");
    ExitCode::from(2)
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments::default();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        let number = |value: String| value.parse().map_err(|_| format!("{value} is no number"));
        match word.as_str() {
            "--seed" => arguments.seed = Some(number(value()?)?),
            "--seeds" => arguments.seeds = Some(number(value()?)?),
            "--seconds" => arguments.seconds = Some(number(value()?)?),
            "--from-hash" => arguments.from = seed_of_hash(&value()?)?,
            "--from" => arguments.from = number(value()?)?,
            "--scene" => arguments.scene = Some(value()?),
            "--scenes" => arguments.scenes = Some(value()?),
            "--trace" => arguments.trace = Some(value()?),
            "--verbose" => arguments.verbose = true,
            _ => return Err(format!("unknown argument {word}")),
        }
    }
    Ok(arguments)
}

/// The first 16 digits of a hash, or as many as there are.
fn seed_of_hash(hash: &str) -> Result<u64, String> {
    let digits = hash.get(..SEED_DIGITS).unwrap_or(hash);
    u64::from_str_radix(digits, 16).map_err(|_| format!("{hash} is no hexadecimal number"))
}

fn open_trace(arguments: &Arguments) -> Result<Trace, String> {
    let Some(path) = &arguments.trace else { return Ok(Trace::off()) };
    let file = File::create(path).map_err(|error| format!("{path} can not be written: {error}"))?;
    Ok(Trace::to(BufWriter::new(file)))
}

fn scene(name: &str, arguments: &Arguments) -> ExitCode {
    if let Some(seeds) = arguments.seeds {
        let found = show::find(name).and_then(|story| show::lucky(story, arguments.from, seeds));
        return show(found.map(|seed| println!("{name} comes to its end with seed {seed}")));
    }
    match (show::find(name), open_trace(arguments)) {
        (Ok(story), Ok(trace)) => show(show::told(story, arguments.seed, trace).map(|_| ())),
        (Err(complaint), _) | (_, Err(complaint)) => refuse(&complaint),
    }
}

fn show(shown: Result<(), String>) -> ExitCode {
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            println!("{wrong}");
            ExitCode::FAILURE
        }
    }
}

fn one(seed: u64, arguments: &Arguments) -> ExitCode {
    let trace = match open_trace(arguments) {
        Ok(trace) => trace,
        Err(complaint) => return refuse(&complaint),
    };
    match try_live(seed, None, trace) {
        Ok(report) => {
            tell(seed, &report, true);
            println!("1 passed, 0 failed");
            ExitCode::SUCCESS
        }
        Err(broken) => {
            complain(&broken);
            println!("0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

fn many(seeds: u64, budget: Option<Duration>, arguments: &Arguments) -> ExitCode {
    let fleet = Fleet { from: arguments.from, seeds, threads: THREADS, budget };
    let summary = fleet.run(|seed, result| match result {
        Ok(report) if arguments.verbose => tell(seed, report, false),
        Ok(_) => {}
        Err(broken) => complain(broken),
    });
    summarize(&summary);
    println!("{} passed, {} failed", summary.passed, summary.broken.len());
    if summary.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn complain(Broken { seed, message }: &Broken) {
    println!("seed {seed} failed: {message}");
    println!(
        "    replay it: cargo run --release -p sim -- --seed {seed} --trace seed-{seed}.jsonl"
    );
}

/// One life: a line, and with `in_full` each fault.
fn tell(seed: u64, report: &Report, in_full: bool) {
    let outcomes = &report.outcomes;
    println!(
        "seed {seed}: {} members, {} events, {} ms simulated, {} committed; writes {} done, {} \
         failed, {} unknown; reads {} done, {} failed, {} stale; healed in {} ms",
        report.members,
        report.events,
        report.simulated_us / 1_000,
        report.committed,
        outcomes.writes_done,
        outcomes.writes_failed,
        outcomes.writes_unknown,
        outcomes.reads_done,
        outcomes.reads_failed,
        outcomes.reads_stale,
        report.recovery_ms,
    );
    if in_full {
        for &fault in &report.enabled {
            println!("    {:<28}{:>8}", fault.name(), report.faults.of(fault));
        }
        println!("    {:<28}{:>8}", "unflushed sectors lost", report.sectors_lost);
        println!("    {:<28}{:>8}", "unflushed sectors torn", report.sectors_torn);
    }
    for fault in report.idle_faults() {
        println!("    seed {seed}: {} was on and never happened", fault.name());
    }
}

fn summarize(summary: &Summary) {
    println!("{:<28}{:>9}{:>11}{:>14}", "fault", "lives on", "of them 0", "happened");
    for &(fault, on, idle) in &summary.enabled {
        println!("{:<28}{on:>9}{idle:>11}{:>14}", fault.name(), summary.faults.of(fault));
    }
    for fault in summary.never_happened() {
        println!("{} was on, and never happened in any life", fault.name());
    }
    let (lost, torn) = summary.sectors;
    println!("unflushed sectors lost {lost}, torn {torn}");
    let SnapshotCounts { written, received, installed, cuts } = summary.snapshots;
    println!(
        "snapshots: {written} written, {received} received, {installed} in place of a log; \
         {cuts} logs cut"
    );
    let outcomes = &summary.outcomes;
    println!(
        "{} committed; writes {} done, {} failed ({} for want of room, {} of memory), {} unknown; \
         reads {} done, {} failed, {} stale",
        summary.committed,
        outcomes.writes_done,
        outcomes.writes_failed,
        outcomes.writes_without_room,
        outcomes.writes_without_memory,
        outcomes.writes_unknown,
        outcomes.reads_done,
        outcomes.reads_failed,
        outcomes.reads_stale,
    );
    let (then, otherwise) = outcomes.txns_done;
    println!(
        "transactions: {then} took the first branch, {otherwise} the other, {} read without the \
         log; {} changes were answered once more",
        outcomes.txns_read, outcomes.repeated,
    );
    println!(
        "{} answers about leases; {} keys and {} leases expired, {} of them watched to their end",
        outcomes.lease_answers, summary.expired.0, summary.expired.1, summary.lease_trials
    );
    let WatchCounts { begun, events, compacted, progress, fallen_behind } = summary.watches;
    println!(
        "watches: {begun} begun, {compacted} cut off by compaction, {fallen_behind} times not fast \
         enough; {events} events and {progress} notices of progress told"
    );
    let CompactionCounts { by_age, by_bytes, by_memory } = summary.compactions;
    println!(
        "the past given up by leaders: {by_age} times for its age, {by_bytes} for its bytes, \
         {by_memory} for want of memory"
    );
    println!("an order of all answers was found for {} keys", summary.searched);
    let (recovery_ms, timeouts) = summary.slowest_recovery;
    println!("slowest healing {recovery_ms} ms ({timeouts} election timeouts)");
    let (wall_ms, simulated_ms) = (summary.took.as_millis().max(1), summary.simulated_us / 1_000);
    println!(
        "{} events in {wall_ms} ms: {} a second, {} simulated hours an hour; a life takes {} ms \
         (median), {} ms (99 %), {} ms (longest)",
        summary.events,
        u128::from(summary.events) * 1_000 / wall_ms,
        u128::from(simulated_ms) / wall_ms,
        summary.time_at(500).as_millis(),
        summary.time_at(990).as_millis(),
        summary.time_at(1_000).as_millis(),
    );
}
