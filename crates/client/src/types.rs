//! What a member answers, as values; and the JSON that it comes in, which stays in this crate.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Endpoint, Error};

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
}

/// A write that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Written {
    /// The revision it made.
    pub revision: Revision,
}

/// A removal that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Deleted {
    /// How many keys were there to be removed: 0 or 1.
    pub deleted: u64,
}

impl Deleted {
    pub(crate) const NOTHING: Deleted = Deleted { deleted: 0 };
}

/// One member of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// In hex.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `host:port`.
    pub address: String,
    /// The address, if it is one that this client can use.
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
    /// `host:port`.
    pub address: String,
    /// `leader`, `follower`, `candidate` or `pre_candidate`.
    pub role: String,
    /// Its term.
    pub term: u64,
    /// The id of the leader it follows, or its own.
    pub leader: Option<String>,
    /// Its log.
    pub log: LogPointers,
    /// The revision of its store.
    pub revision: Revision,
    /// A sum over its store, in hex: equal on all members at equal applied indexes.
    pub state_hash: String,
    /// How many keys its store holds.
    pub keys: u64,
    /// The version of the program.
    pub version: String,
    /// The cluster as this member sees it.
    #[serde(default)]
    pub members: Vec<MemberView>,
    /// The state of the cluster as this member sees it, in words.
    #[serde(default)]
    pub health: String,
    /// Whatever else it says.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

/// How far a member's log reaches, in which sense: applied ≤ commit, durable ≤ last index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPointers {
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// In hex.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `host:port`.
    pub address: String,
    /// On the leader: how many entries it lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// On the leader: for how long it has not answered, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_ms: Option<u64>,
    /// Whatever else is said of it.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
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
}

impl EncodedKeyValue {
    pub(crate) fn decode(self) -> Result<KeyValue, Error> {
        Ok(KeyValue {
            key: decode_bytes(self.key, self.key_base64)?,
            value: decode_bytes(self.value, self.value_base64)?,
            version: self.version,
            create_revision: self.create_revision,
            mod_revision: self.mod_revision,
        })
    }
}

fn decode_bytes(text: Option<String>, base64: Option<String>) -> Result<Bytes, Error> {
    match (text, base64) {
        (Some(text), _) => Ok(Bytes::from(text)),
        (None, Some(encoded)) => BASE64
            .decode(encoded)
            .map(Bytes::from)
            .map_err(|error| Error::Malformed { reason: format!("base64: {error}") }),
        (None, None) => Ok(Bytes::new()),
    }
}

#[derive(Deserialize)]
struct EncodedMember {
    id: String,
    name: String,
    address: String,
}

impl EncodedMember {
    fn decode(self) -> Member {
        let endpoint = self.address.parse().ok();
        Member { id: self.id, name: self.name, address: self.address, endpoint }
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
