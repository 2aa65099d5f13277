//! What one attempt proved, and what may therefore be done next. Pure: the heart of contract 4.
//!
//! | what happened | read, named write | write |
//! |---|---|---|
//! | 2xx | done | done |
//! | no connection: nothing was sent | again | again |
//! | a code that says "not now" (`NOT_NOW`) | again | again |
//! | a code that says "never" (`NEVER`, or any other with a 4xx status) | refused | refused |
//! | any other code with a 5xx status (`outcome_unknown`); no code of ours | again | **unknown** |
//! | the connection broke after the request left; silence | again | **unknown** |
//!
//! A named write carries a number in a session or a key, so the store does it once however often it
//! is sent. In the last two rows it is sent again and yet may have been done: the caller remembers
//! that ([`Again::unproven`]).
//!
//! Codes decide, statuses do not: a 503 of some proxy in between proves nothing about the member
//! behind it.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use crate::types::EncodedConflict;
use crate::{Endpoint, Error};

/// Codes of a member that certainly did nothing, and another member or another time may serve.
const NOT_NOW: [&str; 9] = [
    "not_leader",
    "no_leader",
    "not_ready",
    "unavailable",
    "overloaded",
    "too_many_requests",
    "superseded",
    "stopped",
    "table_full",
];
/// Codes with a 5xx status that say as surely that nothing was done, and will not be soon: a disk
/// is not emptied, nor do members agree again, within the time of a call.
const NEVER: [&str; 2] = ["no_space", "corrupt"];

/// Whether a request changes anything when it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Read,
    Write,
    /// A write with a name: it changes something once.
    Once,
}

/// What came of sending a request once.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// A whole answer arrived.
    Answered(Answer),
    /// Not a byte of the request left.
    NotSent(String),
    /// The request may have left, and no whole answer came back.
    Broken(String),
}

/// An answer, not yet understood.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    /// The header `Raftkv-Leader`, where it holds an address.
    pub(crate) leader: Option<Endpoint>,
    /// The header `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
}

/// What to do after an attempt.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The request was served.
    Done(Answer),
    /// It never will be, with an unchanged request.
    Refused(Error),
    /// It certainly had no effect, or has none by nature: send it again.
    Again(Again),
    /// It may have had an effect: never send it again.
    Unknown(String),
}

/// Why, where and when to send a request again.
#[derive(Debug, Default)]
pub(crate) struct Again {
    pub(crate) reason: String,
    /// Who leads, said by the member that refused.
    pub(crate) leader: Option<Endpoint>,
    /// How long the member asks to be left alone.
    pub(crate) wait: Duration,
    /// Whether the request may have been served all the same.
    pub(crate) unproven: bool,
}

/// Decides what an attempt proved.
pub(crate) fn judge(effect: Effect, attempt: Attempt) -> Verdict {
    match attempt {
        Attempt::NotSent(reason) => again(reason),
        Attempt::Broken(reason) => unproven(effect, reason),
        Attempt::Answered(answer) if (200..300).contains(&answer.status) => Verdict::Done(answer),
        Attempt::Answered(answer) => judge_refusal(effect, answer),
    }
}

fn judge_refusal(effect: Effect, answer: Answer) -> Verdict {
    let Some(Refusal { error: code, message }) = Refusal::read(&answer.body) else {
        return unproven(effect, describe(&answer));
    };
    match code.as_str() {
        code if NOT_NOW.contains(&code) => Verdict::Again(Again {
            reason: message,
            leader: answer.leader,
            wait: answer.retry_after.unwrap_or_default(),
            unproven: false,
        }),
        "condition_failed" => match conflict(&answer.body) {
            Some(error) => Verdict::Refused(error),
            None => refused(answer.status, code, message),
        },
        // Whatever the status: a watch is told so when it is under way.
        "unauthenticated" => Verdict::Refused(Error::Unauthenticated { message }),
        "permission_denied" => Verdict::Refused(Error::PermissionDenied { message }),
        "outcome_unknown" => unproven(effect, message),
        never if NEVER.contains(&never) => refused(answer.status, code, message),
        _ if (400..500).contains(&answer.status) => refused(answer.status, code, message),
        _ => unproven(effect, format!("{message} ({code})")),
    }
}

/// What the key is like instead, as the member says it.
fn conflict(body: &[u8]) -> Option<Error> {
    serde_json::from_slice::<EncodedConflict>(body).ok()?.decode().ok()
}

/// What an answer without a code says: /health has its reason, as etcd's has.
fn describe(answer: &Answer) -> String {
    #[derive(Deserialize)]
    struct Reason {
        reason: String,
    }
    match serde_json::from_slice(&answer.body) {
        Ok(Reason { reason }) => reason,
        Err(_) => format!("HTTP status {} without a code of raftkv's", answer.status),
    }
}

fn refused(status: u16, code: String, message: String) -> Verdict {
    Verdict::Refused(Error::Refused { status, code, message })
}

fn again(reason: String) -> Verdict {
    Verdict::Again(Again { reason, ..Again::default() })
}

/// Nothing shows whether the request was served.
fn unproven(effect: Effect, reason: String) -> Verdict {
    match effect {
        Effect::Read | Effect::Once => {
            Verdict::Again(Again { reason, unproven: true, ..Again::default() })
        }
        Effect::Write => Verdict::Unknown(reason),
    }
}

/// The body of every refusal of ours.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    message: String,
}

impl Refusal {
    fn read(body: &[u8]) -> Option<Refusal> {
        serde_json::from_slice(body).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, code: &str) -> Attempt {
        let body = format!(r#"{{"error":"{code}","message":"why","more":1}}"#);
        Attempt::Answered(Answer { status, body: body.into(), ..Answer::default() })
    }

    fn plain(status: u16, body: &'static str) -> Attempt {
        Attempt::Answered(Answer { status, body: body.into(), ..Answer::default() })
    }

    fn word(effect: Effect, attempt: Attempt) -> &'static str {
        match judge(effect, attempt) {
            Verdict::Done(_) => "done",
            Verdict::Refused(_) => "refused",
            Verdict::Again(_) => "again",
            Verdict::Unknown(_) => "unknown",
        }
    }

    /// What happened, and what it proves about a read and about a write.
    type Row = (fn() -> Attempt, &'static str, &'static str);

    /// The table at the top of this file, row by row.
    #[test]
    fn the_table() {
        let rows: [Row; 29] = [
            (|| plain(200, "{}"), "done", "done"),
            (|| plain(201, ""), "done", "done"),
            (|| Attempt::NotSent("connection refused".into()), "again", "again"),
            (|| refusal(503, "unavailable"), "again", "again"),
            (|| refusal(503, "overloaded"), "again", "again"),
            (|| refusal(503, "superseded"), "again", "again"),
            (|| refusal(503, "no_leader"), "again", "again"),
            (|| refusal(421, "not_leader"), "again", "again"),
            (|| refusal(503, "stopped"), "again", "again"),
            (|| refusal(503, "table_full"), "again", "again"),
            (|| refusal(410, "session_expired"), "refused", "refused"),
            (|| refusal(507, "no_space"), "refused", "refused"),
            (|| refusal(503, "corrupt"), "refused", "refused"),
            (|| refusal(412, "condition_failed"), "refused", "refused"),
            (|| refusal(504, "transfer_failed"), "again", "unknown"),
            (|| refusal(400, "bad_request"), "refused", "refused"),
            (|| refusal(404, "not_found"), "refused", "refused"),
            (|| refusal(410, "compacted"), "refused", "refused"),
            (|| refusal(413, "value_too_large"), "refused", "refused"),
            (|| refusal(401, "unauthenticated"), "refused", "refused"),
            (|| refusal(403, "permission_denied"), "refused", "refused"),
            (|| refusal(504, "outcome_unknown"), "again", "unknown"),
            (|| refusal(500, "internal"), "again", "unknown"),
            (|| plain(500, "oops"), "again", "unknown"),
            (|| plain(502, "<h1>Bad Gateway</h1>"), "again", "unknown"),
            (|| plain(503, "<h1>proxy</h1>"), "again", "unknown"),
            (|| plain(404, "no such page"), "again", "unknown"),
            (|| plain(302, ""), "again", "unknown"),
            (|| Attempt::Broken("connection reset".into()), "again", "unknown"),
        ];
        for (attempt, read, write) in rows {
            assert_eq!(word(Effect::Read, attempt()), read, "read: {:?}", attempt());
            assert_eq!(word(Effect::Once, attempt()), read, "named: {:?}", attempt());
            assert_eq!(word(Effect::Write, attempt()), write, "write: {:?}", attempt());
            if let Verdict::Again(again) = judge(Effect::Once, attempt()) {
                assert_eq!(again.unproven, write == "unknown", "named: {:?}", attempt());
            }
        }
    }

    #[test]
    fn health_gives_its_reason() {
        let attempt = plain(503, r#"{"health":"false","reason":"no leader"}"#);
        let Verdict::Again(again) = judge(Effect::Read, attempt) else { panic!("not again") };
        assert_eq!(again.reason, "no leader");
    }

    #[test]
    fn a_refusal_carries_the_way_out() {
        let Attempt::Answered(mut answer) = refusal(421, "not_leader") else { unreachable!() };
        answer.leader = Some("localhost:8002".parse().unwrap());
        answer.retry_after = Some(Duration::from_secs(1));
        let Verdict::Again(again) = judge(Effect::Write, Attempt::Answered(answer)) else {
            panic!("a definite refusal is retried")
        };
        assert_eq!(again.leader.unwrap().address(), "localhost:8002");
        assert_eq!((again.wait, again.reason.as_str()), (Duration::from_secs(1), "why"));
    }
}
