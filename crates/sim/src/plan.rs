//! What a seed draws before a life begins: the cluster, its limits, and which faults are on, how
//! often (a swarm: no life has them all, so that none hides another).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use raft::{Config, MemberId};
use replica::{Configuration, Member, SnapshotOptions};

use crate::faults::Fault;
use crate::random::Random;
use crate::theme::Theme;
use crate::time::Span;

/// When the cluster is founded, in ms since 1970: in 2026. Each member's wall clock is off from it.
pub(crate) const FOUNDED_MS: u64 = 1_780_000_000_000;
/// The member with the worst clock is off by so much: ten years.
pub(crate) const WALL_SKEW_MS_MAX: u64 = 10 * 365 * 24 * 3_600 * 1_000;

/// From one tick to the next, as the server has it.
const TICK: Span = Span(10_000);
/// In so many of a thousand lives members have settings of their own.
const MIXED_PER_MILLE: u64 = 150;

/// The time of faults, at least and at most.
const CHAOS_MIN: Span = Span(6_000_000);
const CHAOS_MAX: Span = Span(40_000_000);

/// A calm of several election timeouts would be too long with longer ones.
const CALM_TIMEOUT_MS_MAX: u64 = 300;

/// One life's conditions. In most lives all members have the same settings.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) members: BTreeSet<MemberId>,
    pub(crate) clients: u64,
    /// Those whose disks may harm what they hold: a minority.
    pub(crate) frail: BTreeSet<MemberId>,
    /// Of a thousand members whose log is harmed so many are started anew at once.
    pub(crate) harmed_start_anew: u64,
    /// So many of the clients have a session.
    pub(crate) with_session: u64,
    /// The distinct keys that clients use.
    pub(crate) keys: u64,
    /// The longest value, in bytes: more than the smallest messages and tails hold.
    pub(crate) value_bytes_max: u64,
    /// A client rests so long between two requests, at most.
    pub(crate) think: Span,
    /// The faults end after this time.
    pub(crate) chaos: Span,
    pub(crate) timers: Timers,
    pub(crate) limits: Limits,
    /// Members whose settings are their own.
    pub(crate) own: BTreeMap<MemberId, Own>,
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
    /// Faults that are on and strike when a member does what provokes them.
    pub(crate) provoked: BTreeSet<Fault>,
    /// Of a thousand votes so many are late, if that fault is on.
    pub(crate) late_votes: u64,
    /// Whether a member is cut off once more when everything is well, to see that it disturbs
    /// nobody.
    pub(crate) calm: bool,
    /// A new leader is struck so many times in a thousand, by one of the faults that are on.
    pub(crate) hunted: u64,
    /// What each member's wall clock shows when the life begins, in ms.
    pub(crate) wall_ms: BTreeMap<MemberId, u64>,
}

/// What one member was told in its own words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    limits: Limits,
    tick: Span,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Timers {
    pub(crate) heartbeat_ms: u64,
    pub(crate) election_timeout_ms: u64,
    /// A member that has just started, or whose leader's process has died, waits so long before it
    /// campaigns, in ms; none: as members do by default.
    pub(crate) hurry_ms: Option<(u64, u64)>,
}

/// Tiny ones: what happens at a limit happens often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) segment_bytes: u64,
    pub(crate) spares: usize,
    pub(crate) message_bytes_max: usize,
    pub(crate) inflight_bytes_max: usize,
    pub(crate) tail_bytes_max: usize,
    pub(crate) uncommitted_bytes_max: usize,
    pub(crate) snapshots: SnapshotOptions,
    pub(crate) turn_units: u64,
}

impl Plan {
    pub(crate) fn draw(random: &mut Random) -> Plan {
        let size = random.pick(&[1, 2, 3, 3, 3, 3, 3, 3, 3, 5, 5, 5]);
        let members: BTreeSet<MemberId> = (1..=size).map(MemberId).collect();
        let election_timeout_ms = random.pick(&[150, 300, 600, 1_000]);
        let heartbeat_ms = election_timeout_ms / random.between(4, 10);
        let timers = Timers { heartbeat_ms, election_timeout_ms, hurry_ms: None };
        let chaos =
            Span::ms(election_timeout_ms * random.between(20, 100)).clamp(CHAOS_MIN, CHAOS_MAX);
        let faults: Vec<Fault> =
            Fault::ALL.into_iter().filter(|fault| fault.is_possible_among(size)).collect();
        let Faults { ambient, mut strikes, provoked } = draw_faults(random, &faults, chaos);
        let hunted = random.pick(&[0, 0, 300, 1_000]);
        if hunted > 0 {
            strikes.entry(Fault::CrashOne).or_insert(chaos);
        }
        // A cluster that shrinks might be left with a majority of frail disks, and each fault that
        // takes a copy for good takes it from the same minority (rule 14.4): no life has both.
        let takes_members = |fault: &Fault| matches!(fault, Fault::Membership | Fault::Wipe);
        let harmless = random.coin();
        let is_harm = |fault: &Fault| fault.harms_logs();
        if strikes.keys().any(takes_members) && strikes.keys().any(is_harm) {
            strikes
                .retain(|fault, _| if harmless { !is_harm(fault) } else { !takes_members(fault) });
        }
        // Many a change is refused, and several make a story.
        if let Some(mean) = strikes.get_mut(&Fault::Membership) {
            *mean = Span(mean.0 / 5);
        }
        // Over in a moment.
        if let Some(mean) = strikes.get_mut(&Fault::Crowd) {
            *mean = Span(mean.0 / 5);
        }
        if provoked.contains(&Fault::OrderDelayed) {
            strikes.entry(Fault::Transfer).or_insert(Span(chaos.0 / 20));
        }
        let mut plan = Plan {
            clients: random.between(1, 6),
            late_votes: random.pick(&[400, 900]),
            calm: size >= 3 && election_timeout_ms <= CALM_TIMEOUT_MS_MAX && random.chance(400),
            frail: draw_frail(random, &members),
            harmed_start_anew: 300,
            with_session: random.pick(&[0, 1, 3]),
            keys: random.between(1, 12),
            value_bytes_max: random.pick(&[600, 600, 3_000]),
            think: Span::ms(random.pick(&[5, 20, 80, 200])),
            limits: Limits::draw(random),
            own: BTreeMap::new(),
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
            provoked,
        };
        plan.take_up(Theme::draw(random, size), random);
        if random.chance(MIXED_PER_MILLE) {
            plan.mix(random);
        }
        plan
    }

    /// Each member has settings of its own, as after a change of them that has not come to all.
    fn mix(&mut self, random: &mut Random) {
        let rare = self.limits.snapshots.bytes_min;
        for &id in &self.members {
            let mut limits = Limits::draw(random);
            limits.snapshots.bytes_min = random.pick(&[rare, rare, limits.snapshots.bytes_min]);
            let tick = Span::ms(random.pick(&[10, 10, 14, 20]));
            self.own.insert(id, Own { limits, tick });
        }
    }

    fn limits_of(&self, id: MemberId) -> &Limits {
        self.own.get(&id).map_or(&self.limits, |own| &own.limits)
    }

    /// From one tick of a member to the next.
    pub(crate) fn tick(&self, id: MemberId) -> Span {
        self.own.get(&id).map_or(TICK, |own| own.tick)
    }

    /// The faults that are on.
    pub(crate) fn enabled(&self) -> impl Iterator<Item = Fault> {
        self.ambient.keys().chain(self.strikes.keys()).chain(&self.provoked).copied()
    }

    pub(crate) fn config(&self, id: MemberId, seed: u64) -> Config {
        let mut config = Config::new(id, replica::CODEC, seed);
        config.heartbeat_ms = self.timers.heartbeat_ms;
        config.election_timeout_ms = self.timers.election_timeout_ms;
        if let Some(hurry_ms) = self.timers.hurry_ms {
            (config.failover_delay_ms, config.failover_retry_ms) = (hurry_ms, hurry_ms);
        }
        let limits = self.limits_of(id);
        config.message_bytes_max = limits.message_bytes_max;
        config.inflight_bytes_max = limits.inflight_bytes_max;
        config.tail_bytes_max = limits.tail_bytes_max;
        config.uncommitted_bytes_max = limits.uncommitted_bytes_max;
        config
    }

    pub(crate) fn log_options(&self, id: MemberId, salt: u64) -> wal::Options {
        let &Limits { segment_bytes, spares, .. } = self.limits_of(id);
        wal::Options { segment_bytes, spares, salt }
    }

    pub(crate) fn snapshot_options(&self, id: MemberId) -> SnapshotOptions {
        self.limits_of(id).snapshots
    }

    pub(crate) fn tail_bytes_max(&self, id: MemberId) -> usize {
        self.limits_of(id).tail_bytes_max
    }

    pub(crate) fn turn_units(&self, id: MemberId) -> u64 {
        self.limits_of(id).turn_units
    }

    /// What the founder writes.
    pub(crate) fn configuration(&self) -> Configuration {
        let member = |id: MemberId| {
            Member::voter(u128::from(id.0), format!("node-{id}"), format!("localhost:800{id}"))
        };
        let members = self.members.iter().map(|&id| (id, member(id))).collect();
        Configuration::founding(7, members)
    }
}

impl Limits {
    fn draw(random: &mut Random) -> Limits {
        let message_bytes_max = random.pick(&[60, 400, 2_000]);
        let mut limits = Limits {
            segment_bytes: random.pick(&[16, 32, 64]) << 10,
            spares: random.below(3) as usize,
            message_bytes_max,
            inflight_bytes_max: message_bytes_max * random.pick(&[1, 3, 20]),
            tail_bytes_max: message_bytes_max * random.pick(&[1, 4, 1_000]),
            uncommitted_bytes_max: random.pick(&[1_000, 10_000, 1 << 20]),
            snapshots: SnapshotOptions {
                // From a snapshot every twenty entries or so to none.
                bytes_min: random.pick(&[500, 1_000, 2_000, 5_000, 20_000, 1 << 30]),
                of_last_percent: random.pick(&[0, 0, 0, 100]),
                bytes_per_second_max: random.pick(&[50_000, 1 << 20]),
                chunk_bytes: random.pick(&[600, 2_000, 100_000]),
                ..SnapshotOptions::default()
            },
            turn_units: random.pick(&[1, 1_100, 5_000, 1 << 20]),
        };
        // Soon reached where the next one is due only when the log is as long as the last one.
        limits.snapshots.pinned_log_bytes_max = 2 * limits.snapshots.bytes_min;
        limits
    }

    /// Raises what must hold a message so that it does.
    pub(crate) fn fit(&mut self) {
        self.inflight_bytes_max = self.inflight_bytes_max.max(self.message_bytes_max);
        self.tail_bytes_max = self.tail_bytes_max.max(self.message_bytes_max);
    }

    /// A leader takes as many proposals as come.
    pub(crate) fn grow_tails(&mut self) {
        self.uncommitted_bytes_max = 1 << 20;
    }
}

pub(crate) fn draw_range(random: &mut Random, lows_us: &[u64], widths_us: &[u64]) -> (Span, Span) {
    let low_us = random.pick(lows_us);
    (Span(low_us), Span(low_us + random.pick(widths_us)))
}

/// Where a member keeps everything, on its own disk.
pub(crate) fn directory() -> &'static Path {
    Path::new("/member")
}

/// Where its snapshots are.
pub(crate) fn snapshots() -> PathBuf {
    directory().join("snapshots")
}

#[derive(Default)]
struct Faults {
    ambient: BTreeMap<Fault, u64>,
    strikes: BTreeMap<Fault, Span>,
    provoked: BTreeSet<Fault>,
}

/// Each fault is on in one life of ten, one of five, or two of five, as the life has it: whatever
/// takes several steps needs lives in which not everything happens at once.
fn draw_faults(random: &mut Random, faults: &[Fault], chaos: Span) -> Faults {
    let mut drawn = Faults::default();
    let on_per_mille = random.pick(&[100, 200, 400]);
    for &fault in faults {
        let is_on = random.chance(on_per_mille);
        let per_mille = random.pick(&[5, 20, 80, 200]);
        let strikes_mean = random.between(3, 30);
        if !is_on {
            continue;
        }
        if fault.is_ambient() {
            drawn.ambient.insert(fault, per_mille);
        } else if fault.is_provoked() {
            drawn.provoked.insert(fault);
        } else {
            drawn.strikes.insert(fault, Span(chaos.0 / strikes_mean));
        }
    }
    drawn
}

fn draw_frail(random: &mut Random, members: &BTreeSet<MemberId>) -> BTreeSet<MemberId> {
    let mut members: Vec<MemberId> = members.iter().copied().collect();
    let minority = (members.len() - 1) / 2;
    let draw = |_| members.swap_remove(random.below(members.len() as u64) as usize);
    (0..minority).map(draw).collect()
}

fn draw_clocks(random: &mut Random, members: &BTreeSet<MemberId>) -> BTreeMap<MemberId, u64> {
    let skew_ms_max = random.pick(&[0, 50, 60_000, WALL_SKEW_MS_MAX]);
    let earliest_ms = FOUNDED_MS - skew_ms_max;
    members.iter().map(|&id| (id, earliest_ms + random.between(0, 2 * skew_ms_max))).collect()
}
