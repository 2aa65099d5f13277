//! The past of a key as text: one line a version, JSON, a table, or bare for scripts.

use std::io::{self, Write};

use client::PastVersion;
use comfy_table::Table;
use serde::Serialize;

use crate::args::Format;
use crate::render::{json_list_end, json_list_item, table};
use crate::text;

/// What stands for a time that is not known any more.
const NO_TIME: &str = "-";

/// Versions, printed as they come where the format allows it.
pub(crate) struct Versions {
    output: Option<Format>,
    count: u64,
    table: Table,
}

/// A version in the JSON of the HTTP door.
#[derive(Serialize)]
struct JsonVersion<'a> {
    revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<bool>,
}

impl Versions {
    pub(crate) fn new(output: Option<Format>) -> Versions {
        Versions { output, count: 0, table: table(&["REVISION", "TIME", "VALUE", "VERSION"]) }
    }

    /// How many were added.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn add(&mut self, version: &PastVersion, out: &mut impl Write) -> io::Result<()> {
        self.count += 1;
        let revision = version.revision;
        let time = version.time.as_ref().map_or(NO_TIME, |(time, _)| time);
        match self.output {
            None => match &version.value {
                Some(value) => writeln!(out, "{revision}  {time}  = {}", text::line(value)),
                None => writeln!(out, "{revision}  {time}  removed"),
            },
            Some(Format::Plain) => {
                write!(out, "{revision}\t{time}")?;
                if let Some(value) = &version.value {
                    write!(out, "\t")?;
                    out.write_all(value)?;
                }
                writeln!(out)
            }
            Some(Format::Json) => json_list_item(self.count == 1, &json(version), out),
            Some(Format::Table) => {
                let (value, number) = match &version.value {
                    Some(value) => (text::cell(value), version.version.to_string()),
                    None => ("(removed)".to_owned(), String::new()),
                };
                self.table.add_row([revision.to_string(), time.to_owned(), value, number]);
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
}

fn json(version: &PastVersion) -> JsonVersion<'_> {
    let text = version.value.as_deref().map(str::from_utf8);
    let is_live = version.value.is_some();
    JsonVersion {
        revision: version.revision.0,
        time: version.time.as_ref().map(|(time, _)| time.as_str()),
        timestamp: version.time.as_ref().map(|(_, timestamp)| *timestamp),
        value: text.and_then(Result::ok),
        value_base64: version
            .value
            .as_deref()
            .filter(|_| matches!(text, Some(Err(_))))
            .map(text::encode_base64),
        version: is_live.then_some(version.version),
        deleted: (!is_live).then_some(true),
    }
}

#[cfg(test)]
mod tests {
    use client::Revision;

    use super::*;

    fn versions() -> [PastVersion; 3] {
        let time = |ms: u64| Some((format!("2026-08-04T12:00:00.{ms:03}Z"), ms * 1_000));
        [
            PastVersion { revision: Revision(9), time: time(9), value: None, version: 0 },
            PastVersion {
                revision: Revision(7),
                time: time(7),
                value: Some("a\nb".into()),
                version: 2,
            },
            PastVersion {
                revision: Revision(4),
                time: None,
                value: Some((&b"\xff"[..]).into()),
                version: 1,
            },
        ]
    }

    fn shown(output: Option<Format>) -> String {
        let (mut out, mut printer) = (Vec::new(), Versions::new(output));
        versions().iter().try_for_each(|version| printer.add(version, &mut out)).unwrap();
        printer.finish(&mut out).unwrap();
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn a_past_in_every_format() {
        assert_eq!(
            shown(None),
            "9  2026-08-04T12:00:00.009Z  removed\n\
             7  2026-08-04T12:00:00.007Z  = a\\nb\n\
             4  -  = \\xff\n"
        );
        assert_eq!(
            shown(Some(Format::Plain)),
            "9\t2026-08-04T12:00:00.009Z\n7\t2026-08-04T12:00:00.007Z\ta\nb\n4\t-\t\u{fffd}\n"
        );
        assert_eq!(
            shown(Some(Format::Json)),
            "[\n\
             {\"revision\":9,\"time\":\"2026-08-04T12:00:00.009Z\",\"timestamp\":9000,\
             \"deleted\":true},\n\
             {\"revision\":7,\"time\":\"2026-08-04T12:00:00.007Z\",\"timestamp\":7000,\
             \"value\":\"a\\nb\",\"version\":2},\n\
             {\"revision\":4,\"value_base64\":\"/w==\",\"version\":1}\n]\n"
        );
        let table = shown(Some(Format::Table));
        assert!(table.contains("REVISION") && table.contains("(removed)"), "{table}");
    }

    #[test]
    fn no_versions_are_an_empty_list() {
        let mut out = Vec::new();
        Versions::new(Some(Format::Json)).finish(&mut out).unwrap();
        assert_eq!(out, b"[]\n");
    }
}
