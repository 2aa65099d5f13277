//! Sorted keys that are searched by eight bytes of each.
//!
//! A key's *head* is the eight bytes after what it has in common with its neighbours, as a number
//! that orders like them. Heads stand side by side, so a search among them costs no cache miss for
//! each key it compares; nearly always they are enough.

/// How many heads fill a cache line.
const LINE_HEADS: usize = 8;

/// So many heads are searched by a look at each of their cache lines, more are halved.
const SCANNED_HEADS_MAX: usize = 256;

/// The first bytes of `rest`, what a key has after the common ones. Keys that are shorter count as
/// continued by zeros, so equal heads decide nothing.
pub(crate) fn head(rest: &[u8]) -> u64 {
    if let Some(first) = rest.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    let mut head = [0; size_of::<u64>()];
    head[..rest.len()].copy_from_slice(rest);
    u64::from_be_bytes(head)
}

/// How many of the ascending `heads` are smaller than `head`.
///
/// One head of each cache line is looked at first: these looks do not wait for one another, where
/// each step of a binary search waits for memory before it knows the next.
pub(crate) fn smaller(heads: &[u64], head: u64) -> usize {
    if heads.len() > SCANNED_HEADS_MAX {
        return heads.partition_point(|&other| other < head);
    }
    let smaller = |heads: &[u64]| heads.iter().filter(|&&other| other < head).count();
    let last_of_lines = heads.iter().skip(LINE_HEADS - 1).step_by(LINE_HEADS);
    let passed = LINE_HEADS * last_of_lines.filter(|&&last| last < head).count();
    let rest = &heads[passed..];
    passed + smaller(&rest[..rest.len().min(LINE_HEADS)])
}

/// How many of the ascending `heads`, from the first on, are this one.
pub(crate) fn equal(heads: &[u64], head: u64) -> usize {
    match heads {
        [first, second, ..] if *first == head && *second == head => {
            heads.partition_point(|&other| other == head)
        }
        [first, ..] => usize::from(*first == head),
        [] => 0,
    }
}

/// How many first bytes two keys have in common: every key between them has those too.
pub(crate) fn common_prefix(lower: &[u8], upper: &[u8]) -> usize {
    lower.iter().zip(upper).take_while(|(lower, upper)| lower == upper).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Around the borders of cache lines, and where the search changes its ways.
    #[test]
    fn heads_are_ranked_as_by_a_binary_search() {
        for count in (0..40).chain([255, 256, 257, 600]) {
            // Each head is there three times.
            let heads: Vec<u64> = (0..count).map(|number| 10 * (number / 3 * 2 + 1)).collect();
            for wanted in (0..=heads.last().map_or(5, |last| last + 5)).step_by(5) {
                let first = smaller(&heads, wanted);
                assert_eq!(first, heads.partition_point(|&other| other < wanted));
                let after = first + equal(&heads[first..], wanted);
                assert_eq!(after, heads.partition_point(|&other| other <= wanted));
            }
        }
    }

    #[test]
    fn heads_order_like_the_bytes_but_for_zeros_at_the_end() {
        let ascending: [&[u8]; 6] = [b"", b"\x01", b"a", b"ab", b"abcdefgh", b"b"];
        let heads: Vec<u64> = ascending.iter().map(|rest| head(rest)).collect();
        assert!(heads.is_sorted_by(|lower, upper| lower < upper), "{heads:x?}");
        assert_eq!(head(b"a"), head(b"a\0"));
        assert_eq!(head(b"abcdefgh"), head(b"abcdefghi"));
    }
}
