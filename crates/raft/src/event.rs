//! What happened inside the core, for traces, logs and the dashboard. Nothing depends on them.

use crate::{Index, LogId, MemberId, Term};

/// A member's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleName {
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks whether it would win an election.
    PreCandidate,
    /// Stands for election.
    Candidate,
    /// Leads.
    Leader,
}

impl RoleName {
    /// In lower case, as status and metrics show it.
    pub fn as_str(self) -> &'static str {
        match self {
            RoleName::Follower => "follower",
            RoleName::PreCandidate => "pre-candidate",
            RoleName::Candidate => "candidate",
            RoleName::Leader => "leader",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// This member's role or term changed.
    Role {
        /// The new role.
        role: RoleName,
        /// In this term.
        term: Term,
    },
    /// A leader became known.
    LeaderKnown {
        /// Who leads.
        leader: MemberId,
        /// In this term.
        term: Term,
    },
    /// A vote (or a pre-vote) was given or refused by this member.
    Voted {
        /// Who asked.
        candidate: MemberId,
        /// For which term.
        term: Term,
        /// Only a pre-vote.
        pre: bool,
        /// Given.
        granted: bool,
    },
    /// Entries of one term were appended to this member's log.
    Appended {
        /// The first of them.
        first: Index,
        /// The last of them.
        last: LogId,
    },
    /// Entries from `from` on conflicted with the leader's and were dropped.
    Truncated {
        /// The first index dropped.
        from: Index,
    },
    /// Another configuration counts now: it was appended, or one after it was dropped.
    Configured {
        /// Where it stands.
        index: Index,
        /// Whether two majorities are needed.
        joint: bool,
    },
    /// The commit index moved.
    Committed {
        /// To here.
        index: Index,
    },
    /// A follower needs a snapshot: what it needs next is gone from the log.
    SnapshotWanted {
        /// The follower.
        member: MemberId,
    },
    /// A snapshot took the place of this member's log.
    SnapshotInstalled {
        /// The last entry that it stands for.
        last: LogId,
    },
    /// The entries up to here are gone from this member's log; a snapshot stands for them.
    LogCut {
        /// The log's new start.
        to: LogId,
    },
    /// Leadership is being handed to a member.
    Transferring {
        /// To whom.
        to: MemberId,
    },
}
