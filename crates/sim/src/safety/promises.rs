//! Term and vote never go back (Figure 2, persistent state): a message that rests on a term or a
//! vote leaves only once they are durable, so no restart may forget them.
//!
//! And nobody may count what was not said: a leader has the votes of a majority, given in its
//! term, and takes a follower's log for what the follower acknowledged in that term.

use std::collections::BTreeMap;

use raft::{AppendResult, Body, HardState, Index, MemberId, Message, Raft, Term};

use super::quorum::is_quorum;

#[derive(Debug, Default)]
pub(crate) struct Promises {
    /// The newest term each member has spoken in.
    terms: BTreeMap<MemberId, Term>,
    /// Whom each member voted for, by term.
    votes: BTreeMap<(MemberId, Term), MemberId>,
    /// What each follower has acknowledged to a leader at most, in the newest term it did so.
    acknowledged: BTreeMap<(MemberId, MemberId), (Term, Index)>,
}

impl Promises {
    pub(crate) fn says(&mut self, from: MemberId, to: MemberId, message: &Message) {
        let term = message.term;
        match message.body {
            // These name a term that nobody has adopted.
            Body::PreVote { .. } | Body::PreVoteAnswer { granted: true } => return,
            Body::Vote { .. } => self.votes_for(from, term, from),
            Body::VoteAnswer { granted: true } => self.votes_for(from, term, to),
            Body::AppendAnswer { result: AppendResult::Accepted { matched }, .. } => {
                let newest = self.acknowledged.entry((from, to)).or_default();
                *newest = (*newest).max((term, matched));
            }
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

    /// A member was elected: a majority has said yes, in this very term.
    pub(crate) fn check_elected(&self, raft: &Raft) {
        let (id, term) = (raft.id(), raft.term());
        let gave = |voter| voter == id || self.votes.get(&(voter, term)) == Some(&id);
        let elected = is_quorum(raft.membership(), gave);
        assert!(elected, "election: {id} leads term {term} without the votes of a majority");
    }

    /// A leader goes by what its followers have acknowledged in its term, and by nothing else.
    pub(crate) fn check_counted(&self, raft: &Raft) {
        for follower in raft.follower_status() {
            let said = self.acknowledged.get(&(follower.id, raft.id()));
            let said = said.filter(|(term, _)| *term == raft.term()).map(|(_, matched)| *matched);
            assert!(
                follower.matched <= said.unwrap_or_default(),
                "acknowledgement: {} counts {} up to {}, which acknowledged {said:?} in {}",
                raft.id(),
                follower.id,
                follower.matched,
                raft.term()
            );
        }
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
