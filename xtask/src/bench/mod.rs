//! `cargo xtask bench NAME`: figures of the real thing.
//!
//! | name | what it measures |
//! |---|---|
//! | `store` | the state machine alone, by its own examples |
//! | `raft`, `wal`, `codec` | consensus, the log, members' messages, each by itself |
//! | `failover` | how long writes stop when the leader dies, leaves or falls silent |
//! | `http` | puts and gets a second over HTTP with `wrk`, and one client's latency |
//! | `scale` | how figures grow with keys, members, clients and watchers |
//! | `steady` | ten minutes at seven tenths of what is possible: does anything ever stall? |
//! | `overload` | what is still done in time at twice and three times the load that can be borne |
//! | `page` | how much the dashboard works when 20,000 writes a second are told to it |
//! | `versus-etcd` | the same loads on us and on a real etcd, in turns |
//!
//! From `failover` on, but for `page`, they start members of the release binary on free loopback
//! ports, with their data in a temporary directory, and end them by their process ids. `--smoke`
//! makes a run too short for a figure but long enough to fail if it has rotted.
//!
//! What this does *not* do: judge. A figure past its goal is printed beside the goal; only a write
//! that is refused for good, or a member that does not come back, fails a run.

mod client;
mod cluster;
mod failover;
mod figures;
mod flood;
mod http;
mod json;
mod overload;
mod program;
mod scale;
mod steady;
mod versus;

use crate::browser;
use crate::failure::{Failure, Result};
use crate::shell::{cargo, run as succeeds};
use crate::tools::{self, Tool};

/// Every benchmark but the page's, which the lane of the browser runs.
pub(crate) const NAMES: &[&str] = &[
    "raft",
    "wal",
    "store",
    "codec",
    "failover",
    "overload",
    "http",
    "scale",
    "steady",
    "versus-etcd",
];

/// What they need beyond Rust.
pub(crate) const TOOLS: [&Tool; 3] = [&tools::WRK, &tools::H2LOAD, &tools::PIP];

pub(crate) fn run(name: &str, options: &[&str]) -> Result<bool> {
    match name {
        "raft" | "wal" => example(name, "bench", options),
        "store" => Ok(example(name, "bench", options)? && example(name, "expiry", options)?),
        "codec" => example("server", "codec", options),
        "failover" => failover::run(&failover::Options::parse(options)?).map(|()| true),
        "page" => browser::measure(page_seconds(options)?),
        "http" => http::run(smoke_alone(options)?).map(|()| true),
        "scale" => scale::run(smoke_alone(options)?).map(|()| true),
        "steady" => steady::run(smoke_alone(options)?).map(|()| true),
        "overload" => overload::run(smoke_alone(options)?).map(|()| true),
        "versus-etcd" => versus::run(&versus::Options::parse(options)?).map(|()| true),
        _ => Err(Failure::Usage(format!("no such benchmark: {name}"))),
    }
}

/// A crate's own benchmark, which takes its own arguments.
fn example(package: &str, example: &str, options: &[&str]) -> Result<bool> {
    let run = ["run", "--release", "-p", package, "--example", example, "--"];
    succeeds(cargo(&run).args(options))
}

/// How long the page is looked at: a minute, unless another time is named.
fn page_seconds(options: &[&str]) -> Result<u64> {
    let minutes = match options {
        [] => Some(1),
        ["--smoke"] => return Ok(browser::SMOKE_SECONDS),
        ["--minutes", minutes] => minutes.parse().ok(),
        _ => None,
    };
    let seconds = minutes.and_then(|minutes: u64| minutes.checked_mul(60));
    seconds.ok_or_else(|| Failure::Usage(format!("no such option: {}", options.join(" "))))
}

fn smoke_alone(options: &[&str]) -> Result<bool> {
    match options {
        [] => Ok(false),
        ["--smoke"] => Ok(true),
        _ => Err(Failure::Usage(format!("no such option: {}", options.join(" ")))),
    }
}
