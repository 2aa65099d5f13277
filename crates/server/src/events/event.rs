//! What happens at a member: one table of kinds, as docs/events.md publishes it. Plain numbers
//! only, so that the replica thread notes one without asking for memory; the same type reads what
//! another member tells, so that nothing of its bytes goes on to anybody that is not of this shape.

use raft::{Event as RaftEvent, MemberId, RoleName};
use serde::{Deserialize, Serialize};

use super::id::Id;
use super::message::Message;

/// One thing that happened, or several that are told as one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// What.
    #[serde(flatten)]
    pub(crate) what: What,
    /// When, µs since 1970, by the clock of the member that tells it.
    pub(crate) t_us: u64,
    /// Where.
    pub(crate) member: Id,
    /// How many it stands for.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub(crate) count: u64,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum What {
    /// Its role or its term is another now.
    Role { role: Role, term: u64 },
    /// It knows a leader.
    Leader { leader: Id, term: u64 },
    /// It gave or refused its vote, or said whether it would.
    Vote { candidate: Id, term: u64, pre: bool, granted: bool },
    /// Entries at the end of its log.
    Appended { first: u64, last: u64, term: u64 },
    /// Entries that conflicted with the leader's are gone.
    Truncated { from: u64 },
    /// On the leader: the member has told that it has all up to here on its disk.
    Acknowledged { index: u64 },
    /// It knows that all up to here is on a majority of disks.
    Committed { index: u64 },
    /// Its store shows all up to here.
    Applied { index: u64, revision: u64 },
    /// Other members count now.
    Configured { index: u64, joint: bool },
    /// A follower needs what is gone from this leader's log.
    SnapshotWanted {
        #[serde(rename = "for")]
        member: Id,
    },
    /// A snapshot took the place of its log.
    SnapshotInstalled { index: u64, term: u64 },
    /// Its log begins after this entry now.
    LogCut { index: u64, term: u64 },
    /// It hands leadership over.
    Transferring { to: Id },
    /// Its stream from a peer has begun or ended.
    Link { peer: Id, up: bool },
    /// Its state differs from the majority's, or is in order again.
    Diverged {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<u64>,
        over: bool,
    },
    /// Its process has begun.
    Started,
    /// Its process ends.
    Ended,
    /// It has handed a message to the stream to another.
    Message(Message),
    /// A newer member tells of something that this one does not know.
    #[serde(other)]
    Unknown,
}

/// A member's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks whether it would win an election.
    PreCandidate,
    /// Stands for election.
    Candidate,
    /// Leads.
    Leader,
}

/// Kinds that may be folded, in the order of [`What::frequent`].
pub(super) const FREQUENT_KINDS: usize = 5;

impl Event {
    /// One that stands for itself.
    pub(crate) fn new(t_us: u64, member: MemberId, what: What) -> Event {
        Event { what, t_us, member: Id(member), count: 1 }
    }

    /// Stands for a later one, too: the numbers are the later one's, but for where it all began.
    pub(super) fn fold(&mut self, later: &Event) {
        self.count = self.count.saturating_add(later.count);
        let first_before = match self.what {
            What::Appended { first, .. } => Some(first),
            _ => None,
        };
        self.what = later.what;
        if let (What::Appended { first, .. }, Some(before)) = (&mut self.what, first_before) {
            *first = before.min(*first);
        }
    }

    /// Whether it is told however often it happens, and the cluster's state after it.
    pub(crate) fn is_rare(&self) -> bool {
        self.what.frequent().is_none()
    }
}

impl What {
    /// Which of the kinds that may be folded it is.
    pub(super) fn frequent(&self) -> Option<usize> {
        match self {
            What::Appended { .. } => Some(0),
            What::Committed { .. } => Some(1),
            What::Applied { .. } => Some(2),
            What::Acknowledged { .. } => Some(3),
            What::Message(_) => Some(4),
            _ => None,
        }
    }
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Role {
        match role {
            RoleName::Follower => Role::Follower,
            RoleName::PreCandidate => Role::PreCandidate,
            RoleName::Candidate => Role::Candidate,
            RoleName::Leader => Role::Leader,
        }
    }
}

impl From<&RaftEvent> for What {
    fn from(event: &RaftEvent) -> What {
        match *event {
            RaftEvent::Role { role, term } => What::Role { role: role.into(), term: term.0 },
            RaftEvent::LeaderKnown { leader, term } => {
                What::Leader { leader: Id(leader), term: term.0 }
            }
            RaftEvent::Voted { candidate, term, pre, granted } => {
                What::Vote { candidate: Id(candidate), term: term.0, pre, granted }
            }
            RaftEvent::Appended { first, last } => {
                What::Appended { first: first.0, last: last.index.0, term: last.term.0 }
            }
            RaftEvent::Truncated { from } => What::Truncated { from: from.0 },
            RaftEvent::Configured { index, joint } => What::Configured { index: index.0, joint },
            RaftEvent::Committed { index } => What::Committed { index: index.0 },
            RaftEvent::SnapshotWanted { member } => What::SnapshotWanted { member: Id(member) },
            RaftEvent::SnapshotInstalled { last } => {
                What::SnapshotInstalled { index: last.index.0, term: last.term.0 }
            }
            RaftEvent::LogCut { to } => What::LogCut { index: to.index.0, term: to.term.0 },
            RaftEvent::Transferring { to } => What::Transferring { to: Id(to) },
        }
    }
}

fn one() -> u64 {
    1
}

fn is_one(count: &u64) -> bool {
    *count == 1
}

#[cfg(test)]
mod tests {
    use raft::{Index, LogId, Term};
    use serde_json::json;

    use super::*;

    fn shown(what: What) -> serde_json::Value {
        let event = Event::new(7, MemberId(0x3f), what);
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn each_kind_is_shown_with_its_fields_and_read_again() {
        assert_eq!(
            shown(What::Role { role: Role::PreCandidate, term: 4 }),
            json!({"kind":"role","t_us":7,"member":"3f","role":"pre-candidate","term":4})
        );
        assert_eq!(
            shown(What::SnapshotWanted { member: Id(MemberId(2)) }),
            json!({"kind":"snapshot_wanted","t_us":7,"member":"3f","for":"2"})
        );
        assert_eq!(shown(What::Started), json!({"kind":"started","t_us":7,"member":"3f"}));
        let over = What::Diverged { index: None, over: true };
        assert_eq!(shown(over), json!({"kind":"diverged","t_us":7,"member":"3f","over":true}));
        let last = LogId::new(Term(3), Index(9));
        let appended = What::from(&RaftEvent::Appended { first: Index(8), last });
        assert_eq!(
            shown(appended),
            json!({"kind":"appended","t_us":7,"member":"3f","first":8,"last":9,"term":3})
        );
    }

    #[test]
    fn what_is_not_known_is_no_error_and_no_event() {
        let newer = r#"{"kind":"newer","t_us":7,"member":"3f","with":{"more":[1]}}"#;
        assert_eq!(serde_json::from_str::<Event>(newer).unwrap().what, What::Unknown);
        let field = r#"{"kind":"committed","t_us":7,"member":"3f","index":1,"x":"<script>"}"#;
        let event: Event = serde_json::from_str(field).unwrap();
        assert!(!serde_json::to_string(&event).unwrap().contains("script"));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for text in [
            r#"{"kind":"committed","t_us":7,"member":"3f"}"#,
            r#"{"kind":"committed","t_us":7,"member":"3f","index":"1"}"#,
            r#"{"kind":"committed","t_us":-7,"member":"3f","index":1}"#,
            r#"{"kind":"committed","t_us":7,"member":"<b>","index":1}"#,
            r#"{"kind":"role","t_us":7,"member":"3f","role":"king","term":1}"#,
            r#"{"kind":"message","t_us":7,"member":"3f","to":"2","what":1}"#,
            r#"{"t_us":7,"member":"3f"}"#,
        ] {
            assert!(serde_json::from_str::<Event>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_folded_one_has_the_last_numbers_and_begins_where_the_first_did() {
        let mut event = Event::new(1, MemberId(1), What::Appended { first: 3, last: 4, term: 2 });
        event.fold(&Event::new(2, MemberId(1), What::Appended { first: 5, last: 9, term: 2 }));
        assert_eq!(event.what, What::Appended { first: 3, last: 9, term: 2 });
        assert_eq!((event.count, event.t_us), (2, 1));
    }
}
