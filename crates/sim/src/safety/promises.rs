//! Term and vote never go back (Figure 2, persistent state): a message that rests on a term or a
//! vote leaves only once they are durable, so no restart may forget them.

use std::collections::BTreeMap;

use raft::{Body, HardState, MemberId, Message, Term};

#[derive(Debug, Default)]
pub(crate) struct Promises {
    /// The newest term each member has spoken in.
    terms: BTreeMap<MemberId, Term>,
    /// Whom each member voted for, by term.
    votes: BTreeMap<(MemberId, Term), MemberId>,
}

impl Promises {
    pub(crate) fn says(&mut self, from: MemberId, to: MemberId, message: &Message) {
        let term = message.term;
        match message.body {
            // These name a term that nobody has adopted.
            Body::PreVote { .. } | Body::PreVoteAnswer { granted: true } => return,
            Body::Vote { .. } => self.votes_for(from, term, from),
            Body::VoteAnswer { granted: true } => self.votes_for(from, term, to),
            _ => {}
        }
        let spoken = self.terms.entry(from).or_default();
        assert!(term >= *spoken, "term and vote: {from} spoke in {spoken}, then in {term}");
        *spoken = term;
    }

    fn votes_for(&mut self, voter: MemberId, term: Term, candidate: MemberId) {
        let vote = *self.votes.entry((voter, term)).or_insert(candidate);
        assert_eq!(vote, candidate, "term and vote: {voter} voted twice in term {term}");
    }

    pub(crate) fn check_recovered(&self, id: MemberId, found: HardState) {
        let spoken = self.terms.get(&id).copied().unwrap_or_default();
        let term = found.term;
        assert!(term >= spoken, "term and vote: {id} spoke in {spoken} and came back in {term}");
        if let Some(vote) = self.votes.get(&(id, term)) {
            let same = found.vote == Some(*vote);
            assert!(same, "term and vote: {id} forgot its vote for {vote} in term {term}");
        }
    }
}
