//! Durable is what the log said is durable: a member rests nothing on an entry before its log
//! thread has answered for it, whatever the member itself believes.

use std::collections::{BTreeMap, VecDeque};

use raft::{Index, MemberId, Persist, PersistNumber, Raft};

/// What the log thread of each running member was asked, and what it has answered for.
#[derive(Debug, Default)]
pub(crate) struct SaidDurable {
    members: BTreeMap<MemberId, Said>,
}

#[derive(Debug, Default)]
struct Said {
    /// Where the log on disk ends.
    last: Index,
    /// Batches without an answer, and where the log ends after each; none: where it did before.
    asked: VecDeque<(PersistNumber, Option<Index>)>,
}

impl SaidDurable {
    /// A member came back with a log that ends there.
    pub(crate) fn recovered(&mut self, id: MemberId, last: Index) {
        self.members.insert(id, Said { last, asked: VecDeque::new() });
    }

    /// A batch was handed out.
    pub(crate) fn asked(&mut self, id: MemberId, persist: &Persist) {
        let last = persist.entries.last().map(|entry| entry.id.index);
        let last = last.or(persist.start.map(|start| start.index));
        self.members.entry(id).or_default().asked.push_back((persist.number, last));
    }

    /// The log thread answers for all batches up to that one.
    pub(crate) fn answered(&mut self, id: MemberId, number: PersistNumber) {
        let said = self.members.entry(id).or_default();
        while let Some((_, last)) = said.asked.pop_front_if(|(asked, _)| *asked <= number) {
            said.last = last.unwrap_or(said.last);
        }
    }

    pub(crate) fn check(&self, raft: &Raft) {
        let (id, claims) = (raft.id(), raft.durable());
        let said = self.members.get(&id).map_or(Index(0), |said| said.last);
        assert!(claims <= said, "durable: {id} rests on {claims}, and its log has said {said}");
    }
}
