//! A connection of HTTP/2 by hand, as RFC 9113 has it: frames are written as they are told, sound
//! or not, and nothing is sent that nobody told.
//!
//! What this does *not* do: answer PING or SETTINGS, heed windows, or read the header blocks that
//! come. Its own are literals without names or values in a table (RFC 7541, 6.2.2).

use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::http;

/// What every connection begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A flood goes on until the member has taken nothing for so long: its buffers are full then, and
/// it waits for us to read.
const FULL: Duration = Duration::from_millis(300);

/// Frames of a flood are written together up to so many bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// The kinds of frames, as their numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Of a body.
    Data = 0,
    /// The beginning of a request.
    Headers = 1,
    /// Of no meaning any more.
    Priority = 2,
    /// The end of one stream.
    Reset = 3,
    /// What one side can take.
    Settings = 4,
    /// From servers only.
    PushPromise = 5,
    /// To be answered.
    Ping = 6,
    /// The end of the connection.
    GoAway = 7,
    /// More may be sent.
    WindowUpdate = 8,
    /// Headers that go on.
    Continuation = 9,
}

/// `END_STREAM` of a body or headers, and `ACK` of a ping or settings.
pub const END_STREAM: u8 = 0x1;
/// `END_HEADERS`.
pub const END_HEADERS: u8 = 0x4;
/// `PADDED`.
pub const PADDED: u8 = 0x8;

/// The bytes of a frame.
pub fn frame(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(payload.len(), kind as u8, flags, stream);
    frame.extend(payload);
    frame
}

/// The nine bytes in front of a payload of so many.
pub fn header(length: usize, kind: u8, flags: u8, stream: u32) -> Vec<u8> {
    let length = u32::try_from(length).expect("a length").to_be_bytes();
    let mut header = length[1..].to_vec();
    header.extend([kind, flags]);
    header.extend(stream.to_be_bytes());
    header
}

/// A header block.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            push_length(&mut block, text.len());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// A length in seven bits, and what is more in pieces of seven (RFC 7541, 5.1).
fn push_length(block: &mut Vec<u8>, length: usize) {
    const PREFIX_MAX: usize = 127;
    if length < PREFIX_MAX {
        return block.push(length as u8);
    }
    block.push(PREFIX_MAX as u8);
    let mut rest = length - PREFIX_MAX;
    while rest >= 128 {
        block.push((rest % 128) as u8 | 0x80);
        rest /= 128;
    }
    block.push(rest as u8);
}

/// The headers of a gRPC call.
pub fn call(path: &str) -> Vec<u8> {
    let fields = [(":path", path), ("content-type", "application/grpc"), ("te", "trailers")];
    block(&[&[(":method", "POST"), (":scheme", "http"), AUTHORITY], &fields[..]].concat())
}

/// The headers of a `GET`.
pub fn get(path: &str) -> Vec<u8> {
    block(&[(":method", "GET"), (":scheme", "http"), AUTHORITY, (":path", path)])
}

const AUTHORITY: (&str, &str) = (":authority", "localhost");

/// The ids of a client's streams.
pub fn streams() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

/// A whole block of headers.
pub fn headers(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    frame(Kind::Headers, END_HEADERS | flags, stream, block)
}

/// The end of a stream, by `CANCEL`.
pub fn reset(stream: u32) -> Vec<u8> {
    frame(Kind::Reset, 0, stream, &8_u32.to_be_bytes())
}

/// A message of gRPC: not compressed, its length as it is told, its bytes.
pub fn message(length: u32, bytes: &[u8]) -> Vec<u8> {
    [&[0], &length.to_be_bytes()[..], bytes].concat()
}

/// `ENHANCE_YOUR_CALM`.
pub const CALM: u32 = 11;
/// `REFUSED_STREAM`.
pub const REFUSED_STREAM: u32 = 7;

/// The code with which a server says that it needs no more of a request that it has answered.
const NO_ERROR: u32 = 0;

/// How a connection ended, or a stream of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A frame said so, with this code; of the connection if the stream is 0.
    Told {
        /// Which stream.
        stream: u32,
        /// Why.
        code: u32,
    },
    /// An answer came to its end.
    Answered {
        /// Which stream.
        stream: u32,
    },
    /// No more bytes come.
    Closed,
}

/// A connection.
#[derive(Debug)]
pub struct H2 {
    stream: TcpStream,
}

impl H2 {
    /// One to a port on loopback, with the preface and settings that say nothing.
    pub fn open(port: u16) -> H2 {
        H2::open_with(port, &[])
    }

    /// The same with these settings.
    pub fn open_with(port: u16, settings: &[(u16, u32)]) -> H2 {
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        let mut opened = H2 { stream: http::connect(port).unwrap() };
        opened.send(PREFACE);
        opened.send(&frame(Kind::Settings, 0, 0, &payload));
        opened
    }

    /// Sends bytes as they are; whether the member was still there.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends frames until there are no more, the member closes, or it takes nothing any more and
    /// waits for us to read. Answers how many bytes were sent.
    pub fn flood(&mut self, frames: impl Iterator<Item = Vec<u8>>) -> u64 {
        self.stream.set_write_timeout(Some(FULL)).unwrap();
        let (mut sent, mut chunk) = (0, Vec::new());
        for frame in frames {
            chunk.extend(frame);
            if chunk.len() >= CHUNK_BYTES {
                match self.stream.write(&chunk) {
                    Ok(written) => {
                        sent += written as u64;
                        chunk.drain(..written);
                    }
                    Err(_) => return sent,
                }
            }
        }
        sent + self.stream.write(&chunk).unwrap_or_default() as u64
    }

    /// Sends no more; the member may still answer.
    pub fn finish(&mut self) {
        // It may have closed already.
        self.stream.shutdown(Shutdown::Write).ok();
    }

    /// Reads on until the answers to so many requests have begun.
    pub fn begun(&mut self, answers: usize) {
        let mut begun = 0;
        while begun < answers {
            let frame = self.frame().expect("the connection goes on");
            begun += usize::from(frame.is(Kind::Headers));
        }
    }

    /// Reads on until a stream or the connection ends.
    pub fn end(&mut self) -> End {
        self.try_end().unwrap_or_else(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => panic!("nothing ended in time"),
            // A reset is a close, too: what was sent may not have been read.
            _ => End::Closed,
        })
    }

    fn try_end(&mut self) -> Result<End> {
        loop {
            let frame = self.frame()?;
            let (stream, payload) = (frame.stream, &frame.payload);
            let of_answer = frame.is(Kind::Data) || frame.is(Kind::Headers);
            if of_answer && frame.flags & END_STREAM != 0 {
                return Ok(End::Answered { stream });
            }
            if frame.is(Kind::Reset) && number(payload) != NO_ERROR {
                return Ok(End::Told { stream, code: number(payload) });
            }
            if frame.is(Kind::GoAway) {
                return Ok(End::Told { stream: 0, code: number(&payload[4..8]) });
            }
        }
    }

    fn frame(&mut self) -> Result<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let length = number(&[0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("24 bits")];
        self.stream.read_exact(&mut payload)?;
        let [kind, flags] = [head[3], head[4]];
        Ok(Frame { kind, flags, stream: number(&head[5..]), payload })
    }
}

/// A frame that came.
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    fn is(&self, kind: Kind) -> bool {
        self.kind == kind as u8
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("four bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_as_the_rfc_has_it() {
        let ping = frame(Kind::Ping, END_STREAM, 0, &[7; 8]);
        assert_eq!(ping, [&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], &[7; 8]].concat());
    }

    #[test]
    fn a_long_text_has_its_length_in_pieces() {
        let length_of = |length: usize| {
            let block = block(&[("n", &"v".repeat(length))]);
            block[3..block.len() - length].to_vec()
        };
        assert_eq!(length_of(126), [126]);
        assert_eq!(length_of(127), [127, 0]);
        // RFC 7541, C.1.2 counts on from 31 to 1337; this is from 127.
        assert_eq!(length_of(1_337), [127, 0xba, 0x09]);
    }
}
