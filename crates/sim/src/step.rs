//! What happens to members: ticks, arrivals, steps of the replica thread, batches of disk work.

use raft::{Event, MemberId, RoleName};
use replica::{
    Effects, LogReply, LogRequest, PeerMessage, SnapshotMessage, SnapshotReply, SnapshotRequest,
    Stop,
};

use crate::canary::Canary;
use crate::faults::Fault;
use crate::life::{Happening, Life};
use crate::member::{Armed, Death, Input, is_failure};
use crate::network::{Direction, Flight, Packet};
use crate::telling::Said;
use crate::time::Span;

/// A stream that could not be opened is tried again after this time.
const REOPEN: Span = Span(10_000);
/// However slow a disk is, it is done after this time.
const DISK_WORK_MAX: Span = Span(1_500_000);

impl Life {
    pub(crate) fn tick(&mut self, id: MemberId, life: u64) {
        let (now, jitter, tick) = (self.now(), self.plan.tick_jitter, self.plan.tick(id));
        let faults_before = self.members[&id].disk.counts().faults;
        let Some(process) = self.member(id).process_of(life) else { return };
        process.tick_due = true;
        if !process.paused
            && let Some(failed) = process.log.idle(now)
        {
            process.inbox.push_back(Input::Log(failed));
        } else if self.fails_beside_the_log(id, faults_before) {
            return;
        }
        self.look_for_room(id, life);
        let next = Span(tick.0 + self.random.between(0, jitter.0));
        self.queue.plan_in(next, Happening::Tick { member: id, life });
        self.wake(id);
        self.watch_healing();
    }

    pub(crate) fn arrive(&mut self, flight: Flight) {
        let (from, to) = flight.direction;
        if self.network.keeps(&flight) {
            return;
        }
        let delivered = self.network.gets_through(&flight) && self.runs(to);
        self.tell_arrival(&flight, delivered);
        if !delivered {
            if matches!(flight.packet, Packet::Opened) {
                self.break_stream(flight.direction);
                self.queue.plan_in(REOPEN, Happening::Dial(flight.direction));
            }
            return;
        }
        self.give(
            to,
            match flight.packet {
                Packet::Opened => Input::Opened(from),
                Packet::Message(message) => Input::Message(from, message),
                Packet::Snapshot(message) => Input::AboutSnapshot(from, message),
                Packet::Closed => Input::Closed(from),
            },
        );
    }

    /// A stream is gone, and its sender notices.
    pub(crate) fn break_stream(&mut self, (from, to): Direction) {
        self.network.abandon((from, to));
        if self.runs(from) {
            self.give(from, Input::Broke(to));
        }
    }

    /// Puts something into a running member's inbox.
    pub(crate) fn give(&mut self, id: MemberId, input: Input) {
        let process = self.member(id).process.as_mut().expect("it runs");
        process.inbox.push_back(input);
        self.wake(id);
    }

    /// The replica thread is to run soon.
    pub(crate) fn wake(&mut self, id: MemberId) {
        let wake = self.plan.wake;
        let member = self.members.get_mut(&id).expect("members are all known");
        let Some(process) = member.process.as_mut() else { return };
        if process.paused || process.step_planned {
            return;
        }
        process.step_planned = true;
        let after = Span(self.random.between(0, wake.0));
        self.queue.plan_in(after, Happening::Step { member: id, life: member.life });
    }

    /// The server's own loop, once around.
    pub(crate) fn step(&mut self, id: MemberId, life: u64) {
        let now = self.now();
        let Some(process) = self.member(id).process_of(life) else { return };
        process.step_planned = false;
        if process.paused {
            return;
        }
        let ticks = process.tick_due;
        process.feed(now);
        self.hand_out(id);
        if ticks {
            self.check_after_tick(id, life);
        }
        let Some(process) = self.member(id).process_of(life) else { return };
        let more = process.replica.apply_turn();
        self.hand_out(id);
        let process = self.member(id).process_of(life);
        let sweeps = process.is_some_and(|process| process.replica.sweep_turn());
        if more || sweeps {
            self.wake(id);
        }
        let replicas = self.members.values().filter_map(|member| member.process.as_ref());
        self.safety.scan(replicas.map(|process| &process.replica), &self.ledger);
    }

    /// What must come to pass after so many ticks, has it?
    fn check_after_tick(&mut self, id: MemberId, life: u64) {
        let (now, others) = (self.now(), self.others(id));
        let timeout_ms = self.plan.timers.election_timeout_ms;
        let Some(process) = self.member(id).process_of(life) else { return };
        let raft = process.replica.raft();
        process.silence.tick(others.into_iter(), raft.is_leader());
        process.silence.check(raft, timeout_ms);
        process.disk_watch.tick(raft.is_leader(), process.log.tick());
        process.disk_watch.check(raft, timeout_ms);
        let resumed = process.resumed;
        self.check_patience(id, resumed, now);
    }

    /// Checks what the member has become, before anyone hears of it; then does what it wants done.
    fn hand_out(&mut self, id: MemberId) {
        let member = self.members.get_mut(&id).expect("members are all known");
        let Some(process) = member.process.as_mut() else { return };
        let mut effects = process.replica.take_effects();
        let configuration = effects.configuration.take();
        let before = self.ledger.last();
        self.safety.stepped(&process.replica, &mut self.ledger, &mut self.oracle);
        self.safety.check_times(process.replica.raft(), &self.ledger, self.queue.now());
        if effects.published {
            self.watching.published(process.replica.dispatcher());
        }
        self.note_what_ended(before);
        let Effects { send, send_snapshot, log, snapshot, answers, events, refused, stop, .. } =
            effects;
        assert!(refused.is_empty(), "refusal: {id} refused a member of its cluster: {refused:?}");
        self.tell_step(id, &events);
        for event in events {
            self.react(id, event);
        }
        for (to, message) in send {
            self.send(id, to, message);
        }
        for (to, message) in send_snapshot {
            self.send_snapshot(id, to, &message);
        }
        for answer in answers {
            self.answered(answer);
        }
        if let Some(configuration) = configuration {
            self.reconfigured(id, &configuration);
        }
        if stop == Some(Stop::Removed) {
            return self.retire(id);
        }
        if stop.is_some() {
            if self.members[&id].armed.is_some() {
                self.tally.count(Fault::DiskError);
            }
            self.end(id, Death::Crash { reset: true });
            return;
        }
        self.ask_disk(id, log);
        self.ask_snapshots(id, snapshot);
    }

    fn react(&mut self, id: MemberId, event: Event) {
        match event {
            Event::SnapshotInstalled { last } => {
                self.snapshots.installed += 1;
                let member = self.member(id);
                member.installed = member.installed.max(last.index);
                self.installs(id);
            }
            Event::LogCut { .. } => self.snapshots.cuts += 1,
            Event::Role { role: RoleName::Leader, .. } => self.elected(id),
            Event::Appended { .. } => self.ask_about_the_going(id),
            Event::Transferring { .. } => {
                let process = self.member(id).process.as_mut().expect("it has just stepped");
                process.disk_watch.transferring();
            }
            _ => {}
        }
    }

    /// Without a stream nothing leaves, and a forwarded write is handed back, as the server does.
    fn send(&mut self, from: MemberId, to: MemberId, message: PeerMessage) {
        if !self.network.is_open((from, to)) {
            if matches!(message, PeerMessage::Forward { .. } | PeerMessage::LeaseAsk { .. }) {
                self.give(from, Input::Unsent(message));
            }
            return;
        }
        self.safety.says(from, to, &message);
        if self.is_delayed((from, to), &message) {
            return;
        }
        let (now, way) = (self.now(), (from, to));
        let copies = self.network.send(now, way, message.clone(), &mut self.tally);
        self.tell_message(way, Said::OnStream(&message), &copies);
        self.plan_arrivals(copies);
    }

    fn send_snapshot(&mut self, from: MemberId, to: MemberId, message: &SnapshotMessage) {
        let (now, way) = (self.now(), (from, to));
        let copies = self.network.send_snapshot(now, way, message.clone(), &mut self.tally);
        self.tell_message(way, Said::AboutSnapshot(message), &copies);
        self.plan_arrivals(copies);
    }

    // The disk.

    fn ask_disk(&mut self, id: MemberId, requests: Vec<LogRequest>) {
        if requests.is_empty() {
            return;
        }
        self.safety.asks_log(id, &requests);
        if self.canary == Some(Canary::LyingFlush) {
            self.lie_about(id, &requests);
        }
        let process = self.member(id).process.as_mut().expect("it has just stepped");
        process.log.queue(requests);
        self.begin_disk_work(id);
    }

    fn begin_disk_work(&mut self, id: MemberId) {
        let (early, (low, high)) = (self.random.coin(), self.plan.flush);
        let takes = Span(self.random.between(low.0, high.0));
        let member = self.members.get_mut(&id).expect("members are all known");
        let process = member.process.as_mut().expect("only running members have disk work");
        if !process.log.begin(early) {
            return;
        }
        let takes = takes.times(member.disk_slowness).min(DISK_WORK_MAX);
        self.queue.plan_in(takes, Happening::DiskDone { member: id, life: member.life });
        if process.log.has_failed() {
            self.disk_failed(id);
        }
    }

    pub(crate) fn disk_done(&mut self, id: MemberId, life: u64) {
        let now = self.now();
        let Some(process) = self.member(id).process_of(life) else { return };
        let replies = process.log.finish(now);
        let ends = match is_failure(&replies) {
            true => self.disk_failed(id),
            // A segment that could not be put aside for later use is no failure of the log.
            false => self.members[&id].has_failed_in_passing() && self.fails_in_passing(id),
        };
        if ends {
            return;
        }
        for reply in replies {
            if !self.is_told_already(&reply) {
                self.safety.log_answers(id, &reply);
                self.give(id, Input::Log(reply));
            }
        }
        self.begin_disk_work(id);
    }

    /// A disk operation failed. Whether it was the end of the process.
    fn disk_failed(&mut self, id: MemberId) -> bool {
        match self.members[&id].armed {
            Some(Armed::Dies(death)) => {
                self.tally.count(Fault::CrashInDisk);
                self.end(id, death);
                true
            }
            Some(Armed::Fails) => false,
            None if self.members[&id].harmed => false,
            // The disk was full, now or when the work was begun.
            None if self.members[&id].disk.counts().refused > 0 => false,
            None => panic!("disk: an operation of {id} failed, and no fault was planned"),
        }
    }

    fn lie_about(&mut self, id: MemberId, requests: &[LogRequest]) {
        for request in requests {
            if let LogRequest::Persist(persist) = request {
                let lie = LogReply::Persisted(persist.number);
                self.safety.log_answers(id, &lie);
                self.give(id, Input::Log(lie));
            }
        }
    }

    fn is_told_already(&self, reply: &LogReply) -> bool {
        self.canary == Some(Canary::LyingFlush) && matches!(reply, LogReply::Persisted(_))
    }

    // Snapshots.

    fn ask_snapshots(&mut self, id: MemberId, requests: Vec<SnapshotRequest>) {
        if requests.is_empty() {
            return;
        }
        // It may just have died in the work of its log.
        let Some(process) = self.members.get_mut(&id).and_then(|m| m.process.as_mut()) else {
            return;
        };
        self.safety.asks_snapshots(&process.replica, &requests);
        process.snapshots.queue(requests);
        self.begin_snapshot_work(id);
    }

    fn begin_snapshot_work(&mut self, id: MemberId) {
        let (early, (low, high)) = (self.random.coin(), self.plan.flush);
        let takes = Span(self.random.between(low.0, 4 * high.0));
        let member = self.members.get_mut(&id).expect("members are all known");
        let process = member.process.as_mut().expect("only running members have disk work");
        let faults_before = member.disk.counts().faults;
        if !process.snapshots.begin(early) {
            return;
        }
        let takes = takes.times(member.disk_slowness).min(DISK_WORK_MAX);
        self.queue.plan_in(takes, Happening::SnapshotDone { member: id, life: member.life });
        self.fails_beside_the_log(id, faults_before);
    }

    pub(crate) fn snapshot_done(&mut self, id: MemberId, life: u64) {
        let faults_before = self.members[&id].disk.counts().faults;
        let Some(process) = self.member(id).process_of(life) else { return };
        let reply = process.snapshots.finish();
        if self.fails_beside_the_log(id, faults_before) {
            return;
        }
        if let Some(reply) = reply {
            self.count_snapshot(&reply);
            self.give(id, Input::Snapshot(reply));
        }
        self.begin_snapshot_work(id);
    }

    // Spares and room.

    /// The spare thread looks, if it is time to: what it measures goes to the replica at its next
    /// step, and what is to be prepared takes its time.
    fn look_for_room(&mut self, id: MemberId, life: u64) {
        let (now, early, (low, high)) = (self.now(), self.random.coin(), self.plan.flush);
        let takes = Span(self.random.between(low.0, high.0));
        let member = self.members.get_mut(&id).expect("members are all known");
        let (slowness, faults_before) = (member.disk_slowness, member.disk.counts().faults);
        let Some(process) = member.process_of(life) else { return };
        if process.paused || !process.spares.is_due(now) {
            return;
        }
        let room = process.spares.room();
        process.inbox.extend(room.map(Input::Room));
        if process.spares.begin(now, early) {
            let takes = takes.times(slowness).min(DISK_WORK_MAX);
            self.queue.plan_in(takes, Happening::SpareDone { member: id, life });
        }
        self.fails_beside_the_log(id, faults_before);
    }

    pub(crate) fn spare_done(&mut self, id: MemberId, life: u64) {
        let (now, faults_before) = (self.now(), self.members[&id].disk.counts().faults);
        let Some(process) = self.member(id).process_of(life) else { return };
        process.spares.finish(now);
        self.fails_beside_the_log(id, faults_before);
    }

    /// A disk operation of the snapshot thread or the spare thread may have failed: the process
    /// dies of it if that was planned, and goes on without otherwise. Whether it was the end of
    /// the process.
    fn fails_beside_the_log(&mut self, id: MemberId, faults_before: u64) -> bool {
        self.member(id).disk.counts().faults != faults_before && self.fails_in_passing(id)
    }

    fn fails_in_passing(&mut self, id: MemberId) -> bool {
        let member = self.member(id);
        if member.armed == Some(Armed::Fails) {
            member.forget_failure();
            self.tally.count(Fault::DiskError);
            self.disk_has_failed(id);
            return false;
        }
        self.disk_failed(id)
    }

    fn count_snapshot(&mut self, reply: &SnapshotReply) {
        match reply {
            SnapshotReply::Written { .. } => self.snapshots.written += 1,
            SnapshotReply::Received { .. } => self.snapshots.received += 1,
            _ => {}
        }
    }
}
