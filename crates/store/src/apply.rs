//! The writer: log entries in, outcomes out, and publication.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;

use crate::auth::{AuthRefused, Need, Principal};
use crate::budget::{Budget, VERSION_COST_UNITS};
use crate::command::{Command, Condition, DecodeError, Put};
use crate::delete::Delete;
use crate::expiry::Removal;
use crate::hash;
use crate::lease::{GrantError, Lease};
use crate::once::{Change, OnceLimits, Place};
use crate::outcome::{Outcome, Refused};
use crate::put;
use crate::read::{Reader, View};
use crate::settings::Settings;
use crate::snapshot::Capture;
use crate::state::State;
use crate::sweep::Sweep;
use crate::tree::Tree;
use crate::txn::Run;
use crate::types::{LeaseId, Revision, SessionId};
use crate::version::Write;

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

/// [`Store::lift_old_pins`] is called this often, so that a pin holds for twice as long at most.
pub const PIN_PERIOD_MS: u64 = 30_000;

/// How far a call of [`Store::apply`] came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Apply {
    /// The entry is applied, and visible with the next publication.
    Done(Outcome),
    /// The budget is spent: call again with the same entry and a fresh one. Until then nothing of
    /// the entry can be seen.
    Unfinished,
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
/// - commands: [`Store::apply`], [`Store::publish`], [`Store::sweep`]
/// - what is applied, published or not: [`Store::applied_index`], [`Store::revision`],
///   [`Store::state_hash`]
#[derive(Debug)]
pub struct Store {
    tree: Arc<Tree>,
    /// What readers see, replaced as a whole.
    view: Arc<ArcSwap<View>>,
    /// The state after the last entry that is applied in full.
    state: State,
    /// The command of the entry after it, if a budget ran out within.
    unfinished: Option<Unfinished>,
    sweep: Sweep,
    limits: OnceLimits,
}

impl Store {
    /// The empty store: nothing applied, at [`Revision::FIRST`].
    pub fn new() -> Store {
        Store::with(Tree::new(), State::new())
    }

    /// The empty store, with other bounds of its sessions. Every member needs the same, from the
    /// first entry on.
    pub fn with_limits(limits: OnceLimits) -> Store {
        Store { limits, ..Store::new() }
    }

    /// A store of these keys and sums, published.
    pub(crate) fn with(tree: Tree, state: State) -> Store {
        let tree = Arc::new(tree);
        let view = state.view(&tree);
        tree.pins.sweep_to(state.compact_revision);
        Store {
            sweep: Sweep::done(state.compact_revision),
            tree,
            view: Arc::new(ArcSwap::from_pointee(view)),
            state,
            unfinished: None,
            limits: OnceLimits::default(),
        }
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
            (Some(unfinished), Some(_)) => self.work(unfinished, entry, budget),
            (Some(_), None) => panic!("entry {} came back as another one", entry.index),
            (None, Some(command)) => self.execute(entry, command, budget)?,
            (None, None) => Some(Outcome::Nothing),
        };
        let Some(outcome) = outcome else { return Ok(Apply::Unfinished) };
        self.tree.events.superseded_in_all(self.state.ledger.tally.superseded_bytes);
        self.state.once.expire(entry.age_ms, &self.limits, budget);
        self.state.finish(entry);
        self.state.event_bytes = self.tree.events.bytes();
        Ok(Apply::Done(match outcome {
            Outcome::Checked { .. } => Outcome::Checked { state_hash: self.state.hash() },
            outcome => outcome,
        }))
    }

    /// Begins a command; `None` if it must go on in another turn.
    fn execute(
        &mut self,
        entry: &LogEntry,
        command: &Bytes,
        budget: &mut Budget,
    ) -> Result<Option<Outcome>, ApplyError> {
        let command = Command::decode(command.clone())
            .map_err(|reason| ApplyError::UnknownCommand { index: entry.index, reason })?;
        budget.spend(VERSION_COST_UNITS);
        self.tree.events.set_times(entry.stamp_ms, entry.age_ms);
        let (who, command) = match command {
            Command::As { principal, command } => (Some(principal), *command),
            command => (None, command),
        };
        Ok(match self.may(who.as_ref(), &command) {
            Ok(()) => self.perform(who.map(|who| who.user), command, entry, budget),
            Err(refused) => Some(self.refused(Refused::Auth(refused))),
        })
    }

    /// Whether somebody may have a command done, here and now (BUGS 20).
    fn may(&self, who: Option<&Principal>, command: &Command) -> Result<(), AuthRefused> {
        self.state.auth.check(who, Need::Change(command), &self.state.ledger.leases)
    }

    fn perform(
        &mut self,
        owner: Option<Arc<str>>,
        command: Command,
        entry: &LogEntry,
        budget: &mut Budget,
    ) -> Option<Outcome> {
        let (session, age_ms) = (SessionId(entry.index), entry.age_ms);
        match command {
            Command::Put { .. }
            | Command::Delete { .. }
            | Command::DeleteRecord { .. }
            | Command::Txn(_)
            | Command::LeaseGrant { .. }
            | Command::LeaseRevoke { .. } => self.change(command, None, entry, budget),
            Command::Expire { leases, keys } => {
                let (ledger, revision) = (self.state.ledger.begin(), self.state.revision.next());
                let removal = Removal::of_due(leases, keys, age_ms, ledger, revision);
                let unfinished = Unfinished { work: Work::Expiry(removal), change: None };
                self.work(unfinished, entry, budget)
            }
            Command::Once { origin, command } => {
                let fingerprint = hash::bytes(&command.encode());
                let change = Change { origin, owner, fingerprint, age_ms };
                match self.state.once.admit(&change, &self.limits) {
                    Ok(()) => self.change(*command, Some(change), entry, budget),
                    Err(answer) => {
                        self.state.once.settle(&change, None, &self.limits);
                        Some(answer)
                    }
                }
            }
            Command::Compact { revision, cause } => Some(self.state.compact(revision, cause)),
            Command::ChangeSettings(change) => {
                self.state.settings.change(&change, entry.index);
                Some(Outcome::SettingsChanged { settings: self.state.settings })
            }
            Command::OpenSession => {
                Some(self.state.once.open(session, owner, age_ms, &self.limits))
            }
            Command::CloseSession { session } => {
                Some(self.state.once.close(session, owner.as_deref(), age_ms, &self.limits))
            }
            // The hash is told when the entry is over.
            Command::Check => Some(Outcome::Checked { state_hash: 0 }),
            Command::Auth(change) => Some(self.state.change_auth(change, entry)),
            Command::As { .. } => panic!("a command within a command was refused when it was read"),
        }
    }

    /// Does a change, or begins it; an answer is kept for whoever named it.
    fn change(
        &mut self,
        command: Command,
        change: Option<Change>,
        entry: &LogEntry,
        budget: &mut Budget,
    ) -> Option<Outcome> {
        let work = match self.begin(command, entry, budget) {
            Begun::Done(outcome) => {
                self.keep(change.as_ref(), entry, &outcome);
                return Some(outcome);
            }
            Begun::Work(work) => work,
        };
        self.work(Unfinished { work, change }, entry, budget)
    }

    fn begin(&mut self, command: Command, entry: &LogEntry, budget: &mut Budget) -> Begun {
        let next = self.state.revision.next();
        match command {
            Command::Put { put, condition } => {
                let conflict = self.conflict(&put.key, condition);
                Begun::Done(conflict.unwrap_or_else(|| self.put(&put, entry.age_ms, budget)))
            }
            Command::Delete { range, prev_kv, condition } => {
                match self.conflict(&range.span().start, condition) {
                    Some(conflict) => Begun::Done(conflict),
                    None => {
                        let ledger = self.state.ledger.begin();
                        Begun::Work(Work::Delete(Delete::new(&range, prev_kv, ledger, next)))
                    }
                }
            }
            Command::DeleteRecord { record } => {
                let ledger = self.state.ledger.begin();
                Begun::Work(Work::Delete(Delete::of_record(&record, ledger, next)))
            }
            Command::Txn(txn) => {
                let (kept, ledger) = (self.state.kept(), self.state.ledger.begin());
                Begun::Work(Work::Txn(Box::new(Run::new(txn, kept, entry.age_ms, ledger))))
            }
            Command::LeaseGrant { lease, ttl_s } => Begun::Done(self.grant(lease, ttl_s, entry)),
            Command::LeaseRevoke { lease } => match self.state.ledger.leases.check(lease) {
                Err(reason) => Begun::Done(self.refused(reason)),
                Ok(()) => {
                    let ledger = self.state.ledger.begin();
                    Begun::Work(Work::Revocation(Removal::of_lease(lease, ledger, next)))
                }
            },
            other => panic!("{other:?} is no change"),
        }
    }

    fn refused(&self, reason: Refused) -> Outcome {
        Outcome::Refused { revision: self.state.revision, reason }
    }

    fn grant(&mut self, wanted: LeaseId, ttl_s: u64, entry: &LogEntry) -> Outcome {
        let leases = &mut self.state.ledger.leases;
        match leases.grant(wanted, ttl_s, (entry.index, entry.age_ms), self.limits.leases_max) {
            Ok(lease) => Outcome::LeaseGranted {
                revision: self.state.revision,
                lease: lease.id(),
                ttl_s: lease.ttl_s(),
            },
            Err(GrantError::Exists) => self.refused(Refused::LeaseExists),
            Err(GrantError::Full) => Outcome::TableFull,
        }
    }

    /// What to answer if the condition does not hold.
    fn conflict(&self, key: &[u8], condition: Option<Condition>) -> Option<Outcome> {
        let condition = condition?;
        let revision = self.state.revision;
        let current = self.tree.get(key, revision);
        let holds = condition.holds(current.as_ref().map(|current| current.mod_revision));
        (!holds).then_some(Outcome::Conflict { revision, current })
    }

    fn put(&mut self, put: &Put, age_ms: u64, budget: &mut Budget) -> Outcome {
        let before = self.state.revision;
        if let Err(reason) = put::check(put, &self.tree, before, &self.state.ledger.leases) {
            return self.refused(reason);
        }
        let (value, lifetime) = put::resolve(put, &self.tree, before, age_ms);
        budget.spend((put.key.len() + value.len()) as u64);
        let (revision, stamp_ms) = (before.next(), self.tree.events.stamp_ms());
        let write = Write::new(&put.key, &value, revision, stamp_ms, lifetime);
        let prev = self.tree.put(write, put.prev_kv, &mut self.state.ledger);
        self.state.revision = revision;
        Outcome::Put { revision, prev }
    }

    /// Goes on with what may take several turns; `None` if it must go on in another one.
    fn work(
        &mut self,
        mut unfinished: Unfinished,
        entry: &LogEntry,
        budget: &mut Budget,
    ) -> Option<Outcome> {
        let advanced = match &mut unfinished.work {
            Work::Delete(delete) => Ok(delete.advance(&self.tree, budget)),
            Work::Txn(run) => run.advance(&self.tree, budget),
            Work::Revocation(removal) | Work::Expiry(removal) => {
                Ok(removal.advance(&self.tree, budget))
            }
        };
        let outcome = match (advanced, unfinished.work) {
            (Ok(false), work) => {
                self.unfinished = Some(Unfinished { work, ..unfinished });
                return None;
            }
            (Err(reason), _) => self.refused(reason),
            (Ok(true), Work::Delete(delete)) => self.finish_delete(delete),
            (Ok(true), Work::Txn(run)) => {
                let (response, ledger) = run.finish();
                if let Some(ledger) = ledger {
                    self.state.wrote(response.revision, ledger);
                }
                Outcome::Txn(response)
            }
            (Ok(true), Work::Revocation(removal)) => {
                let (revision, _, count) = self.finish_removal(removal);
                Outcome::LeaseRevoked { revision, count }
            }
            (Ok(true), Work::Expiry(removal)) => {
                let (revision, leases, keys) = self.finish_removal(removal);
                Outcome::Expired { revision, leases, keys }
            }
        };
        self.keep(unfinished.change.as_ref(), entry, &outcome);
        Some(outcome)
    }

    fn finish_delete(&mut self, delete: Delete) -> Outcome {
        let Delete { count, prev, revision, ledger, .. } = delete;
        if count > 0 {
            self.state.wrote(revision, ledger);
        }
        Outcome::Deleted { revision: self.state.revision, count, prev }
    }

    /// The store's revision then, and how many leases and keys are gone.
    fn finish_removal(&mut self, removal: Removal) -> (Revision, u64, u64) {
        let Removal { revision, ledger, leases_gone, keys_gone, .. } = removal;
        let now = if keys_gone > 0 { revision } else { self.state.revision };
        self.state.wrote(now, ledger);
        (now, leases_gone, keys_gone)
    }

    /// Keeps the answer to a change that has a name.
    fn keep(&mut self, change: Option<&Change>, entry: &LogEntry, outcome: &Outcome) {
        let Some(change) = change else { return };
        let LogEntry { index, term, stamp_ms, .. } = *entry;
        let place = Place { index, term, stamp_ms };
        // What found no room was not done, and may be once there is some.
        let done = (*outcome != Outcome::TableFull).then_some((place, outcome));
        self.state.once.settle(change, done, &self.limits);
    }

    /// Makes everything applied so far visible, in one step: index, revision, hash and counts.
    /// An unfinished entry stays out of it.
    pub fn publish(&mut self) {
        self.view.store(Arc::new(self.state.view(&self.tree)));
    }

    /// Removes some of what the last published compaction gave up, until the budget is spent;
    /// true if there is nothing left that may be removed now. It is called between entries, as
    /// often as there is time for it, and changes nothing that a reader can ask.
    pub fn sweep(&mut self, budget: &mut Budget) -> bool {
        let compact_revision = self.view.load().published.compact_revision;
        let over = {
            let tally = &mut self.state.ledger.tally;
            self.sweep.advance(&self.tree, compact_revision, tally, budget)
        };
        if self.unfinished.is_none() {
            self.state.event_bytes = self.tree.events.bytes();
        }
        over
    }

    /// Lifts the readers' pins that were there at the last call (rule 6.4). To be called every
    /// [`PIN_PERIOD_MS`].
    pub fn lift_old_pins(&self) {
        self.tree.pins.lift_old();
    }

    /// The state after the last entry that is applied in full, to be read chunk by chunk on
    /// another thread while this one goes on ([`Capture::next_chunk`]). Costs the same however
    /// much the store holds.
    pub fn capture(&self) -> Capture {
        Capture::new(Arc::clone(&self.tree), self.state.clone())
    }

    /// Takes another store's state in place of its own, published or not, and publishes it: every
    /// [`Reader`] of this store finds either all of the old state or all of the new one. Gives
    /// back what was there, for the caller to drop where it holds nobody up: a million keys take
    /// a while. The bounds of the sessions stay this store's own.
    pub fn replace(&mut self, restored: Store) -> Retired {
        let Store { tree, state, unfinished, sweep, .. } = restored;
        let tree = std::mem::replace(&mut self.tree, tree);
        let state = std::mem::replace(&mut self.state, state);
        (self.unfinished, self.sweep) = (unfinished, sweep);
        self.publish();
        Retired { _tree: tree, _state: state }
    }

    /// What this store holds, for the caller to drop where it holds nobody up.
    pub fn retire(self) -> Retired {
        Retired { _tree: self.tree, _state: self.state }
    }

    /// A handle for reading what is published.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.view))
    }

    /// Shows `take` the keys whose time to live is over at this age, the longest overdue first,
    /// until it answers that it has enough: what the leader proposes to expire. They are as the
    /// last command left them, published or not.
    pub fn due_keys(&self, age_ms: u64, take: impl FnMut(&[u8], Revision) -> bool) {
        self.state.ledger.deadlines.due(age_ms, take);
    }

    /// The age at which the next key with a time to live of its own is due, ms.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.state.ledger.deadlines.next_ms()
    }

    /// A lease as it is applied, published or not.
    pub fn lease(&self, id: LeaseId) -> Option<&Lease> {
        self.state.ledger.leases.get(id).map(AsRef::as_ref)
    }

    /// The leases after this one as they are applied, all after `None`, by id.
    pub fn leases_after(&self, id: Option<LeaseId>) -> impl Iterator<Item = &Lease> {
        self.state.ledger.leases.after(id).map(AsRef::as_ref)
    }

    /// The last entry applied in full; 0 before the first.
    pub fn applied_index(&self) -> u64 {
        self.state.applied_index
    }

    /// The revision after that entry.
    pub fn revision(&self) -> Revision {
        self.state.revision
    }

    /// How many bytes the past takes now: old versions, tombstones, the event log; what compaction
    /// gave up as long as it is not removed.
    pub fn history_bytes(&self) -> u64 {
        self.state.history_bytes()
    }

    /// The replicated settings after that entry.
    pub fn settings(&self) -> Settings {
        self.state.settings
    }

    /// The oldest revision that can be read after that entry; 0 while nothing was compacted.
    pub fn compact_revision(&self) -> Revision {
        self.state.compact_revision
    }

    /// About how many bytes the past takes that is not given up, whether the rest is removed
    /// already or not. Members agree on it but for rounding.
    pub fn kept_history_bytes(&self) -> u64 {
        self.tree.events.bytes_since(self.state.compact_revision)
    }

    /// The oldest revision to which the past may be compacted so that about so many bytes of it are
    /// left, or fewer; the newest if even that leaves more.
    pub fn revision_leaving(&self, history_bytes: u64) -> Revision {
        let found = self.tree.events.revision_leaving(history_bytes);
        found.unwrap_or(self.state.revision).clamp(self.state.compact_revision, self.state.revision)
    }

    /// The last revision that was there at this age of the cluster, if it is kept.
    pub fn revision_at_age(&self, age_ms: u64) -> Option<Revision> {
        let found = self.tree.events.revision_at_age(age_ms, self.state.revision)?;
        (found >= self.state.compact_revision).then_some(found)
    }

    /// The age of the cluster at the first revision after the oldest that can be read, if there is
    /// one: how old the past is that a compaction could give up.
    pub fn oldest_change_age_ms(&self) -> Option<u64> {
        Some(self.tree.events.first_mark(self.state.compact_revision.next())?.age_ms)
    }

    /// The term of the last entry applied in full.
    pub fn applied_term(&self) -> u64 {
        self.state.applied_term
    }

    /// The age of the cluster at that entry, ms (rule 8.1).
    pub fn age_ms(&self) -> u64 {
        self.state.age_ms
    }

    /// What all that is kept takes in memory, about: see [`crate::Published::retained_bytes`].
    pub fn retained_bytes(&self) -> u64 {
        self.state.retained_bytes()
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

/// The keys and sessions that [`Store::replace`] put out of use. Dropping it frees their memory, if
/// no reader still looks at them.
#[derive(Debug)]
pub struct Retired {
    _tree: Arc<Tree>,
    _state: State,
}

/// The rest of an entry that did not fit into its turn.
#[derive(Debug)]
struct Unfinished {
    work: Work,
    /// Under which name the answer is to be kept.
    change: Option<Change>,
}

/// What may grow so long.
#[derive(Debug)]
enum Work {
    Delete(Delete),
    Txn(Box<Run>),
    Revocation(Removal),
    Expiry(Removal),
}

/// How a change begins.
enum Begun {
    Done(Outcome),
    Work(Work),
}
