//! The operators and accidents: faults that strike at times of their own, and their relief.

use std::collections::BTreeSet;

use disk::Fault as DiskFault;
use raft::MemberId;
use replica::Request;

use crate::faults::Fault;
use crate::life::{Happening, Life};
use crate::member::{Armed, Death};
use crate::network::Direction;
use crate::time::Span;
use crate::workload::Asker;

/// A disk operation to fail is at most so many operations away.
const ARMED_OPERATIONS_MAX: u64 = 12;
/// A slow disk takes so many times longer.
const DISK_SLOWNESS: u64 = 100;
/// A packet over a clogged link takes so much longer, at most.
const CLOG_MAX: Span = Span(800_000);

/// What a new leader may be struck with.
const HUNTING: [Fault; 6] = [
    Fault::Partition,
    Fault::PartitionOneWay,
    Fault::StreamReset,
    Fault::CrashOne,
    Fault::PowerCutOne,
    Fault::Pause,
];

/// A fault ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Relief {
    Mend { cut: u64 },
    Unclog(Direction),
    Reopen(Direction),
    FastDisk(MemberId),
    Resume { member: MemberId, life: u64 },
}

impl Life {
    pub(crate) fn plan_first_strikes(&mut self) {
        let faults: Vec<Fault> = self.plan.strikes.keys().copied().collect();
        for fault in faults {
            self.plan_strike(fault);
        }
    }

    fn plan_strike(&mut self, fault: Fault) {
        let mean = self.plan.strikes[&fault];
        let after = Span(self.random.between(mean.0 / 4, mean.0 * 7 / 4));
        self.queue.plan_in(after, Happening::Strike(fault));
    }

    pub(crate) fn strike(&mut self, fault: Fault) {
        if self.healing.is_some() {
            return;
        }
        let member = self.draw_member();
        self.inflict(fault, member);
        self.plan_strike(fault);
    }

    /// A member was elected: in some lives that is when it is struck, before anyone has heard of
    /// it, or soon after. Leaders that follow each other that fast leave logs that differ
    /// (Figure 8).
    pub(crate) fn elected(&mut self, id: MemberId) {
        let (hunted, (_, delay)) = (self.plan.hunted, self.plan.delay);
        let huntable = |fault: &Fault| HUNTING.contains(fault);
        let faults: Vec<Fault> = self.plan.strikes.keys().copied().filter(huntable).collect();
        if self.healing.is_some() || faults.is_empty() || !self.random.chance(hunted) {
            return;
        }
        let fault = self.random.pick(&faults);
        let at_once = self.random.coin();
        let after = if at_once { 0 } else { self.random.between(0, delay.times(4).0) };
        self.queue.plan_in(Span(after), Happening::Hunt { fault, member: id });
    }

    pub(crate) fn hunt(&mut self, fault: Fault, member: MemberId) {
        if self.healing.is_none() {
            self.inflict(fault, member);
        }
    }

    fn inflict(&mut self, fault: Fault, member: MemberId) {
        self.trace.event(self.queue.now(), "strike", |line| {
            line.text("fault", fault.name()).number("member", member.0);
        });
        if self.happens_to(member, fault) {
            self.tally.count(fault);
        }
    }

    /// Whether it happened. Faults of the disk are counted when the disk meets them.
    fn happens_to(&mut self, member: MemberId, fault: Fault) -> bool {
        match fault {
            Fault::LinkClogged => self.clog(member),
            Fault::Partition => self.partition(member, false),
            Fault::PartitionOneWay => self.partition(member, true),
            Fault::StreamReset => return self.reset_streams(member),
            Fault::CrashOne => return self.kill(member),
            Fault::CrashAll => self.kill_all(),
            Fault::PowerCutOne => return self.cut_power(member),
            Fault::PowerCutAll => self.cut_all_power(),
            Fault::CrashInDisk => self.arm_death(member),
            Fault::DiskError => self.arm_error(member),
            Fault::DiskSlow => self.slow_disk(member),
            Fault::Pause => return self.pause(member),
            Fault::Transfer => return self.transfer(member),
            Fault::MessageLost | Fault::MessageDuplicated | Fault::MessageReordered => {
                unreachable!("these befall messages, and strike nobody")
            }
        }
        !matches!(fault, Fault::CrashInDisk | Fault::DiskError)
    }

    /// Any member, the leader as often as not: that is where it hurts.
    fn draw_member(&mut self) -> MemberId {
        let leads = |id: &MemberId| {
            let process = self.members[id].process.as_ref();
            process.is_some_and(|process| process.replica.raft().is_leader())
        };
        let all: Vec<MemberId> = self.plan.members.iter().copied().collect();
        let leader = all.iter().copied().find(leads);
        let anyone = self.random.pick(&all);
        leader.filter(|_| self.random.coin()).unwrap_or(anyone)
    }

    fn others(&self, id: MemberId) -> Vec<MemberId> {
        self.plan.members.iter().copied().filter(|&other| other != id).collect()
    }

    /// How long a fault lasts: from a blink to several election timeouts.
    fn draw_duration(&mut self) -> Span {
        let timeout = Span::ms(self.plan.timers.election_timeout_ms);
        Span(self.random.between(1_000, self.random.clone().pick(&[1, 2, 5]) * timeout.0))
    }

    fn plan_relief(&mut self, relief: Relief) {
        let after = self.draw_duration();
        self.queue.plan_in(after, Happening::Relief(relief));
    }

    pub(crate) fn relieve(&mut self, relief: Relief) {
        match relief {
            Relief::Mend { cut } => self.network.mend(cut),
            Relief::Unclog(direction) => self.network.clog(direction, Span(0)),
            Relief::Reopen(direction) => self.queue.plan_in(Span(0), Happening::Dial(direction)),
            Relief::FastDisk(member) => self.member(member).disk_slowness = 1,
            Relief::Resume { member, life } => self.resume(member, life),
        }
    }

    // The network.

    fn clog(&mut self, from: MemberId) {
        let direction = (from, self.random.pick(&self.others(from)));
        let by = Span(self.random.between(1_000, CLOG_MAX.0));
        self.network.clog(direction, by);
        self.plan_relief(Relief::Unclog(direction));
    }

    /// Splits the members in two: one alone, or groups by chance.
    fn partition(&mut self, alone: MemberId, one_way: bool) {
        let by_chance = self.random.coin();
        let mut group = BTreeSet::from([alone]);
        if by_chance {
            let members: Vec<MemberId> = self.plan.members.iter().copied().collect();
            group.extend(members.into_iter().filter(|_| self.random.coin()));
        }
        let outward = self.random.coin();
        let crosses = |&(from, to): &Direction| {
            let (from_group, to_group) = (group.contains(&from), group.contains(&to));
            from_group != to_group && (!one_way || from_group == outward)
        };
        let cut = self.network.cut(self.directions().filter(crosses).collect());
        self.plan_relief(Relief::Mend { cut });
    }

    fn directions(&self) -> impl Iterator<Item = Direction> {
        let members = &self.plan.members;
        members.iter().flat_map(|&from| members.iter().map(move |&to| (from, to)))
    }

    /// Resets one of a member's streams, or all of them: then its peers take it for dead.
    fn reset_streams(&mut self, from: MemberId) -> bool {
        let (all, reset) = (self.random.coin(), self.random.coin());
        let others = self.others(from);
        let struck = if all { others } else { vec![self.random.pick(&others)] };
        let mut happened = false;
        for to in struck {
            let closed = self.network.close(self.now(), (from, to), reset);
            happened |= closed.is_some();
            self.plan_arrivals(closed);
            self.plan_relief(Relief::Reopen((from, to)));
        }
        happened
    }

    // Processes and machines.

    fn kill(&mut self, id: MemberId) -> bool {
        let (ran, reset) = (self.runs(id), self.random.coin());
        self.end(id, Death::Crash { reset });
        ran
    }

    fn kill_all(&mut self) {
        for id in self.plan.members.clone() {
            self.kill(id);
        }
    }

    fn cut_power(&mut self, id: MemberId) -> bool {
        let ran = self.runs(id);
        self.end(id, Death::PowerCut);
        ran
    }

    fn cut_all_power(&mut self) {
        for id in self.plan.members.clone() {
            self.cut_power(id);
        }
    }

    fn pause(&mut self, id: MemberId) -> bool {
        let member = self.member(id);
        let life = member.life;
        let Some(process) = member.process.as_mut().filter(|process| !process.paused) else {
            return false;
        };
        process.paused = true;
        self.plan_relief(Relief::Resume { member: id, life });
        true
    }

    fn resume(&mut self, id: MemberId, life: u64) {
        if let Some(process) = self.member(id).process_of(life) {
            process.paused = false;
            process.step_planned = false;
            self.wake(id);
        }
    }

    /// Asks a member to hand leadership to anyone.
    fn transfer(&mut self, id: MemberId) -> bool {
        if !self.runs(id) {
            return false;
        }
        let (ticket, to) = (self.next_ticket(), self.draw_member());
        let to = self.random.coin().then_some(to);
        let timeout_ms = self.plan.timers.election_timeout_ms;
        self.submit(ticket, Asker::Operator, id, Request::Transfer { to }, timeout_ms);
        true
    }

    // Disks.

    /// The process dies, or the power fails, in a disk operation to come; in the recovery of a
    /// member that does not run.
    fn arm_death(&mut self, id: MemberId) {
        let reset = self.random.coin();
        let death = if self.random.coin() { Death::PowerCut } else { Death::Crash { reset } };
        self.arm(id, Armed::Dies(death), DiskFault::Halt);
    }

    fn arm_error(&mut self, id: MemberId) {
        let fault = self.random.pick(&[DiskFault::Error, DiskFault::Short, DiskFault::Full]);
        self.arm(id, Armed::Fails, fault);
    }

    fn arm(&mut self, id: MemberId, armed: Armed, fault: DiskFault) {
        let nth = self.random.between(1, ARMED_OPERATIONS_MAX);
        self.member(id).arm(nth, armed, fault);
    }

    fn slow_disk(&mut self, id: MemberId) {
        self.member(id).disk_slowness = DISK_SLOWNESS;
        self.plan_relief(Relief::FastDisk(id));
    }

    /// No fault from now on, and every machine is up.
    pub(crate) fn end_all_faults(&mut self) {
        self.network.heal();
        for id in self.plan.members.clone() {
            let member = self.member(id);
            member.disarm();
            member.disk_slowness = 1;
            let life = member.life;
            self.resume(id, life);
            self.queue.plan_in(Span(0), Happening::Start(id));
        }
        for direction in self.directions().filter(|(from, to)| from != to).collect::<Vec<_>>() {
            self.queue.plan_in(Span(0), Happening::Dial(direction));
        }
    }
}
