//! Clients at work, through everything: the client that people use, in all its ways.
//!
//! | client | file | what it does |
//! |---|---|---|
//! | registers | `register.rs` | read, write, swap and remove a few keys that all share |
//! | counters | `writer.rs` | count up by writes in a session, or with keys of their own |
//! | ledger | `writer.rs` | writes keys that are never written again, of some size |
//! | watchers | `watcher.rs` | watch everything from the beginning on |
//!
//! Half of the requests go wherever the client thinks best, half to a member that chance picks: so
//! every door is used, a follower's, a paused one's, that of one who is no member any more.

mod register;
mod watcher;
mod writer;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use client::{Client, Endpoint, Error, ExactlyOnce, KeyValue, Options, Written};
use fastrand::Rng;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::history::{Op, Outcome, Seen, Telling};
pub(crate) use watcher::told_of;

/// A request is answered within this, or fails.
const TIMEOUT: Duration = Duration::from_secs(3);

/// So long a client rests between two requests, at most.
const REST_MS_MAX: u64 = 20;

/// Clients of each kind.
const REGISTER_CLIENTS: u64 = 6;
const COUNTERS: u64 = 4;
const LEDGERS: u64 = 2;
const WATCHERS: u64 = 3;

/// What all clients share.
#[derive(Debug)]
pub(crate) struct Shared {
    began: Instant,
    stop: AtomicBool,
    /// Writes that were acknowledged so far.
    done: AtomicU64,
    /// Watchers end when they were told up to here; 0 while nobody knows how far that is.
    last_revision: AtomicU64,
    endpoints: Vec<Endpoint>,
}

/// All clients.
#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<Vec<Op>>>,
    watchers: Vec<JoinHandle<Telling>>,
}

impl Load {
    /// Starts them.
    pub(crate) fn start(runtime: &Handle, endpoints: Vec<Endpoint>, seed: u64) -> Load {
        let shared = Arc::new(Shared {
            began: Instant::now(),
            stop: AtomicBool::new(false),
            done: AtomicU64::new(0),
            last_revision: AtomicU64::new(0),
            endpoints,
        });
        let mut random = Rng::with_seed(seed);
        let mut workers = Vec::new();
        for number in 0..REGISTER_CLIENTS {
            let once = [ExactlyOnce::No, ExactlyOnce::Session, ExactlyOnce::Key];
            let hand = Hand::new(&shared, random.fork(), once[number as usize % once.len()]);
            workers.push(runtime.spawn(register::work(hand, number)));
        }
        for number in 0..COUNTERS {
            let once = [ExactlyOnce::Session, ExactlyOnce::Key][number as usize % 2];
            let hand = Hand::new(&shared, random.fork(), once);
            workers.push(runtime.spawn(writer::count(hand, number)));
        }
        for number in 0..LEDGERS {
            let hand = Hand::new(&shared, random.fork(), ExactlyOnce::Session);
            workers.push(runtime.spawn(writer::keep(hand, number)));
        }
        let watchers = (0..WATCHERS).map(|number| {
            let client = Client::new(rotated(&shared.endpoints, number as usize), options());
            runtime.spawn(watcher::watch(Arc::clone(&shared), client, number))
        });
        let watchers = watchers.collect();
        Load { shared, workers, watchers }
    }

    /// How many writes were acknowledged so far.
    pub(crate) fn done(&self) -> u64 {
        self.shared.done.load(Ordering::Relaxed)
    }

    /// Ends all but the watchers: what they asked and were told.
    pub(crate) async fn stop(&mut self) -> Vec<Op> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut ops = Vec::new();
        for worker in self.workers.drain(..) {
            ops.extend(worker.await.expect("a client does not panic"));
        }
        ops
    }

    /// Waits until the watchers were told all up to a revision, and ends them.
    pub(crate) async fn told(&mut self, revision: u64) -> Vec<Telling> {
        self.shared.last_revision.store(revision, Ordering::Relaxed);
        let mut tellings = Vec::new();
        for watcher in self.watchers.drain(..) {
            tellings.push(watcher.await.expect("a watcher does not panic"));
        }
        tellings
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.workers.iter().for_each(JoinHandle::abort);
        self.watchers.iter().for_each(JoinHandle::abort);
    }
}

/// How every client treats its requests.
pub(crate) fn options() -> Options {
    Options { timeout: TIMEOUT, ..Options::default() }
}

fn rotated(endpoints: &[Endpoint], by: usize) -> Vec<Endpoint> {
    let mut endpoints = endpoints.to_vec();
    let by = by % endpoints.len();
    endpoints.rotate_left(by);
    endpoints
}

/// What one client works with.
struct Hand {
    shared: Arc<Shared>,
    client: Client,
    random: Rng,
    ops: Vec<Op>,
}

impl Hand {
    fn new(shared: &Arc<Shared>, mut random: Rng, exactly_once: ExactlyOnce) -> Hand {
        let endpoints = rotated(&shared.endpoints, random.usize(..shared.endpoints.len()));
        let client = Client::new(endpoints, Options { exactly_once, ..options() });
        Hand { shared: Arc::clone(shared), client, random, ops: Vec::new() }
    }

    fn goes_on(&self) -> bool {
        !self.shared.stop.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        self.shared.began.elapsed().as_micros() as u64
    }

    /// The client that finds its way, or one that knows a single member.
    fn door(&mut self) -> Client {
        match self.random.choice(&self.shared.endpoints) {
            Some(endpoint) if self.random.bool() => self.client.only(endpoint.clone()),
            _ => self.client.clone(),
        }
    }

    fn note(&mut self, op: Op) {
        if matches!(op.outcome, Outcome::Done(_)) {
            self.shared.done.fetch_add(1, Ordering::Relaxed);
        }
        self.ops.push(op);
    }

    /// A rest, so that the load is the same on a fast machine and on a slow one.
    async fn rest(&mut self) {
        rest(Duration::from_millis(self.random.u64(..=REST_MS_MAX))).await;
    }
}

async fn rest(time: Duration) {
    timeout(time, pending::<()>()).await.ok();
}

/// What an answer to a write means.
fn of_write(answer: Result<Written, Error>) -> Outcome {
    match answer {
        Ok(written) => Outcome::Done(written.revision.0),
        Err(error) => of_error(error),
    }
}

/// What a failure of a write means: only one of them leaves it open.
fn of_error(error: Error) -> Outcome {
    match error {
        Error::ConditionFailed { current, .. } => {
            Outcome::Conflict(current.map(|item| seen(&item)))
        }
        Error::Unknown { .. } => Outcome::Unknown,
        _ => Outcome::Refused,
    }
}

pub(crate) fn seen(item: &KeyValue) -> Seen {
    let value = String::from_utf8_lossy(&item.value).into_owned();
    Seen { value, version: item.version, revision: item.mod_revision.0 }
}
