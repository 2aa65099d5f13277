//! The naive store: what the real one must answer, told as simply as it can be told.
//!
//! Every key has all the versions it ever had. Reading at a revision looks through them.

use std::collections::BTreeMap;

use bytes::Bytes;
use store::{Command, KeyRange, KeyValue, Outcome, Revision};

#[derive(Debug)]
pub(crate) struct Model {
    revision: Revision,
    keys: BTreeMap<Bytes, Vec<Version>>,
}

#[derive(Debug)]
struct Version {
    modified: Revision,
    created: Revision,
    number: u64,
    /// None: the key was removed.
    value: Option<Bytes>,
}

impl Model {
    pub(crate) fn new() -> Model {
        Model { revision: Revision::FIRST, keys: BTreeMap::new() }
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    /// What the command does, and what its answer must be.
    pub(crate) fn apply(&mut self, command: Command) -> Outcome {
        match command {
            Command::Put { key, value, prev_kv } => self.put(key, value, prev_kv),
            Command::Delete { range, prev_kv } => self.delete(&range, prev_kv),
        }
    }

    fn put(&mut self, key: Bytes, value: Bytes, prev_kv: bool) -> Outcome {
        let before = self.one(&key, self.revision);
        let revision = self.next_revision();
        let (created, number) =
            before.as_ref().map_or((revision, 1), |kv| (kv.create_revision, kv.version + 1));
        let version = Version { modified: revision, created, number, value: Some(value) };
        self.keys.entry(key).or_default().push(version);
        Outcome::Put { revision, prev: before.filter(|_| prev_kv) }
    }

    fn delete(&mut self, range: &KeyRange, prev_kv: bool) -> Outcome {
        let before = self.range(range, self.revision);
        let count = before.len() as u64;
        if count > 0 {
            let revision = self.next_revision();
            for kv in &before {
                let versions = self.keys.get_mut(&kv.key).expect("a live key is known");
                let (created, number) = (revision, 0);
                versions.push(Version { modified: revision, created, number, value: None });
            }
        }
        let prev = if prev_kv { before } else { Vec::new() };
        Outcome::Deleted { revision: self.revision, count, prev }
    }

    fn next_revision(&mut self) -> Revision {
        self.revision = Revision(self.revision.0 + 1);
        self.revision
    }

    fn one(&self, key: &Bytes, at: Revision) -> Option<KeyValue> {
        let versions = self.keys.get(key)?;
        let version = versions.iter().rev().find(|version| version.modified <= at)?;
        Some(KeyValue {
            key: key.clone(),
            value: version.value.clone()?,
            create_revision: version.created,
            mod_revision: version.modified,
            version: version.number,
        })
    }

    /// The keys of a range as they were at a revision.
    pub(crate) fn range(&self, range: &KeyRange, at: Revision) -> Vec<KeyValue> {
        let keys = self.keys.keys().filter(|key| holds(range, key));
        keys.filter_map(|key| self.one(key, at)).collect()
    }
}

fn holds(range: &KeyRange, key: &Bytes) -> bool {
    match range {
        KeyRange::Single(single) => key == single,
        KeyRange::Prefix(prefix) => key.starts_with(prefix),
        KeyRange::From(start) => key >= start,
        KeyRange::Between { start, end } => start <= key && key < end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(model: &mut Model, key: &'static str, value: &'static str) -> Outcome {
        model.apply(Command::Put { key: key.into(), value: value.into(), prev_kv: true })
    }

    #[test]
    fn a_removed_key_begins_anew_and_its_past_stays_readable() {
        let mut model = Model::new();
        put(&mut model, "k", "one");
        put(&mut model, "k", "two");
        let range = KeyRange::Single("k".into());
        let removed = model.apply(Command::Delete { range: range.clone(), prev_kv: false });
        assert_eq!(removed, Outcome::Deleted { revision: Revision(4), count: 1, prev: vec![] });
        put(&mut model, "k", "three");
        let at = |revision| model.range(&range, Revision(revision)).pop();
        assert_eq!(at(1), None);
        assert_eq!(at(3).map(|kv| (kv.value, kv.version)), Some(("two".into(), 2)));
        assert_eq!(at(4), None);
        assert_eq!(at(5).map(|kv| (kv.create_revision, kv.version)), Some((Revision(5), 1)));
    }

    #[test]
    fn removing_nothing_takes_no_revision() {
        let mut model = Model::new();
        let removed = model.apply(Command::Delete { range: KeyRange::all(), prev_kv: true });
        assert_eq!(removed, Outcome::Deleted { revision: Revision(1), count: 0, prev: vec![] });
    }
}
