//! One HTTP request to another member, on a connection of its own.

use std::fmt;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::tls::Way;

/// Changes of clients that are put to the leader at once, each on a connection of its own; one more
/// is refused.
pub(crate) const ASKS_MAX: usize = 16;

/// The largest answer that is read: every page about a cluster is shorter.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// Names the member that sends a request or opens a stream, for whoever stands between members or
/// reads their logs. Nothing here rests on it: who a peer is, its handshake says.
pub(crate) const MEMBER_HEADER: &str = "raftkv-member";

/// The header that keeps a request from being handed on.
pub(crate) const FORWARD_HEADER: &str = "raftkv-forward";

/// Who asks, and how it reaches others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asker {
    /// What this member is called: whatever stands between members may want to know.
    pub(crate) name: String,
    /// In plain text, or with TLS.
    pub(crate) way: Way,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// GET, POST, …
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    /// JSON, or nothing.
    pub(crate) body: Bytes,
    /// Whether the member that is asked may have the leader answer.
    pub(crate) hand_on: bool,
    /// On whose behalf, as a header says it.
    pub(crate) authorization: Option<HeaderValue>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// Nobody was there: nothing was sent.
    NotSent(String),
    /// It was sent, perhaps, and nobody knows what became of it.
    Broken(String),
}

/// Turns for those who ask on behalf of clients, who are many.
#[derive(Debug)]
pub(crate) struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Turns {
        Turns(Semaphore::new(ASKS_MAX))
    }
}

impl Turns {
    /// To be held while one question is under way; none if [`ASKS_MAX`] are.
    pub(crate) fn take(&self) -> Option<SemaphorePermit<'_>> {
        self.0.try_acquire().ok()
    }
}

/// Asks the member at `address` in the name of this one; the caller sets the deadline.
pub(crate) async fn ask(
    asker: &Asker,
    address: &str,
    question: Question,
) -> Result<(StatusCode, Bytes), NoAnswer> {
    let not_sent = |error: &dyn fmt::Display| NoAnswer::NotSent(error.to_string());
    let broken = |error: &dyn fmt::Display| NoAnswer::Broken(error.to_string());
    let stream = asker.way.connect(address).await.map_err(|error| not_sent(&error))?;
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| not_sent(&error))?;
    // Ends when `sender` is dropped.
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(question.method)
        .uri(question.target)
        .header(HOST, address)
        .header(CONTENT_TYPE, "application/json");
    if let Some(asker) = member_header(&asker.name) {
        request = request.header(MEMBER_HEADER, asker);
    }
    if !question.hand_on {
        request = request.header(FORWARD_HEADER, "never");
    }
    if let Some(authorization) = question.authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    let request = request.body(Full::new(question.body)).map_err(|error| not_sent(&error))?;
    let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    Ok((status, body.map_err(|error| broken(&error))?.to_bytes()))
}

/// A member's name as a header; names of etcd's members need not fit into one.
pub(crate) fn member_header(name: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(name).ok()
}

impl Question {
    /// Of a change, as a client would send it: the leader answers it.
    pub(crate) fn post(target: impl Into<String>, body: &serde_json::Value) -> Question {
        let body = Bytes::from(body.to_string());
        Question {
            method: Method::POST,
            target: target.into(),
            body,
            hand_on: true,
            authorization: None,
        }
    }

    /// Of a change of something that is there.
    pub(crate) fn patch(target: impl Into<String>, body: &serde_json::Value) -> Question {
        Question { method: Method::PATCH, ..Question::post(target, body) }
    }

    /// Of a page.
    pub(crate) fn get(target: impl Into<String>) -> Question {
        let (method, target) = (Method::GET, target.into());
        Question { method, target, body: Bytes::new(), hand_on: false, authorization: None }
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoAnswer::NotSent(why) | NoAnswer::Broken(why) => f.write_str(why),
        }
    }
}
