//! The order rules: what may leave before what is durable, when to apply, when to answer. They
//! are all in this file, so that they can be read, and broken on purpose, in one place.
//!
//! | what | may happen once | rule |
//! |---|---|---|
//! | a message in `Output::send` | at once | rests on durable state only |
//! | a message in `Output::send_after_persist(n)` | batch `n` is durable | 1.6, Figure 2 |
//! | persist batch `n + 1` to the log | batch `n` was handed over; it need not be done | 1.6 |
//! | an entry counts for commit | it is durable on a majority, by raft's own count | contract 1 |
//! | an entry is applied | it is committed, and the entry before it is applied | 6.1 |
//! | a write is answered | its index is applied *and published* | 6.1, 7.1 |
//! | a watcher is told of an event | its revision is published | 6.1 |
//! | a read may be served at an index | a quorum round begun after it arrived is over | 6.3 |
//! | a read is answered | that index is published | 6.1 |
//! | a question about a lease is answered | the same, and no expiry of it is in the log | 8.5 |
//! | where a forwarded write stands | is told before the appends that carry it, on one stream | – |
//! | a snapshot is captured | everything in it is applied, and durable in the own log | 2.1 |
//! | the log is cut at a snapshot | it and a newer one are durable and were read back | 2.2 |
//! | raft hears of a received snapshot | its file is durable, verified, and makes a store | 2.4 |
//! | its state takes the place of ours | "the log starts there" is durable | 2.4 |
//! | an entry is applied | is not while a snapshot waits to take over | 2.4 |
//! | a snapshot of ours stays when the state is wrong | a check after it found us right | 10.3 |
//! | anything is served, or a snapshot given | is not once the state was found to be wrong | 10.3 |
//!
//! Within one call of `take_effects`, effects may be carried out in any order but this: messages
//! for one peer in the order given, log requests in the order given.

use std::collections::VecDeque;

use raft::{Envelope, Output, PersistNumber};
use store::Outcome;

use crate::api::PeerMessage;
use crate::lease::Leasing;
use crate::replica::Replica;
use crate::{Effects, LogReply, LogRequest, Purpose, Stop};

/// Messages that wait for the disk.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    durable: PersistNumber,
    waiting: VecDeque<(PersistNumber, Envelope)>,
}

impl Gate {
    fn hold(&mut self, number: PersistNumber, envelope: Envelope) {
        assert!(
            self.waiting.back().is_none_or(|(before, _)| *before <= number),
            "messages wait for batches in order"
        );
        self.waiting.push_back((number, envelope));
    }

    fn persisted(&mut self, number: PersistNumber) {
        assert!(number > self.durable, "batches become durable in order, once each");
        self.durable = number;
    }

    fn release(&mut self) -> Option<Envelope> {
        let (number, _) = self.waiting.front()?;
        if *number > self.durable {
            return None;
        }
        self.waiting.pop_front().map(|(_, envelope)| envelope)
    }
}

impl Replica {
    /// What is to be done now. Call after each batch of inputs.
    pub fn take_effects(&mut self) -> Effects {
        if !self.stopped {
            self.forget_split_if_deposed();
            self.hand_over_held();
            self.hand_over_lease_requests();
            let output = self.raft.take_output();
            self.carry_out(output);
            self.watch_transfer();
            self.freshness.note(self.raft.heard_commit(), self.applier.applied());
        }
        self.effects.answers.append(&mut self.pending.answers);
        std::mem::take(&mut self.effects)
    }

    fn carry_out(&mut self, output: Output) {
        let Output {
            send,
            persist,
            send_after_persist,
            commit,
            read,
            snapshots_wanted,
            reads_ready,
            reads_failed,
            configuration,
            events,
        } = output;
        for envelope in send {
            self.send(envelope);
        }
        if let Some(start) = persist.as_ref().filter(|persist| persist.start.is_some()) {
            self.start_is_in(start.number);
        }
        self.effects.log.extend(persist.map(LogRequest::Persist));
        for (number, envelope) in send_after_persist {
            self.gate.hold(number, envelope);
        }
        self.release_messages();
        if let Some(index) = commit {
            self.applier.commit_to(index);
        }
        self.effects.log.extend(read.into_iter().map(LogRequest::from));
        for member in snapshots_wanted {
            self.send_snapshot(member);
        }
        for ready in reads_ready {
            if Leasing::owns(ready.id) {
                self.lease_round_confirmed(ready);
            } else {
                self.pending.read_confirmed(ready);
            }
        }
        // Rounds about leases end with leadership, which is seen elsewhere.
        for id in reads_failed.into_iter().filter(|id| !Leasing::owns(*id)) {
            self.pending.read_failed(id);
        }
        self.serve_reads();
        if configuration.is_some() || commit.is_some() && self.configuration_unsettled {
            self.reconfigured();
        }
        self.effects.events.extend(events);
    }

    /// The log thread answers.
    pub fn log_reply(&mut self, now: raft::Now, reply: LogReply) {
        if self.stopped {
            return;
        }
        self.now = now;
        match reply {
            LogReply::Persisted(number) => {
                self.gate.persisted(number);
                self.raft.persisted(now, number);
                self.release_messages();
                self.take_over_if_ready(number);
            }
            LogReply::Entries { purpose: Purpose::Replicate(member), entries } => {
                self.raft.entries_read(member, entries);
            }
            LogReply::Entries { purpose: Purpose::Apply, entries } => {
                self.applier.entries_read(entries);
            }
            LogReply::Cut { .. } => {}
            LogReply::Failed(reason) => self.stop(Stop::Log(reason)),
        }
    }

    /// Applies committed entries for one turn of bounded work (about 2 ms at most). Whether there
    /// is more to do: then call again, after the inputs that arrived meanwhile.
    pub fn apply_turn(&mut self) -> bool {
        if self.stopped {
            return false;
        }
        let (log, units) = (self.raft.log(), self.turn_units);
        match self.applier.turn(log, units, &mut self.effects.log) {
            Ok(applied) => {
                let any = !applied.is_empty();
                self.effects.published |= any;
                for applied in applied {
                    self.snapshots.applied(applied.bytes as u64);
                    let configuration = applied.configuration.clone().map(|c| (applied.id, c));
                    self.watch_applied(applied.id.index, &applied.outcome);
                    if let Outcome::Expired { revision, keys: 1.., .. } = applied.outcome {
                        self.effects.expired.push(revision);
                    }
                    self.lease_applied(&applied);
                    self.pending.applied(applied);
                    if let Some((id, payload)) = configuration {
                        self.configuration_applied(id, &payload);
                    }
                }
                if any {
                    self.leases_applied();
                }
                self.serve_reads();
                if any && !self.stopped {
                    self.write_snapshot_if_due();
                }
                !self.stopped && self.applier.has_work()
            }
            Err(error) => {
                self.stop(Stop::Apply(error));
                false
            }
        }
    }

    /// Removes some of what compaction gave up, for one turn of bounded work. Whether there is more
    /// to do. Answers go out before.
    ///
    /// A version costs as much to remove as to write, so a member that applies without a pause may
    /// remove as much as it applies, or it would keep ever more. Otherwise turns are short: the
    /// next one follows at once, and whatever arrives waits for one at most.
    pub fn sweep_turn(&mut self) -> bool {
        let units = if self.applier.has_work() { self.turn_units } else { self.turn_units / 4 };
        !self.stopped && self.applier.sweep(units)
    }

    fn serve_reads(&mut self) {
        self.pending.serve_reads(self.applier.applied());
        self.answer_leases();
    }

    fn release_messages(&mut self) {
        while let Some(envelope) = self.gate.release() {
            self.send(envelope);
        }
    }

    fn send(&mut self, Envelope { to, message }: Envelope) {
        self.effects.send.push((to, PeerMessage::Raft(message)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft::{Body, MemberId, Message, Term};

    fn envelope(term: u64) -> Envelope {
        let message = Message { term: Term(term), body: Body::TimeoutNow };
        Envelope { to: MemberId(1), message }
    }

    #[test]
    fn a_message_leaves_only_once_its_batch_is_durable() {
        let mut gate = Gate::default();
        gate.hold(PersistNumber(1), envelope(1));
        gate.hold(PersistNumber(3), envelope(3));
        assert_eq!(gate.release(), None);
        gate.persisted(PersistNumber(2));
        assert_eq!(gate.release(), Some(envelope(1)));
        assert_eq!(gate.release(), None);
        gate.persisted(PersistNumber(3));
        assert_eq!(gate.release(), Some(envelope(3)));
    }
}
