//! Transactions, as plainly as they can be said.

use std::cmp::Ordering;

use store::{
    Compare, KeyValue, Operand, Outcome, ReadError, Refused, Relation, Revision, Txn, TxnOp,
    TxnResponse, TxnResult,
};

use super::model::{Model, contains};

impl Model {
    pub(super) fn txn(&mut self, txn: &Txn) -> Outcome {
        let (before, live) = (self.revision(), self.live_at(self.revision()));
        if let Some(reason) = self.refusal(txn, before, &live) {
            return Outcome::Refused { revision: before, reason };
        }
        let mut wrote = false;
        let (succeeded, results) = self.run(txn, before, &live, &mut wrote);
        self.writes += u64::from(wrote);
        Outcome::Txn(TxnResponse { revision: self.revision(), succeeded, results })
    }

    /// What a reader is answered, now.
    pub(crate) fn read_txn(&mut self, txn: &Txn) -> Result<TxnResponse, ReadError> {
        match self.txn(txn) {
            Outcome::Txn(response) => Ok(response),
            Outcome::Refused { reason: Refused::Unreadable(error), .. } => Err(error),
            other => panic!("no reading comes to {other:?}"),
        }
    }

    /// Does a branch; `live` is what was there before the whole transaction.
    fn run(
        &mut self,
        txn: &Txn,
        before: Revision,
        live: &[KeyValue],
        wrote: &mut bool,
    ) -> (bool, Vec<TxnResult>) {
        let (succeeded, ops) = taken(txn, live);
        let write_at = Revision(before.0 + 1);
        let mut results = Vec::new();
        for op in ops {
            results.push(match op {
                TxnOp::Put(put) => {
                    *wrote = true;
                    let prev = self.put(put, write_at);
                    TxnResult::Put { prev: prev.filter(|_| put.prev_kv) }
                }
                TxnOp::Delete { range, prev_kv } => {
                    let prev = self.delete(range, write_at);
                    *wrote |= !prev.is_empty();
                    let count = prev.len() as u64;
                    TxnResult::Deleted { count, prev: if *prev_kv { prev } else { Vec::new() } }
                }
                TxnOp::Range(request) => {
                    let now = if *wrote { write_at } else { before };
                    TxnResult::Range(self.range(request, request.at.unwrap_or(now)))
                }
                TxnOp::Txn(txn) => {
                    let (succeeded, results) = self.run(txn, before, live, wrote);
                    TxnResult::Txn { succeeded, results }
                }
            });
        }
        (succeeded, results)
    }
}

fn taken<'a>(txn: &'a Txn, live: &[KeyValue]) -> (bool, &'a [TxnOp]) {
    let succeeded = txn.compares.iter().all(|compare| holds(compare, live));
    (succeeded, if succeeded { &txn.success } else { &txn.failure })
}

impl Model {
    /// The first reason, in the order of the operations, not to do anything.
    fn refusal(&self, txn: &Txn, newest: Revision, live: &[KeyValue]) -> Option<Refused> {
        taken(txn, live).1.iter().find_map(|op| match op {
            TxnOp::Put(put) => self.put_refusal(put, live),
            TxnOp::Delete { .. } => None,
            TxnOp::Range(request) => {
                let requested = request.at?;
                if requested > newest {
                    let error = ReadError::FutureRevision { requested, newest };
                    return Some(Refused::Unreadable(error));
                }
                let oldest = self.compacted.max(Revision(1));
                let error = ReadError::Compacted { requested, oldest };
                (requested < oldest).then_some(Refused::Unreadable(error))
            }
            TxnOp::Txn(txn) => self.refusal(txn, newest, live),
        })
    }
}

fn holds(compare: &Compare, live: &[KeyValue]) -> bool {
    let mut inside = live.iter().filter(|live| contains(&compare.range, &live.key)).peekable();
    if inside.peek().is_none() {
        return holds_of(compare, None);
    }
    inside.all(|live| holds_of(compare, Some(live)))
}

fn holds_of(compare: &Compare, live: Option<&KeyValue>) -> bool {
    let number = |of: fn(&KeyValue) -> u64| live.map_or(0, of) as i64;
    let ordering = match &compare.operand {
        Operand::Version(given) => number(|live| live.version).cmp(given),
        Operand::CreateRevision(given) => number(|live| live.create_revision.0).cmp(given),
        Operand::ModRevision(given) => number(|live| live.mod_revision.0).cmp(given),
        Operand::Lease(given) => live.map_or(0, |live| live.lifetime.lease().0).cmp(given),
        Operand::Value(given) => match live {
            Some(live) => live.value.cmp(given),
            None => return false,
        },
    };
    match compare.relation {
        Relation::Equal => ordering == Ordering::Equal,
        Relation::NotEqual => ordering != Ordering::Equal,
        Relation::Less => ordering == Ordering::Less,
        Relation::Greater => ordering == Ordering::Greater,
    }
}
