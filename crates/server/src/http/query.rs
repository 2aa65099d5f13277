//! The parameters of a request: decoded once, and every one of them understood or refused.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, HeaderValue};
use bytes::Bytes;
use store::Revision;

use super::error::{Code, Refusal};
use super::escape::decode_query;

/// How long a client waits if it does not say.
pub(super) const TIMEOUT_MS_DEFAULT: u64 = 5_000;
/// How long it may wait at most: a read pins its revision no longer than this (rule 6.4).
pub(super) const TIMEOUT_MS_MAX: u64 = 60_000;

/// Whether a read must see every acknowledged write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Consistency {
    /// It must.
    #[default]
    Linearizable,
    /// What this member has is enough.
    Stale,
}

/// The parameters of one request, each at most once but where it says so.
#[derive(Debug)]
pub(super) struct Query(Vec<(&'static str, Vec<u8>)>);

impl Query {
    /// Reads the part of a URL after `?`. A name that is not among `known` is refused: a client
    /// that misspells `limit` must not get a hundred keys.
    pub(super) fn parse(raw: Option<&str>, known: &[&'static str]) -> Result<Query, Refusal> {
        Query::read(raw, known, None)
    }

    /// The same with one more parameter, which may be given many times.
    pub(super) fn parse_with_many(
        raw: Option<&str>,
        known: &[&'static str],
        many: &'static str,
    ) -> Result<Query, Refusal> {
        Query::read(raw, &[known, &[many]].concat(), Some(many))
    }

    fn read(
        raw: Option<&str>,
        known: &[&'static str],
        many: Option<&'static str>,
    ) -> Result<Query, Refusal> {
        let mut parameters: Vec<(&'static str, Vec<u8>)> = Vec::new();
        for pair in raw.unwrap_or("").split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode_query(name.as_bytes())?;
            let Some(name) = known.iter().find(|known| known.as_bytes() == name) else {
                return Err(unknown_parameter(&name, known));
            };
            let again = parameters.iter().any(|(earlier, _)| earlier == name);
            if again && many != Some(*name) {
                return Err(bad(name, "is given twice"));
            }
            parameters.push((name, decode_query(value.as_bytes())?));
        }
        Ok(Query(parameters))
    }

    /// The bytes of a parameter.
    pub(super) fn bytes(&self, name: &str) -> Option<Bytes> {
        self.find(name).map(Bytes::copy_from_slice)
    }

    /// What a parameter says, each time it is given.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value.as_slice())
    }

    /// A switch: `name`, `name=true` or `name=false`.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, Refusal> {
        match self.find(name) {
            None | Some(b"false") => Ok(false),
            Some(b"" | b"true") => Ok(true),
            Some(_) => Err(bad(name, "is true or false")),
        }
    }

    /// A whole number between two bounds.
    pub(super) fn number(
        &self,
        name: &'static str,
        bounds: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, Refusal> {
        let Some(written) = self.find(name) else { return Ok(None) };
        let digits = !written.is_empty() && written.iter().all(u8::is_ascii_digit);
        let number = str::from_utf8(written).ok().and_then(|text| text.parse().ok());
        match number.filter(|number| digits && bounds.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(bad(
                name,
                &format!("is a whole number from {} to {}", bounds.start(), bounds.end()),
            )),
        }
    }

    /// `timeout_ms`.
    pub(super) fn timeout(&self) -> Result<Duration, Refusal> {
        let timeout_ms = self.number("timeout_ms", 1..=TIMEOUT_MS_MAX)?;
        Ok(Duration::from_millis(timeout_ms.unwrap_or(TIMEOUT_MS_DEFAULT)))
    }

    /// `revision`: the first is 1, the newest is meant if it is not given.
    pub(super) fn revision(&self) -> Result<Option<Revision>, Refusal> {
        Ok(self.number("revision", 1..=u64::MAX)?.map(Revision))
    }

    /// `consistency`.
    pub(super) fn consistency(&self) -> Result<Consistency, Refusal> {
        Ok(self.given_consistency()?.unwrap_or_default())
    }

    /// `consistency`, if the client says anything about it.
    pub(super) fn given_consistency(&self) -> Result<Option<Consistency>, Refusal> {
        match self.find("consistency") {
            None => Ok(None),
            Some(b"linearizable") => Ok(Some(Consistency::Linearizable)),
            Some(b"stale") => Ok(Some(Consistency::Stale)),
            Some(_) => Err(bad("consistency", "is linearizable or stale")),
        }
    }

    fn find(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.0.iter().find(|(known, _)| *known == name)?;
        Some(value)
    }
}

/// Refuses a parameter: `what` continues the sentence that its name begins.
pub(super) fn bad(name: &str, what: &str) -> Refusal {
    Refusal::new(Code::BadParameter, format!("{name} {what}")).with("parameter", name)
}

fn unknown_parameter(name: &[u8], known: &[&str]) -> Refusal {
    let name = String::from_utf8_lossy(name).into_owned();
    let known = known.join(", ");
    bad(&name, &format!("is no parameter here; there are: {known}"))
}

const FORWARD: HeaderName = HeaderName::from_static(crate::ask::FORWARD_HEADER);

/// Whether a follower may hand the write on: yes, unless `Raftkv-Forward: never`.
pub(super) fn may_forward(headers: &HeaderMap) -> Result<bool, Refusal> {
    match headers.get(FORWARD).map(HeaderValue::as_bytes) {
        None => Ok(true),
        Some(value) if value.eq_ignore_ascii_case(b"never") => Ok(false),
        Some(_) => Err(Refusal::new(
            Code::BadHeader,
            "Raftkv-Forward is never; leave it out to have the write handed to the leader",
        )),
    }
}
