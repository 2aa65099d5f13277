//! What writes to a peer's stream. Whoever holds it may write: the stream's task, or the replica
//! thread while the task has nothing to do.

use std::io;

use bytes::{Buf, BytesMut};
use replica::PeerMessage;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio_rustls::TlsStream;

use super::codec::put_messages;
use super::frame::put_frame;

/// A buffer that a burst has grown beyond this is given back.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

/// The writing half of a stream.
#[derive(Debug)]
pub(super) enum Tip {
    /// Plain text.
    Plain(OwnedWriteHalf),
    /// Encrypted: only its task can write.
    Tls(WriteHalf<Box<TlsStream<TcpStream>>>),
}

/// A writing half, and what it has yet to write.
#[derive(Debug)]
pub(super) struct Pen {
    tip: Tip,
    buffer: BytesMut,
}

impl Pen {
    pub(super) fn new(tip: Tip) -> Pen {
        Pen { tip, buffer: BytesMut::new() }
    }

    /// Whether something is half written.
    pub(super) fn is_stuck(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Writes all of `messages`, as far as the socket takes them, without waiting. Either they are
    /// on their way, or nothing of them is.
    pub(super) fn write(&mut self, messages: &[PeerMessage]) -> bool {
        let Tip::Plain(socket) = &self.tip else { return false };
        if self.is_stuck() {
            return false;
        }
        put_messages(&mut self.buffer, messages);
        // An error befalls the task too, which knows what to do.
        let written = socket.try_write(&self.buffer).unwrap_or(0);
        self.buffer.advance(written);
        if written == 0 {
            self.buffer.clear();
        }
        written > 0
    }

    /// Puts frames of `messages` behind what is half written; if there is nothing, an empty one.
    pub(super) fn encode(&mut self, messages: &[PeerMessage]) {
        if self.buffer.is_empty() && self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer = BytesMut::new();
        }
        if messages.is_empty() && self.buffer.is_empty() {
            put_frame(&mut self.buffer, |_| {});
        }
        put_messages(&mut self.buffer, messages);
    }

    /// Writes all there is, as far as the socket.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        match &mut self.tip {
            Tip::Plain(socket) => socket.write_all_buf(&mut self.buffer).await,
            Tip::Tls(stream) => {
                stream.write_all_buf(&mut self.buffer).await?;
                stream.flush().await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use raft::Term;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::super::codec::read_messages;
    use super::super::frame::{FRAME_BYTES_MAX, take_frame};
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn forward(number: u64) -> PeerMessage {
        let command = Bytes::from(vec![7; 100_000]);
        PeerMessage::Forward { term: Term(1), life: 1, number, command }
    }

    /// A pen, what keeps its stream open, and the other end.
    async fn pen() -> (Pen, impl Sized, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dialled = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        dialled.writable().await.unwrap();
        let (reader, writer) = dialled.into_split();
        (Pen::new(Tip::Plain(writer)), reader, listener.accept().await.unwrap().0)
    }

    /// The next `count` messages that arrive.
    async fn read(stream: &mut TcpStream, count: usize) -> Vec<PeerMessage> {
        let (mut buffer, mut messages) = (BytesMut::new(), Vec::new());
        while messages.len() < count {
            match take_frame(&mut buffer, FRAME_BYTES_MAX).unwrap() {
                Some(body) => messages.extend(read_messages(body).unwrap()),
                None => assert_ne!(stream.read_buf(&mut buffer).await.unwrap(), 0),
            }
        }
        messages
    }

    #[tokio::test]
    async fn what_it_writes_is_on_its_way_at_once() {
        let (mut pen, _reader, mut stream) = pen().await;
        assert!(pen.write(&[forward(1)]) && !pen.is_stuck());
        let read = tokio::time::timeout(PATIENCE, read(&mut stream, 1));
        assert_eq!(read.await.unwrap(), [forward(1)]);
    }

    #[tokio::test]
    async fn a_full_socket_takes_the_rest_later_and_nothing_twice() {
        let (mut pen, _reader, mut stream) = pen().await;
        let written = (1..=1_000).take_while(|number| pen.write(&[forward(*number)])).count();
        assert!((1..1_000).contains(&written), "{written} messages went into a socket");
        let next = written as u64 + 1;
        pen.encode(&[forward(next)]);
        let all = async { tokio::join!(pen.flush(), read(&mut stream, written + 1)) };
        let (flushed, read) = tokio::time::timeout(PATIENCE, all).await.unwrap();
        flushed.unwrap();
        assert_eq!(read, (1..=next).map(forward).collect::<Vec<_>>());
        assert!(!pen.is_stuck());
    }

    #[tokio::test]
    async fn nothing_to_say_is_a_frame_without_messages() {
        let (mut pen, _reader, mut stream) = pen().await;
        pen.encode(&[]);
        pen.flush().await.unwrap();
        let mut frame = [0; 8];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut frame)).await.unwrap().unwrap();
        assert_eq!(frame[..4], [0; 4], "its length");
    }
}
