//! The few numbers that describe many durations.

use std::time::Duration;

/// Durations, ascending.
pub(super) struct Sorted(Vec<Duration>);

impl Sorted {
    /// Sorts durations, at least one.
    pub(super) fn new(mut durations: Vec<Duration>) -> Sorted {
        assert!(!durations.is_empty(), "no figure comes out of no measurement");
        durations.sort_unstable();
        Sorted(durations)
    }

    /// The duration that `percent` of them do not exceed, by nearest rank.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        assert!(percent <= 100, "there are a hundred percent");
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0[rank - 1]
    }

    pub(super) fn median(&self) -> Duration {
        self.percentile(50)
    }

    pub(super) fn min(&self) -> Duration {
        self.percentile(0)
    }

    pub(super) fn max(&self) -> Duration {
        self.percentile(100)
    }
}

/// A duration in milliseconds, to the microsecond if it is short.
pub(super) fn ms(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1_000.0;
    if ms < 10.0 { format!("{ms:.3} ms") } else { format!("{ms:.1} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(ms: &[u64]) -> Sorted {
        Sorted::new(ms.iter().copied().map(Duration::from_millis).collect())
    }

    #[test]
    fn percentiles_are_measured_values() {
        let four = sorted(&[40, 10, 30, 20]);
        assert_eq!(four.min(), Duration::from_millis(10));
        assert_eq!(four.median(), Duration::from_millis(20));
        assert_eq!(four.percentile(99), Duration::from_millis(40));
        assert_eq!(four.max(), Duration::from_millis(40));
    }

    #[test]
    fn one_measurement_is_all_of_them() {
        let one = sorted(&[7]);
        assert_eq!((one.min(), one.median(), one.max()), (one.max(), one.max(), one.max()));
    }

    #[test]
    fn short_durations_show_microseconds() {
        assert_eq!(ms(Duration::from_micros(1_234)), "1.234 ms");
        assert_eq!(ms(Duration::from_micros(123_456)), "123.5 ms");
    }
}
