//! One member: a machine with a disk, and the process that runs on it, if one does.
//!
//! The process is the production replica and log worker. What the server does with two threads
//! is done here by two events: a *step* of the replica thread (take what has gathered in the
//! inbox, then the tick, hand out, apply for a turn, hand out again: the order of the server's own
//! loop), and a batch of disk work *done* by the log thread.
//!
//! ```text
//!   inbox ──▶ step ──▶ Effects.log ──▶ queued ──▶ batch at work ── time ──▶ replies ──▶ inbox
//! ```
//!
//! # When the disk does the work
//!
//! A batch takes simulated time, and a crash may come at any moment of it. Two choices cover the
//! three states a crash can find the disk in. A coin decides whether the log worker does all of
//! the batch at the beginning of that time (a crash then finds it durable, and nobody told) or at
//! the end (a crash then finds nothing of it). In between, the disk itself is told to die in its
//! k-th operation from now: then the batch is written half, or written and not flushed.

use std::collections::VecDeque;
use std::path::PathBuf;

use disk::SimDisk;
use raft::{Entry, Index, MemberId, Now};
use replica::{
    Configuration, DataDirectory, FoundSnapshots, LogReply, LogRequest, LogWorker, PeerMessage,
    Recovered, Replica, Room, SnapshotMessage, SnapshotReply, SnapshotWorker, Submission, open_log,
    open_snapshots,
};

use crate::plan::{self, FOUNDED_MS, Plan};
use crate::safety::{DiskWatch, Silence};
use crate::snapshot_thread::SnapshotThread;
use crate::spare_thread::SpareThread;
use crate::time::{Span, Time};

/// The log thread has nothing to do for this long before it tidies up (rule 1.3).
const IDLE: Span = Span(100_000);

/// What waits for the replica thread.
#[derive(Debug)]
pub(crate) enum Input {
    Message(MemberId, PeerMessage),
    Opened(MemberId),
    Closed(MemberId),
    /// The member's own stream to the other one broke.
    Broke(MemberId),
    Unsent(PeerMessage),
    Log(LogReply),
    AboutSnapshot(MemberId, SnapshotMessage),
    Snapshot(SnapshotReply),
    Room(Room),
    /// What its store may retain, in bytes; 0 is without a limit.
    MemoryLimit(u64),
    Submit(Submission),
}

/// What a start finds.
pub(crate) struct Found {
    pub(crate) directory: DataDirectory<SimDisk>,
    pub(crate) worker: LogWorker<SimDisk>,
    pub(crate) recovered: Recovered,
    pub(crate) snapshots: SnapshotWorker<SimDisk>,
    pub(crate) kept: FoundSnapshots,
}

/// A machine.
pub(crate) struct Member {
    pub(crate) id: MemberId,
    pub(crate) disk: SimDisk,
    /// How often a process was started on it.
    pub(crate) life: u64,
    pub(crate) process: Option<Process>,
    /// Disk work takes so many times longer.
    pub(crate) disk_slowness: u64,
    /// Its disk has no room for now.
    pub(crate) filled: bool,
    /// What was arranged for one of the next disk operations.
    pub(crate) armed: Option<Armed>,
    /// Its disk has harmed its log, so it may come back with less than it had.
    pub(crate) harmed: bool,
    /// ... and it has not been started since, so nobody knows whether it can.
    pub(crate) unsound: bool,
    /// It could not vouch for its log, and is not started any more.
    pub(crate) lost: bool,
    /// Where the newest configuration stood in its log when its last process ended.
    pub(crate) configured: Index,
    /// Its snapshot that was damaged last.
    pub(crate) damaged_snapshot: Option<PathBuf>,
    /// Its state was altered.
    pub(crate) wrong: bool,
    /// Where the newest snapshot ended that took the place of its log.
    pub(crate) installed: Index,
    /// Operations that had failed on the disk by then.
    failed_before: u64,
    wall: WallClock,
}

/// A machine's wall clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallClock {
    set_at: Time,
    set_to_ms: u64,
    /// It advances so many milliseconds in a thousand.
    rate: u64,
}

impl WallClock {
    fn at(&self, now: Time) -> u64 {
        self.set_to_ms + now.since(self.set_at).0 * self.rate / 1_000_000
    }
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// It crashes; its streams are closed, at once or after what was on its way.
    Crash {
        /// At once.
        reset: bool,
    },
    /// The machine loses power.
    PowerCut,
}

/// What happens in a disk operation to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Armed {
    /// It is the last one of the process.
    Dies(Death),
    /// It fails, or is cut short.
    Fails,
}

/// A running process.
pub(crate) struct Process {
    pub(crate) replica: Replica,
    pub(crate) inbox: VecDeque<Input>,
    pub(crate) step_planned: bool,
    pub(crate) tick_due: bool,
    pub(crate) paused: bool,
    pub(crate) log: LogThread,
    pub(crate) snapshots: SnapshotThread,
    pub(crate) spares: SpareThread,
    pub(crate) silence: Silence,
    pub(crate) disk_watch: DiskWatch,
    /// When it went on after a pause, or began.
    pub(crate) resumed: Time,
    /// Its monotonic clock shows the time since then.
    started: Time,
    wall: WallClock,
    /// Locked while it runs.
    _directory: DataDirectory<SimDisk>,
}

/// The log thread, with its queue.
pub(crate) struct LogThread {
    worker: LogWorker<SimDisk>,
    queued: Vec<LogRequest>,
    work: Work,
    /// The batch at work writes something.
    writes: bool,
    /// A tick was taken since it began.
    ticked: bool,
    /// Since when there is nothing to do.
    idle_since: Time,
}

/// The batch at work.
enum Work {
    Nothing,
    /// To be done at the end of its time.
    Late(Vec<LogRequest>),
    /// Done already; nobody was told.
    Early(Vec<LogReply>),
}

impl Member {
    pub(crate) fn new(id: MemberId, plan: &Plan) -> Member {
        Member {
            id,
            disk: SimDisk::new(),
            life: 0,
            process: None,
            disk_slowness: 1,
            filled: false,
            armed: None,
            harmed: false,
            unsound: false,
            configured: Index(0),
            lost: false,
            damaged_snapshot: None,
            wrong: false,
            installed: Index(0),
            failed_before: 0,
            wall: WallClock {
                set_at: Time(0),
                set_to_ms: plan.wall_ms.get(&id).copied().unwrap_or(FOUNDED_MS),
                rate: 1_000,
            },
        }
    }

    /// Makes its data directory, and writes the founding configuration to its empty log.
    pub(crate) fn found(&mut self, plan: &Plan, configuration: &Configuration, salt: u64) -> Entry {
        let mut found = self.open(plan, salt).expect("a new disk works");
        assert!(found.recovered.configuration.is_none(), "the disk is new");
        found.directory.set_cluster(configuration.cluster_id).expect("a new disk works");
        let founded = found.worker.found(configuration, FOUNDED_MS).expect("a new disk works");
        let entries = founded.log.entries(Index(1), Index(1), usize::MAX);
        entries.and_then(|mut entries| entries.pop()).expect("it was just written")
    }

    /// What a start finds on the disk; a failure says what stands in the way.
    pub(crate) fn open(&self, plan: &Plan, salt: u64) -> Result<Found, String> {
        let (id, name) = (self.id.0, format!("node-{}", self.id));
        let fresh = || (id, u128::from(id));
        let directory = DataDirectory::open(self.disk.clone(), plan::directory(), &name, fresh);
        let directory = directory.map_err(|error| error.to_string())?;
        let options = plan.log_options(self.id, salt);
        let path = directory.snapshots_path();
        let log = open_log(
            &self.disk,
            &directory.log_path(),
            &path,
            options,
            plan.tail_bytes_max(self.id),
        );
        let (worker, mut recovered) = log.map_err(|error| error.to_string())?;
        let opened = open_snapshots(self.disk.clone(), &path, &mut recovered);
        let (snapshots, kept) = opened.map_err(|error| error.to_string())?;
        Ok(Found { directory, worker, recovered, snapshots, kept })
    }

    /// Starts a process with what was found on the disk.
    pub(crate) fn start(&mut self, now: Time, plan: &Plan, seed: u64, found: Found) {
        assert!(self.process.is_none(), "one process a machine");
        let Found { directory, worker, recovered, snapshots, kept } = found;
        let configuration = recovered.configuration.clone();
        // Who joins knows of its cluster what it was told.
        let configuration = configuration.unwrap_or_else(|| plan.configuration());
        let config = plan.config(self.id, seed);
        let clocks = Now { monotonic_ms: 0, wall_ms: self.wall.at(now) };
        let FoundSnapshots { store, kept, configuration: at_state, .. } = kept;
        let store = store.unwrap_or_default();
        let mut replica = Replica::new(config, configuration, recovered, store, clocks);
        replica.keep_snapshots(plan.snapshot_options(self.id), kept, at_state);
        replica.set_turn_units(plan.turn_units(self.id));
        self.life += 1;
        let spares = SpareThread::new(worker.spare_keeper(), now);
        self.process = Some(Process {
            replica,
            inbox: VecDeque::new(),
            step_planned: false,
            tick_due: false,
            paused: false,
            log: LogThread {
                worker,
                queued: Vec::new(),
                work: Work::Nothing,
                writes: false,
                ticked: false,
                idle_since: now,
            },
            snapshots: SnapshotThread::new(snapshots),
            spares,
            silence: Silence::default(),
            disk_watch: DiskWatch::default(),
            resumed: now,
            started: now,
            wall: self.wall,
            _directory: directory,
        });
    }

    /// The process is gone, and with it what only it knew. Its disk keeps what this death leaves.
    pub(crate) fn end(&mut self, death: Death, chance: u64) -> Option<Process> {
        self.disk.fail_never();
        self.armed = None;
        let process = self.process.take();
        if let Some(process) = &process {
            self.configured = process.replica.raft().configuration_index();
        }
        match death {
            Death::Crash { .. } => self.disk.crash_process(),
            Death::PowerCut => self.disk.power_cut(chance),
        }
        process
    }

    /// Whether what was arranged for the disk has struck, and nothing has come of it yet.
    pub(crate) fn has_failed_in_passing(&self) -> bool {
        self.armed.is_some() && self.disk.counts().faults != self.failed_before
    }

    /// A disk operation failed, and its consequences are over.
    pub(crate) fn forget_failure(&mut self) {
        self.failed_before = self.disk.counts().faults;
        self.armed = None;
    }

    /// Arranges for one of the next disk operations, unless one has failed already and its
    /// consequences are still to come.
    pub(crate) fn arm(&mut self, nth: u64, armed: Armed, fault: disk::Fault) {
        if self.armed.is_some() && self.disk.counts().faults != self.failed_before {
            return;
        }
        self.failed_before = self.disk.counts().faults;
        self.armed = Some(armed);
        self.disk.fail_at(nth, fault);
    }

    /// Takes back what was arranged for the disk, if it has not struck yet.
    pub(crate) fn disarm(&mut self) {
        if self.disk.counts().faults == self.failed_before {
            self.disk.fail_never();
            self.armed = None;
        }
    }

    /// Its wall clock is set to another time, and goes on at another rate.
    pub(crate) fn jump_clock(&mut self, now: Time, by_ms: u64, forwards: bool, rate: u64) {
        let shows_ms = self.wall.at(now);
        let set_to_ms = if forwards { shows_ms + by_ms } else { shows_ms - by_ms };
        let earliest = plan::FOUNDED_MS - 2 * plan::WALL_SKEW_MS_MAX;
        let latest = plan::FOUNDED_MS + 2 * plan::WALL_SKEW_MS_MAX;
        let set_to_ms = set_to_ms.clamp(earliest, latest);
        self.wall = WallClock { set_at: now, set_to_ms, rate };
        if let Some(process) = &mut self.process {
            process.wall = self.wall;
        }
    }

    /// The process of that life, if it is the one that runs.
    pub(crate) fn process_of(&mut self, life: u64) -> Option<&mut Process> {
        self.process.as_mut().filter(|_| self.life == life)
    }
}

impl Process {
    /// What its clocks show.
    pub(crate) fn clocks(&self, now: Time) -> Now {
        let monotonic_ms = now.since(self.started).0 / 1_000;
        Now { monotonic_ms, wall_ms: self.wall.at(now) }
    }

    /// Everything in the inbox, then the tick if one is due. The member's own invariants are
    /// checked after each input.
    pub(crate) fn feed(&mut self, now: Time) {
        let now = self.clocks(now);
        while let Some(input) = self.inbox.pop_front() {
            if let Input::Message(from, _) = &input {
                self.silence.heard(*from);
            }
            let before = self.replica.raft().before();
            self.feed_one(now, input);
            self.replica.raft().assert_invariants(&before);
        }
        if std::mem::take(&mut self.tick_due) {
            let before = self.replica.raft().before();
            self.replica.tick(now);
            self.replica.raft().assert_invariants(&before);
        }
    }

    fn feed_one(&mut self, now: Now, input: Input) {
        match input {
            Input::Message(from, message) => self.replica.receive(now, from, message),
            Input::Opened(peer) => self.replica.stream_opened(now, peer),
            Input::Closed(peer) => self.replica.stream_closed(now, peer),
            Input::Broke(peer) => self.replica.stream_broke(now, peer),
            Input::Unsent(message) => self.replica.unsent(now, &message),
            Input::Log(reply) => self.replica.log_reply(now, reply),
            Input::AboutSnapshot(from, message) => {
                self.replica.receive_snapshot(now, from, message);
            }
            Input::Snapshot(reply) => self.replica.snapshot_reply(now, reply),
            Input::Room(room) => self.replica.measured(now, room),
            Input::MemoryLimit(bytes) => self.replica.limit_memory(now, bytes),
            Input::Submit(submission) => self.replica.submit(now, submission),
        }
    }
}

impl LogThread {
    pub(crate) fn queue(&mut self, requests: Vec<LogRequest>) {
        self.queued.extend(requests);
    }

    /// Takes everything that is queued to work, unless a batch is at work already. Whether it
    /// did: then `finish` is due after a while.
    pub(crate) fn begin(&mut self, early: bool) -> bool {
        if !matches!(self.work, Work::Nothing) || self.queued.is_empty() {
            return false;
        }
        let batch = std::mem::take(&mut self.queued);
        self.writes = batch.iter().any(|request| matches!(request, LogRequest::Persist(_)));
        self.ticked = false;
        self.work = if early { Work::Early(self.worker.handle(batch)) } else { Work::Late(batch) };
        true
    }

    /// A tick was taken. Whether the same batch has been writing since the one before.
    pub(crate) fn tick(&mut self) -> bool {
        let busy = self.writes && !matches!(self.work, Work::Nothing);
        busy && std::mem::replace(&mut self.ticked, true)
    }

    /// Whether the batch at work is done, and failed.
    pub(crate) fn has_failed(&self) -> bool {
        match &self.work {
            Work::Early(replies) => is_failure(replies),
            Work::Nothing | Work::Late(_) => false,
        }
    }

    /// The batch's time is over.
    pub(crate) fn finish(&mut self, now: Time) -> Vec<LogReply> {
        self.idle_since = now;
        match std::mem::replace(&mut self.work, Work::Nothing) {
            Work::Nothing => panic!("only what was begun is finished"),
            Work::Late(batch) => self.worker.handle(batch),
            Work::Early(replies) => replies,
        }
    }

    /// Nothing is at work or queued.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.work, Work::Nothing) && self.queued.is_empty()
    }

    /// Tidies up if there has been nothing to do for a while. A failure of the log ends it.
    pub(crate) fn idle(&mut self, now: Time) -> Option<LogReply> {
        if !self.is_idle() || now.since(self.idle_since) < IDLE {
            return None;
        }
        self.idle_since = now;
        match self.worker.idle() {
            Ok(_) | Err(wal::Error::Preparation(_) | wal::Error::Removal(_)) => None,
            Err(error @ wal::Error::Poisoned { .. }) => Some(LogReply::Failed(error.to_string())),
        }
    }
}

/// Whether the log failed for good.
pub(crate) fn is_failure(replies: &[LogReply]) -> bool {
    replies.iter().any(|reply| matches!(reply, LogReply::Failed(_)))
}
