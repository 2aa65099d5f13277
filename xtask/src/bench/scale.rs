//! `cargo xtask bench scale`: how figures grow with keys, members, clients and watchers. What takes
//! constant or logarithmic time must not show that there are five million keys.
//!
//! Everything runs on one machine, so more members or watchers also share its processors: what five
//! members take from each other here they would not on five machines.

use super::cluster::Cluster;
use super::program::Program;
use super::versus::generate::{Figures, Generator, Size};
use super::versus::keeps_what_is_flushed;
use super::versus::sheet::{grouped, micros};
use super::versus::usage::resident;
use crate::failure::Result;
use crate::shell::release_binary;

const VALUE_BYTES: usize = 256;

const MB: f64 = 1_000_000.0;

/// What is varied, and how long each load takes, in seconds.
struct Scale {
    keys: &'static [u64],
    members: &'static [usize],
    clients: &'static [u64],
    watchers: &'static [u64],
    seconds: u64,
    warm_up: u64,
}

const WHOLE: Scale = Scale {
    keys: &[10_000, 1_000_000, 5_000_000],
    members: &[1, 3, 5],
    clients: &[1, 10, 100, 1_000, 2_000],
    watchers: &[1, 10, 100, 1_000, 10_000],
    seconds: 5,
    warm_up: 1,
};

const SMOKE: Scale = Scale {
    keys: &[100, 1_000],
    members: &[1],
    clients: &[1, 10],
    watchers: &[1, 10],
    seconds: 1,
    warm_up: 0,
};

/// A load: what it is called, which one it is.
const LOADS: [(&str, &str); 3] = [("put", "put"), ("get", "get"), ("range of 100 keys", "range")];

const CLIENTS: &[&str] = &["--clients", "64", "--connections", "8"];

/// Watchers share streams' connections; each may have a thousand.
const WATCH_CONNECTIONS: &str = "16";

/// Puts whose events are waited for, a second.
const WATCHED_PUTS: &str = "10";

pub(super) fn run(smoke: bool) -> Result<()> {
    let scale = if smoke { SMOKE } else { WHOLE };
    keeps_what_is_flushed(&std::env::temp_dir())?;
    let binary = release_binary()?;
    let (program, generator) = (Program::Raftkv(binary.clone()), Generator(binary));
    let bench = Bench { scale, program, generator };
    bench.keys()?;
    bench.members()?;
    bench.clients_and_watchers()
}

struct Bench {
    scale: Scale,
    program: Program,
    generator: Generator,
}

impl Bench {
    fn size(&self, keys: u64) -> Size {
        let Scale { seconds, warm_up, .. } = self.scale;
        Size { keys, value_bytes: VALUE_BYTES, seconds, warm_up }
    }

    /// The same cluster with ever more keys.
    fn keys(&self) -> Result<()> {
        println!("\n| keys | load | a second | p50 | p99 | memory of a member |");
        println!("|--:|---|--:|--:|--:|--:|");
        let mut cluster = Cluster::start(self.program.clone())?;
        for keys in self.scale.keys {
            let size = self.size(*keys);
            self.generator.puts(&mut cluster, &size, *keys, true)?;
            let memory = format!("{} MB", grouped(resident(&cluster)? / MB));
            let keys = grouped(*keys as f64);
            for (name, load) in LOADS {
                let figures = self.generator.at_leader(load, &mut cluster, &size, CLIENTS)?;
                println!("| {keys} | {name} | {} | {memory} |", row(&figures));
            }
        }
        cluster.finish()
    }

    /// Clusters of different sizes.
    fn members(&self) -> Result<()> {
        println!("\n| members | load | a second | p50 | p99 |");
        println!("|--:|---|--:|--:|--:|");
        let size = self.size(self.scale.keys[0]);
        for members in self.scale.members {
            let mut cluster = Cluster::of(self.program.clone(), *members)?;
            self.generator.puts(&mut cluster, &size, size.keys, true)?;
            for (name, load) in LOADS {
                let figures = self.generator.at_leader(load, &mut cluster, &size, CLIENTS)?;
                println!("| {members} | {name} | {} |", row(&figures));
            }
            cluster.finish()?;
        }
        Ok(())
    }

    fn clients_and_watchers(&self) -> Result<()> {
        let mut cluster = Cluster::start(self.program.clone())?;
        let size = self.size(self.scale.keys[0]);
        self.generator.puts(&mut cluster, &size, size.keys, true)?;
        println!("\n| clients that put | a second | p50 | p99 |");
        println!("|--:|--:|--:|--:|");
        for clients in self.scale.clients {
            let figures = self.generator.clients(&mut cluster, &size, *clients)?;
            println!("| {} | {} |", grouped(*clients as f64), row(&figures));
        }
        println!("\n| watchers of one key | events a second | put → event, p50 | p99 |");
        println!("|--:|--:|--:|--:|");
        for watchers in self.scale.watchers {
            let count = watchers.to_string();
            let words = ["--watchers", &count, "--connections", WATCH_CONNECTIONS];
            let words = [&words[..], &["--clients", "1", "--rate", WATCHED_PUTS]].concat();
            let figures = self.generator.at_leader("watch", &mut cluster, &size, &words)?;
            println!("| {} | {} |", grouped(*watchers as f64), row(&figures));
        }
        cluster.finish()
    }
}

/// How many a second, and two latencies.
fn row(figures: &Figures) -> String {
    let [p50, p99] = [figures.p50, figures.p99].map(|us| us.map_or("–".to_owned(), micros));
    format!("{} | {p50} | {p99}", grouped(figures.per_second))
}
