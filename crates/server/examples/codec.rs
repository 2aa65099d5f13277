//! What members' messages cost to write and to read.
//!
//!     cargo run --release -p server --example codec [-- --smoke]
//!
//! Appends with so many entries of 256 bytes, and the answers to them, are put into frames and read
//! again: lengths, checksums and all, as between members, but no socket.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use raft::{AppendResult, Body, Entry, EntryKind, Index, LogId, Message, Term};
use replica::PeerMessage;
use server::gateway::{FRAME_BYTES_MAX, put_messages, read_messages, take_frame};

const PAYLOAD_BYTES: usize = 256;
const ENTRIES: [u64; 4] = [0, 1, 16, 256];

fn main() -> Result<(), Box<dyn Error>> {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    let length = Duration::from_millis(if smoke { 20 } else { 1_000 });
    println!("{:<28}{:>14}{:>14}{:>14}", "message", "bytes", "write, ns", "read, ns");
    for entries in ENTRIES {
        measure(&format!("append, {entries} entries"), &append(entries), length)?;
    }
    measure("answer", &answer(), length)
}

fn measure(name: &str, message: &PeerMessage, length: Duration) -> Result<(), Box<dyn Error>> {
    let messages = std::slice::from_ref(message);
    let mut buffer = BytesMut::new();
    let write = nanoseconds(length, || {
        buffer.clear();
        put_messages(&mut buffer, black_box(messages));
    });
    let framed = buffer.freeze();
    if read(&framed)? != messages {
        return Err(format!("{name}: what was read is not what was written").into());
    }
    let read = nanoseconds(length, || {
        black_box(read(&framed).is_ok());
    });
    println!("{name:<28}{:>14}{write:>14.0}{read:>14.0}", framed.len());
    Ok(())
}

/// As a stream reads: its own buffer, frame by frame.
fn read(framed: &Bytes) -> Result<Vec<PeerMessage>, Box<dyn Error>> {
    let mut buffer = BytesMut::from(&framed[..]);
    let mut messages = Vec::new();
    while let Some(body) = take_frame(&mut buffer, FRAME_BYTES_MAX).map_err(refused)? {
        messages.append(&mut read_messages(body).map_err(refused)?);
    }
    Ok(messages)
}

fn refused(malformed: server::gateway::Malformed) -> String {
    format!("{malformed:?}")
}

/// How long `act` takes, the mean of as many as fit into `length`.
fn nanoseconds(length: Duration, mut act: impl FnMut()) -> f64 {
    let (began, mut count) = (Instant::now(), 0_u32);
    while began.elapsed() < length {
        act();
        count += 1;
    }
    began.elapsed().as_nanos() as f64 / f64::from(count.max(1))
}

fn append(entries: u64) -> PeerMessage {
    let entry = |index| Entry {
        id: LogId::new(Term(7), Index(1_000 + index)),
        kind: EntryKind::Command,
        stamp_ms: 1_700_000_000_000,
        age_ms: 1_000_000,
        payload: Bytes::from(vec![7; PAYLOAD_BYTES]),
    };
    of_raft(Body::Append {
        previous: LogId::new(Term(7), Index(1_000)),
        entries: (1..=entries).map(entry).collect(),
        commit: Index(990),
        round: 12_345,
        age_ms: 1_000_000,
    })
}

fn answer() -> PeerMessage {
    of_raft(Body::AppendAnswer {
        round: 12_345,
        result: AppendResult::Accepted { matched: Index(1_000) },
    })
}

fn of_raft(body: Body) -> PeerMessage {
    PeerMessage::Raft(Message { term: Term(7), body })
}
