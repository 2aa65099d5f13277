//! WebSockets (RFC 6455), for the doors that have them: the handshake, frames, and what is said
//! beside messages, whatever these are about.

pub(crate) mod frame;
pub(crate) mod shake;

use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, split};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{interval, timeout};

use crate::reading::Share;
use frame::{Frames, Heard, Wrong};

/// A message that has begun is whole in this time.
pub(crate) const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of whom nothing is heard for so long is gone.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// So often it is asked whether it is there: twice in that time.
const PING_INTERVAL: Duration = Duration::from_secs(25);

/// After the last word a client has so long to close the connection by itself.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// So many words beside messages wait to be sent; pings beyond them are not answered.
const WORDS_MAX: usize = 4;

/// `CLOSE` of one who is done, and of one who is not heard.
pub(crate) const DONE: u16 = 1000;
pub(crate) const SILENT: u16 = 1001;

/// What there is to tell, in the order in which it is told.
#[derive(Debug)]
pub(crate) enum Line {
    /// A message, as its frame.
    Frame(Bytes),
    /// The last word, with its code.
    Close(u16),
}

/// What is to be said beside messages.
enum Word {
    /// Gives a client its bytes back.
    Pong(Bytes),
    /// The last word, with its code.
    Close(u16),
}

/// Whoever takes a client's messages.
pub(crate) trait Messages {
    /// Takes one, when there is room for it.
    fn take(&mut self, message: Bytes) -> impl Future<Output = ()> + Send;
}

/// What a client may say.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Where what is being read of it counts.
    pub(crate) share: Share,
    /// A message has at most so many bytes.
    pub(crate) bytes_max: usize,
}

/// Takes what a client says and tells it what there is to tell, until either has no more to say.
pub(crate) async fn converse<S: AsyncRead + AsyncWrite>(
    socket: S,
    Limits { share, bytes_max }: Limits,
    messages: impl Messages,
    lines: mpsc::Receiver<Line>,
) {
    let (reader, writer) = split(socket);
    let (mut reader, mut writer) = (pin!(reader), pin!(writer));
    let (words, said) = mpsc::channel(WORDS_MAX);
    let (over, heard_all) = oneshot::channel::<()>();
    let hearing = async {
        hear(Frames::new(&mut reader, bytes_max, share), messages, &words).await;
        drop(over);
        pending::<()>().await;
    };
    let telling = async {
        // If it fails the client is gone.
        if tell(&mut writer, lines, said).await.is_ok() {
            let _closed = timeout(LINGER, heard_all).await;
        }
    };
    tokio::select! {
        () = hearing => {}
        () = telling => {}
    }
}

/// Takes a client's messages, until it has no more to say.
async fn hear<R: AsyncRead + Unpin>(
    mut frames: Frames<R>,
    mut messages: impl Messages,
    words: &mpsc::Sender<Word>,
) {
    let code = loop {
        match timeout(IDLE_TIMEOUT, frames.next()).await {
            Ok(Ok(Heard::Message(message))) => {
                messages.take(message).await;
                frames.give_back();
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
                Some(Line::Frame(frame)) => (frame, false),
                Some(Line::Close(code)) => (frame::close(code), true),
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
