//! How far another member's clock is from this one's.

use std::time::{Duration, Instant};

/// What was seen so long ago counts no more: clocks drift.
const SPAN: Duration = Duration::from_secs(30);

/// The smallest difference seen between when a line was read here and when it was written there:
/// the one with the least delay in it. Of this span and the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offset {
    began: Instant,
    now_us: i64,
    before_us: i64,
}

impl Offset {
    /// By the first line.
    pub(super) fn new(now: Instant, here_us: u64, there_us: u64) -> Offset {
        let seen_us = difference(here_us, there_us);
        Offset { began: now, now_us: seen_us, before_us: seen_us }
    }

    /// By another line.
    pub(super) fn see(&mut self, now: Instant, here_us: u64, there_us: u64) {
        let seen_us = difference(here_us, there_us);
        if now.duration_since(self.began) >= SPAN {
            *self = Offset { began: now, now_us: seen_us, before_us: self.now_us };
        }
        self.now_us = self.now_us.min(seen_us);
    }

    /// A time there, by the clock here.
    pub(super) fn here(&self, there_us: u64) -> u64 {
        there_us.saturating_add_signed(self.now_us.min(self.before_us))
    }
}

/// Clocks that are further apart than numbers go are as far apart as they go.
fn difference(here_us: u64, there_us: u64) -> i64 {
    let furthest = if here_us < there_us { i64::MIN } else { i64::MAX };
    i64::try_from(i128::from(here_us) - i128::from(there_us)).unwrap_or(furthest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_with_the_least_delay_counts() {
        let now = Instant::now();
        let mut offset = Offset::new(now, 1_000, 5_000);
        assert_eq!(offset.here(6_000), 2_000);
        offset.see(now, 2_000, 6_500);
        offset.see(now, 3_000, 7_200);
        assert_eq!(offset.here(8_000), 3_500);
    }

    #[test]
    fn what_was_seen_long_ago_counts_no_more() {
        let now = Instant::now();
        let mut offset = Offset::new(now, 1_000, 0);
        offset.see(now + SPAN, 1_500, 0);
        assert_eq!(offset.here(0), 1_000, "of the span before");
        offset.see(now + 2 * SPAN, 1_600, 0);
        assert_eq!(offset.here(0), 1_500);
    }

    #[test]
    fn absurd_clocks_do_no_harm() {
        let now = Instant::now();
        assert_eq!(Offset::new(now, u64::MAX, 0).here(u64::MAX), u64::MAX);
        let mut behind = Offset::new(now, 5, i64::MAX as u64);
        behind.see(now, 0, u64::MAX);
        assert_eq!(behind.here(7), 0);
    }
}
