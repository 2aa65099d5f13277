//! gRPC: calls over HTTP/2 whose messages, headers and framing are hostile, and HTTP/2 itself.
//!
//! The second byte chooses: bytes as they are behind HTTP/2's preface; frames whose kinds, flags,
//! streams and payloads the input decides; or calls that a sound client of HTTP/2 makes, of any
//! method, with messages that are made of fields.

mod calls;
mod frames;
mod message;

use std::net::SocketAddr;

use crate::Verdict;
use crate::doors::{Doors, Heard, wire};
use crate::input::Input;

static DOORS: Doors = Doors::new();

/// What every connection of HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How inputs come: the second byte, by its remainder.
const WAYS: usize = 4;
const AS_IT_IS: u8 = 0;
const BY_FRAMES: u8 = 1;
const BY_CALLS: u8 = 2;

pub(crate) fn run(bytes: &[u8]) -> Verdict {
    DOORS.run(bytes, client)
}

fn client(address: SocketAddr, input: &mut Input<'_>) -> Heard {
    let sent = match input.below(WAYS) as u8 {
        AS_IT_IS => input.rest().to_vec(),
        BY_FRAMES => frames::made(input),
        _ => return calls::made(address, input),
    };
    let step = 1 + sent.len() % 701;
    let (bytes, _) = wire::exchange(address, [PREFACE].into_iter().chain(sent.chunks(step)));
    let accepted = frames::answers_some(&bytes);
    Heard { bytes, accepted, refused: false }
}

/// A sound call of each kind, as frames and by a client, to either member.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for access in [0, 1] {
        for (path, message) in message::SOUND {
            let head = [access, AS_IT_IS];
            seeds.push([&head[..], &frames::call(path, &message::framed(message))].concat());
        }
        for (path, number) in calls::PATHS.iter().zip(0..) {
            let own = message::SOUND.iter().position(|(sound, _)| sound == path);
            let message = own.unwrap_or(message::WITH_A_KEY) as u8;
            seeds.push([&[access, BY_CALLS], &calls::usual(number, message)[..]].concat());
        }
        seeds.extend((0..8).map(|kind| [&[access, BY_FRAMES, kind][..], &[kind; 60]].concat()));
    }
    seeds
}
