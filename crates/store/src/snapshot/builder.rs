//! The store that a stream of records describes, checked record by record.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::history::History;
use super::wire;
use super::{SNAPSHOT_FORMAT, SnapshotError};
use crate::apply::Store;
use crate::hash::STATE_HASH_VERSION;
use crate::once::{KeyedReply, Once, Reply, Session};
use crate::state::State;
use crate::tally::Tally;
use crate::tree::Tree;
use crate::types::{Revision, SessionId};
use crate::version::{Version, Versions, Write};

/// Counting on from a number up to this never overflows; a larger one was never counted up to.
pub(super) const NUMBER_MAX: u64 = 1 << 62;

/// What was read so far.
pub(super) struct Builder {
    head: wire::Head,
    tree: Tree,
    tally: Tally,
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
        let (tree, tally) = (Tree::new(), Tally::default());
        Ok(Builder {
            head,
            tree,
            tally,
            open: None,
            last: None,
            versions: 0,
            history: History::new(head.has_events),
            keys_over: false,
            once: Once::default(),
            last_session: None,
            last_once_key: None,
        })
    }

    pub(super) fn read_key(&mut self, record: wire::Key) -> Result<(), SnapshotError> {
        let wire::Key { key, versions } = record;
        in_order(!self.keys_over, "keys come first")?;
        consistent(!versions.is_empty(), "a key has versions")?;
        self.versions += versions.len() as u64;
        if self.open.as_ref().is_some_and(|(open, _)| *open != key) {
            self.close_key();
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
        let wire::Version { mod_revision, create_revision, version, value, stamp_ms } = version;
        let countable = version <= NUMBER_MAX && stamp_ms <= NUMBER_MAX;
        consistent(countable, "numbers are at most 2^62")?;
        let known = Revision::FIRST.0 < mod_revision && mod_revision <= self.head.revision;
        consistent(known, "versions are of revisions up to the head's")?;
        let revision = Revision(mod_revision);
        if version == 0 {
            let empty = create_revision == 0 && value.is_empty() && stamp_ms == 0;
            consistent(empty, "a tombstone has no value")?;
            return Ok(Version::tombstone(revision));
        }
        let created = Revision::FIRST.0 < create_revision && create_revision <= mod_revision;
        consistent(created, "a key is created no later than written")?;
        let write = Write::new(key, &value, revision, stamp_ms);
        Ok(Version::live(write, Revision(create_revision), version))
    }

    fn close_key(&mut self) {
        let Some((key, mut versions)) = self.open.take() else { return };
        let compacted = Revision(self.head.compact_revision);
        for old in versions.kept(Revision(0), Revision(0), Revision(u64::MAX)) {
            self.tally.keep(old);
        }
        versions.trim(compacted, usize::MAX, &mut self.tally);
        if versions.is_superfluous(compacted) {
            self.tally.forget(versions.newest());
        } else {
            for version in versions.kept(compacted, Revision(0), Revision(u64::MAX)) {
                if version.mod_revision >= compacted {
                    self.history.version(version.mod_revision, &key);
                }
            }
            if versions.newest().is_live() {
                self.tally.forget(versions.newest());
                self.tally.add(&key, versions.newest());
            }
            self.tree.load(&key, versions);
        }
        self.last = Some(key);
    }

    fn end_keys(&mut self) {
        self.close_key();
        self.keys_over = true;
    }

    pub(super) fn read_events(&mut self, record: wire::Events) -> Result<(), SnapshotError> {
        self.end_keys();
        let early = self.last_session.is_none() && self.last_once_key.is_none();
        in_order(early, "events come before sessions")?;
        self.history.read(record, &self.tree)
    }

    pub(super) fn read_session(&mut self, record: wire::Session) -> Result<(), SnapshotError> {
        self.end_keys();
        let wire::Session { id, last_used_ms, acked_below, replies } = record;
        let id = SessionId(id);
        in_order(self.last_once_key.is_none(), "sessions come before the keys of changes")?;
        in_order(self.last_session.is_none_or(|last| last < id), "sessions ascend")?;
        self.last_session = Some(id);
        let mut session = Session { last_used_ms, acked_below, replies: BTreeMap::new() };
        for wire::SessionReply { seq, reply } in replies {
            let last = session.replies.last_key_value();
            in_order(last.is_none_or(|(last, _)| *last < seq), "a session's answers ascend")?;
            session.replies.insert(seq, read_reply(&reply)?);
        }
        self.once.load_session(id, session);
        Ok(())
    }

    pub(super) fn read_once_key(&mut self, record: wire::OnceKey) -> Result<(), SnapshotError> {
        self.end_keys();
        let wire::OnceKey { key, done_ms, fingerprint, reply } = record;
        let ascends = self.last_once_key.as_ref().is_none_or(|last| *last < key);
        in_order(ascends, "keys of changes ascend")?;
        let (key, reply) = (Bytes::copy_from_slice(&key), read_reply(&reply)?);
        self.last_once_key = Some(key.clone());
        self.once.load_key(key, KeyedReply { done_ms, fingerprint, reply });
        Ok(())
    }

    pub(super) fn end(&mut self, end: wire::End, digest: u64) -> Result<(), SnapshotError> {
        self.end_keys();
        self.history.finish(&self.tree, self.head.stamp_ms)?;
        let sessions = self.once.session_count() as u64;
        let once_keys = self.once.key_count() as u64;
        let counts = (self.versions, sessions, once_keys, self.history.events);
        if (end.versions, end.sessions, end.once_keys, end.events) != counts {
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
            tally: self.tally,
            event_bytes: self.tree.events.bytes(),
            once: self.once,
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

fn read_reply(encoded: &[u8]) -> Result<Reply, SnapshotError> {
    Reply::read(encoded).ok_or(SnapshotError::UnknownRecord)
}
