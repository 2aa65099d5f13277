//! Seats for the streams of strangers: peers of this cluster of whom the configuration here does
//! not know.
//!
//! They are let in, because they may know a newer configuration (rule 4.3). But whoever knows the
//! cluster's id can call itself whatever it likes, and each stream takes memory and a descriptor:
//! so there are seats for only so many. Members need none, and give back what they had when the
//! configuration hears of them.
//!
//! A seat is for one lane of one peer: whoever comes again takes its own, as its newer stream takes
//! the older one's place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use raft::MemberId;

use super::inbound::Lane;

/// Streams of strangers that are open at once; one more is refused. More than a cluster that is
/// growing could send.
pub(super) const STRANGERS_MAX: usize = 64;

/// Who sits.
#[derive(Debug, Default)]
pub(super) struct Seats {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// The strangers, and the streams that share each seat: more than one only while a newer stream
    /// takes the place of an older.
    taken: BTreeMap<(MemberId, Lane), BTreeSet<u64>>,
    /// Streams that came so far.
    count: u64,
}

/// What a stream sits on; its end makes it free.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    /// None for a member.
    taken: Option<((MemberId, Lane), u64)>,
}

impl Seats {
    /// A seat for a stream; none if it is a stranger's and all are taken.
    pub(super) fn take(
        self: &Arc<Seats>,
        peer: MemberId,
        lane: Lane,
        is_member: bool,
    ) -> Option<Seat> {
        let seats = Arc::clone(self);
        if is_member {
            return Some(Seat { seats, taken: None });
        }
        let mut table = self.table.lock();
        if table.taken.len() >= STRANGERS_MAX && !table.taken.contains_key(&(peer, lane)) {
            return None;
        }
        table.count += 1;
        let number = table.count;
        table.taken.entry((peer, lane)).or_default().insert(number);
        Some(Seat { seats, taken: Some(((peer, lane), number)) })
    }

    /// Frees the seats of those who are strangers no more.
    pub(super) fn release_members(&self, is_member: impl Fn(MemberId) -> bool) {
        self.table.lock().taken.retain(|(peer, _), _| !is_member(*peer));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((who, number)) = self.taken else { return };
        let mut table = self.seats.table.lock();
        let Some(streams) = table.taken.get_mut(&who) else { return };
        streams.remove(&number);
        if streams.is_empty() {
            table.taken.remove(&who);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(seats: &Arc<Seats>, peer: u64) -> Option<Seat> {
        seats.take(MemberId(peer), Lane::Messages, false)
    }

    fn full() -> (Arc<Seats>, Vec<Seat>) {
        let seats = Arc::new(Seats::default());
        let taken = (1..=STRANGERS_MAX as u64).map(|peer| take(&seats, peer).unwrap()).collect();
        (seats, taken)
    }

    #[test]
    fn strangers_beyond_the_limit_find_no_seat_until_one_is_free() {
        let (seats, mut taken) = full();
        assert!(take(&seats, 1_000).is_none());
        assert!(seats.take(MemberId(1), Lane::Snapshots, false).is_none(), "it would be another");
        taken.pop();
        assert!(take(&seats, 1_000).is_some());
    }

    #[test]
    fn whoever_comes_again_takes_its_own_seat() {
        let (seats, mut taken) = full();
        let again = take(&seats, 1);
        assert!(again.is_some());
        drop(taken.remove(0));
        assert!(take(&seats, 1_000).is_none(), "its newer stream sits there");
        drop(again);
        assert!(take(&seats, 1_000).is_some());
    }

    #[test]
    fn members_need_no_seat_and_give_back_what_they_had() {
        let (seats, taken) = full();
        assert!(seats.take(MemberId(1_000), Lane::Messages, true).is_some());
        seats.release_members(|peer| peer == MemberId(1));
        let other = take(&seats, 1_000);
        assert!(other.is_some());
        assert!(take(&seats, 1_001).is_none());
        drop(taken);
        assert!(take(&seats, 1_001).is_some());
    }

    #[test]
    fn a_seat_that_was_given_back_is_not_given_back_twice() {
        let seats = Arc::new(Seats::default());
        let old = take(&seats, 1);
        seats.release_members(|_| true);
        let new = take(&seats, 1);
        drop(old);
        assert_eq!(seats.table.lock().taken.len(), 1, "the newer stream sits");
        drop(new);
        assert!(seats.table.lock().taken.is_empty());
    }
}
