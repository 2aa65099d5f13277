//! Where the replica thread lays down what happens, and the feed picks it up.
//!
//! ```text
//!  feed: take ── asks ──▶ replica thread, at the end of a turn: lays down how it stands, and
//!        ◀── the window ─ closes the window. What comes then is in the next one.
//! ```
//!
//! So how a member stands is told as of the end of a window, never as of some moment within.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use raft::MemberId;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::clock::EventClock;
use super::event::{Event, What};
use super::sight::Sight;
use super::window::Window;

/// Whoever begins to look so soon after the process has begun is told that it has.
const STARTED_LATELY: Duration = Duration::from_secs(5);

/// So long the replica thread is waited for; it has a turn every 10 ms. A member that has no
/// cluster yet has none.
const TURN_PATIENCE: Duration = Duration::from_millis(150);

/// Held by the feed and the recorder. Neither holds the lock for longer than a turn's notes take.
#[derive(Debug)]
pub(crate) struct Desk {
    looked_at: AtomicBool,
    pub(super) clock: EventClock,
    papers: Mutex<Papers>,
    closed: Notify,
}

#[derive(Debug, Default)]
struct Papers {
    window: Window,
    /// The feed waits for the window.
    asked: bool,
    /// The window as it was closed; an empty one to go on with, before.
    other: Window,
}

impl Papers {
    /// Closes the window; the member stands like this.
    fn close(&mut self, sight: Sight) {
        self.window.sight = Some(sight);
        self.asked = false;
        std::mem::swap(&mut self.window, &mut self.other);
    }
}

impl Default for Desk {
    fn default() -> Desk {
        Desk {
            looked_at: AtomicBool::new(false),
            clock: EventClock::start(),
            papers: Mutex::default(),
            closed: Notify::new(),
        }
    }
}

impl Desk {
    /// Whether anybody looks: all that is asked while nobody does.
    pub(super) fn is_looked_at(&self) -> bool {
        self.looked_at.load(Ordering::Relaxed)
    }

    /// Somebody looks from now on.
    pub(super) fn open(&self, me: MemberId) {
        self.clock.set();
        let mut papers = self.papers.lock();
        papers.window.clear();
        if self.clock.age() < STARTED_LATELY {
            papers.window.note(Event::new(self.clock.started_us(), me, What::Started));
        }
        self.looked_at.store(true, Ordering::Relaxed);
    }

    /// Nobody looks any more.
    pub(super) fn close(&self) {
        self.looked_at.store(false, Ordering::Relaxed);
    }

    /// Lays down some notes; if the feed waits for it, the window ends with them, and with how the
    /// member stands then.
    pub(super) fn lay_down(&self, notes: impl FnOnce(&mut Window), sight: impl FnOnce() -> Sight) {
        let mut papers = self.papers.lock();
        notes(&mut papers.window);
        if papers.asked {
            papers.close(sight());
            self.closed.notify_one();
        }
    }

    /// Lays down one note.
    pub(super) fn note(&self, event: Event) {
        self.papers.lock().window.note(event);
    }

    /// What has happened since the last call, into `window`, whose memory is used for what comes.
    pub(super) async fn take(&self, window: &mut Window) {
        window.clear();
        {
            let mut papers = self.papers.lock();
            std::mem::swap(&mut papers.other, window);
            papers.asked = true;
        }
        let due = Instant::now() + TURN_PATIENCE;
        loop {
            let in_time = timeout_at(due, self.closed.notified()).await.is_ok();
            let mut papers = self.papers.lock();
            if !papers.asked {
                std::mem::swap(&mut papers.other, window);
                return;
            }
            if !in_time {
                papers.asked = false;
                let empty = std::mem::take(&mut papers.other);
                *window = std::mem::replace(&mut papers.window, empty);
                return;
            }
        }
    }
}
