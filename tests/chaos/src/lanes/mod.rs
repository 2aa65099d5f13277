//! Those who break things: each goes through its steps, one after the other.

mod disks;
mod network;
mod operators;
mod processes;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;

use crate::plan::{Lane, Plan, Step};
use crate::stage::{INTERRUPTED, Stage};
use crate::world::State;

pub(crate) use operators::restart_in_good_order;

/// How often the supervisor looks.
const LOOK: Duration = Duration::from_millis(300);

/// Does all of a plan; returns when it is over.
pub(crate) fn strike(stage: &Stage, plan: &Plan) {
    supervised(stage, || {
        thread::scope(|scope| {
            for (lane, steps) in &plan.lanes {
                scope.spawn(move || steps.iter().for_each(|step| strike_once(stage, *lane, step)));
            }
        });
    });
}

/// Does something while a supervisor looks after the members.
pub(crate) fn supervised<T>(stage: &Stage, act: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                stage.supervise();
                stage.poll(LOOK, || over.load(Ordering::Relaxed));
            }
        });
        // Also if it panics, so that the supervisor ends.
        let _over = SetWhenDropped(&over);
        act()
    })
}

struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn strike_once(stage: &Stage, lane: Lane, step: &Step) {
    stage.until(step.at);
    if stage.left() < step.lasts || INTERRUPTED.load(Ordering::Relaxed) {
        // An operator took longer than was planned.
        return;
    }
    let mut random = Rng::with_seed(step.chance);
    match lane {
        Lane::Partitions | Lane::Links => network::strike(stage, step, &mut random),
        Lane::Processes => processes::strike(stage, step, &mut random),
        Lane::Disks => disks::strike(stage, step, &mut random),
        Lane::Operators => operators::strike(stage, step, &mut random),
    }
}

/// Those who are there, in an order of chance.
fn anybody(stage: &Stage, random: &mut Rng) -> Vec<usize> {
    let mut seats = stage.world().present();
    random.shuffle(&mut seats);
    seats
}

/// Machines on which somebody is, in an order of chance.
fn machines(stage: &Stage, random: &mut Rng) -> Vec<usize> {
    let seats = anybody(stage, random);
    let world = stage.world();
    seats.into_iter().map(|seat| world.seats[seat].machine).collect()
}

/// Starts a member that was ended.
fn start(stage: &Stage, seat: usize) {
    let mut world = stage.world();
    if world.seats[seat].state == State::Down {
        world.start(seat);
    }
}
