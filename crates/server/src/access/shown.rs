//! What a request shows of who sends it.

use axum::http::header::{AUTHORIZATION, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::Token;

/// etcd's clients send their token under this name.
pub(crate) const TOKEN: &str = "token";

/// Whom the certificate of a request's connection names. It never comes from a client
/// ([`name_by_certificate`]).
pub(crate) const CERTIFICATE_USER: HeaderName = HeaderName::from_static("raftkv-certificate-user");

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
    /// A certificate that the clients' CA signed, of this name. The connection has verified it.
    Certificate(String),
}

/// What is shown is nothing that could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Shown {
    /// What the headers show: `token`, as etcd's clients send it over gRPC, or `Authorization` with
    /// a token, with or without `Bearer` before it, or with a name and a password (`Basic`). Who
    /// shows none of these is whom the connection's certificate names, if anybody.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Shown, Malformed> {
        if let Some(token) = headers.get(TOKEN) {
            return Ok(Shown::Token(text(token)?.to_owned()));
        }
        let Some(authorization) = headers.get(AUTHORIZATION) else {
            return certificate(headers);
        };
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

    /// The token, if it is one, and reads as one.
    pub(super) fn token(&self) -> Option<Token> {
        Token::read(self.written_token()?)
    }

    /// The log entry of the login that a token stands for.
    pub(super) fn login(&self) -> Option<u64> {
        Token::index_of(self.written_token()?)
    }

    fn written_token(&self) -> Option<&str> {
        match self {
            Shown::Token(token) => Some(token),
            Shown::Nothing | Shown::Password { .. } | Shown::Certificate(_) => None,
        }
    }

    /// The same as a header, for another member to see.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let written = match self {
            // Nobody else can show that certificate.
            Shown::Nothing | Shown::Certificate(_) => return None,
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

/// Has every request say whom its connection's certificate names, and none anything else: a client
/// may not name itself.
pub(crate) fn name_by_certificate(headers: &mut HeaderMap, user: Option<&HeaderValue>) {
    match user {
        Some(user) => drop(headers.insert(CERTIFICATE_USER, user.clone())),
        None => drop(headers.remove(CERTIFICATE_USER)),
    }
}

/// The same of headers that are made of others.
pub(crate) fn name_as(of: &HeaderMap, headers: &mut HeaderMap) {
    name_by_certificate(headers, of.get(CERTIFICATE_USER));
}

fn certificate(headers: &HeaderMap) -> Result<Shown, Malformed> {
    let Some(user) = headers.get(CERTIFICATE_USER) else { return Ok(Shown::Nothing) };
    let user = str::from_utf8(user.as_bytes()).map_err(|_| Malformed)?;
    Ok(Shown::Certificate(user.to_owned()))
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
    fn a_certificate_counts_where_nothing_else_is_shown_and_is_never_a_clients_word() {
        let named = HeaderValue::from_bytes("jörg".as_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        headers.append(CERTIFICATE_USER, HeaderValue::from_static("root"));
        headers.append(CERTIFICATE_USER, HeaderValue::from_static("root"));
        name_by_certificate(&mut headers, Some(&named));
        assert!(Shown::of(&headers) == Ok(Shown::Certificate("jörg".to_owned())));
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer abc.7"));
        assert!(Shown::of(&headers) == token("abc.7"), "as in etcd, a token comes first");
        headers.remove(AUTHORIZATION);
        headers.append(CERTIFICATE_USER, HeaderValue::from_static("root"));
        name_by_certificate(&mut headers, None);
        assert!(Shown::of(&headers) == Ok(Shown::Nothing));
        assert!(Shown::Certificate("root".to_owned()).header().is_none());
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
