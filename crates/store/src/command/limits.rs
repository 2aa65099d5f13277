//! What a gateway asks of a command before it proposes it.

use std::error::Error;
use std::fmt;

use prost::Message;

use super::{Command, Origin, TXN_DEPTH_MAX, TXN_OPERATIONS_MAX, wire};
use crate::auth::{AuthChange, NAME_BYTES_MAX, PASSWORD_HASH_BYTES_MAX};
use crate::key_range::KeyRange;
use crate::lease::TTL_S_MAX;
use crate::settings::SettingsError;

/// The longest name of a change, in bytes ([`Origin::Key`]).
pub const ONCE_KEY_BYTES_MAX: usize = 128;

/// An expiry names so many leases at most, and so many keys (rule 8.4).
pub const EXPIRED_MAX: usize = 1_000;

impl Command {
    /// Whether the store takes this command: what a gateway asks before it proposes.
    pub fn validate(&self, limits: &Limits) -> Result<(), CommandError> {
        self.validate_parts(limits)?;
        let bytes = wire::Command::from(self).encoded_len();
        let bytes_max = limits.request_bytes_max;
        if bytes > bytes_max {
            return Err(CommandError::RequestTooLarge { bytes, bytes_max });
        }
        Ok(())
    }

    fn validate_parts(&self, limits: &Limits) -> Result<(), CommandError> {
        match self {
            Command::Put { put, .. } => put.check(limits),
            Command::Delete { range, condition, .. } => {
                if condition.is_some() && !matches!(range, KeyRange::Single(_)) {
                    return Err(CommandError::ConditionOnRange);
                }
                limits.check_range(range)
            }
            Command::DeleteRecord { record } => limits.check_key(record),
            Command::Txn(txn) => txn.validate(limits),
            Command::Once { origin, command } => {
                origin.validate()?;
                if !command.is_change() {
                    return Err(CommandError::NotOnce);
                }
                command.validate_parts(limits)
            }
            Command::LeaseGrant { ttl_s, .. } if !(1..=TTL_S_MAX).contains(ttl_s) => {
                Err(CommandError::WrongTtl)
            }
            Command::Expire { leases, keys } => {
                if leases.len() > EXPIRED_MAX || keys.len() > EXPIRED_MAX {
                    return Err(CommandError::TooManyExpired);
                }
                keys.iter().try_for_each(|due| limits.check_key(&due.key))
            }
            Command::ChangeSettings(change) => change.validate().map_err(CommandError::Setting),
            Command::Auth(change) => limits.check_auth(change),
            Command::As { command, .. } if matches!(**command, Command::As { .. }) => {
                Err(CommandError::TooDeep)
            }
            Command::As { command, .. } => command.validate_parts(limits),
            Command::Compact { .. }
            | Command::LeaseGrant { .. }
            | Command::LeaseRevoke { .. }
            | Command::OpenSession
            | Command::CloseSession { .. }
            | Command::Check => Ok(()),
        }
    }
}

impl Origin {
    fn validate(&self) -> Result<(), CommandError> {
        match self {
            Origin::Session { seq, acked_below, .. } if *seq == 0 || acked_below > seq => {
                Err(CommandError::WrongSeq)
            }
            Origin::Key(key) if key.is_empty() || key.len() > ONCE_KEY_BYTES_MAX => {
                Err(CommandError::WrongOnceKey { bytes: key.len() })
            }
            Origin::Session { .. } | Origin::Key(_) => Ok(()),
        }
    }
}

/// The sizes a command may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest key, in bytes.
    pub key_bytes_max: usize,
    /// The longest encoded command, in bytes.
    pub request_bytes_max: usize,
}

impl Limits {
    pub(super) fn check_range(&self, range: &KeyRange) -> Result<(), CommandError> {
        match range {
            KeyRange::Single(key) => self.check_key(key),
            KeyRange::Prefix(bound) | KeyRange::From(bound) => self.check_bound(bound),
            KeyRange::Between { start, end } => {
                self.check_bound(start)?;
                self.check_bound(end)
            }
        }
    }

    pub(super) fn check_key(&self, key: &[u8]) -> Result<(), CommandError> {
        if key.is_empty() {
            return Err(CommandError::EmptyKey);
        }
        self.check_bound(key)
    }

    fn check_auth(&self, change: &AuthChange) -> Result<(), CommandError> {
        let names: &[&str] = match change {
            AuthChange::Enable | AuthChange::Disable | AuthChange::LogOut { .. } => &[],
            AuthChange::AddUser { name, .. }
            | AuthChange::DeleteUser { name }
            | AuthChange::SetPassword { name, .. }
            | AuthChange::AddRole { name }
            | AuthChange::DeleteRole { name } => &[name],
            AuthChange::GrantRole { user, role } | AuthChange::RevokeRole { user, role } => {
                &[user, role]
            }
            AuthChange::GrantPermission { role, .. }
            | AuthChange::RevokePermission { role, .. } => &[role],
            AuthChange::LogIn { principal, .. } => &[&principal.user],
        };
        if names.iter().any(|name| name.is_empty() || name.len() > NAME_BYTES_MAX) {
            return Err(CommandError::WrongName);
        }
        match change {
            AuthChange::AddUser { password_hash: Some(hash), .. }
            | AuthChange::SetPassword { password_hash: Some(hash), .. }
                if hash.len() > PASSWORD_HASH_BYTES_MAX =>
            {
                Err(CommandError::WrongName)
            }
            AuthChange::GrantPermission { permission, .. } => {
                self.check_bound(&permission.key)?;
                self.check_bound(&permission.range_end)
            }
            AuthChange::RevokePermission { key, range_end, .. } => {
                self.check_bound(key)?;
                self.check_bound(range_end)
            }
            _ => Ok(()),
        }
    }

    /// The bound of a range may be empty: it then stands for the first key.
    fn check_bound(&self, key: &[u8]) -> Result<(), CommandError> {
        let (bytes, bytes_max) = (key.len(), self.key_bytes_max);
        if bytes > bytes_max {
            return Err(CommandError::KeyTooLarge { bytes, bytes_max });
        }
        Ok(())
    }
}

impl Default for Limits {
    /// 64 KiB a key, and 1.5 MiB a command, as in etcd.
    fn default() -> Limits {
        Limits { key_bytes_max: 64 << 10, request_bytes_max: 1_536 << 10 }
    }
}

/// Why a command was refused before it was proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// A key has at least one byte.
    EmptyKey,
    /// The key is longer than [`Limits::key_bytes_max`].
    KeyTooLarge {
        /// The key's length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// A condition is of one key.
    ConditionOnRange,
    /// Only a change of keys or leases is done once.
    NotOnce,
    /// A time to live is at least 1 ms, of a lease 1 s, and at most [`TTL_S_MAX`].
    WrongTtl,
    /// An expiry names more than [`EXPIRED_MAX`] leases or keys.
    TooManyExpired,
    /// A transaction has more than [`TXN_OPERATIONS_MAX`] comparisons or operations.
    TooManyOperations,
    /// Transactions stand within each other deeper than [`TXN_DEPTH_MAX`].
    TooDeep,
    /// A transaction puts a key twice, or puts and deletes it.
    DuplicateKey,
    /// A put that leaves the value as it is has none.
    ValueGiven,
    /// A change's number in its session is at least 1, and not below what it acknowledges.
    WrongSeq,
    /// The name of a change has 1 to [`ONCE_KEY_BYTES_MAX`] bytes.
    WrongOnceKey {
        /// How many it has.
        bytes: usize,
    },
    /// A setting is out of its bounds.
    Setting(SettingsError),
    /// The name of a user or role has 1 to [`NAME_BYTES_MAX`] bytes, and what is kept of a password
    /// at most [`PASSWORD_HASH_BYTES_MAX`].
    WrongName,
    /// The command is longer than [`Limits::request_bytes_max`].
    RequestTooLarge {
        /// Its encoded length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::EmptyKey => write!(f, "the key is empty"),
            CommandError::KeyTooLarge { bytes, bytes_max } => {
                write!(f, "the key has {bytes} bytes; at most {bytes_max} are allowed")
            }
            CommandError::ConditionOnRange => {
                write!(f, "a condition is of one key, not of a range")
            }
            CommandError::NotOnce => {
                write!(f, "only a change of keys or leases is done once")
            }
            CommandError::WrongTtl => {
                write!(f, "a time to live is more than nothing, and at most {TTL_S_MAX} seconds")
            }
            CommandError::TooManyExpired => {
                write!(f, "an expiry names at most {EXPIRED_MAX} leases and {EXPIRED_MAX} keys")
            }
            CommandError::TooManyOperations => {
                write!(f, "a transaction has at most {TXN_OPERATIONS_MAX} operations")
            }
            CommandError::TooDeep => {
                write!(f, "transactions stand within each other at most {TXN_DEPTH_MAX} deep")
            }
            CommandError::DuplicateKey => {
                write!(f, "a transaction puts a key twice, or puts and deletes it")
            }
            CommandError::ValueGiven => {
                write!(f, "a put that leaves the value as it is has none")
            }
            CommandError::WrongSeq => {
                write!(f, "a change's number is at least 1 and at least what it acknowledges")
            }
            CommandError::WrongOnceKey { bytes } => {
                write!(
                    f,
                    "the key of a change has {bytes} bytes; 1 to {ONCE_KEY_BYTES_MAX} are allowed"
                )
            }
            CommandError::Setting(error) => error.fmt(f),
            CommandError::WrongName => {
                write!(f, "the name of a user or role has 1 to {NAME_BYTES_MAX} bytes")
            }
            CommandError::RequestTooLarge { bytes, bytes_max } => {
                write!(f, "the request has {bytes} bytes; at most {bytes_max} are allowed")
            }
        }
    }
}

impl Error for CommandError {}
