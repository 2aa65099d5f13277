//! Members' own events.

use raft::{Event, MemberId};

use super::Told;
use crate::life::Life;
use crate::member::Death;
use crate::trace::Fields;

impl Life {
    /// A process has started, with what it found on its disk.
    pub(crate) fn tell_started(&mut self, id: MemberId) {
        let member = &self.members[&id];
        let Some(process) = &member.process else { return };
        let (status, raft) = (process.replica.status(), process.replica.raft());
        let (log, life) = (raft.log(), member.life);
        let applied = status.published.applied_index;
        let told = Told { durable: raft.durable(), applied, ..Told::default() };
        self.telling.members.insert(id, told);
        self.trace.event(self.queue.now(), "started", |line| {
            line.id("member", id).text("name", &format!("node-{id}")).number("life", life);
            line.term("term", status.term).id_or_null("vote", status.vote);
            let pointers = [
                ("start", log.start().index.0),
                ("applied", applied),
                ("commit", status.commit),
                ("durable", status.durable),
                ("last_index", status.last.index.0),
                ("last_term", status.last.term.0),
            ];
            line.numbers("log", &pointers).runs("runs", log);
            line.number("revision", status.published.revision.0);
        });
    }

    pub(crate) fn tell_ended(&mut self, id: MemberId, death: Death) {
        self.trace.event(self.queue.now(), "ended", |line| {
            line.id("member", id).flag("power_cut", death == Death::PowerCut);
        });
    }

    /// A member has taken a step: what its core tells, and what its pointers show.
    pub(crate) fn tell_step(&mut self, id: MemberId, events: &[Event]) {
        if self.trace.is_off() {
            return;
        }
        // What is on disks comes first: what is committed follows from it.
        let (role, rest): (Vec<Event>, Vec<Event>) =
            events.iter().partition(|event| !matches!(event, Event::Committed { .. }));
        role.into_iter().for_each(|event| self.tell_event(id, event));
        self.tell_durable(id);
        self.tell_acknowledged(id);
        rest.into_iter().for_each(|event| self.tell_event(id, event));
        self.tell_applied(id);
    }

    fn tell_event(&mut self, id: MemberId, event: Event) {
        self.trace.event(self.queue.now(), kind_of(event), |line| {
            line.id("member", id);
            write_event(line, event);
        });
    }

    fn tell_durable(&mut self, id: MemberId) {
        let Some(process) = &self.members[&id].process else { return };
        let durable = process.replica.raft().durable();
        let told = self.telling.members.entry(id).or_default();
        // It falls where entries are overwritten that were on the disk.
        if durable != std::mem::replace(&mut told.durable, durable) {
            self.trace.event(self.queue.now(), "durable", |line| {
                line.id("member", id).index("index", durable);
            });
        }
    }

    /// On a leader: whom it counts up to where, itself among them.
    fn tell_acknowledged(&mut self, leader: MemberId) {
        let Some(process) = &self.members[&leader].process else { return };
        let raft = process.replica.raft();
        let told = self.telling.members.entry(leader).or_default();
        let leads = raft.is_leader().then(|| raft.term());
        if told.leads != leads {
            told.leads = leads;
            told.acknowledged.clear();
        }
        if leads.is_none() {
            return;
        }
        let answered = raft.follower_status().into_iter().filter(|peer| peer.has_answered);
        let followers = answered.map(|peer| (peer.id, peer.matched));
        let own = (leader, raft.durable().min(raft.log().last().index));
        for (member, index) in followers.chain([own]) {
            if told.acknowledged.insert(member, index).unwrap_or_default() != index {
                self.trace.event(self.queue.now(), "acknowledged", |line| {
                    line.id("member", member).id("leader", leader).index("index", index);
                });
            }
        }
    }

    fn tell_applied(&mut self, id: MemberId) {
        let Some(process) = &self.members[&id].process else { return };
        let published = process.replica.reader().published();
        let told = self.telling.members.entry(id).or_default();
        if std::mem::replace(&mut told.applied, published.applied_index) != published.applied_index
        {
            self.trace.event(self.queue.now(), "applied", |line| {
                line.id("member", id)
                    .number("index", published.applied_index)
                    .number("revision", published.revision.0);
            });
            self.tell_keys(id);
        }
    }
}

fn kind_of(event: Event) -> &'static str {
    match event {
        Event::Role { .. } => "role",
        Event::LeaderKnown { .. } => "leader",
        Event::Voted { .. } => "vote",
        Event::Appended { .. } => "appended",
        Event::Truncated { .. } => "truncated",
        Event::Configured { .. } => "configured",
        Event::Committed { .. } => "committed",
        Event::SnapshotWanted { .. } => "snapshot_wanted",
        Event::SnapshotInstalled { .. } => "snapshot_installed",
        Event::LogCut { .. } => "log_cut",
        Event::Transferring { .. } => "transferring",
    }
}

fn write_event(line: &mut Fields<'_>, event: Event) {
    match event {
        Event::Role { role, term } => line.text("role", role.as_str()).term("term", term),
        Event::LeaderKnown { leader, term } => line.id("leader", leader).term("term", term),
        Event::Voted { candidate, term, pre, granted } => line
            .id("candidate", candidate)
            .term("term", term)
            .flag("pre", pre)
            .flag("granted", granted),
        Event::Appended { first, last } => {
            line.index("first", first).index("last", last.index).term("term", last.term)
        }
        Event::Truncated { from } => line.index("from", from),
        Event::Configured { index, joint } => line.index("index", index).flag("joint", joint),
        Event::Committed { index } => line.index("index", index),
        Event::SnapshotWanted { member } => line.id("for", member),
        Event::SnapshotInstalled { last } | Event::LogCut { to: last } => {
            line.index("index", last.index).term("term", last.term)
        }
        Event::Transferring { to } => line.id("to", to),
    };
}
