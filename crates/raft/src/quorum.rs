//! Majority arithmetic, and nothing else.

/// How many of `voters` make a majority.
pub(crate) fn majority(voters: usize) -> usize {
    assert!(voters > 0, "a cluster has voters");
    voters / 2 + 1
}

/// The largest value that a majority has reached, given each voter's value.
///
/// Sorted descending, the value at position `majority - 1` is reached by that many voters.
pub(crate) fn reached_by_majority<T: Ord + Copy>(values: &mut [T]) -> T {
    let needed = majority(values.len());
    values.sort_unstable_by(|a, b| b.cmp(a));
    values[needed - 1]
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
    fn reached_value_is_held_by_a_majority_and_no_larger_one_is() {
        // Against the definition, over all small inputs.
        for voters in 1..=5_u32 {
            for code in 0..4_u32.pow(voters) {
                let values: Vec<u32> = (0..voters).map(|i| code / 4_u32.pow(i) % 4).collect();
                let reached = reached_by_majority(&mut values.clone());
                let holders = |at_least| values.iter().filter(|&&v| v >= at_least).count();
                assert!(holders(reached) >= majority(values.len()));
                assert!(holders(reached + 1) < majority(values.len()));
            }
        }
    }
}
