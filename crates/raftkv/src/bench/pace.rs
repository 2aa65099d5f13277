//! When operations begin.
//!
//! **Closed loop:** a client begins when its last operation has ended, so the cluster decides the
//! pace. **Open loop:** operations are due at fixed times, whatever became of those before, and
//! latency counts from those times: what a slow answer keeps others waiting shows in theirs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// How long it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    Elapsed(Duration),
    /// So many operations.
    Count(u64),
}

/// One operation that is to begin now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Which one it is, from 0, of the measured or of the others.
    pub(super) number: u64,
    /// From when its latency counts.
    pub(super) due: Instant,
    pub(super) measured: bool,
}

/// Says to many clients when they begin.
#[derive(Debug)]
pub(super) enum Pace {
    Closed(Closed),
    Open(Open),
}

impl Pace {
    /// Begins now: first the warm-up, unmeasured. What was due at a rate and could not begin for
    /// `patience` after the last was due never does.
    pub(super) fn start(
        until: Until,
        rate: Option<u64>,
        warm_up: Duration,
        clients: usize,
        patience: Duration,
    ) -> Arc<Pace> {
        let begin = Instant::now();
        let Some(rate) = rate else {
            return Arc::new(Pace::Closed(Closed::new(begin + warm_up, until)));
        };
        let schedule = Schedule::new(begin, rate, warm_up, until);
        let pace = Arc::new(Pace::Open(Open::new(schedule, patience)));
        let pacer = Arc::clone(&pace);
        // A thread of its own, because timers of the runtime are a millisecond late.
        thread::spawn(move || match &*pacer {
            Pace::Open(open) => open.release_all(clients),
            Pace::Closed(_) => unreachable!("it was made open above"),
        });
        pace
    }

    /// So many operations, as fast as answers come.
    pub(super) fn each_once(count: u64) -> Arc<Pace> {
        Arc::new(Pace::Closed(Closed::new(Instant::now(), Until::Count(count))))
    }

    /// The next operation, once it may begin; nothing after the last.
    pub(super) async fn next(&self) -> Option<Turn> {
        match self {
            Pace::Closed(closed) => closed.next(Instant::now()),
            Pace::Open(open) => open.next().await,
        }
    }

    /// Whether the cluster decides when operations begin.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Pace::Closed(_))
    }

    /// When the first measured operation may begin.
    pub(super) fn measured_from(&self) -> Instant {
        match self {
            Pace::Closed(closed) => closed.warm_until,
            Pace::Open(Open { schedule, .. }) => schedule.due(schedule.warm),
        }
    }

    /// When the measured time is over, if that is known before.
    pub(super) fn planned_end(&self) -> Option<Instant> {
        match self {
            Pace::Closed(Closed { warm_until, until: Until::Elapsed(time), .. }) => {
                Some(*warm_until + *time)
            }
            Pace::Closed(_) => None,
            Pace::Open(Open { schedule, .. }) => Some(schedule.due(schedule.total)),
        }
    }

    /// How many operations there are to be, if that is known before.
    pub(super) fn total(&self) -> Option<u64> {
        match self {
            Pace::Closed(Closed { until: Until::Count(count), .. }) => Some(*count),
            Pace::Closed(_) => None,
            Pace::Open(Open { schedule, .. }) => Some(schedule.total - schedule.warm),
        }
    }

    /// How many were due and never began.
    pub(super) fn not_begun(&self) -> u64 {
        match self {
            Pace::Closed(_) => 0,
            Pace::Open(open) => open.schedule.total - open.begun.load(Ordering::Relaxed),
        }
    }
}

/// As fast as answers come.
#[derive(Debug)]
pub(super) struct Closed {
    warm_until: Instant,
    until: Until,
    warmed: AtomicU64,
    taken: AtomicU64,
}

impl Closed {
    fn new(warm_until: Instant, until: Until) -> Closed {
        Closed { warm_until, until, warmed: AtomicU64::new(0), taken: AtomicU64::new(0) }
    }

    fn next(&self, now: Instant) -> Option<Turn> {
        let measured = now >= self.warm_until;
        if let Until::Elapsed(time) = self.until
            && now >= self.warm_until + time
        {
            return None;
        }
        let taken = if measured { &self.taken } else { &self.warmed };
        let number = taken.fetch_add(1, Ordering::Relaxed);
        match self.until {
            Until::Count(count) if measured && number >= count => None,
            _ => Some(Turn { number, due: now, measured }),
        }
    }
}

/// When operations of a fixed rate are due.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    begin: Instant,
    /// In operations a second.
    rate: u64,
    /// How many come before the measured ones.
    warm: u64,
    total: u64,
}

impl Schedule {
    fn new(begin: Instant, rate: u64, warm_up: Duration, until: Until) -> Schedule {
        let within = |time: Duration| time.as_secs().saturating_mul(rate);
        let warm = within(warm_up);
        let measured = match until {
            Until::Elapsed(time) => within(time),
            Until::Count(count) => count,
        };
        Schedule { begin, rate, warm, total: warm.saturating_add(measured) }
    }

    fn due(&self, number: u64) -> Instant {
        const NANOS: u64 = 1_000_000_000;
        let (seconds, rest) = (number / self.rate, number % self.rate);
        self.begin + Duration::new(seconds, (rest * NANOS / self.rate) as u32)
    }

    /// How many are due by then, the one at that very time too.
    fn due_by(&self, now: Instant) -> u64 {
        let since = now.duration_since(self.begin);
        let whole = since.as_nanos() * u128::from(self.rate) / 1_000_000_000;
        u64::try_from(whole).map_or(self.total, |whole| self.total.min(whole.saturating_add(1)))
    }

    fn turn(&self, number: u64) -> Turn {
        let measured = number >= self.warm;
        let of_its_kind = if measured { number - self.warm } else { number };
        Turn { number: of_its_kind, due: self.due(number), measured }
    }
}

/// At a fixed rate.
#[derive(Debug)]
pub(super) struct Open {
    schedule: Schedule,
    /// A permit for each operation that is due and has not begun.
    released: Semaphore,
    taken: AtomicU64,
    begun: AtomicU64,
    give_up_at: Instant,
}

impl Open {
    fn new(schedule: Schedule, patience: Duration) -> Open {
        Open {
            give_up_at: schedule.due(schedule.total) + patience,
            schedule,
            released: Semaphore::new(0),
            taken: AtomicU64::new(0),
            begun: AtomicU64::new(0),
        }
    }

    /// Lets operations begin as they come due; in the end every client learns that it was all.
    fn release_all(&self, clients: usize) {
        let mut released = 0;
        while released < self.schedule.total {
            let due = self.schedule.due(released);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let now = Instant::now().max(due);
            let by_now = self.schedule.due_by(now).max(released + 1);
            self.released.add_permits((by_now - released) as usize);
            released = by_now;
        }
        self.released.add_permits(clients);
    }

    async fn next(&self) -> Option<Turn> {
        self.released.acquire().await.expect("nobody closes it").forget();
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        if number >= self.schedule.total || Instant::now() >= self.give_up_at {
            return None;
        }
        self.begun.fetch_add(1, Ordering::Relaxed);
        Some(self.schedule.turn(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    fn schedule(rate: u64, warm_up: Duration, until: Until) -> Schedule {
        Schedule::new(Instant::now(), rate, warm_up, until)
    }

    #[test]
    fn operations_of_a_rate_are_due_at_even_times_without_drift() {
        let schedule = schedule(3, Duration::ZERO, Until::Count(3_000_001));
        let due = |number| schedule.due(number).duration_since(schedule.begin);
        assert_eq!([due(0), due(3), due(3_000_000)], [Duration::ZERO, SECOND, SECOND * 1_000_000]);
        assert_eq!((due(1).as_millis(), due(2).as_millis()), (333, 666));
    }

    #[test]
    fn what_is_due_is_released_and_no_more() {
        let schedule = schedule(1_000, Duration::ZERO, Until::Elapsed(SECOND * 2));
        let due_by = |since| schedule.due_by(schedule.begin + since);
        assert_eq!([due_by(Duration::ZERO), due_by(MS - MS / 2), due_by(MS)], [1, 1, 2]);
        assert_eq!([due_by(SECOND), due_by(SECOND * 2), due_by(SECOND * 9)], [1_001, 2_000, 2_000]);
    }

    #[test]
    fn the_warm_up_comes_before_what_is_measured() {
        let schedule = schedule(10, SECOND, Until::Count(5));
        assert_eq!((schedule.warm, schedule.total), (10, 15));
        let turn = |number| {
            let Turn { number, measured, .. } = schedule.turn(number);
            (number, measured)
        };
        assert_eq!(
            [turn(0), turn(9), turn(10), turn(14)],
            [(0, false), (9, false), (0, true), (4, true)]
        );
    }

    #[tokio::test]
    async fn an_operation_that_waited_for_a_client_counts_from_when_it_was_due() {
        let rate = Some(1_000_000);
        let pace = Pace::start(Until::Count(3), rate, Duration::ZERO, 1, SECOND * 60);
        let first = pace.next().await.unwrap();
        let later = loop {
            let now = Instant::now();
            if now > first.due + MS {
                break now;
            }
            tokio::task::yield_now().await;
        };
        let second = pace.next().await.unwrap();
        assert_eq!(second.due.duration_since(first.due), Duration::from_micros(1));
        assert!(second.due < later);
        assert_eq!(pace.next().await.map(|turn| turn.number), Some(2));
        assert_eq!((pace.next().await, pace.not_begun()), (None, 0));
    }

    #[tokio::test]
    async fn what_never_began_is_told() {
        let pace = Pace::start(Until::Count(5), Some(1_000_000), Duration::ZERO, 2, Duration::ZERO);
        while pace.planned_end().is_some_and(|end| Instant::now() < end) {
            tokio::task::yield_now().await;
        }
        assert_eq!((pace.next().await, pace.next().await, pace.not_begun()), (None, None, 5));
    }

    #[test]
    fn without_a_rate_a_count_ends_it_and_the_warm_up_does_not_count() {
        let begin = Instant::now();
        let closed = Closed::new(begin + SECOND, Until::Count(2));
        let take = |at| closed.next(begin + at).map(|turn| (turn.number, turn.measured));
        assert_eq!([take(MS), take(MS)], [Some((0, false)), Some((1, false))]);
        assert_eq!(
            [take(SECOND), take(SECOND), take(SECOND)],
            [Some((0, true)), Some((1, true)), None]
        );
    }

    #[test]
    fn without_a_rate_time_ends_it() {
        let begin = Instant::now();
        let closed = Closed::new(begin, Until::Elapsed(SECOND));
        assert!(closed.next(begin + SECOND - MS).is_some());
        assert_eq!(closed.next(begin + SECOND), None);
    }
}
