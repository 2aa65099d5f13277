//! A stream of records with any fields, whose digest and state hash are right: written in the
//! plainest way, after `docs/format/store-snapshot.md` alone.

use store::{STATE_HASH_VERSION, SnapshotError, Store};
use xxhash_rust::xxh3::xxh3_64;

use crate::input::Input;

const KEYS_MAX: usize = 8;
const VERSIONS_MAX: usize = 4;
const LEASES_MAX: usize = 3;
const SESSIONS_MAX: usize = 3;
const REPLIES_MAX: usize = 3;

/// One field in so many is made up.
pub(super) const MADE_UP_ONE_IN: u8 = 30;

/// Restores a forged stream. A first attempt tells which state hash would be right.
pub(super) fn restore(input: &mut Input<'_>) -> Result<Store, SnapshotError> {
    let step = 1 + input.below(300);
    let forged = Forged::new(input);
    match super::restore_in_steps(&forged.stream(0), step) {
        Err(SnapshotError::WrongStateHash { found, .. }) => {
            super::restore_in_steps(&forged.stream(found), step)
        }
        other => other,
    }
}

/// What stands in the stream, but for hash and digest.
struct Forged {
    /// The head's fields 1 to 8.
    head: [u64; 8],
    leases: Vec<Vec<u8>>,
    keys: Vec<Vec<u8>>,
    sessions: Vec<Vec<u8>>,
    once_keys: Vec<Vec<u8>>,
    versions: u64,
}

impl Forged {
    fn new(input: &mut Input<'_>) -> Forged {
        let mut revision = 1;
        let mut versions = 0;
        let mut keys = Vec::new();
        let leases: Vec<_> =
            (1..=input.below(LEASES_MAX + 1) as u64).map(|id| lease(input, id)).collect();
        let mut name = 0_u64;
        for _ in 0..input.below(KEYS_MAX + 1) {
            name = name.wrapping_add(made_up(input, 1));
            let count = 1 + input.below(VERSIONS_MAX);
            versions += count as u64;
            keys.push(key(input, &[name as u8], count, &mut revision, leases.len()));
        }
        let hash_version = u64::from(STATE_HASH_VERSION);
        let head = [1, revision, 2, 3, 4, revision, 0, hash_version];
        let head = head.map(|field| made_up(input, field));
        let sessions = (1..=input.below(SESSIONS_MAX + 1) as u64).map(|id| session(input, id));
        let sessions = sessions.collect();
        let once_keys = (0..input.below(SESSIONS_MAX + 1)).map(|at| once_key(input, at)).collect();
        Forged { head, leases, keys, sessions, once_keys, versions: made_up(input, versions) }
    }

    fn stream(&self, state_hash: u64) -> Vec<u8> {
        let mut head = Vec::new();
        (1..).zip(self.head).for_each(|(tag, field)| put_number(&mut head, tag, field));
        put_fixed(&mut head, 9, state_hash);
        let mut stream = Vec::new();
        put_record(&mut stream, 1, &head);
        self.leases.iter().for_each(|lease| put_record(&mut stream, 7, lease));
        self.keys.iter().for_each(|key| put_record(&mut stream, 2, key));
        self.sessions.iter().for_each(|session| put_record(&mut stream, 4, session));
        self.once_keys.iter().for_each(|key| put_record(&mut stream, 5, key));
        let mut end = Vec::new();
        put_number(&mut end, 1, self.versions);
        put_fixed(&mut end, 2, xxh3_64(&stream));
        put_number(&mut end, 3, self.sessions.len() as u64);
        put_number(&mut end, 4, self.once_keys.len() as u64);
        put_number(&mut end, 6, self.leases.len() as u64);
        put_record(&mut stream, 3, &end);
        stream
    }
}

/// A lease that lives; its id, index and time are small.
fn lease(input: &mut Input<'_>, id: u64) -> Vec<u8> {
    let mut lease = Vec::new();
    // Twice the number, as signed numbers are written.
    put_number(&mut lease, 1, made_up(input, 2 * id));
    put_number(&mut lease, 2, made_up(input, 60));
    put_number(&mut lease, 3, made_up(input, 1));
    put_number(&mut lease, 4, made_up(input, 4));
    lease
}

/// A key with versions that follow each other, each the newest of all so far.
fn key(
    input: &mut Input<'_>,
    name: &[u8],
    count: usize,
    revision: &mut u64,
    leases: usize,
) -> Vec<u8> {
    let mut key = Vec::new();
    put_bytes(&mut key, 1, name);
    let (mut created, mut number) = (0, 0);
    for _ in 0..count {
        *revision = revision.wrapping_add(1);
        let dies = number > 0 && input.chance(3);
        number = if dies { 0 } else { number + 1 };
        created = match number {
            0 => 0,
            1 => *revision,
            _ => created,
        };
        let value = if dies { Vec::new() } else { vec![input.byte(); input.below(20)] };
        let mut version = Vec::new();
        put_number(&mut version, 1, made_up(input, *revision));
        put_number(&mut version, 2, made_up(input, created));
        put_number(&mut version, 3, made_up(input, number));
        put_bytes(&mut version, 4, &value);
        if !dies {
            put_lifetime(input, &mut version, leases);
        }
        put_bytes(&mut key, 2, &version);
    }
    key
}

/// None, one of so many leases, or a deadline.
fn put_lifetime(input: &mut Input<'_>, version: &mut Vec<u8>, leases: usize) {
    match input.below(3) {
        0 if leases > 0 => {
            let id = 1 + input.below(leases) as u64;
            put_number(version, 6, made_up(input, 2 * id));
        }
        1 => put_number(version, 7, made_up(input, 9)),
        _ => {}
    }
}

fn session(input: &mut Input<'_>, id: u64) -> Vec<u8> {
    let mut session = Vec::new();
    put_number(&mut session, 1, made_up(input, id));
    put_number(&mut session, 2, made_up(input, 0));
    put_number(&mut session, 3, made_up(input, 0));
    for seq in 1..=input.below(REPLIES_MAX + 1) as u64 {
        let mut kept = Vec::new();
        put_number(&mut kept, 1, made_up(input, seq));
        put_message(&mut kept, 2, &reply(input));
        put_message(&mut session, 4, &kept);
    }
    session
}

fn once_key(input: &mut Input<'_>, at: usize) -> Vec<u8> {
    let mut key = Vec::new();
    put_bytes(&mut key, 1, &[b'a' + at as u8]);
    put_number(&mut key, 2, made_up(input, 0));
    put_fixed(&mut key, 3, made_up(input, 5));
    put_message(&mut key, 4, &reply(input));
    key
}

/// A kept answer: of a put, a delete, a conflict, a transaction, or only its revision.
fn reply(input: &mut Input<'_>) -> Vec<u8> {
    let mut reply = Vec::new();
    (1..=3).for_each(|tag| put_number(&mut reply, tag, made_up(input, 2)));
    let tag = 4 + input.below(10) as u8;
    if tag >= 9 {
        put_message(&mut reply, tag, &of_txn(input, tag));
        return reply;
    }
    if tag >= 7 {
        // A number of its own, which is there also when it is 0.
        reply.push(tag << 3);
        put_varint(&mut reply, made_up(input, 2));
        return reply;
    }
    let mut known = Vec::new();
    put_bytes(&mut known, 1, b"k");
    put_bytes(&mut known, 2, b"v");
    (3..=5).for_each(|tag| put_number(&mut known, tag, made_up(input, 2)));
    let mut told = Vec::new();
    put_number(&mut told, 1, made_up(input, 2));
    put_message(&mut told, if tag == 5 { 3 } else { 2 }, &known);
    put_message(&mut reply, tag, &told);
    reply
}

/// What came of a transaction (9), of one that was too large to keep (10), of a lease's grant (12)
/// or revocation (13), or why it was not done (11).
fn of_txn(input: &mut Input<'_>, tag: u8) -> Vec<u8> {
    let mut told = Vec::new();
    put_number(&mut told, 1, made_up(input, 2));
    match tag {
        9 => {
            put_number(&mut told, 2, made_up(input, 1));
            for _ in 0..input.below(3) {
                let mut result = Vec::new();
                put_message(&mut result, 1 + input.below(4) as u8, b"");
                put_message(&mut told, 3, &result);
            }
        }
        10 | 12 | 13 => put_number(&mut told, 2, made_up(input, 1)),
        _ => put_message(&mut told, 2 + input.below(6) as u8, b""),
    }
    told
}

/// `right`, but for now and then.
fn made_up(input: &mut Input<'_>, right: u64) -> u64 {
    if input.chance(MADE_UP_ONE_IN) { input.special() } else { right }
}

fn put_record(stream: &mut Vec<u8>, tag: u8, message: &[u8]) {
    let mut record = Vec::new();
    put_message(&mut record, tag, message);
    stream.extend((record.len() as u32).to_le_bytes());
    stream.extend(record);
}

fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Zero is left out, as protobuf wants it.
fn put_number(bytes: &mut Vec<u8>, tag: u8, number: u64) {
    if number != 0 {
        bytes.push(tag << 3);
        put_varint(bytes, number);
    }
}

fn put_fixed(bytes: &mut Vec<u8>, tag: u8, number: u64) {
    if number != 0 {
        bytes.push(tag << 3 | 1);
        bytes.extend(number.to_le_bytes());
    }
}

fn put_bytes(bytes: &mut Vec<u8>, tag: u8, value: &[u8]) {
    if !value.is_empty() {
        put_message(bytes, tag, value);
    }
}

fn put_message(bytes: &mut Vec<u8>, tag: u8, value: &[u8]) {
    bytes.push(tag << 3 | 2);
    put_varint(bytes, value.len() as u64);
    bytes.extend_from_slice(value);
}
