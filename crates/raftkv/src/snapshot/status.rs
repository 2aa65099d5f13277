//! `raftkv snapshot status`: what a backup holds.

use std::io::Write;
use std::path::Path;

use replica::BackupState;
use serde_json::{Value, json};

use super::{find, inspect};
use crate::args::Format;
use crate::failure::Failure;
use crate::render::{json_line, table};

pub(super) fn run(
    file: &Path,
    output: Option<Format>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let rows = rows(&inspect(find(file)?)?);
    match output {
        Some(Format::Json) => json_line(&rows.into_iter().collect::<Value>(), out)?,
        Some(Format::Table) => {
            let mut table = table(&["FIELD", "VALUE"]);
            for (name, value) in rows {
                table.add_row([name.to_owned(), shown(&value)]);
            }
            writeln!(out, "{table}")?;
        }
        Some(Format::Plain) => {
            for (name, value) in rows {
                writeln!(out, "{name}\t{}", shown(&value))?;
            }
        }
        None => {
            writeln!(out, "{}: sound", file.display())?;
            for (name, value) in rows {
                writeln!(out, "  {name}: {}", shown(&value))?;
            }
        }
    }
    Ok(())
}

fn rows(backup: &BackupState) -> [(&'static str, Value); 11] {
    let BackupState { meta, bytes, state } = backup;
    [
        ("index", meta.last.1.into()),
        ("term", meta.last.0.into()),
        ("revision", state.revision.0.into()),
        ("compact_revision", state.compact_revision.0.into()),
        ("keys", state.keys.into()),
        ("leases", state.leases.into()),
        ("sessions", state.sessions.into()),
        ("bytes", json!(bytes)),
        ("state_hash", format!("{:016x}", state.state_hash).into()),
        ("time_ms", meta.stamp_ms.into()),
        ("cluster_id", format!("{:032x}", meta.cluster_id).into()),
    ]
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
