//! A number a second, of the last minutes.

use std::collections::VecDeque;

/// More than the columns of any terminal that people read.
const SECONDS_MAX: usize = 512;

/// The newest seconds, without holes.
#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    values: VecDeque<u64>,
    /// Which second the last value is of.
    second: Option<u64>,
}

impl Series {
    /// The value of the second in which `t_us` lies, in place of what was said of it before. A
    /// clock that goes back, as another member's may, begins a new second.
    pub(super) fn set(&mut self, t_us: u64, value: u64) {
        let second = t_us / 1_000_000;
        let passed = match self.second.replace(second) {
            Some(before) if before == second => 0,
            Some(before) => second.checked_sub(before).unwrap_or(1),
            None => 1,
        };
        if passed == 0 {
            self.values.pop_back();
        }
        // Nothing is known of the seconds between; nothing is drawn there.
        let silent = usize::try_from(passed.saturating_sub(1)).unwrap_or(SECONDS_MAX);
        self.values.extend(std::iter::repeat_n(0, silent.min(SECONDS_MAX)));
        self.values.push_back(value);
        while self.values.len() > SECONDS_MAX {
            self.values.pop_front();
        }
    }

    /// The newest `count` values, oldest first, with zeros before the first that is known.
    pub(super) fn newest(&self, count: usize) -> Vec<u64> {
        let known = self.values.len().min(count);
        let newest = self.values.range(self.values.len() - known..);
        std::iter::repeat_n(0, count - known).chain(newest.copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(told: &[(u64, u64)]) -> Series {
        let mut series = Series::default();
        told.iter().for_each(|&(ms, value)| series.set(ms * 1_000, value));
        series
    }

    #[test]
    fn the_last_word_of_each_second_counts() {
        let series = series(&[(1_000, 5), (1_250, 7), (2_100, 9), (4_000, 2)]);
        assert_eq!(series.newest(6), [0, 0, 7, 9, 0, 2]);
        assert_eq!(series.newest(2), [0, 2]);
        assert_eq!(series.newest(0), [0; 0]);
    }

    #[test]
    fn a_clock_that_jumps_neither_fills_the_memory_nor_stops_the_series() {
        let series = series(&[(0, 1), (u64::MAX / 1_000, 2), (3_000, 3), (3_500, 4)]);
        assert_eq!(series.newest(3), [0, 2, 4]);
        assert!(series.values.len() <= SECONDS_MAX);
    }
}
