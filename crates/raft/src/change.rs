//! Changing the members (§6, thesis §4.3; rule 4): by joint consensus, one change at a time.
//!
//! ```text
//!   change_membership ─▶ C(old,new) appended, counts ─▶ committed by both majorities
//!                                                        │ any leader, by itself
//!                                                        ▼
//!                         C(new) appended, counts ─▶ committed by the new majority
//!                                                        │
//!                                                        ▼
//!                                       a leader outside C(new) hands over
//! ```
//!
//! The next change waits until the last one is committed to its end *and* this leader has
//! committed an entry of its own term: the second half is what the single-server algorithm was
//! published without, and lost data for.

use bytes::Bytes;

use crate::event::Event;
use crate::membership::Configured;
use crate::progress::Progress;
use crate::role::{Leader, Role};
use crate::{
    Body, ChangeError, EntryKind, Index, LogId, MemberId, Membership, Now, PAYLOAD_BYTES_MAX, Raft,
};

impl Raft {
    /// Appends the configuration of that payload, if this member leads and it may follow the
    /// present one: with the same voters, or a joint one that begins with them. A joint one is
    /// followed by the final one by itself. Done when a configuration that is not joint, at that
    /// place or after it, is committed.
    pub fn change_membership(&mut self, now: Now, payload: Bytes) -> Result<LogId, ChangeError> {
        self.observe(now);
        self.check_change(&payload)?;
        Ok(self.append_own(EntryKind::Configuration, payload))
    }

    fn check_change(&self, payload: &Bytes) -> Result<(), ChangeError> {
        let Role::Leader(leader) = &self.role else { return Err(ChangeError::NotLeader) };
        if leader.transfer.is_some() {
            return Err(ChangeError::Transferring);
        }
        if self.commit < leader.first_of_term {
            return Err(ChangeError::NotReady);
        }
        let newest = self.memberships.newest();
        if newest.index > self.commit || newest.membership.is_joint() {
            return Err(ChangeError::InProgress);
        }
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(ChangeError::Invalid);
        }
        let next = (self.config.codec.decode)(payload).ok_or(ChangeError::Invalid)?;
        if next.may_follow(&newest.membership) { Ok(()) } else { Err(ChangeError::Invalid) }
    }

    /// Who counts for what, by the newest configuration in the log, committed or not.
    pub fn membership(&self) -> &Membership {
        &self.memberships.newest().membership
    }

    /// The payload of the newest configuration in the log, committed or not; empty if there is
    /// none.
    pub fn configuration(&self) -> &Bytes {
        &self.memberships.newest().payload
    }

    /// The payload of the newest configuration that is certainly committed; empty if there is none.
    pub fn committed_configuration(&self) -> &Bytes {
        let newest = self.memberships.newest();
        let committed = newest.index <= self.commit;
        if committed { &newest.payload } else { &self.memberships.before_newest().payload }
    }

    /// Where the newest configuration stands in the log.
    pub fn configuration_index(&self) -> Index {
        self.memberships.newest().index
    }

    /// Whether this member may stand for election: it is a voter, has all that its log once had,
    /// and was not told to let it be.
    ///
    /// Who is removed may too, until it knows that its removal is committed: it may be the only
    /// one that has the entry, and then nobody else can be elected (thesis §4.2.2).
    pub(crate) fn may_campaign(&self) -> bool {
        let me = self.config.id;
        let was_voter = || {
            self.memberships.newest().index > self.commit
                && self.memberships.before_newest().membership.is_voter(me)
        };
        let is_voter = self.membership().is_voter(me) || was_voter();
        self.may_campaign && is_voter && self.log.last() >= self.floor
    }

    /// What the log of this member is taken for in elections: at least what it once was.
    pub(crate) fn last_for_votes(&self) -> LogId {
        self.log.last().max(self.floor)
    }

    /// Another configuration counts now.
    pub(crate) fn membership_changed(&mut self) {
        let Configured { index, payload, membership } = self.memberships.newest();
        self.output.configuration = Some(payload.clone());
        let event = Event::Configured { index: *index, joint: membership.is_joint() };
        self.emit(event);
        self.follow_members();
    }

    /// A leader speaks to every member, and to nobody else.
    pub(crate) fn follow_members(&mut self) {
        let (me, clock_ms, last) = (self.config.id, self.clock_ms, self.log.last().index);
        let members = self.membership().members();
        let Role::Leader(leader) = &mut self.role else { return };
        leader.progress.retain(|id, _| members.contains(id));
        for peer in members.into_iter().filter(|&id| id != me) {
            let new = || Progress::new(last.next(), clock_ms);
            leader.progress.entry(peer).or_insert_with(new);
        }
    }

    /// What follows once a configuration is committed: the final one after a joint one, and the
    /// end of a leader outside of it.
    pub(crate) fn follow_committed_membership(&mut self) {
        let newest = self.memberships.newest();
        if newest.index > self.commit || !matches!(self.role, Role::Leader(_)) {
            return;
        }
        if let Some(next) = self.memberships.leave_joint() {
            self.append_own(EntryKind::Configuration, next);
        } else if !newest.membership.is_voter(self.config.id) {
            self.leave_leadership();
        }
    }

    /// This leader is no voter any more: the best of those left campaigns at once.
    fn leave_leadership(&mut self) {
        if let Some(to) = self.most_up_to_date() {
            self.send(to, Body::TimeoutNow);
        }
        self.become_follower(self.term);
    }

    /// The other voter that would lead best. Among equals the one that answered last: the others
    /// may be gone. One that did not take over when it was told comes after those that were not
    /// told yet: it may be kept from it for good, and does not say so.
    pub(crate) fn most_up_to_date(&self) -> Option<MemberId> {
        let Role::Leader(Leader { progress, passed_over, .. }) = &self.role else { return None };
        let stays = |id: &MemberId| self.membership().incoming.contains(id);
        let voters = progress.iter().filter(|(id, _)| stays(id));
        let rank = |&(id, p): &(&MemberId, &Progress)| {
            (!passed_over.contains(id), p.matched, p.answered_ms)
        };
        voters.max_by_key(rank).map(|(&id, _)| id)
    }
}
