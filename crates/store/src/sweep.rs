//! The physical removal of what compaction gave up.
//!
//! A compaction to revision *c* is logical at first: reads before *c* are refused. What nobody can
//! read any more goes later, in small steps between entries. Whatever became superfluous was
//! superseded by an event at or before *c*, so walking the event log up to *c* finds all of it, at
//! a cost that has to do with the history and not with the number of keys.
//!
//! Nothing goes that somebody has pinned. The state hash does not count history, so members may
//! sweep at their own pace.

use std::hint::black_box;

use crate::budget::{Budget, REMOVAL_COST_UNITS, SEARCH_COST_UNITS};
use crate::tally::Tally;
use crate::tree::Tree;
use crate::types::Revision;
use crate::version::Trimmed;

/// A piece of memory that glibc's allocator calls large (1 KiB and more), and keeps none in reserve
/// of.
const LARGE_PIECE_BYTES: usize = 2 << 10;

/// How far the removal came.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// Everything that is superfluous at this revision goes, or is gone.
    target: Revision,
    done: bool,
    /// The chunk of the event log to go on with, and how much of it is done.
    chunk: u64,
    skip: usize,
}

impl Sweep {
    /// The state of a store whose versions hold nothing superfluous at `target`.
    pub(crate) fn done(target: Revision) -> Sweep {
        Sweep { target, done: true, ..Sweep::default() }
    }

    /// Removes what is superfluous at `compact_revision`, or at the oldest pin if that is older,
    /// until the budget is spent; true if there is nothing left that may be removed now.
    pub(crate) fn advance(
        &mut self,
        tree: &Tree,
        compact_revision: Revision,
        tally: &mut Tally,
        budget: &mut Budget,
    ) -> bool {
        if self.done && self.target < compact_revision {
            let target = tree.pins.sweep_to(compact_revision);
            if target == self.target {
                return true;
            }
            let chunk = tree.events.first_chunk(Revision(0));
            *self = Sweep { target, done: false, chunk, skip: 0 };
        }
        if !self.done {
            while !self.done && !budget.is_spent() {
                self.done = self.advance_chunk(tree, tally, budget);
            }
            merge_freed();
        }
        self.done
    }

    /// Goes on in one chunk; true once there is nothing left up to the target.
    fn advance_chunk(&mut self, tree: &Tree, tally: &mut Tally, budget: &mut Budget) -> bool {
        let Some(chunk) = tree.events.sealed_chunk(self.chunk) else { return true };
        for event in chunk.events(self.skip) {
            if event.mark.revision > self.target {
                return true;
            }
            loop {
                if budget.is_spent() {
                    return false;
                }
                let Trimmed { removed, more } = tree.trim(event.key, self.target, tally);
                budget.spend(SEARCH_COST_UNITS + removed as u64 * REMOVAL_COST_UNITS);
                if !more {
                    break;
                }
            }
            self.skip = event.end;
        }
        (self.chunk, self.skip) = (self.chunk + 1, 0);
        if chunk.last_revision() < self.target {
            tree.events.cut(self.chunk);
        }
        false
    }
}

/// Lets the allocator merge what this turn freed.
///
/// glibc's lays small freed pieces aside, and merges all of them at once when a large piece is next
/// asked for, or comes to be: after a million removals that made one turn take 60 ms. To ask for a
/// large piece after each turn keeps them few; to other allocators it is nothing.
fn merge_freed() {
    black_box(Vec::<u8>::with_capacity(LARGE_PIECE_BYTES));
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    use crate::{Command, CompactionCause, LogEntry, Put, Store};

    /// Events of a key that an earlier event of it has trimmed already: there is nothing to remove,
    /// and as many searches of the tree as events.
    #[test]
    fn a_turn_counts_what_it_looks_up_in_vain() {
        let (mut store, events) = (Store::new(), 2_000);
        let puts = (0..events).map(|_| {
            let put = Put::new(Bytes::from("key"), Bytes::from("value"));
            Command::Put { put, condition: None }
        });
        let cause = CompactionCause::Asked;
        let compact = Command::Compact { revision: Revision(events), cause };
        for (index, command) in (1u64..).zip(puts.chain([compact])) {
            let command = Some(command.encode());
            let entry = LogEntry { index, term: 1, stamp_ms: index, age_ms: 0, command };
            store.apply(&entry, &mut Budget::default()).expect("commands of this version");
        }
        store.publish();
        let mut turns = 0;
        while !store.sweep(&mut Budget::new(10 * SEARCH_COST_UNITS)) {
            turns += 1;
        }
        assert!(turns > events / 20, "{turns} turns of ten searches for {events} events");
    }
}
