//! Election safety: at most one leader can be elected in a given term (§5.2).

use std::collections::BTreeMap;

use raft::{MemberId, Raft, Term};

#[derive(Debug, Default)]
pub(crate) struct ElectionSafety {
    leaders: BTreeMap<Term, MemberId>,
}

impl ElectionSafety {
    pub(crate) fn check(&mut self, raft: &Raft) {
        if !raft.is_leader() {
            return;
        }
        let (term, id) = (raft.term(), raft.id());
        let elected = *self.leaders.entry(term).or_insert(id);
        assert_eq!(elected, id, "election safety: two leaders in term {term}");
    }
}
