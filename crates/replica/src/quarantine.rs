//! What comes of states that differ (rule 10.3).
//!
//! | who | finds | does |
//! |---|---|---|
//! | the leader | a majority | tells members that they are right, or that they differ |
//! | a member that differs | that its state is wrong | quarantine: see below |
//! | the leader, if it differs | the same | hands over first |
//! | the leader | that no majority is possible | refuses writes, and raises the alarm |
//!
//! A member in quarantine goes on voting and acknowledging, for its log is sound. It serves
//! nothing, gives no snapshot, does not campaign, sets aside its own snapshots since the last check
//! at which it was right (`snapshot/aside.rs`), and asks the leader for one: from then on it is a
//! member without a state, as after a start without a usable snapshot (rule 2.4), until it has
//! taken over another's.
//!
//! So the leader also tells those that are right, when they tell it their samples.

use std::collections::BTreeSet;

use raft::{EntryKind, Index, MemberId, Term};
use store::{Command, Outcome, STATE_HASH_VERSION};

use crate::api::PeerMessage;
use crate::replica::Replica;
use crate::state_check::{Comparison, Finding, Sample, Samples};

/// The leader samples the state this often while it changes, in ms (rule 10.1).
pub const CHECK_INTERVAL_MS: u64 = 1_000;

/// While a key has a time to live, so much of the cluster's age may be in no entry of the log.
const AGE_UNWRITTEN_MS_MAX: u64 = 10_000;

/// Whether the members' states agree, as far as this member knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// This member's state was found to differ from the majority's at this index; it serves
    /// nothing until it has another's.
    pub diverged_at: Option<u64>,
    /// The members' states differ at this index, and no majority agrees; known to the leader only.
    pub split_at: Option<u64>,
}

/// A member's part in the comparison.
#[derive(Debug)]
pub(crate) struct Watch {
    samples: Samples,
    comparison: Comparison,
    /// The term in which the comparison was begun.
    term: Term,
    /// Something was applied since the last check entry was proposed.
    changed: bool,
    interval_ms: u64,
    due_ms: u64,
    agreement: Agreement,
    /// The newest index at which this member's hash was known to be the majority's; 0 if none is
    /// known since the process started.
    agreed_at: u64,
}

impl Watch {
    pub(crate) fn new() -> Watch {
        Watch {
            samples: Samples::default(),
            comparison: Comparison::default(),
            term: Term(0),
            // What a start finds was not compared since.
            changed: true,
            interval_ms: CHECK_INTERVAL_MS,
            due_ms: 0,
            agreement: Agreement::default(),
            agreed_at: 0,
        }
    }

    pub(crate) fn agreement(&self) -> Agreement {
        self.agreement
    }

    /// Whether this member's state is known to be wrong.
    pub(crate) fn has_diverged(&self) -> bool {
        self.agreement.diverged_at.is_some()
    }

    /// Whether the cluster's states differ without a majority.
    pub(crate) fn is_split(&self) -> bool {
        self.agreement.split_at.is_some()
    }

    /// Nothing that rests on this member's state alone may be decided by it.
    pub(crate) fn is_unsound(&self) -> bool {
        self.has_diverged() || self.is_split()
    }

    /// Another member's state has taken the place of this one's.
    pub(crate) fn rebuilt(&mut self) {
        self.samples.forget();
        self.agreement.diverged_at = None;
    }
}

impl Replica {
    /// Samples the state this often while it changes, in ms.
    pub fn check_state_every(&mut self, interval_ms: u64) {
        assert!(interval_ms > 0, "there is time between two samples");
        self.watch.interval_ms = interval_ms;
    }

    pub(crate) fn tick_watch(&mut self) {
        let now_ms = self.now.monotonic_ms;
        if self.watch.has_diverged() && self.raft.is_leader() && !self.raft.is_transferring() {
            // Without another voter there is no majority that could have found it.
            let _no_target = self.raft.transfer_leadership(None);
        }
        if now_ms < self.watch.due_ms {
            return;
        }
        self.watch.due_ms = now_ms + self.watch.interval_ms;
        self.propose_check();
        self.report();
    }

    fn propose_check(&mut self) {
        let wanted = self.watch.changed || self.watch.is_split() || self.age_is_to_be_kept();
        if !wanted || !self.raft.is_leader() {
            return;
        }
        let check = Command::Check.encode();
        // Refused, it is tried again after the interval.
        if self.raft.propose(self.now, EntryKind::Command, check).is_ok() {
            self.watch.changed = false;
        }
    }

    /// The age by which keys live is only known to those who heard it: in an idle cluster it is
    /// written down from time to time, so that little is forgotten with them.
    fn age_is_to_be_kept(&self) -> bool {
        let written_ms = self.reader().published().age_ms;
        let unwritten_ms = self.raft.age_ms().saturating_sub(written_ms);
        unwritten_ms >= AGE_UNWRITTEN_MS_MAX && self.applier.store().next_due_ms().is_some()
    }

    /// An entry was applied.
    pub(crate) fn watch_applied(&mut self, index: Index, outcome: &Outcome) {
        match outcome {
            Outcome::Nothing => {}
            Outcome::Checked { state_hash } => {
                let (index, version, hash) = (index.0, STATE_HASH_VERSION, *state_hash);
                self.watch.samples.record(Sample { index, version, hash });
                self.report();
            }
            _ => self.watch.changed = true,
        }
    }

    /// Tells the leader how this member is.
    pub(crate) fn report(&mut self) {
        let Some(leader) = self.raft.leader() else { return };
        let (samples, lacks_room) = (self.watch.samples.to_vec(), self.rooms.lacks());
        let memory = self.memories.own();
        if leader == self.raft.id() {
            self.told_samples(leader, samples);
        } else {
            let process = self.own_process();
            let report = PeerMessage::Report { samples, lacks_room, memory, process };
            self.effects.send.push((leader, report));
        }
        self.reported_to(leader);
    }

    /// A member, this one perhaps, tells its samples.
    pub(crate) fn told_samples(&mut self, from: MemberId, samples: Vec<Sample>) {
        let members = self.raft.membership().members();
        if !self.raft.is_leader() || !members.contains(&from) {
            return;
        }
        if self.watch.term != self.raft.term() {
            self.watch.term = self.raft.term();
            self.watch.comparison = Comparison::default();
            self.found_split(None);
        }
        self.watch.comparison.retain(&members);
        self.watch.comparison.report(from, samples);
        self.compare(from);
    }

    /// Compares everything, now that `from` has told its samples.
    fn compare(&mut self, from: MemberId) {
        let membership = self.raft.membership().clone();
        let voters = membership.voters().collect();
        let is_quorum = |camp: &BTreeSet<MemberId>| membership.is_quorum(|id| camp.contains(&id));
        let (mut newest, mut majorities) = (None, Vec::new());
        for subject in self.watch.comparison.subjects() {
            let finding = self.watch.comparison.finding(subject, &voters, is_quorum);
            if let Finding::Majority(majority) = finding {
                majorities.push(majority);
            }
            if newest.is_none() && finding != Finding::Undecided {
                newest = Some((subject.index, finding));
            }
        }
        // Whoever is told first where it was right keeps more when it is told where it differs.
        let agrees = |majority: &&Sample| self.watch.comparison.agrees(from, **majority);
        if let Some(&majority) = majorities.iter().find(agrees) {
            self.tell_majority(from, majority);
        }
        for majority in majorities {
            for member in self.watch.comparison.dissenters(majority) {
                self.tell_majority(member, majority);
            }
        }
        if let Some((index, finding)) = newest {
            self.found_split((finding == Finding::Split).then_some(index));
        }
    }

    fn found_split(&mut self, split_at: Option<u64>) {
        if self.watch.agreement.split_at != split_at {
            self.watch.agreement.split_at = split_at;
            self.effects.agreement = Some(self.watch.agreement);
        }
    }

    /// A leader finds that there is no majority; who leads no more does not hear when there is one.
    pub(crate) fn forget_split_if_deposed(&mut self) {
        if !self.raft.is_leader() {
            self.found_split(None);
        }
    }

    fn tell_majority(&mut self, member: MemberId, majority: Sample) {
        if member == self.raft.id() {
            self.judged(majority);
        } else {
            self.effects.send.push((member, PeerMessage::Verdict { majority }));
        }
    }

    /// The leader says what a majority has.
    pub(crate) fn told_verdict(&mut self, from: MemberId, majority: Sample) {
        if self.raft.leader() == Some(from) {
            self.judged(majority);
        }
    }

    fn judged(&mut self, majority: Sample) {
        let Some(own) = self.watch.samples.hash_at(majority) else { return };
        if own == majority.hash {
            self.watch.agreed_at = self.watch.agreed_at.max(majority.index);
            self.state_is_right();
        } else if !self.snapshots.is_stateless() {
            self.watch.samples.forget();
            self.watch.agreement.diverged_at = Some(majority.index);
            self.effects.agreement = Some(self.watch.agreement);
            // Where it agreed later than it differed, nobody knows when it was right before.
            let agreed_at = self.watch.agreed_at;
            let sound = if agreed_at < majority.index { agreed_at } else { 0 };
            self.lose_state(Index(sound));
        }
    }
}
