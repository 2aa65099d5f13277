//! Whom a client speaks for.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::header::HeaderValue;

use crate::Error;

/// What a client shows of who it is, with every request: a name and a password, or a token.
///
/// They go to every member that the client turns to, and the network is not encrypted: use them
/// where it is yours.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Of the header `Authorization`; marked as one that is never printed.
    header: HeaderValue,
}

impl Credentials {
    /// A user, by name and password.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] if the name is empty, or has a colon: that is where the
    /// password would begin. Such a user can be shown by a token.
    pub fn password(user: &str, password: &str) -> Result<Credentials, Error> {
        if user.is_empty() {
            return Err(invalid("the name of the user is empty"));
        }
        if user.contains(':') {
            return Err(invalid("a name with a colon is shown by a token only: log in for one"));
        }
        let pair = BASE64.encode(format!("{user}:{password}"));
        Credentials::shown(&format!("Basic {pair}"))
    }

    /// Whoever a token stands for: one that [`crate::Client::log_in`] answered.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] if it can be none.
    pub fn token(token: &str) -> Result<Credentials, Error> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid("a token has visible ASCII characters only"));
        }
        Credentials::shown(&format!("Bearer {token}"))
    }

    fn shown(written: &str) -> Result<Credentials, Error> {
        let mut header =
            HeaderValue::from_str(written).map_err(|_| invalid("it can not stand in a header"))?;
        header.set_sensitive(true);
        Ok(Credentials { header })
    }

    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }
}

fn invalid(reason: &'static str) -> Error {
    Error::InvalidCredentials { reason }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(credentials: &Credentials) -> &str {
        credentials.header().to_str().unwrap()
    }

    #[test]
    fn as_the_door_reads_them() {
        let password = Credentials::password("root", "s:cret").unwrap();
        assert_eq!(header(&password), "Basic cm9vdDpzOmNyZXQ=");
        assert_eq!(header(&Credentials::token("ab.7").unwrap()), "Bearer ab.7");
    }

    #[test]
    fn what_would_be_read_as_somebody_else_is_refused() {
        for (user, password) in [("", "p"), ("a:b", "p")] {
            assert!(Credentials::password(user, password).is_err(), "{user:?}");
        }
        for token in ["", "a b", "a\r\nHost: x", "é"] {
            assert!(Credentials::token(token).is_err(), "{token:?}");
        }
    }

    #[test]
    fn they_are_never_printed() {
        let credentials = Credentials::password("root", "secret").unwrap();
        assert_eq!(format!("{credentials:?}"), "Credentials(..)");
        let header = format!("{:?}", credentials.header());
        assert!(!header.contains("Basic") && !header.contains("cm9v"), "{header}");
    }
}
