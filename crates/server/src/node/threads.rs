//! Starts the two threads of a member, and tells how they ended.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use disk::Disk;
use replica::{LogReply, LogWorker};
use tokio::sync::oneshot;

use super::driver::{Driver, Ended};
use super::inbox::{Inbox, Input};
use super::log_thread;
use super::status::StatusBoard;

/// The threads of a running member. They end when this is dropped.
pub(crate) struct Threads {
    inbox: Arc<Inbox>,
    ended: oneshot::Receiver<Ended>,
    handles: Vec<JoinHandle<()>>,
}

/// Starts the replica thread on `driver` and the log thread on `worker`.
pub(crate) fn start<D: Disk>(driver: Driver, worker: LogWorker<D>) -> io::Result<Threads>
where
    LogWorker<D>: Send + 'static,
{
    let (sender, ended) = oneshot::channel();
    let inbox = Arc::clone(&driver.inbox);
    let (log, status) = (Arc::clone(&driver.log), Arc::clone(&driver.status));
    let log_inbox = Arc::clone(&driver.inbox);
    let log_handle = std::thread::Builder::new().name("log".to_owned()).spawn(move || {
        let alarm = Alarm { inbox: Arc::clone(&log_inbox), status: Arc::clone(&status) };
        log_thread::run(worker, &log, &log_inbox, &status);
        drop(alarm);
    })?;
    let replica_handle =
        std::thread::Builder::new().name("replica".to_owned()).spawn(move || {
            // Whoever waits for the end may have given up.
            let _ = sender.send(driver.run());
        })?;
    Ok(Threads { inbox, ended, handles: vec![log_handle, replica_handle] })
}

impl Threads {
    /// Waits until the member can not go on; answers why.
    pub(crate) async fn failed(&mut self) -> String {
        match (&mut self.ended).await {
            Ok(Ended::Stopped(stop)) => stop.to_string(),
            Ok(Ended::Told) => "it was told to stop".to_owned(),
            Err(_) => "a bug: the replica thread has panicked; the message is above".to_owned(),
        }
    }

    /// Ends both threads and waits for them: everything queued for the log is still done.
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

/// Tells the replica when the log thread dies of a bug: nothing would be durable any more.
struct Alarm {
    inbox: Arc<Inbox>,
    status: Arc<StatusBoard>,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let reason = "a bug: the log thread has panicked; the message is above".to_owned();
            self.status.stopped(reason.clone());
            self.inbox.notify_log(vec![LogReply::Failed(reason)]);
        }
    }
}

#[cfg(test)]
#[path = "threads_tests.rs"]
mod tests;
