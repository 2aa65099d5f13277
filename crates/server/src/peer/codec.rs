//! Messages to bytes and back (docs/format/peer.md, sections 2 and 4): the gateway where what a
//! peer says becomes a `PeerMessage`, or is refused. Nothing behind it checks again.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message as _;
use proto::peer as wire;
use raft::{AppendResult, Body, Entry, EntryKind, Index, LogId, Message, ReadPoint, Term};
use replica::{FIRST_LEVEL, ForwardRefusal, MemoryUse, PeerMessage, Process, SAMPLES_MAX, Sample};

use super::frame::put_frame;
use super::lease_codec::{answer_to_wire, ask_to_wire, read_answer, read_ask};
use super::malformed::Malformed;
use wire::append_answer::Rejected;
use wire::message::Body as WireBody;

/// A frame holds at most this many messages, so that decoding it takes bounded memory.
const MESSAGES_MAX: usize = 4_096;

/// A sender begins a new frame past this many bytes: the last message may go over it.
const FRAME_BYTES_FULL: usize = 1 << 20;

/// Two numbers up to this can be added, and 1 to either, without overflow.
const NUMBER_MAX: u64 = 1 << 62;

const ENTRY_HEADER_BYTES: usize = 4 + 1 + 8 + 8 + 8;
const MESSAGE_HEADER_BYTES: usize = 4 + 4;

/// Appends `messages` to `buffer` in as few frames as the limits allow.
pub fn put_messages(buffer: &mut BytesMut, messages: &[PeerMessage]) {
    let mut rest = messages;
    while !rest.is_empty() {
        put_frame(buffer, |body| {
            let full = body.len() + FRAME_BYTES_FULL;
            let mut count = 0;
            while count < rest.len() && count < MESSAGES_MAX && body.len() < full {
                put_message(body, &rest[count]);
                count += 1;
            }
            rest = &rest[count..];
        });
    }
}

/// Reads the messages of one frame's body.
pub fn read_messages(mut body: Bytes) -> Result<Vec<PeerMessage>, Malformed> {
    let mut messages = Vec::new();
    while body.has_remaining() {
        if messages.len() == MESSAGES_MAX {
            return Err(Malformed::TooManyMessages);
        }
        if body.len() < MESSAGE_HEADER_BYTES {
            return Err(Malformed::Truncated);
        }
        let length = body.get_u32_le() as usize;
        let entries_length = body.get_u32_le() as usize;
        let message = take(&mut body, length)?;
        let entries = take(&mut body, entries_length)?;
        messages.push(read_message(message, entries)?);
    }
    Ok(messages)
}

fn take(body: &mut Bytes, length: usize) -> Result<Bytes, Malformed> {
    if length > body.len() {
        return Err(Malformed::Truncated);
    }
    Ok(body.split_to(length))
}

fn put_message(buffer: &mut BytesMut, message: &PeerMessage) {
    let entries = entries_of(message);
    let message = to_wire(message);
    let entries_length: usize = entries.iter().map(|e| ENTRY_HEADER_BYTES + e.payload.len()).sum();
    buffer.put_u32_le(message.encoded_len() as u32);
    buffer.put_u32_le(entries_length as u32);
    message.encode_raw(buffer);
    buffer.reserve(entries_length);
    for entry in entries {
        put_entry(buffer, entry);
    }
}

fn entries_of(message: &PeerMessage) -> &[Entry] {
    match message {
        PeerMessage::Raft(Message { body: Body::Append { entries, .. }, .. }) => entries,
        _ => &[],
    }
}

fn put_entry(buffer: &mut BytesMut, entry: &Entry) {
    buffer.put_u32_le(entry.payload.len() as u32);
    buffer.put_u8(match entry.kind {
        EntryKind::Noop => 1,
        EntryKind::Command => 2,
        EntryKind::Configuration => 3,
    });
    buffer.put_u64_le(entry.id.term.0);
    buffer.put_u64_le(entry.stamp_ms);
    buffer.put_u64_le(entry.age_ms);
    buffer.put_slice(&entry.payload);
}

/// Reads packed entries that follow `previous`, none of a later term than `term`.
fn read_entries(mut bytes: Bytes, previous: LogId, term: Term) -> Result<Vec<Entry>, Malformed> {
    let mut entries = Vec::new();
    let mut before = previous;
    while bytes.has_remaining() {
        let entry = read_entry(&mut bytes, before.index.next())?;
        if entry.id.term < before.term.max(Term(1)) || entry.id.term > term {
            return Err(Malformed::EntryTerm);
        }
        before = entry.id;
        entries.push(entry);
    }
    Ok(entries)
}

fn read_entry(bytes: &mut Bytes, index: Index) -> Result<Entry, Malformed> {
    if bytes.len() < ENTRY_HEADER_BYTES {
        return Err(Malformed::Truncated);
    }
    let length = bytes.get_u32_le() as usize;
    let kind = match bytes.get_u8() {
        1 => EntryKind::Noop,
        2 => EntryKind::Command,
        3 => EntryKind::Configuration,
        unknown => return Err(Malformed::EntryKind(unknown)),
    };
    let id = LogId::new(Term(number(bytes.get_u64_le())?), index);
    let stamp_ms = number(bytes.get_u64_le())?;
    let age_ms = number(bytes.get_u64_le())?;
    let payload = take(bytes, length)?;
    Ok(Entry { id, kind, stamp_ms, age_ms, payload })
}

fn to_wire(message: &PeerMessage) -> wire::Message {
    let (term, body) = match message {
        PeerMessage::Raft(message) => (message.term.0, raft_to_wire(&message.body)),
        PeerMessage::Forward { term, life, number, command } => {
            let command = command.clone();
            (term.0, WireBody::Forward(wire::Forward { life: *life, number: *number, command }))
        }
        PeerMessage::Report { samples, lacks_room, memory, process } => {
            let (samples, lacks_room) = (samples.iter().map(sample_to_wire).collect(), *lacks_room);
            let MemoryUse { used_bytes, limit_bytes, lacks } = *memory;
            let memory = Some(wire::report::Memory { used_bytes, limit_bytes, lacks });
            let Process { life, level: feature_level } = *process;
            let report = wire::Report { samples, lacks_room, memory, life, feature_level };
            (0, WireBody::Report(report))
        }
        PeerMessage::Verdict { majority } => {
            let majority = Some(sample_to_wire(majority));
            (0, WireBody::Verdict(wire::Verdict { majority }))
        }
        PeerMessage::LeaseAsk { term, life, number, lease, ask } => {
            (term.0, WireBody::LeaseAsk(ask_to_wire((*life, *number), *lease, *ask)))
        }
        PeerMessage::LeaseAnswer { life, number, result } => {
            (0, WireBody::LeaseAnswer(answer_to_wire((*life, *number), *result)))
        }
        PeerMessage::ForwardAnswer { life, number, result } => {
            let result = Some(forward_result_to_wire(*result));
            let (life, number) = (*life, *number);
            (0, WireBody::ForwardAnswer(wire::ForwardAnswer { life, number, result }))
        }
    };
    wire::Message { term, body: Some(body) }
}

fn raft_to_wire(body: &Body) -> WireBody {
    match body {
        Body::PreVote { last } => WireBody::PreVote(wire::PreVote { last: log_id(*last) }),
        Body::PreVoteAnswer { granted } => {
            WireBody::PreVoteAnswer(wire::VoteAnswer { granted: *granted })
        }
        Body::Vote { last, transfer } => {
            WireBody::Vote(wire::Vote { last: log_id(*last), transfer: *transfer })
        }
        Body::VoteAnswer { granted } => {
            WireBody::VoteAnswer(wire::VoteAnswer { granted: *granted })
        }
        Body::Append { previous, entries: _, commit, round, age_ms } => {
            let previous = log_id(*previous);
            let (commit, round, age_ms) = (commit.0, *round, *age_ms);
            WireBody::Append(wire::Append { previous, commit, round, age_ms })
        }
        Body::AppendAnswer { round, result } => {
            WireBody::AppendAnswer(append_answer_to_wire(*round, *result))
        }
        Body::ReadIndex { request } => WireBody::ReadIndex(wire::ReadIndex { request: *request }),
        Body::ReadIndexAnswer { request, point } => {
            WireBody::ReadIndexAnswer(wire::ReadIndexAnswer {
                request: *request,
                index: point.map(|point| point.index.0),
                settled_ms: point.map_or(0, |point| point.settled_ms),
            })
        }
        Body::TimeoutNow => WireBody::TimeoutNow(wire::TimeoutNow {}),
    }
}

fn append_answer_to_wire(round: u64, result: AppendResult) -> wire::AppendAnswer {
    use wire::append_answer::Result;
    let result = match result {
        AppendResult::Accepted { matched } => Result::Accepted(matched.0),
        AppendResult::Rejected { previous, hint } => {
            Result::Rejected(Rejected { previous: previous.0, hint: log_id(hint) })
        }
    };
    wire::AppendAnswer { round, result: Some(result) }
}

fn forward_result_to_wire(result: Result<LogId, ForwardRefusal>) -> wire::forward_answer::Result {
    use wire::forward_answer::{
        Corrupt, NoMemory, NoSpace, NotLeader, Overloaded, Result, UnknownCommand,
    };
    match result {
        Ok(LogId { term, index }) => Result::Proposed(wire::LogId { term: term.0, index: index.0 }),
        Err(ForwardRefusal::NotLeader) => Result::NotLeader(NotLeader {}),
        Err(ForwardRefusal::Overloaded) => Result::Overloaded(Overloaded {}),
        Err(ForwardRefusal::Corrupt) => Result::Corrupt(Corrupt {}),
        Err(ForwardRefusal::NoSpace) => Result::NoSpace(NoSpace {}),
        Err(ForwardRefusal::NoMemory) => Result::NoMemory(NoMemory {}),
        Err(ForwardRefusal::UnknownCommand) => Result::UnknownCommand(UnknownCommand {}),
    }
}

fn sample_to_wire(sample: &Sample) -> wire::Sample {
    let Sample { index, version, hash } = *sample;
    wire::Sample { index, version, hash }
}

pub(super) fn log_id(id: LogId) -> Option<wire::LogId> {
    Some(wire::LogId { term: id.term.0, index: id.index.0 })
}

fn read_message(message: Bytes, entries: Bytes) -> Result<PeerMessage, Malformed> {
    let message = wire::Message::decode(message).map_err(|_| Malformed::Protobuf)?;
    let term = Term(number(message.term)?);
    match message.body.ok_or(Malformed::NoBody)? {
        WireBody::Append(append) => {
            let body = read_append(append, entries, term)?;
            Ok(PeerMessage::Raft(Message { term, body }))
        }
        _ if !entries.is_empty() => Err(Malformed::StrayEntries),
        WireBody::Forward(wire::Forward { life, number, command }) => {
            Ok(PeerMessage::Forward { term, life, number, command })
        }
        WireBody::ForwardAnswer(answer) => read_forward_answer(answer),
        WireBody::LeaseAsk(ask) => Ok(read_ask(term, &ask)),
        WireBody::LeaseAnswer(answer) => read_answer(answer),
        WireBody::Report(report) => read_report(report),
        WireBody::Verdict(verdict) => {
            let majority = read_sample(verdict.majority.ok_or(Malformed::NoResult)?)?;
            Ok(PeerMessage::Verdict { majority })
        }
        body => Ok(PeerMessage::Raft(Message { term, body: read_body(&body)? })),
    }
}

/// The bodies of raft's own messages, but for `Append`, which needs its entries.
fn read_body(body: &WireBody) -> Result<Body, Malformed> {
    Ok(match body {
        WireBody::PreVote(vote) => Body::PreVote { last: read_log_id(vote.last)? },
        WireBody::PreVoteAnswer(answer) => Body::PreVoteAnswer { granted: answer.granted },
        WireBody::Vote(vote) => {
            Body::Vote { last: read_log_id(vote.last)?, transfer: vote.transfer }
        }
        WireBody::VoteAnswer(answer) => Body::VoteAnswer { granted: answer.granted },
        WireBody::AppendAnswer(answer) => read_append_answer(answer)?,
        WireBody::ReadIndex(read) => Body::ReadIndex { request: read.request },
        WireBody::ReadIndexAnswer(answer) => {
            let settled_ms = number(answer.settled_ms)?;
            let index = answer.index.map(number).transpose()?.map(Index);
            let point = index.map(|index| ReadPoint { index, settled_ms });
            Body::ReadIndexAnswer { request: answer.request, point }
        }
        WireBody::TimeoutNow(_) => Body::TimeoutNow,
        WireBody::Append(_)
        | WireBody::Forward(_)
        | WireBody::ForwardAnswer(_)
        | WireBody::LeaseAsk(_)
        | WireBody::LeaseAnswer(_)
        | WireBody::Report(_)
        | WireBody::Verdict(_) => return Err(Malformed::NoBody),
    })
}

fn read_append(append: wire::Append, entries: Bytes, term: Term) -> Result<Body, Malformed> {
    let previous = read_log_id(append.previous)?;
    if previous.term > term {
        return Err(Malformed::EntryTerm);
    }
    Ok(Body::Append {
        previous,
        entries: read_entries(entries, previous, term)?,
        commit: Index(number(append.commit)?),
        round: number(append.round)?,
        age_ms: number(append.age_ms)?,
    })
}

fn read_append_answer(answer: &wire::AppendAnswer) -> Result<Body, Malformed> {
    use wire::append_answer::Result;
    let result = match answer.result.as_ref().ok_or(Malformed::NoResult)? {
        Result::Accepted(matched) => AppendResult::Accepted { matched: Index(number(*matched)?) },
        Result::Rejected(Rejected { previous, hint }) => AppendResult::Rejected {
            previous: Index(number(*previous)?),
            hint: read_log_id(*hint)?,
        },
    };
    Ok(Body::AppendAnswer { round: number(answer.round)?, result })
}

fn read_forward_answer(answer: wire::ForwardAnswer) -> Result<PeerMessage, Malformed> {
    use wire::forward_answer::Result;
    let result = match answer.result.ok_or(Malformed::NoResult)? {
        Result::Proposed(id) => Ok(read_log_id(Some(id))?),
        Result::NotLeader(_) => Err(ForwardRefusal::NotLeader),
        Result::Overloaded(_) => Err(ForwardRefusal::Overloaded),
        Result::Corrupt(_) => Err(ForwardRefusal::Corrupt),
        Result::NoSpace(_) => Err(ForwardRefusal::NoSpace),
        Result::NoMemory(_) => Err(ForwardRefusal::NoMemory),
        Result::UnknownCommand(_) => Err(ForwardRefusal::UnknownCommand),
    };
    let wire::ForwardAnswer { life, number, .. } = answer;
    Ok(PeerMessage::ForwardAnswer { life, number, result })
}

fn read_report(report: wire::Report) -> Result<PeerMessage, Malformed> {
    if report.samples.len() > SAMPLES_MAX {
        return Err(Malformed::TooManySamples);
    }
    let samples: Result<Vec<Sample>, Malformed> =
        report.samples.into_iter().map(read_sample).collect();
    let wire::report::Memory { used_bytes, limit_bytes, lacks } = report.memory.unwrap_or_default();
    let (used_bytes, limit_bytes) = (number(used_bytes)?, number(limit_bytes)?);
    let memory = MemoryUse { used_bytes, limit_bytes, lacks };
    let level = report.feature_level.max(FIRST_LEVEL);
    let process = Process { life: report.life, level };
    let lacks_room = report.lacks_room;
    Ok(PeerMessage::Report { samples: samples?, lacks_room, memory, process })
}

fn read_sample(sample: wire::Sample) -> Result<Sample, Malformed> {
    let wire::Sample { index, version, hash } = sample;
    Ok(Sample { index: number(index)?, version, hash })
}

pub(super) fn read_log_id(id: Option<wire::LogId>) -> Result<LogId, Malformed> {
    let wire::LogId { term, index } = id.ok_or(Malformed::NoLogId)?;
    if (term == 0) != (index == 0) {
        return Err(Malformed::LogId);
    }
    Ok(LogId::new(Term(number(term)?), Index(number(index)?)))
}

pub(super) fn number(value: u64) -> Result<u64, Malformed> {
    if value > NUMBER_MAX { Err(Malformed::NumberTooLarge) } else { Ok(value) }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
