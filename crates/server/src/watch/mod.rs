//! Watches as doors see them: begun, waited for, ended with a reason. Whatever door it is.
//!
//! ```text
//!  REPLICA THREAD ── published ──▶ task: Dispatcher::dispatch ── wakes ──▶ Subscription ──▶ door
//! ```
//!
//! Who is told what is decided in the replica's room (`replica::Dispatcher`), without a runtime, so
//! that the simulator drives the very same code. Here are the task that runs the dispatcher after
//! each publication, the waiting, the notices in quiet times, and the bound of a connection.
//!
//! A watch that begins "now" begins after everything that was acknowledged before: its door waits
//! for a read barrier first. What it is told rests on nothing else, so a watch needs no majority
//! once it has begun.

mod connection;
mod subscription;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use replica::{DispatchCounts, Dispatcher, Unserved, WatchRefusal, WatchRequest};
use tokio::sync::Notify;
use tracing::error;

pub use connection::{ConnectionWatches, WATCHERS_PER_CONNECTION_MAX, WATCHERS_PER_STREAM_MAX};
pub use subscription::{News, Notices, Subscription};

/// The watches of one member.
#[derive(Debug, Default)]
pub struct Watches {
    /// Set once the member runs.
    dispatcher: OnceLock<Arc<Dispatcher>>,
    published: Notify,
}

/// Why a watch was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotWatching {
    /// By the member.
    Refused(WatchRefusal),
    /// There are as many watches on the connection as may be.
    TooManyOnConnection,
}

impl Watches {
    /// Serves watches from now on, with a task that ends with the member.
    ///
    /// # Panics
    ///
    /// If it does already, or outside of a runtime.
    pub(crate) fn serve(self: &Arc<Watches>, dispatcher: Arc<Dispatcher>) {
        self.dispatcher.set(Arc::clone(&dispatcher)).expect("a member starts once");
        tokio::spawn(Arc::clone(self).run(dispatcher));
    }

    /// Something was published: whom it concerns will be told. For the replica thread, which waits
    /// for nobody here.
    pub(crate) fn published(&self) {
        if self.dispatcher.get().is_some_and(|dispatcher| dispatcher.is_watched()) {
            self.published.notify_one();
        }
    }

    /// The member stops: all watches end, and none begins.
    pub(crate) fn close(&self) {
        if let Some(dispatcher) = self.dispatcher.get() {
            dispatcher.close(Unserved::Stopped);
            self.published.notify_one();
        }
    }

    /// Begins a watch on a connection. `notices` says what is told in quiet times.
    pub fn open(
        &self,
        request: &WatchRequest,
        connection: &ConnectionWatches,
        notices: Notices,
    ) -> Result<Subscription, NotWatching> {
        let place = connection.enter().ok_or(NotWatching::TooManyOnConnection)?;
        let dispatcher = self.dispatcher.get();
        let begun = match dispatcher {
            Some(dispatcher) => dispatcher.watch(request),
            None => Err(WatchRefusal::Unserved(Unserved::NoState)),
        };
        let watcher = begun.map_err(NotWatching::Refused)?;
        Ok(Subscription::new(watcher, notices, place))
    }

    /// How many watch, and what was done for them.
    pub fn counts(&self) -> DispatchCounts {
        self.dispatcher.get().map(|dispatcher| dispatcher.counts()).unwrap_or_default()
    }

    async fn run(self: Arc<Watches>, dispatcher: Arc<Dispatcher>) {
        let _closing = Closing(Arc::clone(&dispatcher));
        while !dispatcher.is_over() {
            self.published.notified().await;
            while dispatcher.dispatch() {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// However the task ends, by a panic too, nobody goes on waiting for it.
struct Closing(Arc<Dispatcher>);

impl Drop for Closing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            error!("a bug: the dispatcher of watches has panicked; no watch is served any more");
        }
        self.0.close(Unserved::Stopped);
    }
}

/// How long after the last news a watcher is told that there are none, if it does not say.
pub const QUIET_DEFAULT: Duration = Duration::from_secs(10);
