//! Scenes: a few faults in the one order in which they hurt.
//!
//! - *Lonely change*: a leader is cut off, asked for a change of members, and comes back. The
//!   change must be as if it had never been.
//! - *Long tail*: a leader is cut off and asked for many writes; the others elect another, write,
//!   take snapshots and cut their logs. Then it comes back, and needs a snapshot that ends within
//!   its own log.
//! - *Loss alone*: a member has fallen behind; another loses what it had acknowledged, and knows;
//!   then the leader is gone, and only these two are left.
//! - *Install struck*: a member dies just when a snapshot takes the place of its log.
//! - *Crowd*: many read and write one key at once, through every member; in half of them the
//!   leader's streams break in the middle, and what was forwarded is sent again; in half of them a
//!   follower's disk is slow, and it learns late what the others know.
//! - *Bad disk*: after a failed operation the machine loses its power too, soon.

use std::collections::BTreeSet;

use disk::Harm;
use raft::MemberId;
use replica::Request;

use crate::faults::Fault;
use crate::life::{Happening, Life};
use crate::member::Death;
use crate::nemesis::Relief;
use crate::network::Direction;
use crate::oracle::Asked;
use crate::time::Span;
use crate::workload::Asker;

/// Writes that a leader with a long tail is asked for at once, at most, and the others in its
/// place.
const TAIL_WRITES_MAX: u64 = 60;
const OTHER_WRITES_MAX: u64 = 30;
/// The others write in so many bursts.
const OTHER_BURSTS: u64 = 3;
/// Requests of a crowd, at least and at most, within so many times the longest delay of a message.
const CROWD: (u64, u64) = (6, 16);
const CROWD_DELAYS: u64 = 8;
/// Of a thousand snapshots that are installed so many have their member struck.
const INSTALL_STRUCK_PER_MILLE: u64 = 400;
/// An operator waits for so many election timeouts.
const PATIENCE_TIMEOUTS: u64 = 4;

impl Life {
    fn timeouts(&mut self, least: u64, most: u64) -> Span {
        let timeout_us = self.plan.timers.election_timeout_ms * 1_000;
        Span(self.random.between(least * timeout_us, most * timeout_us))
    }

    /// Cuts these members off from all others, for so long.
    fn cut_off(&mut self, ids: &BTreeSet<MemberId>, lasts: Span) {
        let all: Vec<MemberId> = self.members.keys().copied().collect();
        let crosses = |&(from, to): &Direction| ids.contains(&from) != ids.contains(&to);
        let ways = all.iter().flat_map(|&from| all.iter().map(move |&to| (from, to)));
        let breaks = self.network.cut(ways.filter(crosses).collect());
        self.tell_break(breaks, Fault::Partition, ids.iter().copied().collect());
        self.queue.plan_in(lasts, Happening::Relief(Relief::Mend { breaks }));
    }

    pub(crate) fn lonely_change(&mut self) -> bool {
        let Some((leader, present)) = self.leading() else { return false };
        if self.somebody_may_be_lost() {
            return false;
        }
        let present = present.clone();
        let Some(change) = self.draw_change(&present) else { return false };
        let lasts = self.timeouts(2, 5);
        self.cut_off(&BTreeSet::from([leader]), lasts);
        let ticket = self.next_ticket();
        let timeout_ms = self.plan.timers.election_timeout_ms * PATIENCE_TIMEOUTS;
        self.submit(ticket, Asker::Operator, leader, Request::Change(change), timeout_ms);
        true
    }

    pub(crate) fn long_tail(&mut self) -> bool {
        let Some((leader, _)) = self.leading() else { return false };
        let lasts = self.timeouts(4, 8);
        self.cut_off(&BTreeSet::from([leader]), lasts);
        let writes = self.random.between(1, TAIL_WRITES_MAX);
        self.burst(leader, writes);
        let others = self.others(leader);
        for _ in 0..OTHER_BURSTS {
            let (member, after) = (self.random.pick(&others), self.timeouts(2, 4));
            let writes = self.random.between(1, OTHER_WRITES_MAX);
            self.queue.plan_in(after, Happening::Relief(Relief::Burst { member, writes }));
        }
        true
    }

    /// Asks a member for so many writes at once, if it runs.
    pub(crate) fn burst(&mut self, member: MemberId, writes: u64) {
        let timeout_ms = self.plan.timers.election_timeout_ms * PATIENCE_TIMEOUTS;
        for _ in 0..writes {
            if self.healing.is_some() || !self.runs(member) {
                return;
            }
            let ticket = self.next_ticket();
            let asked = Asked::Write(self.clients.put(0, ticket));
            self.ask(ticket, Asker::Once, member, asked, true, timeout_ms);
        }
    }

    /// The first half: somebody falls behind. The second comes when the frail one is to lose what
    /// it has meanwhile.
    pub(crate) fn loss_alone(&mut self) -> bool {
        let Some((leader, _)) = self.leading() else { return false };
        let frail: Vec<MemberId> = self.plan.frail.iter().copied().collect();
        let loses = self.random.pick(&frail);
        if loses == leader || !self.runs(loses) {
            return false;
        }
        let behind = |id: &MemberId| *id != leader && *id != loses;
        let behind: BTreeSet<MemberId> = self.others(leader).into_iter().filter(behind).collect();
        let lasts = self.timeouts(1, 3);
        self.cut_off(&behind, lasts);
        self.queue.plan_in(lasts, Happening::Relief(Relief::Lose { leader, loses }));
        true
    }

    /// The second half: the loss, and the leader is gone for a while.
    pub(crate) fn lose(&mut self, leader: MemberId, loses: MemberId) {
        // Whoever can not go on after it is lost, and a change may count on it.
        if self.healing.is_some() || !self.runs(loses) || self.members_are_changing() {
            return;
        }
        let harm = self.random.pick(&[Harm::Flip, Harm::Lost]);
        if self.harm_one(loses, harm) {
            let lasts = self.timeouts(3, 6);
            self.cut_off(&BTreeSet::from([leader]), lasts);
            self.end(loses, Death::Crash { reset: true });
            self.queue.plan_in(Span(0), Happening::Start(loses));
        }
    }

    /// A snapshot has just taken the place of a member's log, in its memory.
    pub(crate) fn installs(&mut self, id: MemberId) {
        let is_on = self.plan.provoked.contains(&Fault::InstallStruck) && self.healing.is_none();
        if !is_on || !self.random.chance(INSTALL_STRUCK_PER_MILLE) {
            return;
        }
        self.tally.count(Fault::InstallStruck);
        let fault = self.random.pick(&[Fault::CrashOne, Fault::PowerCutOne]);
        let after = Span(self.random.between(0, 2 * self.plan.flush.1.0));
        self.queue.plan_in(after, Happening::Hunt { fault, member: id });
    }
    pub(crate) fn crowd(&mut self) -> bool {
        let Some((leader, _)) = self.leading() else { return false };
        let lasts = self.plan.delay.1.times(CROWD_DELAYS);
        let members = self.remaining();
        for _ in 0..self.random.between(CROWD.0, CROWD.1) {
            let member = self.random.pick(&members);
            let after = Span(self.random.between(0, lasts.0));
            self.queue.plan_in(after, Happening::Relief(Relief::Ask(member)));
        }
        // Whoever has a slow disk learns late what is committed.
        let slow = self.random.pick(&self.others(leader));
        for (fault, member) in [(Fault::StreamReset, leader), (Fault::DiskSlow, slow)] {
            if self.random.coin() {
                let after = Span(self.random.between(0, lasts.0));
                self.queue.plan_in(after, Happening::Hunt { fault, member });
            }
        }
        true
    }

    pub(crate) fn one_of_a_crowd_asks(&mut self, member: MemberId) {
        if self.healing.is_some() || !self.runs(member) {
            return;
        }
        let ticket = self.next_ticket();
        let asked = self.clients.one_of_a_crowd(ticket);
        let timeout_ms = self.plan.timers.election_timeout_ms * PATIENCE_TIMEOUTS;
        self.ask(ticket, Asker::Once, member, asked, true, timeout_ms);
    }

    /// An operation of a member's disk failed and the process goes on: nobody knows better than a
    /// power cut whether it may.
    pub(crate) fn disk_has_failed(&mut self, id: MemberId) {
        if self.healing.is_none() && self.random.coin() {
            // A later flush would leave a gap, which is found.
            let after = Span(self.random.between(0, 2 * self.plan.flush.1.0));
            let fault = Fault::PowerCutOne;
            self.queue.plan_in(after, Happening::Hunt { fault, member: id });
        }
    }
}
