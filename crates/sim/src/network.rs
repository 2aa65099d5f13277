//! The network between members: one stream a direction and pair, over a hostile link.
//!
//! A stream is opened by its sender and carries messages; the network may delay, lose, duplicate
//! and reorder them, which is more than a real stream may do, and less than consensus must bear.
//! When the sender's process dies its stream is closed: the receiver hears of it after what was
//! on its way, or at once and that is lost. When a machine loses power, nobody hears anything. A
//! link that is cut swallows everything, in one direction; streams stay open over it.

use std::collections::{BTreeMap, BTreeSet};

use raft::{Body, MemberId};
use replica::{PeerMessage, SnapshotMessage};

use crate::faults::{Fault, Tally};
use crate::plan::Plan;
use crate::random::Random;
use crate::time::{Span, Time};

/// A copy of a message comes so much later, at most.
const DUPLICATE_DELAY_MAX: Span = Span(1_000_000);

/// From one member to another.
pub(crate) type Direction = (MemberId, MemberId);

/// What arrives at the end of a link.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Opened,
    Message(PeerMessage),
    /// On the lane for snapshots, which is not part of the stream.
    Snapshot(SnapshotMessage),
    Closed,
}

/// A packet on its way, on the stream of that number.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) direction: Direction,
    pub(crate) stream: u64,
    pub(crate) packet: Packet,
}

#[derive(Debug)]
pub(crate) struct Network {
    random: Random,
    delay: (Span, Span),
    lost: u64,
    duplicated: u64,
    reordered: u64,
    links: BTreeMap<Direction, Link>,
    /// Cut directions, each once for every partition that cuts it.
    cuts: BTreeMap<u64, BTreeSet<Direction>>,
    /// Muted directions, each with the messages with entries that still get through: what is sent
    /// after them is lost, what is on its way arrives.
    mutes: BTreeMap<u64, BTreeMap<Direction, u64>>,
    breaks_made: u64,
    /// What is due in these directions waits.
    holds: BTreeSet<Direction>,
    held: Vec<Flight>,
}

#[derive(Debug, Default)]
struct Link {
    /// The number of the newest stream.
    stream: u64,
    open: bool,
    /// Streams below this number were reset: what was on its way is gone.
    reset_below: u64,
    /// When the last packet arrives.
    last_arrival: Time,
    /// Packets take so much longer.
    clog: Span,
}

impl Network {
    pub(crate) fn new(plan: &Plan, random: Random) -> Network {
        let per_mille = |fault| plan.ambient.get(&fault).copied().unwrap_or(0);
        Network {
            random,
            delay: plan.delay,
            lost: per_mille(Fault::MessageLost),
            duplicated: per_mille(Fault::MessageDuplicated),
            reordered: per_mille(Fault::MessageReordered),
            links: BTreeMap::new(),
            cuts: BTreeMap::new(),
            mutes: BTreeMap::new(),
            breaks_made: 0,
            holds: BTreeSet::new(),
            held: Vec::new(),
        }
    }

    /// Opens a stream, in place of the one before. What arrives, and when.
    pub(crate) fn open(&mut self, now: Time, direction: Direction) -> (Time, Flight) {
        let link = self.links.entry(direction).or_default();
        link.stream += 1;
        link.open = true;
        let stream = link.stream;
        let arrival = self.arrival_in_order(now, direction);
        (arrival, Flight { direction, stream, packet: Packet::Opened })
    }

    /// Closes a stream from the sender's end: gently, after what is on its way, or by a reset,
    /// which loses that. What arrives, and when; nothing if it was not open.
    pub(crate) fn close(
        &mut self,
        now: Time,
        direction: Direction,
        reset: bool,
    ) -> Option<(Time, Flight)> {
        let link = self.links.get_mut(&direction).filter(|link| link.open)?;
        link.open = false;
        let stream = link.stream;
        if reset {
            link.reset_below = stream;
        }
        let arrival = self.arrival_in_order(now, direction);
        Some((arrival, Flight { direction, stream, packet: Packet::Closed }))
    }

    /// One end of a stream is gone, and the other end does not know.
    pub(crate) fn abandon(&mut self, direction: Direction) {
        self.links.entry(direction).or_default().open = false;
    }

    pub(crate) fn is_open(&self, direction: Direction) -> bool {
        self.links.get(&direction).is_some_and(|link| link.open)
    }

    /// Sends a message on an open stream. Which copies of it arrive, and when.
    pub(crate) fn send(
        &mut self,
        now: Time,
        direction: Direction,
        message: PeerMessage,
        tally: &mut Tally,
    ) -> Vec<(Time, Flight)> {
        assert!(self.is_open(direction), "messages travel on streams");
        if self.is_cut(direction) || self.swallows(direction, &message) {
            return Vec::new();
        }
        if self.random.chance(self.lost) {
            tally.count(Fault::MessageLost);
            return Vec::new();
        }
        let flight = self.flight(direction, message);
        let mut copies = Vec::new();
        if self.random.chance(self.duplicated) {
            tally.count(Fault::MessageDuplicated);
            let later = now + Span(self.random.between(0, DUPLICATE_DELAY_MAX.0));
            copies.push((later, flight.clone()));
        }
        copies.push((self.arrival(now, direction, tally), flight));
        copies
    }

    /// Sends a message about a snapshot. Which copies of it arrive, and when: they overtake each
    /// other, and what is on the stream.
    pub(crate) fn send_snapshot(
        &mut self,
        now: Time,
        direction: Direction,
        message: SnapshotMessage,
        tally: &mut Tally,
    ) -> Vec<(Time, Flight)> {
        let stream = self.links.entry(direction).or_default().stream;
        if self.is_cut(direction) {
            return Vec::new();
        }
        if self.random.chance(self.lost) {
            tally.count(Fault::MessageLost);
            return Vec::new();
        }
        let flight = Flight { direction, stream, packet: Packet::Snapshot(message) };
        let mut copies = Vec::new();
        if self.random.chance(self.duplicated) {
            tally.count(Fault::MessageDuplicated);
            let later = now + Span(self.random.between(0, DUPLICATE_DELAY_MAX.0));
            copies.push((later, flight.clone()));
        }
        copies.push((now + self.draw_delay(direction), flight));
        copies
    }

    /// A message on the stream of that direction.
    pub(crate) fn flight(&self, direction: Direction, message: PeerMessage) -> Flight {
        let stream = self.links[&direction].stream;
        Flight { direction, stream, packet: Packet::Message(message) }
    }

    /// Whether a packet that is due gets through.
    pub(crate) fn gets_through(&self, flight: &Flight) -> bool {
        let reset = match flight.packet {
            Packet::Message(_) => flight.stream <= self.links[&flight.direction].reset_below,
            Packet::Opened | Packet::Snapshot(_) | Packet::Closed => false,
        };
        !reset && !self.is_cut(flight.direction)
    }

    fn arrival(&mut self, now: Time, direction: Direction, tally: &mut Tally) -> Time {
        if !self.random.chance(self.reordered) {
            return self.arrival_in_order(now, direction);
        }
        let arrival = now + self.draw_delay(direction);
        if arrival < self.links[&direction].last_arrival {
            tally.count(Fault::MessageReordered);
        }
        arrival
    }

    fn arrival_in_order(&mut self, now: Time, direction: Direction) -> Time {
        let delay = self.draw_delay(direction);
        let link = self.links.get_mut(&direction).expect("a stream was opened on it");
        link.last_arrival = link.last_arrival.max(now + delay);
        link.last_arrival
    }

    fn draw_delay(&mut self, direction: Direction) -> Span {
        let (low, high) = self.delay;
        Span(self.random.between(low.0, high.0) + self.links[&direction].clog.0)
    }

    // What the operators break and mend.

    /// Cuts directions until the cut of that number is mended.
    pub(crate) fn cut(&mut self, directions: BTreeSet<Direction>) -> u64 {
        self.breaks_made += 1;
        self.cuts.insert(self.breaks_made, directions);
        self.breaks_made
    }

    /// Loses what is sent in these directions, after so many messages with entries in each, until
    /// the break of that number is mended.
    pub(crate) fn mute(
        &mut self,
        directions: impl IntoIterator<Item = Direction>,
        after_appends: u64,
    ) -> u64 {
        self.breaks_made += 1;
        let mute = directions.into_iter().map(|direction| (direction, after_appends)).collect();
        self.mutes.insert(self.breaks_made, mute);
        self.breaks_made
    }

    /// Adds directions to a mute that lose everything at once.
    pub(crate) fn mute_more(
        &mut self,
        number: u64,
        directions: impl IntoIterator<Item = Direction>,
    ) {
        let mute = self.mutes.get_mut(&number).expect("it was just made");
        mute.extend(directions.into_iter().map(|direction| (direction, 0)));
    }

    fn swallows(&mut self, direction: Direction, message: &PeerMessage) -> bool {
        let mut swallows = false;
        for left in self.mutes.values_mut().filter_map(|mute| mute.get_mut(&direction)) {
            swallows |= *left == 0;
            *left = left.saturating_sub(u64::from(has_entries(message)));
        }
        swallows
    }

    pub(crate) fn mend(&mut self, number: u64) {
        self.cuts.remove(&number);
        self.mutes.remove(&number);
    }

    /// Lets everything that is due in these directions wait.
    pub(crate) fn hold(&mut self, directions: impl IntoIterator<Item = Direction>) {
        self.holds.extend(directions);
    }

    /// Whether the packet that is due has to wait; then it is kept here.
    pub(crate) fn keeps(&mut self, flight: &Flight) -> bool {
        let holds = self.holds.contains(&flight.direction);
        if holds {
            self.held.push(flight.clone());
        }
        holds
    }

    /// Nothing waits any more on the way to `to`. What had waited, in order.
    pub(crate) fn release(&mut self, to: MemberId) -> Vec<Flight> {
        self.holds.retain(|direction| direction.1 != to);
        let (released, held) =
            std::mem::take(&mut self.held).into_iter().partition(|f| f.direction.1 == to);
        self.held = held;
        released
    }

    /// From now on a packet takes so long, at least and at most.
    pub(crate) fn set_delay(&mut self, delay: (Span, Span)) {
        self.delay = delay;
    }

    /// Lets packets of a direction take so much longer.
    pub(crate) fn clog(&mut self, direction: Direction, by: Span) {
        self.links.entry(direction).or_default().clog = by;
    }

    /// From now on the network is a good one.
    pub(crate) fn heal(&mut self) {
        self.cuts.clear();
        self.mutes.clear();
        (self.lost, self.duplicated, self.reordered) = (0, 0, 0);
        for link in self.links.values_mut() {
            link.clog = Span(0);
        }
    }

    pub(crate) fn is_cut(&self, direction: Direction) -> bool {
        self.cuts.values().any(|cut| cut.contains(&direction))
    }
}

fn has_entries(message: &PeerMessage) -> bool {
    match message {
        PeerMessage::Raft(message) => {
            matches!(&message.body, Body::Append { entries, .. } if !entries.is_empty())
        }
        _ => false,
    }
}
