//! Answers that wait for their clients to take them: how many bytes of a member's memory they have,
//! and for how long.
//!
//! A client that asks for much and takes nothing has its answers kept in memory. Of HTTP/1.1 the
//! socket below has a deadline for that (`wire.rs`). Of HTTP/2 it has none: each request has a
//! window of its own, and who leaves it shut may answer pings for ever. So what waits is counted,
//! piece by piece, from when an answer makes it until the socket has it, or TLS above it, which
//! keeps little.
//!
//! - Past the bound an answer is not given: a `GET` is refused as `overloaded`, a gRPC call ends as
//!   one whose outcome is not known, anything else breaks off.
//! - While half of the bound is taken, a connection that has not taken a piece in the time a client
//!   has for that is closed, and gives back what waited for it.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::grpc;

/// Smaller pieces are not counted: 1,024 of them, as many as a connection has requests, are 4 MiB.
const COUNTED_FROM_BYTES: usize = 4 << 10;

/// A connection looks so many times within its time whether it has taken what waits.
const LOOKS: u32 = 4;

/// Of one member.
#[derive(Debug)]
pub(super) struct Untaken {
    bytes_max: usize,
    bytes: AtomicUsize,
}

/// Of one connection.
#[derive(Debug)]
pub(super) struct Pieces {
    member: Arc<Untaken>,
    waiting: Mutex<Waiting>,
}

/// Since when each piece waits, the oldest first.
#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    since: BTreeMap<u64, Instant>,
}

/// There is no room for it.
#[derive(Debug)]
pub(super) struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many answers wait to be taken by their clients")
    }
}

impl std::error::Error for NoRoom {}

/// A part of an answer; dropped, the client has it, or never will.
struct Piece {
    data: Bytes,
    number: u64,
    of: Arc<Pieces>,
}

impl Untaken {
    pub(super) fn new(bytes_max: usize) -> Arc<Untaken> {
        Arc::new(Untaken { bytes_max, bytes: AtomicUsize::new(0) })
    }

    fn has_room_for(&self, bytes: usize) -> bool {
        bytes <= COUNTED_FROM_BYTES || self.bytes.load(Ordering::Relaxed) + bytes <= self.bytes_max
    }

    fn is_crowded(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.bytes_max / 2
    }
}

impl Pieces {
    pub(super) fn new(member: &Arc<Untaken>) -> Arc<Pieces> {
        Arc::new(Pieces { member: Arc::clone(member), waiting: Mutex::default() })
    }

    /// Whether an answer that says how long it is can wait as a whole.
    pub(super) fn have_room_for(&self, response: &Response<Body>) -> bool {
        let bytes = response.body().size_hint().exact().unwrap_or(0);
        self.member.has_room_for(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Counts what an answer makes from now on.
    pub(super) fn count(self: &Arc<Pieces>, body: Body, is_call: bool) -> Body {
        Body::new(Counted { body, pieces: Arc::clone(self), is_call, over: false })
    }

    /// Done when a client has left a piece there for longer than `patience`, and others need the
    /// room.
    pub(super) async fn overstay(&self, patience: Duration) {
        loop {
            sleep(patience / LOOKS).await;
            if self.member.is_crowded() && self.oldest().is_some_and(|age| age >= patience) {
                return;
            }
        }
    }

    fn oldest(&self) -> Option<Duration> {
        self.waiting.lock().since.first_key_value().map(|(_, since)| since.elapsed())
    }

    /// Counts a piece from now on, until its last part is dropped.
    pub(super) fn hold(self: &Arc<Pieces>, data: Bytes) -> Result<Bytes, NoRoom> {
        if data.len() <= COUNTED_FROM_BYTES {
            return Ok(data);
        }
        let before = self.member.bytes.fetch_add(data.len(), Ordering::Relaxed);
        let number = self.waiting.lock().begin();
        // What is held in vain is given back by its drop.
        let fits = before + data.len() <= self.member.bytes_max;
        let piece = Piece { data, number, of: Arc::clone(self) };
        if fits { Ok(Bytes::from_owner(piece)) } else { Err(NoRoom) }
    }
}

impl Waiting {
    fn begin(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        self.since.insert(number, Instant::now());
        number
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.of.member.bytes.fetch_sub(self.data.len(), Ordering::Relaxed);
        self.of.waiting.lock().since.remove(&self.number);
    }
}

/// A body whose pieces are counted.
struct Counted {
    body: Body,
    pieces: Arc<Pieces>,
    is_call: bool,
    over: bool,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
            return Poll::Ready(None);
        };
        let data = match frame.map(Frame::into_data) {
            Ok(Ok(data)) => data,
            Ok(Err(other)) => return Poll::Ready(Some(Ok(other))),
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        Poll::Ready(Some(match self.pieces.hold(data) {
            Ok(held) => Ok(Frame::data(held)),
            Err(no_room) => {
                self.over = true;
                self.body = Body::empty();
                match self.is_call {
                    true => Ok(Frame::trailers(grpc::unknown_outcome().1)),
                    false => Err(axum::Error::new(no_room)),
                }
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    const ROOM: usize = 4 * COUNTED_FROM_BYTES;

    fn pieces() -> Arc<Pieces> {
        Pieces::new(&Untaken::new(ROOM))
    }

    fn of(bytes: usize) -> Body {
        Body::from(vec![b'x'; bytes])
    }

    #[tokio::test]
    async fn a_call_without_room_ends_as_one_of_which_nobody_knows() {
        let pieces = pieces();
        let mut body = pieces.count(of(ROOM + 1), true);
        let frame = body.frame().await.expect("it ends in trailers").expect("they are sent");
        assert_eq!(frame.into_trailers().expect("no data")["grpc-status"], "14");
        assert!(body.frame().await.is_none() && body.is_end_stream());
        let mut body = pieces.count(of(ROOM + 1), false);
        assert!(body.frame().await.expect("it breaks off").is_err());
    }

    #[tokio::test]
    async fn a_piece_has_its_room_until_its_last_part_is_taken() {
        let pieces = pieces();
        let mut body = pieces.count(of(ROOM), false);
        let mut data = body.frame().await.unwrap().unwrap().into_data().unwrap();
        drop(body);
        let part = data.split_off(1);
        drop(data);
        assert!(!pieces.member.has_room_for(ROOM) && pieces.member.is_crowded());
        assert!(pieces.count(of(ROOM), false).frame().await.unwrap().is_err());
        assert!(pieces.count(of(COUNTED_FROM_BYTES), false).frame().await.unwrap().is_ok());
        drop(part);
        assert!(pieces.member.has_room_for(ROOM) && pieces.oldest().is_none());
        assert!(pieces.count(of(ROOM), false).frame().await.unwrap().is_ok());
    }
}
