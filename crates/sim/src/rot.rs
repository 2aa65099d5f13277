//! Disks that harm what they hold, and what becomes of their members (rule 14.4).
//!
//! Only a minority of the machines have disks that harm their logs, so that of every entry a
//! majority of the copies is sound. What a log has lost it must notice: a member that can not vouch
//! for its log does not start, and counts as lost for good; one that can repair it comes back with
//! less than it had, and knows. Silence is the only thing that is forbidden.
//!
//! The newest snapshot of any member may be damaged as well, as long as it has an older one: there
//! is always a second state to start from (rule 2.2).

use std::path::{Path, PathBuf};

use disk::Harm;
use raft::{Index, MemberId};

use crate::life::{Happening, Life};
use crate::member::{Death, Found};
use crate::plan;
use crate::time::Span;

impl Life {
    /// Harms the log of one of the frail members. Whether there was something to harm.
    pub(crate) fn harm(&mut self, harm: Harm) -> bool {
        let frail: Vec<MemberId> = self.plan.frail.iter().copied().collect();
        let id = self.random.pick(&frail);
        // Whoever can not go on after it is lost, and a change may count on it.
        if self.members[&id].lost || self.members_are_changing() {
            return false;
        }
        let harmed = self.harm_one(id, harm);
        if harmed && self.random.chance(self.plan.harmed_start_anew) {
            let death =
                if self.random.coin() { Death::PowerCut } else { Death::Crash { reset: true } };
            self.start_anew(id, death);
        }
        harmed
    }

    pub(crate) fn harm_one(&mut self, id: MemberId, harm: Harm) -> bool {
        if !self.can_do_without(id) {
            return false;
        }
        let chance = self.random.next();
        let Some(harmed) = self.members[&id].disk.harm(harm, chance, is_log) else { return false };
        let member = self.member(id);
        (member.harmed, member.unsound) = (true, true);
        self.trace_harm(id, &harmed.path, harmed.offset);
        true
    }

    /// Whether a majority of the voters is left if this member is lost, and whoever else may be. A
    /// cluster that was made smaller may need one that it could once do without.
    fn can_do_without(&self, id: MemberId) -> bool {
        let voters: Vec<MemberId> = match self.ledger.last() {
            Index(0) => self.plan.members.iter().copied().collect(),
            _ => self.ledger.membership().voters().collect(),
        };
        let stays = |voter: &&MemberId| {
            let member = &self.members[*voter];
            **voter != id && !member.lost && !member.unsound
        };
        voters.iter().filter(stays).count() > voters.len() / 2
    }

    fn start_anew(&mut self, id: MemberId, death: Death) {
        self.end(id, death);
        self.queue.plan_in(Span(0), Happening::Start(id));
    }

    fn trace_harm(&mut self, id: MemberId, path: &Path, offset: u64) {
        self.trace.detail(self.queue.now(), "harm", |line| {
            line.id("member", id).text("path", &path.to_string_lossy()).number("offset", offset);
        });
    }

    /// Damages the newest of a member's snapshots, if it can do without it. Whether it did; then
    /// the member is started anew.
    pub(crate) fn harm_snapshot(&mut self, id: MemberId) -> bool {
        let Some(newest) = self.spare_snapshot(id).filter(|_| self.runs(id)) else { return false };
        let chance = self.random.next();
        let Some(offset) = self.members[&id].disk.flip_any(&newest, chance) else { return false };
        self.trace_harm(id, &newest, offset);
        self.member(id).damaged_snapshot = Some(newest);
        let reset = self.random.coin();
        self.start_anew(id, Death::Crash { reset });
        true
    }

    /// A member's newest snapshot, if none is damaged yet and it could start from the one before:
    /// that is not of a past that a received one has replaced.
    fn spare_snapshot(&self, id: MemberId) -> Option<PathBuf> {
        let (directory, member) = (plan::snapshots(), &self.members[&id]);
        let names = member.disk.peek(&directory);
        let named = names.into_iter().filter(|name| name.ends_with(".snapshot"));
        // Names begin with the index, all digits of it.
        let mut paths: Vec<PathBuf> = named.map(|name| directory.join(name)).collect();
        paths.sort_unstable();
        let damaged = member.damaged_snapshot.as_ref();
        if member.wrong || damaged.is_some_and(|damaged| paths.contains(damaged)) {
            return None;
        }
        let newest = paths.pop()?;
        let older = paths.pop()?;
        let name = older.file_name()?.to_str()?;
        let index: u64 = name.split_once('-')?.0.parse().ok()?;
        (index >= member.installed.0).then_some(newest)
    }

    /// A log that is cut has a state before it, whichever one snapshot is damaged.
    pub(crate) fn check_state_found(&self, id: MemberId, found: &Found) {
        let start = found.recovered.restored.log.start().index;
        let harmed = self.members[&id].harmed;
        let has_state = start.0 == 0 || harmed || found.kept.store.is_some();
        assert!(has_state, "snapshots: {id} has a log from {start} on, and no state before it");
    }

    /// The member can not vouch for its log any more, and says so: it is not started again.
    pub(crate) fn give_up(&mut self, id: MemberId, error: &str) {
        self.trace.event(self.queue.now(), "given_up", |line| {
            line.id("member", id).text("error", error);
        });
        self.member(id).lost = true;
    }

    /// A member has a log that was harmed: whether it comes back when it is started next is not
    /// known yet. A change could count on it, and nobody could undo it.
    pub(crate) fn somebody_may_be_lost(&self) -> bool {
        self.members.values().any(|member| member.unsound && !member.lost)
    }

    /// The members that are not lost.
    pub(crate) fn remaining(&self) -> Vec<MemberId> {
        self.members.values().filter(|member| !member.lost).map(|member| member.id).collect()
    }
}

fn is_log(path: &Path) -> bool {
    // What a repair has set aside counts no more.
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".wal") && name.starts_with(|first: char| first.is_ascii_digit())
}
