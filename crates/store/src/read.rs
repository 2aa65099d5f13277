//! Reading: any number of threads, each at a revision, none of them waiting for the writer's batch.

use std::error::Error;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::auth::{Auth, AuthRefused, Need, Principal};
use crate::budget::Budget;
use crate::command::{CompactionCause, Txn};
use crate::lease::{Lease, Leases};
use crate::outcome::{Refused, TxnResponse};
use crate::pins::{Patience, Pin};
use crate::range::{Bounds, Page, RangeRequest, RangeResponse};
use crate::settings::Settings;
use crate::tree::Tree;
use crate::txn::Run;
use crate::types::{KeyValue, LeaseId, Revision};
use crate::version::{Versions, With};

/// What readers see of the store, replaced as a whole by each publication (rule 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The last log entry whose effects are visible; 0 before the first.
    pub applied_index: u64,
    /// That entry's term.
    pub applied_term: u64,
    /// The leader's wall clock in that entry, ms since 1970.
    pub stamp_ms: u64,
    /// For how long the cluster had had a leader at that entry, ms (rule 8.1).
    pub age_ms: u64,
    /// The newest visible revision.
    pub revision: Revision,
    /// Reads before this revision are refused; 0 while nothing was compacted.
    pub compact_revision: Revision,
    /// Why the past before it was given up.
    pub compacted_for: CompactionCause,
    /// The replicated settings.
    pub settings: Settings,
    /// The state hash at `applied_index`.
    pub state_hash: u64,
    /// How many keys exist.
    pub keys: u64,
    /// How many bytes these keys and their values have.
    pub live_bytes: u64,
    /// How many bytes the past takes: old versions, tombstones, the event log. What compaction gave
    /// up counts until it is removed, so members may differ.
    pub history_bytes: u64,
    /// What all that is kept takes in memory, about: keys, the past, leases, sessions. Members may
    /// differ, as they do in `history_bytes`.
    pub retained_bytes: u64,
    /// How many keys have a time to live of their own.
    pub ttl_keys: u64,
    /// How many leases there are.
    pub leases: u64,
    /// What the leases and the names of their keys take in memory, about.
    pub lease_bytes: u64,
    /// How many sessions are open.
    pub sessions: u64,
    /// How many changes with a key of their own are remembered.
    pub once_keys: u64,
}

/// What readers stand on: a tree, and how far into it they may look. The two are swapped together,
/// so that no reader pairs the numbers of one state with the keys of another.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) tree: Arc<Tree>,
    pub(crate) published: Published,
    pub(crate) leases: Leases,
    pub(crate) auth: Arc<Auth>,
}

/// A handle for reading. Clones are cheap, and every thread may have its own. It follows the store
/// also where a snapshot takes the place of all that was there ([`crate::Store::replace`]).
#[derive(Clone, Debug)]
pub struct Reader {
    view: Arc<ArcSwap<View>>,
}

/// Why a read was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// This member has not published the revision (yet).
    FutureRevision {
        /// The revision asked for.
        requested: Revision,
        /// The newest there is.
        newest: Revision,
    },
    /// The revision is no longer kept, or never was: nothing precedes [`Revision::FIRST`].
    Compacted {
        /// The revision asked for.
        requested: Revision,
        /// The oldest that can be read.
        oldest: Revision,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::FutureRevision { requested, newest } => {
                write!(f, "revision {requested} is in the future; the newest is {newest}")
            }
            ReadError::Compacted { requested, oldest } => {
                write!(f, "revision {requested} is compacted; the oldest is {oldest}")
            }
        }
    }
}

impl Error for ReadError {}

/// A revision was held on to for too long, and was compacted meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinLifted {
    /// The revision.
    pub revision: Revision,
    /// The oldest that can be read.
    pub oldest: Revision,
}

impl fmt::Display for PinLifted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PinLifted { revision, oldest } = self;
        write!(
            f,
            "revision {revision} was read for so long that it was compacted meanwhile; the oldest \
             is {oldest}"
        )
    }
}

impl Error for PinLifted {}

impl Reader {
    pub(crate) fn new(view: Arc<ArcSwap<View>>) -> Reader {
        Reader { view }
    }

    /// The published state in numbers, all of one moment.
    pub fn published(&self) -> Published {
        self.view.load().published
    }

    /// One key, and the revision that was read: `at`, or the newest published.
    pub fn get(
        &self,
        key: &[u8],
        at: Option<Revision>,
    ) -> Result<(Option<KeyValue>, Revision), ReadError> {
        loop {
            let view = self.view.load();
            let found = view.published.kept().readable(at);
            let found = found.map(|revision| (view.tree.get(key, revision), revision));
            if view.was_whole() {
                return found;
            }
        }
    }

    /// The keys of a range, and how many there are. Writers are held up only for short stretches
    /// of it, and what they write meanwhile is not in the answer.
    pub fn range(&self, request: &RangeRequest) -> Result<RangeResponse, ReadError> {
        self.stable(|view| {
            let revision = view.published.kept().readable(request.at)?;
            Ok(view.range(request, revision))
        })
    }

    /// The first keys of a range, as many as the limit says, and whether there are more. What comes
    /// after them is not looked at, so `count` is none of the range's.
    pub fn page(&self, request: &RangeRequest) -> Result<RangeResponse, ReadError> {
        self.stable(|view| {
            let revision = view.published.kept().readable(request.at)?;
            Ok(view.page(request, revision))
        })
    }

    /// As [`Reader::range`], if that is within a budget; none if it is not.
    pub fn range_within(
        &self,
        request: &RangeRequest,
        units: u64,
    ) -> Result<Option<RangeResponse>, ReadError> {
        self.stable(|view| {
            let revision = view.published.kept().readable(request.at)?;
            let mut page = Page::new(request, revision, Bounds::NONE);
            let whole = page.advance(&view.tree, &mut Budget::new(units));
            Ok(whole.then(|| page.into_response()))
        })
    }

    /// A lease as it was granted, with the keys that are attached to it, if it is there.
    pub fn lease(&self, id: LeaseId) -> Option<Arc<Lease>> {
        self.view.load().leases.get(id).cloned()
    }

    /// The leases after this one, all after `None`, by id; at most so many.
    pub fn leases(&self, after: Option<LeaseId>, limit: usize) -> Vec<Arc<Lease>> {
        self.view.load().leases.after(after).take(limit).cloned().collect()
    }

    /// Who may do what, as published.
    pub fn auth(&self) -> Arc<Auth> {
        Arc::clone(&self.view.load().auth)
    }

    /// Whether somebody may do something, by what is published; `who` is none for one who showed
    /// nothing. Of a command the store itself asks again, where the command stands in the log.
    pub fn check(&self, who: Option<&Principal>, need: Need<'_>) -> Result<(), AuthRefused> {
        let view = self.view.load();
        view.auth.check(who, need, &view.leases)
    }

    /// A transaction that only reads, all of it of one moment.
    ///
    /// # Panics
    ///
    /// If it is not [`Txn::is_read_only`]: then it goes through the log.
    pub fn txn(&self, txn: &Txn) -> Result<TxnResponse, ReadError> {
        self.stable(|view| {
            let mut run = Run::reading(txn.clone(), view.published.kept());
            loop {
                match run.advance(&view.tree, &mut Budget::new(u64::MAX)) {
                    Ok(true) => return Ok(run.finish().0),
                    Ok(false) => {}
                    Err(Refused::Unreadable(error)) => return Err(error),
                    Err(other) => panic!("reading is not refused for {other:?}"),
                }
            }
        })
    }

    /// Holds on to a revision, the newest published without `at`: it can be read through what
    /// this gives back, whatever is compacted meanwhile. Whoever holds one keeps old versions in
    /// memory, so it is to be dropped soon; after 30 to 60 seconds it does not hold any more
    /// (rule 6.4), and reading fails once what it needs is going.
    pub fn pin(&self, at: Option<Revision>) -> Result<Pinned, ReadError> {
        loop {
            let view = self.view.load_full();
            let revision = view.published.kept().readable(at)?;
            if let Some(pin) = view.tree.pins.pin(revision, Patience::Bounded) {
                return Ok(Pinned { view, revision, _pin: pin });
            }
        }
    }

    /// Reads from one published state; once more if what it needs was removed meanwhile, which
    /// happens only after another state was published that no longer needs it.
    pub(crate) fn stable<T>(
        &self,
        read: impl Fn(&View) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        loop {
            let view = self.view.load_full();
            let found = read(&view);
            if view.was_whole() {
                return found;
            }
        }
    }
}

impl View {
    /// Whether everything that this state can be asked for was there until now.
    fn was_whole(&self) -> bool {
        self.tree.pins.swept() <= self.published.compact_revision
    }

    fn range(&self, request: &RangeRequest, revision: Revision) -> RangeResponse {
        let mut page = Page::new(request, revision, Bounds::NONE);
        while !page.advance(&self.tree, &mut Budget::new(u64::MAX)) {}
        page.into_response()
    }

    fn page(&self, request: &RangeRequest, revision: Revision) -> RangeResponse {
        let mut page = Page::new(request, revision, Bounds::NONE);
        // A turn of one unit is one hold of the tree's lock.
        while !page.has_all_items() && !page.advance(&self.tree, &mut Budget::new(1)) {}
        page.into_response()
    }
}

/// A revision that stays readable.
#[derive(Debug)]
pub struct Pinned {
    view: Arc<View>,
    revision: Revision,
    _pin: Pin,
}

impl Pinned {
    /// Which one it is.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// One key as it was then.
    pub fn get(&self, key: &[u8]) -> Result<Option<KeyValue>, PinLifted> {
        self.still(self.view.tree.get(key, self.revision))
    }

    /// One key as it was then, and when it was last written by then: the leader's wall clock in
    /// that entry, ms since 1970.
    pub fn stamped(&self, key: &[u8]) -> Result<Option<(KeyValue, u64)>, PinLifted> {
        self.still(self.view.tree.look(key, self.revision, |version| {
            let version = version?;
            Some((version.key_value(key, With::Value)?, version.stamp_ms()))
        }))
    }

    /// What was found, if nothing that the revision needs is going.
    pub(crate) fn still<T>(&self, found: T) -> Result<T, PinLifted> {
        let swept = self.view.tree.pins.swept();
        if swept > self.revision {
            return Err(PinLifted { revision: self.revision, oldest: swept });
        }
        Ok(found)
    }

    /// As [`Tree::visit_leaf`]: whatever the revision is, all versions are shown.
    pub(crate) fn visit_leaf(
        &self,
        from: &[u8],
        visit: impl FnMut(&[u8], &Versions) -> ControlFlow<()>,
    ) -> ControlFlow<(), Option<Box<[u8]>>> {
        self.view.tree.visit_leaf(from, visit)
    }

    /// The keys of a range as they were then, whatever revision the request names.
    pub fn range(&self, request: &RangeRequest) -> Result<RangeResponse, PinLifted> {
        self.still(self.view.range(request, self.revision))
    }

    /// The first keys of a range as they were then, as [`Reader::page`] has it.
    pub fn page(&self, request: &RangeRequest) -> Result<RangeResponse, PinLifted> {
        self.still(self.view.page(request, self.revision))
    }
}

impl Published {
    pub(crate) fn kept(&self) -> Kept {
        Kept { newest: self.revision, compact_revision: self.compact_revision }
    }
}

/// Which revisions can be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) newest: Revision,
    pub(crate) compact_revision: Revision,
}

impl Kept {
    /// The revision to read: the one asked for, if it is kept, or the newest.
    pub(crate) fn readable(&self, at: Option<Revision>) -> Result<Revision, ReadError> {
        let Some(requested) = at else { return Ok(self.newest) };
        let (newest, oldest) = (self.newest, self.compact_revision.max(Revision::FIRST));
        if requested > newest {
            return Err(ReadError::FutureRevision { requested, newest });
        }
        if requested < oldest {
            return Err(ReadError::Compacted { requested, oldest });
        }
        Ok(requested)
    }
}
