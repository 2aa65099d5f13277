//! The event log of a snapshot: checked against the versions, or made of them.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::SnapshotError;
use super::builder::{NUMBER_MAX, consistent, in_order};
use super::wire;
use crate::events::Mark;
use crate::tree::Tree;
use crate::types::Revision;

/// What was read of it.
#[derive(Default)]
pub(super) struct History {
    pub(super) events: u64,
    last: Mark,
    /// The keys that the last revision touched.
    touched: BTreeSet<Bytes>,
    /// Where each version was written, if the stream has no events.
    written: Option<Vec<(Revision, Bytes)>>,
    /// How many versions are of revisions whose events are kept.
    versions: u64,
    ages: Ages,
    /// What the versions took that the events read so far have overwritten.
    pub(super) superseded_bytes: u64,
}

/// The age of the cluster at each revision.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Ages {
    /// The stream has them.
    #[default]
    Told,
    /// It is from before they were kept: all of them count as this old.
    All(u64),
}

impl History {
    pub(super) fn new(has_events: bool, ages: Ages) -> History {
        let written = (!has_events).then(Vec::new);
        History { written, ages, ..History::default() }
    }

    /// A version was read of a revision whose events are kept.
    pub(super) fn version(&mut self, revision: Revision, key: &Bytes) {
        self.versions += 1;
        if let Some(written) = &mut self.written {
            written.push((revision, Bytes::copy_from_slice(key)));
        }
    }

    /// Every event is that of a version, and no version has two.
    pub(super) fn read(&mut self, record: wire::Events, tree: &Tree) -> Result<(), SnapshotError> {
        in_order(self.written.is_none(), "events come only where the head says so")?;
        for wire::Written { revision, stamp_ms, keys, age_ms } in record.revisions {
            let age_ms = match self.ages {
                Ages::All(age_ms) => age_ms,
                Ages::Told => age_ms,
            };
            let mark = Mark { revision: Revision(revision), stamp_ms, age_ms };
            consistent(stamp_ms.max(age_ms) <= NUMBER_MAX, "numbers are at most 2^62")?;
            in_order(self.last.revision <= mark.revision, "events come by their revisions")?;
            let later = self.last.stamp_ms <= stamp_ms && self.last.age_ms <= age_ms;
            in_order(later, "the times of events do not go back")?;
            if self.last.revision < mark.revision {
                self.touched.clear();
            }
            self.last = mark;
            tree.events.set_times(stamp_ms, age_ms);
            for key in keys {
                let known = tree.look_versions(&key, |versions| versions.has(mark.revision));
                consistent(known == Some(true), "an event is that of a version")?;
                self.append(tree, mark.revision, &key);
                consistent(self.touched.insert(key), "a revision touches a key once")?;
                self.events += 1;
            }
        }
        Ok(())
    }

    /// After all keys and events. Without any events, as older versions wrote it, they are made:
    /// within a revision in the order of the keys, and all of the time of the snapshot.
    pub(super) fn finish(
        &mut self,
        tree: &Tree,
        (stamp_ms, age_ms): (u64, u64),
    ) -> Result<(), SnapshotError> {
        let Some(mut written) = self.written.take() else {
            return consistent(self.events == self.versions, "every version has an event");
        };
        written.sort_unstable();
        tree.events.set_times(stamp_ms, age_ms);
        for (revision, key) in written {
            self.append(tree, revision, &key);
        }
        Ok(())
    }

    /// Appends an event, and counts what it made history of.
    fn append(&mut self, tree: &Tree, revision: Revision, key: &[u8]) {
        tree.events.append(revision, key);
        let superseded = tree.look_versions(key, |versions| versions.superseded_bytes(revision));
        self.superseded_bytes += superseded.unwrap_or(0);
        tree.events.superseded_in_all(self.superseded_bytes);
    }
}
