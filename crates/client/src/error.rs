//! Why a call failed, in classes that a caller can act on.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::{Endpoint, KeyValue, Revision};

/// Why a call failed.
///
/// Every variant but [`Error::Unknown`] says that the call certainly had no effect, and never will
/// have one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The text is no address of a member.
    InvalidEndpoint {
        /// As it was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file that TLS needs can not be used.
    InvalidTls {
        /// Which one.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A key may not be empty.
    EmptyKey,
    /// What was given as a transaction is none.
    InvalidTxn {
        /// What is wrong with it.
        reason: String,
    },
    /// A member understood the request and refuses it; the same request will be refused again.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The stable code, as in docs/http.md.
        code: String,
        /// What is wrong and what to do, for people.
        message: String,
    },
    /// What was given as a user's name and password, or as a token, can be none.
    InvalidCredentials {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Authentication is on, and this client shows nobody, or nobody who is known: another name, a
    /// wrong password, a token that is over.
    Unauthenticated {
        /// Which of these, for people.
        message: String,
    },
    /// The user that this client shows may not do that.
    PermissionDenied {
        /// What to do, for people.
        message: String,
    },
    /// The condition of a write does not hold: nothing was done.
    ConditionFailed {
        /// The key as it is instead; `None` if it is not there.
        current: Option<Box<KeyValue>>,
        /// The store's revision at which it is so.
        revision: Revision,
    },
    /// Nobody could serve the request before the deadline. It had no effect.
    Unavailable {
        /// The deadline that passed.
        timeout: Duration,
        /// The last thing that each member tried had to say.
        reasons: Vec<(Endpoint, String)>,
    },
    /// The write may have been applied, or may still be. Sending it again could apply it twice:
    /// look first (with a linearizable read) whether it is there.
    Unknown {
        /// What happened to the request.
        reason: String,
    },
    /// A member tells events in a way that is newer or older than this client.
    UnknownSchema {
        /// Which member.
        endpoint: Endpoint,
        /// The number of its schema.
        schema: u64,
    },
    /// A member answered a read in a way that this client does not understand.
    Malformed {
        /// What is wrong with the answer.
        reason: String,
    },
}

impl Error {
    /// Whether the same call may succeed later and can safely be made again.
    ///
    /// `false` for [`Error::Unknown`]: making the call again may do it twice.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Unavailable { .. })
    }

    /// The code of a refusal, as in docs/http.md.
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Refused { code, .. } => Some(code),
            Error::ConditionFailed { .. } => Some("condition_failed"),
            Error::Unauthenticated { .. } => Some("unauthenticated"),
            Error::PermissionDenied { .. } => Some("permission_denied"),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidEndpoint { text, reason } => {
                write!(f, "{text:?} is not the address of a member: {reason}")
            }
            Error::InvalidTls { file, reason } => write!(f, "{}: {reason}", file.display()),
            Error::EmptyKey => f.write_str("the key is empty"),
            Error::InvalidTxn { reason } => write!(f, "this is no transaction: {reason}"),
            Error::InvalidCredentials { reason } => f.write_str(reason),
            Error::Refused { code, message, .. } => write!(f, "{message} ({code})"),
            Error::Unauthenticated { message } => write!(f, "{message} (unauthenticated)"),
            Error::PermissionDenied { message } => write!(f, "{message} (permission_denied)"),
            Error::ConditionFailed { current, .. } => match current {
                Some(item) => {
                    let revision = item.mod_revision;
                    write!(f, "the condition does not hold: the key is of revision {revision}")
                }
                None => f.write_str("the condition does not hold: there is no such key"),
            },
            Error::Unavailable { timeout, reasons } => {
                write!(
                    f,
                    "no member could serve the request within {timeout:?}; it had no effect"
                )?;
                reasons.iter().try_for_each(|(endpoint, why)| write!(f, "\n  {endpoint}: {why}"))
            }
            Error::Unknown { reason } => write!(
                f,
                "the outcome is unknown, the write may have been applied: {reason}; \
                 read the key before writing it again"
            ),
            Error::UnknownSchema { endpoint, schema } => write!(
                f,
                "{endpoint} tells events by schema {schema}, which this program does not know: \
                 upgrade the older of the two"
            ),
            Error::Malformed { reason } => write!(f, "a member gave a strange answer: {reason}"),
        }
    }
}

impl std::error::Error for Error {}
