//! `raftkv record`: records and their fields.

use std::io::{self, Write};

use client::{Condition, Deleted, FieldValue, FieldWritten, FieldsOptions, Revision};
use comfy_table::Table;
use serde_json::{Map, Value, json};

use crate::args::{
    Format, RecordCommand, RecordDeleteArgs, RecordGetArgs, RecordScanArgs, RecordSetArgs,
};
use crate::failure::Failure;
use crate::kv::{connect, consistency, get_options, moment, told, value_of};
use crate::render::{json_line, table};
use crate::text::{self, text_or_base64};

pub(crate) async fn run(command: RecordCommand, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        RecordCommand::Set(args) => set(&args, out).await,
        RecordCommand::Get(args) => get(&args, out).await,
        RecordCommand::Delete(args) => delete(&args, out).await,
        RecordCommand::Scan(args) => scan(&args, out).await,
    }
}

async fn set(args: &RecordSetArgs, out: &mut impl Write) -> Result<(), Failure> {
    let value = value_of(&args.value, args.base64)?;
    let revision = args.if_revision.map(|revision| Condition::Revision(Revision(revision)));
    let condition = revision.or(args.if_absent.then_some(Condition::Absent));
    let (client, output) = (connect(&args.connect)?, args.connect.output);
    let written = client.set_field(&args.key, &args.field, value, condition, args.ttl).await;
    let written = written.map_err(|error| told(&args.field, error, output, out))?;
    Ok(write_set(args, &written, output, out)?)
}

async fn get(args: &RecordGetArgs, out: &mut impl Write) -> Result<(), Failure> {
    let client = connect(&args.connect)?;
    let found = client.field(&args.key, &args.field, get_options(&args.read)).await?;
    let found = found.ok_or_else(|| not_found(&args.key, &[&args.field]))?;
    Ok(write_field(args, &found, args.connect.output, out)?)
}

/// Fields are removed one after the other, a record at once.
async fn delete(args: &RecordDeleteArgs, out: &mut impl Write) -> Result<(), Failure> {
    let (client, output) = (connect(&args.connect)?, args.connect.output);
    if args.fields.is_empty() {
        let deleted = client.delete_record(&args.key).await?;
        write_deleted(&args.key, None, &deleted, output, out)?;
        return if deleted.deleted == 0 { Err(not_found(&args.key, &[])) } else { Ok(()) };
    }
    let mut missing = Vec::new();
    for field in &args.fields {
        let deleted = client.delete_field(&args.key, field, None).await?;
        write_deleted(&args.key, Some(field), &deleted, output, out)?;
        if deleted.deleted == 0 {
            missing.push(field.as_str());
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(not_found(&args.key, &missing)) }
}

async fn scan(args: &RecordScanArgs, out: &mut impl Write) -> Result<(), Failure> {
    let options = FieldsOptions {
        prefix: args.prefix.clone().into(),
        limit: args.limit,
        consistency: consistency(args.read.stale),
        moment: moment(&args.read),
    };
    let mut listing = connect(&args.connect)?.fields(args.key.clone(), options);
    let mut lines = Lines::new(args.connect.output);
    let mut is_there = args.limit == Some(0);
    while let Some(page) = listing.next_page().await? {
        is_there = true;
        for (name, value) in &page.fields {
            lines.add(name, value, out)?;
        }
        out.flush()?;
    }
    lines.finish(out)?;
    if is_there { Ok(()) } else { Err(not_found(&args.key, &[])) }
}

fn not_found(record: &str, fields: &[&str]) -> Failure {
    let record = text::line(record.as_bytes());
    Failure::Negative(match fields {
        [] => format!("not found: {record}"),
        fields => format!("not found: {} of {record}", text::line(fields.join(", ").as_bytes())),
    })
}

fn write_set(
    args: &RecordSetArgs,
    written: &FieldWritten,
    output: Option<Format>,
    out: &mut impl Write,
) -> io::Result<()> {
    match output {
        None | Some(Format::Plain) => writeln!(out, "OK"),
        Some(Format::Json) => json_line(
            &json!({
                "success": true, "key": args.key, "field": args.field,
                "timestamp": micros(written.written), "revision": written.revision,
            }),
            out,
        ),
        Some(Format::Table) => {
            let mut table = table(&["KEY", "FIELD", "REVISION"]);
            let (key, field) = (text::cell(args.key.as_bytes()), text::cell(args.field.as_bytes()));
            table.add_row([key, field, written.revision.to_string()]);
            writeln!(out, "{table}")
        }
    }
}

/// What was not there is told on standard error.
fn write_deleted(
    record: &str,
    field: Option<&str>,
    deleted: &Deleted,
    output: Option<Format>,
    out: &mut impl Write,
) -> io::Result<()> {
    let count = deleted.deleted;
    match output {
        Some(Format::Json) => {
            let mut object = Map::new();
            object.insert("success".to_owned(), (count > 0).into());
            object.insert("key".to_owned(), record.into());
            object.extend(field.map(|field| ("field".to_owned(), field.into())));
            object.insert("deleted".to_owned(), count.into());
            json_line(&object, out)
        }
        None | Some(Format::Plain | Format::Table) if count == 0 => Ok(()),
        None | Some(Format::Plain | Format::Table) => writeln!(out, "OK"),
    }
}

fn write_field(
    args: &RecordGetArgs,
    found: &FieldValue,
    output: Option<Format>,
    out: &mut impl Write,
) -> io::Result<()> {
    let value = || match args.base64 {
        true => text::encode_base64(&found.value),
        false => text::line(&found.value),
    };
    match output {
        None => writeln!(out, "{} = {}", text::line(args.field.as_bytes()), value()),
        Some(Format::Plain) if args.base64 => writeln!(out, "{}", value()),
        Some(Format::Plain) => {
            out.write_all(&found.value)?;
            writeln!(out)
        }
        Some(Format::Json) => {
            let mut object = Map::new();
            insert(&mut object, "key", args.key.as_bytes(), false);
            insert(&mut object, "field", args.field.as_bytes(), false);
            insert(&mut object, "value", &found.value, args.base64);
            object.insert("timestamp".to_owned(), micros(found.written).into());
            object.insert("mod_revision".to_owned(), found.mod_revision.0.into());
            let ttl_ms = found.ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
            object.extend(ttl_ms.map(|ttl_ms| ("ttl_ms".to_owned(), ttl_ms.into())));
            if let Some(stale) = found.stale {
                object.insert("applied_index".to_owned(), stale.applied_index.into());
                object.insert("age_ms".to_owned(), stale.age_ms.into());
            }
            json_line(&object, out)
        }
        Some(Format::Table) => {
            let mut table = table(&["FIELD", "VALUE", "MODIFIED"]);
            let value = if args.base64 { value() } else { text::cell(&found.value) };
            let field = text::cell(args.field.as_bytes());
            table.add_row([field, value, found.mod_revision.to_string()]);
            writeln!(out, "{table}")
        }
    }
}

fn micros(since_1970: std::time::Duration) -> u64 {
    u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX)
}

/// Bytes as JSON carries them: as text where they are text.
fn insert(object: &mut Map<String, Value>, name: &str, bytes: &[u8], as_base64: bool) {
    match text_or_base64(bytes) {
        (Some(text), _) if !as_base64 => object.insert(name.to_owned(), text.into()),
        _ => object.insert(format!("{name}_base64"), text::encode_base64(bytes).into()),
    };
}

/// Many fields, printed as they come where the format allows it.
struct Lines {
    output: Option<Format>,
    count: u64,
    table: Table,
}

impl Lines {
    fn new(output: Option<Format>) -> Lines {
        Lines { output, count: 0, table: table(&["FIELD", "VALUE"]) }
    }

    fn add(&mut self, name: &[u8], value: &[u8], out: &mut impl Write) -> io::Result<()> {
        self.count += 1;
        match self.output {
            None => writeln!(out, "{} = {}", text::line(name), text::line(value)),
            Some(Format::Plain) => {
                out.write_all(name)?;
                write!(out, "\t")?;
                out.write_all(value)?;
                writeln!(out)
            }
            Some(Format::Json) => {
                write!(out, "{}", if self.count == 1 { "[\n" } else { ",\n" })?;
                let mut object = Map::new();
                insert(&mut object, "field", name, false);
                insert(&mut object, "value", value, false);
                serde_json::to_writer(out, &object).map_err(io::Error::from)
            }
            Some(Format::Table) => {
                self.table.add_row([text::cell(name), text::cell(value)]);
                Ok(())
            }
        }
    }

    fn finish(self, out: &mut impl Write) -> io::Result<()> {
        match self.output {
            None | Some(Format::Plain) => Ok(()),
            Some(Format::Json) if self.count == 0 => writeln!(out, "[]"),
            Some(Format::Json) => writeln!(out, "\n]"),
            Some(Format::Table) => writeln!(out, "{}", self.table),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(output: Option<Format>, fields: &[(&[u8], &[u8])]) -> String {
        let (mut lines, mut out) = (Lines::new(output), Vec::new());
        for (name, value) in fields {
            lines.add(name, value, &mut out).unwrap();
        }
        lines.finish(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_in_every_format() {
        let fields: [(&[u8], &[u8]); 2] = [(b"mail", b"a@b"), (b"name", b"Ada\n")];
        assert_eq!(listed(None, &fields), "mail = a@b\nname = Ada\\n\n");
        assert_eq!(listed(Some(Format::Plain), &fields), "mail\ta@b\nname\tAda\n\n");
        let json: Value = serde_json::from_str(&listed(Some(Format::Json), &fields)).unwrap();
        assert_eq!(json[1], json!({"field": "name", "value": "Ada\n"}));
        assert_eq!(listed(Some(Format::Table), &fields).lines().count(), 6);
    }

    #[test]
    fn what_is_no_text_and_what_is_not_there() {
        let json = listed(Some(Format::Json), &[(b"\xff", b"\0")]);
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json[0], json!({"field_base64": "/w==", "value": "\0"}));
        assert_eq!(listed(Some(Format::Json), &[]), "[]\n");
        assert_eq!(listed(None, &[]), "");
    }
}
