//! Majority arithmetic, and nothing else.

use std::collections::BTreeSet;

use crate::MemberId;

/// How many of `voters` make a majority.
pub(crate) fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// Whether a majority of `voters` is among those that `has` says yes to. Never, of nobody.
pub(crate) fn is_majority(voters: &BTreeSet<MemberId>, has: impl Fn(MemberId) -> bool) -> bool {
    voters.iter().filter(|&&voter| has(voter)).count() >= majority(voters.len())
}

/// The largest value that a majority of `voters` has reached; None of nobody.
///
/// Sorted descending, the value at position `majority - 1` is reached by that many voters.
pub(crate) fn reached<T: Ord + Copy>(
    voters: &BTreeSet<MemberId>,
    value: impl Fn(MemberId) -> T,
) -> Option<T> {
    let mut values: Vec<T> = voters.iter().map(|&voter| value(voter)).collect();
    values.sort_unstable_by(|a, b| b.cmp(a));
    values.get(majority(voters.len()) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn majority_is_more_than_half() {
        let counts: Vec<usize> = (1..=7).map(majority).collect();
        assert_eq!(counts, [1, 2, 2, 3, 3, 4, 4]);
    }

    #[test]
    fn nobody_is_no_majority() {
        let nobody = BTreeSet::new();
        assert!(!is_majority(&nobody, |_| true));
        assert_eq!(reached(&nobody, |_| 9), None);
    }

    #[test]
    fn reached_value_is_held_by_a_majority_and_no_larger_one_is() {
        // Against the definition, over all small inputs.
        for count in 1..=5_u64 {
            let voters: BTreeSet<MemberId> = (0..count).map(MemberId).collect();
            for code in 0..4_u64.pow(count as u32) {
                let value = |voter: MemberId| code / 4_u64.pow(voter.0 as u32) % 4;
                let reached = reached(&voters, value).expect("there are voters");
                assert!(is_majority(&voters, |voter| value(voter) >= reached));
                assert!(!is_majority(&voters, |voter| value(voter) > reached));
            }
        }
    }
}
