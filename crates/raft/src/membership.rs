//! Who counts for what (§6): one set of voters, or two while the voters change.
//!
//! In a *joint* membership everything that needs a majority needs two: one of the voters before
//! (`outgoing`) and one of the voters after (`incoming`). So no two majorities can ever decide
//! without knowing of each other, whichever of the configurations their members have heard of.
//!
//! A membership counts from the moment its entry is appended, committed or not (rule 4.1), and
//! stops counting when that entry is dropped: [`Memberships`] keeps one for each configuration
//! entry of the log, and the one that stood where the log begins.
//!
//! What it does not do: it knows neither names nor addresses. The payloads of configuration
//! entries belong to the caller, who tells by a [`ConfigurationCodec`] what they mean for voting.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use crate::quorum::{is_majority, reached};
use crate::{Index, MemberId};

/// The members, by what they count for. Nobody is in it while a member that joins has an empty
/// log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// The voters; in a joint membership those after it.
    pub incoming: BTreeSet<MemberId>,
    /// In a joint membership the voters before it; else empty.
    pub outgoing: BTreeSet<MemberId>,
    /// Those that get everything and count for nothing (rule 4.2). None of them is a voter.
    pub learners: BTreeSet<MemberId>,
}

impl Membership {
    /// Of these voters and nobody else.
    pub fn of_voters(voters: impl IntoIterator<Item = MemberId>) -> Membership {
        Membership { incoming: voters.into_iter().collect(), ..Membership::default() }
    }

    /// Whether two majorities are needed.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether that member counts for any majority.
    pub fn is_voter(&self, id: MemberId) -> bool {
        self.incoming.contains(&id) || self.outgoing.contains(&id)
    }

    /// All that count for a majority, each once, in order.
    pub fn voters(&self) -> impl Iterator<Item = MemberId> {
        self.incoming.union(&self.outgoing).copied()
    }

    /// All members, each once, in order.
    pub fn members(&self) -> BTreeSet<MemberId> {
        self.voters().chain(self.learners.iter().copied()).collect()
    }

    /// Whether those that `has` says yes to make every majority that is needed.
    pub fn is_quorum(&self, has: impl Fn(MemberId) -> bool) -> bool {
        is_majority(&self.incoming, &has) && (!self.is_joint() || is_majority(&self.outgoing, &has))
    }

    /// The largest value that every majority that is needed has reached; None if nobody votes.
    pub(crate) fn reached<T: Ord + Copy>(&self, value: impl Fn(MemberId) -> T) -> Option<T> {
        let after = reached(&self.incoming, &value)?;
        let before = reached(&self.outgoing, &value);
        Some(before.map_or(after, |before| before.min(after)))
    }

    /// Whether this one may directly follow `present`, which is not joint: the voters stay, or
    /// they are what the joint one leaves (§6).
    pub(crate) fn may_follow(&self, present: &Membership) -> bool {
        let voters_before = if self.is_joint() { &self.outgoing } else { &self.incoming };
        self.is_consistent() && !present.is_joint() && *voters_before == present.incoming
    }

    /// There is somebody to vote, and nobody both votes and only learns.
    pub(crate) fn is_consistent(&self) -> bool {
        !self.incoming.is_empty() && self.voters().all(|voter| !self.learners.contains(&voter))
    }
}

/// What the payloads of configuration entries mean, as pure functions of theirs.
#[derive(Clone, Copy, Debug)]
pub struct ConfigurationCodec {
    /// Who counts for what; None if it is no payload of a configuration.
    pub decode: fn(&Bytes) -> Option<Membership>,
    /// The payload that follows that of a joint configuration; None if this is none.
    pub leave_joint: fn(&Bytes) -> Option<Bytes>,
}

/// A configuration: from where it counts, what it says, and what that means.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configured {
    pub(crate) index: Index,
    pub(crate) payload: Bytes,
    pub(crate) membership: Membership,
}

/// Every configuration of the log, in order.
#[derive(Debug)]
pub(crate) struct Memberships {
    codec: ConfigurationCodec,
    /// What counted at the log's start: nothing, in a log that was never cut.
    base: Configured,
    /// Those of the entries after it.
    later: VecDeque<Configured>,
}

impl Memberships {
    /// `base` counts at the log's start (empty: nobody does); then come the log's own.
    pub(crate) fn new(
        codec: ConfigurationCodec,
        base: (Index, Bytes),
        later: Vec<(Index, Bytes)>,
    ) -> Memberships {
        let base = Memberships::read(codec, base);
        let mut memberships = Memberships { codec, base, later: VecDeque::new() };
        for (index, payload) in later {
            memberships.append(index, payload);
        }
        memberships
    }

    fn read(codec: ConfigurationCodec, (index, payload): (Index, Bytes)) -> Configured {
        if payload.is_empty() {
            return Configured::default();
        }
        let membership = (codec.decode)(&payload);
        let membership = membership.expect("configurations are read before they are taken");
        Configured { index, payload, membership }
    }

    /// Whether a configuration of that payload can be taken.
    pub(crate) fn is_readable(&self, payload: &Bytes) -> bool {
        (self.codec.decode)(payload).is_some_and(|membership| membership.is_consistent())
    }

    /// The entry at `index` is a configuration.
    pub(crate) fn append(&mut self, index: Index, payload: Bytes) {
        assert!(index > self.newest().index, "configurations follow each other");
        self.later.push_back(Memberships::read(self.codec, (index, payload)));
    }

    /// The entry at `from` and all after it were dropped.
    pub(crate) fn truncate_from(&mut self, from: Index) {
        assert!(from > self.base.index, "what is before the log's start is committed");
        while self.later.back().is_some_and(|configured| configured.index >= from) {
            self.later.pop_back();
        }
    }

    /// The log now starts at `start`, which is committed.
    pub(crate) fn cut(&mut self, start: Index) {
        while self.later.front().is_some_and(|configured| configured.index <= start) {
            self.base = self.later.pop_front().expect("front() was Some");
        }
    }

    /// The whole log was replaced by a snapshot, in which `base` counted.
    pub(crate) fn restart_at(&mut self, base: (Index, Bytes)) {
        self.base = Memberships::read(self.codec, base);
        self.later.clear();
    }

    /// The one that counts.
    pub(crate) fn newest(&self) -> &Configured {
        self.later.back().unwrap_or(&self.base)
    }

    /// The one that counted before it, if the log tells; else the newest itself.
    pub(crate) fn before_newest(&self) -> &Configured {
        self.later.iter().rev().nth(1).unwrap_or(&self.base)
    }

    /// How many there are after `index`.
    pub(crate) fn count_after(&self, index: Index) -> usize {
        self.later.iter().filter(|configured| configured.index > index).count()
    }

    /// What follows the newest, if that is joint.
    pub(crate) fn leave_joint(&self) -> Option<Bytes> {
        let newest = self.newest();
        let joint = newest.membership.is_joint();
        joint.then(|| {
            let next = (self.codec.leave_joint)(&newest.payload);
            next.expect("a joint configuration can be left")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODEC: ConfigurationCodec =
        ConfigurationCodec { decode: one_voter_a_byte, leave_joint: |_| None };

    fn one_voter_a_byte(payload: &Bytes) -> Option<Membership> {
        Some(Membership::of_voters(payload.iter().map(|&byte| MemberId(byte.into()))))
    }

    fn ids(ids: &[u64]) -> BTreeSet<MemberId> {
        ids.iter().copied().map(MemberId).collect()
    }

    fn joint(outgoing: &[u64], incoming: &[u64]) -> Membership {
        Membership { incoming: ids(incoming), outgoing: ids(outgoing), learners: ids(&[]) }
    }

    #[test]
    fn a_joint_quorum_is_a_majority_of_both() {
        let membership = joint(&[1, 2, 3], &[3, 4, 5]);
        let quorum = |of: &[u64]| membership.is_quorum(|id| of.contains(&id.0));
        assert!(!quorum(&[1, 2]) && !quorum(&[4, 5]) && !quorum(&[1, 4, 5]));
        assert!(quorum(&[1, 3, 4]) && quorum(&[1, 2, 4, 5]));
    }

    #[test]
    fn what_a_joint_membership_reached_is_what_both_majorities_did() {
        let membership = joint(&[1, 2, 3], &[3, 4, 5]);
        assert_eq!(membership.reached(|id| id.0), Some(2));
        assert_eq!(membership.reached(|id| 6 - id.0), Some(2));
        assert_eq!(Membership::default().reached(|id| id.0), None);
    }

    #[test]
    fn only_the_same_voters_or_their_joint_membership_may_follow() {
        let present = Membership::of_voters([1, 2, 3].map(MemberId));
        let with_learner = Membership { learners: ids(&[4]), ..present.clone() };
        assert!(with_learner.may_follow(&present));
        assert!(joint(&[1, 2, 3], &[1, 2, 4]).may_follow(&present));
        assert!(!Membership::of_voters([1, 2].map(MemberId)).may_follow(&present));
        assert!(!joint(&[1, 2], &[1, 2, 4]).may_follow(&present));
        assert!(!present.may_follow(&joint(&[1, 2, 4], &[1, 2, 3])), "leaving is not asked for");
        let both = Membership { learners: ids(&[1]), ..present.clone() };
        assert!(!both.may_follow(&present));
    }

    #[test]
    fn a_dropped_configuration_counts_no_more() {
        let base = (Index(0), Bytes::new());
        let mut memberships = Memberships::new(CODEC, base, vec![(Index(1), vec![1].into())]);
        memberships.append(Index(5), vec![1, 2].into());
        assert_eq!(memberships.newest().membership.incoming, ids(&[1, 2]));
        assert_eq!((memberships.count_after(Index(4)), memberships.count_after(Index(5))), (1, 0));
        memberships.truncate_from(Index(3));
        assert_eq!(memberships.newest().membership.incoming, ids(&[1]));
        memberships.truncate_from(Index(1));
        assert_eq!(memberships.newest().membership, Membership::default());
    }

    #[test]
    fn what_counted_at_the_start_of_a_cut_log_is_kept() {
        let later = vec![(Index(1), vec![1].into()), (Index(5), vec![1, 2].into())];
        let mut memberships = Memberships::new(CODEC, (Index(0), Bytes::new()), later);
        memberships.cut(Index(4));
        memberships.truncate_from(Index(5));
        assert_eq!(memberships.newest().membership.incoming, ids(&[1]));
        memberships.restart_at((Index(9), vec![3].into()));
        assert_eq!(memberships.newest().index, Index(9));
    }
}
