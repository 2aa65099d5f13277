//! The event log: which keys each revision touched, in the order in which it touched them.
//!
//! It holds keys and no values: an event's value is in the key's version of that revision, so an
//! event costs its key and about three bytes. Only the writer appends; readers take whole chunks.
//!
//! ```text
//!   sealed chunks, shared                          tail, growing
//!   [2: a, b │ 3: a │ … │ 90: c]  [90: d │ 91: …]  [120: a │ …
//!    ▲ cut off here by compaction
//! ```
//!
//! A chunk is a run of events, each: by how much its revision is larger than the last one's; then,
//! if it is, by how much the stamp and the age are; the key's length; the key. Numbers are LEB128.
//! Revisions and times never go back.
//!
//! It also knows how fast the past has grown: each chunk, what the events up to its end and the
//! versions that were overwritten by then took. So it can tell from which revision on the past
//! takes so many bytes, without a walk over the keys ([`EventLog::revision_leaving`]).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use crate::types::Revision;
use crate::watch::EventPosition;

/// A chunk is sealed once it has so many bytes: whoever looks for an event reads a chunk from its
/// beginning, and copies it if it is the tail.
const CHUNK_BYTES: usize = 4 << 10;

/// And once the past has grown by so much in it: how much it grew with which event is known no
/// better than that.
const CHUNK_GROWTH_BYTES: u64 = 64 << 10;

/// All events that are kept.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    chunks: RwLock<Chunks>,
    /// The times of the entry that is being applied; only the writer touches them.
    stamp_ms: AtomicU64,
    age_ms: AtomicU64,
    bytes: AtomicU64,
    /// What all events there ever were took; what was removed still counts.
    appended: AtomicU64,
    /// What all versions took that were ever overwritten or buried; the same.
    superseded: AtomicU64,
}

#[derive(Debug, Default)]
struct Chunks {
    /// How many chunks were cut off: the number of the first sealed one.
    cut: u64,
    sealed: VecDeque<Arc<Chunk>>,
    tail: Chunk,
}

/// A revision, and the leader's two times in its entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) revision: Revision,
    pub(crate) stamp_ms: u64,
    pub(crate) age_ms: u64,
}

/// Some events in a row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunk {
    /// The last event before this chunk.
    before: Reached,
    /// The last one in it.
    last: Reached,
    bytes: Vec<u8>,
}

/// How far a run of events goes.
#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    mark: Mark,
    /// How many events of that revision there are up to here, in this chunk or before it.
    count: u64,
    /// What the past had grown by then ([`EventLog::grown`]); known where a chunk begins and ends,
    /// not at the events within it.
    grown: u64,
}

impl EventLog {
    /// What is appended from now on has these times, or later ones that were there before.
    pub(crate) fn set_times(&self, stamp_ms: u64, age_ms: u64) {
        self.stamp_ms.store(stamp_ms, Ordering::Relaxed);
        self.age_ms.store(age_ms, Ordering::Relaxed);
    }

    /// So many bytes of versions have become history until now, in all.
    pub(crate) fn superseded_in_all(&self, bytes: u64) {
        self.superseded.store(bytes, Ordering::Relaxed);
    }

    /// What all events and overwritten versions took that there ever were.
    fn grown(&self) -> u64 {
        self.appended.load(Ordering::Relaxed) + self.superseded.load(Ordering::Relaxed)
    }

    /// The stamp of the entry that is being applied.
    pub(crate) fn stamp_ms(&self) -> u64 {
        self.stamp_ms.load(Ordering::Relaxed)
    }

    /// Appends that `revision` touched `key`.
    pub(crate) fn append(&self, revision: Revision, key: &[u8]) {
        let mut chunks = self.chunks.write();
        let tail = &mut chunks.tail;
        let stamp_ms = self.stamp_ms().max(tail.last.mark.stamp_ms);
        let age_ms = self.age_ms.load(Ordering::Relaxed).max(tail.last.mark.age_ms);
        let bytes_before = tail.bytes.len();
        tail.append(Mark { revision, stamp_ms, age_ms }, key);
        let added = (tail.bytes.len() - bytes_before) as u64;
        self.bytes.fetch_add(added, Ordering::Relaxed);
        self.appended.fetch_add(added, Ordering::Relaxed);
        tail.last.grown = self.grown();
        let growth = tail.last.grown - tail.before.grown;
        if tail.bytes.len() >= CHUNK_BYTES || growth >= CHUNK_GROWTH_BYTES {
            chunks.seal();
        }
    }

    /// How many bytes the events have.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The number of the first chunk that may have events of `revision` or later ones.
    pub(crate) fn first_chunk(&self, revision: Revision) -> u64 {
        let chunks = self.chunks.read();
        let earlier = |chunk: &Arc<Chunk>| chunk.last.mark.revision < revision;
        chunks.cut + chunks.sealed.partition_point(earlier) as u64
    }

    /// The number of the first chunk that may have the event at a position or later ones.
    pub(crate) fn chunk_of(&self, position: EventPosition) -> u64 {
        let chunks = self.chunks.read();
        let earlier = |chunk: &Arc<Chunk>| chunk.last.next() <= position;
        chunks.cut + chunks.sealed.partition_point(earlier) as u64
    }

    /// A chunk by its number; none beyond the last, nor if it was cut off. The last one is a copy
    /// of what there is so far.
    pub(crate) fn chunk(&self, number: u64) -> Option<Arc<Chunk>> {
        let chunks = self.chunks.read();
        let at = usize::try_from(number.checked_sub(chunks.cut)?).ok()?;
        let tail = (at == chunks.sealed.len()).then(|| Arc::new(chunks.tail.clone()));
        chunks.sealed.get(at).cloned().or(tail)
    }

    /// A chunk by its number, which is sealed if it is the last.
    pub(crate) fn sealed_chunk(&self, number: u64) -> Option<Arc<Chunk>> {
        let mut chunks = self.chunks.write();
        let at = usize::try_from(number.checked_sub(chunks.cut)?).ok()?;
        if at == chunks.sealed.len() && !chunks.tail.bytes.is_empty() {
            chunks.seal();
        }
        chunks.sealed.get(at).cloned()
    }

    /// Cuts off every sealed chunk before the one of this number.
    pub(crate) fn cut(&self, before: u64) {
        let mut chunks = self.chunks.write();
        while chunks.cut < before {
            let Some(chunk) = chunks.sealed.pop_front() else { return };
            self.bytes.fetch_sub(chunk.bytes.len() as u64, Ordering::Relaxed);
            chunks.cut += 1;
        }
    }

    /// The last revision up to `upto` whose stamp is at most `stamp_ms`, if any is kept.
    pub(crate) fn revision_at(&self, stamp_ms: u64, upto: Revision) -> Option<Revision> {
        self.last_revision(upto, |mark| mark.stamp_ms <= stamp_ms)
    }

    /// The last revision up to `upto` whose age is at most `age_ms`, if any is kept.
    pub(crate) fn revision_at_age(&self, age_ms: u64, upto: Revision) -> Option<Revision> {
        self.last_revision(upto, |mark| mark.age_ms <= age_ms)
    }

    /// The last revision up to `upto` that is early enough, if any is kept; no later one is, once
    /// one is not.
    fn last_revision(&self, upto: Revision, early: impl Fn(&Mark) -> bool) -> Option<Revision> {
        let number = self.first_where(|chunk| !early(&chunk.last.mark));
        let chunk = self.chunk(number)?;
        let fits = |mark: &Mark| early(mark) && mark.revision <= upto;
        let within = chunk.events(0).map(|event| event.mark).take_while(fits).last();
        // What came before the chunk is kept if a chunk before it is.
        let before = (self.first_chunk(Revision(0)) < number).then_some(chunk.before.mark);
        within.or(before).map(|mark| mark.revision.min(upto))
    }

    /// The number of the first sealed chunk of which this is true, and so of all after it; or of
    /// the tail.
    fn first_where(&self, holds: impl Fn(&Chunk) -> bool) -> u64 {
        let chunks = self.chunks.read();
        chunks.cut + chunks.sealed.partition_point(|chunk| !holds(chunk)) as u64
    }

    /// The mark of the first event at `revision` or later, if there is one.
    pub(crate) fn first_mark(&self, revision: Revision) -> Option<Mark> {
        let chunk = self.chunk(self.first_chunk(revision))?;
        let mut marks = chunk.events(0).map(|event| event.mark);
        marks.find(|mark| mark.revision >= revision)
    }

    /// About how many bytes the past takes that is not given up by a compaction to `revision`,
    /// whether the rest is removed already or not.
    pub(crate) fn bytes_since(&self, revision: Revision) -> u64 {
        let Some(chunk) = self.chunk(self.first_chunk(revision)) else { return 0 };
        let now = self.grown();
        let (before, within) = (chunk.before.grown, chunk.last.grown - chunk.before.grown);
        let passed = chunk.events(0).take_while(|event| event.mark.revision < revision).last();
        let passed = passed.map_or(0, |event| event.end as u64);
        now - before - share(within, passed, chunk.bytes.len() as u64)
    }

    /// The oldest revision to which the past may be compacted so that about `bytes` of it are left,
    /// or fewer; the newest there is if even it leaves more.
    pub(crate) fn revision_leaving(&self, bytes: u64) -> Option<Revision> {
        let surplus = self.grown().saturating_sub(bytes);
        let chunk = self.chunk(self.first_where(|chunk| chunk.last.grown >= surplus))?;
        let (before, within) = (chunk.before.grown, chunk.last.grown - chunk.before.grown);
        let size = chunk.bytes.len() as u64;
        let enough = |end: usize| before + share(within, end as u64, size) >= surplus;
        let mut events = chunk.events(0);
        let found = events.find(|event| enough(event.end)).map(|event| event.mark.revision);
        // Compacting to a revision gives up what comes before it.
        Some(found.map_or(chunk.last_revision(), Revision::next).min(self.newest()))
    }

    fn newest(&self) -> Revision {
        self.chunks.read().tail.last_revision()
    }
}

impl EventLog {
    /// The stamps of revisions, which ascend; none of those that are not kept.
    pub(crate) fn stamps(&self, revisions: &[Revision]) -> Vec<Option<u64>> {
        let (mut stamps, mut rest) = (Vec::with_capacity(revisions.len()), revisions);
        while let Some(next) = rest.first() {
            let Some(chunk) = self.chunk(self.first_chunk(*next)) else { break };
            let last = chunk.last_revision();
            let (here, later) = rest.split_at(rest.partition_point(|wanted| *wanted <= last));
            let mut marks = chunk.events(0).map(|event| event.mark).peekable();
            stamps.extend(here.iter().map(|wanted| {
                while marks.next_if(|mark| mark.revision < *wanted).is_some() {}
                let found = marks.peek().filter(|mark| mark.revision == *wanted);
                found.map(|mark| mark.stamp_ms)
            }));
            if here.is_empty() {
                break;
            }
            rest = later;
        }
        stamps.resize(revisions.len(), None);
        stamps
    }
}

impl Chunks {
    fn seal(&mut self) {
        let next = Chunk { before: self.tail.last, last: self.tail.last, bytes: Vec::new() };
        let mut sealed = std::mem::replace(&mut self.tail, next);
        sealed.bytes.shrink_to_fit();
        self.sealed.push_back(Arc::new(sealed));
    }
}

impl Reached {
    /// Goes on to an event with this mark.
    fn advance(&mut self, mark: Mark) {
        self.count = if mark.revision == self.mark.revision { self.count + 1 } else { 1 };
        self.mark = mark;
    }

    /// Where the next event of the same revision would be.
    fn next(&self) -> EventPosition {
        EventPosition { revision: self.mark.revision, offset: self.count }
    }
}

/// An event as a chunk has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touched<'a> {
    pub(crate) mark: Mark,
    /// How many events of its revision come before it.
    pub(crate) offset: u64,
    pub(crate) key: &'a [u8],
    /// Where in the chunk the next one begins.
    pub(crate) end: usize,
}

impl Chunk {
    fn append(&mut self, mark: Mark, key: &[u8]) {
        let last = self.last.mark;
        let newer = mark.revision.0.checked_sub(last.revision.0).expect("they ascend");
        put_varint(&mut self.bytes, newer);
        if newer > 0 {
            put_varint(&mut self.bytes, mark.stamp_ms - last.stamp_ms);
            put_varint(&mut self.bytes, mark.age_ms - last.age_ms);
        }
        put_varint(&mut self.bytes, key.len() as u64);
        self.bytes.extend_from_slice(key);
        self.last.advance(mark);
    }

    pub(crate) fn last_revision(&self) -> Revision {
        self.last.mark.revision
    }

    /// Its events, but for those that end at `skipped` bytes or before.
    pub(crate) fn events(&self, skipped: usize) -> impl Iterator<Item = Touched<'_>> {
        let (mut reached, mut rest) = (self.before, &self.bytes[..]);
        let all = std::iter::from_fn(move || {
            (!rest.is_empty()).then(|| {
                let (newer, mut mark) = (take_varint(&mut rest), reached.mark);
                if newer > 0 {
                    mark.revision.0 += newer;
                    mark.stamp_ms += take_varint(&mut rest);
                    mark.age_ms += take_varint(&mut rest);
                }
                let bytes = usize::try_from(take_varint(&mut rest)).expect("a key's length");
                let (key, after) = rest.split_at(bytes);
                rest = after;
                reached.advance(mark);
                let end = self.bytes.len() - rest.len();
                Touched { mark, offset: reached.count - 1, key, end }
            })
        });
        all.skip_while(move |event| event.end <= skipped)
    }
}

/// `part` of `of` parts of a whole; all of it where there are no parts.
fn share(whole: u64, part: u64, of: u64) -> u64 {
    if of == 0 { whole } else { (u128::from(whole) * u128::from(part) / u128::from(of)) as u64 }
}

fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number that [`put_varint`] wrote.
fn take_varint(bytes: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (first, rest) = bytes.split_first().expect("a chunk ends with an event");
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return number;
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two events a revision, a revision each ten ms, over many chunks.
    fn log(revisions: u64) -> EventLog {
        let log = EventLog::default();
        for revision in 2..2 + revisions {
            log.set_times(revision * 10, revision * 7);
            log.append(Revision(revision), b"first");
            log.append(Revision(revision), &[b'k'; 300]);
        }
        log
    }

    #[test]
    fn events_come_back_in_their_order_over_all_chunks() {
        let log = log(1_000);
        let mut revisions = Vec::new();
        let mut number = log.first_chunk(Revision(500));
        while let Some(chunk) = log.chunk(number) {
            revisions.extend(chunk.events(0).map(|event| event.mark.revision.0));
            number += 1;
        }
        revisions.retain(|revision| *revision >= 500);
        let expected: Vec<u64> = (500..1_002).flat_map(|revision| [revision; 2]).collect();
        assert_eq!(revisions, expected);
    }

    #[test]
    fn a_position_within_a_revision_is_found_whatever_came_before_it() {
        let log = EventLog::default();
        for revision in [2, 3] {
            for number in 0..2_000 {
                log.append(Revision(revision), format!("key {number}").as_bytes());
            }
        }
        for (revision, offset) in [(2, 0), (2, 1_999), (3, 0), (3, 1), (3, 1_000), (3, 1_999)] {
            let position = EventPosition { revision: Revision(revision), offset };
            let chunk = log.chunk(log.chunk_of(position)).expect("it is there");
            let mut events = chunk.events(0);
            let found = events
                .find(|event| (event.mark.revision, event.offset) == (Revision(revision), offset));
            let key = found.map(|event| event.key.to_vec());
            assert_eq!(key, Some(format!("key {offset}").into_bytes()), "{position:?}");
        }
    }

    #[test]
    fn a_stamp_finds_the_last_revision_up_to_it() {
        let log = log(1_000);
        for stamp_ms in [20, 29, 30, 3_333, 10_009, 10_010, 99_999] {
            let expected = (stamp_ms / 10).min(1_001);
            assert_eq!(log.revision_at(stamp_ms, Revision(1_001)), Some(Revision(expected)));
        }
        assert_eq!(log.revision_at(19, Revision(1_001)), None, "before the first");
        assert_eq!(log.revision_at(99_999, Revision(77)), Some(Revision(77)));
    }

    #[test]
    fn every_kept_revision_has_its_stamp() {
        let log = log(1_000);
        log.cut(log.first_chunk(Revision(500)));
        let first = log.chunk(log.first_chunk(Revision(0))).expect("most are kept");
        let kept = first.events(0).next().expect("it is not empty").mark.revision;
        let asked = [2, 3, 499, 500, 501, 777, 1_000, 1_001, 1_002, 5_000].map(Revision);
        let stamps = log.stamps(&asked);
        for (revision, stamp_ms) in asked.iter().zip(stamps) {
            let known = (kept..=Revision(1_001)).contains(revision);
            assert_eq!(stamp_ms, known.then_some(revision.0 * 10), "{revision}");
        }
    }

    #[test]
    fn what_is_cut_is_gone_and_counted_out() {
        let log = log(1_000);
        let middle = log.first_chunk(Revision(500));
        log.cut(middle);
        assert_eq!(log.first_chunk(Revision(2)), middle);
        assert!(log.chunk(middle - 1).is_none() && log.chunk(middle).is_some());
        assert_eq!(log.revision_at(1_000, Revision(1_001)), None);
        while log.sealed_chunk(log.first_chunk(Revision(2))).is_some() {
            log.cut(log.first_chunk(Revision(2)) + 1);
        }
        assert_eq!(log.bytes(), 0);
    }

    #[test]
    fn an_age_finds_the_last_revision_up_to_it() {
        let log = log(1_000);
        for age_ms in [14, 20, 21, 3_333, 7_006, 7_007, 99_999] {
            let expected = Revision((age_ms / 7).min(1_001));
            assert_eq!(log.revision_at_age(age_ms, Revision(1_001)), Some(expected));
        }
        assert_eq!(log.revision_at_age(13, Revision(1_001)), None, "before the first");
    }

    /// Each revision's events take some 310 bytes here, and 2,000 more are overwritten.
    #[test]
    fn what_the_past_takes_is_known_from_each_revision_on() {
        let log = EventLog::default();
        for revision in 2..1_002 {
            log.append(Revision(revision), &[b'k'; 306]);
            log.superseded_in_all(2_000 * (revision - 1));
        }
        let all = log.bytes_since(Revision(0));
        assert_eq!(all, log.bytes() + 2_000_000);
        for revision in [2, 3, 100, 500, 999, 1_001] {
            let left = log.bytes_since(Revision(revision));
            let expected = all * (1_002 - revision) / 1_000;
            assert!(left.abs_diff(expected) <= 2_400, "{left} and not {expected} from {revision}");
        }
        for bytes in [all, 2_000_000, 1_000_000, 50_000, 5_000] {
            let to = log.revision_leaving(bytes).expect("there are events");
            let left = log.bytes_since(to);
            assert!(left <= bytes, "{left} bytes are left of {bytes}");
            assert!(left + 5_000 >= bytes, "only {left} bytes are left of {bytes}");
        }
        let newest = Some(Revision(1_001));
        assert_eq!(log.revision_leaving(0), newest, "the newest revision stays readable");
        assert_eq!(EventLog::default().revision_leaving(0), Some(Revision(0)));
    }

    #[test]
    fn an_older_stamp_counts_as_the_newest_before_it() {
        let log = log(2);
        log.set_times(5, 5);
        log.append(Revision(4), b"k");
        assert_eq!(log.revision_at(30, Revision(4)), Some(Revision(4)));
    }
}
