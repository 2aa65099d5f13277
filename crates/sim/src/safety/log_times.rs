//! The times that entries carry never go back along the log (rule 8.1), whatever the members' wall
//! clocks do; and the age of the cluster advances no faster than time passes, from any leader that
//! has written something to any later one: what lives for some time lives by the age, and must not
//! go early (rule 8.4).

use std::collections::BTreeMap;

use raft::{Entry, Index, Raft, Term};

use crate::ledger::Ledger;
use crate::time::Time;

/// A leader rounds its time to milliseconds, and so did the one before it.
const SLACK_MS: u64 = 10;

/// The times of the newest committed entry.
#[derive(Debug, Default)]
pub(crate) struct LogTimes {
    index: Index,
    stamp_ms: u64,
    age_ms: u64,
    /// By how much the age that each leader began with was behind the time since the cluster was
    /// founded.
    behind_ms: BTreeMap<Term, u64>,
}

impl LogTimes {
    /// A member leads, at its age.
    pub(crate) fn leads(&mut self, raft: &Raft, ledger: &Ledger, now: Time) {
        let term = raft.term();
        if self.behind_ms.contains_key(&term) {
            return;
        }
        let passed_ms = now.0 / 1_000 + SLACK_MS;
        let behind_ms = passed_ms.saturating_sub(raft.age_ms());
        for (&earlier, &before_ms) in self.behind_ms.range(..term) {
            let wrote = || ledger.iter().any(|committed| committed.entry.id.term == earlier);
            assert!(
                behind_ms + SLACK_MS >= before_ms || !wrote(),
                "log times: {} leads {term} {behind_ms} ms behind, {earlier} was {before_ms} ms",
                raft.id(),
            );
        }
        self.behind_ms.insert(term, behind_ms);
    }

    /// Looks at what was committed since it was asked last.
    pub(crate) fn check(&mut self, ledger: &Ledger, now: Time) {
        for committed in ledger.iter().skip(self.index.0 as usize) {
            self.check_one(&committed.entry, now);
        }
    }

    fn check_one(&mut self, entry: &Entry, now: Time) {
        let Entry { id, stamp_ms, age_ms, .. } = *entry;
        assert!(stamp_ms >= self.stamp_ms, "log times: the stamp of {id} goes back");
        assert!(age_ms >= self.age_ms, "log times: the age of {id} goes back");
        let passed_ms = now.0 / 1_000 + SLACK_MS;
        assert!(age_ms <= passed_ms, "log times: {id} is of age {age_ms} after {passed_ms} ms");
        (self.index, self.stamp_ms, self.age_ms) = (id.index, stamp_ms, age_ms);
    }
}
