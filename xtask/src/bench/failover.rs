//! How long writes stop when the leader is struck.
//!
//! One writer puts over HTTP through the members that stay, on kept-alive connections, one write at
//! a time, trying the next member at once when one refuses. While it runs, the leader is killed,
//! asked to end, or stopped. The **outage** of a run is the longest time between two
//! acknowledgements (the blow itself counts as the first) up to the first write that was *begun*
//! after the blow had landed and acknowledged. So a write that the old leader still answers ends no
//! outage, and for a dead leader the outage is the time from the kill to the next acknowledged
//! write.
//!
//! After each run the member comes back, and the next begins when all three are healthy and name
//! the same leader.

use std::thread;
use std::time::{Duration, Instant};

use super::client::Client;
use super::cluster::{Blow, Cluster, strike};
use super::figures::{Sorted, ms};
use super::program::Program;
use crate::failure::{Failure, Result};
use crate::shell::release_binary;

/// How many runs make a figure.
const RUNS: usize = 20;

/// How many runs show that the benchmark works.
const RUNS_SMOKE: usize = 1;

/// Acknowledged writes before the blow, so that it hits a running writer.
const WRITES_BEFORE: usize = 200;

/// How long one attempt may take, in milliseconds: short, so that a write given to the old leader
/// is given up soon and offered again.
const ATTEMPT_MS: u64 = 100;

/// How much longer than the member itself the writer waits for its answer.
const PATIENCE: Duration = Duration::from_millis(ATTEMPT_MS + 50);

/// A pause after a refusal, so that the writer does not take the processor from the election.
const RETRY_PAUSE: Duration = Duration::from_millis(1);

/// Without an acknowledgement for this long a run has failed.
const OUTAGE_MAX: Duration = Duration::from_secs(30);

/// One way to lose a leader.
struct Kind {
    name: &'static str,
    blow: Blow,
    what: &'static str,
    goal: Duration,
}

const KINDS: &[Kind] = &[
    Kind { name: "kill", blow: Blow::Kill, what: "kill -9", goal: Duration::from_millis(150) },
    Kind { name: "term", blow: Blow::Term, what: "SIGTERM", goal: Duration::from_millis(10) },
    Kind { name: "stop", blow: Blow::Stop, what: "SIGSTOP", goal: Duration::from_millis(1_500) },
];

/// What the command line asks for.
pub(super) struct Options {
    runs: usize,
    kinds: Vec<&'static Kind>,
}

impl Options {
    pub(super) fn parse(words: &[&str]) -> Result<Options> {
        let mut options = Options { runs: RUNS, kinds: KINDS.iter().collect() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match (*word, words.as_slice().first()) {
                ("--smoke", _) => options.runs = RUNS_SMOKE,
                ("--runs", Some(runs)) => options.runs = parse_runs(runs)?,
                ("--kind", Some(kind)) => options.kinds = parse_kind(kind)?,
                _ => return Err(Failure::Usage(format!("no such option, or no value: {word}"))),
            }
            if *word != "--smoke" {
                words.next();
            }
        }
        Ok(options)
    }
}

fn parse_runs(word: &str) -> Result<usize> {
    let runs = word.parse().ok().filter(|runs| *runs > 0);
    runs.ok_or_else(|| Failure::Usage(format!("--runs takes a number from 1 on, not {word}")))
}

fn parse_kind(word: &str) -> Result<Vec<&'static Kind>> {
    let kinds: Vec<&Kind> =
        KINDS.iter().filter(|kind| word == "all" || kind.name == word).collect();
    if kinds.is_empty() {
        return Err(Failure::Usage(format!("--kind takes kill, term, stop or all, not {word}")));
    }
    Ok(kinds)
}

pub(super) fn run(options: &Options) -> Result<()> {
    let mut cluster = Cluster::start(Program::Raftkv(release_binary()?))?;
    let mut lines = Vec::new();
    for kind in &options.kinds {
        println!("{} of the leader → next acknowledged write", kind.what);
        let mut outages = Vec::new();
        for run in 1..=options.runs {
            let outage = one_run(&mut cluster, kind.blow, &ours())?;
            println!("  run {run:>2}: {}", ms(outage));
            outages.push(outage);
        }
        lines.push(summary(kind, outages));
    }
    println!("{}", lines.join("\n"));
    cluster.finish()
}

fn summary(kind: &Kind, outages: Vec<Duration>) -> String {
    let runs = outages.len();
    let sorted = Sorted::new(outages);
    let (median, min, max) = (ms(sorted.median()), ms(sorted.min()), ms(sorted.max()));
    let verdict = if sorted.median() <= kind.goal { "met" } else { "missed" };
    format!(
        "{}: median {median}, min {min}, max {max} over {runs} runs (goal {}: {verdict})",
        kind.what,
        ms(kind.goal),
    )
}

/// What a writer does again and again. Each time it writes the same, so an attempt whose outcome is
/// unknown does no harm.
pub(super) struct Attempt {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: String,
    /// How long it waits for a connection, and for the answer.
    pub(super) patience: Duration,
}

fn ours() -> Attempt {
    let path = format!("/kv/bench?timeout_ms={ATTEMPT_MS}");
    Attempt { method: "PUT", path, body: r#"{"value":"bench"}"#.to_owned(), patience: PATIENCE }
}

/// Strikes the leader under a running writer, measures, and puts the cluster right again.
pub(super) fn one_run(cluster: &mut Cluster, blow: Blow, attempt: &Attempt) -> Result<Duration> {
    let leader = cluster.settled()?;
    let ports: Vec<u16> = cluster.others(leader).map(|member| cluster.port(member)).collect();
    let mut writer = Writer::new(&ports, attempt);
    for _ in 0..WRITES_BEFORE {
        writer.acknowledged()?;
    }
    let process = cluster.pid(leader);
    let outage = thread::scope(|scope| {
        let struck_at = Instant::now();
        let landing = scope.spawn(move || strike(process, blow).map(|()| Instant::now()));
        let mut acks = Vec::new();
        while !landing.is_finished() {
            acks.push(writer.acknowledged()?);
        }
        let landed_at = landing.join().expect("a strike does not panic")?;
        while acks.last().is_none_or(|ack: &Ack| ack.begun_at < landed_at) {
            acks.push(writer.acknowledged()?);
        }
        Ok(longest_gap(struck_at, &acks))
    })?;
    cluster.revive(leader, blow)?;
    cluster.settled()?;
    Ok(outage)
}

/// One acknowledged write.
#[derive(Clone, Copy)]
struct Ack {
    begun_at: Instant,
    acknowledged_at: Instant,
}

/// The longest time without an acknowledgement.
fn longest_gap(from: Instant, acks: &[Ack]) -> Duration {
    let ends = acks.iter().map(|ack| ack.acknowledged_at);
    let starts = std::iter::once(from).chain(ends.clone());
    let gaps = ends.zip(starts).map(|(end, start)| end.duration_since(start));
    gaps.max().unwrap_or_default()
}

/// One writer, going around among the members that stay.
struct Writer<'a> {
    clients: Vec<Client>,
    turn: usize,
    attempt: &'a Attempt,
}

impl Writer<'_> {
    fn new<'a>(ports: &[u16], attempt: &'a Attempt) -> Writer<'a> {
        let clients = ports.iter().map(|port| Client::new(*port, attempt.patience)).collect();
        Writer { clients, turn: 0, attempt }
    }

    /// Puts until one put is acknowledged.
    fn acknowledged(&mut self) -> Result<Ack> {
        let started_at = Instant::now();
        while started_at.elapsed() < OUTAGE_MAX {
            let begun_at = Instant::now();
            let Attempt { method, path, body, .. } = self.attempt;
            let answer = self.clients[self.turn].request(method, path, body);
            if answer.is_ok_and(|answer| answer.status == 200) {
                return Ok(Ack { begun_at, acknowledged_at: Instant::now() });
            }
            self.turn = (self.turn + 1) % self.clients.len();
            thread::sleep(RETRY_PAUSE);
        }
        let limit = OUTAGE_MAX.as_secs();
        Err(Failure::Unexpected(format!("no write was acknowledged for {limit} s")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> (usize, Vec<&'static str>) {
        let options = Options::parse(words).unwrap();
        (options.runs, options.kinds.iter().map(|kind| kind.name).collect())
    }

    #[test]
    fn all_kinds_run_twenty_times_unless_told_otherwise() {
        assert_eq!(parse(&[]), (20, vec!["kill", "term", "stop"]));
        assert_eq!(parse(&["--kind", "term", "--runs", "3"]), (3, vec!["term"]));
        assert_eq!(parse(&["--smoke"]), (1, vec!["kill", "term", "stop"]));
    }

    #[test]
    fn odd_options_are_refused() {
        for words in [&["--runs"][..], &["--runs", "0"], &["--kind", "x"], &["--fast"]] {
            assert!(matches!(Options::parse(words), Err(Failure::Usage(_))), "{words:?}");
        }
    }

    #[test]
    fn the_outage_is_the_longest_gap_and_begins_with_the_blow() {
        let from = Instant::now();
        let at = |ms| from + Duration::from_millis(ms);
        let acks = |times: &[u64]| -> Vec<Ack> {
            times.iter().map(|ms| Ack { begun_at: from, acknowledged_at: at(*ms) }).collect()
        };
        assert_eq!(longest_gap(from, &acks(&[90])), Duration::from_millis(90));
        assert_eq!(longest_gap(from, &acks(&[1, 2, 60, 70])), Duration::from_millis(58));
    }

    #[test]
    fn the_summary_says_whether_the_goal_is_met() {
        let line = summary(&KINDS[0], [90, 120, 400].map(Duration::from_millis).to_vec());
        assert_eq!(
            line,
            "kill -9: median 120.0 ms, min 90.0 ms, max 400.0 ms over 3 runs \
             (goal 150.0 ms: met)"
        );
    }
}
