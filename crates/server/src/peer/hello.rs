//! `GET /raft/hello`: how members find each other before there is a cluster
//! (docs/format/peer.md, section 5).

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use raft::MemberId;
use replica::{Configuration, ConfigurationError, FIRST_LEVEL, are_valid_urls};
use serde::{Deserialize, Serialize};

use super::HELLO_PATH;
use super::handshake::PROTOCOL_VERSION;
use crate::ask::{Asker, Question, ask};
use crate::config::Address;

/// A peer that does not answer in this time is missing, for now.
const FETCH_TIMEOUT: Duration = Duration::from_secs(1);

/// What a member says of itself to one that looks for a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// What people call it.
    pub(crate) name: String,
    /// Its id.
    pub(crate) id: MemberId,
    /// Of its data directory.
    pub(crate) incarnation: u128,
    /// Where it says it is reached.
    pub(crate) address: Address,
    /// The other members it was told of.
    pub(crate) peers: BTreeSet<Address>,
    /// Where it tells clients to come, if not to `address`.
    pub(crate) client_urls: Vec<String>,
    /// The half of the cluster's id that it was told; none if whoever founds draws it.
    pub(crate) founding_id: Option<u64>,
    /// Its cluster; none while it is fresh.
    pub(crate) cluster: Option<Configuration>,
    /// The members are not those any more that founded the cluster: a late founder can not write
    /// the founding entry out of it.
    pub(crate) changed: bool,
    /// The feature level that its program knows.
    pub(crate) feature_level: u32,
}

/// Why there is no `Hello`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nobody answers there, or only after too long.
    Unreachable(String),
    /// Somebody answers who does not know the page, or is not ready to say.
    Refused(u16),
    /// The page does not say what it must.
    Malformed(&'static str),
    /// The member there speaks another version of the peer protocol.
    Version(u32),
    /// The cluster of the member there uses more than this program knows.
    Newer(ConfigurationError),
}

/// The page as it is on the wire.
#[derive(Serialize, Deserialize)]
struct Page {
    protocol_version: u32,
    state: State,
    name: String,
    member_id: String,
    incarnation: String,
    address: String,
    peers: Vec<String>,
    #[serde(default)]
    client_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    founding_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<String>,
    #[serde(default)]
    changed: bool,
    #[serde(default = "first_level")]
    feature_level: u32,
}

/// Versions that do not say know that one.
fn first_level() -> u32 {
    FIRST_LEVEL
}

#[derive(Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum State {
    Fresh,
    Founded,
}

impl Hello {
    /// The page's body.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let state = if self.cluster.is_some() { State::Founded } else { State::Fresh };
        let page = Page {
            protocol_version: PROTOCOL_VERSION,
            state,
            name: self.name.clone(),
            member_id: self.id.to_string(),
            incarnation: format!("{:032x}", self.incarnation),
            address: self.address.to_string(),
            peers: self.peers.iter().map(ToString::to_string).collect(),
            client_urls: self.client_urls.clone(),
            founding_id: self.founding_id.map(|id| format!("{id:016x}")),
            cluster_id: self.cluster.as_ref().map(|cluster| format!("{:032x}", cluster.cluster_id)),
            configuration: self.cluster.as_ref().map(|cluster| to_hex(&cluster.encode())),
            changed: self.changed,
            feature_level: self.feature_level,
        };
        serde_json::to_vec(&page).expect("strings and numbers are always JSON")
    }

    /// Reads what a member answered.
    fn from_json(json: &[u8]) -> Result<Hello, Silence> {
        // The version first: another version's page may look otherwise.
        #[derive(Deserialize)]
        struct Version {
            protocol_version: u32,
        }
        let version: Version = serde_json::from_slice(json).map_err(|_| MALFORMED_JSON)?;
        if version.protocol_version != PROTOCOL_VERSION {
            return Err(Silence::Version(version.protocol_version));
        }
        let page: Page = serde_json::from_slice(json).map_err(|_| MALFORMED_JSON)?;
        page.check()
    }
}

const MALFORMED_JSON: Silence = Silence::Malformed("its hello is not the JSON it should be");

impl Page {
    fn check(self) -> Result<Hello, Silence> {
        let id = u64::from_str_radix(&self.member_id, 16).ok().filter(|id| *id != 0);
        let id = id.ok_or(Silence::Malformed("its member id is no id"))?;
        let incarnation = u128::from_str_radix(&self.incarnation, 16)
            .map_err(|_| Silence::Malformed("its incarnation is no id"))?;
        let cluster = match &self.configuration {
            Some(configuration) if self.state == State::Founded => {
                Some(read_cluster(configuration)?)
            }
            None if self.state == State::Fresh => None,
            _ => return Err(Silence::Malformed("its state contradicts its configuration")),
        };
        if !are_valid_urls(&self.client_urls) {
            return Err(Silence::Malformed("it has too many URLs, or one that is too long"));
        }
        let founding_id = self.founding_id.map(|id| u64::from_str_radix(&id, 16)).transpose();
        let founding_id =
            founding_id.map_err(|_| Silence::Malformed("its cluster's id is no id"))?;
        let peers = self.peers.iter().map(|peer| read_address(peer)).collect::<Result<_, _>>()?;
        let address = read_address(&self.address)?;
        let (name, id, changed, client_urls) =
            (self.name, MemberId(id), self.changed, self.client_urls);
        let feature_level = self.feature_level.max(FIRST_LEVEL);
        Ok(Hello {
            name,
            id,
            incarnation,
            address,
            peers,
            client_urls,
            founding_id,
            cluster,
            changed,
            feature_level,
        })
    }
}

fn read_address(text: &str) -> Result<Address, Silence> {
    Address::parse(text).map_err(|_| Silence::Malformed("it names an address that is none"))
}

fn read_cluster(hex: &str) -> Result<Configuration, Silence> {
    let bytes = from_hex(hex).ok_or(Silence::Malformed("its configuration is not hex"))?;
    Configuration::decode(Bytes::from(bytes)).map_err(|error| match error {
        newer @ ConfigurationError::Newer { .. } => Silence::Newer(newer),
        _ => Silence::Malformed("its configuration is damaged"),
    })
}

/// Asks the member at `address` in the name of the member `asker`.
pub(crate) async fn fetch(asker: &Asker, address: &Address) -> Result<Hello, Silence> {
    let address = address.to_string();
    match tokio::time::timeout(FETCH_TIMEOUT, fetch_page(asker, &address)).await {
        Ok(json) => Hello::from_json(&json?),
        Err(_) => Err(Silence::Unreachable("no answer in time".to_owned())),
    }
}

async fn fetch_page(asker: &Asker, address: &str) -> Result<Bytes, Silence> {
    let answer = ask(asker, address, Question::get(HELLO_PATH)).await;
    match answer.map_err(|why| Silence::Unreachable(why.to_string()))? {
        (StatusCode::OK, page) => Ok(page),
        (status, _) => Err(Silence::Refused(status.as_u16())),
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Silence::Unreachable(why) => write!(f, "{why}"),
            Silence::Refused(status) => write!(f, "no member answers there (HTTP {status})"),
            Silence::Malformed(what) => write!(f, "{what}"),
            Silence::Newer(newer) => write!(f, "{newer}"),
            Silence::Version(version) => {
                write!(
                    f,
                    "it speaks version {version} of the peer protocol, not {PROTOCOL_VERSION}"
                )
            }
        }
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        return None;
    }
    let digits = hex.as_bytes().chunks_exact(2);
    digits
        .map(|pair| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect()
}
