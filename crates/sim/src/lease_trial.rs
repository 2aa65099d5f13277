//! A lease in a cluster that is well: the last trial, after the healing, in some lives.
//!
//! Somebody grants a lease without keys, keeps it alive once, and leaves it. The question must be
//! answered, and the lease be gone soon after its time, with nothing else going on in the cluster
//! that would make a leader look. The same goes for whatever leases the life has left.
//!
//! ```text
//!   granted ── asked to be kept alive ── answered ── its time to live ─┬─ gone
//!                                                                      └ 500 ms and a commit
//! ```

use raft::{MemberId, Term};
use replica::{LeaseAsk, Ticket};
use store::{Command, LEASE_TTL_S_MIN, LeaseId};

use crate::life::Life;
use crate::model::Lease;
use crate::oracle::Asked;
use crate::time::Span;
use crate::transactions::by_name;
use crate::workload::Asker;

/// No client speaks of it, and no entry has such a number.
const LEASE: LeaseId = LeaseId(2_000_000);
/// A copy of a question that was on its way when the faults ended arrives within this time.
const LATE: Span = Span(1_000_000);
/// Whoever asks has so many election timeouts, which a cluster that is well does not need.
const PATIENCE_TIMEOUTS: u64 = 8;

/// How far the trial has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeaseTrial {
    leader: MemberId,
    term: Term,
    /// The age of the cluster when it began: no lease was kept alive later, but for this one.
    began_ms: u64,
    asked: Option<Ticket>,
    /// The age when the question was answered.
    kept_ms: Option<u64>,
}

/// What a watched trial comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trial {
    GoesOn,
    Passed,
    /// Another leads by now: how long leases live is told from anew.
    GivenUp,
}

impl Life {
    /// Begins one, if all is quiet.
    pub(crate) fn begin_lease_trial(&mut self) -> Option<LeaseTrial> {
        let (leader, term) = self.newest_leader()?;
        let began = self.healing.as_ref()?.began();
        let rests = |id: &MemberId| {
            self.members[id].process.as_ref().is_some_and(|process| process.log.is_idle())
        };
        if self.now().since(began).0 < LATE.0 || !self.members_left().iter().all(rests) {
            return None;
        }
        let began_ms = self.age_by(leader)?;
        let grant = Command::LeaseGrant { lease: LEASE, ttl_s: LEASE_TTL_S_MIN };
        self.ask_in_trial(Asked::Write(by_name("the lease of the trial", grant)));
        Some(LeaseTrial { leader, term, began_ms, asked: None, kept_ms: None })
    }

    /// Looks how far it is.
    pub(crate) fn watch_lease_trial(&mut self, trial: &mut LeaseTrial) -> Trial {
        if self.newest_leader() != Some((trial.leader, trial.term)) {
            return Trial::GivenUp;
        }
        let Some(age_ms) = self.age_by(trial.leader) else { return Trial::GivenUp };
        self.check_nothing_is_overdue(trial.leader);
        let leases = self.ledger.model().leases();
        for lease in leases.iter().filter(|lease| lease.ended.is_none()) {
            self.check_not_overdue(lease, trial, age_ms);
        }
        let own = leases.iter().find(|lease| lease.grant.lease == LEASE);
        let (granted, ended) = (own.is_some(), own.is_some_and(|lease| lease.ended.is_some()));
        match trial.asked {
            None if granted => {
                trial.asked = Some(self.ask_in_trial(Asked::Lease(LEASE, LeaseAsk::KeepAlive)));
            }
            Some(ticket) if trial.kept_ms.is_none() && !self.waiting.contains_key(&ticket) => {
                let kept = self.leases.was_kept_alive(ticket);
                assert!(kept, "lease: a keep-alive was not answered by a cluster that is well");
                trial.kept_ms = Some(age_ms);
            }
            _ => {}
        }
        if ended { Trial::Passed } else { Trial::GoesOn }
    }

    fn check_not_overdue(&self, lease: &Lease, trial: &LeaseTrial, age_ms: u64) {
        let is_waited_for = trial.asked.is_some() && trial.kept_ms.is_none();
        let own = lease.grant.lease == LEASE;
        if own && is_waited_for {
            return;
        }
        let kept_ms = trial.kept_ms.filter(|_| own).unwrap_or(trial.began_ms);
        let until_ms = kept_ms.max(lease.granted_age_ms) + lease.ttl_s * 1_000;
        assert!(
            age_ms <= until_ms + self.gone_within_ms(),
            "expiry: {lease:?} lives until {until_ms} and is there at {age_ms}, under leader {}",
            trial.leader
        );
    }

    fn ask_in_trial(&mut self, asked: Asked) -> Ticket {
        let (ticket, members) = (self.next_ticket(), self.members_left());
        let member = self.random.pick(&members);
        let timeout_ms = self.plan.timers.election_timeout_ms * PATIENCE_TIMEOUTS;
        self.ask(ticket, Asker::Once, member, asked, true, timeout_ms);
        ticket
    }

    fn age_by(&self, leader: MemberId) -> Option<u64> {
        self.members[&leader].process.as_ref().map(|process| process.replica.raft().age_ms())
    }
}
