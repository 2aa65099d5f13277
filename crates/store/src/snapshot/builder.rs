//! The store that a stream of records describes, checked record by record.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::auth::Tables;
use super::history::{Ages, History};
use super::wire;
use super::{SNAPSHOT_FORMAT, SnapshotError};
use crate::apply::Store;
use crate::command::CompactionCause;
use crate::command::wire::cause_of;
use crate::hash::STATE_HASH_VERSION;
use crate::lease::{Grant, LEASE_TTL_S_MIN, Lease, TTL_S_MAX};
use crate::ledger::Ledger;
use crate::once::{KeyedReply, Once, Reply, Session};
use crate::settings::{Settings, SettingsChange};
use crate::state::State;
use crate::tree::Tree;
use crate::types::{AGE_MS_MAX, LeaseId, Lifetime, Revision, SessionId};
use crate::version::{Version, Versions, Write};

/// Counting on from a number up to this never overflows; a larger one was never counted up to.
pub(super) const NUMBER_MAX: u64 = 1 << 62;

/// What was read so far.
pub(super) struct Builder {
    head: wire::Head,
    settings: Settings,
    compacted_for: CompactionCause,
    tree: Tree,
    ledger: Ledger,
    auth: Tables,
    last_lease: Option<LeaseId>,
    /// The key that was read last; the next record may bring more of its versions.
    open: Option<(Bytes, Versions)>,
    /// The key before it.
    last: Option<Bytes>,
    versions: u64,
    history: History,
    /// Events or what comes after them was read.
    keys_over: bool,
    once: Once,
    last_session: Option<SessionId>,
    last_once_key: Option<Bytes>,
}

impl Builder {
    pub(super) fn new(head: wire::Head) -> Result<Builder, SnapshotError> {
        if head.format != SNAPSHOT_FORMAT {
            return Err(SnapshotError::UnknownFormat(head.format));
        }
        let numbers = [head.applied_index, head.applied_term, head.stamp_ms, head.age_ms];
        let countable = numbers.iter().chain([&head.revision]).all(|number| *number <= NUMBER_MAX);
        consistent(countable, "numbers are at most 2^62")?;
        let sound = head.revision >= Revision::FIRST.0 && head.compact_revision <= head.revision;
        consistent(sound, "revisions go from the compacted one to the newest")?;
        let settings = head.settings.as_ref().map(read_settings).transpose()?;
        let set_before = settings.is_none_or(|known| known.changed_index <= head.applied_index);
        consistent(set_before, "settings were changed before the snapshot")?;
        let ages = if settings.is_some() { Ages::Told } else { Ages::All(head.age_ms) };
        let compacted_for = cause_of(head.compacted_for).ok_or(SnapshotError::UnknownRecord)?;
        Ok(Builder {
            head,
            settings: settings.unwrap_or_default(),
            compacted_for,
            tree: Tree::new(),
            ledger: Ledger::default(),
            auth: Tables::new(head.auth)?,
            last_lease: None,
            open: None,
            last: None,
            versions: 0,
            history: History::new(head.has_events, ages),
            keys_over: false,
            once: Once::default(),
            last_session: None,
            last_once_key: None,
        })
    }

    pub(super) fn read_user(&mut self, record: wire::User) -> Result<(), SnapshotError> {
        self.still_auth()?;
        self.auth.read_user(record)
    }

    pub(super) fn read_role(&mut self, record: wire::Role) -> Result<(), SnapshotError> {
        self.still_auth()?;
        self.auth.read_role(record)
    }

    pub(super) fn read_login(&mut self, record: wire::Login) -> Result<(), SnapshotError> {
        self.still_auth()?;
        self.auth.read_login(record, &self.head)
    }

    fn still_auth(&self) -> Result<(), SnapshotError> {
        let is_first = self.last_lease.is_none() && self.versions == 0 && !self.keys_over;
        in_order(is_first, "users, roles and logins come first")
    }

    pub(super) fn read_lease(&mut self, record: wire::Lease) -> Result<(), SnapshotError> {
        let wire::Lease { id, ttl_s, granted_index, granted_age_ms } = record;
        let id = LeaseId(id);
        in_order(self.versions == 0 && !self.keys_over, "leases come before keys")?;
        in_order(self.last_lease.is_none_or(|last| last < id), "leases ascend")?;
        self.last_lease = Some(id);
        consistent(id != LeaseId::NONE, "a lease has a name")?;
        let lives = (LEASE_TTL_S_MIN..=TTL_S_MAX).contains(&ttl_s);
        consistent(lives, "a lease has a time to live within the bounds")?;
        let granted = granted_index <= self.head.applied_index;
        consistent(granted, "a lease was granted before the snapshot")?;
        consistent(granted_age_ms <= NUMBER_MAX, "numbers are at most 2^62")?;
        self.ledger.leases.load(Lease::new(
            Grant { lease: id, index: granted_index },
            ttl_s,
            granted_age_ms,
        ));
        Ok(())
    }

    pub(super) fn read_key(&mut self, record: wire::Key) -> Result<(), SnapshotError> {
        let wire::Key { key, versions } = record;
        in_order(!self.keys_over, "keys come first")?;
        consistent(!versions.is_empty(), "a key has versions")?;
        self.versions += versions.len() as u64;
        if self.open.as_ref().is_some_and(|(open, _)| *open != key) {
            self.close_key()?;
        }
        for version in versions {
            self.read_version(&key, version)?;
        }
        Ok(())
    }

    fn read_version(&mut self, key: &Bytes, version: wire::Version) -> Result<(), SnapshotError> {
        let version = self.checked(key, version)?;
        match &mut self.open {
            Some((_, versions)) => {
                let newest = versions.newest().mod_revision;
                in_order(newest < version.mod_revision, "a key's versions come oldest first")?;
                versions.push(version);
            }
            None => {
                in_order(self.last.as_ref().is_none_or(|last| last < key), "keys ascend")?;
                self.open = Some((key.clone(), Versions::new(version)));
            }
        }
        Ok(())
    }

    fn checked(&self, key: &[u8], version: wire::Version) -> Result<Version, SnapshotError> {
        let wire::Version { mod_revision, create_revision, version, value, stamp_ms, lifetime } =
            version;
        let countable = version <= NUMBER_MAX && stamp_ms <= NUMBER_MAX;
        consistent(countable, "numbers are at most 2^62")?;
        let known = Revision::FIRST.0 < mod_revision && mod_revision <= self.head.revision;
        consistent(known, "versions are of revisions up to the head's")?;
        let revision = Revision(mod_revision);
        if version == 0 {
            let empty = create_revision == 0 && value.is_empty() && stamp_ms == 0;
            consistent(empty && lifetime.is_none(), "a tombstone has no value")?;
            return Ok(Version::tombstone(revision));
        }
        let created = Revision::FIRST.0 < create_revision && create_revision <= mod_revision;
        consistent(created, "a key is created no later than written")?;
        let lifetime = wire::Lifetime::read(lifetime);
        let countable = !matches!(lifetime, Lifetime::Until { age_ms } if age_ms > AGE_MS_MAX);
        consistent(countable, "numbers are at most 2^62")?;
        let write = Write::new(key, &value, revision, stamp_ms, lifetime);
        Ok(Version::live(write, Revision(create_revision), version))
    }

    fn close_key(&mut self) -> Result<(), SnapshotError> {
        let Some((key, mut versions)) = self.open.take() else { return Ok(()) };
        if let Lifetime::Lease(lease) = versions.newest().lifetime() {
            let known = self.ledger.leases.check(lease).is_ok();
            consistent(known, "a key is attached to a lease that is there")?;
        }
        let tally = &mut self.ledger.tally;
        let compacted = Revision(self.head.compact_revision);
        for old in versions.kept(Revision(0), Revision(0), Revision(u64::MAX)) {
            tally.keep(old);
        }
        versions.trim(compacted, usize::MAX, tally);
        if versions.is_superfluous(compacted) {
            tally.forget(versions.newest());
        } else {
            for version in versions.kept(compacted, Revision(0), Revision(u64::MAX)) {
                if version.mod_revision >= compacted {
                    self.history.version(version.mod_revision, &key);
                }
            }
            if versions.newest().is_live() {
                tally.forget(versions.newest());
                self.ledger.add(&key, versions.newest());
            }
            self.tree.load(&key, versions);
        }
        self.last = Some(key);
        Ok(())
    }

    fn end_keys(&mut self) -> Result<(), SnapshotError> {
        self.keys_over = true;
        self.close_key()
    }

    pub(super) fn read_events(&mut self, record: wire::Events) -> Result<(), SnapshotError> {
        self.end_keys()?;
        let early = self.last_session.is_none() && self.last_once_key.is_none();
        in_order(early, "events come before sessions")?;
        self.history.read(record, &self.tree)
    }

    pub(super) fn read_session(&mut self, record: wire::Session) -> Result<(), SnapshotError> {
        self.end_keys()?;
        let wire::Session { id, last_used_ms, acked_below, replies, owner } = record;
        let id = SessionId(id);
        in_order(self.last_once_key.is_none(), "sessions come before the keys of changes")?;
        in_order(self.last_session.is_none_or(|last| last < id), "sessions ascend")?;
        self.last_session = Some(id);
        let (owner, kept) = (owner.map(Into::into), BTreeMap::new());
        let mut session = Session { owner, last_used_ms, acked_below, replies: kept };
        for wire::SessionReply { seq, reply } in replies {
            let last = session.replies.last_key_value();
            in_order(last.is_none_or(|(last, _)| *last < seq), "a session's answers ascend")?;
            session.replies.insert(seq, read_reply(&reply)?);
        }
        self.once.load_session(id, session);
        Ok(())
    }

    pub(super) fn read_once_key(&mut self, record: wire::OnceKey) -> Result<(), SnapshotError> {
        self.end_keys()?;
        let wire::OnceKey { key, done_ms, fingerprint, reply } = record;
        let ascends = self.last_once_key.as_ref().is_none_or(|last| *last < key);
        in_order(ascends, "keys of changes ascend")?;
        let (key, reply) = (Bytes::copy_from_slice(&key), read_reply(&reply)?);
        self.last_once_key = Some(key.clone());
        self.once.load_key(key, KeyedReply { done_ms, fingerprint, reply });
        Ok(())
    }

    pub(super) fn end(&mut self, end: wire::End, digest: u64) -> Result<(), SnapshotError> {
        self.end_keys()?;
        let times = (self.head.stamp_ms, self.head.age_ms);
        self.history.finish(&self.tree, times)?;
        self.ledger.tally.superseded_bytes = self.history.superseded_bytes;
        let sessions = self.once.session_count() as u64;
        let once_keys = self.once.key_count() as u64;
        let leases = self.ledger.leases.len() as u64;
        let counts = (self.versions, sessions, once_keys, self.history.events, leases);
        let told = (end.versions, end.sessions, end.once_keys, end.events, end.leases);
        if told != counts || end.auth_rows != self.auth.rows() {
            return Err(SnapshotError::WrongCount);
        }
        if end.digest != digest {
            return Err(SnapshotError::WrongDigest);
        }
        Ok(())
    }

    /// The store; a hash of another version is no measure of ours, so the digest has to do then.
    pub(super) fn into_store(self) -> Result<Store, SnapshotError> {
        let head = self.head;
        let state = State {
            applied_index: head.applied_index,
            applied_term: head.applied_term,
            stamp_ms: head.stamp_ms,
            age_ms: head.age_ms,
            revision: Revision(head.revision),
            compact_revision: Revision(head.compact_revision),
            compacted_for: self.compacted_for,
            settings: self.settings,
            ledger: self.ledger,
            event_bytes: self.tree.events.bytes(),
            once: self.once,
            auth: Arc::new(self.auth.into_auth()),
        };
        let (expected, found) = (head.state_hash, state.hash());
        if head.hash_version == STATE_HASH_VERSION && expected != found {
            return Err(SnapshotError::WrongStateHash { expected, found });
        }
        Ok(Store::with(self.tree, state))
    }
}

pub(super) fn consistent(holds: bool, rule: &'static str) -> Result<(), SnapshotError> {
    if holds { Ok(()) } else { Err(SnapshotError::Inconsistent { rule }) }
}

pub(super) fn in_order(holds: bool, rule: &'static str) -> Result<(), SnapshotError> {
    if holds { Ok(()) } else { Err(SnapshotError::OutOfOrder { rule }) }
}

fn read_settings(record: &wire::Settings) -> Result<Settings, SnapshotError> {
    let wire::Settings { history_age_ms, history_bytes, changed_index } = *record;
    let bounds = SettingsChange {
        history_age_ms: Some(history_age_ms),
        history_bytes: Some(history_bytes),
        seed: false,
    };
    consistent(bounds.validate().is_ok(), "settings are within their bounds")?;
    Ok(Settings { history_age_ms, history_bytes, changed_index })
}

fn read_reply(encoded: &[u8]) -> Result<Reply, SnapshotError> {
    Reply::read(encoded).ok_or(SnapshotError::UnknownRecord)
}
