//! Snapshots on their way to followers, as the leader sees them. The follower drives: each `Next`
//! is answered by one `Chunk`, as soon as the rate allows.

use std::collections::{BTreeMap, VecDeque};

use raft::{Index, LogId, MemberId, Term};

use super::{SnapshotId, SnapshotRequest};

/// A follower of which nothing is heard is offered the snapshot again after so long, in ms.
const OFFER_AGAIN_MS: u64 = 1_000;

/// ... and given up after so long: raft asks again, and a newer one is offered.
const GIVE_UP_MS: u64 = 30_000;

/// The log after a snapshot is kept for a follower that has taken it, unless it fetched nothing of
/// that log for so long, in ms.
const TRAIL_STILL_MS: u64 = 60_000;

/// How far a snapshot has come on its way to a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotSent {
    /// The follower.
    pub to: MemberId,
    /// It has so many bytes.
    pub bytes: u64,
    /// Of so many.
    pub bytes_total: u64,
}

/// One snapshot, to one follower.
#[derive(Clone, Copy, Debug)]
struct Stream {
    term: Term,
    id: SnapshotId,
    bytes_total: u64,
    /// What comes after these bytes is what the follower asked for last.
    bytes_sent: u64,
    heard_ms: u64,
    offered_ms: u64,
    /// A piece is being read, or waits for the rate.
    busy: bool,
}

impl Stream {
    /// How many bytes the piece at `offset` has: the last one may be small.
    fn piece_bytes(&self, offset: u64, chunk_bytes: usize) -> u64 {
        (self.bytes_total - offset).min(chunk_bytes as u64)
    }
}

/// A follower has taken a snapshot, and lacks the log after it.
#[derive(Clone, Copy, Debug)]
struct Trail {
    last: LogId,
    bytes: u64,
    /// How far it has come, and since when.
    matched: Index,
    since_ms: u64,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Sending {
    streams: BTreeMap<MemberId, Stream>,
    /// Followers that fetch the log after a snapshot: it must not be cut from under them, or they
    /// would need another snapshot, and after that one the next.
    trails: BTreeMap<MemberId, Trail>,
    /// Pieces that were asked for, oldest first.
    wanted: VecDeque<(MemberId, SnapshotId, u64)>,
    rate: Rate,
    chunk_bytes: usize,
}

/// What a tick finds to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// To be offered again.
    pub(super) offers: Vec<Offer>,
    /// Given up.
    pub(super) failed: Vec<MemberId>,
}

/// An offer to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) to: MemberId,
    pub(super) term: Term,
    pub(super) id: SnapshotId,
    pub(super) bytes_total: u64,
}

/// A bucket of bytes that fills as time passes, and holds at most a tenth of a second's worth, or
/// one piece. A piece may be read as soon as there is any in it, and takes its bytes out of it.
#[derive(Debug)]
struct Rate {
    bytes_per_second: u64,
    bytes_max: i64,
    bytes: i64,
    filled_ms: u64,
}

impl Rate {
    fn fill(&mut self, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.filled_ms).min(1_000);
        self.filled_ms = now_ms;
        let filled = (self.bytes_per_second * passed_ms / 1_000) as i64;
        self.bytes = (self.bytes + filled).min(self.bytes_max);
    }
}

impl Sending {
    pub(super) fn new(bytes_per_second: u64, chunk_bytes: usize) -> Sending {
        let bytes_max = (bytes_per_second / 10).max(chunk_bytes as u64) as i64;
        let rate = Rate { bytes_per_second, bytes_max, bytes: bytes_max, filled_ms: 0 };
        Sending {
            streams: BTreeMap::new(),
            trails: BTreeMap::new(),
            wanted: VecDeque::new(),
            rate,
            chunk_bytes,
        }
    }

    /// A snapshot for `to`, in place of any other.
    pub(super) fn begin(&mut self, now_ms: u64, offer: Offer) {
        let Offer { to, term, id, bytes_total } = offer;
        let (heard_ms, offered_ms) = (now_ms, now_ms);
        let (bytes_sent, busy) = (0, false);
        let stream = Stream { term, id, bytes_total, bytes_sent, heard_ms, offered_ms, busy };
        self.trails.remove(&to);
        self.streams.insert(to, stream);
        self.wanted.retain(|(member, ..)| *member != to);
    }

    /// The follower asks for what comes at `offset`.
    pub(super) fn asked(&mut self, now_ms: u64, from: MemberId, id: SnapshotId, offset: u64) {
        let Some(stream) = self.streams.get_mut(&from).filter(|stream| stream.id == id) else {
            return;
        };
        stream.heard_ms = now_ms;
        if !stream.busy && offset < stream.bytes_total {
            (stream.busy, stream.bytes_sent) = (true, offset);
            self.wanted.push_back((from, id, offset));
        }
    }

    /// Pieces that may be read now.
    pub(super) fn reads(&mut self, now_ms: u64) -> Vec<SnapshotRequest> {
        self.rate.fill(now_ms);
        let mut requests = Vec::new();
        while self.rate.bytes > 0
            && let Some((member, id, offset)) = self.wanted.pop_front()
        {
            let bytes_max = self.chunk_bytes;
            self.rate.bytes -= self.streams[&member].piece_bytes(offset, bytes_max) as i64;
            requests.push(SnapshotRequest::Read { member, id, offset, bytes_max });
        }
        requests
    }

    /// A piece was read for `to`. Whether it still wants it.
    pub(super) fn read(&mut self, to: MemberId, id: SnapshotId) -> bool {
        let stream = self.streams.get_mut(&to).filter(|stream| stream.id == id);
        stream.map(|stream| stream.busy = false).is_some()
    }

    /// The stream to `to` is over. Whether it was this one.
    pub(super) fn end(&mut self, to: MemberId, id: SnapshotId) -> bool {
        self.take(to, id).is_some()
    }

    /// The follower has it, and fetches the log after it now. Whether it was this one.
    pub(super) fn taken(&mut self, now_ms: u64, to: MemberId, id: SnapshotId) -> bool {
        let Some(stream) = self.take(to, id) else { return false };
        let (last, bytes) = (id.last, stream.bytes_total);
        let trail = Trail { last, bytes, matched: Index(0), since_ms: now_ms };
        self.trails.insert(to, trail);
        true
    }

    fn take(&mut self, to: MemberId, id: SnapshotId) -> Option<Stream> {
        if self.streams.get(&to)?.id != id {
            return None;
        }
        self.wanted.retain(|(member, ..)| *member != to);
        self.streams.remove(&to)
    }

    /// Lets go of the log for those who need it no longer, and for those that fetch nothing of it.
    /// `needed` tells how far a follower has come, by the snapshot's last entry and its size; none
    /// if the log may be cut behind it. Whether there were any.
    pub(super) fn end_trails(
        &mut self,
        now_ms: u64,
        needed: impl Fn(MemberId, LogId, u64) -> Option<Index>,
    ) -> bool {
        let before = self.trails.len();
        self.trails.retain(|&to, trail| {
            let Some(matched) = needed(to, trail.last, trail.bytes) else { return false };
            if matched > trail.matched {
                (trail.matched, trail.since_ms) = (matched, now_ms);
            }
            now_ms - trail.since_ms < TRAIL_STILL_MS
        });
        self.trails.len() != before
    }

    /// This member no longer leads in the streams' term.
    pub(super) fn abandon(&mut self) {
        self.streams.clear();
        self.trails.clear();
        self.wanted.clear();
    }

    /// The snapshots that must stay on disk, with the log after them.
    pub(super) fn pinned(&self) -> impl Iterator<Item = LogId> {
        self.under_way().map(|(last, _)| last)
    }

    /// Where the log must begin for those that fetch what comes after a snapshot.
    pub(super) fn trails(&self) -> impl Iterator<Item = LogId> {
        self.trails.values().map(|trail| trail.last)
    }

    /// What each of them stands for, and how many bytes it has.
    pub(super) fn under_way(&self) -> impl Iterator<Item = (LogId, u64)> {
        self.streams.values().map(|stream| (stream.id.last, stream.bytes_total))
    }

    /// How far each of them has come.
    pub(super) fn sent(&self) -> Vec<SnapshotSent> {
        let sent = |(&to, stream): (&MemberId, &Stream)| SnapshotSent {
            to,
            bytes: stream.bytes_sent,
            bytes_total: stream.bytes_total,
        };
        self.streams.iter().map(sent).collect()
    }

    pub(super) fn is_sending_to(&self, member: MemberId) -> bool {
        self.streams.contains_key(&member)
    }

    /// Time has passed, and this member leads in `term`; `is_stale` tells the snapshots, by
    /// their last entry and their size, that are given up for newer ones.
    pub(super) fn tick(
        &mut self,
        now_ms: u64,
        term: Term,
        is_stale: impl Fn(LogId, u64) -> bool,
    ) -> Due {
        self.streams.retain(|_, stream| stream.term == term);
        let streams = &self.streams;
        self.wanted.retain(|(member, id, _)| streams.get(member).is_some_and(|s| s.id == *id));
        let mut due = Due::default();
        for (&to, stream) in &mut self.streams {
            let Stream { term, id, bytes_total, .. } = *stream;
            if now_ms - stream.heard_ms >= GIVE_UP_MS || is_stale(id.last, bytes_total) {
                due.failed.push(to);
            } else if now_ms - stream.heard_ms.max(stream.offered_ms) >= OFFER_AGAIN_MS {
                stream.offered_ms = now_ms;
                due.offers.push(Offer { to, term, id, bytes_total });
            }
        }
        for to in &due.failed {
            self.streams.remove(to);
            self.wanted.retain(|(member, ..)| member != to);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: MemberId = MemberId(2);

    fn id(life: u64) -> SnapshotId {
        SnapshotId { last: LogId::new(Term(1), Index(9)), life }
    }

    fn offer(life: u64) -> Offer {
        Offer { to: TO, term: Term(3), id: id(life), bytes_total: 1_000 }
    }

    fn offsets(requests: Vec<SnapshotRequest>) -> Vec<u64> {
        let offset = |request| match request {
            SnapshotRequest::Read { offset, .. } => offset,
            other => panic!("{other:?}"),
        };
        requests.into_iter().map(offset).collect()
    }

    #[test]
    fn one_piece_is_under_way_at_a_time() {
        let mut sending = Sending::new(1_000_000, 100);
        sending.begin(0, offer(1));
        sending.asked(0, TO, id(1), 0);
        sending.asked(0, TO, id(1), 0);
        assert_eq!(offsets(sending.reads(0)), [0]);
        assert!(sending.read(TO, id(1)));
        sending.asked(0, TO, id(1), 100);
        assert_eq!(offsets(sending.reads(0)), [100]);
        assert_eq!(sending.sent(), [SnapshotSent { to: TO, bytes: 100, bytes_total: 1_000 }]);
    }

    #[test]
    fn what_is_asked_of_another_snapshot_or_past_its_end_is_not_answered() {
        let mut sending = Sending::new(1_000_000, 100);
        sending.begin(0, offer(1));
        sending.asked(0, TO, id(2), 0);
        sending.asked(0, TO, id(1), 1_000);
        sending.asked(0, MemberId(3), id(1), 0);
        assert_eq!(offsets(sending.reads(0)), []);
        assert!(!sending.end(TO, id(2)));
        assert!(sending.end(TO, id(1)));
    }

    #[test]
    fn the_rate_is_kept() {
        let mut sending = Sending::new(1_000, 100);
        sending.begin(0, offer(1));
        let mut sent = 0;
        for now_ms in 0..5_000 {
            sending.asked(now_ms, TO, id(1), 0);
            sent += 100 * sending.reads(now_ms).len();
            sending.read(TO, id(1));
        }
        assert!((4_900..=5_300).contains(&sent), "{sent} bytes in five seconds");
    }

    #[test]
    fn those_of_another_term_are_dropped_and_no_others() {
        let mut sending = Sending::new(1_000, 100);
        sending.begin(0, offer(1));
        sending.begin(0, Offer { to: MemberId(3), term: Term(4), ..offer(1) });
        sending.tick(1, Term(4), |_, _| false);
        assert!(!sending.is_sending_to(TO));
        assert!(sending.is_sending_to(MemberId(3)));
    }

    #[test]
    fn silence_is_answered_by_offers_and_then_given_up() {
        let mut sending = Sending::new(1_000, 100);
        sending.begin(0, offer(1));
        assert_eq!(sending.tick(OFFER_AGAIN_MS - 1, Term(3), |_, _| false), Due::default());
        assert_eq!(sending.tick(OFFER_AGAIN_MS, Term(3), |_, _| false).offers, [offer(1)]);
        assert_eq!(sending.tick(OFFER_AGAIN_MS + 1, Term(3), |_, _| false), Due::default());
        assert_eq!(sending.tick(GIVE_UP_MS, Term(3), |_, _| false).failed, [TO]);
        assert!(!sending.is_sending_to(TO));
    }

    /// However long it takes: a large log over a slow link is no reason for another snapshot.
    #[test]
    fn the_log_is_kept_while_its_follower_goes_on_and_no_longer() {
        let mut sending = Sending::new(1_000, 100);
        sending.begin(0, offer(1));
        assert!(sending.taken(0, TO, id(1)));
        for step in 1..10 {
            let now_ms = step * (TRAIL_STILL_MS - 1);
            assert!(!sending.end_trails(now_ms, |_, _, _| Some(Index(step))));
        }
        let still_ms = 9 * (TRAIL_STILL_MS - 1);
        assert!(!sending.end_trails(still_ms + TRAIL_STILL_MS - 1, |_, _, _| Some(Index(9))));
        assert!(sending.end_trails(still_ms + TRAIL_STILL_MS, |_, _, _| Some(Index(9))));
        assert_eq!(sending.trails().next(), None);
    }

    #[test]
    fn the_log_is_kept_for_nobody_who_does_not_need_it() {
        let mut sending = Sending::new(1_000, 100);
        sending.begin(0, offer(1));
        assert!(sending.taken(0, TO, id(1)));
        assert!(sending.end_trails(1, |_, _, _| None));
    }
}
