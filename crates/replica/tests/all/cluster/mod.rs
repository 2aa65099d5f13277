//! A cluster of real replicas on simulated disks, stepped by hand: messages travel when the test
//! says so, and each disk works when the test says so.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use disk::{Disk, SimDisk};
use raft::{Config, EntryKind, Index, MemberId, Now, RoleName};
use replica::{
    Agreement, Answer, CODEC, Configuration, Done, Failure, LogReply, LogRequest, LogWorker,
    Member, PeerMessage, Purpose, Replica, Request, Room, SnapshotMessage, SnapshotOptions,
    SnapshotRequest, SnapshotWorker, Stop, Submission, Ticket, open_log, open_snapshots,
};
use store::{Command, Origin, Put, Store};

/// Small enough that older entries are soon read from the log.
const TAIL_BYTES_MAX: usize = 2_000;
const SEGMENT_BYTES: u64 = 64 << 10;

pub(crate) struct Cluster {
    pub(crate) members: BTreeMap<u64, Running>,
    disks: BTreeMap<u64, SimDisk>,
    configuration: Configuration,
    now: Now,
    wire: VecDeque<(u64, u64, PeerMessage)>,
    /// The lane for snapshots.
    lane: VecDeque<(u64, u64, SnapshotMessage)>,
    /// Makes snapshots, if there are any.
    pub(crate) snapshots: Option<SnapshotOptions>,
    answers: BTreeMap<u64, Result<Done, Failure>>,
    tickets: u64,
    /// Members cut off from all others.
    pub(crate) isolated: Vec<u64>,
    /// Members whose log thread does nothing for now.
    pub(crate) stalled_disks: Vec<u64>,
    /// Members of whose log the next put that is read to be applied has another value there.
    pub(crate) altered: Vec<u64>,
    /// Members whose snapshot thread does nothing for now.
    pub(crate) stalled_snapshots: Vec<u64>,
    /// What compaction gave up is removed in between.
    pub(crate) sweeps: bool,
    starts: u64,
}

pub(crate) struct Running {
    pub(crate) replica: Replica,
    worker: LogWorker<SimDisk>,
    log: Vec<LogRequest>,
    files: Option<SnapshotWorker<SimDisk>>,
    snapshots: Vec<SnapshotRequest>,
    /// Snapshots that could not be used when it started.
    pub(crate) skipped: usize,
    /// What it last told of whether the states agree.
    told: Agreement,
    pub(crate) stop: Option<Stop>,
}

impl Cluster {
    /// `size` members, founded, none of them leading yet.
    pub(crate) fn new(size: u64) -> Cluster {
        let member = |id: u64| {
            Member::voter(u128::from(id), format!("node-{id}"), format!("localhost:800{id}"))
        };
        let members = (1..=size).map(|id| (MemberId(id), member(id))).collect();
        let mut cluster = Cluster {
            members: BTreeMap::new(),
            disks: (1..=size).map(|id| (id, SimDisk::new())).collect(),
            configuration: Configuration::founding(7, members),
            now: Now { monotonic_ms: 0, wall_ms: 1_000_000 },
            wire: VecDeque::new(),
            lane: VecDeque::new(),
            snapshots: None,
            answers: BTreeMap::new(),
            tickets: 0,
            isolated: Vec::new(),
            stalled_disks: Vec::new(),
            altered: Vec::new(),
            stalled_snapshots: Vec::new(),
            sweeps: true,
            starts: 0,
        };
        for id in 1..=size {
            let (mut worker, recovered) = cluster.open(id);
            assert!(recovered.configuration.is_none(), "the disk is new");
            worker.found(&cluster.configuration, 0).expect("a sound disk");
            drop(worker);
            cluster.start(id);
        }
        cluster
    }

    /// Three members, `1` leading.
    pub(crate) fn led() -> Cluster {
        let mut cluster = Cluster::new(3);
        cluster.elect(1);
        cluster
    }

    /// So many members that make snapshots like this, `1` leading.
    pub(crate) fn led_with(size: u64, snapshots: SnapshotOptions) -> Cluster {
        let mut cluster = Cluster::new(size);
        cluster.snapshots = Some(snapshots);
        for id in 1..=size {
            cluster.kill(id);
            cluster.start(id);
        }
        cluster.elect(1);
        cluster
    }

    /// A new member starts, with an empty log: it waits for a leader to speak to it.
    pub(crate) fn join(&mut self, id: u64) {
        let known = self.disks.insert(id, SimDisk::new());
        assert!(known.is_none(), "a member joins once");
        self.start(id);
    }

    fn open(&self, id: u64) -> (LogWorker<SimDisk>, replica::Recovered) {
        let options = wal::Options { segment_bytes: SEGMENT_BYTES, ..Default::default() };
        let disk = &self.disks[&id];
        disk.create_dir_all(Path::new("/member")).expect("a sound disk");
        open_log(
            disk,
            Path::new("/member/wal"),
            Path::new("/member/snapshots"),
            options,
            TAIL_BYTES_MAX,
        )
        .expect("a sound log")
    }

    pub(crate) fn start(&mut self, id: u64) {
        self.start_with(id, |_| Store::new());
    }

    /// Starts a member with the state that `store` makes of its log.
    pub(crate) fn start_with(&mut self, id: u64, store: impl Fn(&raft::Log) -> Store) {
        let (worker, mut recovered) = self.open(id);
        let disk = self.disks[&id].clone();
        let opened = self.snapshots.map(|options| {
            let opened = open_snapshots(disk, Path::new("/member/snapshots"), &mut recovered);
            (options, opened.expect("a sound disk"))
        });
        let mut store = store(&recovered.restored.log);
        self.starts += 1;
        let mut config = Config::new(MemberId(id), CODEC, id * 100 + self.starts);
        config.tail_bytes_max = TAIL_BYTES_MAX;
        config.message_bytes_max = TAIL_BYTES_MAX / 2;
        config.inflight_bytes_max = TAIL_BYTES_MAX;
        let configuration = recovered.configuration.clone();
        let configuration = configuration.unwrap_or_else(|| self.configuration.clone());
        let (mut files, mut skipped, mut kept) = (None, 0, None);
        if let Some((options, (worker, found))) = opened {
            store = found.store.unwrap_or(store);
            (files, skipped) = (Some(worker), found.skipped.len());
            kept = Some((options, found.kept, found.configuration));
        }
        let mut replica = Replica::new(config, configuration, recovered, store, self.now);
        if let Some((options, kept, configuration)) = kept {
            replica.keep_snapshots(options, kept, configuration);
        }
        let (log, snapshots) = (Vec::new(), Vec::new());
        let (told, stop) = (Agreement::default(), None);
        let running = Running { replica, worker, log, files, snapshots, skipped, told, stop };
        self.members.insert(id, running);
    }

    /// The process dies; what is on its way from it still arrives.
    pub(crate) fn kill(&mut self, id: u64) {
        self.members.remove(&id).expect("it runs");
        self.disks[&id].crash_process();
    }

    pub(crate) fn power_cut(&mut self, id: u64) {
        self.members.remove(&id).expect("it runs");
        self.disks[&id].power_cut(id);
    }

    pub(crate) fn disk(&self, id: u64) -> &SimDisk {
        &self.disks[&id]
    }

    /// Lets `ms` pass, with ticks, and everything that can move moving.
    pub(crate) fn pass(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(10) {
            self.now.monotonic_ms += 10;
            self.now.wall_ms += 10;
            for running in self.members.values_mut() {
                running.replica.tick(self.now);
            }
            self.settle();
        }
    }

    /// Moves messages, disks and apply until nothing moves.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut moved = false;
            for id in self.ids() {
                moved |= self.work(id);
            }
            moved |= self.deliver();
            if !moved {
                return;
            }
        }
    }

    fn ids(&self) -> Vec<u64> {
        self.members.keys().copied().collect()
    }

    fn work(&mut self, id: u64) -> bool {
        let mut moved = self.collect(id);
        let running = self.members.get_mut(&id).expect("it runs");
        moved |= running.replica.apply_turn();
        if self.sweeps {
            moved |= running.replica.sweep_turn();
        }
        if !self.stalled_disks.contains(&id) && !running.log.is_empty() {
            for mut reply in running.worker.handle(std::mem::take(&mut running.log)) {
                if self.altered.contains(&id) && alter(&mut reply) {
                    self.altered.retain(|altered| *altered != id);
                }
                running.replica.log_reply(self.now, reply);
            }
            moved = true;
        }
        let stalled = self.stalled_snapshots.contains(&id);
        let waiting = if stalled { 0 } else { running.snapshots.len() };
        for request in running.snapshots.drain(..waiting) {
            // Without files nothing is ever written; to remove what there is not is done at once.
            let Some(files) = running.files.as_mut() else { continue };
            if let Some(reply) = files.handle(request) {
                running.replica.snapshot_reply(self.now, reply);
            }
            moved = true;
        }
        self.collect(id) || moved
    }

    /// Takes a member's effects; whether there were any.
    fn collect(&mut self, id: u64) -> bool {
        let running = self.members.get_mut(&id).expect("it runs");
        let effects = running.replica.take_effects();
        assert_eq!(effects.refused, [], "members of one cluster refuse nothing of each other");
        let any = !effects.send.is_empty() || !effects.log.is_empty() || !effects.events.is_empty();
        running.stop = running.stop.take().or(effects.stop);
        running.told = effects.agreement.unwrap_or(running.told);
        assert_eq!(running.told, running.replica.status().agreement, "a change of it is told");
        running.log.extend(effects.log);
        running.snapshots.extend(effects.snapshot);
        let about_snapshots = effects.send_snapshot.into_iter();
        self.lane.extend(about_snapshots.map(|(to, message)| (id, to.0, message)));
        self.wire.extend(effects.send.into_iter().map(|(to, message)| (id, to.0, message)));
        for Answer { ticket, result } in effects.answers {
            let earlier = self.answers.insert(ticket.0, result);
            assert!(earlier.is_none(), "a request is answered once");
        }
        any
    }

    /// Everything that is on its way arrives, and nothing else happens.
    pub(crate) fn deliver_all(&mut self) {
        self.deliver();
    }

    fn deliver(&mut self) -> bool {
        let moved = !self.wire.is_empty() || !self.lane.is_empty();
        for (from, to, message) in std::mem::take(&mut self.lane) {
            let cut = self.isolated.contains(&from) || self.isolated.contains(&to);
            if let Some(running) = self.members.get_mut(&to).filter(|_| !cut) {
                running.replica.receive_snapshot(self.now, MemberId(from), message);
            }
        }
        for (from, to, message) in std::mem::take(&mut self.wire) {
            let cut = self.isolated.contains(&from) || self.isolated.contains(&to);
            if let Some(running) = self.members.get_mut(&to).filter(|_| !cut) {
                running.replica.receive(self.now, MemberId(from), message);
            }
        }
        moved
    }

    /// Time passes until `id` leads: the others are kept from campaigning meanwhile.
    pub(crate) fn elect(&mut self, id: u64) {
        let others: Vec<u64> = self.ids().into_iter().filter(|&other| other != id).collect();
        while self.replica(id).raft().role() == RoleName::Follower {
            self.now.monotonic_ms += 10;
            let now = self.now;
            self.members.get_mut(&id).expect("it runs").replica.tick(now);
        }
        self.settle();
        self.pass(10);
        assert!(self.replica(id).raft().is_leader(), "{id} leads");
        for other in others {
            assert_eq!(self.replica(other).raft().leader(), Some(MemberId(id)));
        }
    }

    pub(crate) fn replica(&self, id: u64) -> &Replica {
        &self.members[&id].replica
    }

    pub(crate) fn running(&mut self, id: u64) -> &mut Running {
        self.members.get_mut(&id).expect("it runs")
    }

    pub(crate) fn leader(&self) -> Option<u64> {
        self.members.iter().find(|(_, m)| m.replica.raft().is_leader()).map(|(&id, _)| id)
    }

    /// Who leads, if several believe it.
    pub(crate) fn leader_of_the_newest_term(&self) -> Option<u64> {
        let leading = self.members.iter().filter(|(_, m)| m.replica.raft().is_leader());
        leading.max_by_key(|(_, m)| m.replica.raft().term()).map(|(&id, _)| id)
    }

    // Requests.

    pub(crate) fn submit(&mut self, id: u64, request: Request, timeout_ms: u64) -> u64 {
        self.tickets += 1;
        let (ticket, timeout) = (Ticket(self.tickets), Duration::from_millis(timeout_ms));
        let now = self.now;
        self.running(id).replica.submit(now, Submission { ticket, request, timeout });
        self.tickets
    }

    /// Submits a put, and lets nothing move yet.
    pub(crate) fn put(&mut self, id: u64, key: &str, value: &str) -> u64 {
        self.submit(id, put(key, value), 5_000)
    }

    pub(crate) fn answer(&self, ticket: u64) -> Option<&Result<Done, Failure>> {
        self.answers.get(&ticket)
    }

    pub(crate) fn is_done(&self, ticket: u64) -> bool {
        matches!(self.answer(ticket), Some(Ok(_)))
    }

    pub(crate) fn failure(&self, ticket: u64) -> Option<Failure> {
        self.answer(ticket).and_then(|answer| answer.as_ref().err().copied())
    }

    /// What this member's store holds for `key` now.
    pub(crate) fn value(&self, id: u64, key: &str) -> Option<String> {
        let (found, _) = self.replica(id).reader().get(key.as_bytes(), None).expect("readable");
        found.map(|found| String::from_utf8(found.value.to_vec()).expect("text"))
    }

    /// Messages on their way, to be looked at or changed.
    pub(crate) fn wire(&mut self) -> &mut VecDeque<(u64, u64, PeerMessage)> {
        &mut self.wire
    }

    /// Moves one member's effects onto the wire, and nothing else.
    pub(crate) fn emit(&mut self, id: u64) {
        let stalled = self.stalled_disks.clone();
        self.stalled_disks.push(id);
        self.work(id);
        self.stalled_disks = stalled;
    }

    /// The member has no stream for its message.
    pub(crate) fn unsent(&mut self, id: u64, message: &PeerMessage) {
        let now = self.now;
        self.running(id).replica.unsent(now, message);
    }

    /// A reply of the log thread that the test makes up.
    pub(crate) fn log_fails(&mut self, id: u64) {
        let now = self.now;
        let reply = LogReply::Failed("no more disk".into());
        self.running(id).replica.log_reply(now, reply);
    }

    /// The member is told how much memory its store may take.
    pub(crate) fn limit_memory(&mut self, id: u64, bytes: u64) {
        let now = self.now;
        self.running(id).replica.limit_memory(now, bytes);
    }

    /// The member is told how much room its log has.
    pub(crate) fn measured(&mut self, id: u64, room: Room) {
        let now = self.now;
        self.running(id).replica.measured(now, room);
    }

    pub(crate) fn close_stream(&mut self, id: u64, from: u64) {
        let now = self.now;
        self.running(id).replica.stream_closed(now, MemberId(from));
    }

    pub(crate) fn open_stream(&mut self, id: u64, from: u64) {
        let now = self.now;
        self.running(id).replica.stream_opened(now, MemberId(from));
    }

    /// The member's stream to another one broke, and with it what was on its way.
    pub(crate) fn break_stream(&mut self, id: u64, to: u64) {
        self.wire.retain(|&(from, at, _)| (from, at) != (id, to));
        let now = self.now;
        self.running(id).replica.stream_broke(now, MemberId(to));
    }

    /// One member does what it can do at once: a turn of apply, and its disk's work.
    pub(crate) fn work_once(&mut self, id: u64) {
        self.work(id);
    }

    pub(crate) fn now(&self) -> Now {
        self.now
    }

    /// What is visible on this member.
    pub(crate) fn applied(&self, id: u64) -> Index {
        Index(self.replica(id).reader().published().applied_index)
    }

    /// How old the member says that its state may be.
    pub(crate) fn age_ms(&self, id: u64) -> Option<u64> {
        self.replica(id).as_of_ms().map(|as_of_ms| self.now.monotonic_ms - as_of_ms)
    }

    /// All members stand still for so long: nobody takes a tick.
    pub(crate) fn freeze(&mut self, ms: u64) {
        self.now.monotonic_ms += ms;
        self.now.wall_ms += ms;
    }
}

/// A put with a name: the store knows a second copy of it for one.
pub(crate) fn put_once(origin: Origin, key: &str, value: &str) -> Request {
    let put = Put::new(key.to_owned(), value.to_owned());
    let command = Command::Once { origin, command: Box::new(put.into()) };
    Request::Write { command: command.encode(), forward: true }
}

/// Gives the first put that was read to be applied another value. Whether there was one.
fn alter(reply: &mut LogReply) -> bool {
    let LogReply::Entries { purpose: Purpose::Apply, entries } = reply else { return false };
    let altered = entries.iter_mut().filter(|entry| entry.kind == EntryKind::Command);
    altered.into_iter().any(|entry| match Command::decode(entry.payload.clone()) {
        Ok(Command::Put { put, condition }) => {
            let put = Put { value: "wrong".into(), ..put };
            entry.payload = Command::Put { put, condition }.encode();
            true
        }
        _ => false,
    })
}

pub(crate) fn put(key: &str, value: &str) -> Request {
    let command = Command::from(Put::new(key.to_owned(), value.to_owned()));
    Request::Write { command: command.encode(), forward: true }
}
