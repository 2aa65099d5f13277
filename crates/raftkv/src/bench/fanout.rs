//! One key, and many who watch it: how long from a put to each watcher's event.
//!
//! A value begins with a stamp: which run it is of, and when the put was due. So an event tells by
//! itself how late it is, and events of others are passed over. Watchers of one connection share a
//! stream, as those of etcd's own clients do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::etcd::etcdserverpb::watch_request::RequestUnion;
use proto::etcd::etcdserverpb::{WatchCreateRequest, WatchRequest, WatchResponse};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::line::{Line, Lines};
use super::load::{Outcome, Tallies, outcome, show};
use super::pace::{Pace, Turn};
use super::plan::Plan;
use super::tally::{Done, Failed};
use super::work::{self, value};
use crate::failure::Failure;

/// The run's tag and the put's time.
pub(super) const STAMP_BYTES: usize = 16;

/// Requests for watches that wait to be sent, on one connection.
const REQUESTS_MAX: usize = 128;

/// Runs it: watchers first, then puts, then the wait for what is still to come.
pub(super) async fn run(plan: &Plan, watchers: usize, lines: &Lines) -> Result<Outcome, Failure> {
    let stamps = Stamps { tag: fastrand::u64(..), epoch: Instant::now() };
    let fanout = Arc::new(Fanout {
        stamps,
        key: plan.keys.key(0),
        value: value(plan.value_bytes),
        tallies: Tallies::default(),
        seen: AtomicU64::new(0),
        measured_from: AtomicU64::new(u64::MAX),
        changed: Notify::new(),
    });
    let streams = watch_all(lines, &fanout.key, watchers);
    let streams = tokio::time::timeout(plan.timeout(), streams).await;
    let streams = streams.map_err(|_| unavailable("not all watches began in time"))??;
    let mut listening = JoinSet::new();
    for (connection, stream) in streams.into_iter().enumerate() {
        listening.spawn(Arc::clone(&fanout).listen(stream, connection));
    }
    let (until, patience) = (plan.until, plan.timeout());
    let pace = Pace::start(until, plan.rate, plan.warm_up, plan.clients, patience);
    let from = fanout.stamps.nanos(pace.measured_from());
    fanout.measured_from.store(from, Ordering::Relaxed);
    Ok(fanout.write(pace, lines, plan, watchers as u64).await)
}

/// What writers and watchers share.
#[derive(Debug)]
struct Fanout {
    stamps: Stamps,
    key: Bytes,
    value: Bytes,
    tallies: Tallies,
    /// How many events of measured puts came.
    seen: AtomicU64,
    /// The stamp of the first measured put.
    measured_from: AtomicU64,
    /// An event came.
    changed: Notify,
}

impl Fanout {
    async fn write(
        self: Arc<Fanout>,
        pace: Arc<Pace>,
        lines: &Lines,
        plan: &Plan,
        watchers: u64,
    ) -> Outcome {
        let puts = Arc::new(AtomicU64::new(0));
        let shown = show(&pace, Arc::clone(&puts));
        let mut writers = JoinSet::new();
        for client in 0..plan.clients {
            let fanout = Arc::clone(&self);
            let (line, pace, puts) = (lines.of(client), Arc::clone(&pace), Arc::clone(&puts));
            writers.spawn(fanout.client(line, client, pace, puts));
        }
        while writers.join_next().await.is_some() {}
        shown.abort();
        let expected = puts.load(Ordering::Relaxed) * watchers;
        // What has not come by then is lost to those who wait for it.
        let _ = tokio::time::timeout(plan.timeout(), self.all_seen(expected)).await;
        let mut tally = self.tallies.sum();
        let lost = expected.saturating_sub(self.seen.load(Ordering::Relaxed));
        let message = format!("no event within {:?} of the last put", plan.timeout());
        tally.failed_times(Failed { kind: "event_lost".to_owned(), message }, lost);
        outcome(&pace, tally, self.tallies.quietest())
    }

    async fn client(
        self: Arc<Fanout>,
        mut line: Line,
        client: usize,
        pace: Arc<Pace>,
        puts: Arc<AtomicU64>,
    ) {
        while let Some(turn) = pace.next().await {
            let value = self.stamps.on(&self.value, turn.due);
            let ended = work::put(&mut line, "put", self.key.clone(), value).await;
            if turn.measured && ended.is_ok() {
                puts.fetch_add(1, Ordering::Relaxed);
            }
            self.tallies.take(client, turn, ended);
        }
    }

    async fn all_seen(&self, expected: u64) {
        loop {
            // Asked for before the look, so that no event between them is missed.
            let changed = self.changed.notified();
            if self.seen.load(Ordering::Relaxed) >= expected {
                return;
            }
            changed.await;
        }
    }

    /// Takes events until the stream ends; those that never come are missed in the end.
    async fn listen(self: Arc<Fanout>, mut stream: Watching, connection: usize) {
        while let Ok(Some(response)) = stream.answers.message().await {
            self.take(&response, connection);
        }
    }

    fn take(&self, response: &WatchResponse, connection: usize) {
        let from = self.measured_from.load(Ordering::Relaxed);
        let kvs = response.events.iter().filter_map(|event| event.kv.as_ref());
        for kv in kvs {
            let Some(nanos) = self.stamps.of(&kv.value).filter(|nanos| *nanos >= from) else {
                continue;
            };
            let due = self.stamps.epoch + Duration::from_nanos(nanos);
            let read = (kv.key.len() + kv.value.len()) as u64;
            let done = Done { operation: "event", read, written: 0 };
            let turn = Turn { number: 0, due, measured: true };
            self.tallies.take(connection, turn, Ok(done));
            self.seen.fetch_add(1, Ordering::Relaxed);
        }
        self.changed.notify_waiters();
    }
}

/// A stream of watches. The requests' end is held, because a server ends the watches with it.
#[derive(Debug)]
struct Watching {
    answers: Streaming<WatchResponse>,
    _requests: mpsc::Sender<WatchRequest>,
}

/// So many watches of one key, spread over the connections.
async fn watch_all(lines: &Lines, key: &Bytes, watchers: usize) -> Result<Vec<Watching>, Failure> {
    let connections = lines.count().min(watchers);
    let mut beginning = JoinSet::new();
    for connection in 0..connections {
        let count = watchers / connections + usize::from(connection < watchers % connections);
        beginning.spawn(watch(lines.of(connection), key.clone(), count));
    }
    beginning.join_all().await.into_iter().collect()
}

/// So many watches of one key on one connection, all of which have begun.
async fn watch(mut line: Line, key: Bytes, count: usize) -> Result<Watching, Failure> {
    let (requests, queued) = mpsc::channel(REQUESTS_MAX);
    let create = WatchCreateRequest { key, ..WatchCreateRequest::default() };
    let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    // A server may answer the call itself only after the first request.
    requests.send(create.clone()).await.map_err(|_| ended())?;
    let request = line.request(ReceiverStream::new(queued));
    let answers = line.watch().watch(request).await;
    let mut answers = answers.map_err(|status| unavailable(status.message()))?.into_inner();
    for begun in 0..count {
        created(&mut answers).await?;
        if begun + 1 < count {
            requests.send(create.clone()).await.map_err(|_| ended())?;
        }
    }
    Ok(Watching { answers, _requests: requests })
}

/// Waits until the next watch has begun; those before it may have events already.
async fn created(answers: &mut Streaming<WatchResponse>) -> Result<(), Failure> {
    loop {
        let answer = answers.message().await.map_err(|status| unavailable(status.message()))?;
        let answer = answer.ok_or_else(ended)?;
        if answer.canceled {
            return Err(unavailable(&format!("a watch was refused: {}", answer.cancel_reason)));
        }
        if answer.created {
            return Ok(());
        }
    }
}

fn ended() -> Failure {
    unavailable("the stream of watches ended")
}

fn unavailable(message: &str) -> Failure {
    Failure::Unavailable(message.to_owned())
}

/// When a put was due, in its value.
#[derive(Debug, Clone, Copy)]
struct Stamps {
    tag: u64,
    epoch: Instant,
}

impl Stamps {
    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }

    /// The value with its stamp in the place of its first bytes.
    fn on(&self, value: &[u8], due: Instant) -> Bytes {
        let mut stamped = Vec::with_capacity(value.len());
        stamped.extend(self.tag.to_be_bytes());
        stamped.extend(self.nanos(due).to_be_bytes());
        stamped.extend(&value[STAMP_BYTES..]);
        stamped.into()
    }

    /// The time that a value of this run was stamped with, in nanoseconds.
    fn of(&self, value: &[u8]) -> Option<u64> {
        let (tag, rest) = value.split_first_chunk()?;
        let (nanos, _) = rest.split_first_chunk()?;
        (u64::from_be_bytes(*tag) == self.tag).then(|| u64::from_be_bytes(*nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_tells_when_its_put_was_due() {
        let stamps = Stamps { tag: 7, epoch: Instant::now() };
        let due = stamps.epoch + Duration::from_nanos(123_456_789);
        let stamped = stamps.on(&[9; 20], due);
        assert_eq!((stamped.len(), &stamped[STAMP_BYTES..]), (20, &[9; 4][..]));
        assert_eq!(stamps.of(&stamped), Some(123_456_789));
    }

    #[test]
    fn values_of_others_have_no_stamp() {
        let stamps = Stamps { tag: 7, epoch: Instant::now() };
        let other = Stamps { tag: 8, ..stamps };
        assert_eq!(stamps.of(&other.on(&[0; STAMP_BYTES], stamps.epoch)), None);
        assert_eq!(stamps.of(&[0; STAMP_BYTES - 1]), None);
        assert_eq!(stamps.of(b""), None);
    }
}
