//! What the shell asks of a replica and what it gets back: plain values, no channels.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft::{Event, FollowerStatus, Index, LogId, MemberId, Refusal, RoleName, Term};
use store::{ApplyError, LeaseId, Outcome, Published, Revision};

use crate::{
    Agreement, Change, ChangeRefusal, Configuration, ConfigurationError, LogRequest, MemoryUse,
    Process, RoomStatus, Sample, SnapshotMessage, SnapshotRequest, SnapshotStatus,
};

/// The shell's name for one request, below 2⁶³. The replica gives it back with the answer, exactly
/// once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a client wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Append a command, and answer when it was applied.
    Write {
        /// The encoded, validated command.
        command: Bytes,
        /// Whether a follower hands it to the leader; otherwise it refuses and names the leader.
        forward: bool,
    },
    /// Answer once this member's store may be read linearizably (ReadIndex).
    ReadBarrier,
    /// Hand leadership to `to`, or to the most up-to-date follower; answer when it has moved.
    Transfer {
        /// The member to lead next.
        to: Option<MemberId>,
    },
    /// Ask the leader about a lease; answered once no other leader can have ended it meanwhile.
    Lease {
        /// Which one.
        lease: LeaseId,
        /// What is asked.
        ask: LeaseAsk,
        /// Whether a follower asks the leader; otherwise it refuses and names it.
        forward: bool,
    },
    /// Change who is in the cluster; answered once the final configuration is committed, or
    /// refused. Only the leader does it: others answer `Failure::NotLeader`.
    Change(Change),
    /// Mark a member that is to be restarted, if no other is down or being restarted; as a change
    /// of members is. Answered with `Done::Changed`.
    Drain {
        /// Which.
        id: MemberId,
    },
    /// Raise the cluster's feature level as far as all members know; as a change of members is.
    RaiseLevel,
}

/// What can be asked of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseAsk {
    /// Keep it alive: from the moment at which this arrives at the leader it has its full time to
    /// live again.
    KeepAlive,
    /// Tell how long it lives.
    TimeToLive,
}

/// How a lease stands that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseStanding {
    /// The log entry that granted it: the same id granted again is another lease.
    pub granted_index: u64,
    /// For how long it was granted, in seconds.
    pub ttl_s: u64,
    /// How much of that is left, ms: 0 if it is to be over at any moment.
    pub left_ms: u64,
}

/// What the leader tells a follower of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTold {
    /// What the leader had applied when it looked.
    pub index: Index,
    /// How the lease stands; none if it is not there (any more).
    pub standing: Option<LeaseStanding>,
}

/// A request with its name and its patience.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Comes back with the answer.
    pub ticket: Ticket,
    /// What is wanted.
    pub request: Request,
    /// After this long the answer is `Failure::Unavailable` where the request certainly had no
    /// effect, and `Failure::Unknown` otherwise.
    pub timeout: Duration,
}

/// What a request came to, if it succeeded.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// The command is applied; it is durable on a majority.
    Written {
        /// Where it stands in the log.
        log_id: LogId,
        /// The leader's wall clock when it was appended, ms since 1970.
        stamp_ms: u64,
        /// What the state machine answered.
        outcome: Outcome,
    },
    /// The store as published now holds everything acknowledged before the request arrived.
    ReadReady {
        /// What that store will ever hold of the time before this one, it holds now, ms since 1970:
        /// the leader's stamps do not go back behind it (rule 8.3).
        settled_ms: u64,
    },
    /// How the lease stands, which was kept alive if that was asked for; none if it is not there
    /// (any more). Its keys, as this member's published store has them, are as new as that.
    Lease {
        /// The leader's word.
        standing: Option<LeaseStanding>,
    },
    /// Leadership has moved.
    Transferred {
        /// Who leads now.
        leader: MemberId,
    },
    /// The change of members is committed, to its end.
    Changed {
        /// The members as they are then.
        configuration: Arc<Configuration>,
    },
}

/// Why a request failed. Three outcomes only: every variant but `Unknown` and `TransferFailed`
/// means "definitely not done, and never will be" (contract 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// This member does not lead, and was asked not to forward.
    NotLeader {
        /// Who does, if known.
        leader: Option<MemberId>,
    },
    /// No leader could be reached in time.
    Unavailable,
    /// A queue is full; try again after a moment.
    Overloaded,
    /// The members' states differ and no majority agrees: no write is taken (rule 10.3).
    Corrupt,
    /// It would make the state grow, and too few members have room on their disks (rule 1.7).
    NoSpace,
    /// It would make the state grow, and too few members have memory for it (rule 11.2).
    NoMemory,
    /// A new leader's entry took the place of this one: certainly not done, safe to retry.
    Superseded,
    /// It may or may not have been done, or may still be.
    Unknown,
    /// There is no other voter, or not the one that was named, to hand leadership to.
    NoTransferTarget,
    /// Leadership did not move in time. It may yet: the target may have been told to campaign.
    TransferFailed,
    /// The change of members can not be made.
    Refused(ChangeRefusal),
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Which request.
    pub ticket: Ticket,
    /// What it came to.
    pub result: Result<Done, Failure>,
}

/// What members say to each other: raft's messages, and writes handed to the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerMessage {
    /// Raft's own.
    Raft(raft::Message),
    /// A follower hands a write to the leader of `term`. The pair of `life` and `number` is used
    /// for one message only, so a second copy of it is never taken for a second write.
    Forward {
        /// The term whose leader it is meant for.
        term: Term,
        /// Random, chosen when the follower's process started.
        life: u64,
        /// Ascends within a life.
        number: u64,
        /// The encoded command.
        command: Bytes,
    },
    /// The leader's answer, made when it has proposed the command (not when it has committed):
    /// the follower learns the outcome from its own log. No answer: it may have been proposed.
    ForwardAnswer {
        /// The life and number of the `Forward` it answers.
        life: u64,
        /// See `life`.
        number: u64,
        /// Where the command stands in the log, or why it certainly does not.
        result: Result<LogId, ForwardRefusal>,
    },
    /// A follower asks the leader of `term` about a lease. To ask twice does no harm.
    LeaseAsk {
        /// The term whose leader it is meant for.
        term: Term,
        /// Random, chosen when the follower's process started.
        life: u64,
        /// Ascends within a life.
        number: u64,
        /// Which one.
        lease: LeaseId,
        /// What is asked.
        ask: LeaseAsk,
    },
    /// The leader's answer.
    LeaseAnswer {
        /// The life and number of the `LeaseAsk` it answers.
        life: u64,
        /// See `life`.
        number: u64,
        /// How the lease stands, or why it was not looked at.
        result: Result<LeaseTold, LeaseRefusal>,
    },
    /// How a member is, for the leader: about once a second, and when it changes.
    Report {
        /// Its newest samples of its state hash, oldest first, at most [`crate::SAMPLES_MAX`].
        samples: Vec<Sample>,
        /// Its disk has too little room for what grows.
        lacks_room: bool,
        /// What it uses of its memory.
        memory: MemoryUse,
        /// Who speaks for it.
        process: Process,
    },
    /// The leader tells what state hash a majority has: a member that has told that it has the
    /// same, or one that has another.
    Verdict {
        /// What the majority has.
        majority: Sample,
    },
}

/// Why a forwarded write was not proposed: certainly not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardRefusal {
    /// The receiver does not lead (any more).
    NotLeader,
    /// Its queues are full.
    Overloaded,
    /// The members' states differ, and no majority agrees.
    Corrupt,
    /// It would make the state grow, and too few members have room.
    NoSpace,
    /// The same of memory.
    NoMemory,
    /// The receiver does not know this kind of command, or no gateway of its own would take it.
    UnknownCommand,
}

/// Why a question about a lease was not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseRefusal {
    /// The receiver does not lead (any more).
    NotLeader,
    /// Too many ask it.
    Overloaded,
}

/// Why a member can not go on. Its process should end, saying so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The log failed. What was not durable by then never will be acknowledged.
    Log(String),
    /// A committed entry can not be applied: a newer member proposed it.
    Apply(ApplyError),
    /// The member was removed from the cluster, for good.
    Removed,
    /// The cluster uses more than this program knows.
    Newer(ConfigurationError),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Log(reason) => write!(f, "the log failed: {reason}"),
            Stop::Newer(reason) => write!(f, "{reason}"),
            Stop::Removed => write!(
                f,
                "this member was removed from its cluster; to take part again it needs a new data \
                 directory"
            ),
            Stop::Apply(reason) => write!(f, "{reason}; upgrade this member"),
        }
    }
}

impl std::error::Error for Stop {}

/// A member's state in numbers, for status pages and metrics.
#[derive(Clone, Debug)]
pub struct Status {
    /// This member.
    pub id: MemberId,
    /// Its role.
    pub role: RoleName,
    /// Its term.
    pub term: Term,
    /// Who has its vote in this term.
    pub vote: Option<MemberId>,
    /// Who leads, if known.
    pub leader: Option<MemberId>,
    /// The last entry of its log.
    pub last: LogId,
    /// The last index it has on disk.
    pub durable: u64,
    /// The last index it knows to be committed.
    pub commit: u64,
    /// The store's published state: applied index, revision, state hash.
    pub published: Published,
    /// For how long the cluster has had a leader, ms (rule 8.1).
    pub age_ms: u64,
    /// On the leader, what it knows of each follower.
    pub peers: Vec<FollowerStatus>,
    /// The members, as `Effects::configuration` has them.
    pub configuration: Arc<Configuration>,
    /// Whether the members' states agree.
    pub agreement: Agreement,
    /// The room on this member's disk.
    pub room: RoomStatus,
    /// What this member uses of its memory.
    pub memory: MemoryUse,
    /// Requests waiting for an answer.
    pub pending: usize,
    /// Its snapshots.
    pub snapshots: SnapshotStatus,
    /// The feature levels that members' programs know: on the leader all that it was told, on a
    /// follower its own.
    pub levels: BTreeMap<MemberId, u32>,
}

/// Everything a replica wants done after its inputs; the order of use is told in `order.rs`.
#[derive(Debug, Default)]
pub struct Effects {
    /// For peers, in order for each.
    pub send: Vec<(MemberId, PeerMessage)>,
    /// For peers, about snapshots, on a lane of its own: in order for each.
    pub send_snapshot: Vec<(MemberId, SnapshotMessage)>,
    /// For the log thread, in order.
    pub log: Vec<LogRequest>,
    /// For the snapshot thread, in order.
    pub snapshot: Vec<SnapshotRequest>,
    /// For clients.
    pub answers: Vec<Answer>,
    /// Something was published: the dispatcher has events to hand out, perhaps
    /// ([`Replica::dispatcher`](crate::Replica::dispatcher)).
    pub published: bool,
    /// Revisions in which what was due was removed, of those that were published: what a watch
    /// tells as deleted there has expired.
    pub expired: Vec<Revision>,
    /// Whether the members' states agree, when that has changed: an alarm, or its end.
    pub agreement: Option<Agreement>,
    /// For traces and the dashboard.
    pub events: Vec<Event>,
    /// The newest configuration in this member's log changed, or was committed: the peers to speak
    /// with are its members (rule 4.1). Whoever it removes is among them, as leaving, until it is
    /// committed: without them it may never be, so only then may they be turned away.
    pub configuration: Option<Arc<Configuration>>,
    /// Messages that were refused: from whom, and why. Honest peers cause none.
    pub refused: Vec<(MemberId, Refusal)>,
    /// The member can not go on; from now on it only fails requests.
    pub stop: Option<Stop>,
}
