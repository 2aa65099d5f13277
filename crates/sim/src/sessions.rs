//! Clients with a session: what they do, they do exactly once (thesis §6.3, rules 9), however often
//! they ask for it.
//!
//! Each counts with the version of a key of its own, which only goes up by one a put. It asks for a
//! change until it knows the answer, of any member, sometimes of two at once; and now and then it
//! asks once more for one that it has acknowledged long ago. Sessions are closed and opened.

use std::collections::BTreeMap;

use bytes::Bytes;
use replica::{Done, Failure};
use store::{Command, Origin, Outcome, Put, SessionId};

use crate::model::Model;
use crate::random::Random;
use crate::transactions::Drawer;

/// So many of a thousand changes are transactions.
const TXN_PER_MILLE: u64 = 300;
/// A session is closed after so many of a thousand changes.
const CLOSED_PER_MILLE: u64 = 30;
/// Old changes that a client may ask for once more.
const OLD_MAX: usize = 4;

/// The sessions of all clients that have one.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    clients: BTreeMap<u64, Client>,
}

#[derive(Debug, Default)]
struct Client {
    session: Option<SessionId>,
    /// Of the last change; answers below are known.
    seq: u64,
    /// Asked for, with no answer yet that tells what came of it.
    pending: Option<Bytes>,
    old: Vec<Bytes>,
}

impl Sessions {
    /// What the client asks for next: the same again, as long as it does not know.
    pub(crate) fn draw(
        &mut self,
        client: u64,
        random: &mut Random,
        model: &Model,
        keys: u64,
    ) -> Bytes {
        let state = self.clients.entry(client).or_default();
        if state.pending.is_none() {
            state.pending = Some(state.next(client, random, model, keys));
        }
        state.pending.clone().expect("it was just set")
    }

    /// A copy of something that was asked for already.
    pub(crate) fn copy(&self, client: u64, random: &mut Random) -> Option<Bytes> {
        let state = self.clients.get(&client)?;
        let known: Vec<&Bytes> = state.old.iter().chain(&state.pending).collect();
        (!known.is_empty()).then(|| random.pick(&known).clone())
    }

    /// An answer to what the client asked for.
    pub(crate) fn answered(
        &mut self,
        client: u64,
        payload: &Bytes,
        result: &Result<Done, Failure>,
    ) {
        let Some(state) = self.clients.get_mut(&client) else { return };
        let Ok(Done::Written { outcome, .. }) = result else { return };
        if state.pending.as_ref() != Some(payload) {
            return;
        }
        let done = state.pending.take().expect("it was compared");
        match outcome {
            Outcome::SessionOpened { session } => {
                (state.session, state.seq) = (Some(*session), 0);
            }
            Outcome::SessionClosed { .. } | Outcome::SessionExpired => state.session = None,
            _ => {}
        }
        if state.old.len() == OLD_MAX {
            state.old.remove(0);
        }
        state.old.push(done);
    }
}

impl Client {
    fn next(&mut self, client: u64, random: &mut Random, model: &Model, keys: u64) -> Bytes {
        let Some(session) = self.session else { return Command::OpenSession.encode() };
        if random.chance(CLOSED_PER_MILLE) {
            return Command::CloseSession { session }.encode();
        }
        let acked_below = self.seq + 1;
        self.seq += 1;
        let origin = Origin::Session { session, seq: self.seq, acked_below };
        let (key, value) = (format!("counter-{client}"), format!("{session} {}", self.seq));
        let command = if random.chance(TXN_PER_MILLE) {
            Command::Txn(Drawer::new(random, model, keys, value).counting(&key.into()))
        } else {
            Put { prev_kv: random.coin(), ..Put::new(key, value) }.into()
        };
        Command::Once { origin, command: Box::new(command) }.encode()
    }
}
