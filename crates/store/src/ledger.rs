//! What a write changes beside the tree: the sums, the leases' keys, the deadlines.
//!
//! A command that may take several turns has a ledger of its own, which the store's takes in at
//! its end; until then nothing of it can be seen.

use crate::deadlines::Deadlines;
use crate::lease::Leases;
use crate::tally::Tally;
use crate::types::Lifetime;
use crate::version::Version;

/// The books beside the tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) tally: Tally,
    pub(crate) leases: Leases,
    pub(crate) deadlines: Deadlines,
}

impl Ledger {
    /// The ledger of a command that begins: sums from nothing, and the leases as they are.
    pub(crate) fn begin(&self) -> Ledger {
        Ledger { tally: Tally::default(), ..self.clone() }
    }

    /// Takes in that of a command that is at its end.
    pub(crate) fn finish(&mut self, command: Ledger) {
        self.tally.merge(command.tally);
        self.leases = command.leases;
    }

    /// A key has a live version where it had none.
    pub(crate) fn add(&mut self, key: &[u8], version: &Version) {
        self.tally.add(key, version);
        match version.lifetime() {
            Lifetime::Unbounded => {}
            Lifetime::Lease(lease) => self.leases.attach(lease, key),
            Lifetime::Until { age_ms } => self.deadlines.insert(age_ms, key, version.mod_revision),
        }
    }

    /// A key's live version is history from now on.
    pub(crate) fn remove(&mut self, key: &[u8], version: &Version) {
        self.tally.remove(key, version);
        match version.lifetime() {
            Lifetime::Unbounded => {}
            Lifetime::Lease(lease) => self.leases.detach(lease, key),
            Lifetime::Until { age_ms } => self.deadlines.remove(age_ms, key),
        }
    }

    /// A live version takes another one's place.
    pub(crate) fn replace(&mut self, key: &[u8], before: &Version, version: &Version) {
        match (before.lifetime(), version.lifetime()) {
            (Lifetime::Lease(old), Lifetime::Lease(new)) if old == new => {
                self.tally.remove(key, before);
                self.tally.add(key, version);
            }
            _ => {
                self.remove(key, before);
                self.add(key, version);
            }
        }
    }
}
