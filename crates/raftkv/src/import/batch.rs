//! Lines that become one transaction.

use std::collections::BTreeSet;

use bytes::Bytes;
use client::{Compare, Lifetime, Operation, PutOperation, Txn};

use crate::lines::Line;

/// As many operations as the store takes in one transaction.
const OPERATIONS_MAX: usize = 128;

/// Keys and values of a transaction, in bytes; a larger line goes alone.
const BYTES_MAX: usize = 1 << 20;

/// Lines that are not sent yet.
#[derive(Debug)]
pub(super) struct Batch {
    /// Each key is written only if it is not there, by a transaction of its own within.
    if_absent: bool,
    txn: Txn,
    keys: BTreeSet<Bytes>,
    bytes: usize,
}

impl Batch {
    pub(super) fn new(if_absent: bool) -> Batch {
        Batch { if_absent, txn: Txn::new(), keys: BTreeSet::new(), bytes: 0 }
    }

    pub(super) fn holds(&self, key: &Bytes) -> bool {
        self.keys.contains(key)
    }

    pub(super) fn has_room_for(&self, line: &Line) -> bool {
        // A transaction within counts, and what it does as well.
        let lines_max = if self.if_absent { OPERATIONS_MAX / 2 } else { OPERATIONS_MAX };
        self.keys.is_empty()
            || (self.keys.len() < lines_max && self.bytes + size(line) <= BYTES_MAX)
    }

    pub(super) fn add(&mut self, line: Line) {
        self.bytes += size(&line);
        self.keys.insert(line.key.clone());
        let absent = self.if_absent.then(|| Compare::absent(line.key.clone()));
        let put = Operation::Put(PutOperation {
            key: line.key,
            value: Some(line.value),
            lifetime: line.ttl.map_or(Lifetime::Unbounded, Lifetime::Ttl),
            ..PutOperation::default()
        });
        let operation = match absent {
            Some(absent) => Operation::Txn(Txn::new().when(absent).then(put)),
            None => put,
        };
        self.txn = std::mem::take(&mut self.txn).then(operation);
    }

    /// The transaction and its keys, if there are any; then it is empty.
    pub(super) fn take(&mut self) -> Option<(Txn, BTreeSet<Bytes>)> {
        let taken = std::mem::replace(self, Batch::new(self.if_absent));
        (!taken.keys.is_empty()).then_some((taken.txn, taken.keys))
    }
}

fn size(line: &Line) -> usize {
    line.key.len() + line.value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize, bytes: usize) -> Line {
        Line { key: number.to_string().into(), value: vec![0; bytes].into(), ttl: None }
    }

    fn filled(if_absent: bool, bytes: usize) -> usize {
        let mut batch = Batch::new(if_absent);
        let numbers = (0..1_000).take_while(|number| {
            let line = line(*number, bytes);
            let fits = batch.has_room_for(&line);
            if fits {
                batch.add(line);
            }
            fits
        });
        numbers.count()
    }

    #[test]
    fn a_batch_stays_within_the_limits_of_a_transaction() {
        assert_eq!((filled(false, 1), filled(true, 1)), (128, 64));
        assert_eq!(filled(false, 400 << 10), 2);
        assert_eq!(filled(false, BYTES_MAX + 1), 1, "a line that is too large goes alone");
    }

    #[test]
    fn what_was_taken_is_gone() {
        let mut batch = Batch::new(true);
        assert!(batch.take().is_none());
        batch.add(line(1, 1));
        assert!(batch.holds(&"1".into()) && !batch.holds(&"2".into()));
        let (txn, keys) = batch.take().unwrap();
        assert_eq!((txn.operations(true).len(), keys.len()), (1, 1));
        assert!(!batch.holds(&"1".into()) && batch.if_absent);
    }
}
