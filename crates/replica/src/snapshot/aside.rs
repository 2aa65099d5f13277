//! What becomes of a member's own snapshots when its state is found to be wrong (rule 10.3).
//!
//! ```text
//!   ── agreed ──── snapshot ─┬─ last equal check ─┬─ snapshot ──── snapshot ─── diverged ──▶ log
//!                            │                    └───────────┬────────────┘
//!                            └ stays, as a fallback           └ are set aside
//! ```
//!
//! Those after the last check at which its hash was the majority's may hold the wrong state. They
//! are renamed, so that no start takes them, and no follower gets them. The older ones stay: a
//! process that ends now starts from them and the log after them, which is sound. The member that
//! runs does not go back to them: it takes over a state of a majority's member.
//!
//! | what happens | what a start finds |
//! |---|---|
//! | a crash before the renaming | the wrong state; the next check finds it again |
//! | renaming fails | the same, until it succeeds: it is tried again and again |
//! | a crash after it | the newest one that was right; none, if no check is known that agreed |
//! | the member has another's state, and a check has agreed | what was set aside is removed |

use raft::{Index, LogId};

use super::SnapshotRequest;
use crate::replica::Replica;
use crate::watch::Unserved;

/// What could not be set aside is tried again after so long, in ms.
const SET_ASIDE_AGAIN_MS: u64 = 1_000;

/// What is set aside, or to be.
#[derive(Debug)]
pub(super) struct Aside {
    /// Still to be, newest first.
    doubtful: Vec<LogId>,
    asked_ms: u64,
    /// There may be some, of a process before this one perhaps.
    any: bool,
}

impl Default for Aside {
    fn default() -> Aside {
        Aside { doubtful: Vec::new(), asked_ms: 0, any: true }
    }
}

impl Aside {
    /// All of it is done.
    pub(super) fn done(&mut self) {
        self.doubtful.clear();
    }

    /// Another snapshot has the same name now, in place of the one that was in doubt.
    pub(super) fn replaced(&mut self, last: LogId) {
        self.doubtful.retain(|doubtful| *doubtful != last);
    }
}

impl Replica {
    /// This member's state is wrong, and was right at `sound`; 0 if nobody knows when.
    pub(crate) fn lose_state(&mut self, sound: Index) {
        let snapshots = &mut self.snapshots;
        snapshots.stateless = true;
        snapshots.want_sent_ms = 0;
        snapshots.aside.doubtful = snapshots.shelf.doubt(sound, snapshots.sending.pinned());
        snapshots.sending.abandon();
        self.set_doubtful_aside();
        self.raft.set_may_campaign(false);
        self.applier.pause();
        self.dispatcher.close(Unserved::WrongState);
        self.pending.stop();
        self.stop_leases();
    }

    /// This member's state is the majority's: nobody needs what was set aside.
    pub(crate) fn state_is_right(&mut self) {
        let aside = &mut self.snapshots.aside;
        if self.snapshots.enabled && aside.any && aside.doubtful.is_empty() {
            aside.any = false;
            self.effects.snapshot.push(SnapshotRequest::RemoveAside);
        }
    }

    fn set_doubtful_aside(&mut self) {
        let aside = &mut self.snapshots.aside;
        if !aside.doubtful.is_empty() {
            (aside.any, aside.asked_ms) = (true, self.now.monotonic_ms);
            let doubtful = aside.doubtful.clone();
            self.effects.snapshot.push(SnapshotRequest::SetAside { doubtful });
        }
    }

    /// Time has passed. (What is being written or received may come to have the name of one that
    /// is in doubt, and is not.)
    pub(crate) fn set_aside_again(&mut self) {
        let due_ms = self.snapshots.aside.asked_ms + SET_ASIDE_AGAIN_MS;
        let rests = self.snapshots.receiving.is_none() && !self.snapshots.shelf.is_writing();
        if rests && self.now.monotonic_ms >= due_ms {
            self.set_doubtful_aside();
        }
    }
}
