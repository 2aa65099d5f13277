//! The times that entries carry never go back along the log (rule 8.1), whatever the members' wall
//! clocks do; and the age of the cluster advances no faster than time passes.

use raft::{Entry, Index};

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
}

impl LogTimes {
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
        *self = LogTimes { index: id.index, stamp_ms, age_ms };
    }
}
