//! Commands: what the log carries for the store, and their encoding.
//!
//! The bytes are specified in `docs/format/command.md`. A command that this version does not
//! know in full, down to an unknown field of a known kind, is refused and not half understood:
//! a newer member proposed it, and applying what is left of it would make this member differ.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use prost::Message;

use crate::auth::{AuthChange, Principal};
use crate::deadlines::DueKey;
use crate::key_range::KeyRange;
use crate::lease::Grant;
use crate::settings::SettingsChange;
use crate::types::{LeaseId, Revision, SessionId};

mod auth_wire;
mod limits;
mod put;
mod txn;
mod txn_wire;
pub(crate) mod wire;

pub use limits::{CommandError, EXPIRED_MAX, Limits, ONCE_KEY_BYTES_MAX};
pub use put::{Put, PutLifetime, TTL_MS_MAX};
pub use txn::{Compare, Operand, Relation, TXN_DEPTH_MAX, TXN_OPERATIONS_MAX, Txn, TxnOp};

/// No command needs a higher feature level of the cluster: [`Command::feature_level`].
pub const COMMAND_LEVEL_MAX: u32 = 3;

/// A change to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Gives a key a value, whether it exists or not.
    Put {
        /// Which key, and what it gets.
        put: Put,
        /// What must hold of the key, or else nothing is done.
        condition: Option<Condition>,
    },
    /// Removes the keys of a range that exist; none is no error.
    Delete {
        /// Which keys.
        range: KeyRange,
        /// Whether the outcome tells what they were.
        prev_kv: bool,
        /// What must hold of the key, or else nothing is done; only if the range is a single key.
        condition: Option<Condition>,
    },
    /// Removes all fields of a record ([`crate::Record`]), and no other key.
    DeleteRecord {
        /// The record's name, as it is and not as it stands in keys.
        record: Bytes,
    },
    /// Compares, and does one thing or another.
    Txn(Txn),
    /// Gives up what only revisions before this one need.
    Compact {
        /// The oldest revision that can be read afterwards.
        revision: Revision,
        /// Why.
        cause: CompactionCause,
    },
    /// Grants a lease.
    LeaseGrant {
        /// Its id; [`LeaseId::NONE`] lets the store choose one.
        lease: LeaseId,
        /// Its time to live in seconds, 1 to [`crate::TTL_S_MAX`]; one below
        /// [`crate::LEASE_TTL_S_MIN`] is raised to it.
        ttl_s: u64,
    },
    /// Removes a lease and all keys that are attached to it.
    LeaseRevoke {
        /// Which one.
        lease: LeaseId,
    },
    /// Removes leases, with their keys, and keys whose time is over; the leader proposes it. What
    /// is not there any more as it is named here stays as it is. At most [`EXPIRED_MAX`] of each.
    Expire {
        /// The leases.
        leases: Vec<Grant>,
        /// The keys that had a time to live of their own.
        keys: Vec<DueKey>,
    },
    /// Opens a session; the entry's index is its id (rule 9.1).
    OpenSession,
    /// Closes a session, and forgets what it was answered.
    CloseSession {
        /// Which one; one that is not there is no error.
        session: SessionId,
    },
    /// Does a change, unless it was done before under the same origin: then the answer is the
    /// first one's (rules 9).
    Once {
        /// What tells this change from all others.
        origin: Origin,
        /// The change: a put, a delete, of a record too, a transaction, the grant of a lease or its
        /// revocation.
        command: Box<Command>,
    },
    /// Changes nothing: every member tells its state hash at exactly this entry (rule 10.1).
    Check,
    /// Changes the replicated settings (rule 4.5).
    ChangeSettings(SettingsChange),
    /// Changes who may do what.
    Auth(AuthChange),
    /// Does a command on somebody's behalf, if that one may have it done at this place in the log.
    As {
        /// Who asks.
        principal: Principal,
        /// What they ask for: any command but another of this kind.
        command: Box<Command>,
    },
}

/// Why the past before a revision is given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompactionCause {
    /// Somebody asked for it.
    #[default]
    Asked,
    /// It is older than the settings keep it.
    Age,
    /// It takes more than the settings give it.
    Bytes,
    /// A member is short of memory (rule 11.2).
    Memory,
}

impl CompactionCause {
    /// What people read: `asked`, `age`, `bytes` or `memory`.
    pub fn as_str(self) -> &'static str {
        match self {
            CompactionCause::Asked => "asked",
            CompactionCause::Age => "age",
            CompactionCause::Bytes => "bytes",
            CompactionCause::Memory => "memory",
        }
    }
}

/// What must hold of a key for a change to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Its last write was the one of this revision; with revision 0, that it does not exist.
    ModRevision(Revision),
    /// It exists.
    Exists,
}

impl Condition {
    /// That the key does not exist.
    pub const ABSENT: Condition = Condition::ModRevision(Revision(0));

    /// Whether it holds of a key whose last write was at `current`, or of one that is not there.
    pub(crate) fn holds(self, current: Option<Revision>) -> bool {
        match self {
            Condition::ModRevision(wanted) => current.unwrap_or_default() == wanted,
            Condition::Exists => current.is_some(),
        }
    }
}

/// What names a change, so that a second copy of it in the log is known for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client with a session numbers its changes.
    Session {
        /// Its session.
        session: SessionId,
        /// The change's number, ascending within the session, from 1.
        seq: u64,
        /// The client has the answers of all changes with lower numbers, and will not ask again.
        acked_below: u64,
    },
    /// A client without one gives the change a name of its own, 1 to
    /// [`ONCE_KEY_BYTES_MAX`] bytes. The same name with another change is refused.
    Key(Bytes),
}

impl From<Put> for Command {
    /// The put, on no condition.
    fn from(put: Put) -> Command {
        Command::Put { put, condition: None }
    }
}

impl Command {
    /// Whether it may make the state larger for good, so that it must wait while disks are full.
    /// Sessions do not count: they are bounded, and needed to delete once.
    pub fn grows(&self) -> bool {
        match self {
            Command::Put { .. } | Command::LeaseGrant { .. } => true,
            Command::Once { command, .. } | Command::As { command, .. } => command.grows(),
            Command::Txn(txn) => txn.may_put(),
            Command::Delete { .. }
            | Command::DeleteRecord { .. }
            | Command::Compact { .. }
            | Command::LeaseRevoke { .. }
            | Command::Expire { .. }
            | Command::OpenSession
            | Command::CloseSession { .. }
            | Command::ChangeSettings(_)
            | Command::Auth(_)
            | Command::Check => false,
        }
    }

    /// The cluster's feature level (docs/decisions/012-feature-levels.md) from which on it may be
    /// proposed. A new kind, or a new field of a kind that is known, gets the level of the version
    /// that has it first.
    pub fn feature_level(&self) -> u32 {
        match self {
            Command::Once { command, .. } | Command::As { command, .. } => command.feature_level(),
            Command::Auth(change) => change.feature_level(),
            Command::Put { .. }
            | Command::Delete { .. }
            | Command::DeleteRecord { .. }
            | Command::Txn(_)
            | Command::Compact { .. }
            | Command::LeaseGrant { .. }
            | Command::LeaseRevoke { .. }
            | Command::Expire { .. }
            | Command::OpenSession
            | Command::CloseSession { .. }
            | Command::ChangeSettings(_)
            | Command::Check => 1,
        }
    }

    /// The command itself, whoever asks for it and under whatever name.
    pub fn itself(&self) -> &Command {
        match self {
            Command::Once { command, .. } | Command::As { command, .. } => command.itself(),
            command => command,
        }
    }

    /// Whether it may be done once under a name: whatever a client asks to be changed.
    pub(crate) fn is_change(&self) -> bool {
        match self {
            Command::Put { .. }
            | Command::Delete { .. }
            | Command::DeleteRecord { .. }
            | Command::Txn(_)
            | Command::LeaseGrant { .. }
            | Command::LeaseRevoke { .. } => true,
            Command::Compact { .. }
            | Command::Expire { .. }
            | Command::OpenSession
            | Command::CloseSession { .. }
            | Command::Once { .. }
            | Command::ChangeSettings(_)
            | Command::Auth(_)
            | Command::As { .. }
            | Command::Check => false,
        }
    }

    /// The bytes that go into the log.
    pub fn encode(&self) -> Bytes {
        wire::Command::from(self).encode_to_vec().into()
    }

    /// Reads what [`Command::encode`] wrote; keys and values share the memory of `bytes`.
    pub fn decode(bytes: Bytes) -> Result<Command, DecodeError> {
        let bytes_given = bytes.len();
        let wire = wire::Command::decode(bytes).map_err(|_| DecodeError::Malformed)?;
        // prost passes over fields that it does not know; their bytes are missing here.
        let understood = wire.encoded_len() == bytes_given;
        let command = wire.try_into()?;
        if understood { Ok(command) } else { Err(DecodeError::UnknownField) }
    }
}

/// Why bytes are no command of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// They are not the encoding of anything.
    Malformed,
    /// No kind of command, key range, condition or origin that this version knows.
    UnknownKind,
    /// A known kind with a field that this version does not know.
    UnknownField,
    /// A condition on more than one key, or something to be done once that is no change.
    Misplaced,
    /// A transaction that writes a key twice: no sound member proposes one, and a revision has no
    /// place for two versions of a key.
    DuplicateKey,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecodeError::Malformed => "the bytes are not an encoded command",
            DecodeError::UnknownKind => "unknown kind of command: a newer member proposed it",
            DecodeError::UnknownField => "unknown field in a command: a newer member proposed it",
            DecodeError::DuplicateKey => "a transaction writes a key twice",
            DecodeError::Misplaced => "a condition or a change stands where none may",
        })
    }
}

impl Error for DecodeError {}
