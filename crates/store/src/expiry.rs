//! Leases and keys on their way out: a revocation, or an expiry.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::budget::{Budget, KEY_COST_UNITS};
use crate::deadlines::DueKey;
use crate::key_range::KeyRange;
use crate::leaf::Burial;
use crate::lease::Grant;
use crate::ledger::Ledger;
use crate::tree::Tree;
use crate::types::{LeaseId, Lifetime, Revision};
use crate::version::Version;

/// A removal under way: of leases with all their keys, and of single keys. Like a delete, it buries
/// at the revision after the store's and keeps its sums apart.
#[derive(Debug)]
pub(crate) struct Removal {
    /// What is taken out next, of what is left.
    leases: VecDeque<LeaseId>,
    keys: VecDeque<DueKey>,
    /// The store's age, at which keys must be due.
    age_ms: u64,
    pub(crate) revision: Revision,
    pub(crate) ledger: Ledger,
    /// How many leases are gone.
    pub(crate) leases_gone: u64,
    /// How many keys are gone.
    pub(crate) keys_gone: u64,
}

impl Removal {
    /// The removal of a lease that is there, whatever time it has left.
    pub(crate) fn of_lease(lease: LeaseId, ledger: Ledger, revision: Revision) -> Removal {
        Removal {
            leases: VecDeque::from([lease]),
            keys: VecDeque::new(),
            age_ms: 0,
            revision,
            ledger,
            leases_gone: 0,
            keys_gone: 0,
        }
    }

    /// The removal of what is due at this age. What was proposed too early, or is not there any
    /// more as it was when that was done, stays.
    pub(crate) fn of_due(
        leases: Vec<Grant>,
        keys: Vec<DueKey>,
        age_ms: u64,
        ledger: Ledger,
        revision: Revision,
    ) -> Removal {
        let due = |grant: &Grant| ledger.leases.may_expire(*grant, age_ms);
        let leases = leases.into_iter().filter(due).map(|grant| grant.lease).collect();
        let keys = keys.into();
        Removal { leases, keys, age_ms, revision, ledger, leases_gone: 0, keys_gone: 0 }
    }

    /// Removes until the budget is spent; true at the end.
    pub(crate) fn advance(&mut self, tree: &Tree, budget: &mut Budget) -> bool {
        while !budget.is_spent() {
            budget.spend(KEY_COST_UNITS);
            if let Some(lease) = self.leases.front().copied() {
                match self.ledger.leases.first_key(lease).cloned() {
                    Some(key) => self.bury(&key, tree, budget),
                    None => self.end_lease(lease),
                }
            } else if let Some(due) = self.keys.pop_front() {
                if self.is_due(&due, tree) {
                    self.bury(&due.key, tree, budget);
                }
            } else {
                return true;
            }
        }
        false
    }

    fn end_lease(&mut self, lease: LeaseId) {
        self.leases.pop_front();
        // Named twice in one command, it went the first time.
        self.leases_gone += u64::from(self.ledger.leases.get(lease).is_some());
        self.ledger.leases.remove(lease);
    }

    /// Whether the key is as it was when its removal was proposed, and its time has come.
    fn is_due(&self, due: &DueKey, tree: &Tree) -> bool {
        let now = Revision(self.revision.0 - 1);
        tree.look(&due.key, now, |version| {
            let is_the_one = |version: &&Version| version.mod_revision == due.mod_revision;
            let lifetime = version.filter(is_the_one).map(Version::lifetime);
            matches!(lifetime, Some(Lifetime::Until { age_ms }) if age_ms <= self.age_ms)
        })
    }

    /// Buries the key, if it is not buried yet.
    fn bury(&mut self, key: &Bytes, tree: &Tree, budget: &mut Budget) {
        let span = KeyRange::Single(key.clone()).span();
        let (ledger, gone) = (&mut self.ledger, &mut self.keys_gone);
        // A turn may overdraw by one step, and this is one.
        let mut step = Budget::new(u64::MAX);
        let burial = Burial { from: key, span: &span, is_meant: &|_| true };
        tree.bury(burial, self.revision, &mut step, |key, version| {
            *gone += 1;
            ledger.remove(key, version);
            ledger.tally.keep(&Version::tombstone(self.revision));
            budget.spend(version.burial_units(key));
        });
    }
}
