//! One member at a time is restarted (docs/operations.md).
//!
//! ```text
//!   drain asked of the leader ──▶ every other voter is well, up to date and stays? ──no──▶ refused
//!        │ yes
//!        ▼
//!   the mark, in the configuration ──▶ a marked leader hands over ──▶ its process may end
//!        │
//!        └─ gone: another process speaks for the member and has caught up; or somebody takes it
//!           back; or the cluster is so much older; or the member is removed
//! ```
//!
//! The mark is an entry of the log like every change of members: two leaders never both have one
//! committed, a new leader knows of it, and of two that are asked for at once the second finds the
//! first. It counts for nothing else: whoever is marked votes, acknowledges and serves as before.

use raft::{FollowerStatus, MemberId};

use crate::api::{Failure, Ticket};
use crate::change::{CAUGHT_UP_ENTRIES, Change, ChangeRefusal};
use crate::configuration::Draining;
use crate::pending::Patience;
use crate::replica::Replica;
use crate::{Configuration, Standing};

/// A mark whose member neither stops nor comes back is gone after this long.
pub const DRAIN_PERIOD_MS: u64 = 10 * 60 * 1_000;

/// From one attempt of a marked leader to hand over to the next, in election timeouts: one that
/// nobody takes up lasts one.
const HAND_OVER_TIMEOUTS: u64 = 10;

impl Replica {
    /// Marks a member for its restart, if this is the time for it.
    pub(crate) fn drain(&mut self, ticket: Ticket, id: MemberId, patience: Patience) {
        if !self.raft.is_leader() {
            let leader = self.raft.leader();
            self.pending.answer(ticket, Err(Failure::NotLeader { leader }));
            return;
        }
        // Whoever is not heard is refused by the check that follows.
        let life = self.process_of(id).map_or(0, |process| process.life);
        let until_age_ms = self.raft.age_ms() + DRAIN_PERIOD_MS;
        let mark = Draining { life, until_age_ms };
        self.change(ticket, &Change::Drain { id, mark }, patience);
    }

    /// Everybody else can do without the member, and it is one that can come back.
    pub(crate) fn check_drain(
        &self,
        next: &Configuration,
        drained: MemberId,
    ) -> Result<(), ChangeRefusal> {
        for (&id, member) in &next.members {
            if member.standing == Standing::Voter || id == drained {
                self.heard_process(id)?;
                self.check_up_to_date(id)?;
            }
        }
        Ok(())
    }

    fn check_up_to_date(&self, member: MemberId) -> Result<(), ChangeRefusal> {
        let followers = self.raft.follower_status();
        let last = self.raft.log().last().index;
        match followers.iter().find(|follower| follower.id == member) {
            Some(FollowerStatus { matched, .. }) if matched.0 + CAUGHT_UP_ENTRIES < last.0 => {
                Err(ChangeRefusal::MemberBehind { member, matched: *matched, last })
            }
            _ => Ok(()),
        }
    }

    /// A marked leader hands over; a mark that has served its purpose goes.
    pub(crate) fn tick_drains(&mut self) {
        let Some((id, mark)) = self.configuration().draining() else { return };
        if !self.raft.is_leader() {
            self.hand_over_after_ms = 0;
            return;
        }
        if self.configuration_unsettled || self.raft.is_transferring() {
            return;
        }
        if self.drain_is_over(id, mark) {
            // Refused, it is tried again with the next tick.
            let _not_yet = self.try_change(&Change::EndDrain { id });
        } else if id == self.raft.id() && self.now.monotonic_ms >= self.hand_over_after_ms {
            // While it hands over nothing is written: if nobody takes over, writes come first.
            let timeout_ms = self.raft.config().election_timeout_ms;
            self.hand_over_after_ms = self.now.monotonic_ms + HAND_OVER_TIMEOUTS * timeout_ms;
            // The only voter has nobody to hand over to.
            let _no_target = self.raft.transfer_leadership(None);
        }
    }

    fn drain_is_over(&self, id: MemberId, mark: Draining) -> bool {
        let another = || self.heard_process(id).is_ok_and(|process| process.life != mark.life);
        let is_back = || another() && self.check_up_to_date(id).is_ok();
        self.raft.age_ms() >= mark.until_age_ms || is_back()
    }
}
