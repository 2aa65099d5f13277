//! One watch that is waited for.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use replica::{Batch, Step, WatchEnd, Watcher};
use store::Revision;
use tokio::time::{Instant, Sleep, sleep};

use super::connection::Place;

/// What is told when nothing has happened for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notices {
    /// For how long.
    pub quiet: Duration,
    /// Whether the notice names the revision up to which all was told.
    pub progress: bool,
}

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Something has happened.
    Batch(Batch),
    /// All up to this revision was told.
    Progress(Revision),
    /// Nothing, but the member is there.
    Quiet,
}

/// A watch on this member. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription {
    watcher: Watcher,
    notices: Notices,
    /// When something was told last.
    told_at: Instant,
    /// Set to a moment at or before the next notice.
    quiet: Pin<Box<Sleep>>,
    _place: Place,
}

impl Subscription {
    pub(super) fn new(watcher: Watcher, notices: Notices, place: Place) -> Subscription {
        let (told_at, quiet) = (Instant::now(), Box::pin(sleep(notices.quiet)));
        Subscription { watcher, notices, told_at, quiet, _place: place }
    }

    /// The first revision that it is told of.
    pub fn from(&self) -> Revision {
        self.watcher.from()
    }

    /// The newest revision when it began.
    pub fn opened_at(&self) -> Revision {
        self.watcher.opened_at()
    }

    /// The revision up to which all was told, if that can be said now: a notice on request.
    pub fn progress(&self) -> Option<Revision> {
        self.watcher.progress()
    }

    /// Waits for news. After an end there is nothing but that.
    pub async fn next(&mut self) -> Result<News, WatchEnd> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The same, to be polled.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<News, WatchEnd>> {
        match self.watcher.step(Some(context.waker())) {
            Err(end) => Poll::Ready(Err(end)),
            Ok(Step::Batch(batch)) => {
                self.told_at = Instant::now();
                Poll::Ready(Ok(News::Batch(batch)))
            }
            Ok(Step::Busy) => {
                // Others get their turn in between.
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Ok(Step::Idle) => self.poll_quiet(context).map(Ok),
        }
    }

    fn poll_quiet(&mut self, context: &mut Context<'_>) -> Poll<News> {
        loop {
            ready!(self.quiet.as_mut().poll(context));
            let now = Instant::now();
            let due = self.told_at + self.notices.quiet;
            let is_quiet = due <= now;
            if is_quiet {
                self.told_at = now;
            }
            self.quiet.as_mut().reset(self.told_at + self.notices.quiet);
            if is_quiet {
                let progress = self.watcher.progress().filter(|_| self.notices.progress);
                return Poll::Ready(progress.map_or(News::Quiet, News::Progress));
            }
        }
    }
}
