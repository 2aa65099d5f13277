//! What a change did to keys, each for itself, as its client knows it: for the second judge.
//!
//! Of a transaction that was answered its results tell. Of one that was not, each operation of each
//! branch may have been done.

use bytes::Bytes;
use store::{Command, KeyRange, KeyValue, RangeRequest, Txn, TxnOp, TxnResult};

use crate::model::is_field;

/// What a change did to some keys.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    pub(crate) keys: Keys,
    /// What they were, if the answer tells.
    pub(crate) saw: Option<Vec<KeyValue>>,
    /// What it left; none if they stayed as they were.
    pub(crate) left: Option<Option<Bytes>>,
}

/// Which keys.
#[derive(Clone, Debug)]
pub(crate) enum Keys {
    Of(KeyRange),
    FieldsOf(Bytes),
}

impl Keys {
    pub(crate) fn hold(&self, key: &Bytes) -> bool {
        match self {
            Keys::Of(KeyRange::Single(single)) => key == single,
            Keys::Of(KeyRange::Prefix(prefix)) => key.starts_with(prefix),
            Keys::Of(KeyRange::From(start)) => key >= start,
            Keys::Of(KeyRange::Between { start, end }) => start <= key && key < end,
            Keys::FieldsOf(record) => is_field(record, key),
        }
    }
}

/// What a change did that found `found`, if its answer says so, and as a transaction came to
/// `results`.
pub(crate) fn of_change(
    command: &Command,
    found: Option<&Vec<KeyValue>>,
    results: Option<&(bool, Vec<TxnResult>)>,
) -> Vec<Effect> {
    let saw = found.cloned();
    match command {
        Command::Put { put, .. } => {
            let left = Some(Some(put.value.clone()));
            vec![Effect { keys: Keys::Of(KeyRange::Single(put.key.clone())), saw, left }]
        }
        Command::Delete { range, .. } => {
            vec![Effect { keys: Keys::Of(range.clone()), saw, left: Some(None) }]
        }
        Command::DeleteRecord { record } => {
            vec![Effect { keys: Keys::FieldsOf(record.clone()), saw, left: Some(None) }]
        }
        Command::Txn(txn) => match results {
            Some((succeeded, results)) => of_txn(txn, *succeeded, results),
            None => possible(txn),
        },
        _ => Vec::new(),
    }
}

fn of_txn(txn: &Txn, succeeded: bool, results: &[TxnResult]) -> Vec<Effect> {
    let ops = if succeeded { &txn.success } else { &txn.failure };
    let mut effects = Vec::new();
    for (op, result) in ops.iter().zip(results) {
        match (op, result) {
            (TxnOp::Put(put), TxnResult::Put { prev }) => {
                let saw = put.prev_kv.then(|| prev.iter().cloned().collect());
                let left = (!put.ignore_value).then(|| Some(put.value.clone()));
                let keys = Keys::Of(KeyRange::Single(put.key.clone()));
                effects.push(Effect { keys, saw, left });
            }
            (TxnOp::Delete { range, prev_kv }, TxnResult::Deleted { count, prev }) => {
                let saw = (*prev_kv || *count == 0).then(|| prev.clone());
                effects.push(Effect { keys: Keys::Of(range.clone()), saw, left: Some(None) });
            }
            (TxnOp::Txn(inner), TxnResult::Txn { succeeded, results }) => {
                effects.extend(of_txn(inner, *succeeded, results));
            }
            (TxnOp::Range(_), TxnResult::Range(_)) => {}
            _ => panic!("oracle: {op:?} was answered with {result:?}"),
        }
    }
    effects
}

fn possible(txn: &Txn) -> Vec<Effect> {
    let effects = txn.success.iter().chain(&txn.failure).flat_map(|op| match op {
        TxnOp::Put(put) if put.ignore_value => Vec::new(),
        TxnOp::Put(put) => {
            let (keys, left) = (Keys::Of(KeyRange::Single(put.key.clone())), &put.value);
            vec![Effect { keys, saw: None, left: Some(Some(left.clone())) }]
        }
        TxnOp::Delete { range, .. } => {
            vec![Effect { keys: Keys::Of(range.clone()), saw: None, left: Some(None) }]
        }
        TxnOp::Txn(inner) => possible(inner),
        TxnOp::Range(_) => Vec::new(),
    });
    effects.collect()
}

/// What the ranges of a transaction that wrote nothing told of the present, whole.
pub(crate) fn finds(
    txn: &Txn,
    succeeded: bool,
    results: Vec<TxnResult>,
) -> Vec<(KeyRange, Vec<KeyValue>)> {
    let ops = if succeeded { &txn.success } else { &txn.failure };
    let found = ops.iter().zip(results).flat_map(|(op, result)| match (op, result) {
        (TxnOp::Range(request), TxnResult::Range(response)) => {
            let is_whole = *request == RangeRequest::new(request.range.clone());
            is_whole.then(|| (request.range.clone(), response.items)).into_iter().collect()
        }
        (TxnOp::Txn(inner), TxnResult::Txn { succeeded, results }) => {
            finds(inner, succeeded, results)
        }
        _ => Vec::new(),
    });
    found.collect()
}

/// Whether something was written.
pub(crate) fn wrote(results: &[TxnResult]) -> bool {
    results.iter().any(|result| match result {
        TxnResult::Put { .. } => true,
        TxnResult::Deleted { count, .. } => *count > 0,
        TxnResult::Txn { results, .. } => wrote(results),
        TxnResult::Range(_) => false,
    })
}
