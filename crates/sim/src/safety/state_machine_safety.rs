//! State machine safety: if a server has applied a log entry at a given index to its state
//! machine, no other server will ever apply a different log entry for the same index (§5.4.3).
//!
//! Checked at commit, which is earlier than apply: whatever a member commits must be what the
//! ledger has at that index. The first member to commit an index writes it into the ledger.

use raft::{Index, LogId, Raft};

use super::log_id_at;
use crate::ledger::Ledger;

/// Compares what the member committed since `commit_before`; answers what it commits first.
pub(crate) fn check(raft: &Raft, commit_before: Index, ledger: &Ledger) -> Vec<LogId> {
    let (log, commit, known) = (raft.log(), raft.commit(), ledger.last());
    // What is before the start came with a snapshot; its state is compared once it shows.
    let first = commit_before.next().max(log.start().index);
    for index in first.0.max(1)..=commit.min(known).0 {
        check_one(raft, Index(index), ledger);
    }
    let new = known.0 + 1..=commit.0;
    new.map(|index| log_id_at(log, Index(index)).expect("it is committed")).collect()
}

fn check_one(raft: &Raft, index: Index, ledger: &Ledger) {
    let own = log_id_at(raft.log(), index);
    let committed = ledger.get(index).map(|committed| committed.entry.id);
    assert_eq!(own, committed, "state machine safety: index {index} on {}", raft.id());
}

/// Everything a member holds to be committed, in full.
pub(crate) fn scan(raft: &Raft, ledger: &Ledger) {
    for index in raft.log().start().index.0.max(1)..=raft.commit().0 {
        check_one(raft, Index(index), ledger);
    }
}
