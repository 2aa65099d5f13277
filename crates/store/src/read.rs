//! Reading: any number of threads, each at a revision, none of them waiting for the writer's batch.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};

use crate::key_range::{KeyRange, Span};
use crate::leaf::Leaf;
use crate::tree::{Tree, Work};
use crate::types::{KeyValue, Revision};
use crate::version::With;

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
    /// The state hash at `applied_index`.
    pub state_hash: u64,
    /// How many keys exist.
    pub keys: u64,
    /// How many bytes these keys and their values have.
    pub live_bytes: u64,
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
}

/// A handle for reading. Clones are cheap, and every thread may have its own. It follows the store
/// also where a snapshot takes the place of all that was there ([`crate::Store::replace`]).
#[derive(Clone, Debug)]
pub struct Reader {
    view: Arc<ArcSwap<View>>,
}

/// Which keys to read, and how much of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeRequest {
    /// Which keys.
    pub range: KeyRange,
    /// At most so many items; `None` is no limit.
    pub limit: Option<usize>,
    /// As of which revision; `None` is the newest published.
    pub at: Option<Revision>,
    /// Leaves the values out of the items.
    pub keys_only: bool,
    /// Leaves the items out: only the count is wanted.
    pub count_only: bool,
}

impl RangeRequest {
    /// All of `range`, as it is now.
    pub fn new(range: KeyRange) -> RangeRequest {
        RangeRequest { range, limit: None, at: None, keys_only: false, count_only: false }
    }
}

/// What a range read found: one consistent state, that of `revision`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeResponse {
    /// The keys, in byte order.
    pub items: Vec<KeyValue>,
    /// Whether the limit left some out.
    pub more: bool,
    /// How many keys the range has, whatever the limit.
    pub count: u64,
    /// The revision that was read.
    pub revision: Revision,
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
        let view = self.view.load();
        let revision = view.published.readable(at)?;
        Ok((view.tree.get(key, revision), revision))
    }

    /// The keys of a range, and how many there are. Writers are held up only for short stretches
    /// of it, and what they write meanwhile is not in the answer.
    pub fn range(&self, request: &RangeRequest) -> Result<RangeResponse, ReadError> {
        let view = self.view.load_full();
        let revision = view.published.readable(request.at)?;
        let span = request.range.span();
        let mut page = Page::new(request, &span, revision);
        view.tree.walk(&span, |leaf, covered| page.visit(leaf, covered));
        Ok(page.into_response())
    }
}

impl Published {
    /// The revision to read: the one asked for, if it is kept, or the newest.
    fn readable(&self, at: Option<Revision>) -> Result<Revision, ReadError> {
        let Some(requested) = at else { return Ok(self.revision) };
        let (newest, oldest) = (self.revision, self.compact_revision.max(Revision::FIRST));
        if requested > newest {
            return Err(ReadError::FutureRevision { requested, newest });
        }
        if requested < oldest {
            return Err(ReadError::Compacted { requested, oldest });
        }
        Ok(requested)
    }
}

/// How many bytes of keys a range's answer makes room for at a time.
const KEYS_CHUNK_BYTES: usize = 2 << 10;

/// A range's answer in the making.
struct Page<'a> {
    span: &'a Span,
    revision: Revision,
    with: With,
    items_max: usize,
    items: Vec<KeyValue>,
    /// Where the items' keys are copied to, many in one allocation.
    keys: BytesMut,
    count: usize,
    count_only: bool,
}

impl<'a> Page<'a> {
    fn new(request: &RangeRequest, span: &'a Span, revision: Revision) -> Page<'a> {
        let limit = request.limit.unwrap_or(usize::MAX);
        Page {
            span,
            revision,
            with: if request.keys_only { With::KeyOnly } else { With::Value },
            items_max: if request.count_only { 0 } else { limit },
            items: Vec::new(),
            keys: BytesMut::new(),
            count: 0,
            count_only: request.count_only,
        }
    }

    fn visit(&mut self, leaf: &Leaf, covered: bool) -> Work {
        if covered && self.items.len() >= self.items_max {
            // A full page only counts, and a leaf that no reader's past needs knows its count.
            if let Some(count) = leaf.live_count(self.revision) {
                self.count += count;
                return Work { keys: 1, bytes: 0 };
            }
        }
        let entries = leaf.entries(self.span);
        let mut work = Work { keys: entries.len(), bytes: 0 };
        for (key, versions) in entries {
            let Some(version) = versions.live_at(self.revision) else { continue };
            self.count += 1;
            if self.items.len() < self.items_max {
                work.bytes += key.len();
                let key = self.copy_key(key);
                self.items.push(version.with_key(key, self.with));
            }
        }
        work
    }

    fn copy_key(&mut self, key: &[u8]) -> Bytes {
        if self.keys.capacity() < key.len() {
            self.keys.reserve(key.len().max(KEYS_CHUNK_BYTES));
        }
        self.keys.extend_from_slice(key);
        self.keys.split().freeze()
    }

    fn into_response(self) -> RangeResponse {
        RangeResponse {
            more: !self.count_only && self.count > self.items.len(),
            count: self.count as u64,
            revision: self.revision,
            items: self.items,
        }
    }
}
