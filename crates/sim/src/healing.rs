//! The end of a life. Liveness: once the faults are over, the cluster must serve again within a
//! bounded time, on every member. And durability once more: then all machines lose power at once,
//! and everything that was committed must be on the disks.

use std::collections::BTreeMap;

use raft::MemberId;
use replica::Ticket;

use crate::life::Life;
use crate::member::Death;
use crate::oracle::Asked;
use crate::plan::Plan;
use crate::time::{Span, Time};
use crate::workload::Asker;

/// Within so many election timeouts a healed cluster must have served a write on every member.
const HEALING_TIMEOUTS_MAX: u64 = 20;
/// A member that comes back from a slow start, or a far end, has this much time on top.
const HEALING_GRACE: Span = Span(2_000_000);
/// A member has so many election timeouts for a write before it is asked for another one. Few would
/// do, but each write adds to what a late member must fetch before it can answer.
const PROBE_TIMEOUTS: u64 = 4;

/// How far the healing has come.
#[derive(Debug)]
pub(crate) struct Healing {
    began: Time,
    /// The write that each member is to acknowledge.
    probes: BTreeMap<MemberId, Probe>,
    /// When everything was well.
    well: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    Waiting(Ticket),
    Done,
}

impl Healing {
    pub(crate) fn probe_done(&mut self, ticket: Ticket) {
        for probe in self.probes.values_mut() {
            if *probe == Probe::Waiting(ticket) {
                *probe = Probe::Done;
            }
        }
    }

    /// How long it took until everything was well.
    pub(crate) fn took(&self) -> Span {
        self.well.map_or(Span(0), |well| well.since(self.began))
    }

    fn all_done(&self, members: usize) -> bool {
        let done = self.probes.values().filter(|&&probe| probe == Probe::Done);
        done.count() == members
    }
}

impl Life {
    pub(crate) fn heal(&mut self) {
        let now = self.now();
        self.trace.event(now, "heal", |_| {});
        self.healing = Some(Healing { began: now, probes: BTreeMap::new(), well: None });
        self.end_all_faults();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.healing.as_ref().is_some_and(|healing| healing.well.is_some())
    }

    /// Looks how far the healing has come, and asks for writes that are not asked for yet.
    pub(crate) fn watch_healing(&mut self) {
        let now = self.now();
        let Some(healing) = &self.healing else { return };
        let patience = self.healing_max();
        let took = now.since(healing.began);
        assert!(
            took <= patience,
            "liveness: not healed after {} ms: {}",
            took.0 / 1_000,
            self.ails()
        );
        if healing.all_done(self.members.len()) {
            if self.waiting.is_empty() && self.all_equal() {
                self.healing.as_mut().expect("it was there above").well = Some(now);
            }
            return;
        }
        for id in self.plan.members.clone() {
            self.probe(id);
        }
    }

    /// The time a healed cluster has: to elect, to start, and to fetch what a member may lack, each
    /// entry alone where messages are that small.
    fn healing_max(&self) -> Span {
        let Plan { timers, delay: (_, delay), flush: (_, flush), wake, .. } = &self.plan;
        let elect = Span::ms(timers.election_timeout_ms).times(HEALING_TIMEOUTS_MAX);
        let fetch_one = Span(2 * (delay.0 + wake.0) + flush.0);
        Span(elect.0 + HEALING_GRACE.0 + fetch_one.times(self.ledger.last().0).0)
    }

    /// Asks the member for a write, unless it has one to do or has done it.
    fn probe(&mut self, id: MemberId) {
        let healing = self.healing.as_ref().expect("only a healing cluster is probed");
        let is_asked = match healing.probes.get(&id) {
            Some(Probe::Done) => true,
            Some(Probe::Waiting(ticket)) => self.waiting.contains_key(ticket),
            None => false,
        };
        if is_asked || !self.runs(id) {
            return;
        }
        let ticket = self.next_ticket();
        let asked = Asked::Write(self.clients.put(0, ticket));
        let timeout_ms = self.plan.timers.election_timeout_ms * PROBE_TIMEOUTS;
        self.ask(ticket, Asker::Probe, id, asked, true, timeout_ms);
        let healing = self.healing.as_mut().expect("it was there above");
        healing.probes.insert(id, Probe::Waiting(ticket));
    }

    /// Whether every member runs and shows the newest state. (That equal indexes have equal state
    /// hashes is checked whenever one is published.)
    fn all_equal(&self) -> bool {
        let newest = self.ledger.last().0;
        self.members.values().all(|member| {
            let process = member.process.as_ref();
            process.is_some_and(|p| p.replica.reader().published().applied_index == newest)
        })
    }

    fn ails(&self) -> String {
        let mut states = Vec::new();
        for member in self.members.values() {
            let state = member.process.as_ref().map(|process| process.replica.status());
            states.push(format!("{}: {state:?}", member.id));
        }
        format!(
            "{} committed, {} waiting; {}",
            self.ledger.last(),
            self.waiting.len(),
            states.join("; ")
        )
    }

    /// Every machine loses power, and what is left on the disks is read back.
    pub(crate) fn last_blackout(&mut self) {
        let mut logs = BTreeMap::new();
        for id in self.plan.members.clone() {
            let (chance, salt) = (self.random.next(), self.random.next());
            let member = self.members.get_mut(&id).expect("members are all known");
            member.end(Death::PowerCut, chance);
            self.safety.ended(id);
            let found = member.open(&self.plan, salt).unwrap_or_else(|error| {
                panic!("recovery: {id} does not start after the last blackout: {error}")
            });
            self.safety.recovered(id, &found.recovered, &self.ledger);
            logs.insert(id, found.recovered.restored.log);
        }
        self.safety.check_after_blackout(&logs, &self.ledger);
    }
}
