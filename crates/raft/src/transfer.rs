//! Leadership transfer (thesis §3.10): stop taking proposals, bring the target up to date, tell
//! it to campaign at once. Given up after an election timeout; nothing is lost either way.

use crate::event::Event;
use crate::role::{Role, Transfer};
use crate::{Body, MemberId, Raft, TransferError};

impl Raft {
    /// Hands leadership to `to`, or to the follower that is most up to date. Answers who was
    /// chosen; `Event::Role` tells when it has happened. A second call while one runs changes
    /// nothing and answers the first one's target.
    pub fn transfer_leadership(&mut self, to: Option<MemberId>) -> Result<MemberId, TransferError> {
        let (clock_ms, timeout_ms) = (self.clock_ms, self.config.election_timeout_ms);
        let best = self.most_up_to_date();
        let is_voter = |id| self.memberships.newest().membership.incoming.contains(&id);
        let Role::Leader(leader) = &mut self.role else {
            return Err(TransferError::NotLeader);
        };
        if let Some(transfer) = &leader.transfer {
            return Ok(transfer.to);
        }
        let to = to.or(best).ok_or(TransferError::NoTarget)?;
        if !is_voter(to) || !leader.progress.contains_key(&to) {
            return Err(TransferError::NoTarget);
        }
        leader.transfer = Some(Transfer { to, due_ms: clock_ms + timeout_ms, told: false });
        self.emit(Event::Transferring { to });
        Ok(to)
    }

    /// A target did not take over in time: the others come first now. Once it was everybody's
    /// turn, all are asked again.
    pub(crate) fn pass_over(&mut self, target: MemberId) {
        let (me, incoming) = (self.config.id, self.membership().incoming.clone());
        let Role::Leader(leader) = &mut self.role else { return };
        leader.passed_over.insert(target);
        if incoming.iter().all(|&id| id == me || leader.passed_over.contains(&id)) {
            leader.passed_over.clear();
        }
    }

    /// Once the target has everything, it is told to campaign.
    pub(crate) fn tell_transfer_target(&mut self) {
        let last = self.log.last().index;
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(transfer) = leader.transfer.as_mut().filter(|transfer| !transfer.told) else {
            return;
        };
        if leader.progress.get(&transfer.to).is_some_and(|progress| progress.matched == last) {
            transfer.told = true;
            let to = transfer.to;
            self.send(to, Body::TimeoutNow);
        }
    }
}
