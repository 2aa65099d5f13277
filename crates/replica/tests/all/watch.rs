//! Watches: what is told, when, and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use replica::{
    EventFilter, Step, Unserved, WATCHERS_MAX, WatchEnd, WatchRefusal, WatchRequest, Watcher,
};
use store::{KeyRange, Revision, Store};

use crate::watching::{World, delete, hears, prefix, put, put_all, single, told, words};

#[test]
fn each_hears_of_its_own_keys_in_order_and_once() {
    let mut world = World::new();
    let mut one = world.watch(single("a"));
    let mut some = world.watch(prefix("b/"));
    let mut rest = world.watch(KeyRange::From("b/2".into()));
    let mut all = world.watch(KeyRange::all());
    for key in ["a", "b/1", "b/2", "c"] {
        world.put(key, "1");
    }
    world.write(&delete(prefix("b/")));
    assert_eq!(hears(&mut one), ["2: a=1"]);
    assert_eq!(hears(&mut some), ["3: b/1=1", "4: b/2=1", "6: b/1- b/2-"]);
    assert_eq!(hears(&mut rest), ["4: b/2=1", "5: c=1", "6: b/2-"]);
    assert_eq!(hears(&mut all).len(), 5);
    assert_eq!(hears(&mut all), [""; 0], "nothing twice");
}

#[test]
fn nothing_is_told_that_is_not_published() {
    let mut world = World::new();
    let mut watcher = world.watch(KeyRange::all());
    world.apply(&put("a", "1"));
    world.dispatch();
    assert_eq!(hears(&mut watcher), [""; 0]);
    assert_eq!(watcher.progress(), Some(Revision(1)));
    world.store.publish();
    world.dispatch();
    assert_eq!(hears(&mut watcher), ["2: a=1"]);
}

#[test]
fn from_a_revision_of_the_past_on() {
    let mut world = World::new();
    for value in ["1", "2", "3"] {
        world.put("a", value);
    }
    let mut watcher = world.watch_from(single("a"), 3);
    assert_eq!((watcher.from(), watcher.opened_at()), (Revision(3), Revision(4)));
    assert_eq!(hears(&mut watcher), ["3: a=2", "4: a=3"]);
    world.put("a", "4");
    assert_eq!(hears(&mut watcher), ["5: a=4"]);
}

#[test]
fn from_a_revision_of_the_future_on_nothing_older_is_told() {
    let mut world = World::new();
    let mut watcher = world.watch_from(single("a"), 4);
    assert_eq!((hears(&mut watcher), watcher.progress()), (vec![], None));
    world.put("a", "2");
    assert_eq!((hears(&mut watcher), watcher.progress()), (vec![], None));
    world.put("a", "3");
    // What is wanted begins after this one, so all up to it is told.
    assert_eq!((hears(&mut watcher), watcher.progress()), (vec![], Some(Revision(3))));
    world.put("a", "4");
    assert_eq!(hears(&mut watcher), ["4: a=4"]);
}

#[test]
fn what_is_written_while_a_watcher_reads_on_comes_once() {
    let mut world = World::new();
    for value in 0..2_500 {
        world.apply(&put("a", &value.to_string()));
    }
    world.store.publish();
    let mut watcher = world.watch_from(single("a"), 1);
    let mut revisions = Vec::new();
    loop {
        match watcher.step(None).unwrap() {
            Step::Batch(batch) => revisions.push(batch.revision.0),
            Step::Busy => {}
            Step::Idle => break,
        }
        if revisions.len() < 5_000 && revisions.len() % 3 == 0 {
            world.put("a", "meanwhile");
        }
    }
    let newest = world.reader.published().revision.0;
    assert_eq!(revisions, (2..=newest).collect::<Vec<_>>());
}

#[test]
fn puts_or_deletes_can_be_left_out() {
    let mut world = World::new();
    let filtered = |no_put, no_delete| WatchRequest {
        filter: EventFilter { no_put, no_delete },
        ..WatchRequest::new(KeyRange::all())
    };
    let mut deletes = world.watch_as(&filtered(true, false));
    let mut puts = world.watch_as(&filtered(false, true));
    world.put("a", "1");
    world.write(&delete(single("a")));
    // Also of those who read for themselves.
    let behind = |request: WatchRequest| WatchRequest { from: Some(Revision(1)), ..request };
    let mut deletes_behind = world.watch_as(&behind(filtered(true, false)));
    assert_eq!(hears(&mut deletes), ["3: a-"]);
    assert_eq!(hears(&mut puts), ["2: a=1"]);
    assert_eq!(hears(&mut deletes_behind), ["3: a-"]);
    assert_eq!(puts.progress(), Some(Revision(3)), "what is left out is passed all the same");
}

#[test]
fn what_keys_were_before_is_told_to_those_who_asked() {
    let mut world = World::new();
    let asking = WatchRequest { prev_kv: true, ..WatchRequest::new(single("a")) };
    let mut asks = world.watch_as(&asking.clone());
    let mut does_not = world.watch(single("a"));
    world.put("a", "1");
    world.put("a", "2");
    world.write(&delete(single("a")));
    let with_prev = ["2: a=1", "3: a=2[1]", "4: a-[2]"];
    assert_eq!(hears(&mut asks), with_prev);
    assert_eq!(hears(&mut does_not), ["2: a=1", "3: a=2", "4: a-"]);
    let mut behind = world.watch_as(&WatchRequest { from: Some(Revision(1)), ..asking });
    assert_eq!(hears(&mut behind), with_prev);
}

#[test]
fn what_a_key_was_before_the_compacted_revision_is_not_told() {
    let mut world = World::new();
    for value in ["1", "2", "3"] {
        world.put("a", value);
    }
    world.compact(3);
    let request = WatchRequest {
        prev_kv: true,
        from: Some(Revision(3)),
        ..WatchRequest::new(KeyRange::all())
    };
    assert_eq!(hears(&mut world.watch_as(&request)), ["3: a=2", "4: a=3[2]"]);
}

#[test]
fn a_revision_is_not_split() {
    let mut world = World::new();
    let keys = || (0..128).map(|number| (format!("k{number:03}"), "v".to_owned()));
    let mut in_step = world.watch(prefix("k"));
    world.write(&put_all(keys()));
    // Too large for a page, for a reading and for a seat.
    for number in 0..3_000 {
        world.apply(&put(&format!("k{number:04}"), &"v".repeat(200)));
    }
    world.write(&delete(prefix("k")));
    let (first, rest) = (told(&mut in_step).unwrap(), world.watch_from(prefix("k"), 1));
    let mut behind = rest;
    let again = told(&mut behind).unwrap();
    assert_eq!(words(&first), words(&again));
    let sizes: Vec<usize> = first.iter().map(|batch| batch.events.len()).collect();
    assert_eq!((sizes[0], sizes.last()), (128, Some(&3_128)));
    assert!(first.iter().all(|batch| !batch.goes_on));
}

#[test]
fn a_large_revision_comes_in_pieces_if_that_was_asked_for() {
    let mut world = World::new();
    let in_pieces = WatchRequest { in_pieces: true, ..WatchRequest::new(prefix("k")) };
    for number in 0..5_000 {
        world.apply(&put(&format!("k{number:04}"), "v"));
    }
    world.store.publish();
    let mut watcher = world.watch_as(&in_pieces);
    assert_eq!(hears(&mut watcher), [""; 0]);
    world.write(&delete(prefix("k")));
    world.put("k", "after it");
    let batches = told(&mut watcher).unwrap();
    let (last, pieces) = batches.split_last().unwrap();
    assert_eq!((last.revision.0, last.events.len(), last.goes_on), (5_003, 1, false));
    let shape: Vec<_> = pieces.iter().map(|piece| (piece.events.len(), piece.goes_on)).collect();
    assert_eq!(shape, [(1_000, true), (1_000, true), (1_000, true), (1_000, true), (1_000, false)]);
    assert!(pieces.iter().all(|piece| piece.revision == Revision(5_002)));
    let keys = pieces.iter().flat_map(|piece| &piece.events).map(|event| event.key().clone());
    assert!(keys.is_sorted(), "in the order of the keys");
}

#[test]
fn the_last_piece_is_one_even_if_what_follows_it_is_of_no_interest() {
    let mut world = World::new();
    for number in 0..2_000 {
        world.apply(&put(&format!("a{number:04}"), "v"));
        world.apply(&put(&format!("b{number:04}"), "v"));
    }
    world.store.publish();
    let request = WatchRequest { in_pieces: true, ..WatchRequest::new(prefix("a")) };
    let mut watcher = world.watch_as(&request);
    assert_eq!(hears(&mut watcher), [""; 0]);
    world.write(&delete(KeyRange::all()));
    let batches = told(&mut watcher).unwrap();
    let shape: Vec<_> = batches.iter().map(|piece| (piece.events.len(), piece.goes_on)).collect();
    assert_eq!(shape, [(1_000, true), (1_000, false)]);
}

#[test]
fn a_slow_watcher_costs_a_few_batches_and_misses_nothing() {
    let mut world = World::new();
    let mut slow = world.watch(single("a"));
    assert_eq!(hears(&mut slow), [""; 0]);
    for value in 0..1_000 {
        world.put("a", &value.to_string());
        world.put("of no interest", "v");
    }
    let counts = world.dispatcher.counts();
    assert!(counts.waiting_bytes < 100, "{counts:?}");
    assert_eq!((counts.behind, counts.fallen_behind), (1, 1));
    let revisions: Vec<u64> = told(&mut slow).unwrap().iter().map(|b| b.revision.0).collect();
    assert_eq!(revisions, (1..=1_000).map(|number| 2 * number).collect::<Vec<_>>());
    let counts = world.dispatcher.counts();
    assert_eq!((counts.behind, counts.waiting_bytes), (0, 0), "in step again");
}

#[test]
fn large_values_do_not_wait_in_seats() {
    let mut world = World::new();
    let mut slow = world.watch(single("a"));
    assert_eq!(hears(&mut slow), [""; 0]);
    for _ in 0..4 {
        world.put("a", &"v".repeat(100_000));
        assert!(world.dispatcher.counts().waiting_bytes <= 256 << 10);
    }
    assert_eq!(told(&mut slow).unwrap().len(), 4);
}

#[test]
fn a_slow_watcher_is_cut_off_only_by_compaction_of_what_it_reads_next() {
    let mut world = World::new();
    let mut slow = world.watch(single("a"));
    let mut idle = world.watch(single("b"));
    assert_eq!((hears(&mut slow), hears(&mut idle)), (vec![], vec![]));
    for value in 0..100 {
        world.put("a", &value.to_string());
    }
    world.compact(90);
    // The first sixteen were in its seat.
    for _ in 0..16 {
        assert!(matches!(slow.step(None), Ok(Step::Batch(_))));
    }
    let cut = WatchEnd::Compacted { requested: Revision(18), compact_revision: Revision(90) };
    assert_eq!(slow.step(None), Err(cut));
    assert_eq!(slow.step(None), Err(cut), "there is nothing after the end");
    assert_eq!(slow.progress(), None);
    world.put("b", "not concerned");
    assert_eq!(hears(&mut idle), ["102: b=not concerned"]);
}

#[test]
fn from_the_compacted_revision_on_and_not_from_before() {
    let mut world = World::new();
    for value in ["1", "2"] {
        world.put("a", value);
    }
    world.write(&delete(single("a")));
    world.put("b", "1");
    world.compact(4);
    assert_eq!(hears(&mut world.watch_from(KeyRange::all(), 4)), ["4: a-", "5: b=1"]);
    let from = Some(Revision(3));
    let refused = world.dispatcher.watch(&WatchRequest { from, ..WatchRequest::new(single("a")) });
    let (requested, compact_revision) = (Revision(3), Revision(4));
    assert_eq!(refused.unwrap_err(), WatchRefusal::Compacted { requested, compact_revision });
    // What is compacted between the beginning and the first step is found by that.
    let mut watcher = world.watch_from(KeyRange::all(), 4);
    world.compact(5);
    assert!(matches!(watcher.step(None), Err(WatchEnd::Compacted { .. })));
}

#[test]
fn progress_is_told_only_when_nothing_waits() {
    let mut world = World::new();
    let mut watcher = world.watch(single("a"));
    assert_eq!(hears(&mut watcher), [""; 0]);
    assert_eq!(watcher.progress(), Some(Revision(1)));
    world.put("b", "1");
    assert_eq!(watcher.progress(), Some(Revision(2)));
    world.apply(&put("a", "1"));
    world.store.publish();
    assert_eq!(watcher.progress(), Some(Revision(2)), "published, and not dispatched");
    world.dispatch();
    assert_eq!(watcher.progress(), None, "it waits in the seat");
    assert_eq!(hears(&mut watcher), ["3: a=1"]);
    assert_eq!(watcher.progress(), Some(Revision(3)));
    let mut behind = world.watch_from(single("a"), 1);
    assert_eq!(behind.progress(), None);
    assert!(matches!(behind.step(None), Ok(Step::Batch(_))));
    assert_eq!(behind.progress(), Some(Revision(3)));
}

#[test]
fn another_store_in_the_place_of_the_first_loses_and_repeats_nothing() {
    let mut ahead = World::new();
    for value in 0..100 {
        ahead.put(if value % 2 == 0 { "a" } else { "b" }, &value.to_string());
    }
    let mut world = World::new();
    let mut watcher = world.watch(single("a"));
    let mut slow = world.watch(single("a"));
    for value in 0..10 {
        world.put(if value % 2 == 0 { "a" } else { "b" }, &value.to_string());
    }
    let revisions = |told: Vec<replica::Batch>| told.iter().map(|b| b.revision.0).collect();
    let mut heard: Vec<u64> = revisions(told(&mut watcher).unwrap());
    let _retired = world.store.replace(std::mem::take(&mut ahead.store));
    world.dispatch();
    heard.extend(revisions(told(&mut watcher).unwrap()));
    let all: Vec<u64> = (1..=50).map(|number| 2 * number).collect();
    assert_eq!(heard, all);
    assert_eq!(revisions(told(&mut slow).unwrap()), all);
}

#[test]
fn another_store_without_the_history_ends_the_watch() {
    let mut ahead = World::new();
    for value in 0..100 {
        ahead.put("a", &value.to_string());
    }
    ahead.compact(50);
    let mut world = World::new();
    let mut watcher = world.watch(single("a"));
    let mut later = world.watch_from(single("a"), 70);
    world.put("a", "0");
    assert_eq!(hears(&mut watcher), ["2: a=0"]);
    assert_eq!(hears(&mut later), [""; 0]);
    let _retired = world.store.replace(std::mem::take(&mut ahead.store));
    world.dispatch();
    let cut = WatchEnd::Compacted { requested: Revision(3), compact_revision: Revision(50) };
    assert_eq!(told(&mut watcher), Err(cut));
    assert_eq!(told(&mut later).unwrap().len(), 32, "70 to 101 are kept");
}

#[test]
fn a_member_that_serves_nothing_ends_all_watches_and_begins_none() {
    let mut world = World::new();
    let mut watcher = world.watch(KeyRange::all());
    world.put("a", "wrong");
    world.dispatcher.close(Unserved::WrongState);
    let end = WatchEnd::Unserved(Unserved::WrongState);
    assert_eq!(told(&mut watcher), Err(end), "what waited may be wrong");
    let refused = world.dispatcher.watch(&WatchRequest::new(KeyRange::all())).unwrap_err();
    assert_eq!(refused, WatchRefusal::Unserved(Unserved::WrongState));
    // The right state is behind the wrong one.
    let _retired = world.store.replace(Store::new());
    world.dispatcher.reopen();
    let mut next = world.watch(KeyRange::all());
    world.dispatch();
    assert_eq!(hears(&mut next), [""; 0]);
    assert_eq!(told(&mut watcher), Err(end));
}

#[test]
fn a_member_that_has_stopped_serves_no_watch_any_more() {
    let world = World::new();
    world.dispatcher.close(Unserved::Removed);
    world.dispatcher.close(Unserved::NoState);
    world.dispatcher.reopen();
    assert!(world.dispatcher.is_over());
    let refused = world.dispatcher.watch(&WatchRequest::new(KeyRange::all())).unwrap_err();
    assert_eq!(refused, WatchRefusal::Unserved(Unserved::Removed));
}

#[test]
fn without_a_leader_those_watches_end_that_need_one() {
    let mut world = World::new();
    let needing = WatchRequest { needs_leader: true, ..WatchRequest::new(KeyRange::all()) };
    let (mut needs, mut does_not) =
        (world.watch_as(&needing.clone()), world.watch(KeyRange::all()));
    world.dispatcher.set_leaderless(true);
    assert_eq!(told(&mut needs), Err(WatchEnd::Unserved(Unserved::NoLeader)));
    let refused = world.dispatcher.watch(&needing).unwrap_err();
    assert_eq!(refused, WatchRefusal::Unserved(Unserved::NoLeader));
    world.put("a", "1");
    assert_eq!(hears(&mut does_not), ["2: a=1"]);
    world.dispatcher.set_leaderless(false);
    assert_eq!(hears(&mut world.watch_as(&needing)), [""; 0]);
}

#[test]
fn an_empty_range_and_one_watcher_too_many_are_refused() {
    let world = World::new();
    let range = KeyRange::Between { start: "b".into(), end: "b".into() };
    let refused = world.dispatcher.watch(&WatchRequest::new(range)).unwrap_err();
    assert_eq!(refused, WatchRefusal::EmptyRange);
    let mut watchers: Vec<Watcher> = (0..WATCHERS_MAX).map(|_| world.watch(single("a"))).collect();
    let refused = world.dispatcher.watch(&WatchRequest::new(single("a"))).unwrap_err();
    assert_eq!(refused, WatchRefusal::TooManyWatchers { watchers_max: WATCHERS_MAX });
    watchers.pop();
    world.watch(single("a"));
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_event_for_one_walks_over_nobody_else_and_wakes_nobody_else() {
    let mut world = World::new();
    let bells: Vec<Arc<Bell>> = (0..10_000).map(|_| Arc::default()).collect();
    let mut watchers: Vec<Watcher> =
        (0..10_000).map(|number| world.watch(prefix(&format!("user/{number:05}/")))).collect();
    for (watcher, bell) in watchers.iter_mut().zip(&bells) {
        let waker = Waker::from(Arc::clone(bell));
        while watcher.step(Some(&waker)).unwrap() != Step::Idle {}
    }
    let before = world.dispatcher.counts();
    world.put("user/04321/name", "v");
    let after = world.dispatcher.counts();
    assert_eq!((after.events - before.events, after.offers - before.offers), (1, 1));
    let rung: Vec<usize> =
        (0..10_000).filter(|&number| bells[number].0.load(Ordering::Relaxed) > 0).collect();
    assert_eq!(rung, [4_321]);
    assert_eq!(hears(&mut watchers[4_321]), ["2: user/04321/name=v"]);
}

#[test]
fn whoever_goes_is_forgotten() {
    let mut world = World::new();
    let (stays, goes) = (world.watch(single("a")), world.watch(single("a")));
    world.put("a", "1");
    assert!(world.dispatcher.is_watched());
    drop((goes, stays));
    let counts = world.dispatcher.counts();
    assert_eq!((counts.watchers, counts.waiting_bytes), (0, 0));
    assert!(!world.dispatcher.is_watched());
    world.put("a", "2");
    assert_eq!(hears(&mut world.watch(single("a"))), [""; 0], "from now on");
}
