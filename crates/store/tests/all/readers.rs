//! Readers beside the writer: a batch is seen whole or not at all, and the past stands still.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bytes::Bytes;
use store::{Budget, Command, CompactionCause, KeyRange, RangeRequest, Reader, Revision, Store};

use crate::support::{apply, entry, everything, hash_of, put};

/// Enough for several leaves and several holds of their lock.
const KEYS: u64 = 3_000;
const BATCHES: u64 = 200;
const READERS: usize = 3;

/// In each batch every tenth key gets the batch's number as its value, then all keys of the batch
/// before are removed: a reader that saw half a batch would find two numbers, or none. The past
/// is given up and swept away after each batch, from under the readers.
#[test]
fn a_batch_is_seen_whole_or_not_at_all() {
    let mut store = Store::new();
    write_batch(&mut store, 0);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|_| (store.reader(), &over))
            .map(|(reader, over)| scope.spawn(move || watch_batches(&reader, over)))
            .collect();
        for batch in 1..BATCHES {
            write_batch(&mut store, batch);
        }
        over.store(true, Ordering::Release);
        for reader in readers {
            let last = reader.join().expect("the reader saw whole batches");
            assert_eq!(last, BATCHES - 1, "the last look was after the last batch");
        }
    });
}

fn write_batch(store: &mut Store, batch: u64) {
    for number in (batch % 10..KEYS).step_by(10) {
        let next = store.applied_index() + 1;
        apply(store, &put(next, key(batch, number), batch.to_string()));
    }
    if let Some(before) = batch.checked_sub(1) {
        let range = KeyRange::Prefix(format!("{:03}/", before % 7).into());
        let delete = Command::Delete { range, prev_kv: false, condition: None };
        let next = store.applied_index() + 1;
        apply(store, &entry(next, Some(&delete)));
    }
    store.publish();
    give_up_the_past(store);
}

/// Compacts to the newest revision and removes what that gives up, leaves without keys included.
fn give_up_the_past(store: &mut Store) {
    let compact = Command::Compact { revision: store.revision(), cause: CompactionCause::Asked };
    apply(store, &entry(store.applied_index() + 1, Some(&compact)));
    store.publish();
    while !store.sweep(&mut Budget::new(50_000)) {}
}

/// The keys of neighbouring batches lie apart, and come back seven batches later.
fn key(batch: u64, number: u64) -> Bytes {
    format!("{:03}/{number:06}", batch % 7).into()
}

/// Reads until told to stop and once more; gives back the last batch it saw.
fn watch_batches(reader: &Reader, over: &AtomicBool) -> u64 {
    let mut last = 0;
    loop {
        let stop = over.load(Ordering::Acquire);
        let items = everything(reader, None);
        let batch = batch_of(&items[0].value);
        assert_eq!(items.len() as u64, KEYS / 10, "all keys of a batch, and of no other");
        assert!(items.iter().all(|item| item.value == items[0].value), "one batch's values");
        assert!(batch >= last, "batches do not go back");
        last = batch;
        if stop {
            return last;
        }
    }
}

fn batch_of(value: &Bytes) -> u64 {
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok())
        .expect("a value is its batch's number")
}

/// What is published together is read together: at the published revision, the range has the
/// published hash.
#[test]
fn published_numbers_are_those_of_one_moment() {
    let mut store = Store::new();
    let reader = store.reader();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let checker = scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                let published = reader.published();
                let live = everything(&reader, Some(published.revision));
                assert_eq!(published.keys, live.len() as u64);
                assert_eq!(published.state_hash, hash_of(&live, published.revision));
                assert_eq!(published.applied_index + 1, published.revision.0, "only puts");
            }
        });
        for index in 1..20_000 {
            apply(&mut store, &put(index, (index * 31 % 700).to_string(), index.to_string()));
            if index % 7 == 0 {
                store.publish();
            }
        }
        over.store(true, Ordering::Release);
        checker.join().expect("each publication is consistent");
    });
}

/// Pages at one revision make one listing, whatever is written between them.
#[test]
fn pages_at_a_revision_are_of_one_state() {
    let mut store = Store::new();
    for number in 0..KEYS {
        apply(&mut store, &put(number + 1, format!("{number:06}"), "old"));
    }
    store.publish();
    let reader = store.reader();
    let pinned = reader.published().revision;
    let (mut listed, mut after) = (Vec::new(), KeyRange::all());
    loop {
        let next = store.applied_index() + 1;
        apply(&mut store, &put(next, format!("{:06}x", next % KEYS), "new"));
        let range = KeyRange::Prefix(format!("{:05}", next % 300).into());
        let delete = Command::Delete { range, prev_kv: false, condition: None };
        apply(&mut store, &entry(next + 1, Some(&delete)));
        store.publish();
        let page = page(&reader, &after, pinned);
        assert_eq!(page.count + listed.len() as u64, KEYS, "the count is of the pinned state");
        listed.extend(page.items);
        if !page.more {
            break;
        }
        let last = &listed.last().expect("a page with more after it has items").key;
        after = KeyRange::From([last.as_ref(), &[0]].concat().into());
    }
    assert_eq!(listed.len() as u64, KEYS);
    assert!(listed.iter().all(|item| item.value == "old"));
}

fn page(reader: &Reader, range: &KeyRange, at: Revision) -> store::RangeResponse {
    let request =
        RangeRequest { limit: Some(70), at: Some(at), ..RangeRequest::new(range.clone()) };
    reader.range(&request).expect("the revision is kept")
}

/// Keys of the largest size fill a leaf by their bytes alone.
/// Of a few items the rest of the range is not counted, and what is small is told apart from what
/// is large before it is read.
#[test]
fn pages_cost_what_they_show_and_small_ranges_are_known() {
    let mut store = Store::new();
    for number in 0..20 * KEYS {
        apply(&mut store, &put(number + 1, format!("{number:06}"), "v"));
    }
    store.publish();
    let (reader, limit) = (store.reader(), KEYS as usize);
    let pinned = reader.pin(None).unwrap();
    let (mut range, mut seen, mut looked_at) = (KeyRange::all(), 0, 0);
    loop {
        let request = RangeRequest { limit: Some(limit), ..RangeRequest::new(range) };
        let page = pinned.page(&request).unwrap();
        assert_eq!(page, reader.page(&request).unwrap());
        let whole = reader.range(&request).unwrap();
        assert_eq!((&page.items, page.more), (&whole.items, whole.more));
        seen += page.items.len() as u64;
        looked_at += page.count;
        match page.items.last().filter(|_| page.more) {
            Some(last) => range = KeyRange::From([&last.key[..], &[0]].concat().into()),
            None => break,
        }
    }
    assert_eq!(seen, 20 * KEYS);
    assert!(looked_at < 2 * seen, "{looked_at} were looked at for {seen}");

    let all = RangeRequest::new(KeyRange::all());
    assert_eq!(reader.range_within(&all, 1_000).unwrap(), None);
    let whole = reader.range_within(&all, u64::MAX).unwrap();
    assert_eq!(whole, Some(reader.range(&all).unwrap()));
    let few = RangeRequest::new(KeyRange::Prefix("00000".into()));
    assert_eq!(reader.range_within(&few, 1_000).unwrap().map(|found| found.count), Some(10));
}

#[test]
fn long_keys_are_kept_and_found() {
    let mut store = Store::new();
    let key = |number: u64| [vec![b'k'; 65_000], number.to_be_bytes().to_vec()].concat();
    for number in 0..40 {
        apply(&mut store, &put(number + 1, key(number * 7 % 40), number.to_string()));
    }
    store.publish();
    let items = everything(&store.reader(), None);
    let expected: Vec<_> = (0..40).map(key).collect();
    assert!(items.iter().map(|item| &item.key).eq(&expected), "all keys, in order");
    let (found, _) = store.reader().get(&expected[17], None).expect("now is readable");
    assert_eq!(found, Some(items[17].clone()));
}
