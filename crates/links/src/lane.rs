//! The bytes of one connection in one direction: read, held back as the link wants it, written in
//! their order.
//!
//! What is held back has a bound; past it nothing is read, and the sender waits, as it would for
//! any slow network. A piece is what one read brought: about a message, when there are few.

use std::collections::VecDeque;
use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until};

use crate::fault::{Fault, Link};

/// Bytes that are held back in one direction of one connection, at most.
const HELD_BYTES_MAX: usize = 1 << 20;
/// Pieces of them, at most.
const HELD_PIECES_MAX: usize = 4_096;
/// What one read may bring.
const READ_BYTES: usize = 16 << 10;

/// One direction.
pub(crate) struct Lane<R, W> {
    from: R,
    to: W,
    link: Link,
    held: Held,
    /// The sender has ended, and that waits behind what it sent before.
    ended: bool,
}

/// What was read and not yet written.
#[derive(Default)]
struct Held {
    pieces: VecDeque<Piece>,
    bytes: usize,
}

struct Piece {
    /// Without any: the end.
    bytes: Bytes,
    due: Instant,
}

/// What came of a turn.
enum Turn {
    Read(io::Result<usize>),
    Wrote(io::Result<usize>),
    Due,
    LinkChanged,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Lane<R, W> {
    /// From the one to the other, over `link`; `first` was read already.
    pub(crate) fn new(from: R, to: W, link: Link, first: Bytes) -> Lane<R, W> {
        let mut lane = Lane { from, to, link, held: Held::default(), ended: false };
        if !first.is_empty() {
            lane.hold(first);
        }
        lane
    }

    /// Carries until the end of what the sender sends was told, or nobody takes it any more.
    pub(crate) async fn carry(mut self) {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        let mut fault = self.link.fault();
        loop {
            match self.turn(&mut buffer, fault).await {
                Turn::Read(Ok(count)) if count > 0 => {
                    // A piece of its own: one cut off the buffer would hold all of it.
                    self.hold(Bytes::copy_from_slice(&buffer));
                    buffer.clear();
                }
                // A reset ends a stream as much as an orderly end does.
                Turn::Read(_) => {
                    self.ended = true;
                    self.hold(Bytes::new());
                }
                Turn::Wrote(Ok(count)) if count > 0 => self.held.wrote(count),
                Turn::Wrote(_) => return,
                Turn::Due => {}
                Turn::LinkChanged => {
                    let now = self.link.fault();
                    if now != fault {
                        self.held.hasten(Instant::now() + now.delay());
                        fault = now;
                    }
                }
            }
            if fault.passes() && self.held.is_at_end() {
                // Whom it is told may be gone.
                let _ = self.to.shutdown().await;
                return;
            }
        }
    }

    async fn turn(&mut self, buffer: &mut BytesMut, fault: Fault) -> Turn {
        let Lane { from, to, link, held, ended } = self;
        let next = held.pieces.front().filter(|_| fault.passes());
        let (due, bytes) = next.map_or((None, &[][..]), |piece| (Some(piece.due), &piece.bytes));
        let is_due = due.is_some_and(|due| due <= Instant::now());
        // The end is not written: `carry` tells it once its time has come.
        let writes = is_due && !bytes.is_empty();
        buffer.reserve(READ_BYTES);
        tokio::select! {
            written = to.write(bytes), if writes => Turn::Wrote(written),
            read = from.read_buf(buffer), if !*ended && held.has_room() => Turn::Read(read),
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() && !writes => {
                Turn::Due
            }
            () = link.changed() => Turn::LinkChanged,
        }
    }

    fn hold(&mut self, bytes: Bytes) {
        let fault = self.link.fault();
        let late = fault.delay() + fault.stall(|| fastrand::u8(0..100));
        self.held.push(bytes, Instant::now() + late);
    }
}

impl Held {
    /// A piece that is late makes all behind it late: a stream keeps its order.
    fn push(&mut self, bytes: Bytes, due: Instant) {
        let due = self.pieces.back().map_or(due, |last| due.max(last.due));
        self.bytes += bytes.len();
        self.pieces.push_back(Piece { bytes, due });
    }

    fn has_room(&self) -> bool {
        self.bytes < HELD_BYTES_MAX && self.pieces.len() < HELD_PIECES_MAX
    }

    fn wrote(&mut self, count: usize) {
        let piece = self.pieces.front_mut().expect("what was written was the first piece");
        piece.bytes.advance(count);
        self.bytes -= count;
        if piece.bytes.is_empty() {
            self.pieces.pop_front();
        }
    }

    /// Nothing is due later than this: what is held back goes by the link as it is now.
    fn hasten(&mut self, latest: Instant) {
        self.pieces.iter_mut().for_each(|piece| piece.due = piece.due.min(latest));
    }

    /// All that is left to be told, now, is that the sender has ended.
    fn is_at_end(&self) -> bool {
        let first = self.pieces.front();
        first.is_some_and(|piece| piece.bytes.is_empty() && piece.due <= Instant::now())
    }
}
