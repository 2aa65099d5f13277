//! `raftkv watch`: changes as lines, as they happen.

use std::io::{self, Write};

use client::{Change, Changes, Consistency, Error, KeyValue, Keys, Revision, Update, WatchOptions};
use serde_json::{Value, json};

use crate::args::{Format, WatchArgs};
use crate::failure::Failure;
use crate::kv::connect;
use crate::text::{self, JsonKeyValue, Values};

/// Runs until it is ended, or what comes next is compacted. Members that come and go are none of
/// the reader's affair; that none serves is said, and waited out.
pub(crate) async fn run(args: WatchArgs, out: &mut impl Write) -> Result<(), Failure> {
    if args.connect.output == Some(Format::Table) {
        return Err(Failure::Usage("a watch has no end, so there is no table of it".to_owned()));
    }
    let output = args.connect.output;
    let mut watch = connect(&args.connect)?.watch(options(args)?).await?;
    loop {
        match watch.next().await {
            Ok(Update::Changes(changes)) => {
                write(&changes, output, out)?;
                out.flush()?;
            }
            Ok(Update::Progress(_)) => {}
            Err(error @ Error::Unavailable { .. }) => {
                complain!(
                    "raftkv: {error}\nraftkv: trying again, from revision {}",
                    watch.told().0 + 1
                );
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn options(args: WatchArgs) -> Result<WatchOptions, Failure> {
    let keys = match (args.key, args.prefix, args.from, args.to) {
        (Some(key), None, None, None) => Keys::One(key.into()),
        (None, Some(prefix), None, None) => Keys::Prefix(prefix.into()),
        (None, None, Some(from), to) => Keys::Range { from: from.into(), to: to.map(Into::into) },
        _ => {
            let message = "name a key, or --prefix, or --from and perhaps --to";
            return Err(Failure::Usage(message.to_owned()));
        }
    };
    Ok(WatchOptions {
        keys,
        from_revision: args.from_revision.map(Revision),
        prev: args.prev,
        no_put: args.no_put,
        no_delete: args.no_delete,
        consistency: if args.stale { Consistency::Stale } else { Consistency::Linearizable },
    })
}

/// A line a change.
fn write(changes: &Changes, output: Option<Format>, out: &mut impl Write) -> io::Result<()> {
    for change in &changes.changes {
        match output {
            Some(Format::Json) => writeln!(out, "{}", as_json(changes, change))?,
            Some(Format::Plain) => write_plain(changes.revision, change, out)?,
            None | Some(Format::Table) => writeln!(out, "{}", as_line(changes.revision, change))?,
        }
    }
    Ok(())
}

/// `7 put key = value`, with what it was in brackets.
fn as_line(revision: Revision, change: &Change) -> String {
    let was = |prev: &Option<KeyValue>| match prev {
        Some(prev) => format!(" (was {})", text::line(&prev.value)),
        None => String::new(),
    };
    let key = text::line(change.key());
    match change {
        Change::Put { item, prev } => {
            format!("{revision} put {key} = {}{}", text::line(&item.value), was(prev))
        }
        Change::Delete { prev, .. } => format!("{revision} delete {key}{}", was(prev)),
    }
}

/// Revision, what, key and value with tabulators between, byte for byte.
fn write_plain(revision: Revision, change: &Change, out: &mut impl Write) -> io::Result<()> {
    match change {
        Change::Put { item, .. } => {
            write!(out, "{revision}\tput\t")?;
            out.write_all(&item.key)?;
            out.write_all(b"\t")?;
            out.write_all(&item.value)?;
        }
        Change::Delete { key, .. } => {
            write!(out, "{revision}\tdelete\t")?;
            out.write_all(key)?;
        }
    }
    out.write_all(b"\n")
}

/// An event as docs/http.md has it, with its revision and time.
fn as_json(changes: &Changes, change: &Change) -> Value {
    let shown = |item: &KeyValue| json!(JsonKeyValue::new(item, Values::AsText));
    let (kind, mut event, prev) = match change {
        Change::Put { item, prev } => ("put", shown(item), prev),
        Change::Delete { key, prev } => {
            let event = match str::from_utf8(key) {
                Ok(key) => json!({ "key": key }),
                Err(_) => json!({ "key_base64": text::encode_base64(key) }),
            };
            ("delete", event, prev)
        }
    };
    event["type"] = kind.into();
    event["revision"] = changes.revision.0.into();
    event["time_ms"] = changes.time_ms.into();
    if let Some(prev) = prev {
        event["prev"] = shown(prev);
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: &'static [u8], value: &'static [u8]) -> KeyValue {
        KeyValue {
            key: key.into(),
            value: value.into(),
            version: 2,
            create_revision: Revision(5),
            mod_revision: Revision(7),
            ttl: None,
            lease: None,
            stale: None,
        }
    }

    fn shown(output: Option<Format>) -> String {
        let changes = vec![
            Change::Put { item: item(b"k", b"a\nb"), prev: Some(item(b"k", b"old")) },
            Change::Delete { key: (&b"\xff"[..]).into(), prev: None },
        ];
        let changes = Changes { revision: Revision(7), time_ms: 11, changes };
        let mut out = Vec::new();
        write(&changes, output, &mut out).unwrap();
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn a_line_a_change() {
        assert_eq!(shown(None), "7 put k = a\\nb (was old)\n7 delete \\xff\n");
        assert_eq!(shown(Some(Format::Plain)), "7\tput\tk\ta\nb\n7\tdelete\t\u{fffd}\n");
    }

    #[test]
    fn a_json_document_a_change() {
        let shown = shown(Some(Format::Json));
        let lines: Vec<Value> =
            shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [put, delete] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(
            (&put["type"], &put["revision"], &put["value"]),
            (&json!("put"), &json!(7), &json!("a\nb"))
        );
        assert_eq!((&put["time_ms"], &put["prev"]["value"]), (&json!(11), &json!("old")));
        assert_eq!(
            *delete,
            json!({"type": "delete", "revision": 7, "time_ms": 11, "key_base64": "/w=="})
        );
    }
}
