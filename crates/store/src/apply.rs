//! The writer: log entries in, outcomes out, and publication.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;

use crate::budget::{Budget, VERSION_COST_UNITS};
use crate::command::{Command, DecodeError};
use crate::hash;
use crate::key_range::{KeyRange, Span};
use crate::read::{Published, Reader, Shared};
use crate::tally::Tally;
use crate::tree::Tree;
use crate::types::{KeyValue, Revision};
use crate::version::{With, Write};

/// A committed entry of the log, as far as the store is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place in the log; entries are applied one after the other, from 1.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// The leader's wall clock when it was appended, ms since 1970.
    pub stamp_ms: u64,
    /// For how long the cluster had had a leader when it was appended, ms (rule 8.1).
    pub age_ms: u64,
    /// The encoded command; `None` where the entry is raft's own (a no-op, a configuration).
    pub command: Option<Bytes>,
}

/// How far a call of [`Store::apply`] came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Apply {
    /// The entry is applied, and visible with the next publication.
    Done(Outcome),
    /// The budget is spent: call again with the same entry and a fresh one. Until then nothing of
    /// the entry can be seen.
    Unfinished,
}

/// What an entry did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It carried no command.
    Nothing,
    /// A key has a new value.
    Put {
        /// The write's revision.
        revision: Revision,
        /// What the key was before, if it existed and that was asked for.
        prev: Option<KeyValue>,
    },
    /// Keys were removed.
    Deleted {
        /// The write's revision, or the store's if nothing was there to remove: a delete without
        /// effect takes no revision.
        revision: Revision,
        /// How many keys were removed.
        count: u64,
        /// What they were, in key order, if that was asked for.
        prev: Vec<KeyValue>,
    },
}

/// Why an entry can not be applied. The member must stop there: going on without it would make it
/// differ from the others (rule 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyError {
    /// The entry's command is none that this version knows.
    UnknownCommand {
        /// The entry.
        index: u64,
        /// What is wrong with it.
        reason: DecodeError,
    },
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ApplyError::UnknownCommand { index, reason } = self;
        write!(f, "entry {index} can not be applied: {reason}")
    }
}

impl Error for ApplyError {}

/// The state machine. Its owner is the one writer; readers have [`Reader`]s.
///
/// - commands: [`Store::apply`], [`Store::publish`]
/// - what is applied, published or not: [`Store::applied_index`], [`Store::revision`],
///   [`Store::state_hash`]
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    /// The state after the last entry that is applied in full.
    state: State,
    /// The command of the entry after it, if a budget ran out within.
    unfinished: Option<Delete>,
}

impl Store {
    /// The empty store: nothing applied, at [`Revision::FIRST`].
    pub fn new() -> Store {
        let state = State::new();
        let published = ArcSwap::from_pointee(state.published());
        let shared = Arc::new(Shared { tree: Tree::new(), published });
        Store { shared, state, unfinished: None }
    }

    /// Applies the next entry of the log, as far as the budget goes.
    ///
    /// # Panics
    ///
    /// If the entry is not the next one: the caller's log has a gap.
    pub fn apply(&mut self, entry: &LogEntry, budget: &mut Budget) -> Result<Apply, ApplyError> {
        assert_eq!(entry.index, self.state.applied_index + 1, "entries are applied in log order");
        if budget.is_spent() {
            return Ok(Apply::Unfinished);
        }
        let outcome = match (self.unfinished.take(), &entry.command) {
            (Some(delete), Some(_)) => self.delete(delete, budget),
            (Some(_), None) => panic!("entry {} came back as another one", entry.index),
            (None, Some(command)) => self.execute(entry.index, command, budget)?,
            (None, None) => Some(Outcome::Nothing),
        };
        let Some(outcome) = outcome else { return Ok(Apply::Unfinished) };
        self.state.finish(entry);
        Ok(Apply::Done(outcome))
    }

    /// Begins a command; `None` if it must go on in another turn.
    fn execute(
        &mut self,
        index: u64,
        command: &Bytes,
        budget: &mut Budget,
    ) -> Result<Option<Outcome>, ApplyError> {
        let command = Command::decode(command.clone())
            .map_err(|reason| ApplyError::UnknownCommand { index, reason })?;
        Ok(match command {
            Command::Put { key, value, prev_kv } => Some(self.put(&key, &value, prev_kv, budget)),
            Command::Delete { range, prev_kv } => {
                let delete = Delete::new(&range, prev_kv, &self.state);
                self.delete(delete, budget)
            }
        })
    }

    fn put(&mut self, key: &[u8], value: &[u8], prev_kv: bool, budget: &mut Budget) -> Outcome {
        budget.spend(VERSION_COST_UNITS + (key.len() + value.len()) as u64);
        let revision = self.state.revision.next();
        let write = Write::new(key, value, revision);
        let prev = self.shared.tree.put(write, prev_kv, &mut self.state.tally);
        self.state.revision = revision;
        Outcome::Put { revision, prev }
    }

    fn delete(&mut self, mut delete: Delete, budget: &mut Budget) -> Option<Outcome> {
        if !delete.advance(&self.shared.tree, budget) {
            self.unfinished = Some(delete);
            return None;
        }
        if delete.count > 0 {
            self.state.revision = delete.revision;
            self.state.tally = delete.tally;
        }
        let (revision, count) = (self.state.revision, delete.count);
        Some(Outcome::Deleted { revision, count, prev: delete.prev })
    }

    /// Makes everything applied so far visible, in one step: index, revision, hash and counts.
    /// An unfinished entry stays out of it.
    pub fn publish(&mut self) {
        self.shared.published.store(Arc::new(self.state.published()));
    }

    /// A handle for reading what is published.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// The last entry applied in full; 0 before the first.
    pub fn applied_index(&self) -> u64 {
        self.state.applied_index
    }

    /// The revision after that entry.
    pub fn revision(&self) -> Revision {
        self.state.revision
    }

    /// The state hash after that entry; defined by `docs/format/state-hash.md`.
    pub fn state_hash(&self) -> u64 {
        self.state.hash()
    }
}

impl Default for Store {
    fn default() -> Store {
        Store::new()
    }
}

/// What the entries applied so far add up to, beside the keys themselves.
#[derive(Debug)]
struct State {
    applied_index: u64,
    applied_term: u64,
    stamp_ms: u64,
    age_ms: u64,
    revision: Revision,
    compact_revision: Revision,
    tally: Tally,
}

impl State {
    fn new() -> State {
        State {
            applied_index: 0,
            applied_term: 0,
            stamp_ms: 0,
            age_ms: 0,
            revision: Revision::FIRST,
            compact_revision: Revision(0),
            tally: Tally::default(),
        }
    }

    fn finish(&mut self, entry: &LogEntry) {
        self.applied_index = entry.index;
        self.applied_term = entry.term;
        self.stamp_ms = entry.stamp_ms;
        self.age_ms = entry.age_ms;
    }

    fn hash(&self) -> u64 {
        self.tally.hash.wrapping_add(hash::counters_item(self.revision, self.compact_revision))
    }

    fn published(&self) -> Published {
        Published {
            applied_index: self.applied_index,
            applied_term: self.applied_term,
            stamp_ms: self.stamp_ms,
            age_ms: self.age_ms,
            revision: self.revision,
            compact_revision: self.compact_revision,
            state_hash: self.hash(),
            keys: self.tally.keys,
            live_bytes: self.tally.bytes,
        }
    }
}

/// A delete under way. It buries keys at the revision after the store's, which nobody can read
/// before it is done; what it changes in the sums is kept apart until then.
#[derive(Debug)]
struct Delete {
    span: Span,
    /// The next key to look at; `None` at the end of the span.
    from: Option<Box<[u8]>>,
    prev_kv: bool,
    revision: Revision,
    tally: Tally,
    count: u64,
    prev: Vec<KeyValue>,
}

impl Delete {
    fn new(range: &KeyRange, prev_kv: bool, state: &State) -> Delete {
        let span = range.span();
        Delete {
            from: Some(Box::from(span.start.as_ref())),
            span,
            prev_kv,
            revision: state.revision.next(),
            tally: state.tally,
            count: 0,
            prev: Vec::new(),
        }
    }

    /// Buries keys until the budget is spent; true at the end of the span.
    fn advance(&mut self, tree: &Tree, budget: &mut Budget) -> bool {
        while let Some(from) = self.from.take() {
            if budget.is_spent() {
                self.from = Some(from);
                return false;
            }
            self.from = tree.bury(&from, &self.span, self.revision, budget, |key, version| {
                self.count += 1;
                self.tally.remove(key, version);
                if self.prev_kv {
                    self.prev.extend(version.key_value(key, With::Value));
                }
            });
        }
        true
    }
}
