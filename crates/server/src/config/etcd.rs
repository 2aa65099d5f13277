//! What etcd's command line says of a member beyond our own settings (`raftkv etcd`).

use std::net::SocketAddr;

/// All of it; nothing for a member that was started with our own settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EtcdWays {
    /// Where to bind besides `listen`: all doors are behind every address.
    pub listen_also: Vec<SocketAddr>,
    /// Where to bind for probes and metrics alone.
    pub listen_metrics: Vec<SocketAddr>,
    /// Those of all addresses where plain text is spoken, if TLS is at any.
    pub listen_plain: Vec<SocketAddr>,
    /// Clients may come in plain text.
    pub plain_clients: bool,
    /// The ids of the cluster that is to be founded, and of this member in it.
    pub founding: Option<FoundingIds>,
    /// With `join`: a place must be reserved at `advertise`, and its id is this member's.
    pub claims_place: bool,
    /// Whoever leads gives up what is older than so many revisions; 0 is without a limit.
    pub revisions_kept: u64,
    /// What the store may take, history counted; it takes no more than its memory either way.
    pub quota_bytes: Option<u64>,
}

/// Ids that follow from what all members were told: etcd's, of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundingIds {
    /// Of this member; not 0.
    pub member_id: u64,
    /// The half of the cluster's id that etcd's clients are shown. Two clusters may share it, for
    /// whoever founds them with the same flags: the other half is random, and no member of one is
    /// let into the other.
    pub cluster_id: u64,
}
