//! Requests that wait for an answer, and what each may still come to.
//!
//! ```text
//!   Held ──────▶ Proposed(log id) ──▶ decided when that index is applied (rule 7.1)
//!    │ ▲ │           ▲
//!    │ │ └─▶ Forwarded┘ (the leader answers where it stands in the log)
//!    │ └─────────┘ never left, was refused; or its stream broke, and it has a name
//!    └────▶ Unavailable (nothing was tried)       past the deadline: Unknown
//! ```
//!
//! A request that was only held certainly had no effect; once it was proposed or forwarded, a
//! missed deadline means "unknown".
//!
//! # What is sent again
//!
//! A forwarded write whose stream broke may stand in the log or not. If it has a *name* (a number
//! in a session, or a key), the store does it once however often it stands there: so it is sent
//! again until its deadline, to whoever leads then (rule 7.2). The newest copy decides. An earlier
//! one can only stand before it or nowhere: a leader takes a sender's copies in their order, and
//! the terms of a log never go back. So when the newest copy is applied its outcome is the answer,
//! but for an outcome that depends on what the client did in between (its session was closed). But
//! when the newest copy was refused, or lost its place, that says nothing of those before it, and
//! the answer is "unknown".
//!
//! Everything here is bounded by [`PENDING_MAX`], and the commands
//! of writes that are held or forwarded by [`COMMAND_BYTES_MAX`] (raft bounds what is proposed).

use std::collections::{BTreeMap, VecDeque};

use std::sync::Arc;

use bytes::Bytes;
use raft::{Index, LogId, MemberId, ReadId, ReadReady, Term};
use store::{Command, Outcome};

use crate::Configuration;
use crate::api::{Answer, Done, Failure, ForwardRefusal, Ticket};
use crate::applier::Applied;
use crate::level::refusal_at;

/// At most this many requests wait; more are refused as overload.
pub const PENDING_MAX: usize = 100_000;

/// With so many bytes of commands held or forwarded, further writes are refused as overload.
const COMMAND_BYTES_MAX: usize = 64 << 20;

/// A write that could not be handed to raft yet.
#[derive(Debug)]
pub(crate) struct HeldWrite {
    pub(crate) ticket: Ticket,
    pub(crate) command: Bytes,
    pub(crate) forward: bool,
    pub(crate) patience: Patience,
    pub(crate) refused: Refused,
    /// An earlier copy of it was forwarded, and nobody knows what became of that.
    pub(crate) resent: bool,
}

/// The term in which the leader refused a request, since the last tick. The same leader is not
/// asked again before the next tick: otherwise two members, of which one does not know yet that
/// the other has stepped down, would ask and refuse as fast as the network allows.
pub(crate) type Refused = Option<Term>;

/// How long a request waits, in the caller's monotonic ms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For its answer.
    pub(crate) deadline_ms: u64,
    /// For a leader; never later than the deadline.
    pub(crate) held_until_ms: u64,
}

#[derive(Debug)]
struct Forwarded {
    /// To whom, in which term.
    to: (MemberId, Term),
    write: HeldWrite,
}

/// A write that stands in a log.
#[derive(Debug)]
struct Proposed {
    ticket: Ticket,
    deadline_ms: u64,
    /// As in [`HeldWrite`].
    resent: bool,
}

/// A change of members.
#[derive(Debug)]
struct Changing {
    ticket: Ticket,
    /// Where its first configuration stands; None once that is committed, and joint.
    place: Option<LogId>,
    deadline_ms: u64,
}

#[derive(Debug)]
struct Transfer {
    ticket: Ticket,
    deadline_ms: u64,
}

/// A read waits for a leader to ask, then for its answer, then for the store.
#[derive(Debug)]
struct Read {
    due_ms: u64,
    patience: Patience,
    /// The term of the leader that was asked last.
    asked_in: Term,
}

/// All of them. A ticket is in exactly one place.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    held: VecDeque<HeldWrite>,
    /// By place in the log. Two may share an index, in different terms: at most one is done.
    proposed: BTreeMap<(Index, Term), Proposed>,
    forwarded: BTreeMap<u64, Forwarded>,
    /// The newest term in which a leader was known.
    led_in: Term,
    /// Of the commands in `held` and `forwarded`.
    command_bytes: usize,
    reads: BTreeMap<Ticket, Read>,
    /// The reads that wait for a leader, and those that wait for apply, by index, with what is
    /// settled then; all in `reads`.
    held_reads: Vec<(Ticket, Refused)>,
    waiting_reads: BTreeMap<(Index, Ticket), u64>,
    transfer: Option<Transfer>,
    changing: Vec<Changing>,
    /// No deadline is before this time.
    earliest_ms: u64,
    pub(crate) answers: Vec<Answer>,
}

impl Pending {
    pub(crate) fn len(&self) -> usize {
        self.held.len()
            + self.proposed.len()
            + self.forwarded.len()
            + self.reads.len()
            + self.changing.len()
            + usize::from(self.transfer.is_some())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len() >= PENDING_MAX
    }

    /// Whether writes that raft can not take now would take too much memory.
    pub(crate) fn is_full_of_commands(&self) -> bool {
        self.command_bytes >= COMMAND_BYTES_MAX
    }

    pub(crate) fn answer(&mut self, ticket: Ticket, result: Result<Done, Failure>) {
        self.answers.push(Answer { ticket, result });
    }

    fn fail(&mut self, ticket: Ticket, failure: Failure) {
        self.answer(ticket, Err(failure));
    }

    /// Whatever keeps this copy of a write out of the log tells nothing of an earlier one.
    pub(crate) fn refuse(&mut self, write: &HeldWrite, failure: Failure) {
        self.fail(write.ticket, if write.resent { Failure::Unknown } else { failure });
    }

    // Writes.

    pub(crate) fn hold(&mut self, write: HeldWrite) {
        self.expect_by(write.patience.held_until_ms);
        self.command_bytes += write.command.len();
        self.held.push_back(write);
    }

    /// Those that may be tried with the leader of `term`.
    pub(crate) fn take_held(&mut self, term: Term) -> VecDeque<HeldWrite> {
        let held = std::mem::take(&mut self.held).into_iter();
        let (refused, free): (_, VecDeque<HeldWrite>) =
            held.partition(|write| write.refused == Some(term));
        self.held = refused;
        self.command_bytes -= free.iter().map(|write| write.command.len()).sum::<usize>();
        free
    }

    /// A tick has passed: what was refused may be tried again.
    pub(crate) fn forgive(&mut self) {
        for write in &mut self.held {
            write.refused = None;
        }
        for (_, refused) in &mut self.held_reads {
            *refused = None;
        }
    }

    /// `write` stands in the log at `id`.
    pub(crate) fn proposed(&mut self, id: LogId, write: &HeldWrite) {
        let HeldWrite { ticket, resent, patience: Patience { deadline_ms, .. }, .. } = *write;
        self.expect_by(deadline_ms);
        let proposed = Proposed { ticket, deadline_ms, resent };
        let earlier = self.proposed.insert((id.index, id.term), proposed);
        assert!(earlier.is_none(), "a place in the log is given out once");
    }

    /// `write` was handed as `number` to that leader of that term.
    pub(crate) fn forwarded(&mut self, number: u64, to: (MemberId, Term), write: HeldWrite) {
        self.expect_by(write.patience.deadline_ms);
        self.command_bytes += write.command.len();
        let earlier = self.forwarded.insert(number, Forwarded { to, write });
        assert!(earlier.is_none(), "a number is used once");
    }

    fn take_forwarded(&mut self, number: u64) -> Option<Forwarded> {
        let forwarded = self.forwarded.remove(&number)?;
        self.command_bytes -= forwarded.write.command.len();
        Some(forwarded)
    }

    /// ... if it was handed to `from`: nobody else can know what became of it.
    fn take_forwarded_to(&mut self, from: MemberId, number: u64) -> Option<Forwarded> {
        let asked = self.forwarded.get(&number)?.to.0;
        if asked == from { self.take_forwarded(number) } else { None }
    }

    /// The leader says where a forwarded write stands. Late if that is applied already: the
    /// outcome has passed by. In another term than the one it was asked in it proposed nothing of
    /// ours, and a place of that term may yet be given out here.
    pub(crate) fn forward_proposed(
        &mut self,
        from: MemberId,
        number: u64,
        id: LogId,
        applied: Index,
    ) {
        let Some(forwarded) = self.take_forwarded_to(from, number) else { return };
        let is_late = id.index <= applied;
        let is_taken = self.proposed.contains_key(&(id.index, id.term));
        if is_late || is_taken || id.term != forwarded.to.1 {
            self.fail(forwarded.write.ticket, Failure::Unknown);
        } else {
            self.proposed(id, &forwarded.write);
        }
    }

    /// The leader that was asked refused a forwarded write: it certainly did not propose it.
    /// `level` is the cluster's.
    pub(crate) fn forward_refused(
        &mut self,
        from: MemberId,
        number: u64,
        refusal: ForwardRefusal,
        level: u32,
    ) {
        let Some(forwarded) = self.take_forwarded_to(from, number) else { return };
        let failure = match refusal {
            ForwardRefusal::NotLeader => return self.not_led(forwarded),
            ForwardRefusal::Overloaded => Failure::Overloaded,
            ForwardRefusal::Corrupt => Failure::Corrupt,
            ForwardRefusal::NoSpace => Failure::NoSpace,
            ForwardRefusal::NoMemory => Failure::NoMemory,
            // That it is the cluster's level which keeps it from it, a leader does not tell.
            ForwardRefusal::UnknownCommand => refusal_at(level, &forwarded.write.command)
                .map_or(Failure::Unavailable, Failure::Refused),
        };
        self.refuse(&forwarded.write, failure);
    }

    /// The message never left: as if it had come to somebody who does not lead.
    pub(crate) fn forward_unsent(&mut self, number: u64) {
        if let Some(forwarded) = self.take_forwarded(number) {
            self.not_led(forwarded);
        }
    }

    fn not_led(&mut self, Forwarded { to: (_, term), write }: Forwarded) {
        self.hold(HeldWrite { refused: Some(term), ..write });
    }

    /// The process of `leader` is gone: what was forwarded to it and not answered is sent again if
    /// it has a name, and unknown otherwise (rule 7.2).
    pub(crate) fn leader_died(&mut self, leader: MemberId) {
        self.send_again(|forwarded| forwarded.to.0 == leader);
        for write in self.take_forwarded_if(|forwarded| forwarded.to.0 == leader) {
            self.fail(write.ticket, Failure::Unknown);
        }
    }

    /// A stream between this member and `leader` broke, and `leader` may well live: what was
    /// forwarded to it may be lost, or its answer. What has a name is sent again; the rest waits.
    pub(crate) fn stream_broke(&mut self, leader: MemberId) {
        self.send_again(|forwarded| forwarded.to.0 == leader);
    }

    /// There is a leader in `term`: what was forwarded in an earlier one and has a name is sent
    /// again. Its answer may never come, as long as nobody notices that a leader fell silent.
    pub(crate) fn led_in(&mut self, term: Term) {
        if term > self.led_in {
            self.led_in = term;
            self.send_again(|forwarded| forwarded.to.1 < term);
        }
    }

    /// Holds those that have a name again, up to their deadlines: only then nothing definite can
    /// be said of them.
    fn send_again(&mut self, lost: impl Fn(&Forwarded) -> bool) {
        let named = |forwarded: &Forwarded| lost(forwarded) && has_name(&forwarded.write.command);
        for write in self.take_forwarded_if(named) {
            let held_until_ms = write.patience.deadline_ms;
            let patience = Patience { held_until_ms, ..write.patience };
            self.hold(HeldWrite { patience, refused: None, resent: true, ..write });
        }
    }

    fn take_forwarded_if(&mut self, wanted: impl Fn(&Forwarded) -> bool) -> Vec<HeldWrite> {
        let taken = self.forwarded.extract_if(.., |_, forwarded| wanted(forwarded));
        let taken: Vec<HeldWrite> = taken.map(|(_, forwarded)| forwarded.write).collect();
        self.command_bytes -= taken.iter().map(|write| write.command.len()).sum::<usize>();
        taken
    }

    /// An index is applied: whoever waited for it knows now. Same term, done; another term,
    /// certainly not and never.
    pub(crate) fn applied(&mut self, applied: Applied) {
        let Applied { id, stamp_ms, outcome, .. } = applied;
        self.change_superseded(id);
        let mut outcome = Some(outcome);
        while let Some(first) = self.proposed.first_entry() {
            let (index, term) = *first.key();
            if index > id.index {
                break;
            }
            let Proposed { ticket, resent, .. } = first.remove();
            assert_eq!(index, id.index, "indexes are decided one after the other");
            let result = match outcome.take_if(|_| term == id.term) {
                Some(outcome) if resent && is_of_its_time(&outcome) => Err(Failure::Unknown),
                Some(outcome) => Ok(Done::Written { log_id: id, stamp_ms, outcome }),
                None if resent => Err(Failure::Unknown),
                None => Err(Failure::Superseded),
            };
            self.answer(ticket, result);
        }
    }

    /// A snapshot took the place of everything up to `index`: what stood there was decided, and
    /// this member does not know how (rule 7.1).
    pub(crate) fn jumped_to(&mut self, index: Index) {
        while let Some(first) = self.proposed.first_entry() {
            if first.key().0 > index {
                break;
            }
            let Proposed { ticket, .. } = first.remove();
            self.fail(ticket, Failure::Unknown);
        }
        let passed = |change: &mut Changing| change.place.is_none_or(|place| place.index <= index);
        let changes: Vec<Changing> = self.changing.extract_if(.., passed).collect();
        for change in changes {
            self.fail(change.ticket, Failure::Unknown);
        }
    }

    // Reads.

    pub(crate) fn read(&mut self, ticket: Ticket, patience: Patience) {
        self.expect_by(patience.held_until_ms);
        let due_ms = patience.held_until_ms;
        let read = Read { due_ms, patience, asked_in: Term(0) };
        let earlier = self.reads.insert(ticket, read);
        assert!(earlier.is_none(), "a ticket is used once");
        self.held_reads.push((ticket, None));
    }

    /// Reads that had no leader to ask, to be put to the leader of `term` now.
    pub(crate) fn ask_held_reads(&mut self, term: Term) -> Vec<ReadId> {
        let mut asked = Vec::with_capacity(self.held_reads.len());
        let free = self.held_reads.extract_if(.., |(_, refused)| *refused != Some(term));
        for (ticket, _) in free {
            if let Some(read) = self.reads.get_mut(&ticket) {
                read.due_ms = read.patience.deadline_ms;
                read.asked_in = term;
                asked.push(ReadId(ticket.0));
            }
        }
        asked
    }

    /// The leader's answer: where the read may be served.
    pub(crate) fn read_confirmed(&mut self, ReadReady { id, point }: ReadReady) {
        let ticket = Ticket(id.0);
        if self.reads.contains_key(&ticket) {
            self.waiting_reads.insert((point.index, ticket), point.settled_ms);
        }
    }

    /// The leader that was asked did not answer; ask the next one.
    pub(crate) fn read_failed(&mut self, id: ReadId) {
        let ticket = Ticket(id.0);
        if let Some(read) = self.reads.get_mut(&ticket) {
            read.due_ms = read.patience.held_until_ms;
            self.earliest_ms = self.earliest_ms.min(read.due_ms);
            self.held_reads.push((ticket, Some(read.asked_in)));
        }
    }

    /// The store's published state reached `applied`.
    pub(crate) fn serve_reads(&mut self, applied: Index) {
        while let Some(first) = self.waiting_reads.first_entry() {
            let (index, ticket) = *first.key();
            if index > applied {
                break;
            }
            let settled_ms = first.remove();
            if self.reads.remove(&ticket).is_some() {
                self.answer(ticket, Ok(Done::ReadReady { settled_ms }));
            }
        }
    }

    // Changes of members.

    /// The change that `ticket` asks for stands in the log, at `id`.
    pub(crate) fn changing(&mut self, ticket: Ticket, id: LogId, deadline_ms: u64) {
        self.expect_by(deadline_ms);
        self.changing.push(Changing { ticket, place: Some(id), deadline_ms });
    }

    /// A configuration is applied. A change is decided like a write, by what stands in its place;
    /// after a joint configuration the next one is its end.
    pub(crate) fn configuration_applied(&mut self, id: LogId, configuration: Configuration) {
        let configuration = Arc::new(configuration);
        for mut change in std::mem::take(&mut self.changing) {
            let ours = change.place.is_none_or(|place| place == id);
            if ours && !configuration.is_joint() {
                let configuration = Arc::clone(&configuration);
                self.answer(change.ticket, Ok(Done::Changed { configuration }));
            } else {
                change.place = change.place.filter(|_| !ours);
                self.changing.push(change);
            }
        }
    }

    /// An entry that is no configuration is applied where one was to stand: it never will be.
    fn change_superseded(&mut self, id: LogId) {
        let gone = |change: &mut Changing| {
            change.place.is_some_and(|place| place.index == id.index && place != id)
        };
        let tickets: Vec<Ticket> =
            self.changing.extract_if(.., gone).map(|change| change.ticket).collect();
        for ticket in tickets {
            self.fail(ticket, Failure::Superseded);
        }
    }

    // Transfers.

    /// Whether `ticket` is now the one that waits for the transfer; only one can.
    pub(crate) fn transfer(&mut self, ticket: Ticket, deadline_ms: u64) -> bool {
        if self.transfer.is_some() {
            return false;
        }
        self.expect_by(deadline_ms);
        self.transfer = Some(Transfer { ticket, deadline_ms });
        true
    }

    /// The transfer ended: with this leader, or without success.
    pub(crate) fn transfer_ended(&mut self, leader: Option<MemberId>) {
        if let Some(transfer) = self.transfer.take() {
            let result = leader.map(|leader| Done::Transferred { leader });
            self.answer(transfer.ticket, result.ok_or(Failure::TransferFailed));
        }
    }

    pub(crate) fn is_transferring(&self) -> bool {
        self.transfer.is_some()
    }

    // Deadlines.

    fn expect_by(&mut self, deadline_ms: u64) {
        self.earliest_ms = self.earliest_ms.min(deadline_ms);
    }

    /// Fails everything whose time is up.
    pub(crate) fn expire(&mut self, now_ms: u64) {
        if now_ms < self.earliest_ms {
            return;
        }
        let held = std::mem::take(&mut self.held).into_iter();
        let (kept, expired): (_, VecDeque<HeldWrite>) =
            held.partition(|write| now_ms < write.patience.held_until_ms);
        self.held = kept;
        for write in expired {
            self.refuse(&write, Failure::Unavailable);
        }
        let mut failed: Vec<(Ticket, Failure)> = Vec::new();
        let proposed = self.proposed.extract_if(.., |_, proposed| proposed.deadline_ms <= now_ms);
        failed.extend(proposed.map(|(_, proposed)| (proposed.ticket, Failure::Unknown)));
        let late = |forwarded: &Forwarded| forwarded.write.patience.deadline_ms <= now_ms;
        let forwarded = self.forwarded.extract_if(.., |_, forwarded| late(forwarded));
        failed.extend(forwarded.map(|(_, forwarded)| (forwarded.write.ticket, Failure::Unknown)));
        let reads = self.reads.extract_if(.., |_, read| read.due_ms <= now_ms);
        failed.extend(reads.map(|(ticket, _)| (ticket, Failure::Unavailable)));
        let late = |change: &mut Changing| change.deadline_ms <= now_ms;
        let changes = self.changing.extract_if(.., late);
        failed.extend(changes.map(|change| (change.ticket, Failure::Unknown)));
        if let Some(transfer) = self.transfer.take_if(|transfer| transfer.deadline_ms <= now_ms) {
            failed.push((transfer.ticket, Failure::TransferFailed));
        }
        for (ticket, failure) in failed {
            self.fail(ticket, failure);
        }
        self.settle_accounts();
    }

    /// After requests were taken out in passing: everything that is kept beside them again agrees.
    fn settle_accounts(&mut self) {
        let reads = &self.reads;
        self.held_reads.retain(|(ticket, _)| reads.contains_key(ticket));
        self.waiting_reads.retain(|(_, ticket), _| reads.contains_key(ticket));
        let held = self.held.iter().map(|write| write.command.len());
        let forwarded = self.forwarded.values().map(|forwarded| forwarded.write.command.len());
        self.command_bytes = held.chain(forwarded).sum();
        self.earliest_ms = self.earliest_left_ms();
    }

    fn earliest_left_ms(&self) -> u64 {
        let held = self.held.iter().map(|write| write.patience.held_until_ms);
        let proposed = self.proposed.values().map(|proposed| proposed.deadline_ms);
        let forwarded = self.forwarded.values();
        let forwarded = forwarded.map(|forwarded| forwarded.write.patience.deadline_ms);
        let reads = self.reads.values().map(|read| read.due_ms);
        let transfer = self.transfer.iter().map(|transfer| transfer.deadline_ms);
        let all = held.chain(proposed).chain(forwarded).chain(reads).chain(transfer);
        let changes = self.changing.iter().map(|change| change.deadline_ms);
        all.chain(changes).min().unwrap_or(u64::MAX)
    }

    /// The member stops, or its state turns out to be wrong: what was handed to raft is unknown,
    /// the rest certainly not done.
    pub(crate) fn stop(&mut self) {
        for write in std::mem::take(&mut self.held) {
            self.refuse(&write, Failure::Unavailable);
        }
        for ticket in std::mem::take(&mut self.reads).into_keys() {
            self.fail(ticket, Failure::Unavailable);
        }
        let proposed = std::mem::take(&mut self.proposed).into_values().map(|p| p.ticket);
        let forwarded = std::mem::take(&mut self.forwarded).into_values().map(|f| f.write.ticket);
        let changes = std::mem::take(&mut self.changing).into_iter().map(|change| change.ticket);
        let unknown: Vec<Ticket> = proposed.chain(forwarded).chain(changes).collect();
        for ticket in unknown {
            self.fail(ticket, Failure::Unknown);
        }
        self.transfer_ended(None);
        self.settle_accounts();
    }
}

/// Whether the store knows a second copy of the command for one.
fn has_name(command: &Bytes) -> bool {
    matches!(Command::decode(command.clone()), Ok(Command::Once { .. }))
}

/// Whether a copy of a write may come to this although an earlier copy was done: its session was
/// closed in between, or has said that it knows the answer.
fn is_of_its_time(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::SessionExpired | Outcome::Stale)
}

#[cfg(test)]
#[path = "pending_tests.rs"]
mod tests;
