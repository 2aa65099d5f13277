//! Who is in the cluster: the payload of a configuration entry. docs/format/configuration.md has
//! its bytes, `change.rs` the ways from one configuration to the next.
//!
//! ```text
//!   Learner ──promote──▶ Joining ─┐                        ┌─▶ Voter
//!                                 ├─ the joint one is over ─┤
//!   Voter ───remove────▶ Leaving ─┘                        └─▶ gone, and recorded as removed
//! ```
//!
//! A configuration in which somebody is joining or leaving is *joint* (Raft §6): whatever it
//! decides needs a majority of the voters before and a majority of those after.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;
use raft::{ConfigurationCodec, MemberId, Membership};

use crate::level::{FEATURE_LEVEL, FIRST_LEVEL};

/// At most this many members are in a cluster, learners and reserved places included.
pub const MEMBERS_MAX: usize = 64;

/// So many removed members are remembered; then the oldest is forgotten. It could only come back
/// as a stranger that nobody counts.
pub const REMOVED_MAX: usize = 1_000;

/// A member tells its clients of so many URLs at most.
pub const CLIENT_URLS_MAX: usize = 8;

/// A URL has at most so many bytes.
pub const URL_BYTES_MAX: usize = 255;

/// The incarnation of a reserved place: no process has claimed it yet.
pub const UNCLAIMED: u128 = 0;

/// What the payload of a configuration entry means for voting.
pub const CODEC: ConfigurationCodec = ConfigurationCodec {
    decode: |payload| Some(Configuration::decode(payload.clone()).ok()?.membership()),
    leave_joint: |payload| {
        let configuration = Configuration::decode(payload.clone()).ok()?;
        configuration.leave_joint().map(|next| next.encode())
    },
};

/// The cluster's identity and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Random, chosen by the founder.
    pub cluster_id: u128,
    /// All members.
    pub members: BTreeMap<MemberId, Member>,
    /// Who was removed, oldest first, at most [`REMOVED_MAX`]; an id never comes back.
    pub removed: Vec<MemberId>,
    /// What its members may use of what their programs know (`level.rs`); at least 1.
    pub feature_level: u32,
}

/// One member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Of its data directory: a wiped one has another (rule 3.1). [`UNCLAIMED`] for a place that
    /// is only reserved.
    pub incarnation: u128,
    /// What people call it.
    pub name: String,
    /// `host:port`, where its peers reach it, and clients unless it tells them otherwise.
    pub address: String,
    /// What it counts for.
    pub standing: Standing,
    /// Where it tells clients to come, if not to `address`: URLs as they were written.
    pub client_urls: Vec<String>,
    /// A learner that does not ask for its vote: somebody else will, or nobody.
    pub stays_learner: bool,
    /// It is about to be restarted, and no other may be meanwhile (`drain.rs`).
    pub draining: Option<Draining>,
}

/// The mark of a member that is about to be restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draining {
    /// The process that is to end: the mark goes when another one speaks for the member.
    pub life: u64,
    /// Or when the cluster is so old, in ms (rule 8.1).
    pub until_age_ms: u64,
}

/// What a member counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Votes, and counts for every majority.
    Voter,
    /// Receives everything, and counts for nothing.
    Learner,
    /// In a joint configuration: counts only among the voters after.
    Joining,
    /// In a joint configuration: counts only among the voters before, and is removed then.
    Leaving,
}

/// Why bytes are no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigurationError {
    /// Not the encoding at all.
    Malformed,
    /// No voters, a member id of 0, the same id twice, ids of the wrong length, or too much of
    /// something.
    Inconsistent(&'static str),
    /// Of a cluster that uses what this program does not know (rule 4.5).
    Newer {
        /// The cluster's feature level.
        level: u32,
    },
}

impl std::fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConfigurationError::Malformed => write!(f, "not an encoded configuration"),
            ConfigurationError::Inconsistent(what) => write!(f, "configuration: {what}"),
            ConfigurationError::Newer { level } => write!(
                f,
                "the cluster has feature level {level}, and this version knows levels up to \
                 {FEATURE_LEVEL}: start a newer version of raftkv here, one that knows it"
            ),
        }
    }
}

impl std::error::Error for ConfigurationError {}

#[derive(Clone, PartialEq, prost::Message)]
struct EncodedConfiguration {
    #[prost(bytes = "bytes", tag = "1")]
    cluster_id: Bytes,
    #[prost(message, repeated, tag = "2")]
    members: Vec<EncodedMember>,
    #[prost(fixed64, repeated, tag = "3")]
    removed: Vec<u64>,
    #[prost(uint32, tag = "4")]
    feature_level: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EncodedMember {
    #[prost(fixed64, tag = "1")]
    id: u64,
    #[prost(bytes = "bytes", tag = "2")]
    incarnation: Bytes,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    address: String,
    #[prost(uint32, tag = "5")]
    standing: u32,
    #[prost(string, repeated, tag = "6")]
    client_urls: Vec<String>,
    #[prost(bool, tag = "7")]
    stays_learner: bool,
    #[prost(message, tag = "8")]
    draining: Option<EncodedDraining>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EncodedDraining {
    #[prost(fixed64, tag = "1")]
    life: u64,
    #[prost(uint64, tag = "2")]
    until_age_ms: u64,
}

impl Standing {
    /// As encoded; a voter's is left out. Numbers are never used again.
    const ENCODED: [(Standing, u32); 4] = [
        (Standing::Voter, 0),
        (Standing::Learner, 1),
        (Standing::Joining, 2),
        (Standing::Leaving, 3),
    ];

    fn encode(self) -> u32 {
        let known = Standing::ENCODED.iter().find(|(standing, _)| *standing == self);
        known.map(|&(_, number)| number).expect("every standing is in the table")
    }

    fn decode(number: u32) -> Option<Standing> {
        let known = Standing::ENCODED.iter().find(|(_, known)| *known == number);
        known.map(|&(standing, _)| standing)
    }

    /// In lower case, as status pages show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Voter => "voter",
            Standing::Learner => "learner",
            Standing::Joining => "joining",
            Standing::Leaving => "leaving",
        }
    }

    /// Whether it counts in a majority of the voters after (outside joint configurations: of the
    /// voters).
    pub fn counts_after(self) -> bool {
        matches!(self, Standing::Voter | Standing::Joining)
    }
}

impl Member {
    /// A voter.
    pub fn voter(incarnation: u128, name: String, address: String) -> Member {
        let (standing, client_urls, stays_learner) = (Standing::Voter, Vec::new(), false);
        let draining = None;
        Member { incarnation, name, address, standing, client_urls, stays_learner, draining }
    }

    /// Where clients reach it, as `host:port`: the first URL of plain HTTP that it tells them, else
    /// the first with TLS, else where its peers reach it.
    pub fn client_address(&self) -> &str {
        let of = |scheme| self.client_urls.iter().find_map(move |url| url.strip_prefix(scheme));
        let told = of("http://").or_else(|| of("https://"));
        told.map_or(&self.address, |authority| authority.trim_end_matches('/'))
    }

    /// Where its page and API are: the first URL that it tells clients, or else that of its
    /// address.
    pub fn url(&self) -> String {
        let told = self.client_urls.first().cloned();
        told.unwrap_or_else(|| format!("http://{}", self.address))
    }

    /// Whether a process has claimed the place.
    pub fn is_claimed(&self) -> bool {
        self.incarnation != UNCLAIMED
    }
}

impl Configuration {
    /// Of a cluster that is founded: nobody was removed yet, and every version can take part.
    pub fn founding(cluster_id: u128, members: BTreeMap<MemberId, Member>) -> Configuration {
        Configuration { cluster_id, members, removed: Vec::new(), feature_level: FIRST_LEVEL }
    }

    /// The member that is about to be restarted, if one is: no two are at once.
    pub fn draining(&self) -> Option<(MemberId, Draining)> {
        self.members.iter().find_map(|(&id, member)| Some((id, member.draining?)))
    }

    /// Whether it is a joint one.
    pub fn is_joint(&self) -> bool {
        let moves =
            |member: &Member| !matches!(member.standing, Standing::Voter | Standing::Learner);
        self.members.values().any(moves)
    }

    /// Whether that member was removed.
    pub fn is_removed(&self, id: MemberId) -> bool {
        self.removed.contains(&id)
    }

    /// Whether no member has or had that id.
    pub fn is_new(&self, id: MemberId) -> bool {
        !self.members.contains_key(&id) && !self.is_removed(id)
    }

    /// Who counts for what. A reserved place is nobody: nothing is sent there.
    pub fn membership(&self) -> Membership {
        let mut membership = Membership::default();
        for (&id, member) in &self.members {
            match member.standing {
                Standing::Learner if !member.is_claimed() => false,
                Standing::Learner => membership.learners.insert(id),
                Standing::Voter => membership.outgoing.insert(id) && membership.incoming.insert(id),
                Standing::Joining => membership.incoming.insert(id),
                Standing::Leaving => membership.outgoing.insert(id),
            };
        }
        if !self.is_joint() {
            membership.outgoing.clear();
        }
        membership
    }

    /// What the shell goes by while this configuration is not committed and `committed` is the
    /// newest that is: who leaves is spoken with until then, for without its word there may be no
    /// commit, and nobody is turned away yet.
    pub(crate) fn beside(mut self, committed: &Configuration) -> Configuration {
        self.removed.retain(|&id| committed.is_removed(id));
        for (&id, member) in &committed.members {
            let leaves = || Member { standing: Standing::Leaving, ..member.clone() };
            self.members.entry(id).or_insert_with(leaves);
        }
        self
    }

    /// The bytes of the log entry's payload.
    pub fn encode(&self) -> Bytes {
        let members = self.members.iter().map(|(id, member)| EncodedMember {
            id: id.0,
            incarnation: encode_u128(member.incarnation),
            name: member.name.clone(),
            address: member.address.clone(),
            standing: member.standing.encode(),
            client_urls: member.client_urls.clone(),
            stays_learner: member.stays_learner,
            draining: member
                .draining
                .map(|Draining { life, until_age_ms }| EncodedDraining { life, until_age_ms }),
        });
        // The first level is left out: what it writes, every version reads.
        let feature_level = if self.feature_level > FIRST_LEVEL { self.feature_level } else { 0 };
        let encoded = EncodedConfiguration {
            cluster_id: encode_u128(self.cluster_id),
            members: members.collect(),
            removed: self.removed.iter().map(|id| id.0).collect(),
            feature_level,
        };
        Bytes::from(encoded.encode_to_vec())
    }

    /// Reads what `encode` wrote, refusing anything else.
    pub fn decode(bytes: Bytes) -> Result<Configuration, ConfigurationError> {
        use ConfigurationError::{Inconsistent, Malformed};
        let encoded = EncodedConfiguration::decode(bytes).map_err(|_| Malformed)?;
        let feature_level = encoded.feature_level.max(FIRST_LEVEL);
        if feature_level > FEATURE_LEVEL {
            return Err(ConfigurationError::Newer { level: feature_level });
        }
        let cluster_id = decode_u128(&encoded.cluster_id)?;
        if encoded.members.len() > MEMBERS_MAX || encoded.removed.len() > REMOVED_MAX {
            return Err(Inconsistent("there are too many members"));
        }
        let mut members = BTreeMap::new();
        for member in encoded.members {
            let id = MemberId(member.id);
            if members.insert(id, decode_member(member)?).is_some() {
                return Err(Inconsistent("a member id appears twice"));
            }
        }
        let removed: Vec<MemberId> = encoded.removed.into_iter().map(MemberId).collect();
        if removed.iter().any(|id| members.contains_key(id)) {
            return Err(Inconsistent("a removed member is there"));
        }
        let configuration = Configuration { cluster_id, members, removed, feature_level };
        configuration.check_voters()?;
        Ok(configuration)
    }

    /// Both majorities of a joint configuration must be possible.
    fn check_voters(&self) -> Result<(), ConfigurationError> {
        let standings = || self.members.values().map(|member| member.standing);
        let before =
            standings().any(|standing| matches!(standing, Standing::Voter | Standing::Leaving));
        let after = standings().any(Standing::counts_after);
        if before && after {
            Ok(())
        } else {
            Err(ConfigurationError::Inconsistent("there are no voters"))
        }
    }
}

fn decode_member(encoded: EncodedMember) -> Result<Member, ConfigurationError> {
    use ConfigurationError::Inconsistent;
    if encoded.id == 0 {
        return Err(Inconsistent("a member id is 0"));
    }
    let incarnation = decode_u128(&encoded.incarnation)?;
    let standing = Standing::decode(encoded.standing);
    let standing = standing.ok_or(Inconsistent("a member's standing is unknown"))?;
    if incarnation == UNCLAIMED && standing != Standing::Learner {
        return Err(Inconsistent("a reserved place counts as a voter"));
    }
    if !are_valid_urls(&encoded.client_urls) {
        return Err(Inconsistent("a member has too many URLs, or one that is too long"));
    }
    let EncodedMember { name, address, client_urls, stays_learner, draining, .. } = encoded;
    let draining =
        draining.map(|EncodedDraining { life, until_age_ms }| Draining { life, until_age_ms });
    Ok(Member { incarnation, name, address, standing, client_urls, stays_learner, draining })
}

/// Whether a member may tell clients of these.
pub fn are_valid_urls(urls: &[String]) -> bool {
    let valid = |url: &String| (1..=URL_BYTES_MAX).contains(&url.len());
    urls.len() <= CLIENT_URLS_MAX && urls.iter().all(valid)
}

fn encode_u128(value: u128) -> Bytes {
    Bytes::copy_from_slice(&value.to_be_bytes())
}

fn decode_u128(bytes: &[u8]) -> Result<u128, ConfigurationError> {
    let bytes: [u8; 16] =
        bytes.try_into().map_err(|_| ConfigurationError::Inconsistent("an id has not 16 bytes"))?;
    Ok(u128::from_be_bytes(bytes))
}
