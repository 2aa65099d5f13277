//! What the core wants done. The fields are ordered by durability, and each says what must have
//! happened before it may be used.

use bytes::Bytes;

use crate::{Entry, Envelope, Event, HardState, Index, LogId, MemberId, PersistNumber, ReadId};

/// Everything that came out of the inputs since the last call of `take_output`.
#[derive(Debug, Default)]
pub struct Output {
    /// May leave at once; depends on nothing that is not durable already.
    pub send: Vec<Envelope>,
    /// Must be made durable, in the order of the numbers; then `persisted(number)` is due.
    pub persist: Option<Persist>,
    /// May leave only once the persist batch of that number is durable.
    pub send_after_persist: Vec<(PersistNumber, Envelope)>,
    /// The commit index moved to here. Entries up to it are durable on a quorum, though not
    /// necessarily on this member; they may be applied.
    pub commit: Option<Index>,
    /// Older entries that a follower needs and the core no longer holds; they come back by
    /// `entries_read`.
    pub read: Vec<ReadEntries>,
    /// Followers that need entries which are gone from the log: each is to be sent a snapshot that
    /// goes at least to the log's start. `snapshot_sent` or `snapshot_failed` is due in the end.
    pub snapshots_wanted: Vec<MemberId>,
    /// Linearizable reads that may be served once their index is applied.
    pub reads_ready: Vec<ReadReady>,
    /// Linearizable reads that found no leader; nothing was read.
    pub reads_failed: Vec<ReadId>,
    /// Another configuration is now the newest in the log, and counts, committed or not: its
    /// payload (rule 4.1).
    pub configuration: Option<Bytes>,
    /// What happened, for traces and the dashboard. Nothing depends on them.
    pub events: Vec<Event>,
}

/// One batch for the log. Order within: start, entries, then the hard state; all or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Persist {
    /// Its number: one more than the last batch's.
    pub number: PersistNumber,
    /// Term, vote and commit hint as of this batch.
    pub hard_state: HardState,
    /// A snapshot was installed: everything in the log goes, and it starts at this entry, which
    /// the snapshot stands for (rule 2.4).
    pub start: Option<LogId>,
    /// Contiguous entries. A first index at or below the log's last one replaces what is there
    /// from that index on. May be empty.
    pub entries: Vec<Entry>,
}

/// A request for older entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadEntries {
    /// For whom; `entries_read` repeats it.
    pub member: MemberId,
    /// The first index wanted.
    pub from: Index,
    /// The last index wanted; fewer may come back.
    pub to: Index,
    /// At most this many bytes (but at least one entry).
    pub bytes_max: usize,
}

/// A read that may go ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadReady {
    /// Which read.
    pub id: ReadId,
    /// Where it may be served.
    pub point: ReadPoint,
}

/// Where a linearizable read may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPoint {
    /// What must be applied (and published) first.
    pub index: Index,
    /// Up to here, and without it, the past is settled: what follows that index has this stamp or a
    /// later one, ms since 1970. The leader that says so keeps to it, and whoever heard it; a later
    /// leader that did not hear it, and whose clock is behind, may not.
    pub settled_ms: u64,
}

impl Output {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.send.is_empty()
            && self.persist.is_none()
            && self.send_after_persist.is_empty()
            && self.commit.is_none()
            && self.read.is_empty()
            && self.snapshots_wanted.is_empty()
            && self.reads_ready.is_empty()
            && self.reads_failed.is_empty()
            && self.configuration.is_none()
            && self.events.is_empty()
    }
}
