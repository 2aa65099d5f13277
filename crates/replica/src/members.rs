//! Changes of the members, as the leader makes them: what can not be told from the configuration
//! alone is checked here, against how the members are doing.

use raft::{ChangeError, FollowerStatus, MemberId};

use crate::api::{Failure, Ticket};
use crate::change::{CAUGHT_UP_ENTRIES, Change, ChangeRefusal};
use crate::pending::Patience;
use crate::replica::Replica;
use crate::{Configuration, Stop};

impl Replica {
    /// Proposes the change, if it can be made; it is decided as its entries are applied.
    pub(crate) fn change(&mut self, ticket: Ticket, change: &Change, patience: Patience) {
        match self.try_change(change) {
            Ok(id) => self.pending.changing(ticket, id, patience.deadline_ms),
            Err(failure) => self.pending.answer(ticket, Err(failure)),
        }
    }

    pub(crate) fn try_change(&mut self, change: &Change) -> Result<raft::LogId, Failure> {
        let not_leader = Failure::NotLeader { leader: self.raft.leader() };
        if !self.raft.is_leader() {
            return Err(not_leader);
        }
        let next = self.next_configuration(change).map_err(Failure::Refused)?;
        let proposed = self.raft.change_membership(self.now, next.encode());
        proposed.map_err(|error| match error {
            ChangeError::NotLeader => not_leader,
            ChangeError::NotReady | ChangeError::Transferring => {
                Failure::Refused(ChangeRefusal::NotReady)
            }
            ChangeError::InProgress => Failure::Refused(ChangeRefusal::InProgress),
            ChangeError::Invalid => unreachable!("what was made of the present one may follow it"),
        })
    }

    fn next_configuration(&self, change: &Change) -> Result<Configuration, ChangeRefusal> {
        let present = Configuration::decode(self.raft.configuration().clone());
        let present = present.expect("raft takes only what it can read");
        let next = present.apply(change)?;
        if let Change::Promote { id } | Change::Replace { new: id, .. } = change {
            self.check_caught_up(*id)?;
        }
        match change {
            Change::Drain { id, .. } => self.check_drain(&next, *id)?,
            Change::RaiseLevel { .. } => self.check_all_know(&next)?,
            _ => {}
        }
        let moves_voters = !next.voters().eq(present.voters());
        if moves_voters {
            self.check_quorum_of(&next)?;
        }
        Ok(next)
    }

    /// A learner that were to vote before it has nearly everything would hold up every commit
    /// (thesis §4.2.1).
    fn check_caught_up(&self, learner: MemberId) -> Result<(), ChangeRefusal> {
        let last = self.raft.log().last().index;
        let follower = self.followers().find(|follower| follower.id == learner);
        let matched = follower.map_or(raft::Index(0), |follower| follower.matched);
        let well = follower.is_some_and(|follower| self.is_well(&follower));
        // It has acknowledged something: a log is never empty where a change is made.
        if well && matched.0 > 0 && matched.0 + CAUGHT_UP_ENTRIES >= last.0 {
            Ok(())
        } else {
            Err(ChangeRefusal::LearnerBehind { matched, last })
        }
    }

    /// The voters that there would be can go on.
    fn check_quorum_of(&self, next: &Configuration) -> Result<(), ChangeRefusal> {
        let voters: Vec<MemberId> = next.voters().collect();
        let well = |id: &&MemberId| {
            let follower = self.followers().find(|follower| follower.id == **id);
            **id == self.raft.id() || follower.is_some_and(|follower| self.is_well(&follower))
        };
        let (healthy, needed) = (voters.iter().filter(well).count(), voters.len() / 2 + 1);
        if healthy >= needed {
            Ok(())
        } else {
            Err(ChangeRefusal::QuorumWouldBeLost { healthy, needed })
        }
    }

    fn followers(&self) -> impl Iterator<Item = FollowerStatus> {
        self.raft.follower_status().into_iter()
    }

    /// Heard within an election timeout.
    pub(crate) fn is_well(&self, follower: &FollowerStatus) -> bool {
        follower.has_answered && follower.silent_ms <= self.raft.config().election_timeout_ms
    }

    /// A committed configuration was applied: who waits for it knows, and who was removed stops.
    pub(crate) fn configuration_applied(&mut self, id: raft::LogId, payload: &bytes::Bytes) {
        let configuration = Configuration::decode(payload.clone());
        let configuration = configuration.expect("raft takes only what it can read");
        let removed = configuration.is_removed(self.raft.id());
        self.pending.configuration_applied(id, configuration);
        if removed && !self.stopped {
            self.stop(Stop::Removed);
        }
    }
}
