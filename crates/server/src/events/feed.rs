//! The feed of one member: who looks, and the task that serves them while they do.
//!
//! Nothing runs while nobody looks: the first who comes begins the task, and it ends within a turn
//! after the last one has gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::broadcast::{Receiver, Sender, channel};
use tracing::error;

use super::desk::Desk;
use super::envelope::Envelope;
use super::turns;
use crate::node::Node;

/// Who look at one member at once; one more is refused.
pub(crate) const READERS_MAX: usize = 256;

/// Members that are told of this one at once, with some that have not noticed yet that their
/// connection is over.
pub(crate) const LISTENERS_MAX: usize = 2 * replica::MEMBERS_MAX;

/// So many envelopes wait for a reader; then it loses the oldest. Lines for other members alike.
pub(crate) const WAITING_MAX: usize = 64;

/// Who looks at a member.
#[derive(Debug)]
pub(crate) struct Feed {
    desk: Arc<Desk>,
    hall: Mutex<Hall>,
    /// Events that readers have lost.
    lost: AtomicU64,
}

#[derive(Debug)]
struct Hall {
    audience: Audience,
    /// The task is there.
    served: bool,
    /// Where it hands out what there is to tell; nowhere once the member stops.
    outlets: Option<Outlets>,
    /// How the cluster stood in its last turn, for whoever comes in between.
    state: Option<Arc<str>>,
}

/// What is handed out to readers, and to other members.
#[derive(Clone, Debug)]
pub(super) struct Outlets {
    pub(super) envelopes: Sender<Arc<Envelope>>,
    pub(super) lines: Sender<Bytes>,
}

/// How many look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Audience {
    /// People and programs.
    pub(crate) readers: usize,
    /// Other members.
    pub(crate) listeners: usize,
}

/// Why somebody may not look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotLooking {
    /// As many look as may.
    TooMany,
    /// The member stops.
    Stopped,
}

/// A place among those who look; free again when it is dropped.
pub(super) struct Place {
    node: Node,
    is_reader: bool,
}

impl Default for Feed {
    fn default() -> Feed {
        let outlets = Outlets { envelopes: channel(WAITING_MAX).0, lines: channel(WAITING_MAX).0 };
        let (audience, outlets) = (Audience::default(), Some(outlets));
        let hall = Hall { audience, served: false, outlets, state: None };
        Feed { desk: Arc::default(), hall: Mutex::new(hall), lost: AtomicU64::new(0) }
    }
}

impl Feed {
    /// Where the replica thread lays down what happens.
    pub(crate) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// How many look now.
    pub(crate) fn audience(&self) -> Audience {
        self.hall.lock().audience
    }

    /// Events that readers have lost since the process began.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn note_lost(&self, events: u64) {
        self.lost.fetch_add(events, Ordering::Relaxed);
    }

    /// Somebody looks from now on: what is told from here on, and how the cluster stood last.
    pub(super) fn enter_reader(
        node: &Node,
    ) -> Result<(Place, Receiver<Arc<Envelope>>, Option<Arc<str>>), NotLooking> {
        let mut hall = node.feed().hall.lock();
        let outlets = hall.outlets.as_ref().ok_or(NotLooking::Stopped)?;
        if hall.audience.readers >= READERS_MAX {
            return Err(NotLooking::TooMany);
        }
        let (receiver, state) = (outlets.envelopes.subscribe(), hall.state.clone());
        hall.audience.readers += 1;
        hall.serve(node);
        Ok((Place { node: node.clone(), is_reader: true }, receiver, state))
    }

    /// Another member listens from now on.
    pub(super) fn enter_listener(node: &Node) -> Result<(Place, Receiver<Bytes>), NotLooking> {
        let mut hall = node.feed().hall.lock();
        let outlets = hall.outlets.as_ref().ok_or(NotLooking::Stopped)?;
        if hall.audience.listeners >= LISTENERS_MAX {
            return Err(NotLooking::TooMany);
        }
        let receiver = outlets.lines.subscribe();
        hall.audience.listeners += 1;
        hall.serve(node);
        Ok((Place { node: node.clone(), is_reader: false }, receiver))
    }

    /// Who is to be served in this turn, and where; none if the task is to end.
    pub(super) fn turn(&self) -> Option<(Audience, Outlets)> {
        let mut hall = self.hall.lock();
        let outlets = hall.outlets.clone().filter(|_| hall.audience != Audience::default());
        match outlets {
            Some(outlets) => Some((hall.audience, outlets)),
            None => {
                self.leave(&mut hall);
                None
            }
        }
    }

    /// The cluster stands like this, for whoever comes before the next turn.
    pub(super) fn show(&self, state: Option<Arc<str>>) {
        self.hall.lock().state = state;
    }

    /// The member stops: whoever looks is told nothing more, and nobody may look.
    pub(crate) fn close(&self) {
        self.hall.lock().outlets = None;
    }

    /// The task has ended, whatever it has ended by.
    pub(super) fn ended(&self) {
        self.leave(&mut self.hall.lock());
    }

    fn leave(&self, hall: &mut Hall) {
        (hall.served, hall.state) = (false, None);
        self.desk.close();
    }
}

impl Hall {
    fn serve(&mut self, node: &Node) {
        if std::mem::replace(&mut self.served, true) {
            return;
        }
        node.feed().desk.open(node.status().about.id);
        let node = node.clone();
        tokio::spawn(async move {
            let _ending = Ending(node.clone());
            turns::serve(&node).await;
        });
    }
}

/// A task that panicked begins anew with the next who comes.
struct Ending(Node);

impl Drop for Ending {
    fn drop(&mut self) {
        if std::thread::panicking() {
            error!("a bug: the feed of events has panicked; the message is above");
            self.0.feed().ended();
        }
    }
}

impl Place {
    pub(super) fn node(&self) -> &Node {
        &self.node
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut hall = self.node.feed().hall.lock();
        match self.is_reader {
            true => hall.audience.readers -= 1,
            false => hall.audience.listeners -= 1,
        }
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
