//! Writes that may be sent again: in which session, under which number.
//!
//! A client opens one session, when it first writes, and numbers its writes in it. A write whose
//! answer was lost is sent again under the same number until the deadline, and the store does it
//! once (docs/guarantees.md, clause 3). With each write the client says below which number it waits
//! for nothing any more, so that the store can forget those answers.
//!
//! What is here decides nothing about the network; [`crate::Client`] does.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

/// The header that carries a [`Number`].
pub(crate) const SESSION_HEADER: &str = "raftkv-session";

/// The header of a write that comes with a name of its own.
pub(crate) const KEY_HEADER: &str = "idempotency-key";

/// The session of a client and all its clones.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    current: Mutex<Option<Session>>,
    /// Held by whoever opens a session, so that many first writes open one.
    pub(crate) opening: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Session {
    id: u64,
    next_seq: u64,
    /// The numbers that are in use; what is below the lowest of them is acknowledged.
    in_use: BTreeSet<u64>,
}

impl Sessions {
    /// A session was opened.
    pub(crate) fn opened(&self, id: u64) {
        *self.current.lock() = Some(Session { id, next_seq: 1, in_use: BTreeSet::new() });
    }

    /// The session is over, if it still is the current one.
    pub(crate) fn expired(&self, id: u64) {
        let mut current = self.current.lock();
        if current.as_ref().is_some_and(|current| current.id == id) {
            *current = None;
        }
    }

    /// A number of its own for one write, if a session is open.
    pub(crate) fn number(self: &Arc<Sessions>) -> Option<Number> {
        let mut current = self.current.lock();
        let session = current.as_mut()?;
        let seq = session.next_seq;
        session.next_seq += 1;
        session.in_use.insert(seq);
        let acked_below = *session.in_use.first().expect("one was inserted just now");
        Some(Number { sessions: Arc::clone(self), session: session.id, seq, acked_below })
    }
}

/// The number of one write. Dropped when nobody waits for the answer any more, which is then
/// acknowledged: also where it never came, for the write will not be sent again.
#[derive(Debug)]
pub(crate) struct Number {
    sessions: Arc<Sessions>,
    pub(crate) session: u64,
    seq: u64,
    acked_below: u64,
}

impl Number {
    /// As the header says it.
    pub(crate) fn header(&self) -> String {
        format!("{};{};{}", self.session, self.seq, self.acked_below)
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        if let Some(current) = &mut *self.sessions.current.lock()
            && current.id == self.session
        {
            current.in_use.remove(&self.seq);
        }
    }
}

/// A name that no other write has: 128 random bits.
///
/// # Panics
///
/// If the operating system has no random numbers, without which a name might be another one's.
pub(crate) fn random_key() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    format!("{:032x}", u128::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Arc<Sessions> {
        let sessions = Arc::new(Sessions::default());
        assert!(sessions.number().is_none());
        sessions.opened(7);
        sessions
    }

    #[test]
    fn what_nobody_waits_for_is_acknowledged() {
        let sessions = open();
        let number = || sessions.number().expect("a session is open");
        let (first, second) = (number(), number());
        assert_eq!((first.header(), second.header()), ("7;1;1".into(), "7;2;1".into()));
        drop(second);
        assert_eq!(number().header(), "7;3;1", "the first still waits");
        drop(first);
        assert_eq!(number().header(), "7;4;4");
    }

    #[test]
    fn an_expired_session_takes_its_numbers_with_it() {
        let sessions = open();
        let old = sessions.number().expect("a session is open");
        sessions.expired(7);
        assert!(sessions.number().is_none());
        sessions.opened(9);
        let new = sessions.number().expect("a session is open");
        sessions.expired(7);
        drop(old);
        assert_eq!(sessions.number().expect("9 is not 7").header(), "9;2;1");
        drop(new);
    }

    #[test]
    fn keys_do_not_repeat() {
        assert_ne!(random_key(), random_key());
    }
}
