//! Messages of Raft that somebody makes by hand, to see what a member answers
//! (docs/raft-by-hand.md).
//!
//! Such a message goes the way of any peer's: the same checks, the same consensus, and no answer
//! before what it promises is on the disk. Two things are special. Its answer goes to whoever made
//! it, not to the member in whose name it was made; and nobody may speak for a leader that is
//! heard from its own process, because members that believed both would hold logs that differ.
//!
//! What this does not do: make a lie harmless. Whoever speaks for other members can have two
//! leaders elected in one term, by asking in the name of a member that campaigns itself.

use bytes::Bytes;
use raft::{
    AppendResult, Body, Entry, EntryKind, Index, LogId, MemberId, Message, Now, Raft, Refusal, Term,
};
use replica::{Configuration, Effects, PeerMessage};
use tokio::sync::oneshot;

#[cfg(test)]
#[path = "by_hand_tests.rs"]
mod tests;

/// Messages made by hand that are not answered yet, at most.
pub(crate) const HAND_MADE_MAX: usize = 16;

/// A message.
#[derive(Debug)]
pub(crate) struct HandMade {
    /// In whose name.
    pub(crate) from: MemberId,
    pub(crate) term: Term,
    pub(crate) says: Says,
}

/// What it says.
#[derive(Debug)]
pub(crate) enum Says {
    /// Figure 2, RequestVote.
    Vote { last: LogId },
    /// Figure 2, AppendEntries.
    Append { previous: LogId, entries: Vec<HandEntry>, commit: Index },
}

/// An entry, which gets its times from the member that takes it.
#[derive(Debug)]
pub(crate) struct HandEntry {
    pub(crate) term: Term,
    pub(crate) kind: EntryKind,
    /// An encoded, validated command; nothing in an entry that only begins a term.
    pub(crate) payload: Bytes,
}

/// What Figure 2 wants to have answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HandAnswer {
    pub(crate) term: Term,
    /// The vote was granted; the entries are in the log, and on the disk.
    pub(crate) success: bool,
}

/// Why a message was not taken. It has changed neither log nor commit index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// There is no such member.
    NoMember(MemberId),
    /// That member leads this term, and speaks for itself.
    Led { leader: MemberId, term: Term },
    /// Too many are waiting.
    Overloaded,
    /// No honest member sends this.
    Refused(Refusal),
}

/// Where an answer goes.
pub(crate) type HandSender = oneshot::Sender<Result<HandAnswer, NotTaken>>;

/// Those who wait for an answer.
#[derive(Debug, Default)]
pub(crate) struct HandDesk {
    waiting: Vec<Waiting>,
    /// The leader that was last heard by hand, in its term.
    leader: Option<(Term, MemberId)>,
}

#[derive(Debug)]
struct Waiting {
    from: MemberId,
    term: Term,
    wants: Wants,
    /// Nothing was handed out since it was taken.
    fresh: bool,
    answer: HandSender,
}

#[derive(Clone, Copy, Debug)]
enum Wants {
    Vote,
    /// Everything up to `last`, the first part of it being there already.
    Matched {
        previous: Index,
        last: Index,
    },
}

impl HandMade {
    /// As a peer would have sent it. Entries are stamped by this member's clock, and no earlier
    /// than what it has applied (rule 8.1).
    pub(crate) fn message(&self, now: Now, applied_stamp_ms: u64, age_ms: u64) -> Message {
        let body = match &self.says {
            Says::Vote { last } => Body::Vote { last: *last, transfer: false },
            Says::Append { previous, entries, commit } => {
                let stamp_ms = now.wall_ms.max(applied_stamp_ms);
                let entry = |(entry, index): (&HandEntry, u64)| Entry {
                    id: LogId::new(entry.term, Index(index)),
                    kind: entry.kind,
                    stamp_ms,
                    age_ms,
                    payload: entry.payload.clone(),
                };
                let entries = entries.iter().zip(previous.index.0 + 1..).map(entry).collect();
                Body::Append { previous: *previous, entries, commit: *commit, round: 0, age_ms }
            }
        };
        Message { term: self.term, body }
    }

    fn wants(&self) -> Wants {
        match &self.says {
            Says::Vote { .. } => Wants::Vote,
            Says::Append { previous, entries, .. } => {
                let last = Index(previous.index.0 + entries.len() as u64);
                Wants::Matched { previous: previous.index, last }
            }
        }
    }
}

impl HandDesk {
    /// Whether the member may listen to this.
    pub(crate) fn admit(
        &mut self,
        made: &HandMade,
        configuration: &Configuration,
        raft: &Raft,
    ) -> Result<(), NotTaken> {
        self.waiting.retain(|waiting| !waiting.answer.is_closed());
        if self.waiting.len() >= HAND_MADE_MAX {
            return Err(NotTaken::Overloaded);
        }
        if !configuration.members.contains_key(&made.from) {
            return Err(NotTaken::NoMember(made.from));
        }
        let by_hand = self.leader == Some((made.term, made.from));
        let appends = matches!(made.says, Says::Append { .. });
        match raft.leader().filter(|_| appends && made.term == raft.term() && !by_hand) {
            Some(leader) => Err(NotTaken::Led { leader, term: made.term }),
            None => Ok(()),
        }
    }

    /// The message was taken: `answer` waits for what comes of it.
    pub(crate) fn wait(&mut self, made: &HandMade, answer: HandSender) {
        let HandMade { from, term, .. } = *made;
        self.waiting.push(Waiting { from, term, wants: made.wants(), fresh: true, answer });
    }

    /// Keeps what answers messages made by hand from leaving for anybody else.
    pub(crate) fn take_answers(&mut self, effects: &mut Effects) {
        if self.waiting.is_empty() && self.leader.is_none() {
            return;
        }
        let refused =
            effects.refused.extract_if(.., |(from, refusal)| self.refused(*from, refusal));
        drop(refused.collect::<Vec<_>>());
        effects.send.retain(|(to, message)| !self.answers(*to, message));
    }

    fn refused(&mut self, from: MemberId, refusal: &Refusal) -> bool {
        let is_of = |waiting: &Waiting| waiting.fresh && waiting.from == from;
        self.finish(is_of, &Err(NotTaken::Refused(*refusal)))
    }

    /// Whether a message is an answer that goes no further.
    fn answers(&mut self, to: MemberId, message: &PeerMessage) -> bool {
        let PeerMessage::Raft(Message { term, body }) = message else { return false };
        let term = *term;
        match body {
            Body::VoteAnswer { granted } => {
                let is_of =
                    |waiting: &Waiting| waiting.from == to && matches!(waiting.wants, Wants::Vote);
                let asked = |waiting: &Waiting| waiting.term == term;
                let success = *granted && self.waiting.iter().any(|w| is_of(w) && asked(w));
                self.finish(is_of, &Ok(HandAnswer { term, success }))
            }
            Body::AppendAnswer { result, .. } => {
                let success = matches!(result, AppendResult::Accepted { .. });
                let is_of = |waiting: &Waiting| match (waiting.wants, result) {
                    (Wants::Vote, _) => false,
                    (Wants::Matched { last, .. }, AppendResult::Accepted { matched }) => {
                        waiting.from == to && waiting.term == term && *matched >= last
                    }
                    // (What is of an old term is refused as a whole, with an index of 0.)
                    (
                        Wants::Matched { previous, .. },
                        AppendResult::Rejected { previous: at, .. },
                    ) => waiting.from == to && (*at == previous || waiting.term < term),
                };
                let finished = self.finish(is_of, &Ok(HandAnswer { term, success }));
                // What a leader by hand has made it take is not its namesake's.
                finished || self.leader == Some((term, to))
            }
            _ => false,
        }
    }

    /// Answers those who waited for this; whether there was one.
    fn finish(
        &mut self,
        is_of: impl Fn(&Waiting) -> bool,
        answer: &Result<HandAnswer, NotTaken>,
    ) -> bool {
        let (done, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(is_of);
        self.waiting = waiting;
        let done: Vec<Waiting> = done;
        let finished = !done.is_empty();
        for waiting in done {
            // Whoever asked may have gone.
            let _ = waiting.answer.send(answer.clone());
        }
        finished
    }

    /// The member has looked at what was just taken. A vote that it refuses because it hears a
    /// leader is answered by nothing at all, and its term is not adopted.
    pub(crate) fn settle(&mut self, made: &HandMade, raft: &Raft) {
        let own = raft.term();
        let unheard = |waiting: &Waiting| {
            waiting.fresh && matches!(waiting.wants, Wants::Vote) && waiting.term > own
        };
        self.finish(unheard, &Ok(HandAnswer { term: own, success: false }));
        self.waiting.iter_mut().for_each(|waiting| waiting.fresh = false);
        let appends = matches!(made.says, Says::Append { .. });
        if appends && own == made.term && raft.leader() == Some(made.from) {
            self.leader = Some((made.term, made.from));
        }
    }

    /// A peer speaks for itself.
    pub(crate) fn heard(&mut self, from: MemberId, messages: &[PeerMessage]) {
        let leads = |message: &PeerMessage| {
            let PeerMessage::Raft(message) = message else { return false };
            matches!(message.body, Body::Append { .. })
        };
        let namesake = self.leader.is_some_and(|(_, leader)| leader == from);
        if namesake && messages.iter().any(leads) {
            self.leader = None;
        }
    }
}
