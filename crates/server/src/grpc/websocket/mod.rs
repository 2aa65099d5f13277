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

mod frame;
mod shake;

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use axum::routing::any;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, split};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{interval, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tower::ServiceExt as _;

use super::gateway::{JSON_FACTOR, STREAM_MESSAGE_BYTES_MAX, STREAMS};
use super::message_bytes_max;
use crate::http::Seat;
use crate::reading::Share;
use frame::{Frames, Heard, Wrong};

/// A client of whom nothing is heard for so long is gone.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// So often it is asked whether it is there: twice in that time.
const PING_INTERVAL: Duration = Duration::from_secs(25);

/// After the last word a client has so long to close the connection by itself.
const LINGER: Duration = Duration::from_secs(1);

/// So many messages wait to be taken by the call, and lines of its answer to be sent.
const MESSAGES_MAX: usize = 1;

/// So many words beside messages wait to be sent; pings beyond them are not answered.
const WORDS_MAX: usize = 4;

/// `CLOSE` of one who is done, of one who is not heard, and of one who may come again later.
const DONE: u16 = 1000;
const SILENT: u16 = 1001;
const OVERLOADED: u16 = 1013;

/// A line of an answer, as the frame that it is sent in; none where there is no room for it, and it
/// is the last.
type Line = Option<Bytes>;

/// What is to be said beside messages.
enum Word {
    Pong(Bytes),
    Close(u16),
}

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
    let answer = shake::answer(request.headers());
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(answer);
    }
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
    let share = Share::of(asked.extensions());
    let (reader, writer) = split(socket);
    let (mut reader, mut writer) = (pin!(reader), pin!(writer));
    let (messages, body) = mpsc::channel(MESSAGES_MAX);
    let (lines, told) = mpsc::channel(MESSAGES_MAX);
    let (words, said) = mpsc::channel(WORDS_MAX);
    let (over, heard_all) = oneshot::channel::<()>();
    let hearing = async {
        hear(Frames::new(&mut reader, bytes_max, share), messages, &words, goes_on).await;
        drop(over);
        pending::<()>().await;
    };
    let calling = async {
        let body = Body::from_stream(ReceiverStream::new(body));
        call(gateway, shake::request(asked, body), lines, seat.as_ref()).await;
        pending::<()>().await;
    };
    let telling = async {
        // If it fails the client is gone.
        if tell(&mut writer, told, said).await.is_ok() {
            let _closed = timeout(LINGER, heard_all).await;
        }
    };
    tokio::select! {
        () = hearing => {}
        () = calling => {}
        () = telling => {}
        // It takes nothing, and others need the room.
        () = overstaying => {}
    }
}

/// Hands a client's messages on, until it has no more to say.
async fn hear<R: AsyncRead + Unpin>(
    mut frames: Frames<R>,
    messages: mpsc::Sender<Result<Bytes, Infallible>>,
    words: &mpsc::Sender<Word>,
    goes_on: bool,
) {
    let mut messages = Some(messages);
    let code = loop {
        match timeout(IDLE_TIMEOUT, frames.next()).await {
            Ok(Ok(Heard::Message(message))) => {
                let Some(open) = &messages else { continue };
                // Whoever asked has heard enough: what else comes is for nobody.
                let taken = open.send(Ok(message)).await.is_ok();
                frames.give_back();
                messages = messages.filter(|_| taken && goes_on);
            }
            // Who sends many of them is answered as often as there is room for.
            Ok(Ok(Heard::Ping(bytes))) => drop(words.try_send(Word::Pong(bytes))),
            Ok(Ok(Heard::Pong)) => {}
            Ok(Ok(Heard::Close)) => break Some(DONE),
            Ok(Err(wrong)) => break Wrong::code(wrong),
            Err(_) => break Some(SILENT),
        }
    };
    // If it fails the last word has been said.
    let _heard = words.send(Word::Close(code.unwrap_or(DONE))).await;
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
        match seat {
            Some(seat) => seat.hold(line),
            None => Some(line),
        }
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
            let over = line.is_none();
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

/// Sends all that is to be said, until the last word.
async fn tell<W: AsyncWrite + Unpin>(
    writer: &mut W,
    mut lines: mpsc::Receiver<Line>,
    mut words: mpsc::Receiver<Word>,
) -> std::io::Result<()> {
    let mut pings = interval(PING_INTERVAL);
    pings.reset();
    loop {
        let (frame, is_last) = tokio::select! {
            Some(word) = words.recv() => match word {
                Word::Pong(bytes) => (frame::pong(&bytes), false),
                Word::Close(code) => (frame::close(code), true),
            },
            line = lines.recv() => match line {
                Some(Some(line)) => (line, false),
                Some(None) => (frame::close(OVERLOADED), true),
                None => (frame::close(DONE), true),
            },
            _ = pings.tick() => (frame::ping(), false),
        };
        writer.write_all(&frame).await?;
        writer.flush().await?;
        if is_last {
            return writer.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use tokio::io::{AsyncReadExt as _, duplex};
    use tokio::time::Instant;

    use super::*;

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
