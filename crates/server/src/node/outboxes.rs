//! The replica thread's side of what goes to peers.

use std::collections::BTreeMap;
use std::sync::Arc;

use raft::MemberId;
use replica::PeerMessage;

use super::status::Counters;
use crate::peer::Outbox;

/// Gathers the messages of one turn by peer, so that each peer's queue is locked and its stream
/// woken once a turn.
pub(crate) struct Outboxes {
    peers: BTreeMap<MemberId, (Vec<PeerMessage>, Arc<Outbox>)>,
}

impl Outboxes {
    /// One for each peer.
    pub(crate) fn new(outboxes: BTreeMap<MemberId, Arc<Outbox>>) -> Outboxes {
        let peers = outboxes.into_iter().map(|(peer, outbox)| (peer, (Vec::new(), outbox)));
        Outboxes { peers: peers.collect() }
    }

    /// Hands every message to its peer's stream, or drops it and counts that.
    pub(crate) fn send(&mut self, messages: Vec<(MemberId, PeerMessage)>, counters: &Counters) {
        let mut dropped = 0;
        for (to, message) in messages {
            match self.peers.get_mut(&to) {
                Some((gathered, _)) => gathered.push(message),
                None => dropped += 1,
            }
        }
        for (gathered, outbox) in self.peers.values_mut() {
            if !gathered.is_empty() {
                dropped += outbox.put(gathered);
            }
        }
        Counters::add(&counters.peer_messages_dropped, dropped as u64);
    }

    /// The peer has opened its stream to this member: ours to it need not wait.
    pub(crate) fn peer_is_alive(&self, peer: MemberId) {
        if let Some((_, outbox)) = self.peers.get(&peer) {
            outbox.peer_is_alive();
        }
    }

    /// The forwarded writes that never left, since the last call.
    pub(crate) fn take_unsent(&self) -> Vec<PeerMessage> {
        self.peers.values().flat_map(|(_, outbox)| outbox.take_unsent()).collect()
    }
}
