//! What a leader sends to each follower, decided once for each batch of inputs.
//!
//! An `Append` goes out for one of four reasons: there are entries the follower may get now, the
//! commit index moved, a read round began, or a heartbeat is due. All four travel in one message
//! when they coincide. A heartbeat is an empty `Append` whose `previous` is the last entry sent,
//! so that a follower that missed something says so at once.
//!
//! A follower whose next entry is gone from the log needs a snapshot, which is the shell's to
//! send; meanwhile its heartbeats name the start of the log.

use crate::event::Event;
use crate::progress::{Progress, State};
use crate::role::{Leader, Role};
use crate::{Body, Entry, Index, LogId, MemberId, Raft, ReadEntries, ReadPoint};

/// What to send to a follower next.
enum Next {
    /// These entries, in memory.
    Entries(Vec<Entry>),
    /// They are only in the log: ask for them.
    Read(ReadEntries),
    /// No entries, but something else to say.
    Empty,
    /// Nothing.
    Nothing,
}

impl Raft {
    pub(crate) fn flush_leader(&mut self) {
        self.begin_read_round();
        for peer in self.followers() {
            self.flush_to(peer);
        }
        self.tell_transfer_target();
    }

    /// Everyone a leader speaks to.
    fn followers(&self) -> Vec<MemberId> {
        match &self.role {
            Role::Leader(leader) => leader.progress.keys().copied().collect(),
            _ => Vec::new(),
        }
    }

    /// Reads wait until an entry of this term is committed: before that, the commit index may be
    /// behind what an earlier leader acknowledged (§8).
    fn begin_read_round(&mut self) {
        let (commit, clock_ms) = (self.commit, self.clock_ms);
        let Role::Leader(leader) = &self.role else { return };
        if commit >= leader.first_of_term && leader.reads.is_due() {
            let point = ReadPoint { index: commit, settled_ms: self.settle_stamps() };
            let Role::Leader(leader) = &mut self.role else { return };
            leader.reads.begin(point, clock_ms);
            self.confirm_reads();
        }
    }

    /// A time that no entry after the commit index will have been stamped before: that of the first
    /// one, or that of our clock, which our stamps do not go back behind from now on.
    fn settle_stamps(&mut self) -> u64 {
        self.log.stamp_after(self.commit).unwrap_or_else(|| {
            self.log.note_times(self.now.wall_ms, 0);
            self.log.stamp_ms()
        })
    }

    fn flush_to(&mut self, peer: MemberId) {
        loop {
            match self.next_for(peer) {
                Next::Entries(entries) => {
                    let progress = self.progress_mut(peer);
                    let last = entries.last().map_or(progress.next.previous(), |e| e.id.index);
                    progress.sent(last, entries.iter().map(Entry::size_bytes).sum());
                    self.send_append(peer, entries);
                }
                Next::Read(read) => {
                    let clock_ms = self.clock_ms;
                    self.progress_mut(peer).reading_since_ms = Some(clock_ms);
                    self.output.read.push(read);
                    return;
                }
                Next::Empty => {
                    self.send_append(peer, Vec::new());
                    return;
                }
                Next::Nothing => return,
            }
        }
    }

    fn next_for(&mut self, peer: MemberId) -> Next {
        let (clock_ms, heartbeat_ms) = (self.clock_ms, self.config.heartbeat_ms);
        let (commit, start, last) = (self.commit, self.log.start().index, self.log.last().index);
        let bytes_max = self.config.message_bytes_max;
        let Role::Leader(Leader { progress, reads, .. }) = &mut self.role else {
            unreachable!("only a leader flushes");
        };
        let progress = progress.get_mut(&peer).expect("every peer has a progress");
        let heartbeat_due = clock_ms - progress.sent_ms >= heartbeat_ms;
        if heartbeat_due {
            progress.retry_what_may_be_lost(clock_ms, heartbeat_ms);
        }
        if progress.asks_for_snapshot(start, heartbeat_due) {
            self.output.snapshots_wanted.push(peer);
            self.output.events.push(Event::SnapshotWanted { member: peer });
        }
        let probing = matches!(progress.state, State::Probe { .. });
        let wants_entries = progress.reading_since_ms.is_none()
            && progress.has_room(bytes_max, self.config.inflight_bytes_max)
            && (probing || progress.next <= last);
        if wants_entries {
            let from = progress.next;
            return match self.log.entries(from, last, bytes_max) {
                Some(entries) => Next::Entries(entries),
                None => Next::Read(ReadEntries { member: peer, from, to: last, bytes_max }),
            };
        }
        let news = progress.commit_sent < commit || progress.round_sent < reads.round;
        if news || heartbeat_due { Next::Empty } else { Next::Nothing }
    }

    /// Sends entries (whose sending `progress` has noted already), or none.
    pub(crate) fn send_append(&mut self, peer: MemberId, entries: Vec<Entry>) {
        let (commit, age_ms, clock_ms) = (self.commit, self.age_ms(), self.clock_ms);
        let start = self.log.start().index;
        let round = match &self.role {
            Role::Leader(leader) => leader.reads.round,
            _ => unreachable!("only a leader sends appends"),
        };
        let progress = self.progress_mut(peer);
        progress.sent_ms = clock_ms;
        progress.commit_sent = commit;
        progress.round_sent = round;
        let before = match entries.first() {
            Some(first) => first.id.index.previous(),
            None => progress.next.previous().max(start),
        };
        let previous = self.log_id_at(before);
        self.send(peer, Body::Append { previous, entries, commit, round, age_ms });
    }

    fn log_id_at(&self, index: Index) -> LogId {
        let term = self.log.term_at(index).expect("a leader holds what it has sent");
        LogId::new(term, index)
    }

    fn progress_mut(&mut self, peer: MemberId) -> &mut Progress {
        match &mut self.role {
            Role::Leader(leader) => {
                leader.progress.get_mut(&peer).expect("every peer has a progress")
            }
            _ => unreachable!("only a leader keeps progress"),
        }
    }
}
