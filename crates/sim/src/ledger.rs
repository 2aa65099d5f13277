//! The committed log: every entry that any member ever held to be committed, in order, for good.
//!
//! It is what the checks compare everything with. Each entry is written down when the first
//! member commits it, with what the naive model and the real state machine make of it, applied one
//! entry at a time.

use raft::{Entry, EntryKind, Index, Membership, Term};
use store::{Apply, Budget, Command, LogEntry, Outcome, Revision, Store};

use crate::model::Model;
use crate::retention::{Bounds, CompactionCounts};

#[derive(Debug)]
pub(crate) struct Ledger {
    committed: Vec<Committed>,
    model: Model,
    store: Store,
    bounds: Bounds,
    /// Every committed configuration: where it stands, and who counts by it.
    memberships: Vec<(Index, Membership)>,
}

/// One committed entry.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) entry: Entry,
    /// The term of the member that committed it first: leaders of later terms must hold it.
    pub(crate) in_term: Term,
    /// What its writer must be answered.
    pub(crate) outcome: Outcome,
    /// The store's revision and state hash after it.
    pub(crate) revision: Revision,
    pub(crate) state_hash: u64,
    /// The oldest revision that can be read then; 0 before the first compaction.
    pub(crate) compacted: Revision,
}

impl Ledger {
    pub(crate) fn new() -> Ledger {
        Ledger {
            committed: Vec::new(),
            model: Model::new(),
            store: Store::new(),
            bounds: Bounds::default(),
            memberships: Vec::new(),
        }
    }

    /// The newest committed index.
    pub(crate) fn last(&self) -> Index {
        Index(self.committed.len() as u64)
    }

    pub(crate) fn get(&self, index: Index) -> Option<&Committed> {
        self.committed.get(index.0.checked_sub(1)? as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Committed> {
        self.committed.iter()
    }

    /// Who counts by the newest committed configuration.
    pub(crate) fn membership(&self) -> &Membership {
        self.membership_at(self.last()).1
    }

    /// Who counted at a committed index, and where that configuration stands.
    pub(crate) fn membership_at(&self, index: Index) -> (Index, &Membership) {
        let count = self.memberships.partition_point(|&(at, _)| at <= index);
        let newest = count.checked_sub(1).map(|position| &self.memberships[position]);
        newest.map(|(at, membership)| (*at, membership)).expect("entry 1 is a configuration")
    }

    /// From now on leaders may give up the past for want of memory.
    pub(crate) fn memory_is_limited(&mut self) {
        self.bounds.memory_is_limited = true;
    }

    /// What leaders gave up by themselves.
    pub(crate) fn compactions(&self) -> CompactionCounts {
        self.bounds.counts
    }

    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// The next entry was committed, first by a member in `in_term`.
    pub(crate) fn append(&mut self, entry: Entry, in_term: Term) -> &Committed {
        assert_eq!(entry.id.index, self.last().next(), "the ledger has no gaps");
        self.check_times(&entry);
        let outcome = self.expect(&entry);
        let revision = self.model.revision();
        assert_eq!(self.store.revision(), revision, "the store and its model agree");
        let state_hash = self.store.state_hash();
        if entry.kind == EntryKind::Configuration {
            let membership = (replica::CODEC.decode)(&entry.payload);
            let membership = membership.expect("only what can be read is proposed");
            self.memberships.push((entry.id.index, membership));
        }
        let compacted = self.model.compacted();
        let committed = Committed { entry, in_term, outcome, revision, state_hash, compacted };
        self.committed.push(committed);
        self.committed.last().expect("pushed above")
    }

    /// Whatever the clocks of its leaders show, time never goes back along the log (rule 8.1).
    fn check_times(&self, entry: &Entry) {
        let Some(Committed { entry: before, .. }) = self.committed.last() else { return };
        let id = entry.id;
        assert!(entry.stamp_ms >= before.stamp_ms, "time: the stamp of {id} is before the last");
        assert!(entry.age_ms >= before.age_ms, "time: the age of {id} is below the last");
    }

    /// What the entry does: the model says it, and the real store, applied whole, must agree.
    fn expect(&mut self, entry: &Entry) -> Outcome {
        let is_command = entry.kind == EntryKind::Command;
        let expected = if is_command {
            let command = Command::decode(entry.payload.clone());
            let command = command.expect("only valid commands are proposed");
            let settings = *self.model.settings();
            if let Command::Compact { revision, cause } = command {
                self.bounds.check(entry, revision, cause, &settings, &self.committed);
            }
            let expected = match command {
                // The leader's own, which changes nothing.
                Command::Check => {
                    self.model.applies(entry);
                    Outcome::Checked { state_hash: self.store.state_hash() }
                }
                command => self.model.apply_entry(entry, command),
            };
            self.bounds.set(self.model.settings());
            expected
        } else {
            self.model.applies(entry);
            Outcome::Nothing
        };
        let applied = self.store.apply(
            &LogEntry {
                index: entry.id.index.0,
                term: entry.id.term.0,
                stamp_ms: entry.stamp_ms,
                age_ms: entry.age_ms,
                command: is_command.then(|| entry.payload.clone()),
            },
            &mut Budget::new(u64::MAX),
        );
        let expected_apply = Apply::Done(expected.clone());
        assert_eq!(applied, Ok(expected_apply), "state machine: entry {} by the model", entry.id);
        expected
    }
}
