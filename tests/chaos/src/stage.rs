//! What those share who break a cluster: the cluster, a clock, eyes to see who leads, and what they
//! have to tell.

use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use client::{Client, Cluster, Endpoint, Options, Status};
use system_tests::wait;
use tokio::runtime::Handle;

use crate::fault::Fault;
use crate::report::Tally;
use crate::world::{Seat, State, World};

/// Somebody wants all of it to end.
pub(crate) static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whoever looks at a member waits so long for it.
const GLANCE: Duration = Duration::from_millis(500);

/// How often somebody looks who waits for the cluster to do something.
const LOOK: Duration = Duration::from_millis(100);

/// What a healthy cluster does at all it does within this.
const PATIENCE: Duration = Duration::from_secs(60);

/// A member that was removed ends with this (docs/operations.md).
const EXIT_REMOVED: i32 = 4;

/// The exit code of a panic.
const EXIT_PANIC: i32 = 101;

#[derive(Debug)]
pub(crate) struct Stage {
    world: Mutex<World>,
    runtime: Handle,
    /// One for everything that an operator asks.
    pub(crate) client: Client,
    tally: Mutex<Tally>,
    violations: Mutex<Vec<String>>,
    began: Instant,
    end: Instant,
}

impl Stage {
    /// Faults are over after `lasts`.
    pub(crate) fn new(world: World, runtime: Handle, lasts: Duration) -> Stage {
        let endpoints = endpoints(&world);
        let began = Instant::now();
        Stage {
            world: Mutex::new(world),
            runtime,
            client: Client::new(endpoints, crate::load::options()),
            tally: Mutex::default(),
            violations: Mutex::default(),
            began,
            end: began + lasts,
        }
    }

    /// The clock begins anew: it is ready.
    pub(crate) fn begin(&mut self) {
        let now = Instant::now();
        self.end = now + (self.end - self.began);
        self.began = now;
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("who panics ends the life")
    }

    /// All of it, when nobody else is left.
    pub(crate) fn into_parts(self) -> (World, Tally, Vec<String>) {
        let proof = "who panics ends the life";
        (
            self.world.into_inner().expect(proof),
            self.tally.into_inner().expect(proof),
            self.violations.into_inner().expect(proof),
        )
    }

    /// A line about what happens.
    pub(crate) fn say(&self, what: &str) {
        println!("  {:6.1} s  {what}", self.began.elapsed().as_secs_f64());
    }

    /// A promise that was broken.
    pub(crate) fn broken(&self, what: String) {
        self.say(&format!("BROKEN {what}"));
        self.violations.lock().expect("who panics ends the life").push(what);
    }

    /// Something that must come about, in a cluster that can do it.
    pub(crate) fn expect(&self, what: &str, probe: impl FnMut() -> bool) {
        if !self.poll(PATIENCE, probe) {
            self.broken(format!("in {PATIENCE:?} it did not happen: {what}"));
        }
    }

    pub(crate) fn struck(&self, fault: Fault, whom: &str) {
        self.say(&format!("{fault}: {whom}"));
        self.tally.lock().expect("who panics ends the life").struck(fault);
    }

    pub(crate) fn skipped(&self, fault: Fault, why: &str) {
        self.say(&format!("{fault}: not possible, {why}"));
        self.tally.lock().expect("who panics ends the life").skipped(fault);
    }

    pub(crate) fn ended_as_it_may(&self) {
        self.tally.lock().expect("who panics ends the life").ended_as_they_may += 1;
    }

    /// Waits until so long after the beginning.
    pub(crate) fn until(&self, at: Duration) {
        let due = self.began + at;
        self.poll(due.saturating_duration_since(Instant::now()), || false);
    }

    pub(crate) fn rest(&self, time: Duration) {
        self.poll(time, || false);
    }

    /// Waits until `probe` holds, at most for so long; whether it does.
    pub(crate) fn poll(&self, patience: Duration, mut probe: impl FnMut() -> bool) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            if probe() {
                return true;
            }
            let next = (Instant::now() + LOOK).min(deadline);
            while Instant::now() < next && !INTERRUPTED.load(Ordering::Relaxed) {
                wait::pause();
            }
            if Instant::now() >= deadline || INTERRUPTED.load(Ordering::Relaxed) {
                return false;
            }
        }
    }

    /// How long faults go on yet.
    pub(crate) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Waits for an answer of the cluster.
    pub(crate) fn ask<T>(&self, asking: impl Future<Output = T>) -> T {
        self.runtime.block_on(asking)
    }

    /// A client that knows one member alone, and does not wait for it.
    pub(crate) fn glance_at(&self, seat: usize) -> Client {
        let endpoint = endpoint(self.world().address_of(seat));
        self.client.only(endpoint).with_options(Options { timeout: GLANCE, ..Options::default() })
    }

    /// What a member says of itself.
    pub(crate) fn status_of(&self, seat: usize) -> Option<Status> {
        let client = self.glance_at(seat);
        self.ask(client.status()).ok()
    }

    /// The member that leads, as far as those can tell who run: the one of the highest term.
    pub(crate) fn leader(&self) -> Option<usize> {
        let up: Vec<usize> = {
            let world = self.world();
            let is_up = |seat: &usize| world.seats[*seat].state == State::Up;
            world.present().into_iter().filter(is_up).collect()
        };
        let statuses = up.iter().filter_map(|seat| Some((*seat, self.status_of(*seat)?.part?)));
        let leaders = statuses.filter(|(_, part)| part.role == "leader");
        leaders.max_by_key(|(_, part)| part.term).map(|(seat, _)| seat)
    }

    /// The members, if somebody tells.
    pub(crate) fn cluster(&self) -> Option<Cluster> {
        self.ask(self.client.cluster()).ok()
    }

    /// Whether a member votes, by what the cluster and the member itself say.
    pub(crate) fn votes(&self, seat: usize) -> bool {
        let Some(status) = self.status_of(seat) else { return false };
        let Some(cluster) = self.cluster() else { return false };
        cluster.members.iter().any(|it| it.id == status.id && it.standing == "voter")
    }

    /// Takes hold of the first of these that runs and that nobody else holds.
    pub(crate) fn hold(&self, candidates: impl IntoIterator<Item = usize>) -> Option<usize> {
        let mut world = self.world();
        let free = |seat: &Seat| seat.state == State::Up && !seat.held;
        let found = candidates.into_iter().find(|seat| free(&world.seats[*seat]))?;
        world.seats[found].held = true;
        Some(found)
    }

    pub(crate) fn release(&self, seat: usize) {
        self.world().seats[seat].held = false;
    }

    pub(crate) fn name(&self, seat: usize) -> String {
        let world = self.world();
        let seat = &world.seats[seat];
        format!("{} (machine {})", seat.member.name(), seat.machine + 1)
    }

    /// Looks after members that have ended by themselves: as a supervisor does, it starts them
    /// again. Whoever had no reason to end has broken a promise.
    pub(crate) fn supervise(&self) {
        let ended = self.world().ended();
        for (seat, status) in ended {
            self.judge_end(seat, status);
            let mut world = self.world();
            let it = &mut world.seats[seat];
            if status.code() == Some(EXIT_REMOVED) {
                it.state = State::Gone;
            } else {
                let may_end = it.may_end;
                world.start(seat);
                world.seats[seat].may_end = may_end;
            }
        }
    }

    /// What there is to say about a member that ended by itself.
    pub(crate) fn judge_end(&self, seat: usize, status: ExitStatus) {
        let (may_end, words) = {
            let world = self.world();
            let seat = &world.seats[seat];
            (seat.may_end, seat.member.last_words())
        };
        let name = self.name(seat);
        let as_it_may = match status.code() {
            None | Some(EXIT_PANIC) => false,
            Some(EXIT_REMOVED) => true,
            Some(_) => may_end,
        };
        match as_it_may {
            true => {
                self.say(&format!("{name} has ended, as it may: {}", last_line(&words)));
                self.ended_as_it_may();
            }
            false => self.broken(format!("{name} has ended by itself: {status}\n{words}")),
        }
    }
}

fn last_line(words: &str) -> &str {
    words.lines().last().unwrap_or_default()
}

pub(crate) fn endpoint(address: &str) -> Endpoint {
    address.parse().expect("an address of ours is an endpoint")
}

pub(crate) fn endpoints(world: &World) -> Vec<Endpoint> {
    world.addresses().iter().map(|address| endpoint(address)).collect()
}
