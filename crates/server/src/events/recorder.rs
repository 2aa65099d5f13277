//! Notes what happens, on the replica thread. While nobody looks it asks for that, and for nothing
//! else.

use std::sync::Arc;

use raft::{Index, MemberId};
use replica::{Agreement, Effects, PeerMessage, Replica, SnapshotMessage};

use super::desk::Desk;
use super::event::{Event, What};
use super::id::Id;
use super::message::Message;
use super::sight::Sight;
use super::window::Window;

/// Owned by the replica thread's driver.
pub(crate) struct Recorder {
    desk: Arc<Desk>,
    me: MemberId,
    /// What was told last of what is on the disks, while this member leads.
    matched: Vec<(MemberId, Index)>,
    /// Somebody looked in the turn before, so that `matched` was told.
    looked_at: bool,
}

impl Recorder {
    /// Of the member `me`, for whoever looks at `desk`.
    pub(crate) fn new(desk: Arc<Desk>, me: MemberId) -> Recorder {
        Recorder { desk, me, matched: Vec::new(), looked_at: false }
    }

    /// The stream from a peer has begun, or ended.
    pub(crate) fn link(&self, peer: MemberId, up: bool) {
        if self.desk.is_looked_at() {
            let link = What::Link { peer: Id(peer), up };
            self.desk.note(Event::new(self.desk.clock.now_us(), self.me, link));
        }
    }

    /// What came of some inputs. `is_open` says to whom there is a stream.
    pub(crate) fn hand_out(
        &mut self,
        replica: &Replica,
        effects: &Effects,
        is_open: impl Fn(MemberId) -> bool,
    ) {
        let was_looked_at = std::mem::replace(&mut self.looked_at, self.desk.is_looked_at());
        if !self.looked_at {
            return;
        }
        if !was_looked_at {
            self.matched.clear();
        }
        let desk = Arc::clone(&self.desk);
        let (t_us, me) = (desk.clock.now_us(), self.me);
        let notes = |window: &mut Window| {
            let mut notes = Notes { t_us, me, window };
            // What was acknowledged comes before what is committed by it.
            self.acknowledged(replica, &mut notes);
            effects.events.iter().for_each(|event| notes.note(event.into()));
            notes.messages(&effects.send, is_open);
            notes.snapshots(&effects.send_snapshot, replica);
            if effects.published {
                let published = replica.reader().published();
                let (index, revision) = (published.applied_index, published.revision.0);
                notes.note(What::Applied { index, revision });
            }
            effects.expired.iter().for_each(|revision| notes.window.expire(revision.0));
            effects.agreement.into_iter().for_each(|agreement| notes.agreement(agreement));
        };
        desk.lay_down(notes, || Sight::of(replica));
    }

    /// Whether anybody looks.
    pub(crate) fn is_looked_at(&self) -> bool {
        self.desk.is_looked_at()
    }

    /// The same of a member without a replica, as tests have it: nothing has happened.
    pub(crate) fn turn(&self, sight: impl FnOnce() -> Sight) {
        if self.desk.is_looked_at() {
            self.desk.lay_down(|_| {}, sight);
        }
    }

    /// At such a member something was applied.
    pub(crate) fn applied(&self, sight: impl Fn() -> Sight) {
        if !self.desk.is_looked_at() {
            return;
        }
        let published = sight().status.published;
        let (index, revision) = (published.applied_index, published.revision.0);
        let event =
            Event::new(self.desk.clock.now_us(), self.me, What::Applied { index, revision });
        self.desk.lay_down(|window| window.note(event), sight);
    }

    /// On a leader: whose disk has more than before. What there was when somebody began to look is
    /// in the state that they were told.
    fn acknowledged(&mut self, replica: &Replica, notes: &mut Notes<'_>) {
        let raft = replica.raft();
        if !raft.is_leader() {
            self.matched.clear();
            return;
        }
        let own = [(self.me, raft.durable())];
        for (member, index) in own.into_iter().chain(raft.matched()) {
            match self.matched.iter_mut().find(|(known, _)| *known == member) {
                Some((_, told)) if *told == index => {}
                Some((_, told)) => {
                    *told = index;
                    notes.note_of(member, What::Acknowledged { index: index.0 });
                }
                None => self.matched.push((member, index)),
            }
        }
    }
}

/// What is noted in one go, at one time.
struct Notes<'a> {
    t_us: u64,
    me: MemberId,
    window: &'a mut Window,
}

impl Notes<'_> {
    fn note(&mut self, what: What) {
        self.note_of(self.me, what);
    }

    fn note_of(&mut self, member: MemberId, what: What) {
        self.window.note(Event::new(self.t_us, member, what));
    }

    fn messages(
        &mut self,
        messages: &[(MemberId, PeerMessage)],
        is_open: impl Fn(MemberId) -> bool,
    ) {
        for (to, message) in messages {
            if is_open(*to) {
                self.note(What::Message(Message::of(*to, message)));
            }
        }
    }

    fn snapshots(&mut self, messages: &[(MemberId, SnapshotMessage)], replica: &Replica) {
        if messages.is_empty() {
            return;
        }
        let sending = replica.status().snapshots.sending;
        for (to, message) in messages {
            let sent = sending.iter().find(|sent| sent.to == *to);
            let bytes_total = sent.map(|sent| sent.bytes_total);
            self.note(What::Message(Message::of_snapshot(*to, message, bytes_total)));
        }
    }

    fn agreement(&mut self, agreement: Agreement) {
        let Agreement { diverged_at: index, split_at } = agreement;
        // That no majority agrees is no word about this member's own state.
        if index.is_some() || split_at.is_none() {
            self.note(What::Diverged { index, over: index.is_none() });
        }
    }
}
