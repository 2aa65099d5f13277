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
use tokio::sync::Notify;

/// The store takes no number this far above the lowest that still waits (docs/http.md): a write
/// beyond it waits here for its turn.
const WINDOW: u64 = 1_024;

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
    /// That the lowest number in use is another one now.
    moved: Notify,
}

/// What asking for a number came to.
#[derive(Debug)]
pub(crate) enum Numbered {
    Number(Number),
    /// There is no session yet.
    NoSession,
    /// As many writes are under way as the store keeps apart: wait for [`Sessions::moved`].
    Full,
}

#[derive(Debug)]
struct Session {
    id: Arc<str>,
    next_seq: u64,
    /// The numbers that are in use; what is below the lowest of them is acknowledged.
    in_use: BTreeSet<u64>,
}

impl Sessions {
    /// A session was opened.
    pub(crate) fn opened(&self, id: &str) {
        let session = Session { id: id.into(), next_seq: 1, in_use: BTreeSet::new() };
        *self.current.lock() = Some(session);
        self.moved.notify_waiters();
    }

    /// The session is over, if it still is the current one.
    pub(crate) fn expired(&self, id: &str) {
        let mut current = self.current.lock();
        if current.as_ref().is_some_and(|current| *current.id == *id) {
            *current = None;
            self.moved.notify_waiters();
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.current.lock().is_some()
    }

    /// A number of its own for one write.
    pub(crate) fn number(self: &Arc<Sessions>) -> Numbered {
        let mut current = self.current.lock();
        let Some(session) = current.as_mut() else { return Numbered::NoSession };
        let seq = session.next_seq;
        if session.in_use.first().is_some_and(|lowest| seq - lowest >= WINDOW) {
            return Numbered::Full;
        }
        session.next_seq += 1;
        session.in_use.insert(seq);
        Numbered::Number(Number { sessions: Arc::clone(self), session: session.id.clone(), seq })
    }

    /// Resolves when the lowest number that is in use has changed. Made before a number is asked
    /// for, so that no change in between is missed.
    pub(crate) fn moved(&self) -> tokio::sync::futures::Notified<'_> {
        self.moved.notified()
    }
}

/// The number of one write. Dropped when nobody waits for the answer any more, which is then
/// acknowledged: also where it never came, for the write will not be sent again.
#[derive(Debug)]
pub(crate) struct Number {
    sessions: Arc<Sessions>,
    pub(crate) session: Arc<str>,
    seq: u64,
}

impl Number {
    /// What the header says, made anew for each sending: it tells how far answers have come by
    /// then, which is what makes room in the session.
    pub(crate) fn header(&self) -> String {
        let current = self.sessions.current.lock();
        let session = current.as_ref().filter(|current| current.id == self.session);
        // In a session that is over nothing is done any more.
        let lowest = session.and_then(|session| session.in_use.first().copied());
        format!("{};{};{}", self.session, self.seq, lowest.unwrap_or(self.seq))
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        if let Some(current) = &mut *self.sessions.current.lock()
            && current.id == self.session
        {
            let was_lowest = current.in_use.first() == Some(&self.seq);
            current.in_use.remove(&self.seq);
            if was_lowest {
                self.sessions.moved.notify_waiters();
            }
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
        assert!(matches!(sessions.number(), Numbered::NoSession));
        sessions.opened("7");
        sessions
    }

    fn number(sessions: &Arc<Sessions>) -> Number {
        match sessions.number() {
            Numbered::Number(number) => number,
            other => panic!("no number: {other:?}"),
        }
    }

    #[test]
    fn what_nobody_waits_for_is_acknowledged() {
        let sessions = open();
        let (first, second) = (number(&sessions), number(&sessions));
        assert_eq!((first.header(), second.header()), ("7;1;1".into(), "7;2;1".into()));
        drop(second);
        let third = number(&sessions);
        assert_eq!(third.header(), "7;3;1", "the first still waits");
        drop(first);
        assert_eq!(third.header(), "7;3;3", "sent again it says what has come meanwhile");
        assert_eq!(number(&sessions).header(), "7;4;3");
    }

    #[test]
    fn as_many_are_under_way_as_the_store_keeps_apart() {
        let sessions = open();
        let mut numbers: Vec<Number> = (0..WINDOW).map(|_| number(&sessions)).collect();
        assert!(matches!(sessions.number(), Numbered::Full));
        numbers.remove(5);
        assert!(matches!(sessions.number(), Numbered::Full), "only the lowest makes room");
        numbers.remove(0);
        assert_eq!(number(&sessions).header(), format!("7;{};2", WINDOW + 1));
    }

    #[test]
    fn an_expired_session_takes_its_numbers_with_it() {
        let sessions = open();
        let old = number(&sessions);
        sessions.expired("7");
        assert!(matches!(sessions.number(), Numbered::NoSession));
        sessions.opened("9");
        let new = number(&sessions);
        sessions.expired("7");
        assert_eq!(old.header(), "7;1;1");
        drop(old);
        assert_eq!(number(&sessions).header(), "9;2;1");
        drop(new);
    }

    #[test]
    fn keys_do_not_repeat() {
        assert_ne!(random_key(), random_key());
    }
}
