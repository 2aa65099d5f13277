//! Transactions as people write them: three blocks of lines, with an empty line after each.
//!
//! ```text
//! mod(name) = 7
//!
//! put name "new name"
//! delete old/ --prefix
//!
//! get name
//! ```
//!
//! A transaction without comparisons begins with an empty line. Transactions within others are
//! written as JSON.

mod words;

use std::time::Duration;

use bytes::Bytes;
use client::{
    Compare, DeleteOperation, GetOperation, Keys, LeaseId, Lifetime, Operand, Operation,
    PutOperation, Relation, Revision, Txn,
};

use self::words::{Token, Word};
use crate::args::parse_ttl;

/// What is wrong, and in which line, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) reason: String,
}

/// Reads a transaction.
pub(super) fn read(text: &str) -> Result<Txn, Wrong> {
    let mut txn = Txn::new();
    let mut block = 0;
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() {
            block += 1;
            continue;
        }
        if line.trim_start().starts_with('#') {
            continue;
        }
        let wrong = |reason: String| Wrong { line: number, reason };
        txn = match block {
            0 => txn.when(compare(line).map_err(wrong)?),
            1 => txn.then(operation(line).map_err(wrong)?),
            2 => txn.otherwise(operation(line).map_err(wrong)?),
            _ => {
                let reason = "a fourth block: comparisons, what is done, what is done otherwise, \
                              with one empty line between";
                return Err(wrong(reason.to_owned()));
            }
        };
    }
    Ok(txn)
}

/// `value(KEY) = VALUE`
fn compare(line: &str) -> Result<Compare, String> {
    let tokens = words::of_comparison(line)?;
    let [
        Token::Word(what),
        Token::Sign("("),
        Token::Word(key),
        Token::Sign(")"),
        Token::Sign(sign),
        Token::Word(with),
    ] = &tokens[..]
    else {
        return Err("a comparison looks like value(KEY) = VALUE".to_owned());
    };
    let relation = match *sign {
        "=" => Relation::Equal,
        "!=" => Relation::NotEqual,
        "<" => Relation::Less,
        ">" => Relation::Greater,
        other => return Err(format!("{other} compares nothing: = != < > do")),
    };
    let operand = match what.plain() {
        Some("value" | "val") => Operand::Value(with.bytes.clone()),
        Some("version" | "ver") => Operand::Version(number(with)?),
        Some("create" | "create_revision") => Operand::CreateRevision(Revision(number(with)?)),
        Some("mod" | "mod_revision") => Operand::ModRevision(Revision(number(with)?)),
        Some("lease") => Operand::Lease(number(with)?),
        _ => return Err("value, version, create, mod and lease can be compared".to_owned()),
    };
    Ok(Compare { keys: Keys::One(key.bytes.clone()), relation, operand })
}

fn operation(line: &str) -> Result<Operation, String> {
    let mut words = words::of_operation(line)?.into_iter();
    let verb = words.next();
    let mut call = Call::of(words)?;
    let operation = match verb.as_ref().and_then(Word::plain) {
        Some("put") => {
            let (key, value) = (call.argument("a key")?, Some(call.argument("a value")?));
            let lifetime = call.lifetime()?;
            let prev = call.flag("--prev");
            Operation::Put(PutOperation { key, value, lifetime, keep_lifetime: false, prev })
        }
        Some("get") => Operation::Get(GetOperation {
            keys: call.keys()?,
            limit: call.number("--limit")?,
            keys_only: call.flag("--keys-only"),
            count_only: call.flag("--count-only"),
            ..GetOperation::default()
        }),
        Some("delete" | "del") => {
            Operation::Delete(DeleteOperation { keys: call.keys()?, prev: call.flag("--prev") })
        }
        _ => return Err("put, get and delete can be done".to_owned()),
    };
    call.finish()?;
    Ok(operation)
}

/// Options that are followed by a word.
const WITH_VALUE: [&str; 3] = ["--ttl", "--lease", "--limit"];

/// What comes after the verb, taken away piece by piece.
struct Call {
    arguments: std::vec::IntoIter<Bytes>,
    options: Vec<(String, Option<Word>)>,
}

impl Call {
    fn of(words: impl Iterator<Item = Word>) -> Result<Call, String> {
        let (mut arguments, mut options) = (Vec::new(), Vec::new());
        let mut words = words;
        while let Some(word) = words.next() {
            match word.plain().filter(|text| text.starts_with("--")) {
                None => arguments.push(word.bytes),
                Some(option) => {
                    let option = option.to_owned();
                    let value = match WITH_VALUE.contains(&&*option) {
                        true => {
                            Some(words.next().ok_or_else(|| format!("{option} needs a value"))?)
                        }
                        false => None,
                    };
                    options.push((option, value));
                }
            }
        }
        Ok(Call { arguments: arguments.into_iter(), options })
    }

    fn argument(&mut self, what: &str) -> Result<Bytes, String> {
        self.arguments.next().ok_or_else(|| format!("{what} is missing"))
    }

    fn keys(&mut self) -> Result<Keys, String> {
        let key = self.argument("a key")?;
        Ok(if self.flag("--prefix") { Keys::Prefix(key) } else { Keys::One(key) })
    }

    fn lifetime(&mut self) -> Result<Lifetime, String> {
        match (self.ttl()?, self.number("--lease")?) {
            (None, None) => Ok(Lifetime::Unbounded),
            (Some(ttl), None) => Ok(Lifetime::Ttl(ttl)),
            (None, Some(lease)) => Ok(Lifetime::Lease(LeaseId(lease))),
            (Some(_), Some(_)) => Err("a key lives by --ttl or by --lease, not both".to_owned()),
        }
    }

    fn ttl(&mut self) -> Result<Option<Duration>, String> {
        let Some(word) = self.value("--ttl") else { return Ok(None) };
        let text = word.plain().unwrap_or_default();
        parse_ttl(text).map(Some).map_err(|reason| format!("--ttl: {reason}"))
    }

    fn number<N: std::str::FromStr>(&mut self, option: &str) -> Result<Option<N>, String> {
        let value = self.value(option);
        value.map(|word| number(&word).map_err(|reason| format!("{option}: {reason}"))).transpose()
    }

    fn flag(&mut self, option: &str) -> bool {
        let before = self.options.len();
        self.options.retain(|(given, _)| given != option);
        self.options.len() < before
    }

    fn value(&mut self, option: &str) -> Option<Word> {
        let place = self.options.iter().position(|(given, _)| given == option)?;
        self.options.remove(place).1
    }

    fn finish(mut self) -> Result<(), String> {
        if let Some((option, _)) = self.options.first() {
            return Err(format!("{option} is no option here"));
        }
        match self.arguments.next() {
            None => Ok(()),
            Some(word) => {
                let word = crate::text::line(&word);
                Err(format!("{word:?} is one word too many; write blanks in \"quotes\""))
            }
        }
    }
}

fn number<N: std::str::FromStr>(word: &Word) -> Result<N, String> {
    let text = str::from_utf8(&word.bytes).ok();
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("{:?} is no whole number", crate::text::line(&word.bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(json: &str) -> Txn {
        Txn::from_json(json.as_bytes()).unwrap()
    }

    #[test]
    fn three_blocks_are_a_transaction() {
        let text = r#"# as etcdctl has it
mod("name") > "0"
value(a\b)="x \"y\"\n\xff"
create(other key)=0
"#;
        assert_eq!(read(text).unwrap_err().line, 4, "blanks are written in quotes");
        let text = r#"# as etcdctl has it
mod("name") > "0"
value(a)="x \"y\"\n\xff"
lease(l)!=5

put name "new name" --prev
put "--prev" -5 --ttl 1500ms
delete old/ --prefix

get name --keys-only --limit 3
  put l v --lease 7

"#;
        let expected = json(
            r#"{"compare":[{"key":"name","op":">","mod_revision":0},
                {"key":"a","value_base64":"eCAieSIK/w=="},{"key":"l","op":"!=","lease":5}],
            "then":[{"put":{"key":"name","value":"new name","prev":true}},
                {"put":{"key":"--prev","value":"-5","ttl":1.5}},{"delete":{"prefix":"old/"}}],
            "else":[{"get":{"key":"name","keys_only":true,"limit":3}},
                {"put":{"key":"l","value":"v","lease":7}}]}"#,
        );
        assert_eq!(read(text), Ok(expected));
    }

    #[test]
    fn blocks_may_be_left_out() {
        assert_eq!(read("\nput k v"), Ok(json(r#"{"then":[{"put":{"key":"k","value":"v"}}]}"#)));
        let otherwise =
            json(r#"{"compare":[{"key":"k","version":0}],"else":[{"get":{"key":"k"}}]}"#);
        assert_eq!(read("version(k) = 0\n\n\nget k\n\n\n"), Ok(otherwise));
        assert_eq!(read(""), Ok(Txn::new()));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, line, reason) in [
            ("put k v", 1, "a comparison looks like"),
            ("value(k) == v", 1, "compares nothing"),
            ("size(k) = 1", 1, "can be compared"),
            ("mod(k) = x", 1, "no whole number"),
            ("\nput k", 2, "a value is missing"),
            ("\nput k v w", 2, "one word too many"),
            ("\nput k v --sync", 2, "--sync is no option here"),
            ("\nput k v --ttl", 2, "--ttl needs a value"),
            ("\nput k v --ttl 0", 2, "--ttl: "),
            ("\nput k v --ttl 1s --lease 2", 2, "not both"),
            ("\nget k --limit -1", 2, "--limit: "),
            ("\nfetch k", 2, "can be done"),
            ("\nput k \"v", 2, "no end"),
            ("\nput k \"\\q\"", 2, "\\q"),
            ("\nput k \"\\xf\"", 2, "\\x"),
            ("\n\n\nget k", 4, "a fourth block"),
        ] {
            let wrong = read(text).expect_err(text);
            assert_eq!(wrong.line, line, "{text:?}: {wrong:?}");
            assert!(wrong.reason.contains(reason), "{text:?}: {wrong:?}");
        }
    }
}
