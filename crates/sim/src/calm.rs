//! A member that can not hear must not disturb those that can (thesis §9.6, pre-vote; the outage of
//! Cloudflare in November 2020).
//!
//! When a cluster has healed, all that reaches one of its followers is lost for several election
//! timeouts: it takes its leader for dead, and everybody hears it say so. The leader has its
//! majority all the time, so it must lead on, in the same term, then and after the return.
//!
//! After that, in some lives, a lease is tried (`lease_trial.rs`).

use raft::{MemberId, Term};

use crate::lease_trial::{LeaseTrial, Trial};
use crate::life::{Happening, Life};
use crate::nemesis::Relief;
use crate::time::{Span, Time};

/// The follower does not hear for so many election timeouts, and is watched for as many after.
const DEAF_TIMEOUTS: u64 = 3;
const RETURN_TIMEOUTS: u64 = 2;
/// A life that has had so many events already has no calm.
const EVENTS_MAX: u64 = 13_000;

/// How far the trial has come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Calm {
    /// What was on its way or at work when the faults ended, an order to campaign for example, has
    /// until then to end.
    Settling(Time),
    Deaf {
        leader: MemberId,
        term: Term,
        ends: Time,
    },
    Lease(LeaseTrial),
    Over,
}

impl Life {
    /// Everything is well: the trial begins, in some lives.
    pub(crate) fn begin_calm(&mut self) {
        let everybody = self.remaining().len() == self.plan.members.len();
        if self.plan.calm && everybody && self.events <= EVENTS_MAX {
            let timeout = Span::ms(self.plan.timers.election_timeout_ms);
            self.calm = Some(Calm::Settling(self.now() + timeout));
        }
    }

    pub(crate) fn watch_calm(&mut self) {
        let (now, leads) = (self.now(), self.newest_leader());
        match self.calm {
            Some(Calm::Settling(until)) if now >= until => self.deafen_follower(),
            Some(Calm::Deaf { leader, term, ends }) => {
                assert_eq!(
                    leads,
                    Some((leader, term)),
                    "calm: a member that could not hear deposed a leader that had its majority"
                );
                self.check_nothing_is_overdue(leader);
                if now >= ends {
                    self.calm = Some(self.begin_lease_trial().map_or(Calm::Over, Calm::Lease));
                }
            }
            Some(Calm::Lease(mut trial)) => {
                let over = self.watch_lease_trial(&mut trial);
                self.lease_trials += u64::from(over == Trial::Passed);
                let goes_on = over == Trial::GoesOn;
                self.calm = Some(if goes_on { Calm::Lease(trial) } else { Calm::Over });
            }
            _ => {}
        }
    }

    fn deafen_follower(&mut self) {
        self.calm = Some(Calm::Over);
        let Some((leader, term)) = self.newest_leader() else { return };
        let deaf = self.random.pick(&self.others(leader));
        if !self.can_spare(leader, deaf) {
            return;
        }
        let inward: Vec<_> = self.outward(deaf).into_iter().map(|(me, to)| (to, me)).collect();
        let breaks = self.network.mute(inward, 0);
        let timeout = Span::ms(self.plan.timers.election_timeout_ms);
        let lasts = timeout.times(DEAF_TIMEOUTS);
        self.queue.plan_in(lasts, Happening::Relief(Relief::Mend { breaks }));
        let ends = self.now() + lasts + timeout.times(RETURN_TIMEOUTS);
        self.calm = Some(Calm::Deaf { leader, term, ends });
        self.trace.event(self.queue.now(), "calm", |line| {
            line.id("member", deaf).id("leader", leader).term("term", term);
        });
    }

    /// Whether the leader has its majority without the other, of members whose disks do not hold
    /// their answers up, and no reason of its own to hand over: work that was begun while a disk
    /// was slow may go on for longer than an election timeout.
    fn can_spare(&self, leader: MemberId, other: MemberId) -> bool {
        let Some(process) = self.members[&leader].process.as_ref() else { return false };
        let membership = process.replica.raft().membership();
        let settled = !membership.is_joint() && membership.is_voter(leader);
        let rests = |id| self.members[&id].process.as_ref().is_some_and(|p| p.log.is_idle());
        settled && rests(leader) && membership.is_quorum(|id| id != other && rests(id))
    }

    pub(crate) fn newest_leader(&self) -> Option<(MemberId, Term)> {
        let processes = self.members.values().filter_map(|member| member.process.as_ref());
        let leaders = processes.map(|p| p.replica.raft()).filter(|raft| raft.is_leader());
        leaders.max_by_key(|raft| raft.term()).map(|raft| (raft.id(), raft.term()))
    }

    pub(crate) fn calm_is_over(&self) -> bool {
        matches!(self.calm, None | Some(Calm::Over))
    }
}
