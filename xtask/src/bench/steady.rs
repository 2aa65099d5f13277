//! `cargo xtask bench steady`: ten minutes of puts at seven tenths of what is possible, due at
//! fixed times, with watchers, while snapshots are made and the past is given up. What a user would
//! call a stall shows as a latency: operations are due whatever became of those before.

use std::fs;
use std::process::{Child, Command, Stdio};

use super::cluster::Cluster;
use super::program::Program;
use super::versus::generate::{Generator, Size};
use super::versus::keeps_what_is_flushed;
use super::versus::sheet::{grouped, micros};
use super::versus::state::set_history;
use crate::failure::{Doing, Failure, Result};
use crate::shell::release_binary;

const VALUE_BYTES: usize = 256;

/// How much of what is possible is asked for, in percent.
const SHARE_PERCENT: f64 = 70.0;

/// Watchers of every key, each a process that reads what it is told.
const WATCHERS: usize = 2;

/// No operation of ours may take longer, in µs.
const STALL_US: f64 = 100_000.0;

const CLIENTS: &[&str] = &["--clients", "64", "--connections", "8"];

/// An open loop needs more clients than are busy at a time.
const OPEN_CLIENTS: [&str; 4] = ["--clients", "1024", "--connections", "16"];

pub(super) fn run(smoke: bool) -> Result<()> {
    let (keys, peak_seconds, seconds) = if smoke { (500, 1, 1) } else { (10_000, 10, 600) };
    keeps_what_is_flushed(&std::env::temp_dir())?;
    let binary = release_binary()?;
    let generator = Generator(binary.clone());
    let mut cluster = Cluster::start(Program::Raftkv(binary))?;
    let size = |seconds| Size { keys, value_bytes: VALUE_BYTES, seconds, warm_up: 1 };
    // Little of the past is kept, so that it is given up all the time.
    set_history(&mut cluster)?;
    generator.puts(&mut cluster, &size(0), keys, true)?;
    let watchers = Watchers::start(&mut cluster)?;
    let term = cluster.term()?;
    let peak = generator.at_leader("put", &mut cluster, &size(peak_seconds), CLIENTS)?;
    let rate = (peak.per_second * SHARE_PERCENT / 100.0).floor().to_string();
    println!("peak {} puts a second; {rate} are due a second now", grouped(peak.per_second));
    let words = [&OPEN_CLIENTS[..], &["--rate", &rate]].concat();
    let figures = generator.at_leader("put", &mut cluster, &size(seconds), &words)?;
    let changes = cluster.term()? - term;
    watchers.finish()?;
    let shown = |us: Option<f64>| us.map_or("–".to_owned(), micros);
    println!("\n| seconds | puts a second | p50 | p99 | p99.9 | longest | fewest in 100 ms |");
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    println!(
        "| {seconds} | {} | {} | {} | {} | {} | {} |",
        grouped(figures.per_second),
        shown(figures.p50),
        shown(figures.p99),
        shown(figures.p999),
        shown(figures.max),
        figures.quietest.map_or("–".to_owned(), grouped),
    );
    println!("changes of leader: {changes}");
    if figures.max.is_some_and(|longest| longest > STALL_US) {
        println!("an operation took longer than 100 ms: who else used the machine then?");
    }
    cluster.finish()
}

/// A command of ours that asks the leader.
fn at_leader(cluster: &mut Cluster, words: &[&str]) -> Result<Command> {
    let port = cluster.settled().map(|leader| cluster.port(leader))?;
    let mut command = Command::new(cluster.program().path());
    command.args(words).arg("--endpoints").arg(format!("http://127.0.0.1:{port}"));
    Ok(command)
}

/// Processes that watch, ended when this is dropped.
struct Watchers(Vec<Child>);

impl Watchers {
    fn start(cluster: &mut Cluster) -> Result<Watchers> {
        let path = cluster.directory().join("watched");
        let mut watchers = Watchers(Vec::new());
        for _ in 0..WATCHERS {
            let log = fs::File::create(&path).doing("create a watcher's log")?;
            let mut command = at_leader(cluster, &["watch", "--prefix", "bench/"])?;
            command.stdout(Stdio::null()).stderr(log).stdin(Stdio::null());
            watchers.0.push(command.spawn().doing("start a watcher")?);
        }
        watchers.all_run()?;
        Ok(watchers)
    }

    /// None has ended, for whatever reason.
    fn all_run(&mut self) -> Result<()> {
        for watcher in &mut self.0 {
            if let Some(status) = watcher.try_wait().doing("look at a watcher")? {
                return Err(Failure::Unexpected(format!("a watcher ended: {status}")));
            }
        }
        Ok(())
    }

    /// They watched to the end.
    fn finish(mut self) -> Result<()> {
        self.all_run()
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        for watcher in &mut self.0 {
            // An error means that it is gone already.
            let _ = watcher.kill();
            let _ = watcher.wait();
        }
    }
}
