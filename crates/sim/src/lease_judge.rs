//! The judge of what the leader says of leases (rule 8.5).
//!
//! What is answered must be true of some moment between question and answer, by the committed log:
//!
//! - *not there* is said only if the lease was not there at one of these moments;
//! - *there* only if it was, of the grant that is named;
//! - whoever was told that it is kept alive was promised its full time from the question on: no
//!   expiry ends it at a lower age.
//!
//! The age of the cluster at the question is not known from outside, but it is not below that of
//! what was committed by then.

use std::collections::BTreeMap;

use raft::{EntryKind, Index, MemberId};
use replica::{Done, Failure, LeaseAsk, LeaseStanding, Ticket};
use store::{Command, Grant, KeyRange, LeaseId, Outcome};

use crate::ledger::Ledger;
use crate::life::Life;
use crate::model::Lease;
use crate::oracle::Asked;
use crate::plan::Plan;
use crate::time::Span;
use crate::workload::Asker;

/// What is due is gone so much later, in ms, and what a commit takes beside that.
const GONE_WITHIN_MS: u64 = 500;

#[derive(Debug, Default)]
pub(crate) struct LeaseJudge {
    asked: BTreeMap<Ticket, Question>,
    /// No expiry may end the grant at a lower age, ms.
    promised: BTreeMap<Grant, u64>,
    /// The question by which a lease was kept alive last.
    kept_last: Option<Ticket>,
    /// Keys and leases that were ended for want of time.
    expired: (u64, u64),
}

/// A question that waits.
#[derive(Clone, Copy, Debug)]
struct Question {
    lease: LeaseId,
    ask: LeaseAsk,
    /// What was committed when it was asked, and the age of that.
    after: Index,
    age_ms: u64,
}

impl LeaseJudge {
    pub(crate) fn asked(&mut self, ticket: Ticket, lease: LeaseId, ask: LeaseAsk, ledger: &Ledger) {
        let after = ledger.last();
        let age_ms = ledger.get(after).map_or(0, |committed| committed.entry.age_ms);
        self.asked.insert(ticket, Question { lease, ask, after, age_ms });
    }

    pub(crate) fn failed(&mut self, ticket: Ticket) {
        self.asked.remove(&ticket);
    }

    pub(crate) fn answered(
        &mut self,
        ticket: Ticket,
        standing: Option<LeaseStanding>,
        ledger: &Ledger,
    ) {
        let question = self.asked.remove(&ticket).expect("only questions are answered");
        let Question { lease: id, ask, after, age_ms } = question;
        let leases = ledger.model().leases();
        let Some(standing) = standing else {
            let all_the_time = |lease: &Lease| {
                lease.grant.lease == id && lease.grant.index <= after.0 && lease.ended.is_none()
            };
            let there = leases.iter().find(|lease| all_the_time(lease));
            assert!(there.is_none(), "lease: {ticket:?} was told that {there:?} is not there");
            return;
        };
        let grant = Grant { lease: id, index: standing.granted_index };
        let lease = leases.iter().find(|lease| lease.grant == grant);
        let lease = lease.unwrap_or_else(|| panic!("lease: {ticket:?} was told of {grant:?}"));
        assert!(
            lease.ended.is_none_or(|ended| ended > after.0),
            "lease: {ticket:?}, asked after {after}, was told that {lease:?} is there"
        );
        assert_eq!(standing.ttl_s, lease.ttl_s, "lease: {ticket:?} was told of another time");
        if ask == LeaseAsk::KeepAlive {
            self.kept_last = Some(ticket);
            let until_ms = age_ms + lease.ttl_s * 1_000;
            let promised = self.promised.entry(grant).or_default();
            *promised = (*promised).max(until_ms);
            self.check(lease);
        }
    }

    /// Whether a lease was kept alive by this question, and by no later one.
    pub(crate) fn was_kept_alive(&self, ticket: Ticket) -> bool {
        self.kept_last == Some(ticket)
    }

    /// The lease was ended.
    fn ended(&mut self, lease: &Lease) {
        self.check(lease);
    }

    fn check(&self, lease: &Lease) {
        let Some(promised_ms) = self.promised.get(&lease.grant) else { return };
        assert!(
            lease.expired_at_ms.is_none_or(|expired_ms| expired_ms >= *promised_ms),
            "lease: {lease:?} was promised until the age of {promised_ms}"
        );
    }

    /// How many keys and leases were ended for want of time.
    pub(crate) fn expired(&self) -> (u64, u64) {
        self.expired
    }
}

impl Life {
    /// What went by itself with the entries that were committed after that one.
    pub(crate) fn note_what_ended(&mut self, before: Index) {
        let (model, mut over) = (self.ledger.model(), Vec::new());
        for committed in self.ledger.iter().skip(before.0 as usize) {
            let index = committed.entry.id.index.0;
            let gone = match committed.outcome {
                Outcome::Expired { leases, keys, .. } => {
                    self.leases.expired.0 += keys;
                    self.leases.expired.1 += leases;
                    keys > 0
                }
                Outcome::LeaseRevoked { count, .. } => count > 0,
                _ => continue,
            };
            if gone {
                for touched in model.touched(&KeyRange::all(), committed.revision) {
                    self.history.vanished(index, &touched.key);
                }
            }
            for lease in model.leases().iter().filter(|lease| lease.ended == Some(index)) {
                self.leases.ended(lease);
                over.push(lease.grant.lease);
            }
        }
        // Whoever does not know yet that it is over, as a deposed leader may not, must not say
        // that it is there.
        for lease in over {
            for member in self.remaining() {
                if self.runs(member) {
                    self.ask_about(lease, member);
                }
            }
        }
    }

    /// A leader has appended an entry: what it ends there is asked about before that is decided.
    pub(crate) fn ask_about_the_going(&mut self, leader: MemberId) {
        let Some(process) = &self.members[&leader].process else { return };
        let raft = process.replica.raft();
        let (log, commit) = (raft.log(), raft.commit());
        if !raft.is_leader() || log.last().index <= commit {
            return;
        }
        let newest = log.entries(log.last().index, log.last().index, usize::MAX);
        let newest = newest.into_iter().flatten().next();
        let payload = newest.filter(|entry| entry.kind == EntryKind::Command);
        let command = payload.map(|entry| Command::decode(entry.payload));
        if let Some(Ok(Command::Expire { leases, .. })) = command {
            for grant in leases {
                self.ask_about(grant.lease, leader);
            }
        }
    }

    fn ask_about(&mut self, lease: LeaseId, member: MemberId) {
        if self.healing.is_none() {
            let (ticket, asked) = (self.next_ticket(), Asked::Lease(lease, LeaseAsk::KeepAlive));
            let timeout_ms = self.plan.timers.election_timeout_ms;
            self.ask(ticket, Asker::Once, member, asked, true, timeout_ms);
        }
    }

    pub(crate) fn finish_lease(&mut self, ticket: Ticket, result: &Result<Done, Failure>) {
        match result {
            Ok(Done::Lease { standing }) => {
                self.leases.answered(ticket, *standing, &self.ledger);
                self.oracle.lease_answered(ticket, true);
            }
            Ok(other) => panic!("oracle: a question about a lease was answered {other:?}"),
            Err(_) => {
                self.leases.failed(ticket);
                self.oracle.lease_answered(ticket, false);
            }
        }
    }

    /// While a leader leads undisturbed, what is due is gone soon.
    pub(crate) fn check_nothing_is_overdue(&self, leader: MemberId) {
        let Some(process) = &self.members[&leader].process else { return };
        let age_ms = process.replica.raft().age_ms();
        let Some(due_ms) = self.ledger.model().next_due_ms() else { return };
        assert!(
            age_ms <= due_ms + self.gone_within_ms(),
            "expiry: a key lives until {due_ms} and is there at {age_ms}, under the leader {leader}"
        );
    }

    /// What is due is gone so soon, in ms, while a leader leads undisturbed.
    pub(crate) fn gone_within_ms(&self) -> u64 {
        let Plan { delay: (_, delay), flush: (_, flush), wake, .. } = &self.plan;
        // There and back, both disks, every thread between; and for an entry before it as much.
        let commit = Span(2 * (2 * delay.0 + 2 * flush.0 + 4 * wake.0));
        GONE_WITHIN_MS + commit.0 / 1_000
    }
}
