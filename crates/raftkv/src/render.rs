//! Answers as text: for people, as JSON, as a table, or bare for scripts.

use std::io::{self, Write};

use client::{Compacted, Deleted, KeyValue, Revision, Written};
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::Format;
use crate::text::{self, JsonKeyValue, Values};

type Output = Option<Format>;

/// What a key was before a write: outside whether that was asked for, inside whether it existed.
pub(crate) type Prev<'a> = Option<Option<&'a KeyValue>>;

pub(crate) fn put(
    key: &str,
    written: &Written,
    prev: Prev<'_>,
    output: Output,
    out: &mut impl Write,
) -> io::Result<()> {
    let revision = written.revision.0;
    match output {
        None | Some(Format::Plain) => writeln!(out, "OK")?,
        Some(Format::Json) => {
            let body = json!({"status": "committed", "key": key, "revision": revision});
            return json_line(&with_prev(body, prev), out);
        }
        Some(Format::Table) => {
            let mut table = table(&["KEY", "REVISION"]);
            table.add_row([text::cell(key.as_bytes()), revision.to_string()]);
            writeln!(out, "{table}")?;
        }
    }
    write_prev(prev, output, out)
}

fn with_prev(mut body: Value, prev: Prev<'_>) -> Value {
    if let Some(prev) = prev {
        body["prev"] = json!(prev.map(|item| JsonKeyValue::new(item, Values::AsText)));
    }
    body
}

/// As `get` would have printed it before.
fn write_prev(prev: Prev<'_>, output: Output, out: &mut impl Write) -> io::Result<()> {
    match prev.flatten() {
        Some(item) => get(item, Values::AsText, output, out),
        None => Ok(()),
    }
}

pub(crate) fn delete(
    key: &str,
    deleted: &Deleted,
    prev: Prev<'_>,
    output: Output,
    out: &mut impl Write,
) -> io::Result<()> {
    let count = deleted.deleted;
    match output {
        Some(Format::Json) => {
            let body = json!({"status": "committed", "key": key, "deleted": count});
            json_line(&with_prev(body, prev), out)
        }
        // What was not there is told on standard error.
        None | Some(Format::Plain | Format::Table) if count == 0 => Ok(()),
        None | Some(Format::Plain | Format::Table) => {
            writeln!(out, "OK")?;
            write_prev(prev, output, out)
        }
    }
}

pub(crate) fn compacted(
    compacted: &Compacted,
    output: Output,
    out: &mut impl Write,
) -> io::Result<()> {
    let Compacted { compact_revision, revision } = compacted;
    match output {
        None => writeln!(out, "the past begins at revision {compact_revision}"),
        Some(Format::Plain) => writeln!(out, "{compact_revision}"),
        Some(Format::Json) => json_line(
            &json!({
                "status": "compacted",
                "compact_revision": compact_revision,
                "revision": revision,
            }),
            out,
        ),
        Some(Format::Table) => {
            let mut table = table(&["OLDEST", "NEWEST"]);
            table.add_row([compact_revision.to_string(), revision.to_string()]);
            writeln!(out, "{table}")
        }
    }
}

/// The key as it is where a condition failed; what people read of its absence is on standard error.
pub(crate) fn conflict(
    key: &str,
    current: Option<&KeyValue>,
    revision: Revision,
    output: Output,
    out: &mut impl Write,
) -> io::Result<()> {
    match (output, current) {
        (Some(Format::Json), _) => {
            let current = current.map(|item| JsonKeyValue::new(item, Values::AsText));
            let status = "condition_failed";
            json_line(
                &json!({"status": status, "key": key, "current": current, "revision": revision}),
                out,
            )
        }
        (_, Some(item)) => get(item, Values::AsText, output, out),
        (_, None) => Ok(()),
    }
}

pub(crate) fn get(
    item: &KeyValue,
    values: Values,
    output: Output,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut items = Items::new(output, values);
    match output {
        Some(Format::Json) => json_line(&JsonKeyValue::new(item, values), out),
        Some(Format::Plain) => {
            write_value(item, values, out)?;
            writeln!(out)
        }
        None | Some(Format::Table) => {
            items.add(item, out)?;
            items.finish(out)
        }
    }
}

/// Many keys and values, printed as they come where the format allows it.
pub(crate) struct Items {
    output: Output,
    values: Values,
    /// How many were added.
    count: u64,
    table: Table,
}

impl Items {
    pub(crate) fn new(output: Output, values: Values) -> Items {
        let headings: &[&str] = match values {
            Values::Absent => &["KEY", "VERSION", "CREATED", "MODIFIED"],
            Values::AsText | Values::AsBase64 => {
                &["KEY", "VALUE", "VERSION", "CREATED", "MODIFIED"]
            }
        };
        Items { output, values, count: 0, table: table(headings) }
    }

    pub(crate) fn add(&mut self, item: &KeyValue, out: &mut impl Write) -> io::Result<()> {
        self.count += 1;
        match self.output {
            None => self.write_line(item, out),
            Some(Format::Plain) => self.write_plain(item, out),
            Some(Format::Json) => {
                json_list_item(self.count == 1, &JsonKeyValue::new(item, self.values), out)
            }
            Some(Format::Table) => {
                self.table.add_row(self.row(item));
                Ok(())
            }
        }
    }

    pub(crate) fn finish(self, out: &mut impl Write) -> io::Result<()> {
        match self.output {
            None | Some(Format::Plain) => Ok(()),
            Some(Format::Json) => json_list_end(self.count == 0, out),
            Some(Format::Table) => writeln!(out, "{}", self.table),
        }
    }

    /// `key = value`, always one line.
    fn write_line(&self, item: &KeyValue, out: &mut impl Write) -> io::Result<()> {
        let key = text::line(&item.key);
        match self.values {
            Values::Absent => writeln!(out, "{key}"),
            Values::AsText => writeln!(out, "{key} = {}", text::line(&item.value)),
            Values::AsBase64 => writeln!(out, "{key} = {}", text::encode_base64(&item.value)),
        }
    }

    /// Key, tabulator, value, byte for byte.
    fn write_plain(&self, item: &KeyValue, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&item.key)?;
        if self.values != Values::Absent {
            write!(out, "\t")?;
            write_value(item, self.values, out)?;
        }
        writeln!(out)
    }

    fn row(&self, item: &KeyValue) -> Vec<String> {
        let value = match self.values {
            Values::Absent => None,
            Values::AsText => Some(text::cell(&item.value)),
            Values::AsBase64 => Some(text::encode_base64(&item.value)),
        };
        let numbers = [item.version, item.create_revision.0, item.mod_revision.0];
        let numbers = numbers.iter().map(u64::to_string);
        [text::cell(&item.key)].into_iter().chain(value).chain(numbers).collect()
    }
}

fn write_value(item: &KeyValue, values: Values, out: &mut impl Write) -> io::Result<()> {
    match values {
        Values::AsBase64 => write!(out, "{}", text::encode_base64(&item.value)),
        Values::AsText | Values::Absent => out.write_all(&item.value),
    }
}

/// One JSON document on one line.
pub(crate) fn json_line(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

/// An item of a JSON array that is printed as its items come.
pub(crate) fn json_list_item(
    is_first: bool,
    item: &impl Serialize,
    out: &mut impl Write,
) -> io::Result<()> {
    write!(out, "{}", if is_first { "[\n" } else { ",\n" })?;
    serde_json::to_writer(out, item).map_err(io::Error::from)
}

/// The end of such an array.
pub(crate) fn json_list_end(is_empty: bool, out: &mut impl Write) -> io::Result<()> {
    if is_empty { writeln!(out, "[]") } else { writeln!(out, "\n]") }
}

/// An empty table. Columns of numbers are recognised by their headings, and aligned to the right.
pub(crate) fn table(headings: &[&str]) -> Table {
    const NUMBERS: [&str; 20] = [
        "VERSION", "CREATED", "MODIFIED", "REVISION", "TERM", "LAST", "DURABLE", "COMMIT",
        "APPLIED", "KEYS", "LAG", "OLDEST", "NEWEST", "DONE", "A SECOND", "P50", "P90", "P99",
        "P99.9", "MAX",
    ];
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header(headings.iter().copied());
    for (column, heading) in table.column_iter_mut().zip(headings) {
        if NUMBERS.contains(heading) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

#[cfg(test)]
pub(crate) mod tests {
    use client::Revision;

    use super::*;

    const FORMATS: [Output; 4] =
        [None, Some(Format::Plain), Some(Format::Json), Some(Format::Table)];

    fn item(key: &'static [u8], value: &'static [u8]) -> KeyValue {
        KeyValue {
            key: key.into(),
            value: value.into(),
            version: 2,
            create_revision: Revision(5),
            mod_revision: Revision(17),
            ttl: None,
            lease: None,
            stale: None,
        }
    }

    /// What is printed.
    pub(crate) fn shown(print: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn listed(items: &[KeyValue], output: Output, values: Values) -> String {
        shown(|out| {
            let mut printer = Items::new(output, values);
            items.iter().try_for_each(|item| printer.add(item, out))?;
            printer.finish(out)
        })
    }

    #[test]
    fn a_value_in_every_format() {
        let item = item(b"db.host", b"postgres.internal");
        let [pretty, plain, json, table] =
            FORMATS.map(|output| shown(|out| get(&item, Values::AsText, output, out)));
        assert_eq!(pretty, "db.host = postgres.internal\n");
        assert_eq!(plain, "postgres.internal\n");
        assert_eq!(
            json,
            "{\"key\":\"db.host\",\"value\":\"postgres.internal\",\"version\":2,\
             \"create_revision\":5,\"mod_revision\":17}\n"
        );
        assert_eq!(
            table,
            "\
┌────────────────────────────────────────────────────────────┐
│ KEY       VALUE               VERSION   CREATED   MODIFIED │
╞════════════════════════════════════════════════════════════╡
│ db.host   postgres.internal         2         5         17 │
└────────────────────────────────────────────────────────────┘
"
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_escaped_for_people_and_exact_for_scripts() {
        let item = item(b"\xff", b"a\n\x00");
        let base64 = |output| shown(|out| get(&item, Values::AsBase64, output, out));
        assert_eq!(base64(None), "\\xff = YQoA\n");
        assert_eq!(base64(Some(Format::Plain)), "YQoA\n");
        assert_eq!(shown(|out| get(&item, Values::AsText, None, out)), "\\xff = a\\n\\u{0}\n");
        assert_eq!(shown(|out| get(&item, Values::AsText, Some(Format::Plain), out)), "a\n\0\n");
        let json = base64(Some(Format::Json));
        assert!(json.starts_with(r#"{"key_base64":"/w==","value_base64":"YQoA","#), "{json}");
    }

    #[test]
    fn a_list_in_every_format() {
        let items = [item(b"a", b"1"), item(b"b", b"2")];
        let [pretty, plain, json, table] =
            FORMATS.map(|output| listed(&items, output, Values::AsText));
        assert_eq!(pretty, "a = 1\nb = 2\n");
        assert_eq!(plain, "a\t1\nb\t2\n");
        let parsed: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
        assert_eq!((&parsed[0]["key"], &parsed[1]["value"]), (&json!("a"), &json!("2")));
        assert_eq!(table.lines().count(), 6);
    }

    #[test]
    fn a_list_of_keys_has_no_values() {
        let items = [item(b"a", b"")];
        let [pretty, plain, json, table] =
            FORMATS.map(|output| listed(&items, output, Values::Absent));
        assert_eq!((pretty.as_str(), plain.as_str()), ("a\n", "a\n"));
        assert!(!json.contains("value") && !table.contains("VALUE"), "{json}{table}");
    }

    #[test]
    fn an_empty_list_is_valid_in_every_format() {
        assert_eq!(listed(&[], None, Values::AsText), "");
        assert_eq!(listed(&[], Some(Format::Json), Values::AsText), "[]\n");
    }

    #[test]
    fn writes_in_every_format() {
        let written = Written { revision: Revision(9), prev: None };
        let [pretty, plain, json, table] =
            FORMATS.map(|output| shown(|out| put("k", &written, None, output, out)));
        assert_eq!((pretty.as_str(), plain.as_str()), ("OK\n", "OK\n"));
        assert_eq!(json, "{\"key\":\"k\",\"revision\":9,\"status\":\"committed\"}\n");
        assert!(table.contains("REVISION") && table.contains('9'), "{table}");
    }

    #[test]
    fn only_json_speaks_of_a_key_that_was_not_there() {
        let [pretty, plain, json, table] =
            FORMATS.map(|output| shown(|out| delete("k", &gone(0), None, output, out)));
        assert_eq!((pretty, plain, table), Default::default());
        assert!(json.contains(r#""deleted":0"#), "{json}");
        assert_eq!(shown(|out| delete("k", &gone(1), None, None, out)), "OK\n");
    }

    fn gone(deleted: u64) -> Deleted {
        Deleted { deleted, prev: None }
    }

    #[test]
    fn what_was_there_before_is_printed_as_a_read_would_have() {
        let written = Written { revision: Revision(9), prev: None };
        let item = item(b"k", b"old");
        let [pretty, plain, json, _] =
            FORMATS.map(|output| shown(|out| put("k", &written, Some(Some(&item)), output, out)));
        assert_eq!((pretty.as_str(), plain.as_str()), ("OK\nk = old\n", "OK\nold\n"));
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["prev"]["value"], "old");
        let new = shown(|out| put("k", &written, Some(None), Some(Format::Json), out));
        assert!(new.contains(r#""prev":null"#), "{new}");
        let pretty = shown(|out| delete("k", &gone(1), Some(Some(&item)), None, out));
        assert_eq!(pretty, "OK\nk = old\n");
    }
}
