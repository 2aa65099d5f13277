//! What must hold between members, checked as it happens (Figure 3 of the paper), so that each
//! check costs only what changed.
//!
//! | property | § | how |
//! |---|---|---|
//! | election safety | 5.2 | at most one leader is ever seen in a term |
//! | log matching | 5.3 | a log id has one content and one predecessor, in every log ever |
//! | leader completeness | 5.4 | a new leader holds everything committed so far |
//! | state machine safety | 5.4.3 | an index is committed with one content, by everyone |
//! | durable before committed | rule 1.6 | at its first commit it is on every majority needed |
//! | durable before said | rule 1.6 | acknowledgements, terms and votes leave after their write |
//! | reads are fresh | 6.4 | a read's index covers all that was committed when it was asked |
//! | time | rule 8.1 | stamp and age never go back along a log |
//! | settled time | rule 8.3 | after a read's index a leader stamps nothing before it |

use std::collections::BTreeMap;

use raft::{
    AppendResult, Body, Entry, Envelope, Index, LogId, MemberId, Membership, Persist, ReadId,
    ReadPoint, ReadReady, Term,
};

use super::Member;
use super::disk::Disk;

#[derive(Default)]
pub(crate) struct Checks {
    leaders: BTreeMap<Term, MemberId>,
    /// Every entry ever written by anyone, and what came before it.
    entries: BTreeMap<LogId, (Entry, LogId)>,
    /// By position: index 1 first.
    committed: Vec<Entry>,
    /// How far each member's commits have been compared with that.
    compared: BTreeMap<MemberId, Index>,
    /// What was committed when a read was asked.
    reads: BTreeMap<ReadId, Index>,
    /// The newest point at which reads were served by the leader of a term.
    settled: BTreeMap<Term, ReadPoint>,
    pub(crate) reads_served: u64,
}

impl Checks {
    pub(crate) fn committed_last(&self) -> Index {
        Index(self.committed.len() as u64)
    }

    pub(crate) fn terms(&self) -> u64 {
        self.leaders.len() as u64
    }

    /// A batch is about to be handed to `disk`.
    pub(crate) fn written(&mut self, disk: &Disk, persist: &Persist) {
        let Some(first) = persist.entries.first() else { return };
        let (mut before, mut stamp_ms, mut age_ms) = match persist.start {
            Some(start) => (start, 0, 0),
            None => disk.written_before(first.id.index),
        };
        for entry in &persist.entries {
            assert!(stamp_ms <= entry.stamp_ms, "stamps go back at {}", entry.id);
            assert!(age_ms <= entry.age_ms, "ages go back at {}", entry.id);
            self.known(entry, before);
            (before, stamp_ms, age_ms) = (entry.id, entry.stamp_ms, entry.age_ms);
        }
    }

    pub(crate) fn known(&mut self, entry: &Entry, before: LogId) {
        let (known, known_before) =
            self.entries.entry(entry.id).or_insert_with(|| (entry.clone(), before));
        assert_eq!(known, entry, "log matching: {} has two contents", entry.id);
        assert_eq!(*known_before, before, "log matching: {} has two predecessors", entry.id);
    }

    /// After each output: if this member leads, it is the only one, and has all it must have.
    pub(crate) fn leader(&mut self, member: &Member) {
        let raft = member.raft.as_ref().expect("only who runs has output");
        if !raft.is_leader() {
            return;
        }
        let (id, term) = (raft.id(), raft.term());
        let known = *self.leaders.entry(term).or_insert(id);
        assert_eq!(known, id, "election safety: two leaders in term {term}");
        // Log matching makes the last committed entry stand for all before it.
        if let Some(last) = self.committed.last().filter(|last| last.id.term < term) {
            let holds = raft.log().holds(last.id);
            assert!(holds, "leader completeness: {id} leads in {term} without {}", last.id);
        }
    }

    /// A member's commit index moved.
    pub(crate) fn committed(
        &mut self,
        id: MemberId,
        commit: Index,
        in_force: &Membership,
        members: &BTreeMap<MemberId, Member>,
    ) {
        let log = &members[&id].disk.written;
        let start = log.start;
        // What a snapshot stands for is committed already.
        let known = self.committed.get(start.index.0.wrapping_sub(1) as usize);
        assert_eq!(known.map_or_else(LogId::default, |known| known.id), start);
        let compared = self.compared.insert(id, commit).unwrap_or_default().min(commit);
        for index in compared.max(start.index).next().0..=commit.0 {
            let entry = log.at(Index(index)).expect("what is committed is in the log");
            match self.committed.get(index as usize - 1) {
                Some(known) => {
                    assert_eq!(known, entry, "state machine safety: {id} commits another {index}");
                }
                None => {
                    on_quorum(entry.id, in_force, members);
                    self.committed.push(entry.clone());
                    self.check_stamp(entry);
                }
            }
        }
    }

    /// A message leaves `from`, whose disk is `disk`.
    pub(crate) fn leaves(&self, from: MemberId, envelope: &Envelope, disk: &Disk) {
        let message = &envelope.message;
        let (term, vote) = disk.term_and_vote();
        let rehearsal =
            matches!(message.body, Body::PreVote { .. } | Body::PreVoteAnswer { granted: true });
        assert!(rehearsal || term >= message.term, "{from} speaks in a term not durable");
        match message.body {
            Body::AppendAnswer { result: AppendResult::Accepted { matched }, .. } => {
                let durable = disk.durable_last();
                assert!(matched <= durable, "{from} acknowledges {matched}, durable {durable}");
            }
            Body::Vote { .. } if term == message.term => {
                assert_eq!(vote, Some(from), "{from} asks for votes before its own is durable");
            }
            Body::VoteAnswer { granted: true } if term == message.term => {
                assert_eq!(vote, Some(envelope.to), "{from} votes before that is durable");
            }
            _ => {}
        }
    }

    pub(crate) fn read_asked(&mut self, read: ReadId) {
        self.reads.insert(read, self.committed_last());
    }

    pub(crate) fn read_ready(&mut self, ready: ReadReady) {
        let floor = self.reads.remove(&ready.id).expect("a read is answered once");
        self.reads_served += 1;
        let (id, index) = (ready.id.0, ready.point.index);
        assert!(index >= floor, "read {id} may be served at {index}, {floor} was committed before");
        let entry = &self.committed[index.0 as usize - 1];
        let settled = self.settled.entry(entry.id.term).or_insert(ready.point);
        // Of two points the one that says more.
        if (settled.settled_ms, settled.index) < (ready.point.settled_ms, index) {
            *settled = ready.point;
        }
        self.committed.iter().skip(index.0 as usize).for_each(|entry| self.check_stamp(entry));
    }

    /// A leader's entries after the index of a read are not stamped before what it called settled.
    fn check_stamp(&self, entry: &Entry) {
        let Some(ReadPoint { index, settled_ms }) = self.settled.get(&entry.id.term) else {
            return;
        };
        let (id, stamp_ms) = (entry.id, entry.stamp_ms);
        let kept = id.index <= *index || stamp_ms >= *settled_ms;
        assert!(kept, "{id} is stamped {stamp_ms}, {settled_ms} was settled at {index}");
    }

    pub(crate) fn read_failed(&mut self, read: ReadId) {
        self.reads.remove(&read).expect("a read is answered once");
    }
}

/// In a joint configuration both majorities must have it; each counts only its own voters.
fn on_quorum(id: LogId, in_force: &Membership, members: &BTreeMap<MemberId, Member>) {
    for voters in [&in_force.incoming, &in_force.outgoing] {
        let holds = |voter: &&MemberId| members[voter].disk.holds_durably(id);
        let holders = voters.iter().filter(holds).count();
        let enough = voters.is_empty() || 2 * holders > voters.len();
        assert!(enough, "{id} is committed, and durable on {holders} of {} only", voters.len());
    }
}
