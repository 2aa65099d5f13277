//! Which members this one keeps a stream to, and what waits to be sent to each.
//!
//! Held by the replica thread. It follows the configuration: a new member is dialled, one that has
//! moved is dialled anew, one that is gone gets its last messages and then no more. Beside the
//! members there are *guests*: peers of the same cluster that have opened a stream and of whom this
//! member's configuration does not know (yet, or any more). They are answered where they say they
//! are reached, for as long as their own stream is up: a leader whom a member has not heard of must
//! get its acknowledgements, and one that was removed must be able to commit its own removal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use raft::MemberId;
use replica::{Configuration, FIRST_LEVEL, PeerMessage, SnapshotMessage};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tracing::{info, warn};

use super::membership::Introduction;
use super::outbound::{Caller, Outbound};
use super::outbox::{Outbox, Put};
use super::snapshot_lane::SnapshotLane;
use crate::config::Address;
use crate::node::{Counters, Inbox, StatusBoard};
use crate::tls::Way;

/// Peers outside the configuration that are answered at once; more are only listened to.
pub(super) const GUESTS_MAX: usize = 32;

/// What it takes to open streams.
pub(crate) struct Dialler {
    /// What this member says of itself.
    pub(crate) me: Arc<Introduction>,
    /// Hears what the peers think of this member.
    pub(crate) inbox: Arc<Inbox>,
    /// Counts messages.
    pub(crate) status: Arc<StatusBoard>,
    /// How peers are reached.
    pub(crate) way: Way,
    /// Where the streams run.
    pub(crate) runtime: Handle,
}

/// The peers of one member.
pub(crate) struct Peers {
    dialler: Dialler,
    /// The cluster's feature level.
    level: Arc<AtomicU32>,
    peers: BTreeMap<MemberId, Peer>,
    /// Forwarded writes that never left to peers that are none any more.
    unsent: Vec<PeerMessage>,
}

/// One of them.
struct Peer {
    address: String,
    /// The messages of one turn, so that the queue is locked and the stream woken once a turn.
    gathered: Vec<PeerMessage>,
    outbox: Arc<Outbox>,
    stream: AbortHandle,
    snapshots: SnapshotLane,
    /// The configuration holds it.
    member: bool,
    /// Its own stream to this member is up.
    heard: bool,
}

impl Dialler {
    fn dial(&self, peer: MemberId, address: String, level: &Arc<AtomicU32>) -> Peer {
        let (me, way, level) = (Arc::clone(&self.me), self.way.clone(), Arc::clone(level));
        let caller = Caller { me, way, level };
        let outbox = Arc::new(Outbox::default());
        let outbound = Outbound {
            peer,
            address: address.clone(),
            caller: caller.clone(),
            outbox: Arc::clone(&outbox),
            inbox: Arc::clone(&self.inbox),
            status: Arc::clone(&self.status),
        };
        let stream = self.runtime.spawn(outbound.run()).abort_handle();
        let snapshots = SnapshotLane::new(peer, address.clone(), caller, self.runtime.clone());
        let (gathered, member, heard) = (Vec::new(), false, false);
        Peer { address, gathered, outbox, stream, snapshots, member, heard }
    }
}

impl Peers {
    /// None yet.
    pub(crate) fn new(dialler: Dialler) -> Peers {
        let level = Arc::new(AtomicU32::new(FIRST_LEVEL));
        Peers { dialler, level, peers: BTreeMap::new(), unsent: Vec::new() }
    }

    /// The cluster consists of these members now.
    pub(crate) fn follow(&mut self, configuration: &Configuration) {
        self.level.store(configuration.feature_level, Ordering::Relaxed);
        for peer in self.peers.values_mut() {
            peer.member = false;
        }
        for (&id, member) in &configuration.members {
            // Nobody is there yet at a place that is only reserved.
            if id != self.dialler.me.id && member.is_claimed() {
                self.join(id, &member.address);
            }
        }
        let gone: Vec<MemberId> =
            self.peers.iter().filter(|(_, peer)| peer.is_stranger()).map(|(&id, _)| id).collect();
        gone.into_iter().for_each(|id| self.retire(id));
    }

    /// `id` is a member, to be reached at `address`.
    fn join(&mut self, id: MemberId, address: &str) {
        let known = self.peers.get(&id).map(|peer| (peer.address == address, peer.heard));
        let heard = known.is_some_and(|(_, heard)| heard);
        if !known.is_some_and(|(same, _)| same) {
            info!(peer = %id, address, "a peer is reached at this address");
            self.retire(id);
            self.peers.insert(id, self.dialler.dial(id, address.to_owned(), &self.level));
        }
        let peer = self.peers.get_mut(&id).expect("it was there, or is now");
        (peer.member, peer.heard) = (true, heard);
    }

    /// How many other members the configuration has.
    #[cfg(test)]
    pub(crate) fn members(&self) -> usize {
        self.peers.values().filter(|peer| peer.member).count()
    }

    /// A peer has opened its stream to this member: ours to it need not wait.
    pub(crate) fn heard(&mut self, id: MemberId, address: Option<Address>) {
        if !self.peers.contains_key(&id) && !self.welcome_guest(id, address) {
            return;
        }
        let peer = self.peers.get_mut(&id).expect("it was there, or is now");
        peer.heard = true;
        peer.outbox.peer_is_alive();
    }

    fn welcome_guest(&mut self, id: MemberId, address: Option<Address>) -> bool {
        let guests = self.peers.values().filter(|peer| !peer.member).count();
        let Some(address) = address.filter(|_| guests < GUESTS_MAX) else {
            warn!(peer = %id, guests, "can not answer a peer outside the configuration");
            return false;
        };
        info!(peer = %id, %address, "a peer whom the configuration here does not hold");
        self.peers.insert(id, self.dialler.dial(id, address.to_string(), &self.level));
        true
    }

    /// The peer's stream to this member is gone.
    pub(crate) fn unheard(&mut self, id: MemberId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.heard = false;
        if peer.is_stranger() {
            self.retire(id);
        }
    }

    /// Ends the stream to a peer once it has sent what waits.
    fn retire(&mut self, id: MemberId) {
        let Some(peer) = self.peers.remove(&id) else { return };
        peer.outbox.retire();
        self.unsent.extend(peer.outbox.take_unsent());
    }

    /// Hands every message to its peer's stream, or drops it and counts that.
    pub(crate) fn send(&mut self, messages: Vec<(MemberId, PeerMessage)>) {
        let mut put = Put::default();
        for (to, message) in messages {
            match self.peers.get_mut(&to) {
                Some(peer) => peer.gathered.push(message),
                None => {
                    put.dropped += 1;
                    self.give_back(message);
                }
            }
        }
        for peer in self.peers.values_mut() {
            if !peer.gathered.is_empty() {
                let Put { written, dropped } = peer.outbox.put(&mut peer.gathered);
                (put.written, put.dropped) = (put.written + written, put.dropped + dropped);
            }
        }
        let counters = self.dialler.status.counters();
        Counters::add(&counters.peer_messages_dropped, put.dropped as u64);
        Counters::add(&counters.peer_messages_sent, put.written as u64);
    }

    /// Whether what is sent to a peer goes to a stream.
    pub(crate) fn is_open(&self, id: MemberId) -> bool {
        self.peers.get(&id).is_some_and(|peer| peer.outbox.is_open())
    }

    /// Hands messages about snapshots to streams of their own, which take them or drop them.
    pub(crate) fn send_snapshots(&mut self, messages: Vec<(MemberId, SnapshotMessage)>) {
        for (to, message) in messages {
            if let Some(peer) = self.peers.get_mut(&to) {
                peer.snapshots.put(message);
            }
        }
    }

    fn give_back(&mut self, message: PeerMessage) {
        if Outbox::is_given_back(&message) {
            self.unsent.push(message);
        }
    }

    /// The forwarded writes that never left, since the last call.
    pub(crate) fn take_unsent(&mut self) -> Vec<PeerMessage> {
        let mut unsent = std::mem::take(&mut self.unsent);
        for peer in self.peers.values() {
            unsent.append(&mut peer.outbox.take_unsent());
        }
        unsent
    }
}

impl Peer {
    /// Neither a member nor a guest.
    fn is_stranger(&self) -> bool {
        !self.member && !self.heard
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        for peer in self.peers.values() {
            peer.stream.abort();
        }
    }
}

#[cfg(test)]
#[path = "peers_tests.rs"]
mod tests;
