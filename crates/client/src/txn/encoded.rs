//! Transactions as JSON, in both directions.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::build::{
    Compare, DeleteOperation, GetOperation, Operand, Operation, Order, PutOperation, Relation,
    RevisionBounds, SortBy, Txn,
};
use crate::options::Lifetime;
use crate::watch::Keys;
use crate::{Error, LeaseId, Revision};

/// A longer time to live is taken by no store, in seconds.
const TTL_S_MAX: f64 = 9_000_000_000.0;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EncodedTxn {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    compare: Vec<EncodedCompare>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    then: Vec<EncodedOperation>,
    #[serde(default, rename = "else", skip_serializing_if = "Vec::is_empty")]
    otherwise: Vec<EncodedOperation>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum EncodedOperation {
    Put(EncodedPut),
    Delete(EncodedDelete),
    Get(EncodedGet),
    Txn(EncodedTxn),
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct EncodedPut {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    prev: bool,
    #[serde(skip_serializing_if = "is_default")]
    keep_value: bool,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<LeaseId>,
    #[serde(skip_serializing_if = "is_default")]
    keep_lifetime: bool,
}

/// Structures that name keys. `serde` can not both flatten and refuse unknown fields.
macro_rules! with_keys {
    ($name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        #[derive(Default, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct $name {
            #[serde(skip_serializing_if = "Option::is_none")]
            key: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            key_base64: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            prefix: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            prefix_base64: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            from: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            from_base64: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            to: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            to_base64: Option<String>,
            $(#[serde(skip_serializing_if = "is_default")] $field: $type,)*
        }

        impl $name {
            fn about(keys: &Keys) -> $name {
                let mut encoded = $name::default();
                match keys {
                    Keys::All => encoded.prefix = Some(String::new()),
                    Keys::One(key) => (encoded.key, encoded.key_base64) = written(key),
                    Keys::Prefix(prefix) => {
                        (encoded.prefix, encoded.prefix_base64) = written(prefix);
                    }
                    Keys::Range { from, to } => {
                        (encoded.from, encoded.from_base64) = written(from);
                        if let Some(to) = to {
                            (encoded.to, encoded.to_base64) = written(to);
                        }
                    }
                }
                encoded
            }

            fn keys(&mut self) -> Result<Keys, Error> {
                keys_of([
                    bytes("key", self.key.take(), self.key_base64.take())?,
                    bytes("prefix", self.prefix.take(), self.prefix_base64.take())?,
                    bytes("from", self.from.take(), self.from_base64.take())?,
                    bytes("to", self.to.take(), self.to_base64.take())?,
                ])
            }
        }
    };
}

with_keys!(EncodedCompare {
    op: Relation,
    value: Option<String>,
    value_base64: Option<String>,
    version: Option<u64>,
    create_revision: Option<Revision>,
    mod_revision: Option<Revision>,
    lease: Option<i64>,
});

with_keys!(EncodedDelete { prev: bool });

with_keys!(EncodedGet {
    limit: Option<u64>,
    revision: Option<Revision>,
    keys_only: bool,
    count_only: bool,
    sort: SortBy,
    order: Order,
    min_mod_revision: Revision,
    max_mod_revision: Revision,
    min_create_revision: Revision,
    max_create_revision: Revision,
});

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl EncodedTxn {
    pub(super) fn read(json: &[u8]) -> Result<EncodedTxn, Error> {
        // A derived structure is read from an array too, which nobody means.
        if !json.trim_ascii_start().starts_with(b"{") {
            return Err(invalid("it is no JSON object".to_owned()));
        }
        serde_json::from_slice(json).map_err(|error| invalid(error.to_string()))
    }

    pub(super) fn of(txn: &Txn) -> EncodedTxn {
        EncodedTxn {
            compare: txn.compare.iter().map(EncodedCompare::of).collect(),
            then: txn.then.iter().map(EncodedOperation::of).collect(),
            otherwise: txn.otherwise.iter().map(EncodedOperation::of).collect(),
        }
    }

    pub(super) fn decode(self) -> Result<Txn, Error> {
        let compare = self.compare.into_iter().map(EncodedCompare::decode);
        let then = self.then.into_iter().map(EncodedOperation::decode);
        let otherwise = self.otherwise.into_iter().map(EncodedOperation::decode);
        Ok(Txn {
            compare: compare.collect::<Result<_, Error>>()?,
            then: then.collect::<Result<_, Error>>()?,
            otherwise: otherwise.collect::<Result<_, Error>>()?,
        })
    }
}

impl EncodedOperation {
    fn of(operation: &Operation) -> EncodedOperation {
        match operation {
            Operation::Put(put) => EncodedOperation::Put(EncodedPut::of(put)),
            Operation::Delete(DeleteOperation { keys, prev }) => {
                let prev = *prev;
                EncodedOperation::Delete(EncodedDelete { prev, ..EncodedDelete::about(keys) })
            }
            Operation::Get(get) => EncodedOperation::Get(EncodedGet::of(get)),
            Operation::Txn(txn) => EncodedOperation::Txn(EncodedTxn::of(txn)),
        }
    }

    fn decode(self) -> Result<Operation, Error> {
        Ok(match self {
            EncodedOperation::Put(put) => Operation::Put(put.decode()?),
            EncodedOperation::Delete(mut delete) => {
                Operation::Delete(DeleteOperation { keys: delete.keys()?, prev: delete.prev })
            }
            EncodedOperation::Get(get) => Operation::Get(get.decode()?),
            EncodedOperation::Txn(txn) => Operation::Txn(txn.decode()?),
        })
    }
}

impl EncodedPut {
    fn of(put: &PutOperation) -> EncodedPut {
        let (key, key_base64) = written(&put.key);
        let (value, value_base64) = put.value.as_ref().map(written).unwrap_or_default();
        let (ttl, lease) = match put.lifetime {
            Lifetime::Unbounded => (None, None),
            // As many thousandths as the door reads.
            Lifetime::Ttl(ttl) => (Some(ttl.as_millis() as f64 / 1_000.0), None),
            Lifetime::Lease(lease) => (None, Some(lease)),
        };
        let (prev, keep_value, keep_lifetime) = (put.prev, put.value.is_none(), put.keep_lifetime);
        EncodedPut {
            key,
            key_base64,
            value,
            value_base64,
            prev,
            keep_value,
            ttl,
            lease,
            keep_lifetime,
        }
    }

    fn decode(self) -> Result<PutOperation, Error> {
        let lifetime = match (self.ttl, self.lease) {
            (None, None) => Lifetime::Unbounded,
            (Some(ttl), None) => Lifetime::Ttl(time_to_live(ttl)?),
            (None, Some(lease)) => Lifetime::Lease(lease),
            (Some(_), Some(_)) => return Err(missing("a put has ttl or lease, not both")),
        };
        if self.keep_lifetime && lifetime != Lifetime::Unbounded {
            return Err(missing("keep_lifetime excludes ttl and lease"));
        }
        let value = bytes("value", self.value, self.value_base64)?;
        if value.is_some() == self.keep_value {
            return Err(missing("a put needs one of value, value_base64 and keep_value"));
        }
        let key = bytes("key", self.key, self.key_base64)?;
        let key = key.ok_or_else(|| missing("a put needs key or key_base64"))?;
        let (keep_lifetime, prev) = (self.keep_lifetime, self.prev);
        Ok(PutOperation { key, value, lifetime, keep_lifetime, prev })
    }
}

impl EncodedCompare {
    fn of(compare: &Compare) -> EncodedCompare {
        let mut encoded = EncodedCompare::about(&compare.keys);
        match &compare.operand {
            Operand::Value(value) => (encoded.value, encoded.value_base64) = written(value),
            Operand::Version(version) => encoded.version = Some(*version),
            Operand::CreateRevision(revision) => encoded.create_revision = Some(*revision),
            Operand::ModRevision(revision) => encoded.mod_revision = Some(*revision),
            Operand::Lease(lease) => encoded.lease = Some(*lease),
        }
        encoded.op = compare.relation;
        encoded
    }

    fn decode(mut self) -> Result<Compare, Error> {
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
        Ok(Compare { keys: self.keys()?, relation: self.op, operand })
    }
}

impl EncodedGet {
    fn of(get: &GetOperation) -> EncodedGet {
        EncodedGet {
            limit: get.limit,
            revision: get.revision,
            keys_only: get.keys_only,
            count_only: get.count_only,
            sort: get.sort,
            order: get.order,
            min_mod_revision: get.bounds.min_mod_revision,
            max_mod_revision: get.bounds.max_mod_revision,
            min_create_revision: get.bounds.min_create_revision,
            max_create_revision: get.bounds.max_create_revision,
            ..EncodedGet::about(&get.keys)
        }
    }

    fn decode(mut self) -> Result<GetOperation, Error> {
        Ok(GetOperation {
            keys: self.keys()?,
            limit: self.limit,
            revision: self.revision,
            keys_only: self.keys_only,
            count_only: self.count_only,
            sort: self.sort,
            order: self.order,
            bounds: RevisionBounds {
                min_mod_revision: self.min_mod_revision,
                max_mod_revision: self.max_mod_revision,
                min_create_revision: self.min_create_revision,
                max_create_revision: self.max_create_revision,
            },
        })
    }
}

fn keys_of(named: [Option<Bytes>; 4]) -> Result<Keys, Error> {
    match named {
        [Some(key), None, None, None] => Ok(Keys::One(key)),
        [None, Some(prefix), None, None] => Ok(Keys::Prefix(prefix)),
        [None, None, Some(from), to] => Ok(Keys::Range { from, to }),
        [None, None, None, to @ Some(_)] => Ok(Keys::Range { from: Bytes::new(), to }),
        _ => Err(missing("which keys: exactly one of key, prefix, and from with or without to")),
    }
}

/// Bytes as text, or if they are none in base64. One of the two is there.
fn written(bytes: &Bytes) -> (Option<String>, Option<String>) {
    match str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(BASE64.encode(bytes))),
    }
}

fn bytes(name: &str, text: Option<String>, base64: Option<String>) -> Result<Option<Bytes>, Error> {
    match (text, base64) {
        (None, None) => Ok(None),
        (Some(text), None) => Ok(Some(text.into())),
        (None, Some(encoded)) => match BASE64.decode(encoded) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) => Err(invalid(format!("{name}_base64: {error}"))),
        },
        (Some(_), Some(_)) => Err(invalid(format!("give {name} or {name}_base64, not both"))),
    }
}

fn time_to_live(seconds: f64) -> Result<Duration, Error> {
    let ms = (seconds * 1_000.0).round();
    if (1.0..=TTL_S_MAX * 1_000.0).contains(&ms) {
        Ok(Duration::from_millis(ms as u64))
    } else {
        Err(invalid(format!("ttl is a number of seconds, from 0.001 to {TTL_S_MAX}")))
    }
}

fn missing(reason: &str) -> Error {
    invalid(reason.to_owned())
}

fn invalid(reason: String) -> Error {
    Error::InvalidTxn { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Txn, Error> {
        Txn::from_json(json.as_bytes())
    }

    #[test]
    fn json_is_read_and_written_alike() {
        let json = r#"{"compare":[{"key":"k","mod_revision":7},
            {"prefix_base64":"/w==","op":">","version":0},
            {"key":"v","op":"!=","value_base64":"gA=="}],
            "then":[{"put":{"key":"k","value":"v","ttl":1.5,"prev":true}},
                    {"put":{"key":"l","keep_value":true,"keep_lifetime":true}},
                    {"put":{"key":"m","value":"","lease":9}},
                    {"delete":{"from":"a","to":"b","prev":true}},
                    {"txn":{"else":[{"get":{"prefix":"","limit":3,"sort":"mod_revision",
                        "order":"desc","min_create_revision":2,"keys_only":true,"revision":5}}]}}],
            "else":[{"get":{"from":"x","count_only":true}}]}"#;
        let txn = read(json).unwrap();
        assert_eq!(Txn::from_json(&txn.to_json()).unwrap(), txn);
        let again: serde_json::Value = serde_json::from_slice(&txn.to_json()).unwrap();
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(json).unwrap());
        assert!(!txn.only_reads());
        assert!(read(r#"{"then":[{"txn":{"else":[{"get":{"key":"k"}}]}}]}"#).unwrap().only_reads());
    }

    #[test]
    fn what_is_built_is_what_is_read() {
        let built = Txn::new()
            .when(Compare::absent("k"))
            .when(Compare::value("l", vec![255]))
            .then(Operation::put_with_lease("k", "v", LeaseId(5)))
            .then(Operation::Txn(Txn::new().then(Operation::delete("l"))))
            .otherwise(Operation::get("k"));
        let json = r#"{"compare":[{"key":"k","create_revision":0},
                {"key":"l","value_base64":"/w=="}],
            "then":[{"put":{"key":"k","value":"v","lease":5}},
                {"txn":{"then":[{"delete":{"key":"l"}}]}}],
            "else":[{"get":{"key":"k"}}]}"#;
        assert_eq!(built, read(json).unwrap());
        let written: serde_json::Value = serde_json::from_slice(&built.to_json()).unwrap();
        assert_eq!(written, serde_json::from_str::<serde_json::Value>(json).unwrap());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, reason) in [
            ("", "no JSON object"),
            ("[]", "no JSON object"),
            ("{", "EOF"),
            (r#"{"success":[]}"#, "unknown field `success`"),
            (r#"{"then":[{"put":{"key":"k","vallue":"v"}}]}"#, "unknown field `vallue`"),
            (r#"{"then":[{"drop":{"key":"k"}}]}"#, "unknown variant `drop`"),
            (r#"{"then":[{"put":{"key":"k"}}]}"#, "a put needs one of value"),
            (r#"{"then":[{"put":{"value":"v"}}]}"#, "a put needs key"),
            (r#"{"then":[{"put":{"key_base64":"_","value":""}}]}"#, "key_base64"),
            (r#"{"then":[{"put":{"key":"k","key_base64":"aw==","value":""}}]}"#, "not both"),
            (r#"{"then":[{"put":{"key":"k","value":"","ttl":0}}]}"#, "ttl is a number"),
            (r#"{"then":[{"put":{"key":"k","value":"","ttl":1,"lease":2}}]}"#, "ttl or lease"),
            (r#"{"then":[{"get":{}}]}"#, "which keys"),
            (r#"{"then":[{"get":{"key":"k","prefix":"p"}}]}"#, "which keys"),
            (r#"{"compare":[{"key":"k"}]}"#, "exactly one of value"),
            (r#"{"compare":[{"key":"k","version":1,"lease":2}]}"#, "exactly one of value"),
            (r#"{"compare":[{"key":"k","version":1,"op":"=="}]}"#, "unknown variant"),
        ] {
            let error = read(json).expect_err(json);
            let Error::InvalidTxn { reason: found } = &error else { panic!("{json}: {error:?}") };
            assert!(found.contains(reason), "{json}: {found}");
        }
    }
}
