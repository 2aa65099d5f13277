//! Starts the threads of a member, and tells how they ended.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

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
    let inbox = Arc::clone(&driver.inbox);
    let (log, status) = (Arc::clone(&driver.log), Arc::clone(&driver.status));
    let log_inbox = Arc::clone(&driver.inbox);
    let (queue, snapshot_inbox) = (Arc::clone(&driver.snapshots), Arc::clone(&driver.inbox));
    let (keeper, room) = (worker.spare_keeper(), Arc::clone(&driver.room));
    let alarm = |thread| Alarm { thread, inbox: Arc::clone(&inbox), status: Arc::clone(&status) };
    let (log_alarm, snapshot_alarm, spare_alarm) =
        (alarm("log"), alarm("snapshot"), alarm("spare"));
    let snapshot_handle = spawn("snapshots", snapshot_alarm, move || {
        snapshot_thread::run(snapshots, &queue, &snapshot_inbox);
    })?;
    let spare_handle = spawn("spares", spare_alarm, move || spare_thread::run(keeper, &room))?;
    let log_handle = spawn("log", log_alarm, move || {
        log_thread::run(worker, &log, &log_inbox, &status);
    })?;
    let replica_handle =
        std::thread::Builder::new().name("replica".to_owned()).spawn(move || {
            // Whoever waits for the end may have given up.
            let _ = sender.send(driver.run());
        })?;
    let handles = vec![log_handle, snapshot_handle, spare_handle, replica_handle];
    Ok(Threads { inbox, ended, handles })
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

    /// Ends the threads and waits for them: everything queued for the log is still done.
    pub(crate) fn stop(mut self) {
        self.inbox.notify(Input::Stop);
        for handle in self.handles.drain(..) {
            // A thread that panicked has said so itself.
            let _ = handle.join();
        }
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
mod tests;
