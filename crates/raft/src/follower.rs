//! A follower takes entries (Figure 2, AppendEntries, receiver implementation).

use crate::event::Event;
use crate::role::Role;
use crate::{AppendResult, Body, Entry, Index, LogId, MemberId, Raft, Refusal};

impl Raft {
    pub(crate) fn on_append(
        &mut self,
        from: MemberId,
        mut previous: LogId,
        mut entries: Vec<Entry>,
        leader_commit: Index,
        round: u64,
    ) -> Result<(), Refusal> {
        let Role::Follower(follower) = &mut self.role else {
            unreachable!("whoever hears a leader follows it");
        };
        follower.round = follower.round.max(round);
        if previous.index < self.log.start().index {
            previous = self.skip_what_was_cut(&mut entries)?;
        }
        if !self.log.holds(previous) {
            if previous.index <= self.commit {
                return Err(Refusal::ConflictsWithCommitted(previous.index));
            }
            // Everything after the start, which is committed, may be in dispute; the start is not.
            let hint = self.log.last_before(previous).unwrap_or(self.log.start());
            self.answer(from, AppendResult::Rejected { previous: previous.index, hint });
            return Ok(());
        }
        let checked = Index(previous.index.0 + entries.len() as u64);
        let heartbeat = entries.is_empty();
        self.take_entries(entries)?;
        let (durable, now_ms) = (self.durable(), self.now.monotonic_ms);
        let Role::Follower(follower) = &mut self.role else {
            unreachable!("taking entries changes no role");
        };
        follower.checked = follower.checked.max(checked);
        // A lower one was overtaken on its way, and is no news.
        if leader_commit >= follower.leader_commit {
            (follower.leader_commit, follower.heard_ms) = (leader_commit, now_ms);
        }
        // New entries are answered once they are durable; what waits for no disk, at once.
        let nothing_to_wait_for = durable >= follower.checked;
        if heartbeat || nothing_to_wait_for || follower.round > follower.round_answered {
            self.acknowledge(from);
        }
        self.follow_commit();
        Ok(())
    }

    /// An `Append` begins before our log does. Whoever leads now has everything that is committed,
    /// so the logs agree up to our start, and what is before it needs no check. Drops those
    /// entries, and answers the previous one of the rest.
    fn skip_what_was_cut(&self, entries: &mut Vec<Entry>) -> Result<LogId, Refusal> {
        let start = self.log.start();
        let cut = entries.iter().take_while(|entry| entry.id.index <= start.index).count();
        let ours = |last: &Entry| last.id.index < start.index || last.id == start;
        if !entries[..cut].last().is_none_or(ours) {
            return Err(Refusal::ConflictsWithCommitted(start.index));
        }
        entries.drain(..cut);
        Ok(start)
    }

    /// Adds the entries that are new, from the first that differs on (Figure 2, steps 3 and 4).
    fn take_entries(&mut self, entries: Vec<Entry>) -> Result<(), Refusal> {
        let mut new = entries.into_iter().skip_while(|entry| self.log.holds(entry.id)).peekable();
        let Some(first) = new.peek().map(|entry| entry.id.index) else {
            return Ok(());
        };
        if first <= self.commit {
            return Err(Refusal::ConflictsWithCommitted(first));
        }
        if first <= self.checked() {
            // A leader never changes its log: it can not contradict itself.
            return Err(Refusal::Malformed);
        }
        let new: Vec<Entry> = new.collect();
        if first <= self.log.last().index {
            self.truncate_from(first);
        }
        self.append_new(new);
        Ok(())
    }

    /// Each term's entries are told by an event of their own.
    fn append_new(&mut self, new: Vec<Entry>) {
        let mut first = None;
        for entry in new {
            let LogId { term, index } = entry.id;
            if first.is_some() && term != self.log.last().term {
                self.tell_appended(first.take());
            }
            first.get_or_insert(index);
            self.append(entry);
        }
        self.tell_appended(first);
    }

    fn tell_appended(&mut self, first: Option<Index>) {
        if let Some(first) = first {
            self.emit(Event::Appended { first, last: self.log.last() });
        }
    }

    pub(crate) fn checked(&self) -> Index {
        match &self.role {
            Role::Follower(follower) => follower.checked,
            _ => unreachable!("only followers take entries"),
        }
    }

    /// Entries became durable: tell the leader, if that is news to it.
    pub(crate) fn follower_persisted(&mut self) {
        let durable = self.durable();
        let Role::Follower(follower) = &self.role else { return };
        let news = durable.min(follower.checked) > follower.acknowledged;
        if let Some(leader) = self.leader.filter(|_| news) {
            self.acknowledge(leader);
        }
        self.follow_commit();
    }

    /// Answers how far this log is both checked against the leader's and durable (rule 1.6).
    fn acknowledge(&mut self, leader: MemberId) {
        let durable = self.durable();
        let Role::Follower(follower) = &mut self.role else {
            unreachable!("only followers acknowledge");
        };
        let matched = durable.min(follower.checked);
        follower.acknowledged = follower.acknowledged.max(matched);
        self.answer(leader, AppendResult::Accepted { matched });
    }

    fn answer(&mut self, leader: MemberId, result: AppendResult) {
        let Role::Follower(follower) = &mut self.role else {
            unreachable!("only followers answer appends of their term");
        };
        let round = follower.round;
        follower.round_answered = round;
        self.send(leader, Body::AppendAnswer { round, result });
    }

    /// Commits as far as the leader has, but no further than what was checked and is durable.
    fn follow_commit(&mut self) {
        let durable = self.durable();
        let Role::Follower(follower) = &self.role else { return };
        let commit = follower.leader_commit.min(follower.checked).min(durable);
        if commit > self.commit {
            self.set_commit(commit);
        }
    }
}
