//! The user on whose behalf a member joins, with its password.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// A name and a password, as `NAME:PASSWORD`. It is never printed, and no error repeats it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct JoinUser(String);

impl JoinUser {
    /// The name and the password; none if it is not written as these.
    pub fn parts(&self) -> Option<(&str, &str)> {
        self.0.split_once(':').filter(|(name, password)| !name.is_empty() && !password.is_empty())
    }
}

impl FromStr for JoinUser {
    type Err = Infallible;

    /// Takes anything: what is wrong with it is said where nothing of it is repeated.
    fn from_str(text: &str) -> Result<JoinUser, Infallible> {
        Ok(JoinUser(text.to_owned()))
    }
}

impl fmt::Debug for JoinUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinUser(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_begins_at_the_first_colon() {
        for (text, parts) in [
            ("root:secret", Some(("root", "secret"))),
            ("root:a:b", Some(("root", "a:b"))),
            ("root", None),
            ("root:", None),
            (":secret", None),
            ("", None),
        ] {
            let user: JoinUser = text.parse().unwrap();
            assert_eq!(user.parts(), parts, "{text}");
            assert_eq!(format!("{user:?}"), "JoinUser(..)");
        }
    }
}
