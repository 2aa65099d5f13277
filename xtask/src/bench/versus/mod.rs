//! `cargo xtask bench versus-etcd`: the same loads on us and on a real etcd, in turns.
//!
//! Three members of each run side by side on loopback, with their own defaults: both flush each
//! write on a majority before they acknowledge it. One at a time has work; what the machine does
//! meanwhile befalls both. Load goes to the leader unless a row says otherwise.
//!
//! | file | what it holds |
//! |---|---|
//! | `options.rs` | how long and how much |
//! | `rows.rs`, `goal.rs` | the loads, and what is to come of each |
//! | `generate.rs` | load generators |
//! | `pair.rs`, `loads.rs` | one load on both, round by round |
//! | `usage.rs` | what members use |
//! | `state.rs` | idle members, memory, many keys, restarts |
//! | `strikes.rs` | how long writes stop when the leader is struck |
//! | `sheet.rs`, `plot.rs`, `publish.rs` | tables, a picture, and where they go |
//!
//! What this does *not* do: drop or delay packets, or run on more than one machine.

pub(super) mod generate;
mod goal;
mod loads;
mod options;
mod pair;
mod plot;
mod publish;
mod rows;
pub(super) mod sheet;
pub(super) mod state;
mod strikes;
pub(super) mod usage;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

pub(super) use self::options::Options;
pub(super) use self::usage::resident;

use self::generate::{Generator, Size};
use self::goal::Goal;
use self::loads::Line;
use self::options::{Scale, VALUE_BYTES};
use self::pair::{Clusters, Pair};
use self::plot::Point;
use self::rows::{OTHERS, PUTS, Row};
use self::state::{Single, Unit};
use super::cluster::Cluster;
use super::program::Program;
use crate::etcd;
use crate::failure::{Doing, Failure, Result};
use crate::shell::release_binary;
use crate::tools;

/// A file system of this kind keeps nothing, and flushes in no time.
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// What load leaves to be done is done by then.
const REST: Duration = Duration::from_secs(2);

/// All that was found.
#[derive(Default)]
struct Findings {
    lines: Vec<Line>,
    singles: Vec<Single>,
    points: Vec<Point>,
    /// How much other work there was, in cores.
    others: f64,
}

pub(super) fn run(options: &Options) -> Result<()> {
    let missing = [&tools::H2LOAD, &tools::WRK].into_iter().find_map(tools::Tool::missing);
    if let Some(missing) = missing {
        return Err(Failure::Unexpected(missing));
    }
    keeps_what_is_flushed(&std::env::temp_dir())?;
    let (begin, scale) = (Instant::now(), options.scale);
    let programs = programs(options)?;
    let versions = programs.as_ref().map(Program::version);
    let versions = Pair { etcd: versions.etcd?, raftkv: versions.raftkv? };
    let generator = Generator(programs.raftkv.path().to_owned());
    let mut findings = Findings::default();
    small(&mut findings, &programs, &generator, scale)?;
    findings.singles.extend(state::past(&programs, &generator, scale)?);
    let (lines, singles) = state::many(&programs, &generator, scale)?;
    findings.lines.extend(lines);
    findings.singles.extend(singles);
    report(&findings, &versions, scale, begin.elapsed())
}

/// Everything that is found on one pair of clusters, with few keys.
fn small(
    findings: &mut Findings,
    programs: &Pair<Program>,
    generator: &Generator,
    scale: Scale,
) -> Result<()> {
    let mut clusters = Clusters::start(programs)?;
    thread::sleep(REST);
    let idle = usage::idle(&mut clusters, scale.idle_seconds())?;
    findings.singles.extend(state::of_idle(&mut clusters, &idle)?);
    let terms = clusters.each(Cluster::term)?;
    under_load(findings, &mut clusters, generator, scale)?;
    let later = clusters.each(Cluster::term)?;
    if later.raftkv != terms.raftkv {
        let kept = clusters.raftkv.keep_logs()?;
        println!("the leader of raftkv has changed; why is in {}", kept.display());
    }
    findings.singles.push(Single {
        what: "leader changes under all these loads".to_owned(),
        unit: Unit::Count,
        figures: Pair {
            etcd: (later.etcd - terms.etcd) as f64,
            raftkv: (later.raftkv - terms.raftkv) as f64,
        },
        goal: Goal::most(0.0, "0"),
    });
    thread::sleep(REST);
    let again = usage::idle(&mut clusters, scale.idle_seconds())?;
    findings.others = idle.others.max(again.others);
    findings.singles.extend(strikes::run(&mut clusters, scale.strikes())?);
    clusters.finish()
}

fn under_load(
    findings: &mut Findings,
    clusters: &mut Clusters,
    generator: &Generator,
    scale: Scale,
) -> Result<()> {
    let all: Vec<Row> = PUTS.iter().chain(OTHERS).copied().collect();
    let lines = of_size(clusters, generator, &all, VALUE_BYTES, scale)?;
    findings.singles.extend(written_bytes(&lines));
    findings.lines.extend(lines);
    let (sizes, whole) = scale.other_sizes();
    let rows = if whole { &all[..] } else { PUTS };
    for value_bytes in sizes {
        findings.lines.extend(of_size(clusters, generator, rows, *value_bytes, scale)?);
    }
    findings.points = points(clusters, generator, scale)?;
    if let Some(seconds) = scale.steady_seconds() {
        let size = Size { seconds, ..size(VALUE_BYTES, scale) };
        clusters.each(|cluster| generator.run(rows::STEADY, cluster, &size))?;
    }
    Ok(())
}

/// All rows with values of one size.
fn of_size(
    clusters: &mut Clusters,
    generator: &Generator,
    rows: &[Row],
    value_bytes: usize,
    scale: Scale,
) -> Result<Vec<Line>> {
    let size = size(value_bytes, scale);
    clusters.each(|cluster| generator.puts(cluster, &size, size.keys, true))?;
    let run = |row: &Row| loads::run(clusters, generator, row, &size, scale.rounds());
    rows.iter().map(run).collect()
}

fn size(value_bytes: usize, scale: Scale) -> Size {
    let (seconds, warm_up) = (scale.seconds(), scale.warm_up());
    Size { keys: scale.keys(), value_bytes, seconds, warm_up }
}

/// What the row of most puts wrote, for each byte that it was given.
fn written_bytes(lines: &[Line]) -> Option<Single> {
    let most = |line: &&Line| line.figure == rows::Figure::PerSecond && line.goal != Goal::NONE;
    let middle = lines.iter().find(most)?.middle;
    let figures = Pair { etcd: middle.etcd.cost?, raftkv: middle.raftkv.cost? };
    let figures = figures.map(|cost| cost.disk_bytes);
    if figures.raftkv.is_nan() {
        println!("the device does not tell how much it was given to write");
        return None;
    }
    Some(Single {
        what: "bytes written to a member's disk for each of key and value".to_owned(),
        unit: Unit::Times,
        figures,
        goal: Goal::share(1.0),
    })
}

fn points(clusters: &mut Clusters, generator: &Generator, scale: Scale) -> Result<Vec<Point>> {
    let size = size(VALUE_BYTES, scale);
    let point = |clients: &u64| {
        let figures = clusters.each(|cluster| generator.clients(cluster, &size, *clients))?;
        let Pair { etcd, raftkv } = figures.map(|figures| figures.per_second);
        println!("put, {clients} clients: etcd {etcd:.0}, raftkv {raftkv:.0} a second");
        Ok(Point { clients: *clients, figures })
    };
    scale.clients().iter().map(point).collect()
}

fn programs(options: &Options) -> Result<Pair<Program>> {
    let directory = match &options.etcd {
        Some(directory) => directory.clone(),
        None => etcd::directory()?,
    };
    let raftkv = Program::Raftkv(release_binary()?);
    Ok(Pair { etcd: Program::Etcd(directory.join("etcd")), raftkv })
}

/// What lies in memory is flushed in no time: no figure comes of it.
pub(super) fn keeps_what_is_flushed(directory: &Path) -> Result<()> {
    let found = rustix::fs::statfs(directory).map_err(std::io::Error::from);
    let found = found.doing(format!("look at {}", directory.display()))?;
    if found.f_type != TMPFS_MAGIC {
        return Ok(());
    }
    let place = directory.display();
    Err(Failure::Unexpected(format!("{place} lies in memory: set TMPDIR to a directory on a disk")))
}

fn report(
    findings: &Findings,
    versions: &Pair<String>,
    scale: Scale,
    elapsed: Duration,
) -> Result<()> {
    let tables = sheet::tables(&findings.lines, &findings.singles);
    let Pair { etcd, raftkv } = versions;
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let (minutes, others) = (elapsed.as_secs() / 60, findings.others);
    let under = format!(
        "etcd {etcd} and raftkv {raftkv}, three members each on one machine of {cores} cores"
    );
    let text = format!(
        "{under}. The run took {minutes} minutes; other work took {others:.2} cores.\n\n{tables}"
    );
    println!("\n{text}");
    if scale == Scale::Smoke {
        println!("too short for a figure: nothing is kept of it");
        return Ok(());
    }
    let picture = plot::svg(&findings.points, &format!("{under}; values of {VALUE_BYTES} bytes"));
    publish::publish(&text, &picture, others)
}
