//! What a member answered in the last second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::node::{AnsweredCounts, CLASSES};

/// Over so long.
const SPAN: Duration = Duration::from_secs(1);

/// Counts of that time, and a few more: they are looked at ten times a second.
const MARKS_MAX: usize = 16;

/// As it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rates {
    /// A second.
    pub(crate) writes: u64,
    /// A second.
    pub(crate) reads: u64,
    /// So long half of the writes took at most, by classes that double; none without writes.
    pub(crate) p50_us: Option<u64>,
    /// So long all but one of a hundred took at most.
    pub(crate) p99_us: Option<u64>,
}

/// Makes rates of counts.
#[derive(Debug, Default)]
pub(crate) struct RateMeter {
    marks: VecDeque<(Instant, AnsweredCounts)>,
}

impl RateMeter {
    /// The counts are these now; nothing is known of the time before the first of them.
    pub(crate) fn rates(&mut self, now: Instant, counts: AnsweredCounts) -> Rates {
        // The newest mark that is a second old is what counts.
        while self.marks.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= SPAN)
            || self.marks.len() >= MARKS_MAX
        {
            self.marks.pop_front();
        }
        self.marks.push_back((now, counts));
        let Some((since, before)) = self.marks.front() else { return Rates::default() };
        let seconds = now.duration_since(*since).as_secs_f64();
        let mut writes = [0; CLASSES];
        for (class, new) in writes.iter_mut().enumerate() {
            *new = counts.writes[class].saturating_sub(before.writes[class]);
        }
        let a_second = |count: u64| match seconds > 0.0 {
            true => (count as f64 / seconds).round() as u64,
            false => 0,
        };
        Rates {
            writes: a_second(writes.iter().sum()),
            reads: a_second(counts.reads.saturating_sub(before.reads)),
            p50_us: percentile(&writes, 50),
            p99_us: percentile(&writes, 99),
        }
    }
}

/// The upper end of the class in which that percentile is.
fn percentile(classes: &[u64; CLASSES], percent: u64) -> Option<u64> {
    let all: u64 = classes.iter().sum();
    let wanted = (all * percent).div_ceil(100).max(1);
    let mut reached = 0;
    let class = classes.iter().position(|count| {
        reached += count;
        reached >= wanted
    });
    class.map(|class| 1 << class)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Answered;

    #[test]
    fn rates_are_of_the_last_second() {
        let (answered, began, mut meter) =
            (Answered::default(), Instant::now(), RateMeter::default());
        let at = |tenths: u32| began + Duration::from_millis(100) * tenths;
        answered.wrote(Duration::from_secs(1));
        assert_eq!(meter.rates(at(0), answered.counts()), Rates::default());
        for tenths in 1..=20 {
            (0..49).for_each(|_| answered.wrote(Duration::from_micros(700)));
            answered.wrote(Duration::from_millis(3));
            answered.read();
            let rates = meter.rates(at(tenths), answered.counts());
            assert_eq!((rates.writes, rates.reads), (500, 10), "after {tenths} tenths");
            assert_eq!((rates.p50_us, rates.p99_us), (Some(1_024), Some(4_096)));
        }
        for tenths in 21..=30 {
            meter.rates(at(tenths), answered.counts());
        }
        assert_eq!(meter.rates(at(31), answered.counts()), Rates::default());
    }
}
