//! What the log holds, without the payloads: its bounds, the term of each index, the hard state.
//!
//! It is also the judge of what may come next ([`Outline::check`]). The same rules are asserted of
//! our own batches before they are written, and demanded of frames that are read back.

use crate::error::Contradiction;
use crate::types::HardState;

/// The log in outline. Invariant: terms never go back along the log, and none is above the hard
/// state's; the commit hint is at most the last index.
#[derive(Clone, Debug)]
pub(crate) struct Outline {
    hard_state: HardState,
    first_index: u64,
    /// The term of the index before the first; 0 if there is none.
    previous_term: u64,
    last_index: u64,
    /// Where each term begins: (first index, term), both ascending.
    runs: Vec<(u64, u64)>,
}

impl Outline {
    /// A log that begins at `first_index` and has no entries yet.
    pub(crate) fn starting_at(
        first_index: u64,
        previous_term: u64,
        hard_state: HardState,
    ) -> Outline {
        assert!(first_index > 0, "indexes count from 1");
        let last_index = first_index - 1;
        Outline { hard_state, first_index, previous_term, last_index, runs: Vec::new() }
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

    /// Term and index of the last entry, or of the one before the log's beginning.
    pub(crate) fn last(&self) -> Option<(u64, u64)> {
        (self.last_index > 0).then(|| (self.term_at(self.last_index), self.last_index))
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

    /// Terms 1, 1, 2, 2 at indexes 1 to 4; term 3, voted for 7; 2 committed.
    fn outline() -> Outline {
        let mut outline = Outline::starting_at(1, 0, HardState::default());
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
        assert_eq!(outline().last(), Some((2, 4)));
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
