//! What last went wrong with snapshots: an alarm until the same succeeds, or does not matter any
//! more.
//!
//! A member goes on without the snapshot that failed. But its log grows until the next one, and a
//! disk that failed once deserves a look.

use std::collections::BTreeMap;

use raft::Index;

/// What a member does with snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SnapshotWork {
    /// Writes one of its own state.
    Write,
    /// Reads one, to send it to a follower.
    Send,
    /// Writes and verifies one that the leader sends.
    Receive,
    /// Sets aside what may hold a wrong state.
    SetAside,
}

impl SnapshotWork {
    /// In lower case, as status pages show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            SnapshotWork::Write => "write",
            SnapshotWork::Send => "send",
            SnapshotWork::Receive => "receive",
            SnapshotWork::SetAside => "set_aside",
        }
    }
}

/// A failure that nothing has made good for since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFailure {
    /// What failed.
    pub work: SnapshotWork,
    /// Why, in words.
    pub reason: String,
    /// How long ago, in ms.
    pub ago_ms: u64,
}

/// The last failure of each kind of work, as long as it stands.
#[derive(Debug, Default)]
pub(super) struct Trouble(BTreeMap<SnapshotWork, Failed>);

#[derive(Debug)]
struct Failed {
    reason: String,
    at_ms: u64,
    /// The last entry of the snapshot: whoever has applied it needs no snapshot of it.
    last: Index,
}

impl Trouble {
    pub(super) fn failed(&mut self, work: SnapshotWork, now_ms: u64, last: Index, reason: String) {
        self.0.insert(work, Failed { reason, at_ms: now_ms, last });
    }

    /// It has succeeded, or is nobody's task any more.
    pub(super) fn over(&mut self, work: SnapshotWork) {
        self.0.remove(&work);
    }

    /// What still stands on a member that has applied everything up to `applied`.
    pub(super) fn standing(&self, now_ms: u64, applied: Index) -> Vec<SnapshotFailure> {
        let stands = |work, failed: &Failed| work != SnapshotWork::Receive || failed.last > applied;
        let standing = self.0.iter().filter(|(work, failed)| stands(**work, failed));
        let failure = |(&work, failed): (&SnapshotWork, &Failed)| SnapshotFailure {
            work,
            reason: failed.reason.clone(),
            ago_ms: now_ms.saturating_sub(failed.at_ms),
        };
        standing.map(failure).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(trouble: &Trouble, now_ms: u64, applied: u64) -> Vec<(&'static str, u64)> {
        let standing = trouble.standing(now_ms, Index(applied));
        standing.iter().map(|failure| (failure.work.as_str(), failure.ago_ms)).collect()
    }

    #[test]
    fn a_failure_stands_until_the_same_succeeds() {
        let mut trouble = Trouble::default();
        trouble.failed(SnapshotWork::Write, 10, Index(5), "disk".to_owned());
        trouble.failed(SnapshotWork::Send, 20, Index(4), "disk".to_owned());
        assert_eq!(standing(&trouble, 30, 100), [("write", 20), ("send", 10)]);
        trouble.over(SnapshotWork::Write);
        assert_eq!(standing(&trouble, 30, 100), [("send", 10)]);
    }

    #[test]
    fn what_was_to_be_received_does_not_matter_once_it_was_applied() {
        let mut trouble = Trouble::default();
        trouble.failed(SnapshotWork::Receive, 10, Index(5), "checksum".to_owned());
        assert_eq!(standing(&trouble, 10, 4), [("receive", 0)]);
        assert_eq!(standing(&trouble, 10, 5), []);
    }
}
