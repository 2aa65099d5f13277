//! Leases: what keys live as long as (rule 8.5).
//!
//! A lease is granted and revoked through the log, and goes with all keys that are attached to it.
//! How much of its time is left is nobody's state: the leader keeps it in memory, and every new
//! leader begins anew with the full time. So the table here says only what was granted.
//!
//! ```text
//!   lease id ─▶ time to live, where it was granted, its keys in byte order
//! ```
//!
//! A key is attached by its newest version alone, so the keys here are made of the tree: a write
//! or delete that ends a version takes its key out. Everything is persistent, so that readers,
//! captures and commands under way have each the table of their own moment, at the cost of a
//! pointer.

use std::ops::Bound::{Included, Unbounded};
use std::sync::Arc;

use bytes::Bytes;
use imbl::{OrdMap, OrdSet};

use crate::hash;
use crate::outcome::Refused;
use crate::types::LeaseId;

/// The shortest time to live that is granted, in seconds; a shorter one is raised to it. As etcd
/// has it by default: a lease outlives an election.
pub const LEASE_TTL_S_MIN: u64 = 2;

/// The longest time to live of a lease or of a key, in seconds (as in etcd).
pub const TTL_S_MAX: u64 = 9_000_000_000;

/// What one lease counts for beside its keys: what its nodes in the table take, give or take.
const LEASE_BYTES: u64 = 192;

/// What an attached key counts for beside its bytes.
const LEASED_KEY_BYTES: u64 = 96;

/// All leases, and which keys are attached to them. A clone costs the same however many they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leases {
    all: OrdMap<LeaseId, Arc<Lease>>,
    /// What they and their keys take in memory, about.
    bytes: u64,
    /// The wrapping sum of their items of the state hash.
    hash: u64,
}

/// A lease, as it was granted, with the keys that are attached to it now.
#[derive(Clone, Debug)]
pub struct Lease {
    id: LeaseId,
    ttl_s: u64,
    granted_index: u64,
    granted_age_ms: u64,
    keys: OrdSet<Bytes>,
}

/// One grant of a lease. The same id granted once more is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The lease.
    pub lease: LeaseId,
    /// The log entry that granted it.
    pub index: u64,
}

impl Lease {
    /// A lease without keys.
    pub(crate) fn new(grant: Grant, ttl_s: u64, granted_age_ms: u64) -> Lease {
        let Grant { lease: id, index: granted_index } = grant;
        Lease { id, ttl_s, granted_index, granted_age_ms, keys: OrdSet::new() }
    }

    /// Its name.
    pub fn id(&self) -> LeaseId {
        self.id
    }

    /// For how long it was granted, in seconds.
    pub fn ttl_s(&self) -> u64 {
        self.ttl_s
    }

    /// The same in ms.
    pub fn ttl_ms(&self) -> u64 {
        self.ttl_s * 1_000
    }

    /// Which grant it is.
    pub fn grant(&self) -> Grant {
        Grant { lease: self.id, index: self.granted_index }
    }

    /// The age of the cluster when it was granted, ms.
    pub fn granted_age_ms(&self) -> u64 {
        self.granted_age_ms
    }

    /// The keys that are attached to it, in byte order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Bytes> {
        self.keys.iter()
    }

    /// The first of its keys that is not before this one.
    pub(crate) fn first_key_from(&self, from: &[u8]) -> Option<&Bytes> {
        self.keys.range::<_, [u8]>((Included(from), Unbounded)).next()
    }

    /// It lives to this age even if nobody keeps it alive, ms.
    fn lives_until_ms(&self) -> u64 {
        self.granted_age_ms.saturating_add(self.ttl_ms())
    }

    fn item(&self) -> u64 {
        hash::lease_item(self.id, self.ttl_s, self.granted_index, self.granted_age_ms)
    }
}

impl Leases {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn get(&self, id: LeaseId) -> Option<&Arc<Lease>> {
        self.all.get(&id)
    }

    /// Those after this one, by id; all of them after `None`.
    pub(crate) fn after(&self, id: Option<LeaseId>) -> impl Iterator<Item = &Arc<Lease>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = id.map_or(Unbounded, Excluded);
        self.all.range((from, Unbounded)).map(|(_, lease)| lease)
    }

    /// Whether a key may be attached.
    pub(crate) fn check(&self, id: LeaseId) -> Result<(), Refused> {
        if self.all.contains_key(&id) { Ok(()) } else { Err(Refused::LeaseNotFound) }
    }

    /// Grants a lease of this id, or of one that is free if it is [`LeaseId::NONE`], by the entry
    /// of this index and age, unless there are `leases_max`. Gives back the lease.
    pub(crate) fn grant(
        &mut self,
        wanted: LeaseId,
        ttl_s: u64,
        (index, age_ms): (u64, u64),
        leases_max: usize,
    ) -> Result<Arc<Lease>, GrantError> {
        if self.all.contains_key(&wanted) {
            return Err(GrantError::Exists);
        }
        if self.all.len() >= leases_max {
            return Err(GrantError::Full);
        }
        let lease = if wanted == LeaseId::NONE { self.free_id(index) } else { wanted };
        let ttl_s = ttl_s.clamp(LEASE_TTL_S_MIN, TTL_S_MAX);
        Ok(self.load(Lease::new(Grant { lease, index }, ttl_s, age_ms)))
    }

    /// The entry's index, which no lease had before that was named this way; or where a client
    /// took that name for its own, a number that it can not have foreseen cheaply.
    fn free_id(&self, index: u64) -> LeaseId {
        let positive = |number: u64| LeaseId((number >> 1).cast_signed());
        let attempts = (0_u64..).map(|attempt| {
            let seed = [index, attempt].map(u64::to_le_bytes);
            positive(hash::bytes(seed.as_flattened()))
        });
        let mut names = std::iter::once(LeaseId(index.cast_signed())).chain(attempts);
        let free = |id: &LeaseId| *id > LeaseId::NONE && !self.all.contains_key(id);
        names.find(free).expect("there are more numbers than leases")
    }

    /// Takes in a lease without keys, as a snapshot has it or a new one.
    pub(crate) fn load(&mut self, lease: Lease) -> Arc<Lease> {
        assert!(lease.keys.is_empty(), "keys are attached one by one");
        self.hash = self.hash.wrapping_add(lease.item());
        self.bytes += LEASE_BYTES;
        let lease = Arc::new(lease);
        let before = self.all.insert(lease.id, Arc::clone(&lease));
        assert!(before.is_none(), "lease {} is there already", lease.id);
        lease
    }

    /// Takes out a lease whose keys are gone.
    pub(crate) fn remove(&mut self, id: LeaseId) {
        let Some(lease) = self.all.remove(&id) else { return };
        assert!(lease.keys.is_empty(), "a lease goes after its keys");
        self.hash = self.hash.wrapping_sub(lease.item());
        self.bytes -= LEASE_BYTES;
    }

    /// The first of a lease's keys.
    pub(crate) fn first_key(&self, id: LeaseId) -> Option<&Bytes> {
        self.all.get(&id)?.keys.get_min()
    }

    pub(crate) fn attach(&mut self, id: LeaseId, key: &[u8]) {
        let lease = self.all.get_mut(&id).expect("it was checked that the lease is there");
        let before = Arc::make_mut(lease).keys.insert(Bytes::copy_from_slice(key));
        assert!(before.is_none(), "a version is attached once");
        self.bytes += LEASED_KEY_BYTES + key.len() as u64;
    }

    pub(crate) fn detach(&mut self, id: LeaseId, key: &[u8]) {
        let lease = self.all.get_mut(&id).expect("a lease goes after its keys");
        let before = Arc::make_mut(lease).keys.remove(key);
        assert!(before.is_some(), "a version is detached once");
        self.bytes -= LEASED_KEY_BYTES + key.len() as u64;
    }

    /// Whether this very grant is there and has had its time at this age, at the least: when it
    /// was kept alive, and until when, only the leader knows.
    pub(crate) fn may_expire(&self, grant: Grant, age_ms: u64) -> bool {
        let lease = self.all.get(&grant.lease).filter(|lease| lease.grant() == grant);
        lease.is_some_and(|lease| lease.lives_until_ms() <= age_ms)
    }
}

/// Why a lease is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrantError {
    Exists,
    Full,
}
