//! `POST /raft/vote` and `POST /raft/append`: one message of Raft as JSON, in the names of the
//! paper's Figure 2, answered as a member answers it (docs/raft-by-hand.md).
//!
//! Only with `--raft-http`, and with users only for root. What a message must be to be taken is
//! decided where every peer's message is looked at; here it is only read.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use bytes::Bytes;
use raft::{EntryKind, Index, LogId, Term};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{Command, KeyRange, Limits, Need, Put};

use super::cluster::member_of;
use super::error::{Code, Refusal};
use super::query::Query;
use super::{Doors, body, reply};
use crate::access::Visit;
use crate::node::{HAND_MADE_MAX, HandAnswer, HandEntry, HandMade, NodeStatus, NotTaken, Says};

/// Terms and indexes are at most this: no sound member comes so far.
const NUMBER_MAX: u64 = Term::MAX.0;

const VOTE_EXAMPLE: &str =
    r#"{"term": 5, "candidateId": "node-1", "lastLogIndex": 7, "lastLogTerm": 4}"#;
const APPEND_EXAMPLE: &str = "{\"term\": 5, \"leaderId\": \"node-1\", \"prevLogIndex\": 7, \
    \"prevLogTerm\": 4, \"entries\": [{\"put\": {\"key\": \"a\", \"value\": \"b\"}}], \
    \"leaderCommit\": 7}";

/// RequestVote. Members are named as everywhere: by their ids, or their names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Vote {
    term: u64,
    candidate_id: String,
    last_log_index: u64,
    last_log_term: u64,
}

/// AppendEntries.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Append {
    term: u64,
    leader_id: String,
    prev_log_index: u64,
    prev_log_term: u64,
    #[serde(default)]
    entries: Vec<Entry>,
    leader_commit: u64,
}

/// An entry: one of the three, of the message's term unless it names another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    term: Option<u64>,
    put: Option<WrittenPut>,
    delete: Option<WrittenDelete>,
    noop: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPut {
    key: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDelete {
    key: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Voted {
    term: u64,
    vote_granted: bool,
}

#[derive(Serialize)]
struct Appended {
    term: u64,
    success: bool,
}

/// `POST /raft/vote`.
pub(super) async fn vote(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let answer = ask(&doors, &visit, request, VOTE_EXAMPLE, Vote::into_message).await?;
    let shown = Voted { term: answer.term.0, vote_granted: answer.success };
    Ok(reply::json(StatusCode::OK, &shown))
}

/// `POST /raft/append`.
pub(super) async fn append(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let answer = ask(&doors, &visit, request, APPEND_EXAMPLE, Append::into_message).await?;
    let shown = Appended { term: answer.term.0, success: answer.success };
    Ok(reply::json(StatusCode::OK, &shown))
}

async fn ask<T: DeserializeOwned>(
    doors: &Doors,
    visit: &Visit,
    request: Request<Body>,
    example: &str,
    into_message: impl FnOnce(T, &NodeStatus) -> Result<HandMade, Refusal>,
) -> Result<HandAnswer, Refusal> {
    let timeout = Query::parse(request.uri().query(), &["timeout_ms"])?.timeout()?;
    let body = body::read(request, doors.limits.body_timeout).await?;
    // By what this member knows: it is to be asked when nobody leads, too.
    visit.permit(Need::Root).await?;
    if !doors.raft_http {
        let message = "this member takes no messages made by hand: start it with --raft-http";
        return Err(Refusal::new(Code::RaftHttpOff, message));
    }
    let made = into_message(read(&body, example)?, &doors.node.status())?;
    let _turn = doors.hands.try_acquire().map_err(|_| Refusal::overloaded())?;
    match doors.node.say_by_hand(made, timeout).await {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(not_taken)) => Err(refusal_of(&not_taken)),
        None => Err(Refusal::new(
            Code::OutcomeUnknown,
            "no answer came in time: the message may have been taken. Send it again: to say the \
             same twice does no harm",
        )),
    }
}

fn read<T: DeserializeOwned>(body: &[u8], example: &str) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        let message = format!("the body is not the expected message: {error}. Write {example}");
        Refusal::new(Code::MalformedJson, message)
    })
}

fn refusal_of(not_taken: &NotTaken) -> Refusal {
    match not_taken {
        NotTaken::NoMember(id) => Refusal::new(
            Code::UnknownMember,
            "no member has this id, in whose name the message is: see /cluster/members",
        )
        .with("member", id.to_string()),
        NotTaken::Led { leader, term } => Refusal::new(
            Code::NotTaken,
            "a member leads this term, and speaks for itself: nobody may speak for it, or two logs \
             could differ for good. Nothing has changed. Take a higher term",
        )
        .with("leader", leader.to_string())
        .with("term", term.0),
        NotTaken::Overloaded => Refusal::overloaded(),
        NotTaken::Refused(why) => Refusal::new(
            Code::NotTaken,
            format!("no honest member sends this, and the log has not changed: {why}"),
        ),
    }
}

impl Vote {
    fn into_message(self, status: &NodeStatus) -> Result<HandMade, Refusal> {
        let last = log_id("lastLogTerm", self.last_log_term, "lastLogIndex", self.last_log_index)?;
        let from = member_of(&self.candidate_id, status)?;
        let term = Term(number("term", self.term)?);
        Ok(HandMade { from, term, says: Says::Vote { last } })
    }
}

impl Append {
    fn into_message(self, status: &NodeStatus) -> Result<HandMade, Refusal> {
        let previous =
            log_id("prevLogTerm", self.prev_log_term, "prevLogIndex", self.prev_log_index)?;
        let from = member_of(&self.leader_id, status)?;
        let term = Term(number("term", self.term)?);
        let commit = Index(number("leaderCommit", self.leader_commit)?);
        let entries = self.entries.into_iter().map(|entry| entry.into_entry(term));
        let entries = entries.collect::<Result<Vec<HandEntry>, Refusal>>()?;
        Ok(HandMade { from, term, says: Says::Append { previous, entries, commit } })
    }
}

impl Entry {
    fn into_entry(self, of_message: Term) -> Result<HandEntry, Refusal> {
        let term = self.term.map(|term| number("term", term)).transpose()?;
        let term = term.map_or(of_message, Term);
        let command = match self {
            Entry { put: Some(put), delete: None, noop: None, .. } => {
                Command::from(Put::new(Bytes::from(put.key), Bytes::from(put.value)))
            }
            Entry { put: None, delete: Some(delete), noop: None, .. } => {
                let range = KeyRange::Single(delete.key.into());
                Command::Delete { range, prev_kv: false, condition: None }
            }
            Entry { put: None, delete: None, noop: Some(true), .. } => {
                return Ok(HandEntry { term, kind: EntryKind::Noop, payload: Bytes::new() });
            }
            _ => {
                let message = "an entry is one of {\"put\": {\"key\": …, \"value\": …}}, \
                               {\"delete\": {\"key\": …}} and {\"noop\": true}";
                return Err(Refusal::new(Code::MalformedJson, message));
            }
        };
        command.validate(&Limits::default())?;
        Ok(HandEntry { term, kind: EntryKind::Command, payload: command.encode() })
    }
}

fn log_id(term_name: &str, term: u64, index_name: &str, index: u64) -> Result<LogId, Refusal> {
    let (term, index) = (number(term_name, term)?, number(index_name, index)?);
    Ok(LogId::new(Term(term), Index(index)))
}

fn number(name: &str, written: u64) -> Result<u64, Refusal> {
    if written <= NUMBER_MAX {
        return Ok(written);
    }
    let message = format!("{name} is at most {NUMBER_MAX}");
    Err(Refusal::new(Code::BadParameter, message).with("parameter", name))
}

/// As many as may be waiting at once.
pub(super) fn turns() -> tokio::sync::Semaphore {
    tokio::sync::Semaphore::new(HAND_MADE_MAX)
}
