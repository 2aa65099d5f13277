//! A watch as a stream of server-sent events.
//!
//! ```text
//! id: 6                                               before the first revision that is told
//! event: open
//! data: {"revision":6,"from_revision":7}
//!
//! id: 7
//! data: {"revision":7,"time_ms":…,"events":[{…},
//! data: {…}]}                                         a revision of many events, in pieces
//!
//! : nothing new                                       so that nobody in between hangs up
//!
//! event: error                                        the last
//! data: {"error":"compacted",…}
//!
//! ```
//!
//! A message counts only once its empty line is there: a client that is cut off within one drops
//! it, id and all. So a revision is whole for the client although no more than a piece of it is
//! ever in memory here.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use replica::{Batch, WatchEnd};
use serde::Serialize;
use serde_json::{Value, json};
use store::{Event, EventKind, KeyRange, Need, Revision};

use crate::access::{Seen, Visit};
use crate::http::error::Refusal;
use crate::http::escape::text_or_base64;
use crate::http::kv::Item;
use crate::watch::{News, Subscription};

/// The body of an answer.
pub(super) struct Stream {
    subscription: Subscription,
    rights: Rights,
    state: State,
}

/// Whoever watches, and what.
pub(super) struct Rights {
    visit: Visit,
    range: KeyRange,
    seen: Seen,
}

impl Rights {
    /// To be made before it is asked whether they may.
    pub(super) fn new(visit: Visit, range: KeyRange) -> Rights {
        let seen = Seen::now(visit.node());
        Rights { visit, range, seen }
    }

    pub(super) fn visit(&self) -> &Visit {
        &self.visit
    }

    fn still(&mut self) -> Result<(), Refusal> {
        if self.seen.changed(self.visit.node()) {
            self.visit.may(Need::Read(&self.range))?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was written yet.
    New,
    /// Between two messages.
    Between,
    /// The message of a revision is not over.
    Within,
    Over,
}

impl Stream {
    pub(super) fn new(subscription: Subscription, rights: Rights) -> Stream {
        Stream { subscription, rights, state: State::New }
    }

    fn text(&mut self, news: Result<News, WatchEnd>) -> Option<String> {
        if let Err(refusal) = self.rights.still() {
            return self.end(refusal);
        }
        match news {
            Ok(News::Batch(batch)) => {
                let text = revision(&batch, self.state == State::Within);
                self.state = if batch.goes_on { State::Within } else { State::Between };
                Some(text)
            }
            Ok(News::Progress(revision)) => {
                Some(message("progress", Some(revision), &json!({ "revision": revision.0 })))
            }
            Ok(News::Quiet) => Some(": nothing new\n\n".to_owned()),
            Err(end) => self.end(end.into()),
        }
    }

    /// The last word, and why it is.
    fn end(&mut self, refusal: Refusal) -> Option<String> {
        let was = std::mem::replace(&mut self.state, State::Over);
        // What is not whole is dropped only if nothing follows it.
        let says = was != State::Within;
        says.then(|| message("error", None, &Value::Object(refusal.into_body())))
    }

    fn opening(&self) -> String {
        let from = self.subscription.from();
        let opened = json!({
            "revision": self.subscription.opened_at().0,
            "from_revision": from.0,
        });
        message("open", Some(Revision(from.0 - 1)), &opened)
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let text = match self.state {
            State::Over => None,
            State::New => {
                self.state = State::Between;
                Some(self.opening())
            }
            State::Between | State::Within => {
                let news = ready!(self.subscription.poll_next(context));
                self.text(news)
            }
        };
        Poll::Ready(text.map(|text| Ok(Frame::data(Bytes::from(text)))))
    }
}

/// A message of one line. JSON has no newline in it.
fn message(event: &str, id: Option<Revision>, data: &Value) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: {event}\ndata: {data}\n\n")
}

/// The message of a revision, or a piece of it.
fn revision(batch: &Batch, is_continued: bool) -> String {
    let Batch { revision, stamp_ms, events, goes_on } = batch;
    let mut text = String::with_capacity(128 + batch.told_bytes() + 128 * events.len());
    if !is_continued {
        text.push_str(&format!("id: {revision}\ndata: "));
        text.push_str(&format!("{{\"revision\":{revision},\"time_ms\":{stamp_ms},\"events\":["));
    }
    for (place, event) in events.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(&Told::new(event).json());
    }
    text.push_str(if *goes_on { ",\ndata: " } else { "]}\n\n" });
    text
}

/// An event as it is shown.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    what: What<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<Item<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum What<'a> {
    Put(Item<'a>),
    Delete(Gone<'a>),
}

#[derive(Serialize)]
struct Gone<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
}

impl<'a> Told<'a> {
    fn new(event: &'a Arc<Event>) -> Told<'a> {
        let prev = event.prev.as_ref().map(Item::of_event);
        match &event.kind {
            EventKind::Put(live) => {
                Told { kind: "put", what: What::Put(Item::of_event(live)), prev }
            }
            EventKind::Delete { key } => {
                let (key, key_base64) = text_or_base64(key);
                Told { kind: "delete", what: What::Delete(Gone { key, key_base64 }), prev }
            }
        }
    }

    fn json(&self) -> String {
        serde_json::to_string(self).expect("our shapes have text keys and plain values")
    }
}
