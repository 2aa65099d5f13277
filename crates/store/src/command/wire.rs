//! The encoded form of commands, and the way there and back. Field numbers are never used again.

use bytes::Bytes;
use prost::Message;

use super::{CompactionCause, Condition, DecodeError, Origin, PutLifetime, auth_wire, txn_wire};
use crate::deadlines::DueKey;
use crate::key_range::KeyRange;
use crate::lease::Grant;
use crate::settings::SettingsChange;
use crate::types::{LeaseId, Revision, SessionId};

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Command {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(message, tag = "1")]
    Put(Put),
    #[prost(message, tag = "2")]
    Delete(Delete),
    #[prost(message, tag = "3")]
    OpenSession(Empty),
    #[prost(message, tag = "4")]
    CloseSession(CloseSession),
    #[prost(message, tag = "5")]
    Once(Once),
    #[prost(message, tag = "6")]
    Check(Empty),
    #[prost(message, tag = "7")]
    Txn(txn_wire::Txn),
    #[prost(message, tag = "8")]
    Compact(Compact),
    #[prost(message, tag = "9")]
    LeaseGrant(LeaseGrant),
    #[prost(message, tag = "10")]
    LeaseRevoke(LeaseRevoke),
    #[prost(message, tag = "11")]
    Expire(Expire),
    #[prost(message, tag = "12")]
    DeleteRecord(DeleteRecord),
    #[prost(message, tag = "13")]
    ChangeSettings(ChangeSettings),
    #[prost(message, tag = "14")]
    Auth(auth_wire::Change),
    #[prost(message, tag = "15")]
    As(As),
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Empty {}

#[derive(Clone, PartialEq, prost::Message)]
struct Put {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
    #[prost(bool, tag = "3")]
    prev_kv: bool,
    #[prost(message, optional, tag = "4")]
    condition: Option<WireCondition>,
    #[prost(bool, tag = "5")]
    ignore_value: bool,
    #[prost(oneof = "Lifetime", tags = "6, 7, 8")]
    lifetime: Option<Lifetime>,
}

/// How long a key is to live, in a put of either kind; none is until it is deleted.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(super) enum Lifetime {
    #[prost(sint64, tag = "6")]
    Lease(i64),
    #[prost(uint64, tag = "7")]
    TtlMs(u64),
    #[prost(message, tag = "8")]
    AsBefore(Empty),
}

#[derive(Clone, PartialEq, prost::Message)]
struct Delete {
    #[prost(oneof = "Range", tags = "1, 2, 3, 4")]
    range: Option<Range>,
    #[prost(bool, tag = "5")]
    prev_kv: bool,
    #[prost(message, optional, tag = "6")]
    condition: Option<WireCondition>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DeleteRecord {
    #[prost(bytes = "bytes", tag = "1")]
    record: Bytes,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Range {
    #[prost(bytes = "bytes", tag = "1")]
    Single(Bytes),
    #[prost(bytes = "bytes", tag = "2")]
    Prefix(Bytes),
    #[prost(bytes = "bytes", tag = "3")]
    From(Bytes),
    #[prost(message, tag = "4")]
    Between(Between),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Between {
    #[prost(bytes = "bytes", tag = "1")]
    start: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    end: Bytes,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct WireCondition {
    #[prost(oneof = "ConditionKind", tags = "1, 2")]
    kind: Option<ConditionKind>,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
enum ConditionKind {
    #[prost(uint64, tag = "1")]
    ModRevision(u64),
    #[prost(message, tag = "2")]
    Exists(Empty),
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Compact {
    #[prost(uint64, tag = "1")]
    revision: u64,
    #[prost(uint32, tag = "2")]
    cause: u32,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct ChangeSettings {
    #[prost(uint64, optional, tag = "1")]
    history_age_ms: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    history_bytes: Option<u64>,
    #[prost(bool, tag = "3")]
    seed: bool,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct LeaseGrant {
    #[prost(sint64, tag = "1")]
    lease: i64,
    #[prost(uint64, tag = "2")]
    ttl_s: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct LeaseRevoke {
    #[prost(sint64, tag = "1")]
    lease: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Expire {
    #[prost(message, repeated, tag = "1")]
    leases: Vec<DueLease>,
    #[prost(message, repeated, tag = "2")]
    keys: Vec<WireDueKey>,
}

/// A lease, and the index of the entry that granted it.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct DueLease {
    #[prost(sint64, tag = "1")]
    lease: i64,
    #[prost(uint64, tag = "2")]
    granted_index: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireDueKey {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(uint64, tag = "2")]
    mod_revision: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct CloseSession {
    #[prost(uint64, tag = "1")]
    session: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Once {
    #[prost(oneof = "WireOrigin", tags = "1, 2")]
    origin: Option<WireOrigin>,
    /// An encoded `Command`: left as bytes, because its fingerprint is made of them.
    #[prost(bytes = "bytes", tag = "3")]
    command: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct As {
    #[prost(message, optional, tag = "1")]
    principal: Option<auth_wire::Principal>,
    /// An encoded `Command`.
    #[prost(bytes = "bytes", tag = "2")]
    command: Bytes,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum WireOrigin {
    #[prost(message, tag = "1")]
    Session(OriginSession),
    #[prost(bytes = "bytes", tag = "2")]
    Key(Bytes),
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct OriginSession {
    #[prost(uint64, tag = "1")]
    session: u64,
    #[prost(uint64, tag = "2")]
    seq: u64,
    #[prost(uint64, tag = "3")]
    acked_below: u64,
}

impl From<&super::Command> for Command {
    fn from(command: &super::Command) -> Command {
        let kind = match command.clone() {
            super::Command::Put { put, condition } => {
                let super::Put { key, value, prev_kv, ignore_value, lifetime } = put;
                let (condition, lifetime) = (condition.map(Into::into), Lifetime::of(lifetime));
                Kind::Put(Put { key, value, prev_kv, condition, ignore_value, lifetime })
            }
            super::Command::Delete { range, prev_kv, condition } => Kind::Delete(Delete {
                range: Some(range.into()),
                prev_kv,
                condition: condition.map(Into::into),
            }),
            super::Command::DeleteRecord { record } => Kind::DeleteRecord(DeleteRecord { record }),
            super::Command::Txn(txn) => Kind::Txn(txn.into()),
            super::Command::Compact { revision, cause } => {
                Kind::Compact(Compact { revision: revision.0, cause: cause_number(cause) })
            }
            super::Command::ChangeSettings(change) => {
                let SettingsChange { history_age_ms, history_bytes, seed } = change;
                Kind::ChangeSettings(ChangeSettings { history_age_ms, history_bytes, seed })
            }
            super::Command::OpenSession => Kind::OpenSession(Empty {}),
            super::Command::CloseSession { session } => {
                Kind::CloseSession(CloseSession { session: session.0 })
            }
            super::Command::Once { origin, command } => {
                Kind::Once(Once { origin: Some(origin.into()), command: command.encode() })
            }
            super::Command::Check => Kind::Check(Empty {}),
            super::Command::Auth(change) => Kind::Auth(change.into()),
            super::Command::As { principal, command } => {
                Kind::As(As { principal: Some(principal.into()), command: command.encode() })
            }
            super::Command::LeaseGrant { lease, ttl_s } => {
                Kind::LeaseGrant(LeaseGrant { lease: lease.0, ttl_s })
            }
            super::Command::LeaseRevoke { lease } => {
                Kind::LeaseRevoke(LeaseRevoke { lease: lease.0 })
            }
            super::Command::Expire { leases, keys } => Kind::Expire(Expire {
                leases: leases.into_iter().map(Into::into).collect(),
                keys: keys.into_iter().map(Into::into).collect(),
            }),
        };
        Command { kind: Some(kind) }
    }
}

impl TryFrom<Command> for super::Command {
    type Error = DecodeError;

    fn try_from(command: Command) -> Result<super::Command, DecodeError> {
        Ok(match command.kind.ok_or(DecodeError::UnknownKind)? {
            Kind::Put(put) => put.try_into()?,
            Kind::Delete(delete) => delete.try_into()?,
            Kind::DeleteRecord(DeleteRecord { record }) => super::Command::DeleteRecord { record },
            Kind::OpenSession(Empty {}) => super::Command::OpenSession,
            Kind::CloseSession(CloseSession { session }) => {
                super::Command::CloseSession { session: SessionId(session) }
            }
            Kind::Once(once) => once.try_into()?,
            Kind::Check(Empty {}) => super::Command::Check,
            Kind::Auth(change) => super::Command::Auth(change.try_into()?),
            Kind::As(asked) => asked.try_into()?,
            Kind::Compact(Compact { revision, cause }) => {
                let cause = cause_of(cause).ok_or(DecodeError::UnknownKind)?;
                super::Command::Compact { revision: Revision(revision), cause }
            }
            Kind::ChangeSettings(change) => {
                let ChangeSettings { history_age_ms, history_bytes, seed } = change;
                super::Command::ChangeSettings(SettingsChange {
                    history_age_ms,
                    history_bytes,
                    seed,
                })
            }
            Kind::LeaseGrant(LeaseGrant { lease, ttl_s }) => {
                super::Command::LeaseGrant { lease: LeaseId(lease), ttl_s }
            }
            Kind::LeaseRevoke(LeaseRevoke { lease }) => {
                super::Command::LeaseRevoke { lease: LeaseId(lease) }
            }
            Kind::Expire(Expire { leases, keys }) => super::Command::Expire {
                leases: leases.into_iter().map(Into::into).collect(),
                keys: keys.into_iter().map(Into::into).collect(),
            },
            Kind::Txn(txn) => {
                let txn = super::Txn::try_from(txn)?;
                txn.check_keys().map_err(|_| DecodeError::DuplicateKey)?;
                super::Command::Txn(txn)
            }
        })
    }
}

/// A cause as it is encoded, here and in snapshots.
pub(crate) fn cause_number(cause: CompactionCause) -> u32 {
    match cause {
        CompactionCause::Asked => 0,
        CompactionCause::Age => 1,
        CompactionCause::Bytes => 2,
        CompactionCause::Memory => 3,
    }
}

/// The cause that is encoded so.
pub(crate) fn cause_of(number: u32) -> Option<CompactionCause> {
    Some(match number {
        0 => CompactionCause::Asked,
        1 => CompactionCause::Age,
        2 => CompactionCause::Bytes,
        3 => CompactionCause::Memory,
        _ => return None,
    })
}

impl TryFrom<Put> for super::Command {
    type Error = DecodeError;

    fn try_from(put: Put) -> Result<super::Command, DecodeError> {
        let Put { key, value, prev_kv, condition, ignore_value, lifetime } = put;
        let condition = condition.map(Condition::try_from).transpose()?;
        let put =
            super::Put { key, value, prev_kv, ignore_value, lifetime: Lifetime::read(lifetime) };
        Ok(super::Command::Put { put, condition })
    }
}

impl TryFrom<Delete> for super::Command {
    type Error = DecodeError;

    fn try_from(delete: Delete) -> Result<super::Command, DecodeError> {
        let Delete { range, prev_kv, condition } = delete;
        let range = range.ok_or(DecodeError::UnknownKind)?.into();
        let condition = condition.map(Condition::try_from).transpose()?;
        if condition.is_some() && !matches!(range, KeyRange::Single(_)) {
            return Err(DecodeError::Misplaced);
        }
        Ok(super::Command::Delete { range, prev_kv, condition })
    }
}

impl TryFrom<Once> for super::Command {
    type Error = DecodeError;

    fn try_from(once: Once) -> Result<super::Command, DecodeError> {
        let origin = once.origin.ok_or(DecodeError::UnknownKind)?.into();
        // Told from the outside first: else a command within commands would recurse without end.
        let inner = Command::decode(once.command.clone()).map_err(|_| DecodeError::Malformed)?;
        if matches!(inner.kind, Some(Kind::Once(_))) {
            return Err(DecodeError::Misplaced);
        }
        let command = Box::new(super::Command::decode(once.command)?);
        if !command.is_change() {
            return Err(DecodeError::Misplaced);
        }
        Ok(super::Command::Once { origin, command })
    }
}

impl TryFrom<As> for super::Command {
    type Error = DecodeError;

    fn try_from(asked: As) -> Result<super::Command, DecodeError> {
        let principal = asked.principal.ok_or(DecodeError::UnknownKind)?.into();
        // Told from the outside first, as in `Once`.
        let inner = Command::decode(asked.command.clone()).map_err(|_| DecodeError::Malformed)?;
        if matches!(inner.kind, Some(Kind::As(_))) {
            return Err(DecodeError::Misplaced);
        }
        let command = Box::new(super::Command::decode(asked.command)?);
        Ok(super::Command::As { principal, command })
    }
}

impl Lifetime {
    pub(super) fn of(lifetime: PutLifetime) -> Option<Lifetime> {
        match lifetime {
            PutLifetime::Unbounded => None,
            PutLifetime::Lease(lease) => Some(Lifetime::Lease(lease.0)),
            PutLifetime::TtlMs(ttl_ms) => Some(Lifetime::TtlMs(ttl_ms)),
            PutLifetime::AsBefore => Some(Lifetime::AsBefore(Empty {})),
        }
    }

    pub(super) fn read(lifetime: Option<Lifetime>) -> PutLifetime {
        match lifetime {
            None => PutLifetime::Unbounded,
            Some(Lifetime::Lease(lease)) => PutLifetime::Lease(LeaseId(lease)),
            Some(Lifetime::TtlMs(ttl_ms)) => PutLifetime::TtlMs(ttl_ms),
            Some(Lifetime::AsBefore(Empty {})) => PutLifetime::AsBefore,
        }
    }
}

impl From<Grant> for DueLease {
    fn from(grant: Grant) -> DueLease {
        DueLease { lease: grant.lease.0, granted_index: grant.index }
    }
}

impl From<DueLease> for Grant {
    fn from(due: DueLease) -> Grant {
        Grant { lease: LeaseId(due.lease), index: due.granted_index }
    }
}

impl From<DueKey> for WireDueKey {
    fn from(due: DueKey) -> WireDueKey {
        WireDueKey { key: due.key, mod_revision: due.mod_revision.0 }
    }
}

impl From<WireDueKey> for DueKey {
    fn from(due: WireDueKey) -> DueKey {
        DueKey { key: due.key, mod_revision: Revision(due.mod_revision) }
    }
}

impl From<KeyRange> for Range {
    fn from(range: KeyRange) -> Range {
        match range {
            KeyRange::Single(key) => Range::Single(key),
            KeyRange::Prefix(prefix) => Range::Prefix(prefix),
            KeyRange::From(start) => Range::From(start),
            KeyRange::Between { start, end } => Range::Between(Between { start, end }),
        }
    }
}

impl From<Range> for KeyRange {
    fn from(range: Range) -> KeyRange {
        match range {
            Range::Single(key) => KeyRange::Single(key),
            Range::Prefix(prefix) => KeyRange::Prefix(prefix),
            Range::From(start) => KeyRange::From(start),
            Range::Between(Between { start, end }) => KeyRange::Between { start, end },
        }
    }
}

impl From<Condition> for WireCondition {
    fn from(condition: Condition) -> WireCondition {
        let kind = match condition {
            Condition::ModRevision(revision) => ConditionKind::ModRevision(revision.0),
            Condition::Exists => ConditionKind::Exists(Empty {}),
        };
        WireCondition { kind: Some(kind) }
    }
}

impl TryFrom<WireCondition> for Condition {
    type Error = DecodeError;

    fn try_from(condition: WireCondition) -> Result<Condition, DecodeError> {
        Ok(match condition.kind.ok_or(DecodeError::UnknownKind)? {
            ConditionKind::ModRevision(revision) => Condition::ModRevision(Revision(revision)),
            ConditionKind::Exists(Empty {}) => Condition::Exists,
        })
    }
}

impl From<Origin> for WireOrigin {
    fn from(origin: Origin) -> WireOrigin {
        match origin {
            Origin::Session { session, seq, acked_below } => {
                WireOrigin::Session(OriginSession { session: session.0, seq, acked_below })
            }
            Origin::Key(key) => WireOrigin::Key(key),
        }
    }
}

impl From<WireOrigin> for Origin {
    fn from(origin: WireOrigin) -> Origin {
        match origin {
            WireOrigin::Session(OriginSession { session, seq, acked_below }) => {
                Origin::Session { session: SessionId(session), seq, acked_below }
            }
            WireOrigin::Key(key) => Origin::Key(key),
        }
    }
}
