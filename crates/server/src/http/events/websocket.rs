//! `GET /ws`: the events over a WebSocket, an envelope a message.

use std::future::pending;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, State};
use axum::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use axum::http::{Request, Response, StatusCode};
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::protocols::{EVENTS, Malformed, offers_events, show_token};
use super::{ENVELOPES_MAX, reader, refusal_of};
use crate::access::Visit;
use crate::events::Reader;
use crate::http::error::{Code, Refusal};
use crate::http::query::Query;
use crate::http::{Doors, Seat};
use crate::reading::Share;
use crate::websocket::{Limits, Line, Messages, converse, frame, shake};

/// What a client says is read, and of no use; it has at most so many bytes.
const MESSAGE_BYTES_MAX: usize = 4 << 10;

/// The last word's code is this much more than the status that a request would be answered with.
const CLOSE_BASE: u16 = 4_000;

/// `GET /ws`.
pub(in crate::http) async fn websocket(
    State(doors): State<Arc<Doors>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let (mut parts, body) = request.into_parts();
    show_token(&mut parts.headers).map_err(|Malformed| Refusal::malformed_authorization())?;
    let visit = Visit::from_request_parts(&mut parts, &doors).await?;
    let mut request = Request::from_parts(parts, body);
    if !shake::asks(&request) {
        visit.permit(store::Need::Known).await?;
        return Err(not_asked());
    }
    let mut answer = shake::answer(request.headers());
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(answer);
    }
    if offers_events(request.headers()) {
        let spoken = HeaderValue::from_static(EVENTS);
        answer.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, spoken);
    }
    Query::parse(request.uri().query(), &[])?;
    let reader = reader(&doors, visit).await?;
    let upgrade = hyper::upgrade::on(&mut request);
    // The connection counts for as long as it is open, whatever is spoken on it.
    let seat = request.extensions().get::<Seat>().cloned();
    let limits = Limits { share: Share::of(request.extensions()), bytes_max: MESSAGE_BYTES_MAX };
    tokio::spawn(async move {
        let _seat = seat;
        // A client that goes before it is answered has nothing to be told.
        if let Ok(socket) = upgrade.await {
            serve(TokioIo::new(socket), limits, reader).await;
        }
    });
    Ok(answer)
}

fn not_asked() -> Refusal {
    let message = "this is a WebSocket: ask with `Upgrade: websocket` over HTTP/1.1, or ask \
                   /events, which tells the same as server-sent events";
    Refusal::new(Code::UpgradeRequired, message)
}

async fn serve<S: AsyncRead + AsyncWrite>(socket: S, limits: Limits, reader: Reader) {
    let (lines, told) = mpsc::channel(ENVELOPES_MAX);
    let telling = async {
        tell(reader, lines).await;
        pending::<()>().await;
    };
    tokio::select! {
        () = converse(socket, limits, Nothing, told) => {}
        () = telling => {}
    }
}

/// What a client says changes nothing.
struct Nothing;

impl Messages for Nothing {
    async fn take(&mut self, _: Bytes) {}
}

async fn tell(mut reader: Reader, lines: mpsc::Sender<Line>) {
    loop {
        let line = match reader.next().await {
            Ok(text) => Line::Frame(frame::text(&text)),
            Err(ended) => Line::Close(CLOSE_BASE + refusal_of(ended).status().as_u16()),
        };
        let is_last = matches!(line, Line::Close(_));
        if lines.send(line).await.is_err() || is_last {
            return;
        }
    }
}
