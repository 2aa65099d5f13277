//! A kept answer: small, encoded, and hashed once.
//!
//! The bytes are in snapshots and in the state hash (`docs/format/store-snapshot.md`,
//! `docs/format/state-hash.md`), so they never change their meaning.

use bytes::Bytes;
use prost::Message;
use xxhash_rust::xxh3::xxh3_64;

use super::result::{WireRefused, WireTxn, WireTxnDone};
use crate::outcome::{FirstAnswer, FirstOutcome, Outcome};
use crate::types::{KeyValue, LeaseId, Lifetime, Revision};

const READ: &str = "a reply is encoded here, or was read once";

/// The answer to a change, as it is kept for those who ask again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    encoded: Bytes,
    hash: u64,
}

impl Reply {
    /// Keeps an answer; only the revision if what it tells has more than `told_bytes_max`.
    pub(crate) fn keep(place: Place, outcome: &Outcome, told_bytes_max: usize) -> Reply {
        let whole = outcome.told_bytes() <= told_bytes_max;
        let kind = match outcome {
            Outcome::Put { revision, prev } if whole => {
                Kind::Put(WirePut { revision: revision.0, prev: prev.as_ref().map(told) })
            }
            Outcome::Deleted { revision, count, prev } if whole => Kind::Deleted(WireDeleted {
                revision: revision.0,
                count: *count,
                prev: prev.iter().map(told).collect(),
            }),
            Outcome::Conflict { revision, current } if whole => Kind::Conflict(WireConflict {
                revision: revision.0,
                current: current.as_ref().map(told),
            }),
            Outcome::Txn(response) if whole => Kind::Txn(response.into()),
            Outcome::Txn(response) => Kind::TxnDone(WireTxnDone {
                revision: response.revision.0,
                succeeded: response.succeeded,
            }),
            Outcome::LeaseGranted { revision, lease, ttl_s } => Kind::LeaseGranted(WireGranted {
                revision: revision.0,
                lease: lease.0,
                ttl_s: *ttl_s,
            }),
            Outcome::LeaseRevoked { revision, count } => {
                Kind::LeaseRevoked(WireRevoked { revision: revision.0, count: *count })
            }
            Outcome::Refused { revision, reason } => {
                Kind::Refused(WireRefused::new(*revision, *reason))
            }
            Outcome::Put { revision, .. } | Outcome::Deleted { revision, .. } => {
                Kind::Done(revision.0)
            }
            Outcome::Conflict { revision, .. } => Kind::Conflicted(revision.0),
            other => panic!("{other:?} is no answer to a change"),
        };
        let Place { index, term, stamp_ms } = place;
        let wire = WireReply { index, term, stamp_ms, kind: Some(kind) };
        Reply::from_encoded(wire.encode_to_vec().into())
    }

    fn from_encoded(encoded: Bytes) -> Reply {
        let hash = xxh3_64(&encoded);
        Reply { encoded, hash }
    }

    /// Reads what a snapshot brings; `None` if it is no reply that this version knows in full.
    pub(crate) fn read(encoded: &[u8]) -> Option<Reply> {
        // A copy: the snapshot's buffer holds much else.
        let reply = Reply::from_encoded(Bytes::copy_from_slice(encoded));
        let wire = WireReply::decode(reply.encoded.clone()).ok()?;
        let whole = match &wire.kind {
            Some(Kind::Txn(txn)) => txn.is_whole(),
            Some(Kind::Refused(refused)) => refused.reason().is_some(),
            kind => kind.is_some(),
        };
        let understood = whole && wire.encoded_len() == encoded.len();
        understood.then_some(reply)
    }

    pub(crate) fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    /// What the state hash has of it.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.encoded.len() as u64
    }

    /// The answer again.
    pub(crate) fn answer(&self) -> FirstAnswer {
        let wire = WireReply::decode(self.encoded.clone()).expect(READ);
        let WireReply { index, term, stamp_ms, kind } = wire;
        FirstAnswer { index, term, stamp_ms, outcome: kind.expect(READ).into() }
    }
}

/// Where an answer was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) index: u64,
    pub(crate) term: u64,
    pub(crate) stamp_ms: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireReply {
    #[prost(uint64, tag = "1")]
    index: u64,
    #[prost(uint64, tag = "2")]
    term: u64,
    #[prost(uint64, tag = "3")]
    stamp_ms: u64,
    #[prost(oneof = "Kind", tags = "4, 5, 6, 7, 8, 9, 10, 11, 12, 13")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(message, tag = "4")]
    Put(WirePut),
    #[prost(message, tag = "5")]
    Deleted(WireDeleted),
    #[prost(message, tag = "6")]
    Conflict(WireConflict),
    #[prost(uint64, tag = "7")]
    Done(u64),
    #[prost(uint64, tag = "8")]
    Conflicted(u64),
    #[prost(message, tag = "9")]
    Txn(WireTxn),
    #[prost(message, tag = "10")]
    TxnDone(WireTxnDone),
    #[prost(message, tag = "11")]
    Refused(WireRefused),
    #[prost(message, tag = "12")]
    LeaseGranted(WireGranted),
    #[prost(message, tag = "13")]
    LeaseRevoked(WireRevoked),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WirePut {
    #[prost(uint64, tag = "1")]
    pub(super) revision: u64,
    #[prost(message, optional, tag = "2")]
    pub(super) prev: Option<WireKeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WireDeleted {
    #[prost(uint64, tag = "1")]
    pub(super) revision: u64,
    #[prost(uint64, tag = "2")]
    pub(super) count: u64,
    #[prost(message, repeated, tag = "3")]
    pub(super) prev: Vec<WireKeyValue>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct WireGranted {
    #[prost(uint64, tag = "1")]
    revision: u64,
    #[prost(sint64, tag = "2")]
    lease: i64,
    #[prost(uint64, tag = "3")]
    ttl_s: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct WireRevoked {
    #[prost(uint64, tag = "1")]
    revision: u64,
    #[prost(uint64, tag = "2")]
    count: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireConflict {
    #[prost(uint64, tag = "1")]
    revision: u64,
    #[prost(message, optional, tag = "2")]
    current: Option<WireKeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WireKeyValue {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
    #[prost(uint64, tag = "3")]
    create_revision: u64,
    #[prost(uint64, tag = "4")]
    mod_revision: u64,
    #[prost(uint64, tag = "5")]
    version: u64,
    #[prost(oneof = "WireLifetime", tags = "6, 7")]
    lifetime: Option<WireLifetime>,
}

/// None is until it is deleted.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
enum WireLifetime {
    #[prost(sint64, tag = "6")]
    Lease(i64),
    #[prost(uint64, tag = "7")]
    UntilAgeMs(u64),
}

pub(super) fn told(known: &KeyValue) -> WireKeyValue {
    WireKeyValue {
        key: known.key.clone(),
        value: known.value.clone(),
        create_revision: known.create_revision.0,
        mod_revision: known.mod_revision.0,
        version: known.version,
        lifetime: match known.lifetime {
            Lifetime::Unbounded => None,
            Lifetime::Lease(lease) => Some(WireLifetime::Lease(lease.0)),
            Lifetime::Until { age_ms } => Some(WireLifetime::UntilAgeMs(age_ms)),
        },
    }
}

impl From<WireKeyValue> for KeyValue {
    fn from(wire: WireKeyValue) -> KeyValue {
        KeyValue {
            key: wire.key,
            value: wire.value,
            create_revision: Revision(wire.create_revision),
            mod_revision: Revision(wire.mod_revision),
            version: wire.version,
            lifetime: match wire.lifetime {
                None => Lifetime::Unbounded,
                Some(WireLifetime::Lease(lease)) => Lifetime::Lease(LeaseId(lease)),
                Some(WireLifetime::UntilAgeMs(age_ms)) => Lifetime::Until { age_ms },
            },
        }
    }
}

impl From<Kind> for FirstOutcome {
    fn from(kind: Kind) -> FirstOutcome {
        FirstOutcome::Kept(match kind {
            Kind::Put(WirePut { revision, prev }) => {
                Outcome::Put { revision: Revision(revision), prev: prev.map(Into::into) }
            }
            Kind::Deleted(WireDeleted { revision, count, prev }) => Outcome::Deleted {
                revision: Revision(revision),
                count,
                prev: prev.into_iter().map(Into::into).collect(),
            },
            Kind::Conflict(WireConflict { revision, current }) => {
                Outcome::Conflict { revision: Revision(revision), current: current.map(Into::into) }
            }
            Kind::LeaseGranted(WireGranted { revision, lease, ttl_s }) => {
                Outcome::LeaseGranted { revision: Revision(revision), lease: LeaseId(lease), ttl_s }
            }
            Kind::LeaseRevoked(WireRevoked { revision, count }) => {
                Outcome::LeaseRevoked { revision: Revision(revision), count }
            }
            Kind::Txn(txn) => Outcome::Txn(txn.into()),
            Kind::Refused(refused) => Outcome::Refused {
                revision: Revision(refused.revision),
                reason: refused.reason().expect(READ),
            },
            Kind::TxnDone(WireTxnDone { revision, succeeded }) => {
                return FirstOutcome::TxnDone { revision: Revision(revision), succeeded };
            }
            Kind::Done(revision) => {
                return FirstOutcome::Done { revision: Revision(revision) };
            }
            Kind::Conflicted(revision) => {
                return FirstOutcome::Conflict { revision: Revision(revision) };
            }
        })
    }
}
