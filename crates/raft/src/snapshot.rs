//! A log that does not begin at the beginning: cutting it, sending a snapshot to a follower that
//! needs what was cut, installing one (§7, thesis §5.1).
//!
//! ```text
//!   leader                         shell                                follower
//!   snapshots_wanted ─────────▶ sends its newest snapshot ───▶ file, verified and durable
//!        heartbeats at the log's start go on meanwhile                      │
//!                                                             install_snapshot(last)
//!   Replicate ◀── AppendAnswer matched=last ◀── persisted ◀── Persist { start: last }
//!   snapshot_sent / snapshot_failed
//! ```
//!
//! A snapshot holds committed entries only, and is durable as a file before the core hears of it.
//! What makes it valid is the log's word that it starts there (rule 2.4): until that is durable,
//! a restart finds the old log, and nothing is acknowledged on the strength of the new one.
//!
//! What it does not do: no bytes of a snapshot pass through the core.

use bytes::Bytes;

use crate::event::Event;
use crate::role::Role;
use crate::{Index, Log, LogId, MemberId, Now, Raft, Refusal, Term};

/// What the core must know of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPoint {
    /// The last entry that it stands for.
    pub last: LogId,
    /// That entry's stamp, ms since 1970.
    pub stamp_ms: u64,
    /// That entry's age, ms.
    pub age_ms: u64,
    /// Where the newest configuration up to there stands in the log, and its payload.
    pub configuration: (Index, Bytes),
}

/// What became of a snapshot that was offered for installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installed {
    /// The log now starts at the snapshot: so does the state, once the persist batch that carries
    /// the start is durable.
    Replaced,
    /// The log holds that entry, or has gone past it: nothing changed but what is known to be
    /// committed.
    Held,
    /// Its sender no longer leads: nothing changed.
    Stale,
}

impl Raft {
    /// The entries up to `to`, which must be committed, durable and in the log, are about to be
    /// removed from it: they will not be asked for again.
    pub fn log_cut(&mut self, to: LogId) {
        if to.index <= self.log.start().index {
            return;
        }
        assert!(to.index <= self.commit, "only what is committed is cut");
        assert!(to.index <= self.durable(), "only what is durable is cut");
        self.log.cut(to);
        self.memberships.cut(to.index);
        self.emit(Event::LogCut { to });
    }

    /// The leader of `term` has sent a snapshot. It must be durable as a file, and verified.
    pub fn install_snapshot(
        &mut self,
        now: Now,
        from: MemberId,
        term: Term,
        snapshot: &SnapshotPoint,
    ) -> Result<Installed, Refusal> {
        self.check_sender(from, term)?;
        if snapshot.last.term > term {
            return Err(Refusal::Malformed);
        }
        let (configured, payload) = &snapshot.configuration;
        if *configured > snapshot.last.index || !self.memberships.is_readable(payload) {
            return Err(Refusal::UnknownConfiguration(*configured));
        }
        self.observe(now);
        if term < self.term {
            return Ok(Installed::Stale);
        }
        if term > self.term {
            self.become_follower(term);
        }
        self.hear_leader(from, snapshot.age_ms)?;
        let last = snapshot.last;
        let held = last.index <= self.commit || self.log.holds(last);
        if !held && last.index <= self.checked() {
            // A leader's log holds what it made a snapshot of, and never changes.
            return Err(Refusal::Malformed);
        }
        if !held {
            self.start_log_at(snapshot);
        }
        if self.memberships.newest().payload.is_empty() {
            // The log holds no configuration: whoever lost the snapshot at its start learns it.
            self.memberships.restart_at(snapshot.configuration.clone());
            self.membership_changed();
        }
        self.agree_up_to(last.index);
        self.follower_persisted();
        Ok(if held { Installed::Held } else { Installed::Replaced })
    }

    /// The whole log goes: it ends before the snapshot, or contradicts it there, so nothing after
    /// that can be committed either.
    fn start_log_at(&mut self, snapshot: &SnapshotPoint) {
        let agreed = self.commit.max(self.checked());
        let SnapshotPoint { last, stamp_ms, age_ms, ref configuration } = *snapshot;
        self.log.replace(Log::starting_at(last, stamp_ms, age_ms));
        self.persistence.restart_at(last, agreed);
        self.emit(Event::SnapshotInstalled { last });
        self.memberships.restart_at(configuration.clone());
        self.membership_changed();
        self.set_commit(last.index);
    }

    /// The leader says that this is committed, and what is committed is in every leader's log.
    fn agree_up_to(&mut self, index: Index) {
        let Role::Follower(follower) = &mut self.role else {
            unreachable!("whoever hears a leader follows it");
        };
        follower.checked = follower.checked.max(index);
        follower.leader_commit = follower.leader_commit.max(index);
    }

    /// The shell has sent a snapshot at `last` to `member`, which has taken it.
    pub fn snapshot_sent(&mut self, member: MemberId, last: LogId) {
        if let Role::Leader(leader) = &mut self.role
            && let Some(progress) = leader.progress.get_mut(&member)
        {
            let known = last.index.min(self.log.last().index);
            progress.snapshot_sent(known);
        }
    }

    /// The shell could not send a snapshot to `member`: it is asked again after a heartbeat.
    pub fn snapshot_failed(&mut self, member: MemberId) {
        if let Role::Leader(leader) = &mut self.role
            && let Some(progress) = leader.progress.get_mut(&member)
        {
            progress.snapshot_failed();
        }
    }
}
