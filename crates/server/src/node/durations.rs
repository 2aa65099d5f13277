//! How long something takes, counted by classes: what `/metrics` shows as a histogram.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the classes, in s; longer ones are in a class of their own. A millisecond,
/// and twice as much each time: as etcd has it for its disk.
pub(crate) const BOUNDS_S: [f64; 14] = [
    0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096,
    8.192,
];

/// Counts of durations.
#[derive(Debug, Default)]
pub struct Durations {
    /// One for each bound, and one for what is beyond.
    classes: [AtomicU64; BOUNDS_S.len() + 1],
    nanoseconds: AtomicU64,
}

impl Durations {
    /// It took so long.
    pub(crate) fn add(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let class = BOUNDS_S.partition_point(|bound| *bound < seconds);
        self.classes[class].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// How long all took together, in s, and how many there are in each class with its bound.
    pub(crate) fn told(&self) -> (f64, Vec<(f64, u64)>) {
        let sum_s = Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
        let bounds = BOUNDS_S.into_iter().chain([f64::INFINITY]);
        let counts = self.classes.iter().map(|class| class.load(Ordering::Relaxed));
        (sum_s, bounds.zip(counts).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_in_the_class_of_the_next_bound() {
        let durations = Durations::default();
        for millis in [0, 1, 2, 3, 9_000] {
            durations.add(Duration::from_millis(millis));
        }
        let (sum_s, classes) = durations.told();
        let counts: Vec<u64> = classes.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert!((sum_s - 9.006).abs() < 1e-9, "{sum_s}");
    }
}
