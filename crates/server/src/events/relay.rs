//! Hears the other members for those who look at this one.

use std::collections::BTreeMap;
use std::sync::Arc;

use raft::MemberId;
use replica::Configuration;

use super::desk::Desk;
use super::event::Event;
use super::hearing::{Hearing, Peer, Standing};
use crate::node::About;

/// The connections to the other members; there are none while nobody looks.
#[derive(Debug, Default)]
pub(super) struct Relay {
    hearings: BTreeMap<MemberId, Hearing>,
}

impl Relay {
    /// Listens to the members of a configuration but this one, where they are reached now.
    pub(super) fn follow(&mut self, cluster: &Configuration, about: &About, desk: &Arc<Desk>) {
        let is_there = |id: &MemberId, address: &str| {
            cluster.members.get(id).is_some_and(|member| member.address == address)
        };
        self.hearings.retain(|id, hearing| is_there(id, &hearing.address));
        for (&id, member) in &cluster.members {
            if id != about.id && member.is_claimed() && !self.hearings.contains_key(&id) {
                let (address, cluster_id) = (member.address.clone(), cluster.cluster_id);
                let peer = Peer { id, address, cluster_id, asker: about.asker() };
                self.hearings.insert(id, Hearing::begin(peer, Arc::clone(desk)));
            }
        }
    }

    /// Listens to nobody.
    pub(super) fn stop(&mut self) {
        self.hearings.clear();
    }

    /// What was heard since the last call, and how many events were not.
    pub(super) fn take(&self, events: &mut Vec<Event>) -> u64 {
        let lost = self.hearings.values().map(|hearing| hearing.take(events));
        lost.fold(0, u64::saturating_add)
    }

    /// How a member stood when it was heard last.
    pub(super) fn standing(&self, id: MemberId) -> Option<Standing> {
        self.hearings.get(&id)?.standing()
    }
}
