//! The figures, for people and for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::load::Outcome;
use super::plan::{Kind, Plan};
use super::tally::Part;
use super::windows::WINDOW;
use crate::args::Format;
use crate::render::{json_line, table};

/// What is told of latencies: a name for programs, one for people, and the share that it bounds.
const QUANTILES: [(&str, &str, f64); 4] =
    [("p50", "P50", 0.5), ("p90", "P90", 0.9), ("p99", "P99", 0.99), ("p999", "P99.9", 0.999)];

/// The report of one run.
struct Report<'a> {
    plan: &'a Plan,
    outcome: &'a Outcome,
    /// What the run is about: all of its operations, or the events of a watch.
    total: Part,
}

pub(super) fn show(plan: &Plan, outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    let only = matches!(plan.kind, Kind::Watch { .. }).then_some("event");
    let report = Report { plan, outcome, total: outcome.tally.total(only) };
    match plan.connect.output {
        Some(Format::Json) => json_line(&report.json(), out),
        Some(Format::Plain) => report.write_plain(out),
        None | Some(Format::Table) => report.write_table(out),
    }
}

impl Report<'_> {
    fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.outcome.elapsed.as_secs_f64()
    }

    fn errors_count(&self) -> u64 {
        self.outcome.tally.errors().values().map(|errors| errors.count).sum()
    }

    fn json(&self) -> Value {
        let plan = self.plan;
        let parts = self.outcome.tally.parts().iter();
        let parts: serde_json::Map<String, Value> =
            parts.map(|(name, part)| ((*name).to_owned(), self.figures(part))).collect();
        let errors = self.outcome.tally.errors().iter();
        let errors: serde_json::Map<String, Value> =
            errors.map(|(kind, errors)| (kind.clone(), json!(errors.count))).collect();
        let mut body = json!({
            "load": plan.kind.name(),
            "clients": plan.clients,
            "connections": plan.connections,
            "keys": plan.keys.count(),
            "value_bytes": plan.value_bytes,
            "rate": plan.rate,
            "seconds": self.outcome.elapsed.as_secs_f64(),
            "total": self.figures(&self.total),
            "by_operation": parts,
            "quietest_100ms": self.outcome.quietest,
            "errors_total": self.errors_count(),
            "errors": errors,
        });
        if let Kind::Watch { watchers } = plan.kind {
            body["watchers"] = json!(watchers);
        }
        body
    }

    fn figures(&self, part: &Part) -> Value {
        let mut latency = serde_json::Map::new();
        for (name, _, quantile) in QUANTILES {
            latency.insert(name.to_owned(), json!(part.latencies.value_at_quantile(quantile)));
        }
        latency.insert("max".to_owned(), json!(part.latencies.max()));
        json!({
            "operations": part.count(),
            "operations_per_second": self.per_second(part.count()),
            "latency_us": latency,
            "bytes_read": part.read,
            "bytes_written": part.written,
        })
    }

    /// One figure a line, of the whole run.
    fn write_plain(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "operations\t{}", self.total.count())?;
        writeln!(out, "operations_per_second\t{:.1}", self.per_second(self.total.count()))?;
        for (name, _, quantile) in QUANTILES {
            writeln!(out, "{name}_us\t{}", self.total.latencies.value_at_quantile(quantile))?;
        }
        writeln!(out, "max_us\t{}", self.total.latencies.max())?;
        writeln!(out, "errors\t{}", self.errors_count())
    }

    fn write_table(&self, out: &mut impl Write) -> io::Result<()> {
        let plan = self.plan;
        let rate = plan.rate.map_or(String::new(), |rate| format!(", due {rate} a second"));
        let watchers = match plan.kind {
            Kind::Watch { watchers } => format!("{watchers} watchers, "),
            _ => String::new(),
        };
        writeln!(
            out,
            "{}: {watchers}{} clients on {} connections{rate}, {}, values of {} bytes, \
             {:.1} s",
            plan.kind.name(),
            plan.clients,
            plan.connections,
            keys(plan.keys.count()),
            plan.value_bytes,
            self.outcome.elapsed.as_secs_f64(),
        )?;
        let headings = ["OPERATION", "DONE", "A SECOND"].into_iter();
        let of_latency = QUANTILES.iter().map(|(_, heading, _)| *heading);
        let headings: Vec<&str> = headings.chain(of_latency).chain(["MAX"]).collect();
        let mut shown = table(&headings);
        let parts = self.outcome.tally.parts();
        for (name, part) in parts {
            shown.add_row(self.row(name, part));
        }
        if parts.len() > 1 && !matches!(plan.kind, Kind::Watch { .. }) {
            shown.add_row(self.row("all", &self.total));
        }
        writeln!(out, "{shown}")?;
        if let Some(count) = self.outcome.quietest {
            let ms = WINDOW.as_millis();
            writeln!(out, "the fewest that were done within {ms} ms: {count}")?;
        }
        self.write_errors(out)
    }

    fn row(&self, name: &str, part: &Part) -> Vec<String> {
        let (count, latencies) = (part.count(), &part.latencies);
        let mut row = Vec::from([name.to_owned(), count.to_string()]);
        row.push(format!("{:.0}", self.per_second(count)));
        row.extend(QUANTILES.map(|(_, _, quantile)| time(latencies.value_at_quantile(quantile))));
        row.push(time(latencies.max()));
        row
    }

    fn write_errors(&self, out: &mut impl Write) -> io::Result<()> {
        let errors = self.outcome.tally.errors();
        errors.iter().try_for_each(|(kind, errors)| {
            writeln!(out, "{} failed, {kind}; the first: {}", errors.count, errors.first)
        })
    }
}

fn keys(count: u64) -> String {
    if count == 1 { "1 key".to_owned() } else { format!("{count} keys") }
}

/// A latency as people read it.
fn time(us: u64) -> String {
    match us {
        0..10_000 => format!("{us} µs"),
        10_000..10_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{} s", us / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser as _;

    use super::super::tally::{Done, Failed, Tally};
    use super::*;
    use crate::args::{Cli, Command};

    const PUT: Done = Done { operation: "put", read: 0, written: 300 };
    const GET: Done = Done { operation: "get", read: 300, written: 0 };
    const EVENT: Done = Done { operation: "event", read: 300, written: 0 };

    fn shown(line: &str, done: &[Done]) -> String {
        let words = format!("raftkv bench {line}");
        let Command::Bench(command) = Cli::parse_from(words.split_whitespace()).command else {
            panic!("`bench` is another command")
        };
        let plan = Plan::new(command).unwrap();
        let mut tally = Tally::default();
        done.iter().for_each(|done| tally.done(*done, Duration::from_micros(500)));
        tally.failed(Failed { kind: "timeout".to_owned(), message: "no answer".to_owned() });
        let mut out = Vec::new();
        show(
            &plan,
            &Outcome { tally, elapsed: Duration::from_secs(2), quietest: Some(1) },
            &mut out,
        )
        .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn programs_read_totals_and_parts() {
        let body: Value =
            serde_json::from_str(&shown("mixed -o json --clients 3", &[PUT, GET, GET])).unwrap();
        assert_eq!((&body["load"], &body["clients"]), (&json!("mixed"), &json!(3)));
        let (total, get) = (&body["total"], &body["by_operation"]["get"]);
        assert_eq!((&total["operations"], &get["operations"]), (&json!(3), &json!(2)));
        assert_eq!(total["operations_per_second"], json!(1.5));
        assert_eq!(total["latency_us"]["p999"], json!(500));
        assert_eq!((&total["bytes_read"], &total["bytes_written"]), (&json!(600), &json!(300)));
        assert_eq!(body["errors"], json!({"timeout": 1}));
        assert_eq!(body["quietest_100ms"], json!(1));
        assert_eq!((&body["errors_total"], &body["rate"]), (&json!(1), &Value::Null));
    }

    #[test]
    fn a_watch_is_about_its_events() {
        let body: Value =
            serde_json::from_str(&shown("watch -o json", &[PUT, EVENT, EVENT])).unwrap();
        assert_eq!((&body["total"]["operations"], &body["watchers"]), (&json!(2), &json!(100)));
        assert_eq!(body["by_operation"]["put"]["operations"], json!(1));
    }

    #[test]
    fn people_read_a_table_and_what_failed() {
        let text = shown("mixed", &[PUT, GET]);
        for said in ["mixed: 64 clients on 8 connections", "500 µs", "all", "1 failed, timeout"] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(shown("put --rate 5", &[PUT]).contains(", due 5 a second"));
    }

    #[test]
    fn scripts_read_one_figure_a_line() {
        let text = shown("put -o plain", &[PUT, PUT]);
        assert!(text.contains("operations\t2\n") && text.contains("p50_us\t500\n"), "{text}");
    }

    #[test]
    fn latencies_have_the_unit_that_suits_them() {
        let texts = [time(9_999), time(10_000), time(9_999_999), time(10_000_000)];
        assert_eq!(texts, ["9999 µs", "10 ms", "9999 ms", "10 s"]);
    }
}
