//! The stage: a world at a pace for eyes, in which a script is played.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use raft::MemberId;
use replica::SnapshotOptions;
use store::{Command, Put};

use super::Story;
use super::script::{Act, Step, When};
use crate::faults::Fault;
use crate::life::{Happening, Life};
use crate::member::Death;
use crate::network::Direction;
use crate::oracle::Asked;
use crate::plan::{Limits, Plan, Timers};
use crate::time::{Span, Time};
use crate::trace::Trace;
use crate::workload::Asker;

/// What a step waits for has to come within this time.
const PATIENCE: Span = Span(20_000_000);
/// A story has at most so many events.
const EVENTS_MAX: u64 = 60_000;
/// Clients wait so long for an answer, in ms.
const CLIENT_TIMEOUT_MS: u64 = 30_000;

/// How fast members go about their work.
pub(super) struct Pace {
    pub(super) heartbeat_ms: u64,
    pub(super) election_timeout_ms: u64,
    /// A message carries so many bytes of entries, and a follower is sent no more than that before
    /// it answers.
    pub(super) message_bytes_max: usize,
    /// A snapshot is made when the log has so many new bytes.
    pub(super) snapshot_bytes_min: u64,
}

/// A member that has just started waits so long before it campaigns, in ms.
const HURRY_MS: (u64, u64) = (900, 2_400);
const DELAY: (Span, Span) = (Span(150_000), Span(300_000));
const FLUSH: (Span, Span) = (Span(20_000), Span(60_000));
/// A message carries so many bytes of a snapshot.
const CHUNK_BYTES: usize = 500;

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            heartbeat_ms: 400,
            election_timeout_ms: 1_000,
            message_bytes_max: 1 << 16,
            snapshot_bytes_min: 1 << 30,
        }
    }
}

impl Pace {
    fn limits(&self) -> Limits {
        Limits {
            segment_bytes: 64 << 10,
            spares: 1,
            message_bytes_max: self.message_bytes_max,
            inflight_bytes_max: self.message_bytes_max,
            tail_bytes_max: 1 << 20,
            uncommitted_bytes_max: 1 << 20,
            snapshots: SnapshotOptions {
                bytes_min: self.snapshot_bytes_min,
                of_last_percent: 0,
                chunk_bytes: CHUNK_BYTES,
                ..SnapshotOptions::default()
            },
            turn_units: 1 << 20,
        }
    }

    fn plan(&self, members: u64) -> Plan {
        Plan {
            members: (1..=members).map(MemberId).collect(),
            clients: 0,
            frail: BTreeSet::new(),
            harmed_start_anew: 0,
            with_session: 0,
            keys: 1,
            value_bytes_max: 1,
            think: Span(0),
            chaos: Span(0),
            timers: Timers {
                heartbeat_ms: self.heartbeat_ms,
                election_timeout_ms: self.election_timeout_ms,
                hurry_ms: Some(HURRY_MS),
            },
            limits: self.limits(),
            own: BTreeMap::new(),
            delay: DELAY,
            flush: FLUSH,
            wake: Span(0),
            tick_jitter: Span(0),
            ambient: BTreeMap::new(),
            strikes: BTreeMap::new(),
            provoked: BTreeSet::new(),
            late_votes: 0,
            calm: false,
            hunted: 0,
            wall_ms: BTreeMap::new(),
        }
    }
}

/// Plays a story to its end; how long it is, in µs.
pub(super) fn play(story: &Story, seed: u64, trace: Trace) -> u64 {
    let plan = (story.pace)().plan(story.members);
    let mut life = Life::on_stage(plan, seed, trace.for_eyes());
    life.tell_title(story.title, story.text);
    let mut stage = Stage { life, breaks: Vec::new(), came: Time(0) };
    for step in (story.script)().steps {
        stage.wait_for(&step);
        step.acts.into_iter().for_each(|act| stage.act(act));
        stage.came = stage.life.now();
    }
    stage.life.now().0
}

struct Stage {
    life: Life,
    /// The numbers of the network's breaks.
    breaks: Vec<u64>,
    /// When the newest step was taken.
    came: Time,
}

impl Stage {
    fn wait_for(&mut self, step: &Step) {
        match &step.when {
            When::After(span) => {
                let at = self.came + *span;
                self.life.queue.plan(at, Happening::Cue);
                self.go_on_until(|life| life.now() >= at);
            }
            When::Once(sign) => {
                let latest = self.came + PATIENCE;
                self.go_on_until(|life| {
                    assert!(life.now() <= latest, "the story waits in vain: {}", sign.words);
                    (sign.holds)(life)
                });
            }
        }
    }

    fn go_on_until(&mut self, is_time: impl Fn(&Life) -> bool) {
        while !is_time(&self.life) {
            let happening = self.life.queue.next().expect("members tick for ever");
            self.life.events += 1;
            assert!(self.life.events < EVENTS_MAX, "the story has no end");
            self.life.happen(happening);
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Caption { title, text } => self.life.tell_caption(title, text),
            Act::Start(member) => self.start(member),
            Act::PowerCut(member) => {
                self.life.tell_fault(Fault::PowerCutOne, &[member]);
                self.life.end(member, Death::PowerCut);
            }
            Act::Split(members) => self.split(members),
            Act::Sever(one, other) => {
                let both = BTreeSet::from([(one, other), (other, one)]);
                self.cut(both, Fault::Swizzle, vec![one, other]);
            }
            Act::Heal => {
                for number in std::mem::take(&mut self.breaks) {
                    self.life.mend(number);
                }
            }
            Act::Put { member, key, value } => self.put(member, key, value),
            Act::Pace { delay, flush } => {
                self.life.network.set_delay(delay);
                self.life.plan.flush = flush;
            }
        }
    }

    fn start(&mut self, member: MemberId) {
        if self.life.members[&member].life > 0 {
            self.life.tell_word("restart", &[member], None, false);
        }
        self.life.queue.plan_in(Span(0), Happening::Start(member));
    }

    fn split(&mut self, members: Vec<MemberId>) {
        let all: Vec<MemberId> = self.life.members.keys().copied().collect();
        let ways = all.iter().flat_map(|&from| all.iter().map(move |&to| (from, to)));
        let crosses = |&(from, to): &Direction| members.contains(&from) != members.contains(&to);
        self.cut(ways.filter(crosses).collect(), Fault::Partition, members);
    }

    fn cut(&mut self, ways: BTreeSet<Direction>, fault: Fault, members: Vec<MemberId>) {
        let number = self.life.network.cut(ways);
        self.life.tell_break(number, fault, members);
        self.breaks.push(number);
    }

    fn put(&mut self, member: MemberId, key: &'static str, value: String) {
        let put = Put::new(Bytes::from_static(key.as_bytes()), Bytes::from(value));
        let asked = Asked::Write(Command::from(put).encode());
        let ticket = self.life.next_ticket();
        self.life.ask(ticket, Asker::Once, member, asked, true, CLIENT_TIMEOUT_MS);
    }
}
