//! What a request shows of who sends it.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// etcd's clients send their token under this name.
pub(crate) const TOKEN: &str = "token";

/// What somebody shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Nothing.
    Nothing,
    /// A token that was given out for a password.
    Token(String),
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
}

/// What is shown is nothing that could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Shown {
    /// What the headers show: `token`, as etcd's clients send it over gRPC, or `Authorization` with
    /// a token, with or without `Bearer` before it, or with a name and a password (`Basic`).
    pub(crate) fn of(headers: &HeaderMap) -> Result<Shown, Malformed> {
        if let Some(token) = headers.get(TOKEN) {
            return Ok(Shown::Token(text(token)?.to_owned()));
        }
        let Some(authorization) = headers.get(AUTHORIZATION) else { return Ok(Shown::Nothing) };
        let written = text(authorization)?.trim();
        match written.split_once(' ') {
            Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => basic(pair),
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Ok(Shown::Token(token.trim().to_owned()))
            }
            Some(_) => Err(Malformed),
            None => Ok(Shown::Token(written.to_owned())),
        }
    }

    /// The same as a header, for another member to see.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let written = match self {
            Shown::Nothing => return None,
            Shown::Token(token) => format!("Bearer {token}"),
            Shown::Password { user, password } => {
                format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
            }
        };
        let mut header = HeaderValue::from_str(&written).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

fn text(header: &HeaderValue) -> Result<&str, Malformed> {
    header.to_str().map_err(|_| Malformed)
}

fn basic(pair: &str) -> Result<Shown, Malformed> {
    let pair = BASE64_STANDARD.decode(pair.trim()).map_err(|_| Malformed)?;
    let pair = String::from_utf8(pair).map_err(|_| Malformed)?;
    let (user, password) = pair.split_once(':').ok_or(Malformed)?;
    Ok(Shown::Password { user: user.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &'static str, value: &'static str) -> Result<Shown, Malformed> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        Shown::of(&headers)
    }

    fn token(token: &str) -> Result<Shown, Malformed> {
        Ok(Shown::Token(token.to_owned()))
    }

    fn password(user: &str, password: &str) -> Result<Shown, Malformed> {
        Ok(Shown::Password { user: user.to_owned(), password: password.to_owned() })
    }

    #[test]
    fn tokens_are_shown_in_each_clients_way() {
        assert!(Shown::of(&HeaderMap::new()) == Ok(Shown::Nothing));
        assert!(shown("token", "abc.7") == token("abc.7"));
        assert!(shown("authorization", "abc.7") == token("abc.7"));
        assert!(shown("authorization", "Bearer abc.7") == token("abc.7"));
        assert!(shown("authorization", "bearer  abc.7 ") == token("abc.7"));
    }

    #[test]
    fn a_password_may_have_colons_and_be_empty() {
        assert!(shown("authorization", "Basic dTpw") == password("u", "p"));
        assert!(shown("authorization", "basic dTpwOnE=") == password("u", "p:q"));
        assert!(shown("authorization", "Basic dTo=") == password("u", ""));
    }

    #[test]
    fn what_is_neither_is_refused_and_not_taken_for_nothing() {
        for written in ["Basic dXA=", "Basic !", "Basic /w==", "Digest abc", "abc def ghi"] {
            assert!(shown("authorization", written) == Err(Malformed), "{written}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("token", HeaderValue::from_bytes(b"\xff").unwrap());
        assert!(Shown::of(&headers) == Err(Malformed));
    }

    #[test]
    fn it_is_shown_to_another_member_as_it_was() {
        for written in [token("abc.7").unwrap(), password("u", "p:q").unwrap()] {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, written.header().unwrap());
            assert!(Shown::of(&headers) == Ok(written));
        }
        assert!(Shown::Nothing.header().is_none());
    }
}
