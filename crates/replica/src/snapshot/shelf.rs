//! Which snapshots this member has, when the next is due, and how far its log may be cut.
//!
//! Two are kept, and the log is cut at the older one, once the newer was read back (rule 2.2): so
//! there is always a second state to start from, and the log after the older one, which is what
//! was written between the two at least, spares a short absence a snapshot.

use raft::{Index, LogId};

/// After a snapshot could not be written, none is tried for so long, in ms.
const RETRY_AFTER_MS: u64 = 10_000;

/// When snapshots are made, and how fast they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// One is due when the log since the last has more bytes than this (rule 11.3)
    pub bytes_min: u64,
    /// ... and more than so many of a hundred of those that the last one had.
    pub of_last_percent: u64,
    /// All followers together are sent so many bytes a second.
    pub bytes_per_second_max: u64,
    /// A message carries so many bytes of a snapshot; at most
    /// [`SNAPSHOT_CHUNK_BYTES_MAX`](super::SNAPSHOT_CHUNK_BYTES_MAX).
    pub chunk_bytes: usize,
    /// With more bytes than this in the log after a snapshot that is being sent, and more than the
    /// snapshot has itself, it is given up for a newer one (rule 2.3, decision 006), and that one
    /// is made now if there is none.
    pub pinned_log_bytes_max: u64,
}

impl Default for SnapshotOptions {
    fn default() -> SnapshotOptions {
        SnapshotOptions {
            bytes_min: 64 << 20,
            of_last_percent: 100,
            bytes_per_second_max: 64 << 20,
            chunk_bytes: super::SNAPSHOT_CHUNK_BYTES_MAX,
            pinned_log_bytes_max: 256 << 20,
        }
    }
}

/// A snapshot on this member's disk, verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptSnapshot {
    /// The last entry that it stands for.
    pub last: LogId,
    /// The size of its file.
    pub bytes: u64,
    /// The leader's wall clock in that entry, ms since 1970.
    pub stamp_ms: u64,
}

/// Those of this member.
#[derive(Debug)]
pub(super) struct Shelf {
    options: SnapshotOptions,
    /// Oldest first; two at most, but for a moment.
    kept: Vec<KeptSnapshot>,
    /// Bytes of entries applied since this process started; and as of each one kept.
    log_bytes: u64,
    log_bytes_at: Vec<(LogId, u64)>,
    /// The one that is being written.
    writing: Option<LogId>,
    /// ... of a state that turned out to be wrong: it will not count.
    void: bool,
    /// Nothing is written before this time.
    not_before_ms: u64,
}

impl Shelf {
    pub(super) fn new(options: SnapshotOptions, mut kept: Vec<KeptSnapshot>) -> Shelf {
        kept.sort_by_key(|snapshot| snapshot.last.index);
        let log_bytes_at = kept.iter().map(|snapshot| (snapshot.last, 0)).collect();
        let (log_bytes, writing, not_before_ms) = (0, None, 0);
        Shelf { options, kept, log_bytes, log_bytes_at, writing, void: false, not_before_ms }
    }

    /// Entries of so many bytes were applied.
    pub(super) fn applied(&mut self, bytes: u64) {
        self.log_bytes += bytes;
    }

    /// Whether one is to be written now.
    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        let newest = self.newest();
        let SnapshotOptions { bytes_min, of_last_percent, .. } = self.options;
        let of_last = newest.map_or(0, |newest| newest.bytes / 100 * of_last_percent);
        let least = of_last.max(bytes_min);
        let since = newest.map_or(self.log_bytes, |newest| self.log_bytes_since(newest.last));
        since > least && self.may_begin(now_ms)
    }

    /// Whether none is being written, and the last failure is a while ago.
    pub(super) fn may_begin(&self, now_ms: u64) -> bool {
        self.writing.is_none() && now_ms >= self.not_before_ms
    }

    /// It is being written, at `last`.
    pub(super) fn begin(&mut self, last: LogId) {
        assert!(self.writing.is_none(), "one at a time");
        self.writing = Some(last);
        self.log_bytes_at.push((last, self.log_bytes));
    }

    /// It is durable and was read back. Whether it counts.
    pub(super) fn written(&mut self, snapshot: KeptSnapshot) -> bool {
        self.writing = None;
        let void = std::mem::take(&mut self.void);
        // One that was installed meanwhile goes further.
        let counts = !void && self.newest().is_none_or(|n| n.last.index < snapshot.last.index);
        self.kept.extend(counts.then_some(snapshot));
        counts
    }

    pub(super) fn write_failed(&mut self, now_ms: u64) {
        self.writing = None;
        self.void = false;
        self.not_before_ms = now_ms + RETRY_AFTER_MS;
    }

    /// The state was right at `sound`, and is wrong now: those after that do not count any more,
    /// nor does the one that is being written. Answers their names, and of those `pinned` that
    /// are after `sound`; newest first, as a start would take them.
    pub(super) fn doubt(
        &mut self,
        sound: Index,
        pinned: impl Iterator<Item = LogId>,
    ) -> Vec<LogId> {
        let kept = self.kept.iter().map(|snapshot| snapshot.last);
        let after = kept.chain(pinned).filter(|last| last.index > sound);
        let mut doubtful: Vec<LogId> = after.chain(self.writing).collect();
        doubtful.sort_unstable_by_key(|last| std::cmp::Reverse(*last));
        doubtful.dedup();
        self.kept.retain(|snapshot| snapshot.last.index <= sound);
        self.void = self.writing.is_some();
        doubtful
    }

    /// Whether one is being written.
    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// One was received, and everything begins with it.
    pub(super) fn installed(&mut self, snapshot: KeptSnapshot) {
        self.kept = vec![snapshot];
        self.log_bytes_at.push((snapshot.last, self.log_bytes));
    }

    pub(super) fn newest(&self) -> Option<KeptSnapshot> {
        self.kept.last().copied()
    }

    /// Where the log may be cut, as far as the snapshots go: at the older of two.
    pub(super) fn cut(&self) -> Option<LogId> {
        let older = self.kept.len().checked_sub(2)?;
        Some(self.kept[older].last)
    }

    /// Gives up all but the newest two; answers what is to stay on disk, with those `pinned` and
    /// the one that is being written: by the time that the rest is removed it may be there. Of
    /// `trails` only the log after them is asked for still.
    pub(super) fn retain(
        &mut self,
        pinned: impl Iterator<Item = LogId>,
        trails: impl Iterator<Item = LogId>,
    ) -> Vec<LogId> {
        let surplus = self.kept.len().saturating_sub(2);
        self.kept.drain(..surplus);
        let mut keep: Vec<LogId> = self.kept.iter().map(|snapshot| snapshot.last).collect();
        keep.extend(pinned.chain(self.writing));
        keep.sort();
        keep.dedup();
        let oldest = keep.iter().copied().chain(trails).map(|last| last.index).min();
        self.log_bytes_at.retain(|(last, _)| oldest.is_none_or(|oldest| last.index >= oldest));
        keep
    }

    /// Whether so much was written since the snapshot at `last`, which has so many bytes, that a
    /// newer one is to be sent instead. A large one takes long to send, and may take as long as
    /// the log needs to grow to its size: otherwise each would be given up before it has arrived,
    /// and none would ever arrive.
    pub(super) fn is_pinned_too_long(&self, last: LogId, bytes: u64) -> bool {
        self.log_bytes_since(last) > self.options.pinned_log_bytes_max.max(bytes)
    }

    /// ... and there is one: to give it up for itself would send nothing for ever.
    pub(super) fn is_replaced(&self, last: LogId, bytes: u64) -> bool {
        let is_newer = |newest: KeptSnapshot| newest.last.index > last.index;
        self.is_pinned_too_long(last, bytes) && self.newest().is_some_and(is_newer)
    }

    fn log_bytes_since(&self, last: LogId) -> u64 {
        let found = self.log_bytes_at.iter().find(|(at, _)| *at == last);
        self.log_bytes - found.map_or(0, |(_, bytes)| *bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft::Term;
    use std::iter::empty;

    fn at(index: u64, bytes: u64) -> KeptSnapshot {
        KeptSnapshot { last: LogId::new(Term(1), Index(index)), bytes, stamp_ms: 0 }
    }

    fn options() -> SnapshotOptions {
        SnapshotOptions { bytes_min: 100, ..SnapshotOptions::default() }
    }

    fn write(shelf: &mut Shelf, snapshot: KeptSnapshot) {
        shelf.begin(snapshot.last);
        shelf.written(snapshot);
    }

    #[test]
    fn one_is_due_after_so_many_bytes_and_after_as_many_as_the_last_one_had() {
        let mut shelf = Shelf::new(options(), Vec::new());
        shelf.applied(100);
        assert!(!shelf.is_due(0));
        shelf.applied(1);
        assert!(shelf.is_due(0));
        shelf.begin(at(5, 0).last);
        shelf.applied(1_000);
        assert!(!shelf.is_due(0), "one at a time");
        shelf.written(at(5, 1_000));
        assert!(!shelf.is_due(0), "as large as the log since then");
        shelf.applied(1);
        assert!(shelf.is_due(0));
    }

    #[test]
    fn the_log_is_cut_at_the_older_of_two() {
        let mut shelf = Shelf::new(options(), Vec::new());
        write(&mut shelf, at(5, 10));
        assert_eq!(shelf.cut(), None);
        write(&mut shelf, at(9, 10));
        assert_eq!(shelf.cut(), Some(at(5, 0).last));
        write(&mut shelf, at(12, 10));
        assert_eq!(shelf.cut(), Some(at(9, 0).last));
        let pinned = at(5, 0).last;
        let keep = shelf.retain([pinned].into_iter(), empty());
        assert_eq!(keep, [pinned, at(9, 0).last, at(12, 0).last]);
    }

    #[test]
    fn what_is_being_written_is_not_removed_when_it_is_there() {
        let mut shelf = Shelf::new(options(), vec![at(3, 10)]);
        shelf.begin(at(5, 0).last);
        assert_eq!(shelf.retain(empty(), empty()), [at(3, 0).last, at(5, 0).last]);
    }

    #[test]
    fn what_came_after_the_last_sound_index_is_in_doubt_and_what_is_being_written() {
        let mut shelf = Shelf::new(options(), vec![at(5, 10), at(9, 10)]);
        shelf.begin(at(12, 0).last);
        let pinned = [at(3, 0).last, at(9, 0).last, at(7, 0).last];
        let doubtful = shelf.doubt(Index(5), pinned.into_iter());
        assert_eq!(doubtful, [at(12, 0).last, at(9, 0).last, at(7, 0).last]);
        assert!(!shelf.written(at(12, 10)));
        assert_eq!(shelf.newest(), Some(at(5, 10)));
    }

    #[test]
    fn without_a_sound_index_all_are_in_doubt() {
        let mut shelf = Shelf::new(options(), vec![at(5, 10), at(9, 10)]);
        assert_eq!(shelf.doubt(Index(0), empty()), [at(9, 0).last, at(5, 0).last]);
        assert_eq!(shelf.newest(), None);
    }

    #[test]
    fn the_larger_it_is_the_longer_it_may_be_on_its_way() {
        let pinned_log_bytes_max = 100;
        let mut shelf = Shelf::new(SnapshotOptions { pinned_log_bytes_max, ..options() }, vec![]);
        let (small, large) = (at(5, 10), at(6, 1_000));
        write(&mut shelf, small);
        write(&mut shelf, large);
        shelf.applied(101);
        assert!(shelf.is_pinned_too_long(small.last, small.bytes));
        assert!(shelf.is_replaced(small.last, small.bytes));
        assert!(!shelf.is_pinned_too_long(large.last, large.bytes));
        shelf.applied(900);
        assert!(shelf.is_pinned_too_long(large.last, large.bytes));
        assert!(!shelf.is_replaced(large.last, large.bytes), "there is no newer one");
    }

    #[test]
    fn after_a_failure_it_is_tried_again_a_while_later() {
        let mut shelf = Shelf::new(options(), Vec::new());
        shelf.applied(101);
        shelf.begin(at(5, 0).last);
        shelf.write_failed(50);
        assert!(!shelf.is_due(50));
        assert!(shelf.is_due(50 + RETRY_AFTER_MS));
    }

    #[test]
    fn what_was_written_while_another_was_installed_is_older_and_not_kept() {
        let mut shelf = Shelf::new(options(), vec![at(3, 10)]);
        shelf.begin(at(5, 0).last);
        shelf.installed(at(20, 10));
        shelf.written(at(5, 10));
        assert_eq!(shelf.newest(), Some(at(20, 10)));
        assert_eq!(shelf.retain(empty(), empty()), [at(20, 0).last]);
    }
}
