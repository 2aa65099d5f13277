//! Whether the members' states agree (rules 10.1–10.3).
//!
//! All members sample their state hash at the same entries of the log. Followers tell the leader
//! their newest samples; the leader finds what a majority has, and tells whoever differs. Only
//! samples of the same index and the same definition of the hash are compared.
//!
//! ```text
//!   check entry ─ applied ─▶ Sample ─ Report ─▶ leader: Comparison
//!                                                  ├─ a majority ─▶ Verdict, to who told and to
//!                                                  │                who differs
//!                                                  └─ none can be reached ─▶ alarm
//! ```
//!
//! What it does not do: it draws no conclusions. What a member does that differs, or a cluster
//! without a majority, is in `quarantine.rs`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use raft::MemberId;

/// A member keeps, and reports, so many of its newest samples.
pub const SAMPLES_MAX: usize = 4;

/// The state hash at one entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// The entry after which it was taken.
    pub index: u64,
    /// The definition of the hash (`store::STATE_HASH_VERSION`).
    pub version: u32,
    /// The hash.
    pub hash: u64,
}

impl Sample {
    /// What must be equal for the hashes to be comparable.
    fn subject(self) -> (u64, u32) {
        (self.index, self.version)
    }
}

/// A member's own newest samples, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Samples(VecDeque<Sample>);

impl Samples {
    pub(crate) fn record(&mut self, sample: Sample) {
        if self.0.len() == SAMPLES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    pub(crate) fn to_vec(&self) -> Vec<Sample> {
        self.0.iter().copied().collect()
    }

    /// Our own hash where `other` was taken, if we still know it.
    pub(crate) fn hash_at(&self, other: Sample) -> Option<u64> {
        self.0.iter().find(|own| own.subject() == other.subject()).map(|own| own.hash)
    }

    /// The state was replaced: what was sampled of the old one says nothing about the new.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}

/// What the leader makes of the samples at one index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// A majority has this one.
    Majority(Sample),
    /// However the missing members come out, no hash can get a majority.
    Split,
    /// Too few have told.
    Undecided,
}

/// What the leader of a term was told.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    reported: BTreeMap<MemberId, Vec<Sample>>,
}

impl Comparison {
    /// A member's newest samples; those told before are forgotten.
    pub(crate) fn report(&mut self, from: MemberId, samples: Vec<Sample>) {
        self.reported.insert(from, samples.into_iter().take(SAMPLES_MAX).collect());
    }

    /// Forgets who is no member any more.
    pub(crate) fn retain(&mut self, members: &BTreeSet<MemberId>) {
        self.reported.retain(|member, _| members.contains(member));
    }

    /// Everyone's samples that can be compared with `of`, its own among them.
    fn comparable(&self, of: Sample) -> impl Iterator<Item = (MemberId, Sample)> {
        self.reported.iter().flat_map(move |(&member, samples)| {
            let same = samples.iter().filter(move |sample| sample.subject() == of.subject());
            same.map(move |sample| (member, *sample))
        })
    }

    /// What is found at the index of `of`, by the votes of `voters`; `is_quorum` tells whether a
    /// set of members is a majority (of both sides, in a joint configuration).
    pub(crate) fn finding(
        &self,
        of: Sample,
        voters: &BTreeSet<MemberId>,
        is_quorum: impl Fn(&BTreeSet<MemberId>) -> bool,
    ) -> Finding {
        let mut camps: BTreeMap<u64, BTreeSet<MemberId>> = BTreeMap::new();
        let mut missing = voters.clone();
        for (member, sample) in self.comparable(of).filter(|(member, _)| voters.contains(member)) {
            camps.entry(sample.hash).or_default().insert(member);
            missing.remove(&member);
        }
        if let Some((&hash, _)) = camps.iter().find(|(_, camp)| is_quorum(camp)) {
            return Finding::Majority(Sample { hash, ..of });
        }
        let could_win =
            |camp: &BTreeSet<MemberId>| is_quorum(&camp.union(&missing).copied().collect());
        let undecided = is_quorum(&missing) || camps.values().any(could_win);
        if undecided { Finding::Undecided } else { Finding::Split }
    }

    /// The newest samples of all, one an index and definition, newest first.
    pub(crate) fn subjects(&self) -> Vec<Sample> {
        let all: BTreeMap<(u64, u32), Sample> =
            self.reported.values().flatten().map(|sample| (sample.subject(), *sample)).collect();
        all.into_values().rev().collect()
    }

    /// Whether the member has the majority's sample.
    pub(crate) fn agrees(&self, member: MemberId, majority: Sample) -> bool {
        self.reported.get(&member).is_some_and(|samples| samples.contains(&majority))
    }

    /// Members whose sample differs from the majority's.
    pub(crate) fn dissenters(&self, majority: Sample) -> Vec<MemberId> {
        let differs = |(_, sample): &(MemberId, Sample)| sample.hash != majority.hash;
        self.comparable(majority).filter(differs).map(|(member, _)| member).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: u64 = 7;

    fn sample(hash: u64) -> Sample {
        Sample { index: INDEX, version: 1, hash }
    }

    fn members(count: u64) -> BTreeSet<MemberId> {
        (1..=count).map(MemberId).collect()
    }

    /// Member `n` of `hashes.len()` reports the `n`-th hash, or nothing yet.
    fn told(hashes: &[Option<u64>]) -> (Comparison, BTreeSet<MemberId>) {
        let mut comparison = Comparison::default();
        for (position, hash) in hashes.iter().enumerate() {
            if let Some(hash) = hash {
                comparison.report(MemberId(position as u64 + 1), vec![sample(*hash)]);
            }
        }
        (comparison, members(hashes.len() as u64))
    }

    fn finding(hashes: &[Option<u64>]) -> Finding {
        let (comparison, voters) = told(hashes);
        let majority = voters.len() / 2 + 1;
        comparison.finding(sample(0), &voters, |set| set.len() >= majority)
    }

    #[test]
    fn a_majority_speaks_before_the_last_member_has() {
        assert_eq!(finding(&[Some(5), None, Some(5)]), Finding::Majority(sample(5)));
        assert_eq!(finding(&[Some(5), Some(6), Some(5)]), Finding::Majority(sample(5)));
    }

    #[test]
    fn without_enough_voices_nothing_is_decided() {
        assert_eq!(finding(&[Some(5), None, None]), Finding::Undecided);
        assert_eq!(finding(&[Some(5), Some(6), None]), Finding::Undecided);
    }

    #[test]
    fn a_split_is_known_as_soon_as_nobody_can_win() {
        assert_eq!(finding(&[Some(5), Some(6), Some(7)]), Finding::Split);
        assert_eq!(finding(&[Some(5), Some(6)]), Finding::Split);
        let five = [Some(5), Some(5), Some(6), Some(6), Some(7)];
        assert_eq!(finding(&five), Finding::Split);
        assert_eq!(finding(&[Some(5), Some(5), Some(6), Some(6), None]), Finding::Undecided);
    }

    #[test]
    fn other_definitions_and_other_indexes_are_not_compared() {
        let (mut comparison, voters) = told(&[Some(5), Some(5), None]);
        comparison.report(MemberId(3), vec![Sample { version: 2, ..sample(9) }]);
        let majority = comparison.finding(sample(0), &voters, |set| set.len() >= 2);
        assert_eq!(majority, Finding::Majority(sample(5)));
        assert_eq!(comparison.dissenters(sample(5)), []);
        comparison.report(MemberId(3), vec![Sample { index: 8, ..sample(9) }]);
        assert_eq!(comparison.dissenters(sample(5)), []);
    }

    #[test]
    fn who_differs_is_named_a_learner_too() {
        let (mut comparison, voters) = told(&[Some(5), Some(5), Some(6)]);
        comparison.report(MemberId(9), vec![sample(6)]);
        let found = comparison.finding(sample(0), &voters, |set| set.len() >= 2);
        assert_eq!(found, Finding::Majority(sample(5)));
        assert_eq!(comparison.dissenters(sample(5)), [MemberId(3), MemberId(9)]);
    }

    #[test]
    fn a_learners_sample_is_no_vote() {
        let (mut comparison, voters) = told(&[Some(5), None, None]);
        comparison.report(MemberId(9), vec![sample(5)]);
        let found = comparison.finding(sample(0), &voters, |set| set.len() >= 2);
        assert_eq!(found, Finding::Undecided);
    }

    #[test]
    fn only_the_newest_samples_are_kept() {
        let mut samples = Samples::default();
        for index in 1..=10 {
            samples.record(Sample { index, version: 1, hash: index });
        }
        assert_eq!(samples.to_vec().len(), SAMPLES_MAX);
        assert_eq!(samples.hash_at(Sample { index: 10, version: 1, hash: 0 }), Some(10));
        assert_eq!(samples.hash_at(Sample { index: 6, version: 1, hash: 0 }), None);
    }
}
