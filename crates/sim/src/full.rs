//! Disks that somebody else fills, for a while: a member's, or all at once.
//!
//! What grows must be refused then and never happen, whatever needs no room must go on as far as
//! the spare segments reach, and a member whose log meets the end all the same dies, and comes back
//! when it can.

use raft::MemberId;

use crate::life::{Happening, Life};
use crate::nemesis::Relief;
use crate::time::Span;

/// What is left on a disk that is being filled, in bytes: one of these. The last is about what the
/// largest segments of a life and a snapshot need.
const LEFT_BYTES: [u64; 4] = [0, 4 << 10, 32 << 10, 128 << 10];
/// A disk stays full at least this long: members look ten times a second.
const FULL_MIN: Span = Span(400_000);

impl Life {
    /// Fills a member's disk, or all of them, unless they are full already.
    pub(crate) fn fill_disks(&mut self, id: MemberId) -> bool {
        let all = self.random.coin();
        let struck = if all { self.remaining() } else { vec![id] };
        let mut happened = false;
        for id in struck {
            let (left, timeout) = (self.random.pick(&LEFT_BYTES), self.election_timeout());
            let lasts = Span(FULL_MIN.0 + self.random.between(0, 5 * timeout.0));
            let member = self.member(id);
            if !member.filled {
                member.filled = true;
                member.disk.limit_bytes(Some(member.disk.used_bytes() + left));
                self.queue.plan_in(lasts, Happening::Relief(Relief::EmptyDisk(id)));
                happened = true;
            }
        }
        happened
    }

    pub(crate) fn empty_disk(&mut self, id: MemberId) {
        let member = self.member(id);
        member.filled = false;
        member.disk.limit_bytes(None);
    }

    fn election_timeout(&self) -> Span {
        Span::ms(self.plan.timers.election_timeout_ms)
    }
}
