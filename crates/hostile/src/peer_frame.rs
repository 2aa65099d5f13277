//! Streams between members: frames, and the messages in them.
//!
//! The first byte chooses: a stream as it is, where hardly anything gets past the checksums; or
//! bodies that are put into sound frames, so that the messages are what is hostile.

use bytes::{BufMut, Bytes, BytesMut};
use raft::{AppendResult, Body, Entry, EntryKind, Index, LogId, Message, ReadPoint, Term};
use replica::{ForwardRefusal, PeerMessage};
use server::gateway::{
    FRAME_BYTES_MAX, Malformed, put_frame, put_messages, read_messages, take_frame,
};

use crate::Verdict;
use crate::input::Input;

/// What one stream says, and why it ended early if it did.
type Said = (Vec<PeerMessage>, Option<Malformed>);

pub(crate) fn run(bytes: &[u8]) -> Verdict {
    let mut input = Input::new(bytes);
    let framed = input.chance(2);
    let step = 1 + input.below(256);
    let stream = if framed { frame_bodies(&mut input) } else { input.rest().to_vec() };
    let (messages, refused) = read(&stream, stream.len().max(1));
    let in_pieces = read(&stream, step);
    assert_eq!((&messages, refused), (&in_pieces.0, in_pieces.1), "in pieces of {step} bytes");
    say_again(&messages);
    if messages.is_empty() { Verdict::Refused } else { Verdict::Accepted }
}

/// Every piece of the input in a frame of its own.
fn frame_bodies(input: &mut Input<'_>) -> Vec<u8> {
    let mut stream = BytesMut::new();
    while !input.is_empty() {
        let length = input.short() as usize;
        let body = input.take(length);
        put_frame(&mut stream, |buffer| buffer.put_slice(body));
    }
    stream.to_vec()
}

/// Reads a stream that arrives in pieces of `step` bytes, as a member reads it.
fn read(stream: &[u8], step: usize) -> Said {
    let mut buffer = BytesMut::new();
    let mut messages = Vec::new();
    for piece in stream.chunks(step) {
        buffer.put_slice(piece);
        loop {
            let body = match take_frame(&mut buffer, FRAME_BYTES_MAX) {
                Ok(Some(body)) => body,
                Ok(None) => break,
                Err(refused) => return (messages, Some(refused)),
            };
            match read_messages(body) {
                Ok(more) => messages.extend(more),
                Err(refused) => return (messages, Some(refused)),
            }
        }
    }
    (messages, None)
}

/// What was understood must mean the same to the next member.
fn say_again(messages: &[PeerMessage]) {
    let mut stream = BytesMut::new();
    put_messages(&mut stream, messages);
    let (again, refused) = read(&stream, stream.len().max(1));
    assert_eq!(refused, None, "a member says what another refuses");
    assert_eq!(again, messages, "written anew it says something else");
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let all = samples();
    let mut stream = BytesMut::new();
    put_messages(&mut stream, &all);
    let whole = [&[0, 40], &stream[..]].concat();
    let each = all.iter().map(|message| framed_seed(std::slice::from_ref(message)));
    [whole, framed_seed(&all)].into_iter().chain(each).collect()
}

/// An input that puts the messages' body into a frame.
fn framed_seed(messages: &[PeerMessage]) -> Vec<u8> {
    let mut stream = BytesMut::new();
    put_messages(&mut stream, messages);
    let body = take_frame(&mut stream, FRAME_BYTES_MAX);
    let body = body.expect("a frame of ours is sound").expect("and whole");
    let length = u16::try_from(body.len()).expect("samples are short");
    [&[1, 7], &length.to_le_bytes()[..], &body].concat()
}

/// A message of every kind.
fn samples() -> Vec<PeerMessage> {
    let id = LogId::new(Term(3), Index(41));
    let bodies = [
        Body::PreVote { last: id },
        Body::PreVoteAnswer { granted: true },
        Body::Vote { last: id, transfer: true },
        Body::VoteAnswer { granted: false },
        Body::AppendAnswer { round: 9, result: AppendResult::Accepted { matched: Index(41) } },
        Body::AppendAnswer {
            round: 9,
            result: AppendResult::Rejected { previous: Index(40), hint: id },
        },
        Body::ReadIndex { request: 77 },
        Body::ReadIndexAnswer {
            request: 77,
            point: Some(ReadPoint { index: Index(41), settled_ms: 1_000 }),
        },
        Body::ReadIndexAnswer { request: 78, point: None },
        Body::TimeoutNow,
        append(id),
    ];
    let raft = bodies.into_iter().map(|body| PeerMessage::Raft(Message { term: Term(4), body }));
    raft.chain(forwards(id)).collect()
}

fn append(previous: LogId) -> Body {
    let kinds = [EntryKind::Noop, EntryKind::Command, EntryKind::Configuration];
    let entries = (1..).zip(kinds).map(|(step, kind)| Entry {
        id: LogId::new(Term(4), Index(previous.index.0 + step)),
        kind,
        stamp_ms: 1_000_000 * step,
        age_ms: 500,
        payload: Bytes::from(vec![step as u8; 5 * step as usize]),
    });
    Body::Append { previous, entries: entries.collect(), commit: Index(40), round: 9, age_ms: 600 }
}

fn forwards(id: LogId) -> Vec<PeerMessage> {
    let results = [
        Ok(id),
        Err(ForwardRefusal::NotLeader),
        Err(ForwardRefusal::Overloaded),
        Err(ForwardRefusal::UnknownCommand),
    ];
    let answers =
        results.into_iter().map(|result| PeerMessage::ForwardAnswer { life: 5, number: 6, result });
    let command = Bytes::from_static(b"a command");
    let forward = PeerMessage::Forward { term: Term(4), life: 5, number: 6, command };
    answers.chain([forward]).collect()
}
