//! Messages of protobuf: sound ones, and such as are made of fields without knowing any schema.

use crate::input::Input;

/// Fields of one message, and messages within each other.
const FIELDS_MAX: usize = 6;
const DEPTH_MAX: usize = 10;

/// Keys and values, of which few are many times the same.
const WORDS: [&str; 8] = ["a", "b", "ab", "", "\0", "root", "k/7", "longer than most keys are"];

/// The kinds of fields on the wire.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED_32: u64 = 5;

/// Sound messages of unary calls and of those that go on, each with its path.
pub(super) const SOUND: [(&str, &[u8]); 12] = [
    ("/etcdserverpb.KV/Put", b"\x0a\x01a\x12\x01v\x20\x01"),
    ("/etcdserverpb.KV/Range", b"\x0a\x01a\x12\x01\x00\x18\x03\x28\x01\x30\x03"),
    ("/etcdserverpb.KV/DeleteRange", b"\x0a\x01a\x18\x01"),
    (
        "/etcdserverpb.KV/Txn",
        b"\x0a\x09\x08\x01\x10\x00\x1a\x01a\x20\x00\
          \x12\x08\x12\x06\x0a\x01a\x12\x01w\x1a\x05\x0a\x03\x0a\x01a",
    ),
    ("/etcdserverpb.KV/Compact", b"\x08\x01"),
    ("/etcdserverpb.Lease/LeaseGrant", b"\x08\x3c\x10\x07"),
    ("/etcdserverpb.Lease/LeaseKeepAlive", b"\x08\x07"),
    ("/etcdserverpb.Watch/Watch", b"\x0a\x05\x0a\x01a\x18\x01"),
    ("/etcdserverpb.Maintenance/Status", b""),
    ("/etcdserverpb.Cluster/MemberList", b""),
    ("/etcdserverpb.Auth/Authenticate", b"\x0a\x01a\x12\x01b"),
    ("/raftkv.v1.KV/Get", b"\x0a\x01a"),
];

/// A message as gRPC has it: not compressed, and as long as it is.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u32).to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// Of these the one that begins with a key, as most messages do.
pub(super) const WITH_A_KEY: usize = 1;

/// What the body of a call is: most of the time one message, which is sound or made.
pub(super) fn body(input: &mut Input<'_>) -> Vec<u8> {
    let mut body = framed(&message(input));
    match input.below(16) {
        0 => body.clear(),
        1 => body[0] = input.byte(),
        2 => body[1..5].copy_from_slice(&(input.special() as u32).to_be_bytes()),
        3 => body.extend(framed(&message(input))),
        4 => body.truncate(input.below(body.len())),
        5 => body.extend_from_slice(input.take(9)),
        _ => {}
    }
    body
}

/// One message; at times a sound one of which a byte is changed.
fn message(input: &mut Input<'_>) -> Vec<u8> {
    match input.below(4) {
        0 => fields(input, DEPTH_MAX),
        kind => {
            let (_, sound) = SOUND[input.below(SOUND.len())];
            let mut message = sound.to_vec();
            if kind == 1 && !message.is_empty() {
                let place = input.below(message.len());
                message[place] = input.byte();
            }
            message
        }
    }
}

fn fields(input: &mut Input<'_>, depth: usize) -> Vec<u8> {
    let mut message = Vec::new();
    for _ in 0..input.below(FIELDS_MAX) {
        let number = if input.chance(8) { input.special() } else { 1 + input.below(12) as u64 };
        let tag = |kind| number << 3 | kind;
        match input.below(8) {
            0 | 1 => {
                varint(&mut message, tag(VARINT));
                varint(&mut message, input.special());
            }
            2 => {
                varint(&mut message, tag(FIXED_64));
                message.extend(input.special().to_le_bytes());
            }
            3 => {
                varint(&mut message, tag(FIXED_32));
                message.extend((input.special() as u32).to_le_bytes());
            }
            4 if depth > 0 => {
                let inner = fields(input, depth - 1);
                length_delimited(&mut message, tag(LENGTH), &inner);
            }
            5 => {
                let length = input.below(64);
                length_delimited(&mut message, tag(LENGTH), input.take(length));
            }
            6 => varint(&mut message, input.special()),
            _ => {
                let word = WORDS[input.below(WORDS.len())];
                length_delimited(&mut message, tag(LENGTH), word.as_bytes());
            }
        }
    }
    message
}

fn length_delimited(message: &mut Vec<u8>, tag: u64, bytes: &[u8]) {
    varint(message, tag);
    varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

fn varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}
