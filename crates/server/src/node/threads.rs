//! Starts the threads of a member, and tells how they ended.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use disk::Disk;
use replica::{LogReply, LogWorker, SnapshotWorker, SpareKeeper};
use tokio::sync::oneshot;

use super::driver::{Driver, Ended};
use super::inbox::{Inbox, Input};
use super::log_thread;
use super::reception::Expelled;
use super::snapshot_thread;
use super::spare_thread;
use super::status::StatusBoard;

/// The threads of a running member. They end when this is dropped.
pub(crate) struct Threads {
    inbox: Arc<Inbox>,
    ended: oneshot::Receiver<Ended>,
    handles: Vec<JoinHandle<()>>,
    all_ended: Receiver<Infallible>,
}

/// The names of the threads whose work may be left undone.
const SNAPSHOTS: &str = "snapshots";
const SPARES: &str = "spares";

/// Held by each thread as long as it lives; when all are dropped, all threads have ended.
type Alive = SyncSender<Infallible>;

/// Threads that did not end in time: what they wait for does not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hung {
    /// Their names.
    pub(crate) threads: Vec<String>,
}

impl Hung {
    /// Whether the log is not done. A snapshot that is not whole counts for nothing, and a spare
    /// segment is only room.
    pub(crate) fn holds_up_the_log(&self) -> bool {
        self.threads.iter().any(|name| name != SNAPSHOTS && name != SPARES)
    }
}

/// Why a member does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// It can not: why, in words.
    Stopped(String),
    /// The cluster goes on without it.
    Expelled(Expelled),
}

/// Starts the replica thread on `driver`, the log thread on `worker` with the spare thread beside
/// it, and the snapshot thread on `snapshots`.
pub(crate) fn start<D: Disk>(
    driver: Driver,
    worker: LogWorker<D>,
    snapshots: SnapshotWorker<D>,
) -> io::Result<Threads>
where
    LogWorker<D>: Send + 'static,
    SnapshotWorker<D>: Send + 'static,
    SpareKeeper<D>: Send + 'static,
{
    let (sender, ended) = oneshot::channel();
    let (alive, all_ended) = sync_channel(0);
    let inbox = Arc::clone(&driver.inbox);
    let (log, status) = (Arc::clone(&driver.log), Arc::clone(&driver.status));
    let log_inbox = Arc::clone(&driver.inbox);
    let (queue, snapshot_inbox) = (Arc::clone(&driver.snapshots), Arc::clone(&driver.inbox));
    let (keeper, room) = (worker.spare_keeper(), Arc::clone(&driver.room));
    let alarm = |thread| {
        let (inbox, status) = (Arc::clone(&inbox), Arc::clone(&status));
        Alarm { thread, inbox, status, _alive: alive.clone() }
    };
    let (log_alarm, snapshot_alarm, spare_alarm) =
        (alarm("log"), alarm("snapshot"), alarm("spare"));
    let snapshot_handle = spawn(SNAPSHOTS, snapshot_alarm, move || {
        snapshot_thread::run(snapshots, &queue, &snapshot_inbox);
    })?;
    let spare_handle = spawn(SPARES, spare_alarm, move || spare_thread::run(keeper, &room))?;
    let log_handle = spawn("log", log_alarm, move || {
        log_thread::run(worker, &log, &log_inbox, &status);
    })?;
    let replica_handle =
        std::thread::Builder::new().name("replica".to_owned()).spawn(move || {
            let _alive = alive;
            // Whoever waits for the end may have given up.
            let _ = sender.send(driver.run());
        })?;
    let handles = vec![log_handle, snapshot_handle, spare_handle, replica_handle];
    Ok(Threads { inbox, ended, handles, all_ended })
}

fn spawn(
    name: &str,
    alarm: Alarm,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Dropped after the work, however it ends.
        let _alarm = alarm;
        work();
    })
}

impl Threads {
    /// Waits until the member does not go on; answers why.
    pub(crate) async fn failed(&mut self) -> Failed {
        Failed::Stopped(match (&mut self.ended).await {
            Ok(Ended::Expelled(expelled)) => return Failed::Expelled(expelled),
            Ok(Ended::Stopped(stop)) => stop.to_string(),
            Ok(Ended::Told) => "it was told to stop".to_owned(),
            Err(_) => "a bug: the replica thread has panicked; the message is above".to_owned(),
        })
    }

    /// Ends the threads and waits for them, for so long: everything queued for the log is still
    /// done. A disk that hangs may hold a thread up for ever; nobody waits for that.
    pub(crate) fn stop(mut self, patience: Duration) -> Result<(), Hung> {
        self.inbox.notify(Input::Stop);
        // Nothing is ever sent: the wait ends with the last thread, or with patience.
        let late = self.all_ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout);
        let hangs = |handle: &JoinHandle<()>| late && !handle.is_finished();
        let (hung, ended): (Vec<_>, Vec<_>) = self.handles.drain(..).partition(hangs);
        for handle in ended {
            // A thread that panicked has said so itself.
            let _ = handle.join();
        }
        let name = |handle: &JoinHandle<()>| handle.thread().name().unwrap_or("?").to_owned();
        let threads: Vec<String> = hung.iter().map(name).collect();
        if threads.is_empty() { Ok(()) } else { Err(Hung { threads }) }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.inbox.notify(Input::Stop);
    }
}

/// Tells the replica when a thread of the disk dies of a bug: nothing would be durable any more.
struct Alarm {
    thread: &'static str,
    inbox: Arc<Inbox>,
    status: Arc<StatusBoard>,
    _alive: Alive,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let thread = self.thread;
            let reason = format!("a bug: the {thread} thread has panicked; the message is above");
            self.status.stopped(reason.clone());
            self.inbox.notify_log(vec![LogReply::Failed(reason)]);
        }
    }
}

#[cfg(test)]
#[path = "threads_tests.rs"]
pub(super) mod tests;
