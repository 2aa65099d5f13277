//! The past of one key: every version of it that is kept, the newest first.

use bytes::Bytes;

use crate::read::{ReadError, Reader, View};
use crate::types::{KeyValue, Revision};
use crate::version::{Version, With};

/// Which versions of a key to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRequest {
    /// The key.
    pub key: Bytes,
    /// Only what was written before this revision; `None` is no bound.
    pub before: Option<Revision>,
    /// At most so many versions.
    pub versions_max: usize,
    /// No further version once so many bytes of keys and values are told.
    pub told_bytes_max: usize,
}

/// Some versions of a key, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The versions.
    pub versions: Vec<PastVersion>,
    /// Whether older ones were left out: they come before the last one's revision.
    pub more: bool,
    /// The newest revision that was there to be read.
    pub revision: Revision,
    /// The oldest that can be read. Of what was written before it only the version that it shows is
    /// kept.
    pub oldest: Revision,
}

/// What one write left of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastVersion {
    /// The write's revision.
    pub revision: Revision,
    /// The leader's wall clock in the write's entry, ms since 1970. Not known of what a snapshot
    /// brought that was made before it was kept.
    pub stamp_ms: Option<u64>,
    /// The key as it was from then on; `None` where the write removed it.
    pub live: Option<KeyValue>,
}

impl Reader {
    /// What is kept of a key's past. Nothing at all is no error: the key was never there, as far as
    /// that can be told.
    pub fn history(&self, request: &HistoryRequest) -> History {
        let found = self.stable(|view| Ok::<_, ReadError>(view.history(request)));
        found.expect("a past is read without a refusal")
    }
}

impl View {
    fn history(&self, request: &HistoryRequest) -> History {
        let oldest = self.published.compact_revision.max(Revision::FIRST);
        let revision = self.published.revision;
        let upto = match request.before {
            Some(before) => revision.min(Revision(before.0.saturating_sub(1))),
            None => revision,
        };
        let (mut versions, more) = self.versions(request, upto);
        // What was removed left nothing that could hold its time but its event.
        let removed: Vec<&mut PastVersion> =
            versions.iter_mut().rev().filter(|version| version.live.is_none()).collect();
        let revisions: Vec<Revision> = removed.iter().map(|version| version.revision).collect();
        for (version, stamp_ms) in removed.into_iter().zip(self.tree.events.stamps(&revisions)) {
            version.stamp_ms = stamp_ms;
        }
        History { versions, more, revision, oldest }
    }

    /// The versions up to a revision, removals without their times, and whether there are more.
    fn versions(&self, request: &HistoryRequest, upto: Revision) -> (Vec<PastVersion>, bool) {
        let oldest = self.published.compact_revision;
        let (mut found, mut told_bytes) = (Vec::new(), 0);
        let more = self.tree.look_versions(&request.key, |versions| {
            for version in versions.kept(oldest, Revision(0), upto).rev() {
                if found.len() >= request.versions_max || told_bytes >= request.told_bytes_max {
                    return true;
                }
                let version = past(version, &request.key);
                told_bytes += version.live.as_ref().map_or(0, KeyValue::told_bytes);
                found.push(version);
            }
            false
        });
        (found, more.unwrap_or(false))
    }
}

fn past(version: &Version, key: &Bytes) -> PastVersion {
    PastVersion {
        revision: version.mod_revision,
        stamp_ms: Some(version.stamp_ms()).filter(|stamp_ms| *stamp_ms > 0),
        live: version.is_live().then(|| version.with_key(key.clone(), With::Value)),
    }
}
