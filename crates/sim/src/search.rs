//! The second judge: is there an order in which the answers about one key make sense? Nothing else
//! is asked for: no revisions, no log, no model of the store. It shares no code with `oracle.rs`.
//!
//! A search in the manner of Wing and Gong, with Lowe's memory of what was tried: whoever was
//! called before the first return that is still open may come next, if what it saw is what is
//! there. Values are written once at most, which makes three things safe: a read that fits is taken
//! at once, a write that nobody saw is taken right before one that overwrites it, and nothing
//! overwrites a value that somebody is still to see.
//!
//! There are libraries for this. The one for Rust that is kept up (`todc-utils`) has no bound on
//! its search and no operations without an answer, and both are needed here. A search that ends
//! undecided fails its life, as rule 14.3 has it: what nobody can judge was not checked.

use std::collections::{BTreeMap, BTreeSet};

/// What is there: the number of a value, or nothing.
pub(crate) type Value = Option<u64>;

/// So many steps decide in nearly all histories.
const STEPS_USUAL: u64 = 100_000;
/// So many steps decide, or the history counts as undecided.
const STEPS_MAX: u64 = 3_000_000;
/// So many operations may be under way at once.
pub(crate) const CONCURRENT_MAX: usize = 200;

/// Something that a client did with the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// When it was asked for.
    pub(crate) called: u64,
    /// When it was answered; if never, it may take effect at any time, or not at all.
    pub(crate) returned: Option<u64>,
    /// What it found, if it says so.
    pub(crate) saw: Option<Value>,
    /// What it left, if it changed anything.
    pub(crate) left: Option<Value>,
}

/// What came of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is an order.
    Ordered,
    /// There is none.
    Impossible,
    /// It took too long, or too much was under way at once.
    Undecided,
}

/// Looks for an order of these operations, in which the key is absent at first.
pub(crate) fn search(mut operations: Vec<Operation>) -> Verdict {
    operations.sort_by_key(|operation| operation.called);
    if most_at_once(&operations) > CONCURRENT_MAX {
        return Verdict::Undecided;
    }
    let mut seers: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    // What was never answered and left what nobody saw need not have happened.
    let seen = operations.iter().filter_map(|operation| operation.saw?);
    let seen: BTreeSet<u64> = seen.collect();
    operations.retain(|operation| {
        let unseen = matches!(operation.left, Some(Some(value)) if !seen.contains(&value));
        !(unseen && operation.saw.is_none() && operation.returned.is_none())
    });
    for (number, operation) in operations.iter().enumerate() {
        if let Some(Some(value)) = operation.saw {
            seers.entry(value).or_default().push(number);
        }
    }
    let search = Search { operations, seers };
    // Where one way of trying gets lost in a burst of changes, the other may not.
    let ways = [
        (Order::OfReturns, STEPS_USUAL),
        (Order::OfCalls, STEPS_USUAL),
        (Order::OfReturns, STEPS_MAX),
        (Order::OfCalls, STEPS_MAX),
    ];
    let mut verdicts = ways.into_iter().map(|(order, steps_max)| search.run(order, steps_max));
    verdicts.find(|verdict| *verdict != Verdict::Undecided).unwrap_or(Verdict::Undecided)
}

/// Which of several operations that may come next is tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// The one that was answered first: servers mostly answer in the order of their deeds.
    OfReturns,
    /// The one that was called first.
    OfCalls,
}

/// The most operations that were answered some time and under way at the same time.
fn most_at_once(operations: &[Operation]) -> usize {
    let mut returns = BTreeSet::new();
    let mut most = 0;
    for (number, operation) in operations.iter().enumerate() {
        let Some(returned) = operation.returned else { continue };
        returns = returns.split_off(&(operation.called, 0));
        returns.insert((returned, number));
        most = most.max(returns.len());
    }
    most
}

struct Search {
    /// In the order of their calls.
    operations: Vec<Operation>,
    /// Who saw which value.
    seers: BTreeMap<u64, Vec<usize>>,
}

/// How far an order has come: everything before `base` is in it, and `beyond`; what it left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    base: usize,
    beyond: BTreeSet<usize>,
    value: Value,
}

impl Place {
    fn holds(&self, number: usize) -> bool {
        number < self.base || self.beyond.contains(&number)
    }

    fn take(&mut self, number: usize) {
        self.beyond.insert(number);
        while self.beyond.remove(&self.base) {
            self.base += 1;
        }
    }
}

impl Search {
    fn run(&self, order: Order, steps_max: u64) -> Verdict {
        let mut tried: BTreeSet<Place> = BTreeSet::new();
        let mut open = vec![Place { base: 0, beyond: BTreeSet::new(), value: None }];
        let mut steps = 0;
        while let Some(mut place) = open.pop() {
            steps += 1;
            if steps > steps_max {
                return Verdict::Undecided;
            }
            self.take_reads(&mut place);
            if !tried.insert(place.clone()) {
                continue;
            }
            let next = self.next(&place);
            if self.is_whole(&place) {
                return Verdict::Ordered;
            }
            // Removals without an answer are all alike: it is enough to try the one called first.
            let first = next.iter().copied().find(|&number| self.is_lost_removal(number));
            // The last one pushed is tried first.
            let mut by_order = next.clone();
            if order == Order::OfReturns {
                let returned = |number: usize| self.operations[number].returned;
                by_order.sort_by_key(|&number| returned(number).unwrap_or(u64::MAX));
            }
            for &number in by_order.iter().rev() {
                if !self.is_lost_removal(number) || first == Some(number) {
                    open.extend(self.after(&place, &next, number));
                }
            }
        }
        Verdict::Impossible
    }

    fn is_whole(&self, place: &Place) -> bool {
        let mut left = (place.base..self.operations.len()).filter(|&number| !place.holds(number));
        left.all(|number| self.operations[number].returned.is_none())
    }

    /// Whoever may come next: called before the first open return.
    fn next(&self, place: &Place) -> Vec<usize> {
        let (mut next, mut first_return) = (Vec::new(), u64::MAX);
        for (number, operation) in self.operations.iter().enumerate().skip(place.base) {
            if operation.called > first_return {
                break;
            }
            if !place.holds(number) {
                next.push(number);
                first_return = first_return.min(operation.returned.unwrap_or(u64::MAX));
            }
        }
        next.retain(|&number| self.operations[number].called < first_return);
        next
    }

    /// Reads that fit change nothing, so there is no reason to wait with them.
    fn take_reads(&self, place: &mut Place) {
        loop {
            let fits = |number: &usize| {
                let Operation { saw, left, .. } = self.operations[*number];
                left.is_none() && saw == Some(place.value)
            };
            let fitting: Vec<usize> = self.next(place).into_iter().filter(fits).collect();
            if fitting.is_empty() {
                return;
            }
            fitting.into_iter().for_each(|number| place.take(number));
        }
    }

    /// The place after `number`, if what it saw is there.
    fn after(&self, place: &Place, next: &[usize], number: usize) -> Option<Place> {
        let Operation { saw, left, .. } = self.operations[number];
        let left = left?;
        if saw.is_some_and(|saw| saw != place.value) || self.is_awaited(place, number) {
            return None;
        }
        let mut after = place.clone();
        if saw.is_none() {
            let unseen = next.iter().copied().filter(|&other| self.is_unseen_write(other));
            unseen.filter(|&other| other != number).for_each(|other| after.take(other));
        }
        after.take(number);
        after.value = left;
        Some(after)
    }

    /// Whether others than `number` are still to see what is there.
    fn is_awaited(&self, place: &Place, number: usize) -> bool {
        let seers = place.value.and_then(|value| self.seers.get(&value));
        seers.is_some_and(|seers| seers.iter().any(|&seer| seer != number && !place.holds(seer)))
    }

    /// A removal that was never answered, and says nothing of what it found.
    fn is_lost_removal(&self, number: usize) -> bool {
        let Operation { saw, left, returned, .. } = self.operations[number];
        saw.is_none() && left == Some(None) && returned.is_none()
    }

    /// A write that found nobody's word, and that nobody found.
    fn is_unseen_write(&self, number: usize) -> bool {
        let Operation { saw, left, returned, .. } = self.operations[number];
        let unseen = matches!(left, Some(Some(value)) if !self.seers.contains_key(&value));
        unseen && saw.is_none() && returned.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(called: u64, returned: u64, value: u64) -> Operation {
        let (returned, left) = (Some(returned), Some(Some(value)));
        Operation { called, returned, saw: None, left }
    }

    fn read(called: u64, returned: u64, value: Value) -> Operation {
        Operation { called, returned: Some(returned), saw: Some(value), left: None }
    }

    fn unanswered(called: u64, value: Value) -> Operation {
        Operation { called, returned: None, saw: None, left: Some(value) }
    }

    #[test]
    fn what_is_one_after_the_other_has_an_order() {
        let history = vec![put(0, 1, 7), read(2, 3, Some(7)), put(4, 5, 8), read(6, 7, Some(8))];
        assert_eq!(search(history), Verdict::Ordered);
    }

    #[test]
    fn a_read_of_what_was_overwritten_has_none() {
        let history = vec![put(0, 1, 7), put(2, 3, 8), read(4, 5, Some(7))];
        assert_eq!(search(history), Verdict::Impossible);
    }

    #[test]
    fn two_reads_may_not_see_two_writes_in_different_orders() {
        let writes = [put(0, 9, 7), put(0, 9, 8)];
        let seen = |values: [u64; 4]| {
            let mut history = writes.to_vec();
            let reads = values.iter().zip(1..);
            history.extend(reads.map(|(&value, at)| read(at * 2, at * 2 + 1, Some(value))));
            search(history)
        };
        assert_eq!(seen([7, 7, 8, 8]), Verdict::Ordered);
        assert_eq!(seen([7, 8, 8, 7]), Verdict::Impossible);
    }

    #[test]
    fn what_was_never_answered_may_happen_late_or_never() {
        for seen in [Some(7), Some(8)] {
            let history = vec![put(0, 1, 7), unanswered(2, Some(8)), read(9, 10, seen)];
            assert_eq!(search(history), Verdict::Ordered, "{seen:?}");
        }
        let early = vec![read(0, 1, Some(8)), unanswered(2, Some(8))];
        assert_eq!(search(early), Verdict::Impossible);
    }

    #[test]
    fn a_change_that_says_what_it_found_must_find_it() {
        let swap =
            |saw| Operation { called: 4, returned: Some(5), saw: Some(saw), left: Some(None) };
        assert_eq!(search(vec![put(0, 1, 7), swap(Some(7))]), Verdict::Ordered);
        assert_eq!(search(vec![put(0, 1, 7), swap(None)]), Verdict::Impossible);
    }

    #[test]
    fn many_writes_at_once_are_no_labour() {
        let mut history: Vec<Operation> = (0..150).map(|value| put(0, 1_000, value)).collect();
        history.extend((0..5).map(|at| read(2_000 + 2 * at, 2_001 + 2 * at, Some(33))));
        assert_eq!(search(history.clone()), Verdict::Ordered);
        history.push(read(3_000, 3_001, Some(34)));
        assert_eq!(search(history), Verdict::Impossible);
    }

    #[test]
    fn many_changes_without_an_answer_are_no_labour() {
        let mut history: Vec<Operation> = (0..100).map(|at| unanswered(at, None)).collect();
        history.extend((0..100).map(|at| unanswered(at, Some(1_000 + at))));
        let round = |at: u64| [put(at, at + 1, at), read(at + 2, at + 3, None)];
        history.extend((0..40).flat_map(|number| round(200 + 4 * number)));
        assert_eq!(search(history.clone()), Verdict::Ordered, "each was removed by one of them");
        history.push(read(1_000, 1_001, Some(200)));
        assert_eq!(search(history), Verdict::Impossible);
    }

    #[test]
    fn too_much_at_once_is_undecided() {
        let history = (0..=CONCURRENT_MAX as u64).map(|value| put(0, 1_000, value)).collect();
        assert_eq!(search(history), Verdict::Undecided);
    }
}
