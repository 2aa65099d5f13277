//! Exactly once: the bounds of what one entry expires.

use store::{Command, Origin, Outcome, Put, Store};

use crate::support::{apply, entry};

fn keyed_put(number: u64) -> Command {
    let origin = Origin::Key(number.to_string().into());
    Command::Once { origin, command: Box::new(Put::new("k", "v").into()) }
}

/// The store as published after one more entry without a command, so many ms later.
fn after_noop(store: &mut Store, ms_later: u64) -> (u64, u64) {
    let mut noop = entry(store.applied_index() + 1, None);
    noop.age_ms = store.reader().published().age_ms + ms_later;
    apply(store, &noop);
    store.publish();
    let published = store.reader().published();
    (published.sessions, published.once_keys)
}

/// Also when ten thousand things are due at once, an entry's work is bounded; and they do go.
#[test]
fn an_entry_expires_a_bounded_number() {
    let mut store = Store::new();
    for number in 0..200 {
        let next = store.applied_index() + 1;
        apply(&mut store, &entry(next, Some(&keyed_put(number))));
        apply(&mut store, &entry(next + 1, Some(&Command::OpenSession)));
    }
    assert_eq!(after_noop(&mut store, 0), (200, 200));
    assert_eq!(after_noop(&mut store, 1_000_000), (184, 136));
    assert_eq!(after_noop(&mut store, 0), (168, 72));
    while after_noop(&mut store, 0) != (0, 0) {
        assert!(store.applied_index() < 500, "everything due goes in the end");
    }
}

/// What is due and not removed yet is gone all the same.
#[test]
fn what_is_due_counts_as_gone() {
    let mut store = Store::new();
    for number in 0..200 {
        apply(&mut store, &entry(number + 1, Some(&keyed_put(number))));
    }
    store.publish();
    assert_eq!(after_noop(&mut store, 1_000_000), (0, 136));
    let mut again = entry(202, Some(&keyed_put(199)));
    again.age_ms = 1_100_000;
    let outcome = apply(&mut store, &again);
    assert!(matches!(outcome, Outcome::Put { .. }), "done as a change of its own: {outcome:?}");
    again.index = 203;
    let outcome = apply(&mut store, &again);
    assert!(matches!(outcome, Outcome::Repeated(_)), "and known from then on: {outcome:?}");
}
