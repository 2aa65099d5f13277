//! The body of `POST /txn`, read into the store's words.
//!
//! ```json
//! {"compare": [{"key": "name", "mod_revision": 7}],
//!  "then":    [{"put": {"key": "name", "value": "new"}}],
//!  "else":    [{"get": {"key": "name"}}]}
//! ```

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use store::{
    Compare, Filter, KeyRange, Operand, Put, PutLifetime, RangeRequest, Relation, Revision, Sort,
    SortBy, Txn, TxnOp,
};

use crate::http::error::{Code, Refusal};
use crate::http::list::{LIMIT_DEFAULT, LIMIT_MAX};
use crate::http::query::bad;
use crate::http::{body, lifetime};

/// A transaction as it is written. `serde` refuses fields that are unknown or there twice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    compare: Vec<WrittenCompare>,
    #[serde(default)]
    then: Vec<WrittenOp>,
    #[serde(default, rename = "else")]
    otherwise: Vec<WrittenOp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum WrittenOp {
    Put(WrittenPut),
    Delete(WrittenDelete),
    Get(WrittenGet),
    Txn(Written),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPut {
    key: Option<String>,
    key_base64: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
    #[serde(default)]
    prev: bool,
    #[serde(default)]
    keep_value: bool,
    /// In seconds.
    ttl: Option<Value>,
    lease: Option<Value>,
    /// The lifetime stays as it was.
    #[serde(default)]
    keep_lifetime: bool,
}

/// Structures that name keys: one, those with a prefix, or from one on and up to another.
macro_rules! with_keys {
    ($name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* }) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name {
            key: Option<String>,
            key_base64: Option<String>,
            prefix: Option<String>,
            prefix_base64: Option<String>,
            from: Option<String>,
            from_base64: Option<String>,
            to: Option<String>,
            to_base64: Option<String>,
            $($(#[$attribute])* $field: $type,)*
        }

        impl $name {
            fn range(&mut self) -> Result<KeyRange, Refusal> {
                range_of(
                    bytes("key", self.key.take(), self.key_base64.take())?,
                    bytes("prefix", self.prefix.take(), self.prefix_base64.take())?,
                    bytes("from", self.from.take(), self.from_base64.take())?,
                    bytes("to", self.to.take(), self.to_base64.take())?,
                )
            }
        }
    };
}

with_keys!(WrittenCompare {
    #[serde(default)]
    op: WrittenRelation,
    value: Option<String>,
    value_base64: Option<String>,
    version: Option<i64>,
    create_revision: Option<i64>,
    mod_revision: Option<i64>,
    lease: Option<i64>,
});

with_keys!(WrittenDelete {
    #[serde(default)]
    prev: bool,
});

with_keys!(WrittenGet {
    limit: Option<u64>,
    revision: Option<u64>,
    #[serde(default)]
    keys_only: bool,
    #[serde(default)]
    count_only: bool,
    #[serde(default)]
    sort: WrittenSort,
    #[serde(default)]
    order: WrittenOrder,
    #[serde(default)]
    min_mod_revision: u64,
    #[serde(default)]
    max_mod_revision: u64,
    #[serde(default)]
    min_create_revision: u64,
    #[serde(default)]
    max_create_revision: u64,
});

#[derive(Clone, Copy, Default, Deserialize)]
enum WrittenRelation {
    #[default]
    #[serde(rename = "=")]
    Equal,
    #[serde(rename = "!=")]
    NotEqual,
    #[serde(rename = "<")]
    Less,
    #[serde(rename = ">")]
    Greater,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenSort {
    #[default]
    Key,
    Version,
    CreateRevision,
    ModRevision,
    Value,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum WrittenOrder {
    #[default]
    Asc,
    Desc,
}

const EXAMPLE: &str = concat!(
    r#"{"compare": [{"key": "k", "version": 0}], "#,
    r#""then": [{"put": {"key": "k", "value": "v"}}], "else": [{"get": {"key": "k"}}]}"#,
);

/// Reads a transaction. What it says is checked one by one; what it means, by the store.
pub(super) fn read(body: &[u8]) -> Result<Txn, Refusal> {
    // A derived structure is read from an array too, which nobody means.
    let object = body.trim_ascii_start().starts_with(b"{");
    let body = if object { body } else { b"" };
    let written: Written = serde_json::from_slice(body).map_err(|error| {
        let message = format!("the body is no transaction: {error}. One looks like {EXAMPLE}");
        Refusal::new(Code::MalformedJson, message)
    })?;
    written.into_txn()
}

impl Written {
    fn into_txn(self) -> Result<Txn, Refusal> {
        let compares = self.compare.into_iter().map(WrittenCompare::into_compare);
        let success = self.then.into_iter().map(WrittenOp::into_op);
        let failure = self.otherwise.into_iter().map(WrittenOp::into_op);
        Ok(Txn {
            compares: compares.collect::<Result<_, Refusal>>()?,
            success: success.collect::<Result<_, Refusal>>()?,
            failure: failure.collect::<Result<_, Refusal>>()?,
        })
    }
}

impl WrittenOp {
    fn into_op(self) -> Result<TxnOp, Refusal> {
        Ok(match self {
            WrittenOp::Put(put) => TxnOp::Put(put.into_put()?),
            WrittenOp::Delete(mut delete) => {
                TxnOp::Delete { range: delete.range()?, prev_kv: delete.prev }
            }
            WrittenOp::Get(get) => TxnOp::Range(get.into_request()?),
            WrittenOp::Txn(txn) => TxnOp::Txn(txn.into_txn()?),
        })
    }
}

impl WrittenPut {
    fn into_put(self) -> Result<Put, Refusal> {
        let lifetime = self.lifetime()?;
        let value = bytes("value", self.value, self.value_base64)?;
        if value.is_none() && !self.keep_value {
            return Err(missing("a put needs value or value_base64, or keep_value"));
        }
        let key = bytes("key", self.key, self.key_base64)?;
        Ok(Put {
            key: key.ok_or_else(|| missing("a put needs key or key_base64"))?,
            value: value.unwrap_or_default(),
            prev_kv: self.prev,
            ignore_value: self.keep_value,
            lifetime,
        })
    }

    fn lifetime(&self) -> Result<PutLifetime, Refusal> {
        let mut lifetime = lifetime::Written::default();
        for (field, value) in [("ttl", &self.ttl), ("lease", &self.lease)] {
            if let Some(value) = value {
                lifetime.read(field, value)?;
            }
        }
        match (lifetime.lifetime(), self.keep_lifetime) {
            (lifetime, false) => Ok(lifetime),
            (PutLifetime::Unbounded, true) => Ok(PutLifetime::AsBefore),
            (_, true) => Err(bad("keep_lifetime", "excludes ttl and lease")),
        }
    }
}

impl WrittenCompare {
    fn into_compare(mut self) -> Result<Compare, Refusal> {
        let value = bytes("value", self.value.take(), self.value_base64.take())?;
        let operands = [
            value.map(Operand::Value),
            self.version.map(Operand::Version),
            self.create_revision.map(Operand::CreateRevision),
            self.mod_revision.map(Operand::ModRevision),
            self.lease.map(Operand::Lease),
        ];
        let mut operands = operands.into_iter().flatten();
        let (Some(operand), None) = (operands.next(), operands.next()) else {
            return Err(missing(
                "a comparison needs exactly one of value, value_base64, version, \
                 create_revision, mod_revision and lease",
            ));
        };
        let relation = match self.op {
            WrittenRelation::Equal => Relation::Equal,
            WrittenRelation::NotEqual => Relation::NotEqual,
            WrittenRelation::Less => Relation::Less,
            WrittenRelation::Greater => Relation::Greater,
        };
        Ok(Compare { range: self.range()?, relation, operand })
    }
}

impl WrittenGet {
    fn into_request(mut self) -> Result<RangeRequest, Refusal> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let message = format!("limit is a whole number from 1 to {LIMIT_MAX}");
            return Err(Refusal::new(Code::BadParameter, message).with("parameter", "limit"));
        }
        Ok(RangeRequest {
            limit: usize::try_from(limit).ok(),
            at: self.revision.map(Revision),
            keys_only: self.keys_only,
            count_only: self.count_only,
            sort: Sort {
                by: match self.sort {
                    WrittenSort::Key => SortBy::Key,
                    WrittenSort::Version => SortBy::Version,
                    WrittenSort::CreateRevision => SortBy::CreateRevision,
                    WrittenSort::ModRevision => SortBy::ModRevision,
                    WrittenSort::Value => SortBy::Value,
                },
                descending: self.order == WrittenOrder::Desc,
            },
            filter: Filter {
                min_mod_revision: Revision(self.min_mod_revision),
                max_mod_revision: Revision(self.max_mod_revision),
                min_create_revision: Revision(self.min_create_revision),
                max_create_revision: Revision(self.max_create_revision),
            },
            ..RangeRequest::new(self.range()?)
        })
    }
}

/// Text, or base64 of bytes; not both.
fn bytes(
    name: &str,
    text: Option<String>,
    base64: Option<String>,
) -> Result<Option<Bytes>, Refusal> {
    match (text, base64) {
        (None, None) => Ok(None),
        (Some(text), None) => Ok(Some(text.into())),
        (None, Some(written)) => body::base64(&format!("{name}_base64"), &written).map(Some),
        (Some(_), Some(_)) => {
            let message = format!("give {name} or {name}_base64, not both");
            Err(Refusal::new(Code::MalformedJson, message))
        }
    }
}

fn range_of(
    key: Option<Bytes>,
    prefix: Option<Bytes>,
    from: Option<Bytes>,
    to: Option<Bytes>,
) -> Result<KeyRange, Refusal> {
    match (key, prefix, from, to) {
        (Some(key), None, None, None) => Ok(KeyRange::Single(key)),
        (None, Some(prefix), None, None) => Ok(KeyRange::Prefix(prefix)),
        (None, None, Some(start), None) => Ok(KeyRange::From(start)),
        (None, None, from, Some(end)) => {
            Ok(KeyRange::Between { start: from.unwrap_or_default(), end })
        }
        _ => Err(missing("which keys: exactly one of key, prefix, and from with or without to")),
    }
}

fn missing(message: &'static str) -> Refusal {
    Refusal::new(Code::MissingField, message)
}
