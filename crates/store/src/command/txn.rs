//! Transactions: what they compare and do, and what a gateway asks of them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::limits::{CommandError, Limits};
use super::put::Put;
use crate::key_range::{KeyRange, Span};
use crate::range::RangeRequest;

/// A list of a transaction (comparisons, operations of a branch) has so many at most, together
/// with the lists around it.
pub const TXN_OPERATIONS_MAX: usize = 128;

/// Transactions stand within transactions at most so deep; the outermost is the first.
pub const TXN_DEPTH_MAX: usize = 16;

/// Compares, and does one thing or another: all of it in one revision, or nothing.
///
/// All comparisons are of the state before it, those of transactions within it too. The
/// operations of the branch are done in their order, and a range sees what was written before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// All of them must hold; none is a condition that holds.
    pub compares: Vec<Compare>,
    /// What is done then.
    pub success: Vec<TxnOp>,
    /// What is done otherwise.
    pub failure: Vec<TxnOp>,
}

/// A comparison, which must hold of every key of a range. Of a key that does not exist all numbers
/// are 0 and nothing that is said of its value holds; a range without keys is such a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// Of which keys.
    pub range: KeyRange,
    /// How the key's own stands to the operand.
    pub relation: Relation,
    /// What is compared, and with what.
    pub operand: Operand,
}

/// How two things stand to each other: the key's own, then the one that is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// They are equal.
    Equal,
    /// They differ.
    NotEqual,
    /// The key's own is the lesser.
    Less,
    /// The key's own is the greater.
    Greater,
}

/// What of a key is compared, with what is given. Numbers may be negative here, as in etcd's API;
/// a key's own never are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// How many writes it had since its creation.
    Version(i64),
    /// When it was created.
    CreateRevision(i64),
    /// When it was last written.
    ModRevision(i64),
    /// Its value, byte by byte.
    Value(Bytes),
    /// The id of the lease it is attached to; 0 is none.
    Lease(i64),
}

/// One thing that a transaction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxnOp {
    /// Gives a key a value.
    Put(Put),
    /// Removes the keys of a range that exist.
    Delete {
        /// Which keys.
        range: KeyRange,
        /// Whether the result tells what they were.
        prev_kv: bool,
    },
    /// Reads keys; without a revision, with what this transaction has written so far.
    Range(RangeRequest),
    /// A transaction within the transaction.
    Txn(Txn),
}

impl Txn {
    /// Whether neither branch writes, at any depth: then it needs no place in the log
    /// ([`crate::Reader::txn`]).
    pub fn is_read_only(&self) -> bool {
        self.success.iter().chain(&self.failure).all(|op| match op {
            TxnOp::Range(_) => true,
            TxnOp::Txn(txn) => txn.is_read_only(),
            TxnOp::Put(_) | TxnOp::Delete { .. } => false,
        })
    }

    /// Whether either branch puts, at any depth.
    pub(super) fn may_put(&self) -> bool {
        self.success.iter().chain(&self.failure).any(|op| match op {
            TxnOp::Put(_) => true,
            TxnOp::Txn(txn) => txn.may_put(),
            TxnOp::Delete { .. } | TxnOp::Range(_) => false,
        })
    }

    /// Whether the store takes it, its size apart; what is proposed is asked the same.
    pub fn validate(&self, limits: &Limits) -> Result<(), CommandError> {
        self.check_shape(limits, TXN_OPERATIONS_MAX, 1)?;
        self.check_keys()
    }

    /// Whether each key has at most one new version.
    pub(super) fn check_keys(&self) -> Result<(), CommandError> {
        Touched::of_txn(self).map(|_| ())
    }

    fn check_shape(
        &self,
        limits: &Limits,
        operations_max: usize,
        depth: usize,
    ) -> Result<(), CommandError> {
        if depth > TXN_DEPTH_MAX {
            return Err(CommandError::TooDeep);
        }
        let most = self.compares.len().max(self.success.len()).max(self.failure.len());
        let left = operations_max.checked_sub(most).ok_or(CommandError::TooManyOperations)?;
        for compare in &self.compares {
            limits.check_range(&compare.range)?;
        }
        self.success.iter().chain(&self.failure).try_for_each(|op| match op {
            TxnOp::Put(put) => put.check(limits),
            TxnOp::Delete { range, .. } => limits.check_range(range),
            TxnOp::Range(request) => limits.check_range(&request.range),
            TxnOp::Txn(txn) => txn.check_shape(limits, left, depth + 1),
        })
    }
}

/// Which keys operations put, and which they delete: no key may be put twice, or both. So each
/// key has at most one new version in a transaction.
#[derive(Default)]
struct Touched {
    puts: BTreeSet<Bytes>,
    deletes: Spans,
}

impl Touched {
    fn of_txn(txn: &Txn) -> Result<Touched, CommandError> {
        // Only one branch is done, so what one of them puts the other may put or delete too.
        let (mut one, other) = (Touched::of_ops(&txn.success)?, Touched::of_ops(&txn.failure)?);
        one.puts.extend(other.puts);
        one.deletes.extend(other.deletes);
        Ok(one)
    }

    fn of_ops(ops: &[TxnOp]) -> Result<Touched, CommandError> {
        let mut all = Touched::default();
        for op in ops {
            all.add(match op {
                TxnOp::Put(put) => {
                    Touched { puts: BTreeSet::from([put.key.clone()]), ..Touched::default() }
                }
                TxnOp::Delete { range, .. } => {
                    let mut deletes = Spans::default();
                    deletes.insert(&range.span());
                    Touched { deletes, ..Touched::default() }
                }
                TxnOp::Range(_) => continue,
                TxnOp::Txn(txn) => Touched::of_txn(txn)?,
            })?;
        }
        Ok(all)
    }

    /// Takes in what is done beside it.
    fn add(&mut self, mut other: Touched) -> Result<(), CommandError> {
        // The smaller is looked at key by key, so that nested ones cost no square.
        if self.puts.len() < other.puts.len() {
            std::mem::swap(&mut self.puts, &mut other.puts);
            std::mem::swap(&mut self.deletes, &mut other.deletes);
        }
        let put_twice = other.puts.iter().any(|key| self.puts.contains(key));
        let deleted = other.puts.iter().any(|key| self.deletes.contains(key))
            || other.deletes.reaches_any(&self.puts);
        if put_twice || deleted {
            return Err(CommandError::DuplicateKey);
        }
        self.puts.append(&mut other.puts);
        self.deletes.extend(other.deletes);
        Ok(())
    }
}

/// Stretches of keys that do not meet: each start with its end, `None` being without one.
#[derive(Default)]
struct Spans(BTreeMap<Bytes, Option<Bytes>>);

impl Spans {
    fn insert(&mut self, span: &Span) {
        let end = span.end().map(Bytes::copy_from_slice);
        if end.as_ref().is_none_or(|end| span.start < *end) {
            self.merge(span.start.clone(), end);
        }
    }

    fn merge(&mut self, mut start: Bytes, mut end: Option<Bytes>) {
        if let Some((before, its_end)) = self.0.range::<Bytes, _>(..=&start).next_back()
            && its_end.as_ref().is_none_or(|its_end| start <= *its_end)
        {
            start = before.clone();
        }
        let within = |key: &Bytes, end: &Option<Bytes>| end.as_ref().is_none_or(|end| key <= end);
        while let Some((next, its_end)) = self.0.range::<Bytes, _>(&start..).next()
            && within(next, &end)
        {
            let longer =
                end.as_ref().is_some_and(|end| its_end.as_ref().is_none_or(|its| its > end));
            if longer {
                end = its_end.clone();
            }
            let next = next.clone();
            self.0.remove(&next);
        }
        self.0.insert(start, end);
    }

    fn extend(&mut self, other: Spans) {
        for (start, end) in other.0 {
            self.merge(start, end);
        }
    }

    fn contains(&self, key: &Bytes) -> bool {
        let before = self.0.range::<Bytes, _>(..=key).next_back();
        before.is_some_and(|(_, end)| end.as_ref().is_none_or(|end| key < end))
    }

    fn reaches_any(&self, keys: &BTreeSet<Bytes>) -> bool {
        self.0.iter().any(|(start, end)| {
            let first = keys.range::<Bytes, _>(start..).next();
            first.is_some_and(|key| end.as_ref().is_none_or(|end| key < end))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(ranges: &[(&'static str, &'static str)]) -> Spans {
        let mut spans = Spans::default();
        for (start, end) in ranges {
            spans.insert(&KeyRange::Between { start: (*start).into(), end: (*end).into() }.span());
        }
        spans
    }

    #[test]
    fn stretches_that_meet_become_one() {
        assert_eq!(spans(&[("a", "c"), ("e", "g"), ("b", "f")]).0.len(), 1);
        assert_eq!(spans(&[("a", "b"), ("b", "c")]).0.len(), 1);
        assert_eq!(spans(&[("a", "b"), ("c", "d")]).0.len(), 2);
        assert_eq!(spans(&[("b", "a"), ("a", "a")]).0.len(), 0, "they hold no key");
        let mut open = spans(&[("a", "b"), ("d", "e")]);
        open.insert(&KeyRange::From("c".into()).span());
        assert!(open.contains(&"z".into()) && !open.contains(&"bb".into()));
        open.insert(&KeyRange::Between { start: "x".into(), end: "y".into() }.span());
        assert!(open.contains(&"yy".into()), "what has no end keeps none");
    }

    #[test]
    fn a_key_counts_as_reached_by_the_half_open_stretch() {
        let keys = |keys: &[&'static str]| keys.iter().map(|key| Bytes::from(*key)).collect();
        let spans = spans(&[("b", "c"), ("e", "f")]);
        assert!(spans.reaches_any(&keys(&["a", "bz", "d"])));
        assert!(!spans.reaches_any(&keys(&["a", "c", "d", "f"])));
    }
}
