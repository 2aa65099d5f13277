//! Cutting logs, and sending snapshots: what the shell does with files and a stream of their own is
//! one act here, and what may happen in between is that the snapshot arrives late, or never.

use raft::{Index, Installed, LogId, MemberId, SnapshotPoint, Term};

use super::Cluster;

/// A snapshot on its way, complete: it arrives as a whole, if it does.
#[derive(Clone)]
pub(crate) struct SnapshotFlight {
    pub(crate) from: MemberId,
    pub(crate) to: MemberId,
    pub(crate) term: Term,
    pub(crate) point: SnapshotPoint,
}

impl Cluster {
    /// The member's log loses everything up to `to`.
    pub(crate) fn cut_log(&mut self, id: MemberId, to: LogId) {
        self.input(id, |raft, _| raft.log_cut(to));
        self.member_mut(id).disk.cut(to);
    }

    /// Sends a snapshot at `at`, or at the commit index.
    pub(crate) fn send_snapshot(&mut self, from: MemberId, to: MemberId, at: Option<Index>) {
        let raft = self.raft(from);
        let (at, term) = (at.unwrap_or(raft.commit()), raft.term());
        let point = self.members[&from].disk.snapshot_at(at);
        self.member_mut(from).snapshots_wanted.retain(|&id| id != to);
        self.trace.line(format!("{from}⇒{to} Snapshot t{term} last={}", point.last));
        self.snapshots.push(SnapshotFlight { from, to, term, point });
    }

    /// The snapshot at `position` has arrived, complete and durable. What became of it.
    pub(crate) fn deliver_snapshot(&mut self, position: usize) -> Option<Installed> {
        let SnapshotFlight { from, to, term, point } = self.snapshots.remove(position);
        let cut = self.network.is_cut(from, to);
        if cut || self.members[&to].raft.is_none() {
            self.trace.line(format!("{from}⇏{to} the snapshot at {} is lost", point.last));
            self.snapshot_failed(from, to);
            return None;
        }
        self.member_mut(to).disk.keep(point.clone());
        let result = self.input(to, |raft, now| raft.install_snapshot(now, from, term, &point));
        match result {
            Ok(installed) => {
                self.installed += u64::from(installed == Installed::Replaced);
                self.trace.line(format!("{to} says of the snapshot: {installed:?}"));
                Some(installed)
            }
            Err(refusal) => {
                self.trace.line(format!("{to} refuses the snapshot: {refusal}"));
                None
            }
        }
    }

    /// The sender hears that its snapshot was taken.
    pub(crate) fn snapshot_sent(&mut self, from: MemberId, to: MemberId, last: LogId) {
        if self.members[&from].raft.is_some() {
            self.input(from, |raft, _| raft.snapshot_sent(to, last));
        }
    }

    /// The sender finds that its snapshot did not get through.
    pub(crate) fn snapshot_failed(&mut self, from: MemberId, to: MemberId) {
        if self.members[&from].raft.is_some() {
            self.input(from, |raft, _| raft.snapshot_failed(to));
        }
    }
}
