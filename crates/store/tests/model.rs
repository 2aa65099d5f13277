//! Random commands against a model so simple that it is plainly right: it keeps every version of
//! every key in a list and answers by walking over all of them.

mod support;

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use store::{
    Apply, Budget, Command, KeyRange, KeyValue, LogEntry, Outcome, RangeRequest, RangeResponse,
    Revision, Store,
};
use support::{apply, entry, everything, hash_of};

/// What happens to the store.
#[derive(Clone, Debug)]
enum Step {
    Put {
        key: Bytes,
        value: Bytes,
        prev_kv: bool,
    },
    /// Many keys in a row, so that leaves fill and split.
    Fill {
        prefix: Bytes,
        count: u8,
    },
    Delete {
        range: KeyRange,
        prev_kv: bool,
    },
    Noop,
}

/// Few different bytes, so that keys meet, and the lowest and the highest among them.
fn key() -> impl Strategy<Value = Bytes> {
    let byte = prop::sample::select(vec![0, b'a', b'b', 0xff]);
    prop::collection::vec(byte, 1..5).prop_map(Bytes::from)
}

fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        key().prop_map(KeyRange::Single),
        key().prop_map(KeyRange::Prefix),
        key().prop_map(KeyRange::From),
        (key(), key()).prop_map(|(start, end)| KeyRange::Between { start, end }),
        Just(KeyRange::all()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop::collection::vec(any::<u8>(), 0..4).prop_map(Bytes::from);
    prop_oneof![
        12 => (key(), value, any::<bool>())
            .prop_map(|(key, value, prev_kv)| Step::Put { key, value, prev_kv }),
        2 => (key(), any::<u8>()).prop_map(|(prefix, count)| Step::Fill { prefix, count }),
        4 => (range(), any::<bool>())
            .prop_map(|(range, prev_kv)| Step::Delete { range, prev_kv }),
        1 => Just(Step::Noop),
    ]
}

/// The log that the steps make; `None` is an entry without a command.
fn log(steps: Vec<Step>) -> Vec<Option<Command>> {
    let commands = |step| match step {
        Step::Put { key, value, prev_kv } => vec![Some(Command::Put { key, value, prev_kv })],
        Step::Fill { prefix, count } => (0..count)
            .map(|number| [prefix.as_ref(), &[number]].concat().into())
            .map(|key| Some(Command::Put { key, value: "fill".into(), prev_kv: false }))
            .collect(),
        Step::Delete { range, prev_kv } => vec![Some(Command::Delete { range, prev_kv })],
        Step::Noop => vec![None],
    };
    steps.into_iter().flat_map(commands).collect()
}

fn logs() -> impl Strategy<Value = Vec<Option<Command>>> {
    prop::collection::vec(step(), 1..60).prop_map(log)
}

fn requests() -> impl Strategy<Value = Vec<(RangeRequest, prop::sample::Index)>> {
    let request = (range(), prop::option::of(0..20usize), any::<bool>(), any::<bool>());
    let request = request.prop_map(|(range, limit, keys_only, count_only)| RangeRequest {
        range,
        limit,
        at: None,
        keys_only,
        count_only,
    });
    prop::collection::vec((request, any::<prop::sample::Index>()), 30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Outcomes, every revision's state, and ranges of every kind at any of them.
    #[test]
    fn the_store_answers_as_the_model(log in logs(), requests in requests()) {
        let (mut store, mut model) = (Store::new(), Model::default());
        for (index, command) in (1..).zip(&log) {
            let outcome = apply(&mut store, &entry(index, command.as_ref()));
            prop_assert_eq!(outcome, model.apply(command.as_ref()));
        }
        store.publish();
        let reader = store.reader();
        prop_assert_eq!(reader.published().revision, model.revision());
        for number in 1..=model.revision().0 {
            let at = Revision(number);
            prop_assert_eq!(everything(&reader, Some(at)), model.live_at(at));
        }
        for (mut request, at) in requests {
            let at = Revision(1 + at.index(model.revision().0 as usize) as u64);
            request.at = Some(at);
            let response = reader.range(&request).expect("the revision is kept");
            prop_assert_eq!(response, model.range(&request, at));
        }
        for (key, versions) in &model.keys {
            for (revision, left) in versions {
                let read = reader.get(key, Some(*revision));
                prop_assert_eq!(read, Ok((left.clone(), *revision)));
            }
        }
    }

    /// Replicas whose turns were cut otherwise are equal after each entry, in hash and outcome;
    /// between turns nothing can be seen, even if the store is published there.
    #[test]
    fn turns_change_nothing(log in logs(), units in 1u64..8_000) {
        let (mut whole, mut cut) = (Store::new(), Store::new());
        for (index, command) in (1..).zip(&log) {
            let entry = entry(index, command.as_ref());
            let outcome = apply(&mut whole, &entry);
            prop_assert_eq!(apply_in_turns(&mut cut, &entry, units)?, outcome);
            prop_assert_eq!(cut.state_hash(), whole.state_hash());
        }
        whole.publish();
        cut.publish();
        prop_assert_eq!(cut.reader().published(), whole.reader().published());
        prop_assert_eq!(everything(&cut.reader(), None), everything(&whole.reader(), None));
    }

    /// What is kept up to date write by write equals what its definition gives from scratch.
    #[test]
    fn sums_are_those_of_the_live_keys(log in logs()) {
        let mut store = Store::new();
        for (index, command) in (1..).zip(&log) {
            apply(&mut store, &entry(index, command.as_ref()));
        }
        store.publish();
        let published = store.reader().published();
        let live = everything(&store.reader(), None);
        let bytes = live.iter().map(|live| live.key.len() + live.value.len()).sum::<usize>();
        prop_assert_eq!(published.keys, live.len() as u64);
        prop_assert_eq!(published.live_bytes, bytes as u64);
        prop_assert_eq!(published.state_hash, hash_of(&live, published.revision));
    }
}

fn apply_in_turns(
    store: &mut Store,
    entry: &LogEntry,
    units: u64,
) -> Result<Outcome, TestCaseError> {
    store.publish();
    let before = (store.reader().published(), everything(&store.reader(), None));
    loop {
        match store.apply(entry, &mut Budget::new(units)).expect("the command is known") {
            Apply::Done(outcome) => return Ok(outcome),
            Apply::Unfinished => {
                store.publish();
                let now = (store.reader().published(), everything(&store.reader(), None));
                prop_assert_eq!(&now, &before);
            }
        }
    }
}

/// Every version of every key, oldest first; `None` is a delete.
#[derive(Default)]
struct Model {
    writes: u64,
    keys: BTreeMap<Bytes, Vec<(Revision, Option<KeyValue>)>>,
}

impl Model {
    fn apply(&mut self, command: Option<&Command>) -> Outcome {
        match command {
            None => Outcome::Nothing,
            Some(Command::Put { key, value, prev_kv }) => {
                let prev = self.put(key, value);
                Outcome::Put { revision: self.revision(), prev: prev.filter(|_| *prev_kv) }
            }
            Some(Command::Delete { range, prev_kv }) => {
                let prev = self.delete(range);
                let (revision, count) = (self.revision(), prev.len() as u64);
                let prev = if *prev_kv { prev } else { Vec::new() };
                Outcome::Deleted { revision, count, prev }
            }
        }
    }

    fn put(&mut self, key: &Bytes, value: &Bytes) -> Option<KeyValue> {
        let prev = self.keys.get(key).and_then(|versions| versions.last()?.1.clone());
        self.writes += 1;
        let revision = self.revision();
        let written = KeyValue {
            key: key.clone(),
            value: value.clone(),
            create_revision: prev.as_ref().map_or(revision, |prev| prev.create_revision),
            mod_revision: revision,
            version: prev.as_ref().map_or(1, |prev| prev.version + 1),
        };
        self.keys.entry(key.clone()).or_default().push((revision, Some(written)));
        prev
    }

    fn delete(&mut self, range: &KeyRange) -> Vec<KeyValue> {
        let mut gone = self.live_at(self.revision());
        gone.retain(|live| contains(range, &live.key));
        self.writes += u64::from(!gone.is_empty());
        let revision = self.revision();
        for live in &gone {
            self.keys.entry(live.key.clone()).or_default().push((revision, None));
        }
        gone
    }

    fn revision(&self) -> Revision {
        Revision(1 + self.writes)
    }

    fn live_at(&self, at: Revision) -> Vec<KeyValue> {
        let visible = |versions: &Vec<(Revision, Option<KeyValue>)>| {
            versions.iter().rev().find(|(revision, _)| *revision <= at)?.1.clone()
        };
        self.keys.values().filter_map(visible).collect()
    }

    fn range(&self, request: &RangeRequest, revision: Revision) -> RangeResponse {
        let mut items = self.live_at(revision);
        items.retain(|live| contains(&request.range, &live.key));
        let count = items.len();
        items.truncate(request.limit.unwrap_or(usize::MAX));
        let more = !request.count_only && items.len() < count;
        if request.count_only {
            items.clear();
        }
        if request.keys_only {
            items.iter_mut().for_each(|item| item.value = Bytes::new());
        }
        RangeResponse { items, more, count: count as u64, revision }
    }
}

fn contains(range: &KeyRange, key: &Bytes) -> bool {
    match range {
        KeyRange::Single(only) => key == only,
        KeyRange::Prefix(prefix) => key.starts_with(prefix),
        KeyRange::From(start) => key >= start,
        KeyRange::Between { start, end } => start <= key && key < end,
    }
}
