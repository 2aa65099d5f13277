//! A leader that sleeps through its own deposition: what it says when it wakes is the classic stale
//! read.
//!
//! ```text
//!   old leader   a read arrives, its round goes out │ asleep ................. │ reads arrive
//!   followers                answer (held up)       │ elect another, commit    │ answers arrive
//! ```
//!
//! It is cut off before it sleeps and for a while after it wakes, so that it can not know.

use raft::MemberId;

use crate::faults::Fault;
use crate::life::{Happening, Life};
use crate::time::Span;
use crate::workload::Asker;

/// It is woken after so many election timeouts, if nobody else was elected.
const SLEEP_TIMEOUTS_MAX: u64 = 5;
/// Reads that an awoken leader is asked for, at most.
const READS_MAX: u64 = 3;

/// The leader that sleeps.
#[derive(Clone, Debug)]
pub(crate) struct Lull {
    /// What was planned for an earlier one is not for this.
    number: u64,
    leader: MemberId,
    life: u64,
    /// Once it sleeps: what keeps it from being heard, and from hearing.
    breaks: Vec<u64>,
    /// Another leader was elected, and it is about to be woken.
    waking: bool,
    woken: bool,
}

/// What happens to it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LullStep {
    Sleep,
    Deafen,
    Wake,
    Ask,
    Release,
    End,
}

impl Life {
    /// Puts the newest leader to sleep, if there is one, after it was asked for a read.
    pub(crate) fn lull(&mut self) {
        let Some(id) = self.awake_leader().filter(|_| self.lull.is_none()) else { return };
        let life = self.members[&id].life;
        self.lulls += 1;
        let (number, breaks) = (self.lulls, Vec::new());
        self.lull = Some(Lull { number, leader: id, life, breaks, waking: false, woken: false });
        self.ask_read(id);
        let soon = Span(self.random.between(0, self.plan.wake.0 + 2 * self.plan.delay.1.0));
        self.plan_lull(soon, LullStep::Sleep);
    }

    fn awake_leader(&self) -> Option<MemberId> {
        let processes = self.members.values().filter_map(|member| member.process.as_ref());
        let leaders = processes.filter(|p| !p.paused && p.replica.raft().is_leader());
        let newest = leaders.max_by_key(|process| process.replica.raft().term());
        newest.map(|process| process.replica.raft().id())
    }

    /// Another leader was elected: the sleeping one wakes when there has been time for a write.
    pub(crate) fn lull_elected(&mut self, elected: MemberId) {
        let Some(lull) = self.lull.as_mut() else { return };
        if !lull.breaks.is_empty() && lull.leader != elected && !lull.waking {
            lull.waking = true;
            let writes = Span(self.round_trip().times(4).0 + self.plan.think.0);
            let after = Span(self.random.between(0, 2 * writes.0));
            self.plan_lull(after, LullStep::Wake);
        }
    }

    fn plan_lull(&mut self, after: Span, step: LullStep) {
        self.queue.plan_in(after, Happening::Lull { number: self.lulls, step });
    }

    pub(crate) fn lull_step(&mut self, number: u64, step: LullStep) {
        let Some(lull) = self.lull.clone().filter(|lull| lull.number == number) else { return };
        let runs = self.runs(lull.leader) && self.members[&lull.leader].life == lull.life;
        if self.healing.is_some() || !runs {
            return self.end_lull();
        }
        match step {
            LullStep::Sleep => self.fall_asleep(&lull),
            LullStep::Deafen => self.deafen_sleeper(&lull),
            LullStep::Wake => self.wake_up(&lull),
            LullStep::Ask => self.ask_read(lull.leader),
            LullStep::Release => self.release_held(lull.leader),
            LullStep::End => self.end_lull(),
        }
    }

    fn fall_asleep(&mut self, lull: &Lull) {
        let id = lull.leader;
        let outward = self.outward(id);
        self.network.hold(outward.iter().map(|&(from, to)| (to, from)));
        let silenced = self.network.mute(outward, 0);
        self.lull.as_mut().expect("it was just looked at").breaks.push(silenced);
        self.plan_lull(self.round_trip(), LullStep::Deafen);
        self.member(id).process.as_mut().expect("it runs").paused = true;
        let latest = Span::ms(self.plan.timers.election_timeout_ms).times(SLEEP_TIMEOUTS_MAX);
        self.plan_lull(latest, LullStep::Wake);
    }

    /// What its followers say from now on does not arrive: their answers to its last words do.
    fn deafen_sleeper(&mut self, lull: &Lull) {
        let inward = self.outward(lull.leader).into_iter().map(|(from, to)| (to, from));
        let deafened = self.network.mute(inward, 0);
        self.lull.as_mut().expect("it was just looked at").breaks.push(deafened);
    }

    /// It goes on where it stopped; reads arrive, and late answers.
    fn wake_up(&mut self, lull: &Lull) {
        let id = lull.leader;
        let asleep = self.members[&id].process.as_ref().is_some_and(|process| process.paused);
        if !asleep {
            // It was woken as planned, or something else woke it.
            if !lull.woken {
                self.end_lull();
            }
            return;
        }
        self.strike_noted(Fault::LeaderAsleep, id);
        self.lull.as_mut().expect("it sleeps").woken = true;
        if self.random.coin() {
            self.ask_read(id);
        }
        self.resume(id, lull.life);
        let timeout_us = self.plan.timers.election_timeout_ms * 1_000;
        for _ in 0..self.random.between(1, READS_MAX) {
            let after = Span(self.random.between(0, timeout_us / 2));
            self.plan_lull(after, LullStep::Ask);
        }
        let release = Span(self.random.between(0, timeout_us));
        self.plan_lull(release, LullStep::Release);
        let end = Span(timeout_us * 2);
        self.plan_lull(end, LullStep::End);
    }

    fn release_held(&mut self, id: MemberId) {
        for flight in self.network.release(id) {
            self.queue.plan_in(Span(0), Happening::Arrival(flight));
        }
    }

    pub(crate) fn end_lull(&mut self) {
        let Some(lull) = self.lull.take() else { return };
        self.release_held(lull.leader);
        for breaks in lull.breaks {
            self.network.mend(breaks);
        }
        self.resume(lull.leader, lull.life);
    }

    fn ask_read(&mut self, id: MemberId) {
        let ticket = self.next_ticket();
        let asked = self.clients.read();
        let timeout_ms = self.plan.timers.election_timeout_ms * 4;
        self.ask(ticket, Asker::Once, id, asked, false, timeout_ms);
    }
}
