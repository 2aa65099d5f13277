//! Committed means durable on a quorum (contract 1): no entry counts as committed before a
//! majority has it on disk.
//!
//! In two halves. When an entry is committed, a majority must *say* that they have it on disk,
//! counted over living members and dead ones. And when a member comes back after a crash, what it
//! had said must be *true*: its log still holds everything it had called durable.

use std::collections::BTreeMap;

use raft::{Log, LogId, MemberId};

use super::view::View;

#[derive(Debug)]
pub(crate) struct DurableQuorum {
    majority: usize,
}

impl DurableQuorum {
    pub(crate) fn new(members: usize) -> DurableQuorum {
        DurableQuorum { majority: members / 2 + 1 }
    }

    pub(crate) fn check(&self, views: &BTreeMap<MemberId, View>, id: LogId) {
        let copies = views.values().filter(|view| view.durable >= id.index && view.holds(id));
        let copies = copies.count();
        assert!(copies >= self.majority, "durable quorum: {id} is committed with {copies} copies");
    }
}

/// A member came back with `log`: everything it had called durable must be there.
pub(crate) fn check_recovered(id: MemberId, before: &View, log: &Log) {
    let claimed = before.last_durable();
    assert!(log.holds(claimed), "durable quorum: {id} lost {claimed}, which it had on disk");
}
