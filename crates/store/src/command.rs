//! Commands: what the log carries for the store, and their encoding.
//!
//! The bytes are specified in `docs/format/command.md`. A command that this version does not
//! know in full, down to an unknown field of a known kind, is refused and not half understood:
//! a newer member proposed it, and applying what is left of it would make this member differ.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use prost::Message;

use crate::key_range::KeyRange;

/// A change to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Gives a key a value, whether it exists or not.
    Put {
        /// The key.
        key: Bytes,
        /// Its new value.
        value: Bytes,
        /// Whether the outcome tells what the key was before.
        prev_kv: bool,
    },
    /// Removes the keys of a range that exist; none is no error.
    Delete {
        /// Which keys.
        range: KeyRange,
        /// Whether the outcome tells what they were.
        prev_kv: bool,
    },
}

impl Command {
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

    /// Whether the store takes this command: what a gateway asks before it proposes.
    pub fn validate(&self, limits: &Limits) -> Result<(), CommandError> {
        match self {
            Command::Put { key, .. } | Command::Delete { range: KeyRange::Single(key), .. } => {
                limits.check_key(key)?;
            }
            Command::Delete { range: KeyRange::Prefix(key) | KeyRange::From(key), .. } => {
                limits.check_bound(key)?;
            }
            Command::Delete { range: KeyRange::Between { start, end }, .. } => {
                limits.check_bound(start)?;
                limits.check_bound(end)?;
            }
        }
        let bytes = wire::Command::from(self).encoded_len();
        let bytes_max = limits.request_bytes_max;
        if bytes > bytes_max {
            return Err(CommandError::RequestTooLarge { bytes, bytes_max });
        }
        Ok(())
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
    fn check_key(&self, key: &[u8]) -> Result<(), CommandError> {
        if key.is_empty() {
            return Err(CommandError::EmptyKey);
        }
        self.check_bound(key)
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
            CommandError::RequestTooLarge { bytes, bytes_max } => {
                write!(f, "the request has {bytes} bytes; at most {bytes_max} are allowed")
            }
        }
    }
}

impl Error for CommandError {}

/// Why bytes are no command of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// They are not the encoding of anything.
    Malformed,
    /// No kind of command, or of key range, that this version knows.
    UnknownKind,
    /// A known kind with a field that this version does not know.
    UnknownField,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecodeError::Malformed => "the bytes are not an encoded command",
            DecodeError::UnknownKind => "unknown kind of command: a newer member proposed it",
            DecodeError::UnknownField => "unknown field in a command: a newer member proposed it",
        })
    }
}

impl Error for DecodeError {}

/// The encoded form, and the way there and back. Field numbers are never used again.
mod wire {
    use bytes::Bytes;

    use super::DecodeError;
    use crate::key_range::KeyRange;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Command {
        #[prost(oneof = "Kind", tags = "1, 2")]
        kind: Option<Kind>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    enum Kind {
        #[prost(message, tag = "1")]
        Put(Put),
        #[prost(message, tag = "2")]
        Delete(Delete),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct Put {
        #[prost(bytes = "bytes", tag = "1")]
        key: Bytes,
        #[prost(bytes = "bytes", tag = "2")]
        value: Bytes,
        #[prost(bool, tag = "3")]
        prev_kv: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct Delete {
        #[prost(oneof = "Range", tags = "1, 2, 3, 4")]
        range: Option<Range>,
        #[prost(bool, tag = "5")]
        prev_kv: bool,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    enum Range {
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
    struct Between {
        #[prost(bytes = "bytes", tag = "1")]
        start: Bytes,
        #[prost(bytes = "bytes", tag = "2")]
        end: Bytes,
    }

    impl From<&super::Command> for Command {
        fn from(command: &super::Command) -> Command {
            let kind = match command.clone() {
                super::Command::Put { key, value, prev_kv } => {
                    Kind::Put(Put { key, value, prev_kv })
                }
                super::Command::Delete { range, prev_kv } => {
                    Kind::Delete(Delete { range: Some(range.into()), prev_kv })
                }
            };
            Command { kind: Some(kind) }
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

    impl TryFrom<Command> for super::Command {
        type Error = DecodeError;

        fn try_from(command: Command) -> Result<super::Command, DecodeError> {
            match command.kind.ok_or(DecodeError::UnknownKind)? {
                Kind::Put(Put { key, value, prev_kv }) => {
                    Ok(super::Command::Put { key, value, prev_kv })
                }
                Kind::Delete(Delete { range, prev_kv }) => {
                    let range = range.ok_or(DecodeError::UnknownKind)?.into();
                    Ok(super::Command::Delete { range, prev_kv })
                }
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
}
