//! What the verbs of golden scripts are given, in the store's words.

use std::error::Error;

use bytes::Bytes;
use store::{Condition, KeyRange, Origin, Revision, SessionId};

pub(crate) fn condition(revision: Option<u64>, exists: bool) -> Option<Condition> {
    let revision = revision.map(|revision| Condition::ModRevision(Revision(revision)));
    revision.or(exists.then_some(Condition::Exists))
}

pub(crate) fn origin(
    session: Option<u64>,
    seq: Option<u64>,
    acked: Option<u64>,
    once: &Option<String>,
) -> Result<Option<Origin>, Box<dyn Error>> {
    Ok(match (session, seq, once) {
        (Some(session), Some(seq), None) => {
            let (session, acked_below) = (SessionId(session), acked.unwrap_or(0));
            Some(Origin::Session { session, seq, acked_below })
        }
        (None, None, Some(key)) => Some(Origin::Key(bytes(key)?)),
        (None, None, None) => None,
        _ => return Err("a change has session= and seq=, or once=, or neither".into()),
    })
}

pub(crate) fn key_range(
    start: &Option<String>,
    end: &Option<String>,
    prefix: &Option<String>,
    from: &Option<String>,
) -> Result<KeyRange, Box<dyn Error>> {
    Ok(match (start, end, prefix, from) {
        (Some(key), None, None, None) => KeyRange::Single(bytes(key)?),
        (Some(start), Some(end), None, None) => {
            KeyRange::Between { start: bytes(start)?, end: bytes(end)? }
        }
        (None, None, Some(prefix), None) => KeyRange::Prefix(bytes(prefix)?),
        (None, None, None, Some(from)) => KeyRange::From(bytes(from)?),
        (None, None, None, None) => KeyRange::all(),
        _ => return Err("a range is one key, two keys, prefix= or from=".into()),
    })
}

/// The parts of `a@1 b@2`.
pub(crate) fn named(
    text: &Option<String>,
) -> Result<impl Iterator<Item = (String, u64)>, Box<dyn Error>> {
    let part = |part: &str| -> Result<(String, u64), Box<dyn Error>> {
        let (name, number) = part.split_once('@').ok_or("a part is name@number")?;
        Ok((name.to_owned(), number.parse()?))
    };
    let parts = text.as_deref().unwrap_or_default().split_whitespace().map(part);
    Ok(parts.collect::<Result<Vec<_>, _>>()?.into_iter())
}

pub(crate) fn bytes(text: &str) -> Result<Bytes, Box<dyn Error>> {
    let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
    Ok(bytes?.into())
}

pub(crate) fn unhex(hex: &str) -> Result<Bytes, Box<dyn Error>> {
    let digits: Vec<char> = hex.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16);
    Ok(digits.chunks(2).map(byte).collect::<Result<Vec<u8>, _>>()?.into())
}
