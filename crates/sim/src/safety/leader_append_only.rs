//! Leader append-only: a leader never overwrites or deletes entries in its log; it only appends
//! new entries (§5.3).

use std::collections::BTreeMap;

use raft::{LogId, MemberId, Raft, Term};

#[derive(Debug, Default)]
pub(crate) struct LeaderAppendOnly {
    /// Of each leader the term it leads in, and the end of its log when it was last seen.
    leaders: BTreeMap<MemberId, (Term, LogId)>,
}

impl LeaderAppendOnly {
    pub(crate) fn check(&mut self, raft: &Raft) {
        let (id, term) = (raft.id(), raft.term());
        if !raft.is_leader() {
            self.forget(id);
            return;
        }
        if let Some((led, last)) = self.leaders.insert(id, (term, raft.log().last()))
            && led == term
        {
            let cut = last.index < raft.log().start().index;
            let holds = cut || raft.log().holds(last);
            assert!(holds, "leader append-only: {id} lost {last} while it led term {term}");
        }
    }

    pub(crate) fn forget(&mut self, id: MemberId) {
        self.leaders.remove(&id);
    }
}
