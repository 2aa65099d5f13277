//! Disks that harm what they hold, and what becomes of their members (rule 14.4).
//!
//! Only a minority of the machines have such disks, so that of every entry a majority of the
//! copies is sound. What a log has lost it must notice: a member that can not vouch for its log
//! does not start, and counts as lost for good; one that can repair it comes back with less than
//! it had, and knows. Silence is the only thing that is forbidden.

use std::path::Path;

use disk::Harm;
use raft::MemberId;

use crate::life::Life;

impl Life {
    /// Harms the log of one of the frail members. Whether there was something to harm.
    pub(crate) fn harm(&mut self, harm: Harm) -> bool {
        let frail: Vec<MemberId> = self.plan.frail.iter().copied().collect();
        let (id, chance) = (self.random.pick(&frail), self.random.next());
        let Some(harmed) = self.members[&id].disk.harm(harm, chance, is_log) else { return false };
        self.member(id).harmed = true;
        self.trace.event(self.queue.now(), "harm", |line| {
            line.number("member", id.0)
                .text("path", &harmed.path.to_string_lossy())
                .number("offset", harmed.offset);
        });
        true
    }

    /// The member can not vouch for its log any more, and says so: it is not started again.
    pub(crate) fn give_up(&mut self, id: MemberId, error: &str) {
        self.trace.event(self.queue.now(), "lost", |line| {
            line.number("member", id.0).text("error", error);
        });
        self.member(id).lost = true;
    }

    /// The members that are not lost.
    pub(crate) fn remaining(&self) -> Vec<MemberId> {
        self.members.values().filter(|member| !member.lost).map(|member| member.id).collect()
    }
}

fn is_log(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wal")
}
