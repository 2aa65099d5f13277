//! Leases and times to live, as plainly as they can be said: which keys a lease has is asked of the
//! keys themselves.

use std::collections::BTreeMap;

use bytes::Bytes;
use store::{
    DueKey, Grant, KeyValue, LEASE_TTL_S_MIN, LeaseId, Lifetime, LogEntry, Outcome, Put,
    PutLifetime, Refused, Revision,
};

use super::model::Model;

/// A lease as it was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) ttl_s: u64,
    pub(crate) index: u64,
    pub(crate) age_ms: u64,
}

pub(crate) type Leases = BTreeMap<LeaseId, Granted>;

impl Model {
    pub(super) fn grant(&mut self, wanted: LeaseId, ttl_s: u64, entry: &LogEntry) -> Outcome {
        let revision = self.revision();
        if self.leases.contains_key(&wanted) {
            return Outcome::Refused { revision, reason: Refused::LeaseExists };
        }
        // The tests choose ids that no entry's index is.
        let lease = if wanted == LeaseId(0) { LeaseId(entry.index as i64) } else { wanted };
        let ttl_s = ttl_s.max(LEASE_TTL_S_MIN);
        let granted = Granted { ttl_s, index: entry.index, age_ms: entry.age_ms };
        self.leases.insert(lease, granted);
        Outcome::LeaseGranted { revision, lease, ttl_s }
    }

    pub(super) fn revoke(&mut self, lease: LeaseId) -> Outcome {
        if self.leases.remove(&lease).is_none() {
            let reason = Refused::LeaseNotFound;
            return Outcome::Refused { revision: self.revision(), reason };
        }
        let keys = self.keys_of(lease);
        let count = self.bury(&keys);
        Outcome::LeaseRevoked { revision: self.revision(), count }
    }

    pub(super) fn expire(&mut self, leases: &[Grant], keys: &[DueKey], age_ms: u64) -> Outcome {
        let (mut gone, mut buried) = (0, Vec::new());
        for Grant { lease, index } in leases {
            let over = |granted: &Granted| {
                granted.index == *index && granted.age_ms + granted.ttl_s * 1_000 <= age_ms
            };
            if self.leases.get(lease).is_some_and(over) {
                self.leases.remove(lease);
                gone += 1;
                buried.extend(self.keys_of(*lease));
            }
        }
        let live = self.live_at(self.revision());
        for due in keys {
            let over = |live: &&KeyValue| {
                let until =
                    matches!(live.lifetime, Lifetime::Until { age_ms: until } if until <= age_ms);
                live.key == due.key && live.mod_revision == due.mod_revision && until
            };
            if live.iter().any(|live| over(&live)) && !buried.contains(&due.key) {
                buried.push(due.key.clone());
            }
        }
        let keys = self.bury(&buried);
        Outcome::Expired { revision: self.revision(), leases: gone, keys }
    }

    pub(crate) fn keys_of(&self, lease: LeaseId) -> Vec<Bytes> {
        let live = self.live_at(self.revision()).into_iter();
        live.filter(|live| live.lifetime == Lifetime::Lease(lease)).map(|live| live.key).collect()
    }

    /// The keys whose time is over, the longest overdue first.
    pub(crate) fn due(&self, age_ms: u64) -> Vec<(Bytes, Revision)> {
        let mut due: Vec<(u64, Bytes, Revision)> = Vec::new();
        for live in self.live_at(self.revision()) {
            if let Lifetime::Until { age_ms: until } = live.lifetime
                && until <= age_ms
            {
                due.push((until, live.key, live.mod_revision));
            }
        }
        due.sort();
        due.into_iter().map(|(_, key, revision)| (key, revision)).collect()
    }

    /// Removes keys in this order, all in one revision.
    fn bury(&mut self, keys: &[Bytes]) -> u64 {
        let revision = Revision(self.revision().0 + 1);
        self.writes += u64::from(!keys.is_empty());
        for key in keys {
            self.events.push((revision, key.clone()));
            self.keys.entry(key.clone()).or_default().push((revision, None));
        }
        keys.len() as u64
    }

    /// Why a put can not be done to keys as they are here.
    pub(super) fn put_refusal(&self, put: &Put, live: &[KeyValue]) -> Option<Refused> {
        if let PutLifetime::Lease(lease) = put.lifetime
            && !self.leases.contains_key(&lease)
        {
            return Some(Refused::LeaseNotFound);
        }
        let needed = put.ignore_value || put.lifetime == PutLifetime::AsBefore;
        let exists = live.iter().any(|live| live.key == put.key);
        (needed && !exists).then_some(Refused::KeyNotFound)
    }
}

/// The lifetime that a put gives, over what was there before.
pub(super) fn lifetime(put: &Put, before: Option<&KeyValue>, age_ms: u64) -> Lifetime {
    match put.lifetime {
        PutLifetime::Unbounded => Lifetime::Unbounded,
        PutLifetime::Lease(lease) => Lifetime::Lease(lease),
        PutLifetime::TtlMs(ttl_ms) => Lifetime::Until { age_ms: age_ms + ttl_ms },
        PutLifetime::AsBefore => before.expect("else it was refused").lifetime,
    }
}
