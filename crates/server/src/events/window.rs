//! What has happened since somebody looked last: a bounded list, written by the replica thread.
//!
//! A kind that happens often is told one by one at first, so that little is seen as it was; then
//! what is alike is told as one with a count. Of a window no more can come than the bounds below,
//! whatever happens, and noting asks for no memory once the lists have grown.

use raft::MemberId;

use super::event::{Event, FREQUENT_KINDS, What};
use super::message::Kind;
use super::sight::Sight;

/// So many events of a kind that may be folded are told one by one.
pub(super) const SINGLES_MAX: usize = 8;

/// So many of such a kind there are, with those that stand for several.
pub(super) const FREQUENT_MAX: usize = 24;

/// So many events that are never folded; more are left out, and counted.
pub(super) const RARE_MAX: usize = 128;

/// So many revisions that were made by an expiry are remembered; keys that are gone in others are
/// told as deleted.
pub(super) const EXPIRED_MAX: usize = 256;

/// The events of a while.
#[derive(Debug, Default)]
pub(crate) struct Window {
    pub(super) events: Vec<Event>,
    /// How many of each frequent kind are among them.
    frequent: [usize; FREQUENT_KINDS],
    rare: usize,
    /// Where the event stands that the next of its kind is folded into: appended, committed,
    /// applied.
    own_places: [Option<usize>; 3],
    places: Vec<Places>,
    /// So many were left out.
    pub(super) lost: u64,
    /// Revisions in which keys have expired.
    pub(super) expired: Vec<u64>,
    /// How the member stands; taken once a window.
    pub(super) sight: Option<Sight>,
}

/// The same of what concerns a member: what it acknowledged, and messages to it by their kind.
#[derive(Debug)]
struct Places {
    member: MemberId,
    acknowledged: Option<usize>,
    messages: [Option<usize>; Kind::COUNT],
}

impl Window {
    /// Notes an event.
    pub(super) fn note(&mut self, event: Event) {
        let Some(kind) = event.what.frequent() else {
            self.rare += 1;
            match self.rare <= RARE_MAX {
                true => self.events.push(event),
                false => self.lost += 1,
            }
            return;
        };
        if self.frequent[kind] < SINGLES_MAX {
            self.frequent[kind] += 1;
            self.events.push(event);
            return;
        }
        if let Some(place) = *self.place(&event) {
            self.events[place].fold(&event);
        } else if self.frequent[kind] < FREQUENT_MAX {
            self.frequent[kind] += 1;
            *self.place(&event) = Some(self.events.len());
            self.events.push(event);
        } else {
            self.lost += 1;
        }
    }

    /// A removal of what was due made this revision.
    pub(super) fn expire(&mut self, revision: u64) {
        if self.expired.len() < EXPIRED_MAX {
            self.expired.push(revision);
        }
    }

    /// Forgets everything, and keeps the memory for what comes.
    pub(super) fn clear(&mut self) {
        let (mut events, mut places, mut expired) = (
            std::mem::take(&mut self.events),
            std::mem::take(&mut self.places),
            std::mem::take(&mut self.expired),
        );
        events.clear();
        places.clear();
        expired.clear();
        *self = Window { events, places, expired, ..Window::default() };
    }

    /// Where it stands what the event is like.
    fn place(&mut self, event: &Event) -> &mut Option<usize> {
        match event.what {
            What::Message(message) => {
                &mut self.places_of(message.to.0).messages[message.what as usize]
            }
            What::Acknowledged { .. } => &mut self.places_of(event.member.0).acknowledged,
            What::Appended { .. } => &mut self.own_places[0],
            What::Committed { .. } => &mut self.own_places[1],
            _ => &mut self.own_places[2],
        }
    }

    fn places_of(&mut self, member: MemberId) -> &mut Places {
        let found = self.places.iter().position(|places| places.member == member);
        let at = found.unwrap_or_else(|| {
            let messages = [None; Kind::COUNT];
            self.places.push(Places { member, acknowledged: None, messages });
            self.places.len() - 1
        });
        &mut self.places[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::id::Id;
    use crate::events::message::{Message, Numbers};

    const ME: MemberId = MemberId(1);

    fn committed(t_us: u64) -> Event {
        Event::new(t_us, ME, What::Committed { index: t_us })
    }

    fn message(to: u64, what: Kind, commit: u64) -> Event {
        let numbers = Numbers { commit: Some(commit), ..Numbers::default() };
        Event::new(commit, ME, What::Message(Message { to: Id(MemberId(to)), what, numbers }))
    }

    #[test]
    fn what_happens_seldom_is_told_one_by_one() {
        let mut window = Window::default();
        (0..SINGLES_MAX as u64).for_each(|t_us| window.note(committed(t_us)));
        assert_eq!(window.events, (0..SINGLES_MAX as u64).map(committed).collect::<Vec<_>>());
    }

    #[test]
    fn what_happens_often_is_folded_by_what_is_alike() {
        let mut window = Window::default();
        for number in 0..1_000 {
            window.note(message(2, Kind::Append, number));
            window.note(message(3, Kind::Heartbeat, number));
        }
        let folded: Vec<&Event> = window.events.iter().filter(|event| event.count > 1).collect();
        assert_eq!((window.events.len(), folded.len()), (SINGLES_MAX + 2, 2));
        assert_eq!(window.events.iter().map(|event| event.count).sum::<u64>(), 2_000);
        for (event, to) in folded.iter().zip([2, 3]) {
            let What::Message(message) = event.what else { panic!("{event:?}") };
            assert_eq!((message.to, message.numbers.commit), (Id(MemberId(to)), Some(999)));
            assert_eq!(event.t_us, SINGLES_MAX as u64 / 2, "it stands where they began");
        }
        assert_eq!(window.lost, 0);
    }

    #[test]
    fn whatever_happens_a_window_is_bounded_and_says_what_it_left_out() {
        let mut window = Window::default();
        for number in 0..10_000 {
            window.note(message(number, Kind::Append, number));
            window.note(Event::new(number, ME, What::Started));
            window.expire(number);
        }
        assert_eq!(window.events.len(), FREQUENT_MAX + RARE_MAX);
        assert_eq!(window.lost as usize, 20_000 - window.events.len());
        assert_eq!(window.expired.len(), EXPIRED_MAX);
    }

    #[test]
    fn a_cleared_window_is_as_new() {
        let mut window = Window::default();
        (0..100).for_each(|t_us| window.note(committed(t_us)));
        window.clear();
        assert!(window.events.is_empty() && window.lost == 0);
        window.note(committed(7));
        assert_eq!(window.events, [committed(7)]);
    }
}
