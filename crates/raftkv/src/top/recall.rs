//! What was heard last of each member, for when the member that tells changes: the new one has not
//! heard of all others yet, and of one that died meanwhile it never will.

use std::collections::BTreeMap;

use client::{ClusterState, MemberState};

use super::model::MEMBERS_MAX;

/// By the clock of whoever tells; clocks of two members are brought together at the change.
#[derive(Debug, Clone, Default)]
pub(super) struct Recall {
    /// By id: as it was, and when that was heard, in µs.
    heard: BTreeMap<String, (MemberState, u64)>,
    /// When the last state was told.
    told_us: u64,
    teller_is_new: bool,
}

impl Recall {
    /// Another member tells from now on.
    pub(super) fn change_teller(&mut self) {
        self.teller_is_new = true;
    }

    /// Fills in what is known of members that the teller has not heard of.
    pub(super) fn complete(&mut self, t_us: u64, state: &mut ClusterState) {
        if std::mem::take(&mut self.teller_is_new) {
            for (_, heard_us) in self.heard.values_mut() {
                let age_us = self.told_us.saturating_sub(*heard_us);
                *heard_us = t_us.saturating_sub(age_us);
            }
        }
        self.told_us = t_us;
        self.heard.retain(|id, _| state.members.iter().any(|member| member.id == *id));
        for member in state.members.iter_mut().take(MEMBERS_MAX) {
            match member.heard_ms {
                Some(heard_ms) => {
                    let age_us = heard_ms.saturating_mul(1_000);
                    self.keep(t_us.saturating_sub(age_us), member);
                }
                None => self.fill_in(t_us, member),
            }
        }
    }

    fn keep(&mut self, heard_us: u64, member: &MemberState) {
        self.heard.insert(member.id.clone(), (member.clone(), heard_us));
    }

    fn fill_in(&self, t_us: u64, member: &mut MemberState) {
        if let Some((was, heard_us)) = self.heard.get(&member.id) {
            let heard_ms = Some(t_us.saturating_sub(*heard_us) / 1_000);
            // Only of those that are in touch with it is that a word of today.
            *member = MemberState { heard_ms, matched: None, ..was.clone() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::tests::{cluster, member};

    /// Of a teller that has heard of number 1 alone.
    fn new_teller() -> ClusterState {
        let unheard = |number| {
            let MemberState { id, name, url, standing, .. } = member(number);
            MemberState { id, name, url, standing, ..MemberState::default() }
        };
        ClusterState { members: vec![member(1), unheard(2), unheard(3)], ..cluster() }
    }

    fn heard_ms(state: &ClusterState) -> Vec<Option<u64>> {
        state.members.iter().map(|member| member.heard_ms).collect()
    }

    #[test]
    fn what_the_one_before_has_heard_counts_whatever_the_clocks_say() {
        for new_clock_us in [50_000_000, 9_000_000_000, 5_000_000] {
            let mut recall = Recall::default();
            recall.complete(40_000_000, &mut cluster());
            recall.change_teller();
            recall.complete(new_clock_us, &mut new_teller());
            let mut later = new_teller();
            recall.complete(new_clock_us + 3_000_000, &mut later);
            assert_eq!(heard_ms(&later), [Some(20), Some(3_020), Some(3_020)], "{new_clock_us}");
            assert_eq!(later.members[1].log, member(2).log);
        }
    }

    #[test]
    fn a_member_that_nobody_has_heard_of_stays_unknown() {
        let mut state = new_teller();
        Recall::default().complete(1, &mut state);
        assert_eq!(heard_ms(&state), [Some(20), None, None]);
    }

    #[test]
    fn members_that_are_gone_are_forgotten() {
        let mut recall = Recall::default();
        recall.complete(1, &mut cluster());
        recall.complete(2, &mut ClusterState { members: vec![member(1)], ..cluster() });
        assert_eq!(recall.heard.len(), 1);
        let huge = MemberState { heard_ms: Some(u64::MAX), ..member(1) };
        recall.complete(3, &mut ClusterState { members: vec![huge], ..cluster() });
        assert_eq!(recall.heard["1"].1, 0);
    }
}
