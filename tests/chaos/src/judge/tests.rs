//! The judges are judged: a good history passes, and each way to break a promise is found, by the
//! check that is there for it.

use super::*;
use crate::history::{Contents, Op, Outcome, Seen, Telling, What};

fn seen(value: &str, version: u64, revision: u64) -> Seen {
    Seen { value: value.into(), version, revision }
}

fn op(at: u64, key: &str, what: What, outcome: Outcome) -> Op {
    Op { key: key.into(), called: 10 * at, returned: 10 * at + 5, what, outcome }
}

fn put(at: u64, key: &str, value: &str, revision: u64) -> Op {
    op(at, key, What::Put(value.into()), Outcome::Done(revision))
}

fn event(revision: u64, key: &str, value: &str) -> Event {
    Event { revision, key: key.into(), value: Some(value.into()) }
}

fn telling(name: &str, events: &[Event]) -> Telling {
    Telling { name: name.into(), events: events.to_vec(), trouble: None }
}

/// Two writes, a read, a swap and a removal of one key, two increments, two watchers, two members.
fn good() -> History {
    let removal = Event { revision: 5, key: "r".into(), value: None };
    let log = [
        event(2, "r", "a"),
        event(3, "r", "b"),
        event(4, "r", "c"),
        removal,
        event(6, "counter/x", "1"),
        event(7, "counter/x", "2"),
    ];
    let swap = What::Swap { expected: Some("b".into()), value: "c".into() };
    let missed = What::Swap { expected: Some("a".into()), value: "z".into() };
    let ops = vec![
        put(1, "r", "a", 2),
        op(2, "r", What::Read, Outcome::Found(Some(seen("a", 1, 2)))),
        put(3, "r", "b", 3),
        op(4, "r", missed, Outcome::Conflict(Some(seen("b", 2, 3)))),
        op(5, "r", swap, Outcome::Done(4)),
        op(6, "r", What::Delete, Outcome::Removed(1)),
        op(7, "r", What::Read, Outcome::Found(None)),
        op(8, "r", What::Put("y".into()), Outcome::Refused),
        op(9, "r", What::Put("w".into()), Outcome::Unknown),
        put(10, "counter/x", "1", 6),
        put(11, "counter/x", "2", 7),
    ];
    let contents = |member: &str| Contents {
        member: member.into(),
        keys: [("counter/x".to_owned(), seen("2", 2, 7))].into(),
    };
    History {
        ops,
        watchers: vec![telling("one", &log), telling("two", &log)],
        logs: vec![telling("node-1", &log), telling("node-2", &log)],
        contents: vec![contents("node-1"), contents("node-2")],
        revision: 7,
    }
}

/// The checks that find something.
fn broken(history: &History) -> Vec<&'static str> {
    let checks = judge(history).into_iter();
    checks.filter(|check| !check.violations.is_empty()).map(|check| check.name).collect()
}

/// The same change to everything that is told of the past.
fn change_logs(history: &mut History, change: impl Fn(&mut Vec<Event>)) {
    let tellings = history.logs.iter_mut().chain(&mut history.watchers);
    tellings.for_each(|telling| change(&mut telling.events));
}

#[test]
fn a_good_history_passes() {
    assert_eq!(broken(&good()), [""; 0]);
}

#[test]
fn an_unknown_write_may_be_there_or_not() {
    let mut history = good();
    change_logs(&mut history, |log| log.push(event(8, "r", "w")));
    for contents in &mut history.contents {
        contents.keys.insert("r".into(), seen("w", 1, 8));
    }
    assert_eq!(broken(&history), [""; 0]);
}

#[test]
fn a_lost_write_is_found() {
    let mut history = good();
    history.ops.push(put(12, "l", "gone", 8));
    assert!(broken(&history).contains(&"writes"));
}

#[test]
fn a_write_in_the_middle_that_is_lost_is_found() {
    let mut history = good();
    change_logs(&mut history, |log| {
        log.remove(1);
    });
    assert!(broken(&history).contains(&"writes"), "a revision is missing");
}

#[test]
fn a_write_at_another_revision_is_found() {
    let mut history = good();
    history.ops[0].outcome = Outcome::Done(3);
    assert!(broken(&history).contains(&"writes"));
}

#[test]
fn a_refused_write_that_shows_is_found() {
    for outcome in [Outcome::Refused, Outcome::Conflict(None)] {
        let mut history = good();
        let swap = What::Swap { expected: None, value: "a".into() };
        history.ops[0] = op(1, "r", swap, outcome);
        assert!(broken(&history).contains(&"writes"));
    }
}

#[test]
fn a_write_of_nobody_is_found() {
    let mut history = good();
    change_logs(&mut history, |log| log.push(event(8, "r", "whose?")));
    assert!(broken(&history).contains(&"writes"));
}

#[test]
fn a_removal_of_nobody_and_one_that_is_lost_are_found() {
    let mut history = good();
    history.ops.remove(5);
    assert!(broken(&history).contains(&"writes"), "of nobody");
    let mut history = good();
    history.ops.push(op(12, "counter/y", What::Delete, Outcome::Removed(1)));
    assert!(broken(&history).contains(&"writes"), "lost");
}

#[test]
fn a_stale_read_is_found_twice() {
    let mut history = good();
    history.ops[3] = op(4, "r", What::Read, Outcome::Found(Some(seen("a", 1, 2))));
    assert_eq!(broken(&history), ["linearizable", "fresh"]);
}

#[test]
fn a_stale_nothing_is_found_twice() {
    let mut history = good();
    history.ops[1].outcome = Outcome::Found(None);
    assert!(broken(&history).contains(&"linearizable"));
    let mut history = good();
    history.ops.push(op(12, "counter/x", What::Read, Outcome::Found(None)));
    assert_eq!(broken(&history), ["linearizable", "fresh"]);
}

#[test]
fn a_read_of_what_never_was_is_found() {
    let mut history = good();
    history.ops[1].outcome = Outcome::Found(Some(seen("never", 1, 2)));
    assert_eq!(broken(&history), ["linearizable", "fresh"]);
}

#[test]
fn a_swap_of_what_was_not_there_is_found() {
    let mut history = good();
    history.ops[4].what = What::Swap { expected: Some("a".into()), value: "c".into() };
    assert_eq!(broken(&history), ["linearizable"]);
}

#[test]
fn a_doubled_increment_is_found() {
    let mut history = good();
    change_logs(&mut history, |log| log.push(event(8, "counter/x", "2")));
    for contents in &mut history.contents {
        contents.keys.insert("counter/x".into(), seen("2", 3, 8));
    }
    assert_eq!(broken(&history), ["writes", "counters"]);
}

#[test]
fn a_counter_that_forgot_is_found() {
    let mut history = good();
    history.contents[1].keys.insert("counter/x".into(), seen("2", 1, 7));
    assert_eq!(broken(&history), ["counters", "equal"]);
}

#[test]
fn a_watcher_that_missed_or_was_told_twice_or_out_of_order_is_found() {
    let breaks: [fn(&mut Vec<Event>); 5] = [
        |events| {
            events.remove(2);
        },
        |events| {
            events.pop();
        },
        |events| events.insert(3, events[2].clone()),
        |events| events.swap(1, 2),
        |events| events[0].value = Some("another".into()),
    ];
    for break_it in breaks {
        let mut history = good();
        break_it(&mut history.watchers[1].events);
        assert_eq!(broken(&history), ["watches"]);
    }
    let mut history = good();
    history.watchers[0].trouble = Some("compacted".into());
    assert_eq!(broken(&history), ["watches"]);
}

#[test]
fn members_that_differ_are_found() {
    let mut history = good();
    history.contents[1].keys.clear();
    assert!(broken(&history).contains(&"equal"));
    let mut history = good();
    history.logs[1].events.pop();
    assert_eq!(broken(&history), ["equal"]);
    let mut history = good();
    history.logs.clear();
    assert!(broken(&history).contains(&"equal"), "nobody tells of the past");
}
