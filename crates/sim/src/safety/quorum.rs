//! Majorities, counted a second time, in the plainest way: what judges the members must not go by
//! the members' own counting.

use std::collections::BTreeSet;

use raft::{MemberId, Membership};

/// Whether those that `has` says yes to are a majority of every set of voters that counts.
pub(crate) fn is_quorum(membership: &Membership, has: impl Fn(MemberId) -> bool) -> bool {
    let is_majority = |voters: &BTreeSet<MemberId>| {
        let yes = voters.iter().filter(|&&id| has(id)).count();
        yes * 2 > voters.len()
    };
    is_majority(&membership.incoming)
        && (membership.outgoing.is_empty() || is_majority(&membership.outgoing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ids: &[u64]) -> BTreeSet<MemberId> {
        ids.iter().copied().map(MemberId).collect()
    }

    #[test]
    fn a_majority_of_both_sets_is_needed_and_learners_count_for_nothing() {
        let membership =
            Membership { incoming: of(&[1, 2, 4]), outgoing: of(&[1, 2]), learners: of(&[7]) };
        let quorum = |yes: &[u64]| is_quorum(&membership, |id| yes.contains(&id.0));
        assert!(quorum(&[1, 2]));
        assert!(!quorum(&[1, 4]) && !quorum(&[1, 7]) && !quorum(&[]));
        assert!(!is_quorum(&Membership::of_voters([1, 2].map(MemberId)), |id| id.0 == 1));
    }
}
