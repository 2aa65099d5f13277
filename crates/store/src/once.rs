//! Exactly once: who has asked what, and what the answer was (Raft thesis §6.3).
//!
//! A client that got no answer sends its change again, and the log then holds it twice. The tables
//! here tell the second copy from the first, on every member alike, because they are part of the
//! state: in snapshots, in the state hash, changed by log entries alone.
//!
//! ```text
//!   sessions   id ─▶ last used, acked_below, seq ─▶ reply      clients that stay
//!   keys       key ─▶ when, fingerprint, reply                 one-shot callers
//! ```
//!
//! Nothing is forgotten early. A session goes after [`OnceLimits::session_life_ms`] of *age*
//! without use, a key that long after its change; a full table refuses newcomers, for which
//! nothing was done then. What a session was told it keeps until the client acknowledges it. Age
//! is the time for which the cluster has had a leader, out of the log, so all members expire the
//! same things at the same entry; at most [`EXPIRED_SESSIONS_MAX`] and [`EXPIRED_KEYS_MAX`] an
//! entry, so that no entry costs an election, and more than an entry can add, so that none are
//! left behind for long. What is past its time but not removed yet counts as gone.

mod limits;
mod reply;
mod result;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use imbl::{OrdMap, OrdSet};

pub use limits::OnceLimits;
pub(crate) use reply::{Place, Reply};

use crate::budget::{Budget, VERSION_COST_UNITS};
use crate::command::Origin;
use crate::hash;
use crate::outcome::Outcome;
use crate::types::SessionId;

/// So many sessions are removed in one entry at most.
const EXPIRED_SESSIONS_MAX: usize = 16;

/// So many keys are removed in one entry at most.
const EXPIRED_KEYS_MAX: usize = 64;

/// What a session takes beside its answers, in both tables that have it.
const SESSION_BYTES: u64 = 256;

/// What an answer that a session keeps takes beside its bytes.
const REPLY_BYTES: u64 = 128;

/// What a remembered key of a change takes beside its answer: in both tables, with a key of common
/// length.
const ONCE_KEY_BYTES: u64 = 384;

/// Clients number their changes from here on.
const SEQ_FIRST: u64 = 1;

/// A session's use is noted in steps of so many ms, rounded up, so that a busy one changes once in
/// a while and not with each write, and none goes early.
const USE_STEP_MS: u64 = 1_000;

/// Both tables. A clone costs the same however full they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Once {
    sessions: OrdMap<SessionId, Arc<Session>>,
    keys: OrdMap<Bytes, KeyedReply>,
    /// Sessions by their last use, and keys by their time: the next to expire come first. Made of
    /// the tables alone, so that members which restored them agree with those that did not.
    sessions_by_use: OrdSet<(u64, SessionId)>,
    keys_by_age: OrdSet<(u64, Bytes)>,
    tally: OnceTally,
}

/// What the tables add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OnceTally {
    /// Kept answers in all sessions.
    pub(crate) replies: usize,
    /// Encoded answers of sessions and keys.
    pub(crate) reply_bytes: u64,
    /// The wrapping sum of the items of the state hash.
    pub(crate) hash: u64,
}

/// One session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    /// Whose it is; nobody's if it was opened while authentication was off.
    pub(crate) owner: Option<Arc<str>>,
    /// The age of its last use, rounded up to [`USE_STEP_MS`].
    pub(crate) last_used_ms: u64,
    /// All answers below this number have arrived.
    pub(crate) acked_below: u64,
    /// The answers from there on, by number.
    pub(crate) replies: BTreeMap<u64, Reply>,
}

/// The answer to a change that brought a key of its own.
#[derive(Clone, Debug)]
pub(crate) struct KeyedReply {
    /// The age at which it was done.
    pub(crate) done_ms: u64,
    /// XXH3-64 of the encoded change, to notice another change under the same key.
    pub(crate) fingerprint: u64,
    pub(crate) reply: Reply,
}

/// A change on its way through the tables.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) origin: Origin,
    /// Who asks for it.
    pub(crate) owner: Option<Arc<str>>,
    pub(crate) fingerprint: u64,
    pub(crate) age_ms: u64,
}

impl Once {
    pub(crate) fn tally(&self) -> OnceTally {
        self.tally
    }

    /// What the tables take in memory, about.
    pub(crate) fn cost_bytes(&self) -> u64 {
        let cost = |count: usize, bytes: u64| count as u64 * bytes;
        self.tally.reply_bytes
            + cost(self.sessions.len(), SESSION_BYTES)
            + cost(self.tally.replies, REPLY_BYTES)
            + cost(self.keys.len(), ONCE_KEY_BYTES)
    }

    pub(crate) fn session_count(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// All sessions, by id.
    pub(crate) fn sessions(&self) -> &OrdMap<SessionId, Arc<Session>> {
        &self.sessions
    }

    /// All keys, in byte order.
    pub(crate) fn keys(&self) -> &OrdMap<Bytes, KeyedReply> {
        &self.keys
    }

    // Sessions.

    pub(crate) fn open(
        &mut self,
        id: SessionId,
        owner: Option<Arc<str>>,
        age_ms: u64,
        limits: &OnceLimits,
    ) -> Outcome {
        if self.sessions_full(age_ms, limits) {
            return Outcome::TableFull;
        }
        let last_used_ms = step(age_ms);
        self.load_session(id, Session { owner, last_used_ms, ..Session::default() });
        Outcome::SessionOpened { session: id }
    }

    /// One that is due makes room: it goes with this entry.
    fn sessions_full(&self, age_ms: u64, limits: &OnceLimits) -> bool {
        let oldest = self.sessions_by_use.get_min();
        let due = oldest.is_some_and(|(used_ms, _)| limits.session_is_over(*used_ms, age_ms));
        self.sessions.len() >= limits.sessions_max && !due
    }

    pub(crate) fn close(
        &mut self,
        id: SessionId,
        owner: Option<&str>,
        age_ms: u64,
        limits: &OnceLimits,
    ) -> Outcome {
        let existed = self.session(id, owner, age_ms, limits).is_some();
        if existed {
            self.remove_session(id);
        }
        Outcome::SessionClosed { existed }
    }

    /// Forgets the sessions of a user who is no more: another one of that name is somebody else.
    pub(crate) fn forget_user(&mut self, user: &str) {
        let own =
            self.sessions.iter().filter(|(_, session)| session.owner.as_deref() == Some(user));
        let own: Vec<SessionId> = own.map(|(id, _)| *id).collect();
        own.into_iter().for_each(|id| self.remove_session(id));
    }

    /// The session, unless its time is over. To others than its owner it is not there: what was
    /// answered in it is not theirs to see, nor are its numbers theirs to use up.
    fn session(
        &self,
        id: SessionId,
        owner: Option<&str>,
        age_ms: u64,
        limits: &OnceLimits,
    ) -> Option<&Session> {
        let session = self.sessions.get(&id)?;
        let is_over = limits.session_is_over(session.last_used_ms, age_ms);
        (!is_over && session.owner.as_deref() == owner).then_some(session)
    }

    /// Takes in a session as a snapshot has it, or a new one.
    pub(crate) fn load_session(&mut self, id: SessionId, session: Session) {
        self.tally.hash = self.tally.hash.wrapping_add(session.item(id));
        for (seq, reply) in &session.replies {
            self.tally.add(hash::reply_item(id, *seq, reply.hash()), reply);
        }
        self.tally.replies += session.replies.len();
        self.sessions_by_use.insert((session.last_used_ms, id));
        let before = self.sessions.insert(id, Arc::new(session));
        assert!(before.is_none(), "session {id} is there already");
    }

    fn remove_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        self.sessions_by_use.remove(&(session.last_used_ms, id));
        self.tally.hash = self.tally.hash.wrapping_sub(session.item(id));
        for (seq, reply) in &session.replies {
            self.tally.remove(hash::reply_item(id, *seq, reply.hash()), reply);
        }
        self.tally.replies -= session.replies.len();
    }

    // Keys.

    /// Takes in a key as a snapshot has it, or a new one.
    pub(crate) fn load_key(&mut self, key: Bytes, keyed: KeyedReply) {
        self.tally.add(keyed.item(&key), &keyed.reply);
        self.keys_by_age.insert((keyed.done_ms, key.clone()));
        let before = self.keys.insert(key, keyed);
        assert!(before.is_none(), "the key is there already");
    }

    fn remove_key(&mut self, key: &Bytes) {
        let Some(keyed) = self.keys.remove(key) else { return };
        self.keys_by_age.remove(&(keyed.done_ms, key.clone()));
        self.tally.remove(keyed.item(key), &keyed.reply);
    }

    // Changes.

    /// Whether the change is to be done; or else the answer, for which nothing is done.
    pub(crate) fn admit(&self, change: &Change, limits: &OnceLimits) -> Result<(), Outcome> {
        match &change.origin {
            Origin::Session { session, seq, acked_below } => {
                let owner = change.owner.as_deref();
                let found = self.session(*session, owner, change.age_ms, limits);
                let session = found.ok_or(Outcome::SessionExpired)?;
                self.admit_in_session(session, *seq, *acked_below, limits)
            }
            Origin::Key(key) => self.admit_key(key, change, limits),
        }
    }

    fn admit_in_session(
        &self,
        session: &Session,
        seq: u64,
        acked_below: u64,
        limits: &OnceLimits,
    ) -> Result<(), Outcome> {
        if let Some(reply) = session.replies.get(&seq) {
            return Err(Outcome::Repeated(Box::new(reply.answer())));
        }
        let lowest = session.acked_below.max(acked_below).max(SEQ_FIRST);
        if seq < lowest {
            return Err(Outcome::Stale);
        }
        // A window, and not a count of what is kept: the write that the client waits for longest
        // is always taken, whatever later ones came before it, for only it can make room.
        if seq - lowest >= limits.unacknowledged_max {
            return Err(Outcome::TableFull);
        }
        // What this very change acknowledges makes room before it is asked whether there is any.
        let going = session.replies.range(..acked_below).count();
        if seq > lowest && self.tally.replies - going >= limits.replies_max {
            return Err(Outcome::TableFull);
        }
        Ok(())
    }

    fn admit_key(&self, key: &Bytes, change: &Change, limits: &OnceLimits) -> Result<(), Outcome> {
        let known = self.keys.get(key);
        match known.filter(|known| !limits.key_is_over(known.done_ms, change.age_ms)) {
            Some(known) if known.fingerprint == change.fingerprint => {
                Err(Outcome::Repeated(Box::new(known.reply.answer())))
            }
            Some(_) => Err(Outcome::KeyReused),
            None if known.is_none() && self.keys_full(change.age_ms, limits) => {
                Err(Outcome::TableFull)
            }
            None => Ok(()),
        }
    }

    fn keys_full(&self, age_ms: u64, limits: &OnceLimits) -> bool {
        let oldest = self.keys_by_age.get_min();
        let due = oldest.is_some_and(|(done_ms, _)| limits.key_is_over(*done_ms, age_ms));
        self.keys.len() >= limits.keys_max && !due
    }

    /// Notes that the change was asked for, and its answer if it was done just now.
    pub(crate) fn settle(
        &mut self,
        change: &Change,
        done: Option<(Place, &Outcome)>,
        limits: &OnceLimits,
    ) {
        let room = limits.reply_bytes_max.saturating_sub(self.tally.reply_bytes);
        let told_bytes_max = if room == 0 { 0 } else { limits.told_bytes_max };
        let reply = done.map(|(place, outcome)| Reply::keep(place, outcome, told_bytes_max));
        match (&change.origin, reply) {
            (Origin::Session { session, seq, acked_below }, reply) => {
                let owner = change.owner.as_deref();
                if self.session(*session, owner, change.age_ms, limits).is_some() {
                    self.use_session(*session, change.age_ms, *acked_below);
                    if let Some(reply) = reply {
                        self.keep_reply(*session, *seq, reply);
                    }
                }
            }
            (Origin::Key(key), Some(reply)) => {
                // One of that name is there only if its time is over.
                self.remove_key(key);
                // A copy: the change's own buffer holds its value too.
                let key = Bytes::copy_from_slice(key);
                let (done_ms, fingerprint) = (change.age_ms, change.fingerprint);
                self.load_key(key, KeyedReply { done_ms, fingerprint, reply });
            }
            (Origin::Key(_), None) => {}
        }
    }

    fn use_session(&mut self, id: SessionId, age_ms: u64, acked_below: u64) {
        let session = self.sessions.get_mut(&id).expect("the caller found it");
        let used_ms = step(age_ms).max(session.last_used_ms);
        if used_ms == session.last_used_ms && acked_below <= session.acked_below {
            return;
        }
        self.tally.hash = self.tally.hash.wrapping_sub(session.item(id));
        self.sessions_by_use.remove(&(session.last_used_ms, id));
        let session = Arc::make_mut(session);
        session.last_used_ms = used_ms;
        session.acked_below = session.acked_below.max(acked_below);
        let kept = session.replies.split_off(&session.acked_below);
        for (seq, reply) in std::mem::replace(&mut session.replies, kept) {
            self.tally.remove(hash::reply_item(id, seq, reply.hash()), &reply);
            self.tally.replies -= 1;
        }
        self.sessions_by_use.insert((used_ms, id));
        self.tally.hash = self.tally.hash.wrapping_add(session.item(id));
    }

    fn keep_reply(&mut self, id: SessionId, seq: u64, reply: Reply) {
        let session = self.sessions.get_mut(&id).expect("the caller found it");
        self.tally.add(hash::reply_item(id, seq, reply.hash()), &reply);
        self.tally.replies += 1;
        let before = Arc::make_mut(session).replies.insert(seq, reply);
        assert!(before.is_none(), "a change that has an answer is not done again");
    }

    // Expiry.

    /// Removes what is past its time, up to the bounds of one entry.
    pub(crate) fn expire(&mut self, age_ms: u64, limits: &OnceLimits, budget: &mut Budget) {
        for _ in 0..EXPIRED_SESSIONS_MAX {
            let Some((used_ms, id)) = self.sessions_by_use.get_min().copied() else { break };
            if !limits.session_is_over(used_ms, age_ms) {
                break;
            }
            self.remove_session(id);
            budget.spend(VERSION_COST_UNITS);
        }
        for _ in 0..EXPIRED_KEYS_MAX {
            let Some((done_ms, key)) = self.keys_by_age.get_min().cloned() else { break };
            if !limits.key_is_over(done_ms, age_ms) {
                break;
            }
            self.remove_key(&key);
            budget.spend(VERSION_COST_UNITS);
        }
    }
}

impl OnceTally {
    fn add(&mut self, item: u64, reply: &Reply) {
        self.hash = self.hash.wrapping_add(item);
        self.reply_bytes += reply.bytes();
    }

    fn remove(&mut self, item: u64, reply: &Reply) {
        self.hash = self.hash.wrapping_sub(item);
        self.reply_bytes -= reply.bytes();
    }
}

impl Session {
    fn item(&self, id: SessionId) -> u64 {
        let item = hash::session_item(id, self.last_used_ms, self.acked_below);
        match &self.owner {
            Some(owner) => item.wrapping_add(hash::owner_item(id, owner.as_bytes())),
            None => item,
        }
    }
}

impl KeyedReply {
    fn item(&self, key: &[u8]) -> u64 {
        hash::once_key_item(hash::bytes(key), self.fingerprint, self.done_ms, self.reply.hash())
    }
}

fn step(age_ms: u64) -> u64 {
    age_ms.checked_next_multiple_of(USE_STEP_MS).unwrap_or(u64::MAX)
}
