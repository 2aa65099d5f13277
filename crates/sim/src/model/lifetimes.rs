//! Leases and times to live, as the naive store has them: lists that are looked through. Here is
//! also judged what replaying the log can not tell: whether the leader was right to propose an
//! expiry when it did.

use raft::Term;
use store::{
    DueKey, Grant, KeyRange, KeyValue, LEASE_TTL_S_MIN, LeaseId, Lifetime, Outcome, PutLifetime,
    Refused,
};

use super::{Model, Version};

/// A lease that was granted.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) grant: Grant,
    pub(crate) ttl_s: u64,
    pub(crate) granted_age_ms: u64,
    /// The entry that ended it.
    pub(crate) ended: Option<u64>,
    /// For want of a keep-alive, that is: at this age.
    pub(crate) expired_at_ms: Option<u64>,
}

/// The entry that is applied.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct At {
    pub(super) index: u64,
    pub(super) term: Term,
    pub(super) age_ms: u64,
    /// The age of the first entry of its term: its leader began to count no earlier.
    pub(super) term_began_ms: u64,
}

impl Model {
    /// Every lease there ever was, in the order of their grants.
    pub(crate) fn leases(&self) -> &[Lease] {
        &self.leases
    }

    /// The age at which the first of the keys that are there should go, of those with a time to
    /// live.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        let live = self.keys.values().filter_map(|versions| versions.last());
        let until = |version: &Version| match version.lifetime {
            Lifetime::Until { age_ms } => version.value.is_some().then_some(age_ms),
            Lifetime::Unbounded | Lifetime::Lease(_) => None,
        };
        live.filter_map(until).min()
    }

    pub(super) fn find_lease(&self, id: LeaseId) -> Option<&Lease> {
        self.leases.iter().find(|lease| lease.grant.lease == id && lease.ended.is_none())
    }

    pub(super) fn grant(&mut self, wanted: LeaseId, ttl_s: u64) -> Outcome {
        let revision = self.revision;
        if self.find_lease(wanted).is_some() {
            return Outcome::Refused { revision, reason: Refused::LeaseExists };
        }
        let At { index, age_ms: granted_age_ms, .. } = self.at;
        // The clients' own names are far above.
        let lease = if wanted == LeaseId::NONE { LeaseId(index.cast_signed()) } else { wanted };
        let (grant, ttl_s) = (Grant { lease, index }, ttl_s.max(LEASE_TTL_S_MIN));
        let (ended, expired_at_ms) = (None, None);
        self.leases.push(Lease { grant, ttl_s, granted_age_ms, ended, expired_at_ms });
        Outcome::LeaseGranted { revision, lease, ttl_s }
    }

    pub(super) fn revoke(&mut self, id: LeaseId) -> Outcome {
        let Some(lease) = self.find_lease(id).cloned() else {
            let revision = self.revision;
            return Outcome::Refused { revision, reason: Refused::LeaseNotFound };
        };
        let keys = self.attached(id);
        self.end(lease.grant, None);
        let count = self.remove(&keys);
        Outcome::LeaseRevoked { revision: self.revision, count }
    }

    /// What is named and is still there as it is named goes. The leader must have been right about
    /// the time of all of that; a leader knows the time of a lease only from its own start on.
    pub(super) fn expire(&mut self, grants: &[Grant], due: &[DueKey]) -> Outcome {
        let At { index, term, age_ms, term_began_ms } = self.at;
        let (mut going, mut leases) = (Vec::new(), 0);
        for grant in grants {
            let lease = self.find_lease(grant.lease).filter(|lease| lease.grant == *grant);
            let Some(lease) = lease.cloned() else { continue };
            let from_ms = lease.granted_age_ms.max(term_began_ms);
            assert!(
                age_ms >= from_ms + lease.ttl_s * 1_000,
                "expiry: entry {index} ends lease {} of {} s at age {age_ms}, granted at {}; term \
                 {term} began at {term_began_ms}",
                grant.lease,
                lease.ttl_s,
                lease.granted_age_ms
            );
            going.extend(self.attached(grant.lease));
            self.end(*grant, Some(age_ms));
            leases += 1;
        }
        for DueKey { key, mod_revision } in due {
            let found = self.one(key, self.revision);
            let found = found.filter(|found| found.mod_revision == *mod_revision);
            let Some(found) = found else { continue };
            let Lifetime::Until { age_ms: until_ms } = found.lifetime else { continue };
            assert!(
                age_ms >= until_ms,
                "expiry: entry {index} at age {age_ms} ends {key:?}, which lives until {until_ms}"
            );
            going.push(found);
        }
        let keys = self.remove(&going);
        Outcome::Expired { revision: self.revision, leases, keys }
    }

    fn attached(&self, id: LeaseId) -> Vec<KeyValue> {
        let mut live = self.range(&KeyRange::all(), self.revision);
        live.retain(|kv| kv.lifetime == Lifetime::Lease(id));
        live
    }

    fn end(&mut self, grant: Grant, expired_at_ms: Option<u64>) {
        let index = self.at.index;
        let lease = self.leases.iter_mut().find(|lease| lease.grant == grant);
        let lease = lease.expect("it was just found");
        (lease.ended, lease.expired_at_ms) = (Some(index), expired_at_ms);
    }

    /// Whether a put can be done: its lease is there.
    pub(super) fn lacks_lease(&self, lifetime: PutLifetime) -> bool {
        matches!(lifetime, PutLifetime::Lease(id) if self.find_lease(id).is_none())
    }

    /// How long a key lives that was `before`.
    pub(super) fn lifetime_of(&self, lifetime: PutLifetime, before: Option<&KeyValue>) -> Lifetime {
        match lifetime {
            PutLifetime::Unbounded => Lifetime::Unbounded,
            PutLifetime::Lease(id) => Lifetime::Lease(id),
            PutLifetime::TtlMs(ttl_ms) => Lifetime::Until { age_ms: self.at.age_ms + ttl_ms },
            PutLifetime::AsBefore => before.expect("else it is refused").lifetime,
        }
    }
}
