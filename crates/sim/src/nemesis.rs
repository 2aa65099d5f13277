//! The operators and accidents: faults that strike at times of their own, and their relief.

use std::collections::BTreeSet;

use disk::Fault as DiskFault;
use raft::MemberId;
use replica::Request;

use crate::faults::Fault;
use crate::life::{Happening, Life};
use crate::member::{Armed, Death};
use crate::network::Direction;
use crate::plan::WALL_SKEW_MS_MAX;
use crate::time::Span;
use crate::workload::Asker;

/// A disk operation to fail is at most so many operations away.
const ARMED_OPERATIONS_MAX: u64 = 12;
/// A slow disk takes so many times longer: one of these.
const DISK_SLOWNESS: [u64; 4] = [10, 100, 1_000, 1_000];
/// A wall clock jumps by up to so many milliseconds: a little, an hour, ten years.
const CLOCK_JUMPS_MS: [u64; 4] = [500, 10_000, 3_600_000, WALL_SKEW_MS_MAX];
/// After a jump it goes on at one of these rates, in thousandths of the right one: 0 stands still.
const CLOCK_RATES_PER_MILLE: [u64; 5] = [1_000, 1_001, 0, 0, 20_000];
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
    Mend {
        breaks: u64,
    },
    Deafen(MemberId),
    /// Of a swizzle: the link is cut now, for so long.
    Sever {
        link: Direction,
        lasts: Span,
    },
    /// The sender of a half-open stream is told.
    Reset {
        breaks: u64,
        direction: Direction,
    },
    Unclog(Direction),
    /// Of a scene: so many writes are asked for at once.
    Burst {
        member: MemberId,
        writes: u64,
    },
    /// Of a scene: one of a crowd asks.
    Ask(MemberId),
    /// Of a scene: a member loses what it had acknowledged, and the leader is gone.
    Lose {
        leader: MemberId,
        loses: MemberId,
    },
    Reopen(Direction),
    FastDisk(MemberId),
    EmptyDisk(MemberId),
    Resume {
        member: MemberId,
        life: u64,
    },
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
        self.mute_new_leader(id);
        self.lull_elected(id);
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
        if !fault.cuts_off() {
            self.tell_fault(fault, &[member]);
        }
        if self.happens_to(member, fault) {
            self.tally.count(fault);
        }
    }

    /// A fault that something provoked has struck.
    pub(crate) fn strike_noted(&mut self, fault: Fault, member: MemberId) {
        self.tell_fault(fault, &[member]);
        self.tally.count(fault);
    }

    /// Whether it happened. Faults of the disk are counted when the disk meets them, a leader that
    /// sleeps when it wakes.
    fn happens_to(&mut self, member: MemberId, fault: Fault) -> bool {
        if let Some(harm) = fault.harm() {
            return self.harm(harm);
        }
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
            Fault::DiskFull => return self.fill_disks(member),
            Fault::Pause => return self.pause(member),
            Fault::Transfer => return self.transfer(member),
            Fault::LeaderAsleep => self.lull(),
            Fault::Swizzle => self.swizzle(),
            Fault::HalfOpen => return self.half_open(member),
            Fault::ClockJump => self.jump_clock(member),
            Fault::Membership => self.change_members(),
            Fault::Wipe => return self.wipe(member),
            Fault::SnapshotRot => return self.harm_snapshot(member),
            Fault::LonelyChange => return self.lonely_change(),
            Fault::LongTail => return self.long_tail(),
            Fault::LossAlone => return self.loss_alone(),
            Fault::Crowd => return self.crowd(),
            _ if fault.is_provoked() => unreachable!("members provoke these"),
            Fault::MessageLost | Fault::MessageDuplicated | Fault::MessageReordered => {
                unreachable!("these befall messages, and strike nobody")
            }
            _ => unreachable!("harm was dealt with above"),
        }
        let later = [Fault::CrashInDisk, Fault::DiskError, Fault::LeaderAsleep, Fault::Membership];
        !later.contains(&fault)
    }

    /// Any member, the leader as often as not: that is where it hurts.
    fn draw_member(&mut self) -> MemberId {
        let leads = |id: &MemberId| {
            let process = self.members[id].process.as_ref();
            process.is_some_and(|process| process.replica.raft().is_leader())
        };
        let all = self.remaining();
        let leader = all.iter().copied().find(leads);
        let anyone = self.random.pick(&all);
        leader.filter(|_| self.random.coin()).unwrap_or(anyone)
    }

    pub(crate) fn others(&self, id: MemberId) -> Vec<MemberId> {
        self.members.keys().copied().filter(|&other| other != id).collect()
    }

    /// How long a fault lasts: from a blink to several election timeouts.
    fn draw_duration(&mut self) -> Span {
        let timeout = Span::ms(self.plan.timers.election_timeout_ms);
        Span(self.random.between(1_000, self.random.clone().pick(&[1, 2, 5]) * timeout.0))
    }

    pub(crate) fn plan_relief(&mut self, relief: Relief) {
        let after = self.draw_duration();
        self.queue.plan_in(after, Happening::Relief(relief));
    }

    pub(crate) fn relieve(&mut self, relief: Relief) {
        match relief {
            Relief::Mend { breaks } => self.mend(breaks),
            Relief::Deafen(member) => self.deafen(member),
            Relief::Sever { link, lasts } => self.sever(link, lasts),
            Relief::Reset { breaks, direction } => self.reset_half_open(breaks, direction),
            Relief::Burst { member, writes } => self.burst(member, writes),
            Relief::Ask(member) => self.one_of_a_crowd_asks(member),
            Relief::Lose { leader, loses } => self.lose(leader, loses),
            Relief::Unclog(direction) => self.unclog(direction),
            Relief::Reopen(direction) => self.queue.plan_in(Span(0), Happening::Dial(direction)),
            Relief::FastDisk(member) => {
                self.member(member).disk_slowness = 1;
                self.tell_over(Fault::DiskSlow, &[member]);
            }
            Relief::EmptyDisk(member) => {
                self.empty_disk(member);
                self.tell_over(Fault::DiskFull, &[member]);
            }
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

    fn unclog(&mut self, direction: Direction) {
        self.network.clog(direction, Span(0));
        self.tell_over(Fault::LinkClogged, &[direction.0]);
    }

    /// Splits the members in two: one alone, or groups by chance.
    fn partition(&mut self, alone: MemberId, one_way: bool) {
        let by_chance = self.random.coin();
        let mut group = BTreeSet::from([alone]);
        if by_chance {
            let members = self.remaining();
            group.extend(members.into_iter().filter(|_| self.random.coin()));
        }
        let outward = self.random.coin();
        let crosses = |&(from, to): &Direction| {
            let (from_group, to_group) = (group.contains(&from), group.contains(&to));
            from_group != to_group && (!one_way || from_group == outward)
        };
        let breaks = self.network.cut(self.directions().filter(crosses).collect());
        let fault = if one_way { Fault::PartitionOneWay } else { Fault::Partition };
        self.tell_break(breaks, fault, group.into_iter().collect());
        self.plan_relief(Relief::Mend { breaks });
    }

    /// Cuts links one by one, and mends each when its own time is over, in another order.
    fn swizzle(&mut self) {
        let timeout_us = self.plan.timers.election_timeout_ms * 1_000;
        let links: Vec<Direction> = self.directions().filter(|(from, to)| from < to).collect();
        for link in links {
            if self.random.chance(700) {
                let after = Span(self.random.between(0, timeout_us));
                let lasts = Span(self.random.between(0, 3 * timeout_us));
                self.queue.plan_in(after, Happening::Relief(Relief::Sever { link, lasts }));
            }
        }
    }

    fn sever(&mut self, (one, other): Direction, lasts: Span) {
        if self.healing.is_none() {
            let breaks = self.network.cut(BTreeSet::from([(one, other), (other, one)]));
            self.queue.plan_in(lasts, Happening::Relief(Relief::Mend { breaks }));
        }
    }

    fn half_open(&mut self, from: MemberId) -> bool {
        let direction = (from, self.random.pick(&self.others(from)));
        let is_open = self.network.is_open(direction);
        if is_open {
            let breaks = self.network.mute([direction], 0);
            self.plan_relief(Relief::Reset { breaks, direction });
        }
        is_open
    }

    fn reset_half_open(&mut self, breaks: u64, direction: Direction) {
        self.network.mend(breaks);
        self.break_stream(direction);
        self.queue.plan_in(Span(0), Happening::Dial(direction));
    }

    fn directions(&self) -> impl Iterator<Item = Direction> {
        let members = || self.members.keys().copied();
        members().flat_map(move |from| members().map(move |to| (from, to)))
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
        for id in self.remaining() {
            self.kill(id);
        }
    }

    fn cut_power(&mut self, id: MemberId) -> bool {
        let ran = self.runs(id);
        self.end(id, Death::PowerCut);
        ran
    }

    fn cut_all_power(&mut self) {
        for id in self.remaining() {
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

    pub(crate) fn resume(&mut self, id: MemberId, life: u64) {
        let now = self.now();
        let Some(process) = self.member(id).process_of(life) else { return };
        let was_paused = std::mem::replace(&mut process.paused, false);
        process.resumed = now;
        process.step_planned = false;
        self.wake(id);
        if was_paused {
            self.tell_over(Fault::Pause, &[id]);
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

    /// The wall clock of its machine is set to another time.
    fn jump_clock(&mut self, id: MemberId) {
        let up_to_ms = self.random.pick(&CLOCK_JUMPS_MS);
        let (by_ms, forwards) = (self.random.between(1, up_to_ms), self.random.coin());
        let rate = self.random.pick(&CLOCK_RATES_PER_MILLE);
        let now = self.now();
        self.member(id).jump_clock(now, by_ms, forwards, rate);
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
        self.member(id).disk_slowness = self.random.pick(&DISK_SLOWNESS);
        self.plan_relief(Relief::FastDisk(id));
    }

    /// No fault from now on, and every machine is up.
    pub(crate) fn end_all_faults(&mut self) {
        self.end_lull();
        self.network.heal();
        for id in self.remaining() {
            self.empty_disk(id);
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
