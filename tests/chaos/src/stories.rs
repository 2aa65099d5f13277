//! Failures that have a name, each a short life of its own under the same load, with the same
//! judges. What a life of chance may meet or miss is met here every time.

use std::thread;
use std::time::Duration;

use crate::fault::Fault::*;
use crate::lanes::{restart_in_good_order, supervised};
use crate::stage::Stage;
use crate::world::State;

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Story {
    pub(crate) name: &'static str,
    pub(crate) members: u16,
    /// What is done; it needs dials where it says so.
    pub(crate) act: fn(&Stage),
}

pub(crate) const STORIES: [Story; 7] = [
    Story { name: "retry-after-a-timeout", members: 3, act: retry_after_a_timeout },
    Story { name: "leadership-lost-in-a-write", members: 3, act: leadership_lost_in_a_write },
    Story { name: "follower-needs-a-snapshot", members: 3, act: follower_needs_a_snapshot },
    Story { name: "restart-with-old-state", members: 3, act: restart_with_old_state },
    Story { name: "latency-elects-nobody", members: 3, act: latency_elects_nobody },
    Story { name: "disk-write-fails", members: 3, act: disk_write_fails },
    Story { name: "two-deploys-at-once", members: 3, act: two_deploys_at_once },
];

/// Longer than a client waits for an answer.
const LONGER_THAN_A_TIMEOUT: Duration = Duration::from_secs(4);

/// Longer than followers wait for a leader.
const LONGER_THAN_AN_ELECTION: Duration = Duration::from_secs(4);

/// So often each thing is done.
const TIMES: usize = 2;

/// Links are slow for so long.
const SLOW: Duration = Duration::from_secs(10);

fn leader(stage: &Stage) -> usize {
    let mut leader = None;
    stage.expect("somebody leads", || {
        leader = stage.leader();
        leader.is_some()
    });
    leader.unwrap_or_default()
}

fn follower(stage: &Stage) -> usize {
    let leader = leader(stage);
    let followers = stage.world().present();
    followers.into_iter().find(|seat| *seat != leader).expect("there are three")
}

/// The leader stands still until clients have given up, and then does what it was asked.
fn retry_after_a_timeout(stage: &Stage) {
    for _ in 0..TIMES {
        let leader = leader(stage);
        stage.struck(PauseLeader, &stage.name(leader));
        stage.world().seats[leader].member.pause();
        stage.rest(LONGER_THAN_A_TIMEOUT);
        stage.world().seats[leader].member.resume();
        stage.expect("somebody leads", || stage.leader().is_some());
    }
}

/// The leader is cut off with writes under way; it goes on as a follower of another.
fn leadership_lost_in_a_write(stage: &Stage) {
    for _ in 0..TIMES {
        let old = leader(stage);
        let machine = stage.world().seats[old].machine;
        let others = (0..crate::life::MACHINES).filter(|other| *other != machine);
        let cuts = others.flat_map(|other| [(machine, other), (other, machine)]).collect();
        stage.struck(LeaderAlone, &stage.name(old));
        stage.world().net().cut(cuts);
        stage.expect("another leads", || stage.leader().is_some_and(|leader| leader != old));
        stage.rest(LONGER_THAN_AN_ELECTION);
        stage.world().net().cut(Default::default());
    }
}

/// A follower is away until its leader's log begins after what it has.
fn follower_needs_a_snapshot(stage: &Stage) {
    let victim = follower(stage);
    let last = stage.status_of(victim).and_then(|it| it.part).map_or(0, |part| part.log.last_index);
    stage.struck(Kill, &stage.name(victim));
    stage.world().kill(&[victim]);
    stage.expect("the log is cut", || {
        let leader = stage.leader().and_then(|leader| stage.status_of(leader)?.part);
        leader.is_some_and(|part| part.log.start > last)
    });
    stage.world().start(victim);
    stage.expect("it gets a snapshot", || {
        stage.world().seats[victim].member.log().contains("received a snapshot")
    });
}

/// A member comes back with a term, a vote and a log that are long out of date.
fn restart_with_old_state(stage: &Stage) {
    let victim = follower(stage);
    let term = |seat: usize| stage.status_of(seat).and_then(|it| it.part).map(|part| part.term);
    let old = term(victim);
    stage.struck(Kill, &stage.name(victim));
    stage.world().kill(&[victim]);
    for _ in 0..TIMES {
        let leader = leader(stage);
        stage.struck(KillLeader, &stage.name(leader));
        stage.world().kill(&[leader]);
        stage.world().start(leader);
    }
    let leader = leader(stage);
    let new = term(leader);
    if new <= old {
        stage.broken(format!("two leaders were killed, and the term went from {old:?} to {new:?}"));
    }
    stage.world().start(victim);
    stage.expect("it follows again", || term(victim) >= new);
}

/// Every link is slow, or as fast as it can be.
fn slow(stage: &Stage, is_slow: bool) {
    (0..crate::life::MACHINES).for_each(|machine| stage.world().net().slow(machine, is_slow));
}

/// Every link is slow, and full of what clients write: replies are late, and nobody is elected.
fn latency_elects_nobody(stage: &Stage) {
    let leading = || {
        let leader = leader(stage);
        (leader, stage.status_of(leader).and_then(|it| it.part).map(|part| part.term))
    };
    let before = leading();
    stage.struck(SlowLinks, "all");
    slow(stage, true);
    stage.rest(SLOW);
    slow(stage, false);
    let after = leading();
    if before != after {
        stage.broken(format!("slow links elected somebody: {before:?} before, {after:?} after"));
    }
}

/// The leader's disk refuses a write: it ends, another leads, and it comes back.
fn disk_write_fails(stage: &Stage) {
    if !stage.world().has_dials() {
        return stage.skipped(DiskError, "nothing comes between a member and its system");
    }
    for _ in 0..TIMES {
        let old = leader(stage);
        stage.struck(DiskError, &stage.name(old));
        stage.world().dials_of(old).set_failing(true);
        stage.expect("it ends", || stage.world().seats[old].member.has_ended());
        stage.world().dials_of(old).set_failing(false);
        stage.expect("another leads", || stage.leader().is_some_and(|leader| leader != old));
        {
            let mut world = stage.world();
            world.kill(&[old]);
            world.start(old);
        }
        stage.expect("it votes", || stage.votes(old));
    }
}

/// One of three is dead, and two operators restart everybody, neither knowing of the other.
fn two_deploys_at_once(stage: &Stage) {
    let dead = follower(stage);
    stage.struck(Kill, &stage.name(dead));
    stage.world().kill(&[dead]);
    supervised(stage, || {
        thread::scope(|scope| {
            for operator in 0..2 {
                let mut seats = stage.world().present();
                seats.rotate_left(operator);
                stage.struck(RollingRestart, "all");
                scope.spawn(move || {
                    let rounds = seats.iter().cycle().take(TIMES * seats.len());
                    rounds.for_each(|seat| restart_in_good_order(stage, *seat));
                });
            }
        });
    });
    if stage.world().seats[dead].state == State::Down {
        stage.world().start(dead);
    }
}
