//! The operators who change the cluster: machines are added, promoted, removed, replaced and moved,
//! and lost with everything on them.
//!
//! A new machine starts with an empty disk and waits for a leader to speak to it. One that was
//! removed is told so when it dials somebody who knows, and ends for good. Now and then the level
//! of the cluster is raised, and a member is marked for its restart. One that lost its disk never
//! comes back as itself: another takes its place. At most one voter's disk is lost at a time, so
//! that what was committed is on a majority's disks however many follow each other.

use disk::SimDisk;
use raft::{Index, MemberId};
use replica::{Change, Configuration, FEATURE_LEVEL, Request, Standing};

use crate::life::{Happening, Life};
use crate::member::{Death, Member};
use crate::time::Span;
use crate::workload::Asker;

/// So many machines may come in a life, beside the founders.
const NEWCOMERS_MAX: u64 = 5;
/// A cluster is made no smaller than this by choice: the fault-tolerant ones are of interest.
const VOTERS_MIN: usize = 2;
/// A voter whose disk is lost is one of so many, at least.
const WIPED_AMONG_MIN: usize = 3;
/// An operator waits for so many election timeouts.
const PATIENCE_TIMEOUTS: u64 = 6;

impl Life {
    /// The configuration of the leader of the newest term, if somebody leads.
    pub(crate) fn leading(&self) -> Option<(MemberId, &Configuration)> {
        let running = self.members.iter().filter_map(|(&id, m)| Some((id, m.process.as_ref()?)));
        let leading = running.filter(|(_, process)| process.replica.raft().is_leader());
        let newest = leading.max_by_key(|(_, process)| process.replica.raft().term());
        newest.map(|(id, process)| (id, process.replica.configuration()))
    }

    /// Asks the leader for a change. It is counted when it is made.
    pub(crate) fn change_members(&mut self) {
        if self.somebody_may_be_lost() {
            return;
        }
        let Some((leader, present)) = self.leading() else { return };
        let present = present.clone();
        let change = self.draw_change(&present).map(Request::Change);
        let request = change.unwrap_or_else(|| self.draw_upkeep(&present));
        let ticket = self.next_ticket();
        let timeout_ms = self.plan.timers.election_timeout_ms * PATIENCE_TIMEOUTS;
        self.submit(ticket, Asker::Operator, leader, request, timeout_ms);
    }

    /// What operators do when nobody is to come or go: the level is raised once, and then members
    /// are marked for their restart, which comes when the life kills them, or never.
    fn draw_upkeep(&mut self, present: &Configuration) -> Request {
        if present.feature_level < FEATURE_LEVEL {
            return Request::RaiseLevel;
        }
        let ids: Vec<MemberId> = present.members.keys().copied().collect();
        let id = self.random.pick(&ids);
        match present.draining().filter(|_| self.random.coin()) {
            Some((id, _)) => Request::Change(Change::EndDrain { id }),
            None => Request::Drain { id },
        }
    }

    pub(crate) fn draw_change(&mut self, present: &Configuration) -> Option<Change> {
        let standing = |wanted: Standing| {
            let has = move |id: &&MemberId| present.members[id].standing == wanted;
            present.members.keys().filter(has).copied().collect::<Vec<MemberId>>()
        };
        let (voters, learners) = (standing(Standing::Voter), standing(Standing::Learner));
        let lost = voters.iter().copied().find(|id| self.members[id].lost);
        let learner = self.one_of(&learners);
        let voter = self.one_of(&voters);
        match (lost, learner, self.random.below(10)) {
            (Some(old), Some(new), 0..6) => Some(Change::Replace { old, new }),
            (Some(old), None, 0..6) => self.add(present, Some(old)),
            (Some(id), _, 6..9) if voters.len() > VOTERS_MIN => Some(Change::Remove { id }),
            // Whoever else went would be missed too.
            (Some(_), ..) => self.add(present, None),
            (_, None, 0..6) => self.add(present, None),
            (_, Some(id), 0..4) => Some(Change::Promote { id }),
            (_, Some(new), 4..6) => Some(Change::Replace { old: voter?, new }),
            (_, _, 6) if voters.len() > VOTERS_MIN => Some(Change::Remove { id: voter? }),
            (_, Some(id), 7) => Some(Change::Remove { id }),
            (_, _, 8) => self.add(present, None),
            _ => self.move_somebody(present),
        }
    }

    fn one_of(&mut self, ids: &[MemberId]) -> Option<MemberId> {
        if ids.is_empty() { None } else { Some(self.random.pick(ids)) }
    }

    fn add(&mut self, present: &Configuration, replaces: Option<MemberId>) -> Option<Change> {
        let unused = |id: &MemberId| !present.members.contains_key(id) && !present.is_removed(*id);
        let waiting = self.remaining().into_iter().find(unused);
        let id = waiting.or_else(|| self.new_machine())?;
        let like = replaces.map_or(id, |old| old);
        Some(Change::Add {
            id,
            incarnation: Some(u128::from(id.0)),
            name: format!("node-{like}"),
            address: present
                .members
                .get(&like)
                .map_or_else(|| format!("localhost:{}", 8_000 + id.0), |old| old.address.clone()),
            replaces,
            stays_learner: false,
        })
    }

    /// A machine with an empty disk.
    fn new_machine(&mut self) -> Option<MemberId> {
        let (&MemberId(last), _) = self.members.last_key_value().expect("there are founders");
        if last >= self.plan.members.len() as u64 + NEWCOMERS_MAX {
            return None;
        }
        let id = MemberId(last + 1);
        self.members.insert(id, Member::new(id, &self.plan));
        self.safety.joined(id);
        self.queue.plan_in(Span(0), Happening::Start(id));
        Some(id)
    }

    fn move_somebody(&mut self, present: &Configuration) -> Option<Change> {
        let ids: Vec<MemberId> = present.members.keys().copied().collect();
        let id = self.one_of(&ids)?;
        let address = format!("localhost:{}", self.random.between(10_000, 20_000));
        Some(Change::Address { id, address })
    }

    /// A voter's machine is gone, with its disk, if nobody else is missing. Whether it is.
    pub(crate) fn wipe(&mut self, id: MemberId) -> bool {
        if self.ledger.last().0 == 0 {
            return false;
        }
        let committed = self.ledger.membership().clone();
        let all_there = committed.voters().all(|voter| !self.members[&voter].lost);
        let may = committed.incoming.len() >= WIPED_AMONG_MIN;
        if !may || !all_there || !committed.is_voter(id) || !self.members_are_settled() {
            return false;
        }
        self.end(id, Death::PowerCut);
        let member = self.member(id);
        member.lost = true;
        member.disk = SimDisk::new();
        true
    }

    /// No change is under way, asked for, or forgotten on a machine that is down. Otherwise it
    /// could count on the one that is lost, and nobody could undo it.
    fn members_are_settled(&self) -> bool {
        let runs = |id: MemberId| self.members[&id].process.is_some();
        !self.members_are_changing() && self.remaining().into_iter().all(runs)
    }

    /// A change is under way, or asked for, or stands uncommitted in the log of a machine that is
    /// down.
    pub(crate) fn members_are_changing(&self) -> bool {
        // The founding configuration is in every log from the start.
        let (at, joint) = match self.ledger.last() {
            Index(0) => (Index(1), false),
            last => {
                let (at, committed) = self.ledger.membership_at(last);
                (at, committed.is_joint())
            }
        };
        let asked = self.waiting.values().any(|waiting| waiting.who == Asker::Operator);
        let remaining = self.members.values().filter(|member| !member.lost);
        let mut indexes = remaining.map(|member| match &member.process {
            Some(process) => process.replica.raft().configuration_index(),
            None => member.configured,
        });
        asked || joint || indexes.any(|index| index > at)
    }

    /// The member was removed, and knows it: it ends for good.
    pub(crate) fn retire(&mut self, id: MemberId) {
        self.member(id).lost = true;
        self.end(id, Death::Crash { reset: true });
    }

    /// Whoever dials somebody who knows that it was removed is told so. Whether that was the case.
    pub(crate) fn is_turned_away(&mut self, from: MemberId, to: MemberId) -> bool {
        let process = self.members[&to].process.as_ref();
        let removed = process.is_some_and(|p| p.replica.configuration().is_removed(from));
        if removed {
            self.retire(from);
        }
        removed
    }

    /// The member goes by another configuration: it ends the streams of those that were removed.
    pub(crate) fn reconfigured(&mut self, id: MemberId, configuration: &Configuration) {
        for &removed in &configuration.removed {
            if removed != id {
                self.network.abandon((removed, id));
                self.network.abandon((id, removed));
                self.queue.plan_in(Span(0), Happening::Dial((removed, id)));
            }
        }
    }
}
