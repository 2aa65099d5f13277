//! What happens, in the words of docs/events.md: a page that starts from empty logs and no leader
//! can show from these events alone how each member stands at any moment.
//!
//! | file | whose events |
//! |---|---|
//! | `members.rs` | a member's own: its start and end, roles, votes, log, commit, store |
//! | `keys.rs` | what became of keys |
//! | `messages.rs` | what members say to each other, and what became of it |
//! | `faults.rs` | what is done to whom |
//! | `clients.rs` | what clients ask and are answered |
//!
//! Nothing here draws a random number or changes anything in the life: it is the same life whether
//! it is told or not.

mod clients;
mod faults;
mod keys;
mod members;
mod messages;
#[cfg(test)]
mod replay_tests;

use std::collections::BTreeMap;

use raft::{Index, MemberId, Term};
use replica::Ticket;
use store::Revision;

use crate::life::Life;
use crate::network::Direction;

pub(crate) use messages::Said;

/// What was told, as far as it decides what is news.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    members: BTreeMap<MemberId, Told>,
    /// Breaks of the network that were told, by their numbers.
    breaks: BTreeMap<u64, faults::Struck>,
    /// The size of the snapshot that was offered last, in each direction.
    snapshot_bytes: BTreeMap<Direction, u64>,
    asked: BTreeMap<Ticket, clients::Question>,
    /// The newest revision whose keys were told.
    revision: Revision,
}

/// What was told of a process.
#[derive(Debug, Default)]
struct Told {
    durable: Index,
    applied: u64,
    /// In the term that it leads: how far it counts each member.
    acknowledged: BTreeMap<MemberId, Index>,
    leads: Option<Term>,
}

impl Life {
    /// The first line: what this is, and who is in it.
    pub(crate) fn tell_title(&mut self, title: &str, text: &str) {
        let names = self.plan.members.iter().map(|id| (id.to_string(), format!("node-{id}")));
        let names: Vec<(String, String)> = names.collect();
        self.trace.event(self.queue.now(), "trace", |line| {
            line.text("title", title).text("text", text);
            line.texts("names", names.iter().map(|(id, name)| (id.clone(), name.as_str())));
        });
    }

    /// Until the next one, this is what is to be seen.
    pub(crate) fn tell_caption(&mut self, title: &str, text: &str) {
        self.trace.event(self.queue.now(), "caption", |line| {
            line.text("title", title).text("text", text);
        });
    }
}
