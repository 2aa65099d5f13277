//! Committed means durable on a quorum (contract 1): no entry counts as committed before a
//! majority has it on disk.
//!
//! In two halves. When an entry is committed, a majority must *say* that they have it on disk,
//! counted over living members and dead ones. And when a member comes back after a crash, what it
//! had said must be *true*: its log still holds everything it had called durable.

use std::collections::BTreeMap;

use raft::{Log, LogId, MemberId, Membership};

use super::quorum::is_quorum;
use super::view::View;
use crate::ledger::Ledger;

/// `id` was committed by a member whose log ends with the configuration `newest`.
///
/// A joint configuration needs both majorities for itself, and for what comes after it until the
/// final one is in the leader's log: that is appended only once the joint one is committed.
pub(crate) fn check(
    views: &BTreeMap<MemberId, View>,
    ledger: &Ledger,
    id: LogId,
    newest: &Membership,
) {
    let holds = |member: MemberId| {
        let view = views.get(&member);
        // What it had, lost and knows that it lost, may have been counted before it lost it.
        let had = |view: &View| view.durable >= id.index && view.holds(id) || id <= view.floor;
        view.is_some_and(had)
    };
    let (at, counted) = ledger.membership_at(id.index);
    let left = counted.is_joint() && at < id.index && !newest.is_joint();
    assert!(
        is_quorum(counted, holds) || left && is_quorum(newest, holds),
        "durable quorum: {id} is committed without a quorum of {counted:?}"
    );
}

/// A member came back with `log`: everything it had called durable must be there, or below the
/// `floor` up to which it knows that it lost something.
pub(crate) fn check_recovered(id: MemberId, before: &View, log: &Log, floor: LogId) {
    let claimed = before.last_durable();
    let in_snapshot = claimed.index < log.start().index;
    assert!(
        in_snapshot || log.holds(claimed) || claimed <= floor,
        "durable quorum: {id} lost {claimed}, which it had on disk"
    );
}
