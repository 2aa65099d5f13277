//! Transactions, as the naive store does them: look at what was there before, take the branches,
//! refuse all of it or do one thing after the other at one revision.

use std::cmp::Ordering;

use store::{
    Compare, KeyValue, Operand, Outcome, RangeRequest, RangeResponse, ReadError, Refused, Relation,
    Revision, Sort, Txn, TxnOp, TxnResponse, TxnResult,
};

use super::Model;

/// A transaction that is done.
struct Doing {
    before: Revision,
    /// So many keys have a new version.
    changes: usize,
}

impl Model {
    pub(super) fn txn(&mut self, txn: &Txn) -> Outcome {
        let before = self.revision;
        if let Some(reason) = self.refusal(txn, before, self.compacted) {
            return Outcome::Refused { revision: before, reason };
        }
        let mut doing = Doing { before, changes: 0 };
        let (succeeded, results) = self.branch(txn, &mut doing);
        if doing.changes > 0 {
            self.next_revision();
        }
        Outcome::Txn(TxnResponse { revision: self.revision, succeeded, results })
    }

    /// What one that only reads finds at a revision, when all before `compacted` was given up.
    pub(crate) fn read_txn(
        &self,
        txn: &Txn,
        revision: Revision,
        compacted: Revision,
    ) -> Result<TxnResponse, ReadError> {
        match self.refusal(txn, revision, compacted) {
            None => {}
            Some(Refused::Unreadable(error)) => return Err(error),
            Some(other) => panic!("no reading is refused for {other:?}"),
        }
        let (succeeded, results) = self.look(txn, revision);
        Ok(TxnResponse { revision, succeeded, results })
    }

    fn look(&self, txn: &Txn, revision: Revision) -> (bool, Vec<TxnResult>) {
        let (succeeded, ops) = self.taken(txn, revision);
        let results = ops.iter().map(|op| match op {
            TxnOp::Range(request) => TxnResult::Range(self.answer(request, revision)),
            TxnOp::Txn(inner) => {
                let (succeeded, results) = self.look(inner, revision);
                TxnResult::Txn { succeeded, results }
            }
            TxnOp::Put(_) | TxnOp::Delete { .. } => panic!("{op:?} is no reading"),
        });
        (succeeded, results.collect())
    }

    fn branch(&mut self, txn: &Txn, doing: &mut Doing) -> (bool, Vec<TxnResult>) {
        let (succeeded, ops) = self.taken(txn, doing.before);
        let results = ops.iter().map(|op| self.operation(op, doing)).collect();
        (succeeded, results)
    }

    fn operation(&mut self, op: &TxnOp, doing: &mut Doing) -> TxnResult {
        let writes_at = Revision(doing.before.0 + 1);
        match op {
            TxnOp::Put(put) => {
                let before = self.write(put, writes_at, doing.changes);
                doing.changes += 1;
                TxnResult::Put { prev: before.filter(|_| put.prev_kv) }
            }
            TxnOp::Delete { range, prev_kv } => {
                let gone = self.range(range, writes_at);
                for kv in &gone {
                    self.bury(&kv.key, writes_at, doing.changes);
                    doing.changes += 1;
                }
                let count = gone.len() as u64;
                TxnResult::Deleted { count, prev: if *prev_kv { gone } else { Vec::new() } }
            }
            TxnOp::Range(request) => {
                let now = if doing.changes > 0 { writes_at } else { doing.before };
                TxnResult::Range(self.answer(request, now))
            }
            TxnOp::Txn(inner) => {
                let (succeeded, results) = self.branch(inner, doing);
                TxnResult::Txn { succeeded, results }
            }
        }
    }

    /// Why nothing of it can be done, if anything speaks against it: the first reason.
    fn refusal(&self, txn: &Txn, newest: Revision, compacted: Revision) -> Option<Refused> {
        let (_, ops) = self.taken(txn, newest);
        ops.iter().find_map(|op| match op {
            TxnOp::Put(put) => self.speaks_against(put),
            TxnOp::Delete { .. } => None,
            TxnOp::Range(request) => {
                unreadable(request.at?, newest, compacted).map(Refused::Unreadable)
            }
            TxnOp::Txn(inner) => self.refusal(inner, newest, compacted),
        })
    }

    fn taken<'a>(&self, txn: &'a Txn, at: Revision) -> (bool, &'a [TxnOp]) {
        let succeeded = txn.compares.iter().all(|compare| self.holds(compare, at));
        (succeeded, if succeeded { &txn.success } else { &txn.failure })
    }

    fn holds(&self, compare: &Compare, at: Revision) -> bool {
        let there = self.range(&compare.range, at);
        match there.is_empty() {
            true => compares(compare, None),
            false => there.iter().all(|kv| compares(compare, Some(kv))),
        }
    }

    fn answer(&self, request: &RangeRequest, now: Revision) -> RangeResponse {
        let all_in_order = request.sort == Sort::default() && request.filter == Default::default();
        assert!(all_in_order, "the model's clients do not sort and filter");
        let revision = request.at.unwrap_or(now);
        let mut items = self.range(&request.range, revision);
        let count = items.len();
        items.truncate(request.limit.unwrap_or(count));
        let more = !request.count_only && items.len() < count;
        if request.count_only {
            items.clear();
        }
        if request.keys_only {
            items.iter_mut().for_each(|kv| kv.value.clear());
        }
        RangeResponse { items, more, count: count as u64, revision }
    }
}

fn unreadable(requested: Revision, newest: Revision, compacted: Revision) -> Option<ReadError> {
    let oldest = compacted.max(Revision::FIRST);
    if requested > newest {
        return Some(ReadError::FutureRevision { requested, newest });
    }
    (requested < oldest).then_some(ReadError::Compacted { requested, oldest })
}

fn compares(compare: &Compare, kv: Option<&KeyValue>) -> bool {
    let number = |own: fn(&KeyValue) -> u64| kv.map_or(0, own) as i64;
    let ordering = match &compare.operand {
        Operand::Version(given) => number(|kv| kv.version).cmp(given),
        Operand::CreateRevision(given) => number(|kv| kv.create_revision.0).cmp(given),
        Operand::ModRevision(given) => number(|kv| kv.mod_revision.0).cmp(given),
        Operand::Lease(given) => kv.map_or(0, |kv| kv.lifetime.lease().0).cmp(given),
        Operand::Value(given) => match kv {
            None => return false,
            Some(kv) => kv.value.cmp(given),
        },
    };
    match compare.relation {
        Relation::Equal => ordering == Ordering::Equal,
        Relation::NotEqual => ordering != Ordering::Equal,
        Relation::Less => ordering == Ordering::Less,
        Relation::Greater => ordering == Ordering::Greater,
    }
}
