//! Random fields of records among keys that are none, against a plain sorted list.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use store::{Command, FieldsRequest, KeyRange, Put, Record, Revision, Store};

use crate::support::{apply, entry};

const RECORD: &[u8] = b"k";

const KEPT: &str = "a revision that is pinned is kept";

/// Bytes around those that are escaped, so that orders differ where they can.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop::sample::select(b"\x00#%&./025FG\xff".to_vec());
    prop::collection::vec(byte, 0..8)
}

/// What stands behind the slash of a record: mostly fields, and what looks like some.
fn rest() -> impl Strategy<Value = Vec<u8>> {
    let field = name().prop_map(|name| match record().key_of(&name) {
        Some(key) => key[RECORD.len() + 1..].to_vec(),
        None => Vec::new(),
    });
    prop_oneof![3 => field, 1 => name()]
}

fn record() -> Record {
    Record::named(RECORD).expect("it has a name")
}

fn all() -> FieldsRequest {
    FieldsRequest {
        prefix: Bytes::new(),
        from: Bytes::new(),
        skip: 0,
        limit: usize::MAX,
        told_bytes_max: usize::MAX,
        work_bytes_max: usize::MAX,
    }
}

/// The store in which these keys were put, and some deleted again; and what is left, by name.
fn world(keys: &[(Vec<u8>, bool)]) -> (Store, BTreeMap<Bytes, Bytes>) {
    let (mut store, mut fields) = (Store::new(), BTreeMap::new());
    let mut index = 0;
    let mut log = |store: &mut Store, command| {
        index += 1;
        apply(store, &entry(index, Some(&command)))
    };
    for (number, (rest, stays)) in keys.iter().enumerate() {
        let key: Bytes = [RECORD, b"/", rest].concat().into();
        let value = Bytes::from(number.to_string());
        log(&mut store, Put::new(key.clone(), value.clone()).into());
        let name = record().field_of(&key);
        if *stays {
            fields.extend(name.map(|name| (name, value)));
        } else {
            let range = KeyRange::Single(key);
            log(&mut store, Command::Delete { range, prev_kv: false, condition: None });
            name.map(|name| fields.remove(&name));
        }
    }
    // Neighbours that belong to others.
    for key in ["k", "k.", "k0", "k%2F/a", "l/a"] {
        log(&mut store, Put::new(key, "other").into());
    }
    store.publish();
    (store, fields)
}

/// Page by page, each from where the one before ended.
fn paged(store: &Store, mut request: FieldsRequest) -> Vec<(Bytes, Bytes)> {
    let pinned = store.reader().pin(None).expect("the newest revision is kept");
    let mut read = Vec::new();
    loop {
        let page = pinned.fields(&record(), &request).expect(KEPT);
        assert!(page.fields.len() <= request.limit);
        read.extend(page.fields.into_iter().map(|field| (field.name, field.item.value)));
        let Some(next) = page.next else { return read };
        assert!(next > request.from, "it goes on: {next:?} after {:?}", request.from);
        assert!(read.last().is_none_or(|(last, _)| *last < next), "nothing is read twice");
        request.from = next;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn fields_come_by_their_names(
        keys in prop::collection::vec((rest(), prop::bool::weighted(0.8)), 0..400),
        prefix in prop_oneof![2 => Just(Vec::new()), 1 => name()],
        from in prop_oneof![2 => Just(Vec::new()), 1 => name()],
        limit in 1usize..20,
        work_bytes_max in prop_oneof![1usize..3_000, Just(usize::MAX)],
    ) {
        let (store, fields) = world(&keys);
        let wanted = fields.into_iter().filter(|(name, _)| {
            name.starts_with(&prefix) && *name >= from
        });
        let wanted: Vec<_> = wanted.collect();
        let (prefix, from) = (Bytes::from(prefix), Bytes::from(from));
        let request = FieldsRequest { prefix, from, limit, work_bytes_max, ..all() };
        prop_assert_eq!(paged(&store, request), wanted);
    }

    #[test]
    fn some_are_passed_over(
        keys in prop::collection::vec((rest(), Just(true)), 0..40),
        skip in 0usize..30,
        work_bytes_max in 1usize..2_000,
    ) {
        let (store, fields) = world(&keys);
        let wanted: Vec<_> = fields.into_iter().skip(skip).take(5).collect();
        let pinned = store.reader().pin(None).expect("the newest revision is kept");
        let request = FieldsRequest { skip, limit: 5, ..all() };
        let read = pinned.fields(&record(), &request).expect(KEPT);
        let shown = |read: store::Fields| {
            let shown = read.fields.into_iter().map(|field| (field.name, field.item.value));
            shown.collect::<Vec<_>>()
        };
        prop_assert_eq!(shown(read), wanted.clone());
        let cut = pinned.fields(&record(), &FieldsRequest { work_bytes_max, ..request });
        let cut = cut.expect(KEPT);
        prop_assert!(wanted.starts_with(&shown(cut)), "an early end leaves none out");
    }
}

/// Others' keys and deleted ones, a hundred thousand of each, leave a page of two fields small.
#[test]
fn what_is_no_field_is_passed_at_once() {
    let (mut store, mut index) = (Store::new(), 0);
    let mut put = |store: &mut Store, key: String| {
        index += 1;
        apply(store, &entry(index, Some(&Put::new(key, "v").into())));
    };
    for number in 0..100_000 {
        put(&mut store, format!("k/a/{number:06}"));
        put(&mut store, format!("k/%41{number:06}"));
    }
    put(&mut store, "k/a".into());
    put(&mut store, "k/z".into());
    store.publish();
    let pinned = store.reader().pin(None).expect("the newest revision is kept");
    let request = FieldsRequest { work_bytes_max: 100_000, ..all() };
    let read = pinned.fields(&record(), &request).expect(KEPT);
    let names: Vec<_> = read.fields.iter().map(|field| &field.name[..]).collect();
    assert_eq!((names, read.next), (vec![&b"a"[..], b"z"], None));
}

#[test]
fn a_page_ends_with_what_it_may_tell() {
    let keys = ["a", "b", "c", "d"].map(|name| (name.as_bytes().to_vec(), true));
    let (store, _) = world(&keys);
    let pinned = store.reader().pin(None).expect("the newest revision is kept");
    let page = pinned.fields(&record(), &FieldsRequest { told_bytes_max: 3, ..all() });
    let page = page.expect(KEPT);
    assert_eq!((page.fields.len(), page.next), (2, Some("c".into())));
    let past = store.reader().pin(Some(Revision(3))).expect("the revision is kept");
    let then = past.fields(&record(), &all()).expect(KEPT);
    assert_eq!(then.fields.len(), 2, "as it was then");
}
