//! Who hears whom.

use std::collections::BTreeSet;

use fastrand::Rng;

use super::machines;
use crate::fault::Fault::{self, *};
use crate::plan::Step;
use crate::stage::Stage;

type Cuts = BTreeSet<(usize, usize)>;

/// Of a thousand packets, so many are lost at least and at most.
const LOSS_PER_MILLE: [u64; 2] = [20, 250];

pub(crate) fn strike(stage: &Stage, step: &Step, random: &mut Rng) {
    let machines = machines(stage, random);
    match step.fault {
        Loss => {
            let per_mille = random.u64(LOSS_PER_MILLE[0]..LOSS_PER_MILLE[1]);
            stage.struck(Loss, &format!("{per_mille} of 1000"));
            stage.world().net().lose(per_mille);
            stage.rest(step.lasts);
            stage.world().net().lose(0);
        }
        SlowLinks => {
            let slow = &machines[..random.usize(1..=machines.len())];
            stage.struck(SlowLinks, &format!("machines {}", numbers(slow)));
            slow.iter().for_each(|machine| stage.world().net().slow(*machine, true));
            stage.rest(step.lasts);
            slow.iter().for_each(|machine| stage.world().net().slow(*machine, false));
        }
        partition => {
            let leader = stage.leader().map(|seat| stage.world().seats[seat].machine);
            let (cuts, whom) = cuts(partition, &machines, leader, random);
            stage.struck(partition, &whom);
            stage.world().net().cut(cuts);
            stage.rest(step.lasts);
            stage.world().net().cut(Cuts::new());
        }
    }
}

/// Who does not arrive at whom, and that in words.
fn cuts(
    partition: Fault,
    machines: &[usize],
    leader: Option<usize>,
    random: &mut Rng,
) -> (Cuts, String) {
    let first = leader.filter(|leader| machines.contains(leader)).unwrap_or(machines[0]);
    match partition {
        Minority => {
            let few = &machines[..random.usize(1..=(machines.len() - 1) / 2)];
            (between(few, machines), numbers(few))
        }
        LeaderAlone => (between(&[first], machines), numbers(&[first])),
        Ring => (all_but_neighbours(machines), format!("in the order {}", numbers(machines))),
        OneWay => {
            let is_deaf = random.bool();
            let victim = if random.bool() { first } else { machines[0] };
            let others = machines.iter().filter(|machine| **machine != victim);
            let cuts = others.map(|other| match is_deaf {
                true => (*other, victim),
                false => (victim, *other),
            });
            let what = if is_deaf { "does not hear" } else { "is not heard" };
            (cuts.collect(), format!("machine {} {what}", victim + 1))
        }
        Shattered => (between(machines, machines), "all".to_owned()),
        other => unreachable!("{other} is no partition"),
    }
}

/// Whoever of these is cut off from all of the others: both ways, also from each other if there
/// are no others.
fn between(few: &[usize], all: &[usize]) -> Cuts {
    let is_apart = |a: &usize, b: &usize| a != b && (few.len() == all.len() || !few.contains(b));
    let pairs = few.iter().flat_map(|a| all.iter().map(move |b| (a, b)));
    pairs.filter(|(a, b)| is_apart(a, b)).flat_map(|(a, b)| [(*a, *b), (*b, *a)]).collect()
}

/// Each hears its two neighbours. Three are all neighbours, so their ring is open in one place.
fn all_but_neighbours(machines: &[usize]) -> Cuts {
    let count = machines.len();
    let is_near = |a: usize, b: usize| {
        let apart = a.abs_diff(b);
        apart == 1 || (apart == count - 1 && count > 3)
    };
    let pairs = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
    let far = pairs.filter(|(a, b)| a != b && !is_near(*a, *b));
    far.map(|(a, b)| (machines[a], machines[b])).collect()
}

fn numbers(machines: &[usize]) -> String {
    machines.iter().map(|machine| (machine + 1).to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: [usize; 5] = [0, 1, 2, 3, 4];

    fn cut(partition: Fault, machines: &[usize], leader: usize) -> Cuts {
        cuts(partition, machines, Some(leader), &mut Rng::with_seed(3)).0
    }

    #[test]
    fn a_minority_leaves_a_majority_that_hears_itself() {
        for seed in 0..20 {
            let mut random = Rng::with_seed(seed);
            for machines in [&FIVE[..], &FIVE[..3]] {
                let cuts = cuts(Minority, machines, None, &mut random).0;
                let whole = machines.iter().filter(|a| {
                    machines.iter().filter(|b| !cuts.contains(&(**a, **b))).count()
                        > machines.len() / 2
                });
                assert!(whole.count() > machines.len() / 2, "{cuts:?}");
                assert!(!cuts.is_empty());
            }
        }
    }

    #[test]
    fn a_leader_alone_hears_nobody_and_the_others_hear_each_other() {
        let cuts = cut(LeaderAlone, &FIVE, 3);
        assert_eq!(cuts.len(), 8);
        assert!(cuts.iter().all(|(a, b)| *a == 3 || *b == 3));
    }

    #[test]
    fn in_a_ring_each_hears_two() {
        let cuts = cut(Ring, &FIVE, 0);
        for a in FIVE {
            assert_eq!(FIVE.iter().filter(|b| cuts.contains(&(a, **b))).count(), 2);
        }
        assert_eq!(cut(Ring, &FIVE[..3], 0), [(0, 2), (2, 0)].into());
    }

    #[test]
    fn one_way_is_one_way() {
        let cuts = cut(OneWay, &FIVE, 0);
        assert!(!cuts.is_empty() && cuts.iter().all(|(a, b)| !cuts.contains(&(*b, *a))));
    }

    #[test]
    fn shattered_is_everybody() {
        assert_eq!(cut(Shattered, &FIVE[..3], 0).len(), 6);
    }
}
