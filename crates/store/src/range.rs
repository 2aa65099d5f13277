//! Range reads: which keys, in which order, how many of them; and the answer in the making.
//!
//! An answer is collected hold by hold, so that neither a writer nor, within a transaction, the
//! turn of apply waits for the whole of it. The meaning of limit, count, filters and sorting is
//! etcd's.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::hint::black_box;

use bytes::{Bytes, BytesMut};

use crate::budget::{Budget, KEY_COST_UNITS};
use crate::key_range::{KeyRange, Span};
use crate::leaf::Leaf;
use crate::tree::{Tree, Work};
use crate::types::{KeyValue, Revision};
use crate::value::Value;
use crate::version::{Version, With};

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
    /// In which order the items come; the limit takes the first ones of that order.
    pub sort: Sort,
    /// Which of the keys become items.
    pub filter: Filter,
}

impl RangeRequest {
    /// All of `range`, as it is now, in the order of the keys.
    pub fn new(range: KeyRange) -> RangeRequest {
        RangeRequest {
            range,
            limit: None,
            at: None,
            keys_only: false,
            count_only: false,
            sort: Sort::default(),
            filter: Filter::default(),
        }
    }
}

/// An order of items. Items that are equal in it come in the order of their keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sort {
    /// What is compared.
    pub by: SortBy,
    /// The largest first.
    pub descending: bool,
}

/// What of two items is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortBy {
    /// The keys, byte by byte.
    #[default]
    Key,
    /// How many writes they had since their creation.
    Version,
    /// When they were created.
    CreateRevision,
    /// When they were last written.
    ModRevision,
    /// The values, byte by byte.
    Value,
}

/// Bounds of an item's revisions, both inclusive; a bound of 0 is none. What they leave out still
/// counts as a key of the range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Last written at this revision or later.
    pub min_mod_revision: Revision,
    /// Last written at this revision or earlier.
    pub max_mod_revision: Revision,
    /// Created at this revision or later.
    pub min_create_revision: Revision,
    /// Created at this revision or earlier.
    pub max_create_revision: Revision,
}

impl Filter {
    fn is_off(&self) -> bool {
        *self == Filter::default()
    }

    fn admits(&self, version: &Version) -> bool {
        let within = |revision: Revision, min: Revision, max: Revision| {
            min <= revision && (max == Revision(0) || revision <= max)
        };
        within(version.mod_revision, self.min_mod_revision, self.max_mod_revision)
            && within(version.create_revision, self.min_create_revision, self.max_create_revision)
    }
}

/// What a range read found: one consistent state, that of `revision`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeResponse {
    /// The keys, in byte order or in the one asked for.
    pub items: Vec<KeyValue>,
    /// Whether the limit left some out.
    pub more: bool,
    /// How many keys the range has, whatever the limit and the filter.
    pub count: u64,
    /// The revision that was read.
    pub revision: Revision,
}

/// How much an answer holds at most, whatever was asked for; `more` is true where that cut it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) items_max: usize,
    /// Bytes of keys and values; one item may be over.
    pub(crate) told_bytes_max: usize,
}

impl Bounds {
    pub(crate) const NONE: Bounds = Bounds { items_max: usize::MAX, told_bytes_max: usize::MAX };
}

/// How many bytes of keys and short values an answer makes room for at first; twice as many each
/// further time, up to the second number.
const COPY_CHUNK_BYTES: usize = 2 << 10;
const COPY_CHUNK_BYTES_MAX: usize = 64 << 10;

/// A value with so many bytes is shared with the reader, a shorter one is copied: sharing takes an
/// allocation and a write to the value's counter, which cost more than this many bytes do.
const SHARED_VALUE_BYTES_MIN: usize = 1 << 10;

const CACHE_LINE_BYTES: usize = 64;

/// A range's answer in the making.
#[derive(Debug)]
pub(crate) struct Page {
    span: Span,
    /// Where to go on; `None` at the end.
    next: Option<Box<[u8]>>,
    revision: Revision,
    with: With,
    count_only: bool,
    filter: Option<Filter>,
    items_max: usize,
    told_bytes_max: usize,
    items: Items,
    copies: Copies,
    /// Keys of the range.
    count: u64,
    /// Those of them that the filter admits.
    admitted: u64,
}

/// What was collected so far.
#[derive(Debug)]
enum Items {
    /// In the order in which keys are found, the first ones of which are wanted.
    Found { items: Vec<KeyValue>, told_bytes: usize },
    /// In another order: the first ones in it of all that were found.
    Ranked { sort: Sort, first: BinaryHeap<Ranked> },
}

impl Page {
    pub(crate) fn new(request: &RangeRequest, revision: Revision, bounds: Bounds) -> Page {
        let span = request.range.span();
        let limit = request.limit.unwrap_or(usize::MAX).min(bounds.items_max);
        let items = match request.sort {
            Sort { by: SortBy::Key, descending: false } => {
                Items::Found { items: Vec::new(), told_bytes: 0 }
            }
            sort => Items::Ranked { sort, first: BinaryHeap::new() },
        };
        Page {
            next: Some(Box::from(span.start.as_ref())),
            span,
            revision,
            with: if request.keys_only { With::KeyOnly } else { With::Value },
            count_only: request.count_only,
            filter: (!request.filter.is_off()).then_some(request.filter),
            items_max: if request.count_only { 0 } else { limit },
            told_bytes_max: bounds.told_bytes_max,
            items,
            copies: Copies::default(),
            count: 0,
            admitted: 0,
        }
    }

    /// Collects until the budget is spent; true at the end of the range.
    pub(crate) fn advance(&mut self, tree: &Tree, budget: &mut Budget) -> bool {
        while let Some(from) = self.next.take() {
            if budget.is_spent() {
                self.next = Some(from);
                return false;
            }
            let span = self.span.clone();
            self.next = tree.walk_one_hold(&from, &span, |leaf, covered| {
                let work = self.visit(leaf, &from, covered);
                budget.spend(work.keys as u64 * KEY_COST_UNITS + work.bytes as u64);
                work
            });
        }
        true
    }

    fn visit(&mut self, leaf: &Leaf, from: &[u8], covered: bool) -> Work {
        if covered && self.only_counts() {
            // A full page only counts, and a leaf that no reader's past needs knows its count.
            if let Some(count) = leaf.live_count(self.revision) {
                self.count += count as u64;
                self.admitted += count as u64;
                return Work { keys: 1, bytes: 0 };
            }
        }
        let entries = leaf.entries(from, &self.span);
        let mut work = Work { keys: entries.len(), bytes: 0 };
        if self.with == With::Value && !self.only_counts() {
            let copied = entries.clone().take(self.copies_max());
            fetch(copied.filter_map(|(_, versions)| versions.newest().value.as_ref()));
        }
        for (key, versions) in entries {
            let Some(version) = versions.live_at(self.revision) else { continue };
            self.count += 1;
            if self.filter.is_none_or(|filter| filter.admits(version)) {
                self.admitted += 1;
                work.bytes += self.take(key, version);
            }
        }
        work
    }

    /// Whether no further key can become an item, and each counts as admitted.
    fn only_counts(&self) -> bool {
        match &self.items {
            _ if self.count_only => true,
            Items::Found { items, told_bytes } => {
                self.filter.is_none() && self.is_full(items, *told_bytes)
            }
            Items::Ranked { .. } => false,
        }
    }

    /// At most so many more keys are copied: in an order of its own each may be among the first.
    fn copies_max(&self) -> usize {
        match &self.items {
            Items::Found { items, .. } => self.items_max - items.len(),
            Items::Ranked { .. } => usize::MAX,
        }
    }

    /// Whether the rest of the range would only be counted: all items are there, in the order of
    /// the keys, and one that is not among them was seen.
    pub(crate) fn has_all_items(&self) -> bool {
        match &self.items {
            Items::Found { items, told_bytes } => {
                self.is_full(items, *told_bytes) && self.admitted > items.len() as u64
            }
            Items::Ranked { .. } => false,
        }
    }

    fn is_full(&self, items: &[KeyValue], told_bytes: usize) -> bool {
        items.len() >= self.items_max || told_bytes >= self.told_bytes_max
    }

    /// Makes an item of a key, if there is room for it; gives back what was copied.
    fn take(&mut self, key: &[u8], version: &Version) -> usize {
        if self.items_max == 0 {
            return 0;
        }
        match &self.items {
            Items::Found { items, told_bytes } if self.is_full(items, *told_bytes) => return 0,
            _ => {}
        }
        let (item, copied) = self.copies.item(key, version, self.with);
        match &mut self.items {
            Items::Found { items, told_bytes } => {
                *told_bytes += item.key.len() + item.value.len();
                items.push(item);
            }
            Items::Ranked { sort, first } => {
                first.push(Ranked::new(*sort, item, version));
                if first.len() > self.items_max {
                    first.pop();
                }
            }
        }
        copied
    }

    pub(crate) fn into_response(self) -> RangeResponse {
        let items = match self.items {
            Items::Found { items, .. } => items,
            Items::Ranked { first, .. } => {
                let mut told_bytes = 0;
                let ranked = first.into_sorted_vec().into_iter().map(|ranked| ranked.item);
                let room = ranked.take_while(|item| {
                    let room = told_bytes < self.told_bytes_max;
                    told_bytes += item.key.len() + item.value.len();
                    room
                });
                room.collect()
            }
        };
        RangeResponse {
            more: !self.count_only && self.admitted > items.len() as u64,
            count: self.count,
            revision: self.revision,
            items,
        }
    }
}

/// Looks at what will be copied, which fetches it into the cache: all of it at once, because no
/// look waits for another one, where copying waits for each value in turn.
fn fetch<'a>(values: impl Iterator<Item = &'a Value>) {
    let short = values.map(Value::as_slice).filter(|value| value.len() < SHARED_VALUE_BYTES_MIN);
    let looks = short.flat_map(|value| value.iter().step_by(CACHE_LINE_BYTES));
    black_box(looks.fold(0, |sum, byte| sum ^ byte));
}

/// Where the items' keys and short values are copied to, many in one allocation.
#[derive(Debug, Default)]
struct Copies {
    chunk: BytesMut,
    chunk_bytes: usize,
}

impl Copies {
    /// What a reader is given of a version, and how many bytes were copied for it.
    fn item(&mut self, key: &[u8], version: &Version, with: With) -> (KeyValue, usize) {
        let value = match (with, version.value.as_ref().map(Value::as_slice)) {
            (With::KeyOnly, _) | (_, None) => &[],
            (With::Value, Some(long)) if long.len() >= SHARED_VALUE_BYTES_MIN => {
                return (version.with_key(self.copy(key), with), key.len());
            }
            (With::Value, Some(short)) => short,
        };
        let copied = key.len() + value.len();
        let (key, value) = (self.copy(key), self.copy(value));
        (KeyValue { value, ..version.with_key(key, With::KeyOnly) }, copied)
    }

    fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if self.chunk.capacity() < bytes.len() {
            let doubled = (2 * self.chunk_bytes).clamp(COPY_CHUNK_BYTES, COPY_CHUNK_BYTES_MAX);
            self.chunk_bytes = doubled;
            self.chunk = BytesMut::with_capacity(bytes.len().max(doubled));
        }
        self.chunk.extend_from_slice(bytes);
        self.chunk.split().freeze()
    }
}

/// An item with its place in an order; the greater comes later.
#[derive(Debug)]
struct Ranked {
    descending: bool,
    rank: Rank,
    item: KeyValue,
}

/// What the order compares. All items of an answer have the same kind.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Number(u64),
    Bytes(Bytes),
}

impl Ranked {
    fn new(sort: Sort, item: KeyValue, version: &Version) -> Ranked {
        let rank = match sort.by {
            SortBy::Key => Rank::Bytes(item.key.clone()),
            SortBy::Version => Rank::Number(item.version),
            SortBy::CreateRevision => Rank::Number(item.create_revision.0),
            SortBy::ModRevision => Rank::Number(item.mod_revision.0),
            SortBy::Value => Rank::Bytes(version.value_bytes()),
        };
        Ranked { descending: sort.descending, rank, item }
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Ranked) -> Ordering {
        let rank = self.rank.cmp(&other.rank);
        let rank = if self.descending { rank.reverse() } else { rank };
        rank.then_with(|| self.item.key.cmp(&other.item.key))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Ranked) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Ranked) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}
