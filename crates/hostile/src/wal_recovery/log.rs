//! What a log says, record by record: the plainest model of it.

use std::collections::BTreeMap;

use wal::{Entry, Visit};

/// Where a log starts, and of each entry index, term and a checksum of the rest.
pub(super) type Summary = ((u64, u64), Vec<(u64, u64, u32)>);

/// Entries, and where they start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// Term and index of the entry before all that was read; (0, 0) before the first.
    begin: (u64, u64),
    /// Term and index of the entry that the log starts after; (0, 0) if nothing was ever cut.
    pub(super) start: (u64, u64),
    pub(super) entries: BTreeMap<u64, Entry>,
}

impl Log {
    /// A log of which nothing was read yet, but that it goes on after `begin`.
    pub(super) fn after(begin: (u64, u64), start: (u64, u64)) -> Log {
        Log { begin, start, entries: BTreeMap::new() }
    }

    pub(super) fn visit(&mut self, visit: Visit<'_>) {
        match visit {
            Visit::Begin { term, index } => *self = Log::after((term, index), (term, index)),
            Visit::Start { term, index } => self.start_after((term, index)),
            Visit::Entry(entry) => self.put(entry),
        }
    }

    /// An entry takes its place, and whatever lay behind it is gone.
    pub(super) fn put(&mut self, entry: &Entry) {
        self.entries.retain(|index, _| *index < entry.index);
        self.entries.insert(entry.index, entry.clone());
    }

    /// A snapshot stands for all up to `start`. What is behind stays, if the log holds that entry
    /// or held it: before `begin` nobody knows, and it was so, or the rest would not be there.
    pub(super) fn start_after(&mut self, start: (u64, u64)) {
        let held = self.entries.get(&start.1).is_some_and(|entry| entry.term == start.0);
        let held = held || start.1 < self.begin.1 || [self.begin, self.start].contains(&start);
        self.entries.retain(|index, _| held && *index > start.1);
        self.start = start;
    }

    /// Whether nothing is missing between where the log starts and what was read of it.
    pub(super) fn is_whole(&self) -> bool {
        self.begin.1 <= self.start.1
    }

    /// Term and index of the last entry, or of the one it starts after.
    pub(super) fn last(&self) -> (u64, u64) {
        let last = self.entries.values().next_back().map(|entry| (entry.term, entry.index));
        last.unwrap_or(self.start.max(self.begin))
    }

    /// What two logs must have alike, short enough for a message.
    pub(super) fn summary(&self) -> Summary {
        let rest = |entry: &Entry| {
            let Entry { kind, stamp_ms, age_ms, payload, .. } = entry;
            let numbers = [u64::from(*kind), *stamp_ms, *age_ms].map(u64::to_le_bytes).concat();
            crc32c::crc32c_append(crc32c::crc32c(payload), &numbers)
        };
        let entries = self.entries.values();
        (self.start, entries.map(|entry| (entry.index, entry.term, rest(entry))).collect())
    }
}
