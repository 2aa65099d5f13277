//! The past of a key: what every write left of it.

use bytes::Bytes;
use serde::Deserialize;

use crate::Error;
use crate::client::{Client, Query};
use crate::options::Consistency;
use crate::types::{Revision, Staleness, decode_bytes};

/// The most versions that members put on one page.
const PAGE_VERSIONS_MAX: u64 = 1_000;

/// How much of a key's past to read.
#[derive(Debug, Clone, Default)]
pub struct HistoryOptions {
    /// At most so many versions in all; `None` for all of them.
    pub limit: Option<u64>,
    /// Only what was written before this revision.
    pub before: Option<Revision>,
    /// How fresh each page must be.
    pub consistency: Consistency,
}

impl HistoryOptions {
    pub(crate) fn describe(&self, query: &mut Query) {
        let limit = self.limit.map_or(PAGE_VERSIONS_MAX, |limit| limit.min(PAGE_VERSIONS_MAX));
        query.add("limit", limit.to_string());
        self.consistency.describe(query);
    }
}

/// What one write left of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastVersion {
    /// The write's revision.
    pub revision: Revision,
    /// When, by the leader's clock: as RFC 3339 has it, and in microseconds since 1970.
    pub time: Option<(String, u64)>,
    /// The value; `None` where the write removed the key.
    pub value: Option<Bytes>,
    /// How many writes the key had had since its creation; 0 where it was removed.
    pub version: u64,
}

/// Some versions of a key, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryPage {
    /// The versions; none of a key that was never there, as far as that is kept.
    pub versions: Vec<PastVersion>,
    /// The oldest revision that can be read.
    pub oldest: Revision,
    /// How old the answer is; `None` if it is linearizable.
    pub stale: Option<Staleness>,
    next: Option<Revision>,
}

#[derive(Deserialize)]
pub(crate) struct EncodedPage {
    versions: Vec<EncodedVersion>,
    oldest: Revision,
    next: Option<Revision>,
    #[serde(flatten)]
    stale: Option<Staleness>,
}

#[derive(Deserialize)]
struct EncodedVersion {
    revision: Revision,
    time: Option<String>,
    timestamp: Option<u64>,
    value: Option<String>,
    value_base64: Option<String>,
    #[serde(default)]
    version: u64,
    #[serde(default)]
    deleted: bool,
}

impl HistoryPage {
    pub(crate) fn decode(encoded: EncodedPage) -> Result<HistoryPage, Error> {
        let EncodedPage { versions, oldest, next, stale } = encoded;
        let versions = versions.into_iter().map(EncodedVersion::decode);
        Ok(HistoryPage { versions: versions.collect::<Result<_, _>>()?, oldest, next, stale })
    }
}

impl EncodedVersion {
    fn decode(self) -> Result<PastVersion, Error> {
        let value = match self.deleted {
            true => None,
            false => Some(decode_bytes(self.value, self.value_base64)?),
        };
        let (revision, version) = (self.revision, self.version);
        Ok(PastVersion { revision, time: self.time.zip(self.timestamp), value, version })
    }
}

/// A past that is read page by page, as far as it is wanted.
#[derive(Debug)]
pub struct History {
    client: Client,
    key: Bytes,
    options: HistoryOptions,
    is_over: bool,
}

impl History {
    pub(crate) fn new(client: Client, key: Bytes, options: HistoryOptions) -> History {
        History { client, key, is_over: options.limit == Some(0), options }
    }

    /// The next page, or `None` after the last. A key without a past has one empty page.
    ///
    /// # Errors
    /// As for any read; a page that failed is asked for again by the next call.
    pub async fn next_page(&mut self) -> Result<Option<HistoryPage>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let page = self.client.past_page(&self.key, &self.options, self.options.before).await?;
        self.options.before = page.next;
        if let Some(limit) = &mut self.options.limit {
            *limit = limit.saturating_sub(page.versions.len() as u64);
        }
        self.is_over = page.next.is_none() || self.options.limit == Some(0);
        Ok(Some(page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_and_an_empty_value_are_told_apart() {
        let page = r#"{"key":"k","oldest":2,"revision":9,"next":4,"versions":[
            {"revision":9,"time":"2026-08-04T12:00:00.000Z","timestamp":1785844800000000,
             "deleted":true},
            {"revision":4,"value":"","version":3,"create_revision":2}]}"#;
        let page = HistoryPage::decode(serde_json::from_str(page).unwrap()).unwrap();
        let [removed, empty] = &page.versions[..] else { panic!("{page:?}") };
        assert_eq!((removed.value.as_ref(), removed.version), (None, 0));
        let (time, timestamp) = removed.time.clone().unwrap();
        assert_eq!((time.as_str(), timestamp), ("2026-08-04T12:00:00.000Z", 1_785_844_800_000_000));
        assert_eq!((empty.value.as_deref(), &empty.time), (Some(&b""[..]), &None));
        assert_eq!((page.oldest, page.next, page.stale), (Revision(2), Some(Revision(4)), None));
    }
}
