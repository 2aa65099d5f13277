//! The watches of one stream, and which of them have something to tell.
//!
//! Each watch has a waker of its own that puts its id on a list, so that an event for one of many
//! watches has nobody look at the others.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;
use replica::WatchEnd;
use store::Revision;

use crate::watch::{News, Subscription};

/// So many watches are looked at before others of the member get their turn.
const LOOKS_MAX: usize = 64;

/// The watches of one stream, by the ids that it gave them.
#[derive(Default)]
pub(super) struct Board {
    watches: BTreeMap<i64, Watched>,
    /// No id before it is given to a watch that names none: an old one is never taken for a new.
    next_id: i64,
    bell: Arc<Bell>,
}

struct Watched {
    subscription: Subscription,
    alarm: Arc<Alarm>,
    waker: Waker,
}

/// Who has been woken, and who is to be told.
#[derive(Default)]
struct Bell {
    rung: Mutex<Rung>,
}

#[derive(Default)]
struct Rung {
    ids: VecDeque<i64>,
    /// The stream's task, while it waits.
    task: Option<Waker>,
}

/// The waker of one watch.
struct Alarm {
    id: i64,
    /// Whether its id is on the list: once is enough.
    listed: AtomicBool,
    bell: Arc<Bell>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Alarm>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Alarm>) {
        if self.listed.swap(true, Ordering::AcqRel) {
            return;
        }
        let task = {
            let mut rung = self.bell.rung.lock();
            rung.ids.push_back(self.id);
            rung.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Board {
    /// Takes a watch in; whatever it has to tell is told by [`Board::next`].
    pub(super) fn insert(&mut self, id: i64, subscription: Subscription) {
        let bell = Arc::clone(&self.bell);
        let alarm = Arc::new(Alarm { id, listed: AtomicBool::new(false), bell });
        let waker = Waker::from(Arc::clone(&alarm));
        alarm.wake_by_ref();
        self.watches.insert(id, Watched { subscription, alarm, waker });
    }

    /// Ends a watch; whether it was there.
    pub(super) fn remove(&mut self, id: i64) -> bool {
        self.watches.remove(&id).is_some()
    }

    pub(super) fn contains(&self, id: i64) -> bool {
        self.watches.contains_key(&id)
    }

    /// An id that no watch has, and none had that named none.
    pub(super) fn take_id(&mut self) -> i64 {
        while self.watches.contains_key(&self.next_id) {
            self.next_id += 1;
        }
        self.next_id += 1;
        self.next_id - 1
    }

    /// The newest revision up to which every watch has told everything; none if one has not, or
    /// waits for a revision after that.
    pub(super) fn progress(&self) -> Option<Revision> {
        let told = |watched: &Watched| watched.subscription.progress();
        self.watches.values().map(told).try_fold(None, |least: Option<Revision>, told| {
            let told = told?;
            Some(Some(least.map_or(told, |least| least.min(told))))
        })?
    }

    /// The next thing that one of them has to tell. Waits for ever while there is none.
    pub(super) async fn next(&mut self) -> (i64, Result<News, WatchEnd>) {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The next thing that one of them has to tell, whatever the others have.
    pub(super) async fn next_of(&mut self, id: i64) -> Result<News, WatchEnd> {
        let watched = self.watches.get_mut(&id).expect("it has just told something");
        let news = watched.subscription.next().await;
        // Its own waker knows nothing of this look: it is looked at again.
        watched.alarm.wake_by_ref();
        news
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<(i64, Result<News, WatchEnd>)> {
        for _ in 0..LOOKS_MAX {
            let Some(id) = self.woken(context) else { return Poll::Pending };
            let Some(watched) = self.watches.get_mut(&id) else { continue };
            // From now on whoever wakes it has something new to tell.
            watched.alarm.listed.store(false, Ordering::Release);
            let mut own = Context::from_waker(&watched.waker);
            if let Poll::Ready(news) = watched.subscription.poll_next(&mut own) {
                // There may be more: it comes after the others.
                watched.alarm.wake_by_ref();
                return Poll::Ready((id, news));
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// One that was woken; else the task will be.
    fn woken(&self, context: &Context<'_>) -> Option<i64> {
        let mut rung = self.bell.rung.lock();
        let id = rung.ids.pop_front();
        if id.is_none() {
            rung.task = Some(context.waker().clone());
        }
        id
    }
}
