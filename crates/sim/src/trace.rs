//! A life as JSON lines: one event a line, in the order of the simulation, the same bytes for the
//! same seed.
//!
//! Every line has `t_us` (simulated time) and `event`; the other fields depend on the event. The
//! writer is a few lines of our own: values are numbers, booleans and texts, nothing nests.

use std::fmt::Write as _;
use std::io::Write;

use crate::time::Time;

/// Where the events go, if anywhere.
pub struct Trace {
    out: Option<Box<dyn Write>>,
    line: String,
}

impl Trace {
    /// Writes nothing.
    pub fn off() -> Trace {
        Trace { out: None, line: String::new() }
    }

    /// Writes to `out`, a line at a time. A trace that can not be written ends the run.
    pub fn to(out: impl Write + 'static) -> Trace {
        Trace { out: Some(Box::new(out)), line: String::new() }
    }

    /// Writes an event, if anyone wants to know; `fields` adds to it.
    pub(crate) fn event(&mut self, now: Time, event: &str, fields: impl FnOnce(&mut Fields<'_>)) {
        let Some(out) = &mut self.out else { return };
        self.line.clear();
        let mut line = Fields { line: &mut self.line };
        line.begin(now, event);
        fields(&mut line);
        self.line.push_str("}\n");
        out.write_all(self.line.as_bytes()).expect("the trace can be written");
    }
}

/// The fields of one line.
pub(crate) struct Fields<'a> {
    line: &'a mut String,
}

impl Fields<'_> {
    fn begin(&mut self, now: Time, event: &str) {
        self.line.push_str("{\"t_us\":");
        self.line.push_str(&now.0.to_string());
        self.text("event", event);
    }

    pub(crate) fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.name(name);
        self.line.push_str(&value.to_string());
        self
    }

    pub(crate) fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.name(name);
        self.line.push_str(if value { "true" } else { "false" });
        self
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        self.line.push('"');
        value.chars().for_each(|c| self.character(c));
        self.line.push('"');
        self
    }

    fn name(&mut self, name: &str) {
        self.line.push_str(",\"");
        self.line.push_str(name);
        self.line.push_str("\":");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json_whatever_the_text() {
        let mut line = String::new();
        let mut fields = Fields { line: &mut line };
        fields.begin(Time(7), "note");
        fields.number("member", 3).flag("leads", true).text("what", "say \"a\\b\"\n");
        let expected =
            r#"{"t_us":7,"event":"note","member":3,"leads":true,"what":"say \"a\\b\"\u000a""#;
        assert_eq!(line, expected);
    }
}
