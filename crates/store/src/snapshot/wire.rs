//! The records as they are encoded. Field numbers are never used again.

use bytes::Bytes;
use prost::Message;

use super::SnapshotError;
use crate::types::LeaseId;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Record {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10")]
    pub(super) kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Kind {
    #[prost(message, tag = "1")]
    Head(Head),
    #[prost(message, tag = "2")]
    Key(Key),
    #[prost(message, tag = "3")]
    End(End),
    #[prost(message, tag = "4")]
    Session(Session),
    #[prost(message, tag = "5")]
    OnceKey(OnceKey),
    #[prost(message, tag = "6")]
    Events(Events),
    #[prost(message, tag = "7")]
    Lease(Lease),
    #[prost(message, tag = "8")]
    User(User),
    #[prost(message, tag = "9")]
    Role(Role),
    #[prost(message, tag = "10")]
    Login(Login),
}

/// The first record: the store's own numbers.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Head {
    #[prost(uint32, tag = "1")]
    pub(super) format: u32,
    #[prost(uint64, tag = "2")]
    pub(super) applied_index: u64,
    #[prost(uint64, tag = "3")]
    pub(super) applied_term: u64,
    #[prost(uint64, tag = "4")]
    pub(super) stamp_ms: u64,
    #[prost(uint64, tag = "5")]
    pub(super) age_ms: u64,
    #[prost(uint64, tag = "6")]
    pub(super) revision: u64,
    #[prost(uint64, tag = "7")]
    pub(super) compact_revision: u64,
    #[prost(uint32, tag = "8")]
    pub(super) hash_version: u32,
    #[prost(fixed64, tag = "9")]
    pub(super) state_hash: u64,
    #[prost(bool, tag = "10")]
    pub(super) has_events: bool,
    #[prost(message, optional, tag = "11")]
    pub(super) settings: Option<Settings>,
    #[prost(uint32, tag = "12")]
    pub(super) compacted_for: u32,
    /// None while nobody has set any.
    #[prost(message, optional, tag = "13")]
    pub(super) auth: Option<Auth>,
}

/// Who may do what, but for the tables.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Auth {
    #[prost(bool, tag = "1")]
    pub(super) enabled: bool,
    #[prost(uint64, tag = "2")]
    pub(super) revision: u64,
}

/// A user, with the names of the roles in ascending order.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct User {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, optional, tag = "2")]
    pub(super) password_hash: Option<String>,
    #[prost(uint64, tag = "3")]
    pub(super) credentials: u64,
    #[prost(string, repeated, tag = "4")]
    pub(super) roles: Vec<String>,
}

/// A role, with its permissions by key and end of range.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Role {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) permissions: Vec<Permission>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Permission {
    #[prost(uint32, tag = "1")]
    pub(super) access: u32,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) key: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) range_end: Bytes,
}

/// A login, by the index of the entry that made it.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Login {
    #[prost(uint64, tag = "1")]
    pub(super) index: u64,
    #[prost(string, tag = "2")]
    pub(super) user: String,
    #[prost(uint64, tag = "3")]
    pub(super) credentials: u64,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) token_hash: Vec<u8>,
    #[prost(uint64, tag = "5")]
    pub(super) age_ms: u64,
}

/// The replicated settings.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Settings {
    #[prost(uint64, tag = "1")]
    pub(super) history_age_ms: u64,
    #[prost(uint64, tag = "2")]
    pub(super) history_bytes: u64,
    #[prost(uint64, tag = "3")]
    pub(super) changed_index: u64,
}

/// A key with some of its versions, oldest first. One with very many comes in several records.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Key {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(message, repeated, tag = "2")]
    pub(super) versions: Vec<Version>,
}

/// One version; without `version` it is a tombstone, and only the first field is set.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Version {
    #[prost(uint64, tag = "1")]
    pub(super) mod_revision: u64,
    #[prost(uint64, tag = "2")]
    pub(super) create_revision: u64,
    #[prost(uint64, tag = "3")]
    pub(super) version: u64,
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) value: Bytes,
    #[prost(uint64, tag = "5")]
    pub(super) stamp_ms: u64,
    #[prost(oneof = "Lifetime", tags = "6, 7")]
    pub(super) lifetime: Option<Lifetime>,
}

/// How long a version lives; none is until it is deleted.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(super) enum Lifetime {
    #[prost(sint64, tag = "6")]
    Lease(i64),
    #[prost(uint64, tag = "7")]
    UntilAgeMs(u64),
}

/// A lease. Its keys are those whose newest version names it.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Lease {
    #[prost(sint64, tag = "1")]
    pub(super) id: i64,
    #[prost(uint64, tag = "2")]
    pub(super) ttl_s: u64,
    #[prost(uint64, tag = "3")]
    pub(super) granted_index: u64,
    #[prost(uint64, tag = "4")]
    pub(super) granted_age_ms: u64,
}

/// What some revisions touched, in the order of the revisions. One that touched very many keys
/// comes in several records.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Events {
    #[prost(message, repeated, tag = "1")]
    pub(super) revisions: Vec<Written>,
}

/// The keys that a revision touched, in its order.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Written {
    #[prost(uint64, tag = "1")]
    pub(super) revision: u64,
    #[prost(uint64, tag = "2")]
    pub(super) stamp_ms: u64,
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub(super) keys: Vec<Bytes>,
    #[prost(uint64, tag = "4")]
    pub(super) age_ms: u64,
}

/// A session with the answers it keeps, which come by ascending number.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Session {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    #[prost(uint64, tag = "2")]
    pub(super) last_used_ms: u64,
    #[prost(uint64, tag = "3")]
    pub(super) acked_below: u64,
    #[prost(message, repeated, tag = "4")]
    pub(super) replies: Vec<SessionReply>,
    #[prost(string, optional, tag = "5")]
    pub(super) owner: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SessionReply {
    #[prost(uint64, tag = "1")]
    pub(super) seq: u64,
    /// An encoded `Reply`.
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) reply: Bytes,
}

/// A change that had a key of its own, with its answer.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct OnceKey {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(uint64, tag = "2")]
    pub(super) done_ms: u64,
    #[prost(fixed64, tag = "3")]
    pub(super) fingerprint: u64,
    /// An encoded `Reply`.
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) reply: Bytes,
}

/// The last record: what the stream before it adds up to.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct End {
    /// Versions, tombstones included.
    #[prost(uint64, tag = "1")]
    pub(super) versions: u64,
    /// XXH3-64 with seed 0 over every byte before this record's length.
    #[prost(fixed64, tag = "2")]
    pub(super) digest: u64,
    #[prost(uint64, tag = "3")]
    pub(super) sessions: u64,
    #[prost(uint64, tag = "4")]
    pub(super) once_keys: u64,
    #[prost(uint64, tag = "5")]
    pub(super) events: u64,
    #[prost(uint64, tag = "6")]
    pub(super) leases: u64,
    /// Users, roles and logins together.
    #[prost(uint64, tag = "7")]
    pub(super) auth_rows: u64,
}

impl Lifetime {
    pub(super) fn of(lifetime: crate::types::Lifetime) -> Option<Lifetime> {
        match lifetime {
            crate::types::Lifetime::Unbounded => None,
            crate::types::Lifetime::Lease(lease) => Some(Lifetime::Lease(lease.0)),
            crate::types::Lifetime::Until { age_ms } => Some(Lifetime::UntilAgeMs(age_ms)),
        }
    }

    pub(super) fn read(lifetime: Option<Lifetime>) -> crate::types::Lifetime {
        match lifetime {
            None => crate::types::Lifetime::Unbounded,
            Some(Lifetime::Lease(lease)) => crate::types::Lifetime::Lease(LeaseId(lease)),
            Some(Lifetime::UntilAgeMs(age_ms)) => crate::types::Lifetime::Until { age_ms },
        }
    }
}

impl From<Kind> for Record {
    fn from(kind: Kind) -> Record {
        Record { kind: Some(kind) }
    }
}

impl Record {
    /// Reads one record, refusing what this version does not understand to the last byte: prost
    /// passes over unknown fields, whose bytes are then missing from the encoding's length.
    pub(super) fn read(bytes: Bytes) -> Result<Kind, SnapshotError> {
        let bytes_given = bytes.len();
        let record = Record::decode(bytes).map_err(|_| SnapshotError::Malformed)?;
        if record.encoded_len() != bytes_given {
            return Err(SnapshotError::UnknownRecord);
        }
        record.kind.ok_or(SnapshotError::UnknownRecord)
    }
}
