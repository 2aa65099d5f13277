//! The clock of events: µs since 1970 that never go back while somebody looks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The machine's monotonic clock, set by its wall clock whenever somebody begins to look.
#[derive(Debug)]
pub(crate) struct EventClock {
    started: Instant,
    /// The wall clock when it was started, µs since 1970.
    started_us: AtomicU64,
}

impl EventClock {
    /// Set by the wall clock of now.
    pub(super) fn start() -> EventClock {
        let clock = EventClock { started: Instant::now(), started_us: AtomicU64::new(0) };
        clock.set();
        clock
    }

    /// Goes by the wall clock as that is now.
    pub(super) fn set(&self) {
        // A wall clock before 1970 is none.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_us = micros(wall).saturating_sub(micros(self.started.elapsed()));
        self.started_us.store(started_us, Ordering::Relaxed);
    }

    /// For how long it has gone.
    pub(super) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// When it was started, µs since 1970.
    pub(super) fn started_us(&self) -> u64 {
        self.started_us.load(Ordering::Relaxed)
    }

    /// Now, µs since 1970.
    pub(crate) fn now_us(&self) -> u64 {
        self.started_us().saturating_add(micros(self.started.elapsed()))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
