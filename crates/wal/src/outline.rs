//! What the log holds, without the payloads: its bounds, the term of each index, the hard state.
//!
//! It is also the judge of what may come next ([`Outline::check`]). The same rules are asserted of
//! our own batches before they are written, and demanded of frames that are read back.

use crate::error::Contradiction;
use crate::format::{FrameHeader, Marks, SegmentHeader};
use crate::types::HardState;

/// The name of an entry. Ordered as votes compare logs: by term, then by index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogId {
    pub(crate) term: u64,
    pub(crate) index: u64,
}

impl From<(u64, u64)> for LogId {
    fn from((term, index): (u64, u64)) -> LogId {
        LogId { term, index }
    }
}

impl From<LogId> for (u64, u64) {
    fn from(LogId { term, index }: LogId) -> (u64, u64) {
        (term, index)
    }
}

/// What a frame did to the log's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartStep {
    /// Nothing.
    None,
    /// It moved it to an entry of the log.
    Cut,
    /// It moved it to an entry that the log did not hold, and so dropped all entries.
    Dropped,
}

/// As (term, index); none for the place before all entries.
pub(crate) fn some(id: LogId) -> Option<(u64, u64)> {
    (id.index > 0).then(|| id.into())
}

/// The log in outline. Invariant: terms never go back along the log, and none is above the hard
/// state's; the commit hint is at most the last index.
#[derive(Clone, Debug)]
pub(crate) struct Outline {
    hard_state: HardState,
    /// The first index that is known: the one after the start, or a later one while a log is read
    /// from its oldest segment on.
    first_index: u64,
    /// The term of the index before the first; 0 if there is none.
    previous_term: u64,
    last_index: u64,
    /// Where each term begins: (first index, term), both ascending.
    runs: Vec<(u64, u64)>,
    /// The entry that the log starts after, as the log itself says.
    start: LogId,
    /// The last entry that the log once had; always above the last that it has.
    floor: Option<LogId>,
}

impl Outline {
    /// The log as far as the header of its oldest segment tells: it has no entries yet.
    pub(crate) fn before(oldest: &SegmentHeader) -> Outline {
        let SegmentHeader { hard_state, first_index, previous_term, start, floor, .. } = *oldest;
        assert!(first_index > start.index, "a log begins after its start");
        let (last_index, runs) = (first_index - 1, Vec::new());
        Outline { hard_state, first_index, previous_term, last_index, runs, start, floor }
    }

    pub(crate) fn hard_state(&self) -> HardState {
        self.hard_state
    }

    pub(crate) fn first_index(&self) -> u64 {
        self.first_index
    }

    /// One less than the first index if there are no entries.
    pub(crate) fn last_index(&self) -> u64 {
        self.last_index
    }

    /// The last entry, or the one before the log's beginning.
    pub(crate) fn last(&self) -> LogId {
        LogId { term: self.term_at(self.last_index), index: self.last_index }
    }

    /// The entry that the log starts after.
    pub(crate) fn start(&self) -> LogId {
        self.start
    }

    /// The last entry that the log once had, if it does not reach that far.
    pub(crate) fn floor(&self) -> Option<LogId> {
        self.floor
    }

    /// Whether the log is known from its start on.
    pub(crate) fn is_whole(&self) -> bool {
        self.first_index <= self.start.index + 1
    }

    /// Whether the log holds exactly that entry, or begins after it.
    pub(crate) fn holds(&self, id: LogId) -> bool {
        let known = self.first_index - 1..=self.last_index;
        known.contains(&id.index) && self.term_at(id.index) == id.term
    }

    /// Where the log stands, for a frame without records.
    pub(crate) fn marks(&self) -> Marks {
        Marks { start: self.start, last: self.last(), floor: self.floor }
    }

    /// Where the log would stand if it started after `start`.
    pub(crate) fn marks_from(&self, start: LogId) -> Marks {
        if start == self.start {
            return self.marks();
        }
        let mut after = self.clone();
        after.move_start(start);
        after.marks()
    }

    /// The term of `index`, which must be within the log or just before it.
    pub(crate) fn term_at(&self, index: u64) -> u64 {
        assert!(
            self.first_index <= index + 1 && index <= self.last_index,
            "index {index} is outside the log {}..={}",
            self.first_index,
            self.last_index
        );
        let run = self.runs.partition_point(|(first, _)| *first <= index).checked_sub(1);
        run.map_or(self.previous_term, |run| self.runs[run].1)
    }

    /// Whether a frame can come next: its records, named by (index, term), and its header.
    pub(crate) fn check_frame(
        &self,
        log_ids: impl Iterator<Item = (u64, u64)>,
        header: &FrameHeader,
    ) -> Result<(), Contradiction> {
        match header.marks {
            Some(marks) => self.check_marks(&marks, header.hard_state),
            None => self.check(log_ids, header.hard_state),
        }
    }

    /// Takes over a frame that was checked, and says what it did to the log's start.
    pub(crate) fn advance_frame(
        &mut self,
        log_ids: impl Iterator<Item = (u64, u64)>,
        header: &FrameHeader,
    ) -> StartStep {
        let before = self.ends();
        if let Some(marks) = header.marks {
            self.move_start(marks.start);
            self.floor = marks.floor;
        }
        let after = self.ends();
        self.advance(log_ids, header.hard_state);
        match before {
            _ if before == after => StartStep::None,
            (_, last) if last == after.1 => StartStep::Cut,
            _ => StartStep::Dropped,
        }
    }

    /// Start and last entry.
    fn ends(&self) -> (LogId, LogId) {
        (self.start, self.last())
    }

    fn check_marks(&self, marks: &Marks, hard_state: HardState) -> Result<(), Contradiction> {
        let (before, found) = (self.start, marks.start);
        let goes_on =
            found.index > before.index && (before.term..=hard_state.term).contains(&found.term);
        if found != before && !goes_on {
            let (before, found) = (before.into(), found.into());
            return Err(Contradiction::Start { before, found });
        }
        let mut after = self.clone();
        after.move_start(marks.start);
        if marks.last != after.last() {
            let (expected, found) = (after.last().into(), marks.last.into());
            return Err(Contradiction::Last { expected, found });
        }
        after.hard_state.commit = after.hard_state.commit.max(marks.start.index);
        after.check(std::iter::empty(), hard_state)
    }

    /// Lets the log start after `start`, which is not before the start it has.
    fn move_start(&mut self, start: LogId) {
        assert!(start.index >= self.start.index, "the start never goes back");
        self.start = start;
        if start.index + 1 < self.first_index {
            return; // the log is known from a later index on only
        }
        let first_index = start.index + 1;
        if self.holds(start) {
            let first_term = (first_index <= self.last_index).then(|| self.term_at(first_index));
            self.runs.drain(..self.runs.partition_point(|(first, _)| *first <= first_index));
            first_term.into_iter().for_each(|term| self.runs.insert(0, (first_index, term)));
        } else {
            self.runs.clear();
            self.last_index = start.index;
        }
        (self.first_index, self.previous_term) = (first_index, start.term);
    }

    /// Whether entries with these log ids (index, term), whose indexes ascend without gaps, and
    /// this hard state can come next.
    pub(crate) fn check(
        &self,
        log_ids: impl Iterator<Item = (u64, u64)>,
        hard_state: HardState,
    ) -> Result<(), Contradiction> {
        let mut log_ids = log_ids.peekable();
        let mut last_index = self.last_index;
        if let Some((first, _)) = log_ids.peek().copied() {
            let mut previous_term = self.check_index(first)?;
            for (index, term) in log_ids {
                check_entry_term(index, term, previous_term, hard_state.term)?;
                (last_index, previous_term) = (index, term);
            }
        }
        check_promises(self.hard_state, hard_state)?;
        let (lowest, highest, found) = (self.hard_state.commit, last_index, hard_state.commit);
        let within = (lowest..=highest).contains(&found);
        within.then_some(()).ok_or(Contradiction::Commit { found, lowest, highest })
    }

    /// Whether an entry may be put at `index`; the term of the index before it.
    fn check_index(&self, index: u64) -> Result<u64, Contradiction> {
        let lowest = self.first_index.max(self.hard_state.commit + 1);
        let highest = self.last_index + 1;
        if (lowest..=highest).contains(&index) {
            Ok(self.term_at(index - 1))
        } else {
            Err(Contradiction::Index { found: index, lowest, highest })
        }
    }

    /// Takes over what was checked.
    pub(crate) fn advance(
        &mut self,
        log_ids: impl Iterator<Item = (u64, u64)>,
        hard_state: HardState,
    ) {
        for (index, term) in log_ids {
            if index <= self.last_index {
                self.runs.truncate(self.runs.partition_point(|(first, _)| *first < index));
            }
            if self.runs.last().is_none_or(|(_, last_term)| *last_term != term) {
                self.runs.push((index, term));
            }
            self.last_index = index;
        }
        self.hard_state = hard_state;
        self.floor = self.floor.filter(|floor| *floor > self.last());
        assert!(self.hard_state.commit <= self.last_index, "what is committed is in the log");
    }
}

fn check_entry_term(
    index: u64,
    found: u64,
    lowest: u64,
    highest: u64,
) -> Result<(), Contradiction> {
    let within = (lowest..=highest).contains(&found);
    within.then_some(()).ok_or(Contradiction::EntryTerm { index, found, lowest, highest })
}

/// Whether a member that promised `before` may promise `after`.
pub(crate) fn check_promises(before: HardState, after: HardState) -> Result<(), Contradiction> {
    if after.term < before.term {
        return Err(Contradiction::TermBack { before: before.term, found: after.term });
    }
    let same_term = after.term == before.term;
    if same_term && before.vote.is_some() && after.vote != before.vote {
        return Err(Contradiction::VoteChanged { term: after.term });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hard_state(term: u64, vote: Option<u64>, commit: u64) -> HardState {
        HardState { term, vote, commit }
    }

    fn empty() -> Outline {
        Outline {
            hard_state: HardState::default(),
            first_index: 1,
            previous_term: 0,
            last_index: 0,
            runs: Vec::new(),
            start: LogId::default(),
            floor: None,
        }
    }

    fn id(term: u64, index: u64) -> LogId {
        LogId { term, index }
    }

    /// A start record, as of the outline's own hard state.
    fn start_at(outline: &mut Outline, start: LogId) {
        let commit = outline.hard_state.commit.max(start.index);
        let hard_state = HardState { commit, ..outline.hard_state };
        let marks = Some(outline.marks_from(start));
        let (segment, flush, previous, closing) = (1, 1, 0, false);
        let header = FrameHeader { segment, flush, previous, hard_state, closing, marks };
        outline.check_frame(std::iter::empty(), &header).unwrap();
        let holds = outline.holds(start);
        let step = outline.advance_frame(std::iter::empty(), &header);
        assert_eq!(step, if holds { StartStep::Cut } else { StartStep::Dropped });
    }

    #[test]
    fn a_start_that_the_log_holds_keeps_what_comes_after_it() {
        for (start, terms) in
            [(id(1, 2), vec![1, 2, 2]), (id(2, 3), vec![2, 2]), (id(2, 4), vec![2])]
        {
            let mut outline = outline();
            start_at(&mut outline, start);
            let found: Vec<u64> = (start.index..=4).map(|index| outline.term_at(index)).collect();
            assert_eq!(found, terms);
            assert_eq!((outline.first_index(), outline.last()), (start.index + 1, id(2, 4)));
            outline.advance([(5, 3)].into_iter(), outline.hard_state());
            assert_eq!((outline.term_at(4), outline.term_at(5)), (2, 3));
        }
    }

    #[test]
    fn a_start_that_the_log_does_not_hold_drops_all_of_it() {
        for start in [id(3, 3), id(3, 9)] {
            let mut outline = outline();
            start_at(&mut outline, start);
            assert_eq!((outline.first_index(), outline.last()), (start.index + 1, start));
            assert_eq!(outline.hard_state().commit, start.index);
        }
    }

    #[test]
    fn marks_that_contradict_the_log_are_named() {
        let mut outline = outline();
        start_at(&mut outline, id(1, 2));
        let check = |marks: Marks| outline.check_marks(&marks, outline.hard_state()).unwrap_err();
        let marks = outline.marks();
        let start = |found: LogId| Contradiction::Start { before: (1, 2), found: found.into() };
        for found in [id(1, 1), id(2, 2), id(4, 4)] {
            assert_eq!(check(Marks { start: found, ..marks }), start(found));
        }
        let last = Contradiction::Last { expected: (2, 4), found: (2, 5) };
        assert_eq!(check(Marks { last: id(2, 5), ..marks }), last);
        let commit = Contradiction::Commit { found: 2, lowest: 3, highest: 4 };
        assert_eq!(check(Marks { start: id(2, 3), ..marks }), commit);
    }

    #[test]
    fn a_floor_is_gone_once_the_log_reaches_it_by_term_or_index() {
        let log_ids: [&[(u64, u64)]; 2] = [&[(5, 2), (6, 2)], &[(5, 3)]];
        for log_ids in log_ids {
            let mut outline = outline();
            outline.floor = Some(id(2, 6));
            outline.advance([(5, 2)].into_iter(), outline.hard_state());
            assert_eq!(outline.floor(), Some(id(2, 6)));
            outline.advance(log_ids.iter().copied(), outline.hard_state());
            assert_eq!(outline.floor(), None);
        }
    }

    /// Terms 1, 1, 2, 2 at indexes 1 to 4; term 3, voted for 7; 2 committed.
    fn outline() -> Outline {
        let mut outline = empty();
        let log_ids = [(1, 1), (2, 1), (3, 2), (4, 2)];
        let hard_state = hard_state(3, Some(7), 2);
        outline.check(log_ids.into_iter(), hard_state).unwrap();
        outline.advance(log_ids.into_iter(), hard_state);
        outline
    }

    #[test]
    fn every_index_has_its_term() {
        let terms: Vec<u64> = (0..=4).map(|index| outline().term_at(index)).collect();
        assert_eq!(terms, [0, 1, 1, 2, 2]);
        assert_eq!(outline().last(), id(2, 4));
    }

    #[test]
    fn a_lower_index_truncates_terms_too() {
        let mut outline = outline();
        let log_ids = [(4, 3)];
        outline.advance(log_ids.into_iter(), outline.hard_state());
        let terms: Vec<u64> = (1..=4).map(|index| outline.term_at(index)).collect();
        assert_eq!(terms, [1, 1, 2, 3]);
    }

    #[test]
    fn truncating_to_the_middle_of_a_term_keeps_its_beginning() {
        let mut outline = outline();
        outline.advance([(4, 2)].into_iter(), outline.hard_state());
        assert_eq!((outline.term_at(3), outline.term_at(4)), (2, 2));
    }

    #[test]
    fn contradictions_are_named() {
        let same = hard_state(3, Some(7), 2);
        let check = |log_ids: &[(u64, u64)], hard_state| {
            outline().check(log_ids.iter().copied(), hard_state).unwrap_err()
        };
        let index = |found| Contradiction::Index { found, lowest: 3, highest: 5 };
        assert_eq!(check(&[(6, 3)], same), index(6));
        assert_eq!(check(&[(2, 3)], same), index(2), "2 is committed");
        let entry_term =
            |index, found, lowest| Contradiction::EntryTerm { index, found, lowest, highest: 3 };
        assert_eq!(check(&[(5, 1)], same), entry_term(5, 1, 2));
        assert_eq!(check(&[(5, 4)], same), entry_term(5, 4, 2));
        assert_eq!(check(&[(5, 3), (6, 2)], same), entry_term(6, 2, 3));
        let term_back = Contradiction::TermBack { before: 3, found: 2 };
        assert_eq!(check(&[], hard_state(2, Some(7), 2)), term_back);
        let vote_changed = Contradiction::VoteChanged { term: 3 };
        assert_eq!(check(&[], hard_state(3, Some(8), 2)), vote_changed);
        assert_eq!(check(&[], hard_state(3, None, 2)), vote_changed);
        let commit = |found, highest| Contradiction::Commit { found, lowest: 2, highest };
        assert_eq!(check(&[], hard_state(3, Some(7), 1)), commit(1, 4));
        assert_eq!(check(&[], hard_state(3, Some(7), 5)), commit(5, 4));
        assert_eq!(check(&[(3, 3)], hard_state(3, Some(7), 4)), commit(4, 3));
    }
}
