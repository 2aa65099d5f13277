//! What became of operations.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Latencies are kept to so many digits.
const DIGITS: u8 = 3;

/// No deadline of ours is longer, in µs: an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// An operation that was answered well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done {
    /// What it was: `put`, `get` and so on.
    pub(super) operation: &'static str,
    /// Bytes of keys and values that came.
    pub(super) read: u64,
    /// Bytes of keys and values that went.
    pub(super) written: u64,
}

/// An operation that was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    /// Of which kind, in a word or two with underscores.
    pub(super) kind: String,
    pub(super) message: String,
}

/// Operations of one kind that were done.
#[derive(Debug)]
pub(super) struct Part {
    /// In µs.
    pub(super) latencies: Histogram<u64>,
    pub(super) read: u64,
    pub(super) written: u64,
}

/// Failures of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Errors {
    pub(super) count: u64,
    pub(super) first: String,
}

/// What became of many operations.
#[derive(Debug, Default)]
pub(super) struct Tally {
    parts: BTreeMap<&'static str, Part>,
    errors: BTreeMap<String, Errors>,
    last_done_at: Option<Instant>,
}

impl Default for Part {
    fn default() -> Part {
        let latencies = Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS);
        Part { latencies: latencies.expect("constants, and tested"), read: 0, written: 0 }
    }
}

impl Part {
    /// How many were done.
    pub(super) fn count(&self) -> u64 {
        self.latencies.len()
    }

    fn add(&mut self, other: &Part) {
        self.latencies.add(&other.latencies).expect("all have the same bounds");
        self.read += other.read;
        self.written += other.written;
    }
}

impl Tally {
    pub(super) fn done(&mut self, done: Done, latency: Duration) {
        let part = self.parts.entry(done.operation).or_default();
        let us = u64::try_from(latency.as_micros()).unwrap_or(LATENCY_US_MAX);
        part.latencies.saturating_record(us);
        part.read += done.read;
        part.written += done.written;
        self.last_done_at = Some(Instant::now());
    }

    pub(super) fn failed(&mut self, failed: Failed) {
        self.failed_times(failed, 1);
    }

    pub(super) fn failed_times(&mut self, failed: Failed, times: u64) {
        if times > 0 {
            let errors = Errors { count: 0, first: failed.message };
            self.errors.entry(failed.kind).or_insert(errors).count += times;
        }
    }

    /// Adds what became of others.
    pub(super) fn add(&mut self, other: Tally) {
        for (operation, part) in &other.parts {
            self.parts.entry(operation).or_default().add(part);
        }
        for (kind, Errors { count, first }) in other.errors {
            self.failed_times(Failed { kind, message: first }, count);
        }
        self.last_done_at = self.last_done_at.max(other.last_done_at);
    }

    /// Each kind of operation of which any was done.
    pub(super) fn parts(&self) -> &BTreeMap<&'static str, Part> {
        &self.parts
    }

    /// All operations together, or only those of one kind.
    pub(super) fn total(&self, only: Option<&str>) -> Part {
        let mut total = Part::default();
        let wanted = |name: &str| only.is_none_or(|only| only == name);
        self.parts.iter().filter(|(name, _)| wanted(name)).for_each(|(_, part)| total.add(part));
        total
    }

    pub(super) fn errors(&self) -> &BTreeMap<String, Errors> {
        &self.errors
    }

    /// What one of the failures said.
    pub(super) fn first_error(&self) -> Option<&str> {
        self.errors.values().next().map(|errors| errors.first.as_str())
    }

    /// Whether nothing was done.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn last_done_at(&self) -> Option<Instant> {
        self.last_done_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUT: Done = Done { operation: "put", read: 0, written: 10 };
    const GET: Done = Done { operation: "get", read: 7, written: 0 };

    fn tally(done: &[(Done, u64)]) -> Tally {
        let mut tally = Tally::default();
        done.iter().for_each(|(done, us)| tally.done(*done, Duration::from_micros(*us)));
        tally
    }

    fn timed_out() -> Failed {
        Failed { kind: "timeout".to_owned(), message: "no answer".to_owned() }
    }

    #[test]
    fn tallies_of_clients_add_up_to_that_of_all() {
        let mut all = tally(&[(PUT, 100), (GET, 10)]);
        all.add(tally(&[(PUT, 300), (PUT, 200)]));
        all.add(Tally::default());
        let put = &all.parts()["put"];
        assert_eq!((put.count(), put.written, put.read), (3, 30, 0));
        assert_eq!(put.latencies.value_at_quantile(0.5), 200);
        let total = all.total(None);
        assert_eq!((total.count(), total.written, total.read), (4, 30, 7));
        assert_eq!((total.latencies.min(), total.latencies.max()), (10, 300));
        assert_eq!(all.total(Some("get")).count(), 1);
    }

    #[test]
    fn what_failed_is_not_done() {
        let mut all = Tally::default();
        all.failed(timed_out());
        assert!(all.is_empty() && all.last_done_at().is_none());
        let mut other = tally(&[(PUT, 1)]);
        other.failed_times(timed_out(), 2);
        other.failed_times(Failed { kind: "never".to_owned(), ..timed_out() }, 0);
        all.add(other);
        let errors = Errors { count: 3, first: "no answer".to_owned() };
        assert_eq!(all.errors(), &BTreeMap::from([("timeout".to_owned(), errors)]));
        assert_eq!((all.total(None).count(), all.first_error()), (1, Some("no answer")));
    }

    #[test]
    fn a_latency_beyond_all_bounds_is_the_largest_there_is() {
        let all = tally(&[(PUT, 0), (PUT, u64::MAX)]);
        let latencies = &all.parts()["put"].latencies;
        assert_eq!((latencies.len(), latencies.value_at_quantile(0.1)), (2, 0));
        assert!(latencies.max() >= LATENCY_US_MAX);
    }
}
