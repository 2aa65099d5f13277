//! Events for readers: what each revision did, in order, from any revision that is kept.

use bytes::Bytes;

use crate::events::Mark;
use crate::key_range::{KeyRange, Span};
use crate::read::{ReadError, Reader, View};
use crate::types::{KeyValue, Revision};
use crate::version::{Versions, With};

/// So many events are looked at in one call, whether they are wanted or not.
const SCAN_EVENTS_MAX: usize = 10_000;

/// A place in the order of all events: before this revision's event of that number, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventPosition {
    /// The revision.
    pub revision: Revision,
    /// How many of its events come before the place.
    pub offset: u64,
}

impl From<Revision> for EventPosition {
    /// Before all that the revision did.
    fn from(revision: Revision) -> EventPosition {
        EventPosition { revision, offset: 0 }
    }
}

/// Which events to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsRequest {
    /// From here on. A revision that is not there yet is no error.
    pub from: EventPosition,
    /// Of which keys.
    pub range: KeyRange,
    /// Whether events tell what their keys were before.
    pub prev_kv: bool,
    /// At most so many events.
    pub events_max: usize,
    /// No further event once so many bytes of keys and values are told.
    pub told_bytes_max: usize,
}

/// Some events in their order, and where the next ones are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// The events.
    pub events: Vec<Event>,
    /// Where to go on. Everything before it that was asked for has been told; an offset other than
    /// 0 says that the last revision was cut.
    pub next: EventPosition,
    /// The newest revision that was there to be read: `next` is after it once all are told.
    pub newest: Revision,
}

/// What happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// In which revision.
    pub revision: Revision,
    /// The leader's wall clock in that revision's entry, ms since 1970.
    pub stamp_ms: u64,
    /// What.
    pub kind: EventKind,
    /// What the key was before, if that was asked for and is kept, and it existed.
    pub prev: Option<KeyValue>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A key got a value; with version 1 it is new.
    Put(KeyValue),
    /// A key was removed.
    Delete {
        /// Which one.
        key: Bytes,
    },
}

/// No revision of that time is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeforeHistory {
    /// The oldest revision that can be read.
    pub oldest: Revision,
}

impl Reader {
    /// The next events of a range of keys. Looks at a bounded number of them, so the answer may
    /// hold none while [`Events::next`] has gone on.
    pub fn events(&self, request: &EventsRequest) -> Result<Events, ReadError> {
        self.stable(|view| {
            let oldest = view.published.compact_revision;
            let requested = request.from.revision;
            if requested < oldest {
                return Err(ReadError::Compacted { requested, oldest });
            }
            Ok(Scan::new(request, view).run())
        })
    }

    /// The leader's wall clock at the oldest revision that can be read, ms since 1970; none while
    /// nothing was written after it, or nothing at all.
    pub fn oldest_stamp_ms(&self) -> Option<u64> {
        let found = self.stable(|view| {
            let oldest = view.published.compact_revision;
            Ok::<_, ReadError>(view.tree.events.first_mark(oldest).map(|mark| mark.stamp_ms))
        });
        found.expect("a time is looked up without a refusal")
    }

    /// The revision that was the newest at a time: the last one whose entry's stamp is at most
    /// `stamp_ms`, of those that can be read.
    pub fn revision_at(&self, stamp_ms: u64) -> Result<Revision, BeforeHistory> {
        let found = self.stable(|view| {
            let kept = view.published.kept();
            let found = view.tree.events.revision_at(stamp_ms, kept.newest);
            let compacted = kept.compact_revision > Revision(0);
            // Before the first write the store was empty, which is a revision too.
            let found = found.or((!compacted).then_some(Revision::FIRST));
            let oldest = kept.compact_revision.max(Revision::FIRST);
            Ok::<_, ReadError>(
                found.filter(|found| *found >= oldest).ok_or(BeforeHistory { oldest }),
            )
        });
        found.expect("a time is looked up without a refusal")
    }
}

/// A reading of events under way.
struct Scan<'a> {
    request: &'a EventsRequest,
    view: &'a View,
    span: Span,
    next: EventPosition,
    events: Vec<Event>,
    told_bytes: usize,
    seen: usize,
}

impl<'a> Scan<'a> {
    fn new(request: &'a EventsRequest, view: &'a View) -> Scan<'a> {
        let span = request.range.span();
        let next = request.from;
        Scan { request, view, span, next, events: Vec::new(), told_bytes: 0, seen: 0 }
    }

    fn run(mut self) -> Events {
        let newest = self.view.published.revision;
        let log = &self.view.tree.events;
        let mut number = log.chunk_of(self.next);
        while let Some(chunk) = log.chunk(number) {
            for event in chunk.events(0) {
                if event.mark.revision > newest {
                    return self.finish(newest);
                }
                let at = EventPosition { revision: event.mark.revision, offset: event.offset };
                if at < self.next {
                    continue;
                }
                if self.is_full() {
                    return Events { events: self.events, next: at, newest };
                }
                self.seen += 1;
                self.next = EventPosition { offset: at.offset + 1, ..at };
                self.take(event.mark, event.key);
            }
            number += 1;
        }
        self.finish(newest)
    }

    fn finish(mut self, newest: Revision) -> Events {
        self.next = self.next.max(newest.next().into());
        Events { events: self.events, next: self.next, newest }
    }

    fn is_full(&self) -> bool {
        self.events.len() >= self.request.events_max
            || self.told_bytes >= self.request.told_bytes_max
            || self.seen >= SCAN_EVENTS_MAX
    }

    fn take(&mut self, mark: Mark, key: &[u8]) {
        if !(self.span.start <= *key && self.span.reaches(key)) {
            return;
        }
        let oldest = self.view.published.compact_revision;
        let before = Revision(mark.revision.0 - 1);
        let with_prev = self.request.prev_kv && before >= oldest;
        let event = self.view.tree.look_versions(key, |versions: &Versions| Event {
            revision: mark.revision,
            stamp_ms: mark.stamp_ms,
            kind: match versions.live_at(mark.revision) {
                Some(live) => {
                    EventKind::Put(live.with_key(Bytes::copy_from_slice(key), With::Value))
                }
                None => EventKind::Delete { key: Bytes::copy_from_slice(key) },
            },
            prev: with_prev
                .then(|| versions.live_at(before)?.key_value(key, With::Value))
                .flatten(),
        });
        // A key that is gone was swept away meanwhile, and then this reading is made again.
        let Some(event) = event else { return };
        self.told_bytes += event.told_bytes();
        self.events.push(event);
    }
}

impl Event {
    /// Of which key.
    pub fn key(&self) -> &Bytes {
        match &self.kind {
            EventKind::Put(live) => &live.key,
            EventKind::Delete { key } => key,
        }
    }

    /// How much it tells: the bytes of keys and values, those before it included.
    pub fn told_bytes(&self) -> usize {
        let told = match &self.kind {
            EventKind::Put(live) => live.told_bytes(),
            EventKind::Delete { key } => key.len(),
        };
        told + self.prev.as_ref().map_or(0, KeyValue::told_bytes)
    }
}
