//! A life as JSON lines: one event a line, in the order of the simulation, the same bytes for the
//! same seed. docs/events.md says what they mean, docs/testing.md how to read them.
//!
//! Every line has `t_us` (simulated time) and `kind`; the other fields depend on the kind. The
//! writer is a few lines of our own: what nests is a list or an object of numbers and texts.

use std::fmt::Write as _;
use std::io::Write;

use raft::{Index, Log, MemberId, Term};

use crate::time::Time;

/// A member's log is told by so many of its newest terms, at most.
const RUNS_MAX: usize = 32;

/// Where the events go, if anywhere.
pub struct Trace {
    out: Option<Box<dyn Write>>,
    line: String,
    /// Only what is to be seen is written, not what a developer looks into a failure for.
    for_eyes: bool,
}

impl Trace {
    /// Writes nothing.
    pub fn off() -> Trace {
        Trace { out: None, line: String::new(), for_eyes: false }
    }

    /// Writes to `out`, a line at a time. A trace that can not be written ends the run.
    pub fn to(out: impl Write + 'static) -> Trace {
        Trace { out: Some(Box::new(out)), line: String::new(), for_eyes: false }
    }

    /// Leaves out what only a developer looks for: arrivals, what messages say in full, and reports
    /// about disks and memory.
    pub(crate) fn for_eyes(mut self) -> Trace {
        self.for_eyes = true;
        self
    }

    pub(crate) fn is_for_eyes(&self) -> bool {
        self.for_eyes
    }

    pub(crate) fn is_off(&self) -> bool {
        self.out.is_none()
    }

    /// Writes an event, if anyone wants to know; `fields` adds to it.
    pub(crate) fn event(&mut self, now: Time, kind: &str, fields: impl FnOnce(&mut Fields<'_>)) {
        let Some(out) = &mut self.out else { return };
        self.line.clear();
        let mut line = Fields { line: &mut self.line };
        line.begin(now, kind);
        fields(&mut line);
        self.line.push_str("}\n");
        out.write_all(self.line.as_bytes()).expect("the trace can be written");
    }

    /// As [`event`](Trace::event), of what only a developer looks for.
    pub(crate) fn detail(&mut self, now: Time, kind: &str, fields: impl FnOnce(&mut Fields<'_>)) {
        if !self.for_eyes {
            self.event(now, kind, fields);
        }
    }
}

/// The fields of one line.
pub(crate) struct Fields<'a> {
    line: &'a mut String,
}

impl Fields<'_> {
    fn begin(&mut self, now: Time, kind: &str) {
        self.line.push_str("{\"t_us\":");
        self.line.push_str(&now.0.to_string());
        self.text("kind", kind);
    }

    pub(crate) fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.name(name);
        self.line.push_str(&value.to_string());
        self
    }

    pub(crate) fn term(&mut self, name: &str, term: Term) -> &mut Self {
        self.number(name, term.0)
    }

    pub(crate) fn index(&mut self, name: &str, index: Index) -> &mut Self {
        self.number(name, index.0)
    }

    pub(crate) fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.name(name);
        self.line.push_str(if value { "true" } else { "false" });
        self
    }

    /// A member's id, as everywhere in the API: a text.
    pub(crate) fn id(&mut self, name: &str, id: MemberId) -> &mut Self {
        self.text(name, &id.to_string())
    }

    /// Of nobody: `null`.
    pub(crate) fn id_or_null(&mut self, name: &str, id: Option<MemberId>) -> &mut Self {
        self.text_or_null(name, id.map(|id| id.to_string()).as_deref())
    }

    pub(crate) fn ids(&mut self, name: &str, ids: &[MemberId]) -> &mut Self {
        self.name(name);
        self.line.push('[');
        for (number, id) in ids.iter().enumerate() {
            self.line.push_str(if number == 0 { "" } else { "," });
            self.quoted(&id.to_string());
        }
        self.line.push(']');
        self
    }

    /// An object of texts.
    pub(crate) fn texts<'t>(
        &mut self,
        name: &str,
        texts: impl Iterator<Item = (String, &'t str)>,
    ) -> &mut Self {
        self.name(name);
        self.line.push('{');
        for (number, (key, text)) in texts.enumerate() {
            self.line.push_str(if number == 0 { "" } else { "," });
            self.quoted(&key);
            self.line.push(':');
            self.quoted(text);
        }
        self.line.push('}');
        self
    }

    /// An object of numbers.
    pub(crate) fn numbers(&mut self, name: &str, numbers: &[(&str, u64)]) -> &mut Self {
        self.name(name);
        self.line.push('{');
        for (number, (key, value)) in numbers.iter().enumerate() {
            self.line.push_str(if number == 0 { "" } else { "," });
            self.quoted(key);
            write!(self.line, ":{value}").expect("a string takes everything");
        }
        self.line.push('}');
        self
    }

    /// The newest terms of a log, oldest first: `[[first index, term], …]`.
    pub(crate) fn runs(&mut self, name: &str, log: &Log) -> &mut Self {
        let runs = runs_of(log);
        let newest = &runs[runs.len().saturating_sub(RUNS_MAX)..];
        self.name(name);
        self.line.push('[');
        for (number, (first, term)) in newest.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(self.line, "{comma}[{first},{term}]").expect("a string takes everything");
        }
        self.line.push(']');
        self
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        self.quoted(value);
        self
    }

    pub(crate) fn text_or_null(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        self.name(name);
        match value {
            Some(value) => self.quoted(value),
            None => self.line.push_str("null"),
        }
        self
    }

    fn name(&mut self, name: &str) {
        self.line.push_str(",\"");
        self.line.push_str(name);
        self.line.push_str("\":");
    }

    fn quoted(&mut self, text: &str) {
        self.line.push('"');
        text.chars().for_each(|c| self.character(c));
        self.line.push('"');
    }

    fn character(&mut self, c: char) {
        match c {
            '"' => self.line.push_str("\\\""),
            '\\' => self.line.push_str("\\\\"),
            c if c < ' ' => {
                write!(self.line, "\\u{:04x}", u32::from(c)).expect("a string takes everything");
            }
            c => self.line.push(c),
        }
    }
}

fn runs_of(log: &Log) -> Vec<(Index, Term)> {
    let mut runs: Vec<(Index, Term)> = Vec::new();
    for index in log.first_index().0..=log.last().index.0 {
        let term = log.term_at(Index(index)).expect("it is in the log");
        if runs.last().is_none_or(|&(_, newest)| newest != term) {
            runs.push((Index(index), term));
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fields: impl FnOnce(&mut Fields<'_>)) -> String {
        let mut line = String::new();
        let mut begun = Fields { line: &mut line };
        begun.begin(Time(7), "note");
        fields(&mut begun);
        line
    }

    #[test]
    fn a_line_is_json_whatever_the_text() {
        let line = written(|line| {
            line.number("count", 3).flag("leads", true).text("what", "say \"a\\b\"\n");
        });
        let expected =
            r#"{"t_us":7,"kind":"note","count":3,"leads":true,"what":"say \"a\\b\"\u000a""#;
        assert_eq!(line, expected);
    }

    #[test]
    fn ids_are_texts_in_the_digits_of_the_api() {
        let line = written(|line| {
            line.id("member", MemberId(63)).id_or_null("leader", None);
            line.ids("members", &[MemberId(10), MemberId(1)]);
        });
        let expected = r#"{"t_us":7,"kind":"note","member":"3f","leader":null,"members":["a","1"]"#;
        assert_eq!(line, expected);
    }

    #[test]
    fn a_log_is_told_by_its_runs_of_terms() {
        let mut log = Log::new();
        let entry = |index, term| raft::Entry {
            id: raft::LogId::new(Term(term), Index(index)),
            kind: raft::EntryKind::Noop,
            stamp_ms: 0,
            age_ms: 0,
            payload: bytes::Bytes::new(),
        };
        for (index, term) in [(1, 1), (2, 1), (3, 4), (4, 4)] {
            log.append(entry(index, term));
        }
        let line = written(|line| {
            line.runs("runs", &log).numbers("log", &[("start", 0), ("last_index", 4)]);
        });
        let expected = r#""runs":[[1,1],[3,4]],"log":{"start":0,"last_index":4}"#;
        assert!(line.ends_with(expected), "{line}");
    }
}
