//! Records, as the naive store has them: a key is looked at byte by byte.

use bytes::Bytes;
use store::{KeyRange, KeyValue, Outcome};

use super::Model;

impl Model {
    /// Removes the fields that are there, and no other key.
    pub(super) fn delete_record(&mut self, record: &Bytes) -> Outcome {
        let mut going = self.range(&KeyRange::all(), self.revision);
        going.retain(|KeyValue { key, .. }| is_field(record, key));
        let count = self.remove(&going);
        Outcome::Deleted { revision: self.revision, count, prev: Vec::new() }
    }
}

/// Whether a key is one of a record's fields (rule 13.1).
pub(crate) fn is_field(record: &Bytes, key: &Bytes) -> bool {
    let mut name: Vec<u8> = Vec::new();
    for byte in record {
        match byte {
            b'%' => name.extend(b"%25"),
            b'/' => name.extend(b"%2F"),
            byte => name.push(*byte),
        }
    }
    name.push(b'/');
    let Some(mut rest) = key.strip_prefix(name.as_slice()) else { return false };
    let mut is_field = !rest.is_empty();
    while let [first, after @ ..] = rest {
        let escapes = after.starts_with(b"25") || after.starts_with(b"2F");
        is_field &= *first != b'/' && (*first != b'%' || escapes);
        rest = after;
    }
    is_field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_from_other_keys() {
        let of = |record: &'static str, key: &'static str| is_field(&record.into(), &key.into());
        assert!(of("r", "r/a") && of("r", "r/a%25%2F") && of("r/%", "r%2F%25/a"));
        assert!(!of("r", "r") && !of("r", "r/") && !of("r", "r/a/b") && !of("r", "ra/b"));
        assert!(!of("r", "r/%41") && !of("r", "r/a%") && !of("r/%", "r/%/a"));
    }
}
