//! The naive store: what the real one must answer, told as simply as it can be told.
//!
//! Every key has all the versions it ever had. Reading at a revision looks through them.

use std::collections::BTreeMap;

use bytes::Bytes;
use raft::{Entry, Term};
use store::{
    Command, Condition, FirstAnswer, FirstOutcome, KeyRange, KeyValue, Lifetime, Origin, Outcome,
    Put, PutLifetime, ReadError, Refused, Revision, SessionId, Settings, SettingsChange,
    TxnResponse, TxnResult,
};

#[derive(Debug)]
pub(crate) struct Model {
    revision: Revision,
    keys: BTreeMap<Bytes, Vec<Version>>,
    sessions: BTreeMap<SessionId, Session>,
    /// Changes with a name, and what they were answered.
    named: BTreeMap<Bytes, (Command, FirstAnswer)>,
    /// What is before it is given up. It is all kept here.
    compacted: Revision,
    leases: Vec<Lease>,
    /// The entry that is applied.
    at: At,
    settings: Settings,
}

mod lifetimes;
mod records;
mod transactions;

use self::lifetimes::At;
pub(crate) use self::lifetimes::Lease;
pub(crate) use self::records::is_field;

/// An answer that tells more than this, in bytes, is not kept in full (rule 9.3).
const KEPT_BYTES_MAX: usize = 4 << 10;
/// What a result of a transaction counts for in itself.
const RESULT_BYTES: usize = 16;

/// What a revision did to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) key: Bytes,
    /// As the revision left it; none if it was removed.
    pub(crate) now: Option<KeyValue>,
    pub(crate) before: Option<KeyValue>,
}

/// A session. No life is long enough for one to expire.
#[derive(Debug, Default)]
struct Session {
    acked_below: u64,
    answers: BTreeMap<u64, FirstAnswer>,
}

#[derive(Debug)]
struct Version {
    modified: Revision,
    created: Revision,
    number: u64,
    /// None: the key was removed.
    value: Option<Bytes>,
    lifetime: Lifetime,
    /// Which of its revision's it is, from 0.
    place: usize,
}

impl Model {
    pub(crate) fn new() -> Model {
        Model {
            revision: Revision::FIRST,
            keys: BTreeMap::new(),
            sessions: BTreeMap::new(),
            named: BTreeMap::new(),
            compacted: Revision(0),
            leases: Vec::new(),
            at: At::default(),
            settings: Settings::default(),
        }
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    /// The oldest revision that can be read; 0 before the first compaction.
    pub(crate) fn compacted(&self) -> Revision {
        self.compacted
    }

    /// What a revision did to the keys of a range, in the order in which it did.
    pub(crate) fn touched(&self, range: &KeyRange, revision: Revision) -> Vec<Touched> {
        let before = Revision(revision.0 - 1);
        let keys = self.keys.iter().filter(|(key, _)| holds(range, key));
        let keys = keys.filter(|(_, versions)| {
            versions.binary_search_by_key(&revision, |version| version.modified).is_ok()
        });
        let place = |versions: &Vec<Version>| {
            let found = versions.iter().find(|version| version.modified == revision);
            found.map(|version| version.place)
        };
        let mut in_order: Vec<(Option<usize>, &Bytes)> =
            keys.map(|(key, versions)| (place(versions), key)).collect();
        in_order.sort_unstable();
        let touched = in_order.into_iter().map(|(_, key)| Touched {
            key: key.clone(),
            now: self.one(key, revision),
            before: self.one(key, before),
        });
        touched.collect()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A seed counts only if nothing was set before.
    fn change_settings(&mut self, change: SettingsChange, index: u64) -> Outcome {
        let Settings { history_age_ms, history_bytes, changed_index } = self.settings;
        if changed_index == 0 || !change.seed {
            self.settings = Settings {
                history_age_ms: change.history_age_ms.unwrap_or(history_age_ms),
                history_bytes: change.history_bytes.unwrap_or(history_bytes),
                changed_index: index,
            };
        }
        Outcome::SettingsChanged { settings: self.settings }
    }

    fn compact(&mut self, requested: Revision) -> Outcome {
        let (revision, oldest) = (self.revision, self.compacted);
        let refused = |error| Outcome::Refused { revision, reason: Refused::Unreadable(error) };
        if requested > revision {
            return refused(ReadError::FutureRevision { requested, newest: revision });
        }
        if requested <= oldest {
            return refused(ReadError::Compacted { requested, oldest });
        }
        self.compacted = requested;
        Outcome::Compacted { revision, compact_revision: requested }
    }

    /// What the entry's command does, and what its answer must be.
    pub(crate) fn apply_entry(&mut self, entry: &Entry, command: Command) -> Outcome {
        self.applies(entry);
        match command {
            Command::OpenSession => {
                let session = SessionId(entry.id.index.0);
                self.sessions.insert(session, Session::default());
                Outcome::SessionOpened { session }
            }
            Command::CloseSession { session } => {
                Outcome::SessionClosed { existed: self.sessions.remove(&session).is_some() }
            }
            Command::Once { origin: Origin::Session { session, seq, acked_below }, command } => {
                self.once_in_session(entry, session, (seq, acked_below), *command)
            }
            Command::Once { origin: Origin::Key(name), command } => {
                self.once_by_name(entry, name, *command)
            }
            Command::ChangeSettings(change) => self.change_settings(change, entry.id.index.0),
            command => self.apply(command),
        }
    }

    /// An entry takes its place, whatever it holds.
    pub(crate) fn applies(&mut self, entry: &Entry) {
        let (index, term, age_ms) = (entry.id.index.0, entry.id.term, entry.age_ms);
        let is_new = self.at.term != term || self.at.term == Term(0);
        let term_began_ms = if is_new { age_ms } else { self.at.term_began_ms };
        self.at = At { index, term, age_ms, term_began_ms };
    }

    fn once_in_session(
        &mut self,
        entry: &Entry,
        id: SessionId,
        (seq, acked_below): (u64, u64),
        command: Command,
    ) -> Outcome {
        let Some(session) = self.sessions.get_mut(&id) else { return Outcome::SessionExpired };
        let known = session.answers.get(&seq).cloned();
        session.acked_below = session.acked_below.max(acked_below);
        session.answers = session.answers.split_off(&session.acked_below);
        if let Some(answer) = known {
            return Outcome::Repeated(Box::new(answer));
        }
        if seq < session.acked_below {
            return Outcome::Stale;
        }
        let outcome = self.apply(command);
        let session = self.sessions.get_mut(&id).expect("it was there above");
        session.answers.insert(seq, first_answer(entry, &outcome));
        outcome
    }

    fn once_by_name(&mut self, entry: &Entry, name: Bytes, command: Command) -> Outcome {
        match self.named.get(&name) {
            Some((same, answer)) if *same == command => Outcome::Repeated(Box::new(answer.clone())),
            Some(_) => Outcome::KeyReused,
            None => {
                let outcome = self.apply(command.clone());
                self.named.insert(name, (command, first_answer(entry, &outcome)));
                outcome
            }
        }
    }

    /// A key as it is, if it is there.
    pub(crate) fn current(&self, key: &Bytes) -> Option<KeyValue> {
        self.one(key, self.revision)
    }

    /// The revision of a key's last write; 0 if it is not there.
    pub(crate) fn modified(&self, key: &Bytes) -> Revision {
        self.current(key).map_or(Revision(0), |kv| kv.mod_revision)
    }

    /// What the command does, and what its answer must be.
    pub(crate) fn apply(&mut self, command: Command) -> Outcome {
        match command {
            Command::Put { put, condition } => {
                let conflict = self.conflict(&put.key, condition);
                conflict.unwrap_or_else(|| self.put(&put))
            }
            Command::Delete { range, prev_kv, condition } => {
                let conflict = match &range {
                    KeyRange::Single(key) => self.conflict(key, condition),
                    _ => None,
                };
                conflict.unwrap_or_else(|| self.delete(&range, prev_kv))
            }
            Command::DeleteRecord { record } => self.delete_record(&record),
            Command::Txn(txn) => self.txn(&txn),
            Command::Compact { revision, .. } => self.compact(revision),
            Command::LeaseGrant { lease, ttl_s } => self.grant(lease, ttl_s),
            Command::LeaseRevoke { lease } => self.revoke(lease),
            Command::Expire { leases, keys } => self.expire(&leases, &keys),
            other => panic!("the model's clients do not ask for {other:?}"),
        }
    }

    /// The answer to a change whose condition does not hold.
    fn conflict(&self, key: &Bytes, condition: Option<Condition>) -> Option<Outcome> {
        let current = self.one(key, self.revision);
        let holds = match condition? {
            Condition::Exists => current.is_some(),
            Condition::ModRevision(Revision(0)) => current.is_none(),
            Condition::ModRevision(wanted) => {
                current.as_ref().is_some_and(|current| current.mod_revision == wanted)
            }
        };
        (!holds).then_some(Outcome::Conflict { revision: self.revision, current })
    }

    fn put(&mut self, put: &Put) -> Outcome {
        if let Some(reason) = self.speaks_against(put) {
            return Outcome::Refused { revision: self.revision, reason };
        }
        let revision = self.next_revision();
        let before = self.write(put, revision, 0);
        Outcome::Put { revision, prev: before.filter(|_| put.prev_kv) }
    }

    /// Why a put can not be done.
    fn speaks_against(&self, put: &Put) -> Option<Refused> {
        if self.lacks_lease(put.lifetime) {
            return Some(Refused::LeaseNotFound);
        }
        let needs_the_key = put.ignore_value || put.lifetime == PutLifetime::AsBefore;
        let lacks_it = needs_the_key && self.one(&put.key, self.revision).is_none();
        lacks_it.then_some(Refused::KeyNotFound)
    }

    /// The key has a new version at that revision, whose change number `place` it is; what it was
    /// before.
    fn write(&mut self, put: &Put, modified: Revision, place: usize) -> Option<KeyValue> {
        let before = self.one(&put.key, Revision(modified.0 - 1));
        let lifetime = self.lifetime_of(put.lifetime, before.as_ref());
        let (created, number) =
            before.as_ref().map_or((modified, 1), |kv| (kv.create_revision, kv.version + 1));
        let value = before.as_ref().filter(|_| put.ignore_value).map(|kv| kv.value.clone());
        let value = Some(value.unwrap_or_else(|| put.value.clone()));
        let version = Version { modified, created, number, value, lifetime, place };
        self.keys.entry(put.key.clone()).or_default().push(version);
        before
    }

    fn delete(&mut self, range: &KeyRange, prev_kv: bool) -> Outcome {
        let before = self.range(range, self.revision);
        let count = self.remove(&before);
        let prev = if prev_kv { before } else { Vec::new() };
        Outcome::Deleted { revision: self.revision, count, prev }
    }

    /// Removes keys that are there, in one revision and in this order; how many.
    fn remove(&mut self, going: &[KeyValue]) -> u64 {
        if !going.is_empty() {
            let revision = self.next_revision();
            for (place, kv) in going.iter().enumerate() {
                self.bury(&kv.key, revision, place);
            }
        }
        going.len() as u64
    }

    /// The key is not there from that revision on, whose change number `place` it is.
    fn bury(&mut self, key: &Bytes, modified: Revision, place: usize) {
        let versions = self.keys.get_mut(key).expect("a live key is known");
        let (created, number, value) = (modified, 0, None);
        let lifetime = Lifetime::Unbounded;
        versions.push(Version { modified, created, number, value, lifetime, place });
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
            lifetime: version.lifetime,
        })
    }

    /// The keys of a range as they were at a revision.
    pub(crate) fn range(&self, range: &KeyRange, at: Revision) -> Vec<KeyValue> {
        let keys = self.keys.keys().filter(|key| holds(range, key));
        keys.filter_map(|key| self.one(key, at)).collect()
    }
}

/// What repeats of the change are answered.
fn first_answer(entry: &Entry, outcome: &Outcome) -> FirstAnswer {
    FirstAnswer {
        index: entry.id.index.0,
        term: entry.id.term.0,
        stamp_ms: entry.stamp_ms,
        outcome: kept(outcome),
    }
}

/// What is kept of an outcome: all of it, if it is small.
fn kept(outcome: &Outcome) -> FirstOutcome {
    let (told, cut) = match outcome {
        Outcome::Put { revision, prev } => {
            (told(prev.as_slice()), FirstOutcome::Done { revision: *revision })
        }
        Outcome::Deleted { revision, prev, .. } => {
            (told(prev), FirstOutcome::Done { revision: *revision })
        }
        Outcome::Conflict { revision, current } => {
            (told(current.as_slice()), FirstOutcome::Conflict { revision: *revision })
        }
        Outcome::Txn(TxnResponse { revision, succeeded, results }) => {
            let cut = FirstOutcome::TxnDone { revision: *revision, succeeded: *succeeded };
            (results.iter().map(told_by_result).sum(), cut)
        }
        small => (0, FirstOutcome::Kept(small.clone())),
    };
    if told <= KEPT_BYTES_MAX { FirstOutcome::Kept(outcome.clone()) } else { cut }
}

fn told(items: &[KeyValue]) -> usize {
    items.iter().map(|kv| kv.key.len() + kv.value.len()).sum()
}

fn told_by_result(result: &TxnResult) -> usize {
    RESULT_BYTES
        + match result {
            TxnResult::Put { prev } => told(prev.as_slice()),
            TxnResult::Deleted { prev, .. } => told(prev),
            TxnResult::Range(response) => told(&response.items),
            TxnResult::Txn { results, .. } => results.iter().map(told_by_result).sum(),
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
        model.apply(Put { prev_kv: true, ..Put::new(key, value) }.into())
    }

    #[test]
    fn a_removed_key_begins_anew_and_its_past_stays_readable() {
        let mut model = Model::new();
        put(&mut model, "k", "one");
        put(&mut model, "k", "two");
        let range = KeyRange::Single("k".into());
        let removed =
            model.apply(Command::Delete { range: range.clone(), prev_kv: false, condition: None });
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
        let removed =
            model.apply(Command::Delete { range: KeyRange::all(), prev_kv: true, condition: None });
        assert_eq!(removed, Outcome::Deleted { revision: Revision(1), count: 0, prev: vec![] });
    }
}
