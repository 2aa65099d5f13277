//! Messages: told when they are sent, with how long they fly; and again if one that flew never
//! arrives. For developers each arrival is told besides, with all that the message says.

use raft::{AppendResult, Body, Message};
use replica::{PeerMessage, SnapshotMessage};

use crate::life::Life;
use crate::network::{Direction, Flight, Packet};
use crate::time::{Span, Time};
use crate::trace::Fields;

/// A message, whichever lane it takes.
#[derive(Clone, Copy)]
pub(crate) enum Said<'a> {
    OnStream(&'a PeerMessage),
    AboutSnapshot(&'a SnapshotMessage),
}

impl Life {
    /// A message was sent; these copies of it are on their way, the message itself last. None: it
    /// is lost.
    pub(crate) fn tell_message(
        &mut self,
        way: Direction,
        said: Said<'_>,
        copies: &[(Time, Flight)],
    ) {
        let now = self.now();
        self.tell_one(way, said, copies.last().map(|(arrival, _)| arrival.since(now)), false);
        for (arrival, _) in copies.iter().rev().skip(1) {
            self.tell_one(way, said, Some(arrival.since(now)), true);
        }
    }

    /// As above, of a message that is on its way for so long.
    pub(crate) fn tell_late_message(&mut self, way: Direction, said: Said<'_>, flight: Span) {
        self.tell_one(way, said, Some(flight), false);
    }

    fn tell_one(&mut self, way: Direction, said: Said<'_>, flight: Option<Span>, copy: bool) {
        if self.trace.is_off() || self.trace.is_for_eyes() && is_about_the_members(said) {
            return;
        }
        if let Said::AboutSnapshot(SnapshotMessage::Offer { bytes_total, .. }) = said {
            self.telling.snapshot_bytes.insert(way, *bytes_total);
        }
        let bytes_total = self.telling.snapshot_bytes.get(&way).copied();
        let (from, to) = way;
        self.trace.event(self.queue.now(), "message", |line| {
            line.id("member", from).id("to", to);
            match said {
                Said::OnStream(message) => write_message(line, message),
                Said::AboutSnapshot(message) => write_snapshot(line, message, bytes_total),
            }
            match flight {
                Some(flight) => line.number("flight_us", flight.0),
                None => line.flag("dropped", true),
            };
            if copy {
                line.flag("copy", true);
            }
        });
    }

    /// A packet is due at the end of its way.
    pub(crate) fn tell_arrival(&mut self, flight: &Flight, delivered: bool) {
        let ((from, to), now) = (flight.direction, self.queue.now());
        let (what, up) = match &flight.packet {
            Packet::Message(message) => (what_of(message), None),
            Packet::Snapshot(message) => (what_of_snapshot(message), None),
            Packet::Opened => ("stream opened", Some(true)),
            Packet::Closed => ("stream closed", Some(false)),
        };
        if let Some(up) = up.filter(|_| delivered) {
            self.trace.event(now, "link", |line| {
                line.id("member", to).id("peer", from).flag("up", up);
            });
        }
        let hidden = match &flight.packet {
            Packet::Message(message) => is_about_the_members(Said::OnStream(message)),
            _ => false,
        };
        if up.is_none() && !delivered && !(hidden && self.trace.is_for_eyes()) {
            self.trace.event(now, "undelivered", |line| {
                line.id("member", to).id("from", from).text("what", what);
            });
        }
        self.trace.detail(now, "arrival", |line| {
            line.id("member", to).id("from", from).text("what", what);
            line.flag("delivered", delivered).text("body", &body_of(&flight.packet));
        });
    }
}

/// Not the bytes of snapshots and commands.
fn body_of(packet: &Packet) -> String {
    match packet {
        Packet::Opened | Packet::Closed => String::new(),
        Packet::Message(PeerMessage::Raft(message)) => format!("{:?}", message.body),
        Packet::Message(PeerMessage::Forward { term, life, number, .. }) => {
            format!("Forward {number} of life {life}, in term {term}")
        }
        Packet::Message(message) => format!("{message:?}"),
        Packet::Snapshot(SnapshotMessage::Chunk { id, offset, bytes }) => {
            format!("Chunk of {}: {} bytes at {offset}", id.last, bytes.len())
        }
        Packet::Snapshot(message) => format!("{message:?}"),
    }
}

/// How members are, and what the majority's state is: no part of Raft.
fn is_about_the_members(said: Said<'_>) -> bool {
    matches!(said, Said::OnStream(PeerMessage::Report { .. } | PeerMessage::Verdict { .. }))
}

fn what_of(message: &PeerMessage) -> &'static str {
    match message {
        PeerMessage::Raft(message) => what_of_raft(&message.body),
        PeerMessage::Forward { .. } => "forward",
        PeerMessage::ForwardAnswer { .. } => "forward_answer",
        PeerMessage::LeaseAsk { .. }
        | PeerMessage::LeaseAnswer { .. }
        | PeerMessage::Report { .. }
        | PeerMessage::Verdict { .. } => "other",
    }
}

fn what_of_raft(body: &Body) -> &'static str {
    match body {
        Body::PreVote { .. } => "pre_vote",
        Body::PreVoteAnswer { .. } => "pre_vote_answer",
        Body::Vote { .. } => "vote",
        Body::VoteAnswer { .. } => "vote_answer",
        Body::Append { entries, .. } if entries.is_empty() => "heartbeat",
        Body::Append { .. } => "append",
        Body::AppendAnswer { .. } => "append_answer",
        Body::ReadIndex { .. } => "read_index",
        Body::ReadIndexAnswer { .. } => "read_index_answer",
        Body::TimeoutNow => "timeout_now",
    }
}

fn what_of_snapshot(message: &SnapshotMessage) -> &'static str {
    match message {
        SnapshotMessage::Offer { .. } | SnapshotMessage::Chunk { .. } => "snapshot",
        SnapshotMessage::Next { .. }
        | SnapshotMessage::Done { .. }
        | SnapshotMessage::Want { .. } => "snapshot_answer",
    }
}

fn write_message(line: &mut Fields<'_>, message: &PeerMessage) {
    line.text("what", what_of(message));
    match message {
        PeerMessage::Raft(message) => write_raft(line, message),
        PeerMessage::Forward { term, .. } | PeerMessage::LeaseAsk { term, .. } => {
            line.term("term", *term);
        }
        _ => {}
    }
}

fn write_raft(line: &mut Fields<'_>, Message { term, body }: &Message) {
    line.term("term", *term);
    match body {
        Body::PreVote { last } | Body::Vote { last, .. } => {
            line.index("last", last.index).term("last_term", last.term);
        }
        Body::PreVoteAnswer { granted } | Body::VoteAnswer { granted } => {
            line.flag("granted", *granted);
        }
        Body::Append { previous, entries, commit, .. } => {
            line.index("previous", previous.index).term("previous_term", previous.term);
            if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
                line.index("first", first.id.index).index("last", last.id.index);
                line.term("last_term", last.id.term);
            }
            line.index("commit", *commit);
        }
        Body::AppendAnswer { result: AppendResult::Accepted { matched }, .. } => {
            line.index("matched", *matched);
        }
        Body::AppendAnswer { result: AppendResult::Rejected { previous, hint }, .. } => {
            line.index("rejected", *previous).index("hint", hint.index);
        }
        Body::ReadIndex { .. } | Body::ReadIndexAnswer { .. } | Body::TimeoutNow => {}
    }
}

fn write_snapshot(line: &mut Fields<'_>, message: &SnapshotMessage, bytes_total: Option<u64>) {
    line.text("what", what_of_snapshot(message));
    match message {
        SnapshotMessage::Offer { term, id, bytes_total } => {
            line.term("term", *term).index("index", id.last.index);
            line.number("bytes", 0).number("bytes_total", *bytes_total);
        }
        SnapshotMessage::Chunk { id, offset, bytes } => {
            line.index("index", id.last.index).number("bytes", offset + bytes.len() as u64);
            if let Some(bytes_total) = bytes_total {
                line.number("bytes_total", bytes_total);
            }
        }
        SnapshotMessage::Next { id, offset } => {
            line.index("index", id.last.index).number("bytes", *offset);
        }
        SnapshotMessage::Done { id, .. } => {
            line.index("index", id.last.index).flag("done", true);
        }
        SnapshotMessage::Want { term, at_least } => {
            line.term("term", *term).index("index", at_least.index);
        }
    }
}
