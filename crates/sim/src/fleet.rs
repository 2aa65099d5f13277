//! Many lives, on a few threads: each life is one thread's alone, so a seed means the same however
//! many run beside it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::canary::Canary;
use crate::faults::{Fault, Tally};
use crate::life::Life;
use crate::oracle::Outcomes;
use crate::report::{Report, SnapshotCounts};
use crate::retention::CompactionCounts;
use crate::trace::Trace;
use crate::watching::WatchCounts;

/// Finished lives that wait to be looked at.
const FINISHED_MAX: usize = 64;

/// Lives one life.
///
/// # Panics
/// If a promise is broken; the message names it.
pub fn live(seed: u64, canary: Option<Canary>, trace: Trace) -> Report {
    Life::new(seed, canary, trace).run()
}

/// A promise was broken, in the life of that seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The life.
    pub seed: u64,
    /// What the panic said: the promise's name, and what happened.
    pub message: String,
}

/// As [`live`], with the panic caught.
pub fn try_live(seed: u64, canary: Option<Canary>, trace: Trace) -> Result<Report, Broken> {
    catch_unwind(AssertUnwindSafe(|| live(seed, canary, trace)))
        .map_err(|panic| Broken { seed, message: message_of(panic.as_ref()) })
}

pub(crate) fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").to_owned()
}

/// Which lives to live.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// The first seed.
    pub from: u64,
    /// How many seeds, one after the other.
    pub seeds: u64,
    /// On how many threads.
    pub threads: usize,
    /// After this time no other life begins.
    pub budget: Option<Duration>,
}

/// A life that is over, with the time it took.
struct Finished {
    seed: u64,
    result: Result<Report, Broken>,
    took: Duration,
}

impl Fleet {
    /// Lives all of them; `watch` hears of each that ended, in no particular order.
    pub fn run(self, mut watch: impl FnMut(u64, &Result<Report, Broken>)) -> Summary {
        let (began, next) = (Instant::now(), AtomicU64::new(0));
        let (sender, receiver) = sync_channel(FINISHED_MAX);
        let mut summary = Summary::default();
        thread::scope(|scope| {
            for _ in 0..self.threads {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || self.work(began, next, &sender));
            }
            drop(sender);
            for finished in receiver {
                watch(finished.seed, &finished.result);
                summary.take(finished);
            }
        });
        summary.took = began.elapsed();
        summary.times.sort_unstable();
        summary.broken.sort_unstable_by_key(|broken| broken.seed);
        summary
    }

    fn work(self, started: Instant, next: &AtomicU64, sender: &SyncSender<Finished>) {
        loop {
            let offset = next.fetch_add(1, Ordering::Relaxed);
            let spent = self.budget.is_some_and(|budget| started.elapsed() >= budget);
            if spent || offset >= self.seeds {
                return;
            }
            let began = Instant::now();
            let seed = self.from.wrapping_add(offset);
            let result = try_live(seed, None, Trace::off());
            let finished = Finished { seed, result, took: began.elapsed() };
            if sender.send(finished).is_err() {
                return;
            }
        }
    }
}

/// What many lives came to.
#[derive(Debug, Default)]
pub struct Summary {
    /// Lives in which every promise was kept.
    pub passed: u64,
    /// The others, by seed.
    pub broken: Vec<Broken>,
    /// How often each fault happened.
    pub faults: Tally,
    /// What became of snapshots.
    pub snapshots: SnapshotCounts,
    /// Of each fault: in how many lives it was on, and in how many of these it never happened.
    pub enabled: Vec<(Fault, u64, u64)>,
    /// What came of all requests.
    pub outcomes: Outcomes,
    /// What came of watching.
    pub watches: WatchCounts,
    /// Keys and leases that were ended for want of time.
    pub expired: (u64, u64),
    /// Leases that were watched to their end in a cluster that was well.
    pub lease_trials: u64,
    /// What leaders gave up of the past by themselves.
    pub compactions: CompactionCounts,
    /// Keys for which an order of all answers was found.
    pub searched: u64,
    /// Events of all lives.
    pub events: u64,
    /// Simulated time of all lives, in µs.
    pub simulated_us: u64,
    /// Entries that were committed.
    pub committed: u64,
    /// Unflushed sectors that power cuts lost, and that they tore.
    pub sectors: (u64, u64),
    /// The slowest healing, in ms and in election timeouts.
    pub slowest_recovery: (u64, u64),
    /// The wall-clock time of it all.
    pub took: Duration,
    /// The time of each life, ascending.
    pub times: Vec<Duration>,
}

impl Summary {
    fn take(&mut self, finished: Finished) {
        self.times.push(finished.took);
        let report = match finished.result {
            Ok(report) => report,
            Err(broken) => return self.broken.push(broken),
        };
        self.passed += 1;
        self.faults.add(&report.faults);
        self.snapshots.add(report.snapshots);
        self.outcomes.add(&report.outcomes);
        self.watches.add(report.watches);
        self.expired.0 += report.expired.0;
        self.expired.1 += report.expired.1;
        self.lease_trials += report.lease_trials;
        self.compactions.add(report.compactions);
        self.searched += report.searched;
        self.events += report.events;
        self.simulated_us += report.simulated_us;
        self.committed += report.committed;
        self.sectors.0 += report.sectors_lost;
        self.sectors.1 += report.sectors_torn;
        let recovery = (report.recovery_ms, report.recovery_ms / report.election_timeout_ms);
        self.slowest_recovery = self.slowest_recovery.max(recovery);
        self.take_enabled(&report);
    }

    fn take_enabled(&mut self, report: &Report) {
        if self.enabled.is_empty() {
            self.enabled = Fault::ALL.map(|fault| (fault, 0, 0)).to_vec();
        }
        for (fault, on, idle) in &mut self.enabled {
            if report.enabled.contains(fault) {
                *on += 1;
                *idle += u64::from(report.faults.of(*fault) == 0);
            }
        }
    }

    /// Faults that were on in some life, and happened in none.
    pub fn never_happened(&self) -> impl Iterator<Item = Fault> {
        let idle = self.enabled.iter().filter(|&&(_, on, idle)| on > 0 && on == idle);
        idle.map(|&(fault, _, _)| fault)
    }

    /// The time that so many of a thousand lives did not exceed.
    pub fn time_at(&self, per_mille: usize) -> Duration {
        let position = self.times.len() * per_mille / 1_000;
        let last = self.times.len().saturating_sub(1);
        self.times.get(position.min(last)).copied().unwrap_or_default()
    }
}
