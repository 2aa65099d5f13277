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

use disk::SimDisk;
use raft::{Entry, Index, MemberId, Now};
use replica::{
    Configuration, DataDirectory, LogReply, LogRequest, LogWorker, PeerMessage, Recovered, Replica,
    Submission, open_log,
};
use store::Store;

use crate::plan::{self, FOUNDED_MS, Plan};
use crate::time::{Span, Time};

/// The log thread has nothing to do for this long before it tidies up (rule 1.3).
const IDLE: Span = Span(100_000);

/// What waits for the replica thread.
#[derive(Debug)]
pub(crate) enum Input {
    Message(MemberId, PeerMessage),
    Opened(MemberId),
    Closed(MemberId),
    Unsent(PeerMessage),
    Log(LogReply),
    Submit(Submission),
}

/// What a start finds.
pub(crate) struct Found {
    pub(crate) directory: DataDirectory<SimDisk>,
    pub(crate) worker: LogWorker<SimDisk>,
    pub(crate) recovered: Recovered,
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
    /// What was arranged for one of the next disk operations.
    pub(crate) armed: Option<Armed>,
    /// Operations that had failed on the disk by then.
    failed_before: u64,
    /// What its wall clock showed when the life began, in ms.
    wall_ms: u64,
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
    /// Its monotonic clock shows the time since then.
    started: Time,
    wall_ms: u64,
    /// Locked while it runs.
    _directory: DataDirectory<SimDisk>,
}

/// The log thread, with its queue.
pub(crate) struct LogThread {
    worker: LogWorker<SimDisk>,
    queued: Vec<LogRequest>,
    work: Work,
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
            armed: None,
            failed_before: 0,
            wall_ms: plan.wall_ms[&id],
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
        let options = plan.log_options(salt);
        let log =
            open_log(self.disk.clone(), &directory.log_path(), options, plan.tail_bytes_max());
        let (worker, recovered) = log.map_err(|error| error.to_string())?;
        Ok(Found { directory, worker, recovered })
    }

    /// Starts a process with what was found on the disk.
    pub(crate) fn start(&mut self, now: Time, plan: &Plan, seed: u64, found: Found) {
        assert!(self.process.is_none(), "one process a machine");
        let Found { directory, worker, recovered } = found;
        let configuration = recovered.configuration.clone();
        let configuration = configuration.expect("a founded log holds its configuration");
        let config = plan.config(self.id, seed);
        let clocks = Now { monotonic_ms: 0, wall_ms: self.wall_ms + now.0 / 1_000 };
        let mut replica = Replica::new(config, configuration, recovered, Store::new(), clocks);
        replica.set_turn_units(plan.limits.turn_units);
        self.life += 1;
        self.process = Some(Process {
            replica,
            inbox: VecDeque::new(),
            step_planned: false,
            tick_due: false,
            paused: false,
            log: LogThread { worker, queued: Vec::new(), work: Work::Nothing, idle_since: now },
            started: now,
            wall_ms: self.wall_ms,
            _directory: directory,
        });
    }

    /// The process is gone, and with it what only it knew. Its disk keeps what this death leaves.
    pub(crate) fn end(&mut self, death: Death, chance: u64) -> Option<Process> {
        self.disk.fail_never();
        self.armed = None;
        let process = self.process.take();
        match death {
            Death::Crash { .. } => self.disk.crash_process(),
            Death::PowerCut => self.disk.power_cut(chance),
        }
        process
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

    /// The process of that life, if it is the one that runs.
    pub(crate) fn process_of(&mut self, life: u64) -> Option<&mut Process> {
        self.process.as_mut().filter(|_| self.life == life)
    }
}

impl Process {
    /// What its clocks show.
    pub(crate) fn clocks(&self, now: Time) -> Now {
        let monotonic_ms = now.since(self.started).0 / 1_000;
        Now { monotonic_ms, wall_ms: self.wall_ms + now.0 / 1_000 }
    }

    /// Everything in the inbox, then the tick if one is due. The member's own invariants are
    /// checked after each input.
    pub(crate) fn feed(&mut self, now: Time) {
        let now = self.clocks(now);
        while let Some(input) = self.inbox.pop_front() {
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
            Input::Unsent(message) => self.replica.unsent(now, &message),
            Input::Log(reply) => self.replica.log_reply(now, reply),
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
        self.work = if early { Work::Early(self.worker.handle(batch)) } else { Work::Late(batch) };
        true
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

    /// Tidies up if there has been nothing to do for a while. A failure of the log ends it.
    pub(crate) fn idle(&mut self, now: Time) -> Option<LogReply> {
        let is_idle = matches!(self.work, Work::Nothing) && self.queued.is_empty();
        if !is_idle || now.since(self.idle_since) < IDLE {
            return None;
        }
        self.idle_since = now;
        match self.worker.idle() {
            Ok(_) | Err(wal::Error::Preparation(_)) => None,
            Err(error @ wal::Error::Poisoned { .. }) => Some(LogReply::Failed(error.to_string())),
        }
    }
}

/// Whether the log failed for good.
pub(crate) fn is_failure(replies: &[LogReply]) -> bool {
    replies.iter().any(|reply| matches!(reply, LogReply::Failed(_)))
}
