//! What a client wants to watch: the parameters of `GET /watch`, and `Last-Event-ID`.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, HeaderValue};
use replica::{EventFilter, WatchRequest};
use store::{CommandError, KeyRange, Revision};

use crate::http::error::{Code, Refusal};
use crate::http::query::{Consistency, Query, bad};
use crate::http::selection::range_of;
use crate::watch::{Notices, QUIET_DEFAULT};

pub(super) const PARAMETERS: [&str; 10] = [
    "key",
    "prefix",
    "from",
    "to",
    "from_revision",
    "prev",
    "filter",
    "progress_ms",
    "consistency",
    "timeout_ms",
];

/// What was the last message that a client received.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A notice of progress may be asked for this often, and must be this often, in ms.
const PROGRESS_MS_MIN: u64 = 100;
const PROGRESS_MS_MAX: u64 = 600_000;

/// A watch as it was asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) request: WatchRequest,
    pub(super) notices: Notices,
}

impl Wanted {
    pub(super) fn of(query: &Query, headers: &HeaderMap) -> Result<Wanted, Refusal> {
        let from = query.number("from_revision", 0..=u64::MAX)?.filter(|from| *from > 0);
        // Whoever comes again has got so far, whatever it asked for at first.
        let from = resumed(headers)?.or(from.map(Revision));
        let progress_ms = query.number("progress_ms", PROGRESS_MS_MIN..=PROGRESS_MS_MAX)?;
        let request = WatchRequest {
            from,
            filter: filter(query)?,
            prev_kv: query.flag("prev")?,
            // A message is written as its pieces come; what it tells is whole or not there.
            in_pieces: true,
            needs_leader: query.consistency()? == Consistency::Linearizable,
            ..WatchRequest::new(range(query)?)
        };
        let notices = Notices {
            quiet: progress_ms.map_or(QUIET_DEFAULT, Duration::from_millis),
            progress: progress_ms.is_some(),
        };
        Ok(Wanted { request, notices })
    }
}

fn range(query: &Query) -> Result<KeyRange, Refusal> {
    let (prefix, from, to) = (query.bytes("prefix"), query.bytes("from"), query.bytes("to"));
    match query.bytes("key") {
        None => range_of(prefix, from, to),
        Some(_) if prefix.is_some() || from.is_some() || to.is_some() => {
            Err(bad("key", "is one key: leave prefix, from and to out"))
        }
        Some(key) if key.is_empty() => Err(CommandError::EmptyKey.into()),
        Some(key) => Ok(KeyRange::Single(key)),
    }
}

fn filter(query: &Query) -> Result<EventFilter, Refusal> {
    match query.bytes("filter").as_deref() {
        None => Ok(EventFilter::default()),
        Some(b"noput") => Ok(EventFilter { no_put: true, ..EventFilter::default() }),
        Some(b"nodelete") => Ok(EventFilter { no_delete: true, ..EventFilter::default() }),
        Some(_) => Err(bad("filter", "is noput or nodelete")),
    }
}

/// The revision after the one in `Last-Event-ID`, if that is there.
fn resumed(headers: &HeaderMap) -> Result<Option<Revision>, Refusal> {
    let Some(last) = headers.get(LAST_EVENT_ID).map(HeaderValue::as_bytes) else {
        return Ok(None);
    };
    let number = str::from_utf8(last).ok().and_then(|text| text.parse::<u64>().ok());
    let next = number.and_then(|last| last.checked_add(1));
    let is_plain = last.iter().all(u8::is_ascii_digit);
    match next.filter(|_| is_plain) {
        Some(next) => Ok(Some(Revision(next))),
        None => Err(Refusal::new(
            Code::BadHeader,
            "Last-Event-ID is the id of a message of this stream, which is a revision",
        )),
    }
}
