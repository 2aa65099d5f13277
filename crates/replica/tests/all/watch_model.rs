//! Every watch is an exact replay of what was written, whatever the order of writes, publications,
//! dispatches, readings and compactions.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use replica::{
    Batch, EventFilter, Step, WatchEnd, WatchLimits, WatchRefusal, WatchRequest, Watcher,
};
use store::{Budget, Command, CompactionCause, Event, EventKind, KeyRange, Outcome, Revision};

use crate::watching::{World, delete, put, put_all};

/// What happens next.
#[derive(Clone, Debug)]
enum Act {
    Put(u8),
    Txn(Vec<u8>),
    Delete(u8, u8),
    Publish,
    /// One call, which need not hand out everything.
    Dispatch,
    /// Up to so many steps of a watcher.
    Step(usize, usize),
    Watch(usize, WatchRequest),
    Leave(usize),
    /// So many revisions before the newest.
    Compact(u64),
    Sweep,
}

/// What a revision did, as the writer knows it.
#[derive(Clone, Debug)]
struct Told {
    revision: Revision,
    key: Bytes,
    value: Option<Bytes>,
    prev: Option<Bytes>,
}

struct Model {
    world: World,
    keys: BTreeMap<Bytes, Bytes>,
    /// Everything that ever happened, in order.
    history: Vec<Told>,
    compacted: Revision,
    watching: BTreeMap<usize, Watching>,
    writes: u64,
}

/// One who watches, and how much of the history it has been told.
struct Watching {
    watcher: Watcher,
    request: WatchRequest,
    /// Of the history, the events of its range from its first revision on that were told.
    told: usize,
    is_over: bool,
}

impl Model {
    fn new(limits: WatchLimits) -> Model {
        Model {
            world: limited(limits),
            keys: BTreeMap::new(),
            history: Vec::new(),
            compacted: Revision(0),
            watching: BTreeMap::new(),
            writes: 0,
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Put(number) => self.write(&put(&key(number), &self.value()), vec![number]),
            Act::Txn(numbers) => {
                let value = self.value();
                let items = numbers.iter().map(|&number| (key(number), value.clone()));
                self.write(&put_all(items), numbers.clone());
            }
            Act::Delete(first, last) => self.delete(first, last),
            Act::Publish => self.world.store.publish(),
            Act::Dispatch => drop(self.world.dispatcher.dispatch()),
            Act::Step(who, steps) => (0..steps).for_each(|_| self.step(who)),
            Act::Watch(who, request) => self.watch(who, request),
            Act::Leave(who) => drop(self.watching.remove(&who)),
            Act::Compact(before) => self.compact(before),
            Act::Sweep => drop(self.world.store.sweep(&mut Budget::new(10_000))),
        }
    }

    fn value(&self) -> String {
        format!("value {}", self.writes)
    }

    /// A put, or several at once.
    fn write(&mut self, command: &Command, numbers: Vec<u8>) {
        let value = Bytes::from(self.value());
        self.writes += 1;
        self.world.apply(command);
        let revision = self.world.store.revision();
        for number in numbers {
            let key = Bytes::from(key(number));
            let prev = self.keys.insert(key.clone(), value.clone());
            self.history.push(Told { revision, key, value: Some(value.clone()), prev });
        }
    }

    fn delete(&mut self, first: u8, last: u8) {
        let (start, end) = (Bytes::from(key(first)), Bytes::from(key(last)));
        let range = KeyRange::Between { start: start.clone(), end: end.clone() };
        self.world.apply(&delete(range));
        let revision = self.world.store.revision();
        let gone: Vec<Bytes> =
            self.keys.keys().filter(|k| start <= **k && **k < end).cloned().collect();
        for key in gone {
            let prev = self.keys.remove(&key);
            self.history.push(Told { revision, key, value: None, prev });
        }
    }

    fn compact(&mut self, before: u64) {
        let revision = Revision(self.world.store.revision().0.saturating_sub(before));
        let outcome =
            self.world.apply(&Command::Compact { revision, cause: CompactionCause::Asked });
        if let Outcome::Compacted { compact_revision, .. } = outcome {
            self.compacted = compact_revision;
        }
    }

    fn watch(&mut self, who: usize, request: WatchRequest) {
        match self.world.dispatcher.watch(&request) {
            Ok(watcher) => {
                let request = WatchRequest { from: Some(watcher.from()), ..request };
                let watching = Watching { watcher, request, told: 0, is_over: false };
                self.watching.insert(who, watching);
            }
            Err(WatchRefusal::EmptyRange) => assert!(request.range.is_empty()),
            Err(WatchRefusal::Compacted { requested, compact_revision }) => {
                assert!(request.from == Some(requested) && requested < compact_revision);
                assert!(compact_revision <= self.compacted);
            }
            Err(other) => panic!("refused: {other:?}"),
        }
    }

    fn step(&mut self, who: usize) {
        let published = self.world.reader.published().revision;
        let Some(watching) = self.watching.get_mut(&who) else { return };
        match watching.watcher.step(None) {
            Ok(Step::Batch(batch)) => {
                assert!(!watching.is_over && batch.revision <= published);
                watching.check(&batch, &self.history, self.compacted);
            }
            Ok(Step::Busy | Step::Idle) => assert!(!watching.is_over),
            Err(WatchEnd::Compacted { requested, compact_revision }) => {
                assert!(requested < compact_revision && compact_revision <= self.compacted);
                watching.is_over = true;
            }
            Err(other) => panic!("ended: {other:?}"),
        }
        if let Some(progress) = watching.watcher.progress() {
            assert!(progress <= published, "progress ahead of the store");
            let wanted = watching.wanted(&self.history);
            let next = wanted.get(watching.told).map(|told| told.revision);
            assert!(next.is_none_or(|next| next > progress), "progress ahead of events");
        }
    }

    /// In the end everybody has been told everything, or was cut off.
    fn finish(&mut self) {
        self.world.store.publish();
        let newest = self.world.reader.published().revision;
        for who in self.watching.keys().copied().collect::<Vec<_>>() {
            self.world.dispatch();
            for _ in 0..2_000 {
                self.step(who);
            }
            let watching = &self.watching[&who];
            let wanted = watching.wanted(&self.history).len();
            let from = watching.request.from.unwrap();
            assert!(watching.is_over || watching.told == wanted, "lost");
            if !watching.is_over && from <= newest.next() {
                assert_eq!(watching.watcher.progress(), Some(newest));
            }
        }
    }
}

impl Watching {
    /// All that it is to be told.
    fn wanted<'a>(&self, history: &'a [Told]) -> Vec<&'a Told> {
        let WatchRequest { range, from, filter, .. } = &self.request;
        let is_wanted = |told: &&Told| {
            let kind = if told.value.is_some() { !filter.no_put } else { !filter.no_delete };
            kind && Some(told.revision) >= *from && holds(range, &told.key)
        };
        history.iter().filter(is_wanted).collect()
    }

    fn check(&mut self, batch: &Batch, history: &[Told], compacted: Revision) {
        let wanted = self.wanted(history);
        let rest = wanted.get(self.told..).unwrap_or_default();
        let of_revision: Vec<_> =
            rest.iter().take_while(|told| told.revision == batch.revision).collect();
        assert!(!batch.events.is_empty());
        if batch.goes_on {
            assert!(self.request.in_pieces && batch.events.len() < of_revision.len());
        } else {
            assert_eq!(batch.events.len(), of_revision.len(), "a revision, whole: {batch:?}");
        }
        for (event, told) in batch.events.iter().zip(of_revision) {
            self.check_event(event, told, compacted);
        }
        self.told += batch.events.len();
    }

    fn check_event(&self, event: &Event, told: &Told, compacted: Revision) {
        let value = match &event.kind {
            EventKind::Put(live) => {
                assert_eq!(live.mod_revision, told.revision);
                Some(&live.value)
            }
            EventKind::Delete { .. } => None,
        };
        assert_eq!((event.revision, event.key()), (told.revision, &told.key));
        assert_eq!(value, told.value.as_ref());
        let prev = event.prev.as_ref().map(|prev| &prev.value);
        if !self.request.prev_kv {
            assert_eq!(prev, None);
        } else if told.revision > compacted.next() {
            assert_eq!(prev, told.prev.as_ref());
        } else {
            // It may have been compacted when the event was read.
            assert!(prev.is_none() || prev == told.prev.as_ref());
        }
    }
}

fn holds(range: &KeyRange, key: &Bytes) -> bool {
    match range {
        KeyRange::Single(single) => key == single,
        KeyRange::Prefix(prefix) => key.starts_with(prefix),
        KeyRange::From(start) => key >= start,
        KeyRange::Between { start, end } => start <= key && key < end,
    }
}

fn key(number: u8) -> String {
    format!("k{number:02}")
}

fn range() -> impl Strategy<Value = KeyRange> {
    let of = |number: u8| Bytes::from(key(number));
    prop_oneof![
        (0u8..30).prop_map(move |number| KeyRange::Single(of(number))),
        (0u8..3).prop_map(|tens| KeyRange::Prefix(format!("k{tens}").into())),
        (0u8..30).prop_map(move |number| KeyRange::From(of(number))),
        (0u8..30, 0u8..30)
            .prop_map(move |(start, end)| KeyRange::Between { start: of(start), end: of(end) }),
        Just(KeyRange::all()),
    ]
}

fn request() -> impl Strategy<Value = WatchRequest> {
    let from = prop::option::of((1u64..300).prop_map(Revision));
    let filter = (prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    let filter = filter.prop_map(|(no_put, no_delete)| EventFilter { no_put, no_delete });
    let flags = (any::<bool>(), any::<bool>());
    (range(), from, flags, filter).prop_map(|(range, from, (prev_kv, in_pieces), filter)| {
        WatchRequest { from, prev_kv, in_pieces, filter, ..WatchRequest::new(range) }
    })
}

/// As they are, or so small that every bound is met all the time.
fn limits() -> impl Strategy<Value = WatchLimits> {
    let small = (1usize..4, 1usize..6, 1usize..6, 1usize..4);
    let small = small.prop_map(|(seat, dispatch, read, piece)| WatchLimits {
        seat_batches_max: seat,
        dispatch_events_max: dispatch,
        read_events_max: read,
        piece_events_max: piece,
    });
    prop_oneof![1 => Just(WatchLimits::default()), 3 => small]
}

fn limited(limits: WatchLimits) -> World {
    let world = World::new();
    world.dispatcher.set_limits(limits);
    world
}

fn act() -> impl Strategy<Value = Act> {
    let number = || 0u8..30;
    let who = || 0usize..6;
    let numbers = prop::collection::btree_set(number(), 1..8);
    prop_oneof![
        12 => number().prop_map(Act::Put),
        3 => numbers.prop_map(|numbers| Act::Txn(numbers.into_iter().rev().collect())),
        3 => (number(), number()).prop_map(|(first, last)| Act::Delete(first, last)),
        8 => Just(Act::Publish),
        8 => Just(Act::Dispatch),
        10 => (who(), 1usize..12).prop_map(|(who, steps)| Act::Step(who, steps)),
        3 => (who(), request()).prop_map(|(who, request)| Act::Watch(who, request)),
        1 => who().prop_map(Act::Leave),
        1 => (0u64..40).prop_map(Act::Compact),
        2 => Just(Act::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_watch_is_an_exact_replay(
        limits in limits(),
        acts in prop::collection::vec(act(), 1..500),
    ) {
        let mut model = Model::new(limits);
        for act in acts {
            model.act(act);
        }
        model.finish();
    }
}
