//! Puts both under the same loads, in turns, and makes a line of each.

use super::super::cluster::Cluster;
use super::generate::{Figures, Generator, PREFIX, Size};
use super::goal::Goal;
use super::pair::{Clusters, Pair, median};
use super::rows::{Figure, Row};
use super::usage::Usage;
use crate::failure::{Failure, Result};

/// Digits behind the prefix of a key.
const KEY_DIGITS: usize = 12;

/// What a thousand writes cost, all members together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    pub(super) cpu_seconds: f64,
    /// Flushes of logs.
    pub(super) flushes: f64,
    /// Bytes that a member hands to the disk for each byte of key and value.
    pub(super) disk_bytes: f64,
}

/// What came of one load on one of the two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub(super) figures: Figures,
    /// Of loads that only write.
    pub(super) cost: Option<Cost>,
}

/// What came of one load.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) what: String,
    pub(super) value_bytes: usize,
    /// The figure that is compared.
    pub(super) figure: Figure,
    pub(super) goal: Goal,
    /// Medians over the rounds.
    pub(super) middle: Pair<Measured>,
    /// Ours in theirs, round by round: how far they lie apart is how far one can be trusted.
    pub(super) ratios: Vec<f64>,
}

impl Line {
    /// The two figures that are compared.
    pub(super) fn compared(&self) -> Pair<f64> {
        self.middle.map(|measured| compared(self.figure, &measured.figures))
    }
}

fn compared(figure: Figure, figures: &Figures) -> f64 {
    let told = match figure {
        Figure::PerSecond => Some(figures.per_second),
        Figure::P50 => figures.p50,
        Figure::P99 => figures.p99,
    };
    told.expect("a row compares what its generator tells")
}

/// Runs one row, and prints what came of it.
pub(super) fn run(
    clusters: &mut Clusters,
    generator: &Generator,
    row: &Row,
    size: &Size,
    rounds: usize,
) -> Result<Line> {
    let measured = clusters.in_turns(rounds, |cluster| measure(cluster, generator, row, size))?;
    let ratio = |pair: &Pair<Measured>| {
        pair.map(|measured| compared(row.figure, &measured.figures)).ratio()
    };
    let of_each = |which: fn(&Pair<Measured>) -> Measured| -> Vec<Measured> {
        measured.iter().map(which).collect()
    };
    let line = Line {
        what: row.what.to_owned(),
        value_bytes: size.value_bytes,
        figure: row.figure,
        goal: row.goal,
        ratios: measured.iter().map(ratio).collect(),
        middle: Pair {
            etcd: middle(&of_each(|pair| pair.etcd)),
            raftkv: middle(&of_each(|pair| pair.raftkv)),
        },
    };
    let (Pair { etcd, raftkv }, bytes) = (line.compared(), size.value_bytes);
    let ratio = line.compared().ratio();
    println!("{}, {bytes} bytes: etcd {etcd:.0}, raftkv {raftkv:.0}, {ratio:.2}×", row.what);
    Ok(line)
}

fn measure(
    cluster: &mut Cluster,
    generator: &Generator,
    row: &Row,
    size: &Size,
) -> Result<Measured> {
    let before = Usage::of(cluster)?;
    let figures = generator.run(row.load, cluster, size)?;
    let used = Usage::of(cluster)?.since(&before);
    if !row.writes {
        return Ok(Measured { figures, cost: None });
    }
    // Every answer that a generator counted was a write. It may have ended a little early.
    if used.revision < 0.9 * figures.per_second * size.seconds as f64 {
        let (counted, written) = (figures.per_second * size.seconds as f64, used.revision);
        let message = format!("{}: {counted:.0} were counted, {written} written", row.what);
        return Err(Failure::Unexpected(message));
    }
    let members = cluster.members().len() as f64;
    Ok(Measured { figures, cost: Some(cost(&used, members, size.value_bytes)) })
}

fn cost(used: &Usage, members: f64, value_bytes: usize) -> Cost {
    let thousands = used.revision / 1_000.0;
    let bytes = used.revision * (PREFIX.len() + KEY_DIGITS + value_bytes) as f64;
    Cost {
        cpu_seconds: used.cpu_seconds / thousands,
        flushes: used.flushes / thousands,
        disk_bytes: used.disk_bytes / members / bytes,
    }
}

fn middle(rounds: &[Measured]) -> Measured {
    let of = |f: &dyn Fn(Measured) -> Option<f64>| {
        let known: Vec<f64> = rounds.iter().copied().filter_map(f).collect();
        (!known.is_empty()).then(|| median(known))
    };
    let of_cost = |f: fn(Cost) -> f64| of(&move |measured| measured.cost.map(f));
    let cost = of_cost(|cost| cost.cpu_seconds).map(|cpu_seconds| Cost {
        cpu_seconds,
        flushes: of_cost(|cost| cost.flushes).unwrap_or_default(),
        disk_bytes: of_cost(|cost| cost.disk_bytes).unwrap_or_default(),
    });
    let per_second = of(&|measured| Some(measured.figures.per_second));
    Measured {
        figures: Figures {
            per_second: per_second.expect("there is a round at least"),
            p50: of(&|measured| measured.figures.p50),
            p99: of(&|measured| measured.figures.p99),
            p999: of(&|measured| measured.figures.p999),
            max: of(&|measured| measured.figures.max),
            quietest: of(&|measured| measured.figures.quietest),
        },
        cost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(per_second: f64, cpu_seconds: f64) -> Measured {
        let figures = Figures { p50: Some(per_second), ..Figures::of(per_second) };
        Measured { figures, cost: Some(Cost { cpu_seconds, flushes: 1.0, disk_bytes: 2.0 }) }
    }

    #[test]
    fn the_middle_is_taken_figure_by_figure() {
        let rounds = [measured(1.0, 9.0), measured(3.0, 7.0), measured(2.0, 8.0)];
        let middle = middle(&rounds);
        assert_eq!((middle.figures.per_second, middle.figures.p50), (2.0, Some(2.0)));
        assert_eq!((middle.figures.p99, middle.cost.unwrap().cpu_seconds), (None, 8.0));
    }

    #[test]
    fn costs_are_told_for_a_thousand_writes() {
        let used =
            Usage { cpu_seconds: 0.5, disk_bytes: 6_000_000.0, flushes: 400.0, revision: 2_000.0 };
        let cost = cost(&used, 3.0, 82);
        assert_eq!((cost.cpu_seconds, cost.flushes), (0.25, 200.0));
        assert!((cost.disk_bytes - 10.0).abs() < 1e-9);
    }
}
