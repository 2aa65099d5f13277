//! Which keys a listing shows, and in which order: parameters of `GET /kv`.

use bytes::Bytes;
use store::{Filter, KeyRange, Revision, Sort, SortBy};

use super::error::Refusal;
use super::query::{Query, bad};

/// The parameters that select keys; a cursor is good for the same ones only.
pub(super) const PARAMETERS: [&str; 9] = [
    "prefix",
    "from",
    "to",
    "sort",
    "order",
    "min_mod_revision",
    "max_mod_revision",
    "min_create_revision",
    "max_create_revision",
];

/// Keys and their order, as a client asked for them.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) range: KeyRange,
    pub(super) sort: Sort,
    pub(super) filter: Filter,
    /// What was asked for, in one unambiguous text: what a cursor is bound to.
    pub(super) scope: Vec<u8>,
}

impl Selection {
    pub(super) fn of(query: &Query) -> Result<Selection, Refusal> {
        let range = range_of(query.bytes("prefix"), query.bytes("from"), query.bytes("to"))?;
        let sort = Sort { by: sort_by(query)?, descending: is_descending(query)? };
        let bound = |name| {
            let revision = query.number(name, 1..=u64::MAX)?;
            Ok::<Revision, Refusal>(Revision(revision.unwrap_or(0)))
        };
        let filter = Filter {
            min_mod_revision: bound("min_mod_revision")?,
            max_mod_revision: bound("max_mod_revision")?,
            min_create_revision: bound("min_create_revision")?,
            max_create_revision: bound("max_create_revision")?,
        };
        Ok(Selection { range, sort, filter, scope: scope_of(query) })
    }

    /// Whether pages follow each other in the order of the keys: only then does a key say where
    /// the next one begins.
    pub(super) fn is_in_order_of_keys(&self) -> bool {
        self.sort == Sort::default()
    }
}

pub(super) fn range_of(
    prefix: Option<Bytes>,
    from: Option<Bytes>,
    to: Option<Bytes>,
) -> Result<KeyRange, Refusal> {
    match (prefix, from, to) {
        (Some(_), Some(_), _) => Err(bad("from", "and prefix exclude each other")),
        (Some(_), _, Some(_)) => Err(bad("to", "and prefix exclude each other")),
        (prefix, None, None) => Ok(KeyRange::Prefix(prefix.unwrap_or_default())),
        (None, from, None) => Ok(KeyRange::From(from.unwrap_or_default())),
        (None, from, Some(end)) => {
            let start = from.unwrap_or_default();
            if start >= end {
                return Err(bad("to", "must sort after from: the range is up to it, without it"));
            }
            Ok(KeyRange::Between { start, end })
        }
    }
}

fn sort_by(query: &Query) -> Result<SortBy, Refusal> {
    Ok(match query.bytes("sort").as_deref() {
        None | Some(b"key") => SortBy::Key,
        Some(b"version") => SortBy::Version,
        Some(b"create_revision") => SortBy::CreateRevision,
        Some(b"mod_revision") => SortBy::ModRevision,
        Some(b"value") => SortBy::Value,
        Some(_) => {
            let names = "is key, version, create_revision, mod_revision or value";
            return Err(bad("sort", names));
        }
    })
}

fn is_descending(query: &Query) -> Result<bool, Refusal> {
    match query.bytes("order").as_deref() {
        None | Some(b"asc") => Ok(false),
        Some(b"desc") => Ok(true),
        Some(_) => Err(bad("order", "is asc or desc")),
    }
}

fn scope_of(query: &Query) -> Vec<u8> {
    let mut scope = Vec::new();
    for name in PARAMETERS {
        if let Some(value) = query.bytes(name).filter(|value| !value.is_empty()) {
            scope.extend_from_slice(name.as_bytes());
            scope.push(b'=');
            scope.extend_from_slice(&(value.len() as u64).to_be_bytes());
            scope.extend_from_slice(&value);
        }
    }
    scope
}
