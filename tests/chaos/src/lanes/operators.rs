//! What operators do, and what disks do to files at rest. One thing at a time, to its end: nothing
//! is promised to those who lose a second disk before the first is mended.

use std::time::Duration;

use fastrand::Rng;

use super::{anybody, start};
use crate::fault::Fault::*;
use crate::plan::Step;
use crate::stage::Stage;
use crate::world::{State, rot};

/// A cluster is never made smaller than this.
const MEMBERS_MIN: usize = 3;

/// A member that was told to stop has ended by then.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// A member that was started serves by then, if the others let it; then the next one's turn comes.
const START_PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn strike(stage: &Stage, step: &Step, random: &mut Rng) {
    match step.fault {
        BitFlip => flip(stage, random),
        RollingRestart => {
            stage.struck(RollingRestart, "all");
            let seats = anybody(stage, random);
            seats.into_iter().for_each(|seat| restart_in_good_order(stage, seat));
        }
        Add => add(stage),
        Remove => remove(stage, random),
        Replace => {
            let Some(victim) = stage.hold(anybody(stage, random)) else {
                return stage.skipped(Replace, "somebody else is at it");
            };
            stage.struck(Replace, &stage.name(victim));
            stage.world().kill(&[victim]);
            replace(stage, victim);
        }
        _ => match stage.ask(stage.client.transfer(None)) {
            Ok(to) => stage.struck(Transfer, &to.name),
            Err(_) => stage.skipped(Transfer, "it is refused"),
        },
    }
}

/// Tells a member to stop, and starts it again. Whoever is held by somebody else is passed over.
pub(crate) fn restart_in_good_order(stage: &Stage, seat: usize) {
    let Some(seat) = stage.hold([seat]) else { return };
    {
        let world = stage.world();
        if !world.seats[seat].member.has_ended() {
            world.seats[seat].member.terminate();
        }
    }
    let ended = || stage.world().seats[seat].member.try_ended().is_some();
    if !stage.poll(STOP_PATIENCE, ended) && stage.left() > Duration::ZERO {
        stage.broken(format!("{} does not stop when it is told to", stage.name(seat)));
    }
    stage.world().kill(&[seat]);
    start(stage, seat);
    stage.release(seat);
    stage.poll(START_PATIENCE.min(stage.left()), || {
        stage.status_of(seat).is_some_and(|status| status.part.is_some())
    });
}

/// A bit of a stopped member's files turns over. It repairs itself with what others have, or
/// refuses to start, and then somebody new takes its place, as docs/operations.md has it.
fn flip(stage: &Stage, random: &mut Rng) {
    let leader = stage.leader();
    let others = anybody(stage, random).into_iter().filter(|seat| Some(*seat) != leader);
    let Some(victim) = stage.hold(others) else {
        return stage.skipped(BitFlip, "somebody else is at it");
    };
    stage.world().kill(&[victim]);
    let data = stage.world().seats[victim].member.data();
    let Some(place) = rot::turn_a_bit(&data, random) else {
        start(stage, victim);
        stage.release(victim);
        return stage.skipped(BitFlip, "it has no file yet");
    };
    stage.struck(BitFlip, &format!("{}: {place}", stage.name(victim)));
    let target = leader.and_then(|leader| stage.status_of(leader)?.part);
    let target = target.map_or(0, |part| part.log.commit);
    start(stage, victim);
    let mut ended = None;
    stage.poll(stage.left(), || {
        ended = stage.world().seats[victim].member.try_ended();
        let part = || stage.status_of(victim).and_then(|status| status.part);
        ended.is_some() || part().is_some_and(|part| part.log.applied >= target)
    });
    match ended {
        None => stage.release(victim),
        Some(status) => {
            stage.world().seats[victim].may_end = true;
            stage.judge_end(victim, status);
            stage.world().seats[victim].state = State::Down;
            replace(stage, victim);
        }
    }
}

/// Somebody new takes the place of a member that was ended; waits until it votes.
fn replace(stage: &Stage, old: usize) {
    let new = stage.world().replace(old);
    join(stage, new);
}

fn add(stage: &Stage) {
    let joined = stage.world().join();
    let Some(new) = joined else { return stage.skipped(Add, "no machine is free") };
    stage.struck(Add, &stage.name(new));
    join(stage, new);
}

/// Starts a member that is new, and waits until it votes. If it ends before that, it is started
/// again: whom it asked may not have known a leader.
fn join(stage: &Stage, new: usize) {
    {
        let mut world = stage.world();
        world.start(new);
        world.seats[new].may_end = true;
    }
    if stage.poll(stage.left(), || stage.votes(new)) {
        stage.say(&format!("{} votes", stage.name(new)));
        stage.world().seats[new].may_end = false;
    }
}

fn remove(stage: &Stage, random: &mut Rng) {
    let seats = anybody(stage, random);
    if seats.len() <= MEMBERS_MIN {
        return stage.skipped(Remove, "three are left");
    }
    let Some(victim) = stage.hold(seats) else {
        return stage.skipped(Remove, "somebody else is at it");
    };
    let name = stage.world().seats[victim].member.name().to_owned();
    let removed = match stage.ask(stage.client.remove_member(&name)) {
        Ok(_) => true,
        Err(client::Error::Unknown { .. }) => {
            let is_gone = || {
                let cluster = stage.cluster();
                cluster.is_some_and(|it| it.members.iter().all(|member| member.name != name))
            };
            stage.poll(START_PATIENCE.min(stage.left()), is_gone)
        }
        Err(_) => false,
    };
    if removed {
        stage.struck(Remove, &stage.name(victim));
        // It ends by itself when it is told, if the others reach it.
        let ended = || stage.world().seats[victim].member.try_ended().is_some();
        stage.poll(START_PATIENCE.min(stage.left()), ended);
        let mut world = stage.world();
        world.kill(&[victim]);
        world.seats[victim].state = State::Gone;
    } else {
        // Should it come about all the same, the member ends with a code of its own.
        stage.skipped(Remove, "it is refused");
    }
    stage.release(victim);
}
