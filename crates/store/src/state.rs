//! The numbers and tables beside the keys.

use std::sync::Arc;

use crate::apply::LogEntry;
use crate::auth::{Auth, AuthChange};
use crate::command::CompactionCause;
use crate::hash;
use crate::ledger::Ledger;
use crate::once::Once;
use crate::outcome::{Outcome, Refused};
use crate::read::{Kept, Published, ReadError, View};
use crate::settings::Settings;
use crate::tree::Tree;
use crate::types::Revision;

/// What the entries applied so far add up to, beside the keys themselves.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) applied_index: u64,
    pub(crate) applied_term: u64,
    pub(crate) stamp_ms: u64,
    pub(crate) age_ms: u64,
    pub(crate) revision: Revision,
    pub(crate) compact_revision: Revision,
    /// Why it was compacted last.
    pub(crate) compacted_for: CompactionCause,
    pub(crate) settings: Settings,
    pub(crate) ledger: Ledger,
    /// What the event log took after the last entry that was applied in full.
    pub(crate) event_bytes: u64,
    pub(crate) once: Once,
    pub(crate) auth: Arc<Auth>,
}

impl State {
    pub(crate) fn new() -> State {
        State {
            applied_index: 0,
            applied_term: 0,
            stamp_ms: 0,
            age_ms: 0,
            revision: Revision::FIRST,
            compact_revision: Revision(0),
            compacted_for: CompactionCause::Asked,
            settings: Settings::default(),
            ledger: Ledger::default(),
            event_bytes: 0,
            once: Once::default(),
            auth: Arc::default(),
        }
    }

    pub(crate) fn finish(&mut self, entry: &LogEntry) {
        self.applied_index = entry.index;
        self.applied_term = entry.term;
        self.stamp_ms = entry.stamp_ms;
        self.age_ms = entry.age_ms;
    }

    /// A command wrote at `revision`, and leaves the books like this.
    pub(crate) fn wrote(&mut self, revision: Revision, ledger: Ledger) {
        self.revision = revision;
        self.ledger.finish(ledger);
    }

    /// Gives up what only revisions before this one need.
    pub(crate) fn compact(&mut self, requested: Revision, cause: CompactionCause) -> Outcome {
        let (revision, oldest) = (self.revision, self.compact_revision);
        let refused = |error| Outcome::Refused { revision, reason: Refused::Unreadable(error) };
        if requested > revision {
            return refused(ReadError::FutureRevision { requested, newest: revision });
        }
        // A store that was never compacted takes 0, as etcd does.
        if requested <= oldest && requested > Revision(0) {
            return refused(ReadError::Compacted { requested, oldest });
        }
        self.compact_revision = requested.max(oldest);
        self.compacted_for = cause;
        Outcome::Compacted { revision, compact_revision: self.compact_revision }
    }

    /// Changes who may do what.
    pub(crate) fn change_auth(&mut self, change: AuthChange, entry: &LogEntry) -> Outcome {
        let logs_in = matches!(change, AuthChange::LogIn { .. });
        let removed = match &change {
            AuthChange::DeleteUser { name } => Some(Arc::clone(name)),
            _ => None,
        };
        let changed = Arc::make_mut(&mut self.auth).change(change, entry.index, entry.age_ms);
        let revision = self.revision;
        match changed {
            Err(refused) => Outcome::Refused { revision, reason: Refused::Auth(refused) },
            Ok(()) if logs_in => Outcome::LoggedIn { revision, index: entry.index },
            Ok(()) => {
                removed.into_iter().for_each(|user| self.once.forget_user(&user));
                Outcome::AuthChanged { revision }
            }
        }
    }

    /// Which revisions can be read.
    pub(crate) fn kept(&self) -> Kept {
        Kept { newest: self.revision, compact_revision: self.compact_revision }
    }

    pub(crate) fn hash(&self) -> u64 {
        let counters = hash::counters_item(self.revision, self.compact_revision);
        let keys = self.ledger.tally.hash;
        let (leases, once) = (self.ledger.leases.hash(), self.once.tally().hash);
        let parts = [keys, leases, once, self.settings.item(), self.auth.hash()];
        parts.into_iter().fold(counters, u64::wrapping_add)
    }

    pub(crate) fn history_bytes(&self) -> u64 {
        self.ledger.tally.history_bytes.wrapping_add(self.event_bytes)
    }

    /// What everything here takes in memory, about (rule 11.2).
    pub(crate) fn retained_bytes(&self) -> u64 {
        let live = self.ledger.tally.live_cost_bytes();
        let (leases, once) = (self.ledger.leases.bytes(), self.once.cost_bytes());
        live + self.history_bytes() + leases + once + self.auth.bytes()
    }

    /// What readers are to see, over these keys.
    pub(crate) fn view(&self, tree: &Arc<Tree>) -> View {
        View {
            tree: Arc::clone(tree),
            published: self.published(),
            leases: self.ledger.leases.clone(),
            auth: Arc::clone(&self.auth),
        }
    }

    pub(crate) fn published(&self) -> Published {
        let tally = &self.ledger.tally;
        Published {
            applied_index: self.applied_index,
            applied_term: self.applied_term,
            stamp_ms: self.stamp_ms,
            age_ms: self.age_ms,
            revision: self.revision,
            compact_revision: self.compact_revision,
            compacted_for: self.compacted_for,
            settings: self.settings,
            state_hash: self.hash(),
            keys: tally.keys,
            live_bytes: tally.bytes,
            history_bytes: self.history_bytes(),
            retained_bytes: self.retained_bytes(),
            ttl_keys: tally.ttl_keys,
            leases: self.ledger.leases.len() as u64,
            lease_bytes: self.ledger.leases.bytes(),
            sessions: self.once.session_count() as u64,
            once_keys: self.once.key_count() as u64,
        }
    }
}
