//! Random lives of small clusters: the quick check of the inner loop, before the simulator.
//!
//! A seed decides everything: how many members, which message arrives when, twice or never, whose
//! disk lags, who crashes, pauses, is cut off, proposes, reads, hands over, comes and goes. After
//! every single input all of `cluster::checks` and each member's own invariants hold; then
//! everything heals and the cluster must elect a leader, commit and answer a read.
//!
//! `RAFT_SEED=17 cargo test -p raft --test random` replays one seed and prints its trace.

#[expect(dead_code, reason = "the golden scripts use the rest of it")]
mod cluster;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use bytes::Bytes;
use raft::{Index, LogId, MemberId, Membership};

use cluster::{Cluster, Packet, codec};

const SEEDS: u64 = 2_000;
const STEPS: u64 = 800;

/// Members' clocks advance at most this fast against each other, in ticks a step.
const TICKS_MAX: u64 = 12;

/// A healed cluster commits within this time: several election timeouts, for split votes.
const HEALED_MS: u64 = 20_000;
/// No life has more members than this, those that left included.
const MEMBERS_MAX: u64 = 9;
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
    cuts: u64,
    installed: u64,
    changes: u64,
    joint: u64,
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
        self.cuts += life.cuts;
        self.installed += life.cluster.installed;
        self.changes += life.changes;
        self.joint += life.joint;
    }

    fn assert_enough(&self) {
        let least = [self.committed / 10, self.terms / 3, self.crashes, self.reads, self.transfers];
        assert!(least.iter().all(|&count| count > SEEDS / 2), "too tame: {self:?}");
        assert!(self.lost > SEEDS, "too tame: {self:?}");
        assert!(self.cuts.min(self.installed) > SEEDS / 2, "too tame: {self:?}");
        assert!(self.changes.min(self.joint) > SEEDS / 2, "too tame: {self:?}");
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
    cuts: u64,
    /// Changes of members that were begun; of those, the ones that move voters.
    changes: u64,
    joint: u64,
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
        Life {
            cluster,
            random,
            members,
            proposed: 0,
            crashes: 0,
            transfers: 0,
            lost: 0,
            cuts: 0,
            changes: 0,
            joint: 0,
        }
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
            50..63 => self.tick_one(),
            63..76 => self.persist_one(),
            76..81 => self.propose(),
            81..84 => self.change(),
            84 => self.cut_one(),
            85 => self.snapshots(),
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

    /// A member comes, goes, or becomes a voter; some changes are nonsense, and refused.
    fn change(&mut self) {
        let Some(leader) = self.leader_or_any() else { return };
        let present = self.cluster.raft(leader).membership().clone();
        let Some(next) = self.another(&present) else { return };
        if self.cluster.change(leader, &codec::text(&next)).is_ok() {
            self.changes += 1;
            self.joint += u64::from(next.is_joint());
        }
    }

    fn another(&mut self, present: &Membership) -> Option<Membership> {
        let mut next = present.clone();
        let learner = self.one_of(present.learners.iter());
        let voter = self.one_of(present.incoming.iter());
        match self.random.below(4) {
            0 => {
                next.learners.insert(self.newcomer(present)?);
                return Some(next);
            }
            1 => {
                next.learners.remove(&learner?);
                next.incoming.insert(learner?);
            }
            2 if present.incoming.len() > 1 => {
                next.incoming.remove(&voter?);
            }
            _ => {
                next.incoming.remove(&voter?);
                next.learners.remove(&learner?);
                next.incoming.insert(learner?);
            }
        }
        next.outgoing = present.incoming.clone();
        Some(next)
    }

    /// Somebody new, or one that was removed before and never heard of it.
    fn newcomer(&mut self, present: &Membership) -> Option<MemberId> {
        let id = MemberId(1 + self.random.below(MEMBERS_MAX));
        if present.members().contains(&id) {
            return None;
        }
        if !self.members.contains(&id) {
            self.cluster.join(id);
            self.members.push(id);
        }
        Some(id)
    }

    fn one_of<'a>(&mut self, ids: impl Iterator<Item = &'a MemberId>) -> Option<MemberId> {
        let ids: Vec<MemberId> = ids.copied().collect();
        let position = self.random.below(ids.len().max(1) as u64) as usize;
        ids.get(position).copied()
    }

    fn transfer(&mut self) {
        let Some(id) = self.leader_or_any() else { return };
        let to = self.any_running().filter(|&to| to != id);
        self.transfers += u64::from(self.cluster.transfer(id, to).is_ok());
    }

    /// A log loses what its member might have a snapshot of.
    fn cut_one(&mut self) {
        let Some(id) = self.any_running() else { return };
        let raft = self.cluster.raft(id);
        let (start, end) = (raft.log().start().index, raft.commit().min(raft.durable()));
        let cuttable = end.0.saturating_sub(start.0);
        if cuttable == 0 {
            return;
        }
        let at = Index(start.0 + 1 + self.random.below(cuttable));
        let term = self.cluster.raft(id).log().term_at(at).expect("it is in the log");
        self.cluster.cut_log(id, LogId::new(term, at));
        self.cuts += 1;
    }

    /// One is sent, wanted or not; one that is on its way arrives, twice or never.
    fn snapshots(&mut self) {
        let on_their_way = self.cluster.snapshots.len() as u64;
        let position = self.random.below(on_their_way.max(1)) as usize;
        match self.random.below(5) {
            0..2 => self.send_snapshot(),
            _ if on_their_way == 0 => {}
            2 => {
                let copy = self.cluster.snapshots[position].clone();
                self.cluster.snapshots.push(copy);
            }
            3 if self.random.below(3) == 0 => {
                let flight = self.cluster.snapshots.remove(position);
                self.cluster.snapshot_failed(flight.from, flight.to);
            }
            _ => self.deliver_snapshot(position),
        }
    }

    fn send_snapshot(&mut self) {
        let Some(from) = self.leader() else { return };
        let wanted = self.cluster.members[&from].snapshots_wanted.first().copied();
        let to = wanted.unwrap_or_else(|| self.any());
        if to == from {
            return;
        }
        let raft = self.cluster.raft(from);
        let (start, commit) = (raft.log().start().index, raft.commit());
        let at = Index(start.0 + self.random.below(commit.0 - start.0 + 1));
        if at.0 > 0 {
            self.cluster.send_snapshot(from, to, Some(at));
        }
    }

    fn deliver_snapshot(&mut self, position: usize) {
        let flight = self.cluster.snapshots[position].clone();
        let taken = self.cluster.deliver_snapshot(position).is_some();
        // The word that it was taken may be lost; or come too early, which costs a round.
        if taken && self.random.below(2) == 0 || self.random.below(20) == 0 {
            self.cluster.snapshot_sent(flight.from, flight.to, flight.point.last);
        }
    }

    /// What raft wants sent arrives, now that nothing is in the way. A snapshot of which nothing
    /// was heard any more is given up after a while.
    fn send_wanted_snapshots(&mut self) {
        for from in self.cluster.running() {
            for to in self.members.clone() {
                self.cluster.snapshot_failed(from, to);
            }
            for to in self.cluster.members[&from].snapshots_wanted.clone() {
                self.cluster.send_snapshot(from, to, None);
            }
        }
        while !self.cluster.snapshots.is_empty() {
            self.cluster.deliver_snapshot(0);
        }
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

    /// A leader, a commit that every member hears of, and a read, each within the time.
    fn demand_progress(&mut self) {
        let mut proposed = None;
        self.wait("commit", |life| {
            let Some(leader) = life.leader() else { return false };
            // A leader that is overruled takes what was proposed to it along.
            proposed = proposed.filter(|&id| life.cluster.raft(leader).log().holds(id));
            proposed = proposed.or_else(|| life.propose_to(leader));
            let commit = |id: &MemberId| life.cluster.raft(*id).commit();
            let members = life.cluster.raft(leader).membership().members();
            proposed.is_some_and(|at| members.iter().all(|id| commit(id) >= at.index))
        });
        let served = self.cluster.reads_served();
        let leader = self.leader().expect("it has just committed");
        let members = self.cluster.raft(leader).membership().members();
        let reader = self.one_of(members.iter()).expect("a cluster has members");
        self.cluster.read(reader);
        self.wait("read", |life| life.cluster.reads_served() > served);
    }

    /// Time passes for everyone until it is done.
    fn wait(&mut self, what: &str, mut done: impl FnMut(&mut Life) -> bool) {
        for _ in 0..HEALED_MS / TICK_MS {
            self.cluster.stabilize();
            self.send_wanted_snapshots();
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
