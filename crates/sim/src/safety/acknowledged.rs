//! Acknowledged means never lost (contract 1): what was committed is there after every machine
//! has lost power at once. (That every acknowledged write was committed, the oracle checks.)

use std::collections::BTreeMap;

use raft::{Index, Log, MemberId};

use super::log_id_at;
use crate::ledger::Ledger;

/// The commit index that a member finds on its disk is a hint, and never above the truth.
pub(crate) fn check_hint(id: MemberId, commit: Index, log: &Log, ledger: &Ledger) {
    assert!(commit <= ledger.last(), "commit hint: {id} came back with {commit}");
    let found = log_id_at(log, commit);
    let committed = ledger.get(commit).map(|committed| committed.entry.id);
    assert!(commit.0 == 0 || found == committed, "commit hint: {id} has {found:?} at {commit}");
}

/// All machines lost power: `logs` is what their disks hold.
pub(crate) fn check_after_blackout(
    logs: &BTreeMap<MemberId, Log>,
    majority: usize,
    ledger: &Ledger,
) {
    for committed in ledger.iter() {
        let id = committed.entry.id;
        let copies = logs.values().filter(|log| log.holds(id)).count();
        assert!(copies >= majority, "acknowledged, never lost: {id} is left on {copies} disks");
    }
}
