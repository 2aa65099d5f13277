//! What a transaction came to, as text: which list was done, and each result.

use std::io::{self, Write};

use client::{KeyValue, Operation, Txn, TxnDone, TxnResult};
use serde_json::{Map, Value, json};

use crate::args::Format;
use crate::render::{json_line, table};
use crate::text::{self, JsonKeyValue, Values};

/// What stands before the results of a transaction within another, once for each level.
const INDENT: &str = "  ";

pub(super) fn done(
    txn: &Txn,
    done: &TxnDone,
    output: Option<Format>,
    out: &mut impl Write,
) -> io::Result<()> {
    if output == Some(Format::Json) {
        return json_line(&as_json(txn, done), out);
    }
    let lines = lines(txn, done);
    if output == Some(Format::Table) {
        let mut table = table(&["OPERATION", "RESULT"]);
        for line in &lines {
            table.add_row([line.indented_operation(), text::cell(line.result.as_bytes())]);
        }
        return writeln!(out, "{table}\n{} at revision {}", branch(done.succeeded), done.revision);
    }
    writeln!(out, "{}", branch(done.succeeded))?;
    if done.results.is_none() {
        complain!("raftkv: the results were too large to be kept when it was sent again");
    }
    for line in lines {
        writeln!(out, "{}{}", INDENT.repeat(line.depth), line.result)?;
    }
    Ok(())
}

fn branch(succeeded: bool) -> &'static str {
    if succeeded { "then" } else { "else" }
}

/// One line of what people read.
struct Line {
    depth: usize,
    operation: &'static str,
    result: String,
}

impl Line {
    fn indented_operation(&self) -> String {
        format!("{}{}", INDENT.repeat(self.depth), self.operation)
    }
}

fn lines(txn: &Txn, done: &TxnDone) -> Vec<Line> {
    let mut lines = Vec::new();
    let results = done.results.as_deref().unwrap_or_default();
    add_lines(txn.operations(done.succeeded), results, 0, &mut lines);
    lines
}

fn add_lines(operations: &[Operation], results: &[TxnResult], depth: usize, lines: &mut Vec<Line>) {
    for (operation, result) in operations.iter().zip(results) {
        let name = name(result);
        let mut add = |result: String| lines.push(Line { depth, operation: name, result });
        match (result, operation) {
            (TxnResult::Put { prev }, _) => {
                add("OK".to_owned());
                prev.iter().for_each(|prev| add(format!("was {}", pair(prev))));
            }
            (TxnResult::Deleted { deleted, prev }, _) => {
                add(format!("{deleted} deleted"));
                prev.iter().for_each(|prev| add(format!("was {}", pair(prev))));
            }
            (TxnResult::Got { items, count, more }, Operation::Get(get)) => {
                for item in items {
                    add(if get.keys_only { text::line(&item.key) } else { pair(item) });
                }
                if get.count_only || *more || items.is_empty() {
                    add(format!("{count} in all"));
                }
            }
            (TxnResult::Txn { succeeded, results }, Operation::Txn(txn)) => {
                add(branch(*succeeded).to_owned());
                add_lines(txn.operations(*succeeded), results, depth + 1, lines);
            }
            // Not as it was asked: shown as what it is.
            (TxnResult::Got { count, .. }, _) => add(format!("{count} in all")),
            (TxnResult::Txn { succeeded, .. }, _) => add(branch(*succeeded).to_owned()),
        }
    }
}

fn name(result: &TxnResult) -> &'static str {
    match result {
        TxnResult::Put { .. } => "put",
        TxnResult::Deleted { .. } => "delete",
        TxnResult::Got { .. } => "get",
        TxnResult::Txn { .. } => "txn",
    }
}

fn pair(item: &KeyValue) -> String {
    format!("{} = {}", text::line(&item.key), text::line(&item.value))
}

/// As docs/http.md has it.
fn as_json(txn: &Txn, done: &TxnDone) -> Value {
    let mut body = json!({ "succeeded": done.succeeded, "revision": done.revision });
    if let Some(results) = &done.results {
        body["results"] = results_as_json(txn.operations(done.succeeded), results);
    }
    body
}

fn results_as_json(operations: &[Operation], results: &[TxnResult]) -> Value {
    let results = operations.iter().zip(results).map(|(operation, result)| {
        let shown = match result {
            TxnResult::Put { prev } => match prev {
                Some(prev) => json!({ "prev": item(prev, Values::AsText) }),
                None => json!({}),
            },
            TxnResult::Deleted { deleted, prev } if prev.is_empty() => {
                json!({ "deleted": deleted })
            }
            TxnResult::Deleted { deleted, prev } => {
                json!({ "deleted": deleted, "prev": items(prev, Values::AsText) })
            }
            TxnResult::Got { items: found, count, more } => {
                let keys_only = matches!(operation, Operation::Get(get) if get.keys_only);
                let values = if keys_only { Values::Absent } else { Values::AsText };
                json!({ "items": items(found, values), "count": count, "more": more })
            }
            TxnResult::Txn { succeeded, results } => {
                let nested = match operation {
                    Operation::Txn(nested) => nested.operations(*succeeded),
                    _ => &[],
                };
                json!({ "succeeded": succeeded, "results": results_as_json(nested, results) })
            }
        };
        Value::Object(Map::from_iter([(name(result).to_owned(), shown)]))
    });
    results.collect()
}

fn items(found: &[KeyValue], values: Values) -> Value {
    found.iter().map(|found| item(found, values)).collect()
}

fn item(found: &KeyValue, values: Values) -> Value {
    json!(JsonKeyValue::new(found, values))
}

#[cfg(test)]
mod tests {
    use client::Revision;

    use super::*;

    fn key_value(key: &'static [u8], value: &'static [u8]) -> KeyValue {
        KeyValue {
            key: key.into(),
            value: value.into(),
            version: 1,
            create_revision: Revision(2),
            mod_revision: Revision(2),
            ttl: None,
            lease: None,
            stale: None,
        }
    }

    fn shown(output: Option<Format>) -> String {
        let json = r#"{"else":[{"put":{"key":"k","value":"v","prev":true}},
            {"txn":{"then":[{"delete":{"prefix":"old/"}},{"get":{"prefix":"a"}}]}}]}"#;
        let txn = Txn::from_json(json.as_bytes()).unwrap();
        let items = vec![key_value(b"a", b"x\ny"), key_value(b"\xff", b"")];
        let within = vec![
            TxnResult::Deleted { deleted: 3, prev: vec![] },
            TxnResult::Got { items, count: 5, more: true },
        ];
        let results = vec![
            TxnResult::Put { prev: Some(key_value(b"k", b"u")) },
            TxnResult::Txn { succeeded: true, results: within },
        ];
        let revision = Revision(9);
        let done_txn = TxnDone { succeeded: false, results: Some(results), revision, stale: None };
        let mut out = Vec::new();
        done(&txn, &done_txn, output, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_a_result() {
        let lines = "else\nOK\nwas k = u\nthen\n  3 deleted\n  a = x\\ny\n  \\xff = \n  5 in all\n";
        assert_eq!(shown(None), lines);
        assert_eq!(shown(Some(Format::Plain)), lines);
        assert!(shown(Some(Format::Table)).contains("  delete"));
    }

    #[test]
    fn json_is_as_the_door_has_it() {
        let shown: Value = serde_json::from_str(&shown(Some(Format::Json))).unwrap();
        assert_eq!((&shown["succeeded"], &shown["revision"]), (&json!(false), &json!(9)));
        assert_eq!(shown["results"][0]["put"]["prev"]["value"], "u");
        let within = &shown["results"][1]["txn"];
        assert_eq!(within["results"][0], json!({ "delete": { "deleted": 3 } }));
        let got = &within["results"][1]["get"];
        assert_eq!((&got["count"], &got["items"][1]["key_base64"]), (&json!(5), &json!("/w==")));
    }
}
