//! The watcher's own side: it takes what the dispatcher holds for it, or reads the log for itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use store::{Event, EventPosition, Events, EventsRequest, ReadError, Reader, Revision};

use super::batch::Batch;
use super::dispatcher::{Dispatcher, SeatNumber};
use super::limits::WatchLimits;
use super::request::{WatchEnd, WatchRequest};
use super::seat::Course;

/// A watcher reads a little more than so many bytes of keys and values at once from the log.
const READ_BYTES_MAX: usize = 256 << 10;

/// A piece of a revision ends once it tells so many bytes of keys and values.
const PIECE_BYTES: usize = 256 << 10;

/// Where a watcher stands with the dispatcher.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) seat: SeatNumber,
    pub(super) limits: WatchLimits,
}

/// One who watches. Dropping it ends the watch.
#[derive(Debug)]
pub struct Watcher {
    dispatcher: Arc<Dispatcher>,
    reader: Reader,
    seat: SeatNumber,
    limits: WatchLimits,
    request: WatchRequest,
    from: Revision,
    opened_at: Revision,
    /// Everything before it that is wanted was told, or is in `ready`, `begun` or the seat.
    next: EventPosition,
    /// Read from the log, and not told yet.
    ready: VecDeque<Batch>,
    /// The revision that the last reading ended in.
    begun: Option<Begun>,
}

/// A batch that may grow.
#[derive(Debug)]
struct Begun {
    batch: Batch,
    told_bytes: usize,
}

/// What a watcher came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something has happened.
    Batch(Batch),
    /// Nothing yet; there is more to look at, so another step is to follow soon.
    Busy,
    /// Nothing, until the waker is woken.
    Idle,
}

impl Watcher {
    pub(super) fn new(
        dispatcher: Arc<Dispatcher>,
        reader: Reader,
        Place { seat, limits }: Place,
        request: &WatchRequest,
        (from, opened_at): (Revision, Revision),
    ) -> Watcher {
        Watcher {
            dispatcher,
            reader,
            seat,
            limits,
            request: request.clone(),
            from,
            opened_at,
            next: from.into(),
            ready: VecDeque::new(),
            begun: None,
        }
    }

    /// The first revision that it is told of.
    pub fn from(&self) -> Revision {
        self.from
    }

    /// The newest revision when it began.
    pub fn opened_at(&self) -> Revision {
        self.opened_at
    }

    /// The next thing there is to tell. After an end there is nothing but that.
    pub fn step(&mut self, waker: Option<&Waker>) -> Result<Step, WatchEnd> {
        let mut hall = self.dispatcher.hall();
        let dispatched = hall.next;
        let seat = hall.seats.get_mut(&self.seat).expect("a watcher has a seat");
        if let Some(end) = seat.end {
            return Err(end);
        }
        if let Some(batch) = self.ready.pop_front() {
            return Ok(Step::Batch(batch));
        }
        if seat.is_empty() {
            match seat.course {
                Course::Behind { from } => {
                    self.next = self.next.max(from);
                    drop(hall);
                    return self.read_on();
                }
                Course::InStep { .. } => {
                    self.next = self.next.max(dispatched);
                    seat.waker = waker.cloned();
                    return Ok(Step::Idle);
                }
            }
        }
        let batch = hall.take(self.seat).expect("the seat is not empty");
        self.next = batch.revision.next().into();
        let batch = if self.request.prev_kv { batch } else { batch.without_prev() };
        Ok(Step::Batch(batch))
    }

    /// The newest revision of which it can be said that all up to it was told; none if something
    /// waits to be told, or if that is before the first revision that is wanted.
    pub fn progress(&self) -> Option<Revision> {
        let mut hall = self.dispatcher.hall();
        let dispatched = hall.next;
        let seat = hall.seats.get_mut(&self.seat).expect("a watcher has a seat");
        let is_empty = seat.is_empty() && self.ready.is_empty() && self.begun.is_none();
        if !is_empty || seat.end.is_some() {
            return None;
        }
        let next = match seat.course {
            Course::InStep { .. } => self.next.max(dispatched),
            Course::Behind { .. } => self.next,
        };
        let told = Revision(next.revision.0.checked_sub(1)?);
        let published = self.reader.published().revision;
        (Revision::FIRST..=published).contains(&told).then_some(told)
    }

    /// Reads some of the log; in step again if that was all there is.
    fn read_on(&mut self) -> Result<Step, WatchEnd> {
        let request = EventsRequest {
            from: self.next,
            range: self.request.range.clone(),
            prev_kv: self.request.prev_kv,
            events_max: self.limits.read_events_max,
            told_bytes_max: READ_BYTES_MAX,
        };
        let read = self.reader.events(&request);
        let mut hall = self.dispatcher.hall();
        let dispatched = hall.next;
        let seat = hall.seats.get_mut(&self.seat).expect("a watcher has a seat");
        // What was read may be of a state that took the place of the one that was watched.
        if let Some(end) = seat.end {
            return Err(end);
        }
        let page = match read {
            Ok(page) => page,
            Err(error) => {
                let end = ended_by(error);
                hall.end_one(self.seat, end);
                return Err(end);
            }
        };
        let is_all = page.next.revision > page.newest;
        if is_all && page.next >= dispatched {
            seat.course = Course::InStep { floor: page.next.revision };
        }
        drop(hall);
        self.sort(page);
        Ok(self.ready.pop_front().map_or(Step::Busy, Step::Batch))
    }

    /// Makes batches of what was read.
    fn sort(&mut self, page: Events) {
        let filter = self.request.filter;
        for event in page.events.into_iter().filter(|event| filter.admits(event)) {
            self.add(Arc::new(event));
        }
        self.next = page.next;
        let is_whole = |begun: &mut Begun| begun.batch.revision < page.next.revision;
        self.ready.extend(self.begun.take_if(is_whole).map(|begun| begun.batch));
    }

    /// A piece is known not to be the last of its revision only when another event is there.
    fn add(&mut self, event: Arc<Event>) {
        let Some(begun) = &mut self.begun else {
            self.begun = Some(Begun::new(event));
            return;
        };
        let same = begun.batch.revision == event.revision;
        let full = begun.batch.events.len() >= self.limits.piece_events_max
            || begun.told_bytes >= PIECE_BYTES;
        if same && !(self.request.in_pieces && full) {
            begun.add(event);
            return;
        }
        begun.batch.goes_on = same;
        let over = self.begun.replace(Begun::new(event));
        self.ready.extend(over.map(|begun| begun.batch));
    }
}

impl Begun {
    fn new(first: Arc<Event>) -> Begun {
        Begun { told_bytes: first.told_bytes(), batch: Batch::new(first) }
    }

    fn add(&mut self, event: Arc<Event>) {
        self.told_bytes += event.told_bytes();
        self.batch.events.push(event);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.dispatcher.leave(self.seat);
    }
}

fn ended_by(error: ReadError) -> WatchEnd {
    match error {
        ReadError::Compacted { requested, oldest } => {
            WatchEnd::Compacted { requested, compact_revision: oldest }
        }
        ReadError::FutureRevision { .. } => panic!("events of the future are waited for"),
    }
}
