//! A transaction under way, from its first comparison to its answer.

use super::plan::{Plan, Step};
use crate::budget::{Budget, KEY_COST_UNITS, VERSION_COST_UNITS};
use crate::command::{Put, Txn};
use crate::delete::Delete;
use crate::ledger::Ledger;
use crate::outcome::{Refused, TxnResponse, TxnResult};
use crate::put;
use crate::range::{Bounds, Page};
use crate::read::Kept;
use crate::tree::Tree;
use crate::types::KeyValue;
use crate::version::Write;

/// A transaction that is done by the log answers ranges with so many items at most, each, so that
/// no member works for long at an answer that only one of them gives.
const RANGE_ITEMS_MAX: usize = 10_000;

/// ... and with so many bytes of keys and values at most in all its ranges, give or take an item.
const TOLD_BYTES_MAX: usize = 16 << 20;

/// A transaction under way.
#[derive(Debug)]
pub(crate) struct Run {
    plan: Plan,
    stage: Stage,
    /// What can be read, before it writes.
    kept: Kept,
    /// What its ranges may still tell.
    bounds: Bounds,
    results: Vec<Flat>,
    wrote: bool,
    /// The age of its entry, ms.
    age_ms: u64,
    /// What it changes in the books.
    ledger: Ledger,
}

#[derive(Debug)]
enum Stage {
    Plan,
    /// The next step to check.
    Check(usize),
    /// The next step to do, perhaps half done.
    Do(usize, Option<Half>),
}

/// A step that may take several turns.
#[derive(Debug)]
enum Half {
    Delete(Delete),
    Range(Page),
}

/// Results in the order of the steps.
#[derive(Debug)]
enum Flat {
    One(TxnResult),
    Branch { succeeded: bool, ops: usize },
}

impl Run {
    /// One that the log does.
    pub(crate) fn new(txn: Txn, kept: Kept, age_ms: u64, ledger: Ledger) -> Run {
        let bounds = Bounds { items_max: RANGE_ITEMS_MAX, told_bytes_max: TOLD_BYTES_MAX };
        Run { age_ms, ledger, ..Run::bounded(txn, kept, bounds) }
    }

    /// One that only reads, on its caller's own time.
    pub(crate) fn reading(txn: Txn, kept: Kept) -> Run {
        assert!(txn.is_read_only(), "what writes goes through the log");
        Run::bounded(txn, kept, Bounds::NONE)
    }

    fn bounded(txn: Txn, kept: Kept, bounds: Bounds) -> Run {
        let plan = Plan::new(txn);
        Run {
            plan,
            stage: Stage::Plan,
            kept,
            bounds,
            results: Vec::new(),
            wrote: false,
            age_ms: 0,
            ledger: Ledger::default(),
        }
    }

    /// Goes on until the budget is spent; true at the end. After an error nothing was done.
    pub(crate) fn advance(&mut self, tree: &Tree, budget: &mut Budget) -> Result<bool, Refused> {
        while !budget.is_spent() {
            match std::mem::replace(&mut self.stage, Stage::Plan) {
                Stage::Plan => {
                    if self.plan.advance(tree, self.kept.newest, budget) {
                        self.stage = Stage::Check(0);
                    }
                }
                Stage::Check(at) if at == self.plan.steps.len() => self.stage = Stage::Do(0, None),
                Stage::Check(at) => {
                    self.check(&self.plan.steps[at], tree)?;
                    budget.spend(KEY_COST_UNITS);
                    self.stage = Stage::Check(at + 1);
                }
                Stage::Do(at, None) if at == self.plan.steps.len() => {
                    self.stage = Stage::Do(at, None);
                    return Ok(true);
                }
                Stage::Do(at, half) => {
                    let half = match half {
                        Some(half) => self.go_on(half, tree, budget),
                        None => self.begin(at, tree, budget),
                    };
                    let next = if half.is_none() { at + 1 } else { at };
                    self.stage = Stage::Do(next, half);
                }
            }
        }
        Ok(false)
    }

    fn check(&self, step: &Step, tree: &Tree) -> Result<(), Refused> {
        match step {
            Step::Put(put) => put::check(put, tree, self.kept.newest, &self.ledger.leases),
            Step::Range(request) => {
                self.kept.readable(request.at).map(|_| ()).map_err(Refused::Unreadable)
            }
            Step::Delete { .. } | Step::Branch { .. } => Ok(()),
        }
    }

    /// Begins a step, and does it if it is short; else gives back what is to go on.
    fn begin(&mut self, at: usize, tree: &Tree, budget: &mut Budget) -> Option<Half> {
        let writes_at = self.kept.newest.next();
        match &mut self.plan.steps[at] {
            Step::Put(put) => {
                let put = std::mem::take(put);
                self.put(&put, tree, budget);
                None
            }
            Step::Branch { succeeded, ops } => {
                self.results.push(Flat::Branch { succeeded: *succeeded, ops: *ops });
                None
            }
            Step::Delete { range, prev_kv } => {
                let ledger = self.ledger.begin();
                Some(Half::Delete(Delete::new(range, *prev_kv, ledger, writes_at)))
            }
            Step::Range(request) => {
                let own = if self.wrote { writes_at } else { self.kept.newest };
                Some(Half::Range(Page::new(request, request.at.unwrap_or(own), self.bounds)))
            }
        }
    }

    fn put(&mut self, put: &Put, tree: &Tree, budget: &mut Budget) {
        let (value, lifetime) = put::resolve(put, tree, self.kept.newest, self.age_ms);
        budget.spend(VERSION_COST_UNITS + (put.key.len() + value.len()) as u64);
        let (revision, stamp_ms) = (self.kept.newest.next(), tree.events.stamp_ms());
        let write = Write::new(&put.key, &value, revision, stamp_ms, lifetime);
        let prev = tree.put(write, put.prev_kv, &mut self.ledger);
        self.wrote = true;
        self.results.push(Flat::One(TxnResult::Put { prev }));
    }

    fn go_on(&mut self, half: Half, tree: &Tree, budget: &mut Budget) -> Option<Half> {
        match half {
            Half::Delete(mut delete) => {
                if !delete.advance(tree, budget) {
                    return Some(Half::Delete(delete));
                }
                let Delete { count, prev, ledger, .. } = delete;
                self.wrote |= count > 0;
                self.ledger.finish(ledger);
                self.results.push(Flat::One(TxnResult::Deleted { count, prev }));
            }
            Half::Range(mut page) => {
                if !page.advance(tree, budget) {
                    return Some(Half::Range(page));
                }
                let response = page.into_response();
                let told: usize = response.items.iter().map(KeyValue::told_bytes).sum();
                self.bounds.told_bytes_max = self.bounds.told_bytes_max.saturating_sub(told);
                self.results.push(Flat::One(TxnResult::Range(response)));
            }
        }
        None
    }

    /// What came of it, and what it changes in the books if it wrote.
    pub(crate) fn finish(self) -> (TxnResponse, Option<Ledger>) {
        let wrote_at = self.kept.newest.next();
        let revision = if self.wrote { wrote_at } else { self.kept.newest };
        let mut flat = self.results.into_iter();
        let (succeeded, results) = match next_result(&mut flat) {
            Some(TxnResult::Txn { succeeded, results }) => (succeeded, results),
            other => panic!("a transaction begins with its branch, not {other:?}"),
        };
        let response = TxnResponse { revision, succeeded, results };
        (response, self.wrote.then_some(self.ledger))
    }
}

/// The next result with all that is within it.
fn next_result(flat: &mut impl Iterator<Item = Flat>) -> Option<TxnResult> {
    Some(match flat.next()? {
        Flat::One(result) => result,
        Flat::Branch { succeeded, ops } => {
            let results = (0..ops).map_while(|_| next_result(flat)).collect();
            TxnResult::Txn { succeeded, results }
        }
    })
}
