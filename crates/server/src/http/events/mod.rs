//! `GET /events` and `GET /ws`: what happens at the members, for eyes. docs/events.md has the whole
//! of it.

mod protocols;
mod websocket;

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::HeaderValue;
use axum::http::{Request, Response, StatusCode};
use bytes::Bytes;
use serde_json::Value;
use store::Need;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::error::{Code, Refusal};
use super::query::Query;
use super::watch::BUFFERING;
use super::{Doors, reply};
use crate::access::{Seen, Visit};
use crate::events::{Ended, NotLooking, Reader};
pub(super) use websocket::websocket;

/// So many envelopes wait to be taken by a connection; the rest waits in the feed.
const ENVELOPES_MAX: usize = 1;

/// `GET /events`.
pub(super) async fn events(
    State(doors): State<Arc<Doors>>,
    visit: Visit,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    Query::parse(request.uri().query(), &[])?;
    let reader = reader(&doors, visit).await?;
    let (sender, receiver) = mpsc::channel::<Result<Bytes, Infallible>>(ENVELOPES_MAX);
    tokio::spawn(tell(reader, sender));
    let body = Body::from_stream(ReceiverStream::new(receiver));
    let event_stream = HeaderValue::from_static("text/event-stream");
    let mut answer = reply::with_type(StatusCode::OK, event_stream, body);
    answer.headers_mut().insert(BUFFERING, HeaderValue::from_static("no"));
    Ok(answer)
}

/// Whoever asks looks from now on, if they may.
async fn reader(doors: &Doors, visit: Visit) -> Result<Reader, Refusal> {
    // Before it is asked whether they may.
    let seen = Seen::now(&doors.node);
    visit.permit(Need::Known).await?;
    Reader::begin(visit, seen).map_err(|refused| match refused {
        NotLooking::TooMany => Refusal::too_many_readers(),
        NotLooking::Stopped => Refusal::new(Code::Stopped, "this member stops; look at another"),
    })
}

async fn tell(mut reader: Reader, sender: mpsc::Sender<Result<Bytes, Infallible>>) {
    loop {
        let next = tokio::select! {
            next = reader.next() => next,
            () = sender.closed() => return,
        };
        let (text, is_last) = match next {
            Ok(text) => ([b"data: ", &text[..], b"\n\n"].concat(), false),
            Err(ended) => {
                let told = Value::Object(refusal_of(ended).into_body());
                (format!("event: error\ndata: {told}\n\n").into_bytes(), true)
            }
        };
        if sender.send(Ok(text.into())).await.is_err() || is_last {
            return;
        }
    }
}

/// What whoever looked would be told if they asked now.
fn refusal_of(ended: Ended) -> Refusal {
    match ended {
        Ended::Stopped => Refusal::new(Code::Stopped, "this member stops; look at another"),
        Ended::Refused(refused) => refused.into(),
    }
}
