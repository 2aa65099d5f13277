//! How many requests may wait for their answers: as many as are answered in [`WAIT_MAX`], by what
//! was answered lately.
//!
//! Whoever comes to a queue of `n` requests waits for `n` to be answered, so the length of a queue
//! is a time (Little's law), and a bound on the time is one on the length that follows the pace of
//! the member. Past it a request is better refused at once: its client would have given up by the
//! time it was answered, and the work would be lost.
//!
//! ```text
//!   limit = the best pace of the last WINDOWS windows × WAIT_MAX, at least WAITING_MIN
//! ```
//!
//! The best, not the last: a flush may take long, and what waited is done soon all the same. And
//! windows in which nothing was answered at all are none: after a pause (an election, a disk that
//! hung) the pace is what it was before.
//!
//! It is counted twice: by the replica, which answers for other members' clients too
//! ([`Throughput`] alone), and by the doors, where many readers share a round of the replica, or
//! need none ([`Pace`]). The larger limit holds.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::inbox::REQUESTS_MAX;

/// Nobody should wait longer for those before: a quarter of the second that impatient clients have,
/// who have waited in sockets before.
pub(crate) const WAIT_MAX: Duration = Duration::from_millis(250);

/// So many may wait in any case: a thousand clients that begin at once are no overload.
pub(crate) const WAITING_MIN: usize = 2_048;

/// For so long the answers are counted together: longer than what one flush of the log holds up.
const WINDOW: Duration = Duration::from_millis(250);

/// So many of these are remembered, of those with answers: a second of work. Under too much load
/// the pace is lower than it was before, because refusals take their part, and what was let in by
/// the old one would be too late.
const WINDOWS: usize = 4;

/// The pace of the last second of work.
#[derive(Debug)]
pub(super) struct Throughput {
    /// Since when `answered` counts.
    since: Option<Instant>,
    answered: usize,
    /// Answers in each of the last windows.
    recent: [usize; WINDOWS],
    next: usize,
}

impl Default for Throughput {
    fn default() -> Throughput {
        Throughput { since: None, answered: 0, recent: [0; WINDOWS], next: 0 }
    }
}

impl Throughput {
    /// So many more were answered; how many may wait, if there is something new to say of it.
    pub(super) fn answered(&mut self, answered: usize, now: Instant) -> Option<usize> {
        self.answered += answered;
        let since = *self.since.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        if elapsed < WINDOW {
            return None;
        }
        if self.answered == 0 {
            self.since = Some(now);
            return None;
        }
        let share = WINDOW.as_secs_f64() / elapsed.as_secs_f64();
        self.recent[self.next] = (self.answered as f64 * share) as usize;
        self.next = (self.next + 1) % WINDOWS;
        (self.since, self.answered) = (Some(now), 0);
        Some(self.limit())
    }

    fn limit(&self) -> usize {
        let best = self.recent.iter().copied().max().unwrap_or_default();
        let windows = WAIT_MAX.as_secs_f64() / WINDOW.as_secs_f64();
        ((best as f64 * windows) as usize).clamp(WAITING_MIN, REQUESTS_MAX)
    }
}

/// The pace of many threads together.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Times are told from here.
    begun: Instant,
    /// Answers that `throughput` does not know of yet.
    answered: AtomicUsize,
    /// When it is to hear of them, in ns.
    due_ns: AtomicU64,
    throughput: Mutex<Throughput>,
    limit: AtomicUsize,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            begun: Instant::now(),
            answered: AtomicUsize::new(0),
            due_ns: AtomicU64::new(0),
            throughput: Mutex::default(),
            limit: AtomicUsize::new(WAITING_MIN),
        }
    }
}

impl Pace {
    /// One more was answered.
    pub(crate) fn answered(&self, now: Instant) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        let elapsed = u64::try_from(now.duration_since(self.begun).as_nanos()).unwrap_or(u64::MAX);
        if elapsed < self.due_ns.load(Ordering::Relaxed) {
            return;
        }
        // Whoever else comes now finds that it is being done.
        let Some(mut throughput) = self.throughput.try_lock() else { return };
        let window = u64::try_from(WINDOW.as_nanos()).unwrap_or(u64::MAX);
        self.due_ns.store(elapsed.saturating_add(window), Ordering::Relaxed);
        if let Some(limit) = throughput.answered(self.answered.swap(0, Ordering::Relaxed), now) {
            self.limit.store(limit, Ordering::Relaxed);
        }
    }

    /// How many may wait.
    pub(super) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doors_count_alike() {
        let pace = Pace::default();
        assert_eq!(pace.limit(), WAITING_MIN);
        let answers = 4 * WAITING_MIN;
        (0..answers).for_each(|_| pace.answered(pace.begun));
        pace.answered(pace.begun + WINDOW - Duration::from_nanos(1));
        assert_eq!(pace.limit(), WAITING_MIN, "the window is not over");
        pace.answered(pace.begun + WINDOW);
        assert_eq!(pace.limit(), after(&[answers + 2]));
    }

    /// The limit after so many answers in each of as many windows.
    fn after(answers: &[usize]) -> usize {
        let (mut throughput, mut now) = (Throughput::default(), Instant::now());
        throughput.answered(0, now);
        let mut limit = WAITING_MIN;
        for answered in answers {
            now += WINDOW;
            limit = throughput.answered(*answered, now).expect("a window is over");
        }
        limit
    }

    #[test]
    fn as_many_may_wait_as_are_answered_in_the_time_that_they_have() {
        let windows = (WAIT_MAX.as_millis() / WINDOW.as_millis()) as usize;
        assert_eq!(after(&[5_000]), 5_000 * windows);
        assert_eq!(after(&[5_000, 4_000]), 5_000 * windows, "the best pace counts");
        assert_eq!(after(&[10]), WAITING_MIN);
        assert_eq!(after(&[usize::MAX >> 12]), REQUESTS_MAX);
    }

    #[test]
    fn a_pause_is_forgiven_and_a_pace_that_is_gone_forgotten() {
        let (mut throughput, mut now) = (Throughput::default(), Instant::now());
        throughput.answered(0, now);
        let mut next = |answered| {
            now += WINDOW;
            throughput.answered(answered, now)
        };
        assert_eq!(next(5_000), Some(after(&[5_000])));
        (0..100).for_each(|_| assert_eq!(next(0), None, "a pause is no pace"));
        for _ in 1..WINDOWS {
            assert_eq!(next(3_000), Some(after(&[5_000])));
        }
        assert_eq!(next(3_000), Some(after(&[3_000])));
    }

    #[test]
    fn a_window_that_was_looked_at_late_counts_for_its_length() {
        let (mut throughput, begin) = (Throughput::default(), Instant::now());
        assert_eq!(throughput.answered(3_000, begin), None);
        assert_eq!(throughput.answered(3_000, begin + WINDOW / 2), None);
        let limit = throughput.answered(6_000, begin + 2 * WINDOW).expect("two windows are over");
        assert_eq!(limit, after(&[6_000]));
    }
}
