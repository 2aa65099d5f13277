//! Listing keys: pages, cursors, limits.

use bytes::Bytes;
use serde::Deserialize;

use crate::Error;
use crate::client::{Client, Query};
use crate::options::{Consistency, Moment};
use crate::types::{EncodedKeyValue, KeyValue, Revision, Staleness};

/// The most keys that members put on one page.
pub(crate) const PAGE_KEYS_MAX: u64 = 1_000;

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    /// Only keys that begin with this.
    pub prefix: Bytes,
    /// At most so many keys in all; `None` for all of them.
    pub limit: Option<u64>,
    /// Leave the values out; they show as empty.
    pub keys_only: bool,
    /// How fresh the first page must be; the others are read at its revision.
    pub consistency: Consistency,
    /// Which moment it shows.
    pub moment: Moment,
}

impl ListOptions {
    pub(crate) fn describe(&self, query: &mut Query) {
        if !self.prefix.is_empty() {
            query.add("prefix", &self.prefix);
        }
        let limit = self.limit.map_or(PAGE_KEYS_MAX, |limit| limit.min(PAGE_KEYS_MAX));
        query.add("limit", limit.to_string());
        if self.keys_only {
            query.add("keys_only", "true");
        }
        self.consistency.describe(query);
        self.moment.describe(query);
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In the order of their keys.
    pub items: Vec<KeyValue>,
    /// The revision that the whole list is read at.
    pub revision: Revision,
    /// How old the answer is; `None` if the list is linearizable.
    pub stale: Option<Staleness>,
    /// Where the next page begins, if there is one. Opaque.
    next: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct EncodedPage {
    items: Vec<EncodedKeyValue>,
    revision: Revision,
    next: Option<String>,
    #[serde(flatten)]
    stale: Option<Staleness>,
}

impl Page {
    pub(crate) fn decode(encoded: EncodedPage) -> Result<Page, Error> {
        let items =
            encoded.items.into_iter().map(EncodedKeyValue::decode).collect::<Result<_, _>>()?;
        Ok(Page { items, revision: encoded.revision, stale: encoded.stale, next: encoded.next })
    }
}

/// A list that is read page by page, as far as it is wanted.
#[derive(Debug)]
pub struct Listing {
    client: Client,
    options: ListOptions,
    position: Position,
}

#[derive(Debug)]
enum Position {
    Start,
    After(String),
    End,
}

impl Listing {
    pub(crate) fn new(client: Client, options: ListOptions) -> Listing {
        let position = if options.limit == Some(0) { Position::End } else { Position::Start };
        Listing { client, options, position }
    }

    /// The next page, or `None` after the last. An empty store has one empty page.
    ///
    /// # Errors
    /// As for any read; a page that failed is asked for again by the next call. The refusal
    /// `compacted` means that the list took so long that its revision is gone.
    pub async fn next_page(&mut self) -> Result<Option<Page>, Error> {
        let cursor = match &self.position {
            Position::Start => None,
            Position::After(cursor) => Some(cursor.as_str()),
            Position::End => return Ok(None),
        };
        let mut page = self.client.page(&self.options, cursor).await?;
        self.position = match page.next.take() {
            Some(cursor) if !self.is_exhausted_by(page.items.len()) => Position::After(cursor),
            _ => Position::End,
        };
        Ok(Some(page))
    }

    /// Counts a page against the limit, and says whether nothing is left of that.
    fn is_exhausted_by(&mut self, keys: usize) -> bool {
        match &mut self.options.limit {
            None => false,
            Some(limit) => {
                *limit = limit.saturating_sub(keys as u64);
                *limit == 0
            }
        }
    }
}
