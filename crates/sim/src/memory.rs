//! Members that are short of memory, in some lives (rule 11.2, decision 007).
//!
//! Now and then a member, or all, get a limit that they are near, or over, and some time later
//! none. What grows is refused then, by type, and never happens; whatever else is asked goes on;
//! the leader gives up the past. Whoever is started again has no limit at first.
//!
//! At the end all get a limit that they are over as things are, and would not be without the past.
//! The members' own writes after the healing grow: they are done only if that lifts by itself.

use raft::MemberId;
use store::Published;

use crate::life::{Happening, Life};
use crate::member::{Input, Process};
use crate::random::Random;
use crate::time::Span;

/// Tells this source of chance from the others of the life.
const SALT: u64 = 0x006d_656d_6f72_7900;
/// So many lives of a thousand are short of memory at times.
const SHORT_PER_MILLE: u64 = 200;
/// So many of a thousand times a limit is lifted.
const LIFTED_PER_MILLE: u64 = 600;
/// No limit is so small that a few writes are much of it.
const LIMIT_BYTES_MIN: u64 = 20_000;
/// What is retained is so many percent of the limit that is set: from 70 on the past is given up,
/// from 90 on what grows is refused.
const PERCENT: [u64; 5] = [60, 75, 89, 95, 120];
/// At the end, without the past: below the 85 at which a shortage is over.
const WITHOUT_THE_PAST_PERCENT: u64 = 65;
/// With it, if it is large: more than the 90 at which one begins.
const WITH_THE_PAST_PERCENT: u64 = 97;
/// Whoever runs at the end may lack so many of the last entries, and still tells what all retain.
const BEHIND_MAX: u64 = 5;
/// To give up the past for memory may take a second try, and a leader waits three seconds for it.
const LIFTS_WITHIN: Span = Span(5_000_000);

/// How short of memory members are in this life.
#[derive(Debug)]
pub(crate) struct Shortage {
    random: Random,
    /// There is any.
    pub(crate) is_on: bool,
    /// All got a limit at the end that they were over.
    pub(crate) at_the_end: bool,
}

impl Shortage {
    pub(crate) fn new(seed: u64) -> Shortage {
        let mut random = Random::new(seed ^ SALT);
        let is_on = random.chance(SHORT_PER_MILLE);
        Shortage { random, is_on, at_the_end: false }
    }

    /// When it begins, if it does.
    pub(crate) fn first(&mut self) -> Option<Span> {
        self.is_on.then(|| Span(self.random.between(500_000, 3_000_000)))
    }

    /// The healing may take so much longer for it.
    pub(crate) fn grace(&self) -> Span {
        if self.at_the_end { LIFTS_WITHIN } else { Span(0) }
    }
}

impl Life {
    /// Sets limits, or lifts them.
    pub(crate) fn limit_memory(&mut self) {
        if self.healing.is_some() {
            return;
        }
        let rest = Span::ms(4 * self.plan.timers.election_timeout_ms);
        self.queue.plan_in(rest, Happening::Memory);
        let running: Vec<MemberId> =
            self.remaining().into_iter().filter(|&id| self.runs(id)).collect();
        if running.is_empty() {
            return;
        }
        let random = &mut self.shortage.random;
        let (lifted, percent) = (random.chance(LIFTED_PER_MILLE), random.pick(&PERCENT));
        let struck = if random.coin() { vec![random.pick(&running)] } else { running };
        for id in struck {
            let used = self.process(id).replica.reader().published().retained_bytes;
            let limit_bytes = if lifted { 0 } else { (used * 100 / percent).max(LIMIT_BYTES_MIN) };
            self.ledger.memory_is_limited();
            self.give(id, Input::MemoryLimit(limit_bytes));
        }
    }

    /// The faults are over: who runs gets a limit under which it lacks memory because of the past,
    /// the others none.
    pub(crate) fn limit_memory_at_the_end(&mut self) {
        if !self.shortage.is_on {
            return;
        }
        let running: Vec<MemberId> =
            self.members.keys().copied().filter(|&id| self.runs(id)).collect();
        let limit = self.limit_over_the_past(&running);
        self.shortage.at_the_end = limit.is_some();
        self.ledger.memory_is_limited();
        for id in running {
            self.give(id, Input::MemoryLimit(limit.unwrap_or(0)));
        }
    }

    /// What these retain now is too much for it, and without the past is not; none if they retain
    /// little, or lack too much of the log to tell.
    fn limit_over_the_past(&self, running: &[MemberId]) -> Option<u64> {
        let shown = running.iter().map(|&id| self.process(id).replica.reader().published());
        let shown: Vec<Published> = shown.collect();
        let newest = self.ledger.last().0;
        let is_near = |shown: &Published| shown.applied_index + BEHIND_MAX >= newest;
        let without_past =
            |shown: &Published| shown.retained_bytes.saturating_sub(shown.history_bytes);
        let all = shown.iter().map(|shown| shown.retained_bytes).max()?;
        let live = shown.iter().map(without_past).max()?;
        let limit = all * 100 / WITH_THE_PAST_PERCENT;
        let limit = limit.max(live * 100 / WITHOUT_THE_PAST_PERCENT);
        (shown.iter().any(is_near) && limit > 2 * LIMIT_BYTES_MIN).then_some(limit)
    }

    fn process(&self, id: MemberId) -> &Process {
        self.members[&id].process.as_ref().expect("it runs")
    }
}
