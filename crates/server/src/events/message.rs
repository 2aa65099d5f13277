//! Messages between members as events tell of them: who to, what kind, which numbers; never what
//! they carry.

use raft::{AppendResult, Body, MemberId};
use replica::{PeerMessage, SnapshotMessage};
use serde::{Deserialize, Serialize};

use super::id::Id;

/// One message, by its sender.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// For whom.
    pub(crate) to: Id,
    /// Its kind.
    pub(crate) what: Kind,
    #[serde(flatten)]
    pub(crate) numbers: Numbers,
}

/// What a message says, in numbers; those that its kind does not have are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Numbers {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) term: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) granted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_term: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) matched: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rejected: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_total: Option<u64>,
}

/// The kinds of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Heartbeat,
    Append,
    AppendAnswer,
    PreVote,
    PreVoteAnswer,
    Vote,
    VoteAnswer,
    TimeoutNow,
    ReadIndex,
    ReadIndexAnswer,
    Forward,
    ForwardAnswer,
    Snapshot,
    /// A newer member's kind is one of these, too.
    #[serde(other)]
    Other,
}

impl Kind {
    /// How many there are.
    pub(super) const COUNT: usize = Kind::Other as usize + 1;
}

impl Message {
    /// What is told of a message to `to`.
    pub(super) fn of(to: MemberId, message: &PeerMessage) -> Message {
        let (what, numbers) = match message {
            PeerMessage::Raft(message) => of_raft(message),
            PeerMessage::Forward { term, .. } => (Kind::Forward, in_term(term.0)),
            PeerMessage::ForwardAnswer { .. } => (Kind::ForwardAnswer, Numbers::default()),
            PeerMessage::LeaseAsk { .. }
            | PeerMessage::LeaseAnswer { .. }
            | PeerMessage::Report { .. }
            | PeerMessage::Verdict { .. } => (Kind::Other, Numbers::default()),
        };
        Message { to: Id(to), what, numbers }
    }

    /// What is told of a piece of a snapshot that is sent to `to`, or of what is said about one.
    pub(super) fn of_snapshot(
        to: MemberId,
        message: &SnapshotMessage,
        bytes_total: Option<u64>,
    ) -> Message {
        let numbers = match message {
            SnapshotMessage::Offer { term, bytes_total, .. } => {
                Numbers { bytes: Some(0), bytes_total: Some(*bytes_total), ..in_term(term.0) }
            }
            SnapshotMessage::Chunk { offset, bytes, .. } => {
                let sent = offset.saturating_add(bytes.len() as u64);
                Numbers { bytes: Some(sent), bytes_total, ..Numbers::default() }
            }
            SnapshotMessage::Next { .. } | SnapshotMessage::Done { .. } => Numbers::default(),
            SnapshotMessage::Want { term, .. } => in_term(term.0),
        };
        let is_piece = numbers.bytes.is_some();
        let what = if is_piece { Kind::Snapshot } else { Kind::Other };
        Message { to: Id(to), what, numbers }
    }
}

fn in_term(term: u64) -> Numbers {
    Numbers { term: Some(term), ..Numbers::default() }
}

fn of_raft(message: &raft::Message) -> (Kind, Numbers) {
    let term = in_term(message.term.0);
    match &message.body {
        Body::PreVote { last } => {
            let (last, last_term) = (Some(last.index.0), Some(last.term.0));
            (Kind::PreVote, Numbers { last, last_term, ..term })
        }
        Body::Vote { last, .. } => {
            let (last, last_term) = (Some(last.index.0), Some(last.term.0));
            (Kind::Vote, Numbers { last, last_term, ..term })
        }
        Body::PreVoteAnswer { granted } => {
            (Kind::PreVoteAnswer, Numbers { granted: Some(*granted), ..term })
        }
        Body::VoteAnswer { granted } => {
            (Kind::VoteAnswer, Numbers { granted: Some(*granted), ..term })
        }
        Body::Append { entries, commit, .. } => {
            let commit = Some(commit.0);
            match (entries.first(), entries.last()) {
                (Some(first), Some(last)) => {
                    let (first, last) = (Some(first.id.index.0), Some(last.id.index.0));
                    (Kind::Append, Numbers { first, last, commit, ..term })
                }
                _ => (Kind::Heartbeat, Numbers { commit, ..term }),
            }
        }
        Body::AppendAnswer { result: AppendResult::Accepted { matched }, .. } => {
            (Kind::AppendAnswer, Numbers { matched: Some(matched.0), ..term })
        }
        Body::AppendAnswer { result: AppendResult::Rejected { previous, .. }, .. } => {
            (Kind::AppendAnswer, Numbers { rejected: Some(previous.0), ..term })
        }
        Body::ReadIndex { .. } => (Kind::ReadIndex, term),
        Body::ReadIndexAnswer { .. } => (Kind::ReadIndexAnswer, term),
        Body::TimeoutNow => (Kind::TimeoutNow, term),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use raft::{Entry, EntryKind, Index, LogId, Term};
    use serde_json::{Value, json};

    use super::*;

    fn told(body: Body) -> Value {
        let message = PeerMessage::Raft(raft::Message { term: Term(4), body });
        serde_json::to_value(Message::of(MemberId(2), &message)).unwrap()
    }

    #[test]
    fn an_append_without_entries_is_a_heartbeat() {
        let previous = LogId::new(Term(3), Index(7));
        let entry = Entry {
            id: LogId::new(Term(4), Index(8)),
            stamp_ms: 0,
            age_ms: 0,
            kind: EntryKind::Command,
            payload: Bytes::from_static(b"secret"),
        };
        let append =
            |entries| Body::Append { previous, entries, commit: Index(6), round: 0, age_ms: 0 };
        assert_eq!(told(append(vec![])), json!({"to":"2","what":"heartbeat","term":4,"commit":6}));
        assert_eq!(
            told(append(vec![entry])),
            json!({"to":"2","what":"append","term":4,"first":8,"last":8,"commit":6})
        );
    }

    #[test]
    fn votes_and_their_answers_have_their_numbers() {
        let last = LogId::new(Term(3), Index(7));
        assert_eq!(
            told(Body::Vote { last, transfer: false }),
            json!({"to":"2","what":"vote","term":4,"last":7,"last_term":3})
        );
        assert_eq!(
            told(Body::VoteAnswer { granted: false }),
            json!({"to":"2","what":"vote_answer","term":4,"granted":false})
        );
        let result = AppendResult::Rejected { previous: Index(5), hint: last };
        assert_eq!(
            told(Body::AppendAnswer { round: 0, result }),
            json!({"to":"2","what":"append_answer","term":4,"rejected":5})
        );
    }
}
