//! `raftkv wal dump`: the log as JSON, one line an entry.

use std::io::Write;

use disk::OsDisk;
use serde_json::{Map, Value, json};
use wal::{Entry, LogReport, Visit};

use super::open;
use crate::args::DumpArgs;
use crate::failure::Failure;

/// Prints the entries that stand, in order. A damaged log is printed up to the damage, and fails.
pub(crate) fn dump(args: &DumpArgs, out: &mut impl Write) -> Result<(), Failure> {
    let directory = open(&args.dir)?;
    let inspect = |visit: &mut dyn FnMut(Visit<'_>)| {
        let inspected = wal::inspect(OsDisk, &directory.log_path(), &[], visit);
        inspected.map_err(|error| Failure::Negative(error.to_string()))
    };
    // Entries that were truncated are in the files too: the first reading tells which ones stand.
    let mut standing = Standing::default();
    let report = inspect(&mut |visit| standing.visit(visit))?;
    let mut printer = Printer { args, standing, printed: 0, out, failed: None };
    inspect(&mut |visit| printer.visit(visit))?;
    printer.failed.map_or(Ok(()), |error| Err(Failure::Output(error)))?;
    complain(&report)
}

fn complain(report: &LogReport) -> Result<(), Failure> {
    match report.damages.first() {
        None => Ok(()),
        Some(damage) => Err(Failure::Negative(format!("{damage}; `raftkv check` tells more"))),
    }
}

/// Where each term begins in the log that stands, as (index, term), and its bounds.
#[derive(Default)]
struct Standing {
    start: u64,
    last: u64,
    runs: Vec<(u64, u64)>,
}

impl Standing {
    fn visit(&mut self, visit: Visit<'_>) {
        match visit {
            Visit::Begin { term, index } => *self = Standing::after(term, index),
            Visit::Start { term, index } if self.term_at(index) == Some(term) => self.start = index,
            Visit::Start { term, index } => *self = Standing::after(term, index),
            Visit::Entry(entry) => self.put(entry.index, entry.term),
        }
    }

    fn after(term: u64, index: u64) -> Standing {
        Standing { start: index, last: index, runs: vec![(index, term)] }
    }

    fn put(&mut self, index: u64, term: u64) {
        self.runs.retain(|(first, _)| *first < index);
        if self.runs.last().is_none_or(|(_, last)| *last != term) {
            self.runs.push((index, term));
        }
        self.last = index;
    }

    fn term_at(&self, index: u64) -> Option<u64> {
        let run = self.runs.iter().rev().find(|(first, _)| *first <= index);
        run.filter(|_| index <= self.last).map(|(_, term)| *term)
    }

    fn holds(&self, entry: &Entry) -> bool {
        entry.index > self.start && self.term_at(entry.index) == Some(entry.term)
    }
}

struct Printer<'a, W> {
    args: &'a DumpArgs,
    standing: Standing,
    printed: u64,
    out: &'a mut W,
    failed: Option<std::io::Error>,
}

impl<W: Write> Printer<'_, W> {
    fn visit(&mut self, visit: Visit<'_>) {
        let Visit::Entry(entry) = visit else { return };
        let wanted = self.args.from.unwrap_or(0)..=self.args.to.unwrap_or(u64::MAX);
        // An entry that was truncated and written again is the same entry.
        let is_new = entry.index > self.printed;
        if self.failed.is_none()
            && is_new
            && wanted.contains(&entry.index)
            && self.standing.holds(entry)
        {
            self.printed = entry.index;
            self.failed = writeln!(self.out, "{}", line(entry)).err();
        }
    }
}

fn line(entry: &Entry) -> Value {
    let explained = replica::explain(entry);
    let fields = explained.fields.into_iter();
    let fields: Map<String, Value> =
        fields.map(|(name, text)| (name.to_owned(), Value::String(text))).collect();
    json!({
        "index": entry.index,
        "term": entry.term,
        "kind": explained.kind,
        "stamp_ms": entry.stamp_ms,
        "age_ms": entry.age_ms,
        "bytes": entry.payload.len(),
        "content": fields,
    })
}
