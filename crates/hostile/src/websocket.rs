//! Frames of WebSockets, behind a sound handshake: of the dashboard's events (`/ws`), and of the
//! services as JSON (`/v3/watch` and the like).
//!
//! Frames are made with opcodes, masks and lengths that the input decides, or what is left of it
//! is sent as it is.

use std::net::SocketAddr;

use crate::Verdict;
use crate::doors::{Doors, Heard, wire};
use crate::http_door::word;
use crate::input::Input;
use crate::json_gateway::object;

static DOORS: Doors = Doors::new();

/// Frames of one input.
const FRAMES_MAX: usize = 24;

/// Objects within each other.
const DEPTH_MAX: usize = 6;

#[rustfmt::skip] // a table reads in rows
const TARGETS: [&str; 8] = [
    "/ws", "/ws?from=1", "/v3/watch", "/v3/lease/keepalive", "/v3/kv/range", "/v3/kv/put",
    "/v3/election/observe", "/watch",
];

#[rustfmt::skip] // a table reads in rows
const SUBPROTOCOLS: [&str; 4] = [
    "", "Sec-WebSocket-Protocol: Bearer, x.1\r\n", "Sec-WebSocket-Protocol: raftkv\r\n",
    "Sec-WebSocket-Protocol: ,\r\n",
];

#[rustfmt::skip] // a table reads in rows
const MESSAGES: [&str; 10] = [
    r#"{"create_request":{"key":"YQ==","range_end":"AA==","start_revision":"1"}}"#,
    r#"{"create_request":{"key":"YQ==","watch_id":"3","fragment":true,"prev_kv":true}}"#,
    r#"{"cancel_request":{"watch_id":"3"}}"#,
    r#"{"progress_request":{}}"#,
    r#"{"ID":"7"}"#,
    r#"{"key":"YQ==","value":"dg=="}"#,
    r#"{"keys":{"prefix":"a"}}"#,
    r#"{"name":"YQ=="}"#,
    "{}",
    "",
];

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const MASKED: u8 = 0x80;

pub(crate) fn run(bytes: &[u8]) -> Verdict {
    DOORS.run(bytes, client)
}

fn client(address: SocketAddr, input: &mut Input<'_>) -> Heard {
    let target = TARGETS[input.below(TARGETS.len())];
    let subprotocol = SUBPROTOCOLS[input.below(SUBPROTOCOLS.len())];
    let step = 1 + input.short() as usize;
    let handshake = format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         {subprotocol}\r\n"
    );
    let frames = if input.chance(2) { input.rest().to_vec() } else { frames(input) };
    let pieces = [handshake.as_bytes()].into_iter().chain(frames.chunks(step));
    let heard = wire::exchange(address, pieces);
    // Writes may be asked for by frames, whose answers are not statuses.
    Heard { refused: false, ..wire::judged(heard) }
}

fn frames(input: &mut Input<'_>) -> Vec<u8> {
    let mut frames = Vec::new();
    for _ in 0..FRAMES_MAX {
        if input.is_empty() {
            break;
        }
        let payload = match input.below(4) {
            0 => object(input, DEPTH_MAX).into_bytes(),
            1 => {
                let length = input.below(300);
                input.take(length).to_vec()
            }
            _ => word(input, &MESSAGES),
        };
        let first = [TEXT, CLOSE, 0x01, 0x80, 0x00, 0x89, 0x8a, input.byte()][input.below(8)];
        frames.extend(frame(first, &payload, input));
    }
    frames
}

/// One frame, whose length may be a lie, or written longer than it has to be.
fn frame(first: u8, payload: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let kind = input.below(16);
    let length = if kind == 0 { input.special() } else { payload.len() as u64 };
    let masked = if kind == 1 { 0 } else { MASKED };
    let mut frame = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..126), _) if kind != 2 => frame.push(masked | short),
        (_, Ok(short)) if kind != 3 => {
            frame.push(masked | 126);
            frame.extend(short.to_be_bytes());
        }
        _ => {
            frame.push(masked | 127);
            frame.extend(length.to_be_bytes());
        }
    }
    if masked == MASKED {
        // A mask of zeros changes nothing.
        frame.extend([0; 4]);
    }
    frame.extend_from_slice(payload);
    frame
}

/// Each message in one sound frame, and a sound end, at each target and either member.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (place, message) in (0..TARGETS.len() as u8).cycle().zip(MESSAGES.iter().chain(&MESSAGES)) {
        let mut nothing = Input::new(&[4]);
        let said = frame(TEXT, message.as_bytes(), &mut nothing);
        let end = frame(CLOSE, &1000_u16.to_be_bytes(), &mut Input::new(&[4]));
        let access = place % 2;
        seeds.push([&[access, place, 0, 0xff, 0xff, 1], &said[..], &end].concat());
    }
    seeds
}
