//! One thing that happened: the kinds of docs/events.md that a live cluster tells.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::state::ClusterState;
use crate::types::decode_bytes;

/// Something that happened, or several things that are told as one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What.
    #[serde(flatten)]
    pub happened: Happened,
    /// When, in µs since 1970, by the clock of the member that is listened to.
    pub t_us: u64,
    /// At which member: its id.
    pub member: String,
    /// How many it stands for.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u64,
}

/// What happened. Members are named by their ids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Happened {
    /// Who tells, told first.
    Hello(Hello),
    /// How all members are.
    State(ClusterState),
    /// Its role or its term is another now.
    #[allow(missing_docs, reason = "they are what they are called")]
    Role { role: String, term: u64 },
    /// It knows a leader; of itself: it was elected.
    #[allow(missing_docs, reason = "they are what they are called")]
    Leader { leader: Option<String>, term: u64 },
    /// It gave or refused its vote.
    #[allow(missing_docs, reason = "they are what they are called")]
    Vote {
        candidate: String,
        term: u64,
        /// It only said whether it would.
        #[serde(default)]
        pre: bool,
        granted: bool,
    },
    /// Entries are new at the end of its log.
    #[allow(missing_docs, reason = "they are what they are called")]
    Appended { first: u64, last: u64, term: u64 },
    /// Entries that conflicted with the leader's are gone.
    Truncated {
        /// The first of them.
        from: u64,
    },
    /// It has told the leader what is on its disk.
    Acknowledged {
        /// All up to here.
        index: u64,
    },
    /// It knows what is on a majority of disks.
    Committed {
        /// All up to here.
        index: u64,
    },
    /// Its store shows more.
    Applied {
        /// All up to here.
        index: u64,
        /// Of its store.
        revision: u64,
    },
    /// Other members count now.
    Configured {
        /// The entry that says so.
        index: u64,
        /// Two majorities are needed.
        joint: bool,
    },
    /// A follower needs what is gone from this leader's log.
    SnapshotWanted {
        /// Which one.
        #[serde(rename = "for")]
        follower: String,
    },
    /// A snapshot took the place of its log.
    SnapshotInstalled {
        /// All up to here.
        index: u64,
        /// Of the entry there.
        term: u64,
    },
    /// Its log begins later now.
    LogCut {
        /// After this entry.
        index: u64,
        /// Of that entry.
        term: u64,
    },
    /// It hands leadership over.
    Transferring {
        /// To whom.
        to: String,
    },
    /// Its stream from another member has begun or ended.
    #[allow(missing_docs, reason = "they are what they are called")]
    Link { peer: String, up: bool },
    /// Its state differs from the majority's.
    Diverged {
        /// Where that was found.
        #[serde(default)]
        index: Option<u64>,
        /// It does not any more.
        over: bool,
    },
    /// Its process has begun.
    Started,
    /// Its process ends.
    Ended,
    /// It sent something.
    Message(MessageSent),
    /// A key is another now.
    Key(KeyChange),
    /// Of a later version; never among the events that are handed out.
    #[serde(other)]
    Unknown,
}

/// The member that is listened to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Its name.
    pub name: String,
    /// The cluster's.
    #[serde(default)]
    pub cluster_id: String,
    /// Of its program.
    #[serde(default)]
    pub version: String,
    /// Users are asked who they are.
    #[serde(default)]
    pub auth: bool,
    /// Who listens, if that is known.
    #[serde(default)]
    pub user: Option<String>,
}

/// A message of the protocol. Which numbers it has depends on `what`: docs/events.md.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "they are docs/events.md's, where each is explained")]
pub struct MessageSent {
    pub to: String,
    /// `heartbeat`, `append`, `vote` and so on.
    pub what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_term: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_total: Option<u64>,
}

/// What became of a key. Its value is never told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChange {
    /// `put`, `delete` or `expire`.
    pub op: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    /// How long the key is, if that is longer than what is told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_bytes: Option<u64>,
    /// Of the store.
    pub revision: u64,
    /// How long the value is.
    #[serde(default)]
    pub bytes: u64,
    /// How often it was written since it was created.
    #[serde(default)]
    pub version: u64,
}

impl Happened {
    /// Whether it is of those that are told however often they happen.
    pub fn is_rare(&self) -> bool {
        match self {
            Happened::Role { .. }
            | Happened::Leader { .. }
            | Happened::Vote { .. }
            | Happened::Truncated { .. }
            | Happened::Configured { .. }
            | Happened::SnapshotWanted { .. }
            | Happened::SnapshotInstalled { .. }
            | Happened::LogCut { .. }
            | Happened::Transferring { .. }
            | Happened::Link { .. }
            | Happened::Diverged { .. }
            | Happened::Started
            | Happened::Ended => true,
            Happened::Hello(_)
            | Happened::State(_)
            | Happened::Appended { .. }
            | Happened::Acknowledged { .. }
            | Happened::Committed { .. }
            | Happened::Applied { .. }
            | Happened::Message(_)
            | Happened::Key(_)
            | Happened::Unknown => false,
        }
    }
}

impl KeyChange {
    /// The first bytes of the key; none where it was told in a way that is no key.
    pub fn key(&self) -> Cow<'_, [u8]> {
        match (&self.key, &self.key_base64) {
            (Some(text), _) => Cow::Borrowed(text.as_bytes()),
            (None, encoded) => {
                let bytes = decode_bytes(None, encoded.clone()).unwrap_or_default();
                Cow::Owned(bytes.into())
            }
        }
    }
}

fn one() -> u64 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_one(count: &u64) -> bool {
    *count == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Event {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_key_is_told_as_text_or_in_base64() {
        let numbers = r#""kind":"key","t_us":1,"member":"a","op":"put","revision":3,"bytes":5"#;
        for (key, bytes) in [
            (r#""key":"db.host""#, &b"db.host"[..]),
            (r#""key_base64":"/w==""#, b"\xff"),
            (r#""key_base64":"!""#, b""),
        ] {
            let Happened::Key(change) = event(&format!("{{{numbers},{key}}}")).happened else {
                panic!("no key: {key}")
            };
            assert_eq!((&*change.key(), change.bytes), (bytes, 5), "{key}");
        }
    }

    #[test]
    fn an_event_is_written_as_it_was_read() {
        for fields in [
            r#""kind":"snapshot_wanted","for":"2""#,
            r#""kind":"vote","candidate":"2","term":4,"pre":true,"granted":false"#,
            r#""kind":"message","to":"2","what":"heartbeat","term":4,"commit":9"#,
        ] {
            let text = format!(r#"{{{fields},"t_us":7,"member":"3f","count":2}}"#);
            assert_eq!(serde_json::to_string(&event(&text)).unwrap(), text);
        }
    }
}
