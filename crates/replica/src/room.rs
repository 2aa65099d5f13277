//! Whether the members' disks have room for what grows (rule 1.7).
//!
//! Each member is told how much room its log has, decides whether that is enough, and tells the
//! leader. The leader takes writes that make the state grow only while a quorum has room; whatever
//! else needs the log, deletes first of all, goes on into the spare segments that are kept for it.
//!
//! ```text
//!   free bytes ─┬─ what spares and the active segment are still to take
//!               ├─ the next snapshot, as large as the last: with it the log can be cut
//!               └─ a segment ........ less than that: no room; a segment more: room again
//! ```
//!
//! What it does not do: it reserves nothing. Others may write to the same disk at any time; a log
//! that meets its end all the same fails as by any other error of the disk.

use std::collections::BTreeSet;

use bytes::Bytes;
use raft::{FollowerStatus, MemberId, Now, Term};
use store::Command;
use wal::Room;

use crate::api::{Failure, ForwardRefusal};
use crate::replica::Replica;

/// What a member knows of the room that it and, if it leads, the others have.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    measured: Option<Room>,
    /// This member has too little.
    lacks: bool,
    /// Members whose last word to the leader of `term`, this one, was that they have too little.
    lacking: BTreeSet<MemberId>,
    term: Term,
    /// The leader that was told last, in which term.
    told: Option<(MemberId, Term)>,
}

/// What the members have too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Short {
    Room,
    Memory,
}

impl Short {
    pub(crate) fn failure(self) -> Failure {
        match self {
            Short::Room => Failure::NoSpace,
            Short::Memory => Failure::NoMemory,
        }
    }

    pub(crate) fn refusal(self) -> ForwardRefusal {
        match self {
            Short::Room => ForwardRefusal::NoSpace,
            Short::Memory => ForwardRefusal::NoMemory,
        }
    }
}

/// Room in numbers, for status pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomStatus {
    /// As measured last; none yet just after the start.
    pub measured: Option<Room>,
    /// This member has too little for what grows.
    pub lacks: bool,
}

impl Rooms {
    /// Whether this member has too little.
    pub(crate) fn lacks(&self) -> bool {
        self.lacks
    }

    pub(crate) fn status(&self) -> RoomStatus {
        RoomStatus { measured: self.measured, lacks: self.lacks }
    }

    /// Decides anew, with a difference of one segment between lost and found, so that what is
    /// decided stands for a while. Whether that has changed.
    fn measure(&mut self, room: Room, snapshot_bytes: u64) -> bool {
        let needed = room.segment_bytes.saturating_add(snapshot_bytes);
        let needed = needed + if self.lacks { room.segment_bytes } else { 0 };
        let lacks = room.free_bytes.saturating_sub(room.missing_bytes) < needed;
        self.measured = Some(room);
        std::mem::replace(&mut self.lacks, lacks) != lacks
    }
}

impl Replica {
    /// This member's log has so much room. Call it whenever that has changed.
    pub fn measured(&mut self, now: Now, room: Room) {
        self.now = now;
        let snapshot_bytes = self.snapshots.newest_bytes();
        if self.rooms.measure(room, snapshot_bytes) && !self.stopped {
            self.report();
        }
    }

    /// Whoever leads now has not heard of it: what is told in good time costs nobody anything.
    pub(crate) fn tick_rooms(&mut self) {
        let leader = self.raft.leader().map(|leader| (leader, self.raft.term()));
        let lacks = self.rooms.lacks || self.memories.own().lacks;
        if lacks && leader.is_some() && leader != self.rooms.told {
            self.report();
        }
    }

    pub(crate) fn reported_to(&mut self, leader: MemberId) {
        self.rooms.told = Some((leader, self.raft.term()));
    }

    /// A member tells the leader, this one, whether it has too little room.
    pub(crate) fn told_room(&mut self, from: MemberId, lacks: bool) {
        if !self.raft.is_leader() {
            return;
        }
        if self.rooms.term != self.raft.term() {
            self.rooms.term = self.raft.term();
            self.rooms.lacking.clear();
        }
        if lacks {
            self.rooms.lacking.insert(from);
        } else {
            self.rooms.lacking.remove(&from);
        }
    }

    /// What too few members have for a write, which must be refused then, because it makes the
    /// state grow. To be asked of the leader.
    pub(crate) fn short_for(&self, command: &Bytes) -> Option<Short> {
        let room = (!self.quorum_has_room()).then_some(Short::Room);
        let short = room.or_else(|| (!self.quorum_has_memory()).then_some(Short::Memory))?;
        // A command that can not be read is refused by others, and for another reason.
        Command::decode(command.clone()).is_ok_and(|command| command.grows()).then_some(short)
    }

    fn quorum_has_room(&self) -> bool {
        let own = self.rooms.lacks.then_some(self.raft.id());
        let told = self.rooms.lacking.iter().filter(|_| self.rooms.term == self.raft.term());
        self.quorum_is_without(&own.into_iter().chain(told.copied()).collect())
    }

    /// Whether a quorum is left without the members that lack something. A member counts if it did
    /// not say otherwise. Once one did, it must also have been heard of lately: with one member
    /// down, the one that lacks something is needed for every write.
    pub(crate) fn quorum_is_without(&self, lacking: &BTreeSet<MemberId>) -> bool {
        if lacking.is_empty() {
            return true;
        }
        let followers: Vec<FollowerStatus> = self.raft.follower_status();
        let well =
            |id| followers.iter().any(|follower| follower.id == id && self.is_well(follower));
        let is_here = |id| id == self.raft.id() || well(id);
        self.raft.membership().is_quorum(|id| is_here(id) && !lacking.contains(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 100;

    fn room(free_bytes: u64, missing_bytes: u64) -> Room {
        Room { free_bytes, missing_bytes, spares: 2, segment_bytes: SEGMENT }
    }

    #[test]
    fn room_is_lost_below_a_segment_and_found_above_two() {
        let mut rooms = Rooms::default();
        for (free_bytes, changes, lacks) in [
            (u64::MAX, false, false),
            (SEGMENT, false, false),
            (SEGMENT - 1, true, true),
            (2 * SEGMENT - 1, false, true),
            (2 * SEGMENT, true, false),
            (SEGMENT, false, false),
            (0, true, true),
        ] {
            assert_eq!(rooms.measure(room(free_bytes, 0), 0), changes, "{free_bytes} bytes free");
            assert_eq!(rooms.lacks(), lacks, "{free_bytes} bytes free");
        }
    }

    #[test]
    fn what_spares_and_the_next_snapshot_take_is_not_free() {
        let mut rooms = Rooms::default();
        rooms.measure(room(3 * SEGMENT, 2 * SEGMENT), 0);
        assert!(!rooms.lacks());
        rooms.measure(room(3 * SEGMENT, 2 * SEGMENT), 1);
        assert!(rooms.lacks());
        rooms.measure(room(3 * SEGMENT, 0), SEGMENT);
        assert!(!rooms.lacks());
        rooms.measure(room(SEGMENT, 3 * SEGMENT), 0);
        assert!(rooms.lacks(), "more is missing than there is");
    }
}
