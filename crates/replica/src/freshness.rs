//! As of when this member's state is the cluster's: what a read that may be stale says of its age.
//!
//! Whenever the member hears how far the cluster has committed (`Raft::heard_commit`), it knows
//! what its state would have to hold to be the newest at that moment. Once it has applied that
//! much, it is as of then, whether anything was written since or not.
//!
//! ```text
//!   heard: commit 7          commit 9     commit 9
//!   applied:        7                           9
//!   as of  ·········▲ that first word ··········▲ the second (of the third: with the next)
//! ```

use raft::Index;

/// What was heard of the commit index, and when, on the caller's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Heard {
    commit: Index,
    at_ms: u64,
}

/// As of when the state is the cluster's.
#[derive(Debug, Default)]
pub(crate) struct Freshness {
    applied: Index,
    as_of_ms: Option<u64>,
    /// Of what was heard and is not applied yet, the oldest and the newest: two are enough to
    /// come closer while the state is always a little behind.
    oldest: Option<Heard>,
    newest: Option<Heard>,
}

impl Freshness {
    /// The state holds everything up to `applied`, and this was heard last.
    pub(crate) fn note(&mut self, heard: Option<(Index, u64)>, applied: Index) {
        if applied < self.applied {
            // Another state took the place of this one, which was wrong.
            *self = Freshness::default();
        }
        self.applied = applied;
        if let Some((commit, at_ms)) = heard {
            let heard = Some(Heard { commit, at_ms });
            if self.oldest.is_none() { self.oldest = heard } else { self.newest = heard }
        }
        while let Some(heard) = self.oldest.take_if(|heard| heard.commit <= applied) {
            self.as_of_ms = self.as_of_ms.max(Some(heard.at_ms));
            self.oldest = self.newest.take();
        }
    }

    /// ... None if it never was, since the process started.
    pub(crate) fn as_of_ms(&self) -> Option<u64> {
        self.as_of_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(freshness: &mut Freshness, heard: (u64, u64), applied: u64) -> Option<u64> {
        freshness.note(Some((Index(heard.0), heard.1)), Index(applied));
        freshness.as_of_ms()
    }

    #[test]
    fn a_state_that_has_all_that_was_committed_is_as_of_then_though_nothing_is_written() {
        let mut freshness = Freshness::default();
        assert_eq!(freshness.as_of_ms(), None);
        assert_eq!(note(&mut freshness, (7, 100), 7), Some(100));
        assert_eq!(note(&mut freshness, (7, 200), 7), Some(200));
        freshness.note(None, Index(7));
        assert_eq!(freshness.as_of_ms(), Some(200), "nothing more was heard");
    }

    #[test]
    fn a_state_that_is_behind_is_as_of_the_newest_word_that_it_has_reached() {
        let mut freshness = Freshness::default();
        assert_eq!(note(&mut freshness, (7, 100), 6), None);
        assert_eq!(note(&mut freshness, (9, 200), 7), Some(100));
        assert_eq!(note(&mut freshness, (11, 300), 9), Some(200));
        assert_eq!(note(&mut freshness, (11, 300), 11), Some(300));
    }

    #[test]
    fn another_state_that_is_older_is_as_of_nothing_yet() {
        let mut freshness = Freshness::default();
        assert_eq!(note(&mut freshness, (7, 100), 7), Some(100));
        freshness.note(None, Index(5));
        assert_eq!(freshness.as_of_ms(), None);
    }
}
