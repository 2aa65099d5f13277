//! One life of a cluster: founding, a time of faults, healing, and the last blackout.
//!
//! Everything happens in this one thread, in the order of one queue. What happens at an event is
//! told in the file of whoever it happens to: `step.rs` (members), `nemesis.rs` (faults),
//! `workload.rs` (clients), `healing.rs` (the end). Here are the world, and births and deaths.

use std::collections::BTreeMap;

use disk::SimDisk;
use raft::MemberId;
use replica::Ticket;

use crate::calm::Calm;
use crate::canary::Canary;
use crate::duel::Duel;
use crate::faults::{Fault, Tally};
use crate::healing::Healing;
use crate::history::History;
use crate::lease_judge::LeaseJudge;
use crate::ledger::Ledger;
use crate::lull::{Lull, LullStep};
use crate::member::{Armed, Death, Member};
use crate::memory::Shortage;
use crate::nemesis::Relief;
use crate::network::{Direction, Flight, Network};
use crate::oracle::Oracle;
use crate::plan::Plan;
use crate::random::Random;
use crate::report::{Report, SnapshotCounts};
use crate::retention::Retention;
use crate::safety::Safety;
use crate::telling::Telling;
use crate::time::{Queue, Span, Time};
use crate::trace::Trace;
use crate::watching::Watching;
use crate::workload::{Clients, Waiting};

/// The time of faults ends after so many events, whatever was planned.
const CHAOS_EVENTS_MAX: u64 = 10_000;
/// A life that has so many events does not come to its end: they follow each other without time
/// passing, or else the healing's own patience would have ended it. (Two late members that fetched
/// a large snapshot in tiny pieces took 30,577.)
const LIFE_EVENTS_MAX: u64 = 60_000;
/// Whoever has no stream tries again after this time.
const REDIAL: Span = Span(50_000);
/// On a stage no entry comes but those that the story is about: members' states are compared so
/// seldom, in ms.
const NEVER_MS: u64 = 3_600_000;
/// A start that failed is tried again after this time.
const RESTART: Span = Span(100_000);

/// What can happen.
#[derive(Debug)]
pub(crate) enum Happening {
    Tick {
        member: MemberId,
        life: u64,
    },
    Step {
        member: MemberId,
        life: u64,
    },
    DiskDone {
        member: MemberId,
        life: u64,
    },
    SnapshotDone {
        member: MemberId,
        life: u64,
    },
    SpareDone {
        member: MemberId,
        life: u64,
    },
    Arrival(Flight),
    Dial(Direction),
    Start(MemberId),
    Client(u64),
    Watch(usize),
    Settings,
    /// Members get more memory, or less.
    Memory,
    Strike(Fault),
    Hunt {
        fault: Fault,
        member: MemberId,
    },
    Relief(Relief),
    /// A story looks whether it is time for its next step.
    Cue,
    Lull {
        number: u64,
        step: LullStep,
    },
}

/// The world.
pub(crate) struct Life {
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    pub(crate) queue: Queue<Happening>,
    pub(crate) members: BTreeMap<MemberId, Member>,
    pub(crate) network: Network,
    pub(crate) clients: Clients,
    pub(crate) waiting: BTreeMap<Ticket, Waiting>,
    pub(crate) tickets: u64,
    pub(crate) ledger: Ledger,
    pub(crate) oracle: Oracle,
    pub(crate) leases: LeaseJudge,
    pub(crate) watching: Watching,
    pub(crate) retention: Retention,
    pub(crate) shortage: Shortage,
    pub(crate) history: History,
    pub(crate) safety: Safety,
    pub(crate) tally: Tally,
    pub(crate) snapshots: SnapshotCounts,
    pub(crate) trace: Trace,
    pub(crate) telling: Telling,
    pub(crate) canary: Option<Canary>,
    /// Leaders that nobody hears.
    pub(crate) duel: Duel,
    /// The leader that sleeps, if one does.
    pub(crate) lull: Option<Lull>,
    pub(crate) lulls: u64,
    /// The last trial, after the healing.
    pub(crate) calm: Option<Calm>,
    /// Leases that were watched to their end in a cluster that was well.
    pub(crate) lease_trials: u64,
    /// Set once the time of faults is over.
    pub(crate) healing: Option<Healing>,
    /// Keys that the second judge has looked at.
    searched: u64,
    old_disks: BTreeMap<MemberId, SimDisk>,
    pub(crate) events: u64,
    /// A story says what happens: nobody is started anew of its own accord.
    on_stage: bool,
}

impl Life {
    /// The world before anything has happened: a founded cluster whose members are about to start.
    pub(crate) fn new(seed: u64, canary: Option<Canary>, trace: Trace) -> Life {
        let mut random = Random::new(seed);
        let plan = Plan::draw(&mut random);
        let mut life = Life::of(plan, seed, random, canary, trace);
        let text = format!("A life of {} members, as its seed decides.", life.plan.members.len());
        life.tell_title(&format!("Seed {seed}"), &text);
        life.found();
        life.begin();
        life
    }

    /// A world in which nothing happens but what a story does: a founded cluster that nobody has
    /// started, without clients, faults and accidents.
    pub(crate) fn on_stage(plan: Plan, seed: u64, trace: Trace) -> Life {
        let mut life = Life::of(plan, seed, Random::new(seed), None, trace);
        life.on_stage = true;
        life.found();
        life
    }

    fn of(plan: Plan, seed: u64, mut random: Random, canary: Option<Canary>, trace: Trace) -> Life {
        Life {
            members: plan.members.iter().map(|&id| (id, Member::new(id, &plan))).collect(),
            network: Network::new(&plan, random.fork()),
            clients: Clients::new(&plan, random.fork()),
            watching: Watching::new(seed, &plan),
            retention: Retention::new(seed),
            shortage: Shortage::new(seed),
            safety: Safety::new(&plan.members),
            queue: Queue::new(),
            waiting: BTreeMap::new(),
            tickets: 0,
            ledger: Ledger::new(),
            oracle: Oracle::default(),
            leases: LeaseJudge::default(),
            history: History::default(),
            tally: Tally::default(),
            snapshots: SnapshotCounts::default(),
            healing: None,
            duel: Duel::default(),
            lull: None,
            lulls: 0,
            calm: None,
            lease_trials: 0,
            searched: 0,
            old_disks: BTreeMap::new(),
            events: 0,
            plan,
            random,
            on_stage: false,
            trace,
            telling: Telling::default(),
            canary,
        }
    }

    fn found(&mut self) {
        let configuration = self.plan.configuration();
        for member in self.members.values_mut() {
            let founding = member.found(&self.plan, &configuration, self.random.next());
            self.safety.founded(founding);
        }
    }

    /// Members start, clients ask, faults strike.
    fn begin(&mut self) {
        for &id in &self.plan.members {
            let after = Span(self.random.between(0, 50_000));
            self.queue.plan_in(after, Happening::Start(id));
        }
        for client in 0..self.plan.clients {
            self.queue.plan_in(Span(self.random.between(0, 100_000)), Happening::Client(client));
        }
        for (after, look) in self.watching.first_looks() {
            self.queue.plan_in(after, look);
        }
        if let Some(after) = self.retention.first() {
            self.queue.plan_in(after, Happening::Settings);
        }
        if let Some(after) = self.shortage.first() {
            self.queue.plan_in(after, Happening::Memory);
        }
        self.plan_first_strikes();
    }

    /// Lives it to its end. A violation is a panic.
    pub(crate) fn run(mut self) -> Report {
        while !self.is_over() {
            let happening = self.queue.next().expect("members tick for ever");
            self.events += 1;
            assert!(
                self.events < LIFE_EVENTS_MAX,
                "liveness: {} events and no end: {}",
                self.events,
                self.ails()
            );
            self.happen(happening);
            self.watch_the_time();
        }
        self.watches_end();
        self.last_blackout();
        self.oracle.finish();
        self.searched = self.history.check();
        self.report()
    }

    pub(crate) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Tick { member, life } => self.tick(member, life),
            Happening::Step { member, life } => self.step(member, life),
            Happening::DiskDone { member, life } => self.disk_done(member, life),
            Happening::SnapshotDone { member, life } => self.snapshot_done(member, life),
            Happening::SpareDone { member, life } => self.spare_done(member, life),
            Happening::Arrival(flight) => self.arrive(flight),
            Happening::Dial(direction) => self.dial(direction),
            Happening::Start(member) => self.start(member),
            Happening::Client(client) => self.client_wakes(client),
            Happening::Watch(number) => self.watch(number),
            Happening::Settings => self.set_history(),
            Happening::Memory => self.limit_memory(),
            Happening::Strike(fault) => self.strike(fault),
            Happening::Hunt { fault, member } => self.hunt(fault, member),
            Happening::Relief(relief) => self.relieve(relief),
            Happening::Cue => {}
            Happening::Lull { number, step } => self.lull_step(number, step),
        }
    }

    pub(crate) fn watch_the_time(&mut self) {
        let chaos_over = self.now() >= Time(0) + self.plan.chaos || self.events >= CHAOS_EVENTS_MAX;
        if chaos_over && self.healing.is_none() {
            self.heal();
        }
    }

    pub(crate) fn now(&self) -> Time {
        self.queue.now()
    }

    pub(crate) fn member(&mut self, id: MemberId) -> &mut Member {
        self.members.get_mut(&id).expect("members are all known")
    }

    pub(crate) fn runs(&self, id: MemberId) -> bool {
        self.members[&id].process.is_some()
    }

    // Births and deaths.

    /// A process starts on the member's machine, unless one runs.
    fn start(&mut self, id: MemberId) {
        if self.runs(id) || self.members[&id].lost {
            return;
        }
        self.plant_old_disk(id);
        let (now, salt, seed) = (self.now(), self.random.next(), self.random.next());
        let member = self.members.get_mut(&id).expect("members are all known");
        let mut found = match member.open(&self.plan, salt) {
            Ok(found) => found,
            Err(error) => return self.start_failed(id, &error),
        };
        if self.canary == Some(Canary::ForgottenVote) {
            found.recovered.restored.hard_state.vote = None;
        }
        self.safety.recovered(id, &found.recovered, &self.ledger);
        self.check_state_found(id, &found);
        let member = self.members.get_mut(&id).expect("members are all known");
        member.start(now, &self.plan, seed, found);
        if let Some(process) = &mut member.process {
            process.replica.check_history_every(self.retention.interval_ms);
            if self.on_stage {
                process.replica.check_state_every(NEVER_MS);
            }
        }
        let process = member.process.as_ref().expect("it has just started");
        self.watching.started(process.replica.dispatcher());
        member.unsound = false;
        let life = member.life;
        self.tell_started(id);
        self.queue.plan_in(Span::ms(10), Happening::Tick { member: id, life });
        for other in self.others(id) {
            self.queue.plan_in(Span(0), Happening::Dial((id, other)));
            self.queue.plan_in(Span(0), Happening::Dial((other, id)));
        }
    }

    fn start_failed(&mut self, id: MemberId, error: &str) {
        let (armed, harmed) = (self.members[&id].armed, self.members[&id].harmed);
        if armed.is_none() && self.members[&id].filled {
            // The copy of its last segment has no room, and nothing was changed: rule 1.1.
            self.queue.plan_in(RESTART, Happening::Start(id));
            return;
        }
        if armed.is_none() && harmed {
            return self.give_up(id, error);
        }
        let armed = armed.unwrap_or_else(|| panic!("recovery: {id} does not start: {error}"));
        let (fault, death) = match armed {
            Armed::Dies(death) => (Fault::CrashInDisk, death),
            Armed::Fails => (Fault::DiskError, Death::Crash { reset: true }),
        };
        self.tally.count(fault);
        let chance = self.random.next();
        self.member(id).end(death, chance);
        self.queue.plan_in(RESTART, Happening::Start(id));
    }

    fn plant_old_disk(&mut self, id: MemberId) {
        if self.canary != Some(Canary::RolledBackDisk) {
            return;
        }
        let member = self.members.get_mut(&id).expect("members are all known");
        if let Some(old) = self.old_disks.insert(id, member.disk.fork()) {
            member.disk = old;
        }
    }

    /// The process on the member's machine ends; it is started again after a while.
    pub(crate) fn end(&mut self, id: MemberId, death: Death) {
        let chance = self.random.next();
        let Some(process) = self.member(id).end(death, chance) else { return };
        self.watching.ended(id, process.replica.dispatcher());
        self.tell_ended(id, death);
        self.safety.ended(id);
        self.end_streams(id, death);
        self.abandon_requests(id);
        let timeout_ms = self.plan.timers.election_timeout_ms;
        let after_ms = self.random.pick(&[0, 20, timeout_ms / 2, 2 * timeout_ms, 10 * timeout_ms]);
        if !self.on_stage {
            self.queue.plan_in(Span::ms(after_ms), Happening::Start(id));
        }
    }

    fn end_streams(&mut self, id: MemberId, death: Death) {
        let now = self.now();
        for other in self.others(id) {
            let (outward, inward) = ((id, other), (other, id));
            match death {
                Death::Crash { reset } => {
                    let closed = self.network.close(now, outward, reset);
                    self.plan_arrivals(closed);
                }
                Death::PowerCut => self.network.abandon(outward),
            }
            self.network.abandon(inward);
        }
    }

    pub(crate) fn plan_arrivals(&mut self, flights: impl IntoIterator<Item = (Time, Flight)>) {
        for (arrival, flight) in flights {
            self.queue.plan(arrival, Happening::Arrival(flight));
        }
    }

    /// Opens the stream of a direction, if both ends run and it is not open; tries again later if
    /// the other end can not be reached.
    fn dial(&mut self, direction: Direction) {
        let (from, to) = direction;
        if !self.runs(from) || !self.runs(to) || self.network.is_open(direction) {
            return;
        }
        if self.network.is_cut(direction) || self.network.is_cut((to, from)) {
            self.queue.plan_in(REDIAL, Happening::Dial(direction));
            return;
        }
        if self.is_turned_away(from, to) {
            return;
        }
        let opened = self.network.open(self.now(), direction);
        self.plan_arrivals([opened]);
    }

    fn report(self) -> Report {
        let healing = self.healing.expect("a life ends healed");
        let disks = self.members.values().map(|member| member.disk.counts());
        Report {
            members: self.plan.members.len(),
            events: self.events,
            simulated_us: self.queue.now().0,
            committed: self.ledger.last().0,
            outcomes: self.oracle.outcomes(),
            expired: self.leases.expired(),
            lease_trials: self.lease_trials,
            watches: self.watching.counts(),
            compactions: self.ledger.compactions(),
            searched: self.searched,
            enabled: self.plan.enabled().collect(),
            faults: self.tally,
            snapshots: self.snapshots,
            sectors_lost: disks.clone().map(|disk| disk.sectors_lost).sum(),
            sectors_torn: disks.map(|disk| disk.sectors_torn).sum(),
            recovery_ms: healing.took().0 / 1_000,
            election_timeout_ms: self.plan.timers.election_timeout_ms,
        }
    }
}
