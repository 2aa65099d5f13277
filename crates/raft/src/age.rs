//! The age of the cluster: for how long it has had a leader, in ms (rule 8.1). What is to live for
//! some time lives by it, so no leader may be ahead of the one that wrote it.
//!
//! A leader goes on from the age of its log's last entry, or from the age that it heard in that
//! entry's term, if that is more: who led then had all of this log, and was not ahead of any of
//! it. What was heard from others says nothing: they may have had another log, and what is
//! written in a term goes by its leader's age. For the same reason an entry that is truncated
//! takes its age with it (`log.rs`).

use crate::role::Role;
use crate::{Now, Raft, Term};

/// The age that was heard from the newest leader, or reached as one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeardAge {
    term: Term,
    age_ms: u64,
}

impl HeardAge {
    /// The leader of `term` says so; messages of one term may overtake each other.
    pub(crate) fn hear(&mut self, term: Term, age_ms: u64) {
        let before_ms = if term == self.term { self.age_ms } else { 0 };
        if term >= self.term {
            *self = HeardAge { term, age_ms: age_ms.max(before_ms) };
        }
    }

    fn in_term(self, term: Term) -> u64 {
        if self.term == term { self.age_ms } else { 0 }
    }
}

impl Raft {
    /// For how many ms the cluster has had a leader, as far as this member knows (rule 8.1).
    pub fn age_ms(&self) -> u64 {
        self.age_at(self.now)
    }

    /// The same at a moment that no other input has told yet.
    pub fn age_at(&self, now: Now) -> u64 {
        match &self.role {
            Role::Leader(leader) => {
                let now_ms = now.monotonic_ms.max(self.now.monotonic_ms);
                let led_ms = now_ms.saturating_sub(leader.age_since_ms);
                leader.age_base_ms.saturating_add(led_ms)
            }
            _ => self.heard_age.age_ms.max(self.log.age_ms()),
        }
    }

    /// Where a leader's age begins.
    pub(crate) fn age_to_lead_from(&self) -> u64 {
        self.heard_age.in_term(self.log.last().term).max(self.log.age_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_leader_s_word_stands_whatever_was_heard_before() {
        let mut heard = HeardAge::default();
        heard.hear(Term(2), 3_600_000);
        heard.hear(Term(2), 3_599_000);
        assert_eq!(heard.age_ms, 3_600_000, "overtaken on the way");
        heard.hear(Term(3), 1_000);
        assert_eq!(heard.age_ms, 1_000);
        heard.hear(Term(2), 3_700_000);
        assert_eq!(heard.age_ms, 1_000, "its time is over");
    }
}
