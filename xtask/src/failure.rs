//! Why a task could not run at all. A failed test or a broken rule is a result, not one of these.

use std::{fmt, io};

/// Why a task could not run.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line can not be understood.
    Usage(String),
    /// The operating system refused: what we were doing, and its reason.
    Machine { doing: String, source: io::Error },
    /// Something we started did not behave: a member that never became healthy, a bad answer.
    Unexpected(String),
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(message) | Failure::Unexpected(message) => f.write_str(message),
            Failure::Machine { doing, source } => write!(f, "{doing}: {source}"),
        }
    }
}

impl std::error::Error for Failure {}

/// Says what we were doing when the operating system refused.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl Into<String>) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|source| Failure::Machine { doing: what.into(), source })
    }
}
