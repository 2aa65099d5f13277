//! Records: plain keys, read as the fields of something.
//!
//! ```text
//!   record user/1, field a%b   ──▶   key user%2F1/a%25b
//! ```
//!
//! Record and field are escaped, a slash stands between them. So a record is the keys with one
//! beginning, and whoever lists those sees its fields. There is one keyspace and no second model:
//! a key may be written as a key and read as a field.
//!
//! Not all keys with that beginning are fields: only those whose rest has no further slash, and a
//! percent sign only where the escaping puts one. Others (`user%2F1/a/b`, `user%2F1/%41`) belong to
//! somebody else, and are passed over by everything that is done to the record.

mod scan;

use bytes::Bytes;

use crate::key_range::KeyRange;
pub use scan::{Field, Fields, FieldsRequest};

/// What stands between a record and its field.
const SLASH: u8 = b'/';

/// The plain keys of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What all its keys begin with: its name, escaped, and a slash.
    prefix: Bytes,
}

impl Record {
    /// The record of this name, which has at least a byte.
    pub fn named(name: &[u8]) -> Option<Record> {
        if name.is_empty() {
            return None;
        }
        let mut prefix = escaped(name);
        prefix.push(SLASH);
        Some(Record { prefix: prefix.into() })
    }

    /// The key of a field, whose name has at least a byte.
    pub fn key_of(&self, field: &[u8]) -> Option<Bytes> {
        (!field.is_empty()).then(|| [&self.prefix[..], &escaped(field)].concat().into())
    }

    /// The field that a key is, if it is one of this record.
    pub fn field_of(&self, key: &[u8]) -> Option<Bytes> {
        let field = unescaped(key.strip_prefix(&self.prefix[..])?)?;
        (!field.is_empty()).then(|| field.into())
    }

    /// Whether a key is one of its fields.
    pub(crate) fn has_key(&self, key: &[u8]) -> bool {
        self.field_of(key).is_some()
    }

    /// All keys that begin as those of its fields do.
    pub fn range(&self) -> KeyRange {
        KeyRange::Prefix(self.prefix.clone())
    }
}

/// A name as it stands in a key.
fn escaped(name: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(name.len());
    for &byte in name {
        match byte {
            b'%' => escaped.extend_from_slice(b"%25"),
            SLASH => escaped.extend_from_slice(b"%2F"),
            _ => escaped.push(byte),
        }
    }
    escaped
}

/// The name that stands in a key; `None` if no name is written like that.
fn unescaped(mut escaped: &[u8]) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(escaped.len());
    loop {
        let (byte, rest) = match escaped {
            [] => return Some(name),
            [b'%', b'2', b'5', rest @ ..] => (b'%', rest),
            [b'%', b'2', b'F', rest @ ..] => (SLASH, rest),
            [b'%' | SLASH, ..] => return None,
            [byte, rest @ ..] => (*byte, rest),
        };
        name.push(byte);
        escaped = rest;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(name: &str) -> Record {
        Record::named(name.as_bytes()).expect("it has a name")
    }

    #[test]
    fn a_field_is_a_plain_key() {
        for (name, field, key) in [
            ("user1", "name", "user1/name"),
            ("user/1", "a%b", "user%2F1/a%25b"),
            ("100%", "/", "100%25/%2F"),
            ("k", "%2F", "k/%252F"),
        ] {
            let record = record(name);
            assert_eq!(record.key_of(field.as_bytes()).as_deref(), Some(key.as_bytes()));
            assert_eq!(record.field_of(key.as_bytes()).as_deref(), Some(field.as_bytes()));
        }
    }

    #[test]
    fn nothing_is_a_field_or_a_record_without_a_name() {
        assert_eq!(Record::named(b""), None);
        assert_eq!(record("k").key_of(b""), None);
        assert_eq!(record("k").field_of(b"k/"), None);
    }

    #[test]
    fn keys_that_no_field_has_are_none() {
        for key in [
            "k", "k/", "k/a/b", "k/a/", "k//", "k/%41", "k/%2f", "k/%", "k/%2", "k/a%2", "k/%2G",
            "k2/a", "other", "", "K/a",
        ] {
            assert_eq!(record("k").field_of(key.as_bytes()), None, "{key}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name: Vec<u8>, field: Vec<u8>) {
            prop_assume!(!name.is_empty() && !field.is_empty());
            let record = Record::named(&name).expect("it has a name");
            let key = record.key_of(&field).expect("it has a name");
            prop_assert_eq!(record.field_of(&key), Some(field.into()));
            prop_assert_eq!(key.iter().filter(|byte| **byte == SLASH).count(), 1);
        }

        /// A key is a field of one record at most: the way from names to keys is the only one.
        #[test]
        fn every_key_that_is_a_field_is_written_as_one(rest in "[%25Fa/]{0,8}") {
            let key = format!("k/{rest}");
            if let Some(field) = record("k").field_of(key.as_bytes()) {
                prop_assert_eq!(record("k").key_of(&field), Some(Bytes::from(key)));
            }
        }
    }
}
