//! The encoded form of transactions, and the way there and back. Field numbers are never used
//! again.

use bytes::Bytes;

use super::txn::{self, Operand, Relation};
use super::wire::{Lifetime, Range};
use super::{DecodeError, TxnOp};
use crate::key_range::KeyRange;
use crate::range::{Filter, RangeRequest, Sort, SortBy};
use crate::types::Revision;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Txn {
    #[prost(message, repeated, tag = "1")]
    compares: Vec<Compare>,
    #[prost(message, repeated, tag = "2")]
    success: Vec<Op>,
    #[prost(message, repeated, tag = "3")]
    failure: Vec<Op>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Compare {
    #[prost(oneof = "Range", tags = "1, 2, 3, 4")]
    range: Option<Range>,
    #[prost(uint32, tag = "5")]
    relation: u32,
    #[prost(oneof = "WireOperand", tags = "6, 7, 8, 9, 10")]
    operand: Option<WireOperand>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum WireOperand {
    #[prost(sint64, tag = "6")]
    Version(i64),
    #[prost(sint64, tag = "7")]
    CreateRevision(i64),
    #[prost(sint64, tag = "8")]
    ModRevision(i64),
    #[prost(bytes = "bytes", tag = "9")]
    Value(Bytes),
    #[prost(sint64, tag = "10")]
    Lease(i64),
}

#[derive(Clone, PartialEq, prost::Message)]
struct Op {
    #[prost(oneof = "OpKind", tags = "1, 2, 3, 4")]
    kind: Option<OpKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum OpKind {
    #[prost(message, tag = "1")]
    Put(Put),
    #[prost(message, tag = "2")]
    Delete(Delete),
    #[prost(message, tag = "3")]
    Range(RangeOp),
    #[prost(message, tag = "4")]
    Txn(Txn),
}

#[derive(Clone, PartialEq, prost::Message)]
struct Put {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
    #[prost(bool, tag = "3")]
    prev_kv: bool,
    #[prost(bool, tag = "4")]
    ignore_value: bool,
    #[prost(oneof = "Lifetime", tags = "6, 7, 8")]
    lifetime: Option<Lifetime>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Delete {
    #[prost(oneof = "Range", tags = "1, 2, 3, 4")]
    range: Option<Range>,
    #[prost(bool, tag = "5")]
    prev_kv: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RangeOp {
    #[prost(oneof = "Range", tags = "1, 2, 3, 4")]
    range: Option<Range>,
    #[prost(uint64, optional, tag = "5")]
    limit: Option<u64>,
    #[prost(uint64, optional, tag = "6")]
    at: Option<u64>,
    #[prost(bool, tag = "7")]
    keys_only: bool,
    #[prost(bool, tag = "8")]
    count_only: bool,
    #[prost(uint32, tag = "9")]
    sort_by: u32,
    #[prost(bool, tag = "10")]
    descending: bool,
    #[prost(uint64, tag = "11")]
    min_mod_revision: u64,
    #[prost(uint64, tag = "12")]
    max_mod_revision: u64,
    #[prost(uint64, tag = "13")]
    min_create_revision: u64,
    #[prost(uint64, tag = "14")]
    max_create_revision: u64,
}

/// The numbers of relations, by their places here.
const RELATIONS: [Relation; 4] =
    [Relation::Equal, Relation::NotEqual, Relation::Less, Relation::Greater];

/// The numbers of what is sorted by.
const SORTS: [SortBy; 5] =
    [SortBy::Key, SortBy::Version, SortBy::CreateRevision, SortBy::ModRevision, SortBy::Value];

fn number_of<T: PartialEq>(all: &[T], one: &T) -> u32 {
    let at = all.iter().position(|other| other == one).expect("all of them are listed");
    u32::try_from(at).expect("a handful")
}

fn numbered<T: Copy>(all: &[T], number: u32) -> Result<T, DecodeError> {
    let at = usize::try_from(number).map_err(|_| DecodeError::UnknownKind)?;
    all.get(at).copied().ok_or(DecodeError::UnknownKind)
}

fn known(range: Option<Range>) -> Result<KeyRange, DecodeError> {
    range.map(Into::into).ok_or(DecodeError::UnknownKind)
}

impl From<txn::Txn> for Txn {
    fn from(txn: txn::Txn) -> Txn {
        Txn {
            compares: txn.compares.into_iter().map(Into::into).collect(),
            success: txn.success.into_iter().map(Into::into).collect(),
            failure: txn.failure.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<Txn> for txn::Txn {
    type Error = DecodeError;

    fn try_from(txn: Txn) -> Result<txn::Txn, DecodeError> {
        let ops = |ops: Vec<Op>| ops.into_iter().map(TxnOp::try_from).collect::<Result<_, _>>();
        let compares = txn.compares.into_iter().map(txn::Compare::try_from);
        Ok(txn::Txn {
            compares: compares.collect::<Result<_, _>>()?,
            success: ops(txn.success)?,
            failure: ops(txn.failure)?,
        })
    }
}

impl From<txn::Compare> for Compare {
    fn from(compare: txn::Compare) -> Compare {
        Compare {
            range: Some(compare.range.into()),
            relation: number_of(&RELATIONS, &compare.relation),
            operand: Some(match compare.operand {
                Operand::Version(number) => WireOperand::Version(number),
                Operand::CreateRevision(number) => WireOperand::CreateRevision(number),
                Operand::ModRevision(number) => WireOperand::ModRevision(number),
                Operand::Value(value) => WireOperand::Value(value),
                Operand::Lease(id) => WireOperand::Lease(id),
            }),
        }
    }
}

impl TryFrom<Compare> for txn::Compare {
    type Error = DecodeError;

    fn try_from(compare: Compare) -> Result<txn::Compare, DecodeError> {
        Ok(txn::Compare {
            range: known(compare.range)?,
            relation: numbered(&RELATIONS, compare.relation)?,
            operand: match compare.operand.ok_or(DecodeError::UnknownKind)? {
                WireOperand::Version(number) => Operand::Version(number),
                WireOperand::CreateRevision(number) => Operand::CreateRevision(number),
                WireOperand::ModRevision(number) => Operand::ModRevision(number),
                WireOperand::Value(value) => Operand::Value(value),
                WireOperand::Lease(id) => Operand::Lease(id),
            },
        })
    }
}

impl From<TxnOp> for Op {
    fn from(op: TxnOp) -> Op {
        let kind = match op {
            TxnOp::Put(put) => OpKind::Put(put.into()),
            TxnOp::Delete { range, prev_kv } => {
                OpKind::Delete(Delete { range: Some(range.into()), prev_kv })
            }
            TxnOp::Range(request) => OpKind::Range(request.into()),
            TxnOp::Txn(txn) => OpKind::Txn(txn.into()),
        };
        Op { kind: Some(kind) }
    }
}

impl TryFrom<Op> for TxnOp {
    type Error = DecodeError;

    fn try_from(op: Op) -> Result<TxnOp, DecodeError> {
        Ok(match op.kind.ok_or(DecodeError::UnknownKind)? {
            OpKind::Put(put) => TxnOp::Put(put.into()),
            OpKind::Delete(Delete { range, prev_kv }) => {
                TxnOp::Delete { range: known(range)?, prev_kv }
            }
            OpKind::Range(range) => TxnOp::Range(range.try_into()?),
            OpKind::Txn(txn) => TxnOp::Txn(txn.try_into()?),
        })
    }
}

impl From<super::Put> for Put {
    fn from(put: super::Put) -> Put {
        let super::Put { key, value, prev_kv, ignore_value, lifetime } = put;
        Put { key, value, prev_kv, ignore_value, lifetime: Lifetime::of(lifetime) }
    }
}

impl From<Put> for super::Put {
    fn from(put: Put) -> super::Put {
        let Put { key, value, prev_kv, ignore_value, lifetime } = put;
        super::Put { key, value, prev_kv, ignore_value, lifetime: Lifetime::read(lifetime) }
    }
}

impl From<RangeRequest> for RangeOp {
    fn from(request: RangeRequest) -> RangeOp {
        let RangeRequest { range, limit, at, keys_only, count_only, sort, filter } = request;
        RangeOp {
            range: Some(range.into()),
            limit: limit.map(|limit| limit as u64),
            at: at.map(|at| at.0),
            keys_only,
            count_only,
            sort_by: number_of(&SORTS, &sort.by),
            descending: sort.descending,
            min_mod_revision: filter.min_mod_revision.0,
            max_mod_revision: filter.max_mod_revision.0,
            min_create_revision: filter.min_create_revision.0,
            max_create_revision: filter.max_create_revision.0,
        }
    }
}

impl TryFrom<RangeOp> for RangeRequest {
    type Error = DecodeError;

    fn try_from(op: RangeOp) -> Result<RangeRequest, DecodeError> {
        let limit = op.limit.map(usize::try_from).transpose();
        Ok(RangeRequest {
            range: known(op.range)?,
            limit: limit.map_err(|_| DecodeError::UnknownKind)?,
            at: op.at.map(Revision),
            keys_only: op.keys_only,
            count_only: op.count_only,
            sort: Sort { by: numbered(&SORTS, op.sort_by)?, descending: op.descending },
            filter: Filter {
                min_mod_revision: Revision(op.min_mod_revision),
                max_mod_revision: Revision(op.max_mod_revision),
                min_create_revision: Revision(op.min_create_revision),
                max_create_revision: Revision(op.max_create_revision),
            },
        })
    }
}
