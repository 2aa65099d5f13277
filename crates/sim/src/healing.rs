//! The end of a life. Liveness: once the faults are over, the cluster must serve again within a
//! bounded time, on every member. And durability once more: then all machines lose power at once,
//! and everything that was committed must be on the disks.

use std::collections::BTreeMap;

use raft::{Index, MemberId};
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

/// A snapshot has at most about so many pieces, and this much time is for asking again.
const SNAPSHOT_PIECES: u64 = 60;
const SNAPSHOT_GRACE: Span = Span(3_000_000);

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

    pub(crate) fn began(&self) -> Time {
        self.began
    }

    /// How long it took until everything was well.
    pub(crate) fn took(&self) -> Span {
        self.well.map_or(Span(0), |well| well.since(self.began))
    }

    fn all_done(&self, members: &[MemberId]) -> bool {
        members.iter().all(|id| self.probes.get(id) == Some(&Probe::Done))
    }
}

impl Life {
    pub(crate) fn heal(&mut self) {
        let now = self.now();
        self.tell_heal();
        self.healing = Some(Healing { began: now, probes: BTreeMap::new(), well: None });
        self.end_all_faults();
        self.limit_memory_at_the_end();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.healing.as_ref().is_some_and(|healing| healing.well.is_some()) && self.calm_is_over()
    }

    /// Looks how far the healing has come, and asks for writes that are not asked for yet.
    pub(crate) fn watch_healing(&mut self) {
        let now = self.now();
        let Some(healing) = &self.healing else { return };
        if healing.well.is_some() {
            return self.watch_calm();
        }
        let patience = self.healing_max();
        let took = now.since(healing.began);
        assert!(
            took <= patience,
            "liveness: not healed after {} ms: {}",
            took.0 / 1_000,
            self.ails()
        );
        let members = self.members_left();
        if !members.is_empty() && healing.all_done(&members) {
            if self.waiting.is_empty() && self.all_equal(&members) {
                self.healing.as_mut().expect("it was there above").well = Some(now);
                self.begin_calm();
            }
            return;
        }
        for id in members {
            self.probe(id);
        }
    }

    /// Who must serve: the members by the leader's configuration, but for lost machines.
    pub(crate) fn members_left(&self) -> Vec<MemberId> {
        let Some((_, configuration)) = self.leading() else { return Vec::new() };
        let is_there = |id: &MemberId| !self.members[id].lost;
        configuration.members.keys().copied().filter(is_there).collect()
    }

    /// The time a healed cluster has: to elect, to start, and to fetch what a member may lack, each
    /// entry alone where messages are that small.
    fn healing_max(&self) -> Span {
        let Plan { timers, delay: (_, delay), flush: (_, flush), wake, .. } = &self.plan;
        let elect = Span::ms(timers.election_timeout_ms).times(HEALING_TIMEOUTS_MAX);
        let fetch_one = Span(2 * (delay.0 + wake.0) + flush.0);
        let snapshot = Span(SNAPSHOT_GRACE.0 + fetch_one.times(SNAPSHOT_PIECES).0);
        let fetch = fetch_one.times(self.ledger.last().0);
        let memory = self.shortage.grace();
        Span(elect.0 + HEALING_GRACE.0 + snapshot.0 + fetch.0 + memory.0)
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
    fn all_equal(&self, members: &[MemberId]) -> bool {
        let newest = self.ledger.last().0;
        members.iter().all(|id| {
            let process = self.members[id].process.as_ref();
            process.is_some_and(|p| p.replica.reader().published().applied_index == newest)
        })
    }

    pub(crate) fn ails(&self) -> String {
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
        for id in self.remaining() {
            let (chance, salt) = (self.random.next(), self.random.next());
            let member = self.members.get_mut(&id).expect("members are all known");
            member.end(Death::PowerCut, chance);
            self.safety.ended(id);
            let harmed = member.harmed;
            let found = match member.open(&self.plan, salt) {
                Ok(found) => found,
                Err(_) if harmed => continue,
                Err(error) => {
                    panic!("recovery: {id} does not start after the last blackout: {error}")
                }
            };
            self.safety.recovered(id, &found.recovered, &self.ledger);
            if !harmed {
                let state = found.kept.store.map_or(0, |store| store.applied_index());
                logs.insert(id, (found.recovered.restored.log, Index(state)));
            }
        }
        self.safety.check_after_blackout(&logs, &self.ledger);
    }
}
