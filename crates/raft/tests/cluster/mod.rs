//! A cluster of cores in one thread, under full control: nothing is delivered, written or ticked
//! unless the test says so.
//!
//! ```text
//!   input ──▶ Raft ──▶ Output ──┬─▶ disk      queued batches, durable when told
//!                               ├─▶ network   messages in flight, delivered when told
//!                               └─▶ trace     what happened, a line each
//! ```
//!
//! Every input is followed by the member's own invariants (`Raft::assert_invariants`) and by what
//! must hold between members (`checks`). The golden scripts and the random test both stand on it.
//!
//! What it does not do: no log format, no state machine; those have their own tests, and the
//! simulator has all of them together.

mod checks;
pub(crate) mod codec;
mod disk;
pub(crate) mod network;
mod snapshots;
mod trace;

use std::collections::BTreeMap;

use bytes::Bytes;
use raft::{
    ChangeError, Config, Entry, EntryKind, Envelope, Event, HardState, Index, LogId, MemberId,
    Message, Now, Output, ProposeError, Raft, ReadEntries, ReadId, Refusal, RoleName,
    TransferError,
};

use checks::Checks;
pub(crate) use disk::Disk;
pub(crate) use network::{Network, Packet};
pub(crate) use snapshots::SnapshotFlight;
pub(crate) use trace::Trace;

/// How often the shell ticks a core.
pub(crate) const TICK_MS: u64 = 10;

/// A cluster at rest gets there within this many rounds, or never.
const ROUNDS_TO_REST: usize = 1_000;

/// Cores, their disks and clocks, and the network between them.
pub(crate) struct Cluster {
    pub(crate) members: BTreeMap<MemberId, Member>,
    pub(crate) network: Network,
    pub(crate) trace: Trace,
    /// Snapshots on their way, which are nothing but their log ids here: there is no state.
    pub(crate) snapshots: Vec<SnapshotFlight>,
    /// How many were installed.
    pub(crate) installed: u64,
    checks: Checks,
    reads_asked: u64,
}

/// One member: what a process has, and what outlives it.
pub(crate) struct Member {
    pub(crate) config: Config,
    /// None while the process is down.
    pub(crate) raft: Option<Raft>,
    pub(crate) disk: Disk,
    pub(crate) now: Now,
    /// Older entries it was asked to read and has not read yet.
    pub(crate) reading: Vec<ReadEntries>,
    /// Followers it was asked to send a snapshot to and has not sent one yet.
    pub(crate) snapshots_wanted: Vec<MemberId>,
    /// The process stands still: it neither ticks nor hears nor notices its disk.
    pub(crate) paused: bool,
    /// How often it asked for pre-votes.
    pub(crate) campaigns: u64,
    /// How often its process was started.
    lives: u64,
}

impl Cluster {
    /// Members `1..=count`, all new and running. `configure` may change each one's settings.
    pub(crate) fn new(count: u64, seed: u64, configure: impl Fn(&mut Config)) -> Cluster {
        let base = codec::founding(count);
        let member = |id: MemberId| {
            let mut config = Config::new(id, codec::CODEC, seed);
            configure(&mut config);
            (id, Member::new(config, base.clone()))
        };
        let mut cluster = Cluster {
            members: (1..=count).map(|id| member(MemberId(id))).collect(),
            network: Network::default(),
            trace: Trace::default(),
            snapshots: Vec::new(),
            installed: 0,
            checks: Checks::default(),
            reads_asked: 0,
        };
        for id in (1..=count).map(MemberId) {
            cluster.restart(id);
        }
        cluster
    }

    /// A new member starts: with an empty log it knows of nobody, and nobody knows of it.
    pub(crate) fn join(&mut self, id: MemberId) {
        let (_, model) = self.members.first_key_value().expect("a cluster has members");
        let config = Config { id, ..model.config.clone() };
        let known = self.members.insert(id, Member::new(config, Bytes::new()));
        assert!(known.is_none(), "a member joins once");
        self.restart(id);
    }

    /// The members that run.
    pub(crate) fn running(&self) -> Vec<MemberId> {
        let runs = |member: &Member| member.raft.is_some() && !member.paused;
        self.members.iter().filter(|(_, member)| runs(member)).map(|(&id, _)| id).collect()
    }

    /// The core of a member that runs.
    pub(crate) fn raft(&self, id: MemberId) -> &Raft {
        self.members[&id].raft.as_ref().expect("the member runs")
    }

    pub(crate) fn member_mut(&mut self, id: MemberId) -> &mut Member {
        self.members.get_mut(&id).expect("the member is in the cluster")
    }

    // Inputs.

    /// The clock of one member advances by one tick.
    pub(crate) fn tick(&mut self, id: MemberId) {
        self.tick_after(id, TICK_MS);
    }

    /// The clock of one member advances by `passed_ms`, and only then does it tick.
    pub(crate) fn tick_after(&mut self, id: MemberId, passed_ms: u64) {
        let now = &mut self.member_mut(id).now;
        now.monotonic_ms += passed_ms;
        now.wall_ms += passed_ms;
        self.input(id, Raft::tick);
    }

    pub(crate) fn propose(
        &mut self,
        id: MemberId,
        payloads: Vec<Bytes>,
    ) -> Result<LogId, ProposeError> {
        self.input(id, |raft, now| {
            let mut last = Err(ProposeError::NotLeader);
            for payload in payloads {
                last = Ok(raft.propose(now, EntryKind::Command, payload)?);
            }
            last
        })
    }

    /// Asks for another configuration, written as in `codec`.
    pub(crate) fn change(&mut self, id: MemberId, to: &str) -> Result<LogId, ChangeError> {
        let payload = Bytes::copy_from_slice(to.as_bytes());
        self.input(id, |raft, now| raft.change_membership(now, payload))
    }

    /// Asks for a linearizable read. Whatever any member knows to be committed now must be covered
    /// by the index that the answer names.
    pub(crate) fn read(&mut self, id: MemberId) -> ReadId {
        self.reads_asked += 1;
        let read = ReadId(self.reads_asked);
        self.checks.read_asked(read);
        self.input(id, |raft, _| raft.read_index(read));
        read
    }

    pub(crate) fn transfer(
        &mut self,
        id: MemberId,
        to: Option<MemberId>,
    ) -> Result<MemberId, TransferError> {
        self.input(id, |raft, _| raft.transfer_leadership(to))
    }

    pub(crate) fn stream_closed(&mut self, id: MemberId, peer: MemberId) {
        self.input(id, |raft, _| raft.stream_closed(peer));
    }

    pub(crate) fn stream_opened(&mut self, id: MemberId, peer: MemberId) {
        self.input(id, |raft, _| raft.stream_opened(peer));
    }

    /// Hands a message over, if its receiver runs.
    pub(crate) fn deliver(&mut self, packet: Packet) -> Result<(), Refusal> {
        let Packet { from, envelope: Envelope { to, message } } = packet;
        if self.members.get(&to).is_none_or(|member| member.raft.is_none()) {
            self.trace.lost(from, to, &message);
            return Ok(());
        }
        self.step(from, to, message)
    }

    /// A message arrives that may come from anywhere.
    pub(crate) fn step(
        &mut self,
        from: MemberId,
        to: MemberId,
        message: Message,
    ) -> Result<(), Refusal> {
        let result = self.input(to, |raft, now| raft.step(now, from, message));
        if let Err(refusal) = &result {
            self.trace.line(format!("{to} refuses a message of {from}: {refusal}"));
        }
        result
    }

    /// The oldest batch that waits for this member's disk becomes durable. Whether there was one.
    pub(crate) fn persist_next(&mut self, id: MemberId) -> bool {
        let Some((number, released)) = self.member_mut(id).disk.complete_next() else {
            return false;
        };
        let last = self.members[&id].disk.durable_last();
        self.trace.line(format!("{id} wrote #{}, log durable to {last}", number.0));
        for envelope in released {
            self.post(id, envelope);
        }
        self.input(id, |raft, now| raft.persisted(now, number));
        true
    }

    /// Older entries that were asked for come back. Whether any were.
    pub(crate) fn read_next(&mut self, id: MemberId) -> bool {
        let member = self.member_mut(id);
        if member.reading.is_empty() {
            return false;
        }
        let wanted = member.reading.remove(0);
        let entries = member.disk.read(wanted.from, wanted.to, wanted.bytes_max);
        self.input(id, |raft, _| raft.entries_read(wanted.member, entries));
        true
    }

    /// The process dies. What was not durable is gone; messages in flight are not.
    pub(crate) fn crash(&mut self, id: MemberId) {
        let member = self.member_mut(id);
        member.raft = None;
        member.reading.clear();
        member.snapshots_wanted.clear();
        member.disk.crash();
    }

    /// Puts another history on the disk of a member that is down.
    pub(crate) fn replace_disk(
        &mut self,
        id: MemberId,
        hard_state: HardState,
        entries: Vec<Entry>,
        floor: LogId,
    ) {
        let mut before = LogId::default();
        for entry in &entries {
            self.checks.known(entry, before);
            before = entry.id;
        }
        self.member_mut(id).disk.replace(hard_state, entries, floor);
    }

    /// The process starts on what its disk holds.
    pub(crate) fn restart(&mut self, id: MemberId) {
        let member = self.member_mut(id);
        member.lives += 1;
        let mut config = member.config.clone();
        config.seed = config.seed.wrapping_add(member.lives << 8).wrapping_add(id.0);
        let restored = member.disk.restored(config.tail_bytes_max);
        member.raft = Some(Raft::new(config, restored, member.now));
        self.input(id, |_, _| {});
    }

    // Running until nothing is left to do.

    /// Disks and network work until they are idle; no time passes.
    pub(crate) fn stabilize(&mut self) {
        for _ in 0..ROUNDS_TO_REST {
            let mut busy = false;
            for id in self.running() {
                while !self.members[&id].disk.held && self.persist_next(id) {
                    busy = true;
                }
                while self.read_next(id) {
                    busy = true;
                }
            }
            let members = &self.members;
            for packet in self.network.take_if(|packet| !is_paused(members, packet)) {
                busy = true;
                // A refusal is in the trace; what it must leave alone is checked like anything.
                let _refused = self.deliver(packet);
            }
            if !busy {
                return;
            }
        }
        panic!("the cluster does not come to rest");
    }

    // Carrying out.

    pub(crate) fn input<T>(&mut self, id: MemberId, act: impl FnOnce(&mut Raft, Now) -> T) -> T {
        let member = self.members.get_mut(&id).expect("the member is in the cluster");
        let now = member.now;
        let raft = member.raft.as_mut().expect("the member runs");
        let before = raft.before();
        let result = act(raft, now);
        raft.assert_invariants(&before);
        let output = raft.take_output();
        raft.assert_invariants(&before);
        self.carry_out(id, output);
        result
    }

    /// In the order of the fields, which is that of durability; events come first because they
    /// explain the rest.
    fn carry_out(&mut self, id: MemberId, output: Output) {
        for event in &output.events {
            self.trace.event(id, event);
            let campaigns = matches!(event, Event::Role { role: RoleName::PreCandidate, .. });
            self.member_mut(id).campaigns += u64::from(campaigns);
        }
        if let Some(payload) = &output.configuration {
            self.trace.line(format!("{id} counts by {}", String::from_utf8_lossy(payload)));
        }
        // A leader may have gone on to the next one in the same step.
        let in_force = self.members[&id].disk.configuration();
        if let Some(persist) = output.persist {
            self.trace.persist(id, &persist);
            self.checks.written(&self.members[&id].disk, &persist);
            self.member_mut(id).disk.queue(persist);
        }
        self.checks.leader(&self.members[&id]);
        for envelope in output.send {
            self.post(id, envelope);
        }
        for (number, envelope) in output.send_after_persist {
            match self.member_mut(id).disk.hold_back(number, envelope) {
                None => {}
                Some(envelope) => self.post(id, envelope),
            }
        }
        if let Some(commit) = output.commit {
            self.checks.committed(id, commit, &in_force, &self.members);
        }
        for read in output.read {
            let ReadEntries { member, from, to, .. } = read;
            self.trace.line(format!("{id} reads {from}..{to} from its log, for {member}"));
            self.member_mut(id).reading.push(read);
        }
        self.member_mut(id).snapshots_wanted.extend(output.snapshots_wanted);
        for ready in output.reads_ready {
            self.trace.line(format!("{id} may serve read {} at {}", ready.id.0, ready.point.index));
            self.checks.read_ready(ready);
        }
        for read in output.reads_failed {
            self.trace.line(format!("{id} fails read {}: no leader", read.0));
            self.checks.read_failed(read);
        }
    }

    /// A message leaves: it must rest on what is durable.
    fn post(&mut self, from: MemberId, envelope: Envelope) {
        self.checks.leaves(from, &envelope, &self.members[&from].disk);
        let packet = Packet { from, envelope };
        if self.network.is_cut(from, packet.envelope.to) {
            self.trace.lost(from, packet.envelope.to, &packet.envelope.message);
        } else {
            self.trace.sent(from, packet.envelope.to, &packet.envelope.message);
            self.network.post(packet);
        }
    }

    /// The largest index that any member knows to be committed.
    pub(crate) fn committed(&self) -> Index {
        self.checks.committed_last()
    }

    /// How many terms had a leader.
    pub(crate) fn terms(&self) -> u64 {
        self.checks.terms()
    }

    pub(crate) fn reads_served(&self) -> u64 {
        self.checks.reads_served
    }
}

impl Member {
    fn new(config: Config, base: Bytes) -> Member {
        Member {
            config,
            raft: None,
            disk: Disk::new(base),
            now: Now { monotonic_ms: 0, wall_ms: 1_000_000 },
            reading: Vec::new(),
            snapshots_wanted: Vec::new(),
            paused: false,
            campaigns: 0,
            lives: 0,
        }
    }
}

fn is_paused(members: &BTreeMap<MemberId, Member>, packet: &Packet) -> bool {
    members.get(&packet.envelope.to).is_some_and(|member| member.paused)
}
