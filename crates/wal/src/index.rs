//! Which frame holds an index: one small line for each frame that still counts.

/// Where a run of records lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The index of the frame's first record.
    pub(crate) first: u64,
    /// The last index that still counts; a later frame may have truncated the rest.
    pub(crate) last: u64,
    /// Records in the frame, truncated ones included.
    pub(crate) records: u32,
    /// The segment's number.
    pub(crate) segment: u64,
    /// Bytes from the start of the segment to the frame.
    pub(crate) offset: u64,
}

/// All spans. Invariant: their ranges `first..=last` adjoin, ascending; so each index has one span.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    spans: Vec<Span>,
}

impl Index {
    /// Adds a frame; it truncates what it supersedes.
    pub(crate) fn push(&mut self, span: Span) {
        assert!(span.first <= span.last, "a span has records");
        self.spans.truncate(self.spans.partition_point(|before| before.first < span.first));
        if let Some(before) = self.spans.last_mut() {
            assert!(before.last + 1 >= span.first, "spans leave no gap");
            before.last = span.first - 1;
        }
        self.spans.push(span);
    }

    /// Forgets what is before the first index of a log that ends at `last`, which is less than that
    /// if it has no entries.
    pub(crate) fn start_at(&mut self, first: u64, last: u64) {
        if last < first {
            self.spans.clear();
        }
        self.spans.drain(..self.spans.partition_point(|span| span.last < first));
    }

    /// The span that holds `index`.
    pub(crate) fn find(&self, index: u64) -> Span {
        let after = self.spans.partition_point(|span| span.first <= index);
        let span = after.checked_sub(1).map(|position| self.spans[position]);
        let span = span.filter(|span| index <= span.last);
        span.expect("every index of the log lies in a span")
    }

    /// Renames a segment whose frames were copied to the same offsets of another.
    pub(crate) fn move_segment(&mut self, from: u64, to: u64) {
        self.spans
            .iter_mut()
            .filter(|span| span.segment == from)
            .for_each(|span| span.segment = to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(first: u64, last: u64) -> Span {
        Span { first, last, records: (last - first + 1) as u32, segment: 1, offset: first * 4096 }
    }

    fn ranges(index: &Index) -> Vec<(u64, u64)> {
        index.spans.iter().map(|span| (span.first, span.last)).collect()
    }

    #[test]
    fn an_index_is_found_in_its_frame() {
        let mut index = Index::default();
        [span(1, 3), span(4, 4), span(5, 9)].into_iter().for_each(|span| index.push(span));
        let found: Vec<u64> = [1, 3, 4, 5, 9].map(|at| index.find(at).first).to_vec();
        assert_eq!(found, [1, 1, 4, 5, 5]);
    }

    #[test]
    fn what_is_before_the_start_is_forgotten() {
        let mut index = Index::default();
        [span(1, 3), span(4, 4), span(5, 9)].into_iter().for_each(|span| index.push(span));
        index.start_at(4, 9);
        assert_eq!(ranges(&index), [(4, 4), (5, 9)]);
        index.start_at(7, 9);
        assert_eq!((ranges(&index), index.find(7).first), (vec![(5, 9)], 5));
        index.push(span(7, 8));
        assert_eq!(ranges(&index), [(5, 6), (7, 8)]);
        index.start_at(21, 20);
        assert_eq!(ranges(&index), []);
    }

    #[test]
    fn a_frame_truncates_what_it_supersedes() {
        let mut index = Index::default();
        [span(1, 3), span(4, 4), span(5, 9), span(3, 6)].into_iter().for_each(|s| index.push(s));
        assert_eq!(ranges(&index), [(1, 2), (3, 6)]);
        index.push(span(1, 1));
        assert_eq!(ranges(&index), [(1, 1)]);
    }
}
