//! The leader's door for forwarded writes: each is taken once, whatever the network does.
//!
//! A second copy of a `Forward` must neither be proposed again nor be answered "not proposed": the
//! first copy may have been. So every message is remembered, whatever became of it; numbers
//! ascend within a sender's life, hence the newest one is memory enough. What a message was
//! before this process started can not be remembered, but it was meant for an older term then,
//! and is passed over in silence: silence means "unknown", which is always true.

use std::collections::{BTreeMap, VecDeque};

use raft::{MemberId, Term};

/// Lives remembered for each peer; one more begins each time it restarts.
const LIVES_MAX: usize = 8;

#[derive(Debug)]
pub(crate) struct Forwards {
    /// The term this process started in: it can not know what happened up to then.
    started_in: Term,
    /// For each peer its lives, oldest first, each with the newest number seen.
    seen: BTreeMap<MemberId, VecDeque<(u64, u64)>>,
}

impl Forwards {
    pub(crate) fn new(started_in: Term) -> Forwards {
        Forwards { started_in, seen: BTreeMap::new() }
    }

    /// Whether this message is certainly the first copy of its kind; it will not be again.
    pub(crate) fn admit(&mut self, from: MemberId, term: Term, life: u64, number: u64) -> bool {
        if term <= self.started_in {
            return false;
        }
        let lives = self.seen.entry(from).or_default();
        if let Some((_, newest)) = lives.iter_mut().find(|(known, _)| *known == life) {
            let first = number > *newest;
            *newest = (*newest).max(number);
            return first;
        }
        if lives.len() == LIVES_MAX {
            lives.pop_front();
        }
        lives.push_back((life, number));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: MemberId = MemberId(2);

    #[test]
    fn a_second_copy_is_not_admitted() {
        let mut forwards = Forwards::new(Term(3));
        assert!(forwards.admit(PEER, Term(4), 7, 1));
        assert!(!forwards.admit(PEER, Term(4), 7, 1));
        assert!(!forwards.admit(PEER, Term(5), 7, 1), "whatever term it claims");
        assert!(forwards.admit(PEER, Term(4), 7, 2));
        assert!(forwards.admit(PEER, Term(4), 8, 1), "another life counts anew");
    }

    #[test]
    fn what_was_meant_for_a_term_before_the_restart_is_not_admitted() {
        let mut forwards = Forwards::new(Term(3));
        assert!(!forwards.admit(PEER, Term(3), 7, 1));
    }
}
