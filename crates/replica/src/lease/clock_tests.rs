use store::{Apply, Budget, Command, LogEntry, Outcome, Store};

use super::*;

/// A store in which leases are granted at some age: index after index.
struct Grants {
    store: Store,
    index: u64,
}

impl Grants {
    fn new() -> Grants {
        Grants { store: Store::new(), index: 0 }
    }

    fn grant(&mut self, id: i64, ttl_s: u64, age_ms: u64) -> LeaseId {
        self.index += 1;
        let command = Command::LeaseGrant { lease: LeaseId(id), ttl_s }.encode();
        let (index, command) = (self.index, Some(command));
        let entry = LogEntry { index, term: 1, stamp_ms: 0, age_ms, command };
        match self.store.apply(&entry, &mut Budget::default()) {
            Ok(Apply::Done(Outcome::LeaseGranted { lease, .. })) => lease,
            other => panic!("the grant came to {other:?}"),
        }
    }

    fn lease(&self, id: LeaseId) -> &Lease {
        self.store.lease(id).expect("it was granted")
    }
}

fn due(clock: &LeaseClock, age_ms: u64) -> Vec<i64> {
    clock.due(age_ms).map(|lease| lease.0).collect()
}

fn take_up_all(clock: &mut LeaseClock, grants: &Grants) {
    while let Some(after) = clock.to_take_up() {
        clock.take_up(grants.store.leases_after(after).take(TAKE_UP_MAX));
    }
}

#[test]
fn a_lease_is_due_its_full_time_after_its_grant() {
    let mut grants = Grants::new();
    let mut clock = LeaseClock::start(100);
    let lease = grants.grant(7, 10, 500);
    clock.granted(grants.lease(lease));
    assert_eq!(due(&clock, 10_499), []);
    assert_eq!(due(&clock, 10_500), [7]);
}

#[test]
fn a_new_leader_counts_from_the_full_time_at_its_start() {
    let mut grants = Grants::new();
    grants.grant(7, 10, 500);
    grants.grant(8, 20, 500);
    let mut clock = LeaseClock::start(9_000);
    take_up_all(&mut clock, &grants);
    assert_eq!(due(&clock, 18_999), []);
    assert_eq!(due(&clock, 19_000), [7]);
    assert_eq!(due(&clock, 29_000), [7, 8]);
}

#[test]
fn kept_alive_it_lives_for_its_full_time_from_then_on_and_never_shorter() {
    let mut grants = Grants::new();
    let lease = grants.grant(7, 10, 0);
    let mut clock = LeaseClock::start(0);
    take_up_all(&mut clock, &grants);
    clock.keep_alive(grants.lease(lease), 6_000);
    clock.keep_alive(grants.lease(lease), 5_000);
    assert_eq!(clock.until_ms(grants.lease(lease)), 16_000, "an earlier one came in late");
    assert_eq!(due(&clock, 15_999), []);
    assert_eq!(due(&clock, 16_000), [7]);
}

#[test]
fn kept_alive_before_it_is_taken_up_it_keeps_that_time() {
    let mut grants = Grants::new();
    let lease = grants.grant(7, 10, 0);
    let mut clock = LeaseClock::start(1_000);
    assert_eq!(clock.until_ms(grants.lease(lease)), 11_000, "though it has no timer yet");
    clock.keep_alive(grants.lease(lease), 3_000);
    take_up_all(&mut clock, &grants);
    assert_eq!(due(&clock, 12_999), []);
    assert_eq!(due(&clock, 13_000), [7]);
}

#[test]
fn once_it_is_going_nothing_brings_it_back() {
    let mut grants = Grants::new();
    let lease = grants.grant(7, 10, 0);
    let mut clock = LeaseClock::start(0);
    take_up_all(&mut clock, &grants);
    clock.goes(lease, Index(9));
    clock.keep_alive(grants.lease(lease), 10_001);
    assert_eq!(clock.going(lease), Some(Index(9)));
    assert_eq!(due(&clock, u64::MAX), [], "it is proposed once");
    clock.ended(lease);
    assert_eq!(clock.going(lease), None);
}

#[test]
fn a_second_grant_of_an_id_is_another_lease() {
    let mut grants = Grants::new();
    let lease = grants.grant(7, 10, 0);
    let mut clock = LeaseClock::start(0);
    clock.granted(grants.lease(lease));
    clock.goes(lease, Index(9));
    let mut again = Grants::new();
    again.grant(7, 10, 20_000);
    clock.granted(again.lease(lease));
    assert_eq!(clock.going(lease), None);
    assert_eq!(due(&clock, 29_999), []);
    assert_eq!(due(&clock, 30_000), [7]);
}

#[test]
fn many_leases_are_taken_up_in_bounded_steps() {
    let mut grants = Grants::new();
    for id in 1..=2 * TAKE_UP_MAX as i64 + 1 {
        grants.grant(id, 10, 0);
    }
    let mut clock = LeaseClock::start(0);
    let mut steps = 0;
    while let Some(after) = clock.to_take_up() {
        clock.take_up(grants.store.leases_after(after).take(TAKE_UP_MAX));
        steps += 1;
    }
    assert_eq!(steps, 3);
    assert_eq!(clock.due(10_000).count(), 2 * TAKE_UP_MAX + 1);
}

#[test]
fn a_lease_that_was_revoked_is_forgotten() {
    let mut grants = Grants::new();
    let lease = grants.grant(7, 10, 0);
    let mut clock = LeaseClock::start(0);
    clock.granted(grants.lease(lease));
    clock.ended(lease);
    assert_eq!(due(&clock, u64::MAX), []);
    assert!(clock.timers.is_empty() && clock.queue.is_empty());
}
