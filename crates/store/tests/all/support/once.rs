//! Exactly once, as plainly as it can be said.

use std::collections::BTreeMap;

use bytes::Bytes;
use store::{
    Command, FirstAnswer, FirstOutcome, KeyValue, LogEntry, Origin, Outcome, SessionId,
    TxnResponse, TxnResult,
};

use super::LIMITS;

#[derive(Default)]
pub(crate) struct Once {
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) keys: BTreeMap<Bytes, Keyed>,
}

#[derive(Default)]
pub(crate) struct Session {
    used_ms: u64,
    acked_below: u64,
    answers: BTreeMap<u64, FirstAnswer>,
}

pub(crate) struct Keyed {
    done_ms: u64,
    command: Command,
    answer: FirstAnswer,
}

impl Once {
    pub(crate) fn open(&mut self, entry: &LogEntry) -> Outcome {
        let due = self.sessions.values().any(|session| session.is_over(entry.age_ms));
        if self.sessions.len() >= LIMITS.sessions_max && !due {
            return Outcome::TableFull;
        }
        let (session, used_ms) = (SessionId(entry.index), entry.age_ms.next_multiple_of(1_000));
        self.sessions.insert(session, Session { used_ms, ..Session::default() });
        Outcome::SessionOpened { session }
    }

    pub(crate) fn close(&mut self, id: SessionId, age_ms: u64) -> Outcome {
        let session = self.sessions.remove(&id);
        Outcome::SessionClosed { existed: session.is_some_and(|session| !session.is_over(age_ms)) }
    }

    /// The answer to a change that is not to be done; notes that the session was used.
    pub(crate) fn ask(
        &mut self,
        origin: &Origin,
        command: &Command,
        age_ms: u64,
    ) -> Option<Outcome> {
        match origin {
            Origin::Session { session, seq, acked_below } => {
                self.ask_in_session(*session, *seq, *acked_below, age_ms)
            }
            Origin::Key(key) => self.ask_by_key(key, command, age_ms),
        }
    }

    fn ask_in_session(
        &mut self,
        id: SessionId,
        seq: u64,
        acked_below: u64,
        age_ms: u64,
    ) -> Option<Outcome> {
        let session = self.sessions.get_mut(&id).filter(|session| !session.is_over(age_ms));
        let Some(session) = session else { return Some(Outcome::SessionExpired) };
        let known = session.answers.get(&seq).cloned();
        session.used_ms = age_ms.next_multiple_of(1_000);
        session.acked_below = session.acked_below.max(acked_below);
        let acked_below = session.acked_below;
        session.answers.retain(|seq, _| *seq >= acked_below);
        let ahead = seq.saturating_sub(acked_below.max(1));
        let all: usize = self.sessions.values().map(|session| session.answers.len()).sum();
        if let Some(answer) = known {
            Some(Outcome::Repeated(Box::new(answer)))
        } else if seq < acked_below {
            Some(Outcome::Stale)
        } else if ahead >= LIMITS.unacknowledged_max || (ahead > 0 && all >= LIMITS.replies_max) {
            Some(Outcome::TableFull)
        } else {
            None
        }
    }

    fn ask_by_key(&mut self, key: &Bytes, command: &Command, age_ms: u64) -> Option<Outcome> {
        let due = self.keys.values().any(|keyed| keyed.is_over(age_ms));
        match self.keys.get(key) {
            Some(known) if known.is_over(age_ms) => None,
            Some(known) if known.command == *command => {
                Some(Outcome::Repeated(Box::new(known.answer.clone())))
            }
            Some(_) => Some(Outcome::KeyReused),
            None if self.keys.len() >= LIMITS.keys_max && !due => Some(Outcome::TableFull),
            None => None,
        }
    }

    pub(crate) fn keep(
        &mut self,
        origin: &Origin,
        command: &Command,
        entry: &LogEntry,
        outcome: &Outcome,
    ) {
        let LogEntry { index, term, stamp_ms, age_ms, .. } = *entry;
        let answer = FirstAnswer { index, term, stamp_ms, outcome: kept(outcome) };
        match origin {
            Origin::Session { session, seq, .. } => {
                let session = self.sessions.get_mut(session).expect("asked before");
                session.answers.insert(*seq, answer);
            }
            Origin::Key(key) => {
                let keyed = Keyed { done_ms: age_ms, command: command.clone(), answer };
                self.keys.insert(key.clone(), keyed);
            }
        }
    }

    /// The tests' limits are so small that the bound of one entry is never met.
    pub(crate) fn expire(&mut self, age_ms: u64) {
        self.sessions.retain(|_, session| !session.is_over(age_ms));
        self.keys.retain(|_, keyed| !keyed.is_over(age_ms));
    }
}

impl Session {
    fn is_over(&self, age_ms: u64) -> bool {
        age_ms > self.used_ms + LIMITS.session_life_ms
    }
}

impl Keyed {
    fn is_over(&self, age_ms: u64) -> bool {
        age_ms > self.done_ms + LIMITS.key_life_ms
    }
}

/// What a result counts for when it is asked whether all of them are small enough.
fn told(result: &TxnResult) -> usize {
    let bytes = |told: &KeyValue| told.key.len() + told.value.len();
    let told: usize = match result {
        TxnResult::Put { prev } => prev.iter().map(bytes).sum(),
        TxnResult::Deleted { prev, .. } => prev.iter().map(bytes).sum(),
        TxnResult::Range(response) => response.items.iter().map(bytes).sum(),
        TxnResult::Txn { results, .. } => results.iter().map(told).sum(),
    };
    16 + told
}

fn kept(outcome: &Outcome) -> FirstOutcome {
    let bytes = |told: &KeyValue| told.key.len() + told.value.len();
    let (told, cut) = match outcome {
        Outcome::Put { revision, prev } => {
            (prev.iter().map(bytes).sum(), FirstOutcome::Done { revision: *revision })
        }
        Outcome::Deleted { revision, prev, .. } => {
            (prev.iter().map(bytes).sum(), FirstOutcome::Done { revision: *revision })
        }
        Outcome::Conflict { revision, current } => {
            (current.iter().map(bytes).sum(), FirstOutcome::Conflict { revision: *revision })
        }
        Outcome::Txn(response) => {
            let TxnResponse { revision, succeeded, results } = response;
            let cut = FirstOutcome::TxnDone { revision: *revision, succeeded: *succeeded };
            (results.iter().map(told).sum(), cut)
        }
        Outcome::Refused { .. } | Outcome::LeaseGranted { .. } | Outcome::LeaseRevoked { .. } => {
            return FirstOutcome::Kept(outcome.clone());
        }
        other => panic!("{other:?} is not kept"),
    };
    let told: usize = told;
    if told <= LIMITS.told_bytes_max { FirstOutcome::Kept(outcome.clone()) } else { cut }
}
