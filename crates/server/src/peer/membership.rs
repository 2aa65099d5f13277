//! Who may speak to this member (docs/format/peer.md, section 3; rule 4.3).
//!
//! A peer may know a newer configuration than this member does: so whoever belongs to the same
//! cluster is let in, known or not. Refused are only those of whom this member knows better: a
//! member whose removal is committed, and another data directory under a known id.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use proto::peer as wire;
use raft::MemberId;
use replica::{Configuration, FEATURE_LEVEL};
use wire::refusal::Reason;

use super::handshake::PROTOCOL_VERSION;
use crate::config::Address;

/// What a member says of itself; it never changes while the process lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Introduction {
    /// Its id.
    pub(crate) id: MemberId,
    /// What people call it.
    pub(crate) name: String,
    /// Of its data directory.
    pub(crate) incarnation: u128,
    /// The cluster it belongs to, or is joining.
    pub(crate) cluster_id: u128,
    /// `host:port`, for peers that have not heard of it yet.
    pub(crate) address: String,
}

/// What a member knows about its cluster: the ground on which it accepts.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    /// This member.
    pub(crate) me: Arc<Introduction>,
    /// Its cluster by the newest entry of its log; without members while it is joining.
    pub(crate) configuration: Arc<Configuration>,
    /// The same by the newest entry that it knows to be committed: only whose removal stands here
    /// is refused. A leader that removes itself must be heard until that is committed.
    pub(crate) settled: Arc<Configuration>,
}

/// A peer that passed the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Introduced {
    /// Who it is.
    pub(crate) id: MemberId,
    /// The command kinds it knows.
    pub(crate) feature_level: u32,
    /// Where it says it is reached, if it says so and it is an address.
    pub(crate) address: Option<Address>,
}

/// Why a stream was refused: what one side tells the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: Reason,
    /// What is wrong, in words.
    pub(crate) detail: String,
}

impl Introduction {
    pub(super) fn hello(&self, to: MemberId) -> wire::Hello {
        wire::Hello {
            protocol_version: PROTOCOL_VERSION,
            feature_level: FEATURE_LEVEL,
            cluster_id: bytes_of(self.cluster_id),
            member_id: self.id.0,
            incarnation: bytes_of(self.incarnation),
            to_member_id: to.0,
            address: self.address.clone(),
        }
    }
}

impl Membership {
    /// Whether the sender of `hello` may speak to this member, in the order of the format's table.
    pub(super) fn check(&self, hello: &wire::Hello) -> Result<Introduced, Refused> {
        let version = hello.protocol_version;
        if version != PROTOCOL_VERSION {
            let detail = format!("it speaks version {version}, this member {PROTOCOL_VERSION}");
            return Err(Refused::new(Reason::ProtocolVersion, detail));
        }
        self.check_level(hello.feature_level)?;
        let cluster_id = self.me.cluster_id;
        if hello.cluster_id != bytes_of(cluster_id) {
            let detail = format!("this member belongs to cluster {cluster_id:032x}");
            return Err(Refused::new(Reason::OtherCluster, detail));
        }
        let (own, sought) = (self.me.id, hello.to_member_id);
        if sought != own.0 {
            let detail = format!("it looks for member {sought:x}, this is {own}");
            return Err(Refused::new(Reason::WrongMember, detail));
        }
        self.check_member(hello)?;
        let address = Address::parse(&hello.address).ok();
        let (id, feature_level) = (MemberId(hello.member_id), hello.feature_level);
        Ok(Introduced { id, feature_level, address })
    }

    /// A program that does not know what the cluster uses must not take part (rule 4.5). The
    /// newest configuration counts, also while nobody here knows that it is committed, as after a
    /// start: it is raised only to what every member knows.
    pub(super) fn check_level(&self, level: u32) -> Result<(), Refused> {
        let needed = self.configuration.feature_level;
        if level >= needed {
            return Ok(());
        }
        let detail = format!(
            "the cluster has feature level {needed}, and this member's version knows {level}"
        );
        Err(Refused::new(Reason::FeatureLevel, detail))
    }

    /// Whether the newest configuration known here holds the peer.
    pub(super) fn knows(&self, peer: MemberId) -> bool {
        self.configuration.members.contains_key(&peer)
    }

    fn check_member(&self, hello: &wire::Hello) -> Result<(), Refused> {
        let id = MemberId(hello.member_id);
        if id == self.me.id || id.0 == 0 {
            let detail = format!("{id} is no id of another member");
            return Err(Refused::new(Reason::UnknownMember, detail));
        }
        if self.settled.is_removed(id) {
            let detail = format!("{id} was removed from the cluster");
            return Err(Refused::new(Reason::Removed, detail));
        }
        match self.configuration.members.get(&id) {
            Some(member) if hello.incarnation != bytes_of(member.incarnation) => {
                let detail = format!("{} ({id}) had another data directory", member.name);
                Err(Refused::new(Reason::OtherIncarnation, detail))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Refused {
    pub(super) fn new(reason: Reason, detail: String) -> Refused {
        Refused { reason, detail }
    }

    /// What an operator should do about it.
    pub(crate) fn advice(&self) -> &'static str {
        match self.reason {
            Reason::ProtocolVersion => "upgrade the older of the two members",
            Reason::FeatureLevel => {
                "start the member with a version of raftkv that knows the cluster's feature level: \
                 it can not go back below it"
            }
            Reason::OtherCluster => "correct --peers, or the data directory: they mix two clusters",
            Reason::WrongMember => "another member answers at this address: check --port and DNS",
            Reason::UnknownMember => "two processes may run on copies of one data directory",
            Reason::OtherIncarnation => {
                "its data directory was wiped or replaced: bring the old one back, or replace the \
                 member"
            }
            Reason::Removed => "it was removed from the cluster: remove its data directory too",
            Reason::TooManyStrangers => {
                "many open streams whom no configuration names: look who uses the cluster's id; a \
                 member is let in once the other side has heard of it"
            }
            Reason::NotReady => "it has no cluster yet; this side tries again",
            Reason::Malformed | Reason::Unknown => {
                "it is no raftkv member, or another version of it"
            }
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.as_str_name().to_ascii_lowercase(), self.detail)
    }
}

fn bytes_of(id: u128) -> Bytes {
    Bytes::copy_from_slice(&id.to_be_bytes())
}
