//! How a command fails: what standard error says, and the exit code.

use std::path::Path;
use std::process::ExitCode;
use std::{fmt, io};

use client::{Error, LockError};

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Code 1: a key is not there, a condition does not hold, a member could not start.
    Negative(String),
    /// Code 2: the request can not be right.
    Usage(String),
    /// Code 3: nobody could serve it, or nobody knows whether somebody did.
    Unavailable(String),
    /// Code 4: the member was removed from its cluster: starting it again does not help.
    Expelled(String),
    /// Code 5: a lock was lost while it was held.
    Lost(String),
    /// The command that was run ended with this code, and has said why.
    Command(u8),
    /// Standard output ended or broke.
    Output(io::Error),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            // Whoever reads us has seen enough: `raftkv list | head`.
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                ExitCode::SUCCESS
            }
            Failure::Negative(_) | Failure::Output(_) => ExitCode::from(1),
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Unavailable(_) => ExitCode::from(3),
            Failure::Expelled(_) => ExitCode::from(4),
            Failure::Lost(_) => ExitCode::from(5),
            Failure::Command(code) => ExitCode::from(*code),
        }
    }

    /// A file could not be written.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Failure {
        Failure::Negative(format!("{}: {error}", path.display()))
    }

    /// The same failure, with what was done before it.
    pub(crate) fn after(self, done: &str) -> Failure {
        let with = |message: String| format!("{message}\nraftkv: {done}");
        match self {
            Failure::Negative(message) => Failure::Negative(with(message)),
            Failure::Usage(message) => Failure::Usage(with(message)),
            Failure::Unavailable(message) => Failure::Unavailable(with(message)),
            Failure::Expelled(message) => Failure::Expelled(with(message)),
            Failure::Lost(message) => Failure::Lost(with(message)),
            other @ (Failure::Command(_) | Failure::Output(_)) => other,
        }
    }

    /// Whether there is anything to say.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self, Failure::Command(_)) || self.exit_code() == ExitCode::SUCCESS
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let message = error.to_string();
        match error {
            Error::InvalidEndpoint { .. }
            | Error::InvalidTls { .. }
            | Error::EmptyKey
            | Error::InvalidTxn { .. } => Failure::Usage(message),
            Error::ConditionFailed { .. } => Failure::Negative(message),
            // Whoever is meant can be named.
            Error::Unauthenticated { .. } => Failure::Usage(format!(
                "{message}; name a user with --user NAME:PASSWORD, or in RAFTKV_USER"
            )),
            Error::PermissionDenied { .. } | Error::InvalidCredentials { .. } => {
                Failure::Usage(message)
            }
            // 4xx: the member refuses what it was asked; 410 and 412 depend on its state.
            Error::Refused { status: 404 | 409 | 410 | 412, .. } => Failure::Negative(message),
            // It can be right, but not now: the disks are full.
            Error::Refused { status: 507, .. } => Failure::Unavailable(message),
            Error::Refused { .. } => Failure::Usage(message),
            _ => Failure::Unavailable(message),
        }
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Failure {
        match error {
            LockError::TimedOut => Failure::Negative(error.to_string()),
            LockError::Lost => Failure::Lost(error.to_string()),
            LockError::Failed(error) => error.into(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Negative(message)
            | Failure::Usage(message)
            | Failure::Unavailable(message)
            | Failure::Expelled(message)
            | Failure::Lost(message) => f.write_str(message),
            Failure::Command(code) => write!(f, "the command ended with code {code}"),
            Failure::Output(error) => write!(f, "standard output: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn code(error: Error) -> ExitCode {
        Failure::from(error).exit_code()
    }

    fn refused(status: u16) -> Error {
        Error::Refused { status, code: "code".into(), message: "message".into() }
    }

    #[test]
    fn every_outcome_has_its_exit_code() {
        assert_eq!(code(Error::EmptyKey), ExitCode::from(2));
        assert_eq!(code(refused(413)), ExitCode::from(2));
        assert_eq!(code(refused(410)), ExitCode::from(1));
        assert_eq!(code(refused(507)), ExitCode::from(3));
        let message = "message".to_owned();
        assert_eq!(code(Error::Unauthenticated { message: message.clone() }), ExitCode::from(2));
        assert_eq!(code(Error::PermissionDenied { message }), ExitCode::from(2));
        let timeout = Duration::from_secs(5);
        assert_eq!(code(Error::Unavailable { timeout, reasons: vec![] }), ExitCode::from(3));
        assert_eq!(code(Error::Malformed { reason: "?".into() }), ExitCode::from(3));
    }

    #[test]
    fn an_unknown_outcome_says_that_it_may_have_been_applied() {
        let failure = Failure::from(Error::Unknown { reason: "connection reset".into() });
        assert_eq!(failure.exit_code(), ExitCode::from(3));
        assert!(failure.to_string().contains("may have been applied"), "{failure}");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        assert!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).is_silent());
        assert!(!Failure::from(io::Error::from(io::ErrorKind::StorageFull)).is_silent());
    }
}
