//! What a member answers, as values; and the JSON that it comes in, which stays in this crate.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Endpoint, Error, LeaseId};

/// The version of the whole store: it grows by one with every write.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key, its value, and when it came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// Any bytes, at least one.
    pub key: Bytes,
    /// Any bytes; empty where only keys were asked for.
    pub value: Bytes,
    /// How often the key was written since it was created, that write included.
    pub version: u64,
    /// When it was created.
    pub create_revision: Revision,
    /// When it was last written.
    pub mod_revision: Revision,
    /// What was left of its own time to live, if it has one.
    pub ttl: Option<Duration>,
    /// The lease that it is attached to, if it is.
    pub lease: Option<LeaseId>,
    /// How old the answer is; `None` if it is linearizable, and in lists, whose pages say it.
    pub stale: Option<Staleness>,
}

/// How old an answer is that did not have to be the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staleness {
    /// The last log entry that the answering member had applied.
    pub applied_index: u64,
    /// The answer holds everything that was committed so long ago, in ms, as far as the member can
    /// tell; `None` if it has not heard since it started how far the cluster is.
    pub age_ms: Option<u64>,
}

/// A write that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The revision it made.
    pub revision: Revision,
    /// What the key was before, if that was asked for and it existed. Of a write that was sent
    /// more than once it may be missing where it is larger than the store keeps (4 KiB).
    pub prev: Option<KeyValue>,
}

/// What all members of a cluster go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Settings {
    /// The past is kept for so long at the least, in ms of the time in which there was a leader,
    /// unless it takes more than `history_bytes`; 0 is without a limit.
    pub history_age_ms: u64,
    /// How many bytes the past takes at the most, about.
    pub history_bytes: u64,
}

/// What to change of the settings; the rest stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SettingsChange {
    /// See [`Settings::history_age_ms`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_age_ms: Option<u64>,
    /// See [`Settings::history_bytes`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_bytes: Option<u64>,
}

/// A compaction that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Compacted {
    /// The oldest revision that can be read from now on.
    pub compact_revision: Revision,
    /// The newest one.
    pub revision: Revision,
}

/// A removal that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// How many keys were there to be removed: 0 or 1; of a record, how many fields.
    pub deleted: u64,
    /// What the key was before, as in [`Written::prev`].
    pub prev: Option<KeyValue>,
}

impl Deleted {
    pub(crate) const NOTHING: Deleted = Deleted { deleted: 0, prev: None };
}

/// The answer to a put.
#[derive(Deserialize)]
pub(crate) struct EncodedWritten {
    revision: Revision,
    prev: Option<EncodedKeyValue>,
}

impl EncodedWritten {
    pub(crate) fn decode(self) -> Result<Written, Error> {
        let prev = self.prev.map(EncodedKeyValue::decode).transpose()?;
        Ok(Written { revision: self.revision, prev })
    }
}

/// The answer to a delete. How many went may be missing of one that was sent more than once; then
/// some did.
#[derive(Deserialize)]
pub(crate) struct EncodedDeleted {
    #[serde(default = "some")]
    deleted: u64,
    prev: Option<EncodedKeyValue>,
}

fn some() -> u64 {
    1
}

impl EncodedDeleted {
    pub(crate) fn decode(self) -> Result<Deleted, Error> {
        let prev = self.prev.map(EncodedKeyValue::decode).transpose()?;
        Ok(Deleted { deleted: self.deleted, prev })
    }
}

/// One member of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// In hex.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `host:port`, where the other members reach it.
    pub address: String,
    /// Where clients reach it, if that is somewhere that this client can go.
    pub endpoint: Option<Endpoint>,
}

/// Who leads, and since which election.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// The leader.
    pub member: Member,
    /// Its term.
    pub term: u64,
}

/// What one member says of itself, and what it knows of the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its id, in hex.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `host:port`, where the other members reach it.
    pub address: String,
    /// Where it tells clients to come, if not to `address`.
    #[serde(default)]
    pub client_urls: Vec<String>,
    /// The version of the program.
    pub version: String,
    /// `waiting` (it has no cluster yet), `running` or `stopped`.
    pub phase: String,
    /// Its part in the cluster, once it has one.
    #[serde(flatten)]
    pub part: Option<Part>,
    /// The cluster as this member sees it.
    #[serde(default)]
    pub members: Vec<MemberView>,
    /// How the cluster is, as this member sees it, in words.
    #[serde(default)]
    pub health: String,
    /// Whatever else it says.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

/// A member's part in its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// `leader`, `follower`, `candidate` or `pre_candidate`.
    pub role: String,
    /// Its term.
    pub term: u64,
    /// Its log.
    pub log: LogPointers,
    /// The revision of its store.
    pub revision: Revision,
    /// A sum over its store, in hex: equal on all members at equal applied indexes.
    pub state_hash: String,
    /// How many keys its store holds.
    pub keys: u64,
}

/// How far a member's log reaches, in which sense: applied ≤ commit, durable ≤ last index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPointers {
    /// It begins after this entry: what is before is in a snapshot.
    #[serde(default)]
    pub start: u64,
    /// The last entry it holds.
    pub last_index: u64,
    /// That entry's term.
    pub last_term: u64,
    /// The last entry it holds on disk.
    pub durable: u64,
    /// The last entry it knows to be committed.
    pub commit: u64,
    /// The last entry whose effect its store shows.
    pub applied: u64,
}

/// One member in the eyes of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberView {
    /// In hex.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `host:port`, where the other members reach it.
    pub address: String,
    /// Where it tells clients to come, if not to `address`.
    #[serde(default)]
    pub client_urls: Vec<String>,
    /// `voter`, `learner`, or while a change of members is under way `joining` or `leaving`.
    #[serde(default = "voter")]
    pub standing: String,
    /// Whatever else is said of it: how far its log is known to be.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

impl MemberView {
    /// Where clients reach it, if that is somewhere that this client can go.
    pub fn endpoint(&self) -> Option<Endpoint> {
        Endpoint::for_clients(&self.client_urls, &self.address)
    }
}

impl Status {
    /// Where clients reach the member, if that is somewhere that this client can go.
    pub fn endpoint(&self) -> Option<Endpoint> {
        Endpoint::for_clients(&self.client_urls, &self.address)
    }
}

/// Members of versions that do not say it are voters.
fn voter() -> String {
    "voter".to_owned()
}

/// Bytes in JSON: text where they are text, base64 otherwise.
#[derive(Deserialize)]
pub(crate) struct EncodedKeyValue {
    key: Option<String>,
    key_base64: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
    version: u64,
    create_revision: Revision,
    mod_revision: Revision,
    ttl_ms: Option<u64>,
    lease: Option<LeaseId>,
    #[serde(flatten)]
    stale: Option<Staleness>,
}

impl EncodedKeyValue {
    pub(crate) fn decode(self) -> Result<KeyValue, Error> {
        Ok(KeyValue {
            key: decode_bytes(self.key, self.key_base64)?,
            value: decode_bytes(self.value, self.value_base64)?,
            version: self.version,
            create_revision: self.create_revision,
            mod_revision: self.mod_revision,
            ttl: self.ttl_ms.map(Duration::from_millis),
            lease: self.lease,
            stale: self.stale,
        })
    }
}

/// The body of a refusal because of a condition.
#[derive(Deserialize)]
pub(crate) struct EncodedConflict {
    current: Option<EncodedKeyValue>,
    revision: Revision,
}

impl EncodedConflict {
    pub(crate) fn decode(self) -> Result<Error, Error> {
        let current = self.current.map(EncodedKeyValue::decode).transpose()?.map(Box::new);
        Ok(Error::ConditionFailed { current, revision: self.revision })
    }
}

pub(crate) fn decode_bytes(text: Option<String>, base64: Option<String>) -> Result<Bytes, Error> {
    match (text, base64) {
        (Some(text), _) => Ok(Bytes::from(text)),
        (None, Some(encoded)) => decode_base64(&encoded),
        (None, None) => Ok(Bytes::new()),
    }
}

pub(crate) fn decode_base64(encoded: &str) -> Result<Bytes, Error> {
    let decoded = BASE64.decode(encoded);
    decoded
        .map(Bytes::from)
        .map_err(|error| Error::Malformed { reason: format!("base64: {error}") })
}

/// A member whose name is not known yet is named by its id alone.
#[derive(Deserialize)]
struct EncodedMember {
    id: String,
    name: Option<String>,
    address: Option<String>,
    #[serde(default)]
    client_urls: Vec<String>,
}

impl EncodedMember {
    fn decode(self) -> Member {
        let address = self.address.unwrap_or_default();
        let name = self.name.unwrap_or_else(|| self.id.clone());
        let endpoint = Endpoint::for_clients(&self.client_urls, &address);
        Member { endpoint, id: self.id, name, address }
    }
}

#[derive(Deserialize)]
pub(crate) struct EncodedMembers {
    members: Vec<EncodedMember>,
}

impl EncodedMembers {
    pub(crate) fn decode(self) -> Vec<Member> {
        self.members.into_iter().map(EncodedMember::decode).collect()
    }
}

#[derive(Deserialize)]
pub(crate) struct EncodedLeader {
    leader: EncodedMember,
    term: u64,
}

impl EncodedLeader {
    pub(crate) fn decode(self) -> Leader {
        Leader { member: self.leader.decode(), term: self.term }
    }
}

#[derive(Deserialize)]
pub(crate) struct EncodedSession {
    pub(crate) session: String,
}

#[derive(Deserialize)]
pub(crate) struct EncodedTransfer {
    leader: EncodedMember,
}

impl EncodedTransfer {
    pub(crate) fn decode(self) -> Member {
        self.leader.decode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_without_a_cluster_has_a_status_too() {
        let waiting = r#"{"id":"a1","name":"node-1","address":"localhost:8001","version":"0.1.0",
            "phase":"waiting","uptime_ms":5,"members":[],"health":"waiting: for localhost:8002"}"#;
        let status: Status = serde_json::from_str(waiting).unwrap();
        assert_eq!((status.phase.as_str(), status.part), ("waiting", None));
        assert_eq!(status.more["uptime_ms"], 5);
    }

    #[test]
    fn a_running_member_keeps_whatever_else_it_says() {
        let running = r#"{"id":"a1","name":"node-1","address":"localhost:8001","version":"0.1.0",
            "phase":"running","role":"leader","term":3,"vote":"a1","leader":{"id":"a1"},
            "log":{"last_index":9,"last_term":3,"durable":9,"commit":9,"applied":8},
            "revision":7,"state_hash":"00ff","keys":2,
            "members":[{"id":"b2","name":"node-2","address":"localhost:8002","lag":1}]}"#;
        let status: Status = serde_json::from_str(running).unwrap();
        let part = status.part.clone().unwrap();
        assert_eq!((part.role.as_str(), part.term, part.log.applied), ("leader", 3, 8));
        assert_eq!(
            (&status.more["vote"], &status.members[0].more["lag"]),
            (&"a1".into(), &1.into())
        );
        let again = serde_json::to_value(&status).unwrap();
        assert_eq!((&again["log"]["commit"], &again["vote"]), (&9.into(), &"a1".into()));
    }

    #[test]
    fn a_stale_answer_says_how_old_it_is() {
        let answer = r#"{"key":"k","value_base64":"/w==","version":1,"create_revision":2,
            "mod_revision":2,"applied_index":9,"age_ms":12}"#;
        let item = serde_json::from_str::<EncodedKeyValue>(answer).unwrap().decode().unwrap();
        assert_eq!(item.stale, Some(Staleness { applied_index: 9, age_ms: Some(12) }));
        assert_eq!(&item.value[..], [255]);
        let answer = answer.replace("12}", "null}");
        let item = serde_json::from_str::<EncodedKeyValue>(&answer).unwrap().decode().unwrap();
        assert_eq!(item.stale, Some(Staleness { applied_index: 9, age_ms: None }));
    }
}
