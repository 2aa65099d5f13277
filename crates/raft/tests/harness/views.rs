//! Verbs that only look.

use raft::{Entry, EntryKind, MemberId};

use crate::cluster::Cluster;

impl Cluster {
    pub(super) fn show_status(&mut self, ids: &[MemberId]) {
        for id in self.these_or_all(ids) {
            let line = self.status_text(id);
            self.trace.line(line);
        }
    }

    fn status_text(&self, id: MemberId) -> String {
        let Some(raft) = &self.members[&id].raft else { return format!("{id} is down") };
        let name = |id: Option<MemberId>| id.map_or_else(|| "–".to_string(), |id| id.to_string());
        let hard_state = raft.hard_state();
        format!(
            "{id} {} t{} vote={} leader={} last={} durable={} commit={}",
            raft.role().as_str(),
            raft.term(),
            name(hard_state.vote),
            name(raft.leader()),
            raft.log().last(),
            raft.durable(),
            raft.commit(),
        )
    }

    pub(super) fn show_log(&mut self, ids: &[MemberId], times: bool) {
        for id in self.these_or_all(ids) {
            let member = &self.members[&id];
            let commit = member.raft.as_ref().map_or(0, |raft| raft.commit().0);
            let durable = member.disk.durable_last().0;
            let mark = |entry: &Entry| {
                let committed = if entry.id.index.0 == commit { " *" } else { "" };
                let durable = if entry.id.index.0 == durable { " |" } else { "" };
                format!("  {}{committed}{durable}", entry_text(entry, times))
            };
            let entries: String = member.disk.written.entries.iter().map(mark).collect();
            let start = member.disk.written.start;
            let start = if start.index.0 == 0 { String::new() } else { format!("  …{start}") };
            self.trace.line(format!("{id}:{start}{entries}"));
        }
    }

    pub(super) fn show_progress(&mut self, id: MemberId) {
        for follower in self.raft(id).follower_status() {
            let raft::FollowerStatus { id, matched, silent_ms, replication, .. } = follower;
            let replication = replication.as_str();
            self.trace.line(format!("{id} {replication} matched={matched} silent={silent_ms} ms"));
        }
    }

    /// Who counts, as far as each of them knows.
    pub(super) fn show_members(&mut self, ids: &[MemberId]) {
        for id in self.these_or_all(ids) {
            let Some(raft) = &self.members[&id].raft else { continue };
            let line = format!("{id} counts by {}", String::from_utf8_lossy(raft.configuration()));
            self.trace.line(line.trim_end());
        }
    }

    pub(super) fn show_in_flight(&mut self) {
        for packet in self.network.in_flight().to_vec() {
            self.trace.sent(packet.from, packet.envelope.to, &packet.envelope.message);
        }
    }

    fn these_or_all(&self, ids: &[MemberId]) -> Vec<MemberId> {
        if ids.is_empty() { self.members.keys().copied().collect() } else { ids.to_vec() }
    }
}

/// `2@1 text`, the text without what filled it up.
fn entry_text(entry: &Entry, times: bool) -> String {
    let payload = String::from_utf8_lossy(&entry.payload);
    let text = match entry.kind {
        EntryKind::Noop => "noop",
        EntryKind::Configuration => &format!("({payload})"),
        EntryKind::Command => payload.trim_end_matches('.'),
    };
    let times =
        if times { format!(" stamp={} age={}", entry.stamp_ms, entry.age_ms) } else { "".into() };
    format!("{} {text}{times}", entry.id).trim_end().to_string()
}
