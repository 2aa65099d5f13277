//! Random lives of small clusters: the quick check of the inner loop, before the simulator.
//!
//! A seed decides everything: how many members, which message arrives when, twice or never, whose
//! disk lags, who crashes, pauses, is cut off, proposes, reads, hands over. After every single
//! input all of `cluster::checks` and each member's own invariants hold; then everything heals and
//! the cluster must elect a leader, commit and answer a read.
//!
//! `RAFT_SEED=17 cargo test -p raft --test random` replays one seed and prints its trace.

#[expect(dead_code, reason = "the golden scripts use the rest of it")]
mod cluster;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use bytes::Bytes;
use raft::{LogId, MemberId};

use cluster::{Cluster, Packet};

const SEEDS: u64 = 2_000;
const STEPS: u64 = 800;

/// Members' clocks advance at most this fast against each other, in ticks a step.
const TICKS_MAX: u64 = 12;

/// A healed cluster commits within this time: several election timeouts, for split votes.
const HEALED_MS: u64 = 20_000;
const TICK_MS: u64 = cluster::TICK_MS;

#[test]
fn random_lives_stay_safe_and_healed_clusters_go_on() {
    if let Some(seed) = std::env::var("RAFT_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return live(seed, true);
    }
    let mut seen = Seen::default();
    for seed in 0..SEEDS {
        match catch_unwind(AssertUnwindSafe(|| Life::new(seed, false).live())) {
            Ok(life) => seen.add(&life),
            Err(panic) => {
                eprintln!("seed {seed} failed: RAFT_SEED={seed} cargo test -p raft --test random");
                resume_unwind(panic);
            }
        }
    }
    seen.assert_enough();
}

fn live(seed: u64, traced: bool) {
    let mut life = Life::new(seed, traced);
    let result = catch_unwind(AssertUnwindSafe(|| life.run()));
    println!("{}", life.cluster.trace.take());
    if let Err(panic) = result {
        resume_unwind(panic);
    }
}

/// Proof that the faults really happened: a run without them proves nothing.
#[derive(Debug, Default)]
struct Seen {
    committed: u64,
    terms: u64,
    crashes: u64,
    reads: u64,
    transfers: u64,
    lost: u64,
}

impl Seen {
    fn add(&mut self, life: &Life) {
        let committed = life.cluster.committed();
        self.committed += committed.0;
        self.terms += life.cluster.terms();
        self.reads += life.cluster.reads_served();
        self.crashes += life.crashes;
        self.transfers += life.transfers;
        self.lost += life.lost;
    }

    fn assert_enough(&self) {
        let least = [self.committed / 10, self.terms / 3, self.crashes, self.reads, self.transfers];
        assert!(least.iter().all(|&count| count > SEEDS / 2), "too tame: {self:?}");
        assert!(self.lost > SEEDS, "too tame: {self:?}");
    }
}

/// One seed's life.
struct Life {
    cluster: Cluster,
    random: Random,
    members: Vec<MemberId>,
    proposed: u64,
    crashes: u64,
    transfers: u64,
    lost: u64,
}

impl Life {
    fn new(seed: u64, traced: bool) -> Life {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d);
        let count = 3 + random.below(3);
        let mut cluster = Cluster::new(count, seed, |config| {
            // Tiny, so that every limit is met.
            config.message_bytes_max = 150;
            config.inflight_bytes_max = 400;
            config.tail_bytes_max = 500;
            config.uncommitted_bytes_max = 2_000;
        });
        cluster.trace.enabled = traced;
        let members = (1..=count).map(MemberId).collect();
        Life { cluster, random, members, proposed: 0, crashes: 0, transfers: 0, lost: 0 }
    }

    fn live(mut self) -> Life {
        self.run();
        self
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            self.step();
        }
        self.heal();
        self.demand_progress();
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..50 => self.deliver_one(),
            50..64 => self.tick_one(),
            64..78 => self.persist_one(),
            78..86 => self.propose(),
            86..89 => self.read(),
            89..91 => self.lose_one(),
            91..93 => self.repeat_one(),
            93 => self.crash_or_restart(),
            94 => self.cut_or_heal(),
            95 => self.close_or_open_stream(),
            96 => self.transfer(),
            97 => self.pause_one(),
            98 => self.read_log(),
            _ => self.cluster.stabilize(),
        }
    }

    /// Any message, not the oldest: the network reorders.
    fn deliver_one(&mut self) {
        if let Some(packet) = self.take_one() {
            self.deliver(packet);
        }
    }

    fn deliver(&mut self, packet: Packet) {
        let result = self.cluster.deliver(packet);
        assert_eq!(result, Ok(()), "no member of ours sends what must be refused");
    }

    fn lose_one(&mut self) {
        self.lost += u64::from(self.take_one().is_some());
    }

    fn repeat_one(&mut self) {
        if let Some(packet) = self.take_one() {
            self.cluster.network.post(packet.clone());
            self.deliver(packet);
        }
    }

    fn take_one(&mut self) -> Option<Packet> {
        let count = self.cluster.network.in_flight().len();
        (count > 0).then(|| {
            let position = self.random.below(count as u64) as usize;
            self.cluster.network.take_at(position)
        })
    }

    /// One member's clock, for a while: their clocks drift apart.
    fn tick_one(&mut self) {
        let Some(id) = self.any_running() else { return };
        let ticks = if self.random.below(10) == 0 { 60 } else { self.random.below(TICKS_MAX) };
        for _ in 0..ticks {
            self.cluster.tick(id);
        }
    }

    fn pause_one(&mut self) {
        if let Some(id) = self.any_running() {
            let paused_ms = self.random.below(5_000);
            self.cluster.tick_after(id, paused_ms);
        }
    }

    fn persist_one(&mut self) {
        if let Some(id) = self.any_running() {
            self.cluster.persist_next(id);
        }
    }

    fn read_log(&mut self) {
        if let Some(id) = self.any_running() {
            self.cluster.read_next(id);
        }
    }

    fn propose(&mut self) {
        let Some(id) = self.leader_or_any() else { return };
        self.proposed += 1;
        let payload = format!("{}", self.proposed);
        // Refused where there is no leader: that is no news here.
        let _result = self.cluster.propose(id, vec![Bytes::from(payload)]);
    }

    fn read(&mut self) {
        let id = if self.random.below(2) == 0 { self.any_running() } else { self.leader_or_any() };
        if let Some(id) = id {
            self.cluster.read(id);
        }
    }

    fn transfer(&mut self) {
        let Some(id) = self.leader_or_any() else { return };
        let to = self.any_running().filter(|&to| to != id);
        self.transfers += u64::from(self.cluster.transfer(id, to).is_ok());
    }

    fn crash_or_restart(&mut self) {
        let id = self.any();
        if self.cluster.members[&id].raft.is_some() {
            self.crashes += 1;
            self.cluster.crash(id);
        } else {
            self.cluster.restart(id);
        }
    }

    fn cut_or_heal(&mut self) {
        match self.random.below(3) {
            0 => self.cluster.network.heal(),
            1 => {
                let (one, other) = (self.any(), self.any());
                self.cluster.network.cut(one, other);
            }
            _ => {
                let alone = self.any();
                for &other in &self.members {
                    self.cluster.network.cut(alone, other);
                    self.cluster.network.cut(other, alone);
                }
            }
        }
    }

    fn close_or_open_stream(&mut self) {
        let (Some(id), peer) = (self.any_running(), self.any()) else { return };
        if self.random.below(3) == 0 {
            self.cluster.stream_opened(id, peer);
        } else {
            self.cluster.stream_closed(id, peer);
        }
    }

    fn heal(&mut self) {
        self.cluster.network.heal();
        for id in self.members.clone() {
            if self.cluster.members[&id].raft.is_none() {
                self.cluster.restart(id);
            }
        }
        for id in self.members.clone() {
            for peer in self.members.clone() {
                self.cluster.stream_opened(id, peer);
            }
        }
    }

    /// A leader, a commit that everyone hears of, and a read, each within the time.
    fn demand_progress(&mut self) {
        let mut proposed = None;
        self.wait("commit", |life| {
            let Some(leader) = life.leader() else { return false };
            // A leader that is overruled takes what was proposed to it along.
            proposed = proposed.filter(|&id| life.cluster.raft(leader).log().holds(id));
            proposed = proposed.or_else(|| life.propose_to(leader));
            let commit = |id: &MemberId| life.cluster.raft(*id).commit();
            proposed.is_some_and(|at| life.members.iter().all(|id| commit(id) >= at.index))
        });
        let served = self.cluster.reads_served();
        self.cluster.read(self.members[0]);
        self.wait("read", |life| life.cluster.reads_served() > served);
    }

    /// Time passes for everyone until it is done.
    fn wait(&mut self, what: &str, mut done: impl FnMut(&mut Life) -> bool) {
        for _ in 0..HEALED_MS / TICK_MS {
            self.cluster.stabilize();
            if done(self) {
                return;
            }
            for id in self.members.clone() {
                self.cluster.tick(id);
            }
        }
        panic!("the healed cluster does not {what}");
    }

    fn propose_to(&mut self, leader: MemberId) -> Option<LogId> {
        self.cluster.propose(leader, vec![Bytes::from_static(b"healed")]).ok()
    }

    fn any(&mut self) -> MemberId {
        self.members[self.random.below(self.members.len() as u64) as usize]
    }

    fn any_running(&mut self) -> Option<MemberId> {
        let running = self.cluster.running();
        let position = self.random.below(running.len().max(1) as u64) as usize;
        running.get(position).copied()
    }

    /// The leader of the newest term.
    fn leader(&self) -> Option<MemberId> {
        let leads = |id: &MemberId| self.cluster.raft(*id).is_leader();
        self.cluster
            .running()
            .into_iter()
            .filter(leads)
            .max_by_key(|&id| self.cluster.raft(id).term())
    }

    fn leader_or_any(&mut self) -> Option<MemberId> {
        self.leader().or_else(|| self.any_running())
    }
}

/// Xorshift: enough to choose the next step.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
