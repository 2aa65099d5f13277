//! Snapshots: what is captured is restored, beside a writer that goes on; damage is refused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bytes::Bytes;
use proptest::prelude::*;
use store::{
    Budget, Capture, Command, EventsRequest, KeyRange, Published, Reader, Restore, Revision,
    SnapshotError, Store,
};

use crate::support::logs::logs;
use crate::support::{LIMITS, apply, entry, everything, hash_of, put};

/// All of a capture, in chunks of at most so many bytes.
fn chunks(mut capture: Capture, bytes_max: usize) -> Vec<Bytes> {
    std::iter::from_fn(|| capture.next_chunk(bytes_max)).collect()
}

fn restore(chunks: &[Bytes]) -> Result<Store, SnapshotError> {
    let mut restore = Restore::new();
    for chunk in chunks {
        restore.chunk(chunk)?;
    }
    restore.finish()
}

/// The leases with their keys, and the keys with a deadline.
fn expiring(store: &Store) -> String {
    let mut due = Vec::new();
    store.due_keys(u64::MAX, |key, revision| {
        due.push((Bytes::copy_from_slice(key), revision));
        true
    });
    let leases: Vec<_> = store.leases_after(None).collect();
    format!("{leases:?} {due:?}")
}

/// Both stores answer alike: numbers, hash, and all keys at every revision.
fn assert_equal(left: &mut Store, right: &mut Store) {
    left.publish();
    right.publish();
    assert_eq!(expiring(left), expiring(right));
    let (left, right) = (left.reader(), right.reader());
    // How far each got with removing what was given up is its own affair.
    let numbers =
        |reader: &Reader| Published { history_bytes: 0, retained_bytes: 0, ..reader.published() };
    assert_eq!(numbers(&left), numbers(&right));
    let oldest = left.published().compact_revision.max(Revision(1));
    let all = EventsRequest {
        from: oldest.into(),
        range: KeyRange::all(),
        prev_kv: true,
        events_max: usize::MAX,
        told_bytes_max: usize::MAX,
    };
    assert_eq!(left.events(&all), right.events(&all));
    for revision in oldest.0..=left.published().revision.0 {
        let at = Some(Revision(revision));
        assert_eq!(everything(&left, at), everything(&right, at), "at revision {revision}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A capture in the middle, read out a chunk at a time while entries go on being applied,
    /// restores the store of that moment; and that one goes on as the other did.
    #[test]
    fn what_is_captured_is_restored(
        log in logs(),
        at in any::<prop::sample::Index>(),
        bytes_max in 1usize..400,
        chunks_per_entry in 0usize..4,
    ) {
        let (mut store, mut expected) = (Store::with_limits(LIMITS), Store::with_limits(LIMITS));
        let at = at.index(log.len());
        let entries: Vec<_> =
            (1..).zip(&log).map(|(index, command)| entry(index, command.as_ref())).collect();
        for entry in &entries[..at] {
            apply(&mut store, entry);
            apply(&mut expected, entry);
        }
        let mut capture = store.capture();
        prop_assert_eq!(capture.state().applied_index, at as u64);
        let mut restore = Restore::new();
        for entry in &entries[at..] {
            apply(&mut store, entry);
            store.publish();
            store.sweep(&mut Budget::new(2_000));
            for _ in 0..chunks_per_entry {
                let chunk = capture.next_chunk(bytes_max).unwrap_or_default();
                prop_assert_eq!(restore.chunk(&chunk), Ok(()));
            }
        }
        while let Some(chunk) = capture.next_chunk(bytes_max) {
            prop_assert!(chunk.len() <= bytes_max);
            prop_assert_eq!(restore.chunk(&chunk), Ok(()));
        }
        let mut restored = Store::with_limits(LIMITS);
        drop(restored.replace(restore.finish().expect("nothing was damaged")));
        assert_equal(&mut restored, &mut expected);
        for entry in &entries[at..] {
            let outcome = apply(&mut expected, entry);
            prop_assert_eq!(apply(&mut restored, entry), outcome);
            prop_assert_eq!(restored.state_hash(), expected.state_hash());
        }
        assert_equal(&mut restored, &mut store);
    }

    /// One byte changed, one chunk missing, doubled or exchanged, an end too early: each is
    /// refused, and none panics.
    #[test]
    fn damage_is_refused(
        log in logs(),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
        other in any::<prop::sample::Index>(),
    ) {
        let mut store = Store::with_limits(LIMITS);
        for (index, command) in (1..).zip(&log) {
            apply(&mut store, &entry(index, command.as_ref()));
        }
        let whole = chunks(store.capture(), usize::MAX).concat();
        let at = at.index(whole.len());
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << bit;
        prop_assert!(restore(&[flipped.into()]).is_err(), "a bit is flipped at {}", at);
        let cut = Bytes::from(whole[..at].to_vec());
        prop_assert!(restore(&[cut]).is_err(), "the end is missing from {}", at);

        let pieces = chunks(store.capture(), 40);
        let (at, other) = (at % pieces.len(), other.index(pieces.len()));
        let mut missing = pieces.clone();
        missing.remove(at);
        prop_assert!(restore(&missing).is_err(), "chunk {} is missing", at);
        let mut doubled = pieces.clone();
        doubled.insert(at, pieces[at].clone());
        prop_assert!(restore(&doubled).is_err(), "chunk {} is doubled", at);
        let mut exchanged = pieces.clone();
        exchanged.swap(at, other);
        prop_assert_eq!(restore(&exchanged).is_ok(), pieces[at] == pieces[other]);
    }

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(restore(&[bytes.into()]).is_err());
    }
}

/// A delete that is half done leaves no trace in a capture.
#[test]
fn an_unfinished_entry_is_left_out() {
    let mut store = Store::new();
    let mut expected = Store::new();
    for index in 1..=500 {
        apply(&mut store, &put(index, format!("{index:04}"), "v"));
        apply(&mut expected, &put(index, format!("{index:04}"), "v"));
    }
    let delete = Command::Delete { range: KeyRange::all(), prev_kv: false, condition: None };
    let delete = entry(501, Some(&delete));
    let half = store.apply(&delete, &mut store::Budget::new(300_000));
    assert_eq!(half, Ok(store::Apply::Unfinished));
    let chunks = chunks(store.capture(), 1_000);
    let mut restored = restore(&chunks).expect("nothing was damaged");
    assert_equal(&mut restored, &mut expected);
    apply(&mut restored, &delete);
    apply(&mut expected, &delete);
    assert_equal(&mut restored, &mut expected);
}

/// A key of very many versions, values of the largest size, keys of the largest size.
#[test]
fn large_things_are_cut_into_chunks_and_come_back() {
    let mut store = Store::new();
    let mut index = 0;
    let mut write = |key: Bytes, value: Bytes| {
        index += 1;
        apply(&mut store, &put(index, key, value));
    };
    for number in 0..5_000u64 {
        write("hot".into(), number.to_string().into());
    }
    for number in 0..4u8 {
        write(vec![b'k', number].into(), vec![number; 1_500 << 10].into());
        write([vec![b'l'; 65_000], vec![number]].concat().into(), Bytes::new());
    }
    let chunks = chunks(store.capture(), 1 << 20);
    assert!(chunks.len() > 5 && chunks.iter().all(|chunk| chunk.len() <= 1 << 20));
    let mut restored = restore(&chunks).expect("nothing was damaged");
    assert_eq!(restored.state_hash(), store.state_hash());
    restored.publish();
    let (value, _) = restored.reader().get(b"hot", Some(Revision(42))).expect("kept");
    assert_eq!(value.expect("written before").value, "40");
    store.publish();
    assert_eq!(everything(&restored.reader(), None), everything(&store.reader(), None));
}

/// The chunks are made on another thread while the writer changes what they are made of.
#[test]
fn a_capture_stands_still_on_another_thread() {
    let mut store = Store::new();
    for index in 1..=20_000 {
        apply(&mut store, &put(index, format!("{:05}", index * 7_919 % 10_007), index.to_string()));
    }
    let (hash, capture) = (store.state_hash(), store.capture());
    let restored = thread::scope(|scope| {
        let reading = scope.spawn(|| restore(&chunks(capture, 4_096)));
        let mut next = store.applied_index() + 1;
        while !reading.is_finished() {
            apply(&mut store, &put(next, format!("{:05}", next % 10_007), "later"));
            let range = KeyRange::Prefix(format!("{:03}", next % 100).into());
            apply(
                &mut store,
                &entry(next + 1, Some(&Command::Delete { range, prev_kv: false, condition: None })),
            );
            next += 2;
        }
        reading.join().expect("no panic")
    });
    let mut restored = restored.expect("nothing was damaged");
    restored.publish();
    let reader = restored.reader();
    assert_eq!(restored.state_hash(), hash);
    assert_eq!(hash_of(&everything(&reader, None), reader.published().revision), hash);
}

/// Readers of the store follow to what replaces it, numbers and keys together.
#[test]
fn readers_follow_a_replacement_in_one_step() {
    let states = ["one", "two"].map(|value| {
        let mut store = Store::new();
        // A longer log, so that neither state is mistaken for the other.
        for index in 1..=if value == "one" { 300 } else { 700 } {
            apply(&mut store, &put(index, (index % 100).to_string(), value));
        }
        chunks(store.capture(), usize::MAX)
    });
    let mut store = Store::new();
    drop(store.replace(restore(&states[0]).expect("sound")));
    let (reader, over) = (store.reader(), AtomicBool::new(false));
    thread::scope(|scope| {
        let checker = scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                let published = reader.published();
                let live = everything(&reader, None);
                assert!(live.iter().all(|item| item.value == live[0].value), "one state's keys");
                let index = published.applied_index;
                assert!(index == 300 || index == 700, "no state has index {index}");
            }
        });
        for round in 1..200 {
            drop(store.replace(restore(&states[round % 2]).expect("sound")));
            assert_eq!(store.reader().published().state_hash, store.state_hash());
        }
        over.store(true, Ordering::Release);
        checker.join().expect("each look was at one state");
    });
}

/// The store goes on after a replacement where the new state stands.
#[test]
fn a_replaced_store_goes_on_with_the_next_entry() {
    let (mut ahead, mut behind) = (Store::new(), Store::new());
    apply(&mut behind, &put(1, "a", "1"));
    for index in 1..=10 {
        apply(&mut ahead, &put(index, "a", index.to_string()));
    }
    let reader = behind.reader();
    drop(behind.replace(restore(&chunks(ahead.capture(), 10)).expect("sound")));
    assert_eq!(reader.published().applied_index, 10, "it is published at once");
    for store in [&mut ahead, &mut behind] {
        apply(store, &put(11, "b", "2"));
    }
    assert_equal(&mut ahead, &mut behind);
}

#[test]
fn a_format_of_a_later_version_is_refused_by_name() {
    let mut store = Store::new();
    apply(&mut store, &put(1, "k", "v"));
    let mut stream = chunks(store.capture(), 1 << 20).concat();
    // The first record: four bytes of length, the head's tag and length, then its first field.
    assert_eq!(stream[6..8], [1 << 3, 1], "format 1");
    stream[7] = 99;
    let Err(refused) = restore(&[stream.into()]) else { panic!("it is taken") };
    assert_eq!(refused, SnapshotError::UnknownFormat(99));
    assert!(refused.to_string().contains("newer version"), "{refused}");
}
