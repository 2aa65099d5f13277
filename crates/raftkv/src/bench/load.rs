//! Many clients, from the first operation to the last.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::{JoinHandle, JoinSet};

use super::keys::Chooser;
use super::line::{Line, Lines};
use super::pace::{Pace, Turn};
use super::tally::{Done, Failed, Tally};
use super::windows::Windows;
use super::work::Work;
use crate::progress::Progress;

/// Clients share tallies, so that thousands of them take little memory.
const TALLIES: usize = 64;

/// A client whose operation failed waits so long, so that it does not take the processor from
/// servers that try to recover.
const ERROR_PAUSE: Duration = Duration::from_millis(5);

/// From one look at how far it is to the next.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What became of a load.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) tally: Tally,
    /// How long what was measured took.
    pub(super) elapsed: Duration,
    /// How many were done in the quietest [`WINDOW`](super::windows::WINDOW), if there was a whole
    /// one.
    pub(super) quietest: Option<u64>,
}

/// What all clients share.
#[derive(Debug)]
pub(super) struct Load {
    work: Work,
    pace: Arc<Pace>,
    /// How long after it was due an operation may be answered.
    within: Option<Duration>,
    tallies: Tallies,
}

impl Load {
    pub(super) fn new(work: Work, pace: Arc<Pace>) -> Load {
        Load { work, pace, within: None, tallies: Tallies::default() }
    }

    /// The same, of which each operation has so much time.
    pub(super) fn within(self, within: Option<Duration>) -> Load {
        Load { within, ..self }
    }

    /// Runs so many clients to their end.
    pub(super) async fn run(self, lines: &Lines, clients: usize) -> Outcome {
        let load = Arc::new(self);
        let shown = show(&load.pace, load.tallies.counter());
        let mut running = JoinSet::new();
        for client in 0..clients {
            running.spawn(Arc::clone(&load).client(lines.of(client), client));
        }
        // A client can not fail; it tells what did.
        while running.join_next().await.is_some() {}
        shown.abort();
        outcome(&load.pace, load.tallies.sum(), load.tallies.quietest())
    }

    /// One operation, which is given up when its time is over.
    async fn in_time(
        &self,
        line: &mut Line,
        turn: Turn,
        chooser: &mut Chooser,
        within: Duration,
    ) -> Result<Done, Failed> {
        let deadline = turn.due + within;
        if Instant::now() >= deadline {
            return Err(not_sent(within));
        }
        let once = self.work.once(line, turn.number, chooser);
        let ended = tokio::time::timeout_at(deadline.into(), once).await;
        ended.unwrap_or_else(|_| Err(late(within)))
    }

    async fn client(self: Arc<Load>, mut line: Line, client: usize) {
        let mut chooser = Chooser::new(client);
        while let Some(turn) = self.pace.next().await {
            let ended = match self.within {
                Some(within) => self.in_time(&mut line, turn, &mut chooser, within).await,
                None => self.work.once(&mut line, turn.number, &mut chooser).await,
            };
            let failed = ended.is_err();
            self.tallies.take(client, turn, ended);
            if failed && self.pace.is_closed() {
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }
}

/// It was not answered in time.
fn late(within: Duration) -> Failed {
    Failed { kind: "late".to_owned(), message: format!("no answer {within:?} after it was due") }
}

/// It was due so long ago that nothing was sent.
fn not_sent(within: Duration) -> Failed {
    let message = format!("no client was free {within:?} after it was due");
    Failed { kind: "not_sent".to_owned(), message }
}

/// The tallies of many clients.
#[derive(Debug)]
pub(super) struct Tallies {
    shards: Vec<Mutex<Tally>>,
    windows: Mutex<Windows>,
    ended: Arc<AtomicU64>,
}

impl Default for Tallies {
    fn default() -> Tallies {
        let shards = (0..TALLIES).map(|_| Mutex::default()).collect();
        let windows = Mutex::new(Windows::from(Instant::now()));
        Tallies { shards, windows, ended: Arc::default() }
    }
}

impl Tallies {
    /// Notes how an operation ended, if it is to be measured.
    pub(super) fn take(&self, client: usize, turn: Turn, ended: Result<Done, Failed>) {
        if !turn.measured {
            return;
        }
        self.ended.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let latency = now.saturating_duration_since(turn.due);
        if ended.is_ok() {
            self.windows.lock().done(now);
        }
        let mut tally = self.shards[client % TALLIES].lock();
        match ended {
            Ok(done) => tally.done(done, latency),
            Err(failed) => tally.failed(failed),
        }
    }

    /// How many operations have ended so far.
    pub(super) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.ended)
    }

    /// How many were done in the quietest window.
    pub(super) fn quietest(&self) -> Option<u64> {
        self.windows.lock().quietest()
    }

    /// All of them together; they begin anew.
    pub(super) fn sum(&self) -> Tally {
        let mut sum = Tally::default();
        self.shards.iter().for_each(|shard| sum.add(std::mem::take(&mut *shard.lock())));
        sum
    }
}

/// What became of it, with what was due and never began.
pub(super) fn outcome(pace: &Pace, mut tally: Tally, quietest: Option<u64>) -> Outcome {
    let message = "it was due, and all clients were busy until it was given up".to_owned();
    tally.failed_times(Failed { kind: "not_begun".to_owned(), message }, pace.not_begun());
    let ended_at = tally.last_done_at().max(pace.planned_end()).unwrap_or_else(Instant::now);
    let elapsed = ended_at.saturating_duration_since(pace.measured_from());
    Outcome { tally, elapsed, quietest }
}

/// Shows how far it is until it is aborted.
pub(super) fn show(pace: &Arc<Pace>, ended: Arc<AtomicU64>) -> JoinHandle<()> {
    let pace = Arc::clone(pace);
    tokio::spawn(async move {
        let begin = Instant::now();
        let whole = pace.total().or_else(|| Some(ms(pace.planned_end()? - begin)));
        let progress = Progress::part(whole.unwrap_or_default());
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let (count, since) = (ended.load(Ordering::Relaxed), pace.measured_from().elapsed());
            progress.set(if pace.total().is_some() { count } else { ms(begin.elapsed()) });
            if since > LOOK_EVERY {
                let per_second = count as f64 / since.as_secs_f64();
                progress.say(format!("{per_second:.0} a second"));
            }
        }
    })
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
