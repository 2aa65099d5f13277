//! The JSON gateway by WebSocket, as etcd's has it: for browsers, which can not send a body that
//! goes on.
//!
//! ```text
//! GET /v3/watch, Upgrade: websocket
//!   a message in   ─▶ an object of the body of POST /v3/watch
//!   a line out     ◀─ each line of its answer, as a message
//! ```
//!
//! Any path of the gateway can be asked so. Where a call has one request, the first message is it;
//! the connection is closed after the answer's end. Nothing is served here that the gateway does
//! not serve: what is asked is handed to it as a request of its own.

mod asked;

use std::convert::Infallible;
use std::future::pending;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use axum::routing::any;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tower::ServiceExt as _;

use super::gateway::{JSON_FACTOR, STREAM_MESSAGE_BYTES_MAX, STREAMS};
use super::message_bytes_max;
use crate::http::Seat;
use crate::reading::Share;
use crate::websocket::{Limits, Line, Messages, converse, frame, shake};

/// So many messages wait to be taken by the call, and lines of its answer to be sent.
const MESSAGES_MAX: usize = 1;

/// `CLOSE` of one who may come again later.
const OVERLOADED: u16 = 1013;

/// The gateway, with its paths open to WebSocket.
pub(super) fn beside(gateway: Router) -> Router {
    Router::new().route("/v3/{*path}", any(answer)).with_state(gateway)
}

async fn answer(
    State(gateway): State<Router>,
    mut request: Request<Body>,
) -> Result<Response<Body>, Infallible> {
    if !shake::asks(&request) {
        return gateway.oneshot(request).await;
    }
    let mut answer = shake::answer(request.headers());
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(answer);
    }
    asked::take_up(request.headers(), &mut answer);
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        // A client that goes before it is answered has nothing to be told.
        if let Ok(socket) = upgrade.await {
            serve(TokioIo::new(socket), gateway, request).await;
        }
    });
    Ok(answer)
}

/// Serves a client until it, or the call, comes to an end.
async fn serve<S: AsyncRead + AsyncWrite>(socket: S, gateway: Router, asked: Request<Body>) {
    // The connection counts for as long as it is open, whatever is spoken on it.
    let seat = asked.extensions().get::<Seat>().cloned();
    let goes_on = STREAMS.contains(&asked.uri().path());
    let bytes_max = match goes_on {
        true => STREAM_MESSAGE_BYTES_MAX,
        false => message_bytes_max() * JSON_FACTOR,
    };
    let overstaying = async {
        match &seat {
            Some(seat) => seat.overstay().await,
            None => pending().await,
        }
    };
    let limits = Limits { share: Share::of(asked.extensions()), bytes_max };
    let (messages, body) = mpsc::channel(MESSAGES_MAX);
    let (lines, told) = mpsc::channel(MESSAGES_MAX);
    let messages = ToCall { open: Some(messages), goes_on };
    let calling = async {
        let body = Body::from_stream(ReceiverStream::new(body));
        call(gateway, asked::request(asked, body), lines, seat.as_ref()).await;
        pending::<()>().await;
    };
    tokio::select! {
        () = converse(socket, limits, messages, told) => {}
        () = calling => {}
        // It takes nothing, and others need the room.
        () = overstaying => {}
    }
}

/// The messages of a call: of one request, or of as many as there are.
struct ToCall {
    open: Option<mpsc::Sender<Result<Bytes, Infallible>>>,
    goes_on: bool,
}

impl Messages for ToCall {
    async fn take(&mut self, message: Bytes) {
        let Some(open) = &self.open else { return };
        // Whoever asked has heard enough: what else comes is for nobody.
        let taken = open.send(Ok(message)).await.is_ok();
        if !taken || !self.goes_on {
            self.open = None;
        }
    }
}

/// Asks the gateway, and hands its answer on line by line.
async fn call(
    gateway: Router,
    request: Request<Body>,
    lines: mpsc::Sender<Line>,
    seat: Option<&Seat>,
) {
    // Only tests have none.
    let held = |line: &[u8]| {
        let line = frame::text(line);
        let held = match seat {
            Some(seat) => seat.hold(line),
            None => Some(line),
        };
        held.map_or(Line::Close(OVERLOADED), Line::Frame)
    };
    let Ok(response) = gateway.oneshot(request).await;
    let (mut body, mut pending) = (response.into_body(), BytesMut::new());
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let mut rest = &data[..];
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            pending.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let line = held(&pending.split());
            let over = matches!(line, Line::Close(_));
            if lines.send(line).await.is_err() || over {
                return;
            }
        }
        pending.extend_from_slice(rest);
    }
    if !pending.is_empty() {
        let _taken = lines.send(held(&pending)).await;
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::websocket::{IDLE_TIMEOUT, LINGER, SILENT};

    /// A client of a call that never answers, and what it is told.
    fn silent() -> impl tokio::io::AsyncRead + AsyncWrite + Unpin {
        let (client, server) = duplex(1 << 10);
        let waits = async |body: Body| {
            let _all = body.collect().await;
            pending::<()>().await;
        };
        let gateway = Router::new().route("/v3/watch", post(waits));
        let asked = Request::get("/v3/watch").body(Body::empty()).expect("it is a request");
        tokio::spawn(serve(server, gateway, asked));
        client
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_silent_is_asked_and_then_closed() {
        let (began, mut client) = (Instant::now(), silent());
        let mut told = Vec::new();
        client.read_to_end(&mut told).await.expect("it is closed");
        assert_eq!(told, [frame::ping(), frame::ping(), frame::close(SILENT)].concat());
        assert_eq!(began.elapsed(), IDLE_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_answers_may_stay() {
        let mut client = silent();
        let pong = [0x8a, 0x80, 1, 2, 3, 4];
        for _ in 0..10 {
            let mut ping = [0; 2];
            client.read_exact(&mut ping).await.expect("it goes on");
            assert_eq!(ping, frame::ping()[..]);
            client.write_all(&pong).await.expect("it is heard");
        }
    }

    /// Messages that the call does not take wait in the socket, and not here.
    #[tokio::test(start_paused = true)]
    async fn messages_wait_for_the_call_that_takes_them() {
        let (mut client, server) = duplex(1 << 10);
        let waits = async |body: Body| {
            let _untaken = body;
            pending::<()>().await;
        };
        let gateway = Router::new().route("/v3/watch", post(waits));
        let asked = Request::get("/v3/watch").body(Body::empty()).expect("it is a request");
        tokio::spawn(serve(server, gateway, asked));
        let message = [&[0x81, 0x80 | 100, 0, 0, 0, 0][..], &[b' '; 100]].concat();
        let mut sent = 0;
        while let Ok(written) = timeout(LINGER, client.write_all(&message)).await {
            written.expect("it is open");
            sent += 1;
            assert!(sent < 100, "they are read, and nobody takes them");
        }
        assert!(sent >= MESSAGES_MAX);
    }
}
