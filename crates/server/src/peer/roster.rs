//! Tells everybody in this process who the members are: the streams that peers open, the page that
//! members looking for their cluster ask for, the status pages.

use std::sync::Arc;

use replica::Configuration;
use tracing::info;

use super::door::{HelloBoard, PeerDoor};
use super::hello::Hello;
use super::inbound::Inbound;
use super::membership::{Introduction, Membership};
use crate::node::{Expelled, StatusBoard};

/// Held by the replica thread.
pub(crate) struct Roster {
    inbound: Arc<Inbound>,
    board: Arc<HelloBoard>,
    hello: Hello,
    status: Arc<StatusBoard>,
    membership: Membership,
}

impl Roster {
    /// Of a member that has `configuration` in its log; peers may open streams from now on. What
    /// of it is committed is not known yet. `hello` goes on the page, with the
    /// cluster added.
    pub(crate) fn new(
        me: Arc<Introduction>,
        configuration: Arc<Configuration>,
        PeerDoor { inbound, hello: board }: PeerDoor,
        hello: Hello,
        status: Arc<StatusBoard>,
    ) -> Roster {
        let nothing = Configuration::founding(configuration.cluster_id, [].into());
        let membership = Membership { me, configuration, settled: Arc::new(nothing) };
        let roster = Roster { inbound, board, hello, status, membership };
        roster.tell();
        roster
    }

    /// The newest configuration in the log is this now.
    pub(crate) fn configure(&mut self, configuration: Arc<Configuration>) {
        let members = configuration.members.len();
        info!(members, joint = configuration.is_joint(), "the members are others now");
        self.membership.configuration = configuration;
        self.hello.changed = true;
        self.tell();
    }

    /// The configuration told last is committed. Whoever it removed is heard no more, and learns
    /// why when it comes again; answers whether that is this member itself.
    pub(crate) fn settle(&mut self) -> Option<Expelled> {
        let configuration = Arc::clone(&self.membership.configuration);
        self.membership.settled = Arc::clone(&configuration);
        self.inbound.admit(self.membership.clone());
        for &id in &configuration.removed {
            self.inbound.drop_stream(id);
        }
        configuration.is_removed(self.membership.me.id).then_some(Expelled::Removed)
    }

    fn tell(&self) {
        let configuration = &self.membership.configuration;
        self.inbound.admit(self.membership.clone());
        // A member that is joining has nothing to tell yet, least of all that it is fresh.
        if !configuration.members.is_empty() {
            let cluster = Some((**configuration).clone());
            self.board.say(Hello { cluster, ..self.hello.clone() });
        }
        self.status.configured(Arc::clone(configuration));
    }
}
