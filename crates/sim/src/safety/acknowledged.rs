//! Acknowledged means never lost (contract 1): what was committed is there after every machine
//! has lost power at once. (That every acknowledged write was committed, the oracle checks.)

use std::collections::BTreeMap;

use raft::{Index, Log, MemberId};

use super::log_id_at;
use super::quorum::is_quorum;
use crate::ledger::Ledger;

/// The commit index that a member finds on its disk is a hint, and never above the truth.
pub(crate) fn check_hint(id: MemberId, commit: Index, log: &Log, ledger: &Ledger) {
    assert!(commit <= ledger.last(), "commit hint: {id} came back with {commit}");
    let found = log_id_at(log, commit);
    let committed = ledger.get(commit).map(|committed| committed.entry.id);
    let in_snapshot = commit < log.start().index;
    assert!(
        in_snapshot || commit.0 == 0 || found == committed,
        "commit hint: {id} has {found:?} at {commit}"
    );
}

/// All machines lost power: `logs` is what the disks hold that never harmed anything, and are still
/// there, each with the index of the snapshot that its member starts from. Whoever holds the newest
/// configuration holds everything before it, so its voters are the ones to have it all; what the
/// others of them had may be gone.
pub(crate) fn check_after_blackout(logs: &BTreeMap<MemberId, (Log, Index)>, ledger: &Ledger) {
    let voters = ledger.membership();
    for committed in ledger.iter() {
        let id = committed.entry.id;
        let has = |(log, state): &(Log, Index)| log.holds(id) || id.index <= *state;
        let holds = |member| logs.get(&member).is_none_or(has);
        assert!(is_quorum(voters, holds), "acknowledged, never lost: {id} is on too few disks");
    }
}
