//! What is watched, why a watch is refused, and why one ends.

use std::error::Error;
use std::fmt;

use store::{Event, EventKind, KeyRange, Revision};

/// What a watcher wants to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchRequest {
    /// Of which keys.
    pub range: KeyRange,
    /// From this revision on, which may be in the future: then of nothing before it. `None`: of
    /// whatever is published after now.
    pub from: Option<Revision>,
    /// Of what kinds.
    pub filter: EventFilter,
    /// Whether events tell what their keys were before.
    pub prev_kv: bool,
    /// Whether a revision with much to tell may come in several batches.
    pub in_pieces: bool,
    /// Whether the watch ends when this member has been without a leader for long: then it does
    /// not see what others may be writing.
    pub needs_leader: bool,
}

impl WatchRequest {
    /// All that happens to a range from now on.
    pub fn new(range: KeyRange) -> WatchRequest {
        WatchRequest {
            range,
            from: None,
            filter: EventFilter::default(),
            prev_kv: false,
            in_pieces: false,
            needs_leader: false,
        }
    }
}

/// Which kinds of events are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Leave out puts.
    pub no_put: bool,
    /// Leave out deletes.
    pub no_delete: bool,
}

impl EventFilter {
    /// Whether it lets the event through.
    pub fn admits(self, event: &Event) -> bool {
        match event.kind {
            EventKind::Put(_) => !self.no_put,
            EventKind::Delete { .. } => !self.no_delete,
        }
    }
}

/// Why this member serves no watches, or not this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unserved {
    /// It has no state that could be watched (rule 2.4).
    NoState,
    /// Its state was found to be wrong (rule 10.3).
    WrongState,
    /// It has been without a leader for too long for a watch that needs one.
    NoLeader,
    /// It was removed from the cluster.
    Removed,
    /// It has stopped, or is about to.
    Stopped,
}

impl Unserved {
    /// Whether it stays so for as long as the process lives.
    pub(super) fn is_final(self) -> bool {
        matches!(self, Unserved::Removed | Unserved::Stopped)
    }
}

impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unserved::NoState => "this member has no state that could be watched",
            Unserved::WrongState => "this member's state was found to differ from the majority's",
            Unserved::NoLeader => "this member has been without a leader for too long",
            Unserved::Removed => "this member was removed from the cluster",
            Unserved::Stopped => "this member stops",
        })
    }
}

/// Why a watch was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchRefusal {
    /// The range ends before it begins.
    EmptyRange,
    /// There are as many watchers as may be.
    TooManyWatchers {
        /// How many that is.
        watchers_max: usize,
    },
    /// What it asks for is no longer kept.
    Compacted {
        /// From where it asked.
        requested: Revision,
        /// The oldest revision whose events are kept.
        compact_revision: Revision,
    },
    /// This member does not serve it.
    Unserved(Unserved),
}

/// Why a watch has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchEnd {
    /// What is to be told next is no longer kept.
    Compacted {
        /// The revision that was to be read next.
        requested: Revision,
        /// The oldest revision whose events are kept.
        compact_revision: Revision,
    },
    /// This member does not serve it any more. Another one goes on from where it was.
    Unserved(Unserved),
}

impl fmt::Display for WatchEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WatchEnd::Compacted { requested, compact_revision } => write!(
                f,
                "revision {requested} is compacted; the oldest whose events are kept is \
                 {compact_revision}"
            ),
            WatchEnd::Unserved(why) => why.fmt(f),
        }
    }
}

impl Error for WatchEnd {}

impl From<WatchEnd> for WatchRefusal {
    fn from(end: WatchEnd) -> WatchRefusal {
        match end {
            WatchEnd::Compacted { requested, compact_revision } => {
                WatchRefusal::Compacted { requested, compact_revision }
            }
            WatchEnd::Unserved(why) => WatchRefusal::Unserved(why),
        }
    }
}
