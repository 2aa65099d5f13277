//! Processes that die, or stand still.

use fastrand::Rng;

use super::{anybody, start};
use crate::fault::Fault::*;
use crate::plan::Step;
use crate::stage::Stage;
use crate::world::State;

pub(crate) fn strike(stage: &Stage, step: &Step, random: &mut Rng) {
    let mut candidates = anybody(stage, random);
    if matches!(step.fault, KillLeader | PauseLeader) {
        let Some(leader) = stage.leader() else {
            return stage.skipped(step.fault, "nobody leads");
        };
        candidates = vec![leader];
    }
    let mut victims = Vec::new();
    while let Some(victim) = stage.hold(candidates.iter().copied()) {
        victims.push(victim);
        if step.fault != KillAll {
            break;
        }
    }
    if victims.is_empty() {
        return stage.skipped(step.fault, "somebody else is at it");
    }
    let names: Vec<String> = victims.iter().map(|victim| stage.name(*victim)).collect();
    stage.struck(step.fault, &names.join(", "));
    match step.fault {
        Pause | PauseLeader => pause(stage, step, victims[0]),
        _ => {
            stage.world().kill(&victims);
            stage.rest(step.lasts);
            victims.iter().for_each(|victim| start(stage, *victim));
        }
    }
    victims.iter().for_each(|victim| stage.release(*victim));
}

fn pause(stage: &Stage, step: &Step, victim: usize) {
    let set = |paused: bool| {
        let mut world = stage.world();
        let seat = &mut world.seats[victim];
        // It may just have ended by itself: the supervisor sees to that.
        if seat.member.has_ended() {
            return;
        }
        match paused {
            true => seat.member.pause(),
            false => seat.member.resume(),
        }
        seat.state = if paused { State::Paused } else { State::Up };
    };
    set(true);
    stage.rest(step.lasts);
    set(false);
}
