//! Frames of WebSocket (RFC 6455), as a server reads and writes them.
//!
//! A message is put together out of its frames as its bytes come: what a frame claims to have sets
//! nothing aside.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Instant, timeout_at};

use super::MESSAGE_TIMEOUT;
use crate::reading::{Share, TooMuch};

/// So much of a frame is read at a time.
const CHUNK_BYTES: usize = 16 << 10;

/// What a frame beside messages may hold.
const CONTROL_BYTES_MAX: u64 = 125;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// What a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A whole message.
    Message(Bytes),
    /// It wants these bytes back.
    Ping(Bytes),
    /// It is there.
    Pong,
    /// It goes.
    Close,
}

/// Why nothing more is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// The connection broke off.
    Gone,
    /// No frame may be so.
    Protocol,
    /// A text is none.
    NoText,
    /// A message is longer than it may be.
    TooLong,
    /// Too much is being read already.
    Overloaded,
    /// A message was not whole in time.
    Slow,
}

impl Wrong {
    /// The code that a client is told, if it can be told any.
    pub(crate) fn code(self) -> Option<u16> {
        match self {
            Wrong::Gone => None,
            Wrong::Protocol => Some(1002),
            Wrong::NoText => Some(1007),
            Wrong::TooLong => Some(1009),
            Wrong::Overloaded => Some(1013),
            Wrong::Slow => Some(1008),
        }
    }
}

impl From<std::io::Error> for Wrong {
    fn from(_: std::io::Error) -> Wrong {
        Wrong::Gone
    }
}

impl From<TooMuch> for Wrong {
    fn from(TooMuch: TooMuch) -> Wrong {
        Wrong::Overloaded
    }
}

/// What comes from a client.
pub(crate) struct Frames<R> {
    socket: R,
    bytes_max: usize,
    share: Share,
    /// The message that is being put together, and whether it is to be text.
    message: BytesMut,
    is_text: Option<bool>,
    /// By when it has to be whole, whatever else comes meanwhile.
    due: Option<Instant>,
}

/// What stands in front of a frame's bytes.
#[derive(Clone, Copy, Debug)]
struct Head {
    is_last: bool,
    opcode: u8,
    length: u64,
    mask: [u8; 4],
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(crate) fn new(socket: R, bytes_max: usize, share: Share) -> Frames<R> {
        Frames { socket, bytes_max, share, message: BytesMut::new(), is_text: None, due: None }
    }

    /// Whatever is said next. A message counts as being read until [`Frames::give_back`].
    pub(crate) async fn next(&mut self) -> Result<Heard, Wrong> {
        loop {
            let head = match self.due {
                Some(due) => timeout_at(due, self.head()).await.map_err(|_| Wrong::Slow)??,
                None => self.head().await?,
            };
            match (head.opcode, self.is_text) {
                (TEXT | BINARY, None) => self.is_text = Some(head.opcode == TEXT),
                (CONTINUATION, Some(_)) => {}
                (CLOSE | PING | PONG, _) => return self.control(head).await,
                _ => return Err(Wrong::Protocol),
            }
            let due = *self.due.get_or_insert_with(|| Instant::now() + MESSAGE_TIMEOUT);
            let mut message = std::mem::take(&mut self.message);
            let read = timeout_at(due, self.read(head, &mut message)).await;
            read.map_err(|_| Wrong::Slow)??;
            self.message = message;
            if head.is_last {
                return self.whole();
            }
        }
    }

    fn whole(&mut self) -> Result<Heard, Wrong> {
        let message = std::mem::take(&mut self.message);
        self.due = None;
        if self.is_text.take() == Some(true) && str::from_utf8(&message).is_err() {
            return Err(Wrong::NoText);
        }
        Ok(Heard::Message(message.freeze()))
    }

    /// The message that was heard last is read by somebody now.
    pub(crate) fn give_back(&mut self) {
        // Less than before always fits.
        let _fits = self.share.set(0);
    }

    async fn control(&mut self, head: Head) -> Result<Heard, Wrong> {
        if !head.is_last || head.length > CONTROL_BYTES_MAX {
            return Err(Wrong::Protocol);
        }
        let mut bytes = BytesMut::new();
        self.read(head, &mut bytes).await?;
        Ok(match head.opcode {
            PING => Heard::Ping(bytes.freeze()),
            PONG => Heard::Pong,
            _ => Heard::Close,
        })
    }

    async fn head(&mut self) -> Result<Head, Wrong> {
        let mut start = [0; 2];
        self.socket.read_exact(&mut start).await?;
        let [first, second] = start;
        // The three bits of extensions, of which there are none; and clients mask what they send.
        if first & 0x70 != 0 || second & 0x80 == 0 {
            return Err(Wrong::Protocol);
        }
        let length = match second & 0x7f {
            126 => u64::from(self.socket.read_u16().await?),
            127 => self.socket.read_u64().await?,
            short => u64::from(short),
        };
        let mut mask = [0; 4];
        self.socket.read_exact(&mut mask).await?;
        Ok(Head { is_last: first & 0x80 != 0, opcode: first & 0x0f, length, mask })
    }

    /// Puts a frame's bytes behind those of the frames before it.
    async fn read(&mut self, head: Head, to: &mut BytesMut) -> Result<(), Wrong> {
        let room = self.bytes_max.saturating_sub(to.len());
        let length = usize::try_from(head.length).ok().filter(|length| *length <= room);
        let mut left = length.ok_or(Wrong::TooLong)?;
        let mut mask = head.mask.iter().cycle();
        while left > 0 {
            let begin = to.len();
            let now = left.min(CHUNK_BYTES);
            to.resize(begin + now, 0);
            // What there is of a message stays while a frame beside it is read.
            self.share.set(self.message.len() + to.len())?;
            self.socket.read_exact(&mut to[begin..]).await?;
            to[begin..].iter_mut().zip(&mut mask).for_each(|(byte, mask)| *byte ^= mask);
            left -= now;
        }
        Ok(())
    }
}

/// A whole message, as a server sends it.
pub(crate) fn text(message: &[u8]) -> Bytes {
    frame(TEXT, message)
}

/// Asks whether the client is there.
pub(crate) fn ping() -> Bytes {
    frame(PING, &[])
}

/// Gives a client its bytes back.
pub(crate) fn pong(bytes: &[u8]) -> Bytes {
    frame(PONG, bytes)
}

/// The last frame.
pub(crate) fn close(code: u16) -> Bytes {
    frame(CLOSE, &code.to_be_bytes())
}

fn frame(opcode: u8, bytes: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(bytes.len() + 10);
    frame.push(0x80 | opcode);
    match (u8::try_from(bytes.len()), u16::try_from(bytes.len())) {
        (Ok(short @ ..126), _) => frame.push(short),
        (_, Ok(longer)) => {
            frame.push(126);
            frame.extend_from_slice(&longer.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(bytes);
    frame.into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::http::Extensions;
    use tokio::io::AsyncWriteExt as _;

    use super::*;
    use crate::reading::Reading;

    const BYTES_MAX: usize = 100_000;

    /// A frame as a client sends it, whose first byte is this.
    fn masked(first: u8, bytes: &[u8]) -> Vec<u8> {
        let mask = [0x12, 0x34, 0x56, 0x78];
        let mut frame = frame(0, bytes).to_vec();
        let head_bytes = frame.len() - bytes.len();
        frame.truncate(head_bytes);
        frame[0] = first;
        frame[1] |= 0x80;
        frame.extend(mask);
        frame.extend(bytes.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    async fn heard(bytes: &[u8]) -> (Vec<Heard>, Wrong) {
        let mut frames = Frames::new(bytes, BYTES_MAX, Share::of(&Extensions::new()));
        let mut heard = Vec::new();
        loop {
            match frames.next().await {
                Ok(next) => heard.push(next),
                Err(wrong) => return (heard, wrong),
            }
        }
    }

    #[tokio::test]
    async fn messages_of_every_length_are_put_together() {
        for length in [0, 1, 125, 126, 65_535, 65_536, BYTES_MAX] {
            let bytes = vec![b'x'; length];
            let all = heard(&masked(0x81, &bytes)).await;
            assert_eq!(all, (vec![Heard::Message(bytes.into())], Wrong::Gone), "{length}");
        }
        let pieces = [
            masked(0x01, b"one "),
            masked(0x89, b"there?"),
            masked(0x00, b"mess"),
            masked(0x80, b"age"),
            masked(0x8a, b""),
            masked(0x82, &[0xff]),
            masked(0x88, &[3, 232]),
        ];
        let (all, wrong) = heard(&pieces.concat()).await;
        let message = |bytes: &'static [u8]| Heard::Message(Bytes::from_static(bytes));
        assert_eq!(wrong, Wrong::Gone);
        assert_eq!(
            all,
            [
                Heard::Ping(Bytes::from_static(b"there?")),
                message(b"one message"),
                Heard::Pong,
                message(&[0xff]),
                Heard::Close,
            ]
        );
    }

    #[tokio::test]
    async fn what_is_no_frame_is_told_apart() {
        let longest = vec![b'x'; BYTES_MAX];
        for (name, bytes, wrong) in [
            ("not masked", vec![0x81, 1, b'x'], Wrong::Protocol),
            ("an extension", masked(0xc1, b"x"), Wrong::Protocol),
            ("no opcode", masked(0x83, b"x"), Wrong::Protocol),
            ("goes on with nothing", masked(0x80, b"x"), Wrong::Protocol),
            ("two at once", [masked(0x01, b"x"), masked(0x81, b"x")].concat(), Wrong::Protocol),
            ("a ping in pieces", masked(0x09, b"x"), Wrong::Protocol),
            ("a long ping", masked(0x89, &[0; 126]), Wrong::Protocol),
            ("no text", masked(0x81, &[0xff]), Wrong::NoText),
            ("too long", masked(0x81, &[&longest[..], b"x"].concat()), Wrong::TooLong),
            (
                "too long together",
                [masked(0x01, &longest), masked(0x80, b"x")].concat(),
                Wrong::TooLong,
            ),
            ("half a frame", masked(0x81, b"half")[..8].to_vec(), Wrong::Gone),
            ("a claim", [&[0x81, 0xff][..], &[0xff; 8], &[0; 4]].concat(), Wrong::TooLong),
        ] {
            assert_eq!(heard(&bytes).await, (vec![], wrong), "{name}");
        }
    }

    /// What is there of a message counts, whatever else is read, and until somebody has it.
    #[tokio::test]
    async fn a_ping_makes_no_room() {
        let (reading, mut extensions) = (Arc::new(Reading::new(1 << 20)), Extensions::new());
        extensions.insert(Arc::clone(&reading));
        let part = vec![b'x'; 50_000];
        let pieces = [masked(0x01, &part), masked(0x89, b"?"), masked(0x80, &part)].concat();
        let mut frames = Frames::new(&pieces[..], BYTES_MAX, Share::of(&extensions));
        assert_eq!(frames.next().await, Ok(Heard::Ping(Bytes::from_static(b"?"))));
        assert_eq!(reading.bytes(), 50_001);
        assert!(matches!(frames.next().await, Ok(Heard::Message(_))));
        assert_eq!(reading.bytes(), 100_000);
        frames.give_back();
        assert_eq!(reading.bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_has_begun_is_whole_in_time_whatever_is_said_meanwhile() {
        let (mut client, server) = tokio::io::duplex(1 << 10);
        let began = Instant::now();
        tokio::spawn(async move {
            client.write_all(&masked(0x01, b"begun")).await.expect("it is read");
            let mut often = tokio::time::interval(MESSAGE_TIMEOUT / 4);
            while client.write_all(&masked(0x89, b"?")).await.is_ok() {
                often.tick().await;
            }
        });
        let mut frames = Frames::new(server, BYTES_MAX, Share::of(&Extensions::new()));
        let wrong = loop {
            match frames.next().await {
                Ok(heard) => assert_eq!(heard, Heard::Ping(Bytes::from_static(b"?"))),
                Err(wrong) => break wrong,
            }
        };
        assert_eq!((wrong, began.elapsed()), (Wrong::Slow, MESSAGE_TIMEOUT));
    }

    /// Whatever comes is heard or refused, and every message is made of what came.
    #[tokio::test]
    async fn any_bytes_come_to_an_end() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for length in (0..400).cycle().take(4_000) {
            let noise = |_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            };
            let mut bytes: Vec<u8> = (0..length).map(noise).collect();
            // Most of what begins at random is refused at once.
            bytes.splice(0..0, masked(0x01, b"a message begins "));
            let (all, _) = heard(&bytes).await;
            let message_bytes = |heard: &Heard| match heard {
                Heard::Message(bytes) | Heard::Ping(bytes) => bytes.len(),
                Heard::Pong | Heard::Close => 0,
            };
            assert!(all.iter().map(message_bytes).sum::<usize>() <= bytes.len());
        }
    }
}
