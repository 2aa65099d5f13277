//! Frames of HTTP/2 (RFC 9113), sound or not; header blocks are literals without a table
//! (RFC 7541, 6.2.2), or the input's own bytes.

use super::calls::{HEADERS, PATHS};
use super::message;
use crate::input::Input;

/// Frames of one input.
const FRAMES_MAX: usize = 32;

const DATA: u8 = 0;
const HEADERS_FRAME: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// The first number that is no kind any more, and some beyond.
const KINDS: usize = 14;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// What stands in front of a payload.
const HEAD_BYTES: usize = 9;

/// The frames of a sound call, with the settings that begin a connection.
pub(super) fn call(path: &str, body: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    fields.iter().for_each(|(name, value)| literal(&mut block, name, value.as_bytes()));
    [
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS_FRAME, END_HEADERS, 1, &block),
        frame(DATA, END_STREAM, 1, body),
    ]
    .concat()
}

/// Frames as the input decides.
pub(super) fn made(input: &mut Input<'_>) -> Vec<u8> {
    let mut sent = frame(SETTINGS, 0, 0, &[]);
    for _ in 0..FRAMES_MAX {
        if input.is_empty() {
            break;
        }
        let kind = match input.below(4) {
            0 => input.below(KINDS) as u8,
            1 => DATA,
            _ => HEADERS_FRAME,
        };
        let payload = payload(input, kind);
        let flags = match input.below(4) {
            0 => input.byte(),
            1 => END_HEADERS,
            _ => END_HEADERS | END_STREAM,
        };
        let stream =
            if input.chance(16) { input.special() as u32 } else { 1 + 2 * input.below(4) as u32 };
        let stream = if matches!(kind, SETTINGS | 6 | 7) && !input.chance(8) { 0 } else { stream };
        let mut frame = frame(kind, flags, stream, &payload);
        if input.chance(32) {
            // A length that is a lie.
            frame[..3].copy_from_slice(input.take(3).first_chunk().unwrap_or(&[0, 0, 9]));
        }
        sent.extend(frame);
    }
    sent
}

fn payload(input: &mut Input<'_>, kind: u8) -> Vec<u8> {
    match kind {
        DATA => message::body(input),
        HEADERS_FRAME | CONTINUATION => block(input),
        RESET | WINDOW_UPDATE => (input.special() as u32).to_be_bytes().to_vec(),
        SETTINGS => {
            let mut settings = Vec::new();
            for _ in 0..input.below(4) {
                settings.extend((input.below(10) as u16).to_be_bytes());
                settings.extend((input.special() as u32).to_be_bytes());
            }
            settings
        }
        _ => {
            let length = input.below(24);
            input.take(length).to_vec()
        }
    }
}

/// A header block: most of it what a sound call has, in any order.
fn block(input: &mut Input<'_>) -> Vec<u8> {
    let mut block = Vec::new();
    if input.chance(8) {
        let length = input.below(64);
        block.extend_from_slice(input.take(length));
        return block;
    }
    let path = PATHS[input.below(PATHS.len())];
    for (name, value) in
        [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost")]
    {
        match input.below(24) {
            0 => {}
            1 => literal(&mut block, name, input.take(5)),
            2 => [0, 1].iter().for_each(|_| literal(&mut block, name, value.as_bytes())),
            _ => literal(&mut block, name, value.as_bytes()),
        }
    }
    literal(&mut block, "content-type", b"application/grpc");
    for _ in 0..input.below(4) {
        let (name, value) = HEADERS[input.below(HEADERS.len())];
        literal(&mut block, name, value.as_bytes());
    }
    block
}

/// A field of a header block. Names and values here are shorter than 127 bytes.
fn literal(block: &mut Vec<u8>, name: &str, value: &[u8]) {
    block.push(0);
    for text in [name.as_bytes(), value] {
        block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("short"));
        block.extend_from_slice(text);
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Whether among these frames of the member's is an answer with a body: what is refused is told in
/// headers alone.
pub(super) fn answers_some(mut bytes: &[u8]) -> bool {
    while let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        if head[3] == DATA && length > 0 {
            return true;
        }
        bytes = rest.get(length..).unwrap_or_default();
    }
    false
}
