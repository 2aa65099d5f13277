//! What clients asked and were told, what watchers were told, what members held at the end: all
//! that the judges know.

use std::collections::BTreeMap;

/// What is there, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) value: String,
    pub(crate) version: u64,
    pub(crate) revision: u64,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Read,
    /// A value that nobody else writes.
    Put(String),
    /// The same, if the key is still as it was seen: with this value, or absent.
    Swap {
        expected: Option<String>,
        value: String,
    },
    Delete,
}

/// What the client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This is there, or nothing.
    Found(Option<Seen>),
    /// Written, at this revision.
    Done(u64),
    /// So many keys were removed.
    Removed(u64),
    /// The key was not as expected, but so; nothing was done.
    Conflict(Option<Seen>),
    /// Certainly not done.
    Refused,
    /// Perhaps done.
    Unknown,
}

/// One request. Times are µs since the clients began, by one clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Op {
    pub(crate) key: String,
    pub(crate) called: u64,
    pub(crate) returned: u64,
    pub(crate) what: What,
    pub(crate) outcome: Outcome,
}

/// A change of a key, as a watcher is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) revision: u64,
    pub(crate) key: String,
    /// None if the key was removed.
    pub(crate) value: Option<String>,
}

/// What one watcher was told, from the first revision on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Telling {
    pub(crate) name: String,
    pub(crate) events: Vec<Event>,
    /// What went wrong with it, if anything did.
    pub(crate) trouble: Option<String>,
}

/// All keys of one member at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) member: String,
    pub(crate) keys: BTreeMap<String, Seen>,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) ops: Vec<Op>,
    /// Those who watched from the beginning on, through all failures.
    pub(crate) watchers: Vec<Telling>,
    /// Those who asked each member for everything at the end.
    pub(crate) logs: Vec<Telling>,
    pub(crate) contents: Vec<Contents>,
    /// The revision that all of it was asked for up to.
    pub(crate) revision: u64,
}

impl Op {
    /// The value that it writes, if it does.
    pub(crate) fn written(&self) -> Option<&str> {
        match &self.what {
            What::Put(value) | What::Swap { value, .. } => Some(value),
            What::Read | What::Delete => None,
        }
    }
}
