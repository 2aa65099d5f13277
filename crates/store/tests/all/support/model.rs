//! The store as plainly as it can be said.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use bytes::Bytes;
use store::{
    Command, Condition, Filter, KeyRange, KeyValue, LogEntry, Outcome, Put, RangeRequest,
    RangeResponse, ReadError, Refused, Revision, Settings, SettingsChange, SortBy,
};

use super::leases::{Leases, lifetime};
use super::once::Once;

/// Every version of every key, oldest first; `None` is a delete.
#[derive(Default)]
pub(crate) struct Model {
    pub(super) writes: u64,
    pub(crate) compacted: Revision,
    /// What was touched, in order.
    pub(crate) events: Vec<(Revision, Bytes)>,
    pub(crate) once: Once,
    pub(crate) leases: Leases,
    /// Once somebody has set them.
    settings: Option<Settings>,
    /// That of the last entry.
    age_ms: u64,
    pub(crate) keys: BTreeMap<Bytes, Vec<(Revision, Option<KeyValue>)>>,
}

impl Model {
    /// What the entry comes to; a check is answered with a hash of nothing.
    pub(crate) fn apply(&mut self, entry: &LogEntry, command: Option<&Command>) -> Outcome {
        let age_ms = entry.age_ms;
        self.age_ms = age_ms;
        let outcome = match command {
            None => Outcome::Nothing,
            Some(Command::OpenSession) => self.once.open(entry),
            Some(Command::Compact { revision, .. }) => self.compact(*revision),
            Some(Command::ChangeSettings(change)) => self.change_settings(change, entry.index),
            Some(Command::CloseSession { session }) => self.once.close(*session, age_ms),
            Some(Command::Check) => Outcome::Checked { state_hash: 0 },
            Some(Command::Once { origin, command }) => {
                let known = self.once.ask(origin, command, age_ms);
                known.unwrap_or_else(|| {
                    let outcome = self.change(command, entry);
                    self.once.keep(origin, command, entry, &outcome);
                    outcome
                })
            }
            Some(Command::Expire { leases, keys }) => self.expire(leases, keys, age_ms),
            Some(change) => self.change(change, entry),
        };
        self.once.expire(age_ms);
        outcome
    }

    /// A seed counts only if nothing was set before.
    fn change_settings(&mut self, change: &SettingsChange, index: u64) -> Outcome {
        let mut settings = self.settings.unwrap_or_default();
        if !change.seed || self.settings.is_none() {
            if let Some(age_ms) = change.history_age_ms {
                settings.history_age_ms = age_ms;
            }
            if let Some(bytes) = change.history_bytes {
                settings.history_bytes = bytes;
            }
            settings.changed_index = index;
            self.settings = Some(settings);
        }
        Outcome::SettingsChanged { settings }
    }

    fn compact(&mut self, requested: Revision) -> Outcome {
        let (revision, oldest) = (self.revision(), self.compacted);
        let reason = if requested > revision {
            ReadError::FutureRevision { requested, newest: revision }
        } else if requested <= oldest && requested.0 > 0 {
            ReadError::Compacted { requested, oldest }
        } else {
            self.compacted = oldest.max(requested);
            return Outcome::Compacted { revision, compact_revision: self.compacted };
        };
        Outcome::Refused { revision, reason: Refused::Unreadable(reason) }
    }

    /// What happened to a key at a revision, and what it was before.
    pub(crate) fn left(&self, key: &Bytes, at: Revision) -> Option<KeyValue> {
        self.live_at(at).into_iter().find(|live| live.key == key)
    }

    fn change(&mut self, command: &Command, entry: &LogEntry) -> Outcome {
        match command {
            Command::Txn(txn) => self.txn(txn),
            Command::LeaseGrant { lease, ttl_s } => self.grant(*lease, *ttl_s, entry),
            Command::LeaseRevoke { lease } => self.revoke(*lease),
            Command::Put { put, condition } => {
                if let Some(conflict) = self.conflict(&put.key, *condition) {
                    return conflict;
                }
                let revision = self.revision();
                if let Some(reason) = self.put_refusal(put, &self.live_at(revision)) {
                    return Outcome::Refused { revision, reason };
                }
                self.writes += 1;
                let revision = self.revision();
                let prev = self.put(put, revision).filter(|_| put.prev_kv);
                Outcome::Put { revision, prev }
            }
            Command::Delete { range, prev_kv, condition } => {
                if let KeyRange::Single(key) = range
                    && let Some(conflict) = self.conflict(key, *condition)
                {
                    return conflict;
                }
                let prev = self.delete(range, Revision(self.revision().0 + 1));
                self.writes += u64::from(!prev.is_empty());
                let (revision, count) = (self.revision(), prev.len() as u64);
                let prev = if *prev_kv { prev } else { Vec::new() };
                Outcome::Deleted { revision, count, prev }
            }
            Command::DeleteRecord { record } => {
                let next = Revision(self.revision().0 + 1);
                let gone = self.delete_those(|key| is_field(record, key), next);
                self.writes += u64::from(!gone.is_empty());
                let (revision, count) = (self.revision(), gone.len() as u64);
                Outcome::Deleted { revision, count, prev: Vec::new() }
            }
            other => panic!("{other:?} is no change"),
        }
    }

    fn conflict(&self, key: &Bytes, condition: Option<Condition>) -> Option<Outcome> {
        let revision = self.revision();
        let current = self.live_at(revision).into_iter().find(|live| live.key == key);
        let holds = match condition? {
            Condition::Exists => current.is_some(),
            Condition::ModRevision(wanted) => {
                current.as_ref().map_or(Revision(0), |live| live.mod_revision) == wanted
            }
        };
        (!holds).then_some(Outcome::Conflict { revision, current })
    }

    pub(super) fn put(&mut self, put: &Put, revision: Revision) -> Option<KeyValue> {
        let key = &put.key;
        let prev = self.keys.get(key).and_then(|versions| versions.last()?.1.clone());
        let written = KeyValue {
            key: key.clone(),
            value: match put.ignore_value {
                true => prev.as_ref().expect("else it was refused").value.clone(),
                false => put.value.clone(),
            },
            create_revision: prev.as_ref().map_or(revision, |prev| prev.create_revision),
            mod_revision: revision,
            version: prev.as_ref().map_or(1, |prev| prev.version + 1),
            lifetime: lifetime(put, prev.as_ref(), self.age_ms),
        };
        self.events.push((revision, key.clone()));
        self.keys.entry(key.clone()).or_default().push((revision, Some(written)));
        prev
    }

    pub(super) fn delete(&mut self, range: &KeyRange, revision: Revision) -> Vec<KeyValue> {
        self.delete_those(|key| contains(range, key), revision)
    }

    fn delete_those(
        &mut self,
        wanted: impl Fn(&Bytes) -> bool,
        revision: Revision,
    ) -> Vec<KeyValue> {
        let mut gone = self.live_at(revision);
        gone.retain(|live| wanted(&live.key));
        for live in &gone {
            self.events.push((revision, live.key.clone()));
            self.keys.entry(live.key.clone()).or_default().push((revision, None));
        }
        gone
    }

    pub(crate) fn revision(&self) -> Revision {
        Revision(1 + self.writes)
    }

    pub(crate) fn live_at(&self, at: Revision) -> Vec<KeyValue> {
        let visible = |versions: &Vec<(Revision, Option<KeyValue>)>| {
            versions.iter().rev().find(|(revision, _)| *revision <= at)?.1.clone()
        };
        self.keys.values().filter_map(visible).collect()
    }

    pub(crate) fn range(&self, request: &RangeRequest, revision: Revision) -> RangeResponse {
        let mut items = self.live_at(revision);
        items.retain(|live| contains(&request.range, &live.key));
        let count = items.len();
        items.retain(|live| admits(&request.filter, live));
        let by = |live: &KeyValue| match request.sort.by {
            SortBy::Key => (0, live.key.clone()),
            SortBy::Version => (live.version, Bytes::new()),
            SortBy::CreateRevision => (live.create_revision.0, Bytes::new()),
            SortBy::ModRevision => (live.mod_revision.0, Bytes::new()),
            SortBy::Value => (0, live.value.clone()),
        };
        if request.sort.descending {
            items.sort_by_key(|live| Reverse(by(live)));
        } else {
            items.sort_by_key(by);
        }
        let admitted = items.len();
        items.truncate(request.limit.unwrap_or(usize::MAX));
        let more = !request.count_only && items.len() < admitted;
        if request.count_only {
            items.clear();
        }
        if request.keys_only {
            items.iter_mut().for_each(|item| item.value = Bytes::new());
        }
        RangeResponse { items, more, count: count as u64, revision }
    }
}

fn admits(filter: &Filter, live: &KeyValue) -> bool {
    let Filter { min_mod_revision, max_mod_revision, min_create_revision, max_create_revision } =
        *filter;
    let most = |bound: Revision| if bound.0 == 0 { Revision(u64::MAX) } else { bound };
    (min_mod_revision..=most(max_mod_revision)).contains(&live.mod_revision)
        && (min_create_revision..=most(max_create_revision)).contains(&live.create_revision)
}

pub(super) fn contains(range: &KeyRange, key: &Bytes) -> bool {
    match range {
        KeyRange::Single(only) => key == only,
        KeyRange::Prefix(prefix) => key.starts_with(prefix),
        KeyRange::From(start) => key >= start,
        KeyRange::Between { start, end } => start <= key && key < end,
    }
}

/// Whether a key is a field of the record, by what is written of it in the design.
fn is_field(record: &Bytes, key: &Bytes) -> bool {
    let escape = |byte: &u8| match byte {
        b'%' => b"%25".to_vec(),
        b'/' => b"%2F".to_vec(),
        byte => vec![*byte],
    };
    let mut prefix: Vec<u8> = record.iter().flat_map(escape).collect();
    prefix.push(b'/');
    let Some(field) = key.strip_prefix(&prefix[..]) else { return false };
    let mut parts = field.split(|byte| *byte == b'%').skip(1);
    let escaped = parts.all(|part| part.starts_with(b"25") || part.starts_with(b"2F"));
    !field.is_empty() && !field.contains(&b'/') && escaped
}
