//! The live segments, and which of them the log can do without.

use std::collections::BTreeMap;

use crate::format::SegmentHeader;

/// A segment that another follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sealed {
    /// The checksum of its header.
    pub(crate) seed: u32,
    pub(crate) reach: Reach,
}

/// Which indexes a segment speaks of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    /// One more than the last index before the segment.
    first_index: u64,
    /// The lowest index that its frames go back to: lower than the first one if they truncate what
    /// earlier segments hold. The largest number there is while it has none.
    lowest: u64,
}

impl Reach {
    pub(crate) fn of(header: &SegmentHeader) -> Reach {
        Reach { first_index: header.first_index, lowest: u64::MAX }
    }

    /// Takes note of a frame whose first record has this index, or that dropped all entries so that
    /// the next one has this index.
    pub(crate) fn note(&mut self, index: u64) {
        self.lowest = self.lowest.min(index);
    }
}

/// The oldest segments that a log which starts after `start_index` can do without, ascending.
///
/// The log is read back from its oldest segment on. So that one must begin with nothing missing,
/// and no later frame may truncate to before its beginning.
pub(crate) fn unneeded(
    sealed: &BTreeMap<u64, Sealed>,
    active: (u64, Reach),
    start_index: u64,
) -> Vec<u64> {
    let reaches = sealed.iter().map(|(number, sealed)| (*number, sealed.reach)).chain([active]);
    let mut lowest = u64::MAX;
    let mut can_be_oldest = |reach: Reach| {
        lowest = lowest.min(reach.lowest);
        reach.first_index <= (start_index + 1).min(lowest)
    };
    let reaches: Vec<(u64, Reach)> = reaches.collect();
    let oldest = reaches.iter().rev().find(|(_, reach)| can_be_oldest(*reach));
    let oldest = oldest.map_or(0, |(number, _)| *number);
    sealed.keys().copied().filter(|number| *number < oldest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments 1, 2, ... with (first index, lowest index); the last one is active.
    fn unneeded_of(segments: &[(u64, u64)], start_index: u64) -> Vec<u64> {
        let reach = |(first_index, lowest): (u64, u64)| Reach { first_index, lowest };
        let mut sealed: BTreeMap<u64, Sealed> = (1..)
            .zip(segments)
            .map(|(number, segment)| (number, Sealed { seed: 0, reach: reach(*segment) }))
            .collect();
        let (number, active) = sealed.pop_last().unwrap();
        unneeded(&sealed, (number, active.reach), start_index)
    }

    #[test]
    fn segments_below_the_start_are_unneeded() {
        let segments = [(1, 1), (11, 11), (21, 21), (31, u64::MAX)];
        for (start, expected) in
            [(0, vec![]), (9, vec![]), (10, vec![1]), (29, vec![1, 2]), (30, vec![1, 2, 3])]
        {
            assert_eq!(unneeded_of(&segments, start), expected, "start {start}");
        }
    }

    #[test]
    fn a_segment_that_truncates_to_before_itself_cannot_be_the_oldest() {
        // Segment 2 goes back to index 9, segment 4 to index 20, which segment 2 still began with.
        let segments = [(1, 1), (11, 9), (21, 21), (31, 20), (41, 41)];
        for (start, expected) in [(10, vec![]), (22, vec![]), (32, vec![]), (40, vec![1, 2, 3, 4])]
        {
            assert_eq!(unneeded_of(&segments, start), expected, "start {start}");
        }
        let segments = [(1, 1), (11, 11), (21, 21), (31, 25), (41, 41)];
        assert_eq!(unneeded_of(&segments, 33), [1, 2]);
    }
}
