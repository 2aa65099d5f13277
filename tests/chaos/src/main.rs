//! `chaos`: failures on real processes, under load from real clients.
//!
//! ```text
//! chaos --minutes N --seed S      lives of three and of five members in turn, by seed
//! chaos --story NAME|all          failures that have a name (`stories.rs`)
//! chaos --plan --seed S           what a seed would do
//! ```
//!
//! The last line is `N passed, M failed`: checks, six of each history and three of each cluster.
//! The exit code is 1 if any failed, 2 if the arguments make no sense. `RAFTKV_BIN` names the
//! program under test.
//!
//! # A life
//!
//! ```text
//!   enter.rs ─▶ world/ (machines, members) ◀─ strike ─ lanes/ ◀─ plan.rs ◀─ seed
//!                   ▲                                       stories.rs
//!                   │ requests
//!                load/ ──▶ history.rs ──▶ judge/ ──▶ report.rs
//! ```
//!
//! A cluster is founded on machines of its own (`enter.rs` says what that takes), clients begin
//! (`load/`), five lanes of faults strike at the same time (`lanes/`). Then everything is healed;
//! the cluster must be well again within a minute, and what everybody was told is judged
//! (`judge/`). The seed decides what is done and when; processes, threads and the network decide
//! what comes of it, so a seed that fails once need not fail twice: its members' directories and
//! logs are kept.
//!
//! # What this does not do
//!
//! Lose power: `kill -9` keeps the page cache. The simulator does that. Nor does it measure.

mod enter;
mod fault;
mod history;
mod judge;
mod lanes;
mod life;
mod load;
mod options;
mod plan;
mod report;
mod stage;
mod stories;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{ExitCode, exit};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use enter::{Ground, enter};
use life::{MACHINES, Setting, live};
use options::{LIFE, Options, USAGE};
use plan::Plan;
use report::Report;
use stage::INTERRUPTED;
use stories::{STORIES, Story};
use world::net::Net;

/// Threads for all clients.
const CLIENT_THREADS: usize = 2;

/// Of a life, so much is for founding, healing and judging.
const QUIET: Duration = Duration::from_secs(35);

/// A story ends by itself, long before this.
const STORY: Duration = Duration::from_secs(120);

/// The exit code of a command line that makes no sense.
const EXIT_USAGE: u8 = 2;

/// The exit code of a run that was told to end.
const EXIT_INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(complaint) => {
            eprintln!("chaos: {complaint}\n{USAGE}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    if options.plan {
        print!("{}", Plan::draw(options.seed, LIFE - QUIET));
        return ExitCode::SUCCESS;
    }
    let ground = enter();
    match &ground {
        Ground::Namespaces => Net::build(MACHINES),
        Ground::Loopback(why) => println!("members are on loopback: {why}"),
    }
    let runtime = runtime();
    let setting = Setting { ground, runtime: runtime.handle().clone() };
    let mut report = Report::default();
    match &options.story {
        Some(name) => tell(&setting, name, options.seed, &mut report),
        None => live_all(&setting, &options, &mut report),
    }
    if INTERRUPTED.load(Ordering::Relaxed) {
        exit(EXIT_INTERRUPTED);
    }
    report.print();
    if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Clients' threads, and one who hears when all is to end: first in good order, then at once.
fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(CLIENT_THREADS).enable_all().build();
    let runtime = runtime.expect("a machine has room for two threads");
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        runtime.spawn(async move {
            let mut told = signal(kind).expect("these signals can be listened to");
            told.recv().await;
            eprintln!("chaos: told to end");
            INTERRUPTED.store(true, Ordering::Relaxed);
            told.recv().await;
            exit(EXIT_INTERRUPTED);
        });
    }
    runtime
}

fn live_all(setting: &Setting, options: &Options, report: &mut Report) {
    for (seed, members) in options.lives() {
        let plan = Plan::draw(seed, LIFE - QUIET);
        println!("\n=== {members} members, seed {seed}\n{plan}");
        let name = format!("--members {members} --seed {seed}");
        let act = |stage: &stage::Stage| lanes::strike(stage, &plan);
        run(report, || live(setting, &name, members, seed, LIFE - QUIET, act), &name);
    }
}

fn tell(setting: &Setting, name: &str, seed: u64, report: &mut Report) {
    let told: Vec<&Story> =
        STORIES.iter().filter(|story| name == "all" || story.name == name).collect();
    if told.is_empty() {
        let names: Vec<&str> = STORIES.iter().map(|story| story.name).collect();
        report.fail(format!("no story is called {name}; there are {}", names.join(", ")));
    }
    for Story { name, members, act } in told {
        println!("\n=== {name}");
        run(report, || live(setting, name, *members, seed, STORY, act), name);
    }
}

/// A life that can not go on is a failure, and does not keep others from being lived.
fn run(report: &mut Report, life: impl FnOnce() -> report::LifeReport, name: &str) {
    if INTERRUPTED.load(Ordering::Relaxed) {
        return;
    }
    match catch_unwind(AssertUnwindSafe(life)) {
        Ok(life) => report.add(life),
        Err(_) => report.fail(format!("{name}: it could not go on: it says why above")),
    }
}
