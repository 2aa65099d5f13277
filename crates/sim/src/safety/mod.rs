//! What must always hold between members: one file a property, named as in the Raft paper
//! (Figure 3) and in the contract. (What must hold of one member alone, it asserts itself.)
//!
//! A property looks at a member after each of its steps, at what changed since the step before:
//! a step costs what it did, not what the log holds. Every [`FULL_SCAN_STEPS`] steps the logs are
//! compared as a whole, so that a property which only followed the changes is itself checked.
//!
//! A violation is a panic that names the property: the simulator's checks and the
//! members' own assertions end a life in the same way.

mod acknowledged;
mod configuration;
mod durable_quorum;
mod election_safety;
mod leader_append_only;
mod leader_completeness;
mod log_matching;
mod log_times;
mod lost_quorum;
mod promises;
mod quorum;
mod said_durable;
mod slow_disk;
mod state_hash;
mod state_machine_safety;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use raft::{Entry, Index, LogId, MemberId, Membership, Raft};
use replica::{LogReply, LogRequest, PeerMessage, Recovered, Replica, SnapshotRequest};

use crate::ledger::Ledger;
use crate::oracle::Oracle;
use crate::time::Time;

use election_safety::ElectionSafety;
use leader_append_only::LeaderAppendOnly;
use log_matching::LogMatching;
use log_times::LogTimes;
pub(crate) use lost_quorum::Silence;
use promises::Promises;
use said_durable::SaidDurable;
pub(crate) use slow_disk::DiskWatch;
use view::View;

/// Whole logs are compared every so many steps.
const FULL_SCAN_STEPS: u64 = 100;

/// All properties, and what they remember.
#[derive(Debug)]
pub(crate) struct Safety {
    views: BTreeMap<MemberId, View>,
    election: ElectionSafety,
    append_only: LeaderAppendOnly,
    matching: LogMatching,
    promises: Promises,
    said_durable: SaidDurable,
    times: LogTimes,
    steps: u64,
}

impl Safety {
    pub(crate) fn new(members: &BTreeSet<MemberId>) -> Safety {
        Safety {
            views: members.iter().map(|&id| (id, View::default())).collect(),
            election: ElectionSafety::default(),
            append_only: LeaderAppendOnly::default(),
            matching: LogMatching::default(),
            promises: Promises::default(),
            said_durable: SaidDurable::default(),
            times: LogTimes::default(),
            steps: 0,
        }
    }

    /// The cluster was founded with this entry.
    pub(crate) fn founded(&mut self, founding: Entry) {
        self.matching.founded(founding);
    }

    /// A machine is new, and has nothing.
    pub(crate) fn joined(&mut self, id: MemberId) {
        self.views.insert(id, View::default());
    }

    /// A member took a step. To be called before any of its effects is carried out: what it just
    /// appended is not durable yet, hence still in its memory.
    pub(crate) fn stepped(&mut self, replica: &Replica, ledger: &mut Ledger, oracle: &mut Oracle) {
        self.steps += 1;
        let raft = replica.raft();
        let view = self.views.get_mut(&raft.id()).expect("every member has a view");
        self.election.check(raft);
        self.append_only.check(raft);
        let first_new = view.advance(raft, ledger);
        self.matching.check(raft, first_new);
        configuration::check(raft, &self.matching);
        self.said_durable.check(raft);
        if raft.is_leader() {
            self.promises.check_counted(raft);
        }
        let committed_before = ledger.last();
        for id in state_machine_safety::check(raft, view.commit, ledger) {
            let entry = self.matching.entry(id).clone();
            oracle.committed(&ledger.append(entry, raft.term()).entry);
        }
        view.commit = raft.commit();
        let published = replica.reader().published();
        if published.applied_index != view.applied.0 {
            state_hash::check(raft.id(), &published, ledger);
            view.applied = Index(published.applied_index);
        }
        if view.became_leader(raft) {
            leader_completeness::check_elected(raft, ledger);
            self.promises.check_elected(raft);
        }
        if ledger.last() > committed_before {
            self.check_committed(committed_before, ledger, raft.membership());
        }
    }

    fn check_committed(&self, after: Index, ledger: &Ledger, newest: &Membership) {
        for committed in ledger.iter().skip(after.0 as usize) {
            durable_quorum::check(&self.views, ledger, committed.entry.id, newest);
            leader_completeness::check_committed(&self.views, committed);
        }
    }

    /// What was committed carries the time of its leader, and a leader goes on from there.
    pub(crate) fn check_times(&mut self, raft: &Raft, ledger: &Ledger, now: Time) {
        self.times.check(ledger, now);
        if raft.is_leader() {
            self.times.leads(raft, ledger, now);
        }
    }

    /// A member speaks: what it says rests on what it has on disk.
    pub(crate) fn says(&mut self, from: MemberId, to: MemberId, message: &PeerMessage) {
        if let PeerMessage::Raft(message) = message {
            self.promises.says(from, to, message);
        }
    }

    /// A member asks its log thread.
    pub(crate) fn asks_log(&mut self, id: MemberId, requests: &[LogRequest]) {
        for request in requests {
            if let LogRequest::Persist(persist) = request {
                self.said_durable.asked(id, persist);
            }
        }
    }

    /// The log thread of a member answers.
    pub(crate) fn log_answers(&mut self, id: MemberId, reply: &LogReply) {
        if let LogReply::Persisted(number) = reply {
            self.said_durable.answered(id, *number);
        }
    }

    /// A member asks its snapshot thread. A snapshot covers at most what is durable in the log
    /// beside it (rule 2.1).
    pub(crate) fn asks_snapshots(&self, replica: &Replica, requests: &[SnapshotRequest]) {
        let (id, durable) = (replica.raft().id(), replica.raft().durable());
        for request in requests {
            if let SnapshotRequest::Write { point, .. } = request {
                let last = point.last;
                assert!(last.index <= durable, "snapshot: {id} has {durable} on disk, not {last}");
            }
        }
    }

    /// A process is gone; what it had said is durable must be there when it comes back.
    pub(crate) fn ended(&mut self, id: MemberId) {
        self.append_only.forget(id);
        self.views.get_mut(&id).expect("every member has a view").ended();
    }

    /// A member came back with what was on its disk.
    pub(crate) fn recovered(&mut self, id: MemberId, recovered: &Recovered, ledger: &Ledger) {
        let restored = &recovered.restored;
        self.promises.check_recovered(id, restored.hard_state);
        let view = self.views.get_mut(&id).expect("every member has a view");
        durable_quorum::check_recovered(id, view, &restored.log, restored.floor);
        self.matching.check_recovered(id, &restored.log);
        if restored.floor <= restored.log.last() {
            acknowledged::check_hint(id, restored.hard_state.commit, &restored.log, ledger);
        }
        view.recovered(&restored.log, restored.floor, ledger);
        self.said_durable.recovered(id, restored.log.last().index);
    }

    /// Everything at once, in full, every so many steps.
    pub(crate) fn scan<'a>(
        &self,
        replicas: impl Iterator<Item = &'a Replica> + Clone,
        ledger: &Ledger,
    ) {
        if self.steps.is_multiple_of(FULL_SCAN_STEPS) {
            log_matching::scan(&replicas);
            for replica in replicas {
                state_machine_safety::scan(replica.raft(), ledger);
            }
        }
    }

    /// All machines lost power and came back: is everything still there that was committed?
    pub(crate) fn check_after_blackout(
        &self,
        logs: &BTreeMap<MemberId, (raft::Log, Index)>,
        ledger: &Ledger,
    ) {
        acknowledged::check_after_blackout(logs, ledger);
    }
}

/// What a log holds at an index; nothing after its end.
fn log_id_at(log: &raft::Log, index: Index) -> Option<LogId> {
    log.term_at(index).map(|term| LogId::new(term, index))
}
