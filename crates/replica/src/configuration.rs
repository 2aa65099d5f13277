//! Who is in the cluster: the payload of the configuration entry, and what is found at bootstrap.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;
use raft::MemberId;

/// The cluster's identity and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Random, chosen by the founder.
    pub cluster_id: u128,
    /// All members.
    pub members: BTreeMap<MemberId, Member>,
}

/// One member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Of its data directory: a wiped one has another (rule 3.1).
    pub incarnation: u128,
    /// What people call it.
    pub name: String,
    /// `host:port`, where its peers and clients reach it.
    pub address: String,
}

/// Why bytes are no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigurationError {
    /// Not the encoding at all.
    Malformed,
    /// No members, a member id of 0, the same id twice, or ids of the wrong length.
    Inconsistent(&'static str),
}

impl std::fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConfigurationError::Malformed => write!(f, "not an encoded configuration"),
            ConfigurationError::Inconsistent(what) => write!(f, "configuration: {what}"),
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
}

impl Configuration {
    /// The bytes of the log entry's payload.
    pub fn encode(&self) -> Bytes {
        let members = self.members.iter().map(|(id, member)| EncodedMember {
            id: id.0,
            incarnation: encode_u128(member.incarnation),
            name: member.name.clone(),
            address: member.address.clone(),
        });
        let encoded = EncodedConfiguration {
            cluster_id: encode_u128(self.cluster_id),
            members: members.collect(),
        };
        Bytes::from(encoded.encode_to_vec())
    }

    /// Reads what `encode` wrote, refusing anything else.
    pub fn decode(bytes: Bytes) -> Result<Configuration, ConfigurationError> {
        use ConfigurationError::{Inconsistent, Malformed};
        let encoded = EncodedConfiguration::decode(bytes).map_err(|_| Malformed)?;
        let cluster_id = decode_u128(&encoded.cluster_id)?;
        let mut members = BTreeMap::new();
        for member in encoded.members {
            if member.id == 0 {
                return Err(Inconsistent("a member id is 0"));
            }
            let incarnation = decode_u128(&member.incarnation)?;
            let value = Member { incarnation, name: member.name, address: member.address };
            if members.insert(MemberId(member.id), value).is_some() {
                return Err(Inconsistent("a member id appears twice"));
            }
        }
        if members.is_empty() {
            return Err(Inconsistent("there are no members"));
        }
        Ok(Configuration { cluster_id, members })
    }
}

fn encode_u128(value: u128) -> Bytes {
    Bytes::copy_from_slice(&value.to_be_bytes())
}

fn decode_u128(bytes: &[u8]) -> Result<u128, ConfigurationError> {
    let bytes: [u8; 16] =
        bytes.try_into().map_err(|_| ConfigurationError::Inconsistent("an id has not 16 bytes"))?;
    Ok(u128::from_be_bytes(bytes))
}
