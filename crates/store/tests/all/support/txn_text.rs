//! Transactions as text, for golden scripts:
//!
//! ```text
//!   if version a = 0 and value b.. != x then put a 1 ; range a* else ( if then else delete a..c )
//! ```
//!
//! A range is `a` (one key), `a*` (a prefix), `a..` (from there on) or `a..c`. What stands after an
//! operation's key or range are its options: `prev`, `count`, `keys`, `limit=`, `at=`, `first=`
//! (sorted by that, the least first) and `last=`; of a put `lease=`, `ttl=` in ms, and `as-before`,
//! which leaves the lifetime. `keep a` is a put that leaves the value.

use std::iter::Peekable;
use std::str::SplitWhitespace;

use bytes::Bytes;
use store::{
    Compare, KeyRange, LeaseId, Operand, Put, PutLifetime, RangeRequest, Relation, Revision, Sort,
    SortBy, Txn, TxnOp,
};

type Words<'a> = Peekable<SplitWhitespace<'a>>;

/// Reads a transaction; says what stands in its way.
pub(crate) fn read(text: &str) -> Result<Txn, String> {
    let mut words = text.split_whitespace().peekable();
    let txn = txn(&mut words)?;
    words.next().map_or(Ok(txn), |word| Err(format!("{word} stands after the end")))
}

fn txn(words: &mut Words<'_>) -> Result<Txn, String> {
    expect(words, "if")?;
    let mut txn = Txn::default();
    while words.peek().is_some_and(|word| *word != "then") {
        words.next_if_eq(&"and");
        txn.compares.push(compare(words)?);
    }
    expect(words, "then")?;
    txn.success = ops(words)?;
    expect(words, "else")?;
    txn.failure = ops(words)?;
    Ok(txn)
}

fn compare(words: &mut Words<'_>) -> Result<Compare, String> {
    let target = next(words)?;
    let range = range(next(words)?);
    let relation = match next(words)? {
        "=" => Relation::Equal,
        "!=" => Relation::NotEqual,
        "<" => Relation::Less,
        ">" => Relation::Greater,
        other => return Err(format!("{other} is no relation")),
    };
    let given = next(words)?;
    let number = || given.parse().map_err(|_| format!("{given} is no number"));
    let operand = match target {
        "version" => Operand::Version(number()?),
        "create" => Operand::CreateRevision(number()?),
        "mod" => Operand::ModRevision(number()?),
        "lease" => Operand::Lease(number()?),
        "value" => Operand::Value(bytes(given)),
        other => return Err(format!("{other} is not compared")),
    };
    Ok(Compare { range, relation, operand })
}

fn ops(words: &mut Words<'_>) -> Result<Vec<TxnOp>, String> {
    let mut ops = Vec::new();
    while words.peek().is_some_and(|word| !["else", ")"].contains(word)) {
        ops.push(op(words)?);
        words.next_if_eq(&";");
    }
    Ok(ops)
}

fn op(words: &mut Words<'_>) -> Result<TxnOp, String> {
    let verb = next(words)?;
    if verb == "(" {
        let txn = txn(words)?;
        expect(words, ")")?;
        return Ok(TxnOp::Txn(txn));
    }
    let about = next(words)?;
    Ok(match verb {
        "put" | "keep" => {
            let ignore_value = verb == "keep";
            let value = if ignore_value { Bytes::new() } else { bytes(next(words)?) };
            let prev_kv = words.next_if_eq(&"prev").is_some();
            let lifetime = lifetime(words)?;
            TxnOp::Put(Put { key: bytes(about), value, prev_kv, ignore_value, lifetime })
        }
        "delete" => {
            TxnOp::Delete { range: range(about), prev_kv: words.next_if_eq(&"prev").is_some() }
        }
        "range" => TxnOp::Range(request(range(about), words)?),
        other => return Err(format!("{other} is no operation")),
    })
}

fn lifetime(words: &mut Words<'_>) -> Result<PutLifetime, String> {
    let stated = |word: &&str| {
        *word == "as-before" || word.starts_with("lease=") || word.starts_with("ttl=")
    };
    let Some(word) = words.next_if(stated) else { return Ok(PutLifetime::Unbounded) };
    let number = |text: &str| text.parse::<i64>().map_err(|_| format!("{text} is no number"));
    match word.split_once('=') {
        Some(("lease", id)) => Ok(PutLifetime::Lease(LeaseId(number(id)?))),
        Some((_, ms)) => Ok(PutLifetime::TtlMs(number(ms)?.unsigned_abs())),
        None => Ok(PutLifetime::AsBefore),
    }
}

fn request(range: KeyRange, words: &mut Words<'_>) -> Result<RangeRequest, String> {
    let mut request = RangeRequest::new(range);
    while let Some(option) = words.next_if(|word| ![";", "else", ")"].contains(word)) {
        let (name, given) = option.split_once('=').unwrap_or((option, ""));
        let number = || given.parse::<u64>().map_err(|_| format!("{given} is no number"));
        match name {
            "count" => request.count_only = true,
            "keys" => request.keys_only = true,
            "limit" => request.limit = Some(number()? as usize),
            "at" => request.at = Some(Revision(number()?)),
            "first" | "last" => {
                request.sort = Sort { by: sort_by(given)?, descending: name == "last" };
            }
            other => return Err(format!("{other} is no option of a range")),
        }
    }
    Ok(request)
}

pub(crate) fn sort_by(text: &str) -> Result<SortBy, String> {
    Ok(match text {
        "key" => SortBy::Key,
        "version" => SortBy::Version,
        "create" => SortBy::CreateRevision,
        "mod" => SortBy::ModRevision,
        "value" => SortBy::Value,
        other => return Err(format!("nothing is sorted by {other}")),
    })
}

fn range(text: &str) -> KeyRange {
    match text.split_once("..") {
        Some((start, "")) => KeyRange::From(bytes(start)),
        Some((start, end)) => KeyRange::Between { start: bytes(start), end: bytes(end) },
        None => match text.strip_suffix('*') {
            Some(prefix) => KeyRange::Prefix(bytes(prefix)),
            None => KeyRange::Single(bytes(text)),
        },
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn next<'a>(words: &mut Words<'a>) -> Result<&'a str, String> {
    words.next().ok_or_else(|| "the transaction ends too early".into())
}

fn expect(words: &mut Words<'_>, wanted: &str) -> Result<(), String> {
    let found = next(words)?;
    if found == wanted { Ok(()) } else { Err(format!("{found} stands where {wanted} belongs")) }
}
