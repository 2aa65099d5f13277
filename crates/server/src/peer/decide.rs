//! What a fresh member makes of what its peers say: founds a cluster, joins the one it was founded
//! into, waits, or refuses to start (rules 3.2–3.4). Pure: a function of its arguments.
//!
//! | what the listed peers answer | decision |
//! |---|---|
//! | nobody is listed | found a cluster of one |
//! | one has a cluster that holds me | adopt it |
//! | the same, but its members have changed since it was founded | take part, with an empty log |
//! | one has a cluster that does not hold me | refuse: I am new, or was wiped |
//! | two have different clusters | refuse |
//! | one is I, or has my identity or my name | refuse |
//! | one speaks another protocol version | refuse |
//! | one has a cluster of a feature level that this program does not know | refuse |
//! | one is silent, lists other members, or was told another id for the cluster | wait |
//! | all are fresh and agree; my address is the lowest | found |
//! | all are fresh and agree; another's is | wait for it |
//!
//! Why this is safe: only the lowest address of a list founds, only when everybody on the list
//! agrees on it, and a member joins only a cluster that holds its id *and* its incarnation. Two
//! clusters from one list would need its lowest member to be wiped between, and then the second
//! founding finds the first one's members, who refuse it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use raft::MemberId;
use replica::{Configuration, ConfigurationError, FEATURE_LEVEL, Member};

use super::handshake::PROTOCOL_VERSION;
use super::hello::{Hello, Silence};
use crate::config::Address;

/// What each listed peer answered last.
pub(crate) type Answers = BTreeMap<Address, Result<Hello, Silence>>;

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Ask again; the text says what is missing.
    Wait(String),
    /// Found the cluster of these members.
    Found {
        /// Their places.
        members: BTreeMap<MemberId, Member>,
        /// The feature level that all of them know.
        feature_level: u32,
    },
    /// Take part in this cluster, with its founding entry.
    Adopt(Configuration),
    /// Take part in this cluster, whose founding entry is not to be had: with an empty log.
    Join(Configuration),
    /// Do not start.
    Refuse(Refusal),
}

/// Why a fresh member does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The peers have a cluster, and this member is not in it (rule 3.4).
    ClusterExists {
        /// The peer that says so.
        peer: Address,
    },
    /// The cluster has a member of this name or at this address, with another data directory.
    Wiped {
        /// The peer that says so.
        peer: Address,
        /// The cluster's name for the member.
        name: String,
    },
    /// Two peers belong to two clusters.
    TwoClusters {
        /// One of them.
        one: Address,
        /// The other.
        other: Address,
    },
    /// A listed address leads back to this member.
    Itself {
        /// The address.
        peer: Address,
    },
    /// A peer runs on a copy of this member's data directory.
    SameIdentity {
        /// Where it is.
        peer: Address,
    },
    /// A peer has this member's name.
    SameName {
        /// Where it is.
        peer: Address,
        /// The name.
        name: String,
    },
    /// The cluster of a peer uses more than this program knows.
    Newer {
        /// The peer that says so.
        peer: Address,
        /// What it uses.
        newer: ConfigurationError,
    },
    /// A peer speaks another version of the peer protocol.
    Version {
        /// Where it is.
        peer: Address,
        /// The version.
        version: u32,
    },
}

/// Decides for the fresh member `me` (whose `peers` are the listed ones).
pub(crate) fn decide(me: &Hello, answers: &Answers) -> Decision {
    assert!(me.cluster.is_none(), "a member with a cluster has nothing to decide");
    assert!(answers.keys().all(|peer| me.peers.contains(peer)), "only listed peers are asked");
    match existing_cluster(me, answers) {
        Some(decision) => decision,
        None => match find_contradiction(me, answers) {
            Some(refusal) => Decision::Refuse(refusal),
            None => decide_among_fresh(me, answers),
        },
    }
}

/// The decision if any peer has a cluster already.
fn existing_cluster(me: &Hello, answers: &Answers) -> Option<Decision> {
    let mut clusters = hellos(answers)
        .filter_map(|(peer, hello)| Some((peer, hello.cluster.as_ref()?, hello.changed)));
    let (peer, cluster, changed) = clusters.next()?;
    if let Some((other, ..)) = clusters.find(|(_, other, _)| other.cluster_id != cluster.cluster_id)
    {
        let (one, other) = (peer.clone(), other.clone());
        return Some(Decision::Refuse(Refusal::TwoClusters { one, other }));
    }
    if cluster.members.get(&me.id).is_some_and(|member| member.incarnation == me.incarnation) {
        let cluster = cluster.clone();
        return Some(if changed { Decision::Join(cluster) } else { Decision::Adopt(cluster) });
    }
    let address = me.address.to_string();
    let mut members = cluster.members.values();
    let known = members.find(|member| member.name == me.name || member.address == address);
    let peer = peer.clone();
    Some(Decision::Refuse(match known {
        Some(member) => Refusal::Wiped { peer, name: member.name.clone() },
        None => Refusal::ClusterExists { peer },
    }))
}

/// What no waiting would put right.
fn find_contradiction(me: &Hello, answers: &Answers) -> Option<Refusal> {
    answers.iter().find_map(|(peer, answer)| {
        let peer = peer.clone();
        match answer {
            Ok(hello) if hello.id == me.id && hello.address == me.address => {
                Some(Refusal::Itself { peer })
            }
            Ok(hello) if hello.id == me.id => Some(Refusal::SameIdentity { peer }),
            Ok(hello) if hello.name == me.name => {
                Some(Refusal::SameName { peer, name: me.name.clone() })
            }
            Err(Silence::Version(version)) => Some(Refusal::Version { peer, version: *version }),
            Err(Silence::Newer(newer)) => Some(Refusal::Newer { peer, newer: newer.clone() }),
            Ok(_) | Err(_) => None,
        }
    })
}

fn decide_among_fresh(me: &Hello, answers: &Answers) -> Decision {
    let list = list_of(me);
    let missing: Vec<String> = me
        .peers
        .iter()
        .filter_map(|peer| missing(peer, answers.get(peer), me, &list))
        .chain(shared_names(answers))
        .collect();
    if !missing.is_empty() {
        return Decision::Wait(format!("waiting for peers: {}", missing.join("; ")));
    }
    let founder = list.first().expect("a list holds at least this member");
    if *founder != me.address {
        return Decision::Wait(format!("waiting for {founder} to found the cluster"));
    }
    let members = || hellos(answers).map(|(_, hello)| hello).chain([me]);
    // A member may be of a version to come: then this one's bounds what all know.
    let lowest = members().map(|hello| hello.feature_level).min();
    let feature_level = lowest.map_or(FEATURE_LEVEL, |lowest| lowest.min(FEATURE_LEVEL));
    let members = members().map(|hello| (hello.id, member(hello))).collect();
    Decision::Found { members, feature_level }
}

/// What is missing of one peer, if anything: an answer, or its consent to the list of members.
fn missing(
    peer: &Address,
    answer: Option<&Result<Hello, Silence>>,
    me: &Hello,
    list: &BTreeSet<Address>,
) -> Option<String> {
    match answer {
        None => Some(format!("{peer} (not asked yet)")),
        Some(Err(silence)) => Some(format!("{peer} ({silence})")),
        Some(Ok(hello)) if hello.address != *peer => {
            Some(format!("{peer} (calls itself {}: set its --advertise)", hello.address))
        }
        Some(Ok(hello)) if list_of(hello) != *list => {
            let (theirs, ours) = (join(&list_of(hello)), join(list));
            Some(format!(
                "{peer} (its members are {theirs}; here they are {ours}: correct --peers)"
            ))
        }
        Some(Ok(hello)) if hello.founding_id != me.founding_id => {
            let (theirs, ours) = (founding_id(hello), founding_id(me));
            Some(format!(
                "{peer} (it was told {theirs}; this member was told {ours}: give all members the \
                 same --initial-cluster and --initial-cluster-token)"
            ))
        }
        Some(Ok(_)) => None,
    }
}

fn founding_id(hello: &Hello) -> String {
    let told = |id| format!("that the cluster is {id:016x}");
    hello.founding_id.map_or("no id for the cluster".to_owned(), told)
}

/// Peers among whom two have one name or one id: they refuse each other, and one will be started
/// anew.
fn shared_names(answers: &Answers) -> Option<String> {
    let mut names = BTreeSet::new();
    let mut ids = BTreeSet::new();
    let twice =
        hellos(answers).find(|(_, hello)| !names.insert(&hello.name) || !ids.insert(hello.id));
    twice.map(|(peer, hello)| format!("{peer} (another peer is called {} too)", hello.name))
}

fn hellos(answers: &Answers) -> impl Iterator<Item = (&Address, &Hello)> {
    answers.iter().filter_map(|(peer, answer)| Some((peer, answer.as_ref().ok()?)))
}

/// The whole cluster, as one member sees it.
fn list_of(hello: &Hello) -> BTreeSet<Address> {
    hello.peers.iter().chain([&hello.address]).cloned().collect()
}

fn join(list: &BTreeSet<Address>) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn member(hello: &Hello) -> Member {
    let member = Member::voter(hello.incarnation, hello.name.clone(), hello.address.to_string());
    Member { client_urls: hello.client_urls.clone(), ..member }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::ClusterExists { peer } => write!(
                f,
                "this cluster exists; this member is new or was wiped: use `member replace` or \
                 `--join` ({peer} says so)"
            ),
            Refusal::Wiped { peer, name } => write!(
                f,
                "this cluster exists; this member is new or was wiped: use `member replace` or \
                 `--join` ({peer} knows {name} with another data directory: it was wiped while the \
                 cluster lives; bring the old directory back if you have it)"
            ),
            Refusal::TwoClusters { one, other } => {
                write!(f, "{one} and {other} belong to two different clusters: correct --peers")
            }
            Refusal::Itself { peer } => write!(
                f,
                "{peer}, listed in --peers, is this member itself: leave it out, or set \
                 --advertise to it"
            ),
            Refusal::SameIdentity { peer } => write!(
                f,
                "the member at {peer} runs on a copy of this data directory: remove one of the two"
            ),
            Refusal::SameName { peer, name } => {
                write!(f, "the member at {peer} is called {name} too: give one another --node-id")
            }
            Refusal::Newer { peer, newer } => write!(f, "{newer} ({peer} says so)"),
            Refusal::Version { peer, version } => write!(
                f,
                "{peer} speaks version {version} of the peer protocol, not {PROTOCOL_VERSION}: use \
                 the same version of raftkv for all members"
            ),
        }
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
