//! A load of writes, turned on and off by hand, each with its outcome counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use client::{Client, Error, Options};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// The most writes a second.
pub(super) const PER_SECOND_MAX: u32 = 2_000;

/// Writes that wait for their answers at once; while so many do, no more are begun.
const IN_FLIGHT_MAX: usize = 256;
/// From one handful of writes to the next.
const PACE: Duration = Duration::from_millis(10);
/// Writes that were not begun in time are made up for as far as this goes back.
const ARREARS_MAX: Duration = Duration::from_millis(100);
/// Keys that are written over and over.
const KEYS: u64 = 1_000;
/// A write that is not answered in this time counts as what it is then.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// The load, on or off.
#[derive(Default)]
pub(super) struct Load {
    counts: Arc<Counts>,
    writing: Mutex<Option<Writing>>,
}

/// Since the run began.
#[derive(Debug, Default)]
struct Counts {
    done: AtomicU64,
    failed: AtomicU64,
    unknown: AtomicU64,
}

struct Writing {
    per_second: u32,
    task: JoinHandle<()>,
}

/// The load as the dashboard sees it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct LoadView {
    on: bool,
    per_second: u32,
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) unknown: u64,
}

impl Load {
    /// From now on so many writes a second, at most [`PER_SECOND_MAX`], in place of what was on.
    pub(super) fn turn_on(&self, client: &Client, per_second: u32) {
        assert!((1..=PER_SECOND_MAX).contains(&per_second), "whoever asks is checked");
        let options = Options { timeout: WRITE_PATIENCE, ..Options::default() };
        let task = write(client.with_options(options), per_second, Arc::clone(&self.counts));
        let writing = Writing { per_second, task: tokio::spawn(task) };
        if let Some(before) = self.writing.lock().replace(writing) {
            before.task.abort();
        }
    }

    /// No more writes; those under way are still counted.
    pub(super) fn turn_off(&self) {
        if let Some(before) = self.writing.lock().take() {
            before.task.abort();
        }
    }

    pub(super) fn view(&self) -> LoadView {
        let per_second = self.writing.lock().as_ref().map(|writing| writing.per_second);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LoadView {
            on: per_second.is_some(),
            per_second: per_second.unwrap_or(0),
            done: count(&self.counts.done),
            failed: count(&self.counts.failed),
            unknown: count(&self.counts.unknown),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.turn_off();
    }
}

async fn write(client: Client, per_second: u32, counts: Arc<Counts>) {
    let flying = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut due, mut number) = (Instant::now(), 0.0, 0);
    loop {
        pace.tick().await;
        let now = Instant::now();
        due += (now - last).min(ARREARS_MAX).as_secs_f64() * f64::from(per_second);
        last = now;
        while due >= 1.0 {
            due -= 1.0;
            number += 1;
            let Ok(permit) = Arc::clone(&flying).acquire_owned().await else { return };
            let (client, counts) = (client.clone(), Arc::clone(&counts));
            tokio::spawn(async move {
                let put = client.put(format!("load/{}", number % KEYS), number.to_string()).await;
                counts.note(&put.map(drop));
                drop(permit);
            });
        }
    }
}

impl Counts {
    fn note(&self, outcome: &Result<(), Error>) {
        let counter = match outcome {
            Ok(()) => &self.done,
            Err(Error::Unknown { .. }) => &self.unknown,
            Err(_) => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn writes_that_nobody_takes_are_counted_as_failed() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let endpoint = format!("localhost:{}", nobody.port()).parse().unwrap();
        let load = Load::default();
        assert_eq!(load.view(), LoadView::default());
        let client = Client::new(vec![endpoint], Options::default());
        load.turn_on(&client, PER_SECOND_MAX);
        let begin = Instant::now();
        while load.view().failed < 10 {
            assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", load.view());
            tokio::task::yield_now().await;
        }
        load.turn_off();
        let LoadView { on, per_second, done, unknown, .. } = load.view();
        assert_eq!((on, per_second, done, unknown), (false, 0, 0, 0));
    }
}
