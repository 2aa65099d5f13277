//! Puts and gets a second over HTTP, by `wrk`, and what one client waits for a put.
//!
//! All of it goes to the leader, with 256-byte values over 10,000 keys. Throughput is taken at 1,
//! 64 and 256 connections; the latency of one client by our own blocking client, so that it is the
//! member's and not the load generator's.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use super::client::Client;
use super::cluster::Cluster;
use super::figures::{Sorted, ms};
use super::program::Program;
use crate::failure::{Doing, Failure, Result};
use crate::shell::{listen, release_binary};
use crate::tools;

/// How many connections `wrk` keeps busy, row by row.
const CONNECTIONS: &[usize] = &[1, 64, 256];

/// How many threads `wrk` may use: it shares two cores with three members.
const THREADS_MAX: usize = 2;

/// How long one row runs, in seconds.
const SECONDS: u64 = 10;
const SECONDS_SMOKE: u64 = 1;

/// How many keys are written and read.
pub(super) const KEYS: usize = 10_000;

/// How large a value is, in bytes.
const VALUE_BYTES: usize = 256;

/// How many puts make a latency.
const PUTS: usize = 5_000;
const PUTS_SMOKE: usize = 200;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What `wrk` found in one row.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    pub(super) per_second: f64,
    pub(super) p50: String,
    pub(super) p99: String,
}

pub(super) fn run(smoke: bool) -> Result<()> {
    if let Some(missing) = tools::WRK.missing() {
        return Err(Failure::Unexpected(missing));
    }
    let (seconds, puts) = if smoke { (SECONDS_SMOKE, PUTS_SMOKE) } else { (SECONDS, PUTS) };
    let mut cluster = Cluster::start(Program::Raftkv(release_binary()?))?;
    let leader = cluster.settled()?;
    let port = cluster.port(leader);
    fill(port)?;
    let latencies = put_latencies(port, puts)?;
    let mut table = String::from("| load | connections | per second | p50 | p99 |\n");
    table.push_str("|---|--:|--:|--:|--:|\n");
    for (load, script) in [("put", put_script(VALUE_BYTES)), ("get", get_script())] {
        let path = cluster.directory().join(format!("{load}.lua"));
        fs::write(&path, script).doing(format!("write {}", path.display()))?;
        for connections in CONNECTIONS {
            let mut command = wrk(*connections, seconds, port);
            let Row { per_second, p50, p99 } = measure(command.arg("--script").arg(&path))?;
            let _ = writeln!(table, "| {load} | {connections} | {per_second:.0} | {p50} | {p99} |");
        }
    }
    let (p50, p99) = (ms(latencies.median()), ms(latencies.percentile(99)));
    println!("\n{VALUE_BYTES}-byte values, {KEYS} keys, all at the leader\n\n{table}");
    println!("one client, {puts} puts: p50 {p50}, p99 {p99}, max {}", ms(latencies.max()));
    cluster.finish()
}

/// Writes every key once, so that no get misses.
fn fill(port: u16) -> Result<()> {
    let mut client = Client::new(port, PATIENCE);
    (0..KEYS).try_for_each(|key| put(&mut client, key))
}

fn put_latencies(port: u16, puts: usize) -> Result<Sorted> {
    let mut client = Client::new(port, PATIENCE);
    let timed = (0..puts).map(|n| {
        let started_at = Instant::now();
        put(&mut client, n % KEYS)?;
        Ok(started_at.elapsed())
    });
    timed.collect::<Result<Vec<Duration>>>().map(Sorted::new)
}

fn put(client: &mut Client, key: usize) -> Result<()> {
    let json = format!(r#"{{"value":"{}"}}"#, "v".repeat(VALUE_BYTES));
    let answer = client.put(&format!("/kv/bench/{key}"), &json).doing("put")?;
    if answer.status == 200 {
        return Ok(());
    }
    let why = format!("a put was answered {}: {}", answer.status, answer.body);
    Err(Failure::Unexpected(why))
}

pub(super) fn wrk(connections: usize, seconds: u64, port: u16) -> Command {
    let threads = connections.min(THREADS_MAX);
    let mut command = Command::new("wrk");
    command.args(["--latency", &format!("-t{threads}"), &format!("-c{connections}")]);
    command.args([&format!("-d{seconds}s"), &format!("http://127.0.0.1:{port}")]);
    command
}

/// Each thread goes around the keys from a place of its own, or all would write the same key.
pub(super) fn put_script(value_bytes: usize) -> String {
    format!(
        "local n = 0\n\
         local body = '{{\"value\":\"' .. string.rep('v', {value_bytes}) .. '\"}}'\n\
         local headers = {{ ['Content-Type'] = 'application/json' }}\n\
         {}\
         function request()\n  n = (n + 1) % {KEYS}\n  \
         return wrk.format('PUT', '/kv/bench/' .. n, headers, body)\nend\n",
        spread_threads(),
    )
}

fn get_script() -> String {
    format!(
        "local n = 0\n{}function request()\n  n = (n + 1) % {KEYS}\n  \
         return wrk.format('GET', '/kv/bench/' .. n)\nend\n",
        spread_threads(),
    )
}

pub(super) fn spread_threads() -> String {
    let step = KEYS / THREADS_MAX;
    format!(
        "local threads = 0\n\
         function setup(thread)\n  thread:set('first', threads * {step})\n  \
         threads = threads + 1\nend\n\
         function init(args)\n  n = first\nend\n"
    )
}

/// Runs `wrk` and reads its report. Any answer but a good one spoils the figure.
fn measure(command: &mut Command) -> Result<Row> {
    let heard = listen(command)?;
    let row = parse(&heard.text).filter(|_| heard.success);
    row.ok_or_else(|| Failure::Unexpected("wrk failed, or met errors: see its report".into()))
}

pub(super) fn parse(report: &str) -> Option<Row> {
    let after = |label: &str| {
        let line = report.lines().find(|line| line.trim_start().starts_with(label))?;
        line.split_whitespace().last()
    };
    let errors = after("Non-2xx or 3xx responses:").is_some() || after("Socket errors:").is_some();
    (!errors).then_some(())?;
    let per_second = after("Requests/sec:")?.parse().ok()?;
    Some(Row { per_second, p50: after("50%")?.into(), p99: after("99%")?.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
Running 10s test @ http://127.0.0.1:8001
  Latency Distribution
     50%    1.23ms
     75%    2.00ms
     99%    9.87ms
  412345 requests in 10.00s, 55.1MB read
Requests/sec:  41230.51
Transfer/sec:      5.51MB
";

    #[test]
    fn the_report_of_wrk_is_read() {
        let expected = Row { per_second: 41_230.51, p50: "1.23ms".into(), p99: "9.87ms".into() };
        assert_eq!(parse(REPORT), Some(expected));
    }

    #[test]
    fn errors_spoil_the_figure() {
        assert_eq!(parse(&format!("{REPORT}  Non-2xx or 3xx responses: 7\n")), None);
        assert_eq!(parse(&format!("{REPORT}  Socket errors: connect 0, read 1\n")), None);
        assert_eq!(parse("unable to connect"), None);
    }

    #[test]
    fn scripts_address_the_keys_that_are_filled() {
        for script in [put_script(VALUE_BYTES), get_script()] {
            assert!(script.contains("n = (n + 1) % 10000"), "{script}");
            assert!(script.contains("'/kv/bench/' .. n"), "{script}");
            assert!(script.contains("threads * 5000"), "{script}");
        }
    }
}
