//! The dispatcher: looks at each event once, and hands it to those whom it concerns.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::task::Waker;

use parking_lot::{Mutex, MutexGuard};
use store::{Event, EventPosition, EventsRequest, KeyRange, Reader, Revision, Watchers};

use super::limits::WatchLimits;
use super::request::{Unserved, WatchEnd, WatchRefusal, WatchRequest};
use super::seat::{Course, Offer, Seat};
use super::watcher::{Place, Watcher};

/// Watchers of one member.
pub const WATCHERS_MAX: usize = 32_768;

/// One call looks at a little more than so many bytes of keys and values.
const DISPATCH_BYTES_MAX: usize = 1 << 20;

/// Offers that one call makes, and those of one revision more: nobody waits longer for the lock
/// than that takes, which is a few milliseconds.
const DISPATCH_OFFERS_MAX: usize = 20_000;

/// Bytes of keys and values that wait in all seats together. Values are shared with the store as
/// long as it keeps them, so this is the most that slow watchers can cost beyond it.
pub(super) const SEATS_BYTES_MAX: usize = 64 << 20;

/// A watcher's place.
pub(super) type SeatNumber = u64;

/// Hands the events of one store to all who watch it. Shared by the shell, which has it dispatch,
/// and the watchers, which take.
#[derive(Debug)]
pub struct Dispatcher {
    reader: Reader,
    hall: Mutex<Hall>,
    /// How many seats there are; changed under the lock, read without.
    seats: AtomicUsize,
}

/// Counts of one dispatcher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DispatchCounts {
    /// Watchers that there are.
    pub watchers: usize,
    /// Of those, the ones that read the event log for themselves.
    pub behind: usize,
    /// Bytes of keys and values that wait to be taken.
    pub waiting_bytes: usize,
    /// Events looked at, since the start.
    pub events: u64,
    /// How often a watcher was offered what happened in a revision, since the start.
    pub offers: u64,
    /// How often a watcher was not fast enough, since the start.
    pub fallen_behind: u64,
}

/// Everything under the lock.
#[derive(Debug)]
pub(super) struct Hall {
    /// Who watches which keys; nobody whose watch has ended.
    watchers: Watchers<SeatNumber>,
    pub(super) seats: BTreeMap<SeatNumber, Seat>,
    next_seat: SeatNumber,
    /// Everything before it has been handed out.
    pub(super) next: EventPosition,
    /// Those that want to know what keys were before.
    want_prev: usize,
    waiting_bytes: usize,
    unserved: Option<Unserved>,
    leaderless: bool,
    limits: WatchLimits,
    /// Who is concerned by which event of a revision, while that is handed out.
    concerned: Vec<(SeatNumber, usize)>,
    events: u64,
    offers: u64,
    fallen_behind: u64,
}

impl Dispatcher {
    /// Of the store that `reader` reads. Nobody watches yet.
    pub fn new(reader: Reader) -> Arc<Dispatcher> {
        let hall = Hall {
            watchers: Watchers::new(),
            seats: BTreeMap::new(),
            next_seat: 0,
            next: EventPosition::default(),
            want_prev: 0,
            waiting_bytes: 0,
            unserved: None,
            leaderless: false,
            limits: WatchLimits::default(),
            concerned: Vec::new(),
            events: 0,
            offers: 0,
            fallen_behind: 0,
        };
        Arc::new(Dispatcher { reader, hall: Mutex::new(hall), seats: AtomicUsize::new(0) })
    }

    /// Whether anybody watches. Asked after a publication: if not, there is nothing to dispatch.
    pub fn is_watched(&self) -> bool {
        // A watcher that is not seen here sees the publication: each side does, and then looks.
        fence(Ordering::SeqCst);
        self.seats.load(Ordering::Relaxed) > 0
    }

    /// Begins a watch.
    pub fn watch(self: &Arc<Dispatcher>, request: &WatchRequest) -> Result<Watcher, WatchRefusal> {
        if request.range.is_empty() {
            return Err(WatchRefusal::EmptyRange);
        }
        let mut hall = self.hall.lock();
        hall.admit(request)?;
        self.seats.store(hall.seats.len() + 1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let published = self.reader.published();
        if hall.seats.is_empty() {
            hall.next = published.revision.next().into();
        }
        let from = request.from.unwrap_or(published.revision.next());
        if from < published.compact_revision {
            self.seats.store(hall.seats.len(), Ordering::Relaxed);
            let (requested, compact_revision) = (from, published.compact_revision);
            return Err(WatchRefusal::Compacted { requested, compact_revision });
        }
        let place = Place { seat: hall.seat(request, from), limits: hall.limits };
        drop(hall);
        let (dispatcher, reader) = (Arc::clone(self), self.reader.clone());
        Ok(Watcher::new(dispatcher, reader, place, request, (from, published.revision)))
    }

    /// Other bounds by count, for whoever watches from now on: for tests of what happens at them.
    pub fn set_limits(&self, limits: WatchLimits) {
        self.hall.lock().limits = limits;
    }

    /// Hands out some of what was published since the last call, and wakes those who have
    /// something to take. Whether there is more: then it is to be called again soon.
    pub fn dispatch(&self) -> bool {
        let mut woken = Vec::new();
        let more = self.hall.lock().dispatch(&self.reader, &mut woken);
        woken.into_iter().for_each(Waker::wake);
        more
    }

    /// From now on this member serves no watches: all end, and none begins.
    pub fn close(&self, why: Unserved) {
        let mut hall = self.hall.lock();
        if hall.unserved.is_none_or(|before| !before.is_final()) {
            hall.unserved = Some(why);
        }
        let woken = hall.end(WatchEnd::Unserved(why), |_| true);
        drop(hall);
        woken.into_iter().for_each(Waker::wake);
    }

    /// This member has a state again, another one than before: watches may begin.
    pub fn reopen(&self) {
        let mut hall = self.hall.lock();
        if hall.unserved.is_some_and(|why| !why.is_final()) {
            hall.unserved = None;
            // Whoever had a seat has been told that it is over, so nobody waits for what was.
            hall.next = self.reader.published().revision.next().into();
        }
    }

    /// Whether this member has been without a leader for too long.
    pub fn set_leaderless(&self, leaderless: bool) {
        let mut hall = self.hall.lock();
        hall.leaderless = leaderless;
        let end = WatchEnd::Unserved(Unserved::NoLeader);
        let woken = hall.end(end, |seat| leaderless && seat.needs_leader);
        drop(hall);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Whether it is closed for good.
    pub fn is_over(&self) -> bool {
        self.hall.lock().unserved.is_some_and(Unserved::is_final)
    }

    /// How many watch, and what was done for them.
    pub fn counts(&self) -> DispatchCounts {
        let hall = self.hall.lock();
        let is_behind = |seat: &&Seat| matches!(seat.course, Course::Behind { .. });
        DispatchCounts {
            watchers: hall.seats.len(),
            behind: hall.seats.values().filter(is_behind).count(),
            waiting_bytes: hall.waiting_bytes,
            events: hall.events,
            offers: hall.offers,
            fallen_behind: hall.fallen_behind,
        }
    }

    pub(super) fn hall(&self) -> MutexGuard<'_, Hall> {
        self.hall.lock()
    }

    /// A watcher goes.
    pub(super) fn leave(&self, number: SeatNumber) {
        let mut hall = self.hall.lock();
        hall.leave(number);
        self.seats.store(hall.seats.len(), Ordering::Relaxed);
    }
}

impl Hall {
    fn admit(&self, request: &WatchRequest) -> Result<(), WatchRefusal> {
        let leaderless = self.leaderless && request.needs_leader;
        if let Some(why) = self.unserved.or(leaderless.then_some(Unserved::NoLeader)) {
            return Err(WatchRefusal::Unserved(why));
        }
        if self.seats.len() >= WATCHERS_MAX {
            return Err(WatchRefusal::TooManyWatchers { watchers_max: WATCHERS_MAX });
        }
        Ok(())
    }

    fn seat(&mut self, request: &WatchRequest, from: Revision) -> SeatNumber {
        let number = self.next_seat;
        self.next_seat += 1;
        self.seats.insert(number, Seat::new(request, from));
        self.watchers.insert(number, &request.range);
        self.want_prev += usize::from(request.prev_kv);
        number
    }

    fn leave(&mut self, number: SeatNumber) {
        let seat = self.seats.remove(&number).expect("a watcher leaves once");
        self.watchers.remove(number);
        self.want_prev -= usize::from(seat.prev_kv);
        self.waiting_bytes -= seat.buffered_bytes();
    }

    /// The next batch that waits in a seat.
    pub(super) fn take(&mut self, number: SeatNumber) -> Option<super::Batch> {
        let (batch, bytes) = self.seats.get_mut(&number)?.take()?;
        self.waiting_bytes -= bytes;
        Some(batch)
    }

    /// Ends the watch of one.
    pub(super) fn end_one(&mut self, number: SeatNumber, end: WatchEnd) {
        let seat = self.seats.get_mut(&number).expect("a watcher has a seat");
        self.waiting_bytes -= seat.end(end);
        self.watchers.remove(number);
    }

    /// Ends the watches of some. Answers whom to wake.
    pub(super) fn end(&mut self, end: WatchEnd, which: impl Fn(&Seat) -> bool) -> Vec<Waker> {
        let mut woken = Vec::new();
        for (number, seat) in self.seats.iter_mut().filter(|(_, seat)| which(seat)) {
            self.waiting_bytes -= seat.end(end);
            self.watchers.remove(*number);
            woken.extend(seat.waker.take());
        }
        woken
    }

    fn dispatch(&mut self, reader: &Reader, woken: &mut Vec<Waker>) -> bool {
        if self.seats.is_empty() || self.unserved.is_some() {
            return false;
        }
        let request = EventsRequest {
            from: self.next,
            range: KeyRange::all(),
            prev_kv: self.want_prev > 0,
            events_max: self.limits.dispatch_events_max,
            told_bytes_max: DISPATCH_BYTES_MAX,
        };
        let Ok(page) = reader.events(&request) else {
            self.all_fall_behind(woken);
            self.next = reader.published().revision.next().into();
            return false;
        };
        let offers_max = self.offers + DISPATCH_OFFERS_MAX as u64;
        let events: Vec<Arc<Event>> = page.events.into_iter().map(Arc::new).collect();
        for of_revision in events.chunk_by(|one, other| one.revision == other.revision) {
            let revision = of_revision.first().expect("a chunk has an event").revision;
            if self.offers >= offers_max {
                self.next = revision.into();
                return true;
            }
            let begun_before = self.next.offset > 0 && revision == self.next.revision;
            let goes_on = page.next.offset > 0 && revision == page.next.revision;
            self.hand_out(of_revision, !begun_before && !goes_on, woken);
        }
        self.next = page.next;
        page.next.revision <= page.newest
    }

    /// Offers the events of one revision, or some of them, to those whom they concern.
    fn hand_out(&mut self, events: &[Arc<Event>], whole: bool, woken: &mut Vec<Waker>) {
        let mut concerned = std::mem::take(&mut self.concerned);
        for (place, event) in events.iter().enumerate() {
            self.watchers.each_of(event.key(), |number| concerned.push((number, place)));
        }
        // Stable, so each one's events stay in their order.
        concerned.sort_by_key(|(number, _)| *number);
        for of_seat in concerned.chunk_by(|(one, _), (other, _)| one == other) {
            let (number, _) = of_seat.first().expect("a chunk has an event");
            let its_events = of_seat.iter().map(|(_, place)| &events[*place]);
            self.offer(*number, its_events, whole, woken);
        }
        self.events += events.len() as u64;
        concerned.clear();
        self.concerned = concerned;
    }

    fn offer<'a>(
        &mut self,
        number: SeatNumber,
        events: impl Iterator<Item = &'a Arc<Event>>,
        whole: bool,
        woken: &mut Vec<Waker>,
    ) {
        let seat = self.seats.get_mut(&number).expect("whoever watches has a seat");
        self.offers += 1;
        let room = SEATS_BYTES_MAX - self.waiting_bytes;
        match seat.offer(events, whole, room, self.limits.seat_batches_max) {
            Offer::Passed => return,
            Offer::Taken { bytes } => self.waiting_bytes += bytes,
            Offer::FellBehind => self.fallen_behind += 1,
        }
        woken.extend(seat.waker.take());
    }

    /// What comes next is compacted: whoever still needs it will find out.
    fn all_fall_behind(&mut self, woken: &mut Vec<Waker>) {
        for seat in self.seats.values_mut() {
            seat.fall_behind(self.next);
            woken.extend(seat.waker.take());
        }
    }
}
