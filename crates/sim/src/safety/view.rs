//! What a member looked like after its last step, so that the next step's check costs only what
//! has changed.

use raft::{Index, Log, LogId, Raft, Term};

use crate::ledger::Ledger;

#[derive(Debug, Default)]
pub(crate) struct View {
    /// The term of each entry of its log, and of those that a snapshot stands for; the first is
    /// that of index 1.
    terms: Vec<Term>,
    /// How far it has said that its log is durable.
    pub(crate) durable: Index,
    /// What its log once went on to, if a repair has cut it: it votes as if it still did.
    pub(crate) floor: LogId,
    pub(crate) commit: Index,
    pub(crate) applied: Index,
    /// The term it leads in, if it runs and leads.
    pub(crate) leads: Option<Term>,
}

impl View {
    /// Takes the member's log over. Answers the first index that is new or different; one past
    /// the end if there is none.
    pub(crate) fn advance(&mut self, raft: &Raft, ledger: &Ledger) -> Index {
        let log = raft.log();
        self.start_at(log.start(), ledger);
        let common = self.common(log);
        self.terms.truncate(common.0 as usize);
        for index in common.0 + 1..=log.last().index.0 {
            self.terms.push(log.term_at(Index(index)).expect("it is in the log"));
        }
        self.durable = raft.durable();
        common.next()
    }

    /// What is before the start of a log is in a snapshot, which holds nothing but what was
    /// committed. (A start that moves over entries that were seen here changes nothing.)
    fn start_at(&mut self, start: LogId, ledger: &Ledger) {
        if self.holds(start) {
            return;
        }
        let committed = ledger.iter().take(start.index.0 as usize);
        self.terms = committed.map(|committed| committed.entry.id.term).collect();
        assert!(self.holds(start), "snapshot: a log starts at {start}, which is not committed");
    }

    /// The last index up to which the log is as it was. Only its end can differ.
    fn common(&self, log: &Log) -> Index {
        let mut common = Index(self.last().index.0.min(log.last().index.0));
        while common > log.start().index && self.term_at(common) != log.term_at(common) {
            common = common.previous();
        }
        common
    }

    /// Whether it leads a term that it did not lead before.
    pub(crate) fn became_leader(&mut self, raft: &Raft) -> bool {
        let leads = raft.is_leader().then(|| raft.term());
        let news = leads.is_some() && leads != self.leads;
        self.leads = leads;
        news
    }

    pub(crate) fn ended(&mut self) {
        self.leads = None;
        self.commit = Index(0);
        self.applied = Index(0);
    }

    pub(crate) fn recovered(&mut self, log: &Log, floor: LogId, ledger: &Ledger) {
        self.floor = self.floor.max(floor);
        self.terms.clear();
        self.start_at(log.start(), ledger);
        let indexes = log.first_index().0..=log.last().index.0;
        self.terms.extend(indexes.filter_map(|index| log.term_at(Index(index))));
        self.durable = log.last().index;
    }

    fn last(&self) -> LogId {
        let term = self.terms.last().copied().unwrap_or_default();
        LogId::new(term, Index(self.terms.len() as u64))
    }

    /// The term at an index; none past the end.
    pub(crate) fn term_at(&self, index: Index) -> Option<Term> {
        match index.0.checked_sub(1) {
            None => Some(Term(0)),
            Some(position) => self.terms.get(position as usize).copied(),
        }
    }

    pub(crate) fn holds(&self, id: LogId) -> bool {
        self.term_at(id.index) == Some(id.term)
    }

    /// The last entry that it has said is durable.
    pub(crate) fn last_durable(&self) -> LogId {
        let term = self.term_at(self.durable).expect("what is durable is in the log");
        LogId::new(term, self.durable)
    }
}
