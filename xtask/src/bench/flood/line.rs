//! A connection of HTTP/2 with many calls on it, as RFC 9113 and RFC 7541 have it.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Instant;

use super::Call;

/// What every connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Calls under way on one connection; a member takes a few more.
const STREAMS_MAX: usize = 1_000;

/// What a member may have sent before we say more: much more than it sends in a run.
const WINDOW_BYTES: u32 = 1 << 30;

/// What may be sent before the member says more.
const FIRST_WINDOW_BYTES: i64 = 65_535;

/// So much is read at once.
const READ_BYTES: usize = 64 << 10;

/// Kinds of frames.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

/// Flags: of data and headers the first is the end of the stream, of settings and pings an answer.
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame before its payload.
const HEAD_BYTES: usize = 9;

/// Why a stream is reset.
const CANCEL: u32 = 8;

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    Refused,
    Late,
    NotSent,
    /// The connection ended before it was answered.
    Lost,
}

/// A call that is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) due: Instant,
    pub(super) at: Instant,
    pub(super) fate: Fate,
}

/// A call that was sent.
struct Sent {
    due: Instant,
    has_message: bool,
    is_over: bool,
}

/// A connection.
pub(super) struct Line {
    port: u16,
    socket: TcpStream,
    out: Vec<u8>,
    read: Vec<u8>,
    buffer: Vec<u8>,
    /// By stream, from `first` on, two apart.
    sent: VecDeque<Sent>,
    first: u32,
    under_way: usize,
    /// When those are due that wait for room.
    waiting: VecDeque<Instant>,
    /// How many bytes of bodies may be sent.
    window_bytes: i64,
    ended: Vec<Ended>,
}

impl Line {
    pub(super) fn connect(port: u16) -> Result<Line> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let mut out = PREFACE.to_vec();
        push_frame(&mut out, SETTINGS, 0, 0, &[]);
        push_frame(&mut out, WINDOW_UPDATE, 0, 0, &WINDOW_BYTES.to_be_bytes());
        Ok(Line {
            port,
            socket,
            out,
            read: Vec::new(),
            buffer: vec![0; READ_BYTES],
            sent: VecDeque::new(),
            first: 1,
            under_way: 0,
            waiting: VecDeque::new(),
            window_bytes: FIRST_WINDOW_BYTES,
            ended: Vec::new(),
        })
    }

    /// A call that is due waits for its turn.
    pub(super) fn wait(&mut self, due: Instant) {
        self.waiting.push_back(due);
    }

    /// The first that waits.
    pub(super) fn next(&mut self) -> Option<Instant> {
        self.waiting.pop_front()
    }

    /// Whether another call may begin. No body is longer than the smallest window.
    pub(super) fn has_room(&self) -> bool {
        const BODY_BYTES_MAX: i64 = 1 << 10;
        self.under_way < STREAMS_MAX && self.window_bytes >= BODY_BYTES_MAX
    }

    /// Calls that wait, and those that were sent and are not over.
    pub(super) fn under_way(&self) -> usize {
        self.under_way + self.waiting.len()
    }

    /// Begins a call.
    pub(super) fn begin(&mut self, call: &Call, due: Instant) {
        let stream = self.first + 2 * self.sent.len() as u32;
        let headers = headers(call.path, stream == 1);
        push_frame(&mut self.out, HEADERS, END_HEADERS, stream, &headers);
        push_frame(&mut self.out, DATA, END_STREAM, stream, &call.body);
        self.window_bytes -= call.body.len() as i64;
        self.sent.push_back(Sent { due, has_message: false, is_over: false });
        self.under_way += 1;
    }

    /// Gives up what was due before `oldest`.
    pub(super) fn give_up(&mut self, oldest: Instant) -> Vec<Ended> {
        let at = Instant::now();
        while let Some(due) = self.waiting.pop_front_if(|due| *due < oldest) {
            self.ended.push(Ended { due, at, fate: Fate::NotSent });
        }
        while let Some(call) = self.sent.front() {
            let due = call.due;
            if !call.is_over {
                if due >= oldest {
                    break;
                }
                push_frame(&mut self.out, RESET, 0, self.first, &CANCEL.to_be_bytes());
                self.over(self.first, at, Fate::Late);
            }
            self.sent.pop_front();
            self.first += 2;
        }
        std::mem::take(&mut self.ended)
    }

    /// Sends and reads what can be without waiting; the calls that are over.
    pub(super) fn turn(&mut self) -> Result<Vec<Ended>> {
        // A member that ends a connection has said why before.
        let filled = self.fill();
        let (mut read, mut at) = (std::mem::take(&mut self.read), 0);
        while let Some(length) = frame_bytes(&read[at..]) {
            self.take(&read[at..at + length])?;
            at += length;
        }
        read.drain(..at);
        self.read = read;
        filled?;
        self.flush()?;
        Ok(std::mem::take(&mut self.ended))
    }

    /// A new connection to the same member, with what waits on this one; what was sent on it and is
    /// not over is lost.
    pub(super) fn renewed(&mut self) -> Result<(Line, Vec<Ended>)> {
        let at = Instant::now();
        let open = self.sent.drain(..).filter(|call| !call.is_over);
        let lost = open.map(|call| Ended { due: call.due, at, fate: Fate::Lost }).collect();
        let line = Line { waiting: std::mem::take(&mut self.waiting), ..Line::connect(self.port)? };
        Ok((line, lost))
    }

    fn flush(&mut self) -> Result<()> {
        while !self.out.is_empty() {
            match self.socket.write(&self.out) {
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<()> {
        loop {
            match self.socket.read(&mut self.buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.read.extend_from_slice(&self.buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn take(&mut self, frame: &[u8]) -> Result<()> {
        let (kind, flags, payload) = (frame[3], frame[4], &frame[HEAD_BYTES..]);
        let stream = number(&frame[5..HEAD_BYTES]);
        match kind {
            SETTINGS if flags & ACK == 0 => push_frame(&mut self.out, SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => push_frame(&mut self.out, PING, ACK, 0, payload),
            WINDOW_UPDATE if stream == 0 => self.window_bytes += i64::from(number(payload)),
            GO_AWAY => {
                let code = payload.get(4..8).map_or(0, number);
                return Err(Error::other(format!("the member ends the connection, code {code}")));
            }
            DATA | HEADERS => self.heard(stream, kind == DATA, flags & END_STREAM != 0),
            RESET => self.over(stream, Instant::now(), Fate::Refused),
            _ => {}
        }
        Ok(())
    }

    /// A part of an answer. Only one that is good has a message.
    fn heard(&mut self, stream: u32, is_message: bool, is_last: bool) {
        let Some(call) = self.call(stream) else { return };
        call.has_message |= is_message;
        let fate = if call.has_message { Fate::Done } else { Fate::Refused };
        if is_last {
            self.over(stream, Instant::now(), fate);
        }
    }

    fn call(&mut self, stream: u32) -> Option<&mut Sent> {
        let place = stream.checked_sub(self.first)? / 2;
        self.sent.get_mut(place as usize)
    }

    fn over(&mut self, stream: u32, at: Instant, fate: Fate) {
        let Some(call) = self.call(stream).filter(|call| !call.is_over) else { return };
        call.is_over = true;
        let due = call.due;
        self.under_way -= 1;
        self.ended.push(Ended { due, at, fate });
    }
}

/// How long the first frame is, if all of it is there.
fn frame_bytes(read: &[u8]) -> Option<usize> {
    let head = read.get(..3)?;
    let length = HEAD_BYTES + number(&[0, head[0], head[1], head[2]]) as usize;
    (read.len() >= length).then_some(length)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn push_frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// `POST` and `http` have numbers; what is always the same is given numbers by the first call of a
/// connection, as clients do it: from 62 on, the last one first.
fn headers(path: &str, is_first: bool) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    push_text(&mut block, &[0x04], path);
    if is_first {
        push_text(&mut block, &[0x41], "localhost");
        push_text(&mut block, &[0x5f], "application/grpc");
        push_text(&mut block, &[0x40, 2, b't', b'e'], "trailers");
    } else {
        block.extend([0x80 | 64, 0x80 | 63, 0x80 | 62]);
    }
    block
}

fn push_text(block: &mut Vec<u8>, name: &[u8], text: &str) {
    assert!(text.len() < 0x7f, "a length of one byte");
    block.extend(name);
    block.push(text.len() as u8);
    block.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        push_frame(&mut frame, kind, flags, stream, payload);
        frame
    }

    /// A line with two calls under way, that has heard this.
    fn heard(frames: &[Vec<u8>]) -> Line {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut line = Line::connect(listener.local_addr().unwrap().port()).unwrap();
        let call = Call { path: "/p", body: vec![0; 5] };
        (0..2).for_each(|_| line.begin(&call, Instant::now()));
        frames.iter().for_each(|frame| line.take(frame).unwrap());
        line
    }

    fn fates(line: &mut Line) -> Vec<Fate> {
        let oldest = Instant::now() - LONG;
        line.give_up(oldest).into_iter().map(|ended| ended.fate).collect()
    }

    #[test]
    fn a_call_with_a_message_is_done_and_one_without_is_refused() {
        let begun = frame(HEADERS, END_HEADERS, 1, &[]);
        let (data, end) = (frame(DATA, 0, 1, &[0; 9]), frame(HEADERS, END_HEADERS | 1, 1, &[]));
        let mut line = heard(&[begun, data, end]);
        assert_eq!((fates(&mut line), line.under_way()), (vec![Fate::Done], 1));
        let mut line = heard(&[frame(HEADERS, END_HEADERS | END_STREAM, 3, &[])]);
        assert_eq!(fates(&mut line), [Fate::Refused]);
        let mut line = heard(&[frame(RESET, 0, 3, &[0; 4]), frame(RESET, 0, 3, &[0; 4])]);
        assert_eq!((fates(&mut line), line.under_way()), (vec![Fate::Refused], 1));
    }

    #[test]
    fn what_is_not_answered_in_time_is_reset_and_what_comes_then_is_nothing() {
        let mut line = heard(&[]);
        line.wait(Instant::now());
        line.out.clear();
        let ended = line.give_up(Instant::now() + LONG);
        let fates: Vec<Fate> = ended.iter().map(|ended| ended.fate).collect();
        assert_eq!(fates, [Fate::NotSent, Fate::Late, Fate::Late]);
        assert_eq!(line.out[..13], [0, 0, 4, RESET, 0, 0, 0, 0, 1, 0, 0, 0, 8]);
        line.take(&frame(HEADERS, END_STREAM, 1, &[])).unwrap();
        assert_eq!((line.ended.len(), line.under_way()), (0, 0));
    }

    #[test]
    fn settings_and_pings_are_answered_and_windows_grow() {
        let grown = frame(WINDOW_UPDATE, 0, 0, &7_u32.to_be_bytes());
        let frames = [frame(SETTINGS, 0, 0, &[]), frame(PING, 0, 0, &[7; 8]), grown];
        let line = heard(&frames);
        let said = [frame(SETTINGS, ACK, 0, &[]), frame(PING, ACK, 0, &[7; 8])].concat();
        assert!(line.out.ends_with(&said));
        assert_eq!(line.window_bytes, FIRST_WINDOW_BYTES - 2 * 5 + 7);
    }

    #[test]
    fn headers_are_sent_in_full_only_once() {
        assert_eq!(headers("/p", false), [0x83, 0x86, 4, 2, b'/', b'p', 0xc0, 0xbf, 0xbe]);
        let first = headers("/p", true);
        assert!(first.starts_with(b"\x83\x86\x04\x02/p\x41\x09localhost\x5f\x10application/grpc"));
    }
}
