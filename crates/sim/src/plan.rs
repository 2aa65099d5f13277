//! What a seed draws before a life begins: the cluster, its limits, and which faults are on, how
//! often (a swarm: no life has them all, so that none hides another).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use raft::{Config, MemberId};
use replica::{Configuration, Member};

use crate::faults::Fault;
use crate::random::Random;
use crate::time::Span;

/// When the cluster is founded, in ms since 1970: in 2026. Each member's wall clock is off from it.
pub(crate) const FOUNDED_MS: u64 = 1_780_000_000_000;
/// The member with the worst clock is off by so much: ten years.
const WALL_SKEW_MS_MAX: u64 = 10 * 365 * 24 * 3_600 * 1_000;

/// The time of faults, at least and at most.
const CHAOS_MIN: Span = Span(6_000_000);
const CHAOS_MAX: Span = Span(40_000_000);

/// One life's conditions. All members have the same settings.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) members: BTreeSet<MemberId>,
    pub(crate) clients: u64,
    /// The distinct keys that clients use.
    pub(crate) keys: u64,
    /// A client rests so long between two requests, at most.
    pub(crate) think: Span,
    /// The faults end after this time.
    pub(crate) chaos: Span,
    pub(crate) timers: Timers,
    pub(crate) limits: Limits,
    /// The time a message takes, at least and at most.
    pub(crate) delay: (Span, Span),
    /// The time a batch of disk work takes, at least and at most.
    pub(crate) flush: (Span, Span),
    /// A thread that is woken runs after so long, at most.
    pub(crate) wake: Span,
    /// A tick comes late by so much, at most.
    pub(crate) tick_jitter: Span,
    /// Of faults that befall messages: so many times in a thousand.
    pub(crate) ambient: BTreeMap<Fault, u64>,
    /// Of the others: the mean time from one to the next.
    pub(crate) strikes: BTreeMap<Fault, Span>,
    /// A new leader is struck so many times in a thousand, by one of the faults that are on.
    pub(crate) hunted: u64,
    /// What each member's wall clock shows when the life begins, in ms.
    pub(crate) wall_ms: BTreeMap<MemberId, u64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Timers {
    pub(crate) heartbeat_ms: u64,
    pub(crate) election_timeout_ms: u64,
}

/// Tiny ones: what happens at a limit happens often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    segment_bytes: u64,
    spares: usize,
    message_bytes_max: usize,
    inflight_bytes_max: usize,
    tail_bytes_max: usize,
    uncommitted_bytes_max: usize,
    pub(crate) turn_units: u64,
}

impl Plan {
    pub(crate) fn draw(random: &mut Random) -> Plan {
        let size = random.pick(&[1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 5, 5]);
        let members: BTreeSet<MemberId> = (1..=size).map(MemberId).collect();
        let election_timeout_ms = random.pick(&[150, 300, 600, 1_000]);
        let heartbeat_ms = election_timeout_ms / random.between(4, 10);
        let timers = Timers { heartbeat_ms, election_timeout_ms };
        let chaos =
            Span::ms(election_timeout_ms * random.between(20, 100)).clamp(CHAOS_MIN, CHAOS_MAX);
        let faults: Vec<Fault> =
            Fault::ALL.into_iter().filter(|fault| size > 1 || !fault.needs_peers()).collect();
        let (ambient, mut strikes) = draw_faults(random, &faults, chaos);
        let hunted = random.pick(&[0, 0, 300, 1_000]);
        if hunted > 0 {
            strikes.entry(Fault::CrashOne).or_insert(chaos);
        }
        Plan {
            clients: random.between(1, 6),
            keys: random.between(1, 12),
            think: Span::ms(random.pick(&[5, 20, 80, 200])),
            limits: Limits::draw(random),
            delay: draw_range(random, &[50, 200, 1_000], &[300, 3_000, 20_000]),
            flush: draw_range(random, &[20, 100, 500], &[200, 2_000, 10_000]),
            wake: Span(random.pick(&[0, 0, 200, 2_000])),
            tick_jitter: Span::ms(random.pick(&[0, 1, 5])),
            hunted,
            wall_ms: draw_clocks(random, &members),
            members,
            chaos,
            timers,
            ambient,
            strikes,
        }
    }

    /// The faults that are on.
    pub(crate) fn enabled(&self) -> impl Iterator<Item = Fault> {
        self.ambient.keys().chain(self.strikes.keys()).copied()
    }

    pub(crate) fn config(&self, id: MemberId, seed: u64) -> Config {
        let mut config = Config::new(id, self.members.clone(), seed);
        config.heartbeat_ms = self.timers.heartbeat_ms;
        config.election_timeout_ms = self.timers.election_timeout_ms;
        config.message_bytes_max = self.limits.message_bytes_max;
        config.inflight_bytes_max = self.limits.inflight_bytes_max;
        config.tail_bytes_max = self.limits.tail_bytes_max;
        config.uncommitted_bytes_max = self.limits.uncommitted_bytes_max;
        config
    }

    pub(crate) fn log_options(&self, salt: u64) -> wal::Options {
        let Limits { segment_bytes, spares, .. } = self.limits;
        wal::Options { segment_bytes, spares, salt }
    }

    pub(crate) fn tail_bytes_max(&self) -> usize {
        self.limits.tail_bytes_max
    }

    /// What the founder writes.
    pub(crate) fn configuration(&self) -> Configuration {
        let member = |id: MemberId| Member {
            incarnation: u128::from(id.0),
            name: format!("node-{id}"),
            address: format!("localhost:800{id}"),
        };
        let members = self.members.iter().map(|&id| (id, member(id))).collect();
        Configuration { cluster_id: 7, members }
    }
}

impl Limits {
    fn draw(random: &mut Random) -> Limits {
        let message_bytes_max = random.pick(&[60, 400, 2_000]);
        Limits {
            segment_bytes: random.pick(&[16, 32, 64]) << 10,
            spares: random.below(3) as usize,
            message_bytes_max,
            inflight_bytes_max: message_bytes_max * random.pick(&[1, 3, 20]),
            tail_bytes_max: message_bytes_max * random.pick(&[1, 4, 1_000]),
            uncommitted_bytes_max: random.pick(&[1_000, 10_000, 1 << 20]),
            turn_units: random.pick(&[1, 1_100, 5_000, 1 << 20]),
        }
    }
}

fn draw_range(random: &mut Random, lows_us: &[u64], widths_us: &[u64]) -> (Span, Span) {
    let low_us = random.pick(lows_us);
    (Span(low_us), Span(low_us + random.pick(widths_us)))
}

/// Where a member keeps everything, on its own disk.
pub(crate) fn directory() -> &'static Path {
    Path::new("/member")
}

type Faults = (BTreeMap<Fault, u64>, BTreeMap<Fault, Span>);

/// Each fault is on in two lives of five.
fn draw_faults(random: &mut Random, faults: &[Fault], chaos: Span) -> Faults {
    let (mut ambient, mut strikes) = Faults::default();
    for &fault in faults {
        let is_on = random.chance(400);
        let per_mille = random.pick(&[5, 20, 80, 200]);
        let strikes_mean = random.between(3, 30);
        if !is_on {
            continue;
        }
        if fault.is_ambient() {
            ambient.insert(fault, per_mille);
        } else {
            strikes.insert(fault, Span(chaos.0 / strikes_mean));
        }
    }
    (ambient, strikes)
}

fn draw_clocks(random: &mut Random, members: &BTreeSet<MemberId>) -> BTreeMap<MemberId, u64> {
    let skew_ms_max = random.pick(&[0, 50, 60_000, WALL_SKEW_MS_MAX]);
    let earliest_ms = FOUNDED_MS - skew_ms_max;
    members.iter().map(|&id| (id, earliest_ms + random.between(0, 2 * skew_ms_max))).collect()
}
