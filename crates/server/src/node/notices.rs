//! Appends that tell a follower nothing but how far is committed wait a moment for one that has
//! entries and tells it too: where writes follow each other, this halves the messages between
//! members, and the answers to them.
//!
//! To raft it looks like a slow network that loses a message which a later one makes needless.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use raft::{Body, MemberId, Message, Term};
use replica::PeerMessage;

/// For so long a notice waits. Where nothing more is written, a follower knows so much later what
/// is committed: its watchers hear of it, and its stale reads see it.
pub(crate) const LINGER: Duration = Duration::from_millis(1);

/// Messages on their way to the peers, in the order in which raft made them.
type Messages = Vec<(MemberId, PeerMessage)>;

/// The notices that wait.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    /// The term that this member leads.
    term: Term,
    followers: BTreeMap<MemberId, Follower>,
    /// When those that wait are sent; none if none wait.
    due: Option<Instant>,
}

#[derive(Debug, Default)]
struct Follower {
    /// The read round that it was told last; a newer one is worth a message of its own.
    round: Option<u64>,
    held: Option<PeerMessage>,
}

impl Notices {
    /// When `pass` is to be called at the latest.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Takes notices out of `send`, and puts those there that have waited long enough.
    pub(crate) fn pass(&mut self, send: &mut Messages, now: Instant) {
        send.retain(|(to, message)| !self.holds_back(*to, message, now));
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
            for (&to, follower) in &mut self.followers {
                send.extend(follower.held.take().map(|notice| (to, notice)));
            }
        }
    }

    fn holds_back(&mut self, to: MemberId, message: &PeerMessage, now: Instant) -> bool {
        let PeerMessage::Raft(Message { term, body: Body::Append { entries, round, .. } }) =
            message
        else {
            return false;
        };
        if *term != self.term {
            (self.term, self.due) = (*term, None);
            self.followers.clear();
        }
        let follower = self.followers.entry(to).or_default();
        if entries.is_empty() && follower.round == Some(*round) {
            follower.held = Some(message.clone());
            self.due.get_or_insert(now + LINGER);
            return true;
        }
        // It says whatever the notice would have said.
        (follower.round, follower.held) = (Some(*round), None);
        false
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use bytes::Bytes;
    use raft::{Entry, EntryKind, Index, LogId};

    use super::*;

    fn append(term: u64, entries: u64, commit: u64, round: u64) -> (MemberId, PeerMessage) {
        let entry = |index| Entry {
            id: LogId::new(Term(term), Index(index)),
            kind: EntryKind::Command,
            stamp_ms: 0,
            age_ms: 0,
            payload: Bytes::new(),
        };
        let body = Body::Append {
            previous: LogId::default(),
            entries: (1..=entries).map(entry).collect(),
            commit: Index(commit),
            round,
            age_ms: 0,
        };
        (MemberId(2), PeerMessage::Raft(Message { term: Term(term), body }))
    }

    /// What of `sent` is passed on.
    fn pass(notices: &mut Notices, sent: &[(MemberId, PeerMessage)], now: Instant) -> Messages {
        let mut send = sent.to_vec();
        notices.pass(&mut send, now);
        send
    }

    #[test]
    fn a_notice_waits_and_is_then_sent() {
        let (mut notices, now) = (Notices::default(), Instant::now());
        let (entry, notice) = (append(1, 1, 0, 0), append(1, 0, 1, 0));
        assert_eq!(pass(&mut notices, from_ref(&entry), now), [entry]);
        assert_eq!(pass(&mut notices, from_ref(&notice), now), []);
        assert_eq!(notices.due(), Some(now + LINGER));
        assert_eq!(pass(&mut notices, &[], now + LINGER / 2), []);
        assert_eq!(pass(&mut notices, &[], now + LINGER), [notice]);
        assert_eq!((pass(&mut notices, &[], now + 2 * LINGER), notices.due()), (vec![], None));
    }

    #[test]
    fn entries_make_a_notice_needless() {
        let (mut notices, now) = (Notices::default(), Instant::now());
        let later = append(1, 1, 1, 0);
        pass(&mut notices, &[append(1, 1, 0, 0), append(1, 0, 1, 0)], now);
        assert_eq!(pass(&mut notices, from_ref(&later), now), [later]);
        assert_eq!(pass(&mut notices, &[], now + LINGER), []);
    }

    #[test]
    fn the_newest_notice_is_sent_when_the_first_is_due() {
        let (mut notices, now) = (Notices::default(), Instant::now());
        pass(&mut notices, &[append(1, 1, 0, 0), append(1, 0, 1, 0)], now);
        assert_eq!(pass(&mut notices, &[append(1, 0, 2, 0)], now + LINGER), [append(1, 0, 2, 0)]);
    }

    #[test]
    fn a_new_round_waits_for_nothing_nor_does_a_new_leader() {
        let (mut notices, now) = (Notices::default(), Instant::now());
        for message in [append(1, 0, 0, 0), append(1, 0, 0, 1), append(2, 0, 0, 1)] {
            assert_eq!(pass(&mut notices, from_ref(&message), now), [message]);
        }
    }

    #[test]
    fn what_an_earlier_leader_had_to_say_is_forgotten() {
        let (mut notices, now) = (Notices::default(), Instant::now());
        pass(&mut notices, &[append(1, 1, 0, 0), append(1, 0, 1, 0)], now);
        let of_now = append(2, 0, 1, 0);
        assert_eq!(pass(&mut notices, from_ref(&of_now), now + LINGER), [of_now]);
        assert_eq!(notices.due(), None);
    }
}
