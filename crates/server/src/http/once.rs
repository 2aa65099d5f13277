//! Headers that make a write conditional, or done at most once.
//!
//! | header | means |
//! |---|---|
//! | `If-Match: "7"` | only if the key's last write was revision 7; `*`: only if it exists |
//! | `If-None-Match: *` | only if it does not exist |
//! | `Idempotency-Key: …` | done once, however often it is sent; for callers that come once |
//! | `Raftkv-Session: 12;5;4` | the same, as number 5 of session 12, with all below 4 answered |

use axum::body::Body;
use axum::http::header::{HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, Response};
use bytes::Bytes;
use store::{Command, Condition, ONCE_KEY_BYTES_MAX, OnceLimits, Origin, Revision, SessionId};

use super::error::{Code, Refusal};

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

/// The name that a request gives to its change, if any.
pub(super) fn origin(headers: &HeaderMap) -> Result<Option<Origin>, Refusal> {
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
        (None, Some(session)) => session_origin(session).map(Some),
        (Some(_), Some(_)) => Err(bad("give Idempotency-Key or Raftkv-Session, not both")),
    }
}

fn session_origin(written: &[u8]) -> Result<Origin, Refusal> {
    let mut parts = written.split(|&byte| byte == b';').map(number);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(Some(session)), Some(Some(seq)), Some(Some(acked_below)), None) => {
            Ok(Origin::Session { session: SessionId(session), seq, acked_below })
        }
        _ => Err(bad("Raftkv-Session is three numbers: id;seq;acked_below")),
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
