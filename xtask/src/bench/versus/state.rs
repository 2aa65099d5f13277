//! What is kept and what it takes: members that idle, memory, many keys, restarts.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::super::client::Client;
use super::super::cluster::Cluster;
use super::super::json::base64;
use super::super::program::Program;
use super::generate::{Generator, PREFIX, Size};
use super::goal::Goal;
use super::loads::{self, Line};
use super::options::{Scale, VALUE_BYTES};
use super::pair::{Clusters, Pair};
use super::rows::MANY;
use super::sheet::grouped;
use super::usage::{Idle, resident, revision};
use crate::failure::{Doing, Failure, Result};

/// Memory that was given up may take so long to show.
const SETTLE: Duration = Duration::from_secs(3);

/// No compaction takes so long.
const COMPACTION_MAX: Duration = Duration::from_secs(120);

/// How long one read may take while members start again, how long all of it.
const READ_MAX: Duration = Duration::from_millis(500);
const RESTART_MAX: Duration = Duration::from_secs(120);
const RETRY_PAUSE: Duration = Duration::from_millis(2);

/// The smaller history of the second row of memory.
const SMALL_HISTORY: &str = "history-bytes=32MiB";

/// How a figure is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Megabytes,
    Milliseconds,
    /// Of one core.
    Percent,
    Times,
    Count,
}

/// One figure of each.
#[derive(Debug)]
pub(super) struct Single {
    pub(super) what: String,
    pub(super) unit: Unit,
    pub(super) figures: Pair<f64>,
    pub(super) goal: Goal,
}

const MB: f64 = 1_000_000.0;

/// A row of memory, of which etcd's is the reference.
fn memory(what: &str, figures: Pair<f64>, goal: Goal) -> Single {
    let figures = figures.map(|bytes| bytes / MB);
    Single { what: what.to_owned(), unit: Unit::Megabytes, figures, goal }
}

/// Rows of members that have nothing to do.
pub(super) fn of_idle(clusters: &mut Clusters, idle: &Idle) -> Result<[Single; 2]> {
    let resident = clusters.each(|cluster| resident(cluster))?;
    let processor = Single {
        what: "idle member, processor".to_owned(),
        unit: Unit::Percent,
        figures: idle.cores.map(|cores| cores * 100.0),
        goal: Goal::most(1.0, "1 %"),
    };
    let of_memory = memory("idle member, memory", resident, Goal::most(30.0, "30 MB"));
    Ok([processor, of_memory])
}

/// Memory after many puts over few keys, with the past cut.
pub(super) fn past(
    programs: &Pair<Program>,
    generator: &Generator,
    scale: Scale,
) -> Result<Vec<Single>> {
    let (puts, kept) = scale.past();
    let size = Size { keys: scale.keys(), value_bytes: VALUE_BYTES, seconds: 0, warm_up: 0 };
    let mut clusters = Clusters::start(programs)?;
    let fill = |cluster: &mut Cluster| {
        generator.puts(cluster, &size, puts, false)?;
        compact(cluster, kept as f64)?;
        resident(cluster)
    };
    let figures = clusters.each(fill)?;
    clusters.finish()?;
    let [puts, keys, kept] = [puts, size.keys, kept].map(|number| grouped(number as f64));
    let what = format!("memory, {puts} puts over {keys} keys, the last {kept} kept");
    let mut rows = Vec::from([memory(&what, figures, Goal::share(0.5))]);
    if scale == Scale::Full {
        let mut cluster = Cluster::start(programs.raftkv.clone())?;
        set_history(&mut cluster)?;
        let figures = Pair { raftkv: fill(&mut cluster)?, ..figures };
        cluster.finish()?;
        let what = format!("the same, ours with {SMALL_HISTORY}");
        rows.push(memory(&what, figures, Goal::share(0.25)));
    }
    Ok(rows)
}

pub(in crate::bench) fn set_history(cluster: &mut Cluster) -> Result<()> {
    let endpoint = cluster.settled().map(|leader| cluster.port(leader))?;
    let mut command = Command::new(cluster.program().path());
    command.args(["settings", "set", SMALL_HISTORY, "--endpoints"]);
    let output = command.arg(format!("http://127.0.0.1:{endpoint}")).output();
    let output = output.doing("start raftkv settings")?;
    let said = || Failure::Unexpected(String::from_utf8_lossy(&output.stderr).into_owned());
    output.status.success().then_some(()).ok_or_else(said)
}

/// Gives up all but the last revisions, and waits until that shows in memory.
fn compact(cluster: &mut Cluster, kept: f64) -> Result<()> {
    let port = cluster.settled().map(|leader| cluster.port(leader))?;
    let before = (revision(port)? - kept).max(1.0);
    let body = format!(r#"{{"revision":"{before:.0}","physical":true}}"#);
    let answer = Client::new(port, COMPACTION_MAX).post("/v3/kv/compaction", &body);
    let answer = answer.doing("compact")?;
    if answer.status != 200 {
        let why = format!("a compaction was answered {}: {}", answer.status, answer.body);
        return Err(Failure::Unexpected(why));
    }
    thread::sleep(SETTLE);
    Ok(())
}

/// Many keys: memory, loads, and how soon they can be read after all members were killed.
pub(super) fn many(
    programs: &Pair<Program>,
    generator: &Generator,
    scale: Scale,
) -> Result<(Vec<Line>, Vec<Single>)> {
    let keys = scale.many_keys();
    let shown = grouped(keys as f64);
    let (seconds, warm_up) = (scale.seconds(), scale.warm_up());
    let size = Size { keys, value_bytes: VALUE_BYTES, seconds, warm_up };
    let mut clusters = Clusters::start(programs)?;
    let filled = clusters.each(|cluster| {
        generator.puts(cluster, &size, keys, true)?;
        thread::sleep(SETTLE);
        resident(cluster)
    })?;
    let lines = MANY.iter().map(|row| {
        let line = loads::run(&mut clusters, generator, row, &size, scale.rounds())?;
        Ok(Line { what: format!("{}, {shown} keys", line.what), ..line })
    });
    let lines = lines.collect::<Result<Vec<Line>>>()?;
    let restarted = clusters.each(|cluster| {
        let readable = restart(cluster)?;
        cluster.settled()?;
        thread::sleep(SETTLE);
        Ok((readable, resident(cluster)?))
    })?;
    clusters.finish()?;
    let most = Goal::most(500.0, "500 MB");
    let singles = Vec::from([
        memory(&format!("memory, {shown} keys written"), filled, most),
        memory(&format!("memory, {shown} keys, after a restart"), restarted.map(|(_, b)| b), most),
        Single {
            what: format!("{shown} keys, kill -9 of all → first linearizable read"),
            unit: Unit::Milliseconds,
            figures: restarted.map(|(readable, _)| readable.as_secs_f64() * 1_000.0),
            goal: Goal::share(0.65),
        },
    ]);
    Ok((lines, singles))
}

/// Kills all members and starts them again; how long until a key is read.
fn restart(cluster: &mut Cluster) -> Result<Duration> {
    let begin = Instant::now();
    cluster.kill_all();
    cluster.launch_all()?;
    let key = base64(format!("{PREFIX}{:012}", 0).as_bytes());
    let body = format!(r#"{{"key":"{key}"}}"#);
    let ports: Vec<u16> = cluster.members().map(|member| cluster.port(member)).collect();
    let mut clients: Vec<Client> = ports.iter().map(|port| Client::new(*port, READ_MAX)).collect();
    let read = |client: &mut Client| {
        let answer = client.post("/v3/kv/range", &body);
        answer.is_ok_and(|answer| answer.status == 200 && answer.body.contains(&key))
    };
    while begin.elapsed() < RESTART_MAX {
        if clients.iter_mut().any(read) {
            return Ok(begin.elapsed());
        }
        thread::sleep(RETRY_PAUSE);
    }
    let limit = RESTART_MAX.as_secs();
    Err(Failure::Unexpected(format!("no key could be read for {limit} s after a restart")))
}
