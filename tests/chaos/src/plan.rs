//! What is done to a cluster in a life, and when: drawn from a seed, so that a seed means the same
//! plan everywhere. What comes of it is up to the processes.
//!
//! A plan has lanes. A lane does one thing after the other; lanes go on at the same time, so that a
//! partition meets a full disk, and a kill a change of members.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

use crate::fault::Fault::{self, *};

/// Before anything is done, clients are under way for so long.
const WARM_UP_MS: u64 = 3_000;

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Partitions,
    Links,
    Processes,
    Disks,
    Operators,
}

/// A lane, what it does and how often, how long that lasts, and how long it rests before (in ms).
type Habits = (Lane, &'static [(Fault, u32)], [u64; 2], [u64; 2]);

/// The lanes that there are.
const LANES: [Habits; 5] = [
    (
        Lane::Partitions,
        &[(Minority, 3), (LeaderAlone, 3), (Ring, 2), (OneWay, 3), (Shattered, 1)],
        [1_000, 7_000],
        [1_000, 8_000],
    ),
    (Lane::Links, &[(Loss, 2), (SlowLinks, 2)], [2_000, 8_000], [3_000, 12_000]),
    (
        Lane::Processes,
        &[(Kill, 3), (KillLeader, 3), (KillAll, 1), (Pause, 2), (PauseLeader, 2)],
        [300, 5_000],
        [1_000, 7_000],
    ),
    (Lane::Disks, &[(FullDisk, 2), (DiskError, 2), (ClockJump, 3)], [500, 6_000], [1_500, 8_000]),
    (
        Lane::Operators,
        &[(BitFlip, 3), (RollingRestart, 1), (Add, 2), (Remove, 2), (Replace, 1), (Transfer, 2)],
        [1_000, 1_001],
        [2_000, 8_000],
    ),
];

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Since the clients began.
    pub(crate) at: Duration,
    pub(crate) lasts: Duration,
    pub(crate) fault: Fault,
    /// Whatever else chance has to say: whom it strikes, how hard.
    pub(crate) chance: u64,
}

/// All that is to be done in a life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) lanes: Vec<(Lane, Vec<Step>)>,
}

impl Plan {
    /// Draws a plan that is over at `end`.
    pub(crate) fn draw(seed: u64, end: Duration) -> Plan {
        let mut random = Rng::with_seed(seed);
        let lanes = LANES.iter().map(|(lane, faults, lasts, rests)| {
            let mut random = random.fork();
            let (mut at, mut steps) = (WARM_UP_MS, Vec::new());
            loop {
                at += random.u64(rests[0]..rests[1]);
                let lasts = random.u64(lasts[0]..lasts[1]);
                if Duration::from_millis(at + lasts) > end {
                    return (*lane, steps);
                }
                let [at_time, lasts_time] = [at, lasts].map(Duration::from_millis);
                let (fault, chance) = (one_of(faults, &mut random), random.u64(..));
                steps.push(Step { at: at_time, lasts: lasts_time, fault, chance });
                at += lasts;
            }
        });
        Plan { lanes: lanes.collect() }
    }
}

fn one_of(faults: &[(Fault, u32)], random: &mut Rng) -> Fault {
    let total: u32 = faults.iter().map(|(_, weight)| weight).sum();
    let mut rest = random.u32(..total);
    for (fault, weight) in faults {
        if rest < *weight {
            return *fault;
        }
        rest -= weight;
    }
    unreachable!("the weights add up to {total}")
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (lane, steps) in &self.lanes {
            writeln!(f, "{}", format!("{lane:?}").to_lowercase())?;
            for Step { at, lasts, fault, chance } in steps {
                let (at, lasts) = (at.as_secs_f64(), lasts.as_secs_f64());
                writeln!(f, "  {at:6.1} s  {fault:<28} {lasts:4.1} s  {:04x}", chance >> 48)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::fault::FAULTS;

    const END: Duration = Duration::from_secs(120);

    #[test]
    fn a_seed_is_a_plan() {
        assert_eq!(Plan::draw(7, END), Plan::draw(7, END));
        assert_ne!(Plan::draw(7, END), Plan::draw(8, END));
    }

    #[test]
    fn a_lane_does_one_thing_at_a_time_and_is_over_in_time() {
        for seed in 0..50 {
            for (_, steps) in Plan::draw(seed, END).lanes {
                let ends = steps.iter().map(|step| step.at + step.lasts);
                assert!(steps.iter().skip(1).zip(ends).all(|(next, end)| next.at > end));
                assert!(steps.iter().all(|step| step.at + step.lasts <= END));
            }
        }
    }

    #[test]
    fn every_fault_comes() {
        let plans = (0..20).map(|seed| Plan::draw(seed, END));
        let drawn: BTreeSet<Fault> = plans
            .flat_map(|plan| plan.lanes)
            .flat_map(|(_, steps)| steps)
            .map(|step| step.fault)
            .collect();
        assert_eq!(drawn.len(), FAULTS.len());
    }
}
