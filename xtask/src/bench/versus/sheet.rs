//! The figures as tables of Markdown.

use std::fmt::Write as _;

use super::generate::Figures;
use super::loads::{Cost, Line, Measured};
use super::pair::Pair;
use super::rows::Figure;
use super::state::{Single, Unit};

const LOADS: &str = "\
| load | value, bytes | etcd | raftkv | ratio, rounds | goal | p50 / p99 / p99.9: etcd | raftkv | \
CPU, s: etcd → raftkv | flushes: etcd → raftkv |
|---|--:|--:|--:|--:|---|--:|--:|--:|--:|
";

const SINGLES: &str = "\
| | etcd | raftkv | ratio | goal |
|---|--:|--:|--:|---|
";

/// Loads, then everything else.
pub(super) fn tables(lines: &[Line], singles: &[Single]) -> String {
    let mut text = LOADS.to_owned();
    lines.iter().for_each(|line| load(&mut text, line));
    text.push('\n');
    text.push_str(SINGLES);
    singles.iter().for_each(|one| single(&mut text, one));
    text
}

fn load(text: &mut String, line: &Line) {
    let Line { what, value_bytes, middle: Pair { etcd, raftkv }, .. } = line;
    let figures = line.compared();
    let shown = figures.map(|figure| compared(line.figure, figure));
    let latencies = line.middle.map(|measured| latencies(&measured.figures));
    let _ = writeln!(
        text,
        "| {what} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        grouped(*value_bytes as f64),
        shown.etcd,
        shown.raftkv,
        ratio(figures.ratio(), &line.ratios),
        line.goal.verdict(figures),
        latencies.etcd,
        latencies.raftkv,
        costs(etcd, raftkv, |cost| format!("{:.3}", cost.cpu_seconds)),
        costs(etcd, raftkv, |cost| format!("{:.0}", cost.flushes)),
    );
}

fn compared(figure: Figure, value: f64) -> String {
    match figure {
        Figure::PerSecond => format!("{}/s", grouped(value)),
        Figure::P50 => format!("p50 {}", micros(value)),
        Figure::P99 => format!("p99 {}", micros(value)),
    }
}

/// The ratio of the medians, and the least and the largest of a round.
fn ratio(middle: f64, rounds: &[f64]) -> String {
    let least = rounds.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = rounds.iter().copied().fold(0.0, f64::max);
    match rounds.len() {
        0 | 1 => format!("{middle:.2}×"),
        _ => format!("{middle:.2}×, {least:.2}–{largest:.2}"),
    }
}

fn latencies(figures: &Figures) -> String {
    let all = [figures.p50, figures.p99, figures.p999];
    all.map(|us| us.map_or("–".to_owned(), micros)).join(" / ")
}

/// What a thousand writes cost.
fn costs(etcd: &Measured, raftkv: &Measured, f: fn(Cost) -> String) -> String {
    match (etcd.cost, raftkv.cost) {
        (Some(etcd), Some(raftkv)) => format!("{} → {}", f(etcd), f(raftkv)),
        _ => "–".to_owned(),
    }
}

fn single(text: &mut String, one: &Single) {
    let figures = one.figures;
    let shown = figures.map(|figure| in_unit(figure, one.unit));
    let ratio = figures.ratio();
    let ratio = if ratio.is_finite() { format!("{ratio:.2}×") } else { "–".to_owned() };
    let Pair { etcd, raftkv } = shown;
    let verdict = one.goal.verdict(figures);
    let _ = writeln!(text, "| {} | {etcd} | {raftkv} | {ratio} | {verdict} |", one.what);
}

fn in_unit(figure: f64, unit: Unit) -> String {
    match unit {
        Unit::Megabytes => format!("{figure:.0} MB"),
        Unit::Milliseconds if figure < 100.0 => format!("{figure:.1} ms"),
        Unit::Milliseconds => format!("{} ms", grouped(figure)),
        Unit::Percent => format!("{figure:.1} %"),
        Unit::Times => format!("{figure:.2}"),
        Unit::Count => format!("{figure:.0}"),
    }
}

/// A time of so many µs.
pub(in crate::bench) fn micros(us: f64) -> String {
    match us {
        ..10_000.0 => format!("{} µs", grouped(us)),
        _ => format!("{} ms", grouped(us / 1_000.0)),
    }
}

/// A whole number with a comma every three digits.
pub(in crate::bench) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::goal::Goal;
    use super::*;

    fn measured(per_second: f64, cost: Option<Cost>) -> Measured {
        let figures = Figures { p50: Some(766.0), p99: Some(15_119.0), ..Figures::of(per_second) };
        Measured { figures, cost }
    }

    #[test]
    fn a_load_is_a_row() {
        let cost = Some(Cost { cpu_seconds: 0.12, flushes: 61.0, disk_bytes: 3.0 });
        let line = Line {
            what: "put".to_owned(),
            value_bytes: 4_096,
            figure: Figure::PerSecond,
            goal: Goal::times(2.0),
            middle: Pair { etcd: measured(17_127.0, cost), raftkv: measured(40_000.0, cost) },
            ratios: Vec::from([2.5, 2.2]),
        };
        let text = tables(&[line], &[]);
        let row = "| put | 4,096 | 17,127/s | 40,000/s | 2.34×, 2.20–2.50 | ≥ 2×: met | \
                   766 µs / 15 ms / – | 766 µs / 15 ms / – | 0.120 → 0.120 | 61 → 61 |\n";
        assert!(text.contains(row), "{text}");
    }

    #[test]
    fn a_figure_is_a_row() {
        let one = |unit, etcd, raftkv, goal| {
            let single =
                Single { what: "w".to_owned(), unit, figures: Pair { etcd, raftkv }, goal };
            tables(&[], &[single]).lines().last().unwrap().to_owned()
        };
        assert_eq!(
            one(Unit::Milliseconds, 1_511.4, 24.02, Goal::most(150.0, "150 ms")),
            "| w | 1,511 ms | 24.0 ms | 0.02× | ≤ 150 ms: met |"
        );
        assert_eq!(one(Unit::Count, 0.0, 0.0, Goal::NONE), "| w | 0 | 0 | – | – |");
    }

    #[test]
    fn digits_are_grouped() {
        let texts = [0.0, 999.4, 1_000.0, 1_234_567.0].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }
}
