use fastrand::Rng;

use super::*;

fn put(called: u64, returned: u64, value: u64) -> Operation {
    let (returned, left) = (Some(returned), Some(Some(value)));
    Operation { called, returned, saw: None, left }
}

fn read(called: u64, returned: u64, value: Value) -> Operation {
    Operation { called, returned: Some(returned), saw: Some(value), left: None }
}

fn unanswered(called: u64, value: Value) -> Operation {
    Operation { called, returned: None, saw: None, left: Some(value) }
}

#[test]
fn what_is_one_after_the_other_has_an_order() {
    let history = vec![put(0, 1, 7), read(2, 3, Some(7)), put(4, 5, 8), read(6, 7, Some(8))];
    assert_eq!(search(&history), Verdict::Ordered);
}

#[test]
fn a_read_of_what_was_overwritten_has_none() {
    let history = vec![put(0, 1, 7), put(2, 3, 8), read(4, 5, Some(7))];
    assert_eq!(search(&history), Verdict::Impossible);
}

#[test]
fn two_reads_may_not_see_two_writes_in_different_orders() {
    let writes = [put(0, 9, 7), put(0, 9, 8)];
    let seen = |values: [u64; 4]| {
        let mut history = writes.to_vec();
        let reads = values.iter().zip(1..);
        history.extend(reads.map(|(&value, at)| read(at * 2, at * 2 + 1, Some(value))));
        search(&history)
    };
    assert_eq!(seen([7, 7, 8, 8]), Verdict::Ordered);
    assert_eq!(seen([7, 8, 8, 7]), Verdict::Impossible);
}

#[test]
fn what_was_never_answered_may_happen_late_or_never() {
    for seen in [Some(7), Some(8)] {
        let history = vec![put(0, 1, 7), unanswered(2, Some(8)), read(9, 10, seen)];
        assert_eq!(search(&history), Verdict::Ordered, "{seen:?}");
    }
    let early = vec![read(0, 1, Some(8)), unanswered(2, Some(8))];
    assert_eq!(search(&early), Verdict::Impossible);
}

#[test]
fn a_change_that_says_what_it_found_must_find_it() {
    let swap = |saw| Operation { called: 4, returned: Some(5), saw: Some(saw), left: Some(None) };
    assert_eq!(search(&[put(0, 1, 7), swap(Some(7))]), Verdict::Ordered);
    assert_eq!(search(&[put(0, 1, 7), swap(None)]), Verdict::Impossible);
}

#[test]
fn many_writes_at_once_are_no_labour() {
    let mut history: Vec<Operation> = (0..150).map(|value| put(0, 1_000, value)).collect();
    history.extend((0..5).map(|at| read(2_000 + 2 * at, 2_001 + 2 * at, Some(33))));
    assert_eq!(search(&history), Verdict::Ordered);
    history.push(read(3_000, 3_001, Some(34)));
    assert_eq!(search(&history), Verdict::Impossible);
}

#[test]
fn many_changes_without_an_answer_are_no_labour() {
    let mut history: Vec<Operation> = (0..100).map(|at| unanswered(at, None)).collect();
    history.extend((0..100).map(|at| unanswered(at, Some(1_000 + at))));
    let round = |at: u64| [put(at, at + 1, at), read(at + 2, at + 3, None)];
    history.extend((0..40).flat_map(|number| round(200 + 4 * number)));
    assert_eq!(search(&history), Verdict::Ordered, "each was removed by one of them");
    history.push(read(1_000, 1_001, Some(200)));
    assert_eq!(search(&history), Verdict::Impossible);
}

/// Pairs of a put and a swap of what it put, all at once, while another change must find nothing:
/// so it comes first, though it is answered last.
#[test]
fn many_changes_at_once_leave_room_for_the_one_that_needs_it() {
    const PAIRS: u64 = 1_000;
    let swap =
        |called, returned, saw, value| Operation { saw: Some(saw), ..put(called, returned, value) };
    let pair = |number: u64| {
        let (first, last, returned) = (2 * number, 2 * number + 1, 5_000 + number);
        [put(10, returned, first), swap(11, returned, Some(first), last)]
    };
    let mut history: Vec<Operation> = (0..PAIRS).flat_map(pair).collect();
    history.push(swap(12, 9_000, None, 2 * PAIRS));
    history.push(read(9_001, 9_002, Some(7)));
    assert_eq!(search(&history), Verdict::Ordered);
    history.push(put(1, 2, 2 * PAIRS + 1));
    assert_eq!(search(&history), Verdict::Impossible, "there is something from the start");
    history.push(unanswered(3, None));
    assert_eq!(search(&history), Verdict::Ordered, "somebody may have removed it");
}

#[test]
fn a_swap_of_what_nobody_wrote_has_no_order() {
    let swap = Operation { saw: Some(Some(7)), ..put(0, 1, 8) };
    assert_eq!(search(&[swap]), Verdict::Impossible);
    let back = Operation { saw: Some(Some(8)), ..put(0, 1, 7) };
    assert_eq!(search(&[swap, back]), Verdict::Impossible, "each found what the other left");
}

#[test]
fn only_one_may_replace_what_both_found() {
    let swap = |value| Operation { saw: Some(Some(7)), ..put(2, 3, value) };
    assert_eq!(search(&[put(0, 1, 7), swap(8)]), Verdict::Ordered);
    assert_eq!(search(&[put(0, 1, 7), swap(8), swap(9)]), Verdict::Impossible);
}

#[test]
fn a_value_that_was_written_twice_is_undecided() {
    assert_eq!(search(&[put(0, 1, 7), put(2, 3, 7)]), Verdict::Undecided);
}

#[test]
#[should_panic(expected = "only an answer says what was found")]
fn nobody_says_what_was_found_without_an_answer() {
    search(&[Operation { saw: Some(None), ..unanswered(0, None) }]);
}

/// Whether any order of those that are not in `done` makes sense from `value` on.
fn any_order(operations: &[Operation], done: u32, value: Value) -> bool {
    let left = || operations.iter().enumerate().filter(|(number, _)| done & (1 << number) == 0);
    let mut must = left().filter(|(_, operation)| operation.returned.is_some());
    must.next().is_none()
        || left().any(|(number, operation)| {
            let mut others = left().filter(|(other, _)| *other != number);
            others.all(|(_, other)| other.returned.is_none_or(|at| operation.called < at))
                && operation.saw.is_none_or(|saw| saw == value)
                && any_order(operations, done | 1 << number, operation.left.unwrap_or(value))
        })
}

/// What clients could have been told; half of the time one of them was told something else.
fn some_history(random: &mut Rng) -> Vec<Operation> {
    let (mut operations, mut value, mut values) = (Vec::new(), None, 0);
    let (count, longest) = (random.u64(1..=7), random.u64(1..=60));
    for at in (1..=count).map(|number| 10 * number) {
        let called = at - random.u64(..longest.min(at));
        let returned = (random.u64(..1_000) >= 150).then_some(at + 1 + random.u64(..longest));
        let tells = returned.is_some() && random.bool();
        let mut operation = Operation { called, returned, saw: tells.then_some(value), left: None };
        match random.u64(..6) {
            0..2 if tells => {}
            0..4 => {
                operation.left = Some(Some(values));
                values += 1;
            }
            _ => operation.left = Some(None),
        }
        if returned.is_some() || random.bool() {
            value = operation.left.unwrap_or(value);
        }
        operations.push(operation);
    }
    if random.bool() {
        let all: Vec<Value> = (0..values).map(Some).chain([None]).collect();
        let one = random.u64(..count) as usize;
        let saw = operations[one].saw.map(|_| all[random.usize(..all.len())]);
        operations[one].saw = saw;
    }
    operations
}

#[test]
fn the_verdict_is_that_of_a_trial_of_all_orders() {
    let (mut random, mut ordered, mut impossible) = (Rng::with_seed(1), 0, 0);
    for _ in 0..20_000 {
        let history = some_history(&mut random);
        let expected = any_order(&history, 0, None);
        let verdict = if expected { Verdict::Ordered } else { Verdict::Impossible };
        assert_eq!(search(&history), verdict, "{history:?}");
        *(if expected { &mut ordered } else { &mut impossible }) += 1;
    }
    assert!(ordered > 5_000 && impossible > 1_000, "{ordered} ordered, {impossible} not");
}
