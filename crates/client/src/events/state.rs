//! The cluster as it stands, told four times a second.

use serde::{Deserialize, Serialize};

/// How all members are, as the member that is listened to has heard.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterState {
    /// Those of the newest configuration.
    pub members: Vec<MemberState>,
    /// Id of the leader of the highest term that any member knows of.
    #[serde(default)]
    pub leader: Option<String>,
    /// That term.
    #[serde(default)]
    pub term: u64,
    /// Two majorities are needed, while members change.
    #[serde(default)]
    pub joint: bool,
}

/// A member. What is not known of it, because it was never heard of, is as empty as it can be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemberState {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where its API is.
    pub url: String,
    /// `voter`, `learner`, `joining`, `leaving`.
    pub standing: String,
    /// How long ago it was heard of, in ms; `None` if it never was.
    pub heard_ms: Option<u64>,
    /// `follower`, `pre-candidate`, `candidate`, `leader`.
    pub role: Option<String>,
    /// As it has it.
    pub term: Option<u64>,
    /// For whom it voted in that term: an id.
    pub vote: Option<String>,
    /// Whom it knows as leader: an id.
    pub leader: Option<String>,
    /// Where its log is.
    pub log: Option<LogState>,
    /// How long it waits for its leader; `None` on a leader.
    pub election: Option<ElectionWait>,
    /// What the leader knows to be on its disk.
    pub matched: Option<u64>,
    /// Of its store.
    pub revision: Option<u64>,
    /// In its store.
    pub keys: Option<u64>,
    /// What it answered in the last second.
    pub rates: Option<Rates>,
    /// Requests that wait for an answer.
    pub pending: Option<u64>,
    /// What is wrong with it: codes as in `/cluster/status`.
    pub alarms: Vec<String>,
}

/// The log's pointers; ARCHITECTURE.md has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "they are the log's own names")]
pub struct LogState {
    pub start: u64,
    pub applied: u64,
    pub commit: u64,
    pub durable: u64,
    pub last_index: u64,
    pub last_term: u64,
}

/// A follower's wait for its leader, in ms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElectionWait {
    /// So long already.
    pub elapsed_ms: u64,
    /// Until it campaigns itself.
    pub timeout_ms: u64,
}

/// What a member answered in the last second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rates {
    /// So many.
    pub writes: u64,
    /// So many.
    pub reads: u64,
    /// Half of the writes took at most so long, in µs.
    pub p50_us: Option<u64>,
    /// 99 of 100 writes did.
    pub p99_us: Option<u64>,
}

/// Past this a member counts as not reached, in ms.
const HEARD_MS_MAX: u64 = 1_500;

impl MemberState {
    /// Whether it was heard of lately.
    pub fn is_reached(&self) -> bool {
        self.heard_ms.is_some_and(|heard_ms| heard_ms <= HEARD_MS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_was_never_heard_of_is_a_name() {
        let text = r#"{"id":"3f","name":"node-3","url":"http://localhost:8003","heard_ms":null,
                       "role":null,"log":null,"rates":null,"unknown":[1]}"#;
        let member: MemberState = serde_json::from_str(text).unwrap();
        assert!(!member.is_reached());
        assert_eq!((member.name.as_str(), member.log), ("node-3", None));
    }

    #[test]
    fn a_member_counts_as_reached_for_a_second_and_a_half() {
        let heard = |heard_ms| MemberState { heard_ms, ..MemberState::default() }.is_reached();
        assert!(heard(Some(0)) && heard(Some(1_500)));
        assert!(!heard(Some(1_501)) && !heard(None));
    }
}
