//! Out: the state of one moment, chunk by chunk.

use std::collections::VecDeque;
use std::ops::Bound::{Excluded, Unbounded};
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use xxhash_rust::xxh3::Xxh3;

use super::auth;
use super::wire::{self, Kind, Record};
use super::{LENGTH_BYTES, RECORD_BYTES_MAX, SNAPSHOT_FORMAT};
use crate::command::wire::cause_number;
use crate::hash::STATE_HASH_VERSION;
use crate::lease::Lease;
use crate::once::Reply;
use crate::pins::{Patience, Pin};
use crate::read::Published;
use crate::settings::Settings;
use crate::state::State;
use crate::tree::Tree;
use crate::types::{LeaseId, Revision, SessionId};
use crate::value::Value;
use crate::version::{Version, Versions};

/// How many versions are taken under one hold of a leaf's lock, some tens of microseconds. Their
/// values are shared, not copied.
const HOLD_VERSIONS_MAX: usize = 256;

/// How many bytes of keys are copied under one hold.
const HOLD_KEY_BYTES_MAX: usize = 64 << 10;

/// A record is closed once its versions have so many bytes.
const RECORD_VALUE_BYTES_MAX: usize = 1 << 20;

/// The state after one entry, on its way into a snapshot: everything that is kept, old versions
/// included, as of the entry that was the last one applied when [`crate::Store::capture`] was
/// called. What is written meanwhile lies at later revisions and is passed over.
///
/// It may be moved to another thread. Nothing removes versions from under it: it pins them. What
/// compaction gave up before is left out, whether it is removed already or not.
#[derive(Debug)]
pub struct Capture {
    tree: Arc<Tree>,
    state: State,
    stage: Stage,
    /// Keys that were taken from the tree and are not written yet.
    taken: VecDeque<Taken>,
    /// Bytes of the stream that are not handed out yet.
    buffer: BytesMut,
    digest: Digest,
    versions: u64,
    events: u64,
    _pin: Pin,
}

/// What comes next in the stream.
#[derive(Debug)]
enum Stage {
    Head,
    /// The row of the tables of who may do what that this leads to, and later ones.
    Auth(auth::Cursor),
    /// Leases after this one; all of them at first.
    Leases(Option<LeaseId>),
    Keys(Position),
    /// What this chunk of the event log and later ones hold.
    Events(u64),
    /// Sessions with this id and later ones.
    Sessions(SessionId),
    /// Keys of changes after this one; all of them at first.
    OnceKeys(Option<Bytes>),
    End,
    Over,
}

/// Where in the tree to go on: at this key's versions after the revision, or at the next key.
#[derive(Clone, Debug)]
struct Position {
    key: Box<[u8]>,
    after: Revision,
}

/// A key with some of its versions, out of the tree.
#[derive(Debug)]
struct Taken {
    key: Bytes,
    versions: Vec<Version>,
}

/// The running digest, with a `Debug` that tells nothing.
struct Digest(Box<Xxh3>);

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest")
    }
}

impl Capture {
    pub(crate) fn new(tree: Arc<Tree>, state: State) -> Capture {
        let pin = tree.pins.pin(state.compact_revision, Patience::Unbounded);
        Capture {
            _pin: pin.expect("nothing goes that the state of now still needs"),
            events: 0,
            tree,
            state,
            stage: Stage::Head,
            taken: VecDeque::new(),
            buffer: BytesMut::new(),
            digest: Digest(Box::default()),
            versions: 0,
        }
    }

    /// The captured state in numbers; its index and term are what the snapshot stands for.
    pub fn state(&self) -> Published {
        self.state.published()
    }

    /// The next piece of the stream: `bytes_max` bytes, fewer in the last one; `None` after that.
    /// Holds no lock for longer than it takes to look at some hundred versions.
    ///
    /// # Panics
    ///
    /// If `bytes_max` is 0.
    pub fn next_chunk(&mut self, bytes_max: usize) -> Option<Bytes> {
        assert!(bytes_max > 0, "a chunk has at least a byte");
        while self.buffer.len() < bytes_max && self.advance() {}
        let bytes = self.buffer.len().min(bytes_max);
        (bytes > 0).then(|| self.buffer.split_to(bytes).freeze())
    }

    /// Goes one step on, mostly a record; false once everything is in the buffer.
    fn advance(&mut self) -> bool {
        if let Some(taken) = self.taken.pop_front() {
            self.write_key(taken);
            return true;
        }
        match &self.stage {
            Stage::Head => {
                self.write(Kind::Head(head(&self.state)));
                self.stage = Stage::Auth(auth::Cursor::default());
            }
            Stage::Auth(cursor) => match cursor.row(&self.state.auth) {
                Some((row, next)) => {
                    self.write(row);
                    self.stage = Stage::Auth(next);
                }
                None => self.stage = Stage::Leases(None),
            },
            Stage::Leases(after) => {
                let next = self.write_lease(*after);
                let first = Position { key: Box::default(), after: Revision(0) };
                self.stage = next.map_or(Stage::Keys(first), |id| Stage::Leases(Some(id)));
            }
            Stage::Keys(position) => {
                let position = position.clone();
                let next = self.take(position);
                let first = self.tree.events.first_chunk(self.state.compact_revision);
                self.stage = next.map_or(Stage::Events(first), Stage::Keys);
            }
            Stage::Events(number) => {
                let next = self.write_events(*number);
                self.stage = next.map_or(Stage::Sessions(SessionId(0)), Stage::Events);
            }
            Stage::Sessions(from) => {
                let next = self.write_session(*from);
                self.stage = next.map_or(Stage::OnceKeys(None), Stage::Sessions);
            }
            Stage::OnceKeys(after) => {
                let next = self.write_once_key(after.clone());
                self.stage = next.map_or(Stage::End, |key| Stage::OnceKeys(Some(key)));
            }
            Stage::End => {
                let end = self.end();
                self.write(Kind::End(end));
                self.stage = Stage::Over;
            }
            Stage::Over => return false,
        }
        true
    }

    /// Writes the first lease after this one, and gives back which one that is.
    fn write_lease(&mut self, after: Option<LeaseId>) -> Option<LeaseId> {
        let lease = Arc::clone(self.state.ledger.leases.after(after).next()?);
        self.write(Kind::Lease(granted(&lease)));
        Some(lease.id())
    }

    /// Takes the next versions out of one leaf; gives back where to go on, if there is more.
    fn take(&mut self, position: Position) -> Option<Position> {
        let mut hold = Hold {
            position,
            oldest: self.state.compact_revision,
            upto: self.state.revision,
            taken: Vec::new(),
            room: HOLD,
        };
        let key = hold.position.key.clone();
        let next = self.tree.visit_leaf(&key, |key, versions| hold.take(key, versions));
        self.taken.extend(hold.taken);
        match next {
            ControlFlow::Break(()) => Some(hold.position),
            ControlFlow::Continue(next) => next.map(|key| Position { key, after: Revision(0) }),
        }
    }

    fn write_key(&mut self, taken: Taken) {
        self.versions += taken.versions.len() as u64;
        let versions = taken.versions.iter().map(version).collect();
        self.write(Kind::Key(wire::Key { key: taken.key, versions }));
    }

    /// Writes what a chunk of the event log has of the captured revisions; gives back the next one.
    fn write_events(&mut self, number: u64) -> Option<u64> {
        let chunk = self.tree.events.chunk(number)?;
        let mut revisions: Vec<wire::Written> = Vec::new();
        let wanted = self.state.compact_revision..=self.state.revision;
        for event in chunk.events(0).filter(|event| wanted.contains(&event.mark.revision)) {
            self.events += 1;
            let key = Bytes::copy_from_slice(event.key);
            match revisions.last_mut().filter(|last| last.revision == event.mark.revision.0) {
                Some(last) => last.keys.push(key),
                None => revisions.push(wire::Written {
                    revision: event.mark.revision.0,
                    stamp_ms: event.mark.stamp_ms,
                    age_ms: event.mark.age_ms,
                    keys: vec![key],
                }),
            }
        }
        if !revisions.is_empty() {
            self.write(Kind::Events(wire::Events { revisions }));
        }
        (chunk.last_revision() <= self.state.revision).then_some(number + 1)
    }

    /// Writes the first session from this id on; gives back where to go on.
    fn write_session(&mut self, from: SessionId) -> Option<SessionId> {
        let (id, session) = self.state.once.sessions().range(from..).next()?;
        let reply = |(seq, reply): (&u64, &Reply)| wire::SessionReply {
            seq: *seq,
            reply: reply.encoded().clone(),
        };
        let next = SessionId(id.0 + 1);
        let session = wire::Session {
            id: id.0,
            last_used_ms: session.last_used_ms,
            acked_below: session.acked_below,
            replies: session.replies.iter().map(reply).collect(),
            owner: session.owner.as_deref().map(str::to_owned),
        };
        self.write(Kind::Session(session));
        Some(next)
    }

    /// Writes the first key of a change after this one, and gives it back.
    fn write_once_key(&mut self, after: Option<Bytes>) -> Option<Bytes> {
        let from = after.map_or(Unbounded, Excluded);
        let (key, keyed) = self.state.once.keys().range((from, Unbounded)).next()?;
        let key = key.clone();
        let once_key = wire::OnceKey {
            key: key.clone(),
            done_ms: keyed.done_ms,
            fingerprint: keyed.fingerprint,
            reply: keyed.reply.encoded().clone(),
        };
        self.write(Kind::OnceKey(once_key));
        Some(key)
    }

    fn end(&self) -> wire::End {
        wire::End {
            versions: self.versions,
            digest: self.digest.0.digest(),
            sessions: self.state.once.session_count() as u64,
            once_keys: self.state.once.key_count() as u64,
            events: self.events,
            leases: self.state.ledger.leases.len() as u64,
            auth_rows: self.state.auth.rows(),
        }
    }

    fn write(&mut self, kind: Kind) {
        let record = Record::from(kind);
        let bytes = record.encoded_len();
        assert!(bytes <= RECORD_BYTES_MAX, "a record of {bytes} bytes could not be read back");
        self.buffer.reserve(LENGTH_BYTES + bytes);
        let start = self.buffer.len();
        self.buffer.put_u32_le(u32::try_from(bytes).expect("bounded above"));
        record.encode(&mut self.buffer).expect("a growing buffer has room");
        self.digest.0.update(&self.buffer[start..]);
    }
}

/// What one hold of a leaf's lock may still take.
#[derive(Clone, Copy, Debug)]
struct Room {
    versions: usize,
    key_bytes: usize,
}

const HOLD: Room = Room { versions: HOLD_VERSIONS_MAX, key_bytes: HOLD_KEY_BYTES_MAX };

/// The taking under one hold.
struct Hold {
    position: Position,
    /// What is superfluous at this revision is left out.
    oldest: Revision,
    upto: Revision,
    taken: Vec<Taken>,
    room: Room,
}

impl Hold {
    fn take(&mut self, key: &[u8], versions: &Versions) -> ControlFlow<()> {
        let after = if *key == *self.position.key { self.position.after } else { Revision(0) };
        let mut rest = versions.kept(self.oldest, after, self.upto).peekable();
        while rest.peek().is_some() {
            if self.room.versions == 0 || self.room.key_bytes == 0 {
                return ControlFlow::Break(());
            }
            let run = self.run(&mut rest);
            let last = run.last().expect("a run has the version that was peeked");
            self.position = Position { key: key.into(), after: last.mod_revision };
            self.room.versions -= run.len();
            self.room.key_bytes = self.room.key_bytes.saturating_sub(key.len());
            self.taken.push(Taken { key: Bytes::copy_from_slice(key), versions: run });
        }
        ControlFlow::Continue(())
    }

    /// The versions of one record: at least one, and no more than the hold has room for.
    fn run<'a>(&self, rest: &mut impl Iterator<Item = &'a Version>) -> Vec<Version> {
        let mut bytes = 0;
        let mut run = Vec::new();
        for version in rest {
            bytes += version.value_len();
            run.push(version.clone());
            if run.len() >= self.room.versions || bytes >= RECORD_VALUE_BYTES_MAX {
                break;
            }
        }
        run
    }
}

fn head(state: &State) -> wire::Head {
    wire::Head {
        format: SNAPSHOT_FORMAT,
        applied_index: state.applied_index,
        applied_term: state.applied_term,
        stamp_ms: state.stamp_ms,
        age_ms: state.age_ms,
        revision: state.revision.0,
        compact_revision: state.compact_revision.0,
        hash_version: STATE_HASH_VERSION,
        state_hash: state.hash(),
        has_events: true,
        settings: Some(settings(&state.settings)),
        compacted_for: cause_number(state.compacted_for),
        auth: auth::head(&state.auth),
    }
}

fn settings(settings: &Settings) -> wire::Settings {
    let Settings { history_age_ms, history_bytes, changed_index } = *settings;
    wire::Settings { history_age_ms, history_bytes, changed_index }
}

fn granted(lease: &Lease) -> wire::Lease {
    wire::Lease {
        id: lease.id().0,
        ttl_s: lease.ttl_s(),
        granted_index: lease.grant().index,
        granted_age_ms: lease.granted_age_ms(),
    }
}

fn version(version: &Version) -> wire::Version {
    wire::Version {
        mod_revision: version.mod_revision.0,
        create_revision: version.create_revision.0,
        version: version.version(),
        value: version.value.as_ref().map(Value::to_bytes).unwrap_or_default(),
        stamp_ms: version.stamp_ms(),
        lifetime: wire::Lifetime::of(version.lifetime()),
    }
}
