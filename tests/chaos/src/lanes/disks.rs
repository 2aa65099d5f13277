//! Disks that are full or fail, and clocks.

use fastrand::Rng;

use super::{anybody, start};
use crate::fault::Fault::*;
use crate::plan::Step;
use crate::stage::Stage;
use crate::world::State;

/// A clock is off by so much at most: it may be another year.
const OFF_MS_MAX: i64 = 400 * 24 * 3_600_000;

pub(crate) fn strike(stage: &Stage, step: &Step, random: &mut Rng) {
    match step.fault {
        FullDisk => full(stage, step, random),
        DiskError => errors(stage, step, random),
        _ => clock(stage, step, random),
    }
}

/// One or several are full. Members need not live through the very moment: some have a file to
/// grow just then.
fn full(stage: &Stage, step: &Step, random: &mut Rng) {
    let seats = anybody(stage, random);
    let mut world = stage.world();
    let small: Vec<usize> =
        seats.into_iter().filter(|seat| world.disk_of(*seat).is_some()).collect();
    let count = if small.is_empty() { 0 } else { random.usize(1..=small.len()) };
    if count == 0 {
        drop(world);
        return stage.skipped(FullDisk, "nobody has a small disk");
    }
    let small = &small[..count];
    let might_end: Vec<bool> = small.iter().map(|seat| world.seats[*seat].may_end).collect();
    for seat in small {
        world.seats[*seat].may_end = true;
        world.disk_of(*seat).expect("they were chosen for it").fill();
    }
    drop(world);
    let names: Vec<String> = small.iter().map(|seat| stage.name(*seat)).collect();
    stage.struck(FullDisk, &names.join(", "));
    stage.rest(step.lasts);
    // Whoever was told of the end by then has ended.
    stage.supervise();
    let mut world = stage.world();
    for (seat, might_end) in small.iter().zip(might_end) {
        world.disk_of(*seat).expect("they were chosen for it").empty();
        world.seats[*seat].may_end = might_end;
    }
}

/// Writes of the log fail, so its member ends; it comes back when the disk is well.
fn errors(stage: &Stage, step: &Step, random: &mut Rng) {
    if !stage.world().has_dials() {
        return stage.skipped(DiskError, "nothing comes between a member and its system");
    }
    let Some(victim) = stage.hold(anybody(stage, random)) else {
        return stage.skipped(DiskError, "somebody else is at it");
    };
    stage.struck(DiskError, &stage.name(victim));
    let failing = |fails| stage.world().dials_of(victim).set_failing(fails);
    failing(true);
    let mut ended = None;
    stage.poll(step.lasts, || {
        ended = stage.world().seats[victim].member.try_ended();
        ended.is_some()
    });
    failing(false);
    let failed = stage.world().dials_of(victim).failed();
    stage.say(&format!("{failed} writes and flushes have failed on its machine so far"));
    stage.world().seats[victim].may_end = true;
    if let Some(status) = ended {
        stage.judge_end(victim, status);
        stage.world().seats[victim].state = State::Down;
        start(stage, victim);
    }
    stage.release(victim);
}

fn clock(stage: &Stage, step: &Step, random: &mut Rng) {
    if !stage.world().has_dials() {
        return stage.skipped(ClockJump, "nothing comes between a member and its system");
    }
    let victim = anybody(stage, random)[0];
    // From seconds to a year, each as likely.
    let off_ms = OFF_MS_MAX >> random.u32(0..25);
    let off_ms = if random.bool() { off_ms } else { -off_ms };
    stage.struck(ClockJump, &format!("{} by {} s", stage.name(victim), off_ms / 1_000));
    stage.world().dials_of(victim).set_clock(off_ms);
    stage.rest(step.lasts);
    stage.world().dials_of(victim).set_clock(0);
}
