//! States that silently go wrong, on a minority of the members: memory that forgets, a version that
//! does something else.
//!
//! A put is altered between the log and the state machine: the log thread has read it, all of it
//! sound, and what is applied has another value or another key, or removes the key. Or a start has
//! a state that differs from that of its snapshot, as if a put before it had been altered. Members
//! must notice by comparing their states, and whoever differs must serve nothing from then on until
//! it has another's (`safety/quarantine.rs` says exactly what). What it answered until then is the
//! fault's own.
//!
//! Hashes can tell only what a majority has. So a wrong state is never on more than a minority:
//! nobody is struck while it would be, and no machine is lost, harmed, added or removed in such a
//! life. A leader that does not know it could still give a snapshot of its wrong state to a
//! follower; when it offers one its process dies instead, and its wrong snapshots are damaged. It
//! is then a member without a state.

use std::collections::BTreeSet;

use bytes::Bytes;
use raft::{Entry, EntryKind, Index, LogId, MemberId};
use replica::{Agreement, LogReply, Purpose, SnapshotMessage, SnapshotRequest, SnapshotWork};
use store::{Apply, Budget, Command, KeyRange, Put, Store};

use crate::faults::Fault;
use crate::ledger::{Committed, Ledger, to_store};
use crate::life::Life;
use crate::member::{Death, Found, Member, Process};
use crate::plan;

/// Of a thousand members that are struck so many start anew, and so read their log at once.
const STARTS_ANEW_PER_MILLE: u64 = 500;

/// What is wrong on a machine by the simulator's doing.
#[derive(Debug, Default)]
pub(crate) struct Wrong {
    /// The next put that is read from its log to be applied is altered.
    pub(crate) armed: bool,
    /// Its snapshots that hold a wrong state, whether they are still there or not.
    snapshots: BTreeSet<LogId>,
    /// It has set snapshots aside, and has no state on its disk perhaps.
    pub(crate) lacks_state: bool,
}

/// What a process starts with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    /// The state of a snapshot that is right, or none.
    Right,
    /// The one at this index is wrong, and so is the snapshot.
    FromAWrongSnapshot(Index),
    /// The one at this index is wrong, and the snapshot is right.
    Altered(Index),
}

impl Wrong {
    fn holds(&self, last: LogId) -> bool {
        self.snapshots.contains(&last)
    }

    /// A snapshot that is right has this name now. Whether a wrong one had it.
    pub(crate) fn replaced(&mut self, last: LogId) -> bool {
        self.snapshots.remove(&last)
    }
}

impl Life {
    /// A member's state is to go wrong. It is counted when it does.
    pub(crate) fn arm_wrong_state(&mut self, id: MemberId) {
        let unwell = self.members.values().filter(|member| member.is_unwell()).count();
        let minority = (self.plan.members.len() - 1) / 2;
        let armed = self.members[&id].wrong.armed;
        if !armed && (unwell >= minority || self.members[&id].is_unwell()) {
            return;
        }
        self.member(id).wrong.armed = true;
        if self.random.chance(STARTS_ANEW_PER_MILLE) {
            let reset = self.random.coin();
            self.start_anew(id, Death::Crash { reset });
        }
    }

    /// What the log thread has read on its way to the state machine.
    pub(crate) fn alter(&mut self, id: MemberId, reply: &mut LogReply) {
        let LogReply::Entries { purpose: Purpose::Apply, entries } = reply else { return };
        if !self.members[&id].wrong.armed {
            return;
        }
        let puts: Vec<usize> = (0..entries.len()).filter(|&n| is_put(&entries[n])).collect();
        if puts.is_empty() {
            return;
        }
        let (nth, change) = (self.random.pick(&puts), self.draw_alteration());
        let entry = &mut entries[nth];
        entry.payload = altered(entry, change);
        let index = entry.id.index;
        self.went_wrong(id, index);
    }

    /// What a process is about to start with: is it wrong, or does it go wrong on its way?
    pub(crate) fn starts_wrong(&mut self, id: MemberId, found: &mut Found) -> Start {
        let member = self.members.get_mut(&id).expect("members are all known");
        let Some(index) = found.kept.store.as_ref().map(|store| Index(store.applied_index()))
        else {
            return Start::Right;
        };
        if member.found_wrong(found, &self.ledger) {
            return Start::FromAWrongSnapshot(index);
        }
        if self.alter_found(id, found) { Start::Altered(index) } else { Start::Right }
    }

    /// It has started.
    pub(crate) fn note_start(&mut self, id: MemberId, start: Start) {
        let process = self.member(id).process.as_mut().expect("it has just started");
        match start {
            Start::Right => {}
            Start::FromAWrongSnapshot(index) => process.soundness.altered(index),
            Start::Altered(index) => self.went_wrong(id, index),
        }
    }

    /// Makes another of the state of a snapshot. Whether it did. (The ledger has all entries, so
    /// there is another to be made.)
    fn alter_found(&mut self, id: MemberId, found: &mut Found) -> bool {
        let Some(right) = found.kept.store.as_ref().filter(|_| self.members[&id].wrong.armed)
        else {
            return false;
        };
        let upto = right.applied_index() as usize;
        let entries = self.ledger.iter().take(upto).map(|committed| &committed.entry);
        let puts: Vec<Index> = entries.filter(|entry| is_put(entry)).map(|e| e.id.index).collect();
        if puts.is_empty() {
            return false;
        }
        let (at, change) = (self.random.pick(&puts), self.draw_alteration());
        let mut wrong = Store::new();
        for Committed { entry, .. } in self.ledger.iter().take(upto) {
            let mut entry = entry.clone();
            if entry.id.index == at {
                entry.payload = altered(&entry, change);
            }
            let applied = wrong.apply(&to_store(&entry), &mut Budget::new(u64::MAX));
            assert!(matches!(applied, Ok(Apply::Done(_))), "it was applied before");
        }
        wrong.publish();
        let differs = wrong.state_hash() != right.state_hash();
        if differs {
            found.kept.store = Some(wrong);
        }
        differs
    }

    fn draw_alteration(&mut self) -> Alteration {
        self.random.pick(&[Alteration::Value, Alteration::Key, Alteration::Removal])
    }

    /// The state of a member's process is wrong from this entry on.
    fn went_wrong(&mut self, id: MemberId, index: Index) {
        let member = self.member(id);
        member.wrong.armed = false;
        let process = member.process.as_mut().expect("it runs, or its state would be nowhere");
        process.soundness.altered(index);
        self.trace.event(self.queue.now(), "altered", |line| {
            line.number("member", id.0).number("index", index.0);
        });
        self.strike_noted(Fault::WrongState, id);
    }

    /// A member learned whether its state is right.
    pub(crate) fn judged(&mut self, id: MemberId, agreement: Agreement) {
        let member = self.members.get_mut(&id).expect("members are all known");
        let process = member.process.as_mut().expect("it has just stepped");
        let judged = process.soundness.judged(id, agreement);
        if judged.found {
            member.wrong.lacks_state = true;
            self.wrong_states.found += 1;
            self.wrong_states.leaders += u64::from(process.replica.raft().is_leader());
        }
        if judged.rebuilt {
            self.oracle.goes_back((id, member.life));
            self.wrong_states.rebuilt += 1;
        }
        self.trace.event(self.queue.now(), "agreement", |line| {
            line.number("member", id.0).text("agreement", &format!("{agreement:?}"));
        });
    }

    /// A member speaks of snapshots, or does not.
    pub(crate) fn check_quiet(&self, id: MemberId, says: &[(MemberId, SnapshotMessage)]) {
        let process = self.members[&id].process.as_ref().expect("it has just stepped");
        process.soundness.check_quiet(process.replica.raft(), says);
    }

    /// A member is about to step: what it was to set aside is where no start finds it, if that is
    /// done, and nothing went wrong with it.
    pub(crate) fn check_set_aside(&self, id: MemberId) {
        let member = &self.members[&id];
        let Some(process) = &member.process else { return };
        if !process.soundness.is_quarantined() || !process.snapshots.is_idle() {
            return;
        }
        let failures = process.replica.status().snapshots.failures;
        if failures.iter().all(|failure| failure.work != SnapshotWork::SetAside) {
            process.soundness.check_aside(id, &member.wrong_snapshots_there());
        }
    }

    /// Whether a member's answer of the entry at `index` may be wrong, and nobody is to blame.
    pub(crate) fn is_excused(&self, id: MemberId, index: Index) -> bool {
        let process = self.members[&id].process.as_ref();
        let Some(Process { soundness, .. }) = process else { return false };
        assert!(!soundness.is_quarantined(), "quarantine: {id} answers what is at {index}");
        soundness.excuses(index)
    }

    /// A member asks its snapshot thread to write its state, a wrong one perhaps.
    pub(crate) fn note_written(&mut self, id: MemberId, requests: &[SnapshotRequest]) {
        for request in requests {
            if let SnapshotRequest::Write { point, capture, .. } = request {
                let committed = self.ledger.get(point.last.index);
                let right = committed.map(|committed| committed.state_hash);
                let wrong = &mut self.member(id).wrong;
                match right == Some(capture.state().state_hash) {
                    true => wrong.snapshots.remove(&point.last),
                    false => wrong.snapshots.insert(point.last),
                };
            }
        }
    }

    /// Ends a member that would give away a wrong state. Whether it was about to.
    pub(crate) fn ends_before_it_spreads(
        &mut self,
        id: MemberId,
        says: &[(MemberId, SnapshotMessage)],
    ) -> bool {
        let wrong = &self.members[&id].wrong;
        let spreads = says.iter().any(|(_, message)| match message {
            SnapshotMessage::Offer { id, .. } => wrong.holds(id.last),
            _ => false,
        });
        if !spreads {
            return false;
        }
        self.wrong_states.ended += 1;
        self.end(id, Death::Crash { reset: true });
        for last in self.members[&id].wrong_snapshots_there() {
            let chance = self.random.next();
            let path = plan::snapshots().join(name_of(last));
            self.members[&id].disk.flip_any(&path, chance).expect("it is there, and not empty");
            self.member(id).wrong.replaced(last);
        }
        self.member(id).wrong.lacks_state = true;
        true
    }
}

impl Member {
    /// Its step is over.
    pub(crate) fn step_ends(&mut self) {
        let Some(process) = &mut self.process else { return };
        process.soundness.step_ends();
        let wrong = &mut self.wrong;
        if wrong.lacks_state && !process.soundness.is_quarantined() {
            wrong.lacks_state = process.replica.status().snapshots.stateless;
        }
    }

    /// Whether its state is wrong, will be, or would be after a start.
    pub(crate) fn is_unwell(&self) -> bool {
        let soundness = self.process.as_ref().map(|process| &process.soundness);
        let differs = |soundness: &crate::safety::Soundness| {
            soundness.may_be_wrong() || soundness.is_quarantined()
        };
        let wrong = &self.wrong;
        wrong.armed
            || wrong.lacks_state
            || soundness.is_some_and(differs)
            || !self.wrong_snapshots_there().is_empty()
    }

    /// Its snapshots with a wrong state that a start would take.
    fn wrong_snapshots_there(&self) -> BTreeSet<LogId> {
        if self.wrong.snapshots.is_empty() {
            return BTreeSet::new();
        }
        let names = self.disk.peek(&plan::snapshots());
        let is_there = |last: &&LogId| names.contains(&name_of(**last));
        self.wrong.snapshots.iter().filter(is_there).copied().collect()
    }

    /// Whether the state that was found at a start is wrong: only if its snapshot is known to be.
    fn found_wrong(&mut self, found: &Found, ledger: &Ledger) -> bool {
        let Some(store) = &found.kept.store else { return false };
        let published = store.reader().published();
        let index = Index(published.applied_index);
        let committed = ledger.get(index).map(|committed| committed.state_hash);
        let right = committed == Some(published.state_hash);
        let last = LogId::new(raft::Term(published.applied_term), index);
        // One that was received may have taken the name of a wrong one.
        let known = if right { self.wrong.replaced(last) } else { self.wrong.holds(last) };
        assert!(right || known, "state hash: {} starts from a wrong state at {last}", self.id);
        !right
    }
}

/// The name of a snapshot's file.
fn name_of(last: LogId) -> String {
    format!("{:020}-{}.snapshot", last.index.0, last.term.0)
}

fn is_put(entry: &Entry) -> bool {
    let command =
        (entry.kind == EntryKind::Command).then(|| Command::decode(entry.payload.clone()));
    matches!(command, Some(Ok(Command::Put { .. })))
}

/// What a put becomes.
#[derive(Clone, Copy, Debug)]
enum Alteration {
    /// A put of another value: right again once somebody overwrites or removes it.
    Value,
    /// A put to a key that nobody else uses: it stays wrong.
    Key,
    /// The removal of the key: where there was none, the revisions differ for good.
    Removal,
}

fn altered(entry: &Entry, alteration: Alteration) -> Bytes {
    let Ok(Command::Put { put, condition }) = Command::decode(entry.payload.clone()) else {
        unreachable!("only puts are altered")
    };
    let other = Bytes::from(format!("wrong since {}", entry.id.index));
    let altered = match alteration {
        Alteration::Value => Command::Put { put: Put { value: other, ..put }, condition },
        Alteration::Key => Command::Put { put: Put { key: other, ..put }, condition },
        Alteration::Removal => {
            let Put { key, prev_kv, .. } = put;
            Command::Delete { range: KeyRange::Single(key), prev_kv, condition }
        }
    };
    altered.encode()
}
