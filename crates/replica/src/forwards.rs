//! The leader's door for forwarded writes: each is taken once, whatever the network does.
//!
//! A second copy of a `Forward` must neither be proposed again nor be answered "not proposed": the
//! first copy may have been. So every message is remembered, whatever became of it; numbers
//! ascend within a sender's life, hence the newest one is memory enough. What a message was
//! before this process started can not be remembered, but it was meant for an older term then,
//! and is passed over in silence: silence means "unknown", which is always true.
//!
//! Only members forward, and an id never comes back. So whoever is no member any more is passed
//! over too, and may be forgotten.

use std::collections::{BTreeMap, VecDeque};

use raft::{MemberId, Term};

use crate::configuration::{Configuration, MEMBERS_MAX};

/// Lives remembered for each peer; one more begins each time it restarts.
const LIVES_MAX: usize = 8;

/// Peers remembered: with more than these, those that are no members any more are forgotten. Most
/// of them are remembered for longer, because an addition can be undone, and done again.
const PEERS_MAX: usize = 4 * MEMBERS_MAX;

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

    /// Whether this message is of a member, and certainly the first copy of its kind; it will not
    /// be again.
    pub(crate) fn admit(
        &mut self,
        configuration: &Configuration,
        from: MemberId,
        term: Term,
        life: u64,
        number: u64,
    ) -> bool {
        let is_member = |id: &MemberId| configuration.members.contains_key(id);
        if term <= self.started_in || !is_member(&from) {
            return false;
        }
        if self.seen.len() == PEERS_MAX && !self.seen.contains_key(&from) {
            self.seen.retain(|id, _| is_member(id));
            assert!(self.seen.len() < PEERS_MAX, "a configuration holds fewer members");
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
    use crate::configuration::Member;

    const PEER: MemberId = MemberId(2);

    /// The cluster of these members.
    fn of(ids: impl IntoIterator<Item = u64>) -> Configuration {
        let member = |id: u64| Member::voter(u128::from(id), format!("node-{id}"), String::new());
        let members = ids.into_iter().map(|id| (MemberId(id), member(id)));
        Configuration::founding(1, members.collect())
    }

    #[test]
    fn a_second_copy_is_not_admitted() {
        let (mut forwards, three) = (Forwards::new(Term(3)), of(1..=3));
        assert!(forwards.admit(&three, PEER, Term(4), 7, 1));
        assert!(!forwards.admit(&three, PEER, Term(4), 7, 1));
        assert!(!forwards.admit(&three, PEER, Term(5), 7, 1), "whatever term it claims");
        assert!(forwards.admit(&three, PEER, Term(4), 7, 2));
        assert!(forwards.admit(&three, PEER, Term(4), 8, 1), "another life counts anew");
    }

    #[test]
    fn what_was_meant_for_a_term_before_the_restart_is_not_admitted() {
        let mut forwards = Forwards::new(Term(3));
        assert!(!forwards.admit(&of(1..=3), PEER, Term(3), 7, 1));
    }

    #[test]
    fn a_member_that_was_removed_is_not_admitted() {
        let mut forwards = Forwards::new(Term(3));
        assert!(forwards.admit(&of(1..=3), PEER, Term(4), 7, 1));
        assert!(!forwards.admit(&of([1, 3]), PEER, Term(4), 7, 2));
        assert!(!forwards.admit(&of([1, 3]), MemberId(9), Term(4), 7, 1), "nor a stranger");
    }

    #[test]
    fn however_many_members_come_and_go_few_are_remembered() {
        let mut forwards = Forwards::new(Term(3));
        for id in 2..=10 * PEERS_MAX as u64 {
            assert!(forwards.admit(&of([1, id]), MemberId(id), Term(4), 7, 1));
            assert!(!forwards.admit(&of([1, id]), MemberId(id), Term(4), 7, 1));
            assert!(forwards.seen.len() <= PEERS_MAX, "{} after {id}", forwards.seen.len());
        }
    }

    #[test]
    fn members_are_remembered_however_many_others_come_and_go() {
        let mut forwards = Forwards::new(Term(3));
        assert!(forwards.admit(&of([1, 2]), PEER, Term(4), 7, 1));
        for id in 3..=10 * PEERS_MAX as u64 {
            assert!(forwards.admit(&of([1, 2, id]), MemberId(id), Term(4), 7, 1));
        }
        assert!(!forwards.admit(&of([1, 2]), PEER, Term(4), 7, 1), "a second copy");
    }
}
