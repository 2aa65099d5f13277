//! Which branches are taken, and what is to be done in them.

use std::cmp::Ordering;

use crate::budget::{Budget, KEY_COST_UNITS};
use crate::command::{Compare, Operand, Put, Relation, Txn, TxnOp};
use crate::key_range::KeyRange;
use crate::range::RangeRequest;
use crate::tree::{Tree, Work};
use crate::types::{LeaseId, Revision};
use crate::version::Version;

/// One thing to be done, or where a branch begins.
#[derive(Debug)]
pub(super) enum Step {
    Put(Put),
    Delete {
        range: KeyRange,
        prev_kv: bool,
    },
    Range(RangeRequest),
    /// The next so many operations, with all that is within them, are those of a transaction.
    Branch {
        succeeded: bool,
        ops: usize,
    },
}

/// A plan in the making.
#[derive(Debug)]
pub(super) struct Plan {
    /// What is still to be looked at, the next one last.
    pending: Vec<TxnOp>,
    comparing: Option<Comparing>,
    pub(super) steps: Vec<Step>,
}

impl Plan {
    pub(super) fn new(txn: Txn) -> Plan {
        Plan { pending: vec![TxnOp::Txn(txn)], comparing: None, steps: Vec::new() }
    }

    /// Goes on until the budget is spent; true once all steps are known.
    pub(super) fn advance(&mut self, tree: &Tree, at: Revision, budget: &mut Budget) -> bool {
        while !budget.is_spent() {
            if let Some(comparing) = &mut self.comparing {
                if let Some(succeeded) = comparing.advance(tree, at, budget) {
                    self.take_branch(succeeded);
                }
                continue;
            }
            budget.spend(KEY_COST_UNITS);
            match self.pending.pop() {
                None => return true,
                Some(TxnOp::Txn(txn)) => self.comparing = Some(Comparing::new(txn)),
                Some(TxnOp::Put(put)) => self.steps.push(Step::Put(put)),
                Some(TxnOp::Delete { range, prev_kv }) => {
                    self.steps.push(Step::Delete { range, prev_kv });
                }
                Some(TxnOp::Range(request)) => self.steps.push(Step::Range(request)),
            }
        }
        false
    }

    fn take_branch(&mut self, succeeded: bool) {
        let Comparing { txn, .. } = self.comparing.take().expect("the caller compared");
        let ops = if succeeded { txn.success } else { txn.failure };
        self.steps.push(Step::Branch { succeeded, ops: ops.len() });
        self.pending.extend(ops.into_iter().rev());
    }
}

/// A transaction's comparisons, one after the other.
#[derive(Debug)]
struct Comparing {
    txn: Txn,
    /// The comparison to go on with ...
    compare: usize,
    /// ... from this key of its range; `None` before its first.
    from: Option<Box<[u8]>>,
    /// Whether a key of its range was found.
    found: bool,
}

impl Comparing {
    fn new(txn: Txn) -> Comparing {
        Comparing { txn, compare: 0, from: None, found: false }
    }

    /// Compares the next keys; answers whether all comparisons hold, once that is known.
    fn advance(&mut self, tree: &Tree, at: Revision, budget: &mut Budget) -> Option<bool> {
        let Some(compare) = self.txn.compares.get(self.compare) else { return Some(true) };
        let span = compare.range.span();
        let from = self.from.take().unwrap_or_else(|| span.start.as_ref().into());
        let (mut holds, mut found) = (true, self.found);
        self.from = tree.walk_one_hold(&from, &span, |leaf, _| {
            let entries = leaf.entries(&from, &span);
            let work = Work { keys: entries.len(), bytes: 0 };
            budget.spend((1 + work.keys as u64) * KEY_COST_UNITS);
            for version in entries.filter_map(|(_, versions)| versions.live_at(at)) {
                found = true;
                holds &= compare.holds_of(Some(version));
            }
            work
        });
        self.found = found;
        if self.from.is_none() {
            holds &= found || compare.holds_of(None);
            (self.compare, self.found) = (self.compare + 1, false);
        }
        (!holds).then_some(false)
    }
}

impl Compare {
    /// Whether it holds of a key as it is, or of one that does not exist.
    fn holds_of(&self, version: Option<&Version>) -> bool {
        let lease = |given: &i64| {
            let own = version.map_or(LeaseId::NONE, |version| version.lifetime().lease());
            own.0.cmp(given)
        };
        let number = |of: fn(&Version) -> u64, given: &i64| {
            i64::try_from(version.map_or(0, of)).unwrap_or(i64::MAX).cmp(given)
        };
        let ordering = match &self.operand {
            Operand::Version(given) => number(Version::version, given),
            Operand::CreateRevision(given) => number(|version| version.create_revision.0, given),
            Operand::ModRevision(given) => number(|version| version.mod_revision.0, given),
            Operand::Lease(given) => lease(given),
            Operand::Value(given) => {
                let Some(value) = version.and_then(|version| version.value.as_ref()) else {
                    return false;
                };
                value.as_slice().cmp(given)
            }
        };
        match self.relation {
            Relation::Equal => ordering == Ordering::Equal,
            Relation::NotEqual => ordering != Ordering::Equal,
            Relation::Less => ordering == Ordering::Less,
            Relation::Greater => ordering == Ordering::Greater,
        }
    }
}
