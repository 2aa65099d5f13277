//! What the dispatcher holds for one watcher: a few batches, and where it stands.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use store::{Event, EventPosition, Revision};

use super::batch::Batch;
use super::request::{EventFilter, WatchEnd, WatchRequest};

/// Bytes of keys and values that wait for one watcher.
const SEAT_BYTES_MAX: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Seat {
    filter: EventFilter,
    pub(super) prev_kv: bool,
    pub(super) needs_leader: bool,
    /// At most a few, of [`SEAT_BYTES_MAX`] together; of ascending revisions.
    buffer: VecDeque<Batch>,
    buffered_bytes: usize,
    pub(super) course: Course,
    pub(super) end: Option<WatchEnd>,
    /// Whom to tell when there is something to take.
    pub(super) waker: Option<Waker>,
}

/// Who brings a watcher its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// The dispatcher, those of `floor` and later revisions.
    InStep { floor: Revision },
    /// It reads them from the log, from here on once it has taken what is in its seat. Nothing
    /// before concerns it but that.
    Behind { from: EventPosition },
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// It concerned nobody here.
    Passed,
    /// It waits to be taken; so many bytes more wait now.
    Taken { bytes: usize },
    /// There was no room, or it was not whole: the watcher has to read it for itself.
    FellBehind,
}

impl Seat {
    /// Of a watcher that is yet to read what there is from `from` on.
    pub(super) fn new(request: &WatchRequest, from: Revision) -> Seat {
        Seat {
            filter: request.filter,
            prev_kv: request.prev_kv,
            needs_leader: request.needs_leader,
            buffer: VecDeque::new(),
            buffered_bytes: 0,
            course: Course::Behind { from: from.into() },
            end: None,
            waker: None,
        }
    }

    /// Events of one revision that are in its range: all of them if they are `whole`. There is
    /// `room` for so many bytes in all seats together, and for so many batches in this one.
    pub(super) fn offer<'a>(
        &mut self,
        events: impl Iterator<Item = &'a Arc<Event>>,
        whole: bool,
        room: usize,
        batches_max: usize,
    ) -> Offer {
        let Course::InStep { floor } = self.course else { return Offer::Passed };
        let is_wanted = |event: &&Arc<Event>| event.revision >= floor && self.filter.admits(event);
        let mut wanted = events.filter(is_wanted);
        let Some(first) = wanted.next() else { return Offer::Passed };
        let mut batch = Batch::new(Arc::clone(first));
        batch.events.extend(wanted.cloned());
        let bytes = batch.told_bytes();
        let fits = self.buffer.len() < batches_max
            && self.buffered_bytes + bytes <= SEAT_BYTES_MAX
            && bytes <= room;
        if !whole || !fits {
            self.course = Course::Behind { from: batch.revision.into() };
            return Offer::FellBehind;
        }
        self.buffer.push_back(batch);
        self.buffered_bytes += bytes;
        Offer::Taken { bytes }
    }

    /// The next batch that waits, and its bytes.
    pub(super) fn take(&mut self) -> Option<(Batch, usize)> {
        let batch = self.buffer.pop_front()?;
        let bytes = batch.told_bytes();
        self.buffered_bytes -= bytes;
        Some((batch, bytes))
    }

    /// From `next` on the watcher has to read for itself.
    pub(super) fn fall_behind(&mut self, next: EventPosition) {
        if let Course::InStep { floor } = self.course {
            self.course = Course::Behind { from: next.max(floor.into()) };
        }
    }

    /// Nothing more is told; the first reason stays. Answers how many bytes wait no longer.
    pub(super) fn end(&mut self, end: WatchEnd) -> usize {
        self.end.get_or_insert(end);
        self.buffer = VecDeque::new();
        std::mem::take(&mut self.buffered_bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }
}
