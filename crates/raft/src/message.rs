//! What members say to each other. Each variant tells who sends it, why, and what an empty field
//! means. A message is a plain value; encoding it is the shell's business.

use crate::{Entry, Index, LogId, MemberId, ReadPoint, Term};

/// A message with its two ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Who it is for.
    pub to: MemberId,
    /// What it says.
    pub message: Message,
}

/// One message. `term` is the sender's term, except in the two pre-vote bodies, which say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The term the message was made in.
    pub term: Term,
    /// What it asks or answers.
    pub body: Body,
}

/// The kinds of message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A pre-candidate asks whether it *would* get a vote (thesis §9.6). `Message::term` is the
    /// term it would campaign in; nobody adopts it.
    PreVote {
        /// The last entry of the sender's log.
        last: LogId,
    },
    /// Answers `PreVote`. Granted: `Message::term` repeats the asked-for term. Refused: it is the
    /// voter's own term, so that a pre-candidate that is behind learns it.
    PreVoteAnswer {
        /// Whether a real vote would be given.
        granted: bool,
    },
    /// A candidate asks for a vote (Figure 2, RequestVote).
    Vote {
        /// The last entry of the sender's log.
        last: LogId,
        /// The leader itself told the sender to campaign: a voter need not first find the leader
        /// silent (thesis §3.10).
        transfer: bool,
    },
    /// Answers `Vote`, once term and vote are durable.
    VoteAnswer {
        /// Whether the vote was given.
        granted: bool,
    },
    /// The leader replicates entries, and with none of them says "I am still here" (Figure 2,
    /// AppendEntries).
    Append {
        /// The entry right before `entries`: the consistency check.
        previous: LogId,
        /// New entries, contiguous; empty in a heartbeat.
        entries: Vec<Entry>,
        /// The leader's commit index.
        commit: Index,
        /// The newest read round; the answer repeats it (ReadIndex, thesis §6.4).
        round: u64,
        /// For how many milliseconds the cluster has had a leader (rule 8.1).
        age_ms: u64,
    },
    /// Answers `Append`.
    AppendAnswer {
        /// The newest round heard of.
        round: u64,
        /// Whether the consistency check passed, and how far.
        result: AppendResult,
    },
    /// A follower asks at which index a read that waits there may be served.
    ReadIndex {
        /// The follower's number for this request; the answer repeats it.
        request: u64,
    },
    /// Answers `ReadIndex`, after a quorum round that began after the request arrived.
    ReadIndexAnswer {
        /// The request it answers.
        request: u64,
        /// Where the read may be served. None: the sender is not leading.
        point: Option<ReadPoint>,
    },
    /// The leader hands over: campaign at once, without a pre-vote (thesis §3.10).
    TimeoutNow,
}

/// The outcome of the consistency check of an `Append`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendResult {
    /// Everything up to here equals the leader's log *and* is durable at the follower.
    Accepted {
        /// The smaller of the durable index and the last index checked against this leader's
        /// log in this term (rule 1.6), never simply the follower's last index.
        matched: Index,
    },
    /// The entry before the new ones is missing or of another term.
    Rejected {
        /// The `previous.index` that was refused, so that a late answer is known as such.
        previous: Index,
        /// Where to try next: the last entry of the follower's log whose term is at most that of
        /// the refused `previous` (one round a conflicting term, §5.3).
        hint: LogId,
    },
}

impl Body {
    /// The name used in traces and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Body::PreVote { .. } => "PreVote",
            Body::PreVoteAnswer { .. } => "PreVoteAnswer",
            Body::Vote { .. } => "Vote",
            Body::VoteAnswer { .. } => "VoteAnswer",
            Body::Append { .. } => "Append",
            Body::AppendAnswer { .. } => "AppendAnswer",
            Body::ReadIndex { .. } => "ReadIndex",
            Body::ReadIndexAnswer { .. } => "ReadIndexAnswer",
            Body::TimeoutNow => "TimeoutNow",
        }
    }
}
