//! Random commands against a model so simple that it is plainly right: it keeps every version of
//! every key in a list and answers by walking over all of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use store::{
    Apply, Budget, EventKind, EventsRequest, Grant, HistoryRequest, KeyRange, KeyValue, LogEntry,
    Outcome, RangeRequest, Reader, Revision, Store, Txn,
};

use crate::support::leases::{Granted, Leases};
use crate::support::logs::{logs, plain_logs, request, txn};
use crate::support::model::Model;
use crate::support::{LIMITS, apply, entry, everything, hash_of, lease_item};

fn requests() -> impl Strategy<Value = Vec<(RangeRequest, prop::sample::Index)>> {
    prop::collection::vec((request(), any::<prop::sample::Index>()), 30)
}

/// So many logs a property, of some fifty commands each, where `PROPTEST_CASES` asks for no other
/// number.
const CASES: u32 = 60;

fn config() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(CASES),
    }
}

proptest! {
    #![proptest_config(config())]

    /// Outcomes, every revision's state, and ranges of every kind at any of them.
    #[test]
    fn the_store_answers_as_the_model(
        log in logs(),
        requests in requests(),
        txns in prop::collection::vec(txn(), 10),
        events_max in 1usize..20,
    ) {
        let (mut store, mut model) = (Store::with_limits(LIMITS), Model::default());
        for (index, command) in (1..).zip(&log) {
            let entry = entry(index, command.as_ref());
            let expected = model.apply(&entry, command.as_ref());
            let outcome = apply(&mut store, &entry);
            if let Outcome::Checked { state_hash } = outcome {
                prop_assert_eq!(state_hash, store.state_hash());
            } else {
                prop_assert_eq!(outcome, expected);
            }
        }
        store.publish();
        let reader = store.reader();
        let published = reader.published();
        prop_assert_eq!(published.revision, model.revision());
        prop_assert_eq!(published.sessions, model.once.sessions.len() as u64);
        prop_assert_eq!(published.once_keys, model.once.keys.len() as u64);
        check_leases(&store, &reader, &model)?;
        while !store.sweep(&mut Budget::new(10_000)) {}
        let oldest = model.compacted.0.max(1);
        if let Some(before) = oldest.checked_sub(1).filter(|_| model.compacted.0 > 0) {
            let refused = reader.get(b"a", Some(Revision(before)));
            prop_assert!(refused.is_err(), "what was given up is not read");
        }
        check_events(&reader, &model, events_max)?;
        check_history(&reader, &model, events_max)?;
        for number in oldest..=model.revision().0 {
            let at = Revision(number);
            prop_assert_eq!(everything(&reader, Some(at)), model.live_at(at));
        }
        for (mut request, at) in requests {
            let at = Revision(oldest + at.index((model.revision().0 + 1 - oldest) as usize) as u64);
            request.at = Some(at);
            let response = reader.range(&request).expect("the revision is kept");
            prop_assert_eq!(response, model.range(&request, at));
        }
        for txn in txns.into_iter().filter(Txn::is_read_only) {
            prop_assert_eq!(reader.txn(&txn), model.read_txn(&txn));
        }
        for (key, versions) in &model.keys {
            let kept = versions.iter().filter(|(revision, _)| revision.0 >= oldest);
            for (revision, left) in kept {
                let read = reader.get(key, Some(*revision));
                prop_assert_eq!(read, Ok((left.clone(), *revision)));
            }
        }
    }

    /// Replicas whose turns were cut otherwise are equal after each entry, in hash and outcome;
    /// between turns nothing can be seen, even if the store is published there.
    #[test]
    fn turns_change_nothing(log in logs(), units in 1u64..8_000) {
        let (mut whole, mut cut) = (Store::with_limits(LIMITS), Store::with_limits(LIMITS));
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
    fn sums_are_those_of_the_live_keys(log in plain_logs()) {
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
        let leases = store.leases_after(None).map(lease_item).fold(0, u64::wrapping_add);
        let expected = hash_of(&live, published.revision).wrapping_add(leases);
        prop_assert_eq!(published.state_hash, expected);
    }
}

/// The leases with their keys, and what is due at the end and later.
fn check_leases(store: &Store, reader: &Reader, model: &Model) -> Result<(), TestCaseError> {
    let leases = reader.leases(None, usize::MAX);
    let granted = leases.iter().map(|lease| {
        let Grant { lease: id, index } = lease.grant();
        (id, Granted { ttl_s: lease.ttl_s(), index, age_ms: lease.granted_age_ms() })
    });
    prop_assert_eq!(granted.collect::<Leases>(), model.leases.clone());
    prop_assert_eq!(reader.published().leases, model.leases.len() as u64);
    for lease in leases {
        let keys: Vec<Bytes> = lease.keys().cloned().collect();
        prop_assert_eq!(keys, model.keys_of(lease.id()));
    }
    let now_ms = reader.published().age_ms;
    for age_ms in [now_ms, now_ms + 1_500, u64::MAX] {
        let mut due = Vec::new();
        store.due_keys(age_ms, |key, revision| {
            due.push((Bytes::copy_from_slice(key), revision));
            true
        });
        prop_assert_eq!(due, model.due(age_ms));
    }
    prop_assert_eq!(reader.published().ttl_keys, model.due(u64::MAX).len() as u64);
    Ok(())
}

/// Events in pages of so many, from the oldest that is kept on, with what was before.
fn check_events(reader: &Reader, model: &Model, events_max: usize) -> Result<(), TestCaseError> {
    let mut request = EventsRequest {
        from: model.compacted.into(),
        range: KeyRange::all(),
        prev_kv: true,
        events_max,
        told_bytes_max: usize::MAX,
    };
    let kept = model.events.iter().filter(|(revision, _)| *revision >= model.compacted);
    let mut kept = kept.peekable();
    while kept.peek().is_some() {
        let page = reader.events(&request).expect("nothing is asked for that is given up");
        prop_assert!(!page.events.is_empty() && page.events.len() <= events_max);
        for event in page.events {
            let (revision, key) = kept.next().expect("no more events than there were");
            prop_assert_eq!(event.revision, *revision);
            let kind = match model.left(key, *revision) {
                Some(live) => EventKind::Put(live),
                None => EventKind::Delete { key: key.clone() },
            };
            prop_assert_eq!(event.kind, kind);
            let before = Revision(revision.0 - 1);
            let prev = model.left(key, before).filter(|_| before >= model.compacted);
            prop_assert_eq!(event.prev, prev);
        }
        request.from = page.next;
    }
    let rest = reader.events(&request).expect("the future is no error").events;
    prop_assert_eq!(rest, vec![]);
    Ok(())
}

/// The past of each key in pages of so many versions, with the times that events tell too.
fn check_history(reader: &Reader, model: &Model, versions_max: usize) -> Result<(), TestCaseError> {
    let request = EventsRequest {
        from: model.compacted.into(),
        range: KeyRange::all(),
        prev_kv: false,
        events_max: usize::MAX,
        told_bytes_max: usize::MAX,
    };
    let events = reader.events(&request).expect("nothing is asked for that is given up").events;
    let times: BTreeMap<Revision, u64> =
        events.into_iter().map(|event| (event.revision, event.stamp_ms)).collect();
    for (key, versions) in &model.keys {
        let shown = versions.partition_point(|(revision, _)| *revision <= model.compacted);
        // Of what was written by then one is kept, if it shows something or was written just then.
        let is_kept = |(revision, left): &(Revision, Option<KeyValue>)| {
            left.is_some() || *revision == model.compacted
        };
        let first = shown - usize::from(shown > 0 && is_kept(&versions[shown - 1]));
        let (mut request, mut found) = (
            HistoryRequest {
                key: key.clone(),
                before: None,
                versions_max,
                told_bytes_max: usize::MAX,
            },
            Vec::new(),
        );
        loop {
            let page = reader.history(&request);
            prop_assert!(page.versions.len() <= versions_max);
            request.before = page.versions.last().map(|version| version.revision);
            found.extend(page.versions);
            if !page.more {
                break;
            }
        }
        found.reverse();
        prop_assert_eq!(found.len(), versions.len() - first);
        for (version, (revision, left)) in found.into_iter().zip(&versions[first..]) {
            let time = version.stamp_ms.expect("every write has its time");
            if let Some(told) = times.get(revision) {
                prop_assert_eq!(time, *told);
            }
            prop_assert_eq!((version.revision, version.live), (*revision, left.clone()));
        }
    }
    Ok(())
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
