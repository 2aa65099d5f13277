//! Leaders that follow each other so fast that their logs differ: Figure 8 of the Raft paper,
//! played over and over.
//!
//! A new leader's word ends after a few messages with entries, none as often as not. A moment
//! later, when what its followers answer has reached it, nobody is heard by it any more either,
//! and the leaders that were muted before it come back: with what they appended when nobody
//! heard them. A majority is never muted, so that there is always another election to win.

use std::collections::BTreeMap;

use raft::{Body, MemberId, Message};
use replica::PeerMessage;

use crate::faults::Fault;
use crate::life::{Happening, Life};
use crate::nemesis::Relief;
use crate::network::Direction;
use crate::telling::Said;
use crate::time::Span;

/// Of a thousand new leaders so many are muted.
const MUTED_PER_MILLE: u64 = 850;
/// Of a thousand that could stay muted when another one is, so many come back.
const BACK_PER_MILLE: u64 = 750;
/// A muted leader comes back after so many election timeouts, whoever leads.
const BACK_TIMEOUTS: u64 = 6;
/// Of a thousand orders to campaign so many are late.
const LATE_ORDERS_PER_MILLE: u64 = 600;
/// Of a thousand answers to appends so many are late, where votes are.
const LATE_ANSWERS_PER_MILLE: u64 = 40;
/// A disk that is slow just when a new leader's first entries come is so many times slower.
const DISK_SLOWNESS: u64 = 1_000;

/// Who is muted, with the numbers of the breaks in the network.
#[derive(Debug, Default)]
pub(crate) struct Duel {
    muted: BTreeMap<MemberId, Vec<u64>>,
}

impl Life {
    /// A member was elected, and nobody has heard of it yet.
    pub(crate) fn mute_new_leader(&mut self, id: MemberId) {
        let is_on = self.plan.provoked.contains(&Fault::LeaderMuted) && self.healing.is_none();
        if !is_on || self.duel.muted.contains_key(&id) || !self.random.chance(MUTED_PER_MILLE) {
            return;
        }
        let after_appends = self.random.pick(&[0, 0, 0, 1, 1, 2, 2, 3, 4]);
        let outward = self.outward(id);
        let (deprived, served): (Vec<Direction>, Vec<Direction>) =
            outward.into_iter().partition(|_| after_appends == 0 || self.random.chance(300));
        let mute = self.network.mute(served.iter().copied(), after_appends);
        self.network.mute_more(mute, deprived);
        self.slow_down_one(&served);
        self.duel.muted.insert(id, vec![mute]);
        self.tally.count(Fault::LeaderMuted);
        self.tell_break(mute, Fault::LeaderMuted, vec![id]);
        let answers = self.round_trip().times(4);
        let deaf_after = Span(self.random.between(0, answers.0));
        self.queue.plan_in(deaf_after, Happening::Relief(Relief::Deafen(id)));
        let timeout = Span::ms(self.plan.timers.election_timeout_ms);
        let back_after = timeout.times(BACK_TIMEOUTS);
        self.queue.plan_in(back_after, Happening::Relief(Relief::Mend { breaks: mute }));
    }

    /// One of those that still get entries may be long in writing them, so that they are still
    /// queued when another leader takes them back.
    fn slow_down_one(&mut self, served: &[Direction]) {
        let is_on = self.plan.strikes.contains_key(&Fault::DiskSlow);
        if is_on && !served.is_empty() && self.random.coin() {
            let (_, follower) = self.random.pick(served);
            self.member(follower).disk_slowness = DISK_SLOWNESS;
            self.strike_noted(Fault::DiskSlow, follower);
            self.plan_relief(Relief::FastDisk(follower));
        }
    }

    /// The muted leader hears nobody from now on; others that were muted come back.
    pub(crate) fn deafen(&mut self, id: MemberId) {
        if self.healing.is_some() || !self.duel.muted.contains_key(&id) {
            return;
        }
        let inward = self.outward(id).into_iter().map(|(from, to)| (to, from));
        let mute = self.network.mute(inward, 0);
        self.duel.muted.entry(id).or_default().push(mute);
        let minority = (self.plan.members.len() - 1) / 2;
        let others: Vec<MemberId> =
            self.duel.muted.keys().copied().filter(|&other| other != id).collect();
        for other in others {
            let too_many = self.duel.muted.len() > minority;
            if too_many || self.random.chance(BACK_PER_MILLE) {
                self.unmute(other);
            }
        }
    }

    fn unmute(&mut self, id: MemberId) {
        for mute in self.duel.muted.remove(&id).unwrap_or_default() {
            self.tell_mended(mute);
            self.network.mend(mute);
        }
    }

    /// A break in the network is mended; if it was a muted leader's, so are the others of it.
    pub(crate) fn mend(&mut self, number: u64) {
        self.tell_mended(number);
        self.network.mend(number);
        let of = self.duel.muted.iter().find(|(_, mutes)| mutes.contains(&number));
        if let Some(id) = of.map(|(&id, _)| id) {
            self.unmute(id);
        }
    }

    /// From the member to all others.
    pub(crate) fn outward(&self, id: MemberId) -> Vec<Direction> {
        self.others(id).into_iter().map(|other| (id, other)).collect()
    }

    /// There, to the disk, and back, at most.
    pub(crate) fn round_trip(&self) -> Span {
        let (delay, flush, wake) = (self.plan.delay.1, self.plan.flush.1, self.plan.wake);
        Span(2 * (delay.0 + wake.0) + flush.0)
    }

    /// Whether the message is one of those whose lateness matters most, and will be late.
    pub(crate) fn is_delayed(&mut self, way: Direction, message: &PeerMessage) -> bool {
        let PeerMessage::Raft(Message { body, .. }) = message else { return false };
        let (fault, per_mille) = match body {
            Body::TimeoutNow => (Fault::OrderDelayed, LATE_ORDERS_PER_MILLE),
            Body::VoteAnswer { granted: true } => (Fault::VoteDelayed, self.plan.late_votes),
            Body::AppendAnswer { .. } => (Fault::VoteDelayed, LATE_ANSWERS_PER_MILLE),
            _ => return false,
        };
        let is_on = self.plan.provoked.contains(&fault) && self.healing.is_none();
        if !is_on || !self.random.chance(per_mille) {
            return false;
        }
        self.strike_noted(fault, way.1);
        let timeout_us = self.plan.timers.election_timeout_ms * 1_000;
        if fault == Fault::OrderDelayed {
            let late = Span(self.random.between(timeout_us, timeout_us * 3 / 2));
            self.delay(way, message, late);
            self.fall_behind(way, late);
        } else {
            let late = Span(self.random.between(timeout_us / 4, timeout_us * 3));
            self.delay(way, message, late);
        }
        true
    }

    fn delay(&mut self, way: Direction, message: &PeerMessage, late: Span) {
        self.tell_late_message(way, Said::OnStream(message), late);
        let flight = self.network.flight(way, message.clone());
        self.queue.plan_in(late, Happening::Arrival(flight));
    }

    /// The target of a late order hears nothing else of its leader meanwhile: the leader gives the
    /// transfer up and goes on without it.
    fn fall_behind(&mut self, way: Direction, late: Span) {
        let timeout = Span::ms(self.plan.timers.election_timeout_ms);
        let breaks = self.network.mute([way], 0);
        let mended = Span(late.0 + self.random.between(0, timeout.0));
        self.queue.plan_in(mended, Happening::Relief(Relief::Mend { breaks }));
    }
}
