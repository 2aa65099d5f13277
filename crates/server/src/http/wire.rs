//! The socket below HTTP, with three corrections.
//!
//! - **A deadline for the first bytes.** The server waits for the first 24 of them to tell
//!   HTTP/1.1 from HTTP/2, with no deadline of its own; a client that sends fewer would be kept
//!   for ever.
//! - **A deadline for taking an answer.** A client that asks and does not read would keep its
//!   answer in memory, and its connection, for ever.
//! - **A body for bare refusals.** Bytes that are no HTTP are refused by the HTTP library itself,
//!   below all of our code, with an empty body. A client deserves the same `{"error", "message"}`
//!   that it gets everywhere, so the empty answer is replaced on its way out.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// The length of HTTP/2's connection preface.
const FIRST_BYTES: usize = 24;

/// A socket with these corrections.
pub(super) struct Wire<S> {
    socket: S,
    first: Option<First>,
    /// How long the client may take nothing of what is written.
    patience: Duration,
    /// When that is over, while the socket is full.
    stalled: Option<Pin<Box<Sleep>>>,
    /// What goes out in place of a bare refusal, and how long that was.
    replacement: Option<(Bytes, usize)>,
}

struct First {
    missing: usize,
    deadline: Pin<Box<Sleep>>,
}

impl<S> Wire<S> {
    /// `patience` is how long the first bytes may take, and how long the client may take none.
    pub(super) fn new(socket: S, patience: Duration) -> Wire<S> {
        let first = First { missing: FIRST_BYTES, deadline: Box::pin(sleep(patience)) };
        Wire { socket, first: Some(first), patience, stalled: None, replacement: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled_before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        let Some(first) = &mut self.first else { return read };
        if read.is_pending() {
            ready!(first.deadline.as_mut().poll(context));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        first.missing = first.missing.saturating_sub(buffer.filled().len() - filled_before);
        if first.missing == 0 {
            self.first = None;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    /// Writes what replaces a bare refusal; to the caller it looks as if that had been written.
    fn poll_replacement(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<usize>>> {
        while let Some((rest, replaced)) = &mut self.replacement {
            if rest.is_empty() {
                let replaced = *replaced;
                self.replacement = None;
                return Poll::Ready(Ok(Some(replaced)));
            }
            let written = Pin::new(&mut self.socket).poll_write(context, rest);
            match ready!(in_time(&mut self.stalled, self.patience, context, written))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => rest.advance(written),
            }
        }
        Poll::Ready(Ok(None))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.replacement.is_none() {
            self.replacement = full_refusal(bytes).map(|full| (full, bytes.len()));
        }
        match ready!(self.poll_replacement(context))? {
            Some(replaced) => Poll::Ready(Ok(replaced)),
            None => {
                let Wire { socket, stalled, patience, .. } = &mut *self;
                let written = Pin::new(socket).poll_write(context, bytes);
                in_time(stalled, *patience, context, written)
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices {
            [only] => self.poll_write(context, only),
            _ => {
                let Wire { socket, stalled, patience, .. } = &mut *self;
                let written = Pin::new(socket).poll_write_vectored(context, slices);
                in_time(stalled, *patience, context, written)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    /// Of TLS, some of what was written waits until it is flushed.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Wire { socket, stalled, patience, .. } = &mut *self;
        let flushed = Pin::new(socket).poll_flush(context);
        in_time(stalled, *patience, context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Wire { socket, stalled, patience, .. } = &mut *self;
        let shut = Pin::new(socket).poll_shutdown(context);
        in_time(stalled, *patience, context, shut)
    }
}

/// What came of a write; a failure if nothing has come of it for too long.
fn in_time<T>(
    stalled: &mut Option<Pin<Box<Sleep>>>,
    patience: Duration,
    context: &mut Context<'_>,
    written: Poll<io::Result<T>>,
) -> Poll<io::Result<T>> {
    if written.is_ready() {
        *stalled = None;
        return written;
    }
    ready!(stalled.get_or_insert_with(|| Box::pin(sleep(patience))).as_mut().poll(context));
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

/// The status lines of bare refusals, and what is said in their place.
const REFUSALS: [(&[u8], &str, &str); 3] = [
    (
        b"HTTP/1.1 400 Bad Request\r\n",
        "malformed_request",
        "this is no HTTP request; see docs/http.md for what this port speaks",
    ),
    (
        b"HTTP/1.1 414 URI Too Long\r\n",
        "uri_too_long",
        "the path and query of a request have at most 65534 bytes",
    ),
    (
        b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
        "headers_too_large",
        "the request line and headers are too long or too many",
    ),
];

/// The codes above with their statuses, and that of who speaks plain text to TLS (`crate::tls`), as
/// `docs/http.md` publishes them.
#[cfg(test)]
pub(super) const REFUSALS_PUBLISHED: [(&str, u16); 4] = [
    ("malformed_request", 400),
    ("tls_required", 400),
    ("uri_too_long", 414),
    ("headers_too_large", 431),
];

/// If these bytes are a bare refusal, and all of it: the refusal with a body. No answer of ours
/// has one of these statuses and an empty body.
fn full_refusal(bytes: &[u8]) -> Option<Bytes> {
    let (line, code, message) = REFUSALS.iter().find(|(line, _, _)| bytes.starts_with(line))?;
    let head = str::from_utf8(bytes).ok()?.to_ascii_lowercase();
    if !head.ends_with("\r\n\r\n") || !head.contains("\r\ncontent-length: 0\r\n") {
        return None;
    }
    let body = format!("{{\"error\":\"{code}\",\"message\":\"{message}\"}}\n");
    let line = String::from_utf8_lossy(line);
    let length = body.len();
    Some(Bytes::from(format!(
        "{line}content-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )))
}
