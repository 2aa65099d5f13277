//! Messages in flight, links that are cut, and messages put aside to arrive late.

use std::collections::BTreeSet;

use raft::{Envelope, MemberId};

#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) from: MemberId,
    pub(crate) envelope: Envelope,
}

/// Which messages: every part that is given must match.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) from: Option<MemberId>,
    pub(crate) to: Option<MemberId>,
    pub(crate) kind: Option<String>,
    /// At most this many, oldest first.
    pub(crate) count: Option<usize>,
}

#[derive(Default)]
pub(crate) struct Network {
    in_flight: Vec<Packet>,
    /// Put aside: not delivered until released.
    late: Vec<Packet>,
    /// What `from` sends to `to` is lost.
    cut: BTreeSet<(MemberId, MemberId)>,
}

impl Network {
    pub(crate) fn post(&mut self, packet: Packet) {
        self.in_flight.push(packet);
    }

    pub(crate) fn in_flight(&self) -> &[Packet] {
        &self.in_flight
    }

    pub(crate) fn take_at(&mut self, position: usize) -> Packet {
        self.in_flight.remove(position)
    }

    pub(crate) fn take_if(&mut self, mut takes: impl FnMut(&Packet) -> bool) -> Vec<Packet> {
        self.in_flight.extract_if(.., |packet| takes(packet)).collect()
    }

    pub(crate) fn take(&mut self, filter: &Filter) -> Vec<Packet> {
        let mut left = filter.count.unwrap_or(usize::MAX);
        self.take_if(|packet| {
            let takes = left > 0 && filter.matches(packet);
            left -= usize::from(takes);
            takes
        })
    }

    pub(crate) fn delay(&mut self, filter: &Filter) {
        let taken = self.take(filter);
        self.late.extend(taken);
    }

    pub(crate) fn release(&mut self) {
        self.in_flight.append(&mut self.late);
    }

    pub(crate) fn cut(&mut self, from: MemberId, to: MemberId) {
        self.cut.insert((from, to));
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
    }

    pub(crate) fn is_cut(&self, from: MemberId, to: MemberId) -> bool {
        self.cut.contains(&(from, to))
    }
}

impl Filter {
    fn matches(&self, Packet { from, envelope }: &Packet) -> bool {
        self.from.is_none_or(|id| id == *from)
            && self.to.is_none_or(|id| id == envelope.to)
            && self.kind.as_deref().is_none_or(|kind| kind == envelope.message.body.name())
    }
}
