//! Headers that make a write conditional, or done at most once.
//!
//! | header | means |
//! |---|---|
//! | `If-Match: "7"` | only if the key's last write was revision 7; `*`: only if it exists |
//! | `If-None-Match: *` | only if it does not exist |
//! | `Idempotency-Key: …` | done once, however often it is sent; for callers that come once |
//! | `Raftkv-Session: 12-9f3c01aa;5;4` | the same, as number 5 of it, with all below 4 answered |
//!
//! A session's name holds its id and some bits of the cluster's: ids are places in a log, so
//! another cluster that is reached at the same address has sessions with the same ids.

use std::fmt;

use axum::body::Body;
use axum::http::header::{HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, Response};
use bytes::Bytes;
use store::{Command, Condition, ONCE_KEY_BYTES_MAX, OnceLimits, Origin, Revision, SessionId};

use super::error::{Code, Refusal, unavailable};
use crate::node::Node;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const SESSION: HeaderName = HeaderName::from_static("raftkv-session");

/// For how many seconds a key is remembered, in every answer to a write with one.
const WINDOW: HeaderName = HeaderName::from_static("idempotency-window");

/// That an answer is the one of an earlier sending.
const REPLAY: HeaderName = HeaderName::from_static("idempotent-replay");

/// The condition that a request states, if any.
pub(super) fn condition(headers: &HeaderMap) -> Result<Option<Condition>, Refusal> {
    match (one(headers, &IF_MATCH)?, one(headers, &IF_NONE_MATCH)?) {
        (None, None) => Ok(None),
        (None, Some(b"*")) => Ok(Some(Condition::ABSENT)),
        (Some(b"*"), None) => Ok(Some(Condition::Exists)),
        (Some(tag), None) => match number(unquoted(tag)) {
            Some(revision) if revision > 0 => Ok(Some(Condition::ModRevision(Revision(revision)))),
            _ => Err(bad("If-Match is * or the key's mod_revision, as in \"7\"")),
        },
        (None, Some(_)) => Err(bad("If-None-Match is *: that the key does not exist")),
        (Some(_), Some(_)) => Err(bad("give If-Match or If-None-Match, not both")),
    }
}

/// The name that a request to a member of this cluster gives to its change, if any.
pub(super) fn origin(headers: &HeaderMap, node: &Node) -> Result<Option<Origin>, Refusal> {
    match (one(headers, &IDEMPOTENCY_KEY)?, one(headers, &SESSION)?) {
        (None, None) => Ok(None),
        (Some(key), None) => {
            let visible = key.iter().all(u8::is_ascii_graphic);
            if !visible || key.is_empty() || key.len() > ONCE_KEY_BYTES_MAX {
                let message = "Idempotency-Key is 1 to 128 visible ASCII characters";
                return Err(bad(message));
            }
            Ok(Some(Origin::Key(Bytes::copy_from_slice(key))))
        }
        (None, Some(session)) => session_origin(session, node).map(Some),
        (Some(_), Some(_)) => Err(bad("give Idempotency-Key or Raftkv-Session, not both")),
    }
}

fn session_origin(written: &[u8], node: &Node) -> Result<Origin, Refusal> {
    let mut parts = written.split(|&byte| byte == b';');
    let session = parts.next().and_then(SessionName::parse);
    let mut numbers = parts.map(number);
    match (session, numbers.next(), numbers.next(), numbers.next()) {
        (Some(name), Some(Some(seq)), Some(Some(acked_below)), None) => {
            let session =
                name.of_cluster(ClusterMark::of(node)?).ok_or_else(Refusal::session_expired)?;
            Ok(Origin::Session { session, seq, acked_below })
        }
        _ => {
            Err(bad("Raftkv-Session is session;seq;acked_below, with the session as it was named"))
        }
    }
}

/// Some bits of a cluster's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClusterMark(u32);

impl ClusterMark {
    /// The mark of the cluster that this member belongs to. One that does not know it yet must not
    /// call a session expired.
    pub(super) fn of(node: &Node) -> Result<ClusterMark, Refusal> {
        let status = node.status();
        let known = status.configuration.as_ref().ok_or_else(|| unavailable(&status))?;
        let bits = known.cluster_id & u128::from(u32::MAX);
        Ok(ClusterMark(u32::try_from(bits).expect("32 bits are left")))
    }
}

/// What clients call a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionName {
    pub(super) session: SessionId,
    pub(super) mark: ClusterMark,
}

impl SessionName {
    /// Reads what `Display` wrote.
    pub(super) fn parse(text: &[u8]) -> Option<SessionName> {
        let dash = text.iter().position(|&byte| byte == b'-')?;
        let (id, mark) = (number(&text[..dash])?, str::from_utf8(&text[dash + 1..]).ok()?);
        let all_digits = mark.len() == 8 && mark.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mark = u32::from_str_radix(mark, 16).ok().filter(|_| all_digits)?;
        Some(SessionName { session: SessionId(id), mark: ClusterMark(mark) })
    }

    /// The session, if it is one of this cluster.
    pub(super) fn of_cluster(self, mark: ClusterMark) -> Option<SessionId> {
        (self.mark == mark).then_some(self.session)
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:08x}", self.session, self.mark.0)
    }
}

/// Gives the change its name.
pub(super) fn named(change: Command, origin: Option<Origin>) -> Command {
    match origin {
        Some(origin) => Command::Once { origin, command: Box::new(change) },
        None => change,
    }
}

/// Says how long a key is remembered, and whether it was.
pub(super) fn mark(answer: &mut Response<Body>, origin: Option<&Origin>, replay: bool) {
    if let Some(Origin::Key(_)) = origin {
        let window_s = OnceLimits::default().key_life_ms / 1_000;
        answer.headers_mut().insert(WINDOW, HeaderValue::from(window_s));
    }
    if replay {
        answer.headers_mut().insert(REPLAY, HeaderValue::from_static("true"));
    }
}

/// The value of a header that may be there once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(HeaderValue::as_bytes)),
        (_, Some(_)) => Err(bad(&format!("the header {name} is given twice"))),
    }
}

fn unquoted(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\"")).unwrap_or(tag)
}

fn number(digits: &[u8]) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    str::from_utf8(digits).ok().filter(|_| all_digits)?.parse().ok()
}

fn bad(message: &str) -> Refusal {
    Refusal::new(Code::BadHeader, message.to_owned())
}
